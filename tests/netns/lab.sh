# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# A whole network in four namespaces, for the tests, the demo and the
# benchmark.  Source it, `lab_up`, and `lab_down` from an EXIT trap.
#
#    ue                  access                   tscf                    core
#   +-----------+       +-------------------+    +-------------------+   +---------------+
#   | SIP app   |       | router with the   |    | tscfd             |   | kamailio:     |
#   | tse, tse0 |       | firewall          |    | router            |   | P-CSCF        |
#   |           |       |                   |    |                   |   | callee, media |
#   |     access|-------|ue             tscf|----|access         core|---|tscf           |
#   +-----------+       +-------------------+    +-------------------+   +---------------+
#    198.51.100.2      .1            192.0.2.1   .10       10.99.0.1     10.99.0.10
#    2001:db8:2::2    ::1     2001:db8:1::1      ::10         fd99::1    fd99::10
#
#   IMS prefixes 10.99.0.0/24 and fd99::/64; inner addresses of the tunnel from
#   10.64.0.0/16 and fd64:64:64::/48.  Each interface is named after what is at
#   its other end.  With the firewall open there is a plain routed path from ue
#   to core: what fails when it is closed fails because of the firewall.
#
# Several labs can be up at once: the names of one lab's namespaces begin with
# its tag.  Nothing leaves the namespaces, and every process of a lab runs in
# one of them, so `lab_down` finds them all, also those that detached.

lab_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_top=$(cd "$lab_here/../.." && pwd)

readonly LAB_PREFIX=tscf-lab
readonly LAB_TSCF4=192.0.2.10 LAB_TSCF6=2001:db8:1::10
readonly LAB_PROXY4=198.51.100.1 LAB_PROXY6=2001:db8:2::1
readonly LAB_PCSCF4=10.99.0.10 LAB_PCSCF6=fd99::10
readonly LAB_IMS4=10.99.0.0/24 LAB_IMS6=fd99::/64
readonly LAB_POOL4=10.64.0.0/16 LAB_POOL6=fd64:64:64::/48
readonly LAB_NAME=tscf.example.net # of the TSCF, as in its certificate
readonly LAB_NAMESPACES='ue access tscf core'

# Where the programs under test were built.
BUILD=${BUILD:-$lab_top/build}

LAB_TAG= # "tscf-lab-PID", set by lab_up
LAB_DIR= # logs, sockets, keys: gone after lab_down

# ---------------------------------------------------------------- waiting

# wait_for SECONDS COMMAND...: polls until the command succeeds.  Fails at the
# end of that time.
wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "${EPOCHREALTIME/[.,]/}" -ge "$deadline" ]; then
			return 1
		fi
		sleep 0.05
	done
}

lab_fail() {
	echo "lab: $*" >&2
	return 1
}

# ------------------------------------------------------------- namespaces

# in_ns UE COMMAND...
in_ns() {
	local ns=$1
	shift
	ip netns exec "$LAB_TAG-$ns" "$@"
}

lab_missing() {
	[ "$(id -u)" -eq 0 ] || { echo "needs root, to make network namespaces"; return; }
	local program
	for program in ip nft tcpdump kamailio sipp openssl jq cc; do
		command -v "$program" >/dev/null || echo "needs $program (see scripts/dependencies)"
	done
}

# "PID START-TIME" of a living process; nothing when there is none.
lab_process() {
	[ -r "/proc/$1/stat" ] && sed -E 's/^([0-9]+) .*\) ./\1/' "/proc/$1/stat" | cut -d' ' -f1,20
}

