#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# scripts/bench: what it counts as medians, ratios and targets, from figures
# made up here; and a short run, in which every figure must be there.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

work=$(mktemp -d)
clean_up() {
	rm -rf "$work"
}
tap_begin clean_up

report() {
	python3 "$lab_top/tests/bench/report.py" "$work/machine" "$work/results" "$@"
}

# of JSON-PATH: in the report's JSON.
of() {
	jq -r "$1" "$work/report.json"
}

# ------------------------------------------------------------------- counting

cat >"$work/machine" <<-'END'
	{"date": "2026-01-01", "commit": "c", "quick": false, "versions": {"p": "1"},
	 "machine": {"cpu": "m", "cores": 2, "kernel": "k", "congestion": "cubic", "load_before": 0}}
END
cat >"$work/results" <<-'END'
	{"system": "veth", "round": 1, "tcp1_up": 10, "tcp1_down": 10}
	{"system": "tscf", "round": 1, "tcp1_up": 5, "tcp1_down": 3, "udp_up": 90, "cpu_s_per_gb": 1, "connect_ms": 20}
	{"system": "openvpn", "round": 1, "tcp1_up": 1, "udp_up": 50, "cpu_s_per_gb": 10}
	{"system": "ocserv", "round": 1, "udp_up": 60}
	{"system": "tscf", "round": 2, "tcp1_up": 20, "tcp1_down": 15, "udp_up": 180, "cpu_s_per_gb": 2, "connect_ms": 10}
	{"system": "veth", "round": 2, "tcp1_up": 20, "tcp1_down": 100}
	{"system": "openvpn", "round": 2, "tcp1_up": 2, "udp_up": 70, "cpu_s_per_gb": 20}
	{"system": "ocserv", "round": 2, "udp_up": 60}
END
text=$(report --json "$work/report.json" --markdown "$work/report.md")
is "$(of '.systems.tscf.tcp1_up | [.median, .min, .max, .spread_percent] | join(" ")')" "12.5 5 20 60" \
	"a figure has its median, range and spread"
is "$(of '.ratios["tscf/veth"].tcp1_up.values | join(" ")')" "0.5 1" "a ratio is made within a round"
# verdict TARGET
verdict() {
	of ".targets[] | select(.target == \"$1\") | .verdict"
}
is "$(verdict 'TCP 1 stream up / veth')" "aim reached" "a target that is more than reached"
is "$(verdict 'TCP 1 stream down / veth')" FAIL "a target that is missed"
is "$(verdict 'CPU seconds per GB / openvpn')" pass "a target where less is better"
is "$(verdict 'start of tse to first answer')" "aim reached" "an absolute target"
is "$(verdict 'TCP 1 stream up / wireguard')" "not measured" "a target without figures"
is "$(of '.targets[] | select(.target == "UDP packets per second up / best TLS peer") | .got * 100 | round')" 204 \
	"the best peer is the best of each round"
like "$text" 'TCP 1 stream down / veth .*FAIL' "the verdicts are printed"
sed -i 's/2026-01-01/2026-01-02/' "$work/machine"
report --markdown "$work/report.md" >/dev/null
is "$(grep '^## ' "$work/report.md" | cut -c 4-13 | xargs)" "2026-01-02 2026-01-01" "newer tables stand above older ones"
: >"$work/results"
exits 1 "nothing measured is no report" report

# ----------------------------------------------------------------- the script

exits 2 "rounds that are no number" "$lab_top/scripts/bench" --rounds many
exits 2 "another wolfSSL without a build of it" "$lab_top/scripts/bench" --only tscf-lean
exits 2 "a system that does not exist" "$lab_top/scripts/bench" --only ipsec
missing=$(lab_missing; command -v iperf3 >/dev/null || echo "needs iperf3 (see scripts/dependencies)")
if [ -n "$missing" ]; then
	skip "a short run" "$(head -n 1 <<<"$missing")"
	tap_done
fi
lab_need_build
"$lab_top/scripts/bench" --quick --only tscf --json "$work/report.json" >"$work/log" 2>&1 &
bench=$!
status=0
wait "$bench" || status=$?
is "$status" 0 "a short run"
is "$(of '.systems.tscf | [.[] | select(.median > 0)] | length')" 18 "has every figure"
refuse "and leaves nothing" compgen -G "/run/netns/tscf-lab-$bench-*"
tap_done
