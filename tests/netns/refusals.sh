#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What an administrator gets wrong, and what a network or another server does:
# each time one clear sentence, the exit status of the manual, and nothing left
# behind.
# shellcheck disable=SC2154,SC2317 # `said` is set by `fails`; functions are called by name
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./traces.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
[ -x /usr/bin/python3 ] || tap_skip_all "needs python3 (see scripts/dependencies)"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice bob
lab_firewall strict

readonly peer=../tools/hostile_peer.py
readonly -a unprivileged=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# The programs where a user without privileges can execute them.
install_for_all() {
	install -m 755 -t "$LAB_DIR" "$BUILD/tse" "$BUILD/tscfd"
}

# tse and tscfd as they are started by hand.
tse() {
	in_ns ue "$@" "$LAB_DIR/tse" --config "$LAB_DIR/alice.conf" --run-dir "$LAB_DIR/run" \
		--state-dir "$LAB_DIR/state"
}

tscfd() {
	in_ns tscf "$@" "$LAB_DIR/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" \
		-o control.socket="$LAB_DIR/tscfd.sock"
}

# What a tscfd that did not start could leave.
tscfd_traces() {
	in_ns tscf ip -o link show type tun
	ls "$LAB_DIR/tscfd.sock" 2>/dev/null || true
}

# tscfd_fails STATUS PATTERN DESCRIPTION COMMAND...
tscfd_fails() {
	local wanted=$1 pattern=$2 description=$3 status=0
	shift 3
	said=$("$@" 2>&1) || status=$?
	is "$status" "$wanted" "$description: exit status $wanted"
	like "$said" "$pattern" "$description: it says why"
	is "$(tscfd_traces)" "" "$description: nothing is left behind"
}

# ------------------------------------------------------- configuration files

# edited FILE SED-SCRIPT: a copy of it, as secret as the original.
edited() {
	local copy
	copy=$LAB_DIR/edited.conf
	rm -f "$copy"
	(umask 077 && sed "$2" "$1" >"$copy")
	printf '%s\n' "$copy"
}

# profile_fails SED-SCRIPT PATTERN DESCRIPTION
profile_fails() {
	edited "$LAB_DIR/alice.conf" "$1" >/dev/null
	fails 3 "^tse: $2" "profile: $3" lab_tse_up edited
	is "$(wc -l <<<"$said")" 1 "profile: $3: in one line"
}

test_profile() {
	local here=$LAB_DIR/edited.conf
	profile_fails 's/^server/sever/' "$here:[0-9]+: sever is not a key of \[tscf\]; did you mean server" \
		"a key that does not exist"
	profile_fails 's/^\[traversal\]/[travel]/' "$here:[0-9]+: \[travel\] is an unknown section" \
		"a section that does not exist"
	profile_fails 's/^mode = .*/mode = sometimes/' \
		"$here:[0-9]+: \[traversal\] mode: .sometimes' is not one of: auto, always" "a bad word"
	profile_fails 's/^server = .*/server = tscf.example.net:99999/' "$here:[0-9]+: \[tscf\] server: " \
		"a port beyond 65535"
	profile_fails '/^server/d' '\[tscf\] server is missing: ' "no server"
	profile_fails "\$a [tscf]\npin = sha256:00" "$here:[0-9]+: \[tscf\] pin: not sha256: followed by" \
		"half a pin"
	profile_fails "\$a [steering]\nallowed-routes = 10.0.0.0/33" \
		"$here:[0-9]+: \[steering\] allowed-routes: .10\.0\.0\.0/33'" "a prefix that is too long"
	profile_fails "\$a [tunnel]\nmtu = 1000" "$here:[0-9]+: \[tunnel\] mtu: .1000' is not .* 1280" \
		"an MTU that IPv6 forbids"
	profile_fails "\$a nonsense" "$here:[0-9]+: neither a \[section\] nor" "a line that is nothing"
	profile_fails 's/^cert = base64:/&!!!/' "$here:[0-9]+: \[tscf\] cert: " \
		"a certificate that is not base64"
	fails 3 '^tse: -o: sever is not a key of \[tscf\]' "an override of no such key" lab_tse_up alice -o tscf.sever=x
	fails 2 'no such option: --nonsense' "an unknown option" lab_tse_up alice --nonsense
	fails 3 'there is no profile .*/nobody\.conf' "no such profile" lab_tse_up nobody
}

