#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# An idle tunnel costs its keep-alives and nothing else: the side that asks wakes
# up to ask and for the answer, the other one to answer.
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
lab_tscfd_start -o tun.workers=1
lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
	--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o tunnel.keepalive=2s
wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"

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

# Asking tse would wake it up: the firewall counts a request, and the
# acknowledgement of its answer.
exchanges() {
	[ "$(lab_firewall_count passed)" -ge "$1" ]
}

mapfile -t of_tse < <(threads "$(lab_pid tse)" tse)
mapfile -t of_tscfd < <(threads "$(lab_pid tscfd)" tscfd-0)
is "${#of_tse[@]} ${#of_tscfd[@]}" "1 1" "tse has one thread, tscfd one worker"

# The start is over when it only asks.
asked=$(keepalives)
lab_firewall strict
wait_for 20 exchanges 4 || lab_fail "no keep-alives"
lab_firewall strict
at_tse=$(wake_ups "${of_tse[@]}")
at_tscfd=$(wake_ups "${of_tscfd[@]}")
check "keep-alives go on" wait_for 30 exchanges 10
at_tse=$(($(wake_ups "${of_tse[@]}") - at_tse))
at_tscfd=$(($(wake_ups "${of_tscfd[@]}") - at_tscfd))
asked=$(($(keepalives) - asked - 2))
diag "$asked keep-alives: tse woke up $at_tse times, tscfd's worker $at_tscfd times"
at_least "$asked" 4 "there were some"
at_least $((2 * asked + 1)) "$at_tse" "tse wakes up to ask and for the answer"
at_least $((asked + 3)) "$at_tscfd" "tscfd wakes up to answer"
lab_stop tse
tap_done
