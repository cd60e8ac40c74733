#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Whatever dies, is taken down, cut off or deleted by somebody else comes back
# by itself; meanwhile IMS traffic waits, and nothing is left behind, however
# often it happens.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly restarts=30

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start

# In the foreground, so that it has a process id and a log here.
tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" "$@"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

state_is() {
	[ "$(lab_state alice STATE)" = "$1" ]
}

status() {
	lab_tsectl alice --json status
}

answers() {
	in_ns ue ping -q -n -c 1 -W 0.5 "$LAB_PCSCF4" && in_ns ue ping -q -n -c 1 -W 0.5 "$LAB_PCSCF6"
}

# The kernel itself says no, at once: this is not a packet that got lost.
is_unreachable() {
	local output
	output=$(in_ns ue ping -n -c 1 -W 0.5 "$1" 2>&1 || true)
	[[ $output =~ [Uu]nreachable|"No route to host" ]]
}

both_are_unreachable() {
	is_unreachable "$LAB_PCSCF4" && is_unreachable "$LAB_PCSCF6"
}

inner() {
	echo "$(lab_state alice INNER4) $(lab_state alice INNER6)"
}

tse_index() {
	in_ns ue cat /sys/class/net/tse0/ifindex
}

# snapshot NS: all that steering could have changed there.
snapshot() {
	local family
	for family in -4 -6; do
		ip -n "$LAB_TAG-$1" "$family" rule show
		ip -n "$LAB_TAG-$1" "$family" route show table all
		ip -n "$LAB_TAG-$1" -o "$family" address show | sed 's/^[0-9]*: //'
	done
	ip -n "$LAB_TAG-$1" -o link show | sed 's/^[0-9]*: //'
}

# is_as_before NS WANTED
is_as_before() {
	[ "$(snapshot "$1")" = "$2" ]
}

# restored NS WANTED DESCRIPTION: within a second.
restored() {
	if wait_for 1 is_as_before "$1" "$2"; then
		ok "$3"
	else
		not_ok "$3" "$(diff <(echo "$2") <(snapshot "$1") || true)"
	fi
}

replies() {
	grep -c 'bytes from' "$LAB_DIR/ping.log" || true
}

has_more_replies() {
	[ "$(replies)" -gt "$1" ]
}

# monitored N: at least N times it has said when it will try again.
monitored() {
	[ "$(jq -s '[.[] | select(.state == "reconnecting")] | length' "$LAB_DIR/monitor.log")" -ge "$1" ]
}

# After the first, which is the idle client's own and ended by our kick: half a
# second, doubled each time, and drawn from the upper half of that.
check_backoff() {
	local waits
	waits=$(jq -s -c '[.[] | select(.state == "reconnecting") | .retry_in_s]' "$LAB_DIR/monitor.log")
	diag "waits between attempts, in s: $waits"
	is "$(jq '[.[1:5], [0.5, 1, 2, 4]] | transpose | all(.[0] <= .[1] and .[0] >= .[1] / 2 - 0.02)' <<<"$waits")" \
		true "attempts are spaced, each wait at most twice that before"
	is "$(jq '[.[1:5], [0.5, 1, 2, 4]] | transpose | map(.[0] / .[1] * 1000 | floor) | unique | length > 1' <<<"$waits")" \
		true "and jittered"
	is "$(jq -s '[.[] | select(.state == "dialing")] | length <= 6' "$LAB_DIR/monitor.log")" true \
		"no attempt comes unannounced"
}

# What everybody is told while the TSCF is away.
check_reconnecting() {
	local json
	json=$(status || true)
	exits 3 "tsectl status: the tunnel is not up" lab_tsectl alice status
	is "$(jq -r '.state, .verdict, .transport, (.retry_in_s | type)' <<<"$json" | paste -sd ' ')" \
		"reconnecting dead  number" "its JSON says reconnecting, and when"
	like "$(jq -r .reason <<<"$json")" "192\.0\.2\.10.*refused" "and why"
	is "$(lab_state alice STATE) $(lab_state alice VERDICT)" "reconnecting dead" \
		"the state file says so too"
	like "$(lab_state alice REASON)" "192\.0\.2\.10.*refused" "with the reason"
}

