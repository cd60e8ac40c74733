#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The manual and the programs say the same: options, configuration keys, exit
# statuses.  Needs no root; BUILD is where the programs are.
set -euo pipefail
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build}
# shellcheck source-path=SCRIPTDIR source=../netns/tap.sh
. "$SOURCE/tests/netns/tap.sh"
command -v mandoc >/dev/null || tap_skip_all "needs mandoc (see scripts/dependencies)"
tap_begin :

readonly scripts='tse-up tse-down tscf-pki'
readonly programs="tse tsectl tscfd tscfctl $scripts"

# The page of a program.
page() {
	echo "$SOURCE/man/$1.8"
}

# What a program says to --help.
help() {
	local path=$BUILD/$1
	[[ " $scripts " == *" $1 "* ]] && path=$SOURCE/scripts/$1
	"$path" --help
}

# section PAGE TITLE: its lines.
section() {
	awk -v title="$2" '/^\.Sh / { inside = $0 == ".Sh " title } inside' "$1"
}

sorted() {
	LC_ALL=C sort -u
}

# same GOT WANTED DESCRIPTION: two lists, of which only the difference is shown.
same() {
	local difference
	if difference=$(diff <(echo "$1") <(echo "$2")); then
		ok "$3"
	else
		not_ok "$3" "< got, > wanted" "$difference"
	fi
}

# ----------------------------------------------------------------- options

# "--long" and "-s", one in a line.
options_in_help() {
	help "$1" | grep -oE '(^|[[:space:],])--?[A-Za-z][a-z0-9-]*' | grep -oE -- '-.*' | sorted
}

# options_in_page PROGRAM list|synopsis: what stands behind Fl.  "Fl jp" is two
# of them.
options_in_page() {
	awk -v where="$2" '
		/^\.Sh / { synopsis = $2 == "SYNOPSIS" }
		where == "list" && /^\.It Fl / || where == "synopsis" && synopsis && /^\.(Op )?Fl / {
			fl = 0
			for (i = 1; i <= NF; i++) {
				if ($i ~ /^\.?Fl$/) { fl = 1; continue }
				if ($i == "Ar" || $i == "Cm" || $i == "Ns") { fl = 0; continue }
				if (!fl || $i == "," || $i == "|") continue
				if ($i ~ /^-/) print "-" $i
				else for (k = 1; k <= length($i); k++) print "-" substr($i, k, 1)
			}
		}' "$(page "$1")" | sorted
}

test_options() {
	local program in_help in_list
	for program in $programs; do
		in_help=$(options_in_help "$program") || in_help=
		in_list=$(options_in_page "$program" list)
		at_least "$(printf '%s\n' "$in_help" | grep -c -- --)" 2 "$program --help has options"
		same "$in_list" "$in_help" "$program: options of the page and of --help"
		is "$(comm -13 <(echo "$in_list") <(options_in_page "$program" synopsis))" "" \
			"$program: the synopsis has no others"
	done
}

# -------------------------------------------------------------------- keys

# "section.key" of a table of keys; with a pattern, of those that match it.
keys_in_table() {
	awk -v RS='KEY\\(' -v pattern="${2:-}" 'NR > 1 && $0 ~ pattern {
		split($0, word, "\"")
		if (word[1] == "") print word[2] "." word[4]
	}' "$1" | sorted
}

# One .It may have several keys.
keys_in_page() {
	awk '
		/^\.Ss \[/ { section = substr($2, 2, length($2) - 2) }
		/^\.Sh / { section = "" }
		section && /^\.It Ic / {
			for (i = 3; i <= NF && $i != "No"; i++)
				if ($i != ",") print section "." $i
		}' "$1" | sorted
}

# The names of those that the page says do nothing.
inert_in_page() {
	section "$1" "KEYS WITHOUT EFFECT YET" | awk '/^\.Ic / {
		for (i = 2; i <= NF && $i != "No"; i++)
			if ($i ~ /^[a-z]/) print $i
	}' | sorted
}

# "#key = value" and "key = value".
keys_in_example() {
	sed -nE 's/^\[(.*)\]$/[\1]/p; s/^#?([a-z0-9-]+) = .*/\1/p' "$1" |
		awk '/^\[/ { section = substr($0, 2, length($0) - 2); next } { print section "." $0 }' |
		sorted
}

# test_keys TABLE PAGE EXAMPLE
test_keys() {
	local table page=$SOURCE/man/$2
	table=$(keys_in_table "$SOURCE/src/core/$1")
	at_least "$(printf '%s\n' "$table" | wc -l)" 20 "$1 has keys"
	same "$(keys_in_page "$page")" "$table" "$2: its keys are those of $1"
	same "$(keys_in_example "$SOURCE/etc/$3")" "$table" "$3 has them all too"
	same "$(inert_in_page "$page")" \
		"$(keys_in_table "$SOURCE/src/core/$1" '[.]inert = true' | sed 's/.*[.]//' | sorted)" \
		"$2: which of them have no effect yet"
}

