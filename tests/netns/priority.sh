#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Voice comes first: a call beside bulk on a link with a deep buffer keeps its delay,
# loss brings copies and nothing twice, and what an application repeats arrives as
# often as it was sent.  Figures are generous: the machine may be busy.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
for program in iperf3 python3; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
lab_firewall strict
lab_build_linkemu
cc -std=gnu11 -D_GNU_SOURCE -O2 -I"$lab_top/src" -o "$LAB_DIR/voice_meter" \
	"$lab_top"/tests/tools/{voice_meter,voice_shape,playout,rtp_peer}.c "$lab_top/src/core/emodel.c" -lm

tunnel_up() {
	lab_tse_up alice "$@" >"$LAB_DIR/up.log" || lab_fail "no tunnel: $(cat "$LAB_DIR/up.log")"
	inner=$(lab_state alice INNER4)
	inner=${inner%/*}
}

call_start() {
	lab_spawn core voice-core "$LAB_DIR/voice_meter" 40000 "$inner" 40010 "$1"
	lab_spawn ue voice-ue "$LAB_DIR/voice_meter" 40010 "$LAB_PCSCF4" 40000 "$1"
}

call_end() {
	wait_for "$1" lab_has_ended "$(lab_pid voice-ue)"
	wait_for 5 lab_has_ended "$(lab_pid voice-core)"
	for side in ue core; do
		diag "$side hears: $(jq -c '[.received, .duplicates, .delay_ms.p50, .delay_ms.p99,
			.fixed.r]' "$LAB_DIR/voice-$side.log") (received, twice, p50, p99, R)"
	done
}

# heard SIDE FILTER
heard() {
	jq -r "$2" "$LAB_DIR/voice-$1.log"
}

bulk_start() {
	lab_spawn core iperf-server iperf3 -s -B "$LAB_PCSCF4" -1
	wait_for 5 lab_is_listening core 5201
	lab_spawn ue iperf iperf3 -c "$LAB_PCSCF4" -t "$1" -J --bidir
}

# bulk_had FIGURE: Mbit/s.
bulk_had() {
	jq ".end.$1.bits_per_second / 1e6 | floor" "$LAB_DIR/iperf.log"
}

status() {
	lab_tsectl alice -j status | jq -r "$1"
}

# shellcheck disable=SC2317 # wait_for calls it
status_is() {
	[ "$(status "$1")" = "$2" ]
}

# shellcheck disable=SC2317 # wait_for calls it
tscfd_paces_bulk() {
	lab_tscfctl -j sessions | jq -e '.sessions[0].realtime.bulk_octets_per_s != null' >/dev/null
}

# --- bulk --------------------------------------------------------------------

# 20 Mbit/s and 50 ms with a buffer of 200 ms, which bulk, one TCP stream each way,
# would fill.
test_bulk_yields() {
	local metrics id name side
	lab_shape --both delay=25,rate=20M,queue=200ms
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
	tunnel_up
	is "$(status .realtime.rating)" null "without a call there is no rating"
	call_start 14
	check "a call" wait_for 5 status_is .realtime.call true
	bulk_start 11
	check "bulk yields to it" wait_for 8 status_is '.realtime.bulk_octets_per_s != null' true
	check "in both directions" wait_for 8 tscfd_paces_bulk
	like "$(lab_tsectl alice status)" 'call +R [0-9]+ \(estimated\); [0-9,]+ packets to send' \
		"tsectl status rates the call"
	like "$(lab_tsectl alice status)" 'waiting +audio: half at most [0-9.]+ ms, 99 % at most' \
		"and says how long packets waited"
	like "$(lab_tscfctl sessions)" 'call +R [0-9]+ \(estimated\)' "so does tscfctl sessions"
	metrics=$(lab_tscfctl metrics)
	like "$metrics" 'tscf_calls\{rating="[a-z0-9_]+"\} 1' "and metrics"
	id=$(lab_tscfctl -j sessions | jq -r '.sessions[0].id')
	for name in rating round_trip_seconds lanes media_down_total media_up_total; do
		like "$metrics" "^tscf_call_$name\\{tunnel=\"$id\"\\} [0-9.]*[1-9]" \
			"of which each tunnel has its own: $name"
	done
	call_end 20
	for side in core ue; do
		at_least "$(heard "$side" '.fixed.r | floor')" 80 "the call beside bulk is good: $side"
		at_least 90 "$(heard "$side" '.delay_ms.p50 | ceil')" \
			"its packets pass the buffer that bulk fills"
	done
	check "bulk ends" wait_for 10 lab_has_ended "$(lab_pid iperf)"
	at_least "$(bulk_had sum_received)" 8 "bulk up has most of what is left"
	at_least "$(bulk_had sum_received_bidir_reverse)" 8 "and so has bulk down"
	# When bulk begins the buffer may overflow once.
	at_least 20 "$(status .realtime.copies_sent)" "without loss hardly anything goes twice"
	lab_tse_down alice >/dev/null
}

# --- loss --------------------------------------------------------------------

# What was sent by an application, repeats included, and what of it arrived.
repeat_script() {
	cat <<'PY'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "receive":
    s.bind(("", int(sys.argv[2])))
    s.settimeout(4)
    count = {}
    try:
        while True:
            packet = s.recv(2000)
            count[packet] = count.get(packet, 0) + 1
    except socket.timeout:
        pass
    print(sorted(count.values()))
else:
    # Ten RFC 4733 events whose end comes three times, octet for octet, and
    # requests of SIP that nobody answers: at once, and after 100 ms.
    for event in range(10):
        dtmf = bytes([0x80, 0xe5]) + bytes(14) + bytes([event, 0x8a, 3, 32])
        sip = b"OPTIONS sip:%d@example.net SIP/2.0\r\n\r\n" % event
        for _ in range(3):
            for packet in (dtmf, sip):
                s.sendto(packet, (sys.argv[2], int(sys.argv[3])))
            time.sleep(0.02)
        time.sleep(0.1)
PY
}

test_copies() {
	lab_shape --both delay=30,rate=10M,queue=300ms,loss=3,burst=2
	tunnel_up
	call_start 16
	check "loss brings copies" wait_for 12 status_is '.realtime.copies_sent > 0' true
	check "and lanes" wait_for 5 status_is '.lanes | length > 2' true
	repeat_script >"$LAB_DIR/repeat.py"
	lab_spawn core repeats python3 "$LAB_DIR/repeat.py" receive 47000
	wait_for 5 core_listens 47000
	in_ns ue python3 "$LAB_DIR/repeat.py" send "$LAB_PCSCF4" 47000
	call_end 25
	check "repeats end" wait_for 10 lab_has_ended "$(lab_pid repeats)"
	is "$(jq -c '[length, min]' "$LAB_DIR/repeats.log")" '[20,3]' \
		"what an application repeats arrives as often as it was sent"
	# A copy that is 250 ms late is no copy any more; a listener drops it.
	at_least 3 "$(jq 'map(select(. > 3)) | length' "$LAB_DIR/repeats.log")" \
		"and hardly ever more often"
	at_least "$(status .realtime.copies_dropped)" 1 "copies of the other end are dropped"
	at_least "$(heard core .received)" 795 "every packet arrives"
	at_least "$(heard core '.fixed.r | floor')" 75 "the call is good in spite of 3 % loss"
	at_least "$(heard ue '.fixed.r | floor')" 75 "both ways"
	at_least 40 "$(heard core .duplicates)" "hardly anything arrives twice"
	lab_tse_down alice >/dev/null
}

# shellcheck disable=SC2317 # wait_for calls it
core_listens() {
	[ -n "$(in_ns core ss -H -l -u -n "sport = :$1")" ]
}

test_off() {
	tunnel_up -o tunnel.realtime-copies=1
	call_start 8
	call_end 15
	is "$(status .realtime.copies_sent)" 0 "realtime-copies = 1 sends none"
	at_least "$(status .realtime.sent)" 400 "and packets are counted"
	lab_tse_down alice >/dev/null
}

test_bulk_yields
test_copies
test_off
lab_stop tscfd
tap_done
