# Pure code: unit tests link this library alone, so that the linker tells when
# something in it reaches for a socket or a clock.
noinst_LIBRARIES += libcore.a
libcore_a_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS)
libcore_a_SOURCES = \
	src/core/address.c \
	src/core/address.h \
	src/core/backoff.c \
	src/core/backoff.h \
	src/core/base64.c \
	src/core/base64.h \
	src/core/classify.c \
	src/core/classify.h \
	src/core/codel.c \
	src/core/codel.h \
	src/core/config.c \
	src/core/config.h \
	src/core/config_fault.c \
	src/core/config_fault.h \
	src/core/config_lines.c \
	src/core/config_lines.h \
	src/core/config_list.c \
	src/core/config_names.c \
	src/core/config_names.h \
	src/core/config_secret.c \
	src/core/config_standard.c \
	src/core/config_value.c \
	src/core/config_value.h \
	src/core/control.h \
	src/core/control_decode.c \
	src/core/control_encode.c \
	src/core/control_table.c \
	src/core/control_table.h \
	src/core/counters.c \
	src/core/counters.h \
	src/core/envelope.c \
	src/core/envelope.h \
	src/core/keepalive.c \
	src/core/keepalive.h \
	src/core/octets.h \
	src/core/offload.c \
	src/core/offload.h \
	src/core/packet.c \
	src/core/packet.h \
	src/core/packet_icmp.c \
	src/core/pool.c \
	src/core/pool.h \
	src/core/pool_range.c \
	src/core/pool_range.h \
	src/core/reason.c \
	src/core/reason.h \
	src/core/sched.c \
	src/core/sched.h \
	src/core/segment.c \
	src/core/sip_dns.c \
	src/core/sip_dns.h \
	src/core/sip_request.c \
	src/core/siphash.c \
	src/core/siphash.h \
	src/core/slab.c \
	src/core/slab.h \
	src/core/text.c \
	src/core/text.h \
	src/core/transport.h \
	src/core/tscfd_config.c \
	src/core/tscfd_config.h \
	src/core/tse_config.c \
	src/core/tse_config.h
