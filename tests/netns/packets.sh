#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What happens to single packets and to very many: nobody sends from an address
# that is not his or to where he may not, whatever program he uses, and each
# refused packet is counted; everything else arrives octet by octet.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly bulk_octets=200000000 port=7000

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
for tool in forge transfer; do
	cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/$tool" "$lab_top/tests/tools/$tool.c"
done
lab_pki alice bob mallory
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
# Also what no TSCF offers, so that there is something for it to drop.
readonly beyond="$LAB_POOL4, $LAB_POOL6, 203.0.113.0/24, 2001:db8:99::/64"
lab_tse_up alice -o "steering.routes=$LAB_IMS4, $LAB_IMS6, $beyond" >/dev/null
# One server for each family: a datagram's echo must come from where it went.
lab_spawn core serve4 "$LAB_DIR/transfer" serve "$LAB_PCSCF4" "$port"
lab_spawn core serve6 "$LAB_DIR/transfer" serve "$LAB_PCSCF6" "$port"
is_serving() {
	[ "$(in_ns core ss -H -l -t -n "sport = :$port" | wc -l)" -eq 2 ]
}
wait_for 5 is_serving

# target 4|6
target() {
	case $1 in
	4) echo "$LAB_PCSCF4" ;;
	6) echo "$LAB_PCSCF6" ;;
	esac
}

# inner PROFILE 4|6: without the prefix length.
inner() {
	local address
	address=$(lab_state "$1" "INNER$2")
	echo "${address%/*}"
}

# tse_count NAME: a counter of alice's tse.
tse_count() {
	lab_tsectl alice --json status | jq ".counters.$1"
}

# tscf_drops IDENTITY NAME: what tscfd dropped of that client.
tscf_drops() {
	lab_tscfctl --json sessions |
		jq "[.sessions[] | select(.identity == \"$1\") | .drops.$2 // 0] | add"
}

# drops_are IDENTITY NAME COUNT
drops_are() {
	[ "$(tscf_drops "$1" "$2")" = "$3" ]
}

# counts_to NAME VALUE: at alice's tse.
counts_to() {
	[ "$(tse_count "$1")" = "$2" ]
}

ping_ue() {
	in_ns ue ping -n -c 1 -W 2 "$@"
}

# Apps of the UE that use an address from outside the tunnel.
test_source_at_ue() {
	local before up
	before=$(tse_count drop_bad_source) up=$(tse_count packets_up)
	in_ns ue "$LAB_DIR/forge" send tse0 198.51.100.2 "$LAB_PCSCF4" 3
	in_ns ue "$LAB_DIR/forge" send tse0 2001:db8:2::2 "$LAB_PCSCF6" 4
	check "tse drops packets from a foreign source, and counts each" \
		wait_for 5 counts_to drop_bad_source $((before + 7))
	is "$(tse_count packets_up)" "$up" "none of them was sent"
	before=$(tse_count drop_link_local)
	in_ns ue "$LAB_DIR/forge" send tse0 fe80::1 "$LAB_PCSCF6" 2
	check "packets from a link-local source are counted as such" \
		wait_for 5 counts_to drop_link_local $((before + 2))
	in_ns ue "$LAB_DIR/forge" send tse0 "$(inner alice 4)" "$LAB_PCSCF4" 2
	in_ns ue "$LAB_DIR/forge" send tse0 "$(inner alice 6)" "$LAB_PCSCF6" 2
	check "the same packets from the right source are sent" \
		wait_for 5 counts_to packets_up $((up + 4))
}


# A client of one's own: openssl, with mallory's certificate, that says what is
# written to descriptor 9.  (-brief keeps its commands: K updates the keys.)
rogue_start() {
	local pem=$LAB_DIR/mallory.pem
	sed -n '/^cert = /,/^key = /{/^ /p}' "$LAB_DIR/mallory.conf" | base64 -di |
		openssl x509 -inform DER >"$pem"
	sed -n '/^key = /,/^$/{/^ /p}' "$LAB_DIR/mallory.conf" | base64 -di |
		openssl pkey -inform DER >>"$pem"
	mkfifo "$LAB_DIR/rogue.in"
	exec 9<>"$LAB_DIR/rogue.in"
	(exec ip netns exec "$LAB_TAG-ue" openssl s_client -brief -connect "$LAB_TSCF4:443" \
		-cert "$pem" -key "$pem" -CAfile "$LAB_DIR/pki/ca.crt" -verify_return_error) \
		<"$LAB_DIR/rogue.in" >"$LAB_DIR/rogue.out" 2>"$LAB_DIR/rogue.log" 9>&- &
	"$LAB_DIR/forge" request >&9
	wait_for 5 has_session mallory || lab_fail "the hand-made client gets no tunnel"
}

has_session() {
	lab_tscfctl --json sessions | jq -e "any(.sessions[]; .identity == \"$1\")"
}

