#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What IMS apps notice when the tunnel takes over: the state, the hooks, the end
# of their old TCP connections, their old source address named, the security
# hint, and that IPsec inside the tunnel works.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
lab_up
lab_kamailio_start
lab_pki alice
mkdir "$LAB_DIR/hooks"
cat >"$LAB_DIR/hooks/record" <<-END
	#!/bin/sh
	echo "\$TSE_STATE \$TSE_FIREWALL \$TSE_VERDICT \$TSE_IFACE \$TSE_INNER4" >>$LAB_DIR/hooks.said
END
chmod 755 "$LAB_DIR/hooks/record"

readonly auto="-o traversal.mode=auto -o traversal.p-cscf=$LAB_PCSCF4 -o traversal.direct=yes
	-o traversal.sip-timeout=1500ms -o traversal.proxy=none"


start_tse() {
	# shellcheck disable=SC2086 # words on purpose
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" --hooks-dir "$LAB_DIR/hooks" $auto
}

state_is() {
	[ "$(lab_state alice "$1")" = "$2" ]
}

old_connections() {
	in_ns ue ss -H -t -n "dst $LAB_PCSCF4" | wc -l
}

has_connections() {
	[ "$(old_connections)" -eq "$1" ]
}

said() {
	grep -q -- "$1" "$LAB_DIR/$2"
}

# An app that is connected directly when the network turns strict.
test_takeover() {
	lab_firewall open
	lab_spawn ue app socat -u "TCP:$LAB_PCSCF4:5060" STDOUT
	check "an app has a direct TCP connection" wait_for 5 has_connections 1
	lab_firewall strict
	start_tse
	check "the strict firewall is found, the tunnel comes up" wait_for 10 state_is STATE up
	is "$(lab_state alice FIREWALL)/$(lab_state alice VERDICT)/$(lab_state alice TRANSPORT)" \
		strict/tunnel/direct "and said so"
	check "the old connection is destroyed" wait_for 3 has_connections 0
	check "so the app notices" wait_for 3 lab_has_ended "$(lab_pid app)"
	check "the log says so" wait_for 3 said 'old TCP connection.* closed' tse.log
	check "alice registers" lab_register ue alice 4
}

test_old_source() {
	in_ns ue ip route add "$LAB_PCSCF4" dev tse0 src 198.51.100.2
	in_ns ue sh -c "echo x | socat -u STDIN UDP:$LAB_PCSCF4:5060,bind=198.51.100.2" || true
	in_ns ue sh -c "echo x | socat -u STDIN UDP:$LAB_PCSCF4:5060,bind=198.51.100.2" || true
	check "an app with the old address is named" wait_for 3 said 'sends to the IMS core from 198.51.100.2' tse.log
	at_least "$(lab_tsectl alice --json status | jq .counters.drop_bad_source)" 1 "and counted"
	in_ns ue ip route delete "$LAB_PCSCF4" dev tse0
}

test_hooks() {
	check "hooks were told" wait_for 5 said "up strict tunnel tse0 $(lab_state alice INNER4)" hooks.said
}

# ESP as TS 33.203 has it between a UE and its P-CSCF: IP protocol 50.  What is
# in it is none of the tunnel's business, so any octets will do.
test_esp() {
	local inner answer
	inner=$(lab_state alice INNER4)
	inner=${inner%/*}
	is "$(lab_state alice IMS_SECURITY)" keep "IMS security is to be kept"
	lab_spawn core esp socat IP4-RECVFROM:50,fork PIPE
	lab_spawn core esp-seen tcpdump --immediate-mode -l -n -i tscf "ip proto 50 and host $inner"
	wait_for 5 said 'listening on' esp-seen.log
	answer=$(printf 'spi1seq1encrypted-sip' |
		in_ns ue socat -t 2 - "IP4-DATAGRAM:$LAB_PCSCF4:50,bind=$inner" || true)
	is "$answer" spi1seq1encrypted-sip "ESP goes through the tunnel and back"
	check "as ESP, to and from the inner address" wait_for 3 said "IP $LAB_PCSCF4 > $inner: ESP" esp-seen.log
	lab_stop esp-seen INT || true
}

# probe [OPTION]...: as a person with a problem would.
probe() {
	in_ns ue env PATH="$BUILD:$PATH" tsectl --config "$LAB_DIR/probe.conf" "$@" probe
}

test_probe() {
	local said before
	sed "s/^mode = always/mode = auto\np-cscf = $LAB_PCSCF4\ndirect = yes\nsip-timeout = 1500ms/" \
		"$LAB_DIR/alice.conf" >"$LAB_DIR/probe.conf"
	chmod 600 "$LAB_DIR/probe.conf"
	before=$(in_ns ue ip rule; in_ns ue ip route show table all; in_ns ue ip -o link)
	said=$(probe)
	like "$said" '^step 1 sip +failed .*10\.99\.0\.10' "tsectl probe: step 1 fails"
	like "$said" '^step 2 tls +passed .*tscf\.example\.net' "step 2 passes"
	like "$said" '^firewall: strict' "the firewall is strict"
	like "$said" '^verdict: tunnel' "the verdict is a tunnel"
	said=$(probe --redact)
	like "$said" '^step 2 tls +passed +\[name\] \(\[address\]\)' "redacted: no name, no address"
	is "$(grep -cE 'example\.net|10\.99\.|192\.0\.2|2001:db8' <<<"$said")" 0 "nowhere"
	is "$(probe --json | jq -r '.verdict, .firewall, (.steps | length)' | paste -sd ' ')" \
		"tunnel strict 4" "and as JSON"
	is "$(in_ns ue ip rule; in_ns ue ip route show table all; in_ns ue ip -o link)" "$before" \
		"nothing was changed"
}

# security TSCF PROFILE WANTED
security() {
	lab_tscfd_start -o "ims.security=$1"
	lab_tse_up alice -o "traversal.end-to-end-security=$2" >/dev/null
	is "$(lab_state alice IMS_SECURITY)" "$3" "TSCF $1, end-to-end-security = $2: $3"
	lab_tse_down alice
	lab_stop tscfd || true
}

# shellcheck disable=SC2119 # it needs no options here
lab_tscfd_start
test_takeover
test_old_source
test_hooks
test_esp
lab_stop tse || true
test_probe
check "hooks were told of the end" wait_for 5 said '^stopping' hooks.said
lab_stop tscfd || true
security keep yes keep
security keep no keep
security may-disable yes keep
security may-disable no may-disable
tap_done