test_secrecy() {
	chmod 640 "$LAB_DIR/alice.conf"
	fails 3 'alice\.conf holds a private key and others can read it: chmod 600' \
		"a profile with a key that others can read" lab_tse_up alice
	chmod 600 "$LAB_DIR/alice.conf"
}

# server_fails SED-SCRIPT PATTERN DESCRIPTION: also for --check-config.
server_fails() {
	local file
	file=$(edited "$LAB_DIR/pki/tscfd.conf" "$1")
	tscfd_fails 3 "^tscfd: $2" "tscfd.conf: $3" in_ns tscf "$BUILD/tscfd" --foreground --config "$file"
	is "$(wc -l <<<"$said")" 1 "tscfd.conf: $3: in one line"
	exits 3 "tscfd.conf: $3: --check-config says so too" "$BUILD/tscfd" --check-config --config "$file"
}

test_server_configuration() {
	local here=$LAB_DIR/edited.conf
	check "tscfd.conf: the unchanged one is good" "$BUILD/tscfd" --check-config \
		--config "$LAB_DIR/pki/tscfd.conf"
	server_fails 's/^cert/certt/' "$here:[0-9]+: certt is not a key of \[listen\]; did you mean cert" \
		"a key that does not exist"
	server_fails 's/^\[pool\]/[pol]/' "$here:[0-9]+: \[pol\] is an unknown section; .*\[pool\]" \
		"a section that does not exist"
	server_fails 's/^client-auth.*/client-auth = maybe/' \
		"$here:[0-9]+: \[listen\] client-auth: .maybe' is not one of: require" "a bad word"
	server_fails 's/^key = .*/cert = x/' "$here:[0-9]+: \[listen\] cert stands already in line" \
		"a key twice"
	server_fails '/^cert/d' '\[listen\] cert is missing: ' "no certificate"
	server_fails 's,^cert = .*,cert = /nowhere,' '/nowhere does not exist' "a certificate that is not there"
	server_fails 's,^ipv4 = .*,ipv4 = 10.64.0.0/30,' '\[pool\] ipv4: .* /29' "a pool that is too small"
	server_fails 's,^routes = .*,routes = 0.0.0.0/0,' '\[ims\] routes: 0\.0\.0\.0/0 is the default route' \
		"the default route"
	server_fails "\$a [session]\nmax-tunnels = -1" "$here:[0-9]+: \[session\] max-tunnels: .-1'" \
		"a negative number"
	server_fails "\$a [session]\nkeepalive = 5 parsec" "$here:[0-9]+: \[session\] keepalive: " \
		"a unit that does not exist"
	tscfd_fails 2 'unrecognized option|see tscfd --help' "an unknown option" \
		in_ns tscf "$BUILD/tscfd" --nonsense
}

# ------------------------------------------------------------ this very host

# Where /dev/net/tun is not.
# shellcheck disable=SC2016 # expanded by the inner shell
readonly hidden='mount -t tmpfs none /dev/net && exec "$@"'

