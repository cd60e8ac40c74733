#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Networks that block IMS: those that TLS on port 443 crosses, and those through
# which nothing leads, or only a lie: each with its cause, and what to do about it.
# Then one network turns into another.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./access.sh

[ -z "$(lab_missing; access_missing)" ] || tap_skip_all "$({ lab_missing; access_missing; } | head -n 1)"
tap_begin lab_down
lab_need_build
access_up

readonly failed='step 1 sip +failed .*SIP OPTIONS to 10\.99\.0\.10 port 5060 over UDP'
readonly proxy_skipped='step 3 proxy +skipped'

# --- only port 443 -------------------------------------------------------------

up_after() {
	sed -n 's/^ *up *after \([0-9]*\) ms.*/\1/p' <<<"$said"
}

test_strict() {
	visit "only port 443, the rest vanishes" strict
	finds 0 strict tunnel direct
	says "$failed.*no answer" 'step 1 nat +failed' 'step 2 tls +passed .*port 443' '^10\.99\.0\.0/24 dev tse0'
	tried sip nat tls
	check "$network: an app registers" lab_register ue alice 4
	leave
	local sequential
	sequential=$(up_after)

	visit "only port 443, the rest is rejected by ICMP" reject
	finds 0 strict tunnel direct
	says "$failed.*forbidden by a firewall" 'step 2 tls +passed'
	tried sip nat tls
	leave

	visit "only port 443, the rest is reset" strict-reject
	finds 0 strict tunnel direct
	says 'step 1 sip +failed .*connection refused' 'step 2 tls +passed'
	tried sip nat tls
	leave

	in_ns access ip -6 route add blackhole "$LAB_TSCF6"
	visit "only port 443, and only IPv4" strict
	finds 0 strict tunnel direct
	says "step 2 tls +passed .*$LAB_TSCF4"
	tried sip nat tls
	leave
	in_ns access ip -6 route delete blackhole "$LAB_TSCF6"

	visit "only port 443, steps overlap" strict -o traversal.overlap=yes
	finds 0 strict tunnel direct
	like "$(attempts)" 'tls .*sip' "$network: TLS was tried before SIP had failed"
	# 760 ms of SIP; one after the other, 570 ms of STUN come on top.
	check "$network: that is faster ($(up_after) instead of $sequential ms)" \
		[ "$(up_after)" -lt "$((sequential - 400))" ]
	check "$network: but no sooner than SIP has failed" [ "$(up_after)" -ge 700 ]
	leave
}

# --- nothing, as far as one can see ---------------------------------------------

test_dead() {
	visit "everything vanishes" proxy
	finds 7 unknown dead ""
	says "$failed.*no answer" 'step 2 tls +failed .*no answer' "$proxy_skipped" \
		'verdict +dead: .*cannot tell' "next step +Try another network"
	tried sip nat tls portal
	leave

	visit "everything is reset" proxy-reject
	finds 7 strict dead ""
	says 'step 1 sip +failed .*connection refused' 'step 2 tls +failed .*refused' \
		'verdict +dead: IMS services cannot run' 'next step +Ask the operator whether the TSCF runs'
	tried sip nat tls portal
	leave

	visit "everything vanishes, and no resolver" proxy -o tscf.server=tscf.elsewhere.example
	finds 6 strict dead ""
	says 'step 2 tls +failed .*resolve' 'verdict +dead' 'next step +.*DNS'
	tried sip nat
	leave

	local resolver=/etc/netns/$LAB_TAG-ue/resolv.conf
	echo 'nameserver 192.0.2.53' >"$resolver"
	visit "everything vanishes, DNS too" proxy -o tscf.server=tscf.elsewhere.example \
		-o traversal.p-cscf=pcscf.elsewhere.example
	finds 6 strict dead ""
	says 'step 1 sip +failed .*resolve' 'step 2 tls +failed .*resolve' 'verdict +dead' 'next step +.*DNS'
	tried nat
	leave
	echo 'nameserver 127.0.0.1' >"$resolver"

	visit "SIP vanishes, and the TSCF is down" no-sip -o "tscf.server=$LAB_TSCF4:444"
	finds 7 strict dead ""
	says 'step 1 nat +passed' 'step 2 tls +failed .*refused' 'verdict +dead' \
		'next step +Ask the operator whether the TSCF runs'
	tried sip nat tls portal
	leave
}

