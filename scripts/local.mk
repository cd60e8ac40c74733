# The scripts that are installed, and those that work on the tree.
EXTRA_DIST += scripts/bench scripts/bench-voice scripts/build-wolfssl scripts/check
EXTRA_DIST += scripts/demo scripts/dependencies scripts/lint scripts/quickstart

if CLIENT
dist_sbin_SCRIPTS += scripts/tse-up scripts/tse-down

# tse's own hooks.
ownhooksdir = $(pkglibexecdir)/hooks.d
dist_ownhooks_SCRIPTS = scripts/tse-dns
endif
if SERVER
dist_sbin_SCRIPTS += scripts/tscf-pki
endif
