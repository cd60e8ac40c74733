#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the daemons say about themselves: to people in words, to programs in JSON
# and OpenMetrics, to administrators in the log; that it is true, that it moves,
# and that it never tells a secret.
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
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_DIR/forge" "$lab_top/tests/tools/forge.c"
lab_pki alice bob mallory
lab_firewall strict
lab_tscfd_start -o log.level=debug

# In the foreground, so that it has a log here.
tse_start() {
	lab_spawn ue tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" -o log.level=debug
	wait_for 10 lab_tsectl alice status
}

# tsectl without a profile's name.
tsectl() {
	in_ns ue "$BUILD/tsectl" --run-dir "$LAB_DIR/run" "$@"
}

# holds JSON FILTER DESCRIPTION: jq says true.
holds() {
	local got
	got=$(jq -c "$2" <<<"$1" 2>&1 || true)
	if [ "$got" = true ]; then
		ok "$3"
	else
		not_ok "$3" "not true ($got): $2" "of: $1"
	fi
}

ping_core() {
	in_ns ue ping -q -n -c "$1" -i 0.01 -W 1 "$LAB_PCSCF4" >/dev/null
}

# hints STATUS PATTERN DESCRIPTION COMMAND...: complains so on standard error.
hints() {
	local status=0 output wanted=$1 pattern=$2 description=$3
	shift 3
	output=$("$@" 2>&1 >/dev/null) || status=$?
	is "$status" "$wanted" "$description: exit status $wanted"
	like "$output" "$pattern" "$description: and a hint"
}

# ------------------------------------------------------------------ tsectl

test_tsectl_json() {
	local json
	json=$(tsectl --json status)
	is "$(wc -l <<<"$json")" 1 "tsectl --json status is one line"
	holds "$json" '.ok and .profile == "alice" and .state == "up" and .verdict == "tunnel" and
		.transport == "direct" and .firewall == "unknown" and .reason == "" and .retry_in_s == null' \
		"it tells what is"
	holds "$json" '.interface == "tse0" and .mtu == 1500 and (.inner4 | test("^10\\.64\\..*/32$")) and
		(.inner6 | test("^fd64:64:64:.*/64$")) and .routes == ["10.99.0.0/24", "fd99::/64"] and
		.pcscf == ["10.99.0.10", "fd99::10"] and .dns == [] and .domains == [] and
		.ims_security == "keep"' "what the TSCF has granted"
	holds "$json" '.tscf.host == "tscf.example.net" and .tscf.port == 443 and
		(.tscf.address == "2001:db8:1::10" or .tscf.address == "192.0.2.10") and
		(.tscf.name | startswith("tscfd/"))' "who the TSCF is"
	holds "$json" '.tls.version == "TLSv1.3" and (.tls.cipher | test("GCM")) and
		(.tls.resumed | type) == "boolean" and (.tls.aead | length) > 0' "how it is encrypted"
	holds "$json" '(.since | fromdate) <= now and .uptime_s >= 0 and .reconnects == 0 and
		.generation > 0 and .rtt_ms > 0 and .rtt_ms < 1000 and .offload == true and
		(.version | length) > 0' "since when, and how well"
	holds "$json" "$(printf '.pid == %s' "$(lab_pid tse)")" "and its process id"
	holds "$json" '.queue == {packets: 0, octets: 0} and ([.counters[]] | all(type == "number")) and
		(.counters | has("packets_up") and has("octets_down") and has("drop_bad_source"))' \
		"and all counters"
}

test_tsectl_counters() {
	local before after
	before=$(tsectl --json status)
	ping_core 20
	after=$(tsectl --json status)
	holds "[$before, $after]" 'map(.counters) | .[1].packets_up - .[0].packets_up == 20 and
		.[1].packets_down - .[0].packets_down == 20 and .[1].octets_up - .[0].octets_up == 20 * 84' \
		"its counters count just what is sent and received"
}

