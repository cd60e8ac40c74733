#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# One identity, two machines: [pool] same-identity.  And a client that is revoked
# while tscfd is down: neither its resume token nor its TLS session lets it in.
#
# The second machine is `access`, which reaches the TSCF as the UE does.
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
lab_pki alice
lab_firewall open

# tse_start MACHINE: with alice's profile, as if it had been copied.
tse_start() {
	lab_spawn "$1" "tse-$1" "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run-$1" --state-dir "$LAB_DIR/state-$1" -o traversal.mode=always
}

# tsectl MACHINE COMMAND...
tsectl() {
	local machine=$1
	shift
	in_ns "$machine" "$BUILD/tsectl" --run-dir "$LAB_DIR/run-$machine" -p alice "$@"
}

is_up() {
	tsectl "$1" status
}

reason_is_like() {
	grep -E "$2" "$LAB_DIR/run-$1/alice/state" >/dev/null
}

tunnels() {
	lab_tscfctl --json sessions | jq '.sessions | length'
}

# With RULE, alice on the UE, and then on the other machine too.
both() {
	lab_tscfd_start -o pool.same-identity="$1" -o session.state-file="$LAB_DIR/lib/$1"
	tse_start ue
	check "$1: alice is up" wait_for 5 is_up ue
	tse_start access
}

stop_all() {
	lab_stop tse-ue
	lab_stop tse-access
	lab_stop tscfd
}

test_allow() {
	both allow
	check "allow: and on her other machine" wait_for 5 is_up access
	is "$(tunnels)" 2 "allow: both have a tunnel"
	is "$(lab_tscfctl --json sessions | jq '[.sessions[].inner4] | unique | length')" 2 \
		"allow: with addresses of their own"
	stop_all
}

test_replace() {
	both replace
	check "replace: and on her other machine" wait_for 5 is_up access
	check "replace: which ends the first one, with the reason" \
		wait_for 5 reason_is_like ue 'REASON=.*replaced by a newer tunnel'
	is "$(tunnels)" 1 "replace: one tunnel is left"
	is "$(tsectl ue --json status | jq '.retry_in_s > 600')" true \
		"replace: the first one does not fight for it"
	tsectl ue kick >/dev/null || true
	check "replace: until its user wants it back" wait_for 5 is_up ue
	check "replace: then the other one goes" \
		wait_for 5 reason_is_like access 'REASON=.*replaced by a newer tunnel'
	stop_all
}

test_refuse() {
	both refuse
	check "refuse: the other machine is told why" \
		wait_for 5 reason_is_like access 'REASON=.*has a tunnel already'
	check "refuse: the first one stays" is_up ue
	lab_stop tse-access
	lab_stop tscfd KILL 2>/dev/null || true
	lab_tscfd_start -o pool.same-identity=refuse -o session.state-file="$LAB_DIR/lib/refuse"
	tsectl ue kick >/dev/null || true
	check "refuse: who comes back to a restarted tscfd is no second one" wait_for 5 is_up ue
	lab_stop tse-ue
	wait_for 5 no_tunnels || true
	tse_start access
	check "refuse: when she has left, the other machine gets in" wait_for 5 is_up access
	lab_stop tse-access
	lab_stop tscfd
}

no_tunnels() {
	[ "$(tunnels)" -eq 0 ]
}

# Her token and her ticket are good; the list of revoked certificates is new.
test_revoked() {
	lab_tscfd_start -o session.state-file="$LAB_DIR/lib/state"
	tse_start ue
	check "alice is up" wait_for 5 is_up ue
	lab_stop tscfd KILL 2>/dev/null || true
	lab_tscfd_start -o session.state-file="$LAB_DIR/lib/state"
	tsectl ue kick >/dev/null || true
	check "tscfd was killed: she is back" wait_for 5 is_up ue
	check "on a resumed TLS session" grep ' resumed, tse' "$LAB_DIR/tscfd.log"
	lab_stop tscfd KILL 2>/dev/null || true
	"$lab_top/scripts/tscf-pki" revoke alice --dir "$LAB_DIR/pki" >/dev/null
	lab_tscfd_start -o session.state-file="$LAB_DIR/lib/state"
	tsectl ue kick >/dev/null || true
	check "killed again, and she is revoked: she is told" \
		wait_for 5 reason_is_like ue 'REASON=.*revoked'
	is "$(tunnels)" 0 "and has no tunnel"
	lab_stop tse-ue
	lab_stop tscfd
}

test_allow
test_replace
test_refuse
test_revoked
tap_done
