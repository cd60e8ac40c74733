# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # for who sources it; BUILD and others are lab.sh's
# The networks and loads of scripts/bench-voice, and one call in one of them.
# Sourced by it, after tests/netns/lab.sh and tests/bench/peers.sh.
#
#	ue                                      tscf
#	voice_meter, bulk                       bulk, voice_meter
#	tunnel == link (TUN) == linkemu == link (TUN) == tunnel server
#	          192.0.2.1                     192.0.2.2, 10.99.0.1
#
# Nothing but this link is shaped, the same in both directions, its losses from
# seeds of their own.

# Round trip in ms, Mbit/s, buffer in ms, loss in %, mean burst in packets, drop
# discipline, congestion control of all TCP, load (none, up, down, both),
# tunnels.  The order is that of the table; the first five are those for which
# there are limits.
readonly VOICE_CELLS='
	50   20  200  1    1 tail  bbr   up    1
	50   20  200  1    1 tail  bbr   down  1
	120  10  300  2    3 tail  bbr   none  1
	120  10  300  2    3 tail  bbr   up    1
	120  10  300  2    3 tail  bbr   down  1
	20   50   50  0    1 tail  cubic none  1
	20   50   50  0    1 tail  cubic both  1
	20   20  500  0    1 tail  cubic up    1
	20   20  500  0    1 tail  cubic down  1
	20   20  500  0    1 tail  bbr   up    1
	20    5 1000  0    1 tail  cubic both  1
	20   50   20  0.1  1 codel cubic both  1
	50    2  100  0    1 tail  cubic up    1
	50    2  100  0    1 tail  cubic down  1
	50   20  200  1    1 tail  bbr   none  1
	50   20  200  1    1 tail  bbr   both  1
	50   20  200  1    1 tail  cubic up    1
	50   20  200  1    1 tail  cubic down  1
	80   10   20  0.5  1 tail  cubic both  1
	120  10  300  5    3 tail  bbr   none  1
	120  10  300  2    3 tail  cubic both  1
	250   5  300  1    1 tail  cubic none  1
	250  10  100  0.5  1 tail  bbr   down  1
	50   50  200  0    1 tail  cubic down  20
'
readonly VOICE_QUICK='1 2 3 4' # their numbers
readonly VOICE_SYSTEMS='plain tscf openvpn ocserv'
readonly VOICE_OUTER_UE=192.0.2.1 VOICE_OUTER_SERVER=192.0.2.2
readonly VOICE_WARM=5 # s of bulk before the call

voice_cell_count() {
	grep -c . <<<"$VOICE_CELLS"
}

# voice_cell NUMBER: its fields, in one line.
voice_cell() {
	grep . <<<"$VOICE_CELLS" | sed -n "$1p"
}

# voice_is_many NUMBER: more than one tunnel.
voice_is_many() {
	[ "$(voice_cell "$1" | awk '{ print $NF }')" -gt 1 ]
}

# voice_cell_name NUMBER
voice_cell_name() {
	local rtt rate buffer loss burst drop cc load tunnels name
	read -r rtt rate buffer loss burst drop cc load tunnels < <(voice_cell "$1")
	name="$rtt ms RTT, $rate Mbit/s, $buffer ms buffer"
	[ "$drop" = tail ] || name+=" with CoDel"
	case $loss:$burst in
	0:*) name+=", no loss" ;;
	*:1) name+=", $loss % loss" ;;
	*) name+=", $loss % loss in bursts of $burst" ;;
	esac
	name+=", ${cc/bbr/BBR}"
	case $load in
	none) name+=", no bulk" ;;
	both) name+=", bulk both ways" ;;
	*) name+=", bulk $load" ;;
	esac
	[ "$tunnels" = 1 ] || name+=" in one of $tunnels tunnels"
	echo "$name"
}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/voice_many.sh"

# ------------------------------------------------------------------ one run

# voice_begin DIRECTORY: a lab of two namespaces for all runs of this shell.
# The tools are in DIRECTORY.
voice_begin() {
	voice_tools=$1
	LAB_TAG=$LAB_PREFIX-$BASHPID
	LAB_DIR=$(mktemp -d "/tmp/$LAB_TAG.XXXXXX")
	chmod 711 "$LAB_DIR"
	lab_process "$BASHPID" >"$LAB_DIR/owner"
	cp "$voice_tools/linkemu" "$LAB_DIR"
	local ns
	for ns in ue tscf; do
		ip netns add "$LAB_TAG-$ns"
		ip -n "$LAB_TAG-$ns" link set lo up
	done
	peers_init "$LAB_TAG-ue" "$LAB_TAG-tscf" "$VOICE_OUTER_SERVER" "$LAB_DIR/peer"
}

# voice_link_settings CELL: as linkemu wants them.
voice_link_settings() {
	local rtt rate buffer loss burst drop rest
	read -r rtt rate buffer loss burst drop rest < <(voice_cell "$1")
	echo "delay=$(jq -n "$rtt / 2")ms,rate=${rate}M,queue=${buffer}ms,loss=$loss%,burst=$burst,drop=$drop"
}

# voice_congestion CELL NS: of all TCP there.
voice_congestion() {
	local cc
	cc=$(voice_cell "$1" | awk '{ print $7 }')
	in_ns "$2" sysctl -q -w net.ipv4.tcp_congestion_control="$cc" net.ipv4.tcp_no_metrics_save=1
}

