#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Several TLS connections for one tunnel: when they come, what they carry, and that
# the tunnel and the call in it live as long as one of them does, whichever.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./proxy_servers.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
for program in ss iperf3 squid python3; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice mallory
lab_firewall strict

readonly peer=../tools/hostile_peer.py
readonly gap_bound=500 # ms without a packet that a lane's death may cost a call

tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" "$@"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

tse_stop() {
	lab_stop tse || true
}

# --- what there is -----------------------------------------------------------

# The classes of the lanes, as tse tells: "any,bulk,realtime".
classes() {
	lab_tsectl alice -j status | jq -r '[.lanes[].class] | sort | join(",")'
}

classes_are() {
	[ "$(classes)" = "$1" ]
}

# As tscfd tells.
their_classes() {
	lab_tscfctl -j sessions | jq -r '[.sessions[].lanes[].class] | sort | join(",")'
}

lane_count() {
	lab_tsectl alice -j status | jq '.lanes | length'
}

has_lanes() {
	[ "$(lane_count)" -ge "$1" ]
}

connections() {
	in_ns ue ss -tnH state established dport = :443 | wc -l
}

reconnects() {
	lab_tsectl alice -j status | jq .reconnects
}

# --- traffic -----------------------------------------------------------------

# call_start SECONDS: media both ways, in the background.
call_start() {
	lab_spawn core core-media "$LAB_DIR/rtp_stream" 40000 "$(inner4)" 40010 "$1"
	lab_spawn ue ue-media "$LAB_DIR/rtp_stream" 40010 "$LAB_PCSCF4" 40000 "$1"
}

inner4() {
	local inner
	inner=$(lab_state alice INNER4)
	echo "${inner%/*}"
}

# has_ended SECONDS NAME: until it has.
has_ended() {
	wait_for "$1" lab_has_ended "$(lab_pid "$2")"
}

call_end() {
	has_ended "$1" ue-media && has_ended 5 core-media
}

# heard SIDE KEY
heard() {
	jq -r "$2" "$LAB_DIR/$1-media.log"
}

# call_was_good WHAT LOST: each end heard all but LOST packets, none twice, and
# never had to wait for long.
call_was_good() {
	local side
	for side in ue core; do
		at_least "$(heard "$side" .received)" "$(($(heard "$side" .sent) - $2))" \
			"$1: $side hears (nearly) every packet"
		is "$(heard "$side" .duplicates)" 0 "$1: and each once"
		at_least "$gap_bound" "$(heard "$side" '.longest_gap_ms | ceil')" \
			"$1: $side waits at most $gap_bound ms"
		diag "$side: $(cat "$LAB_DIR/$side-media.log")"
	done
}

bulk_start() {
	lab_spawn core iperf-server iperf3 -s -B "$LAB_PCSCF4" -1
	wait_for 5 lab_is_listening core 5201
	lab_spawn ue iperf iperf3 -c "$LAB_PCSCF4" -t "$1" -b 5M
}

# --- growing -----------------------------------------------------------------

test_growth() {
	lab_tscfd_start -o tun.workers=2
	tse_start -o "tscf.server=$LAB_TSCF4"
	is "$(classes)" any "a tunnel that is idle has one lane"
	is "$(connections)" 1 "which is one connection"
	call_start 7
	check "a call gets a second realtime lane" wait_for 3 classes_are any,realtime
	bulk_start 4
	check "bulk beside it gets a lane of its own" wait_for 3 classes_are any,bulk,realtime
	is "$(connections)" 3 "which are three connections"
	is "$(their_classes)" any,bulk,realtime "tscfd says the same"
	like "$(lab_tsectl alice status)" 'lanes +any, port [0-9]+, round trip [0-9.]+ ms' \
		"tsectl status shows them"
	like "$(lab_tscfctl sessions)" '^  +bulk, [0-9.]+:[0-9]+, round trip .* segments resent' \
		"so does tscfctl sessions"
	is "$(lab_tscfctl -j sessions | jq -c '[.sessions[].lanes[].resumed]')" '[false,true,true]' \
		"the further ones by resumed TLS"
	check "bulk ends" has_ended 8 iperf
	check "the call ends" call_end 10
	call_was_good "lanes that come meanwhile" 0
	is "$(bulk_lane_share)" yes "bulk went over its own lane"
}

# The lane for bulk has carried most segments of payload.
bulk_lane_share() {
	lab_tsectl alice -j status | jq -r '.lanes | map(.segments) as $all |
		if (map(select(.class == "bulk").segments)[0]) > ($all | add) / 2
		then "yes" else "no" end'
}

# --- dying -------------------------------------------------------------------

