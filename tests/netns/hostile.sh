#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Peers that break the protocol, on purpose.  Against tscfd: only the session of
# the one who does it ends, with a reason in the log, and another client's packets
# never notice.  Against tse: it says what is wrong, and leaves nothing behind.
# shellcheck disable=SC2154 # `said` is set by `fails`
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

# ------------------------------------------------------------ against tscfd

# mallory ACTION [OPTION]...: what she hears; fails when she is not thrown out.
mallory() {
	in_ns ue "$peer" client --profile "$LAB_DIR/mallory.conf" --wait 5 "$@"
}

# refused ACTION ANSWER LOG DESCRIPTION [OPTION]...: she is thrown out, after having
# been told ANSWER, and the log has one line of that kind.
refused() {
	local action=$1 answer=$2 log=$3 description=$4 heard status=0
	shift 4
	log_mark
	heard=$(mallory "$@" "$action" 2>&1) || status=$?
	is "$status" 0 "$description: is thrown out"
	like "$heard" "$answer" "$description: is told"
	wait_for 3 log_has "$log" || true
	like "$(log_since_mark)" "$log" "$description: the log says why"
	is "$(log_since_mark | grep -Ec 'no tunnel for|ended after')" 1 "$description: once"
}

# What ends before there is a tunnel, and what ends one.
readonly none='session [0-9-]+: no tunnel for [^ ]+:[0-9]+:'
readonly ended='session [0-9-]+: mallory from [^ ]+ ended after .*:'

start_victim() {
	check "alice's tunnel is up" lab_tse_up alice
	lab_spawn ue ping ping -n -i 0.05 "$LAB_PCSCF4"
	lab_spawn ue ping6 ping -n -i 0.05 "$LAB_PCSCF6"
	server=$(lab_pid tscfd)
}

test_tcp() {
	refused tcp-silence closed "$none no TLS handshake within handshake-timeout" \
		"a connection that says nothing"
	refused tcp-drip closed "$none no TLS handshake within handshake-timeout" \
		"a ClientHello that never ends"
	refused tcp-http closed "$none the client does not speak TLS: it began with \"GET / " \
		"HTTP without TLS"
	refused tcp-record closed "$none TLS with the client failed: " "a record that is too long"
}

test_greeting() {
	local version
	for version in 1.2 1.3; do
		refused silence closed "$none no Configuration Request within handshake-timeout" \
			"TLS $version, and then nothing" --tls "$version"
	done
	refused http closed "$none no Configuration Request within handshake-timeout" \
		"HTTP in TLS, which is an unknown envelope that never ends"
	refused length closed "$none an envelope with an impossible length" "a length of 2"
	refused magic closed "$none a control envelope without its magic number" "a wrong magic"
	refused header closed "$none a control envelope without its magic number" "half a header"
	refused keepalive closed "$none the first message is neither a Configuration nor a Join" \
		"a Keep-alive Request first"
	refused plain closed "$none plain TS 24\.322 client refused: this TSCF serves none" \
		"a packet first"
	refused offload-first closed "$none an offload envelope before the Configuration Request" \
		"an offloaded packet first"
	refused join '^Join Response, result [59], ' "$none refused: " "a lane for no tunnel"
}

test_requests() {
	local malformed="$none refused: malformed Configuration Request:"
	refused critical '^Configuration Response, result 8, tag 0x003f, ' \
		"$none refused: Configuration Request with the unknown critical tag 0x803f" \
		"an unknown critical tag"
	refused version '^Configuration Response, result 1, ' "$none refused: only protocol version 1" \
		"a version of the future"
	refused twice '^Configuration Response, result 7, ' "$malformed .*comes twice" "a TLV twice"
	refused overrun '^Configuration Response, result 7, ' "$malformed .*runs past the end" \
		"a TLV that runs past the end"
	refused size '^Configuration Response, result 7, ' "$malformed .*wrong length" \
		"a TLV of a wrong length"
	refused missing '^Configuration Response, result 7, ' "$malformed .*missing" "a missing TLV"
	refused text '^Configuration Response, result 7, ' "$malformed text is not clean UTF-8" \
		"a name that would write on the administrator's terminal"
	exits 3 "an unknown tag that is not critical does no harm" mallory --wait 0.3 unknown
}