# voice_link CELL SEED
voice_link() {
	lab_linkemu_start ue link tscf link --seed "$2" --both "$(voice_link_settings "$1")" || return
	in_ns ue ip address add "$VOICE_OUTER_UE" peer "$VOICE_OUTER_SERVER" dev link
	in_ns tscf ip address add "$VOICE_OUTER_SERVER" peer "$VOICE_OUTER_UE" dev link
	voice_congestion "$1" ue && voice_congestion "$1" tscf
}

# voice_bulk up|down [NS]: one TCP connection that takes what it gets, of the UE
# in that namespace.
voice_bulk() {
	local from=${2:-ue} to=tscf address=$PEER_TARGET source=$PEER_SOURCE
	if [ "$1" = down ]; then
		to=$from from=tscf address=$PEER_SOURCE source=$PEER_TARGET
	fi
	lab_spawn "$to" "sink-$1" "$voice_tools/bulk" sink 7000
	wait_for 5 voice_listens "$to" || return
	lab_spawn "$from" "source-$1" "$voice_tools/bulk" source "$address" 7000 "$source"
}

voice_listens() {
	[ -n "$(in_ns "$1" ss -H -l -t -n 'sport = :7000')" ]
}

# voice_rate up|down FROM TO: bit/s that the sink received between these times
# of the monotonic clock; null if there was no bulk.
voice_rate() {
	local log=$LAB_DIR/sink-$1.log
	[ -s "$log" ] || { echo null && return; }
	awk -v from="$2" -v to="$3" '
		$1 >= from && !first { first = $1; begin = $2 }
		$1 <= to { last = $1; end = $2 }
		END { if (last > first && first) print (end - begin) * 8 / (last - first); else print 0 }' "$log"
}

voice_clock() {
	cut -d' ' -f1 /proc/uptime
}

# voice_call SECONDS SEED: leaves up.json and down.json; "down" is what the UE hears.
voice_call() {
	lab_spawn tscf up "$voice_tools/voice_meter" --seed "$2" --from "$PEER_TARGET" 40000 "$PEER_SOURCE" 40010 "$1"
	lab_spawn ue down "$voice_tools/voice_meter" --seed "$2" --from "$PEER_SOURCE" 40010 "$PEER_TARGET" 40000 "$1"
	local status=0
	lab_wait $(($1 + 30)) up || status=1
	lab_wait $(($1 + 30)) down || status=1
	return "$status"
}

# voice_run CELL SYSTEM SEED SECONDS [OPTION OF TSE]...: prints the result as
# JSON; fails, with nothing printed, when there was no call.
voice_run() {
	local cell=$1 system=$2 seed=$3 seconds=$4 status=0
	if voice_is_many "$cell"; then
		voice_many_run "$@"
		return
	fi
	shift 4
	rm -f "$LAB_DIR"/{up,down,linkemu,sink-*,source-*}.{log,pid,stats}
	voice_link "$cell" "$seed" && peer_start "$system" "$@" && voice_measure "$cell" "$seed" "$seconds" || status=1
	local state=null name
	if [ "$system" = tscf ]; then
		state=$(in_ns ue "$BUILD/tsectl" --run-dir "$PEER_DIR/run" --json status 2>/dev/null || echo null)
	fi
	for name in source-up source-down sink-up sink-down; do
		lab_stop "$name" KILL 2>/dev/null || true
	done
	peer_stop || true
	lab_linkemu_stop >"$LAB_DIR/link.json" || status=1
	[ "$status" -eq 0 ] || return 1
	jq -n -c --arg system "$system" --argjson cell "$cell" --argjson seed "$seed" \
		--slurpfile up "$LAB_DIR/up.log" --slurpfile down "$LAB_DIR/down.log" \
		--slurpfile link "$LAB_DIR/link.json" --argjson bulk "$voice_bulk_rates" --argjson tse "$state" \
		'{$cell, $system, $seed, up: $up[0], down: $down[0], $bulk, link: $link[0], $tse}'
}

# The bulk alone for a while, then the call beside it.
voice_measure() {
	local rtt rate buffer loss burst drop cc load tunnels begin call direction
	read -r rtt rate buffer loss burst drop cc load tunnels < <(voice_cell "$1")
	begin=$(voice_clock)
	if [ "$load" != none ]; then
		for direction in up down; do
			case $load in
			"$direction" | both) voice_bulk "$direction" || return ;;
			esac
		done
		sleep "$VOICE_WARM"
	fi
	call=$(voice_clock)
	voice_call "$3" "$2" || return
	voice_bulk_rates=$(voice_rates "$begin" "$call" "$3")
}

# voice_rates BEGIN CALL SECONDS: both ways, alone since BEGIN, then beside the call.
voice_rates() {
	local end
	end=$(jq -n "$2 + $3")
	jq -n -c --argjson up_alone "$(voice_rate up "$(jq -n "$1 + 1.5")" "$2")" \
		--argjson up_call "$(voice_rate up "$(jq -n "$2 + 1")" "$end")" \
		--argjson down_alone "$(voice_rate down "$(jq -n "$1 + 1.5")" "$2")" \
		--argjson down_call "$(voice_rate down "$(jq -n "$2 + 1")" "$end")" \
		'{up: {alone: $up_alone, call: $up_call}, down: {alone: $down_alone, call: $down_call}}'
}
