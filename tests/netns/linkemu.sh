#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The link emulator, on which the figures of bench-voice rest, against an
# independent measurement: UDP trains and pings through it.  What chance and time
# do in the long run is tested without a clock (tests/unit/test_link).  And the
# voice meter on such a link: each codec, with and without losses.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ "$(id -u)" -eq 0 ] || tap_skip_all "needs root, to make network namespaces"
for program in ip cc jq python3 ping; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
tap_begin lab_down

# A lab of two namespaces, ue and tscf, with nothing between them.
LAB_TAG=$LAB_PREFIX-$$
LAB_DIR=$(mktemp -d "/tmp/$LAB_TAG.XXXXXX")
lab_process $$ >"$LAB_DIR/owner"
ip netns add "$LAB_TAG-ue"
ip netns add "$LAB_TAG-tscf"
lab_build_linkemu
cc -std=gnu11 -D_GNU_SOURCE -O2 -I"$lab_top/src" -o "$LAB_DIR/voice_meter" \
	"$lab_top"/tests/tools/{voice_meter,voice_shape,playout,rtp_peer}.c "$lab_top/src/core/emodel.c" -lm

# link OPTION...: a fresh link from 192.0.2.1 (ue) to 192.0.2.2 (tscf).
link() {
	lab_linkemu_stop >/dev/null 2>&1 || true
	lab_linkemu_start ue left tscf right "$@"
	in_ns ue ip address add 192.0.2.1 peer 192.0.2.2 dev left
	in_ns tscf ip address add 192.0.2.2 peer 192.0.2.1 dev right
}

# train NAME FROM TO ADDRESS COUNT RATE OCTETS: leaves NAME.train.
train() {
	lab_spawn "$3" "$1" python3 "$lab_top/tests/tools/udp_train.py" receive 9000 0.5
	wait_for 5 receiver_is_ready "$3"
	in_ns "$2" python3 "$lab_top/tests/tools/udp_train.py" send "$4" 9000 "$5" "$6" "$7"
	lab_wait 20 "$1"
	mv "$LAB_DIR/$1.log" "$LAB_DIR/$1.train"
}

receiver_is_ready() {
	[ -n "$(in_ns "$1" ss -H -l -u -n 'sport = :9000')" ]
}

up() {
	train up ue tscf 192.0.2.2 "$@"
}

down() {
	train down tscf ue 192.0.2.1 "$@"
}

# holds FILE FILTER DESCRIPTION: of the JSON that was measured.
holds() {
	if [ "$(jq "$2" "$1")" = true ]; then
		ok "$3"
	else
		not_ok "$3" "not true: $2" "$(cat "$1")"
	fi
}

test_usage() {
	local emu=$LAB_DIR/linkemu
	exits 2 "no ends" "$emu"
	exits 2 "an unknown setting" "$emu" --up speed=1 a:b c:d
	exits 2 "a queue in ms without a rate" "$emu" --up queue=10ms "$LAB_TAG-ue:l0" "$LAB_TAG-tscf:r0"
	exits 2 "a loss of more than all" "$emu" --up loss=101% a:b c:d
	exits 1 "a namespace that is not there" "$emu" "$LAB_TAG-none:l0" "$LAB_TAG-tscf:r0"
}

# The machine may be busy: medians are near, and nothing comes too soon.
test_delay() {
	link --up delay=20ms --down delay=60ms
	up 300 500 200
	down 300 500 200
	holds "$LAB_DIR/up.train" '.received == 300 and .missing == 0 and .overtaken == 0' "all packets arrive, in order"
	holds "$LAB_DIR/up.train" '.delay_ms | .min >= 20 and .p50 < 21.5' "20 ms up"
	holds "$LAB_DIR/down.train" '.delay_ms | .min >= 60 and .p50 < 61.5' "60 ms down"
	check "a ping takes both" ping_between 80 83
	lab_linkemu_stop >"$LAB_DIR/stats"
	holds "$LAB_DIR/stats" '.up.late_ms.p50 < 1 and .down.late_ms.p50 < 1' "it says how late it was itself"
	holds "$LAB_DIR/stats" '.up.received >= 300 and .up.lost == 0 and .up.queue_drops == 0' "and counts"
}

# ping_between LOW HIGH: ms, the median of ten.
ping_between() {
	local median
	median=$(in_ns ue ping -n -c 10 -i 0.05 192.0.2.2 | sed -n 's/.*time=\([0-9.]*\).*/\1/p' |
		sort -g | sed -n 5p)
	echo "median $median ms"
	[ "$(jq -n "$median >= $1 and $median < $2")" = true ]
}