test_packets() {
	local got='^Configuration Response, result 0' packet="$ended an IP envelope without"
	refused ip-short "$got" "$packet exactly one IP packet" "a packet that is cut off"
	refused ip-long "$got" "$packet exactly one IP packet" "a packet and something more"
	refused ip-version "$got" "$packet exactly one IP packet" "a packet of IP version 7"
	refused late-length "$got" "$ended an envelope with an impossible length" \
		"a length of 1, in a tunnel"
	refused late-magic "$got" "$ended a control envelope without its magic number" \
		"a wrong magic, in a tunnel"
}

test_offload() {
	local got='^Configuration Response, result 0'
	local misfit="$ended an offload header that does not fit its packet:"
	refused offload-unasked "$got" "$ended an offload envelope, which was not negotiated" \
		"offload that was not agreed on"
	refused offload-type "$got" "$misfit type" "an unknown type of offload"
	refused offload-flags "$got" "$misfit flags" "unknown flags"
	refused offload-start "$got" "$misfit checksum" "a checksum behind the packet"
	refused offload-segment "$got" "$misfit segment" "segments of one octet"
	refused offload-empty "$got" "$ended an offload envelope without a packet" "no packet"
	refused offload-short "$got" "$ended an offload envelope without exactly one IP packet" \
		"an offloaded packet that is cut off"
}

# Each rule of the offload header, one broken at a time.
test_offload_rules() {
	local rule reason
	for rule in tcp4 tcp6 udp header-length; do
		exits 3 "offload, all rules kept: $rule" mallory --wait 0.3 "rule-kept-$rule"
	done
	for rule in flags-unknown flags-missing type-unknown type-family type-protocol type-udp-ecn \
		checksum-start checksum-offset segment-zero segment-tcp4-small segment-tcp6-small \
		segment-mtu segment-mtu6 segment-udp-65 packet-fragment packet-extension \
		packet-udp-length; do
		reason="$ended an offload header that does not fit its packet: ${rule%%-*}"
		refused "rule-$rule" '^Configuration Response, result 0' "$reason" "offload, $rule"
	done
}

counter() {
	lab_tscfctl -j status | jq ".counters.$1"
}

# What is not hers is dropped and counted; that alone ends nobody's session.
test_spoofing() {
	local before
	before=$(counter drop_bad_source)
	exits 3 "packets with others' addresses do not end the session" mallory spoof
	at_least "$(($(counter drop_bad_source) - before))" 3 "but go nowhere, and are counted"
}

# kilobytes PROCESS
kilobytes() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# 64 MiB of questions whose answers nobody reads.
test_deafness() {
	local before
	before=$(kilobytes "$server")
	mallory --wait 20 deaf >"$LAB_DIR/deaf.log" || true
	like "$(cat "$LAB_DIR/deaf.log")" 'KiB' "questions whose answers nobody reads"
	# ASan keeps what was freed for a while.
	local room=16384
	[ -z "${ASAN_OPTIONS:-}" ] || room=$((room + 262144))
	at_least $((before + room)) "$(kilobytes "$server")" "take no memory that counts"
	at_least "$(counter drop_unread)" 1 "the answers are dropped, and counted"
}

test_victim() {
	local family
	is "$(lab_pid tscfd)" "$server" "tscfd is the same process still"
	is "$(lab_tscfctl -j sessions | jq -r '.sessions[].identity')" alice "alice alone is left"
	is "$(lab_tsectl alice -j status | jq .reconnects)" 0 "and has never reconnected"
	for family in ping ping6; do
		lab_stop "$family" INT || true
		# The very last one may have been on its way still.
		is "$(lab_unanswered "$LAB_DIR/$family.log")" "" "her $family lost nothing"
		diag "$(tail -n 2 "$LAB_DIR/$family.log")"
	done
	at_least "$(lab_tscfctl -j status | jq .protocol_errors)" 15 "the errors are counted"
	check "alice goes down" lab_tse_down alice
	lab_stop tscfd || true
}

# -------------------------------------------------------------- against tse

# tscf ACTION [OPTION]...: in the place of tscfd.
tscf() {
	lab_spawn tscf peer "$peer" server --cert "$LAB_DIR/pki/server.crt" \
		--key "$LAB_DIR/pki/server.key" --wait 30 "$@"
	wait_for 5 lab_is_listening tscf 443 || lab_fail "the hostile TSCF does not listen"
}

