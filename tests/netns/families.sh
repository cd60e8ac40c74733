#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# IPv4, IPv6 and both, outside and inside; a whole /64 for each UE; errors of
# ICMP made and passed on; TCP segments that fit the tunnel although the hosts
# know nothing of it.  For the latter there is a host behind the UE:
#
#    lan (172.16.0.2, fd00:16::2) --- ue == tunnel, MTU 1300 == tscf --- core
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly port=7000 narrow=1300

clean_up() {
	if [ -e "/run/netns/$LAB_TAG-lan" ]; then
		ip netns delete "$LAB_TAG-lan"
	fi
	lab_down
}

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin clean_up
lab_need_build
lab_up
for tool in forge transfer; do
	cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/$tool" "$lab_top/tests/tools/$tool.c"
done
lab_pki alice
lab_firewall strict
lab_spawn core serve4 "$LAB_DIR/transfer" serve "$LAB_PCSCF4" "$port"
lab_spawn core serve6 "$LAB_DIR/transfer" serve "$LAB_PCSCF6" "$port"

pcscf() {
	case $1 in
	4) echo "$LAB_PCSCF4" ;;
	6) echo "$LAB_PCSCF6" ;;
	esac
}

# inner 4|6: alice's address, without the prefix length.
inner() {
	local address
	address=$(lab_state alice "INNER$1")
	echo "${address%/*}"
}

ping_ue() {
	in_ns ue ping -n -c 1 -W 2 "$@"
}

ping_core() {
	in_ns core ping -n -c 1 -W 2 "$@"
}

# says PATTERN DESCRIPTION COMMAND...: whether it succeeds or not.
says() {
	local pattern=$1 description=$2 output
	shift 2
	output=$("$@" 2>&1 || true)
	like "$output" "$pattern" "$description"
}

restart_tscfd() {
	lab_stop tscfd
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
}

# ------------------------------------------------------------------ outside

# Without one of the families in the access network, the other is taken.
test_outer() {
	local family
	ip -n "$LAB_TAG-ue" -4 address flush dev access
	check "no IPv4 outside: the tunnel comes up" lab_tse_up alice
	for family in 4 6; do
		check "no IPv4 outside: IPv$family passes inside" ping_ue "$(pcscf "$family")"
	done
	lab_tse_down alice
	ip -n "$LAB_TAG-ue" address add 198.51.100.2/24 dev access
	ip -n "$LAB_TAG-ue" route add default via 198.51.100.1
	ip -n "$LAB_TAG-ue" -6 address flush dev access scope global
	check "no IPv6 outside: the tunnel comes up" lab_tse_up alice
	for family in 4 6; do
		check "no IPv6 outside: IPv$family passes inside" ping_ue "$(pcscf "$family")"
	done
	lab_tse_down alice
	ip -n "$LAB_TAG-ue" address add 2001:db8:2::2/64 dev access nodad
	ip -n "$LAB_TAG-ue" route add default via 2001:db8:2::1 2>/dev/null || true
}

# ------------------------------------------------------------------- inside

# A TSCF whose core knows one family alone.
only_family() {
	local pool routes
	case $1 in
	4) pool=$LAB_POOL4 routes=$LAB_IMS4 ;;
	6) pool=$LAB_POOL6 routes=$LAB_IMS6 ;;
	esac
	cp "$LAB_DIR/pki/tscfd.conf" "$LAB_DIR/tscfd.conf.both"
	sed -i -e "/^ipv[46] = /d" -e "s|^\[pool\]|&\nipv$1 = $pool|" \
		-e "s|^routes = .*|routes = $routes|" -e "s|^p-cscf = .*|p-cscf = $(pcscf "$1")|" \
		"$LAB_DIR/pki/tscfd.conf"
	restart_tscfd
}

test_inner() {
	local family other
	for family in 4 6; do
		other=$((10 - family))
		only_family "$family"
		check "IPv$family alone inside: the tunnel comes up" lab_tse_up alice
		check "IPv$family alone inside: it passes" ping_ue "$(pcscf "$family")"
		is "$(inner "$other")" "" "IPv$family alone inside: and there is no other address"
		refuse "IPv$family alone inside: the other one does not leak" \
			ping_ue -W 1 "$(pcscf "$other")"
		check "IPv$family alone inside: TCP in large packets passes" in_ns ue timeout 20 \
			"$LAB_DIR/transfer" tcp "$(pcscf "$family")" "$port" 5000000
		lab_tse_down alice
		mv "$LAB_DIR/tscfd.conf.both" "$LAB_DIR/pki/tscfd.conf"
	done
	restart_tscfd
}

