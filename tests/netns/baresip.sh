#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A call between two real phones (baresip), and what their loudspeakers play
# compared with what was said: through a strict firewall, on a link that loses
# packets while a download runs beside the call.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
for program in baresip python3; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
tap_begin lab_down
lab_need_build
lab_up
lab_build_linkemu
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/bulk" "$lab_top/tests/tools/bulk.c"
lab_pki alice
python3 "$lab_top/tests/tools/speech.py" make "$LAB_DIR/said.wav" 11

# phone NS ADDRESS INTERFACE: settings of a phone that speaks said.wav, answers at
# once, and records what it plays.
phone() {
	local home=$LAB_DIR/$1.phone
	rm -rf "$home"
	mkdir "$home"
	cat >"$home/config" <<-END
		sip_listen $2:5070
		net_interface $3
		audio_source aufile,$LAB_DIR/said.wav
		audio_player aubridge,nowhere
		snd_path $home
		ausrc_srate 8000
		auplay_srate 8000
		ausrc_channels 1
		auplay_channels 1
		module_path $(phone_modules)
		module g711.so
		module aufile.so
		module aubridge.so
		module sndfile.so
		module_app account.so
		module_app menu.so
	END
	echo "<sip:$1@$2:5070>;regint=0;answermode=auto;audio_codecs=PCMU" >"$home/accounts"
	touch "$home/contacts"
}

phone_modules() {
	local directory
	for directory in /usr/lib/baresip/modules /usr/lib/*/baresip/modules /usr/local/lib/baresip/modules; do
		[ ! -d "$directory" ] || { echo "$directory" && return; }
	done
}

# A terminal for each, or they read what is not theirs.
phone_start() {
	local ns=$1
	shift
	lab_spawn "$ns" "phone-$ns" baresip -f "$LAB_DIR/$ns.phone" "$@"
}

phone_is_ready() {
	[ -n "$(in_ns "$1" ss -H -l -u -n 'sport = :5070')" ]
}

# call UE-ADDRESS INTERFACE SECONDS
call() {
	phone ue "$1" "$2"
	phone core "$LAB_PCSCF4" tscf
	phone_start core
	wait_for 5 phone_is_ready core
	phone_start ue -t "$3" -e "/dial sip:core@$LAB_PCSCF4:5070"
	wait_for $(($3 + 3)) lab_has_ended "$(lab_pid phone-ue)" || true
	lab_stop phone-ue KILL || true
	lab_stop phone-core || true
}

# heard ue|core: the share of what the other said, in per mille.
heard() {
	local recording
	recording=$(find "$LAB_DIR/$1.phone" -name '*-dec.wav')
	[ -n "$recording" ] || { echo 0 && return; }
	python3 "$lab_top/tests/tools/speech.py" compare "$LAB_DIR/said.wav" "$recording" |
		tee "$LAB_DIR/heard.$1" | jq '.share * 1000 | floor'
}

test_without() {
	lab_firewall strict
	call 198.51.100.2 access 3
	is "$(heard core)" 0 "without the tunnel nothing is heard"
}

test_tunnel() {
	lab_tse_up alice -o traversal.mode=always >/dev/null
	call "$(inner)" tse0 6
	at_least "$(heard core)" 980 "through the tunnel the core hears what the UE says (per mille)"
	at_least "$(heard ue)" 980 "and the UE what the core says"
	lab_tse_down alice
}

inner() {
	local address
	address=$(lab_state alice INNER4)
	echo "${address%/*}"
}

bulk_listens() {
	[ -n "$(in_ns ue ss -H -l -t -n 'sport = :7000')" ]
}

test_bad_link() {
	lab_shape --seed 5 --both delay=25ms,rate=20M,queue=200ms,loss=1%
	lab_tse_up alice -o traversal.mode=always >/dev/null
	lab_spawn ue sink "$LAB_DIR/bulk" sink 7000
	wait_for 5 bulk_listens
	lab_spawn core source "$LAB_DIR/bulk" source "$(inner)" 7000
	call "$(inner)" tse0 9
	diag "the download had $(tail -n 1 "$LAB_DIR/sink.log" | cut -d' ' -f2) octets"
	at_least "$(heard core)" 850 "on a link that loses 1 %, beside a download, the core hears the UE"
	at_least "$(heard ue)" 850 "and the UE the core"
	diag "$(cat "$LAB_DIR/heard.core" "$LAB_DIR/heard.ue")"
}

lab_tscfd_start
test_without
test_tunnel
test_bad_link
tap_done
