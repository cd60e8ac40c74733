#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The workers of tscfd share nothing: a lease belongs to worker index mod N, the
# kernel hands its packets to that worker's queue, and a connection that came to
# another worker is passed on, once.
#
#   5 UEs, leases 2 to 6 (all that 10.64.0.0/29 has), N = 1, 2, 3 workers
#
#        tse1 ... tse5 === TLS ===> any listener -> worker (index mod N)
#                                                     | queue of tscf0
#        ping from each, both families  <------------ core
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly clients='c1 c2 c3 c4 c5' pings=5

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_firewall open
# shellcheck disable=SC2086 # a list
lab_pki $clients
# Five tunnels lead to one place: the answer comes back through that of the question.
in_ns ue sh -c 'echo 2 | tee /proc/sys/net/ipv4/conf/*/rp_filter' >/dev/null

client_up() {
	local interface=tse${1#c}
	lab_tse_up "$1" -o steering.steer=none -o "tunnel.interface=$interface" >/dev/null
	ip -n "$LAB_TAG-ue" route replace "$LAB_PCSCF4" dev "$interface" metric "10${1#c}"
	ip -n "$LAB_TAG-ue" -6 route replace "$LAB_PCSCF6" dev "$interface" metric "10${1#c}"
}

# The index of a client's lease, as its IPv4 address has it.
lease_index() {
	local inner
	inner=$(lab_state "$1" INNER4)
	inner=${inner%/*}
	echo "$((${inner##*.}))"
}

status() {
	lab_tscfctl -j status
}

# answered CLIENT 4|6: through its own interface.
answered() {
	local to=$LAB_PCSCF4 said
	[ "$2" = 4 ] || to=$LAB_PCSCF6
	said=$(in_ns ue ping -q -I "tse${1#c}" -c "$pings" -i 0.02 -W 2 "$to") || return
	[[ $said == *" $pings received"* ]]
}

# What each worker handed on to UEs and took from them, "down/up" for each in turn.
carried() {
	status | jq -r '[.per_worker[].counters | "\(.packets_down)/\(.packets_up)"] | join(" ")'
}

# carried_then BEFORE COUNT WORKER PACKETS: what it must be afterwards.
carried_then() {
	local worker=0 pair
	for pair in $1; do
		if [ "$worker" = "$3" ]; then
			pair=$((${pair%/*} + $4))/$((${pair#*/} + $4))
		fi
		echo -n "${pair}${2:+ }"
		worker=$((worker + 1))
	done | sed 's/ $//'
}

test_queues() {
	local count=$1 client family index before seen=
	for client in $clients; do
		index=$(lease_index "$client")
		seen+="$((index % count))"$'\n'
		is "$(lab_tscfctl -j sessions | jq -r --arg name "$client" \
			'.sessions[] | select(.identity == $name) | .id' | cut -d- -f1)" "$((index % count))" \
			"$count workers: the worker of $client, with lease $index, is $((index % count))"
		for family in 4 6; do
			before=$(carried)
			check "IPv$family: $client gets its answers" answered "$client" "$family"
			is "$(carried)" "$(carried_then "$before" "$count" "$((index % count))" "$pings")" \
				"through the queue of that worker, and no other"
		done
	done
	is "$(sort -u <<<"$seen" | grep -c .)" "$count" "every worker had a client"
	is "$(status | jq .counters.drop_no_tunnel)" 0 "no packet came to a worker that does not own its lease"
}

all_are_back() {
	local client
	[ "$(status | jq .tunnels)" = 5 ] || return 1
	for client in $clients; do
		answered "$client" 4 || return 1
	done
}

addresses() {
	local client
	for client in $clients; do
		echo "$(lab_state "$client" INNER4) $(lab_state "$client" INNER6)"
	done
}

handshakes() {
	status | jq .handshakes.ok
}

# All connections break; each comes to whatever listener the kernel likes.
test_passing() {
	local count=$1 before passed made round total=0
	before=$(addresses)
	for round in 1 2 3 4 5 6 7 8; do
		passed=$(status | jq .passed_on)
		made=$(handshakes)
		in_ns ue ss -K dport = :443 >/dev/null
		wait_for 5 fewer_than_all "$made" || true
		if ! wait_for 20 all_are_back; then
			not_ok "$count workers: all are back after their connections broke, round $round" \
				"$(status)"
			return
		fi
		passed=$(($(status | jq .passed_on) - passed))
		made=$(($(handshakes) - made))
		total=$((total + passed))
		[ "$passed" -le "$made" ] || break
		[ "$total" -eq 0 ] || break
	done
	is "$(addresses)" "$before" "$count workers: all are back at their addresses (round $round)"
	at_least "$total" 1 "connections came to a worker that does not own their lease"
	at_least "$((made - passed))" 0 "and none was passed on twice ($passed of $made were)"
	test_queues "$count"
}

# New connections have been made since.
fewer_than_all() {
	[ "$(handshakes)" -ge "$(($1 + 5))" ]
}

for count in 1 2 3; do
	lab_tscfd_start -o "tun.workers=$count" -o pool.ipv4=10.64.0.0/29 -o session.keepalive=1h
	is "$(status | jq '.per_worker | length')" "$count" "$count workers"
	for client in $clients; do
		check "$client comes up" client_up "$client"
	done
	test_queues "$count"
	if [ "$count" -eq 2 ]; then
		test_passing "$count"
	fi
	for client in $clients; do
		lab_tse_down "$client" >/dev/null
	done
	lab_stop tscfd || true
done
tap_done
