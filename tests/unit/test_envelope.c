/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/envelope.h"

#include "hex.h"
#include "unit.h"

static const struct {
	const char *stream;
	enum envelope_result result;
	unsigned type;
	size_t payload, consumed;
} cases[] = {
	{"", ENVELOPE_MORE, 0, 0, 0},
	{"01", ENVELOPE_MORE, 0, 0, 0},
	{"01 00", ENVELOPE_MORE, 0, 0, 0},
	{"01 0000", ENVELOPE_BAD, 0, 0, 0},
	{"01 0002", ENVELOPE_BAD, 0, 0, 0},
	{"80 0002 ff", ENVELOPE_BAD, 0, 0, 0},
	{"77 0001", ENVELOPE_BAD, 0, 0, 0},
	/* An IP envelope needs a payload, the others do not. */
	{"01 0003", ENVELOPE_BAD, 0, 0, 0},
	{"80 0003", ENVELOPE_OK, 0x80, 0, 3},
	{"81 0003", ENVELOPE_OK, 0x81, 0, 3},
	{"00 0003", ENVELOPE_OK, 0x00, 0, 3},
	{"01 0004", ENVELOPE_MORE, 0, 0, 0},
	{"01 0004 45", ENVELOPE_OK, 0x01, 1, 4},
	{"01 0004 45 80", ENVELOPE_OK, 0x01, 1, 4},
	{"01 0102 45", ENVELOPE_MORE, 0, 0, 0},
	{"81 0005 aa bb 01", ENVELOPE_OK, 0x81, 2, 5},
	{"7f 0005 aa", ENVELOPE_MORE, 0, 0, 0},
	{"7f 0005 aa bb", ENVELOPE_OK, 0x7f, 2, 5},
};

static void next_reads_one(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;
		uint8_t *stream = hex_new(cases[i].stream, &length);
		struct envelope envelope = {0};
		size_t consumed = 0;
		enum envelope_result result = envelope_next(stream, length, &envelope, &consumed);
		CU_ASSERT_EQUAL(result, cases[i].result);
		CU_ASSERT_EQUAL(envelope.type, cases[i].type);
		CU_ASSERT_EQUAL(envelope.length, cases[i].payload);
		CU_ASSERT_EQUAL(consumed, cases[i].consumed);
		CU_ASSERT(result != ENVELOPE_OK || envelope.payload == stream + ENVELOPE_HEADER);
		free(stream);
	}
}

static void next_walks_a_stream(void)
{
	static const unsigned types[] = {0x01, 0x80, 0x42, 0x81};
	static const size_t payloads[] = {2, 0, 1, 3};
	size_t length, at = 0;
	uint8_t *stream = hex_new("01 0005 4500 80 0003 42 0004 00 81 0006 010203 01 00", &length);
	for (size_t i = 0; i < 4; i++) {
		struct envelope envelope;
		size_t consumed;
		CU_ASSERT_EQUAL_FATAL(
			envelope_next(stream + at, length - at, &envelope, &consumed), ENVELOPE_OK);
		CU_ASSERT_EQUAL(envelope.type, types[i]);
		CU_ASSERT_EQUAL(envelope.length, payloads[i]);
		at += consumed;
	}
	struct envelope envelope;
	size_t consumed;
	CU_ASSERT_EQUAL(length - at, 2);
	CU_ASSERT_EQUAL(
		envelope_next(stream + at, length - at, &envelope, &consumed), ENVELOPE_MORE);
	free(stream);
}

static void largest(void)
{
	uint8_t *stream = calloc(1, ENVELOPE_MAX);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
	envelope_put_header(stream, ENVELOPE_OFFLOAD, ENVELOPE_MAX - ENVELOPE_HEADER);
	struct envelope envelope;
	size_t consumed;
	CU_ASSERT_EQUAL(
		envelope_next(stream, ENVELOPE_MAX - 1, &envelope, &consumed), ENVELOPE_MORE);
	CU_ASSERT_EQUAL(envelope_next(stream, ENVELOPE_MAX, &envelope, &consumed), ENVELOPE_OK);
	CU_ASSERT_EQUAL(consumed, 65535);
	CU_ASSERT_EQUAL(envelope.length, 65532);
	free(stream);
}

static void put_header_writes_three_octets(void)
{
	uint8_t octets[5] = {0xee, 0xee, 0xee, 0xee, 0xee};
	envelope_put_header(octets + 1, ENVELOPE_IP, 0x1234);
	static const uint8_t wanted[] = {0xee, 0x01, 0x12, 0x37, 0xee};
	CU_ASSERT(memcmp(octets, wanted, sizeof(wanted)) == 0);
	envelope_put_header(octets + 1, ENVELOPE_CONTROL, 0xff);
	static const uint8_t carried[] = {0xee, 0x80, 0x01, 0x02, 0xee};
	CU_ASSERT(memcmp(octets, carried, sizeof(carried)) == 0);
}

static const struct unit_test tests[] = {
	{"next reads one envelope", next_reads_one},
	{"next walks a stream", next_walks_a_stream},
	{"the largest envelope", largest},
	{"put_header writes three octets", put_header_writes_three_octets},
};

UNIT_MAIN("envelope", tests)
