#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A call outlives the TSCF's process: killed, restarted, with another number of
# workers, with state files that are torn, damaged, missing or somebody else's.
# The longest gap in the media is measured, both ways, at the ends of the call.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly call_seconds=3 gap_limit=1000 # ms, plus five round trips of nearly nothing
readonly peer=$lab_top/tests/tools/hostile_peer.py

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice bob
lab_firewall strict
readonly state=$LAB_DIR/lib/state

tscfd_start() {
	lab_tscfd_start -o session.state-file="$state" "$@"
}

# In the foreground, so that it has a process id and a log here.
tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
	check "alice's tunnel is up" wait_for 10 is_up
}

is_up() {
	lab_tsectl alice status
}

inner() {
	echo "$(lab_state alice INNER4) $(lab_state alice INNER6)"
}

# in_log DAEMON REGULAR-EXPRESSION
in_log() {
	grep -E "$2" "$LAB_DIR/$1.log" >/dev/null
}

# ---------------------------------------------------------------- the call

packets_down() {
	lab_tsectl alice --json status | jq .counters.packets_down
}

media_flows() {
	[ "$(packets_down)" -gt "$1" ]
}

# during_a_call DESCRIPTION COMMAND...: runs the command in the midst of a call,
# and bounds the longest gap that either end has heard.
during_a_call() {
	local description=$1 address before streams gap
	shift
	address=$(lab_state alice INNER4)
	before=$(packets_down)
	lab_streams "$call_seconds" "$LAB_PCSCF4" 40000 "${address%/*}" 40010 &
	streams=$!
	wait_for 3 media_flows $((before + 20)) || lab_fail "no call"
	"$@"
	wait "$streams" || true
	gap=$(jq -s '[.[].longest_gap_ms] | max | floor' "$LAB_DIR/ue.rtp" "$LAB_DIR/core.rtp")
	diag "$description: longest gap $gap ms," \
		"$(lab_rtp ue .received) and $(lab_rtp core .received) packets of $(lab_rtp core .sent)"
	at_least $((gap_limit - gap)) 0 "$description: the longest gap is below $gap_limit ms"
	is "$(lab_rtp core .from)" "${address%/*}" "from the same address"
}

kill_and_restart() {
	lab_stop tscfd KILL 2>/dev/null || true
	tscfd_start "$@"
}

stop_and_restart() {
	lab_stop tscfd
	tscfd_start "$@"
}

test_restarts() {
	local before workers
	before=$(inner)
	during_a_call "killed, and started again" kill_and_restart
	is "$(inner)" "$before" "both inner addresses are the same"
	check "with its resume token" in_log tscfd 'session .* alice .* resumed, tse'
	refuse "nothing was refused" in_log tse 'did not resume'
	during_a_call "restarted in order" stop_and_restart
	is "$(inner)" "$before" "the same addresses again"
	for workers in 1 3; do
		during_a_call "killed, and started with $workers worker(s)" \
			kill_and_restart -o tun.workers="$workers"
		is "$(inner)" "$before" "and again"
	done
}

# What it was like before there was a state file.
test_without() {
	lab_tscfd_start
	tse_start
	lab_stop tscfd KILL 2>/dev/null || true
	lab_tscfd_start
	lab_tsectl alice kick >/dev/null
	check "without a state file the tunnel comes back" wait_for 5 is_up
	check "but it is another" in_log tse 'a new tunnel with the old addresses'
	lab_tse_down alice
	lab_stop tscfd
}

# ------------------------------------------------------------- quarantine

# The address that bob gets from an independent client.
address_of_bob() {
	lab_spawn ue bob "$peer" client --profile "$LAB_DIR/bob.conf" --wait 20 unknown
	wait_for 5 grep -q 'result 0' "$LAB_DIR/bob.log" || lab_fail "bob gets no tunnel"
	lab_tscfctl --json sessions | jq -r '.sessions[] | select(.identity == "bob").inner4'
	lab_stop bob >/dev/null || true
}

# One worker, so that there is one order in which addresses are given out.
test_quarantine() {
	local address
	lab_tscfd_start -o tun.workers=1
	tse_start
	address=$(lab_state alice INNER4)
	lab_tse_down alice
	lab_stop tscfd
	lab_tscfd_start -o tun.workers=1
	is "$(address_of_bob)" "$address" "without a state file a freed address is given to the next"
	lab_stop tscfd

	tscfd_start -o tun.workers=1
	tse_start
	address=$(lab_state alice INNER4)
	lab_tse_down alice
	stop_and_restart -o tun.workers=1
	isnt "$(address_of_bob)" "$address" "with one it rests, also over a restart"
	tse_start
	is "$(lab_state alice INNER4)" "$address" "and alice finds it again"
	lab_tse_down alice
	lab_stop tscfd
}

