# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154,SC2034 # what begins with PEER_ or LAB_ is of peers.sh and lab.sh
# One system's figures, for scripts/bench: sourced after lab.sh and peers.sh.
#
#	measure_init                       tools and the iperf3 server
#	measure_begin, measure_start PEER [OPTION]..., measure_all
#	measure_end NAME ROUND             prints one JSON object; peer_stop is the caller's
#
# `quick` is yes or no.

declare -A figure=()
declare -A measure_last_pps=() # of the round before, where a search may begin

measure_init() {
	local tool
	for tool in udp_rate first_answer; do
		cc -std=gnu11 -D_GNU_SOURCE -O2 -pthread -o "$LAB_DIR/$tool" "$lab_top/tests/tools/$tool.c"
	done
	lab_spawn tscf iperf iperf3 -s
	wait_for 5 lab_is_listening tscf 5201 || lab_fail "iperf3 does not start"
	if [ "$quick" = yes ]; then
		readonly measure_tcp_s=1 measure_udp_s=0.2 measure_pings=100
	else
		readonly measure_tcp_s=3 measure_udp_s=0.5 measure_pings=400
	fi
}

measure_begin() {
	figure=()
	rm -f "$LAB_DIR/connect" "$LAB_DIR"/pings-*
}

# Up until the first answer, from the execution of the client.
measure_start() {
	PEER_WRAPPER=("$LAB_DIR/first_answer" "$PEER_INNER" "$LAB_DIR/connect")
	peer_start "$@" || return
	PEER_WRAPPER=()
	measure_key=$peer_name${*:2}
	if [ "$peer_name" != plain ]; then
		wait_for 5 test -s "$LAB_DIR/connect" || return
		figure[connect_ms]=$(cat "$LAB_DIR/connect")
	fi
}

measure_all() {
	measure_ping idle "$measure_pings" || return
	measure_octet_cpu || return
	measure_loaded || return
	measure_packet_cpu || return
	figure[memory_client_kib]=$(measure_memory ue)
	figure[memory_server_kib]=$(measure_memory server)
}

# measure_tcp FIGURE STREAMS [-R]: Gbit/s; octets that arrived in measure_octets.
measure_tcp() {
	local report
	report=$(timeout 30 ip netns exec "$LAB_TAG-ue" iperf3 -c "$PEER_TARGET" -t "$measure_tcp_s" -P "$2" -J "${@:3}") || return
	figure[$1]=$(jq '.end.sum_received.bits_per_second / 1e9' <<<"$report")
	measure_octets=$((measure_octets + $(jq '.end.sum_received.bytes' <<<"$report")))
}

# measure_beside_pings NAME FIGURE STREAMS [-R]: measure_tcp, with pings among it,
# which are added to pings-NAME.
measure_beside_pings() {
	local name=$1 pid status=0
	shift
	measure_ping beside $((measure_tcp_s * 100)) &
	pid=$!
	measure_tcp "$@" || status=1
	wait "$pid" || status=1
	cat "$LAB_DIR/pings-beside" >>"$LAB_DIR/pings-$name"
	return "$status"
}

# Four streams each way.
measure_loaded() {
	measure_octets=0
	measure_beside_pings loaded tcp4_up 4 && measure_beside_pings loaded tcp4_down 4 -R
}

# measure_ping NAME COUNT: round trips in ms, one a line, into pings-NAME.
# Under load some may be lost; that none comes back is a failure.
measure_ping() {
	timeout 30 ip netns exec "$LAB_TAG-ue" ping -n -i 0.009 -c "$2" -W 1 "$PEER_TARGET" 2>/dev/null |
		sed -n 's/.* time=\([0-9.]*\) ms.*/\1/p' >"$LAB_DIR/pings-$1" || true
	[ -s "$LAB_DIR/pings-$1" ]
}

# measure_percentile NAME PERCENT: microseconds.
measure_percentile() {
	sort -g "$LAB_DIR/pings-$1" | awk -v p="$2" '{ v[NR] = $1 } END {
		i = int(NR * p / 100 + 0.999999); print v[i < 1 ? 1 : i] * 1000 }'
}

