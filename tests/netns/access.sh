# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # what it sets is for the tests; LAB_DIR and others are lab.sh's
# Access networks as one meets them, and what tse makes of each: its exit status,
# its words, what apps are told, and in which order it tried what.  Sourced after
# tap.sh and lab.sh.
#
#	visit "only 443 out" strict          # a firewall of lab.sh's, options for tse
#	finds 0 strict tunnel direct         # exit status FIREWALL VERDICT TRANSPORT
#	says 'step 2 tls +passed' 'Nothing to do'
#	tried sip nat tls                    # on the wire, in that order
#	leave

# Short, so that a network takes seconds; the P-CSCF's and the STUN server's are
# private addresses, which only the test of that rule minds.
readonly -a access_options=(-o traversal.mode=auto -o traversal.direct=yes
	-o "traversal.p-cscf=$LAB_PCSCF4" -o "traversal.stun=$LAB_PCSCF4" -o traversal.proxy=none
	-o traversal.sip-timeout=800ms -o traversal.nat-timeout=600ms
	-o traversal.tls-timeout=1500ms -o traversal.proxy-timeout=2000ms)

profile=alice
network= # its name, in front of each assertion
said=    # by tse-up
status=  # of tse-up

# shellcheck source-path=SCRIPTDIR
. "$lab_here/proxy_servers.sh"

# --- the servers ---------------------------------------------------------------

# access_missing: what lab_missing does not ask for.
access_missing() {
	local program
	for program in squid tinyproxy turnserver tshark xxd python3; do
		command -v "$program" >/dev/null || echo "needs $program (see scripts/dependencies)"
	done
}

# TSCF, P-CSCF and, where media would go, a STUN server.
access_up() {
	lab_up
	# Each packet that is rejected is answered, not just a few a second.
	in_ns access sh -c 'echo 0 | tee /proc/sys/net/ipv4/icmp_ratelimit \
		/proc/sys/net/ipv6/icmp/ratelimit' >/dev/null
	lab_kamailio_start
	stun_start
	lab_pki alice mallory
	lab_firewall open
	# shellcheck disable=SC2119 # it needs no options here
	lab_tscfd_start
}

stun_start() {
	mkdir -p "$LAB_DIR/turn"
	lab_spawn core stun turnserver -n --stun-only --listening-ip "$LAB_PCSCF4" \
		--listening-ip "$LAB_PCSCF6" --no-cli --no-tls --no-dtls --log-file stdout \
		--pidfile "$LAB_DIR/turn/pid" --userdb "$LAB_DIR/turn/db"
	wait_for 10 stun_ready || lab_fail "turnserver does not start"
}

stun_ready() {
	[ -n "$(in_ns core ss -H -l -u -n 'sport = :3478')" ] && lab_is_listening core 3478
}

# middlebox_start [OPTION]...: of tests/tools/middlebox.py.
middlebox_start() {
	rm -f "$LAB_DIR/middlebox.log"
	lab_spawn access middlebox "$lab_top/tests/tools/middlebox.py" "$@"
	wait_for 5 grep -q listening "$LAB_DIR/middlebox.log"
}

# certificate NAME: self-signed, for that name; in NAME.crt and NAME.key.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj "/CN=$1" -addext "subjectAltName=DNS:$1" \
		-keyout "$LAB_DIR/$1.key" -out "$LAB_DIR/$1.crt" 2>/dev/null
}

# --- a visit -------------------------------------------------------------------

# visit NAME FIREWALL [OPTION]...
visit() {
	network=$1
	lab_firewall "$2"
	shift 2
	access_options_now=("${access_options[@]}" "$@")
	rm -f "$LAB_DIR/capture.log" # or the last one's words look like this one's
	lab_capture_start
	status=0 said=$(lab_tse_up "$profile" "${access_options_now[@]}" 2>&1) || status=$?
}

# The end of a visit.  A tunnel, or the tse of `finds`, goes.
leave() {
	lab_stop tse || true
	if [ -e "$LAB_DIR/run/$profile/control.sock" ]; then
		lab_tse_down "$profile"
	fi
}