test_tsectl_words() {
	local words
	words=$(tsectl status)
	like "$words" '^alice: up since 2[0-9-]+T[0-9:]+Z' "tsectl status says what is up since when"
	like "$words" '^  TSCF +tscf\.example\.net port 443 \(.*\), tscfd/' "the TSCF"
	like "$words" '^  TLS +TLSv1\.3, .*AES-GCM by ' "TLS"
	like "$words" '^  interface +tse0, 10\.64\..*/32, fd64:64:64:.*/64, MTU 1500$' "interface, addresses, MTU"
	like "$words" '^  routes +10\.99\.0\.0/24, fd99::/64$' "routes"
	like "$words" '^  P-CSCF +10\.99\.0\.10, fd99::10$' "P-CSCFs"
	like "$words" '^  round trip +[0-9.]+ ms$' "round trip"
	like "$words" '^  sent +[0-9,]+ packets?, [0-9.]+ (octets|[KM]iB)$' "what was carried"
	refuse "and no drops while there are none" grep -q dropped <<<"$words"
	in_ns ue "$LAB_DIR/forge" send tse0 203.0.113.1 "$LAB_PCSCF4" 3
	check "drops are named when there are some" \
		wait_for 3 says '^  dropped +3: inner source is not the lease$' tsectl status
}

# says PATTERN COMMAND...
says() {
	local pattern=$1 output
	shift
	output=$("$@" || true)
	grep -Eq -- "$pattern" <<<"$output"
}

test_tsectl_usage() {
	hints 2 'which command\? status, monitor, kick, report, probe or down' "tsectl alone" tsectl
	hints 2 'did you mean "status"\?' "tsectl stauts" tsectl stauts
	hints 2 'see --help' "tsectl nonsense" tsectl nonsense
	hints 2 'unrecognized option' "tsectl --nonsense" tsectl --nonsense status
	hints 2 'status takes no argument' "tsectl with two commands" tsectl status kick
	hints 2 'report takes one argument: ok, or failed' "tsectl report alone" tsectl report
	hints 2 'not the name of a profile' "tsectl -p ../x" tsectl -p ../x status
	hints 4 'nobody' "tsectl -p nobody" tsectl -p nobody status
	hints 4 'no profile runs; start one with tse-up' "tsectl, and no daemon runs" \
		in_ns ue "$BUILD/tsectl" --run-dir "$LAB_DIR/nowhere" status
	hints 1 '[Pp]ermission' "tsectl by a user who may not" in_ns ue setpriv --reuid 12345 --regid 12345 \
		--clear-groups "$BUILD/tsectl" --run-dir "$LAB_DIR/run" -p alice status
	check "tsectl --help" says '^usage: tsectl' tsectl --help
	check "tsectl --version" says '^tsectl \(tscf\) [0-9]' tsectl --version
}

test_two_profiles() {
	lab_tse_up bob -o steering.steer=none -o tunnel.interface=tse1 >/dev/null
	hints 2 'several profiles run \((alice, bob|bob, alice)\): name one with -p' \
		"tsectl with two profiles up" tsectl status
	check "with -p it knows which" says '^bob: up' tsectl -p bob status
	check "tsectl down" tsectl -p bob down
	check "takes that one down" wait_for 5 fails ip -n "$LAB_TAG-ue" link show tse1
	check "and no other" says '^alice: up' tsectl status
}

fails() {
	! "$@"
}

log_has() {
	grep -Eq -- "$2" "$LAB_DIR/$1.log"
}

# Two monitors through a loss and a return of the tunnel.
test_monitor() {
	lab_spawn ue words "$BUILD/tsectl" --run-dir "$LAB_DIR/run" monitor
	lab_spawn ue events "$BUILD/tsectl" --run-dir "$LAB_DIR/run" --json monitor
	check "tsectl monitor begins with what is" wait_for 3 log_has words ' up: tse0 10\.64\.'
	wait_for 3 test -s "$LAB_DIR/events.log"
	lab_tscfctl disconnect alice >/dev/null
	check "it tells of the loss, why, and when there is a new attempt" wait_for 3 log_has words \
		' reconnecting: .*disconnected by the administrator; next attempt in '
	wait_for 5 lab_tsectl alice status
	check "and of the return" wait_for 3 events_are '["up","reconnecting","dialing","handshake","configuring","up"]'
	diag "$(jq -s -c 'map(.state)' "$LAB_DIR/events.log")"
	holds "$(jq -s . "$LAB_DIR/events.log")" 'map(.generation) | . == sort and . == unique' \
		"each change has a number of its own"
	is "$(wc -l <"$LAB_DIR/words.log")" "$(wc -l <"$LAB_DIR/events.log")" \
		"as many lines of words as of JSON"
}

