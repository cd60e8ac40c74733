#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# TLS 1.2 and 1.3 with ECDHE and AES-GCM, and nothing else, at either end; seen
# from outside it is an ordinary client of an ordinary server.  Whatever shall be
# refused is first shown to work with an OpenSSL that allows everything.
# shellcheck disable=SC2046,SC2154 # options are words; `said` is set by `fails`
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./traces.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
[ -x /usr/bin/python3 ] || tap_skip_all "needs python3 (see scripts/dependencies)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict

readonly peer=../tools/hostile_peer.py
readonly every_cipher='ALL:COMPLEMENTOFALL:@SECLEVEL=0'
readonly every_suite=TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256
# Without the distribution's own limits.
readonly -a free=(env OPENSSL_CONF=/dev/null openssl)

# What nobody may agree to: a name, then openssl's options.
readonly -a refused=(
	"TLS 1.0 -tls1 -cipher $every_cipher"
	"TLS 1.1 -tls1_1 -cipher $every_cipher"
	'no authentication -tls1_2 -cipher aNULL:@SECLEVEL=0'
	'no encryption -tls1_2 -cipher eNULL:@SECLEVEL=0'
	'CBC -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0'
	'CCM -tls1_2 -cipher ECDHE-ECDSA-AES128-CCM'
	'ChaCha20 -tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305'
	'TLS 1.3 with ChaCha20 -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256'
	'TLS 1.3 with CCM -tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256'
	'the group P-521 -tls1_3 -groups secp521r1'
	'the group X448 -tls1_3 -groups x448'
)
# The same, for a server whose certificate is RSA.
readonly -a refused_rsa=(
	'key transport -tls1_2 -cipher AES128-GCM-SHA256'
	'RSA and CBC -tls1_2 -cipher ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES128-SHA'
	'finite fields -tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256'
)
readonly -a accepted=(
	'ECDHE-ECDSA-AES128-GCM-SHA256 -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256'
	'ECDHE-ECDSA-AES256-GCM-SHA384 -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384'
	'TLS_AES_128_GCM_SHA256 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256'
	'TLS_AES_256_GCM_SHA384 -tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384'
	'TLS_AES_128_GCM_SHA256 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups x25519'
	'TLS_AES_128_GCM_SHA256 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups secp256r1'
	'TLS_AES_128_GCM_SHA256 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups secp384r1'
)

# name ROW, and options ROW: its parts.
name() {
	printf '%s' "${1%% -*}"
}

options() {
	printf '%s' "-${1#* -}"
}

# value KEY: the DER of an inline value of alice's profile.
value() {
	awk -v key="$1" '
		$1 == key && $3 ~ /^base64:/ { inside = 1; next }
		/^[^ ]/ { inside = 0 }
		inside { print $1 }' "$LAB_DIR/alice.conf" | base64 -d
}

make_files() {
	value cert | openssl x509 -inform DER -out "$LAB_DIR/alice.crt"
	value key | openssl pkey -inform DER -out "$LAB_DIR/alice.key"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$LAB_DIR/rsa.key" -subj "/CN=$LAB_NAME" \
		-days 3 -addext "subjectAltName=DNS:$LAB_NAME" -out "$LAB_DIR/rsa.crt" 2>/dev/null
}

# offer PORT OPTION...: connects with alice's certificate; succeeds when the
# handshake does.
offer() {
	local port=$1
	shift
	in_ns ue timeout 5 "${free[@]}" s_client -connect "$LAB_NAME:$port" -servername "$LAB_NAME" \
		-cert "$LAB_DIR/alice.crt" -key "$LAB_DIR/alice.key" "$@" </dev/null 2>&1
}

# serve NAME KEY-AND-CERTIFICATE OPTION...: on port 443 in the place of tscfd.
serve() {
	local name=$1 files=$2
	shift 2
	lab_spawn tscf "$name" "${free[@]}" s_server -accept 443 -www -cert "$files.crt" \
		-key "$files.key" "$@"
	wait_for 5 lab_is_listening tscf 443 || lab_fail "openssl does not listen"
}

# ------------------------------------------------------------------- tscfd

