#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# An idle tunnel costs one wake-up in a keep-alive interval on each side: to ask, and
# to answer.  The answer is found when it is time to ask again; but the smallest packet
# wakes tse up at once, and a TSCF that hangs is noticed.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict
# threads PID NAME: of that name; a program's own is its name.
threads() {
	local task
	for task in "/proc/$1/task"/*; do
		if [ "$(cat "$task/comm")" = "$2" ]; then
			echo "$task"
		fi
	done
}

# How often they have waited for something.
wake_ups() {
	local task sum=0
	for task; do
		sum=$((sum + $(sed -n 's/^voluntary_ctxt_switches:\t//p' "$task/status")))
	done
	echo "$sum"
}

keepalives() {
	lab_tsectl alice --json status | jq .counters.keepalives_sent
}

# Asking tse would wake it up.  The firewall counts what it sends: a request and the
# acknowledgement of its answer, or an answer.
exchanges() {
	[ "$(lab_firewall_count passed)" -ge $(($1 * per_exchange)) ]
}

# idle REFRESHER: counts wake-ups while nothing but keep-alives moves.
idle() {
	local of_tse of_tscfd asked at_tse at_tscfd
	per_exchange=1
	[ "$1" = tscf ] || per_exchange=2
	lab_tscfd_start -o tun.workers=1 -o session.keepalive=1s -o session.refresher="$1"
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
	mapfile -t of_tse < <(threads "$(lab_pid tse)" tse)
	mapfile -t of_tscfd < <(threads "$(lab_pid tscfd)" tscfd-0)
	is "${#of_tse[@]} ${#of_tscfd[@]}" "1 1" "$1 asks: tse has one thread, tscfd one worker"

	# The start is over when nothing else moves.
	lab_firewall strict
	wait_for 20 exchanges 3 || lab_fail "no keep-alives"
	asked=$(keepalives)
	lab_firewall strict
	at_tse=$(wake_ups "${of_tse[@]}")
	at_tscfd=$(wake_ups "${of_tscfd[@]}")
	check "$1 asks: keep-alives go on" wait_for 30 exchanges 7
	at_tse=$(($(wake_ups "${of_tse[@]}") - at_tse))
	at_tscfd=$(($(wake_ups "${of_tscfd[@]}") - at_tscfd))
	diag "$1 asks: after 7 keep-alives tse has woken up $at_tse times, tscfd's worker $at_tscfd times"
	# One may be half counted, and 10 s after a tunnel has come tscfd looks whether
	# packets come back, once if nobody has sent any.
	at_least 9 "$at_tse" "$1 asks: tse wakes up once for each"
	at_least 9 "$at_tscfd" "$1 asks: tscfd wakes up once for each"
	asked=$(($(keepalives) - asked))
	case $1 in
	tse) at_least "$asked" 7 "tse has asked" ;;
	tscf) is "$asked" 0 "tse has not asked" ;;
	esac
	is "$(lab_tsectl alice --json status | jq '.rtt_ms > 0 and .rtt_ms < 100')" true \
		"$1 asks: the round trip is not the interval"
}

idle tscf
lab_stop tse
lab_stop tscfd
idle tse

inner=$(lab_tsectl alice --json status | jq -r '.inner4 | split("/")[0]')
for _ in 1 2 3; do
	lab_firewall strict
	wait_for 10 exchanges 1 || lab_fail "no keep-alive"
	check "a packet of 28 octets wakes tse up" in_ns core ping -q -c 1 -s 0 -W 0.5 "$inner"
done

kill -STOP "$(lab_pid tscfd)"
check "that tscfd hangs is noticed" wait_for 40 grep -q 'tunnel lost: .*keep-alive' "$LAB_DIR/tse.log"
kill -CONT "$(lab_pid tscfd)"
lab_tsectl alice kick >/dev/null
check "and when it goes on, the tunnel is back" wait_for 40 in_ns core ping -q -c 1 -W 1 "$inner"
lab_stop tse
tap_done