test_privileges() {
	local program
	fails 4 'needs root, or CAP_NET_ADMIN' "tse without CAP_NET_ADMIN" \
		tse setpriv --bounding-set=-net_admin
	chown 65534 "$LAB_DIR/alice.conf"
	fails 4 'needs root, or CAP_NET_ADMIN' "tse as nobody" \
		tse "${unprivileged[@]}"
	chown 0 "$LAB_DIR/alice.conf"
	for program in tse-up tse-down; do
		fails 4 "$program needs root: sudo $program" "$program as nobody" \
			in_ns ue "${unprivileged[@]}" "$lab_top/scripts/$program" alice
	done
	chmod 644 "$LAB_DIR/pki/server.key" && chmod 755 "$LAB_DIR/pki"
	tscfd_fails 4 'needs root to make tscf0 and to listen' "tscfd as nobody" \
		tscfd "${unprivileged[@]}"
	chmod 600 "$LAB_DIR/pki/server.key" && chmod 700 "$LAB_DIR/pki"
}

test_no_tun() {
	fails 4 '/dev/net/tun is missing: load the driver \(modprobe tun\)' "tse without /dev/net/tun" \
		tse unshare -m sh -c "$hidden" sh
	tscfd_fails 4 '/dev/net/tun is missing: load the driver' "tscfd without /dev/net/tun" \
		tscfd unshare -m sh -c "$hidden" sh
}

test_port_taken() {
	lab_spawn tscf other "$peer" server --wait 60 tcp-silence
	wait_for 5 lab_is_listening tscf 443 || lab_fail "the other program does not listen"
	tscfd_fails 5 'port 443 is taken by another program; .ss -ltnp sport = :443. names it' \
		"port 443 is another program's" tscfd env
	lab_stop other || true
	# shellcheck disable=SC2119
	lab_tscfd_start
	exits 5 "a second tscfd" in_ns tscf "$BUILD/tscfd" --foreground \
		--config "$LAB_DIR/pki/tscfd.conf" -o control.socket="$LAB_DIR/second.sock"
	check "the first one goes on" lab_tscfctl status
}

# An app's network must not vanish into the tunnel.
test_overlap() {
	in_ns ue ip link add lan type veth peer name neighbour
	in_ns ue ip address add 10.99.0.77/25 dev lan
	in_ns ue ip link set lan up
	in_ns ue ip link set neighbour up
	fails 12 '10\.99\.0\.0/24 overlaps 10\.99\.0\.0/25, .* through lan; only one of them' \
		"an IMS prefix overlaps the UE's own network" lab_tse_up alice
	like "$said" 'Leave that network.*uid = in \[steering\]' "and what to do"
	in_ns ue ip link delete lan
	check "without that network" lab_tse_up alice
	exits 5 "a second tse for the profile" lab_tse_up alice
	check "down again" lab_tse_down alice
	lab_stop tscfd || true
}

# ---------------------------------------------------------------- no TSCF

test_unreachable() {
	local began=$SECONDS
	fails 6 'nobody\.example\.net' "a name that nobody knows" \
		lab_tse_up alice -o tscf.server=nobody.example.net
	fails 7 'port 443: 2001:db8:1::10: connection refused; 192\.0\.2\.10: connection refused' \
		"nobody listens" lab_tse_up alice
	lab_firewall proxy
	fails 7 '2001:db8:1::10: no answer within .* s; 192\.0\.2\.10: no answer within' \
		"a black hole" lab_tse_up alice -o traversal.tls-timeout=1s
	: >"$LAB_DIR/keytab"
	chmod 600 "$LAB_DIR/keytab"
	fails 3 'keytab cannot be read by the user nobody.*chown nobody' "a key table for root alone" \
		lab_tse_up alice -o "traversal.proxy-keytab=$LAB_DIR/keytab"
	fails 3 'uid includes nobody, the user that tse itself runs as' "its own user is steered" \
		lab_tse_up alice -o steering.uid=nobody
	fails 11 'the tunnel was not up within 1 s' "a black hole and --timeout" \
		lab_tse_up alice --timeout 1
	in_ns ue ip route add unreachable "$LAB_TSCF4"
	in_ns ue ip route add unreachable "$LAB_TSCF6"
	fails 7 'no route to host' "no route" lab_tse_up alice
	in_ns ue ip route delete unreachable "$LAB_TSCF4"
	in_ns ue ip route delete unreachable "$LAB_TSCF6"
	lab_firewall strict
	at_least 10 $((SECONDS - began)) "none of it takes long"
}

