/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A free list per slot size over one block of memory.  Lists are last in,
 * first out: the slot given back last is the one still in the cache. */
#include "core/slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISONS 1
#endif
#endif

/* Under AddressSanitizer a free slot may not be touched, as if it had been
 * freed: otherwise recycling would hide every use after slab_give(). */
#ifdef SLAB_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, octets)   ((void)(at), (void)(octets))
#define ASAN_UNPOISON_MEMORY_REGION(at, octets) ((void)(at), (void)(octets))
#endif

enum { CACHE_LINE = 64 };

/* What one slot occupies: whole cache lines, so that two never share one. */
static size_t slot_octets(bool big)
{
	size_t octets = sizeof(struct slot) + SLOT_HEADROOM + (big ? SLOT_BIG : SLOT_SMALL);
	return (octets + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

int slab_init(struct slab *slab, uint32_t small_count, uint32_t big_count)
{
	memset(slab, 0, sizeof(*slab));
	size_t small, big;
	if (__builtin_mul_overflow(slot_octets(false), small_count, &small) ||
		__builtin_mul_overflow(slot_octets(true), big_count, &big) ||
		__builtin_add_overflow(small, big, &slab->memory_octets))
		return -ENOMEM;
	/* Allocated even for zero slots: then NULL means failure only. */
	slab->memory = aligned_alloc(CACHE_LINE, slab->memory_octets + CACHE_LINE);
	if (!slab->memory)
		return -ENOMEM;
	slab->small_next = slab->memory;
	slab->big_next = slab->small_next + small;
	slab->small_free = small_count;
	slab->big_free = big_count;
	ASAN_POISON_MEMORY_REGION(slab->memory, slab->memory_octets);
	return 0;
}

void slab_fini(struct slab *slab)
{
	if (slab->memory)
		ASAN_UNPOISON_MEMORY_REGION(slab->memory, slab->memory_octets);
	free(slab->memory);
	memset(slab, 0, sizeof(*slab));
}

static struct slot *take(struct slab *slab, bool big)
{
	struct slot **list = big ? &slab->big : &slab->small;
	uint8_t **untouched = big ? &slab->big_next : &slab->small_next;
	uint32_t *count = big ? &slab->big_free : &slab->small_free;
	if (*count == 0)
		return NULL;
	--*count;
	struct slot *slot = *list;
	if (!slot) {
		slot = (struct slot *)(void *)*untouched;
		*untouched += slot_octets(big);
	}
	ASAN_UNPOISON_MEMORY_REGION(slot, slot_octets(big));
	if (*list)
		*list = slot->next;
	memset(slot, 0, sizeof(*slot));
	slot->big = big;
	return slot;
}

struct slot *slab_take(struct slab *slab, size_t length)
{
	if (length > SLOT_BIG)
		return NULL;
	struct slot *slot = length <= SLOT_SMALL ? take(slab, false) : NULL;
	if (!slot)
		slot = take(slab, true);
	if (slot)
		slot->length = (uint32_t)length;
	return slot;
}

void slab_give(struct slab *slab, struct slot *slot)
{
	if (!slot)
		return;
	bool big = slot->big;
	struct slot **list = big ? &slab->big : &slab->small;
	slot->next = *list;
	*list = slot;
	++*(big ? &slab->big_free : &slab->small_free);
	ASAN_POISON_MEMORY_REGION(slot, slot_octets(big));
}
