#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Step 3 against real proxies: nothing goes out but through squid or tinyproxy,
# which run in `access`.  A capture at the UE shows that CONNECT and the TLS that
# follows share one TCP connection, and that nothing else was sent.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./proxy_servers.sh

readonly failure_no_name=2 failure_unreachable=3 failure_silent=4 failure_auth=5 failure_portal=6 \
	failure_forbidden=7 failure_gateway=8 failure_nonsense=9

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
for program in squid tinyproxy python3; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
tap_begin lab_down
lab_up
lab_pki
lab_firewall proxy

build_driver() {
	local flags
	flags="$(pkg-config --cflags --libs libcares openssl) -lev -linih -lm"
	# shellcheck disable=SC2086 # several flags
	cc -std=gnu11 -D_GNU_SOURCE -O1 -I"$lab_top/src" -o "$LAB_DIR/proxy_connect" \
		"$lab_top"/tests/tools/proxy_connect.c "$lab_top"/tests/io/stall.c \
		"$lab_top"/src/io/proxy_{dial,exchange,answer,url}.c \
		"$lab_top"/src/io/{curl_library,errand,dial,race,resolve,mark}.c "$lab_top"/src/core/*.c $flags
}

# --- servers -----------------------------------------------------------------

# In the place of tscfd: gives each line back, reversed.
tls_start() {
	lab_spawn tscf tls openssl s_server -accept 443 -rev \
		-cert "$LAB_DIR/pki/server.crt" -key "$LAB_DIR/pki/server.key"
	wait_for 5 lab_is_listening tscf 443
}

# --- the client --------------------------------------------------------------

# through [OPTION]...: step 3, with a capture; fills $out and $status.
through() {
	local url=http://$proxy_name:3128
	status=0
	lab_capture_start
	out=$(in_ns ue "$LAB_DIR/proxy_connect" -m 0x24322 -a "$LAB_DIR/pki/ca.crt" "$@" \
		"${url_of_proxy:-$url}" "$LAB_NAME" "${port:-443}") || status=$?
	lab_capture_stop
}

value() {
	sed -n "s/^$1=//p" <<<"$out"
}

# Number of TCP connections that the UE began.
connections() {
	lab_capture_count 'tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn and tcp dst port 3128 or
		(ip6 and ip6[6] = 6 and ip6[53] & 0x12 = 2 and dst port 3128)'
}

# The first octets that the UE sent on a connection: all in one line.
sent_from() {
	tshark -n -r "$LAB_DIR/capture.pcap" -Y "tcp.srcport == $1 && tcp.len > 0" \
		-d tcp.port==3128,echo -T fields -e tcp.payload 2>/dev/null | tr -d '\n:'
}

# passes CONNECTIONS DESCRIPTION: TLS ran, on the connection that CONNECT opened,
# which was the last of that many; and there was nothing but the proxy.
passes() {
	local sent others
	is "$status" 0 "$2: TLS through the proxy works"
	[ "$status" -eq 0 ] || diag "$out"
	is "$(connections)" "$1" "$2: $1 TCP connection(s)"
	if [ "$status" -eq 0 ]; then
		sent=$(sent_from "$(value port)")
		# "CONNECT tscf.example.net:443" ... empty line, then a TLS record: handshake.
		like "$sent" "^(434f4e4e454354.*)?434f4e4e45435420$(printf '%s' "$LAB_NAME:443" | xxd -p).*0d0a0d0a160301" \
			"$2: CONNECT with the name, and then TLS, on the very same connection"
	fi
	others=$(lab_capture_count "not port 3128 and not port 88 and not arp and not icmp6 and
		not (ip6 and ip6[6] = 0)")
	is "$others" 0 "$2: nothing else left the UE"
	smooth "$2"
}

# fails FAILURE STATUS WORDS DESCRIPTION
fails() {
	is "$status" "$1" "$4: the right verdict"
	is "$(value status)" "$2" "$4: HTTP status $2"
	like "$(value why)" "$3" "$4: explained"
	smooth "$4"
}

smooth() {
	check "$1: the loop never stood still for 20 ms" [ "$(value gap)" -lt 20 ]
}

# --- the networks ------------------------------------------------------------

test_squid() {
	squid_start 'http_access allow tunnel'
	through
	passes 1 "squid"
	url_of_proxy=http://$LAB_PROXY4:3128 through
	passes 1 "squid by its IPv4 address"
	url_of_proxy="http://[$LAB_PROXY6]:3128" through
	passes 1 "squid by its IPv6 address"
	through -u alice -w secret
	passes 1 "squid, with credentials that it does not want"
	port=444 through
	fails "$failure_gateway" 503 'could not reach the TSCF' "squid, which the TSCF refuses"
	lab_stop squid || true

	squid_start 'http_access deny tunnel'
	through
	fails "$failure_forbidden" 403 'allow CONNECT to port 443' "squid without CONNECT"
	lab_stop squid || true
}

test_basic() {
	printf 'alice:%s\n' "$(openssl passwd -apr1 secret)" >"$LAB_DIR/basic"
	chmod 644 "$LAB_DIR/basic"
	squid_start "auth_param basic program /usr/lib/squid/basic_ncsa_auth $LAB_DIR/basic" \
		'auth_param basic realm lab' 'acl known proxy_auth REQUIRED' \
		'http_access allow tunnel known'
	through -u alice -w secret
	passes 1 "Basic"
	through
	fails "$failure_auth" 407 'offers: Basic\).*proxy-user' "Basic, without credentials"
	through -u alice -w wrong
	fails "$failure_auth" 407 'does not accept' "Basic, wrong password"
	url_of_proxy=http://alice:secret@$proxy_name:3128 through
	fails "$failure_auth" 407 'readable to all' "Basic, credentials not from the profile"
	lab_stop squid || true
}

test_digest() {
	printf 'alice:lab:%s\n' "$(printf 'alice:lab:secret' | md5sum | cut -c1-32)" >"$LAB_DIR/digest"
	chmod 644 "$LAB_DIR/digest"
	local lines=("auth_param digest program /usr/lib/squid/digest_file_auth -c $LAB_DIR/digest"
		'auth_param digest realm lab' 'acl known proxy_auth REQUIRED'
		'http_access allow tunnel known')
	squid_start "${lines[@]}"
	through -u alice -w secret
	passes 1 "Digest"
	through
	fails "$failure_auth" 407 'offers: Digest' "Digest, without credentials"
	through -u alice -w wrong
	fails "$failure_auth" 407 'does not accept' "Digest, wrong password"
	lab_stop squid || true

	squid_start "${lines[@]}" 'client_persistent_connections off'
	through -u alice -w secret
	passes 2 "Digest, closed after 407"
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
		'acl known proxy_auth REQUIRED' 'http_access allow tunnel known'
	through -k "$LAB_DIR/kdc/alice.keytab"
	passes 2 "Negotiate with a key table"
	check "Negotiate: no ticket is left behind" [ ! -e "/tmp/krb5cc_$(id -u)" ]
	in_ns access kinit -c "FILE:$LAB_DIR/cache" -kt "$LAB_DIR/kdc/alice.keytab" alice
	through -c "FILE:$LAB_DIR/cache"
	passes 2 "Negotiate with the caller's cache"
	through
	fails "$failure_auth" 407 'no Kerberos ticket.*Negotiate' "Negotiate, without a ticket"
	# A KDC that is silent blocks its caller for many seconds.
	in_ns access nft add table inet kdc '{ chain input { type filter hook input priority 0;
		meta l4proto { tcp, udp } th dport 88 drop; }; }'
	through -k "$LAB_DIR/kdc/alice.keytab" -t 2
	fails "$failure_auth" 407 'Kerberos server reachable' "Negotiate, silent KDC"
	check "Negotiate, silent KDC: within the time" [ "$(value ms)" -lt 2300 ]
	in_ns access nft delete table inet kdc
	lab_stop squid || true
}

test_tinyproxy() {
	tinyproxy_start 'ConnectPort 443'
	through
	passes 1 "tinyproxy"
	port=444 through
	fails "$failure_forbidden" 403 'allow CONNECT to port 444' "tinyproxy, another port"
	lab_stop tinyproxy || true

	tinyproxy_start 'BasicAuth alice secret'
	through -u alice -w secret
	passes 2 "tinyproxy with Basic"
	through
	fails "$failure_auth" 407 'offers: Basic' "tinyproxy with Basic, without credentials"
	lab_stop tinyproxy || true
}

test_no_proxy_there() {
	through
	fails "$failure_unreachable" 0 'refused' "no proxy on that port"
	url_of_proxy=http://192.0.2.99:3128 through -t 1
	fails "$failure_unreachable" 0 'no answer within 1 s' "a proxy behind a black hole"
	url_of_proxy=http://nowhere.example.net:3128 through -t 1
	fails "$failure_no_name" 0 'resolver' "a proxy without an address"
	hostile_start --always portal
	through
	fails "$failure_portal" 302 'portal.hotel.example' "a captive portal in the proxy's place"
	lab_stop hostile || true
	hostile_start --always slow
	through -t 1
	fails "$failure_silent" 0 'not a whole answer' "an octet a second"
	lab_stop hostile || true
	hostile_start --always chunked
	through
	fails "$failure_nonsense" 200 'more behind it' "a page behind the 200"
	lab_stop hostile || true
}

check "the driver is built" build_driver
tls_start
test_squid
test_basic
test_digest
test_negotiate
test_tinyproxy
test_no_proxy_there
tap_done
