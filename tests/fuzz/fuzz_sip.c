/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SIP responses and lease files from strangers.  The first octet chooses: a
 * datagram, a stream in pieces of that many octets, or a lease file.  What is
 * whole as a datagram is understood in any pieces, too. */
#include "core/sip.h"
#include "core/sip_lease.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static const struct sip_transaction own = {
	.method = SIP_OPTIONS, .cseq = 1, .branch = "z9hG4bKa", .call_id = "c", .tag = "t"};

static void require(bool invariant)
{
	if (!invariant)
		abort();
}

static enum sip_result put_pieces(const uint8_t *octets, size_t length, size_t piece,
	struct sip_response *response, unsigned *foreign)
{
	static struct sip_stream stream;
	memset(&stream, 0, sizeof(stream));
	*foreign = 0;
	for (size_t at = 0; at < length; at += piece) {
		size_t count = length - at < piece ? length - at : piece;
		enum sip_result result =
			sip_stream_put(&stream, &own, octets + at, count, response, foreign);
		require(stream.length <= SIP_HEADER_MAX && result != SIP_FOREIGN);
		if (result != SIP_MORE)
			return result;
	}
	return SIP_MORE;
}

static void check_lease(const uint8_t *octets, size_t length)
{
	struct sip_lease lease = {0};
	struct view text = {octets, length};
	sip_lease_read_dhclient(text, 1795687200, &lease);
	sip_lease_read_networkd(text, &lease);
	sip_lease_read_option(octets, length, &lease);
	require(lease.count <= SIP_LEASE_SERVERS);
	for (size_t i = 0; i < lease.count; i++)
		require(strpbrk(lease.servers[i], " \n\"'`$;&|<>") == NULL);
}

static void check_sip(const uint8_t *octets, size_t length, size_t piece)
{
	struct sip_response response, again;
	unsigned foreign, same;
	enum sip_result whole = sip_parse_datagram(&own, octets, length, &response);
	require(whole != SIP_MORE);
	if (whole == SIP_OURS) {
		require(response.status >= 100 && response.status < 700);
		require(response.reason.octets >= octets &&
			response.reason.octets + response.reason.length <= octets + length);
	}
	enum sip_result result = put_pieces(octets, length, piece, &response, &foreign);
	require(put_pieces(octets, length, length, &again, &same) == result && same == foreign);
	require(result != SIP_OURS || response.status == again.status);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 2)
		return 0;
	uint8_t *exact = malloc(size - 1);
	require(exact != NULL);
	memcpy(exact, input + 1, size - 1);
	if (input[0] == 0)
		check_lease(exact, size - 1);
	else
		check_sip(exact, size - 1, input[0]);
	free(exact);
	return 0;
}
