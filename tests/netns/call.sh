#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the project is for: behind a firewall that lets nothing but TCP port 443
# pass, an app that knows of no tunnel registers and holds calls with audio both
# ways, and on the wire there is nothing but the tunnel.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly call_seconds=5 call_packets=250

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice mallory
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start

inner() {
	lab_state alice "INNER$1"
}

# Rules and routes of ours in the UE, of any kind.
steering() {
	in_ns ue ip -4 rule show | grep 24322 || true
	in_ns ue ip -6 rule show | grep 24322 || true
	in_ns ue ip -4 route show table all proto 243
	in_ns ue ip -6 route show table all proto 243
}

test_without() {
	local family
	for family in 4 6; do
		refuse "without the tunnel, IPv$family: alice cannot register" \
			lab_register ue alice "$family"
	done
}

test_up() {
	local output status=0
	output=$(lab_tse_up alice) || status=$?
	is "$status" 0 "tse-up"
	diag "$output"
	like "$output" "10\.99\.0\.0/24 dev tse0" "it shows the IPv4 route into the tunnel"
	like "$output" "fd99::/64 dev tse0" "and the IPv6 route"
	like "$(inner 4)" '^10\.64\.' "the state has the inner IPv4 address"
	like "$(inner 6)" '^fd64:64:64:' "the state has the inner IPv6 address"
	is "$(lab_state alice STATE)" up "the state is up"
	exits 5 "a second tse for the same profile is refused" lab_tse_up alice
}

test_call() {
	local family=$1 transport
	for transport in udp tcp; do
		check "IPv$family, $transport: alice registers" lab_register ue alice "$family" "$transport"
	done
	check "IPv$family: alice calls bob, INVITE to BYE" lab_call "$call_seconds" "$family"
	is "$(lab_rtp core .received)" "$call_packets" "IPv$family: bob gets every packet"
	is "$(lab_rtp ue .received)" "$call_packets" "IPv$family: alice gets every packet"
	is "$(lab_rtp core .duplicates)/$(lab_rtp ue .duplicates)" 0/0 "IPv$family: and each once"
	is "$(lab_rtp core .from)" "$(lab_source ue "$family")" \
		"IPv$family: media comes from the address in alice's SDP"
	diag "one-way delay to bob:   $(lab_rtp core '.delay_ms | tostring')"
	diag "one-way delay to alice: $(lab_rtp ue '.delay_ms | tostring')"
}

test_wire() {
	lab_capture_stop
	at_least "$(lab_capture_count 'tcp port 443')" "$call_packets" "the calls went over port 443"
	is "$(lab_capture_leaks)" "" "and nothing else was on the wire"
	is "$(lab_firewall_count stopped_up)" 0 "the firewall had nothing to stop"
}

test_down() {
	check "tse-down" lab_tse_down alice
	refuse "the interface is gone" in_ns ue ip link show tse0
	is "$(steering)" "" "so are rules and routes"
	exits 3 "there is nothing more to take down" lab_tse_down alice
	refuse "alice cannot register any more" lab_register ue alice 4
	check "tse-up again" lab_tse_up alice
	check "alice registers again" lab_register ue alice 4
	check "tse-down again" lab_tse_down alice
}

# What tse-up says when it does not work, by its exit status.
test_refusals() {
	exits 2 "an unknown option" lab_tse_up alice --nonsense
	exits 3 "no such profile" lab_tse_up nobody
	exits 3 "an unknown key" lab_tse_up alice -o tscf.sever=x
	exits 6 "a name that nobody knows" lab_tse_up alice -o tscf.server=nobody.example.net
	exits 7 "nobody listens there" lab_tse_up alice -o "tscf.server=$LAB_TSCF4:444" --timeout 30
	exits 8 "a server with another name" lab_tse_up alice -o tscf.server=tscf.example.com
	"$lab_top/scripts/tscf-pki" revoke mallory --dir "$LAB_DIR/pki" >/dev/null
	check "tscfctl reload" lab_tscfctl reload
	exits 9 "a revoked certificate" lab_tse_up mallory
	is "$(steering)" "" "failures leave no rule and no route"
}

# Not through `check`, whose subshell is not the parent of tscfd.
test_end() {
	local status=0
	lab_stop tscfd || status=$?
	is "$status" 0 "tscfd ends cleanly"
}

test_without
lab_firewall strict # its counters start at zero again
lab_capture_start
test_up
test_call 4
test_call 6
test_wire
test_down
test_refusals
test_end
tap_done