# In the foreground, where nobody waits, tse stays after a failure, and tells apps
# about it.
stay() {
	spawn_tse
	wait_for 15 access_rests || lab_fail "$network: tse reaches no verdict"
}

spawn_tse() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/$profile.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" "${access_options_now[@]}"
}

access_rests() {
	access_json '.state != "stopping" and (.retry_in_s != null or .state == "up")' | grep -qx true
}

# access_json FILTER: of the status, as programs see it.  tsectl itself fails when
# there is no tunnel.
access_json() {
	{ lab_tsectl "$profile" --json status || true; } | jq -r "$1"
}

# access_is FIREWALL VERDICT TRANSPORT
access_is() {
	[ "$(access_json '"\(.firewall) \(.verdict) \(.transport)"')" = "$*" ]
}

# finds STATUS FIREWALL VERDICT TRANSPORT: told three times.
finds() {
	local wanted="$2 $3 $4"
	lab_capture_stop || true
	is "$status" "$1" "$network: exit status $1"
	like "$said" "verdict +$3:|^  up  " "$network: tse-up names the verdict"
	[ "$status" -eq 0 ] || stay
	is "$(lab_state "$profile" FIREWALL) $(lab_state "$profile" VERDICT) $(lab_state "$profile" TRANSPORT)" \
		"$wanted" "$network: the state for apps is $wanted"
	is "$(access_json '"\(.firewall) \(.verdict) \(.transport)"')" "$wanted" \
		"$network: so is the JSON for programs"
}

# says PATTERN...: each matches a line of tse-up's.
says() {
	local pattern
	for pattern; do
		like "$said" "$pattern" "$network: it says: $pattern"
	done
}

# --- the wire ------------------------------------------------------------------

# What was attempted, in order; steps without a pause between them come once.
attempts() {
	tcpdump -n -r "$LAB_DIR/capture.pcap" '(src 198.51.100.2 or src 2001:db8:2::2) and (
		udp dst port 5060 or udp dst port 3478 or
		(ip and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn) or
		(ip6 and ip6[6] = 6 and ip6[53] & 0x12 = 2))' 2>/dev/null |
		sed -E 's/^.* > [^ ]*\.([0-9]+): .*/\1/' | sed -E 's/^506[01]$/sip/
			s/^3478$/nat/; s/^44[34]$/tls/; s/^80$/portal/; s/^3128$/proxy/' | uniq | tr '\n' ' '
}

# tried STEP...
tried() {
	is "$(attempts)" "$* " "$network: it tried, in this order: $*"
}

# Number of TCP connections to the proxy.
proxy_connections() {
	lab_capture_count "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn and tcp dst port $proxy_port or
		(ip6 and ip6[6] = 6 and ip6[53] & 0x12 = 2 and dst port $proxy_port)"
}

# What the UE sent on its last connection to the proxy, as hexadecimal digits.
proxy_octets() {
	local port
	port=$(tshark -n -r "$LAB_DIR/capture.pcap" -T fields -e tcp.srcport \
		-Y "tcp.dstport == $proxy_port && tcp.flags.syn == 1" 2>/dev/null | tail -n 1)
	tshark -n -r "$LAB_DIR/capture.pcap" -Y "tcp.srcport == ${port:-0} && tcp.len > 0" \
		-d "tcp.port==$proxy_port,echo" -T fields -e tcp.payload 2>/dev/null | tr -d '\n:'
}

# shares_connection CONNECTIONS: the last of so many begins with CONNECT, to the
# TSCF's name, and goes on with TLS: the record of a ClientHello.
shares_connection() {
	local name
	name=$(printf '%s' "$LAB_NAME:443" | xxd -p)
	is "$(proxy_connections)" "$1" "$network: $1 TCP connection(s) to the proxy"
	like "$(proxy_octets)" "^(434f4e4e454354.*)?434f4e4e45435420$name.*0d0a0d0a16030[13]" \
		"$network: CONNECT, and the tunnel's TLS on the very same connection"
}
