#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A server that knows TS 24.322 and none of our control messages:
#
#   tse, peer = auto and 24322  --->  plain_eftf.py, written from the standards alone
#   tse, peer = 24322  ------------>  tscfd, plain = yes: both of ours
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly call_seconds=2 call_packets=100

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice
lab_firewall strict
tools=$lab_top/tests/tools

test_calls() {
	local family
	for family in 4 6; do
		check "IPv$family: alice registers" lab_register ue alice "$family"
		check "IPv$family: alice calls bob" lab_call "$call_seconds" "$family"
		is "$(lab_rtp core .received)/$(lab_rtp ue .received)" "$call_packets/$call_packets" \
			"IPv$family: every packet arrives, both ways"
	done
}

# eftf_start [OPTION]...
eftf_start() {
	lab_spawn tscf eftf python3 "$tools/plain_eftf.py" --cert "$LAB_DIR/pki/server.crt" \
		--key "$LAB_DIR/pki/server.key" --ca "$LAB_DIR/pki/ca.crt" "$@"
	wait_for 10 grep -q '^ready' "$LAB_DIR/eftf.log" || lab_fail "the EFTF does not start"
}

eftf_log() {
	cat "$LAB_DIR/eftf.log"
}

# tse_up PATTERN DESCRIPTION [OPTION]...: what tse-up says.
tse_up() {
	local pattern=$1 description=$2 output status=0
	shift 2
	output=$(lab_tse_up alice "$@" 2>&1) || status=$?
	is "$status" 0 "$description"
	like "$output" "$pattern" "and it says so"
}

tse_down() {
	check "tse-down" lab_tse_down alice
	lab_stop eftf || true
}

peers() {
	cat "$LAB_DIR/state/alice/peers" 2>/dev/null || echo none
}

test_native_alone() {
	eftf_start --unknown close
	exits 13 "with peer = native, tse gets no tunnel from an EFTF" \
		lab_tse_up alice -o tscf.peer=native
	is "$(eftf_log | grep -c '^DHCP')" 0 "and asks nothing by DHCP"
	exits 13 "neither where credentials are configured" \
		lab_tse_up alice -o tscf.user=alice -o tscf.password-file=/dev/null
	is "$(eftf_log | grep -c '^DHCP')" 0 "nor then"
	lab_stop eftf || true
}

# There is no keep-alive to ask with whether the server is there: a renewal does.
test_sign_of_life() {
	local before
	before=$(eftf_log | grep -c 'ciaddr 10.64.0.100' || true)
	check "tsectl kick" lab_tsectl alice kick
	if wait_for 3 has_asked_more "$before"; then
		ok "asks for a sign of life by a renewal"
	else
		not_ok "no sign of life was asked for" "$(eftf_log)"
	fi
}

has_asked_more() {
	[ "$(eftf_log | grep -c 'ciaddr 10.64.0.100')" -gt "$1" ]
}

test_24322() {
	eftf_start --lease 20 --deaf "$LAB_DIR/deaf"
	tse_up 'tunnel .*10\.64\.0\.100/32 fd64:64:64:64:.*, MTU 1400, 2 IMS routes, plain TS 24.322' \
		"peer = 24322: a tunnel from an EFTF" -o tscf.peer=24322
	is "$(eftf_log | grep -c envelope)" 0 "which got no envelope but IP packets"
	is "$(lab_state alice PCSCF)" "$LAB_PCSCF4 $LAB_PCSCF6" "P-CSCFs by options 120 and 22"
	is "$(lab_tsectl alice status --json | jq -rc '[.dns, .domains] | flatten')" \
		'["10.99.0.53","fd99::53","ims.example"]' "DNS servers and a domain"
	like "$(in_ns ue ip route show table 24322)" "$LAB_IMS4 dev tse0 .*src 10\.64\.0\.100" \
		"the route of option 121"
	test_calls
	test_sign_of_life
	# T1 is 10 s after the lease began.
	if wait_for 12 grep -q 'DHCP REQUEST from 10.64.0.100 to 10.64.0.1 .*ciaddr 10.64.0.100' \
		"$LAB_DIR/eftf.log"; then
		ok "the lease is renewed at T1, from the address itself"
	else
		not_ok "no renewal" "$(eftf_log)"
	fi
	is "$(lab_state alice STATE)" up "and the tunnel is still up"
	tse_down
	like "$(eftf_log)" 'DHCP RELEASE from 10\.64\.0\.100 to 10\.64\.0\.1' "with a DHCPRELEASE"
}

