#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The units are well-formed, the daemons start with the capabilities that these
# leave them, and tell the service manager when they are ready and when not.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build}
# shellcheck source-path=SCRIPTDIR source=../netns/tap.sh
. "$SOURCE/tests/netns/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../netns/lab.sh
. "$SOURCE/tests/netns/lab.sh"

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/notify_socket" "$SOURCE/tests/docs/notify_socket.c"

# ------------------------------------------------------------------- units

# The units as they would be installed, with our programs.
make_units() {
	local unit
	mkdir "$LAB_DIR/units"
	cp "$SOURCE/etc/systemd/tse-tunnel.target" "$SOURCE/etc/systemd/tscfd.socket" \
		"$LAB_DIR/units"
	for unit in tse@.service tscfd.service; do
		sed "s,@sbindir@,$BUILD," "$SOURCE/etc/systemd/$unit.in" >"$LAB_DIR/units/$unit"
	done
}

# What systemd-analyze has to say; nothing when all is well.
verify() {
	systemd-analyze verify --man=no "$LAB_DIR/units/$1" 2>&1 || echo "exit status $?"
}

test_units() {
	local unit
	for unit in tse@.service tscfd.service tscfd.socket tse-tunnel.target; do
		if command -v systemd-analyze >/dev/null; then
			is "$(verify "$unit")" "" "$unit: systemd-analyze finds nothing"
		else
			skip "$unit" "there is no systemd-analyze"
		fi
	done
}

# ------------------------------------------------------------ notification

# listen NAME: collects what is sent to the socket LAB_DIR/NAME.notify.
listen() {
	lab_spawn ue "$1-notify" "$LAB_DIR/notify_socket" "$LAB_DIR/$1.notify"
	wait_for 5 test -S "$LAB_DIR/$1.notify" || lab_fail "notify_socket does not start"
}

# heard NAME LINE [TIMES]
heard() {
	[ "$(grep -cxE -- "$2" "$LAB_DIR/$1-notify.log")" -ge "${3:-1}" ]
}

# bounds UNIT: the capabilities that it leaves a process, for setpriv.
bounds() {
	sed -n 's/^CapabilityBoundingSet=//p' "$LAB_DIR/units/$1" |
		sed 's/CAP_/+/g; s/ /,/g; s/^/-all,/' | tr '[:upper:]' '[:lower:]'
}

# As the units start them.
start_tscfd() {
	NOTIFY_SOCKET=$LAB_DIR/tscfd.notify lab_spawn tscf tscfd \
		setpriv --bounding-set "$(bounds tscfd.service)" --no-new-privs \
		"$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o control.socket="$LAB_DIR/tscfd.sock"
}

start_tse() {
	NOTIFY_SOCKET=$LAB_DIR/tse.notify lab_spawn ue tse \
		setpriv --bounding-set "$(bounds tse@.service)" --no-new-privs \
		"$BUILD/tse" --foreground --profile alice --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
}

# capabilities NAME: effective and bounding set, in hexadecimal.
capabilities() {
	sed -nE 's/^Cap(Eff|Bnd):\t0*(.+)$/\2/p' "/proc/$(lab_pid "$1")/status" | xargs
}

test_tse_waits() {
	listen tse
	start_tse
	check "tse says that it has no tunnel yet" wait_for 20 heard tse 'STATUS=waiting: .*'
	refuse "and not that it is ready" heard tse READY=1
}

test_tscfd() {
	listen tscfd
	start_tscfd
	check "tscfd is ready" wait_for 10 heard tscfd READY=1
	check "it listens then" lab_tscfd_ready
	is "$(capabilities tscfd)" "0 0" "it has no capability left"
	kill -HUP "$(lab_pid tscfd)"
	check "it reloads on SIGHUP, and is ready again" wait_for 10 heard tscfd READY=1 2
	check "it has said so" heard tscfd RELOADING=1
}

test_tse() {
	lab_tsectl alice kick >/dev/null || true
	check "tse is ready" wait_for 20 heard tse READY=1
	check "and says that the tunnel is up" heard tse 'STATUS=tunnel up, 10\.64\..*'
	is "$(lab_state alice STATE)" up "the tunnel is up then"
	is "$(capabilities tse)" "1000 0" "CAP_NET_ADMIN is all it has left"
}

test_stop() {
	local name status
	for name in tse tscfd; do
		status=0
		lab_stop "$name" || status=$?
		is "$status" 0 "$name ends on SIGTERM with status 0"
		check "and has said that it would" heard "$name" STOPPING=1
	done
}

make_units
test_units
test_tse_waits
test_tscfd
test_tse
test_stop
tap_done