# ---------------------------------------------------------- a /64 for a UE

drops_are() {
	[ "$(lab_tscfctl -j status | jq ".counters.$1")" = "$2" ]
}

test_prefix() {
	local prefix own before
	own=$(lab_state alice INNER6)
	like "$own" '/64$' "a UE has a whole /64"
	prefix=${own%::*}
	ip -n "$LAB_TAG-ue" address add "$prefix:1:2:3:4/128" dev tse0 nodad
	check "any address of it may send" ping_ue -I "$prefix:1:2:3:4" "$LAB_PCSCF6"
	check "and is reached" ping_core "$prefix:1:2:3:4"
	ip -n "$LAB_TAG-ue" address delete "$prefix:1:2:3:4/128" dev tse0
	before=$(lab_tsectl alice -j status | jq .counters.drop_bad_source)
	in_ns ue "$LAB_DIR/forge" send tse0 "${own%%:*}:64:64:ffff::1" "$LAB_PCSCF6" 3
	is "$(($(lab_tsectl alice -j status | jq .counters.drop_bad_source) - before))" 3 \
		"an address of another /64 may not"
}

# --------------------------------------------------------------------- ICMP

test_icmp_up() {
	ip -n "$LAB_TAG-tscf" link set core mtu 1280
	says "From 10\.[0-9.]+ .*mtu ?= ?1280" "IPv4: the UE hears of a narrower link behind the TSCF" \
		ping_ue -M 'do' -s 1300 "$LAB_PCSCF4"
	says "From fd[0-9a-f:]+ .*mtu[:= ]+1280" "IPv6: so it does" \
		ping_ue -M 'do' -s 1300 "$LAB_PCSCF6"
	ip -n "$LAB_TAG-tscf" link set core mtu 1500
	in_ns ue ip route flush cache
	in_ns ue ip -6 route flush cache
	says "Time to live exceeded" "IPv4: Time Exceeded reaches the UE" ping_ue -t 1 "$LAB_PCSCF4"
	says "Time exceeded: Hop limit" "IPv6: Time Exceeded reaches the UE" ping_ue -t 1 "$LAB_PCSCF6"
	ip -n "$LAB_TAG-tscf" route add unreachable 10.99.0.77
	ip -n "$LAB_TAG-tscf" route add unreachable fd99::77
	says "Destination Host Unreachable" "IPv4: Host Unreachable reaches the UE" \
		ping_ue 10.99.0.77
	says "Destination unreachable: (No route|Address unreachable)" \
		"IPv6: Destination Unreachable reaches the UE" ping_ue fd99::77
}

test_icmp_down() {
	says "Time to live exceeded|Time exceeded" "IPv4: Time Exceeded for the core" \
		ping_core -t 1 "$(inner 4)"
	says "Time exceeded: Hop limit" "IPv6: Time Exceeded for the core" ping_core -t 1 "$(inner 6)"
	# The UE's kernel answers for a port that nobody listens on.
	says "Connection refused" "IPv4: Port Unreachable reaches the core" \
		in_ns core timeout 5 "$LAB_DIR/transfer" udp "$(inner 4)" 9 1 100
	says "Connection refused" "IPv6: Port Unreachable reaches the core" \
		in_ns core timeout 5 "$LAB_DIR/transfer" udp "$(inner 6)" 9 1 100
}

# Who asks for nobody very often gets few answers.
test_icmp_limit() {
	local output errors
	output=$(in_ns core ping -n -q -c 3000 -l 3000 -W 0.5 10.64.77.77 2>&1 || true)
	errors=$(sed -n 's/.* +\([0-9]*\) errors.*/\1/p' <<<"$output")
	diag "3,000 pings to nobody at once: ${errors:-0} errors"
	at_least 1500 "${errors:-9999}" "3,000 pings to nobody at once get far less errors than that"
	at_least "${errors:-0}" 20 "but some"
}

