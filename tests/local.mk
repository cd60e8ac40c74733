# Unit tests link the pure library alone; io tests link what they test; shell
# tests speak TAP and use real network namespaces.

EXTRA_DIST += tests/netns tests/tools tests/fuzz tests/bench tests/io/make-certs

TEST_EXTENSIONS = .sh
SH_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = BUILD='$(abs_top_builddir)' SOURCE='$(abs_top_srcdir)'; export BUILD SOURCE;

NETNS_TESTS = \
	tests/netns/pki.sh \
	tests/netns/firewall.sh \
	tests/netns/call.sh
dist_check_SCRIPTS = $(NETNS_TESTS)

if CUNIT
check_LIBRARIES += libunit.a
libunit_a_SOURCES = tests/unit/unit.c tests/unit/unit.h
libunit_a_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)