# measure_udp FIGURE FROM-NS FROM-ADDRESS TO-NS TO-ADDRESS
measure_udp() {
	local report first=${measure_last_pps[$measure_key$1]:-40000}
	report=$(timeout 60 "$LAB_DIR/udp_rate" "${@:2}" -s 200 -l 0.5 -t "$measure_udp_s" -r "$first") || return
	figure[$1]=$(jq .pps <<<"$report")
	measure_packets=$((measure_packets + $(jq .total <<<"$report")))
	measure_last_pps[$measure_key$1]=$(jq '[.pps * 0.6, 1000] | max | floor' <<<"$report")
}

# One stream each way, and CPU seconds for each 10^9 octets that arrived: of the
# daemons of both ends, user and system, and of the whole machine with iperf3
# and everything else that runs.  Kernel threads and softirqs that run outside
# the daemons are in the latter alone.
measure_octet_cpu() {
	local daemons machine
	measure_octets=0
	daemons=$(measure_daemon_ticks) machine=$(measure_machine_ticks)
	measure_beside_pings stream tcp1_up 1 && measure_beside_pings stream tcp1_down 1 -R || return
	daemons=$(($(measure_daemon_ticks) - daemons)) machine=$(($(measure_machine_ticks) - machine))
	figure[cpu_s_per_gb]=$(measure_cpu_per "$daemons" "$measure_octets" 1e9)
	figure[machine_cpu_s_per_gb]=$(measure_cpu_per "$machine" "$measure_octets" 1e9)
}

# Small packets each way, and microseconds of the daemons for each that arrived.
measure_packet_cpu() {
	local daemons
	measure_packets=0
	daemons=$(measure_daemon_ticks)
	measure_udp udp_up "$LAB_TAG-ue" "$PEER_SOURCE" "$LAB_TAG-tscf" "$PEER_TARGET" || return
	measure_udp udp_down "$LAB_TAG-tscf" "$PEER_TARGET" "$LAB_TAG-ue" "$PEER_SOURCE" || return
	daemons=$(($(measure_daemon_ticks) - daemons))
	figure[cpu_us_per_packet]=$(measure_cpu_per "$daemons" "$measure_packets" 1e6)
}

# measure_cpu_per TICKS COUNT UNIT
measure_cpu_per() {
	awk -v ticks="$1" -v hz="$(getconf CLK_TCK)" -v count="$2" -v unit="$3" \
		'BEGIN { print (count ? ticks / hz / count * unit : 0) }'
}

measure_daemon_ticks() {
	local pid total=0 stat
	for pid in $(peer_pids); do
		stat=$(sed -E 's/^.*\) //' "/proc/$pid/stat" 2>/dev/null) || continue
		# shellcheck disable=SC2086 # split into fields on purpose
		set -- $stat
		total=$((total + ${12} + ${13}))
	done
	echo "$total"
}

# All but idle and iowait.
measure_machine_ticks() {
	awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat
}

# measure_memory ue|server: KiB; pages that processes share are counted once
# (proportional set size).
measure_memory() {
	local pid
	for pid in $(peer_pids "$1"); do
		sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$pid/smaps_rollup" 2>/dev/null || true
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

# measure_end NAME ROUND
measure_end() {
	figure[ping_p50_us]=$(measure_percentile idle 50)
	figure[ping_p99_us]=$(measure_percentile idle 99)
	figure[stream_p50_us]=$(measure_percentile stream 50)
	figure[stream_p99_us]=$(measure_percentile stream 99)
	figure[loaded_p50_us]=$(measure_percentile loaded 50)
	figure[loaded_p99_us]=$(measure_percentile loaded 99)
	local key
	for key in "${!figure[@]}"; do
		printf '%s %s\n' "$key" "${figure[$key]}"
	done | jq -R -n -c --arg system "$1" --argjson round "$2" \
		'{$system, $round} + ([inputs | split(" ") | { key: .[0], value: (.[1] | tonumber) }] | from_entries)'
}