# What is offered below is something that a careless server accepts.
test_offers() {
	local row
	serve careless "$LAB_DIR/pki/server" -cipher "$every_cipher" -ciphersuites "$every_suite" \
		-groups x25519:secp256r1:secp384r1:secp521r1:x448 -dcert "$LAB_DIR/rsa.crt" \
		-dkey "$LAB_DIR/rsa.key"
	for row in "${refused[@]}" "${refused_rsa[@]}"; do
		check "a careless server takes: $(name "$row")" offer 443 $(options "$row")
	done
	lab_stop careless || true
}

refuses_all() {
	local row
	for row; do
		log_mark
		refuse "tscfd refuses: $(name "$row")" offer 443 $(options "$row")
		logs_one 'no tunnel for [^ ]+: (no common TLS version or cipher with the client|.*alert illegal_parameter)' \
			"$(name "$row")"
	done
}

test_server() {
	local row
	# shellcheck disable=SC2119
	lab_tscfd_start
	for row in "${accepted[@]}"; do
		like "$(offer 443 $(options "$row") || true)" "Cipher is $(name "$row")" \
			"tscfd takes: $(options "$row")"
	done
	refuses_all "${refused[@]}"
	cp "$LAB_DIR/rsa.crt" "$LAB_DIR/pki/server.crt"
	cp "$LAB_DIR/rsa.key" "$LAB_DIR/pki/server.key"
	check "tscfd gets an RSA certificate" lab_tscfctl reload
	like "$(offer 443 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 || true)" \
		'Cipher is ECDHE-RSA-AES128-GCM-SHA256' "tscfd takes: ECDHE with RSA"
	refuses_all "${refused_rsa[@]}"
	at_least "$(lab_tscfctl -j status | jq '.handshakes.failed["no-common"]')" 10 "they are counted"
	cp "$LAB_DIR/good.crt" "$LAB_DIR/pki/server.crt"
	cp "$LAB_DIR/good.key" "$LAB_DIR/pki/server.key"
	check "the old certificate again" lab_tscfctl reload
	log_mark
	exits 3 "a client that only has TLS 1.2 gets its tunnel" in_ns ue "$peer" client \
		--profile "$LAB_DIR/alice.conf" --tls 1.2 --wait 0.2 unknown
	like "$(log_since_mark)" 'alice from .* has .*\(TLSv1\.2 .*ECDHE' "and the log says so"
	lab_stop tscfd || true
}

test_server_min_tls() {
	lab_tscfd_start -o listen.min-tls=1.3
	log_mark
	refuse "min-tls = 1.3: tscfd refuses TLS 1.2" offer 443 -tls1_2
	logs_one 'no tunnel for [^ ]+: .*we speak TLS 1\.3' "min-tls = 1.3"
	check "min-tls = 1.3: TLS 1.3 works" lab_tse_up alice
	is "$(lab_tsectl alice -j status | jq -r .tls.version)" TLSv1.3 "the tunnel has it"
	check "down again" lab_tse_down alice
	lab_stop tscfd || true
}

# --------------------------------------------------------------------- tse

test_client() {
	local row files
	for row in "${refused[@]}" "${refused_rsa[@]}"; do
		files=$LAB_DIR/pki/server
		case $row in
		*RSA* | key* | finite*) files=$LAB_DIR/rsa ;;
		esac
		serve careless "$files" $(options "$row")
		check "a careless client takes: $(name "$row")" offer 443 -cipher "$every_cipher" \
			-ciphersuites "$every_suite" -groups x25519:secp256r1:secp521r1:x448
		fails 13 '  failed  .*(no common|protocol_version|handshake_failure|TLS version)' \
			"tse refuses: $(name "$row")" lab_tse_up alice
		lab_stop careless || true
	done
}

test_client_versions() {
	local row
	for row in "${accepted[@]:0:4}"; do
		serve good "$LAB_DIR/pki/server" $(options "$row")
		fails 11 "  tls  .*, $(name "$row" | sed 's/ECDHE-.*/[A-Z0-9_-]*ECDHE[_-]ECDSA[A-Z0-9_-]*/')," \
			"tse takes: $(options "$row")" lab_tse_up alice --timeout 1
		lab_stop good || true
	done
	lab_spawn tscf peer "$peer" server --cert "$LAB_DIR/pki/server.crt" \
		--key "$LAB_DIR/pki/server.key" --wait 30 --tls 1.2 grant
	wait_for 5 lab_is_listening tscf 443 || lab_fail "the TSCF does not listen"
	check "a TSCF that only has TLS 1.2" lab_tse_up alice
	is "$(lab_tsectl alice -j status | jq -r .tls.version)" TLSv1.2 "the tunnel has it"
	check "down again" lab_tse_down alice
	lab_stop peer || true
	serve good "$LAB_DIR/pki/server" -tls1_2
	fails 13 '  failed  .*TLS' "min-tls = 1.3: tse refuses TLS 1.2" \
		lab_tse_up alice -o tscf.min-tls=1.3
	refuse "min-tls = 1.3: and does not claim to have it" grep -q 'we speak TLS 1\.2' <<<"$said"
	lab_stop good || true
}

