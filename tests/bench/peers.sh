# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034 # the PEER_ variables are for who sources it
# The tunnels that people would use in place of ours, and ours, between two
# namespaces, each started the way its manual recommends for this purpose.
# Source it after tests/netns/lab.sh; then
#
#	peers_init UE-NS SERVER-NS OUTER-ADDRESS DIR
#	peer_start NAME [OPTION]...    returns when PEER_TARGET answers a ping
#	...                            PEER_TARGET, PEER_SOURCE: inner addresses
#	peer_stop                      waits until its processes have ended
#
#	plain           no tunnel: a route (the path must allow it)
#	tscf            tse and tscfd of $BUILD; the options go to tse
#	openvpn         TCP, AES-128-GCM, server and client mode
#	ocserv          with openconnect, TLS only, AES-128-GCM
#	wireguard       wireguard-go, in user space; UDP
#
# UE-NS and SERVER-NS are names as `ip netns` has them; nothing else is presumed
# about what lies between them than that TCP port 443 of OUTER-ADDRESS, the
# server's, can be reached (UDP port 51820 for wireguard).  The server's
# inner address is the same for all, and so are the inner MTU of 1500 octets
# (where UDP is outside: 1420), the length of the interfaces' queues, and the
# kind of key.  Several may run at a time, each in a shell and namespaces of
# its own.

peers_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers_top=$(cd "$peers_here/../.." && pwd)

readonly PEER_NAMES='plain tscf openvpn ocserv wireguard'
readonly PEER_INNER=10.99.0.1 PEER_INNER_NET=10.99.0.0/24 # behind every tunnel
readonly PEER_QUEUE=5000                                  # txqueuelen of every TUN

PEER_DIR=    # logs, keys, sockets
PEER_TARGET= # what to talk to from the UE
PEER_SOURCE= # the UE's own address there
PEER_IFACE=  # its interface
PEER_SERVER_OPTIONS=() # of tscfd
PEER_WRAPPER=() # a command in front of the client's, that becomes it
peer_name='' peer_ue='' peer_server='' peer_outer=''
declare -A peer_pid=() # of "ue" and "server"

peer_fail() {
	echo "peers: $*" >&2
	return 1
}

# peers_missing NAME...: a line for each package that is not installed.
peers_missing() {
	local name program
	for name; do
		case $name in
		plain) continue ;;
		tscf) continue ;;
		openvpn) set -- openvpn ;;
		ocserv) set -- ocserv openconnect ;;
		wireguard) set -- wireguard-go wg:wireguard-tools ;;
		*) echo "there is no peer $name; there are $PEER_NAMES" && continue ;;
		esac
		for program; do
			command -v "${program%:*}" >/dev/null || echo "$name needs the package ${program#*:}"
		done
	done
}

# peers_init UE-NS SERVER-NS OUTER-ADDRESS DIR
peers_init() {
	peer_ue=$1 peer_server=$2 peer_outer=$3 PEER_DIR=$4
	mkdir -p "$PEER_DIR"
	chmod 711 "$PEER_DIR" # some daemons give up root, and reach their own files in it
	ip -n "$peer_server" address replace "$PEER_INNER/32" dev lo
	peer_keys >"$PEER_DIR/keys.log" 2>&1 || peer_fail "cannot make keys: $(tail -n 1 "$PEER_DIR/keys.log")"
}

