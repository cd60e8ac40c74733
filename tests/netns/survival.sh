#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A call goes on while its network changes under it: links go and come, addresses
# change, the UE moves to another network, firewalls and NATs forget, the proxy
# restarts, the machine sleeps.  Each time the longest silence is printed, and
# bounded; the inner addresses, and with them registration and call, stay: whoever
# calls alice at the end by what she registered at the beginning reaches her.
#
#    ue   access ------- ue   access     network A: port 443 of the TSCF passes
#         wlan   ------- air             network B: only the HTTP proxy is a way out
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./proxy_servers.sh

# On another network whose link is up: 300 ms, and five round trips of nearly nothing.
# The address sanitizer takes its time.
move_bound=300
if [[ $(ldd "$BUILD/tse" 2>/dev/null) = *libasan* ]]; then
	move_bound=400
fi
readonly air4=203.0.113.1 air6=2001:db8:3::1
readonly -a net_a=(access 198.51.100.1 2001:db8:2::1) net_b=(wlan "$air4" "$air6")

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
command -v tinyproxy >/dev/null || tap_skip_all "needs tinyproxy (see scripts/dependencies)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
cc -shared -fPIC -O2 -o "$LAB_DIR/slept.so" "$lab_top/tests/tools/slept.c"
lab_link ue access 203.0.113.2/24 "$air4/24" 2001:db8:3::2/64 "$air6/64" wlan air

# Out of A port 443 passes, translated to other ports, out of B nothing does.
firewall() {
	lab_firewall strict
	in_ns access nft add rule inet firewall forward iifname air drop
	in_ns access nft -f - <<-END
		table inet firewall {
			chain postrouting {
				type nat hook postrouting priority srcnat
				oifname "tscf" masquerade fully-random
			}
		}
	END
}

# default_via DEVICE GATEWAY4 GATEWAY6: from now on the UE is there.
default_via() {
	in_ns ue ip route replace default via "$2" dev "$1"
	in_ns ue ip -6 route replace default via "$3" dev "$1"
}