# One after the other, the first one first, is closed under the running call.
kill_each() {
	local port
	for port in $(lab_tsectl alice -j status | jq -r '.lanes[].outer'); do
		in_ns ue ss -K dst "$LAB_TSCF4" sport = ":$port" >/dev/null
		wait_for 3 is_gone "$port" || return
		has_lanes 2 || return
		wait_for 5 has_lanes 4 || return
	done
}

is_gone() {
	[ -z "$(lab_tsectl alice -j status | jq -r ".lanes[] | select(.outer == \"$1\").outer")" ]
}

# The network swallows one connection, without a word.
swallow() {
	in_ns access nft insert rule inet firewall forward tcp sport "$1" drop
	in_ns access nft insert rule inet firewall forward tcp dport "$1" drop
}

# What the rest of this test would be without further lanes.
test_one_lane() {
	local side longest
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=1
	call_start 3
	is "$(lane_count)" 1 "with lanes = 1 a call has one lane"
	swallow "$(lab_tsectl alice -j status | jq -r '.lanes[].outer')"
	check "the call ends" call_end 8
	is "$(connections)" 1 "there never was another connection"
	for side in ue core; do
		longest=$(heard "$side" '.longest_gap_ms | floor')
		at_least "$longest" "$gap_bound" "and $side hears nothing when the lane falls silent"
	done
	tse_stop
	lab_firewall strict
}

test_death() {
	local port
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=4
	check "four lanes are asked for and come" wait_for 5 classes_are any,bulk,realtime,realtime
	call_start 10
	check "each of them is killed, the first one too, and another comes" kill_each
	is "$(reconnects)" 0 "the tunnel has lived on"
	port=$(lab_tsectl alice -j status | jq -r '.lanes[] | select(.class == "realtime").outer' |
		head -n 1)
	swallow "$port"
	check "the call ends" call_end 15
	call_was_good "lanes that die, and one that falls silent" 12
	is "$(reconnects)" 0 "the tunnel has still lived on"
	at_least "$(lab_tscfctl -j status | jq .passed_on)" 1 "lanes came across workers"
	lab_firewall strict
}

# All at once: then it is a tunnel that is lost, and resumed.
test_all_die() {
	local inner
	inner=$(inner4)
	in_ns ue ss -K dst "$LAB_TSCF4" dport = :443 >/dev/null
	check "without any lane the tunnel comes back" wait_for 10 has_reconnected
	is "$(inner4)" "$inner" "with the same address"
	check "and its lanes do" wait_for 5 classes_are any,bulk,realtime,realtime
	tse_stop
}

has_reconnected() {
	[ "$(reconnects)" = 1 ] && [ "$(lab_state alice STATE)" = up ]
}

# --- an outage ---------------------------------------------------------------

# Nothing passes for two seconds.  TCP cannot take back what it was given, so the
# call's packets must wait, and become stale, in front of it.
test_outage() {
	local side
	tse_start -o "tscf.server=$LAB_TSCF4"
	call_start 6
	check "a call has two lanes" wait_for 3 has_lanes 2
	in_ns access nft insert rule inet firewall forward drop
	sleep 2
	lab_firewall strict
	check "the call ends" call_end 10
	at_least "$(most_retransmits)" 12 "one of them has never stopped trying"
	for side in ue core; do
		at_least 2700 "$(heard "$side" '.longest_gap_ms | ceil')" \
			"an outage of 2 s: $side hears again soon after it"
		at_least "$(heard "$side" '.sent - .received')" 50 \
			"and no burst of what is stale"
		diag "$side: $(cat "$LAB_DIR/$side-media.log")"
	done
	is "$(reconnects)" 0 "the tunnel has lived on"
	tse_stop
}

# With one lane there is nothing else to try; but what TCP was not given cannot come late.
test_outage_of_one() {
	local side
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=1
	call_start 4
	check "media flows" wait_for 3 media_flows
	in_ns access nft insert rule inet firewall forward drop
	sleep 0.9
	lab_firewall strict
	check "the call ends" call_end 10
	for side in ue core; do
		at_least "$(heard "$side" '.sent - .received')" 15 \
			"an outage of 0.9 s with one lane: what is stale is not sent to $side"
		diag "$side: $(cat "$LAB_DIR/$side-media.log")"
	done
	tse_stop
}

media_flows() {
	[ "$(lab_tsectl alice -j status | jq '[.counters.media_up, .counters.media_down] | min')" -ge 25 ]
}

# Of one lane, at either end.  The kernel alone would do so ten times in two seconds.
most_retransmits() {
	{
		lab_tsectl alice -j status | jq '.lanes[].retransmits'
		lab_tscfctl -j sessions | jq '.sessions[].lanes[].retransmits'
	} | sort -n | tail -n 1
}

# --- ending ------------------------------------------------------------------

test_end() {
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=3
	check "three lanes" wait_for 5 has_lanes 3
	check "the administrator disconnects" lab_tscfctl disconnect alice
	check "which ends all of them" wait_for 5 none_is_left
	tse_stop
}

none_is_left() {
	[ "$(connections)" = 0 ]
}

# --- refusals ----------------------------------------------------------------

# Tells more than once in ten seconds?
refusals_told() {
	grep -c 'no further connection for the tunnel' "$LAB_DIR/tse.log"
}

is_told() {
	[ "$(refusals_told)" -ge 1 ]
}

test_limits() {
	lab_stop tscfd || true
	lab_tscfd_start -o session.lanes=2
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=6
	check "a TSCF that allows two lanes" wait_for 5 has_lanes 2
	is "$(connections)" 2 "gets two"
	tse_stop
	lab_stop tscfd || true
	lab_tscfd_start
	in_ns access nft insert rule inet firewall forward iifname ue tcp dport 443 \
		tcp flags syn / syn,ack ct count over 2 reject with tcp reset
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=6
	check "a network that allows two connections" wait_for 10 has_lanes 2
	check "is believed, and it is told" wait_for 20 is_told
	is "$(lane_count)" 2 "the tunnel goes on with two"
	call_start 2
	check "a call goes on" call_end 6
	call_was_good "two lanes" 0
	is "$(refusals_told)" 1 "told once"
	is "$(reconnects)" 0 "the tunnel never suffered"
	tse_stop
}

# --- a proxy -----------------------------------------------------------------

test_proxy() {
	local port profile=(-o tscf.server="$LAB_NAME" -o traversal.mode=always -o tunnel.lanes=3
		-o "traversal.proxy=http://$proxy_name:$proxy_port" -o traversal.order=proxy-first)
	lab_firewall proxy-reject
	squid_start 'http_access allow tunnel'
	tse_start "${profile[@]}"
	check "through squid" wait_for 8 has_lanes 3
	is "$(in_ns ue ss -tnH state established dport = :$proxy_port | wc -l)" 3 \
		"three connections to the proxy"
	is "$(lab_tscfctl -j sessions | jq -c '[.sessions[].lanes[].resumed]')" '[false,true,true]' \
		"the further ones by resumed TLS, too"
	call_start 4
	port=$(lab_tsectl alice -j status | jq -r '.lanes[0].outer')
	in_ns ue ss -K dport = ":$proxy_port" sport = ":$port" >/dev/null
	check "the first one dies" wait_for 3 is_gone "$port"
	check "and another comes" wait_for 5 has_lanes 3
	check "they carry a call" call_end 8
	call_was_good "through squid" 6
	is "$(reconnects)" 0 "the tunnel has lived on"
	tse_stop
	lab_stop squid || true
	squid_start 'acl many maxconn 1' 'http_access deny many' 'http_access allow tunnel'
	tse_start "${profile[@]}"
	check "a proxy that lets nobody have a second connection is believed" wait_for 8 is_told
	is "$(lane_count)" 1 "the tunnel goes on with one"
	is "$(reconnects)" 0 "and never suffered"
	tse_stop
	lab_stop squid || true
	lab_firewall strict
}

# --- hostile joins -----------------------------------------------------------

mallory() {
	in_ns ue "$peer" client --profile "$LAB_DIR/mallory.conf" --wait 5 "$@"
}

test_hostile() {
	local said
	tse_start -o "tscf.server=$LAB_TSCF4" -o tunnel.lanes=3
	check "alice has three lanes" wait_for 5 has_lanes 3
	said=$(mallory join 2>&1 || true)
	like "$said" '^Join Response, result 9, ' "a wrong key"
	said=$(mallory --other "$LAB_DIR/alice.conf" join-other 2>&1 || true)
	like "$said" '^Join Response, result 2, ' "the right key, with another client's certificate"
	said=$(mallory join-many 2>&1 || true)
	is "$(grep -c '^Join Response, result 0' <<<"$said")" 15 "sixteen lanes in all"
	like "$said" '^Join Response, result 5, ' "and no more"
	said=$(mallory join-class 2>&1 || true)
	like "$said" '^Join Response, result 7, ' "a class that does not exist"
	is "$(lane_count)" 3 "alice has hers"
	is "$(lab_tscfctl -j sessions | jq '[.sessions[] | select(.identity == "alice").lanes[]] | length')" 3 \
		"and tscfd knows no others"
	is "$(reconnects)" 0 "and never suffered"
	tse_stop
}

test_growth
tse_stop
test_one_lane
test_death
test_all_die
test_outage
test_outage_of_one
test_end
test_limits
test_proxy
test_hostile
lab_stop tscfd || true
tap_done
