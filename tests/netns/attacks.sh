#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Attacks on tunnels that are known by name.  The access network is the enemy's:
# it gives routes, addresses and DNS answers, and it sends what it likes.  Nothing
# of IMS may go beside the tunnel, and nobody out there may learn of, or speak to,
# what is inside.  Where it can be shown, the attack is also made on something
# that it does hit.
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
lab_pki alice
# What leaks is not stopped by a firewall, and would arrive.
lab_firewall open
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start

# way TARGET: the interface that an app's packets take.
way() {
	in_ns ue ip -j route get "$1" 2>/dev/null | jq -r '.[0].dev' || true
}

inner() {
	local address
	address=$(lab_state alice "INNER$1")
	echo "${address%/*}"
}

# set_rp_filter N: on all interfaces of the UE.
set_rp_filter() {
	in_ns ue sh -c 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo '"$1"' >"$file"; done'
}

registers() {
	lab_register ue alice 4 && lab_register ue alice 6
}

up() {
	lab_tse_up alice -o traversal.mode=always "$@" >/dev/null
}

# nothing_beside DESCRIPTION: since lab_capture_start.
nothing_beside() {
	lab_capture_stop
	is "$(lab_capture_leaks | head -n 5)" "" "$1: nothing goes beside the tunnel"
}

# CVE-2024-3661: more specific routes from the enemy's DHCP server (option 121),
# which the UE's DHCP client puts into the main table.
vision_routes() {
	ip -n "$LAB_TAG-ue" route "$1" "$LAB_PCSCF4/32" via 198.51.100.1 dev access
	ip -n "$LAB_TAG-ue" route "$1" 10.99.0.0/25 via 198.51.100.1 dev access
	ip -n "$LAB_TAG-ue" -6 route "$1" "$LAB_PCSCF6/128" via 2001:db8:2::1 dev access
}

test_tunnel_vision() {
	up
	vision_routes add
	lab_capture_start
	is "$(way "$LAB_PCSCF4") $(way "$LAB_PCSCF6")" "tse0 tse0" "TunnelVision: routes of DHCP do not count"
	check "TunnelVision: alice registers" registers
	nothing_beside "TunnelVision"
	vision_routes delete
	lab_tse_down alice
	up -o steering.steer=main
	vision_routes add
	is "$(way "$LAB_PCSCF4") $(way "$LAB_PCSCF6")" "access access" \
		"steer = main has no such protection: there the attack succeeds"
	vision_routes delete
	lab_tse_down alice
}

# CVE-2023-36672: the access network claims the very addresses of the core as its
# own, so that the UE believes them to be next door.
local_net() {
	ip -n "$LAB_TAG-ue" address "$1" 10.99.0.77/24 dev access
	ip -n "$LAB_TAG-ue" address "$1" fd99::77/64 dev access nodad
}

test_local_net() {
	local output status=0
	up
	lab_capture_start
	local_net add
	# The tunnel that is up may live on or be refused there: never beside.
	refuse "LocalNet: no app goes to the local network" test "$(way "$LAB_PCSCF4")" = access
	in_ns ue ping -q -c 8 -i 0.2 -W 0.3 "$LAB_PCSCF4" >/dev/null 2>&1 || true
	in_ns ue ping -q -c 8 -i 0.2 -W 0.3 "$LAB_PCSCF6" >/dev/null 2>&1 || true
	refuse "LocalNet: nor later" test "$(way "$LAB_PCSCF4")" = access
	nothing_beside "LocalNet"
	local_net delete
	check "LocalNet: back in a decent network, alice registers" wait_for 10 registers
	local_net add
	lab_tse_down alice
	output=$(lab_tse_up alice 2>&1) || status=$?
	is "$status" 12 "LocalNet: no new tunnel in such a network"
	like "$output" '10\.99\.0\.0/24 overlaps 10\.99\.0\.0/24.*through access' "LocalNet: tse-up says why"
	is "$(way "$LAB_PCSCF4")" access "without the tunnel the attack succeeds"
	local_net delete
}

# CVE-2023-36673: the enemy's DNS gives the TSCF an address inside the core, and
# passes the connection on, so that all is well but for the exception that the
# tunnel makes for its server's address.
names() {
	sed -i "/$LAB_NAME/d" "/etc/netns/$LAB_TAG-ue/hosts"
	local address
	for address; do
		echo "$address $LAB_NAME" >>"/etc/netns/$LAB_TAG-ue/hosts"
	done
}

# no_exception DESCRIPTION [OPTION]...: refused or not, the apps have none.
no_exception() {
	local description=$1
	shift
	lab_tse_up alice -o traversal.mode=always "$@" >"$LAB_DIR/server-ip.log" 2>&1 || true
	refuse "ServerIP: $description: no exception is made for it" \
		grep -q "throw $LAB_PCSCF4" <<<"$(ip -n "$LAB_TAG-ue" route show table 24322 2>/dev/null)"
	if lab_tsectl alice status >/dev/null 2>&1; then
		is "$(way "$LAB_PCSCF4")" tse0 "ServerIP: apps reach it through the tunnel"
	else
		like "$(cat "$LAB_DIR/server-ip.log")" "contains $LAB_PCSCF4, an outer address" "ServerIP: it is refused"
	fi
	lab_tse_down alice >/dev/null 2>&1 || true
}

