/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Control messages: the payload of a type-0x80 envelope.
 *
 *  +-------------------------------+---------------+---------------+
 *  |        Magic = 0x5453         |     Kind      |   Reserved    |
 *  +-------------------------------+---------------+---------------+
 *  |          Transaction          |  TLVs: tag(2) length(2) value ...
 *  +-------------------------------+
 *
 * Length counts the value only.  Bit 15 of a tag marks it critical.
 * Decoding allocates nothing: text and tokens stay views of the input. */
#ifndef TSCF_CORE_CONTROL_H
#define TSCF_CORE_CONTROL_H

#include <stdbool.h>

#include "core/address.h"
#include "core/octets.h"
#include "core/text.h" /* the predicates that the decoder applies to text */

enum {
	CONTROL_MAGIC = 0x5453,
	CONTROL_HEADER = 6,
	CONTROL_VERSION = 1,
	CONTROL_INSTANCE = 16,  /* octets of an instance id */
	CONTROL_TOKEN_MAX = 64, /* octets of a resume token or join key */
	CONTROL_TEXT_MAX = 256, /* octets of any text */
	/* Octets of a Keep-alive Request with a timestamp, and of its Response, each with
	 * the header of its envelope; any IP packet has more. */
	CONTROL_KEEPALIVE_LENGTH = 21,
	CONTROL_KEEPALIVE_BARE = 9, /* and without one */
	CONTROL_ROUTES_MAX = 64,    /* IMS routes, both families together */
	CONTROL_PCSCF_MAX = 16,
	CONTROL_DNS_MAX = 8,
	CONTROL_DOMAINS_MAX = 16,
	CONTROL_MTU_MIN = 1280,
	CONTROL_ENCODED_MAX = 16384, /* room that holds every message we send */
};

enum control_kind {
	CONTROL_CONFIGURATION_REQUEST = 1,
	CONTROL_CONFIGURATION_RESPONSE = 2,
	CONTROL_JOIN_REQUEST = 3,
	CONTROL_JOIN_RESPONSE = 4,
	CONTROL_KEEPALIVE_REQUEST = 5,
	CONTROL_KEEPALIVE_RESPONSE = 6,
	CONTROL_RELEASE_REQUEST = 7,
	CONTROL_RELEASE_RESPONSE = 8,
	CONTROL_CONFIGURATION_UPDATE = 9,
};

enum control_tag {
	TAG_VERSION = 0x01,
	TAG_CAPABILITIES = 0x02,
	TAG_SOFTWARE = 0x03,
	TAG_INSTANCE = 0x04,
	TAG_RESULT = 0x05,
	TAG_REASON = 0x06,
	TAG_RETRY_AFTER = 0x07,
	TAG_OTHER_TSCF = 0x08,
	TAG_USER = 0x10,
	TAG_PASSWORD = 0x11,
	TAG_RESUME_TOKEN = 0x12,
	TAG_RESUME_LIFETIME = 0x13,
	TAG_JOIN_KEY = 0x14,
	TAG_LANE = 0x15,
	TAG_LANES_ALLOWED = 0x16,
	TAG_INNER4 = 0x20,
	TAG_INNER6 = 0x21,
	TAG_MTU = 0x22,
	TAG_ROUTE4 = 0x23,
	TAG_ROUTE6 = 0x24,
	TAG_PCSCF = 0x25,
	TAG_DNS = 0x26,
	TAG_DOMAIN = 0x27,
	TAG_SECURITY = 0x28,
	TAG_KEEPALIVE_INTERVAL = 0x30,
	TAG_KEEPALIVE_REFRESHER = 0x31,
	TAG_TIMESTAMP = 0x32,
};
enum { TAG_CRITICAL = 0x8000 };

enum control_capability {
	CAPABILITY_OFFLOAD = 1 << 0,
	CAPABILITY_LANES = 1 << 1,
	CAPABILITY_RESUME = 1 << 2,
	CAPABILITY_COPIES = 1 << 3,
};

/* Values of TAG_RESULT. */
enum control_result {
	RESULT_OK = 0,
	RESULT_VERSION_UNSUPPORTED = 1,
	RESULT_AUTHENTICATION_FAILED = 2,
	RESULT_NO_ADDRESS = 3,
	RESULT_RESUME_REFUSED = 4, /* a fresh lease follows in the same message */
	RESULT_FORBIDDEN = 5,
	RESULT_OVERLOADED = 6,
	RESULT_MALFORMED = 7,
	RESULT_UNKNOWN_CRITICAL = 8,
	RESULT_UNKNOWN_TUNNEL = 9,
	RESULT_SHUTTING_DOWN = 10,
};

