#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Large packets, in each direction and both families: TCP and UDP cross the
# tunnel whole when both ends agreed; when one cannot, or is a plain TS 24.322
# peer, they are cut before the tunnel and put together behind it.  In every case
# each octet arrives as it was.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly port=7000 tcp_octets=20000000 datagrams=5 sent=14000 segment=1400

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/transfer" "$lab_top/tests/tools/transfer.c"
lab_pki alice
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
lab_spawn core serve4 "$LAB_DIR/transfer" serve "$LAB_PCSCF4" "$port"
lab_spawn core serve6 "$LAB_DIR/transfer" serve "$LAB_PCSCF6" "$port"

# inner 4|6: alice's address, without the prefix length.
inner() {
	local address
	address=$(lab_state alice "INNER$1")
	echo "${address%/*}"
}

# Servers at alice's end too, at the addresses that she has now.
serve_alice() {
	local family
	for family in 4 6; do
		lab_stop "serve_alice$family" || true
		lab_spawn ue "serve_alice$family" "$LAB_DIR/transfer" serve "$(inner "$family")" "$port"
	done
	wait_for 5 is_serving ue
	wait_for 5 is_serving core
}

is_serving() {
	[ "$(in_ns "$1" ss -H -l -t -n "sport = :$port" | wc -l)" -eq 2 ]
}

# send up|down 4|6 tcp|udp
send() {
	local ns=ue to
	case $1$2 in
	up4) to=$LAB_PCSCF4 ;;
	up6) to=$LAB_PCSCF6 ;;
	down*) ns=core to=$(inner "$2") ;;
	esac
	case $3 in
	tcp) in_ns "$ns" timeout 60 "$LAB_DIR/transfer" tcp "$to" "$port" "$tcp_octets" ;;
	udp) in_ns "$ns" timeout 60 "$LAB_DIR/transfer" udp "$to" "$port" "$datagrams" "$sent" "$segment" ;;
	esac
}

# count tse|tscfd NAME
count() {
	case $1 in
	tse) lab_tsectl alice --json status ;;
	tscfd) lab_tscfctl --json status ;;
	esac | jq ".counters.$2"
}

# Of `send` arguments, how many packets and octets crossed that way, and what
# tscfd made of them: packets, octets, cut and merged.
measure() {
	local name before=() after=()
	local names=("packets_$1" "octets_$1" packets_cut packets_merged)
	for name in "${names[@]}"; do
		before+=("$(count tscfd "$name")")
	done
	check "$mode, $1, IPv$2, $3: every octet arrives as it was" send "$@"
	for name in "${names[@]}"; do
		after+=("$(count tscfd "$name")")
	done
	packets=$((after[0] - before[0])) octets=$((after[1] - before[1]))
	cut=$((after[2] - before[2])) merged=$((after[3] - before[3]))
	diag "$packets packets of $((octets / packets)) octets, $cut cut, $merged merged"
}

# Before Linux 6.2 no TUN takes UDP in super-packets.
has_uso() {
	[ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -ge 6002 ]
}

# udp_is COUNT WANTED DESCRIPTION: where the kernel leaves UDP whole.
udp_is() {
	if has_uso; then
		is "$1" "$2" "$3"
	else
		skip "$3" "needs Linux 6.2"
	fi
}

# Both ends take super-packets.
test_whole() {
	local way family
	mode='offload = auto'
	for way in up down; do
		for family in 4 6; do
			measure "$way" "$family" tcp
			at_least $((octets / packets)) 3000 "$way, IPv$family: TCP crosses the tunnel whole"
			is "$cut" 0 "$way, IPv$family: and nothing is cut"
			measure "$way" "$family" udp
			udp_is "$packets" "$datagrams" "$way, IPv$family: UDP crosses the tunnel whole"
		done
	done
}

# test_cut MODE: the UE takes none, so tscfd cuts what goes to it and merges what
# comes from it.
test_cut() {
	local way family
	mode=$1
	for way in up down; do
		for family in 4 6; do
			measure "$way" "$family" tcp
			at_least 1500 $((octets / packets)) "$way, IPv$family: TCP crosses in packets of the MTU"
			case $way in
			up) at_least "$merged" $((packets / 3)) "up, IPv$family: most are merged" ;;
			down) at_least "$cut" $((packets / 2)) "down, IPv$family: they were cut" ;;
			esac
			measure "$way" "$family" udp
			is "$packets" $((datagrams * sent / segment)) "$way, IPv$family: UDP crosses in datagrams"
			case $way in
			up) udp_is $((merged > packets / 3)) 1 "up, IPv$family: most are merged" ;;
			down) udp_is "$cut" "$packets" "down, IPv$family: they were cut" ;;
			esac
		done
	done
}

lab_tse_up alice >/dev/null
serve_alice
test_whole
lab_tse_down alice
lab_tse_up alice -o tunnel.offload=off >/dev/null
test_cut 'offload = off'
is "$(count tse packets_cut) $(count tse packets_merged)" "0 0" "offload = off: tse does neither"
lab_tse_down alice
lab_stop tscfd
lab_tscfd_start -o listen.plain=yes
lab_tse_up alice -o tscf.peer=24322 >/dev/null
serve_alice
test_cut 'peer = 24322'
at_least "$(count tse packets_cut)" 20000 "peer = 24322: tse cuts, too"
at_least "$(count tse packets_merged)" 20000 "peer = 24322: and merges"
tap_done
