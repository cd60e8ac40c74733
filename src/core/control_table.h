/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What encoder and decoder of control messages both must know: which shape the
 * value of a tag has and where it is kept, and which tags belong into which
 * kind of message.  For those two only; everybody else uses core/control.h. */
#ifndef TSCF_CORE_CONTROL_TABLE_H
#define TSCF_CORE_CONTROL_TABLE_H

#include "core/control.h"

enum {
	CONTROL_TLV_HEADER = 4, /* tag(2) length(2) */
	CONTROL_TAGS = 0x40,    /* known tags are below; so many bits has `present` */
};

enum control_shape {
	SHAPE_NONE, /* no such tag */
	SHAPE_U8,
	SHAPE_U16,
	SHAPE_U32,
	SHAPE_U64,
	SHAPE_OPAQUE,    /* struct view */
	SHAPE_TEXT,      /* struct view */
	SHAPE_HOST_PORT, /* struct view */
	SHAPE_LANE,      /* lane_index, lane_class */
	SHAPE_INNER,     /* struct prefix that keeps its host bits */
	SHAPE_ROUTE,     /* one more of routes[]; the last four are repeatable */
	SHAPE_PCSCF,     /* one more of pcscf[] */
	SHAPE_DNS,       /* one more of dns[] */
	SHAPE_DOMAIN,    /* one more of domains[] */
};

struct control_field {
	enum control_shape shape;
	uint16_t shortest, longest; /* octets of the value */
	uint16_t least, most;       /* of a U8 or U16 */
	uint16_t offset;            /* of the member in struct control_message */
};

/* Bits (1 << tag), as in control_message.present. */
struct control_rule {
	uint64_t must, may;
};

/* NULL for a tag or kind that is not ours.  `tag` is without TAG_CRITICAL. */
const struct control_field *control_field(unsigned tag);
const struct control_rule *control_rule(unsigned kind);
/* What a Configuration Response that grants something needs besides one inner
 * address at least. */
uint64_t control_grant_must(void);

static inline bool control_shape_repeats(enum control_shape shape)
{
	return shape >= SHAPE_ROUTE;
}

#endif