lab_up() {
	LAB_TAG=$LAB_PREFIX-$$
	LAB_DIR=$(mktemp -d "/tmp/$LAB_TAG.XXXXXX")
	chmod 711 "$LAB_DIR" # the daemons give up root, and reach their own directories in it
	lab_process $$ >"$LAB_DIR/owner"
	local ns
	for ns in $LAB_NAMESPACES; do
		ip netns add "$LAB_TAG-$ns"
		lab_names "$ns"
		lab_sysctl "$ns"
	done
	lab_link ue access 198.51.100.2/24 198.51.100.1/24 2001:db8:2::2/64 2001:db8:2::1/64
	lab_link access tscf 192.0.2.1/24 192.0.2.10/24 2001:db8:1::1/64 2001:db8:1::10/64
	lab_link tscf core 10.99.0.1/24 10.99.0.10/24 fd99::1/64 fd99::10/64
	lab_routes
	lab_build_tools
	# IPv6 is deaf until the kernel has noticed that the link is up.
	wait_for 10 in_ns ue ping -q -c 1 -W 0.2 "$LAB_PCSCF6" || lab_fail "no IPv6 path from ue to core"
	wait_for 10 in_ns ue ping -q -c 1 -W 0.2 "$LAB_PCSCF4" || lab_fail "no IPv4 path from ue to core"
}

# Names are files in the namespace: a DNS query would be a leak.
lab_names() {
	local etc=/etc/netns/$LAB_TAG-$1
	mkdir -p "$etc"
	cat >"$etc/hosts" <<-END
		127.0.0.1 localhost
		::1 localhost
		$LAB_TSCF4 $LAB_NAME tscf.example.com
		$LAB_TSCF6 $LAB_NAME tscf.example.com
		$LAB_PROXY4 proxy.example.net
		$LAB_PROXY6 proxy.example.net
		$LAB_PCSCF4 pcscf.example.net
		$LAB_PCSCF6 pcscf.example.net
	END
	echo 'nameserver 127.0.0.1' >"$etc/resolv.conf"
}

lab_sysctl() {
	local forward=1 rp_filter=0
	case $1 in
	ue) forward=0 rp_filter=1 ;;
	core) forward=0 ;;
	esac
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns "$1" sh -c '
		cd /proc/sys/net
		echo "$1" | tee ipv4/ip_forward ipv6/conf/all/forwarding
		echo "$2" | tee ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter
		echo 0 | tee ipv6/conf/all/accept_dad ipv6/conf/default/accept_dad \
			ipv6/conf/all/accept_ra ipv6/conf/default/accept_ra \
			ipv4/conf/all/send_redirects ipv4/conf/default/send_redirects
	' sh "$forward" "$rp_filter" >/dev/null
	ip -n "$LAB_TAG-$1" link set lo up
}

# lab_link A B A4 B4 A6 B6 [NAME-IN-A NAME-IN-B]: else named after the other end.
lab_link() {
	local a=$LAB_TAG-$1 b=$LAB_TAG-$2 in_a=${7:-$2} in_b=${8:-$1}
	ip -n "$a" link add "$in_a" type veth peer name "$in_b" netns "$b"
	ip -n "$a" address add "$3" dev "$in_a"
	ip -n "$b" address add "$4" dev "$in_b"
	ip -n "$a" address add "$5" dev "$in_a" nodad
	ip -n "$b" address add "$6" dev "$in_b" nodad
	ip -n "$a" link set "$in_a" up
	ip -n "$b" link set "$in_b" up
}

lab_routes() {
	ip -n "$LAB_TAG-ue" route add default via 198.51.100.1
	ip -n "$LAB_TAG-ue" route add default via 2001:db8:2::1
	ip -n "$LAB_TAG-access" route add default via 192.0.2.10
	ip -n "$LAB_TAG-access" route add default via 2001:db8:1::10
	ip -n "$LAB_TAG-tscf" route add default via 192.0.2.1
	ip -n "$LAB_TAG-tscf" route add default via 2001:db8:1::1
	ip -n "$LAB_TAG-core" route add default via 10.99.0.1
	ip -n "$LAB_TAG-core" route add default via fd99::1
}

# Takes everything down.  Safe to call at any time, and twice.
lab_down() {
	[ -n "$LAB_TAG" ] || return 0
	lab_remove "$LAB_TAG"
	rm -rf "$LAB_DIR"
	LAB_TAG=
}