test_tscfd_killed() {
	local index before
	index=$(tse_index)
	is "$(lab_state alice STATE) $(lab_state alice VERDICT) $(lab_state alice REASON)" "up tunnel " \
		"the tunnel is up"
	is "$(status | jq -r '.state, .verdict, .transport, .reason, .retry_in_s' | paste -sd ' ')" \
		"up tunnel direct  null" "and its JSON says so"
	lab_spawn ue monitor "$BUILD/tsectl" --run-dir "$LAB_DIR/run" -p alice --json monitor
	lab_stop tscfd KILL || true
	check "without the TSCF, IMS addresses are unreachable" wait_for 2 both_are_unreachable
	is "$(status | jq '.retry_in_s <= 30')" true "idle, it comes back within half a minute"
	lab_tsectl alice kick >/dev/null || true
	wait_for 10 monitored 5 || true
	wait_for 5 state_is reconnecting || true
	check_reconnecting
	lab_stop monitor || true
	check_backoff
	before=$(replies)
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	check "tscfd restarted: the tunnel comes back by itself" wait_for 20 state_is up
	check "traffic flows" wait_for 2 answers
	is "$(tse_index)" "$index" "the interface has stayed"
	check "a ping that ran all the time works again" wait_for 2 has_more_replies "$before"
	is "$(status | jq .reconnects)" 1 "it was counted"
}

test_tse_killed() {
	local inner before
	inner=$(inner) before=$(snapshot ue)
	lab_stop tse KILL || true
	refuse "tse killed: the interface is gone" in_ns ue ip link show tse0
	check "IMS addresses are unreachable" both_are_unreachable
	exits 4 "tsectl: no daemon" lab_tsectl alice status
	tse_start
	is "$(inner)" "$inner" "started again, it gets the same inner addresses"
	restored ue "$before" "what the killed one left has been replaced"
	check "traffic flows" wait_for 2 answers
}

# Others who believe that the UE's network is theirs.
test_meddling() {
	local before
	before=$(snapshot ue)
	ip -n "$LAB_TAG-ue" link set tse0 down
	restored ue "$before" "somebody sets tse0 down: it is up again, with all routes"
	check "traffic flows" wait_for 1 answers
	ip -n "$LAB_TAG-ue" -4 rule delete priority 24322
	ip -n "$LAB_TAG-ue" -6 rule delete priority 24322
	restored ue "$before" "somebody deletes the rules: they are back"
	ip -n "$LAB_TAG-ue" -4 route flush table 24322
	ip -n "$LAB_TAG-ue" -6 route flush table 24322
	restored ue "$before" "somebody flushes the table: it is filled again"
	ip -n "$LAB_TAG-ue" address flush dev tse0
	restored ue "$before" "somebody deletes the addresses: they are back"
	check "traffic flows" wait_for 1 answers
	ip -n "$LAB_TAG-ue" link set tse0 mtu 1300
	restored ue "$before" "somebody changes the MTU: it is put right"
	check "traffic flows" wait_for 1 answers
	check "the log names what was done" grep -q 'somebody changed tse0' "$LAB_DIR/tse.log"
}

# On the TSCF's host.
test_meddling_there() {
	ip -n "$LAB_TAG-tscf" link set tscf0 down
	refuse "somebody sets tscf0 down: nothing passes" answers
	ip -n "$LAB_TAG-tscf" link set tscf0 up
	ip -n "$LAB_TAG-tscf" -6 address replace "$1" dev tscf0 nodad
	check "and up: traffic flows again" wait_for 5 answers
}

# As a network manager takes the access network down and brings it back.
test_access_lost() {
	ip -n "$LAB_TAG-ue" link set access down
	check "the access link is down: IMS is not answered" fails answers
	ip -n "$LAB_TAG-ue" link set access up
	ip -n "$LAB_TAG-ue" address add 2001:db8:2::2/64 dev access nodad
	ip -n "$LAB_TAG-ue" route add default via 198.51.100.1
	ip -n "$LAB_TAG-ue" route add default via 2001:db8:2::1
	check "and up: traffic flows again" wait_for 10 answers
}

fails() {
	! "$@"
}

# The local port of alice's connection to the TSCF.
outer_port() {
	in_ns ue ss -H -t -n state established 'dport = :443' | awk '{ sub(/.*:/, "", $3); print $3 }'
}

