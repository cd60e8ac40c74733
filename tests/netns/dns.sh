#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# dns = yes: the resolver of the system is told the servers of the IMS core for its
# domains and for nothing else, and told otherwise when the tunnel goes, however it
# goes.  resolvectl and resolvconf are stand-ins here that write down what they are
# told, in a mount namespace of their own.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
	tap_skip_all "needs overlayfs, to put stand-ins beside the system's programs"
tap_begin lab_down
lab_need_build
lab_up
lab_pki alice
"$lab_top/scripts/tscf-pki" renew-server --dir "$LAB_DIR/pki" --name "$LAB_NAME" \
	--name tscf.example.com >>"$LAB_DIR/pki.log"
lab_firewall strict

readonly fakes=$LAB_DIR/fakes told=$LAB_DIR/told libexec=$LAB_DIR/libexec
mkdir "$fakes" "$libexec"
install -m 755 "$lab_top/scripts/tse-dns" "$libexec/tse-dns"

# fake PROGRAM [OUTPUT OF --version]
fake() {
	cat >"$fakes/$1" <<-END
		#!/bin/sh
		[ "\$1" != --version ] || { echo "${2:-}"; exit; }
		{ echo "$1 \$*"; [ "\$2" != -a ] || cat; } >>"$told"
	END
	chmod 755 "$fakes/$1"
}

# tse_start resolved|none [OPTION]...: with the stand-ins, and with or without
# systemd-resolved.
tse_start() {
	local resolved=$1
	shift
	: >"$told"
	lab_spawn ue tse unshare --mount sh -c '
		mount -t overlay overlay -o "lowerdir=$1:/usr/sbin" /usr/sbin || exit 1
		mount -t tmpfs tmpfs /run || exit 1
		if [ "$2" = resolved ]; then
			mkdir -p /run/systemd/resolve && : >/run/systemd/resolve/io.systemd.Resolve
		fi
		shift 2
		exec "$@"' sh "$fakes" "$resolved" "$BUILD/tse" --foreground \
		--config "$LAB_DIR/alice.conf" --run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" \
		--own-hooks-dir "$libexec" "$@"
	wait_for 10 lab_tsectl alice status || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

was_told() {
	grep -qxF -- "$1" "$told"
}

# forgets COMMAND: that, and nothing after it.
forgets() {
	[ "$(tail -n 1 "$told")" = "$1" ]
}

readonly server4=$LAB_PCSCF4 server6=$LAB_PCSCF6
readonly -a dns=(-o "ims.dns=$server4, $server6, 10.98.0.53"
	-o "ims.routes=$LAB_IMS4, $LAB_IMS6, 10.98.0.0/24"
	-o 'ims.domain=ims.example.org, example.net')

# The profile lets the tunnel have two of the three prefixes.
readonly -a narrow=(-o steering.dns=yes -o "steering.allowed-routes=$LAB_IMS4, $LAB_IMS6")

fake resolvectl
fake resolvconf 'openresolv 3.12.0'
lab_tscfd_start "${dns[@]}"

# ------------------------------------------------------------ not asked for

tse_start resolved
is "$(cat "$told")" "" "without dns = yes nobody is told anything"
lab_stop tse

# ---------------------------------------------------------- systemd-resolved

tse_start resolved "${narrow[@]}"
check "resolved: the servers that are reached through the tunnel" \
	wait_for 5 was_told "resolvectl dns tse0 $server4 $server6"
check "resolved: the domain, for routing only; never the TSCF's own" \
	wait_for 5 was_told 'resolvectl domain tse0 ~ims.example.org'
check "resolved: the link is nobody's default" \
	wait_for 5 was_told 'resolvectl default-route tse0 no'
refuse "resolved: resolvconf is left alone" grep -q 'resolvconf.* -a' "$told"
check "the log names the server that is not in the IMS routes" \
	grep -q 'DNS server 10.98.0.53 is not used' "$LAB_DIR/tse.log"
check "the log names the domain that holds the TSCF" \
	grep -q 'DNS domain example.net is not used: .*TSCF' "$LAB_DIR/tse.log"

lab_stop tscfd KILL || true
check "the tunnel is lost: undone" wait_for 15 was_told 'resolvectl revert tse0'
: >"$told"
lab_tscfd_start "${dns[@]}"
check "and back: told again" wait_for 30 was_told "resolvectl dns tse0 $server4 $server6"
lab_stop tse
check "stopped: undone" wait_for 5 was_told 'resolvectl revert tse0'

# ------------------------------------------- sent on to a TSCF in such a domain

lab_stop tscfd
readonly -a moved=(-o "ims.dns=$server4" -o 'ims.domain=ims.example.org, example.com')
lab_firewall open
lab_tscfd_start "${moved[@]}"
lab_spawn tscf other "$BUILD/tscfd" --foreground --config "$LAB_DIR/pki/tscfd.conf" "${moved[@]}" \
	-o control.socket="$LAB_DIR/other.sock" -o listen.address="[::]:8443,0.0.0.0:8443" \
	-o tun.interface=tscf1 -o pool.ipv4=10.65.0.0/16 -o pool.ipv6=fd65::/48
wait_for 5 grep -q 'is ready' "$LAB_DIR/other.log"
tse_start resolved -o steering.dns=yes
check "both domains of a TSCF that is in neither" \
	wait_for 5 was_told 'resolvectl domain tse0 ~ims.example.org ~example.com'
lab_tscfctl drain --to tscf.example.com:8443 >/dev/null
check "moved to a TSCF that is in one of them: the other one alone" \
	wait_for 5 was_told 'resolvectl domain tse0 ~ims.example.org'
check "and the log says why" grep -q 'DNS domain example.com is not used: .*TSCF' "$LAB_DIR/tse.log"
lab_stop tse
lab_stop other
lab_wait 5 tscfd || true
lab_firewall strict
lab_tscfd_start "${dns[@]}"

# ------------------------------------------------------------------ openresolv

tse_start none "${narrow[@]}"
check "openresolv: private servers" wait_for 5 was_told 'resolvconf -p -a tse0.tse'
check "openresolv: of that domain" was_told 'search ims.example.org'
check "openresolv: the server, IPv4" was_told "nameserver $server4"
check "openresolv: the server, IPv6" was_told "nameserver $server6"
lab_stop tse
check "stopped: undone" wait_for 5 forgets 'resolvconf -f -d tse0.tse'

tse_start none "${narrow[@]}"
check "openresolv: told" wait_for 5 was_told 'resolvconf -p -a tse0.tse'
lab_stop tse KILL || true
check "killed: undone" wait_for 5 forgets 'resolvconf -f -d tse0.tse'

# --------------------------------------------------- a resolvconf that cannot

fake resolvconf ''
tse_start none "${narrow[@]}"
check "the other resolvconf, which would send it all queries, is not used: the log says so" \
	wait_for 5 grep -q 'tse-dns failed with exit status 69' "$LAB_DIR/tse.log"
is "$(cat "$told")" "" "and it was told nothing"
lab_stop tse
tap_done