events_are() {
	[ "$(jq -s -c 'map(.state)' "$LAB_DIR/events.log")" = "$1" ]
}

waits_longer_than() {
	[ "$(tsectl --json status | jq ".retry_in_s > $1")" = true ]
}

test_kick() {
	check "tsectl kick, while the tunnel is up" tsectl kick
	check "it stays up" says '^alice: up' tsectl status
	lab_stop tscfd
	wait_for 15 waits_longer_than 1.5
	like "$(tsectl status || true)" '^  next attempt +in [0-9]+ s$' "tsectl status tells of the next attempt"
	lab_tscfd_start -o log.level=debug
	check "tsectl kick, while it waits" tsectl kick
	check "the tunnel is up at once" wait_for 1 lab_tsectl alice status
}

# The last one: the monitors end with the daemon.
test_down() {
	local status=0
	check "tsectl down" tsectl down
	lab_wait 5 tse || status=$?
	is "$status" 0 "tse ends, with status 0"
	status=0
	lab_wait 5 words || status=$?
	is "$status" 4 "and tsectl monitor, with status 4"
	exits 4 "tsectl status now" tsectl status
}

# ----------------------------------------------------------------- tscfctl

test_tscfctl_json() {
	local json
	json=$(lab_tscfctl --json status)
	is "$(wc -l <<<"$json")" 1 "tscfctl --json status is one line"
	holds "$json" '.ok and (.version | length) > 0 and .uptime_s >= 0 and .interface == "tscf0" and
		.listen == ["[::]:443", "0.0.0.0:443"] and .workers >= 1 and (.aead | length) > 0 and
		(.certificate_expires | fromdate) > now and .warnings == []' "it tells what runs"
	holds "$json" '.tunnels == 1 and .connections == 1 and .pool.live == 1 and .pool.waiting == 0 and
		.pool.capacity > 60000 and .pool.never == .pool.capacity - 1 - .pool.resting' "for how many"
	holds "$json" '.handshakes.ok >= 1 and ([.handshakes.failed[]] | all(. == 0)) and
		([.refused[]] | all(. == 0)) and .turned_away == 0 and .protocol_errors == 0' \
		"and that nothing went wrong"
	json=$(lab_tscfctl --json sessions)
	holds "$json" '.sessions | length == 1 and (.[0] | .identity == "alice" and (.id | test("^[0-9]+-[0-9]+$")) and
		(.outer | test("^(\\[2001:db8:2::2\\]|198\\.51\\.100\\.2):[0-9]+$")) and
		(.inner4 | test("^10\\.64\\..*/32$")) and (.inner6 | test("/64$")) and
		(.since | fromdate) <= now and .seconds >= 0 and .tls == "TLSv1.3" and (.cipher | test("GCM")) and
		(.software | startswith("tse/")) and .offload == true and .queue_octets == 0 and
		(.rtt_ms | type) == "number" and .drops == {})' "tscfctl --json sessions tells of each tunnel"
}

test_tscfctl_counters() {
	local before after
	before=$(lab_tscfctl --json sessions)
	ping_core 20
	after=$(lab_tscfctl --json sessions)
	holds "[$before, $after]" 'map(.sessions[0]) | .[1].packets_up - .[0].packets_up == 20 and
		.[1].packets_down - .[0].packets_down == 20 and .[1].octets_up - .[0].octets_up == 20 * 84' \
		"its counters count just what is sent and received"
}

