#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# An interface made beforehand, and a tse that is an ordinary user: it attaches,
# says what an administrator has still to do, and carries packets.  And a host,
# or a container, that lacks something: tse says what.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly user=65534

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
mkdir "$LAB_DIR/run" "$LAB_DIR/state"
chown "$user" "$LAB_DIR/alice.conf" "$LAB_DIR/run" "$LAB_DIR/state"

as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all)
tse=("$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" --run-dir "$LAB_DIR/run"
	--state-dir "$LAB_DIR/state" --timeout 5)
by_hand=(-o steering.steer=none)

# tells STATUS WORDS DESCRIPTION COMMAND...: in the UE.
tells() {
	local wanted=$1 words=$2 description=$3 status=0
	shift 3
	output=$(in_ns ue timeout -s KILL 20 "$@" 2>&1 </dev/null) || status=$?
	is "$status" "$wanted" "$description: exit status"
	like "$output" "$words" "$description: it says so"
}

tun_add() {
	in_ns ue ip tuntap add dev tse0 mode tun user "$1"
}

tun_delete() {
	ip -n "$LAB_TAG-ue" link delete tse0
}

tse_start() {
	lab_spawn ue tse "${as_user[@]}" "${tse[@]}" "${by_hand[@]}"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

registers() {
	lab_register ue alice 4 && lab_register ue alice 6
}

# What tse does not know until the TSCF has said it, it asks for.
test_what_is_missing() {
	tells 4 'needs root, or CAP_NET_ADMIN.*steer = none' "an ordinary user" \
		"${as_user[@]}" "${tse[@]}"
	tells 4 "not allowed to make the interface tse0.*ip tuntap add dev tse0 mode tun user $user" \
		"without the interface" "${as_user[@]}" "${tse[@]}" "${by_hand[@]}"
	tun_add 1
	tells 4 'made for another user' "somebody else's interface" \
		"${as_user[@]}" "${tse[@]}" "${by_hand[@]}"
	tun_delete
	tun_add "$user"
	tells 4 'As root give "ip address add 10\.64\..*; ip address add fd64:.*; ip link set tse0 up"' \
		"an interface with nothing on it" \
		"${as_user[@]}" "${tse[@]/--foreground/--timeout=5}" "${by_hand[@]}"
}

# The administrator does what the last message says, and no more.
test_as_told() {
	local commands command
	commands=$(sed -n 's/.*As root give "\(.*\)".*/\1/p' <<<"$output" | head -n 1)
	while read -r command; do
		# shellcheck disable=SC2086 # it is a command with its arguments
		check "as told: $command" in_ns ue $command
	done < <(sed 's/; /\n/g' <<<"$commands")
	ip -n "$LAB_TAG-ue" route add "$LAB_IMS4" dev tse0
	ip -n "$LAB_TAG-ue" route add "$LAB_IMS6" dev tse0
	tse_start
	ok "then tse is up"
	is "$(sed -n 's/^CapEff:\t//p' "/proc/$(lab_tsectl alice --json status | jq .pid)/status")" \
		0000000000000000 "with no capability at all"
	check "alice registers through it" registers
	lab_stop tse
	check "tse has gone, the interface stays" in_ns ue ip link show tse0
	refuse "and carries nothing" in_ns ue ping -q -c 1 -W 0.5 "$LAB_PCSCF4"
	tse_start
	check "again: alice registers" registers
}

state_is() {
	[ "$(lab_state alice STATE)" = "$1" ]
}

# The lease is sticky, so what was set up once is right ever after.
test_killed() {
	lab_stop tse KILL || true
	tse_start
	check "killed and started again: alice registers" registers
	lab_stop tscfd KILL || true
	check "tscfd killed: tse is reconnecting" wait_for 5 state_is reconnecting
	refuse "and nothing passes" in_ns ue ping -q -c 1 -W 0.5 "$LAB_PCSCF4"
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	lab_tsectl alice kick || true
	check "tscfd is back, and the tunnel" wait_for 10 state_is up
	check "alice registers" registers
	lab_stop tse
}

# Without the mark only routes keep the tunnel out of itself.
test_loop() {
	tse_start
	ip -n "$LAB_TAG-ue" route add "$LAB_TSCF4/32" dev tse0
	ip -n "$LAB_TAG-ue" route add "$LAB_TSCF6/128" dev tse0
	check "a route leads the TSCF into the tunnel: tse says so" \
		wait_for 3 grep -q 'an outer address of the tunnel, leads into tse0' "$LAB_DIR/tse.log"
	local before after
	before=$(in_ns ue cat /sys/class/net/tse0/statistics/tx_packets)
	lab_register ue alice 4 >/dev/null 2>&1 || true
	after=$(in_ns ue cat /sys/class/net/tse0/statistics/tx_packets)
	is "$((after - before < 200))" 1 "there is no loop: $((after - before)) packets"
	lab_stop tse || true
	ip -n "$LAB_TAG-ue" route delete "$LAB_TSCF4/32" dev tse0
	ip -n "$LAB_TAG-ue" route delete "$LAB_TSCF6/128" dev tse0
}

# As a container of an ordinary user has it, in the host's network: a root who is
# none outside.
user_namespace() {
	lab_spawn ue namespace unshare --user sleep 60
	local pid
	pid=$(lab_pid namespace)
	wait_for 5 other_user_namespace "$pid"
	echo '0 0 65536' >"/proc/$pid/uid_map"
	echo '0 0 65536' >"/proc/$pid/gid_map"
}

other_user_namespace() {
	[ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

# A root that is none: as in a container.
test_containers() {
	chown 0 "$LAB_DIR/alice.conf" "$LAB_DIR/run" "$LAB_DIR/state"
	tells 4 'needs root, or CAP_NET_ADMIN.*in a container: --cap-add NET_ADMIN --device /dev/net/tun' \
		"root without CAP_NET_ADMIN" setpriv --bounding-set=-net_admin "${tse[@]}"
	tun_delete
	# shellcheck disable=SC2016 # expanded by the inner shell
	tells 4 '/dev/net/tun is missing.*--device /dev/net/tun' "no /dev/net/tun" \
		unshare -m sh -c 'mount -t tmpfs none /dev/net && exec "$@"' sh "${tse[@]}"
	# shellcheck disable=SC2016 # expanded by the inner shell
	tells 4 '/dev/net/tun is not the TUN driver.*--device /dev/net/tun' "another file there" \
		unshare -m sh -c 'mount -t tmpfs none /dev/net && : >/dev/net/tun && exec "$@"' sh "${tse[@]}"
	tells 4 'CAP_CHOWN is missing' "no CAP_CHOWN" setpriv --bounding-set=-chown "${tse[@]}"
	tells 4 'this user namespace has no such user' "a user namespace with root alone" \
		unshare --user --map-root-user "${tse[@]}"
	user_namespace
	tells 4 'CAP_NET_ADMIN is there, but not for this network, which belongs to the host' \
		"a user namespace in the network of the host" \
		nsenter --user --target "$(lab_pid namespace)" --setuid 0 --setgid 0 "${tse[@]}"
	lab_stop namespace KILL || true
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_spawn ue tse unshare -m sh -c 'mount -o bind /proc/sys /proc/sys &&
		mount -o remount,bind,ro /proc/sys && exec "$@"' sh "${tse[@]}"
	check "a read-only /proc/sys: the tunnel is up" wait_for 10 lab_tsectl alice status
	check "alice registers" registers
	lab_stop tscfd KILL || true
	like "$(in_ns ue ping -n -c 1 -W 0.5 "$LAB_PCSCF6" 2>&1 || true)" '[Uu]nreachable|No route' \
		"tscfd killed: IPv6 is unreachable there, too"
	lab_stop tse
}

test_what_is_missing
test_as_told
test_killed
test_loop
test_containers
tap_done