# --- something else answers -------------------------------------------------------

test_portal() {
	certificate portal.hotel.example
	middlebox_start --redirect http://portal.hotel.example/login \
		--cert "$LAB_DIR/portal.hotel.example.crt" --key "$LAB_DIR/portal.hotel.example.key"
	visit "a captive portal that answers TLS itself" portal
	finds 15 unknown captive ""
	says 'step 2 tls +failed .*portal' 'portal\.hotel\.example/login' 'verdict +captive' \
		'next step +Open any web page'
	tried sip nat tls portal
	lab_firewall open # somebody has signed in
	check "$network: tsectl kick" lab_tsectl "$profile" kick
	check "$network: once somebody has signed in, IMS works" wait_for 5 access_is none direct none
	leave
	lab_stop middlebox || true

	middlebox_start --redirect http://portal.hotel.example/login
	visit "a captive portal that resets TLS" portal
	finds 15 unknown captive ""
	says 'verdict +captive' 'next step +Open any web page'
	tried sip nat tls portal
	leave
	lab_stop middlebox || true
}

test_interception() {
	certificate "$LAB_NAME"
	middlebox_start --cert "$LAB_DIR/$LAB_NAME.crt" --key "$LAB_DIR/$LAB_NAME.key"
	visit "TLS is intercepted" portal
	finds 8 strict inspected ""
	says 'step 2 tls +failed .*issuer' 'verdict +inspected: something on the way intercepts TLS' \
		'next step +Ask .* to exempt the TSCF from TLS inspection'
	tried sip nat tls portal
	leave
	lab_stop middlebox || true
}

test_mute() {
	middlebox_start --mute
	visit "TCP passes on port 443, TLS does not" portal
	finds 7 strict dead ""
	says 'step 2 tls +failed .*TCP connects, but TLS gets no answer' 'verdict +dead' \
		'next step +A firewall that looks into connections'
	tried sip nat tls
	leave
	lab_stop middlebox || true
}

# It does not want us: that is no firewall's doing, and no proxy is asked.
test_refusal() {
	profile=mallory
	"$lab_top/scripts/tscf-pki" revoke mallory --dir "$LAB_DIR/pki" >/dev/null
	check "tscfctl reload" lab_tscfctl reload
	visit "the TSCF refuses a revoked certificate" strict \
		-o "traversal.proxy=http://$proxy_name:$proxy_port"
	finds 9 strict refused ""
	says 'step 2 tls +refused' 'verdict +refused: TLS to the TSCF works' \
		'next step +Check certificate, user and password'
	tried sip nat tls
	leave
	profile=alice
}

# --- one network turns into another -----------------------------------------------

kick() {
	check "$network: tsectl kick" lab_tsectl alice kick
}

# Beside a tunnel the way back to the P-CSCF leads into it, and the strict filter
# drops what comes from there by the other interface: the answers to our probes.
# Most hosts have the loose one, and with the strict one the tunnel just stays.
loosen_reverse_path() {
	in_ns ue sh -c 'echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter'
}

test_changes() {
	visit "an open network" open
	finds 0 none direct none
	network="an open network becomes strict"
	lab_firewall strict
	kick
	check "$network: the tunnel comes" wait_for 5 access_is strict tunnel direct
	check "$network: an app registers" lab_register ue alice 4
	network="a strict network opens"
	loosen_reverse_path
	lab_firewall open
	kick
	# Not left at once: first the direct path must prove itself, without a call.
	check "$network: that is seen, and the tunnel stays for a while" \
		wait_for 5 access_is none tunnel direct
	check "$network: an app registers still" lab_register ue alice 4
	leave

	visit "a dead network" proxy
	finds 7 unknown dead ""
	network="a dead network lets port 443 pass"
	lab_firewall strict
	kick
	check "$network: the tunnel comes" wait_for 10 access_is strict tunnel direct
	leave
}

test_strict
test_dead
test_portal
test_interception
test_mute
test_refusal
test_changes
tap_done