test_tscfctl_words() {
	local words
	words=$(lab_tscfctl status)
	like "$words" '^tscfd [0-9].*, running for ' "tscfctl status says what runs"
	like "$words" '^  listens on +\[::\]:443, 0\.0\.0\.0:443$' "where"
	like "$words" '^  interface +tscf0, [0-9]+ workers?, AES-GCM by ' "through what"
	like "$words" '^  certificate +expires on 2.*, in [0-9]+ d' "how long"
	like "$words" '^  tunnels +1$' "for how many"
	like "$words" '^  addresses +1 in use, 0 waiting for their UE, .* of 65,5' "with how many addresses"
	like "$words" '^  handshakes +[0-9]+ good, 0 failed$' "and how they came"
	words=$(lab_tscfctl sessions)
	like "$words" '^ID +IDENTITY +FROM +LANES +INNER ADDRESSES' "tscfctl sessions has a heading"
	like "$words" '^[0-9]+-[0-9]+ +alice +\[?[0-9].*10\.64\..*fd64:.*tse/' "and a line for each tunnel"
}

test_tscfctl_usage() {
	hints 2 'which command\? status, sessions' "tscfctl alone" lab_tscfctl
	hints 2 'did you mean "sessions"\?' "tscfctl session" lab_tscfctl session
	hints 2 'takes the id or the identity' "tscfctl disconnect alone" lab_tscfctl disconnect
	hints 2 'takes no argument' "tscfctl status x" lab_tscfctl status x
	hints 2 'unrecognized option' "tscfctl --nonsense" lab_tscfctl --nonsense status
	hints 1 'no session "nobody"' "tscfctl disconnect nobody" lab_tscfctl disconnect nobody
	hints 1 'no session "7-7777"' "tscfctl disconnect of an id that is none" lab_tscfctl disconnect 7-7777
	hints 4 'nowhere' "tscfctl, and no daemon runs" \
		in_ns tscf "$BUILD/tscfctl" --socket "$LAB_DIR/nowhere" status
	hints 1 '[Pp]ermission' "tscfctl by a user who may not" in_ns tscf setpriv --reuid 12345 \
		--regid 12345 --clear-groups "$BUILD/tscfctl" --socket "$LAB_DIR/tscfd.sock" status
	check "tscfctl --help" says '^usage: tscfctl' lab_tscfctl --help
	check "tscfctl --version" says '^tscfctl \(tscf\) [0-9]' lab_tscfctl --version
}

test_disconnect() {
	local id
	id=$(lab_tscfctl --json sessions | jq -r '.sessions[0].id')
	is "$(lab_tscfctl disconnect "$id")" "closed 1 session" "tscfctl disconnect by id"
	wait_for 5 lab_tsectl alice status
	holds "$(lab_tscfctl --json disconnect alice)" '. == {ok: true, closed: 1}' \
		"tscfctl --json disconnect by identity"
	wait_for 5 lab_tsectl alice status
	exits 1 "tscfctl --identity takes an id for an identity" lab_tscfctl --identity disconnect "$id"
}

test_reload() {
	local conf=$LAB_DIR/pki/tscfd.conf
	is "$(lab_tscfctl reload)" "" "tscfctl reload"
	is "$(lab_tscfctl --json reload)" '{"ok":true}' "tscfctl --json reload"
	cp "$conf" "$LAB_DIR/good.conf"
	sed -i 's/^\[ims\]/&\nrotues = 10.0.0.0\/8/' "$conf"
	hints 1 "tscfd\.conf:[0-9]+: .*rotues.*" "tscfctl reload of a file with a mistake" lab_tscfctl reload
	check "the tunnel has not noticed" ping_core 1
	cp "$LAB_DIR/good.conf" "$conf"
	sed -i 's/^\[tun\]//; s/^\[pool\]/[tun]\nmtu = 1400\n\n&/' "$conf"
	hints 1 'needs a restart' "tscfctl reload of what only a start can change" lab_tscfctl reload
	cp "$LAB_DIR/good.conf" "$conf"
	check "tscfctl reload of the old file" lab_tscfctl reload
}

# ----------------------------------------------------------------- metrics

