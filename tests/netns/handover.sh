#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Maintenance: a TSCF hands its tunnels to another one that serves the same pool,
# and takes them back later.  Inner addresses, the SIP registration and a call in
# progress stay.
#
#    tscf    tscfd   192.0.2.10   pool 10.64.0.0/16, fd64:64:64::/48
#    tscf2   spare   192.0.3.10   the same pool
#
#   The core sends what is for the pool to the one that will drain, which has a route of its own
#   to the other one; the kernel takes that when tscf0 is no more.
#
#               access ------------ tscf ------- core
#                    \                |          /
#                     \---------- tscf2 --------/
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly spare4=192.0.3.10 peer=$lab_top/tests/tools/hostile_peer.py

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up

# A second TSCF host, beside the first.
add_spare_host() {
	ip netns add "$LAB_TAG-tscf2"
	lab_names tscf2
	lab_sysctl tscf2
	lab_link access tscf2 192.0.3.1/24 "$spare4/24" 2001:db8:3::1/64 2001:db8:3::10/64
	lab_link tscf2 core 10.97.0.1/24 10.97.0.10/24 fd97::1/64 fd97::10/64
	lab_link tscf tscf2 10.98.0.1/24 10.98.0.2/24 fd98::1/64 fd98::2/64
	ip -n "$LAB_TAG-tscf2" route add default via 192.0.3.1
	ip -n "$LAB_TAG-tscf2" route add "$LAB_IMS4" via 10.97.0.10
	ip -n "$LAB_TAG-tscf2" route add "$LAB_IMS6" via fd97::10
	ip -n "$LAB_TAG-access" route add "$LAB_IMS4" via 192.0.2.10
}

# backup_route HOST GATEWAY4 GATEWAY6: what leads nowhere else goes to the other host.
backup_route() {
	ip -n "$LAB_TAG-$1" route replace "$LAB_POOL4" via "$2" metric 5000
	ip -n "$LAB_TAG-$1" route replace "$LAB_POOL6" via "$3" metric 5000
}

# start_in HOST NAME [OPTION]...
start_in() {
	local host=$1 name=$2
	shift 2
	rm -f "$LAB_DIR/$name.sock"
	lab_spawn "$host" "$name" "$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o control.socket="$LAB_DIR/$name.sock" -o session.state-file="$LAB_DIR/$name.leases" "$@"
	wait_for 5 in_log "$name" 'is ready' || lab_fail "no $name"
}

# in_log DAEMON REGULAR-EXPRESSION
in_log() {
	grep -E "$2" "$LAB_DIR/$1.log" >/dev/null
}

# ctl HOST NAME COMMAND...
ctl() {
	in_ns "$1" "$BUILD/tscfctl" --socket "$LAB_DIR/$2.sock" "${@:3}"
}

addresses() {
	echo "$(lab_state alice INNER4) $(lab_state alice INNER6)"
}

# has_ended NAME
has_ended() {
	lab_has_ended "$(lab_pid "$1")"
}

packets_down() {
	lab_tsectl alice --json status | jq .counters.packets_down
}

media_flows() {
	[ "$(packets_down)" -gt "$1" ]
}

start_call() {
	local before inner
	before=$(packets_down)
	inner=$(lab_state alice INNER4)
	lab_streams "$1" "$LAB_PCSCF4" 40000 "${inner%/*}" 40010 &
	streams=$!
	wait_for 3 media_flows $((before + 20)) || lab_fail "no call"
}

# registers WHEN
registers() {
	local took
	took=$(lab_register ue alice 4) || took=failed
	check "alice registers $1 ($took ms)" [ "$took" != failed ]
}

# What changes at the UE's interfaces, addresses and routes.
watch_kernel() {
	lab_spawn ue kernel ip -o monitor link address route
}