# A firewall that has forgotten the connection and says nothing.
test_silence() {
	local inner port
	inner=$(inner)
	lab_stop tse
	tse_start -o tunnel.keepalive=2s
	is "$(inner)" "$inner" "the same address after an orderly restart"
	port=$(outer_port)
	in_ns access nft "insert rule inet firewall forward tcp sport $port drop"
	in_ns access nft "insert rule inet firewall forward tcp dport $port drop"
	check "the firewall forgets the connection: tse notices" wait_for 30 state_is reconnecting
	like "$(lab_state alice REASON)" 'keep-alive' "and says how"
	check "it connects anew" wait_for 5 state_is up
	check "traffic flows" wait_for 2 answers
	is "$(inner)" "$inner" "with the same inner addresses"
	is "$(lab_tscfctl --json sessions | jq '.sessions | length')" 1 "the TSCF has dropped the old session"
	lab_firewall strict
}

has_reconnected() {
	[ "$(status | jq .reconnects)" -gt "$1" ] && state_is up
}

test_disconnect() {
	local before
	before=$(status | jq .reconnects)
	check "tscfctl disconnect" lab_tscfctl disconnect alice
	check "the client comes back" wait_for 5 has_reconnected "$before"
	check "the log has the TSCF's reason" grep -q 'tunnel lost: .*administrator' "$LAB_DIR/tse.log"
	check "traffic flows" wait_for 2 answers
}

descriptors() {
	# shellcheck disable=SC2012 # the names are numbers
	ls "/proc/$(lab_pid "$1")/fd" | wc -l
}

descriptors_are() {
	[ "$(descriptors "$1")" -eq "$2" ]
}

has_tunnels() {
	[ "$(lab_tscfctl --json status | jq .connections)" -eq "$1" ]
}

# signal_for N: every third time there is no time to clean up.
signal_for() {
	if [ $(($1 % 3)) -eq 0 ]; then
		echo KILL
	else
		echo TERM
	fi
}

test_tse_restarts() {
	local i fds tscf core ue
	tse_start
	lab_stop tse
	wait_for 5 has_tunnels 0
	fds=$(descriptors tscfd) tscf=$(snapshot tscf) core=$(snapshot core) ue=$(snapshot ue)
	for ((i = 1; i <= restarts; i++)); do
		tse_start
		lab_stop tse "$(signal_for "$i")" || true
	done
	tse_start
	lab_stop tse
	check "$restarts restarts of tse: no connection remains" wait_for 5 has_tunnels 0
	check "no descriptor of tscfd" wait_for 5 descriptors_are tscfd "$fds"
	restored ue "$ue" "no rule, route, address or interface on the UE"
	restored tscf "$tscf" "nor on the TSCF's host"
	restored core "$core" "nor in the core"
}

test_tscfd_restarts() {
	local i fds ue before all=yes
	tse_start
	fds=$(descriptors tse) ue=$(snapshot ue) before=$(snapshot tscf)
	for ((i = 1; i <= restarts; i++)); do
		lab_stop tscfd "$(signal_for "$i")" || true
		wait_for 5 fails state_is up || true
		# shellcheck disable=SC2119 # it needs no options here
		lab_tscfd_start
		lab_tsectl alice kick || true
		wait_for 5 state_is up || all="not after restart $i"
	done
	is "$all" yes "$restarts restarts of tscfd: the client comes back each time"
	check "no descriptor of tse remains" wait_for 5 descriptors_are tse "$fds"
	restored ue "$ue" "no rule, route, address or interface on the UE"
	restored tscf "$before" "nor on the TSCF's host"
	check "traffic flows" wait_for 2 answers
}

inner_of_tscf=$(ip -n "$LAB_TAG-tscf" -6 -o address show dev tscf0 | awk '{ print $4; exit }')
lab_capture_start
tse_start
lab_spawn ue ping ping -n -i 0.1 "$LAB_PCSCF4"
test_tscfd_killed
test_tse_killed
lab_capture_stop
is "$(lab_capture_leaks)" "" "through all this, nothing but the tunnel was on the wire"
# Who deletes the rules by hand opens the way until they are back.
test_meddling
test_meddling_there "$inner_of_tscf"
lab_stop ping INT || true
test_access_lost
test_silence
test_disconnect
lab_stop tse
test_tse_restarts
test_tscfd_restarts
tap_done
