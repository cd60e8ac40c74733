/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire contract of control messages as tables, and the names people see. */
#include "core/control_table.h"

#include "core/text.h"

#define MEMBER(name) offsetof(struct control_message, name)

/* shape, octets of the value (shortest, longest), range of a small number,
 * where it is kept. */
static const struct control_field fields[CONTROL_TAGS] = {
	[TAG_VERSION] = {SHAPE_U16, 2, 2, 0, 65535, MEMBER(version)},
	[TAG_CAPABILITIES] = {SHAPE_U32, 4, 4, 0, 0, MEMBER(capabilities)},
	[TAG_SOFTWARE] = {SHAPE_TEXT, 0, CONTROL_TEXT_MAX, 0, 0, MEMBER(software)},
	[TAG_INSTANCE] = {SHAPE_OPAQUE, CONTROL_INSTANCE, CONTROL_INSTANCE, 0, 0, MEMBER(instance)},
	[TAG_RESULT] = {SHAPE_U16, 2, 2, 0, 65535, MEMBER(result)},
	[TAG_REASON] = {SHAPE_TEXT, 0, CONTROL_TEXT_MAX, 0, 0, MEMBER(reason)},
	[TAG_RETRY_AFTER] = {SHAPE_U32, 4, 4, 0, 0, MEMBER(retry_after)},
	[TAG_OTHER_TSCF] = {SHAPE_HOST_PORT, 1, CONTROL_TEXT_MAX, 0, 0, MEMBER(other_tscf)},
	[TAG_USER] = {SHAPE_TEXT, 0, CONTROL_TEXT_MAX, 0, 0, MEMBER(user)},
	[TAG_PASSWORD] = {SHAPE_TEXT, 0, CONTROL_TEXT_MAX, 0, 0, MEMBER(password)},
	[TAG_RESUME_TOKEN] = {SHAPE_OPAQUE, 1, CONTROL_TOKEN_MAX, 0, 0, MEMBER(resume_token)},
	[TAG_RESUME_LIFETIME] = {SHAPE_U32, 4, 4, 0, 0, MEMBER(resume_lifetime)},
	[TAG_JOIN_KEY] = {SHAPE_OPAQUE, 1, CONTROL_TOKEN_MAX, 0, 0, MEMBER(join_key)},
	[TAG_LANE] = {SHAPE_LANE, 2, 2, 0, 0, 0},
	[TAG_LANES_ALLOWED] = {SHAPE_U8, 1, 1, 0, 255, MEMBER(lanes_allowed)},
	[TAG_INNER4] = {SHAPE_INNER, 5, 5, 0, 0, MEMBER(inner4)},
	[TAG_INNER6] = {SHAPE_INNER, 17, 17, 0, 0, MEMBER(inner6)},
	[TAG_MTU] = {SHAPE_U16, 2, 2, CONTROL_MTU_MIN, 65535, MEMBER(mtu)},
	[TAG_ROUTE4] = {SHAPE_ROUTE, 5, 5, 0, 0, 0},
	[TAG_ROUTE6] = {SHAPE_ROUTE, 17, 17, 0, 0, 0},
	/* Room for the dot that a name may end in. */
	[TAG_PCSCF] = {SHAPE_PCSCF, 1, TEXT_HOST_NAME_MAX + 1, 0, 0, 0},
	[TAG_DNS] = {SHAPE_DNS, 4, 16, 0, 0, 0},
	[TAG_DOMAIN] = {SHAPE_DOMAIN, 1, TEXT_HOST_NAME_MAX, 0, 0, 0},
	[TAG_SECURITY] = {SHAPE_U8, 1, 1, SECURITY_KEEP, SECURITY_MAY_DISABLE, MEMBER(security)},
	[TAG_KEEPALIVE_INTERVAL] = {SHAPE_U32, 4, 4, 0, 0, MEMBER(keepalive_interval)},
	[TAG_KEEPALIVE_REFRESHER] = {SHAPE_U8, 1, 1, REFRESHER_TSE, REFRESHER_BOTH,
		MEMBER(keepalive_refresher)},
	[TAG_TIMESTAMP] = {SHAPE_U64, 8, 8, 0, 0, MEMBER(timestamp)},
};