# ----------------------------------------------------------- exit statuses

# The items of a list, or the numbers in the text.
statuses_in_page() {
	local text
	text=$(section "$1" "EXIT STATUS")
	{
		printf '%s\n' "$text" | sed -nE 's/^\.It ([0-9]+)$/\1/p' | grep . ||
			printf '%s\n' "$text" | grep -v '^\.' | grep -oE '\b[0-9]+\b'
	} | sort -nu | xargs
}

# The members of an enum whose names begin with PREFIX.
statuses_in_enum() {
	sed -nE "s/^[[:space:]]*$2_[A-Z_]+ = ([0-9]+),.*/\1/p" "$SOURCE/src/$1" | sort -nu | xargs
}

# 0, 1, and what the constants say.
statuses_in_script() {
	{
		printf '0\n1\n'
		sed -n 's/^readonly exit_/exit_/p' "$SOURCE/scripts/$1" | grep -oE '=[0-9]+' | tr -d =
	} | sort -nu | xargs
}

test_statuses() {
	local tse
	tse=$(statuses_in_enum tse/exit_status.h STATUS)
	is "$(statuses_in_page "$(page tse)")" "$tse" "tse(8): exit statuses"
	is "$(statuses_in_page "$(page tse-up)")" "$tse" "tse-up(8): the same"
	is "$(statuses_in_page "$(page tscfd)")" "$(statuses_in_enum tscfd/main.c STATUS)" \
		"tscfd(8): exit statuses"
	is "$(statuses_in_page "$(page tsectl)")" "$(statuses_in_enum ctl/client.h CTL)" \
		"tsectl(8): exit statuses"
	is "$(statuses_in_page "$(page tscfctl)")" \
		"$(help tscfctl | sed -n '/^exit status/,$p' | grep -oE '\b[0-9]+\b' | xargs)" \
		"tscfctl(8): exit statuses"
	is "$(statuses_in_page "$(page tse-down)")" "$(statuses_in_script tse-down)" \
		"tse-down(8): exit statuses"
	is "$(statuses_in_page "$(page tscf-pki)")" "$(statuses_in_script tscf-pki)" \
		"tscf-pki(8): exit statuses"
}

# -------------------------------------------------------------------- pages

test_lint() {
	local page
	for page in "$SOURCE"/man/*.[1-9]; do
		is "$(mandoc -Tlint -W warning "$page")" "" "${page##*/}: mandoc finds nothing"
	done
}

# A page of ours that another one points to is there.
test_references() {
	local name number
	while read -r name number; do
		check "$name($number), which a page refers to" test -e "$SOURCE/man/$name.$number"
	done < <(sed -nE 's/^\.Xr ((tse|tsc)[a-z.-]*) ([0-9]).*/\1 \3/p' "$SOURCE"/man/*.[1-9] | sorted)
}

# The protocol's page knows every kind, tag and result that the code knows, and
# each page is installed.
test_protocol() {
	local page=$SOURCE/man/tscf.7 header=$SOURCE/src/core/control.h file
	is "$(sed -nE 's/^[[:space:]]*TAG_[A-Z0-9_]+ = (0x[0-9a-f]{2}),$/\1/p' "$header" | sorted | xargs)" \
		"$(sed -nE '/^\.Ss Tags/,/^\.Ss Results/s/^\.It (0x.*)/\1/p' "$page" |
			tr -d '+,' | xargs -n 1 | sorted | xargs)" "tscf(7): its tags are those of the code"
	is "$(sed -nE 's/^[[:space:]]*CONTROL_[A-Z]+_(REQUEST|RESPONSE|UPDATE) = ([0-9]),$/\2/p' "$header" | xargs)" \
		"$(sed -nE 's/^\.It ([0-9]+) Ta [A-Z].* Ta (TSE|TSCF|both) .*/\1/p' "$page" | xargs)" \
		"tscf(7): and its messages"
	is "$(sed -nE 's/^[[:space:]]*RESULT_[A-Z_]+ = ([0-9]+),.*/\1/p' "$header" | xargs)" \
		"$(sed -nE '/^\.Ss Results/,/^\.Ss A/s/^\.It ([0-9]+) Ta .*/\1/p' "$page" | xargs)" \
		"tscf(7): and its results"
	for file in "$SOURCE"/man/*.[1-9]; do
		like "$(cat "$SOURCE/man/local.mk")" "man/${file##*/}( |$)" "${file##*/} is installed"
	done
}

test_lint
test_protocol
test_references
test_options
test_keys tse_config.c tse.conf.5 tse.conf.example
test_keys tscfd_config.c tscfd.conf.5 tscfd.conf.example
test_statuses
tap_done
