#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Clients that know TS 24.322 and none of our control messages:
#
#   plain_ue.py  ----->  tscfd, plain = yes     written from the standards alone
#   udhcpc, dhclient --> tscfd, plain = yes     real ones, by Ethernet frames on a TAP
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly call_seconds=2 call_packets=100

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice
lab_firewall strict
tools=$lab_top/tests/tools

log() {
	cat "$LAB_DIR/tscfd.log"
}

# ue_start NAME [OPTION]...: until it has told what it was told.
ue_start() {
	local name=$1
	shift
	rm -f "$LAB_DIR/$name.facts"
	lab_spawn ue "$name" python3 "$tools/plain_ue.py" --profile "$LAB_DIR/alice.conf" \
		--server "$LAB_TSCF4" --facts "$LAB_DIR/$name.facts" "$@"
	wait_for 15 test -s "$LAB_DIR/$name.facts" || return
}

# started DESCRIPTION NAME [OPTION]...: not through `check`, whose subshell would
# be the parent.
started() {
	local description=$1
	shift
	if ue_start "$@"; then
		ok "$description"
	else
		not_ok "$description" "$(cat "$LAB_DIR/$1.log")"
	fi
}

fact() {
	jq -rc "$1" "$LAB_DIR/ue.facts"
}

# ------------------------------------------------------------------- tscfd

test_refused() {
	local status=0
	lab_tscfd_start
	lab_spawn ue refused python3 "$tools/plain_ue.py" --profile "$LAB_DIR/alice.conf" \
		--server "$LAB_TSCF4"
	lab_wait 10 refused || status=$?
	is "$status" 4 "without plain = yes tscfd closes on a plain UE"
	like "$(log)" 'no tunnel for .*: plain TS 24\.322 client refused: .*plain = yes' \
		"and its log says why, and what would help"
	lab_stop tscfd || not_ok "tscfd does not end"
}

test_facts() {
	lab_tscfd_start -o listen.plain=yes -o ims.dns=10.99.0.53,fd99::53 \
		-o ims.domain=ims.example -o ims.p-cscf="$LAB_PCSCF4,$LAB_PCSCF6,pcscf.example.net" \
		-o tun.mtu=1400
	like "$(log)" 'plain = yes: clients that know TS 24.322 only' "it warns of plain = yes"
	started "a plain UE gets its addresses" ue --spoof 10.64.7.7
	like "$(fact .inner4)" '^10\.64\.' "IPv4 by DHCP"
	is "$(fact .nak)/$(fact .renewed)" true/true "another address is refused, its own renewed"
	is "$(fact '[.lease, .t1, .t2]')" '[86400,43200,75600]' "options 51, 58, 59"
	is "$(fact '[.mtu4, .mtu6]')" '[1400,1400]' "the MTU, by both ways"
	is "$(fact .sip4)" "[\"$LAB_PCSCF4\"]" "option 120"
	is "$(fact .dns4)" '["10.99.0.53"]' "option 6"
	is "$(fact '.routes4[0][0]')" "$LAB_IMS4" "option 121"
	like "$(fact .inner6)" '^fd64:64:64:' "IPv6 by Router Advertisement"
	is "$(fact .routes6)" "[\"$LAB_IMS6\"]" "with the IMS route"
	is "$(fact .rdnss)" '["fd99::53"]' "and the DNS server"
	is "$(fact '[.neighbor, .dad]')" '["fe80::1",true]' "the router is found, our own address free"
	is "$(fact .sip6)$(fact .sip_names)" "[\"$LAB_PCSCF6\"][\"pcscf.example.net\"]" \
		"DHCPv6 options 22 and 21"
	is "$(fact .dns6)$(fact .domains)" '["fd99::53"]["ims.example"]' "and 23 and 24"
}

test_calls() {
	local family
	for family in 4 6; do
		check "IPv$family: alice registers" lab_register ue alice "$family"
		check "IPv$family: alice calls bob" lab_call "$call_seconds" "$family"
		is "$(lab_rtp core .received)/$(lab_rtp ue .received)" "$call_packets/$call_packets" \
			"IPv$family: every packet arrives, both ways"
	done
}

drops() {
	lab_tscfctl sessions --json | jq -r ".sessions[0].drops.$1 // 0"
}

test_session() {
	like "$(log)" 'alice from .* has 10\.64\..* fd64:64:64.*plain TS 24\.322 client' \
		"the log has a line when it comes"
	is "$(lab_tscfctl sessions --json | jq -r '.sessions[0].software')" "plain TS 24.322 client" \
		"tscfctl shows what it is"
	is "$(drops drop_bad_source)" 3 "packets from another source are dropped"
	is "$(drops drop_plain_control)" 0 "no control message was even tried"
	check "tscfd ends its session" lab_tscfctl disconnect alice
	local status=0
	lab_wait 5 ue || status=$?
	is "$status" 4 "by closing, and no envelope of another type ever came"
	like "$(log)" 'alice from .* ended after' "the log has a line when it goes"
}

