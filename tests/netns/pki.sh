#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# tscf-pki: what it makes is what a strict TLS implementation accepts, what it
# revokes is refused, and it neither overwrites nor shows what it should not.
# Needs no root and no network.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh

readonly pki=../../scripts/tscf-pki
home=$(mktemp -d /tmp/tscf-pki-test.XXXXXX)
remove_home() {
	rm -rf "$home"
}
tap_begin remove_home
dir=$home/pki

tscf_pki() {
	"$pki" "$@" --dir "$dir"
}

# extension FILE NAME: its value, on one line.
extension() {
	openssl x509 -in "$1" -noout -ext "$2" | tail -n +2 | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}

mode() {
	stat -c %a "$1"
}

# value PROFILE KEY: the DER of an inline value, as tse reads it.
value() {
	awk -v key="$2" '
		$1 == key && $3 ~ /^base64:/ { inside = 1; next }
		/^[^ ]/ { inside = 0 }
		inside { print $1 }' "$1" | base64 -d
}

# unpack PROFILE: ca.pem, cert.pem and key.pem beside it.
unpack() {
	value "$1" ca | openssl x509 -inform DER -out "$home/ca.pem"
	value "$1" cert | openssl x509 -inform DER -out "$home/cert.pem"
	value "$1" key | openssl pkey -inform DER -out "$home/key.pem"
}

verify_client() {
	openssl verify -CAfile "$dir/ca.crt" -CRLfile "$dir/crl.pem" -crl_check -x509_strict \
		-purpose sslclient "$home/cert.pem"
}

verify_server() {
	openssl verify -CAfile "$dir/ca.crt" -x509_strict -purpose sslserver "$@" "$dir/server.crt"
}

public_key() {
	openssl x509 -in "$1" -noout -pubkey
}

test_init() {
	check "init" tscf_pki init tscf.example.net --address 192.0.2.10 --name=alias.example.net \
		--address 2001:db8:1::10 --san URI:sip:tscf.example.net --route 10.99.0.0/24 \
		--route fd99::/64 --p-cscf 10.99.0.10
	local file
	for file in ca.key server.key; do
		is "$(mode "$dir/$file")" 600 "$file is for its owner only"
	done
	like "$(extension "$dir/ca.crt" basicConstraints)" '^CA:TRUE, pathlen:0$' "the CA is one"
	like "$(openssl x509 -in "$dir/ca.crt" -noout -ext basicConstraints,keyUsage)" \
		'Key Usage: critical' "and its key usage is critical"
	is "$(extension "$dir/ca.crt" keyUsage)" "Certificate Sign, CRL Sign" "and just that"
	check "the server's certificate: its name" verify_server -verify_hostname tscf.example.net
	check "its other name" verify_server -verify_hostname alias.example.net
	check "its IPv4 address" verify_server -verify_ip 192.0.2.10
	check "its IPv6 address" verify_server -verify_ip 2001:db8:1::10
	refuse "no other name" verify_server -verify_hostname evil.example.net
	refuse "it is no client's" openssl verify -CAfile "$dir/ca.crt" -purpose sslclient \
		"$dir/server.crt"
	like "$(cat "$dir/tscfd.conf")" '^routes = 10\.99\.0\.0/24, fd99::/64$' "tscfd.conf: routes"
	like "$(cat "$dir/tscfd.conf")" '^ipv6 = fd[0-9a-f]{2}:[0-9a-f]{4}:[0-9a-f]{4}::/48$' \
		"tscfd.conf: a random unique-local prefix"
	like "$(cat "$dir/tscfd.conf")" "^key = $dir/server.key$" "tscfd.conf: paths"
}