# lab_remove TAG: ends the processes in its namespaces, then removes these.
lab_remove() {
	local tag=$1
	lab_signal "$tag" TERM
	if ! wait_for 5 lab_is_empty "$tag"; then
		lab_signal "$tag" KILL
		wait_for 5 lab_is_empty "$tag" || lab_fail "$tag: processes survive SIGKILL" || true
	fi
	local ns
	for ns in "/run/netns/$tag"-*; do
		[ ! -e "$ns" ] || ip netns delete "${ns##*/}"
	done
	rm -rf "/etc/netns/$tag"-*
}

lab_pids() {
	local ns
	for ns in "/run/netns/$1"-*; do
		[ ! -e "$ns" ] || ip netns pids "${ns##*/}"
	done
}

lab_is_empty() {
	[ -z "$(lab_pids "$1")" ]
}

# lab_signal TAG SIGNAL
lab_signal() {
	local pid
	for pid in $(lab_pids "$1"); do
		kill -s "$2" "$pid" 2>/dev/null || true
	done
}

# Removes the labs whose script has ended without taking them down, and those
# that were kept on purpose.  A lab whose script still runs is left alone.
lab_clean() {
	local directory tag owner pid
	for directory in "/tmp/$LAB_PREFIX"-*.*; do
		[ -d "$directory" ] || continue
		tag=${directory#/tmp/}
		tag=${tag%.*}
		owner=$(cat "$directory/owner" 2>/dev/null || true)
		pid=${owner%% *}
		if [ -n "$owner" ] && [ "$(lab_process "$pid")" = "$owner" ]; then
			echo "$tag is in use by process $pid: left alone"
			continue
		fi
		lab_remove "$tag"
		rm -rf "$directory"
		echo "$tag removed"
	done
}

# -------------------------------------------------------------- processes

# lab_spawn NS NAME COMMAND...: in the background, output to LAB_DIR/NAME.log.
lab_spawn() {
	local ns=$1 name=$2
	shift 2
	# A subshell that execs, so that the process id is the program's own.
	(exec ip netns exec "$LAB_TAG-$ns" "$@") </dev/null >"$LAB_DIR/$name.log" 2>&1 &
	echo $! >"$LAB_DIR/$name.pid"
}

lab_pid() {
	cat "$LAB_DIR/$1.pid"
}

# lab_wait SECONDS NAME: until it has ended by itself; its exit status.
lab_wait() {
	local pid
	pid=$(lab_pid "$2")
	wait_for "$1" lab_has_ended "$pid" || lab_fail "$2 still runs after $1 s" || return 124
	wait "$pid"
}

lab_has_ended() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# lab_stop NAME [SIGNAL]: and wait until it is gone; its exit status.
lab_stop() {
	local name=$1 pid status=0
	[ -e "$LAB_DIR/$name.pid" ] || return 0
	pid=$(lab_pid "$name")
	rm "$LAB_DIR/$name.pid"
	kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
	if ! wait_for 5 lab_has_ended "$pid"; then
		kill -s KILL "$pid" 2>/dev/null || true
		lab_fail "$name did not end on SIG${2:-TERM}" || status=1
	fi
	wait "$pid" 2>/dev/null || status=$?
	return "$status"
}

# The ends of all logs, for a test that has failed.
lab_logs() {
	local log
	for log in "$LAB_DIR"/*.log "$LAB_DIR"/*.errors; do
		[ -s "$log" ] || continue
		echo "== ${log##*/}"
		tail -n 30 "$log"
	done
}

# The tools that only the tests use.
lab_build_tools() {
	cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/rtp_stream" "$lab_top"/tests/tools/rtp_{stream,peer}.c
}

# --------------------------------------------------------------- firewall