# A lease sticks to the identity, and a UE that vanishes loses its tunnel.
test_again() {
	local before
	before=$(fact .inner4)
	started "it comes back" ue
	is "$(fact .inner4)" "$before" "with the same address"
	lab_stop ue KILL || true
	wait_for 5 has_no_session || true
	is "$(lab_tscfctl status --json | jq .tunnels)" 0 "its tunnel ends with it"
}

has_no_session() {
	[ "$(lab_tscfctl status --json | jq .tunnels)" = 0 ]
}

# A UE that asks 20000 times and never reads; until its standard input ends.
deaf_ue() {
	in_ns ue env PYTHONPATH="$tools" timeout 20 python3 -c '
import socket, ssl, sys, plain_wire as wire
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
wire.credentials(context, sys.argv[1])
plain = socket.create_connection((sys.argv[2], 443))
stream = wire.Stream(context.wrap_socket(plain, server_hostname="tscf.example.net"))
discover = wire.udp_packet("0.0.0.0", "255.255.255.255", 68, 67, wire.dhcp4(1, 1, 7, b"x", []))
for _ in range(20000):
    stream.send(discover)
print("sent", flush=True)
sys.stdin.read()' "$LAB_DIR/alice.conf" "$LAB_TSCF4"
}

memory_of_tscfd() {
	awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid tscfd)/status"
}

# Who asks and asks and does not read the answers costs himself alone.
test_deaf() {
	local before after said allowed=4
	# The address sanitizer keeps for a while what was freed.
	! grep -q __asan_init "$BUILD/tscfd" || allowed=32
	before=$(memory_of_tscfd)
	mkfifo "$LAB_DIR/hold"
	deaf_ue <"$LAB_DIR/hold" >"$LAB_DIR/deaf.out" 2>&1 &
	exec 9>"$LAB_DIR/hold"
	if wait_for 15 grep -q sent "$LAB_DIR/deaf.out"; then
		ok "a UE asks 20000 times by DHCP and reads nothing"
	else
		not_ok "the UE gets stuck" "$(cat "$LAB_DIR/deaf.out")"
	fi
	wait_for 5 has_dropped || true
	said=$(drops drop_unread)
	at_least "$said" 1000 "answers that it does not read are dropped"
	after=$(memory_of_tscfd)
	at_least $((before + allowed * 1024)) "$after" "and cost less than $allowed MiB"
	exec 9>&-
}

has_dropped() {
	[ "$(drops drop_unread)" -ge 1000 ]
}

# Real DHCP clients, which know nothing of tunnels: behind a TAP, whose frames the
# UE puts into type-1 envelopes.
test_clients() {
	ue_start ue --ethernet --device ue1 || return
	ip -n "$LAB_TAG-ue" link set ue1 up
	cat >"$LAB_DIR/udhcpc.sh" <<-'END'
		#!/bin/sh
		[ "$1" = bound ] && set | grep -E '^(ip|subnet|router|serverid|lease|sipsrv|staticroutes|mtu)='
		exit 0
	END
	chmod 755 "$LAB_DIR/udhcpc.sh"
	local output
	output=$(in_ns ue timeout 10 udhcpc -f -q -n -i ue1 -s "$LAB_DIR/udhcpc.sh" \
		-O sipsrv -O staticroutes -O mtu -O lease 2>&1 || true)
	like "$output" "^ip='10\.64\." "udhcpc is bound"
	like "$output" "^lease='86400'" "to a lease of a day"
	like "$output" "^sipsrv='.*$LAB_PCSCF4'" "it understands option 120"
	like "$output" "^staticroutes='$LAB_IMS4 10\.64\.0\.1'" "option 121"
	like "$output" "^mtu='1400'" "and option 26"
	test_dhclient
	lab_stop ue || true
}

test_dhclient() {
	local output
	cat >"$LAB_DIR/dhclient.conf" <<-'END'
		request subnet-mask, routers, interface-mtu, domain-name-servers;
		timeout 10;
	END
	output=$(in_ns ue timeout 20 dhclient -v -1 -d -sf /bin/true -cf "$LAB_DIR/dhclient.conf" \
		-lf "$LAB_DIR/dhclient.leases" -pf "$LAB_DIR/dhclient.pid" ue1 2>&1 &
		wait_for 10 grep -q '^}' "$LAB_DIR/dhclient.leases"
		lab_signal_file "$LAB_DIR/dhclient.pid")
	like "$output" "DHCPACK of 10\.64\..* from 10\.64\.0\.1" "dhclient is bound too"
	like "$(cat "$LAB_DIR/dhclient.leases")" 'option interface-mtu 1400;' "and notes the MTU"
}

lab_signal_file() {
	kill "$(cat "$1")"
}

test_refused
test_facts
test_calls
test_session
test_again
test_deaf
test_clients
lab_stop tscfd || not_ok "tscfd does not end"
tap_done
