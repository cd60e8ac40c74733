# SPDX-License-Identifier: GPL-3.0-or-later
# Called by scripts/bench-voice with `directory` and `output` set.
set terminal svg size 1000,900 font "sans-serif,13" background "white"
set output output
array name[4] = ["bare UDP", "tscf", "OpenVPN", "ocserv"]
array file[4] = ["plain", "tscf", "openvpn", "ocserv"]
array colour[4] = ["#999999", "#0060ad", "#dd8800", "#aa3377"]
set multiplot layout 2,1
set key outside right
set grid y

set title "Rating R of the worse direction (93: perfect, 80: satisfied, 60: poor)"
set style data histogram
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set yrange [0:95]
set xlabel "cell (scripts/bench-voice --list)"
plot for [i=1:4] directory."/ratings" using (column(i+1)):xtic(1) title name[i] linecolor rgb colour[i]

set title "One-way delay: share of a call's packets that arrived within (cells 1 to 5)"
set style data lines
set yrange [0:100]
set xrange [10:*]
set logscale x
set xlabel "ms"
set ylabel "%"
plot for [i=1:4] directory."/delay.".file[i] using 1:2 title name[i] linewidth 2 linecolor rgb colour[i]
unset multiplot
