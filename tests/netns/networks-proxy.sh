#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Networks that nothing leaves but through an HTTP proxy, squid or tinyproxy: step 3
# runs on the very connection that CONNECT opened, and what a proxy refuses is told
# as the proxy's doing.
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

readonly url=http://$proxy_name:$proxy_port
readonly -a by_proxy=(-o "traversal.proxy=$url")
readonly -a authenticated=('acl known proxy_auth REQUIRED' 'http_access allow tunnel known')

# crosses NAME FIREWALL CONNECTIONS [OPTION]...: with a tunnel through the proxy.
crosses() {
	local name=$1 firewall=$2 connections=$3
	shift 3
	visit "$name" "$firewall" "${by_proxy[@]}" "$@"
	finds 0 strict tunnel-proxy proxy
	says 'step 2 tls +failed' "step 3 proxy +passed .*$LAB_NAME port 443 through .*$proxy_port"
	tried sip nat tls portal proxy # a reset or silence may be a portal's
	shares_connection "$connections"
}

# is_stopped NAME STATUS VERDICT PATTERN NEXT [OPTION]...: by the proxy.
is_stopped() {
	local name=$1 wanted=$2 verdict=$3
	visit "$name" proxy-reject "${by_proxy[@]}" "${@:6}"
	finds "$wanted" "${firewall_found:-strict}" "$verdict" ""
	says 'step 3 proxy +failed' "^ *failed +proxy .*$4" "next step +$5"
	tried sip nat tls portal proxy
	leave
}

# --- proxies that let everybody pass ----------------------------------------------

test_squid() {
	squid_start 'http_access allow tunnel'
	crosses "squid, and the rest vanishes" proxy 1
	check "$network: an app registers" lab_register ue alice 4
	check "$network: alice calls bob, INVITE to BYE" lab_call 1 4
	is "$(lab_rtp core .received) $(lab_rtp ue .received)" "50 50" \
		"$network: all media arrives, both ways"
	leave
	crosses "squid, and the rest is reset" proxy-reject 1
	leave
	crosses "squid, and TLS has no time" proxy 1 -o traversal.tls-timeout=300ms
	leave

	https_proxy=$url visit "squid, by the environment of tse-up's caller" proxy-reject \
		-o traversal.proxy=auto
	finds 0 strict tunnel-proxy proxy
	shares_connection 1
	leave

	visit "squid, steps overlap" proxy "${by_proxy[@]}" -o traversal.overlap=yes
	finds 0 strict tunnel-proxy proxy
	says 'step 2 tls +failed' 'step 3 proxy +passed'
	like "$(attempts)" 'proxy .*sip' "$network: the proxy was asked before SIP had failed"
	leave

	visit "squid first" strict "${by_proxy[@]}" -o traversal.order=proxy-first
	finds 0 strict tunnel-proxy proxy
	says 'step 3 proxy +passed'
	tried sip nat proxy
	shares_connection 1
	leave

	visit "squid is there, but not needed" strict "${by_proxy[@]}"
	finds 0 strict tunnel direct
	tried sip nat tls
	leave

	is_stopped "squid, and the TSCF is down" 17 dead 'could not reach the TSCF' \
		'Ask the operator whether the TSCF runs' -o "tscf.server=$LAB_NAME:444"
	lab_stop squid || true

	visit "proxy first, but it is not there" strict-reject "${by_proxy[@]}" \
		-o traversal.order=proxy-first
	finds 0 strict tunnel direct
	says 'step 3 proxy +failed' '^ *failed +proxy .*connection refused' 'step 2 tls +passed'
	tried sip nat proxy tls
	leave
}

test_tinyproxy() {
	tinyproxy_start 'ConnectPort 443'
	crosses "tinyproxy" proxy-reject 1
	check "$network: an app registers" lab_register ue alice 4
	leave
	lab_stop tinyproxy || true
}

# --- proxies that want to know who we are --------------------------------------------

secret_file() {
	(umask 077 && printf '%s\n' "$1" >"$LAB_DIR/password")
}