# 20 Mbit/s into 5 Mbit/s with a queue of 100 ms.
test_rate_and_queue() {
	link --up rate=5M,queue=100ms,delay=10ms
	up 2500 2500 1000
	lab_linkemu_stop >"$LAB_DIR/stats"
	holds "$LAB_DIR/up.train" '.rate > 4.9e6 and .rate < 5.1e6' "5 Mbit/s"
	holds "$LAB_DIR/up.train" '.delay_ms | .max > 105 and .p50 < 114' "the queue is 100 ms long"
	holds "$LAB_DIR/stats" '.up | .queue_octets_max <= 62500 and .queue_octets_max > 61000 and
		.queue_ms.max <= 100.1' "it is bounded in octets"
	holds "$LAB_DIR/stats" '.up | .queue_drops > 1500 and .queue_drops + .received == .sent' "the rest is dropped"
	link --up rate=5M,queue=100ms,delay=10ms,drop=codel
	up 2500 550 1250
	lab_linkemu_stop >"$LAB_DIR/stats"
	holds "$LAB_DIR/stats" '.up | .codel_drops > 5 and .queue_drops == 0' "CoDel drops before it is full"
}

test_loss() {
	link --seed 3 --up loss=2% --down loss=4%,burst=4
	up 6000 3000 100
	down 6000 3000 100
	lab_linkemu_stop >"$LAB_DIR/stats"
	holds "$LAB_DIR/up.train" '.missing / 6000 | . > 0.014 and . < 0.026' "2 % are lost"
	holds "$LAB_DIR/up.train" '.missing / .runs < 1.15' "one by one"
	holds "$LAB_DIR/down.train" '.missing / 6000 | . > 0.025 and . < 0.055' "4 % are lost"
	holds "$LAB_DIR/down.train" '.missing / .runs | . > 3 and . < 5' "in bursts of 4"
	is "$(jq .down.lost "$LAB_DIR/stats")" "$(jq .missing "$LAB_DIR/down.train")" "it counts what it loses"
}

# decisions SEED
decisions() {
	link --seed "$1" --up loss=5%,burst=2,jitter=3ms,reorder=2%,reorder-by=10ms
	up 1500 1500 100
	lab_linkemu_stop | jq -r .up.decisions
	jq -c '[.missing, .runs]' "$LAB_DIR/up.train"
}

test_seed() {
	local once again other
	once=$(decisions 11)
	holds "$LAB_DIR/up.train" '.overtaken > 5' "reordering is seen"
	again=$(decisions 11)
	other=$(decisions 12)
	is "$again" "$once" "the same seed, the same losses"
	if [ "$other" != "$once" ]; then
		ok "another seed, others"
	else
		not_ok "another seed, others" "$other"
	fi
}

test_outage() {
	link --up outage=2+0.3 --down outage=30+1
	up 2000 500 100
	lab_linkemu_stop >"$LAB_DIR/stats"
	holds "$LAB_DIR/up.train" '.runs == 1 and .missing > 140 and .missing < 160' "an outage of 0.3 s"
	holds "$LAB_DIR/stats" '.down.outage_drops == 0' "in one direction"
}

# A call of 5 s with each codec: one half hears all of it, the other loses 8 %.
test_voice_meter() {
	local codec name port=40000
	link --seed 5 --up delay=40ms,loss=8% --down delay=40ms
	for codec in g711 opus amr-wb; do
		lab_spawn tscf "up-$codec" "$LAB_DIR/voice_meter" --codec "$codec" "$port" 192.0.2.1 "$port" 5
		lab_spawn ue "down-$codec" "$LAB_DIR/voice_meter" --codec "$codec" "$port" 192.0.2.2 "$port" 5
		port=$((port + 2))
	done
	for codec in g711 opus amr-wb; do
		for name in up down; do
			lab_wait 15 "$name-$codec"
		done
		holds "$LAB_DIR/down-$codec.log" '.lost == 0 and .received == .expected and .duplicates == 0' \
			"$codec: every packet is heard once"
		holds "$LAB_DIR/down-$codec.log" '.delay_ms | .min >= 40 and .p50 < 42' "$codec: after 40 ms"
		holds "$LAB_DIR/up-$codec.log" '.lost / .expected | . > 0 and . < 0.2' "$codec: losses are seen"
		jq -s '{down: .[0], up: .[1]}' "$LAB_DIR"/{down,up}-"$codec".log >"$LAB_DIR/both"
		holds "$LAB_DIR/both" '[.down, .up] | all(.[]; .fixed.r >= 0 and .adaptive.r <= 100 and .fixed.mos <= 4.5)
			and .[0].fixed.r > .[1].fixed.r and .[0].adaptive.mos > .[1].adaptive.mos' \
			"$codec: and cost some of the rating"
	done
	holds "$LAB_DIR/down-g711.log" '.expected == 250' "G.711 sends 50 packets a second"
	holds "$LAB_DIR/down-opus.log" '.expected < 245' "Opus pauses with the speaker"
	lab_linkemu_stop >/dev/null
}

test_end() {
	local status=0
	lab_linkemu_start ue left tscf right --for 0.3
	lab_wait 3 linkemu || status=$?
	is "$status" 0 "it ends by itself"
	refuse "and its interfaces are gone" in_ns ue ip link show left
}

test_usage
test_delay
test_rate_and_queue
test_loss
test_seed
test_outage
test_voice_meter
test_end
tap_done
