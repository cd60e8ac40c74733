# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154 # lab_here and others are lab.sh's
# The IMS side of the lab, sourced by lab.sh: the P-CSCF, registrations, and
# calls whose media is counted at both ends.

lab_kamailio_start() {
	lab_spawn core kamailio kamailio -DD -E -m 32 -M 8 -w "$LAB_DIR" -Y "$LAB_DIR" \
		-f "$lab_here/ims/kamailio.cfg"
	wait_for 10 lab_kamailio_ready || lab_fail "kamailio does not start"
}

# lab_is_listening NS PORT: over TCP.
lab_is_listening() {
	[ -n "$(in_ns "$1" ss -H -l -t -n "sport = :$2")" ]
}

lab_kamailio_ready() {
	[ "$(in_ns core ss -H -l -u -n 'sport = :5060' | wc -l)" -ge 2 ] &&
		[ "$(in_ns core ss -H -l -t -n 'sport = :5060' | wc -l)" -ge 2 ]
}

# lab_pcscf 4|6
lab_pcscf() {
	case $1 in
	4) echo "$LAB_PCSCF4" ;;
	6) echo "[$LAB_PCSCF6]" ;;
	esac
}

# lab_source NS 4|6: the source address that the kernel of that namespace gives
# an app which talks to the IMS core.
lab_source() {
	local target=$LAB_PCSCF4
	[ "$2" = 4 ] || target=$LAB_PCSCF6
	in_ns "$1" ip -j route get "$target" | jq -r '.[0].prefsrc'
}

# lab_sipp NS NAME SCENARIO 4|6 udp|tcp OPTION...: one SIP transaction or
# dialogue with the P-CSCF.
lab_sipp() {
	local ns=$1 name=$2 scenario=$3 family=$4 transport=$5 address
	shift 5
	address=$(lab_source "$ns" "$family") || return
	in_ns "$ns" sipp "$(lab_pcscf "$family"):5060" -sf "$lab_here/ims/$scenario.xml" \
		-t "${transport:0:1}1" -i "$address" -mi "$address" -m 1 -nostdin -timer_resol 1 \
		-trace_err -error_file "$LAB_DIR/$name.errors" \
		-trace_logs -log_file "$LAB_DIR/$name.facts" "$@" </dev/null >"$LAB_DIR/$name.screen" 2>&1
}

# lab_register NS USER 4|6 [udp|tcp]: REGISTER, 401, REGISTER with credentials,
# 200, in at most 4 s.  Prints the milliseconds that it took.
lab_register() {
	local name=register-$2
	rm -f "$LAB_DIR/$name.facts"
	lab_sipp "$1" "$name" register "$3" "${4:-udp}" -s "$2" -au "$2" -ap secret \
		-recv_timeout 4000 -timeout 5 -timeout_error || return
	awk '$1 == "sent" { sent = $4 }
		$1 == "registered" { printf "%.1f\n", ($4 - sent) * 1000; done = 1 }
		END { exit !done }' "$LAB_DIR/$name.facts"
}

# lab_call SECONDS 4|6: alice, on the UE, calls bob, in the core, through the
# P-CSCF.  Each side sends its media to the address that it finds in the
# other's SDP.  Leaves ue.rtp and core.rtp (JSON, see rtp_stream) in LAB_DIR,
# and fails when the dialogue did not run from INVITE to BYE.
lab_call() {
	local seconds=$1 family=$2 hold=$((($1 + 3) * 1000))
	rm -f "$LAB_DIR"/call-*.facts "$LAB_DIR"/*.rtp
	lab_register core bob "$family" >/dev/null || lab_fail "bob cannot register" || return
	lab_sipp core call-core answer "$family" udp -p 5062 -key rtp_port 40000 \
		-recv_timeout $((hold + 5000)) -timeout $((seconds + 20)) -timeout_error &
	local answer=$!
	wait_for 5 lab_callee_ready || lab_fail "the callee does not start" || return
	lab_sipp ue call-ue call "$family" udp -s bob -au alice -ap secret -key rtp_port 40010 \
		-d "$hold" -recv_timeout 8000 -timeout $((seconds + 15)) -timeout_error &
	local call=$! status=0
	if wait_for 10 lab_call_is_up; then
		lab_media "$seconds" || status=1
	fi
	wait "$call" || status=1
	if [ "$status" -ne 0 ]; then
		kill "$answer" 2>/dev/null || true
	fi
	wait "$answer" || status=1
	return "$status"
}

lab_callee_ready() {
	[ -n "$(in_ns core ss -H -l -u -n 'sport = :5062')" ]
}

lab_call_is_up() {
	grep -q '^media ' "$LAB_DIR/call-ue.facts" && grep -q '^media ' "$LAB_DIR/call-core.facts"
}

# lab_media SECONDS: a voice stream each way, to where the SDP says.
lab_media() {
	local from_core from_ue
	from_core=$(awk '$1 == "media" { print $2, $3 }' "$LAB_DIR/call-core.facts")
	from_ue=$(awk '$1 == "media" { print $2, $3 }' "$LAB_DIR/call-ue.facts")
	lab_streams "$1" "${from_ue% *}" "${from_ue#* }" "${from_core% *}" "${from_core#* }"
}

# lab_streams SECONDS CORE-ADDRESS CORE-PORT UE-ADDRESS UE-PORT
lab_streams() {
	in_ns core "$LAB_DIR/rtp_stream" "$3" "$4" "$5" "$1" >"$LAB_DIR/core.rtp" &
	local core=$! status=0
	in_ns ue "$LAB_DIR/rtp_stream" "$5" "$2" "$3" "$1" >"$LAB_DIR/ue.rtp" || status=1
	wait "$core" || status=1
	return "$status"
}

# lab_rtp ue|core KEY: a number of the last streams, e.g. `.received`; `none` if
# there was no stream.
lab_rtp() {
	jq -r "$2" "$LAB_DIR/$1.rtp" 2>/dev/null || echo none
}
