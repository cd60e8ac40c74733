#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Certificates that must not do, at either end: each is refused, and the words
# for it name the certificate, its dates, and what to do about it.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./traces.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice mallory
lab_firewall strict

readonly date='[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}'
readonly dates="valid $date.* to $date.*, now $date"
keys=$LAB_DIR/keys
mkdir "$keys"

# ------------------------------------------------------------- certificates

new_key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

# new_ca NAME: DIR/NAME.key and .crt, another CA than the lab's.
new_ca() {
	new_key "$keys/$1.key"
	openssl req -x509 -new -key "$keys/$1.key" -subj "/CN=$1" -days 30 -out "$keys/$1.crt" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# issue FILE CA-FILES COMMON-NAME USAGE [FROM] [TO] [ALTERNATIVE-NAMES]: for the
# key in FILE.key, made when it is not there; FROM and TO as date(1) reads them.
# CA-FILES is the path of the CA's .crt and .key without these endings.
issue() {
	local file=$1 ca=$2 name=$3 usage=$4 from=${5:-1 hour ago} to=${6:-30 days} names=${7:-}
	[ -e "$file.key" ] || new_key "$file.key"
	: >"$keys/index"
	echo 'unique_subject = no' >"$keys/index.attr"
	cat >"$keys/openssl.cnf" <<-END
		[ca]
		default_ca = one
		[one]
		database = $keys/index
		new_certs_dir = $keys
		rand_serial = yes
		default_md = sha256
		policy = policy
		[policy]
		commonName = supplied
		[extensions]
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = $usage
		authorityKeyIdentifier = keyid
		${names:+subjectAltName = $names}
	END
	openssl req -new -key "$file.key" -subj "/CN=$name" -out "$keys/request"
	openssl ca -batch -notext -config "$keys/openssl.cnf" -extensions extensions \
		-cert "$ca.crt" -keyfile "$ca.key" -in "$keys/request" -out "$file.crt" \
		-startdate "$(date -u -d "$from" +%Y%m%d%H%M%SZ)" \
		-enddate "$(date -u -d "$to" +%Y%m%d%H%M%SZ)" 2>/dev/null
}

# A server certificate for the server's own key, which stays.
issue_server() {
	local file=$keys/$1
	shift
	cp "$LAB_DIR/pki/server.key" "$file.key"
	issue "$file" "$@"
}

# The running tscfd shows this certificate from now on.
serve() {
	cp "$keys/$1.crt" "$LAB_DIR/pki/server.crt"
	lab_tscfctl reload >/dev/null
	log_mark
}

# profile NAME [CERTIFICATE]: one that names files.
profile() {
	cat >"$LAB_DIR/$1.conf" <<-END
		[tscf]
		server = $LAB_NAME
		ca = $LAB_DIR/pki/ca.crt
		${2:+cert = $2.crt}
		${2:+key = $2.key}
		[traversal]
		mode = always
	END
}

# Of the public key, as the manual tells to make it.
pin_of() {
	openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER |
		openssl dgst -sha256 -r | cut -d' ' -f1
}

make_certificates() {
	local ca=$LAB_DIR/pki/ca san=DNS:$LAB_NAME
	new_ca "Other CA"
	cp "$LAB_DIR/pki/server.crt" "$keys/good.crt"
	issue_server renamed "$ca" old.example.net serverAuth '' '' DNS:old.example.net
	issue_server expired "$ca" "$LAB_NAME" serverAuth '30 days ago' '2 days ago' "$san"
	issue_server early "$ca" "$LAB_NAME" serverAuth '2 days' '30 days' "$san"
	issue_server foreign "$keys/Other CA" "$LAB_NAME" serverAuth '' '' "$san"
	issue_server client-usage "$ca" "$LAB_NAME" clientAuth '' '' "$san"
	issue_server wildcard "$ca" "any" serverAuth '' '' 'DNS:*.example.net'
	issue_server nameless "$ca" "$LAB_NAME" serverAuth '' '' IP:192.0.2.99
	issue "$keys/erin" "$ca" erin clientAuth '30 days ago' '2 days ago'
	issue "$keys/eve" "$ca" eve clientAuth '2 days' '30 days'
	issue "$keys/trudy" "$keys/Other CA" trudy clientAuth
	issue "$keys/sybil" "$ca" sybil serverAuth
}

# -------------------------------------------------------------- the server's

# refuses_server STATUS PATTERN DESCRIPTION [OPTION]...: alice does not go on, and
# the server has one line about it.
refuses_server() {
	local status=$1 pattern=$2 description=$3
	shift 3
	fails "$status" "$pattern" "$description" lab_tse_up alice "$@"
	is "$(grep -c '^  failed ' <<<"$said")" 1 "$description: one sentence"
}

test_good() {
	check "a good certificate" lab_tse_up alice
	is "$(lab_state alice STATE)" up "the tunnel is up"
	check "and down again" lab_tse_down alice
	is "$(tse_traces)" "" "which leaves nothing"
}

test_server_name() {
	serve renamed
	refuses_server 8 "certificate is for .*old\.example\.net.*, not for ${LAB_NAME//./\\.}" \
		"a certificate for another name"
	like "$said" 'subject CN=old\.example\.net, issuer CN=CA of ' "its subject and issuer"
	like "$said" "$dates" "its dates"
	like "$said" 'issue a certificate for' "what to do"
	logs_one 'no tunnel for .*: (.*may not accept our certificate|.*bad_certificate)' \
		"a certificate for another name"
	serve wildcard
	check "a wildcard for this level of names will do" lab_tse_up alice
	check "down again" lab_tse_down alice
	serve nameless
	refuses_server 8 "certificate is for .*192\.0\.2\.99.*, not for ${LAB_NAME//./\\.}" \
		"the common name does not count beside alternative names"
	serve good
	refuses_server 8 'not for tscf\.example\.com' "a good certificate, but another server meant" \
		-o tscf.server=tscf.example.com
}

test_server_address() {
	local address
	serve good
	for address in "$LAB_TSCF4" "[$LAB_TSCF6]:443"; do
		check "by address, which is in the certificate: $address" \
			lab_tse_up alice -o "tscf.server=$address"
		check "and down again" lab_tse_down alice
	done
	serve renamed
	refuses_server 8 "certificate is for .*old\.example\.net.*, not for ${LAB_TSCF4//./\\.}" \
		"by address, which is not in it" -o "tscf.server=$LAB_TSCF4"
	like "$said" "$dates" "its dates"
	serve nameless
	refuses_server 8 "192\.0\.2\.99.*, not for ${LAB_TSCF4//./\\.}" \
		"by address, but another is in it" -o "tscf.server=$LAB_TSCF4"
}

test_server_dates() {
	serve expired
	refuses_server 8 "the TSCF's certificate has expired: subject CN=${LAB_NAME//./\\.}, " \
		"an expired certificate"
	like "$said" "$dates" "its dates"
	like "$said" 'renew it on the TSCF' "what to do"
	logs_one "no tunnel for .*certificate_expired" "an expired certificate"
	like "$(lab_tscfctl status)" 'EXPIRED on .*2 days? ago|EXPIRED' "tscfctl status says so too"
	serve early
	refuses_server 8 "the TSCF's certificate is not valid yet: subject CN=${LAB_NAME//./\\.}, " \
		"a certificate that is not valid yet"
	like "$said" "$dates" "its dates"
	like "$said" 'check the clocks' "what to do"
}

test_server_issuer() {
	serve foreign
	refuses_server 8 'not from a CA that we trust: issued by CN=Other CA, we trust CN=CA of ' \
		"a certificate of another CA"
	like "$said" "subject CN=${LAB_NAME//./\\.}, issuer CN=Other CA, $dates" "all about it"
	like "$said" 'right CA configured.*intercepting TLS' "what to do"
	logs_one 'no tunnel for .*(unknown_ca|bad_certificate)' "a certificate of another CA"
	serve client-usage
	refuses_server 8 "the TSCF's certificate is unusable: .*subject CN=${LAB_NAME//./\\.}, " \
		"a client's certificate in the server"
}

test_pin() {
	local pin wrong
	serve good
	pin=$(pin_of "$LAB_DIR/pki/server.crt")
	wrong=$(pin_of "$keys/trudy.crt")
	check "the right pin" lab_tse_up alice -o "tscf.pin=sha256:$pin"
	check "and down again" lab_tse_down alice
	refuses_server 8 "not the pinned one: pinned sha256:$wrong, seen sha256:$pin" "a wrong pin" \
		-o "tscf.pin=sha256:$wrong"
	like "$said" "subject CN=${LAB_NAME//./\\.}, issuer CN=CA of .*$dates" "whose certificate it was"
	serve foreign
	refuses_server 8 'not from a CA that we trust' "the right pin does not replace the chain" \
		-o "tscf.pin=sha256:$pin"
	serve renamed
	refuses_server 8 'certificate is for ' "nor the name" -o "tscf.pin=sha256:$pin"
	serve good
}

# -------------------------------------------------------------- the client's

# refuses_client NAME PATTERN SERVER-PATTERN DESCRIPTION
refuses_client() {
	log_mark
	fails 9 "$2" "$4" lab_tse_up "$1"
	is "$(grep -c '^  failed ' <<<"$said")" 1 "$4: one sentence"
	logs_one "no tunnel for [^ ]+: $3" "$4"
}

test_client() {
	serve good
	profile erin "$keys/erin"
	refuses_client erin 'our certificate has expired or is not yet valid by its clock; renew it' \
		"the client's certificate has expired: subject CN=erin, issuer CN=CA of .*$dates" \
		"an expired client certificate"
	profile eve "$keys/eve"
	refuses_client eve 'our certificate|bad_certificate' \
		"the client's certificate is not valid yet: subject CN=eve, .*$dates.*clocks" \
		"a client certificate that is not valid yet"
	profile trudy "$keys/trudy"
	refuses_client trudy 'our certificate is not from a CA that it trusts|does not accept' \
		"the client's certificate is not from a CA that we trust: issued by CN=Other CA.*subject CN=trudy" \
		"a client certificate of another CA"
	profile sybil "$keys/sybil"
	refuses_client sybil 'our certificate' "the client's certificate is unusable: .*CN=sybil" \
		"a server's certificate in the client"
	profile nobody
	refuses_client nobody 'wants a certificate from us; configure cert and key|wants a certificate and got none' \
		"the client showed no certificate, and must; give it one of our CA \(CN=CA of " \
		"no client certificate"
}

test_revoked() {
	local serial
	serial=$("$lab_top/scripts/tscf-pki" revoke mallory --dir "$LAB_DIR/pki" |
		sed -n 's/.*certificate \([0-9A-F]*\) is revoked/\1/p')
	lab_tscfctl reload >/dev/null
	refuses_client mallory 'our certificate has been revoked; get a new one' \
		"the client's certificate has been revoked: serial number ${serial,,}.*subject CN=mallory" \
		"a revoked client certificate"
	check "alice's still serves" lab_tse_up alice
	check "and down again" lab_tse_down alice
}

# A key that does not belong to its certificate, and files that are none: before
# anything is sent.
test_profile() {
	cp "$keys/erin.key" "$keys/mismatch.key"
	cp "$keys/trudy.crt" "$keys/mismatch.crt"
	profile mismatch "$keys/mismatch"
	fails 3 'key: the private key does not belong to the certificate' "another's key" \
		lab_tse_up mismatch
	echo 'no certificate' >"$keys/text.crt"
	cp "$keys/trudy.key" "$keys/text.key"
	profile text "$keys/text"
	fails 3 'cert: neither a PEM certificate nor a DER one' "a certificate file that is none" \
		lab_tse_up text
	fails 3 'nothing\.pem does not exist' "no such file" lab_tse_up alice \
		-o "tscf.ca=$keys/nothing.pem"
}

# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
make_certificates
test_good
test_server_name
test_server_address
test_server_dates
test_server_issuer
test_pin
test_client
test_revoked
test_profile
is "$(lab_tscfctl -j status | jq .tunnels)" 0 "no tunnel was ever left at the server"
tap_done
