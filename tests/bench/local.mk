# Both daemons without TLS, for scripts/bench: make tests/bench/null/tse
# tests/bench/null/tscfd.  What null_tls.o defines is not taken from libio.a;
# `make check` links them too, so that they stay complete.
if CLIENT
check_PROGRAMS += tests/bench/null/tse
tests_bench_null_tse_SOURCES = tests/bench/null_tls.c
tests_bench_null_tse_LDADD = $(tse_OBJECTS) $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)
endif

if SERVER
check_PROGRAMS += tests/bench/null/tscfd
tests_bench_null_tscfd_SOURCES = tests/bench/null_tls.c
tests_bench_null_tscfd_LDADD = $(tscfd_OBJECTS) $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)
endif

# An experiment, which needs liburing: make tests/bench/uring
EXTRA_PROGRAMS += tests/bench/uring
tests_bench_uring_LDADD = libio.a libcore.a -luring