# rogue_inner 4|6
rogue_inner() {
	lab_tscfctl --json sessions |
		jq -r ".sessions[] | select(.identity == \"mallory\") | .inner$1 | sub(\"/.*\"; \"\")"
}

rogue_packets_up() {
	lab_tscfctl --json sessions | jq '.sessions[] | select(.identity == "mallory") | .packets_up'
}

rogue_has_sent() {
	[ "$(rogue_packets_up)" = "$1" ]
}

test_source_at_tscf() {
	rogue_start
	"$LAB_DIR/forge" packet "$(rogue_inner 4)" "$LAB_PCSCF4" 2 >&9
	"$LAB_DIR/forge" packet "$(rogue_inner 6)" "$LAB_PCSCF6" 2 >&9
	check "a hand-made client may send from its own addresses" wait_for 5 rogue_has_sent 4
	"$LAB_DIR/forge" packet "$(inner alice 4)" "$LAB_PCSCF4" 3 >&9
	"$LAB_DIR/forge" packet "$(inner alice 6)" "$LAB_PCSCF6" 3 >&9
	"$LAB_DIR/forge" packet 198.51.100.2 "$LAB_PCSCF4" 1 >&9
	check "but not from those of another client, or of anybody" \
		wait_for 5 drops_are mallory drop_bad_source 7
	"$LAB_DIR/forge" packet "$(rogue_inner 4)" "$(inner alice 4)" 2 >&9
	"$LAB_DIR/forge" packet "$(rogue_inner 6)" "$(inner alice 6)" 2 >&9
	check "not to another client" wait_for 5 drops_are mallory drop_other_client 4
	"$LAB_DIR/forge" packet "$(rogue_inner 4)" 192.0.2.1 2 >&9
	"$LAB_DIR/forge" packet "$(rogue_inner 6)" 2001:db8:1::1 2 >&9
	check "and not to what is no IMS prefix" wait_for 5 drops_are mallory drop_bad_destination 4
	"$LAB_DIR/forge" packet "$(rogue_inner 6)" ff02::1 2 >&9
	check "nor to multicast groups" wait_for 5 drops_are mallory drop_link_local 2
	is "$(rogue_packets_up)" 4 "none of these reached the core"
}

has_updated_keys() {
	[ "$(grep -c KEYUPDATE "$LAB_DIR/rogue.log")" -eq "$1" ]
}

out_is_longer_than() {
	[ "$(stat -c %s "$LAB_DIR/rogue.out")" -gt "$1" ]
}

# TLS 1.3 key updates of both directions (RFC 8446, 4.6.3), each followed by
# traffic that either side can read only with the new keys.
test_key_update() {
	local round before got=yes
	for round in 1 2 3 4; do
		printf K >&9
		wait_for 5 has_updated_keys "$round" || got="no update $round"
		before=$(stat -c %s "$LAB_DIR/rogue.out")
		"$LAB_DIR/forge" keepalive >&9
		wait_for 5 out_is_longer_than "$before" || got="no answer after update $round"
		"$LAB_DIR/forge" packet "$(rogue_inner 4)" "$LAB_PCSCF4" >&9
		wait_for 5 rogue_has_sent $((4 + round)) || got="no packet after update $round"
	done
	is "$got" yes "the tunnel survives four key updates"
	exec 9>&-
}

# tse in `access`, which is just another host to the TSCF.  It leaves routes to
# us: those to the other clients, which no TSCF offers.
other_client_up() {
	in_ns access env PATH="$BUILD:$PATH" "$lab_top/scripts/tse-up" "$LAB_DIR/bob.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o steering.steer=none >/dev/null
	ip -n "$LAB_TAG-access" route add "$LAB_POOL4" dev tse0 src "$(inner bob 4)"
	ip -n "$LAB_TAG-access" route add "$LAB_POOL6" dev tse0 src "$(inner bob 6)"
}

test_isolation() {
	local family before
	other_client_up
	for family in 4 6; do
		before=$(tscf_drops alice drop_other_client)
		refuse "IPv$family, inter-client = block: alice cannot ping bob" \
			in_ns ue ping -n -c 1 -W 0.5 "$(inner bob "$family")"
		check "IPv$family: the drop is counted" \
			drops_are alice drop_other_client $((before + 1))
		refuse "IPv$family: nor bob alice" \
			in_ns access ping -n -c 1 -W 0.5 "$(inner alice "$family")"
	done
	sed -i 's/^\[ims\]/&\ninter-client = allow/' "$LAB_DIR/pki/tscfd.conf"
	check "reload with inter-client = allow" lab_tscfctl reload
	for family in 4 6; do
		check "IPv$family: alice pings bob" ping_ue "$(inner bob "$family")"
	done
}

