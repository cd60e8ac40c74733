#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A network that forgets idle connections after 21 s, as NATs and firewalls do, and
# resets what it does not know.  tse asks every 24 s and so loses its tunnel there,
# once; then it knows the network, asks every 20 s, and the next tunnel stays.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

readonly forgets_after=21 keepalive=24
[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict
in_ns access nft insert rule inet firewall forward meta l4proto tcp ct state invalid \
	reject with tcp reset
in_ns access sysctl -q -w net.netfilter.nf_conntrack_tcp_loose=0 \
	net.netfilter.nf_conntrack_tcp_timeout_established=$forgets_after \
	net.netfilter.nf_conntrack_tcp_timeout_unacknowledged=$forgets_after
lab_tscfd_start -o session.keepalive=${keepalive}s
lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
	--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state"
wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"

says() {
	grep -q "$1" "$LAB_DIR/tse.log"
}

# Looking at the tunnel does not keep it alive.
status() {
	lab_tsectl alice --json status | jq -r "$1"
}

lives_for() {
	[ "$(status 'if .state == "up" then .uptime_s else 0 end')" -ge "$1" ]
}

inner=$(lab_state alice INNER4)
is "$(status .keepalive_s)" $keepalive "tse asks as often as the TSCF wants"
check "the network has forgotten the idle tunnel when it asks" \
	wait_for $((keepalive + 5)) says 'tunnel lost'
check "tse knows this network now" says 'idle connections do not last on this network'
lab_tsectl alice kick >/dev/null || true
check "the tunnel is back" wait_for 10 lives_for 0
wait_for 10 lives_for 1 || true
is "$(status .keepalive_s)" 20 "from now on it asks every 20 s here"
check "and stays, idle, for longer than the network remembers" \
	wait_for $((forgets_after + 10)) lives_for $((forgets_after + 1))
is "$(status .reconnects)" 1 "the tunnel was lost once"
is "$(lab_state alice INNER4)" "$inner" "the inner address is the same"
lab_stop tse
tap_done