# hand_over FROM-HOST FROM-ADDRESS FROM TO-ADDRESS TO: with a call; another client of the first
# one does not go, so that this one stays for 3 s when the call has moved.
hand_over() {
	local host=$1 here4=$2 from=$3 to=$4 name=$5 gap before status=0
	before=$(addresses)
	: >"$LAB_DIR/stubborn.log"
	lab_spawn ue stubborn "$peer" client --profile "$LAB_DIR/bob.conf" --host "$here4" \
		--wait 20 unknown
	wait_for 5 grep -q 'result 0' "$LAB_DIR/stubborn.log" || lab_fail "no second client"
	watch_kernel
	start_call 7
	like "$(ctl "$host" "$from" drain --to "$to:443" --calls --time-limit 3)" 'draining 2 tunnels' \
		"$from drains 2 tunnels, calls too"
	check "the call moves at once" wait_for 2 in_log tse "moved to $to port 443"
	refuse "$from is still there" has_ended "$from"
	is "$(ctl "$host" "$from" --json status | jq .tunnels)" 1 "and counts one tunnel less"
	is "$(ctl "$host" "$from" --json sessions | jq -r '.sessions[].identity')" bob \
		"which is the one that does not go"
	lab_wait 6 "$from" || status=$?
	is "$status" 0 "at its time limit it ends, with status 0"
	wait "$streams" || true
	gap=$(jq -s '[.[].longest_gap_ms] | max | floor' "$LAB_DIR/ue.rtp" "$LAB_DIR/core.rtp")
	diag "the call from $from to $name: longest gap $gap ms," \
		"lost up and down $(jq -s -c '[.[0].sent - .[1].received, .[1].sent - .[0].received]' \
			"$LAB_DIR/ue.rtp" "$LAB_DIR/core.rtp")"
	at_least $((1000 - gap)) 0 "its longest gap is below 1 s"
	is "$(addresses)" "$before" "alice has the same addresses"
	lab_stop kernel INT || true
	# What is outside the tunnel is the TSCF's address, another one now.
	is "$(grep -v "throw \($LAB_TSCF4\|$LAB_TSCF6\|$spare4\) " "$LAB_DIR/kernel.log" || true)" '' \
		"nothing has changed at her interface, addresses and routes"
	registers "at $name"
	check "and is reached by IPv6" in_ns ue ping -6 -q -c 1 -W 1 "$LAB_PCSCF6"
	lab_stop stubborn >/dev/null 2>&1 || true
}

add_spare_host
lab_pki alice bob
"$lab_top/scripts/tscf-pki" renew-server --dir "$LAB_DIR/pki" --name "$LAB_NAME" \
	--address "$LAB_TSCF4" --address "$spare4" >>"$LAB_DIR/pki.log"
lab_firewall open
lab_kamailio_start
start_in tscf tscfd -o tun.workers=1 # alice has the first address
start_in tscf2 spare
backup_route tscf 10.98.0.2 fd98::2
lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
	--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o traversal.mode=always
check "alice's tunnel is up" wait_for 10 lab_tsectl alice status
registers "at tscfd"

hand_over tscf "$LAB_TSCF4" tscfd "$spare4" spare

# Before the first one comes back the core's route leads to the second one.
ip -n "$LAB_TAG-tscf" route delete "$LAB_POOL4" metric 5000
ip -n "$LAB_TAG-tscf" route delete "$LAB_POOL6" metric 5000
ip -n "$LAB_TAG-core" route add "$LAB_POOL4" via 10.97.0.1
ip -n "$LAB_TAG-core" route add "$LAB_POOL6" via fd97::1
backup_route tscf2 10.98.0.1 fd98::1

# It starts with what the other one knows, so a newcomer cannot get what alice has,
# and her token is good.
rm "$LAB_DIR/tscfd.leases"*
for file in "$LAB_DIR/spare.leases"*; do
	cp -p "$file" "${file/spare/tscfd}"
done
start_in tscf tscfd -o tun.workers=1
check "it knows the other one's leases" \
	in_log tscfd 'tscfd.leases: 1 leases, of which 1 may be resumed'
in_ns ue "$peer" client --profile "$LAB_DIR/bob.conf" --host "$LAB_TSCF4" --wait 1 unknown \
	>"$LAB_DIR/bob.log" 2>&1 || true
check "a newcomer has come" in_log tscfd 'bob from .* has'
refuse "and has not got alice's address" in_log tscfd 'bob from .* has 10\.64\.0\.2/'
hand_over tscf2 "$spare4" spare "$LAB_TSCF4" tscfd
is "$(grep -c 'a new tunnel with the old addresses' "$LAB_DIR/tse.log")" 1 \
	"the first time she was granted what she wished for, the second time her token was good"
refuse "the tunnel was never lost" in_log tse 'tunnel lost'
tap_done