test_destination() {
	local before
	before=$(tscf_drops alice drop_bad_destination)
	refuse "IPv4: nothing but IMS prefixes can be reached" in_ns ue ping -c 1 -W 0.3 203.0.113.1
	refuse "IPv6: nothing but IMS prefixes can be reached" in_ns ue ping -c 1 -W 0.3 2001:db8:99::1
	check "and the drops are counted" drops_are alice drop_bad_destination $((before + 2))
}

test_unleased() {
	local output
	output=$(in_ns core ping -n -c 1 -W 2 10.64.77.77 || true)
	like "$output" 'From 10\.64\.0\.1 .*Destination Host Unreachable' \
		"IPv4: the TSCF says that an address has no tunnel"
	output=$(in_ns core ping -n -c 1 -W 2 fd64:64:64:7777::1 || true)
	like "$output" 'From fd64:64:64:.*Destination unreachable' \
		"IPv6: the TSCF says that an address has no tunnel"
}

# test_mtu MTU
test_mtu() {
	local mtu=$1
	check "MTU $mtu, IPv4: a packet of that size passes" \
		ping_ue -M 'do' -s $((mtu - 28)) "$LAB_PCSCF4"
	check "MTU $mtu, IPv6: a packet of that size passes" \
		ping_ue -M 'do' -s $((mtu - 48)) "$LAB_PCSCF6"
	like "$(ping_ue -M 'do' -s $((mtu - 27)) "$LAB_PCSCF4" 2>&1 || true)" \
		"message too long, mtu[=:] ?$mtu" "MTU $mtu, IPv4: one octet more does not"
	like "$(ping_ue -M 'do' -s $((mtu - 47)) "$LAB_PCSCF6" 2>&1 || true)" \
		"message too long, mtu[=:] ?$mtu" "MTU $mtu, IPv6: one octet more does not"
}

# From the core, where the link takes larger packets than the tunnel.
test_mtu_down() {
	local mtu=$1 output
	output=$(in_ns core ping -n -c 1 -W 2 -M 'do' -s $((mtu - 27)) "$(inner alice 4)" 2>&1 || true)
	like "$output" "mtu ?= ?$mtu" "MTU $mtu, IPv4: the core is told when a packet is too big"
	output=$(in_ns core ping -n -c 1 -W 2 -M 'do' -s $((mtu - 47)) "$(inner alice 6)" 2>&1 || true)
	like "$output" "mtu ?[=:] ?$mtu" "MTU $mtu, IPv6: the core is told when a packet is too big"
}

transfer() {
	in_ns ue timeout 60 "$LAB_DIR/transfer" "$@"
}

# test_transfers OFFLOAD
test_transfers() {
	local family to
	for family in 4 6; do
		to=$(target "$family")
		check "offload = $1, IPv$family: one write of 64 KiB each way arrives as it was" \
			transfer tcp "$to" "$port" 65536 65536
		check "offload = $1, IPv$family: writes of one octet, too" \
			transfer tcp "$to" "$port" 3000 1
		check "offload = $1, IPv$family: datagrams of 60,000 octets, in fragments" \
			transfer udp "$to" "$port" 10 60000
		check "offload = $1, IPv$family: datagrams cut by the kernel (UDP GSO)" \
			transfer udp "$to" "$port" 10 14000 1400
	done
}

# Octets per packet that alice's tse has sent.
mean_size() {
	lab_tsectl alice --json status | jq '.counters | (.octets_up / .packets_up | floor)'
}

# test_bulk OFFLOAD OCTETS
test_bulk() {
	local family
	for family in 4 6; do
		check "offload = $1, IPv$family: $2 octets each way at once arrive as they were" \
			transfer tcp "$(target "$family")" "$port" "$2"
	done
	diag "octets per packet with offload = $1: $(mean_size)"
}

restart_tse() {
	lab_tse_down alice
	lab_tse_up alice "$@" >/dev/null
}

test_source_at_ue
test_source_at_tscf
test_key_update
test_isolation
test_destination
test_unleased
test_mtu 1500
restart_tse -o tunnel.mtu=1400
test_mtu 1400
restart_tse
is "$(lab_tsectl alice --json status | jq .offload)" true "offload = auto is on between our two"
test_transfers auto
test_bulk auto "$bulk_octets"
at_least "$(mean_size)" 3000 "the kernel's large packets go through the tunnel whole"
restart_tse -o tunnel.offload=off
is "$(lab_tsectl alice --json status | jq .offload)" false "offload = off is off"
test_transfers off
test_bulk off $((bulk_octets / 10))
check "no packet is larger than the MTU" [ "$(mean_size)" -le 1500 ]
lab_tse_down alice
lab_stop tscfd
lab_tscfd_start -o tun.mtu=1280
lab_tse_up alice >/dev/null
test_mtu 1280
test_mtu_down 1280
tap_done
