#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A tunnel for some: for the packets with a mark, for one user, for a network
# namespace.  These have all of it, the default route if they like; everybody
# else on the host has nothing of it.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly everything=0.0.0.0/0,::/0

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
apps='' # the namespace of the apps
clean_up() {
	[ -z "$apps" ] || ip netns delete "$apps"
	lab_down
}
tap_begin clean_up
lab_need_build
lab_up
apps=$LAB_TAG-apps
ip netns add "$apps"
ip -n "$apps" link set lo up
lab_pki alice bob
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
lab_spawn core echo4 socat "TCP4-LISTEN:7000,fork,reuseaddr" 'EXEC:echo core'
lab_spawn core echo6 socat "TCP6-LISTEN:7000,ipv6only=1,fork,reuseaddr" 'EXEC:echo core'
wait_for 5 lab_is_listening core 7000

# snapshot NAMESPACE
snapshot() {
	local family
	for family in -4 -6; do
		ip -n "$1" "$family" rule show
		ip -n "$1" "$family" route show table all
		ip -n "$1" -o "$family" address show
	done
	ip -n "$1" -o link show
}

is_as() {
	[ "$(snapshot "$1")" = "$2" ]
}

# is_undone DESCRIPTION
is_undone() {
	check "$1" wait_for 2 is_as "$LAB_TAG-ue" "$before"
	is "$(snapshot "$apps")" "$before_apps" "$1, also in the other namespace"
}

inner() {
	local address
	address=$(lab_state alice "INNER$1")
	echo "${address%/*}"
}

# way TARGET [SELECTOR]...: the interface and source that the UE takes.
way() {
	in_ns ue ip -j route get "$@" | jq -r '.[0] | "\(.dev) \(.prefsrc)"'
}

in_apps() {
	ip netns exec "$apps" "$@"
}

cat >"$LAB_DIR/ask.py" <<-'END'
	"""ask.py ADDRESS PORT MARK: prints what is said there."""
	import socket, sys
	address, port, mark = sys.argv[1:]
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	with socket.socket(family, socket.SOCK_STREAM) as asker:
	    if int(mark):
	        asker.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark))
	    asker.settimeout(0.5)
	    asker.connect((address, int(port)))
	    print(asker.recv(100).decode().strip())
END
chmod 644 "$LAB_DIR/ask.py"
mark=0 # of who asks

# hears_core FAMILY COMMAND...: which runs the client.
hears_core() {
	local address=$LAB_PCSCF4
	[ "$1" = 4 ] || address=$LAB_PCSCF6
	shift
	[ "$("$@" env PATH="/usr/bin:$PATH" python3 "$LAB_DIR/ask.py" "$address" 7000 "$mark" 2>/dev/null)" = core ]
}

before=$(snapshot "$LAB_TAG-ue")
before_apps=$(snapshot "$apps")

test_mark() {
	local family
	check "steer-fwmark = 77, with the default route: tse-up" lab_tse_up alice \
		-o steering.steer-fwmark=77 -o "steering.allowed-routes=$everything"
	like "$(in_ns ue ip rule show)" '^24322:.from all fwmark 0x4d lookup (tse|24322)' "the rule names the mark"
	is "$(way "$LAB_PCSCF4" mark 77)" "tse0 $(inner 4)" "packets with the mark go into the tunnel"
	is "$(way "$LAB_PCSCF6" mark 77)" "tse0 $(inner 6)" "by IPv6, too"
	is "$(way "$LAB_PCSCF4")" "access 198.51.100.2" "packets without it do not"
	is "$(way "$LAB_PCSCF4" mark 78)" "access 198.51.100.2" "nor those with another one"
	is "$(way "$LAB_TSCF4" mark 0x24322)" "access 198.51.100.2" "nor the tunnel's own"
	for family in 4 6; do
		mark=77
		check "IPv$family: an app with the mark reaches the core" hears_core "$family" in_ns ue
		mark=0
		refuse "IPv$family: one without does not" hears_core "$family" in_ns ue
	done
	lab_tse_down alice
	is_undone "steer-fwmark: everything is undone"
	exits 3 "the mark of the tunnel's own sockets is no such mark" \
		lab_tse_up alice -o steering.steer-fwmark=0x24322
	exits 3 "it needs a table of its own" \
		lab_tse_up alice -o steering.steer-fwmark=77 -o steering.steer=main
}

