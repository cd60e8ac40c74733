#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What thousands of clients cost one tscfd: handshakes, memory, calls, and what
# running calls feel when all clients end, or come back, at once.  The clients are
# one program (many.c) in the namespace of the UE; the other party of the calls is
# an echo in the IMS core's.
#
#	tests/bench/many.sh [--quick] [--json FILE] [--markdown FILE] [--tunnels N] [--calls N]
#		[--recover] [--wolfssl-build DIR]
#
# --recover adds 5,000 idle tunnels and 200 calls while tscfd is killed and
# started again.  --wolfssl-build: a second build, made with the wolfSSL of
# scripts/build-wolfssl, whose handshakes and memory are shown beside.
# --markdown appends a section to FILE.
set -euo pipefail
cd "$(dirname "$0")/../netns"
# shellcheck source=tests/netns/lab.sh
. ./lab.sh

tunnels=2000 calls=1000 seconds=10 handshakes=1000 rounds=3 json='' markdown='' recover=no lean=''
readonly clients=32 # certificates, used in turn

usage() {
	sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$lab_top/tests/bench/many.sh"
}

while [ $# -gt 0 ]; do
	case $1 in
	--quick) handshakes=300 rounds=1 calls=200 seconds=5 ;;
	--json) json=$(realpath -m "${2:?--json wants a file}") && shift ;;
	--markdown) markdown=$(realpath -m "${2:?--markdown wants a file}") && shift ;;
	--tunnels) tunnels=${2:?--tunnels wants a number} && shift ;;
	--calls) calls=${2:?--calls wants a number} && shift ;;
	--wolfssl-build) lean=$(realpath "${2:?--wolfssl-build wants a folder}") && shift ;;
	--recover) recover=yes ;;
	--help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

for program in tscfd tests/bench/many tests/bench/tls_memory; do
	[ -x "$BUILD/$program" ] || lab_fail "there is no $BUILD/$program: make, then make $program" || exit 1
done

trap lab_down EXIT
lab_up
lab_firewall open
mapfile -t names < <(seq -f client%g "$clients")
lab_pki "${names[@]}"
programs=$BUILD

say() {
	echo "many: $*" >&2
}

# server [OPTION]...: with the environment's TSCF_AEAD.
server() {
	BUILD=$programs lab_tscfd_start -o session.handshake-timeout=60s "$@"
}

# load PHASE OPTION...: the phase's JSON.  The clients give way, as if they
# ran elsewhere.
load() {
	local phase=$1 name
	local -a profiles=("$programs/tests/bench/many")
	shift
	for name in "${names[@]}"; do
		profiles+=(--profile "$LAB_DIR/$name.conf")
	done
	in_ns ue env TSCF_AEAD=libcrypto nice -n 19 "${profiles[@]}" --server "$LAB_TSCF4" --host "$LAB_NAME" \
		--pid "$(lab_pid tscfd)" --core "$LAB_PCSCF4" "$@" "$phase" | jq -c ".\"$phase\" // empty"
}

# one NAME PHASE OPTION... -- SERVER-OPTION...: with a fresh tscfd; a line of results.
one() {
	local name=$1 phase=$2
	local -a options=()
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	say "$name"
	server "$@"
	load "$phase" "${options[@]}" | jq -c --arg name "$name" '{($name): .}' >>"$LAB_DIR/results"
	lab_stop tscfd || true
}

measure_handshakes() {
	local round
	for round in $(seq "$rounds"); do
		TSCF_AEAD=libcrypto one "handshakes $round" handshakes --tunnels "$handshakes" -- -o tun.workers=1
		TSCF_AEAD=libcrypto-aes one "handshakes without P-256 $round" handshakes \
			--tunnels "$handshakes" -- -o tun.workers=1
	done
}

# memory BUILD NAME
memory() {
	programs=$1
	one "$2" idle --tunnels "$tunnels" --
	"$programs/tests/bench/tls_memory" "$LAB_DIR/pki/tscfd.conf" "$LAB_DIR/client1.conf" |
		jq -c --arg name "$2: wolfSSL" '{($name): .}' >>"$LAB_DIR/results"
	programs=$BUILD
}

measure_recovery() {
	local many
	say "recovery"
	server -o "session.state-file=$LAB_DIR/leases"
	load recover --tunnels 5000 --calls 200 >"$LAB_DIR/recovery" 2>"$LAB_DIR/recovery.log" &
	many=$!
	wait_for 180 grep -q ready "$LAB_DIR/recovery.log"
	lab_stop tscfd KILL || true
	server -o "session.state-file=$LAB_DIR/leases"
	wait "$many"
	jq -c '{recovery: .}' "$LAB_DIR/recovery" >>"$LAB_DIR/results"
	lab_stop tscfd || true
}

lab_spawn core echo "$BUILD/tests/bench/many" --echo 4000
measure_handshakes
memory "$BUILD" idle
if [ -n "$lean" ]; then
	memory "$lean" "idle, own wolfSSL"
	programs=$lean one "handshakes, own wolfSSL" handshakes --tunnels "$handshakes" -- -o tun.workers=1
fi
one calls calls --calls "$calls" --seconds "$seconds" --
one storm storm --tunnels 1000 --calls 50 --
one resets resets --tunnels 1000 --calls 50 --
[ "$recover" = no ] || measure_recovery

jq -s add "$LAB_DIR/results" >"$LAB_DIR/all.json"
python3 "$lab_top/tests/bench/many_report.py" "$LAB_DIR/all.json" ${markdown:+--markdown "$markdown"}
[ -z "$json" ] || cp "$LAB_DIR/all.json" "$json"