test_server_ip() {
	lab_spawn core relay socat "TCP4-LISTEN:443,bind=$LAB_PCSCF4,fork,reuseaddr" "TCP4:$LAB_TSCF4:443"
	wait_for 5 lab_is_listening core 443
	set_rp_filter 0 # any other drops what comes from there: the attack ends before it begins
	names "$LAB_PCSCF4"
	no_exception "the P-CSCF's address as the TSCF's" -o "steering.routes=$LAB_IMS4"
	no_exception "the same with allowed-routes" -o "steering.allowed-routes=$LAB_IMS4,$LAB_IMS6"
	names "$LAB_TSCF4" "$LAB_PCSCF4"
	no_exception "the same as a second address" -o "steering.allowed-routes=$LAB_IMS4,$LAB_IMS6"
	names "$LAB_TSCF4" "$LAB_TSCF6"
	lab_stop relay || true
	set_rp_filter 1
	up
	check "ServerIP: with the true addresses alice registers" registers
	lab_tse_down alice
}

# CVE-2019-14899: a neighbour sends to the inner address, at the outer interface.
# He has a route to it, and the addresses of whom the UE talks to.
neighbour() {
	ip -n "$LAB_TAG-access" route "$1" "$(inner 4)/32" via 198.51.100.2
	ip -n "$LAB_TAG-access" route "$1" "$(inner 6)/128" via 2001:db8:2::2
}

answers_neighbour() {
	in_ns access ping -q -n -c 2 -i 0.2 -W 0.5 "$1"
}

rst_of() {
	in_ns access timeout 1 bash -c "echo >/dev/tcp/$1/9" 2>&1 || true
}

# Packets that came out of the tunnel at the TSCF.
carried() {
	in_ns tscf cat /sys/class/net/tscf0/statistics/rx_packets
}

test_neighbour() {
	local mode before address
	for mode in 1 2 0; do
		set_rp_filter "$mode"
		up
		neighbour add
		before=$(carried)
		for address in "$(inner 4)" "$(inner 6)"; do
			refuse "a neighbour, rp_filter = $mode: no echo from $address" answers_neighbour "$address"
			refuse "no RST either" grep -q 'refused' <<<"$(rst_of "$address")"
		done
		is "$(carried)" "$before" "and nothing of it went through the tunnel"
		check "alice registers" registers
		neighbour delete
		lab_tse_down alice
	done
	set_rp_filter 1
	up -o steering.steer=main
	neighbour add
	check "steer = main has no such protection: there he is answered" answers_neighbour "$(inner 4)"
	neighbour delete
	lab_tse_down alice
}

# With the core's own address as his source, to a port where an app listens.
test_spoofing_neighbour() {
	up
	neighbour add
	ip -n "$LAB_TAG-access" address add "$LAB_PCSCF4/32" dev lo
	lab_spawn ue victim socat -u UDP4-RECV:7777 "CREATE:$LAB_DIR/heard"
	wait_for 5 listens_udp
	speak "$LAB_PCSCF4"
	in_ns ue bash -c "echo heard >/dev/udp/$(inner 4)/7777"
	wait_for 5 grep -q heard "$LAB_DIR/heard"
	is "$(cat "$LAB_DIR/heard")" "heard" "a neighbour in the core's name: strict rp_filter drops him"
	set_rp_filter 0
	speak "$LAB_PCSCF4"
	check "without rp_filter he is heard: this needs the rule of tse(8)" wait_for 2 grep -q injected "$LAB_DIR/heard"
	in_ns ue nft -f - <<-END
		table inet tse-inner {
			chain input {
				type filter hook prerouting priority raw
				iifname != { "tse0", "lo" } ip daddr $(inner 4) drop
				iifname != { "tse0", "lo" } ip6 daddr $(inner 6) drop
			}
		}
	END
	: >"$LAB_DIR/heard"
	speak "$LAB_PCSCF4"
	in_ns ue bash -c "echo again >/dev/udp/$(inner 4)/7777"
	wait_for 5 grep -q again "$LAB_DIR/heard"
	refuse "with that rule he is not" grep -q injected "$LAB_DIR/heard"
	check "and alice registers" lab_register ue alice 6
	in_ns ue nft delete table inet tse-inner
	lab_stop victim || true
	ip -n "$LAB_TAG-access" address delete "$LAB_PCSCF4/32" dev lo
	neighbour delete
	set_rp_filter 1
	lab_tse_down alice
}

listens_udp() {
	grep -q 7777 <<<"$(in_ns ue ss -H -u -l -n)"
}

speak() {
	echo injected | in_ns access socat -u - "UDP4-SENDTO:$(inner 4):7777,bind=$1:5060"
}

test_tunnel_vision
test_local_net
test_server_ip
test_neighbour
test_spoofing_neighbour
tap_done