# A CA, a server and a client, P-256 as tscf-pki makes them.
peer_keys() {
	local name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign \
		-keyout "$PEER_DIR/ca.key" -out "$PEER_DIR/ca.pem" || return
	for name in server client; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
			-keyout "$PEER_DIR/$name.key" -out "$PEER_DIR/$name.csr" &&
			openssl x509 -req -in "$PEER_DIR/$name.csr" -CA "$PEER_DIR/ca.pem" -CAkey "$PEER_DIR/ca.key" \
				-CAcreateserial -days 2 -out "$PEER_DIR/$name.pem" -extfile - <<-END || return
				basicConstraints = CA:FALSE
				keyUsage = digitalSignature
				extendedKeyUsage = ${name}Auth
				subjectAltName = DNS:$name, IP:$peer_outer
			END
	done
	"$peers_top/scripts/tscf-pki" init tscf.example.net --dir "$PEER_DIR/pki" \
		--address "$peer_outer" --pool4 10.64.0.0/16 --route "$PEER_INNER_NET" &&
		"$peers_top/scripts/tscf-pki" client ue --dir "$PEER_DIR/pki" --server "$peer_outer" \
			>"$PEER_DIR/ue.conf"
}

# peer_spawn ue|server COMMAND...: in its namespace, output to PEER_DIR.
peer_spawn() {
	local side=$1
	local -n ns=peer_$side
	shift
	(exec ip netns exec "$ns" "$@") </dev/null >"$PEER_DIR/$peer_name-$side.log" 2>&1 &
	peer_pid[$side]=$!
}

peer_is_listening() {
	[ -n "$(ip netns exec "$peer_server" ss -H -l -t -n 'sport = :443')" ]
}

peer_answers() {
	ip netns exec "$peer_ue" ping -q -c 1 -W 0.3 "$PEER_INNER"
}

# peer_start NAME [OPTION]...
peer_start() {
	peer_serve "$1" || return
	peer_connect "${@:2}" || return
	if ! wait_for 15 peer_answers; then
		peer_fail "$peer_name: no answer through the tunnel: $(tail -n 2 "$PEER_DIR/$peer_name"-*.log)"
		return 1
	fi
	peer_ready
}

# The two halves of peer_start, for who wants to take the time between them:
# peer_serve NAME makes the server listen, peer_connect [OPTION]... starts the
# client.  Once it answers, peer_ready finds the addresses.
peer_serve() {
	peer_name=$1
	peer_pid=()
	case $peer_name in
	plain) ;;
	wireguard) peer_serve_wireguard ;;
	tscf | openvpn | ocserv)
		"peer_serve_$peer_name" &&
			{ wait_for 10 peer_is_listening || peer_fail "$peer_name: the server does not start: \
$(tail -n 2 "$PEER_DIR/$peer_name-server.log")"; }
		;;
	*) peer_fail "there is no peer $peer_name; there are $PEER_NAMES" ;;
	esac
}

peer_connect() {
	if [ "$peer_name" = plain ]; then
		ip -n "$peer_ue" route replace "$PEER_INNER" via "$peer_outer" 2>/dev/null ||
			ip -n "$peer_ue" route replace "$PEER_INNER/32" dev \
				"$(ip -n "$peer_ue" -j route get "$peer_outer" | jq -r '.[0].dev')"
		return
	fi
	peer_command "$@" || return
	peer_spawn ue "${PEER_WRAPPER[@]}" "${PEER_COMMAND[@]}"
	"peer_after_$peer_name"
}

peer_ready() {
	PEER_TARGET=$PEER_INNER
	PEER_SOURCE=$(ip -n "$peer_ue" -j route get "$PEER_INNER" | jq -r '.[0].prefsrc')
	PEER_IFACE=$(ip -n "$peer_ue" -j route get "$PEER_INNER" | jq -r '.[0].dev')
	[ "$peer_name" != plain ] || return 0
	local ns dev
	for ns in "$peer_ue" "$peer_server"; do
		for dev in $(ip -n "$ns" -o link show | sed -nE 's/^[0-9]+: ([^:@]+):.*POINTOPOINT.*/\1/p'); do
			ip -n "$ns" link set dev "$dev" txqueuelen "$PEER_QUEUE"
		done
	done
}

