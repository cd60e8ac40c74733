#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Beside the real systemd-resolved, openresolv, NetworkManager and systemd-networkd:
# names go where they belong, and nobody takes the tunnel's interface, rules and
# routes away, or tse puts them back.
#
# They run without their service manager, in the UE's network and in a mount
# namespace with /run, /etc, /usr and /var/lib of its own, as root of nothing else.
# What must not be installed on this machine is unpacked from its packages; /sys is
# read-only as in a container, so that they do not wait for udev.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh

[ -z "$(lab_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
for program in dnsmasq dbus-daemon /lib/systemd/systemd-networkd; do
	command -v "$program" >/dev/null || tap_skip_all "needs $program (see scripts/dependencies)"
done
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
	tap_skip_all "needs overlayfs, to put programs beside the system's"
packages=$BUILD/coexist-packages
tap_begin lab_down
lab_need_build
unpacked=yes
"$lab_top/scripts/dependencies" --unpack "$packages" coexist >&2 || unpacked=no
lab_up
lab_pki alice
lab_firewall strict
libexec=$LAB_DIR/libexec
mkdir "$libexec"
install -m 755 "$lab_top/scripts/tse-dns" "$libexec/tse-dns"

# ------------------------------------------------------------- the UE's system

# host_up PACKAGE...: a system on which these are installed, beside what is here.
host_up() {
	local package lower=
	for package; do
		lower+=$packages/$package/usr:
	done
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_spawn ue host unshare --mount --uts sh -ec '
		mount -t tmpfs tmpfs /run
		umount /etc/hosts /etc/resolv.conf
		over() {
			mkdir -p "/run/over/$1/upper" "/run/over/$1/work"
			mount -t overlay overlay -o "lowerdir=$2,upperdir=/run/over/$1/upper,workdir=/run/over/$1/work" "$2"
		}
		mkdir -p /run/over/usr/upper /run/over/usr/work
		mount -t overlay overlay \
			-o "lowerdir=$1/usr,upperdir=/run/over/usr/upper,workdir=/run/over/usr/work" /usr
		over etc /etc
		over lib /var/lib
		mount -o remount,ro /sys
		rm -f /etc/resolv.conf
		echo "127.0.0.1 localhost" >/etc/hosts
		mkdir -p /run/dbus /run/systemd /run/ready
		exec sleep infinity' sh "$lower"
	wait_for 10 host test -d /run/ready || lab_fail "no system: $(cat "$LAB_DIR/host.log")"
}

host() {
	in_ns ue nsenter --target "$(lab_pid host)" --mount --uts -- "$@"
}

host_spawn() {
	local name=$1
	shift
	lab_spawn ue "$name" nsenter --target "$(lab_pid host)" --mount --uts -- "$@"
}

host_down() {
	lab_stop tse || true
	lab_stop monitor || true
	local name
	for name; do
		lab_stop "$name" || true
	done
	lab_stop host KILL || true
}

# host_write FILE: from stdin.
host_write() {
	host sh -c 'mkdir -p "${1%/*}" && cat >"$1"' sh "$1"
}

# host_install SOURCE DIRECTORY: as `make install` does.
host_install() {
	host install -D -m 644 -t "$2" "$lab_top/etc/$1"
}

bus_start() {
	host_spawn bus dbus-daemon --system --nofork --nopidfile
	wait_for 5 host test -S /run/dbus/system_bus_socket || lab_fail "no D-Bus"
}

# The TSCF's name has an IPv4 address only where its path shall not change.
know_tscf() {
	host_write /etc/hosts <<<"127.0.0.1 localhost
$LAB_TSCF4 $LAB_NAME"
}

tse_start() {
	host_spawn tse "$BUILD/tse" --foreground --config "$LAB_DIR/alice.conf" \
		--run-dir "$LAB_DIR/run" --state-dir "$LAB_DIR/state" --own-hooks-dir "$libexec" "$@"
	tse_is_up || lab_fail "no tunnel: $(tail -n 1 "$LAB_DIR/tse.log")"
}

tse_is_up() {
	wait_for 10 lab_tsectl alice status
}

# ------------------------------------------------------- what the kernel holds

# All that is tse's, but for the outer addresses, which follow the path.
kernel() {
	local ue=$LAB_TAG-ue family
	for family in -4 -6; do
		ip -n "$ue" "$family" rule show | grep -E '^2432[0-9]:' || true
		ip -n "$ue" "$family" route show table 24322 | grep -v '^throw' || true
		ip -n "$ue" "$family" -o address show dev tse0 scope global | sed 's/^[0-9]*: //' || true
	done
	ip -n "$ue" -o link show tse0 | grep -o 'mtu [0-9]*'
}

kernel_is() {
	[ "$(kernel)" = "$1" ]
}

# What happens from now on; the events of a marker tell that it has begun.  It has
# tse's protocol, or tse would take it for another network.
monitor_start() {
	lab_stop monitor || true
	lab_spawn ue monitor stdbuf -oL ip -o monitor link address route rule
	wait_for 5 monitor_hears
}

monitor_hears() {
	in_ns ue ip route add unreachable 127.7.7.7 table 77 proto 243
	in_ns ue ip route delete unreachable 127.7.7.7 table 77 proto 243
	grep -q '127\.7\.7\.7' "$LAB_DIR/monitor.log"
}

# What somebody has deleted of it, since monitor_start.
deleted() {
	grep -aE '^Deleted .*(tse0|table 24322|lookup 24322)' "$LAB_DIR/monitor.log" || true
}

passes() {
	in_ns ue ping -q -c 1 -W 1 "$LAB_PCSCF4" && in_ns ue ping -q -c 1 -W 1 "$LAB_PCSCF6"
}

# nobody_touched DESCRIPTION STATE: tse0 is as it was, and was so all the time.
nobody_touched() {
	check "$1: the tunnel passes packets" wait_for 5 passes
	is "$(deleted)" "" "$1: nothing of tse0, its rules and routes was deleted"
	is "$(kernel)" "$2" "$1: all is as it was"
}

# ------------------------------------------------------------------------ names

# Of two worlds: one before the firewall, the other behind the tunnel.
name_servers_start() {
	local common=(dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv
		--user=root --pid-file= --bind-interfaces --log-queries --log-facility=-)
	lab_spawn access names-outside "${common[@]}" --listen-address="$LAB_PROXY4" \
		--local=/example.net/ --local=/ims.example.org/ \
		--host-record="$LAB_NAME,$LAB_TSCF4" --host-record=www.example.net,203.0.113.1
	lab_spawn core names-inside "${common[@]}" --listen-address="$LAB_PCSCF4,$LAB_PCSCF6" \
		--local=/ims.example.org/ --local=/example.net/ --host-record="pcscf.ims.example.org,$LAB_PCSCF4"
	wait_for 5 knows access "$LAB_PROXY4" && wait_for 5 knows core "$LAB_PCSCF4"
}

# What was asked before does not count.
name_servers_restart() {
	lab_stop names-outside
	lab_stop names-inside
	name_servers_start
}

knows() {
	[ -n "$(in_ns "$1" ss -Huln "src $2:53")" ]
}

# asked inside|outside NAME
asked() {
	grep -q "query\[[^]]*\] $2 " "$LAB_DIR/names-$1.log"
}

# An app's way, by /etc/resolv.conf.
finds() {
	[ "$(host timeout 5 getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }')" = "$2" ]
}

finds_ims() {
	finds pcscf.ims.example.org "$LAB_PCSCF4"
}

lacks_ims() {
	! finds_ims
}

# names_are_separate PROGRAM
names_are_separate() {
	check "$1: a name of the IMS domain is found" wait_for 5 finds_ims
	check "$1: and another one" finds www.example.net 203.0.113.1
	check "$1: the TSCF's own" finds "$LAB_NAME" "$LAB_TSCF4"
	check "$1: the IMS name was asked through the tunnel" asked inside pcscf.ims.example.org
	refuse "$1: not outside" asked outside pcscf.ims.example.org
	refuse "$1: the other one was not asked through the tunnel" asked inside www.example.net
	refuse "$1: nor was the TSCF's own" asked inside "$LAB_NAME"
}

readonly -a offered=(-o "ims.dns=$LAB_PCSCF4, $LAB_PCSCF6" -o 'ims.domain=ims.example.org, example.net')

link_shows() {
	host resolvectl status tse0 | grep -E "$1" >/dev/null
}

link_shows_nothing() {
	! host resolvectl status tse0 | grep -E 'DNS Servers|DNS Domain' >/dev/null
}

resolved_start() {
	host install -d -o systemd-resolve -g systemd-resolve /run/systemd/resolve
	host rm -f /run/systemd/resolve/io.systemd.Resolve
	host_spawn resolved /lib/systemd/systemd-resolved
	wait_for 5 host test -S /run/systemd/resolve/io.systemd.Resolve || lab_fail "no systemd-resolved"
	wait_for 5 host resolvectl status || lab_fail "systemd-resolved does not answer"
}

test_resolved() {
	host_up systemd-resolved
	host systemd-sysusers >/dev/null 2>&1
	# All other settings are the distribution's: LLMNR and mDNS are on.
	host_write /etc/systemd/resolved.conf.d/test.conf <<<"[Resolve]
DNS=$LAB_PROXY4
DNSSEC=no"
	host ln -s /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
	bus_start
	resolved_start

	tse_start
	refuse "resolved: without dns = yes the name is not found" finds_ims
	lab_stop tse
	host resolvectl flush-caches
	name_servers_restart

	tse_start -o steering.dns=yes
	check "resolved: the link has the servers" wait_for 5 link_shows "DNS Servers: $LAB_PCSCF4 $LAB_PCSCF6"
	check "resolved: and the domain, for routing, without the TSCF's" \
		wait_for 5 link_shows 'DNS Domain: ~ims.example.org$'
	check "resolved: and is nobody's default" wait_for 5 link_shows 'Protocols: -DefaultRoute'
	like "$(host resolvectl query pcscf.ims.example.org 2>&1)" 'link: tse0' "resolved: so it answers from there"
	names_are_separate resolved
	test_no_multicast

	lab_stop resolved
	resolved_start
	check "resolved, restarted: it knows the link's still" link_shows '~ims.example.org'

	lab_stop resolved
	host sh -c 'rm -f /run/systemd/resolve/netif/*'
	resolved_start
	check "resolved, one that has never heard of the link: knows nothing" link_shows_nothing
	kill -HUP "$(lab_pid tse)"
	check "resolved: after SIGHUP it knows" wait_for 5 link_shows '~ims.example.org'

	lab_stop tscfd KILL || true
	check "resolved: the tunnel is lost: undone" wait_for 15 link_shows_nothing
	lab_tscfd_start "${offered[@]}"
	check "resolved: and back: set again" wait_for 30 link_shows '~ims.example.org'
	check "resolved: the name is found again" wait_for 5 finds_ims
	refuse "resolved: the TSCF's own was never asked through the tunnel" asked inside "$LAB_NAME"
	lab_stop tse
	check "resolved: stopped: the name is not found" wait_for 5 lacks_ims

	# One that stays when its process has gone.
	in_ns ue ip tuntap add dev tse0 mode tun
	tse_start -o steering.dns=yes
	check "resolved, an interface made beforehand: set" wait_for 5 link_shows '~ims.example.org'
	lab_stop tse KILL || true
	check "killed: the interface is there" in_ns ue ip link show tse0
	check "killed: undone on it" wait_for 5 link_shows_nothing
	check "killed: the name is not found" wait_for 5 lacks_ims
	in_ns ue ip link delete tse0
	host_down resolved bus
}

# Who looks for a name by multicast does not do it on our interface.
test_no_multicast() {
	like "$(host resolvectl status access)" 'Current Scopes: .*LLMNR' "resolved: the other link has LLMNR"
	check "resolved: tse0 has DNS alone" link_shows 'Current Scopes: DNS$'
	in_ns ue ip link set tse0 multicast on
	check "because it has no multicast" wait_for 5 link_shows 'Current Scopes: .*LLMNR'
	in_ns ue ip link set tse0 multicast off
}

# With dnsmasq as its local resolver, for private servers need one.
test_openresolv() {
	host_up openresolv
	host_write /etc/resolvconf.conf <<-'END'
		resolv_conf=/etc/resolv.conf
		name_servers=127.0.0.1
		dnsmasq_conf=/run/dnsmasq/servers
		dnsmasq_resolv=/run/dnsmasq/resolv.conf
		dnsmasq_restart='kill -HUP $(cat /run/dnsmasq.pid)'
	END
	host install -d /run/dnsmasq
	host touch /run/dnsmasq/servers /run/dnsmasq/resolv.conf
	host_spawn dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --user=root \
		--pid-file=/run/dnsmasq.pid --bind-interfaces --listen-address=127.0.0.1 --cache-size=0 --log-facility=- \
		--servers-file=/run/dnsmasq/servers --resolv-file=/run/dnsmasq/resolv.conf
	wait_for 5 host test -s /run/dnsmasq.pid
	host resolvconf -a access <<<"nameserver $LAB_PROXY4"
	check "openresolv: names are found without a tunnel" wait_for 5 finds www.example.net 203.0.113.1
	name_servers_restart

	tse_start -o steering.dns=yes
	check "openresolv: has our record" wait_for 5 host resolvconf -l tse0.tse
	check "openresolv: and has told the local resolver" \
		wait_for 5 grep -q 'for domain ims.example.org' "$LAB_DIR/dnsmasq.log"
	names_are_separate openresolv
	is "$(host grep ^nameserver /etc/resolv.conf)" "nameserver 127.0.0.1" "openresolv: resolv.conf names no server of ours"
	lab_stop tse
	check "openresolv: stopped: the record is gone" wait_for 5 refuses host resolvconf -l tse0.tse
	check "openresolv: the name is not found" wait_for 5 lacks_ims

	tse_start -o steering.dns=yes
	check "openresolv: and again" wait_for 5 finds_ims
	lab_stop tse KILL || true
	check "openresolv: killed: the name is not found" wait_for 5 lacks_ims
	refuse "openresolv: the record is gone" host resolvconf -l tse0.tse
	host_down dnsmasq
}

refuses() {
	! "$@"
}

# The other program by that name.
test_debian_resolvconf() {
	host_up resolvconf
	know_tscf
	tse_start -o steering.dns=yes
	check "Debian's resolvconf, which would send it all queries: the log says that it is not used" \
		wait_for 5 grep -q 'tse-dns failed with exit status 69' "$LAB_DIR/tse.log"
	host_down
}

# --------------------------------------------------------------- NetworkManager

device_is() {
	[ "$(host nmcli -g GENERAL.STATE device show "$1" | sed 's/^[0-9]* (\(.*\))$/\1/')" = "$2" ]
}

network_manager_start() {
	host_spawn nm NetworkManager --no-daemon
	wait_for 10 device_is access connected || lab_fail "NetworkManager does not connect"
}

test_network_manager() {
	host_up network-manager libnm0 libndp0 libteamdctl0 libbluetooth3 libmm-glib0 libcurl3-gnutls libpsl5
	know_tscf
	host_write /etc/NetworkManager/NetworkManager.conf <<-'END'
		[main]
		plugins=keyfile
		dns=none
		hostname-mode=none
		auth-polkit=root-only
		no-auto-default=*
	END
	host mkdir -p /run/NetworkManager
	bus_start
	host_spawn nm NetworkManager --no-daemon
	wait_for 10 host nmcli general || lab_fail "no NetworkManager: $(tail -n 3 "$LAB_DIR/nm.log")"
	check "NetworkManager makes the UE's connection" host nmcli connection add type ethernet \
		ifname access con-name outer autoconnect yes \
		ipv4.method manual ipv4.addresses 198.51.100.2/24 ipv4.gateway "$LAB_PROXY4" \
		ipv6.method manual ipv6.addresses 2001:db8:2::2/64 ipv6.gateway "$LAB_PROXY6"
	check "and brings it up" host nmcli connection up outer

	tse_start
	local before
	before=$(kernel)
	check "without the drop-in it takes tse0 for a connection that somebody else made" \
		wait_for 5 device_is tse0 'connected (externally)'
	monitor_start
	host nmcli device disconnect tse0 >/dev/null || true
	check "and whoever disconnects that deletes its addresses" wait_for 5 deleted_like 'tse0 +inet '
	check "tse puts them back within a second" wait_for 1 kernel_is "$before"
	check "and packets pass" wait_for 5 passes
	lab_stop nm

	host_install NetworkManager/90-tscf.conf /etc/NetworkManager/conf.d
	monitor_start
	network_manager_start
	check "with the drop-in tse0 is unmanaged" wait_for 5 device_is tse0 unmanaged
	refuse "and cannot be disconnected" host nmcli device disconnect tse0
	nobody_touched "NetworkManager, restarted" "$before"
	host nmcli connection modify outer +ipv4.addresses 198.51.100.77/24 ipv4.route-metric 50
	check "its own connection is changed" host nmcli connection up outer
	nobody_touched "NetworkManager, its connection changed" "$before"
	lab_stop tse
	tse_start
	check "a tse0 that comes later is unmanaged" wait_for 5 device_is tse0 unmanaged
	host_down nm bus
}

# ------------------------------------------------------------- systemd-networkd

networkd_start() {
	host_spawn networkd /lib/systemd/systemd-networkd
	wait_for 10 link_is access configured || lab_fail "networkd: $(tail -n 3 "$LAB_DIR/networkd.log")"
}

# link_is LINK SET-UP
link_is() {
	[ "$(host networkctl list --no-legend --no-pager "$1" | awk '{ print $NF }')" = "$2" ]
}

test_networkd() {
	host_up
	know_tscf
	host_write /etc/systemd/network/50-access.network <<-END
		[Match]
		Name=access
		[Network]
		Address=198.51.100.2/24
		Gateway=$LAB_PROXY4
		Address=2001:db8:2::2/64
		Gateway=$LAB_PROXY6
		IPv6AcceptRA=no
		LinkLocalAddressing=no
	END
	host install -d -o systemd-network -g systemd-network /run/systemd/netif
	in_ns ue ip address flush dev access
	bus_start
	networkd_start

	tse_start
	local before
	before=$(kernel)
	monitor_start
	host networkctl reconfigure access
	check "without the drop-in networkd deletes our rules" wait_for 5 deleted_like 'lookup 24322'
	check "and our unreachable routes" wait_for 5 deleted_like 'unreachable .*table 24322'
	check "tse puts them back within a second" wait_for 1 kernel_is "$before"
	host_write /etc/systemd/network/90-all.network <<<"[Match]
Name=*
[Network]
DHCP=no"
	monitor_start
	host networkctl reload
	check "where a file matches every name, it takes tse0, too" wait_for 5 deleted_like 'tse0 +inet '
	check "tse puts that back within a second" wait_for 1 kernel_is "$before"
	check "and packets pass" wait_for 5 passes

	lab_stop tse
	lab_stop networkd
	host_install networkd/90-tscf.conf /usr/local/lib/systemd/networkd.conf.d
	host_install networkd/05-tscf.network /usr/local/lib/systemd/network
	networkd_start
	tse_start
	before=$(kernel)
	check "with the drop-ins tse0 is unmanaged" wait_for 5 link_is tse0 unmanaged
	monitor_start
	local since
	since=$(lab_state alice SINCE)
	lab_stop networkd
	networkd_start
	nobody_touched "networkd, restarted" "$before"
	is "$(lab_state alice SINCE)" "$since" "and that it gave the same addresses again is no new network"
	host networkctl reconfigure access
	wait_for 5 link_is access configured
	nobody_touched "networkd, its link set up anew" "$before"
	host networkctl reload
	nobody_touched "networkd, its files read again" "$before"
	host_down networkd bus
}

deleted_like() {
	grep -aqE "^Deleted .*$1" "$LAB_DIR/monitor.log"
}

name_servers_start
lab_tscfd_start "${offered[@]}"
if [ "$unpacked" = yes ]; then
	test_resolved
	test_openresolv
	test_debian_resolvconf
	test_network_manager
else
	skip "systemd-resolved, openresolv, NetworkManager" "their packages cannot be downloaded, and are not in $packages"
fi
test_networkd
tap_done
