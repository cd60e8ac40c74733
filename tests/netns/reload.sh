#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A running tscfd takes over new certificates, revocations and settings without
# losing a tunnel, and refuses what is wrong while the old stays in force; all of
# it although it has no privileges left.
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
lab_pki alice mallory
lab_firewall strict

readonly peer=../tools/hostile_peer.py
readonly cap_net_admin=0000000000001000
conf=$LAB_DIR/pki/tscfd.conf

# proc PID KEY: a line of its status, for each thread; one when all are equal.
proc() {
	sed -n "s/^$2:[[:space:]]*//p" /proc/"$1"/task/*/status | tr '\t' ' ' | sort -u
}

test_privileges() {
	local server client
	server=$(lab_pid tscfd)
	is "$(proc "$server" CapEff)" 0000000000000000 "tscfd has no capability"
	is "$(proc "$server" CapPrm)" 0000000000000000 "and can take none up"
	is "$(proc "$server" CapBnd)" 0000000000000000 "nor get one"
	is "$(proc "$server" NoNewPrivs)" 1 "nor by executing something"
	is "$(proc "$server" Seccomp)" 2 "its system calls are filtered"
	refuse "it is not root" grep -Eq '(^| )0( |$)' <<<"$(proc "$server" Uid)"
	refuse "and in no group of root" grep -Eq '(^| )0( |$)' \
		<<<"$(proc "$server" Gid) $(proc "$server" Groups)"
	client=$(lab_tsectl alice -j status | jq .pid)
	is "$(proc "$client" CapEff)" "$cap_net_admin" "tse has CAP_NET_ADMIN and nothing else"
	is "$(proc "$client" CapPrm)" "$cap_net_admin" "and can take nothing else up"
	is "$(proc "$client" CapBnd)" 0000000000000000 "nor get it"
	is "$(proc "$client" NoNewPrivs)/$(proc "$client" Seccomp)" 1/2 "its system calls are filtered"
	refuse "it is not root either" grep -Eq '(^| )0( |$)' <<<"$(proc "$client" Uid)"
	is "$(stat -c %a/%u "$LAB_DIR/pki/server.key")" 600/0 "the server's key is root's alone"
}

# The serial number of the certificate that is served; to whom shows none, too.
served() {
	{ in_ns ue openssl s_client -connect "$LAB_NAME:443" </dev/null 2>/dev/null || true; } |
		openssl x509 -noout -serial
}

serves_new() {
	[ "$(served)" = "$(openssl x509 -in "$LAB_DIR/pki/server.crt" -noout -serial)" ]
}

test_certificate() {
	local before
	before=$(served)
	"$lab_top/scripts/tscf-pki" renew-server --dir "$LAB_DIR/pki" >/dev/null
	is "$(served)" "$before" "before the reload the old certificate is served"
	log_mark
	kill -HUP "$(lab_pid tscfd)"
	check "after SIGHUP the new one is" wait_for 5 serves_new
	like "$(log_since_mark)" 'configuration reloaded' "the log says so"
	"$lab_top/scripts/tscf-pki" renew-server --dir "$LAB_DIR/pki" >/dev/null
	check "tscfctl reload" lab_tscfctl reload
	check "does the same" wait_for 5 serves_new
}

# goes_wrong PATTERN DESCRIPTION: a reload of what is on the disk now.
goes_wrong() {
	local output status=0
	log_mark
	output=$(lab_tscfctl reload 2>&1) || status=$?
	is "$status" 1 "$2: tscfctl reload fails"
	like "$output" "$1" "$2: it says why"
	like "$(log_since_mark)" "reload: .*$1.*; the old settings stay in force" "$2: so does the log"
	log_mark
	kill -HUP "$(lab_pid tscfd)"
	check "$2: SIGHUP is refused the same way" wait_for 5 log_has "reload: .*$1"
}

# wrong SED-SCRIPT PATTERN DESCRIPTION: of a changed tscfd.conf.
wrong() {
	cp "$conf" "$LAB_DIR/good.conf"
	sed -i "$1" "$conf"
	goes_wrong "$2" "$3"
	cp "$LAB_DIR/good.conf" "$conf"
}

test_wrong_settings() {
	local before
	before=$(served)
	wrong 's/^client-auth.*/client-auth = maybe/' "$conf:[0-9]+: \[listen\] client-auth: .maybe'" \
		"a bad word"
	wrong "\$a nonsense" "$conf:[0-9]+: neither a \[section\]" "a line that is nothing"
	wrong 's,^routes = .*,routes = 0.0.0.0/0,' '\[ims\] routes: 0\.0\.0\.0/0 is the default route' \
		"the default route"
	wrong 's,^ipv4 = .*,ipv4 = 10.65.0.0/16,' '\[pool\] has changed, which needs a restart' \
		"another pool"
	wrong 's,^address = .*,address = 0.0.0.0:8443,' \
		'\[listen\] address has changed, which needs a restart' "another port"
	wrong "s,^crl = .*,crl = $LAB_DIR/pki/other.pem," \
		'other\.pem was not in the configuration at start: restart' "another file"
	is "$(served)" "$before" "the old certificate is still served"
}