session_count() {
	lab_tscfctl -j sessions | jq '.sessions | length'
}

has_no_session() {
	[ "$(session_count)" -eq 0 ]
}

# The one process of the UE that is called so.
tse_pid() {
	local pid
	for pid in $(ip netns pids "$LAB_TAG-ue"); do
		if [ "$(cat "/proc/$pid/comm")" = tse ] && [ -e "/proc/$pid/ns/net" ]; then
			echo "$pid"
		fi
	done | sort -n | tail -n 1
}

# Its lease is kept for a while, but it is not there.
test_absent() {
	local inner4 inner6
	inner4=$(inner 4) inner6=$(inner 6)
	kill -s KILL "$(tse_pid)"
	wait_for 10 has_no_session || true
	is "$(session_count)" 0 "the UE is gone without a word"
	says "Destination Host Unreachable" "IPv4: the TSCF says so to who asks for it" \
		ping_core "$inner4"
	says "Destination unreachable: Address unreachable" "IPv6: the TSCF says so to who asks for it" \
		ping_core "$inner6"
}

# ---------------------------------------------------------------------- MSS

lan_up() {
	local ns=$LAB_TAG-lan
	ip netns add "$ns"
	ip -n "$LAB_TAG-ue" link add lan type veth peer name ue netns "$ns"
	ip -n "$ns" link set lo up
	ip -n "$LAB_TAG-ue" address add 172.16.0.1/24 dev lan
	ip -n "$LAB_TAG-ue" address add fd00:16::1/64 dev lan nodad
	ip -n "$ns" address add 172.16.0.2/24 dev ue
	ip -n "$ns" address add fd00:16::2/64 dev ue nodad
	ip -n "$LAB_TAG-ue" link set lan up
	ip -n "$ns" link set ue up
	ip -n "$ns" route add default via 172.16.0.1
	ip -n "$ns" route add default via fd00:16::1
	in_ns ue sh -c 'cd /proc/sys/net && echo 1 >ipv4/ip_forward && echo 1 >ipv6/conf/all/forwarding'
	in_ns ue nft -f - <<-END
		table inet lan {
			chain postrouting {
				type nat hook postrouting priority srcnat
				oifname "tse0" masquerade
			}
		}
	END
	# As in networks whose firewalls drop "the ping of death": nobody hears of an MTU.
	for ns in lan core; do
		in_ns "$ns" nft -f - <<-END
			table inet deaf {
				chain input {
					type filter hook input priority filter
					icmp type destination-unreachable drop
					icmpv6 type packet-too-big drop
				}
			}
		END
	done
}

# spy NS INTERFACE: what the SYNs say that arrive there.
spy() {
	lab_spawn "$1" "spy_$1" tcpdump --immediate-mode -l -n -Q 'in' -i "$2" \
		"tcp port $port and (tcp[13] & 2 != 0 or ip6[53] & 2 != 0)"
	wait_for 5 grep -q 'listening on' "$LAB_DIR/spy_$1.log"
}

# hears NS FAMILY SIZE
hears() {
	local network=IP
	[ "$2" = 4 ] || network=IP6
	grep -Eq "^[0-9:.]+ $network .*Flags \[S.*mss $3[],]" "$LAB_DIR/spy_$1.log"
}

test_mss() {
	local family size
	lan_up
	spy lan ue
	spy core tscf
	for family in 4 6; do
		size=$((narrow - (family == 4 ? 40 : 60)))
		check "IPv$family: a host behind the UE moves large packets both ways" in_ns lan \
			timeout 20 "$LAB_DIR/transfer" tcp "$(pcscf "$family")" "$port" 2000000
		check "IPv$family: the core was told of segments of $size octets" \
			wait_for 3 hears core "$family" "$size"
		check "IPv$family: and so was the host" wait_for 3 hears lan "$family" "$size"
	done
}

# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
test_outer
test_inner
lab_tse_up alice >/dev/null
test_prefix
test_icmp_up
test_icmp_down
test_icmp_limit
test_absent
lab_tse_up alice -o tunnel.mtu="$narrow" >/dev/null
test_mss
tap_done