# impostor STATUS PATTERN DESCRIPTION ACTION [OPTION]...: it stands where a TSCF should.
impostor() {
	local status=$1 pattern=$2 description=$3 action=$4
	shift 4
	lab_spawn tscf peer "$peer" server --cert "$LAB_DIR/pki/server.crt" \
		--key "$LAB_DIR/pki/server.key" --wait 30 "$action"
	wait_for 5 lab_is_listening tscf 443 || lab_fail "the impostor does not listen"
	fails "$status" "  failed  .*$pattern" "$description" lab_tse_up alice "$@"
	is "$(grep -c '^  failed ' <<<"$said")" 1 "$description: in one sentence"
	lab_stop peer || true
}

test_impostors() {
	impostor 13 'does not speak TLS: it began with "HTTP/1\.1 400 Bad"' "HTTP without TLS" tcp-http
	impostor 13 'does not speak TLS: it began with "SSH-2\.0-' "SSH" tcp-ssh
	impostor 7 'the TLS handshake was not completed in time' "a TCP server that says nothing" \
		tcp-silence -o traversal.tls-timeout=1s
	impostor 7 'closed the connection during the TLS handshake without a word' \
		"a TCP server that hangs up" tcp-close
	impostor 13 'instead of answering the Configuration Request: is it a TSCF' \
		"a web server over TLS" http
	impostor 13 'instead of answering the Configuration Request: is it a TSCF' \
		"a TLS server that hangs up" hang-up
	impostor 13 'does not answer the Configuration Request: is it a TSCF' \
		"a TLS server that says nothing" silence
	impostor 11 'the tunnel was not up within 1 s' "the same, and --timeout" silence --timeout 1
}

# ------------------------------------------------------------ what is used up

# client NUMBER: a further client of the TSCF, until it is stopped.
client() {
	rm -f "$LAB_DIR/client$1.log"
	lab_spawn ue "client$1" "$peer" client --profile "$LAB_DIR/bob.conf" --wait 60 unknown
}

is_answered() {
	grep -Eq 'result [0-9]' "$LAB_DIR/client$1.log"
}

# Stops clients 1 to NUMBER.
clients_end() {
	local i
	for ((i = 1; i <= $1; i++)); do
		lab_stop "client$i" || true
	done
}

test_pool() {
	local i
	# One worker, since each has its own share of the pool.
	lab_tscfd_start -o pool.ipv4=10.64.0.0/29 -o tun.workers=1
	for ((i = 1; i <= 5; i++)); do
		client "$i"
		wait_for 5 is_answered "$i" || true
	done
	is "$(lab_tscfctl -j status | jq .tunnels)" 5 "five clients fit into a /29"
	log_mark
	fails 10 'the TSCF refused: no address left: .*pool \(try again in 60 s\)' "the sixth does not" \
		lab_tse_up alice
	logs_one 'no tunnel for .*: refused: no inner address is left' "the sixth"
	clients_end 5
	lab_stop tscfd || true
}

set_max_tunnels() {
	sed -i '/^\[session\]/,$d' "$LAB_DIR/pki/tscfd.conf"
	printf '[session]\nmax-tunnels = %s\n' "$1" >>"$LAB_DIR/pki/tscfd.conf"
}

is_waiting() {
	[ "$(lab_state alice STATE)" = reconnecting ] && [ "$(lab_state alice VERDICT)" = refused ] &&
		lab_state alice REASON | grep -q overloaded
}

# takes_nothing DESCRIPTION: who is refused leaves the pool as it is, whatever address
# it asks for.
takes_nothing() {
	local before
	before=$(lab_tscfctl -j status | jq -c .pool)
	like "$(in_ns ue "$peer" client --profile "$LAB_DIR/bob.conf" --wait 5 wish)" 'result 6' \
		"$1: who wishes for an address is refused"
	is "$(lab_tscfctl -j status | jq -c .pool)" "$before" "$1: and takes none out of the pool"
}