# Ends both sides.  Safe to call twice.
peer_stop() {
	local side pid
	for side in ue server; do
		pid=${peer_pid[$side]:-}
		[ -n "$pid" ] || continue
		# openconnect takes SIGTERM without a farewell to the script.
		kill -s INT "$pid" 2>/dev/null || true
		wait_for 3 lab_has_ended "$pid" || kill -s TERM "$pid" 2>/dev/null || true
		if ! wait_for 3 lab_has_ended "$pid"; then
			peer_fail "$peer_name: the $side ends only by SIGKILL" || true
			kill -s KILL "$pid" 2>/dev/null || true
		fi
		wait "$pid" 2>/dev/null || true
	done
	peer_pid=()
	if [ "$peer_name" = plain ]; then
		ip -n "$peer_ue" route delete "$PEER_INNER" 2>/dev/null || true
	fi
	peer_name=
}

# peer_pids [ue|server]...: their processes, with all descendants.
peer_pids() {
	[ $# -gt 0 ] || set -- ue server
	local side
	for side; do
		[ -z "${peer_pid[$side]:-}" ] || peer_descendants "${peer_pid[$side]}"
	done
}

peer_descendants() {
	[ -e "/proc/$1" ] || return 0
	echo "$1"
	local child
	for child in $(cat "/proc/$1/task"/*/children 2>/dev/null); do
		peer_descendants "$child"
	done
}

# --------------------------------------------------------------------- tscf

peer_serve_tscf() {
	rm -f "$PEER_DIR/tscfd.sock"
	peer_spawn server "$BUILD/tscfd" --foreground --config "$PEER_DIR/pki/tscfd.conf" \
		-o control.socket="$PEER_DIR/tscfd.sock" -o "listen.address=$peer_outer:443" \
		"${PEER_SERVER_OPTIONS[@]}"
}

# peer_command [OPTION]...: what starts the client, into PEER_COMMAND.
peer_command() {
	case $peer_name in
	tscf)
		PEER_COMMAND=("$BUILD/tse" --foreground --config "$PEER_DIR/ue.conf" --run-dir "$PEER_DIR/run"
			--state-dir "$PEER_DIR/state" -o traversal.mode=always)
		;;
	openvpn)
		PEER_COMMAND=(openvpn --client --dev tun --proto tcp-client --remote "$peer_outer" 443 --nobind
			--ca "$PEER_DIR/ca.pem" --cert "$PEER_DIR/client.pem" --key "$PEER_DIR/client.key"
			--remote-cert-tls server --data-ciphers AES-128-GCM --disable-dco --allow-compression no
			--txqueuelen "$PEER_QUEUE" --persist-tun --persist-key --verb 3)
		;;
	ocserv)
		PEER_COMMAND=(openconnect --no-dtls --no-deflate --non-inter --no-passwd --no-system-trust
			--cafile "$PEER_DIR/ca.pem" -c "$PEER_DIR/client.pem" -k "$PEER_DIR/client.key"
			--interface oc0 --script "$PEER_DIR/vpnc-script" --base-mtu 1600 --mtu 1500
			"https://$peer_outer:443/")
		;;
	wireguard) PEER_COMMAND=(wireguard-go -f "$peer_wg_ue") ;;
	esac
	PEER_COMMAND+=("$@")
}

peer_after_tscf() { :; }
peer_after_openvpn() { :; }
peer_after_ocserv() { :; }

# ------------------------------------------------------------------ openvpn

peer_serve_openvpn() {
	peer_spawn server openvpn --server 10.8.0.0 255.255.255.0 --topology subnet --duplicate-cn --dev tun \
		--proto tcp-server --local "$peer_outer" --port 443 --dh none \
		--ca "$PEER_DIR/ca.pem" --cert "$PEER_DIR/server.pem" --key "$PEER_DIR/server.key" \
		--remote-cert-tls client --data-ciphers AES-128-GCM --disable-dco --allow-compression no \
		--tcp-nodelay --txqueuelen "$PEER_QUEUE" --push "route $PEER_INNER 255.255.255.255" \
		--keepalive 10 60 --persist-tun --persist-key --verb 3
}

# ------------------------------------------------------------------- ocserv

peer_serve_ocserv() {
	cat >"$PEER_DIR/ocserv.conf" <<-END
		auth = "certificate"
		ca-cert = $PEER_DIR/ca.pem
		server-cert = $PEER_DIR/server.pem
		server-key = $PEER_DIR/server.key
		cert-user-oid = 2.5.4.3
		listen-host = $peer_outer
		tcp-port = 443
		run-as-user = nobody
		run-as-group = nogroup
		socket-file = $PEER_DIR/ocserv.sock
		use-occtl = false
		isolate-workers = false
		max-clients = 64
		max-same-clients = 0
		rate-limit-ms = 0
		keepalive = 60
		try-mtu-discovery = false
		compression = false
		tls-priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM"
		auth-timeout = 30
		cookie-timeout = 300
		device = ocs
		ipv4-network = 10.9.0.0
		ipv4-netmask = 255.255.255.0
		mtu = 1528 # less what ocserv reckons for itself: 1500
		route = $PEER_INNER/32
	END
	# What vpnc-script does, and nothing else.
	cat >"$PEER_DIR/vpnc-script" <<-'END'
		#!/bin/sh
		case $reason in
		connect)
			ip link set dev "$TUNDEV" up mtu "$INTERNAL_IP4_MTU"
			ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
			ip route add "$CISCO_SPLIT_INC_0_ADDR/$CISCO_SPLIT_INC_0_MASKLEN" dev "$TUNDEV"
			;;
		esac
	END
	chmod 755 "$PEER_DIR/vpnc-script"
	peer_spawn server ocserv --foreground --config "$PEER_DIR/ocserv.conf"
}

# ---------------------------------------------------------------- wireguard

# The sockets of wireguard-go are named after the interface, on the whole
# machine, so the names are this shell's own.
peer_serve_wireguard() {
	peer_wg_ue=wg${BASHPID}u peer_wg_server=wg${BASHPID}s
	local ue_key server_key
	ue_key=$(wg genkey) server_key=$(wg genkey)
	peer_wg_public_ue=$(wg pubkey <<<"$ue_key") peer_wg_public_server=$(wg pubkey <<<"$server_key")
	(umask 077 && echo "$ue_key" >"$PEER_DIR/wg-ue.key" && echo "$server_key" >"$PEER_DIR/wg-server.key")
	peer_spawn server wireguard-go -f "$peer_wg_server"
	peer_wait_wireguard "$peer_wg_server" || peer_fail "wireguard-go does not start" || return
	wg set "$peer_wg_server" listen-port 51820 private-key "$PEER_DIR/wg-server.key" \
		peer "$peer_wg_public_ue" allowed-ips 10.10.0.2/32
	ip -n "$peer_server" address add 10.10.0.1/24 dev "$peer_wg_server"
	ip -n "$peer_server" link set dev "$peer_wg_server" up
}

# Without wait_for's pauses: its start is timed.
peer_wait_wireguard() {
	local deadline=$((SECONDS + 5))
	until [ -S "/var/run/wireguard/$1.sock" ] && wg show "$1" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.002
	done
}

peer_after_wireguard() {
	peer_wait_wireguard "$peer_wg_ue" || peer_fail "wireguard-go does not start" || return
	wg set "$peer_wg_ue" private-key "$PEER_DIR/wg-ue.key" peer "$peer_wg_public_server" \
		allowed-ips "$PEER_INNER/32,10.10.0.1/32" endpoint "$peer_outer:51820"
	ip -n "$peer_ue" address add 10.10.0.2/24 dev "$peer_wg_ue"
	ip -n "$peer_ue" link set dev "$peer_wg_ue" up
	ip -n "$peer_ue" route add "$PEER_INNER" dev "$peer_wg_ue"
}