const struct control_field *control_field(unsigned tag)
{
	return tag < CONTROL_TAGS && fields[tag].shape != SHAPE_NONE ? &fields[tag] : NULL;
}

#define BIT(tag) (UINT64_C(1) << TAG_##tag)

#define ALL_OTHERS UINT64_MAX

static const struct control_rule rules[] = {
	[CONTROL_CONFIGURATION_REQUEST] = {BIT(VERSION) | BIT(CAPABILITIES),
		BIT(SOFTWARE) | BIT(INSTANCE) | BIT(USER) | BIT(PASSWORD) | BIT(RESUME_TOKEN) |
			BIT(RESUME_LIFETIME) | BIT(INNER4) | BIT(INNER6)},
	[CONTROL_CONFIGURATION_RESPONSE] = {BIT(VERSION) | BIT(CAPABILITIES) | BIT(RESULT),
		ALL_OTHERS},
	[CONTROL_JOIN_REQUEST] = {BIT(JOIN_KEY) | BIT(LANE), 0},
	[CONTROL_JOIN_RESPONSE] = {BIT(RESULT), BIT(REASON) | BIT(RETRY_AFTER)},
	[CONTROL_KEEPALIVE_REQUEST] = {0, BIT(TIMESTAMP)},
	[CONTROL_KEEPALIVE_RESPONSE] = {0, BIT(TIMESTAMP)},
	[CONTROL_RELEASE_REQUEST] = {0, BIT(RESULT) | BIT(REASON)},
	[CONTROL_RELEASE_RESPONSE] = {0, BIT(RESULT) | BIT(REASON)},
	[CONTROL_CONFIGURATION_UPDATE] = {0, ALL_OTHERS},
};

const struct control_rule *control_rule(unsigned kind)
{
	bool known = kind >= CONTROL_CONFIGURATION_REQUEST && kind <= CONTROL_CONFIGURATION_UPDATE;
	return known ? &rules[kind] : NULL;
}

uint64_t control_grant_must(void)
{
	return BIT(RESUME_TOKEN) | BIT(JOIN_KEY) | BIT(MTU) | BIT(KEEPALIVE_INTERVAL);
}

static const char *const kind_names[] = {
	[CONTROL_CONFIGURATION_REQUEST] = "Configuration Request",
	[CONTROL_CONFIGURATION_RESPONSE] = "Configuration Response",
	[CONTROL_JOIN_REQUEST] = "Join Request",
	[CONTROL_JOIN_RESPONSE] = "Join Response",
	[CONTROL_KEEPALIVE_REQUEST] = "Keep-alive Request",
	[CONTROL_KEEPALIVE_RESPONSE] = "Keep-alive Response",
	[CONTROL_RELEASE_REQUEST] = "Release Request",
	[CONTROL_RELEASE_RESPONSE] = "Release Response",
	[CONTROL_CONFIGURATION_UPDATE] = "Configuration Update",
};

const char *control_kind_name(unsigned kind)
{
	return control_rule(kind) ? kind_names[kind] : "unknown kind";
}

static const char *const result_names[] = {
	[RESULT_OK] = "ok",
	[RESULT_VERSION_UNSUPPORTED] = "version unsupported",
	[RESULT_AUTHENTICATION_FAILED] = "authentication failed",
	[RESULT_NO_ADDRESS] = "no address left",
	[RESULT_RESUME_REFUSED] = "resume refused",
	[RESULT_FORBIDDEN] = "forbidden by policy",
	[RESULT_OVERLOADED] = "overloaded",
	[RESULT_MALFORMED] = "malformed",
	[RESULT_UNKNOWN_CRITICAL] = "unknown critical tag",
	[RESULT_UNKNOWN_TUNNEL] = "unknown tunnel",
	[RESULT_SHUTTING_DOWN] = "shutting down",
};

const char *control_result_name(unsigned result)
{
	return result <= RESULT_SHUTTING_DOWN ? result_names[result] : "unknown result";
}
