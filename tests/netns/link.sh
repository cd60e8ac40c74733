# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154 # lab_top and others are lab.sh's
# The link emulator in the lab, sourced by lab.sh.

lab_build_linkemu() {
	cc -std=gnu11 -D_GNU_SOURCE -O2 -I"$lab_top/src" -o "$LAB_DIR/linkemu" \
		"$lab_top"/tests/tools/link{emu,}.c "$lab_top/src/core/codel.c"
}

# lab_linkemu_start NS INTERFACE NS INTERFACE OPTION...: the interfaces are up
# when it returns; addresses and routes are the caller's.  One per lab.
lab_linkemu_start() {
	local a=$1 from=$2 b=$3 to=$4
	shift 4
	"$LAB_DIR/linkemu" "$@" "$LAB_TAG-$a:$from" "$LAB_TAG-$b:$to" \
		</dev/null >"$LAB_DIR/linkemu.stats" 2>"$LAB_DIR/linkemu.log" &
	echo $! >"$LAB_DIR/linkemu.pid"
	wait_for 5 in_ns "$b" ip link show up dev "$to" ||
		lab_fail "linkemu does not start: $(cat "$LAB_DIR/linkemu.log")"
}

# Prints its statistics.
lab_linkemu_stop() {
	lab_stop linkemu && cat "$LAB_DIR/linkemu.stats"
}

# lab_shape OPTION...: the path between the UE and its router becomes this link;
# `up` is what the UE sends.  Again, it becomes another one.
lab_shape() {
	lab_linkemu_stop >/dev/null 2>&1 || in_ns ue ip link delete access
	lab_linkemu_start ue access access ue "$@"
	ip -n "$LAB_TAG-ue" address add 198.51.100.2/24 dev access
	ip -n "$LAB_TAG-access" address add 198.51.100.1/24 dev ue
	ip -n "$LAB_TAG-ue" address add 2001:db8:2::2/64 dev access nodad
	ip -n "$LAB_TAG-access" address add 2001:db8:2::1/64 dev ue nodad
	ip -n "$LAB_TAG-ue" route add default via 198.51.100.1 dev access
	ip -n "$LAB_TAG-ue" route add default via 2001:db8:2::1 dev access
}
