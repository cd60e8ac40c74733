#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. ./tap.sh
# shellcheck source-path=SCRIPTDIR
. ./lab.sh
# shellcheck source-path=SCRIPTDIR
. ./access.sh

[ -z "$(lab_missing; access_missing)" ] || tap_skip_all "$(lab_missing | head -n 1)"
tap_begin lab_down
lab_need_build
access_up
for m in open nat no-udp no-udp-reject no-sip no-sip-reject no-media no-media-reject strict reject strict-reject proxy proxy-reject; do
date +%T.%N
visit $m $m
lab_capture_stop || true
diag "$status" "$said"
diag "$(attempts)"
if [ $status = 0 ]; then diag "$(cat $LAB_DIR/run/alice/state)"; fi
leave
done
tap_done