test_user() {
	local user=12345 family
	lab_tse_up alice -o "steering.uid=$user" -o "steering.allowed-routes=$everything" >/dev/null
	for family in 4 6; do
		check "IPv$family: the user reaches the core" \
			hears_core "$family" in_ns ue setpriv --reuid "$user" --clear-groups
		refuse "IPv$family: others do not" hears_core "$family" in_ns ue
	done
	lab_tse_down alice
	is_undone "uid: everything is undone"
	exits 3 "a user that does not exist" lab_tse_up alice -o steering.uid=nobody-of-that-name
}

tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o "steering.netns=$apps" "$@"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

is_back() {
	hears_core 4 in_apps && hears_core 6 in_apps
}

test_netns() {
	local family
	tse_start -o traversal.mode=always -o "steering.allowed-routes=$LAB_IMS4,$LAB_IMS6"
	is "$(snapshot "$LAB_TAG-ue")" "$before" "netns: nothing at all changes where tse runs"
	like "$(in_apps ip -o address show dev tse0)" "inet $(inner 4)/32" "the interface is in the other one"
	for family in 4 6; do
		check "IPv$family: apps in there reach the core" hears_core "$family" in_apps
		refuse "IPv$family: others do not" hears_core "$family" in_ns ue
	done
	like "$(in_ns ue ss -H -t -n state established 'dport = :443')" "$LAB_TSCF4|$LAB_TSCF6" \
		"the connection to the TSCF is outside"
	local there
	there=$(snapshot "$apps")
	ip -n "$apps" link set tse0 down
	ip -n "$apps" rule delete priority 24322
	check "somebody sets tse0 down and deletes a rule: they are back" wait_for 2 is_as "$apps" "$there"
	check "and traffic flows" wait_for 2 is_back
	# The outer network is still watched.
	ip -n "$LAB_TAG-ue" link set access down
	ip -n "$LAB_TAG-ue" link set access up
	ip -n "$LAB_TAG-ue" address add 2001:db8:2::2/64 dev access nodad
	ip -n "$LAB_TAG-ue" route add default via 198.51.100.1
	ip -n "$LAB_TAG-ue" route add default via 2001:db8:2::1
	check "the outer network goes and comes: traffic flows again" wait_for 10 is_back
	before=$(snapshot "$LAB_TAG-ue") # multicast routes may have another order now
	test_two_tables
	lab_stop tse KILL || true
	like "$(in_apps ping -n -c 1 -W 0.5 "$LAB_PCSCF4" 2>&1 || true)" '[Uu]nreachable|No route' \
		"tse killed: IMS is unreachable in there"
	tse_start -o traversal.mode=always -o "steering.allowed-routes=$LAB_IMS4,$LAB_IMS6"
	check "started again, traffic flows" wait_for 2 is_back
	lab_stop tse
	is_undone "netns: everything is undone"
}

# Each namespace has a table 24322 of its own.
test_two_tables() {
	check "a second profile with the same table, outside" lab_tse_up bob
	is "$(way "$LAB_PCSCF4" | cut -d' ' -f1)" tse0 "it steers the apps outside"
	check "and the first one those inside" is_back
	lab_tse_down bob
}

test_netns_default() {
	tse_start -o "steering.allowed-routes=$everything" -o steering.steer=main
	check "netns with plain routes in its main table" is_back
	lab_stop tse
	is_undone "everything is undone"
}

# tells STATUS WORDS DESCRIPTION COMMAND...
tells() {
	local wanted=$1 words=$2 description=$3 output status=0
	shift 3
	output=$("$@" 2>&1) || status=$?
	is "$status" "$wanted" "$description: exit status"
	like "$output" "$words" "$description: it says so"
}

unprivileged() {
	in_ns ue capsh --drop=cap_sys_admin -- -c '
		exec "$@" </dev/null' sh "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o "steering.netns=$apps"
}

test_refusals() {
	tells 3 'ip netns add' "no such namespace" lab_tse_up alice -o steering.netns=nowhere
	tells 3 'the one that this program was started in' "tse's own namespace" \
		lab_tse_up alice -o "steering.netns=$LAB_TAG-ue"
	tells 4 'CAP_SYS_ADMIN' "root without CAP_SYS_ADMIN" unprivileged
	tells 3 'resolv.conf' "dns for another namespace" \
		lab_tse_up alice -o "steering.netns=$apps" -o steering.dns=yes
	is_undone "nothing was changed"
}

test_mark
test_user
test_netns
test_netns_default
test_refusals
tap_done