test_wrong_files() {
	local file
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$LAB_DIR/other.key" 2>/dev/null
	for file in server.key crl.pem; do
		cp -p "$LAB_DIR/pki/$file" "$LAB_DIR/kept-$file"
	done
	cp "$LAB_DIR/other.key" "$LAB_DIR/pki/server.key"
	goes_wrong 'key: the private key does not belong to the certificate' "another's key"
	cp -p "$LAB_DIR/kept-server.key" "$LAB_DIR/pki/server.key"
	rm "$LAB_DIR/pki/crl.pem"
	goes_wrong 'crl\.pem does not exist' "no revocation list"
	echo nonsense >"$LAB_DIR/pki/crl.pem"
	goes_wrong 'crl: neither a PEM X509 CRL nor a DER one' "a revocation list that is none"
	cp -p "$LAB_DIR/kept-crl.pem" "$LAB_DIR/pki/crl.pem"
	check "with the right files it works again" lab_tscfctl reload
	check "all this time alice's tunnel has carried packets" test -n "$(lab_tsectl alice status)"
	is "$(lab_tsectl alice -j status | jq .reconnects)" 0 "and was never lost"
}

routes() {
	in_ns ue ip route show table 24322 | grep -c '^10\.98\.0\.0/24 dev tse0' || true
}

has_routes() {
	[ "$(routes)" = "$1" ]
}

# has PCSCF: so her apps are told.
has_pcscf() {
	[ "$(lab_state alice PCSCF)" = "$1" ]
}

alice_status() {
	lab_tsectl alice -j status | jq -r "$1"
}

# A Configuration Update brings it to tunnels that are up.
test_update() {
	local before generation
	before=$(lab_state alice PCSCF)
	generation=$(lab_state alice GENERATION)
	in_ns core ip address add 10.98.0.1/24 dev lo
	ip -n "$LAB_TAG-tscf" route add 10.98.0.0/24 via "$LAB_PCSCF4"
	cp "$conf" "$LAB_DIR/good.conf"
	sed -i 's,^routes = ,routes = 10.98.0.0/24\, ,; s,^p-cscf = .*,p-cscf = 10.98.0.1,
		s,^.ims.$,&\ndns = 10.99.0.53\ndomain = ims.example,
		s,^.session.$,&\nkeepalive = 30s,' "$conf"
	lab_spawn ue ping ping -n -i 0.01 -w 30 "$LAB_PCSCF4"
	check "another IMS route, another P-CSCF" lab_tscfctl reload
	check "within a second alice has the route" wait_for 1 has_routes 1
	check "and her apps the P-CSCF" wait_for 1 has_pcscf 10.98.0.1
	at_least "$(lab_state alice GENERATION)" $((generation + 1)) "they are told that it is news"
	check "which answers" in_ns ue ping -q -c 1 -W 2 10.98.0.1
	is "$(alice_status '"\(.dns) \(.domains) \(.keepalive_s)"')" \
		'["10.99.0.53"] ["ims.example"] 30' "DNS and keep-alives are the new ones, too"
	cp "$LAB_DIR/good.conf" "$conf"
	kill -HUP "$(lab_pid tscfd)"
	check "taken back by SIGHUP, it is gone" wait_for 1 has_routes 0
	check "and the old P-CSCF is back" wait_for 1 has_pcscf "$before"
	is "$(alice_status '"\(.dns) \(.domains) \(.keepalive_s)"')" '[] [] 45' \
		"there is no DNS server any more"
	lab_stop ping INT || true
	is "$(lab_unanswered "$LAB_DIR/ping.log")" "" "not one packet was lost"
	diag "$(tail -n 2 "$LAB_DIR/ping.log" | head -n 1)"
	is "$(alice_status .reconnects)" 0 "the tunnel is the same"
	generation=$(lab_state alice GENERATION)
	check "a reload that changes nothing for her" lab_tscfctl reload
	check "keeps quiet" in_ns ue ping -q -c 1 -W 2 "$LAB_PCSCF4"
	is "$(lab_state alice GENERATION)" "$generation" "her apps hear nothing"
}

