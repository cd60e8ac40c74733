# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Test Anything Protocol for the tests that are shell scripts.
#
#	. tap.sh
#	tap_begin lab_down          # run lab_down, then print the plan, on any exit
#	check "the network is there" ip link show
#	refuse "and blocks SIP" sip_register alice
#	is "$(count)" 250 "all packets arrived"
#
# A script that asserted nothing, died on the way, or failed one assertion does
# not exit 0.

tap_count=0
tap_failed=0
tap_cleanup=:
tap_complete=no

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

ok() {
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "$1"
}

# not_ok DESCRIPTION [DIAGNOSTIC]...
not_ok() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
	shift
	local line
	for line; do
		diag "$line"
	done
}

# skip DESCRIPTION REASON
skip() {
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

# check DESCRIPTION COMMAND...: the command succeeds.
check() {
	local description=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	if [ "$status" -eq 0 ]; then
		ok "$description"
	else
		not_ok "$description" "exit status $status of: $*" "$output"
	fi
}

# refuse DESCRIPTION COMMAND...: the command fails.
refuse() {
	local description=$1 output
	shift
	if output=$("$@" 2>&1); then
		not_ok "$description" "should have failed: $*" "$output"
	else
		ok "$description"
	fi
}

# exits STATUS DESCRIPTION COMMAND...: the command exits with just that status.
exits() {
	local wanted=$1 description=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	if [ "$status" -eq "$wanted" ]; then
		ok "$description"
	else
		not_ok "$description" "exit status $status, wanted $wanted, of: $*" "$output"
	fi
}

# is GOT WANTED DESCRIPTION
is() {
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:    $1" "wanted: $2"
	fi
}

# like TEXT EXTENDED-REGULAR-EXPRESSION DESCRIPTION
like() {
	# No pipe: with pipefail, grep -q leaving early would look like a failure.
	if grep -Eq -- "$2" <<<"$1"; then
		ok "$3"
	else
		not_ok "$3" "got:    $1" "wanted: /$2/"
	fi
}

# at_least GOT LIMIT DESCRIPTION: integers.
at_least() {
	if [[ $1 =~ ^[0-9]+$ ]] && [ "$1" -ge "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:    $1" "wanted: at least $2"
	fi
}

# Nothing here can be tested, for the reason given: no assertion, exit 77.
tap_skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	trap - EXIT
	exit 77
}

# tap_begin [CLEAN-UP COMMAND]
tap_begin() {
	tap_cleanup=${1:-:}
	trap tap_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# The last line of every test script: only then is its plan complete.
tap_done() {
	tap_complete=yes
	exit 0
}

tap_end() {
	local status=$?
	trap - EXIT
	set +e
	if [ "$tap_complete" = no ] || [ "$tap_failed" -gt 0 ]; then
		declare -F lab_logs >/dev/null && lab_logs | sed 's/^/# /'
	fi
	"$tap_cleanup"
	if [ "$tap_complete" = no ]; then
		echo "Bail out! the script ended early, with status $status"
		exit "$((status ? status : 1))"
	fi
	echo "1..$tap_count"
	if [ "$tap_count" -eq 0 ]; then
		echo "Bail out! nothing was asserted"
		exit 1
	fi
	# With its status: a bare exit in a trap returns that of before the trap.
	exit $((tap_failed > 0))
}