# lab_firewall MODE: what `access` lets pass, in both families.
#   open     everything
#   nat      all that the UE begins, from one address (IPv4), and its answers
#   strict   TCP to port 443 of the TSCF and its answers; the rest is dropped
#   reject   the same, but refuses with ICMP and RST, as some do
#   proxy    nothing: only a proxy that runs in `access` itself is a way out
#   no-udp   all but UDP
#   no-sip   all but the SIP ports, 5060 and 5061
#   no-media all but UDP, of which SIP's own port passes
#   portal   nothing; who wants to reach TCP port 80 or 443 gets `access` itself
# With "-reject" after one of the last five, or after proxy, what does not pass
# is not dropped but refused: TCP with RST, the rest with ICMP.
# The counters start at zero.
lab_firewall() {
	local mode=${1%-reject} verdict=drop pass='' nat=''
	if [ "$mode" != "$1" ]; then
		verdict='jump refuse'
	fi
	case $mode in
	open) verdict=accept ;;
	reject) verdict='reject with icmpx admin-prohibited' ;;
	nat | strict | proxy | no-udp | no-sip | no-media | portal) ;;
	*) lab_fail "no such firewall: $mode" || return ;;
	esac
	if [ "$mode" = nat ]; then
		pass='
			iifname ue counter name passed accept
			iifname tscf ct state established,related accept'
		nat='chain postrouting {
			type nat hook postrouting priority srcnat
			oifname "tscf" meta nfproto ipv4 masquerade
		}'
	fi
	if [ "$mode" = strict ] || [ "$mode" = reject ]; then
		pass="
			iifname ue ip daddr $LAB_TSCF4 tcp dport 443 counter name passed accept
			iifname ue ip6 daddr $LAB_TSCF6 tcp dport 443 counter name passed accept
			iifname tscf ip saddr $LAB_TSCF4 tcp sport 443 ct state established accept
			iifname tscf ip6 saddr $LAB_TSCF6 tcp sport 443 ct state established accept
			iifname tscf ct state related accept"
	fi
	case $mode in
	no-udp) pass='meta l4proto != udp counter name passed accept' ;;
	no-sip) pass='meta l4proto { tcp, udp } th dport != { 5060, 5061 } th sport != { 5060, 5061 } \
			counter name passed accept' ;;
	no-media) pass='udp dport 5060 counter name passed accept
			udp sport 5060 accept
			meta l4proto != udp counter name passed accept' ;;
	portal) nat='chain prerouting {
			type nat hook prerouting priority dstnat
			iifname "ue" tcp dport { 80, 443 } redirect
		}' ;;
	esac
	in_ns access nft -f - <<-END
		flush ruleset
		table inet firewall {
			counter passed { }
			counter stopped_up { }
			counter stopped_down { }
			chain refuse {
				meta l4proto tcp reject with tcp reset
				reject with icmpx admin-prohibited
			}
			chain forward {
				type filter hook forward priority filter
				$pass
				iifname ue counter name stopped_up $verdict
				iifname tscf counter name stopped_down $verdict
			}
			$nat
		}
	END
}

# lab_firewall_count passed|stopped_up|stopped_down: packets since lab_firewall.
lab_firewall_count() {
	in_ns access nft list counter inet firewall "$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# --------------------------------------------------------------- captures

# What may be seen of a UE that speaks to nobody but the TSCF: TLS, address
# resolution, and the group and router messages of IPv6 itself (behind a
# hop-by-hop header for MLD).
readonly LAB_CAPTURE_EXPECTED="
	arp or (tcp port 443 and (host $LAB_TSCF4 or host $LAB_TSCF6))
	or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) or (ip6 and ip6[6] = 0 and ip6[48] = 143)
	or (ip6 and ip6[6] = 0 and ip6[48] >= 131 and ip6[48] <= 132)"

# Everything that the UE sends and gets, at the router it is attached to.
lab_capture_start() {
	lab_spawn access capture tcpdump --immediate-mode -U -n -i ue -w "$LAB_DIR/capture.pcap"
	wait_for 5 grep -q 'listening on' "$LAB_DIR/capture.log" || lab_fail "tcpdump does not start"
}

lab_capture_stop() {
	lab_stop capture INT
}