test_no_overwriting() {
	local before
	before=$(cat "$dir"/*.* | sha256sum)
	exits 1 "init refuses a directory in use" tscf_pki init tscf.example.net
	is "$(cat "$dir"/*.* | sha256sum)" "$before" "and changes nothing in it"
}

test_client() {
	check "client" bash -c "umask 022; '$pki' client alice --dir '$dir' >'$home/alice.conf'"
	is "$(mode "$home/alice.conf")" 600 "the profile is for its owner only"
	like "$(cat "$home/alice.conf")" '^server = tscf\.example\.net:443$' "it names the server"
	is "$(awk 'length > 80' "$home/alice.conf" | wc -l)" 0 "it has no long line"
	unpack "$home/alice.conf"
	check "its certificate is good for a client" verify_client
	refuse "and not for a server" openssl verify -CAfile "$dir/ca.crt" -purpose sslserver \
		"$home/cert.pem"
	is "$(openssl x509 -in "$home/cert.pem" -noout -subject)" "subject=CN = alice" "its subject"
	is "$(public_key "$home/cert.pem")" "$(openssl pkey -in "$home/key.pem" -pubout)" \
		"its key fits"
	check "its CA is ours" cmp "$home/ca.pem" "$dir/ca.crt"
	check "its validity begins in the past, for clocks that are behind" \
		openssl verify -CAfile "$dir/ca.crt" -attime $(($(date +%s) - 3000)) "$home/cert.pem"
	exits 1 "a second alice is refused" tscf_pki client alice
	check "unless forced" tscf_pki client alice --force
	exits 1 "no client gets the server's name, not even so" \
		tscf_pki client ALIAS.example.net --force
	exits 1 "no private key goes to a terminal" script -qec "$pki client bob --dir $dir" /dev/null
	refuse "and no such client was made" grep -q /CN=bob "$dir/index"
	like "$(tscf_pki client bob --server 192.0.2.10 --server '[2001:db8:1::10]:8443')" \
		'^server = \[2001:db8:1::10\]:8443$' "client --server"
}

# tls_get PORT: what a server that wants our certificate answers.
tls_get() {
	printf 'GET / HTTP/1.0\r\n\r\n' | timeout 5 openssl s_client -quiet \
		-connect "127.0.0.1:$1" -CAfile "$home/ca.pem" -cert "$home/cert.pem" \
		-key "$home/key.pem" -verify_return_error -verify_hostname tscf.example.net 2>&1
}

test_tls() {
	local port=0 server
	openssl s_server -www -accept 127.0.0.1:0 -cert "$dir/server.crt" -key "$dir/server.key" \
		-CAfile "$dir/ca.crt" -Verify 1 -verify_return_error -naccept 1 \
		>"$home/server.log" 2>&1 </dev/null &
	server=$!
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		port=$(sed -n 's/^ACCEPT 127.0.0.1:\([0-9]*\)$/\1/p' "$home/server.log")
		[ -z "$port" ] || break
		sleep 0.05
	done
	like "$(tls_get "$port")" '^HTTP/1.0 200' "a client and the server meet over TLS"
	wait "$server" || true
}

test_revoke() {
	like "$(tscf_pki list)" '^alice .* valid$' "list: alice is valid"
	like "$(tscf_pki revoke alice)" 'tscfctl reload' "revoke, and what to do next"
	refuse "her certificate is refused" verify_client
	is "$(tscf_pki list | grep -c '^alice .* revoked ')" 2 "list: both of hers are revoked"
	like "$(tscf_pki list)" '^bob .* valid$' "bob still has his"
	exits 1 "revoked is revoked" tscf_pki revoke alice
	exits 1 "nobody can be revoked who was never there" tscf_pki revoke mallory
	exits 1 "the server is not revoked by mistake" tscf_pki revoke tscf.example.net
	check "alice can have a new one" tscf_pki client alice
	local number
	number=$(openssl crl -in "$dir/crl.pem" -noout -crlnumber)
	check "crl" tscf_pki crl
	refuse "the list has a new number" test \
		"$(openssl crl -in "$dir/crl.pem" -noout -crlnumber)" = "$number"
	refuse "and still holds what was revoked" verify_client
}

test_renew_server() {
	local key names serial
	key=$(public_key "$dir/server.crt")
	names=$(extension "$dir/server.crt" subjectAltName)
	serial=$(openssl x509 -in "$dir/server.crt" -noout -serial)
	check "renew-server" tscf_pki renew-server
	is "$(public_key "$dir/server.crt")" "$key" "the key, and so every pin, stays"
	is "$(extension "$dir/server.crt" subjectAltName)" "$names" "the names stay"
	refuse "the certificate is a new one" test \
		"$(openssl x509 -in "$dir/server.crt" -noout -serial)" = "$serial"
	check "renew-server with another address" tscf_pki renew-server --address 192.0.2.20
	check "which it then has" verify_server -verify_ip 192.0.2.20
	refuse "in place of the old ones" verify_server -verify_ip 192.0.2.10
}

test_usage() {
	exits 2 "no command" "$pki"
	exits 2 "an unknown command" "$pki" destroy
	exits 2 "an unknown option" tscf_pki list --all
	exits 2 "another command's option" tscf_pki list --route 10.0.0.0/8
	exits 2 "an option without its value" "$pki" init tscf.example.net --days
	exits 2 "a name that is none" tscf_pki client 'a b'
	exits 2 "a name that is an option" tscf_pki client -- -x
	exits 2 "a name that would write a subject" tscf_pki client 'a/CN=b'
	exits 2 "a name with a line feed" tscf_pki client $'a\nb'
	exits 2 "a prefix that is none" tscf_pki init x.example.net --pool4 10.64.0.0
	exits 2 "a name that would write configuration" tscf_pki init x.example.net \
		--san $'DNS:x\n[evil]'
	exits 1 "no CA there" "$pki" list --dir "$home/nothing"
	exits 1 "a certificate that would outlive the CA" tscf_pki client dave --days 9000
	check "--help" "$pki" --help
	check "--version" "$pki" --version
	is "$(find "$dir" -name '.new.*' | wc -l)" 0 "nothing half made is left"
}

test_init
test_no_overwriting
test_client
test_tls
test_revoke
test_renew_server
test_usage
tap_done
