#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# IMS prefixes into the tunnel, with the inner address as their source, and
# nothing else: in a table of our own, in the main table, or by hand; under
# strict reverse-path filtering; beside the rules and routes of others, which
# stay as they are; and all of it gone in the end.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice bob carol
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start

# Everything about routing in the UE.
snapshot() {
	local family
	for family in -4 -6; do
		ip -n "$LAB_TAG-ue" "$family" rule show
		ip -n "$LAB_TAG-ue" "$family" route show table all
		ip -n "$LAB_TAG-ue" -o "$family" address show
	done
	ip -n "$LAB_TAG-ue" -o link show
}

# What somebody else has set up, some of it in the very places that we use.
foreign() {
	ip -n "$LAB_TAG-ue" rule add priority 100 from 203.0.113.1 lookup 77
	ip -n "$LAB_TAG-ue" -6 rule add priority 100 from 2001:db8:9::1 lookup 77
	ip -n "$LAB_TAG-ue" route add 203.0.113.0/24 via 198.51.100.1 table 77
	ip -n "$LAB_TAG-ue" rule add priority 24322 from 203.0.113.9 lookup 24322
	ip -n "$LAB_TAG-ue" route add 198.18.0.0/15 via 198.51.100.1 table 24322
	ip -n "$LAB_TAG-ue" -6 route add 2001:db8:9::/64 via 2001:db8:2::1 table 24322
	ip -n "$LAB_TAG-ue" route add 203.0.113.0/24 via 198.51.100.1 proto static metric 5
}

foreign
before=$(snapshot)

# is_undone DESCRIPTION
is_undone() {
	if [ "$(snapshot)" = "$before" ]; then
		ok "$1"
	else
		not_ok "$1" "$(diff <(echo "$before") <(snapshot))"
	fi
}

# Lines of `before` that are no longer there.
lost() {
	comm -23 <(sort <<<"$before") <(snapshot | sort)
}

# way TARGET: the interface and source that an app gets for it.
way() {
	in_ns ue ip -j route get "$1" | jq -r '.[0] | "\(.dev) \(.prefsrc)"'
}

# inner 4|6: without the prefix length.
inner() {
	local address
	address=$(lab_state alice "INNER$1")
	echo "${address%/*}"
}

routes() {
	lab_tsectl alice --json status | jq -c .routes
}

check_strict_filter() {
	local interface
	for interface in all access; do
		is "$(in_ns ue cat "/proc/sys/net/ipv4/conf/$interface/rp_filter")" 1 \
			"reverse-path filtering is strict: $interface"
	done
	is "$(in_ns ue cat /proc/sys/net/ipv4/conf/tse0/rp_filter)" 2 \
		"and loose on tse0, through which the TSCF's own errors come"
}

check_steered() {
	is "$(way "$LAB_PCSCF4")" "tse0 $(inner 4)" "$1: IPv4 goes through tse0 from the inner address"
	is "$(way "$LAB_PCSCF6")" "tse0 $(inner 6)" "$1: and IPv6"
	is "$(way "$LAB_TSCF4")" "access 198.51.100.2" "$1: the TSCF itself does not, by IPv4"
	is "$(way "$LAB_TSCF6")" "access 2001:db8:2::2" "$1: nor by IPv6"
}

check_registers() {
	local family
	for family in 4 6; do
		check "$1: alice registers, IPv$family" lab_register ue alice "$family"
		check "$1: alice registers, IPv$family, TCP" lab_register ue alice "$family" tcp
	done
}

# test_steered table|main
test_steered() {
	local steer="steer = $1"
	check "$steer: tse-up" lab_tse_up alice -o "steering.steer=$1"
	check_strict_filter
	check_steered "$steer"
	check_registers "$steer"
	is "$(lost)" "" "$steer: rules and routes of others are untouched"
	check "$steer: tse-down" lab_tse_down alice
	is_undone "$steer: everything is undone"
}

test_none() {
	check "steer = none: tse-up" lab_tse_up alice -o steering.steer=none
	is "$(way "$LAB_PCSCF4")" "access 198.51.100.2" "steer = none: no IPv4 route changes"
	is "$(way "$LAB_PCSCF6")" "access 2001:db8:2::2" "steer = none: nor IPv6"
	is "$(in_ns ue ip rule show | grep -c 24322)" 1 "steer = none: no rule of ours"
	like "$(in_ns ue ip -o address show dev tse0)" "inet $(inner 4)/32" \
		"steer = none: the interface has its address"
	refuse "steer = none: alice cannot register" lab_register ue alice 4
	ip -n "$LAB_TAG-ue" route add "$LAB_IMS4" dev tse0 src "$(inner 4)"
	ip -n "$LAB_TAG-ue" route add "$LAB_IMS6" dev tse0 src "$(inner 6)"
	check_registers "steer = none, routes by hand"
	check_strict_filter
	check "steer = none: tse-down" lab_tse_down alice
	is_undone "steer = none: everything is undone"
}

test_own_numbers() {
	check "table = 4711, fwmark = 0x55, interface = ims0: tse-up" \
		lab_tse_up alice -o steering.table=4711 -o steering.fwmark=0x55 -o tunnel.interface=ims0
	is "$(way "$LAB_PCSCF4")" "ims0 $(inner 4)" "they are used: route"
	like "$(in_ns ue ip rule show)" 'not from all fwmark 0x55 lookup 4711 suppress_prefixlength 0 proto' "they are used: rule"
	check "traffic flows" lab_register ue alice 4
	lab_tse_down alice
	is_undone "everything is undone"
}