test_basic() {
	local -a with=(-o traversal.proxy-user=alice -o "traversal.proxy-password-file=$LAB_DIR/password")
	printf 'alice:%s\n' "$(openssl passwd -apr1 secret)" >"$LAB_DIR/basic"
	chmod 644 "$LAB_DIR/basic"
	squid_start "auth_param basic program /usr/lib/squid/basic_ncsa_auth $LAB_DIR/basic" \
		'auth_param basic realm lab' "${authenticated[@]}"
	secret_file secret
	crosses "Basic" proxy-reject 1 "${with[@]}"
	leave
	is_stopped "Basic, without credentials" 14 proxy-auth 'offers: Basic' 'Set \[traversal\] proxy-user'
	secret_file wrong
	is_stopped "Basic, with a wrong password" 14 proxy-auth 'does not accept' \
		'Set \[traversal\] proxy-user' "${with[@]}"
	lab_stop squid || true

	secret_file secret
	tinyproxy_start 'BasicAuth alice secret'
	crosses "tinyproxy with Basic, closed after 407" proxy-reject 2 "${with[@]}"
	leave
	lab_stop tinyproxy || true
}

test_digest() {
	local -a with=(-o traversal.proxy-user=alice -o "traversal.proxy-password-file=$LAB_DIR/password")
	printf 'alice:lab:%s\n' "$(printf 'alice:lab:secret' | md5sum | cut -c1-32)" >"$LAB_DIR/digest"
	chmod 644 "$LAB_DIR/digest"
	squid_start "auth_param digest program /usr/lib/squid/digest_file_auth -c $LAB_DIR/digest" \
		'auth_param digest realm lab' "${authenticated[@]}"
	secret_file secret
	crosses "Digest" proxy-reject 1 "${with[@]}"
	leave
	is_stopped "Digest, without credentials" 14 proxy-auth 'offers: Digest' 'Set \[traversal\] proxy-user'
	lab_stop squid || true
}

test_negotiate() {
	if ! command -v krb5kdc >/dev/null || [ ! -x /usr/lib/squid/negotiate_kerberos_auth ]; then
		skip "Negotiate" "needs krb5-kdc, krb5-admin-server"
		return
	fi
	kdc_start >"$LAB_DIR/kdc.log" 2>&1
	squid_start "auth_param negotiate program /usr/bin/env KRB5_CONFIG=$KRB5_CONFIG \
/usr/lib/squid/negotiate_kerberos_auth -k $LAB_DIR/kdc/proxy.keytab -s HTTP/$proxy_name@$realm" \
		"${authenticated[@]}"
	chmod 644 "$LAB_DIR/kdc/alice.keytab" # tse has given up root when it reads this
	crosses "Negotiate, with a key table" proxy-reject 2 \
		-o "traversal.proxy-keytab=$LAB_DIR/kdc/alice.keytab"
	leave
	is_stopped "Negotiate, without a ticket" 14 proxy-auth 'Negotiate' 'Set .* proxy-keytab'
	lab_stop squid || true
	lab_stop kdc || true
}

# --- proxies that do not let us pass --------------------------------------------------

test_refusals() {
	squid_start 'http_access deny tunnel'
	is_stopped "squid forbids CONNECT" 17 dead 'allow CONNECT to port 443' \
		"Ask the proxy's administrator to allow CONNECT"
	lab_stop squid || true
	tinyproxy_start 'ConnectPort 563'
	is_stopped "tinyproxy forbids the port" 17 dead 'allow CONNECT to port 443' \
		"Ask the proxy's administrator to allow CONNECT"
	lab_stop tinyproxy || true
	hostile_start --always portal
	firewall_found=unknown is_stopped "a portal in the proxy's place" 15 captive \
		'portal\.hotel\.example' 'Open any web page'
	lab_stop hostile || true
	hostile_start --always silence
	is_stopped "the proxy is silent" 7 dead 'answer' '.*network'
	lab_stop hostile || true
	is_stopped "no proxy where one should be" 7 dead 'refused' '.*'
	hostile_start --always garbage
	is_stopped "what answers is no proxy" 13 dead 'HTTP' '.*'
	lab_stop hostile || true
}

test_squid
test_tinyproxy
test_basic
test_digest
test_negotiate
test_refusals
tap_done