# Strictly what OpenMetrics 1.0 says: complains and fails at the first fault.
openmetrics() {
	awk '
	function fault(text) { print "line " NR ": " text ": " $0; bad = 1; exit 1 }
	ended { fault("text behind # EOF") }
	/^$/ { fault("an empty line") }
	$0 == "# EOF" { ended = 1; next }
	/^# (TYPE|HELP|UNIT) / {
		if ($3 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/) fault("not a name")
		if ($3 != family) {
			if (seen[$3]++) fault("a family in two places")
			family = $3; type = ""; samples = 0
		}
		if (samples) fault("description behind a sample")
		if (described[$2, $3]++) fault("described twice")
		if ($2 == "TYPE") {
			if (NF != 4 || $4 !~ /^(counter|gauge|info|unknown)$/) fault("no type")
			type = $4
		}
		next
	}
	/^#/ { fault("no comment is allowed") }
	{
		if (!match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*/)) fault("no sample")
		name = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1); labels = ""
		if (match(rest, /^\{[^}]*\}/)) {
			labels = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1)
			if (labels !~ /^\{[a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*"(,[a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*")*\}$/)
				fault("bad labels")
		}
		if (rest !~ /^ -?[0-9]+(\.[0-9]+)?$/) fault("no number")
		if (type == "") fault("a sample without a type")
		if (type == "counter" && name != family "_total") fault("a counter that does not end in _total")
		if (type == "counter" && rest ~ /-/) fault("a negative counter")
		if (type != "counter" && name != family) fault("a sample of another family")
		if (values[name labels]++) fault("a sample twice")
		samples++; count++
	}
	END {
		if (bad) exit 1
		if (!ended) { print "no # EOF"; exit 1 }
		if (!count) { print "no sample"; exit 1 }
	}' "$1"
}

# A checker that finds nothing wrong would find nothing wrong here, too.
test_checker() {
	local fault file=$LAB_DIR/metrics.broken found=yes
	# shellcheck disable=SC2016 # $ is sed's
	for fault in '/^# TYPE/{;d;}' '$d' 's/_total / /' 's/^# EOF/&\n/' '/^# TYPE tscf_tunnels/{p;}' \
		's/^tscf_tunnels .*/&x/' 's/^tscf_tunnels .*/&\n&/' 's/="/=/' '1s/^/\n/' '1s/^/# a word\n/' \
		's/^\(tscf_[a-z_]*_total\) .*/\1 -1/'; do
		sed "$fault" "$1" >"$file"
		if cmp -s "$1" "$file" || openmetrics "$file" >/dev/null; then
			found="not: $fault"
		fi
	done
	is "$found" yes "the checker finds what is wrong"
}

# metric FILE NAME
metric() {
	awk -v name="$2" '$1 == name { print $2 }' "$1"
}

test_metrics() {
	local before=$LAB_DIR/metrics.before after=$LAB_DIR/metrics.after
	lab_tscfctl metrics >"$before"
	check "tscfctl metrics is OpenMetrics" openmetrics "$before"
	test_checker "$before"
	is "$(metric "$before" tscf_tunnels)" 1 "one tunnel"
	is "$(metric "$before" 'tscf_pool_use{state="live"}')" 1 "one address in use"
	ping_core 10
	lab_tscfctl metrics >"$after"
	is "$(($(metric "$after" tscf_packets_up_total) - $(metric "$before" tscf_packets_up_total)))" 10 \
		"ten packets up"
	is "$(($(metric "$after" tscf_octets_down_total) - $(metric "$before" tscf_octets_down_total)))" 840 \
		"840 octets down"
	lab_tscfctl --json metrics | jq -j .text >"$LAB_DIR/metrics.json"
	check "tscfctl --json metrics has the same text" openmetrics "$LAB_DIR/metrics.json"
	is "$(grep -c . "$LAB_DIR/metrics.json")" "$(grep -c . "$after")" "and as much of it"
}

# pem_of NAME: certificate and key of a profile.
pem_of() {
	sed -n '/^cert = /,/^key = /{/^ /p}' "$LAB_DIR/$1.conf" | base64 -di | openssl x509 -inform DER
	sed -n '/^key = /,/^$/{/^ /p}' "$LAB_DIR/$1.conf" | base64 -di | openssl pkey -inform DER
}