test_narrowed() {
	check "allowed-routes narrower than the offer: tse-up" \
		lab_tse_up alice -o steering.allowed-routes=10.99.0.8/29,fd99::/112
	is "$(routes)" '["10.99.0.8/29","fd99::/112"]' "only what both say is steered"
	is "$(way "$LAB_PCSCF4")" "tse0 $(inner 4)" "what is allowed goes through the tunnel"
	is "$(way 10.99.0.100)" "access 198.51.100.2" "the rest does not"
	is "$(way fd99::1:0:10)" "access 2001:db8:2::2" "in neither family"
	lab_tse_down alice
	exits 10 "allowed-routes that the TSCF does not offer" \
		lab_tse_up alice -o steering.allowed-routes=10.98.0.0/16
	exits 3 "the default route is refused in a profile for everybody" \
		lab_tse_up alice -o steering.allowed-routes=0.0.0.0/0
	is_undone "everything is undone"
}

# tse_killed OPTION...: up, and then killed so that it cannot clean up.
tse_killed() {
	local pid
	lab_tse_up alice "$@" >/dev/null
	pid=$(lab_tsectl alice --json status | jq .pid)
	kill -s KILL "$pid"
	wait_for 5 lab_has_ended "$pid"
}

# What a killed run left goes with the next one, though that steers otherwise.
test_killed() {
	local first second
	for first in table main; do
		for second in table main none; do
			tse_killed -o "steering.steer=$first"
			check "killed with steer = $first: starts again with $second" \
				lab_tse_up alice -o "steering.steer=$second"
			lab_tse_down alice
			is_undone "nothing is left of either"
		done
	done
}

# Two profiles at once, of which one has no table.  It lets the other's be.
test_neighbours() {
	local with_alice
	lab_tse_up alice >/dev/null
	with_alice=$(ip -n "$LAB_TAG-ue" rule show && ip -n "$LAB_TAG-ue" route show table all proto 243)
	check "beside it, a profile with steer = none: tse-up" \
		lab_tse_up bob -o steering.steer=none -o tunnel.interface=tse1
	ip -n "$LAB_TAG-ue" address add 203.0.113.200/32 dev lo # something that both notice
	check "alice registers" lab_register ue alice 4
	is "$(ip -n "$LAB_TAG-ue" rule show && ip -n "$LAB_TAG-ue" route show table all proto 243)" \
		"$with_alice" "rules and routes of the first one are untouched"
	ip -n "$LAB_TAG-ue" address delete 203.0.113.200/32 dev lo
	lab_tse_down alice
	lab_tse_up alice >/dev/null
	is "$(ip -n "$LAB_TAG-ue" rule show && ip -n "$LAB_TAG-ue" route show table all proto 243)" \
		"$with_alice" "also when the one with the table starts last"
	exits 5 "two profiles with one table" lab_tse_up carol -o tunnel.interface=tse2
	lab_tse_down bob
	check "alice registers" lab_register ue alice 4
	lab_tse_down alice
	is_undone "everything is undone"
}

test_overlap() {
	ip -n "$LAB_TAG-ue" address add 10.99.0.77/24 dev access
	exits 12 "a network of the UE's own with the same addresses" lab_tse_up alice
	ip -n "$LAB_TAG-ue" address delete 10.99.0.77/24 dev access
	is_undone "everything is undone"
}

# A TSCF that offers the default route, whole and in halves.  No tscfd does.
greedy_start() {
	lab_stop tscfd
	lab_spawn tscf greedy "$lab_top/tests/tools/hostile_peer.py" server \
		--cert "$LAB_DIR/pki/server.crt" --key "$LAB_DIR/pki/server.key" default-route
	wait_for 5 lab_is_listening tscf 443
}

test_default_route() {
	local output status=0
	greedy_start
	output=$(lab_tse_up alice 2>&1) || status=$?
	is "$status" 10 "a TSCF that offers the default route and nothing else is refused"
	like "$output" 'no IMS route that this profile allows.*allowed-routes' "and tse-up says so"
	is_undone "nothing of it was set up"
	lab_stop greedy || true
	greedy_start
	check "allowed-routes names the IMS prefixes: tse-up" \
		lab_tse_up alice -o "steering.allowed-routes=$LAB_IMS4"
	is "$(routes)" "[\"$LAB_IMS4\"]" "these alone are steered"
	is "$(way "$LAB_PCSCF4")" "tse0 10.64.0.2" "they go through the tunnel"
	is "$(way 192.0.2.1)" "access 198.51.100.2" "other traffic goes its old way"
	lab_tse_down alice
	lab_stop greedy || true
	is_undone "everything is undone"
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
}

# way_of USER TARGET
way_of() {
	in_ns ue ip -j route get "$2" uid "$1" | jq -r '.[0] | "\(.dev) \(.prefsrc)"'
}

test_user() {
	local user=12345
	check "uid = $user, with the default route: tse-up" lab_tse_up alice \
		-o "steering.uid=$user" -o steering.allowed-routes=0.0.0.0/0,::/0
	is "$(way_of "$user" "$LAB_PCSCF4")" "tse0 $(inner 4)" "this user's traffic goes into the tunnel"
	is "$(way_of 0 "$LAB_PCSCF4")" "access 198.51.100.2" "that of others does not"
	check "the user reaches the core" in_ns ue setpriv --reuid "$user" --clear-groups \
		bash -c "echo >/dev/tcp/$LAB_PCSCF4/5060"
	refuse "others do not" in_ns ue timeout 0.5 bash -c "echo >/dev/tcp/$LAB_PCSCF4/5060"
	lab_tse_down alice
	is_undone "everything is undone"
}

test_steered table
test_steered main
test_none
test_own_numbers
test_narrowed
test_killed
test_neighbours
test_overlap
test_default_route
test_user
tap_done