isnt() {
	if [ "$1" != "$2" ] && [ -n "$1" ]; then
		ok "$3"
	else
		not_ok "$3" "got: $1"
	fi
}

# ------------------------------------------------------------ state files

# The journal is one of two.
journal() {
	find "$LAB_DIR/lib" -name 'state*' -size +0 -print -quit
}

# after_damage DESCRIPTION LOG COMMAND...: what it does to the files of a killed
# tscfd, and what the next one says of it; the tunnel comes back in any case.
after_damage() {
	local description=$1 log=$2
	shift 2
	lab_stop tscfd KILL 2>/dev/null || true
	"$@"
	tscfd_start
	check "$description: the log says so" in_log tscfd "$log"
	lab_tsectl alice kick >/dev/null
	check "$description: the tunnel comes back" wait_for 5 is_up
}

tear() {
	truncate -s -100 "$(journal)"
}

damage() {
	local file
	file=$(journal)
	printf 'damaged' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 200)) \
		conv=notrunc status=none
}

garble() {
	head -c 5000 /dev/urandom >"$(journal)"
}

lose() {
	rm "$state" "$state.2"
}

test_damage() {
	tscfd_start
	tse_start
	is "$(stat -c '%U %a' "$state" "$state.2" | sort -u)" "root 600" \
		"nobody else may read the state files"
	after_damage "torn" ' 1 torn record' tear
	after_damage "damaged" ' 1 damaged ' damage
	after_damage "nothing but garbage" 'is kept as .*state.*\.damaged' garble
	after_damage "gone" 'is ready' lose
	check "which began new ones" test -s "$(journal)"
	lab_tse_down alice
}

refuses_to_start() {
	local status=$1 words=$2 description=$3 output got=0
	output=$(in_ns tscf timeout 5 "$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o session.state-file="${4:-$state}" -o control.socket="$LAB_DIR/other.sock" \
		-o tun.interface=tscf9 -o listen.address=127.0.0.9:4433 2>&1) || got=$?
	is "$got" "$status" "$description: exit status $status"
	like "$output" "$words" "$description: it says why"
}

test_refusals() {
	refuses_to_start 5 'another process uses' "files in use"
	lab_stop tscfd
	chown daemon "$state"
	refuses_to_start 4 'belongs to user' "another owner"
	chown root "$state"
	chmod 640 "$state"
	refuses_to_start 4 'others may use .*chmod 600' "readable by others"
	chmod 600 "$state"
	ln -s "$state" "$LAB_DIR/lib/link"
	refuses_to_start 4 'is a symbolic link' "a symbolic link" "$LAB_DIR/lib/link"
	refuses_to_start 4 'no regular file' "a device" /dev/null
	refuses_to_start 4 'no directory for' "no directory" "$LAB_DIR/no/such/state"
}

# ----------------------------------------------------- socket activation

can_connect() {
	in_ns ue timeout 1 bash -c "</dev/tcp/$LAB_TSCF4/443"
}

runs_again() {
	[ "$(grep -c '^process' "$LAB_DIR/manager.log")" -gt "$1" ] &&
		[ "$(grep -c 'is ready' "$LAB_DIR/manager.log")" -gt "$1" ]
}

# stop_managed SIGNAL: the program; its manager starts it again after a moment.
stop_managed() {
	kill -s "$1" "$(sed -n 's/^process //p' "$LAB_DIR/manager.log" | tail -n 1)"
}

test_activation() {
	# It also says where leases may be kept.
	lab_spawn tscf manager env STATE_DIRECTORY="${state%/*}" \
		"$lab_top/tests/tools/activate.py" --pause 0.3 \
		"[::]:443" 0.0.0.0:443 127.0.0.1:9 -- "$BUILD/tscfd" --foreground \
		--config "$LAB_DIR/pki/tscfd.conf" -o control.socket="$LAB_DIR/tscfd.sock"
	check "started with the sockets of a service manager" wait_for 5 runs_again 0
	check "which it says" in_log manager 'listening on :: port 443, a socket of the service'
	check "and which one it has no use for" in_log manager '^tscfd: .*1 socket\(s\) .* not used'
	tse_start
	during_a_call "killed, with the manager's sockets" stop_managed KILL
	check "started again" wait_for 5 runs_again 1
	during_a_call "stopped, with the manager's sockets" stop_managed TERM
	check "started again" wait_for 5 runs_again 2
	stop_managed KILL
	check "while no process is there, connections are accepted" can_connect
	check "started again" wait_for 5 runs_again 3
	lab_tse_down alice
	lab_stop manager
	refuse "without the manager they are not" can_connect
}

test_without
tscfd_start
tse_start
test_restarts
lab_tse_down alice
lab_stop tscfd
test_quarantine
test_activation
test_damage
test_refusals
tap_done