# refuses ACTION STATUS PATTERN DESCRIPTION: so does tse, with one sentence.
refuses() {
	tscf "$1"
	fails "$2" "  failed  .*$3" "$4" lab_tse_up alice
	is "$(grep -c '^  failed ' <<<"$said")" 1 "$4: in one sentence"
	lab_stop peer || true
}

test_responses() {
	refuses length 13 'envelope with an impossible length' "an impossible length"
	refuses magic 13 'without its magic number' "a wrong magic"
	refuses mtu 13 'malformed Configuration Response: .*out of range' "an MTU below IPv6's"
	refuses no-address 13 'malformed Configuration Response: .*missing' "no address"
	refuses escape 13 'malformed Configuration Response: text is not clean' \
		"a reason that would write on the administrator's terminal"
	refuses future 10 'the TSCF refused: unknown result: a result of a later version' \
		"a result that is not known yet"
	refuses overloaded 10 'refused: overloaded: come back later \(try again in 30 s\)' "overload"
}

test_routes() {
	refuses no-routes 10 'offers no IMS route' "no route at all"
	refuses default-route 10 'offers no IMS route that this profile allows' \
		"the default route, also in halves"
	refuses loopback-route 10 'offers no IMS route that this profile allows' "loopback"
	refuses outer-route 12 '192\.0\.2\.0/24 contains 192\.0\.2\.10, .*through itself' \
		"the way to the TSCF itself"
	refuses local-route 12 '198\.51\.100\.0/24 overlaps .* through access' \
		"the network that the UE stands in"
}

updates_followed() {
	[ "$(lab_state alice PCSCF)" = "10.99.0.77" ]
}

# What a Configuration Update may not change, it does not, and the tunnel stays.
test_updates() {
	local table
	tscf updates
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
	check "of five updates the last one is followed" wait_for 10 updates_followed
	is "$(grep -c 'Configuration Update is not followed' "$LAB_DIR/tse.log")" 4 "the others are not"
	like "$(cat "$LAB_DIR/tse.log")" 'it would change the inner address' "another inner address"
	like "$(cat "$LAB_DIR/tse.log")" 'leaves no IMS route that this profile allows' \
		"the default route"
	like "$(cat "$LAB_DIR/tse.log")" 'contains 192\.0\.2\.10, .*through itself' \
		"the way to the TSCF itself"
	like "$(cat "$LAB_DIR/tse.log")" '198\.51\.100\.0/24 overlaps .* through access' \
		"the network that the UE stands in"
	table=$(in_ns ue ip route show table 24322)
	like "$table" '^10\.99\.0\.0/24 dev tse0 .*src 10\.64\.0\.2' "routes and address stay"
	refuse "and no other comes" grep -E '^(192\.0\.2|198\.51\.100)\.0/24' <<<"$table"
	is "$(lab_tsectl alice -j status | jq -r '"\(.state) \(.reconnects) \(.counters.unexpected_control)"')" \
		"up 0 4" "the tunnel is up, and they are counted"
	lab_stop tse || true
	lab_stop peer || true
}

last_is_followed() {
	[ "$(lab_state alice PCSCF)" = 10.99.0.88 ]
}

# tse_said PATTERN: in how many lines.
tse_said() {
	grep -c "$1" "$LAB_DIR/tse.log" || true
}

# However many Updates come, few are acted upon, and the last one is not lost.
test_flood() {
	tscf flood
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
	check "of 1,000 changes in a second the last one is followed" wait_for 15 last_is_followed
	is "$(tse_said 'has changed the tunnel')" 9 \
		"with it eight others; those that change nothing do not count"
	is "$(tse_said 'configuration too often: .* followed in 10 s')" 1 "the log says why it was not at once"
	is "$(tse_said 'taken out of service')" 4 "of 500 calls to go elsewhere four are heard"
	is "$(lab_tsectl alice -j status | jq -r '"\(.state) \(.reconnects) \(.counters.unexpected_control)"')" \
		"up 0 496" "the tunnel is up, and the others are counted"
	lab_stop tse || true
	lab_stop peer || true
}

# shellcheck disable=SC2119
lab_tscfd_start -o session.handshake-timeout=1s
start_victim
test_tcp
test_greeting
test_requests
test_packets
test_offload
test_offload_rules
test_spoofing
test_deafness
test_victim
test_responses
test_routes
test_updates
test_flood
tap_done
