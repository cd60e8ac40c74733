# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154 # LAB_DIR and others are lab.sh's
# What must not be there after a start that failed, and what each end has said.
# Sourced after tap.sh and lab.sh.

# Everything that a tse could leave behind in the UE: rules, routes, interfaces,
# processes (and with them their sockets), its files for apps.
tse_traces() {
	local family
	for family in -4 -6; do
		in_ns ue ip "$family" rule show | grep 24322 || true
		in_ns ue ip "$family" route show table all proto 243
	done
	in_ns ue ip -o link show type tun
	lab_pids_of tse
	if [ -d "$LAB_DIR/run" ]; then
		find "$LAB_DIR/run" -name control.sock -o -name state
	fi
}

# lab_pids_of PROGRAM: "PID PROGRAM" for each that runs in the UE.
lab_pids_of() {
	local pid
	for pid in $(ip netns pids "$LAB_TAG-ue"); do
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; then
			echo "$pid $1"
		fi
	done
}

# fails STATUS PATTERN DESCRIPTION COMMAND...: a start that ends with that
# status, says why in words that match, and leaves nothing behind.  Its output
# stays in $said.
fails() {
	local wanted=$1 pattern=$2 description=$3 status=0
	shift 3
	said=$("$@" 2>&1) || status=$?
	is "$status" "$wanted" "$description: exit status $wanted"
	like "$said" "$pattern" "$description: it says why"
	is "$(tse_traces)" "" "$description: nothing is left behind"
}

# Remembers how much tscfd has logged up to now.
log_mark() {
	log_lines=$(wc -l <"$LAB_DIR/tscfd.log")
}

# What it has logged since.
log_since_mark() {
	tail -n "+$((log_lines + 1))" "$LAB_DIR/tscfd.log"
}

log_has() {
	log_since_mark | grep -E -- "$1" >/dev/null
}

# logs_one PATTERN DESCRIPTION: since the mark, about sessions there is just one
# line, and it matches.
logs_one() {
	wait_for 3 log_has "$1" || true
	like "$(log_since_mark | grep 'session ')" "$1" "$2: the server logs why"
	is "$(log_since_mark | grep -c 'session ')" 1 "$2: in one line"
}
