# Both daemons without TLS, for scripts/bench: make tests/bench/null/tse
# tests/bench/null/tscfd.  What null_tls.o defines is not taken from libio.a;
# `make check` links them too, so that they stay complete.
if CLIENT
check_PROGRAMS += tests/bench/null/tse
tests_bench_null_tse_SOURCES = tests/bench/null_tls.c
tests_bench_null_tse_LDADD = $(tse_OBJECTS) $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)
EXTRA_tests_bench_null_tse_DEPENDENCIES = tse$(EXEEXT)
endif

if SERVER
check_PROGRAMS += tests/bench/null/tscfd
tests_bench_null_tscfd_SOURCES = tests/bench/null_tls.c
tests_bench_null_tscfd_LDADD = $(tscfd_OBJECTS) $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)
EXTRA_tests_bench_null_tscfd_DEPENDENCIES = tscfd$(EXEEXT)
endif

# An experiment, which needs liburing: make tests/bench/uring
EXTRA_PROGRAMS += tests/bench/uring
tests_bench_uring_LDADD = libio.a libcore.a -luring

# Built on request; `make bench` prints what each step of the data path costs.
BENCHMARKS = tests/bench/micro tests/bench/many tests/bench/tls_memory
EXTRA_PROGRAMS += $(BENCHMARKS)
CLEANFILES += $(BENCHMARKS)
tests_bench_micro_SOURCES = tests/bench/micro.c tests/unit/superpacket.c tests/unit/superpacket.h \
	tests/io/tls_pair.c tests/io/tls_pair.h
tests_bench_micro_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit -I$(top_srcdir)/tests/io
tests_bench_micro_LDADD = libio.a libcore.a $(LIBRARIES_THEIRS)
tests_bench_many_SOURCES = tests/bench/many.c \
	tests/bench/many_calls.c tests/bench/many_calls.h \
	tests/bench/many_server.c tests/bench/many_server.h \
	tests/bench/many_tunnel.c tests/bench/many_tunnel.h
tests_bench_many_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_bench_many_LDADD = libio.a libcore.a $(LIBRARIES_THEIRS)
tests_bench_tls_memory_CPPFLAGS = $(AM_CPPFLAGS) $(WOLFSSL_CFLAGS)
tests_bench_tls_memory_LDADD = libio.a libcore.a $(LIBRARIES_THEIRS)

.PHONY: bench
bench: $(BENCHMARKS)
	srcdir='$(srcdir)' tests/bench/micro --instructions
	@echo 'The whole tunnel beside other systems: scripts/bench (--quick); thousands of'
	@echo 'clients: tests/bench/many.sh; both as root.'
