#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the crypto callback does for throughput: TCP through the tunnel with
# AES-GCM by libcrypto and by wolfSSL, in turn, within one run.
#
#	tests/bench/aead.sh [--quick] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../netns"
# shellcheck source=../netns/lab.sh
. ./lab.sh

rounds=5 seconds=4 json=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=3 seconds=2 ;;
	--json) json=$(realpath -m "${2:?--json wants a file}") && shift ;;
	--help) echo "usage: tests/bench/aead.sh [--quick] [--json FILE]" && exit 0 ;;
	*) echo "usage: tests/bench/aead.sh [--quick] [--json FILE]" >&2 && exit 2 ;;
	esac
	shift
done
command -v iperf3 >/dev/null || { echo "needs iperf3: scripts/dependencies --install bench" >&2 && exit 1; }

trap lab_down EXIT
lab_need_build
lab_up
lab_pki alice
lab_firewall open
lab_spawn core iperf iperf3 -s
wait_for 5 lab_is_listening core 5201

# Gbit/s of one TCP stream: measure up|down
measure() {
	local reverse=()
	[ "$1" = up ] || reverse=(-R)
	in_ns ue iperf3 -c "$LAB_PCSCF4" -t "$seconds" -J "${reverse[@]}" |
		jq '.end.sum_received.bits_per_second / 1e9'
}

# round PROVIDER: appends to LAB_DIR/PROVIDER.up and .down
round() {
	export TSCF_AEAD=$1
	lab_tscfd_start
	lab_tse_up alice >/dev/null
	[ "$(lab_tsectl alice --json status | jq -r .tls.aead)" = "$1" ]
	local direction
	for direction in up down; do
		measure "$direction" >>"$LAB_DIR/$1.$direction"
	done
	lab_tse_down alice
	lab_stop tscfd
}

median() {
	sort -g "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

for _ in $(seq "$rounds"); do
	round libcrypto
	round wolfssl
done

printf '%-10s %14s %14s %8s   (Gbit/s, medians of %d rounds)\n' direction libcrypto wolfssl ratio "$rounds"
for direction in up down; do
	with=$(median "$LAB_DIR/libcrypto.$direction")
	without=$(median "$LAB_DIR/wolfssl.$direction")
	awk -v d="$direction" -v a="$with" -v b="$without" \
		'BEGIN { printf "%-10s %14.2f %14.2f %8.1f\n", d, a, b, a / b }'
	jq -n --arg direction "$direction" --argjson libcrypto "$with" --argjson wolfssl "$without" \
		'{$direction, libcrypto_gbit_s: $libcrypto, wolfssl_gbit_s: $wolfssl, ratio: ($libcrypto / $wolfssl)}' \
		>>"$LAB_DIR/results"
done
if [ -n "$json" ]; then
	jq -s . "$LAB_DIR/results" >"$json"
fi
