# Linux: each file wraps one kernel facility or one library.
noinst_LIBRARIES += libio.a
libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(WOLFSSL_CFLAGS) $(LIBCRYPTO_CFLAGS) $(NL_CFLAGS) $(MNL_CFLAGS) \
	$(CARES_CFLAGS) $(JANSSON_CFLAGS) $(SECCOMP_CFLAGS) $(CAPNG_CFLAGS)
libio_a_SOURCES = \
	src/io/aead.c \
	src/io/aead.h \
	src/io/aead_libcrypto.c \
	src/io/aead_libcrypto.h \
	src/io/certificate.c \
	src/io/certificate.h \
	src/io/clock.h \
	src/io/control_connect.c \
	src/io/control_line.c \
	src/io/control_line.h \
	src/io/control_socket.c \
	src/io/control_socket.h \
	src/io/dial.c \
	src/io/dial.h \
	src/io/keeper.c \
	src/io/keeper.h \
	src/io/log.c \
	src/io/log.h \
	src/io/mark.c \
	src/io/mark.h \
	src/io/netlink.c \
	src/io/netlink.h \
	src/io/netlink_message.c \
	src/io/netlink_message.h \
	src/io/netlink_route.c \
	src/io/netmon.c \
	src/io/netmon.h \
	src/io/netns.c \
	src/io/netns.h \
	src/io/notify.c \
	src/io/notify.h \
	src/io/race.c \
	src/io/race.h \
	src/io/resolve.c \
	src/io/resolve.h \
	src/io/sandbox.c \
	src/io/sandbox.h \
	src/io/sandbox_filter.c \
	src/io/tls.c \
	src/io/tls.h \
	src/io/tls_context.c \
	src/io/tls_io.c \
	src/io/tls_private.h \
	src/io/tls_reason.c \
	src/io/tls_revocation.c \
	src/io/tls_session.c \
	src/io/tun.c \
	src/io/tun.h \
	src/io/tun_steering.c \
	src/io/tun_steering.h
