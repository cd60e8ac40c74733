#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Networks in which step 1 passes, wholly or in part: open ones, those with a NAT,
# and those that block the SIP ports or media.  Nothing is tunnelled that need not
# be, and TLS is not even tried before step 1 has failed.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./access.sh

[ -z "$(lab_missing; access_missing)" ] || tap_skip_all "$({ lab_missing; access_missing; } | head -n 1)"
tap_begin lab_down
lab_need_build
access_up

readonly answered='step 1 sip +passed +UDP 10\.99\.0\.10 port 5060.*200'

test_open() {
	visit "open" open
	finds 0 none direct none
	says "$answered" 'step 1 nat +passed' 'verdict +direct: IMS passes' 'next step +Nothing to do'
	tried sip nat
	check "open: an app registers, without a tunnel" lab_register ue alice 4
	leave

	visit "open, and media does not matter" open -o traversal.require-media=no
	finds 0 none direct none
	tried sip
	leave

	visit "open, and the P-CSCF has IPv6" open -o "traversal.p-cscf=$LAB_PCSCF6"
	finds 0 none direct none
	says "step 1 sip +passed +UDP $LAB_PCSCF6 port 5060"
	tried sip nat
	leave

	visit "open, steps overlap" open -o traversal.overlap=yes
	finds 0 none direct none
	refuse "open, steps overlap: what began early is not used" \
		in_ns ue ip route show table 24322
	leave

	visit "behind a NAT" nat
	finds 0 nat direct none
	says "$answered" 'step 1 nat +passed' 'verdict +direct'
	tried sip nat
	check "behind a NAT: an app registers, without a tunnel" lab_register ue alice 4
	leave
}

# blocks_media NAME FIREWALL SIP-PATTERN: media is blocked, and the tunnel helps.
blocks_media() {
	visit "$1" "$2"
	finds 0 strict tunnel direct
	says "$3" 'step 1 nat +failed .*media cannot pass' 'step 2 tls +passed .*port 443'
	tried sip nat tls
	check "$1: an app registers through the tunnel" lab_register ue alice 4
	leave
}

test_media() {
	local by_tcp='step 1 sip +passed'
	blocks_media "UDP vanishes" no-udp "$by_tcp"
	blocks_media "UDP is rejected" no-udp-reject "$by_tcp"
	blocks_media "media vanishes" no-media "$answered"
	blocks_media "media is rejected" no-media-reject "$answered"

	visit "media is blocked, and does not matter" no-media -o traversal.require-media=no
	finds 0 none direct none
	tried sip
	leave

	visit "media is blocked, and there is no TSCF" no-media-reject -o "tscf.server=$LAB_TSCF4:444"
	finds 16 strict media-blocked ""
	says "$answered" 'step 1 nat +failed' 'step 2 tls +failed .*refused' \
		'verdict +media-blocked: signalling passes' 'next step +Ask .* to allow UDP'
	tried sip nat tls portal
	leave
}

test_sip_ports() {
	local mode
	for mode in no-sip no-sip-reject; do
		visit "SIP ports are blocked ($mode)" "$mode"
		finds 0 strict tunnel direct
		says 'step 1 sip +failed' 'step 1 nat +passed' 'step 2 tls +passed'
		tried sip nat tls
		check "$network: an app registers through the tunnel" lab_register ue alice 4
		leave
	done
}

# A private address belongs to whoever owns this network: it is not asked.
test_private() {
	visit "the P-CSCF has a private address" open -o traversal.direct=no
	finds 0 unknown tunnel direct
	says 'step 1 sip +skipped .*private address' 'step 2 tls +passed'
	tried nat tls
	like "$(access_json .next_step)" 'direct = yes' "$network: the next step names the setting"
	leave
}

# What an app has seen counts more than every probe.
test_reports() {
	visit "open, but an app cannot register" open
	finds 0 none direct none
	check "$network: it says so" lab_tsectl alice report failed
	check "$network: a tunnel is built" wait_for 5 access_is strict tunnel direct
	like "$(access_json '.steps[0] | "\(.state) \(.cause)"')" '^failed report$' \
		"$network: and the report is the reason given"
	leave

	network="nothing answers the probes, but an app can register"
	lab_firewall proxy
	access_options_now=("${access_options[@]}" -o traversal.require-media=no
		-o traversal.sip-timeout=8s)
	spawn_tse
	check "$network: it says so" wait_for 5 lab_tsectl alice report ok
	check "$network: that is believed" wait_for 5 access_is none direct none
	leave
}

test_open
test_media
test_sip_ports
test_private
test_reports
tap_done