# knock [OPTION]...: a TLS handshake by openssl.
knock() {
	in_ns ue timeout 2 openssl s_client -connect "$LAB_TSCF4:443" -quiet "$@" </dev/null >/dev/null 2>&1 || true
}

failed() {
	lab_tscfctl --json status | jq ".handshakes.failed[\"$1\"]"
}

failed_is() {
	[ "$(failed "$1")" -eq "$2" ]
}

# fails_as REASON COMMAND...: is counted as such, and as nothing else.
fails_as() {
	local reason=$1 before total
	shift
	before=$(failed "$reason")
	total=$(lab_tscfctl --json status | jq '[.handshakes.failed[]] | add')
	"$@"
	check "a failed handshake is counted: $reason" wait_for 3 failed_is "$reason" $((before + 1))
	is "$(lab_tscfctl --json status | jq '[.handshakes.failed[]] | add')" $((total + 1)) "and once"
}

speak_http() {
	in_ns ue timeout 1 bash -c "exec 3<>/dev/tcp/$LAB_TSCF4/443; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3" \
		>/dev/null 2>&1 || true
}

test_handshakes() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=alice -days 1 \
		-keyout "$LAB_DIR/stranger.pem" -out "$LAB_DIR/stranger.crt" 2>/dev/null
	cat "$LAB_DIR/stranger.crt" >>"$LAB_DIR/stranger.pem"
	pem_of mallory >"$LAB_DIR/mallory.pem"
	"$lab_top/scripts/tscf-pki" revoke mallory --dir "$LAB_DIR/pki" >/dev/null
	lab_tscfctl reload
	fails_as no-certificate knock
	fails_as untrusted knock -cert "$LAB_DIR/stranger.pem" -key "$LAB_DIR/stranger.pem"
	fails_as revoked knock -cert "$LAB_DIR/mallory.pem" -key "$LAB_DIR/mallory.pem"
	fails_as not-tls speak_http
	fails_as no-common knock -cipher AES256-SHA -tls1_2
	like "$(lab_tscfctl metrics)" '^tscf_handshake_failures_total\{reason="revoked"\} 1$' \
		"metrics have them by reason"
	like "$(lab_tscfctl status)" '^  handshakes +[0-9]+ good, 5 failed \(.*revoked 1' "and so has the status"
}

# --------------------------------------------------------------------- log

# The lines about sessions, since a mark.
log_mark() {
	log_lines=$(wc -l <"$LAB_DIR/tscfd.log")
}

sessions_logged() {
	tail -n "+$((log_lines + 1))" "$LAB_DIR/tscfd.log" | grep 'session ' || true
}

test_session_lines() {
	local lines outer inner4 inner6
	log_mark
	tse_start
	outer=$(lab_tscfctl --json sessions | jq -r '.sessions[0].outer')
	inner4=$(lab_state alice INNER4) inner6=$(lab_state alice INNER6)
	ping_core 10
	lines=$(sessions_logged)
	is "$(wc -l <<<"$lines")" 1 "the log has one line for a session that comes"
	is "${lines%% (*}" "tscfd: session ${lines:15:3}: alice from $outer has $inner4 $inner6" \
		"with id, identity, outer and inner addresses"
	like "$lines" '\(TLSv1\.3 TLS_[A-Z0-9_]+, tse/[0-9.]+\)$' "how it is encrypted, and by what"
	lab_stop tse
	wait_for 3 no_tunnels
	lines=$(sessions_logged | tail -n +2)
	is "$(wc -l <<<"$lines")" 1 "and one for a session that goes"
	like "$lines" "^tscfd: session [0-9]+-[0-9]+: alice from ${outer//[][]/.} ended after [0-9]+ s, 840 octets up, 840 down: released by the client\$" \
		"with id, identity, outer address, seconds, octets, reason"
}

no_tunnels() {
	[ "$(lab_tscfctl --json status | jq .connections)" -eq 0 ]
}