test_auto() {
	rm -f "$LAB_DIR/state/alice/peers"
	eftf_start --unknown close --sip-names --no-ipv6
	tse_up 'plain TS 24.322 peer' "peer = auto: an EFTF that closes on a Configuration Request"
	like "$(eftf_log | tr '\n' ' ')" 'type 0x80 connection closed.*connection 2 DHCP DISCOVER' \
		"is dialled anew, and asked by DHCP"
	like "$(peers)" '^tscf\.example\.net:443 plain [0-9]+$' "this is remembered"
	is "$(lab_state alice PCSCF)" pcscf.example.net "P-CSCFs by name"
	is "$(lab_state alice INNER6)" '' "one family is enough"
	check "alice registers" lab_register ue alice 4
	tse_down
	eftf_start --unknown close --no-dhcp4 --no-routes
	tse_up 'MTU 1400, 1 IMS route,' "it is asked by DHCP at once, the next time" \
		-o steering.routes="$LAB_IMS6"
	is "$(eftf_log | grep -c envelope)" 0 "without a Configuration Request"
	is "$(lab_state alice INNER4)" '' "IPv6 alone, and routes of the profile"
	check "alice registers" lab_register ue alice 6
	tse_down
}

test_silence() {
	rm -f "$LAB_DIR/state/alice/peers"
	eftf_start
	local started=$SECONDS
	tse_up 'plain TS 24.322 peer' "an EFTF that skips what it does not know"
	at_least $((SECONDS - started)) 9 "is asked by DHCP after 10 s"
	is "$(eftf_log | grep -c '^connection [0-9]')" 1 "on the same connection"
	# The EFTF dies under the tunnel, and comes back.
	lab_stop eftf KILL || true
	wait_for 5 has_lost || true
	refuse "it is lost when the EFTF is killed" is_up
	eftf_start
	# Idle clients take their time, lest all of them come at once.
	check "tsectl kick" lab_tsectl alice kick
	if wait_for 15 is_up; then ok "and comes back with it"; else not_ok "it stays lost"; fi
	check "alice registers" lab_register ue alice 4
	tse_down
}

# Who takes a native server for a plain one takes it back.
test_late_answer() {
	rm -f "$LAB_DIR/state/alice/peers"
	lab_spawn tscf peer "$tools/hostile_peer.py" server --cert "$LAB_DIR/pki/server.crt" \
		--key "$LAB_DIR/pki/server.key" --wait 30 late
	wait_for 5 lab_is_listening tscf 443 || lab_fail "the peer does not listen"
	tse_up 'tunnel .*10\.64\.0\.2/32' "a Configuration Response that comes late"
	like "$(cat "$LAB_DIR/peer.log")" 'asked by DHCP' "when it has been asked by DHCP already"
	is "$(peers)" "tscf.example.net:443 native" "counts: the server is native"
	check "tse-down" lab_tse_down alice
	lab_stop peer || true
}

is_up() {
	[ "$(lab_state alice STATE)" = up ]
}

has_lost() {
	! is_up
}

# A server that has answered once is never taken for a plain one: whoever can
# break connections must not be able to lead tse there.
test_native_for_ever() {
	rm -f "$LAB_DIR/state/alice/peers"
	lab_tscfd_start -o listen.plain=yes
	check "peer = auto: tscfd is native" lab_tse_up alice
	is "$(peers)" "tscf.example.net:443 native" "which is remembered"
	check "tse-down" lab_tse_down alice
	lab_stop tscfd || true
	eftf_start --unknown close
	exits 13 "in its place an EFTF gets nothing" lab_tse_up alice
	is "$(eftf_log | grep -c '^DHCP')" 0 "but Configuration Requests"
	lab_stop eftf || true
	lab_tscfd_start -o listen.plain=yes
	tse_up 'plain TS 24.322 peer' "both plain roles together: tse and tscfd" -o tscf.peer=24322
	test_calls
	check "tse-down" lab_tse_down alice
	lab_stop tscfd || not_ok "tscfd does not end"
}

test_native_alone
test_24322
test_auto
test_silence
test_late_answer
test_native_for_ever
tap_done