# lab_capture_count [FILTER]
lab_capture_count() {
	tcpdump -n -r "$LAB_DIR/capture.pcap" "${1:-}" 2>/dev/null | wc -l
}

# lab_capture_leaks [FILTER]: prints every packet that is neither the tunnel nor local
# housekeeping.
lab_capture_leaks() {
	tcpdump -n -r "$LAB_DIR/capture.pcap" "not ($LAB_CAPTURE_EXPECTED)${1:+ and ($1)}" 2>/dev/null
}

# ----------------------------------------------------------------- tunnel

# Keys, certificates, the server's configuration and one profile per name
# given, as an administrator would make them.
lab_pki() {
	"$lab_top/scripts/tscf-pki" init "$LAB_NAME" --dir "$LAB_DIR/pki" \
		--address "$LAB_TSCF4" --address "$LAB_TSCF6" \
		--pool4 "$LAB_POOL4" --pool6 "$LAB_POOL6" --route "$LAB_IMS4" --route "$LAB_IMS6" \
		--p-cscf "$LAB_PCSCF4" --p-cscf "$LAB_PCSCF6" >"$LAB_DIR/pki.log"
	local name
	for name; do
		"$lab_top/scripts/tscf-pki" client "$name" --dir "$LAB_DIR/pki" >"$LAB_DIR/$name.conf"
	done
}

# A test of programs that are not there has failed; it is not skipped.
lab_need_build() {
	local program
	for program in tse tsectl tscfd tscfctl; do
		[ -x "$BUILD/$program" ] || lab_fail "there is no $BUILD/$program; build first, or set BUILD"
	done
}

# lab_tscfd_start [OPTION]...: on the outer addresses, ready when it listens.
lab_tscfd_start() {
	# What the last one could not remove, without privileges, must not look ready.
	rm -f "$LAB_DIR/tscfd.sock"
	lab_spawn tscf tscfd "$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o control.socket="$LAB_DIR/tscfd.sock" "$@"
	if ! wait_for 10 lab_tscfd_ready; then
		lab_fail "tscfd does not start: $(tail -n 3 "$LAB_DIR/tscfd.log")"
	fi
}

lab_tscfd_ready() {
	[ -S "$LAB_DIR/tscfd.sock" ] && lab_is_listening tscf 443
}

# lab_tscfctl COMMAND...
lab_tscfctl() {
	in_ns tscf "$BUILD/tscfctl" --socket "$LAB_DIR/tscfd.sock" "$@"
}

# lab_tse_up NAME [OPTION]...: what an administrator does.  The status is tse's.
lab_tse_up() {
	local name=$1
	shift
	in_ns ue env PATH="$BUILD:$PATH" "$lab_top/scripts/tse-up" "$LAB_DIR/$name.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" "$@" </dev/null
}

# lab_state NAME KEY: what tse tells the apps.
lab_state() {
	sed -n "s/^$2=//p" "$LAB_DIR/run/$1/state" | tr -d "'\""
}

# lab_unanswered FILE: what ping(8) said; the numbers between the first and the last
# answer that have none, for the very last one may have been on its way still.
lab_unanswered() {
	sed -n 's/.* icmp_seq=\([0-9]*\) .*/\1/p' "$1" |
		awk 'NR > 1 && $1 != last + 1 { print last + 1 } { last = $1 } END { if (!NR) print "all" }'
}

# lab_tse_down NAME
lab_tse_down() {
	in_ns ue env PATH="$BUILD:$PATH" "$lab_top/scripts/tse-down" "$1" --run-dir "$LAB_DIR/run"
}

# lab_tsectl NAME COMMAND...
lab_tsectl() {
	local name=$1
	shift
	in_ns ue "$BUILD/tsectl" --run-dir "$LAB_DIR/run" -p "$name" "$@"
}

# ---------------------------------------------------------------- IMS core

# shellcheck source-path=SCRIPTDIR
. "$lab_here/ims.sh"
# shellcheck source-path=SCRIPTDIR
. "$lab_here/link.sh"
