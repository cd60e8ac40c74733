#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# From the start of tse to the first ping answered through the tunnel, for
# networks that force step 2 and step 3, one step after the other and with
# overlap = yes, beside the bound: the timeouts of the steps that fail (with
# overlap the longest of them), 5 round trips, and 200 ms.
#
#	tests/bench/first-packet.sh [--quick] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../netns"
# shellcheck source=../netns/lab.sh
. ./lab.sh

rounds=5 json=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=2 ;;
	--json) json=$(realpath -m "${2:?--json wants a file}") && shift ;;
	--help) echo "usage: tests/bench/first-packet.sh [--quick] [--json FILE]" && exit 0 ;;
	*) echo "usage: tests/bench/first-packet.sh [--quick] [--json FILE]" >&2 && exit 2 ;;
	esac
	shift
done

readonly sip=1000 tls=1000 # ms, timeouts
readonly slack=205         # ms: 5 round trips of a millisecond, and 200 ms

trap lab_down EXIT
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
cat >"$LAB_DIR/tinyproxy.conf" <<-END
	Port 3128
	Listen $LAB_PROXY4
	Timeout 60
	ConnectPort 443
END
lab_spawn access tinyproxy tinyproxy -d -c "$LAB_DIR/tinyproxy.conf"
wait_for 5 lab_is_listening access 3128

now_ms() {
	echo "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

# measure OPTION...: ms until the first answer.
measure() {
	local start
	start=$(now_ms)
	lab_tse_up alice "$@" >/dev/null
	in_ns ue ping -q -c 1 -W 2 "$LAB_PCSCF4" >/dev/null
	echo "$(($(now_ms) - start))"
	lab_tse_down alice
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# row NAME FIREWALL BOUND OPTION...
row() {
	local name=$1 firewall=$2 bound=$3 got
	shift 3
	lab_firewall "$firewall"
	got=$(for _ in $(seq "$rounds"); do
		measure -o traversal.direct=yes -o "traversal.p-cscf=$LAB_PCSCF4" \
			-o "traversal.sip-timeout=${sip}ms" -o "traversal.tls-timeout=${tls}ms" \
			-o "traversal.proxy=http://$LAB_PROXY4:3128" "$@"
	done | median)
	printf '%-34s %8s ms   at most %6s ms\n' "$name" "$got" "$bound"
	jq -n --arg network "$name" --argjson ms "$got" --argjson bound "$bound" \
		'{$network, median_ms: $ms, bound_ms: $bound}' >>"$LAB_DIR/results"
}

row "mode = always, only 443" strict "$slack" -o traversal.mode=always
row "auto, only 443" strict $((sip + slack)) -o traversal.mode=auto
row "auto, only 443, overlap" strict $((sip + slack)) -o traversal.mode=auto -o traversal.overlap=yes
row "auto, only a proxy" proxy $((sip + tls + slack)) -o traversal.mode=auto
row "auto, only a proxy, overlap" proxy $(((sip > tls ? sip : tls) + slack)) \
	-o traversal.mode=auto -o traversal.overlap=yes
if [ -n "$json" ]; then
	jq -s . "$LAB_DIR/results" >"$json"
fi
