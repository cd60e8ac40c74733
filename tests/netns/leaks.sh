#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Nothing of IMS is ever seen beside the tunnel.  Apps send all the time, to the
# P-CSCF and to media addresses, in both families, by UDP and by TCP; the access
# network is watched all the time; what happens to the tunnel in between is what
# makes tunnels leak.  And since a watchman who sleeps sees nothing either: a
# leak that is made on purpose is seen.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly media_port=40000
# What comes is no leak of this host: to a connection that an app had before the tunnel
# was up, and that tse closed, the P-CSCF sends FIN again and again.
readonly sent="not (src net $LAB_IMS4 or src net $LAB_IMS6)"

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/insist" "$lab_top/tests/tools/insist.c"
lab_kamailio_start
lab_pki alice
# Open: what leaks is not stopped by a firewall, and would arrive.
lab_firewall open
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start

# In the foreground, so that it has a process id here.
tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" "$@"
}

is_up() {
	lab_tsectl alice status
}

state_is() {
	[ "$(lab_tsectl alice --json status | jq -r .state)" = "$1" ]
}

insist_start() {
	lab_spawn ue insist "$LAB_DIR/insist" "$LAB_PCSCF4" 5060 "$LAB_PCSCF6" 5060 \
		"$LAB_PCSCF4" "$media_port" "$LAB_PCSCF6" "$media_port"
	wait_for 5 test -s "$LAB_DIR/insist.log"
}

# insisted KEY: how often that has happened to the apps, e.g. .udp.sent.
insisted() {
	tail -n 2 "$LAB_DIR/insist.log" | head -n 1 | jq "$1"
}

exceeds() {
	[ "$(insisted "$1")" -ge "$2" ]
}

# apps_see KEY COUNT DESCRIPTION: that often more from now on.
apps_see() {
	local before
	before=$(insisted "$1")
	check "$3" wait_for 10 exceeds "$1" $((before + $2))
}

apps_are_refused() {
	apps_see .udp.unreachable 40 "$1: apps that send by UDP are told that there is no way"
	apps_see .tcp.unreachable 8 "$1: and those that connect by TCP"
}

apps_get_through() {
	apps_see .udp.sent 40 "$1: apps send by UDP"
	apps_see .tcp.connected 4 "$1: and connect by TCP"
}

# no_leak DESCRIPTION: nothing up to now, and the watch goes on in a new file.
no_leak() {
	lab_capture_stop
	is "$(lab_capture_leaks "$sent" | head -n 5)" "" "$1: nothing of it is on the wire"
	lab_capture_start
}

ims_packets() {
	lab_capture_count "(dst net $LAB_IMS4 or dst net $LAB_IMS6) and $1"
}

test_up() {
	tse_start
	wait_for 10 is_up
	insist_start
	apps_get_through "tunnel up"
	is "$(insisted '.udp.unreachable + .tcp.unreachable')" 0 "tunnel up: nobody is refused"
	no_leak "tunnel up"
}

test_call() {
	local family
	for family in 4 6; do
		check "IPv$family: a call" lab_call 2 "$family"
		at_least "$(lab_rtp core .received)" 90 "IPv$family: bob hears alice"
		at_least "$(lab_rtp ue .received)" 90 "IPv$family: alice hears bob"
	done
	no_leak "calls"
}

test_tse_killed() {
	lab_stop tse KILL || true
	apps_are_refused "tse killed"
	no_leak "tse killed"
	tse_start
	check "tse starts again" wait_for 10 is_up
	apps_get_through "tse started again"
	no_leak "start after a kill"
}

test_tscfd_killed() {
	lab_stop tscfd KILL || true
	apps_are_refused "tscfd killed"
	check "tscfd killed: tse is reconnecting" wait_for 10 state_is reconnecting
	apps_are_refused "reconnecting"
	no_leak "tscfd killed"
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	lab_tsectl alice kick || true
	check "tscfd restarted: the tunnel is up again" wait_for 10 is_up
	apps_get_through "tunnel up again"
	no_leak "tunnel lost and found"
}

# The TSCF cannot be reached at all and its silence has to be waited for.
test_blackhole() {
	in_ns access nft insert rule inet firewall forward tcp dport 443 drop
	lab_tscfctl disconnect alice >/dev/null
	in_ns access nft insert rule inet firewall forward tcp sport 443 drop
	check "the TSCF is cut off: tse dials and waits" wait_for 10 state_is dialing
	apps_are_refused "cut off"
	no_leak "cut off"
	lab_firewall open
	check "the network is back: the tunnel is up again" wait_for 15 is_up
	apps_get_through "network back"
	no_leak "network back"
}

# mode = always: IMS waits for the tunnel from the first moment on.
test_before_connect() {
	local how
	lab_stop tse
	lab_stop tscfd
	for how in "" "-o steering.allowed-routes=$LAB_IMS4,$LAB_IMS6"; do
		# Without the option, what the last tunnel routed is remembered.
		[ -z "$how" ] || rm -rf "$LAB_DIR/state"
		# shellcheck disable=SC2086 # none or two words
		tse_start $how
		wait_for 5 state_is waiting
		lab_capture_stop
		lab_capture_start
		apps_are_refused "before the first connection${how:+, allowed-routes given}"
		no_leak "before the first connection${how:+, allowed-routes given}"
		lab_stop tse || true
	done
}

# On the way down: the last packets of the tunnel, then what apps do without.
test_deliberate_leak() {
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	tse_start
	wait_for 10 is_up
	lab_stop tse KILL || true
	lab_capture_stop
	lab_capture_start
	apps_are_refused "tse killed once more"
	ip -n "$LAB_TAG-ue" -4 rule delete priority 24322
	apps_see .udp.sent 40 "the IPv4 rule removed by hand: apps get out"
	lab_capture_stop
	at_least "$(ims_packets 'ip and udp')" 20 "this leak of UDP is seen"
	at_least "$(ims_packets 'ip and tcp')" 1 "and of TCP"
	is "$(ims_packets ip6)" 0 "IPv6 still does not leak"
	at_least "$(lab_capture_leaks "$sent" | wc -l)" 20 "and counts as a leak"
	lab_capture_start
	ip -n "$LAB_TAG-ue" -6 rule delete priority 24322
	apps_see .udp.sent 80 "the IPv6 rule removed, too"
	lab_capture_stop
	at_least "$(ims_packets ip6)" 20 "this leak is seen"
}

lab_capture_start
test_up
test_call
test_tse_killed
test_tscfd_killed
test_blackhole
test_before_connect
test_deliberate_leak
tap_done