# hello OPTION...: the ClientHello of a tse with these options.
hello() {
	serve traced "$LAB_DIR/pki/server" -trace
	lab_tse_up alice --timeout 1 "$@" >/dev/null 2>&1 || true
	sed -n '/ClientHello,/,/^$/p' "$LAB_DIR/traced.log"
	lab_stop traced >/dev/null 2>&1 || true
}

# What browsers and libraries send; anything else would be ours alone.
readonly ordinary='server_name|supported_groups|ec_point_formats|signature_algorithms|session_ticket|encrypt_then_mac|extended_master_secret|supported_versions|psk_key_exchange_modes|key_share|signature_algorithms_cert|renegotiate'

test_client_hello() {
	local sent
	sent=$(hello)
	like "$sent" 'extension_type=server_name\(0\)' "the ClientHello has a server name"
	refuse "and no ALPN" grep -q 'application_layer_protocol' <<<"$sent"
	is "$(grep -o 'extension_type=[a-z_]*' <<<"$sent" | cut -d= -f2 | grep -Evx "$ordinary" || true)" "" \
		"nor anything else that would tell what it is"
	is "$(grep -Ec '\{0x[0-9A-F]{2}, 0x[0-9A-F]{2}\}' <<<"$sent")" 6 "six cipher suites"
	is "$(grep -E '\{0x' <<<"$sent" | grep -vc '_AES_[0-9]*_GCM_')" 0 "each with AES-GCM"
	like "$(grep -E '\{0x' <<<"$sent" | head -n 1)" 'TLS_AES_128_GCM_SHA256' "AES-128 first"
	is "$(grep -A 2 'supported_versions' <<<"$sent" | grep -o 'TLS 1\.[0-9]' | tr '\n' ' ')" \
		"TLS 1.3 TLS 1.2 " "TLS 1.3, then 1.2"
	sent=$(hello -o tscf.sni=front.example.net -o tscf.alpn=h2)
	like "$sent" 'application_layer_protocol' "alpn = h2 is sent"
	sent=$(hello -o "tscf.server=$LAB_TSCF4")
	refuse "by address there is no server name" grep -q 'server_name' <<<"$sent"
}

# The name itself, which the trace does not show.
test_server_name() {
	lab_spawn tscf named stdbuf -oL "${free[@]}" s_server -accept 443 -www -servername none.example.net \
		-cert "$LAB_DIR/pki/server.crt" -key "$LAB_DIR/pki/server.key" \
		-cert2 "$LAB_DIR/pki/server.crt" -key2 "$LAB_DIR/pki/server.key" -alpn h2
	wait_for 5 lab_is_listening tscf 443 || lab_fail "openssl does not listen"
	lab_tse_up alice --timeout 1 >/dev/null 2>&1 || true
	like "$(cat "$LAB_DIR/named.log")" "Hostname in TLS extension: \"${LAB_NAME//./\\.}\"" \
		"the server name is the TSCF's"
	lab_tse_up alice --timeout 1 -o tscf.sni=front.example.net -o tscf.alpn=h2 >/dev/null 2>&1 || true
	like "$(cat "$LAB_DIR/named.log")" 'Hostname in TLS extension: "front\.example\.net"' \
		"or the one of sni ="
	like "$(cat "$LAB_DIR/named.log")" 'ALPN protocols advertised by the client: h2' "ALPN is alpn ="
	is "$(grep -c 'ALPN protocols advertised' "$LAB_DIR/named.log")" 1 "and is sent only then"
	lab_stop named || true
}

make_files
cp "$LAB_DIR/pki/server.crt" "$LAB_DIR/good.crt"
cp "$LAB_DIR/pki/server.key" "$LAB_DIR/good.key"
test_offers
test_server
test_server_min_tls
test_client
test_client_versions
test_client_hello
test_server_name
is "$(tse_traces)" "" "nothing is left behind"
tap_done
