#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A call on a path of 120 ms, on which nothing passes for two seconds: how soon it is
# heard again, and how much of what was said before still comes.
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
lab_build_linkemu

readonly way=60 # ms, each
# Live again after a round trip and 250 ms.  What was last heard had been sent before the
# outage, and came `way` later: this much of it is part of the silence no more.  And a
# packet is due every 20 ms.
readonly silence_bound=$((2000 + 2 * way + 250 - way + 20))
# What is said in half a round trip and 100 ms, until the silence is seen, is 8 packets;
# and half as much again where one segment cannot hold all that a lane has lost.
readonly late_bound=20

tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o "tscf.server=$LAB_TSCF4" "$@"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

lane_count() {
	lab_tsectl alice -j status | jq '.lanes | length'
}

# heard SIDE KEY
heard() {
	jq -r "$2" "$LAB_DIR/$1-media.log"
}

# call SECONDS: media both ways, and waits for its end.
call() {
	local inner
	inner=$(lab_state alice INNER4)
	lab_spawn core core-media "$LAB_DIR/rtp_stream" 40000 "${inner%/*}" 40010 "$1"
	lab_spawn ue ue-media "$LAB_DIR/rtp_stream" 40010 "$LAB_PCSCF4" 40000 "$1"
	wait_for "$(($1 + 8))" lab_has_ended "$(lab_pid ue-media)" &&
		wait_for 5 lab_has_ended "$(lab_pid core-media)"
}

# cut_path AT: from then on, for two seconds, nothing passes.
cut_path() {
	lab_shape --both "delay=$way,rate=20M,queue=200ms,outage=$1+2"
	wait_for 5 in_ns ue ping -q -c 1 -W 1 "$LAB_TSCF4" || lab_fail "no path"
}

# better FIGURE VALUE: keeps the smaller one of two calls.
better() {
	if [ -z "${best[$1]:-}" ] || [ "$2" -lt "${best[$1]}" ]; then
		best[$1]=$2
	fi
}

outage() {
	local side
	cut_path 5
	tse_start
	check "a call, and an outage of 2 s in it" call 9
	for side in ue core; do
		at_least "$(heard "$side" '.longest_silence_ms | floor')" 1800 "$side hears nothing meanwhile"
		better "$side silence" "$(heard "$side" '.longest_silence_ms | ceil')"
		better "$side late" "$(heard "$side" .late)"
		diag "$side: $(cat "$LAB_DIR/$side-media.log")"
	done
}

# One call of forty comes close to the bounds: of two, the better one counts.
test_lanes() {
	local side
	local -A best=()
	outage
	lab_stop tse || true
	outage
	for side in ue core; do
		at_least "$silence_bound" "${best[$side silence]}" \
			"$side hears live speech within a round trip and 250 ms after it"
		at_least "$late_bound" "${best[$side late]}" "at most $late_bound packets come late"
	done
	at_least "$(lane_count)" 2 "several lanes did that"
	is "$(lab_tsectl alice -j status | jq .reconnects)" 0 "the tunnel has lived on"
	lab_stop tse || true
}

# TCP's timers are all that there is, but its queue is as short.
test_one_lane() {
	local side
	cut_path 4
	tse_start -o tunnel.lanes=1
	check "a call on one lane" call 9
	for side in ue core; do
		at_least 3500 "$(heard "$side" '.longest_silence_ms | ceil')" "$side hears live speech within 1.5 s"
		at_least "$late_bound" "$(heard "$side" .late)" "at most $late_bound packets come late"
		diag "$side: $(cat "$LAB_DIR/$side-media.log")"
	done
	lab_stop tse || true
}

lab_tscfd_start
test_lanes
test_one_lane
lab_stop tscfd || true
tap_done