# test_identities pseudonym|none PATTERN: a name is nowhere, whatever happens.
test_identities() {
	local session
	lab_stop tscfd
	lab_tscfd_start -o "log.identities=$1" -o log.level=debug
	tse_start
	session=$(lab_tscfctl --json sessions | jq -r '.sessions[0].identity')
	like "$session" "$2" "identities = $1: what tscfctl sessions shows"
	knock -cert "$LAB_DIR/mallory.pem" -key "$LAB_DIR/mallory.pem"
	lab_tscfctl disconnect alice >/dev/null
	wait_for 5 lab_tsectl alice status
	lab_stop tse
	wait_for 3 no_tunnels
	like "$(cat "$LAB_DIR/tscfd.log")" "session [0-9]+-[0-9]+: ${2#^}" "identities = $1: and the log"
	is "$(grep -Ei 'alice|mallory' "$LAB_DIR/tscfd.log" || true)" "" \
		"identities = $1: no name is in the log"
}

# The octets of a secret in the ways in which a log could show them.
show_secret() {
	printf '%s\n%s\n' "$1" "${1^^}"
	xxd -r -p <<<"$1" | base64 -w 0
	echo
}

# tokens: resume token and join key, as the TSCF sends them to a client.
tokens() {
	local hex at tag length
	mkfifo "$LAB_DIR/client.in"
	exec 9<>"$LAB_DIR/client.in"
	pem_of bob >"$LAB_DIR/bob.pem"
	in_ns ue openssl s_client -connect "$LAB_TSCF4:443" -brief -cert "$LAB_DIR/bob.pem" \
		-key "$LAB_DIR/bob.pem" <"$LAB_DIR/client.in" >"$LAB_DIR/client.out" 2>/dev/null 9>&- &
	"$LAB_DIR/forge" request >&9
	wait_for 5 test -s "$LAB_DIR/client.out"
	exec 9>&-
	wait $! || true
	hex=$(xxd -p "$LAB_DIR/client.out" | tr -d '\n')
	for ((at = 18; at + 8 <= ${#hex}; at += 8 + 2 * length)); do
		tag=${hex:at:4} length=$((16#${hex:at+4:4}))
		case $tag in
		0012 | 0014) echo "${hex:at+8:2*length}" ;;
		esac
	done
}

test_secrets() {
	local found token key secrets=$LAB_DIR/secrets
	found=$(tokens)
	is "$(wc -l <<<"$found")" 2 "a client gets a resume token and a join key"
	{
		# Behind the index of the lease, which is none.
		for token in $found; do
			show_secret "${token:8}"
		done
		for key in "$LAB_DIR/pki/ca.key" "$LAB_DIR/pki/server.key"; do
			grep -v -e ----- "$key"
		done
		for key in alice bob mallory; do
			sed -n '/^key = /,/^$/{s/^ *\([^ ]*\)$/\1/p}' "$LAB_DIR/$key.conf" | grep -v '='
		done
		cat "$LAB_DIR"/state/*/instance
	} | grep -E '.{20}' >"$secrets"
	at_least "$(wc -l <"$secrets")" 15 "there are secrets to look for"
	is "$(grep -l -i -F -f "$secrets" "$LAB_DIR"/tscfd*.log "$LAB_DIR"/tse*.log "$LAB_DIR"/words.log \
		"$LAB_DIR"/events.log "$LAB_DIR"/metrics.* || true)" "" \
		"no key, token or instance id in any log or answer, at level debug"
	is "$(lab_tscfctl --json sessions | grep -c -i -F -f "$secrets" || true)" 0 "nor in tscfctl sessions"
	check "which would be found" grep -q -F -f "$secrets" "$LAB_DIR/alice.conf"
}

tse_start
test_tsectl_json
test_tscfctl_json
test_tsectl_counters
test_tscfctl_counters
test_tsectl_words
test_tscfctl_words
test_tsectl_usage
test_tscfctl_usage
test_two_profiles
test_metrics
test_monitor
test_disconnect
test_reload
test_kick
test_handshakes
test_down
test_session_lines
test_identities pseudonym '^client [0-9a-f]{12}'
test_identities none '^client( |$)'
test_secrets
tap_done