/* Second octet of TAG_LANE. */
enum control_lane_class {
	CONTROL_LANE_ANY = 0,
	CONTROL_LANE_REALTIME = 1,
	CONTROL_LANE_BULK = 2,
};

enum control_security { SECURITY_KEEP = 0, SECURITY_MAY_DISABLE = 1 };
enum control_refresher { REFRESHER_TSE = 0, REFRESHER_TSCF = 1, REFRESHER_BOTH = 2 };

/* One P-CSCF: an address, or a host name when address.version is 0.  On the
 * wire 4 or 16 octets are an address; a name of that length gets the dot of the
 * root behind it, which any name may have and the decoder takes away. */
struct control_pcscf {
	struct address address;
	struct view name;
};

/* One message, decoded or to be encoded.  Every view borrows: the decoder's
 * input, or whatever the caller of the encoder keeps alive.  What is absent
 * has its bit in `present` clear; for repeatable ones the encoder goes by their
 * counts alone. */
struct control_message {
	enum control_kind kind;
	uint16_t transaction;
	uint64_t present; /* bit (1 << tag) for each tag below 0x40 that came */

	uint16_t version;
	uint32_t capabilities;
	struct view software, instance;
	uint16_t result; /* enum control_result, or a later version's */
	struct view reason;
	uint32_t retry_after; /* s */
	struct view other_tscf;
	struct view user, password;
	struct view resume_token, join_key;
	uint32_t resume_lifetime; /* s */
	uint8_t lane_index, lane_class;
	uint8_t lanes_allowed;
	struct prefix inner4, inner6; /* host bits are set: these are addresses */
	uint16_t mtu;
	struct prefix routes[CONTROL_ROUTES_MAX];
	size_t route_count;
	struct control_pcscf pcscf[CONTROL_PCSCF_MAX];
	size_t pcscf_count;
	struct address dns[CONTROL_DNS_MAX];
	size_t dns_count;
	struct view domains[CONTROL_DOMAINS_MAX];
	size_t domain_count;
	uint8_t security;
	uint32_t keepalive_interval; /* ms */
	uint8_t keepalive_refresher;
	uint64_t timestamp; /* opaque to the peer */

	/* Set by the decoder of a request and by nobody else: its TLVs as they
	 * came, for a keep-alive's answer.  The encoder copies them verbatim
	 * into a Keep-alive Response. */
	struct view raw;
	/* Decoder: the tag at fault, with MALFORMED (0 when it is none) and, with
	 * TAG_CRITICAL set, with UNKNOWN_CRITICAL.  Encoder: with result 8 an
	 * empty TLV with this tag, less TAG_CRITICAL, is added; decoding such a
	 * response gives it back. */
	uint16_t fault_tag;
};

static inline bool control_has(const struct control_message *message, enum control_tag tag)
{
	return message->present >> tag & 1;
}

enum control_verdict {
	CONTROL_OK,
	CONTROL_BAD_MAGIC,        /* protocol error: close the session */
	CONTROL_UNKNOWN_KIND,     /* ignore and count */
	CONTROL_MALFORMED,        /* answer a request with result 7 */
	CONTROL_UNKNOWN_CRITICAL, /* answer a request with result 8 and fault_tag */
};

/* Decodes the payload of one control envelope.  From MALFORMED on, `kind` and
 * `transaction` are valid, and a static English phrase says what is wrong
 * (`*fault`, never NULL after a failure).
 * MALFORMED is: a TLV that overruns, comes twice without being repeatable,
 * has the wrong length, comes more often than there is room for; a missing
 * mandatory TLV; text that is not clean (UTF-8 without control characters;
 * the host-name alphabet for P-CSCF names and DNS domains, host:port for
 * another TSCF); an impossible value (prefix length, MTU below 1280, lane
 * class, refresher, security, host bits of a route, an inner address that is
 * unspecified, multicast or loopback or has prefix length 0).
 * A known tag that does not belong into this kind is treated as an unknown
 * one; a known tag that does is accepted with and without TAG_CRITICAL. */
enum control_verdict control_decode(
	const uint8_t *payload, size_t length, struct control_message *out, const char **fault);

/* Writes `message` as a whole envelope, header included, and returns its
 * length; 0 when it does not fit into `room`.  Encodes what `present` and the
 * counts say. */
size_t control_encode(const struct control_message *message, uint8_t *out, size_t room);

/* Marks a tag present; for building messages. */
static inline void control_set(struct control_message *message, enum control_tag tag)
{
	message->present |= UINT64_C(1) << tag;
}

/* "Configuration Request", "authentication failed", ...; "unknown ..." else. */
const char *control_kind_name(unsigned kind);
const char *control_result_name(unsigned result);

#endif