has_two_lanes() {
	[ "$(alice_status '.lanes | length')" = 2 ]
}

# The network swallows the connection that the update goes on.
test_update_lost() {
	local before port
	before=$(lab_state alice PCSCF)
	check "alice goes down" lab_tse_down alice
	check "and up with two lanes" lab_tse_up alice -o tunnel.lanes=2
	check "which she has" wait_for 5 has_two_lanes
	port=$(alice_status '.lanes[0].outer')
	in_ns access nft insert rule inet firewall forward tcp dport "$port" drop
	cp "$conf" "$LAB_DIR/good.conf"
	sed -i 's,^p-cscf = .*,p-cscf = 10.99.0.99,' "$conf"
	check "another P-CSCF, told on a lane that is cut" lab_tscfctl reload
	refuse "does not arrive" wait_for 1 has_pcscf 10.99.0.99
	in_ns tscf ss -K dport = ":$port" >/dev/null 2>&1
	check "when tscfd finds the lane dead, it says it on the other" wait_for 2 has_pcscf 10.99.0.99
	is "$(alice_status .reconnects)" 0 "the tunnel is the same"
	lab_firewall strict
	check "alice goes down" lab_tse_down alice
	cp "$LAB_DIR/good.conf" "$conf"
	check "the old P-CSCF is back" lab_tscfctl reload
	check "and so is she" lab_tse_up alice
	is "$(lab_state alice PCSCF)" "$before" "with what a new tunnel is told"
}

is_answered() {
	grep -q 'result 0' "$LAB_DIR/mallory.log"
}

alice_is_refused() {
	[ "$(lab_state alice STATE)" = reconnecting ] &&
		lab_state alice REASON | grep 'certificate has been revoked' >/dev/null
}

revoke() {
	"$lab_top/scripts/tscf-pki" revoke "$1" --dir "$LAB_DIR/pki" >/dev/null
}

test_revocation() {
	local status=0
	lab_spawn ue mallory "$peer" client --profile "$LAB_DIR/mallory.conf" --wait 20 unknown
	check "mallory has a tunnel" wait_for 5 is_answered
	revoke mallory
	is "$(lab_tscfctl -j sessions | jq -r '.sessions[].identity' | sort | tr '\n' ' ')" \
		"alice mallory " "she is revoked, but nobody has told tscfd"
	log_mark
	check "tscfctl reload" lab_tscfctl reload
	lab_wait 5 mallory || status=$?
	is "$status" 0 "her connection is closed at once"
	like "$(cat "$LAB_DIR/mallory.log")" 'Release Request, result 2, .*revoked' "she is told why"
	logs_one "mallory from .* ended after .*: the client's certificate has been revoked" "her end"
	is "$(lab_tscfctl -j sessions | jq -r '.sessions[].identity')" alice "alice's tunnel stays"
	check "and carries packets" in_ns ue ping -q -c 1 -W 2 "$LAB_PCSCF4"
	is "$(lab_tsectl alice -j status | jq .reconnects)" 0 "without a break"
}

# What a revoked tse does: it never gets back in, and nothing leaks meanwhile.
test_revoked_tse() {
	revoke alice
	kill -HUP "$(lab_pid tscfd)"
	check "alice is revoked in her turn, and is told" wait_for 10 alice_is_refused
	is "$(lab_tscfctl -j status | jq .tunnels)" 0 "she has no tunnel"
	lab_capture_start
	refuse "IMS is out of reach" in_ns ue ping -q -c 1 -W 1 "$LAB_PCSCF4"
	lab_capture_stop
	is "$(lab_capture_leaks)" "" "and nothing leaks"
	check "alice goes down" lab_tse_down alice
	is "$(tse_traces)" "" "nothing is left behind"
}

# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
pid=$(lab_pid tscfd)
check "alice's tunnel is up" lab_tse_up alice
test_privileges
test_certificate
test_wrong_settings
test_wrong_files
test_update
test_update_lost
test_revocation
test_revoked_tse
check "tscfd is the same process still" kill -0 "$pid"
status=0
lab_stop tscfd || status=$?
is "$status" 0 "and ends cleanly"
tap_done
