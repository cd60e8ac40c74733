#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The ground the other tests stand on: without a tunnel, IMS works through the
# lab's open firewall and does not work at all through the strict one.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_up
lab_kamailio_start
lab_pki

# voice 4|6: a second of it from either side, with no signalling before.
voice() {
	local core=$LAB_PCSCF4 ue=198.51.100.2
	if [ "$1" = 6 ]; then
		core=$LAB_PCSCF6 ue=2001:db8:2::2
	fi
	lab_streams 1 "$core" 40020 "$ue" 40030 || true
}

# A TLS server in the place of tscfd.
tls_listen() {
	lab_spawn tscf tls openssl s_server -accept 443 -naccept 2 -quiet \
		-cert "$LAB_DIR/pki/server.crt" -key "$LAB_DIR/pki/server.key"
	wait_for 5 lab_is_listening tscf 443
}

tls_connect() {
	in_ns ue timeout 4 openssl s_client -connect "$LAB_NAME:443" "-$1" -CAfile "$LAB_DIR/pki/ca.crt" \
		-verify_return_error -verify_hostname "$LAB_NAME" </dev/null
}

test_open() {
	local family transport
	lab_firewall open
	for family in 4 6; do
		for transport in udp tcp; do
			check "open, IPv$family, $transport: alice registers" \
				lab_register ue alice "$family" "$transport"
		done
		check "open, IPv$family: alice calls bob" lab_call 2 "$family"
		is "$(lab_rtp core .received)" 100 "open, IPv$family: bob gets every packet"
		is "$(lab_rtp ue .received)" 100 "open, IPv$family: alice gets every packet"
	done
}

test_nat() {
	lab_firewall nat
	check "NAT: alice registers" lab_register ue alice 4
	voice 4
	is "$(lab_rtp core .received)" 50 "NAT: media passes outwards"
	is "$(lab_rtp core .from)" 192.0.2.1 "NAT: from the router's address"
}

test_strict() {
	local family transport
	lab_firewall strict
	for family in 4 6; do
		for transport in udp tcp; do
			refuse "strict, IPv$family, $transport: alice cannot register" \
				lab_register ue alice "$family" "$transport"
		done
		voice "$family"
		is "$(lab_rtp core .sent)" 50 "strict, IPv$family: bob has sent media"
		is "$(lab_rtp ue .sent)" 50 "strict, IPv$family: alice has sent media"
		is "$(lab_rtp core .received)" 0 "strict, IPv$family: bob gets none"
		is "$(lab_rtp ue .received)" 0 "strict, IPv$family: alice gets none"
	done
	at_least "$(lab_firewall_count stopped_up)" 110 "the firewall has counted what it stopped"
	at_least "$(lab_firewall_count stopped_down)" 100 "in both directions"
	is "$(lab_firewall_count passed)" 0 "nothing of it passed"
}

test_port_443() {
	tls_listen
	check "strict: TLS to the TSCF passes over IPv4" tls_connect 4
	check "strict: TLS to the TSCF passes over IPv6" tls_connect 6
	at_least "$(lab_firewall_count passed)" 4 "and is counted"
}

# The capture must see a leak, or its silence later would prove nothing.
test_capture() {
	lab_firewall strict
	lab_capture_start
	in_ns ue ping -q -c 1 -W 0.2 "$LAB_PCSCF6" >/dev/null || true
	in_ns ue bash -c "echo >/dev/udp/$LAB_PCSCF4/5060"
	tls_listen
	tls_connect 4 >/dev/null 2>&1
	tls_connect 6 >/dev/null 2>&1
	lab_capture_stop
	at_least "$(lab_capture_count 'tcp port 443')" 10 "the capture has the tunnel's packets"
	is "$(lab_capture_leaks | wc -l)" 2 "and finds the two that do not belong there"
}

test_refusals() {
	lab_firewall reject
	refuse "reject: alice cannot register" lab_register ue alice 4
	at_least "$(lab_firewall_count stopped_up)" 1 "reject: and the firewall has refused her"
	lab_firewall proxy
	refuse "proxy: alice cannot register" lab_register ue alice 4
	tls_listen
	refuse "proxy: nor does she reach the TSCF" tls_connect 4
}

test_open
test_nat
test_strict
test_port_443
test_capture
test_refusals
tap_done
