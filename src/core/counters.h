/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Named counters.  Every packet that is dropped increments exactly one of the
 * DROP_ ones; the names are what people, JSON and metrics see. */
#ifndef TSCF_CORE_COUNTERS_H
#define TSCF_CORE_COUNTERS_H

#include <stdint.h>

/* X(symbol, name, help) */
#define COUNTERS(X)                                                                                \
	X(PACKETS_UP, "packets_up", "packets sent from the UE towards the IMS core")               \
	X(PACKETS_DOWN, "packets_down", "packets sent from the IMS core towards the UE")           \
	X(OCTETS_UP, "octets_up", "octets of those packets, UE to core")                           \
	X(OCTETS_DOWN, "octets_down", "octets of those packets, core to UE")                       \
	X(PACKETS_MERGED, "packets_merged",                                                        \
		"of those received, written to the TUN in larger ones")                            \
	X(PACKETS_CUT, "packets_cut", "of those sent, cut out of larger ones")                     \
	X(MEDIA_UP, "media_up", "packets of audio and video for the IMS core, as offered or come") \
	X(MEDIA_DOWN, "media_down", "packets of audio and video for the UE, as offered or come")   \
	X(COPIES_SENT, "copies_sent", "copies of audio packets sent on a second lane")             \
	X(KEEPALIVES_SENT, "keepalives_sent", "Keep-alive Requests sent")                          \
	X(KEEPALIVES_ANSWERED, "keepalives_answered", "Keep-alive Responses received")             \
	X(UNEXPECTED_CONTROL, "unexpected_control", "control messages that nobody asked for")      \
	X(UNKNOWN_ENVELOPES, "unknown_envelopes", "envelopes of an unknown type, skipped")         \
	X(DROP_NOT_IP, "drop_not_ip", "read from the TUN, but not one whole IP packet")            \
	X(DROP_BAD_SOURCE, "drop_bad_source", "inner source is not the lease")                     \
	X(DROP_BAD_DESTINATION, "drop_bad_destination", "inner destination is no IMS route")       \
	X(DROP_OTHER_CLIENT, "drop_other_client", "inner destination is another client")           \
	X(DROP_LINK_LOCAL, "drop_link_local", "link-local or multicast, not for the tunnel")       \
	X(DROP_NO_TUNNEL, "drop_no_tunnel", "no living tunnel for that destination")               \
	X(DROP_TOO_BIG, "drop_too_big", "larger than the inner MTU; the sender was told")          \
	X(DROP_STALE, "drop_stale", "audio or video that could not have arrived in time")          \
	X(DROP_COPY, "drop_copy", "copies of audio that had come on another lane already")         \
	X(DROP_QUEUE_FULL, "drop_queue_full", "bulk beyond the octets a tunnel may queue")         \
	X(DROP_CODEL, "drop_codel", "bulk dropped by CoDel (RFC 8289)")                            \
	X(DROP_NO_MEMORY, "drop_no_memory", "no packet memory left")                               \
	X(DROP_CLOSED, "drop_closed", "still queued when the tunnel closed")                       \
	X(DROP_TUN_FULL, "drop_tun_full", "the kernel did not take it from us")                    \
	X(DROP_TUN_REFUSED, "drop_tun_refused", "the kernel refused it as a packet")               \
	X(DROP_PLAIN_CONTROL, "drop_plain_control", "not deliverable to a plain TS 24.322 peer")   \
	X(DROP_UNREAD, "drop_unread", "control messages to a peer that does not read them")

enum counter {
#define COUNTER_SYMBOL(symbol, name, help) COUNTER_##symbol,
	COUNTERS(COUNTER_SYMBOL)
#undef COUNTER_SYMBOL
		COUNTER_COUNT
};

/* Owned and written by one thread. */
struct counters {
	uint64_t value[COUNTER_COUNT];
};

static inline void counter_add(struct counters *counters, enum counter which, uint64_t amount)
{
	counters->value[which] += amount;
}

const char *counter_name(enum counter which);
const char *counter_help(enum counter which);
/* Adds every value of `more` to `total`. */
void counters_sum(struct counters *total, const struct counters *more);

#endif
