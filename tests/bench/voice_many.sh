# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # what is lab.sh's and peers.sh's
# The cell of bench-voice with many tunnels: each UE behind a link of its own,
# all on one server, all with a call but the first; then that downloads, and then
# has a call as well.
# Sourced after voice_cells.sh.
#
#	many-1   == link of its own ==\
#	many-2   == link of its own ===== tscf: one server
#	 ...                          /
#	many-20  == link of its own ==    many-1 downloads

readonly VOICE_MANY_BASE=8 # s of call before the download
voice_many_links=()        # processes

# voice_many_run CELL SYSTEM SEED SECONDS [OPTION OF TSE]...: like voice_run.  The
# call that is told of is the one whose rating is the median of all but the
# first; base_r is that median before the download.
voice_many_run() {
	local cell=$1 system=$2 seed=$3 seconds=$4 status=0 tunnels
	shift 4
	tunnels=$(voice_cell "$cell" | awk '{ print $NF }')
	rm -rf "$LAB_DIR/many"
	mkdir -m 711 "$LAB_DIR/many"
	voice_many_up "$cell" "$system" "$seed" "$tunnels" "$@" &&
		voice_many_measure "$seed" "$seconds" "$tunnels" || status=1
	voice_many_down
	[ "$status" -eq 0 ] || return 1
	voice_many_median "$LAB_DIR/many/flood" "$tunnels" |
		jq -c --argjson base "$(voice_many_median "$LAB_DIR/many/base" "$tunnels")" \
			--arg system "$system" --argjson cell "$cell" --argjson seed "$seed" \
			--argjson bulk "$voice_bulk_rates" \
			'. + {$cell, $system, $seed, base_r: $base.r, $bulk, link: null, tse: null}'
}

voice_many_up() {
	local cell=$1 system=$2 seed=$3 tunnels=$4 i
	shift 4
	voice_congestion "$cell" tscf
	for i in $(seq "$tunnels"); do
		voice_many_link "$cell" "$((seed * 100 + i))" "$i" || return
	done
	peer_serve "$system" || return
	for i in $(seq "$tunnels"); do
		mkdir -m 711 "$LAB_DIR/many/$i"
		cp -r "$PEER_DIR"/* "$LAB_DIR/many/$i"
		rm -rf "$LAB_DIR/many/$i"/{run,state,pki,*.sock,*.log}
		voice_many_connect "$i" "$@" || return
	done
	for i in $(seq "$tunnels"); do
		wait_for 20 in_ns "many-$i" ping -q -c 1 -W 0.5 "$PEER_INNER" ||
			lab_fail "tunnel $i does not come up" || return
	done
}

# voice_many_link CELL SEED NUMBER
voice_many_link() {
	local ns=many-$3 address=192.0.2.$((10 + $3))
	ip netns add "$LAB_TAG-$ns"
	ip -n "$LAB_TAG-$ns" link set lo up
	voice_congestion "$1" "$ns"
	"$LAB_DIR/linkemu" --seed "$2" --both "$(voice_link_settings "$1")" \
		"$LAB_TAG-$ns:link" "$LAB_TAG-tscf:link$3" </dev/null >/dev/null 2>&1 &
	voice_many_links+=($!)
	wait_for 5 in_ns tscf ip link show up dev "link$3" || return
	in_ns "$ns" ip address add "$address" peer "$VOICE_OUTER_SERVER" dev link
	in_ns tscf ip address add "$VOICE_OUTER_SERVER" peer "$address" dev "link$3"
}

# voice_many_connect NUMBER [OPTION]...: in a subshell, since peers.sh knows of
# one client.
voice_many_connect() (
	peer_ue=$LAB_TAG-many-$1 PEER_DIR=$LAB_DIR/many/$1
	shift
	peer_connect "$@"
)

voice_many_source() {
	ip -n "$LAB_TAG-many-$1" -j route get "$PEER_INNER" | jq -r '.[0].prefsrc'
}

voice_many_measure() {
	local seed=$1 seconds=$2 tunnels=$3 begin call
	PEER_TARGET=$PEER_INNER PEER_SOURCE=$(voice_many_source 1)
	voice_many_calls "$seed" "$VOICE_MANY_BASE" 2 "$tunnels" base || return
	begin=$(voice_clock)
	voice_bulk down many-1 || return
	sleep "$VOICE_WARM"
	call=$(voice_clock)
	voice_many_calls "$seed" "$seconds" 1 "$tunnels" flood || return
	voice_bulk_rates=$(voice_rates "$begin" "$call" "$seconds")
	lab_stop source-down KILL 2>/dev/null || true
	lab_stop sink-down KILL 2>/dev/null || true
}

# voice_many_calls SEED SECONDS FIRST LAST NAME: in these tunnels; leaves
# NAME.up.NUMBER and NAME.down.NUMBER.
voice_many_calls() {
	local i source pids=() out=$LAB_DIR/many/$5
	for i in $(seq "$3" "$4"); do
		source=$(voice_many_source "$i")
		in_ns tscf "$voice_tools/voice_meter" --seed "$1" --from "$PEER_INNER" "$((40000 + 2 * i))" \
			"$source" 40010 "$2" </dev/null >"$out.up.$i" &
		pids+=($!)
		in_ns "many-$i" "$voice_tools/voice_meter" --seed "$1" --from "$source" 40010 \
			"$PEER_INNER" "$((40000 + 2 * i))" "$2" </dev/null >"$out.down.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# voice_many_median NAME TUNNELS
voice_many_median() {
	local i
	for i in $(seq 2 "$2"); do
		jq -n -c --slurpfile up "$1.up.$i" --slurpfile down "$1.down.$i" \
			'{up: $up[0], down: $down[0], r: ([$up[0].adaptive.r, $down[0].adaptive.r] | min)}'
	done | jq -s -c 'sort_by(.r) | .[length / 2 | floor]'
}

voice_many_down() {
	peer_stop || true
	lab_remove "$LAB_TAG-many"
	[ ${#voice_many_links[@]} -eq 0 ] || kill "${voice_many_links[@]}" 2>/dev/null || true
	wait "${voice_many_links[@]}" || true
	voice_many_links=()
}
