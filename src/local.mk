# The data path, linked by both daemons, and the programs themselves.
noinst_LIBRARIES += libtunnel.a
libtunnel_a_SOURCES = \
	src/delivery.c \
	src/delivery.h \
	src/handshake_queue.c \
	src/handshake_queue.h \
	src/lane.c \
	src/lane.h \
	src/lane_json.c \
	src/lane_json.h \
	src/lane_set.c \
	src/lane_set.h \
	src/realtime.c \
	src/realtime.h \
	src/realtime_json.c \
	src/realtime_json.h \
	src/stage.c \
	src/stage.h \
	src/tunnel.c \
	src/tunnel.h \
	src/tunnel_private.h \
	src/tunnel_read.c \
	src/tunnel_send.c

LIBRARIES_OURS = libtunnel.a libio.a libcore.a
LIBRARIES_BUT_PROXY = $(WOLFSSL_LIBS) $(LIBCRYPTO_LIBS) $(NL_LIBS) $(MNL_LIBS) $(CARES_LIBS) \
	$(INIH_LIBS) $(JANSSON_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(EV_LIBS)
LIBRARIES_THEIRS = $(LIBRARIES_BUT_PROXY) $(PROXY_LIBS)

# What tsectl and tscfctl share.
noinst_LIBRARIES += libctl.a
libctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libctl_a_SOURCES = \
	src/ctl/client.c \
	src/ctl/client.h \
	src/ctl/words.c \
	src/ctl/words.h

if CLIENT
sbin_PROGRAMS += tse
tse_SOURCES = \
	src/tse/client.c \
	src/tse/client.h \
	src/tse/client_private.h \
	src/tse/client_tunnel.c \
	src/tse/connection.c \
	src/tse/connection.h \
	src/tse/credentials.c \
	src/tse/credentials.h \
	src/tse/exit_status.h \
	src/tse/frail_network.c \
	src/tse/grant.c \
	src/tse/grant.h \
	src/tse/indicate.c \
	src/tse/indicate.h \
	src/tse/lanes.c \
	src/tse/lanes.h \
	src/tse/launch.c \
	src/tse/launch.h \
	src/tse/link_dns.c \
	src/tse/link_dns.h \
	src/tse/look.c \
	src/tse/look.h \
	src/tse/main.c \
	src/tse/move.c \
	src/tse/move.h \
	src/tse/negotiate.c \
	src/tse/negotiate.h \
	src/tse/options.c \
	src/tse/options.h \
	src/tse/peers.c \
	src/tse/peers.h \
	src/tse/place.c \
	src/tse/place.h \
	src/tse/plain.c \
	src/tse/plain.h \
	src/tse/probing.c \
	src/tse/probing.h \
	src/tse/redact.c \
	src/tse/redact.h \
	src/tse/remember.c \
	src/tse/remember.h \
	src/tse/report.c \
	src/tse/report.h \
	src/tse/stall.c \
	src/tse/stall.h \
	src/tse/steer.c \
	src/tse/steer.h \
	src/tse/steer_beforehand.c \
	src/tse/steer_policy.c \
	src/tse/steer_policy.h \
	src/tse/steer_state.h \
	src/tse/steer_sync.c \
	src/tse/steer_wanted.c \
	src/tse/update.c \
	src/tse/update.h
tse_CPPFLAGS = $(AM_CPPFLAGS) $(NL_CFLAGS) $(JANSSON_CFLAGS) \
	-DOWN_HOOKS_DIR=\"$(pkglibexecdir)/hooks.d\"
tse_LDADD = $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)

bin_PROGRAMS += tsectl
tsectl_SOURCES = src/ctl/tsectl.c
tsectl_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tsectl_LDADD = libctl.a libio.a libcore.a $(JANSSON_LIBS) $(EV_LIBS)
endif

if SERVER
sbin_PROGRAMS += tscfd
tscfd_SOURCES = \
	src/tscfd/admin.c \
	src/tscfd/admin.h \
	src/tscfd/admin_drain.c \
	src/tscfd/answer.c \
	src/tscfd/answer.h \
	src/tscfd/calls.c \
	src/tscfd/calls.h \
	src/tscfd/drain.c \
	src/tscfd/drain.h \
	src/tscfd/identity.c \
	src/tscfd/identity.h \
	src/tscfd/inquiry.c \
	src/tscfd/inquiry.h \
	src/tscfd/join.c \
	src/tscfd/join.h \
	src/tscfd/listener.c \
	src/tscfd/listener.h \
	src/tscfd/mailbox.c \
	src/tscfd/mailbox.h \
	src/tscfd/main.c \
	src/tscfd/metrics.c \
	src/tscfd/metrics.h \
	src/tscfd/options.c \
	src/tscfd/options.h \
	src/tscfd/plain.c \
	src/tscfd/plain.h \
	src/tscfd/preflight.c \
	src/tscfd/preflight.h \
	src/tscfd/same_identity.c \
	src/tscfd/same_identity.h \
	src/tscfd/session_lane.c \
	src/tscfd/session_lane.h \
	src/tscfd/sessions.c \
	src/tscfd/sessions.h \
	src/tscfd/settings.c \
	src/tscfd/settings.h \
	src/tscfd/state.c \
	src/tscfd/state.h \
	src/tscfd/update.c \
	src/tscfd/update.h \
	src/tscfd/worker.c \
	src/tscfd/worker.h
tscfd_CPPFLAGS = $(AM_CPPFLAGS) $(NL_CFLAGS) $(JANSSON_CFLAGS) $(WOLFSSL_CFLAGS)
tscfd_LDADD = $(LIBRARIES_OURS) $(LIBRARIES_THEIRS)

sbin_PROGRAMS += tscfctl
tscfctl_SOURCES = src/ctl/tscfctl.c
tscfctl_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tscfctl_LDADD = libctl.a libio.a libcore.a $(JANSSON_LIBS) $(EV_LIBS)
endif