test_max_tunnels() {
	set_max_tunnels 1
	# shellcheck disable=SC2119
	lab_tscfd_start
	client 1
	wait_for 5 is_answered 1 || true
	log_mark
	fails 10 'the TSCF refused: overloaded: .*max-tunnels.*\(try again in 30 s\)' "beyond max-tunnels" \
		lab_tse_up alice
	logs_one 'no tunnel for .*: refused: .*max-tunnels' "beyond max-tunnels"
	takes_nothing "beyond max-tunnels"

	set_max_tunnels 2
	lab_tscfctl reload >/dev/null
	check "with max-tunnels = 2 she fits in" lab_tse_up alice
	set_max_tunnels 1
	lab_tscfctl reload >/dev/null
	check "her tunnel is ended, and there is no room any more" lab_tscfctl disconnect alice
	check "she is refused" wait_for 10 is_waiting
	at_least "$(lab_tsectl alice -j status | jq '.retry_in_s | round')" 28 \
		"and waits as long as she was told"
	check "down, while she waits" lab_tse_down alice
	is "$(tse_traces)" "" "nothing is left behind"
	clients_end 1
	lab_stop tscfd || true
	set_max_tunnels 0
}

test_per_source_limit() {
	local i
	lab_tscfd_start -o session.per-source-limit=2 -o tun.workers=1
	for i in 1 2; do
		client "$i"
		wait_for 5 is_answered "$i" || true
	done
	# Its connections count as IPv6's; the other family is another source.
	fails 10 'refused: overloaded: as many tunnels .*per-source-limit' \
		"beyond per-source-limit" lab_tse_up alice
	at_least "$(lab_tscfctl -j status | jq .refused.overloaded)" 1 "it is counted"
	takes_nothing "beyond per-source-limit"
	check "from another address" lab_tse_up alice -o "tscf.server=$LAB_TSCF4"
	check "down again" lab_tse_down alice
	clients_end 2
	lab_stop tscfd || true
}

# ------------------------------------------------------------ an interruption

is_trying() {
	[ -S "$LAB_DIR/run/alice/control.sock" ]
}

# Ctrl-C at a terminal, while it waits for a TSCF that does not answer.
press_ctrl_c() {
	local command
	# exec: script's shell may not take the signal in tse-up's place.
	command="exec ip netns exec $LAB_TAG-ue env PATH='$BUILD:$PATH' '$lab_top/scripts/tse-up' \
		'$LAB_DIR/alice.conf' --run-dir '$LAB_DIR/run' --state-dir '$LAB_DIR/state' \
		-o traversal.tls-timeout=60s"
	{
		wait_for 5 is_trying
		printf '\003'
		wait_for 5 is_undone
	} | script -qefc "$command" /dev/null
}

is_undone() {
	[ -z "$(tse_traces)" ]
}

test_interruption() {
	local began=$SECONDS waiting
	lab_firewall proxy
	fails 1 'interrupted before the tunnel was up' "Ctrl-C" press_ctrl_c
	for signal in INT TERM KILL; do
		(lab_tse_up alice -o traversal.tls-timeout=60s >"$LAB_DIR/up.log" 2>&1 || true) &
		wait_for 5 is_trying || true
		waiting=$(lab_pids_of tse | sort -n | head -n 1)
		kill -s "$signal" "${waiting%% *}"
		check "SIG$signal to the tse that waits: everything is undone" wait_for 5 is_undone
		wait
	done
	at_least 15 $((SECONDS - began)) "none of it takes long"
	lab_firewall strict
}

install_for_all
test_profile
test_secrecy
test_server_configuration
test_privileges
test_no_tun
test_port_taken
test_overlap
test_unreachable
test_impostors
test_pool
test_max_tunnels
test_per_source_limit
test_interruption
tap_done