# In the foreground, so that it has a process id and a log here.  The runtime of
# the address sanitizer wants to be the first library, where there is one.
tse_start() {
	local first
	first=$(ldd "$BUILD/tse" | awk '$1 ~ /^libasan/ { print $3 }')
	lab_spawn ue tse env LD_PRELOAD="$first $LAB_DIR/slept.so" SLEPT="$LAB_DIR/slept" "$BUILD/tse" \
		--foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" \
		-o traversal.proxy="http://$air4:$proxy_port" -o traversal.tls-timeout=2s
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

inner() {
	echo "$(lab_state alice INNER4) $(lab_state alice INNER6)"
}

transport_is() {
	[ "$(lab_state alice STATE) $(lab_state alice TRANSPORT)" = "up $1" ]
}

# Waits until media has flowed for a while, both ways.
media_flows() {
	local packets
	packets=$(lab_tsectl alice --json status | jq '.counters.packets_up, .counters.packets_down' | sort -n | head -n 1)
	[ "${packets:-0}" -ge $((media_start + 25)) ]
}

# during_call SECONDS MILLISECONDS WHAT COMMAND...: the command is run half a
# second into the media; no silence may be longer.
during_call() {
	local seconds=$1 bound=$2 what=$3 side gap before
	shift 3
	before=$(inner)
	media_start=$(lab_tsectl alice --json status |
		jq '.counters.packets_up, .counters.packets_down' | sort -n | tail -n 1)
	lab_streams "$seconds" "$LAB_PCSCF4" 40000 "${before%%/*}" 40010 &
	local streams=$!
	wait_for 5 media_flows || lab_fail "$what: no media" || true
	"$@"
	wait "$streams" || true
	for side in ue core; do
		gap=$(lab_rtp "$side" '.longest_gap_ms | round')
		diag "$what: longest silence at $side: $gap ms"
		at_least "$bound" "$gap" "$what: media at $side"
	done
	is "$(inner)" "$before" "$what: the same inner addresses"
}

# --- what happens ---------------------------------------------------------------

nothing() {
	:
}

link_flaps() {
	in_ns ue ip link set access down
	in_ns ue ip link set access up
	in_ns ue ip -6 address add 2001:db8:2::2/64 dev access nodad
	default_via "${net_a[@]}"
}

# change_address OLD NEW
change_address() {
	in_ns ue ip address delete "198.51.100.$1/24" dev access
	in_ns ue ip -6 address delete "2001:db8:2::$1/64" dev access
	in_ns ue ip address add "198.51.100.$2/24" dev access
	in_ns ue ip -6 address add "2001:db8:2::$2/64" dev access nodad
	default_via "${net_a[@]}"
}

move_to_b() {
	in_ns ue ip link set access down
	default_via "${net_b[@]}"
}

# Both links are up, and so is the tunnel through B's proxy.
move_to_a() {
	default_via "${net_a[@]}"
}

a_comes_back() {
	in_ns ue ip link set access up
	in_ns ue ip -6 address add 2001:db8:2::3/64 dev access nodad
}

b_goes() {
	in_ns ue ip link set wlan down
}

# The firewall forgets all connections that there are, and drops what it does not
# know, without a word; new ones pass.
forget() {
	local port
	for port in $(in_ns ue ss -H -t -n state established 'dport = :443' |
		awk '{ sub(/.*:/, "", $3); print $3 }'); do
		in_ns access nft "insert rule inet firewall forward tcp sport $port drop"
		in_ns access nft "insert rule inet firewall forward tcp dport $port drop"
	done
}

# What a NAT does that restarts: it knows no connection any more, and gives the next
# segment of each another port, which the TSCF has never heard of.
nat_forgets() {
	in_ns access python3 - <<-'END'
		import socket, struct
		NETFILTER, DELETE_ALL, REQUEST_ACK = 12, 1 << 8 | 2, 5
		with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as conntrack:
		    conntrack.send(struct.pack("=IHHII4x", 20, DELETE_ALL, REQUEST_ACK, 1, 0))
		    error = struct.unpack_from("=i", conntrack.recv(1024), 16)[0]
		    assert error == 0, error
	END
}

proxy_restarts() {
	lab_stop tinyproxy KILL || true
	tinyproxy_start
}

# As after a suspend of an hour: the clock that counts it is ahead, and the link
# says something.
wake_up() {
	echo 3600 >"$LAB_DIR/slept"
	in_ns ue ip link add dozed type veth peer name dozer
}

# bob, in the core, calls alice where she has registered.
bob_calls_alice() {
	lab_sipp ue callee answer 4 udp -p 5062 -key rtp_port 40020 -recv_timeout 8000 \
		-timeout 12 -timeout_error &
	local callee=$!
	wait_for 5 alice_listens
	lab_sipp core caller call 4 udp -p 5072 -s alice -au bob -ap secret -key rtp_port 40030 \
		-d 100 -recv_timeout 8000 -timeout 10 -timeout_error && wait "$callee"
}

alice_listens() {
	[ -n "$(in_ns ue ss -H -l -u -n 'sport = :5062')" ]
}

has_woken() {
	grep -q 'slept' "$LAB_DIR/tse.log"
}

# --- the call --------------------------------------------------------------------

firewall
# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
# shellcheck disable=SC2119 # nor here
tinyproxy_start
lab_kamailio_start
default_via "${net_a[@]}"
tse_start
check "alice registers, once" lab_register ue alice 4
check "in A the tunnel is direct" transport_is direct

during_call 1.5 200 "nothing happens" nothing
during_call 4 1000 "the link goes down and comes up" link_flaps
during_call 4 600 "the address changes" change_address 2 3
during_call 4 "$move_bound" "a move from A to B, where only the proxy is a way out" move_to_b
check "the tunnel goes through the proxy" wait_for 3 transport_is proxy
during_call 4 1500 "the proxy restarts" proxy_restarts
a_comes_back
during_call 2 200 "the way out is A again, B's proxy still there" move_to_a
during_call 4 "$move_bound" "B is gone" b_goes
check "the tunnel is direct" wait_for 3 transport_is direct
during_call 8 3000 "the firewall forgets the connections" forget
firewall
during_call 3 600 "the NAT forgets the connections" nat_forgets
during_call 3 400 "the machine was asleep" wake_up
check "the log says that it was" wait_for 2 has_woken
check "the tunnel is up" wait_for 5 transport_is direct
check "after all this alice is called, by her registration" bob_calls_alice
lab_stop tse
tap_done
