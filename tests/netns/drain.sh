#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A TSCF is taken out of service: its clients move to another one before they
# leave, a call is not disturbed by it, and the process ends when all have gone,
# or at the time limit.
#
#    tscf   tscfd   port  443, tscf0, pool 10.64.0.0/16   drains
#           other   port 8443, tscf1, pool 10.65.0.0/16
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly other=$LAB_NAME:8443 peer=$lab_top/tests/tools/hostile_peer.py

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice bob
lab_firewall open

start_other() {
	lab_spawn tscf other "$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o control.socket="$LAB_DIR/other.sock" -o listen.address="[::]:8443,0.0.0.0:8443" \
		-o tun.interface=tscf1 -o pool.ipv4=10.65.0.0/16 -o pool.ipv6=fd65::/48
	wait_for 5 in_log other 'is ready' || lab_fail "no other TSCF"
}

tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o traversal.mode=always
	check "alice's tunnel is up" wait_for 10 lab_tsectl alice status
}

# in_log DAEMON REGULAR-EXPRESSION
in_log() {
	grep -E "$2" "$LAB_DIR/$1.log" >/dev/null
}

has_address_like() {
	# shellcheck disable=SC2053 # a pattern
	[[ $(lab_state alice INNER4) == $1 ]]
}

tscfd_has_ended() {
	lab_has_ended "$(lab_pid tscfd)"
}

packets_down() {
	lab_tsectl alice --json status | jq .counters.packets_down
}

media_flows() {
	[ "$(packets_down)" -gt "$1" ]
}

# start_call SECONDS: media both ways, in the background.
start_call() {
	local address before
	address=$(lab_state alice INNER4)
	before=$(packets_down)
	lab_streams "$1" "$LAB_PCSCF4" 40000 "${address%/*}" 40010 &
	streams=$!
	wait_for 3 media_flows $((before + 20)) || lab_fail "no call"
}

test_wrong_usage() {
	exits 1 "drain to a place that is none" lab_tscfctl drain --to 'two words'
	exits 1 "drain without time" lab_tscfctl drain --time-limit 0
	exits 2 "a time that is no number" lab_tscfctl drain --time-limit soon
	exits 2 "an argument" lab_tscfctl drain now
	is "$(lab_tscfctl --json status | jq .draining)" null "and nothing drains"
}

test_idle() {
	local status=0
	lab_spawn ue ping ping -n -i 0.02 "$LAB_PCSCF4"
	like "$(lab_tscfctl drain --to "$other")" 'draining 1 tunnel,' "drain an idle tunnel"
	check "it moves" wait_for 5 has_address_like '10.65.*'
	lab_wait 5 tscfd || status=$?
	is "$status" 0 "tscfd ends by itself, with status 0"
	lab_stop ping INT || true
	check "its client had released the tunnel" in_log tscfd 'released by the client'
	check "and has moved" in_log tse "moved to $LAB_NAME port 8443"
	refuse "nothing was lost meanwhile" in_log tse 'tunnel lost'
	check "traffic flows" in_ns ue ping -q -c 1 -W 1 "$LAB_PCSCF4"
	is "$(lab_tsectl alice --json status | jq '[.tscf.port, .reconnects] | tostring')" '"[8443,0]"' \
		"tsectl says where the tunnel is"
}

# Where it lives now is where it comes back to.
test_comes_back_there() {
	lab_stop other KILL 2>/dev/null || true
	start_other
	lab_tsectl alice kick >/dev/null || true
	check "the other one restarted: the tunnel comes back there" wait_for 10 has_address_like '10.65.*'
	lab_tse_down alice
}

test_call() {
	local gap
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	tse_start
	start_call 4
	check "drain during a call" lab_tscfctl drain --to "$other" --time-limit 60
	is "$(lab_tscfctl --json status | jq '[.draining, .tunnels] | tostring')" '"[true,1]"' \
		"the call's tunnel stays, and the status says that it drains"
	lab_spawn ue bob "$peer" client --profile "$LAB_DIR/bob.conf" --wait 2 unknown
	check "a newcomer is refused" wait_for 5 grep -q 'result 10' "$LAB_DIR/bob.log"
	wait "$streams" || true
	gap=$(jq -s '[.[].longest_gap_ms] | max | floor' "$LAB_DIR/ue.rtp" "$LAB_DIR/core.rtp")
	diag "the call while tscfd drains: longest gap $gap ms"
	at_least $((200 - gap)) 0 "the call has not noticed"
	check "when it has ended, its tunnel moves" wait_for 10 has_address_like '10.65.*'
	check "and tscfd ends" wait_for 5 tscfd_has_ended
	lab_tse_down alice
}

test_redirected() {
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	tse_start
	start_call 5
	lab_tscfctl drain --to "$other" --time-limit 3 >/dev/null
	check "at the time limit a call's tunnel moves all the same" wait_for 4 has_address_like '10.65.*'
	wait "$streams" || true
	check "and tscfd ends" wait_for 5 tscfd_has_ended
	lab_tse_down alice

	# bob's tunnel keeps the old one alive while alice comes for the first time.
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	lab_spawn ue bob "$peer" client --profile "$LAB_DIR/bob.conf" --wait 20 unknown
	wait_for 5 grep -q 'result 0' "$LAB_DIR/bob.log"
	lab_tscfctl drain --to "$other" --time-limit 6 >/dev/null
	tse_start
	check "who comes while it drains is sent on" has_address_like '10.65.*'
	check "and was told so" in_log tse 'sends us to'
	check "who does not go is sent away at the limit" wait_for 10 tscfd_has_ended
	check "with a word" in_log tscfd 'bob .* ended .*: this TSCF is shutting down'
	lab_stop bob >/dev/null 2>&1 || true
	lab_tse_down alice
}

# The other one cannot be reached: the tunnel stays as long as it can.
test_no_other() {
	lab_stop other
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	tse_start
	lab_tscfctl drain --to "$other" --time-limit 4 >/dev/null
	check "nobody is there: it stays" wait_for 5 in_log tse 'cannot move to .*: .*staying'
	check "with traffic" in_ns ue ping -q -c 1 -W 1 "$LAB_PCSCF4"
	check "until the limit" wait_for 6 tscfd_has_ended
	check "which it is told" in_log tse 'tunnel lost: .*shutting down'
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	lab_tsectl alice kick >/dev/null || true
	check "and comes back to the one in its profile" wait_for 10 has_address_like '10.64.*'
	lab_tscfctl drain >/dev/null
	check "drain to nowhere: it says that there is no other" wait_for 5 in_log tse 'names no other one'
	lab_tse_down alice
	check "when it goes, tscfd does" wait_for 5 tscfd_has_ended
}

start_other
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
tse_start
test_wrong_usage
test_idle
test_comes_back_there
test_call
test_redirected
test_no_other
tap_done
