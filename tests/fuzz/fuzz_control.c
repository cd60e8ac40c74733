/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any payload is either refused with words, or becomes a message whose views
 * lie within it, which encodes, and which decodes to the same again. */
#include "core/control.h"

#include <stdlib.h>
#include <string.h>

#include "core/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { HEADERS = ENVELOPE_HEADER + CONTROL_HEADER };

static void require(int invariant)
{
	if (!invariant)
		abort();
}

static void require_inside(struct view view, const uint8_t *input, size_t size)
{
	require(view.length == 0 ||
		(view.octets >= input && view.octets + view.length <= input + size));
}

static void require_views_inside(const struct control_message *m, const uint8_t *input, size_t size)
{
	const struct view views[] = {m->software, m->instance, m->reason, m->other_tscf, m->user,
		m->password, m->resume_token, m->join_key, m->raw};
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		require_inside(views[i], input, size);
	for (size_t i = 0; i < m->pcscf_count; i++)
		require_inside(m->pcscf[i].name, input, size);
	for (size_t i = 0; i < m->domain_count; i++)
		require_inside(m->domains[i], input, size);
}

static void require_same_view(struct view a, struct view b)
{
	require(a.length == b.length && (!a.length || memcmp(a.octets, b.octets, a.length) == 0));
}

static void require_same_lists(const struct control_message *a, const struct control_message *b)
{
	require(a->route_count == b->route_count && a->pcscf_count == b->pcscf_count);
	require(a->dns_count == b->dns_count && a->domain_count == b->domain_count);
	require(memcmp(a->routes, b->routes, sizeof(a->routes)) == 0);
	require(memcmp(a->dns, b->dns, sizeof(a->dns)) == 0);
	for (size_t i = 0; i < a->pcscf_count; i++) {
		require(address_equal(&a->pcscf[i].address, &b->pcscf[i].address));
		require_same_view(a->pcscf[i].name, b->pcscf[i].name);
	}
	for (size_t i = 0; i < a->domain_count; i++)
		require_same_view(a->domains[i], b->domains[i]);
}

static void require_same(const struct control_message *a, const struct control_message *b)
{
	require(a->kind == b->kind && a->transaction == b->transaction);
	require(a->present == b->present && a->fault_tag == b->fault_tag);
	require(a->version == b->version && a->capabilities == b->capabilities);
	require(a->result == b->result && a->retry_after == b->retry_after);
	require(a->resume_lifetime == b->resume_lifetime && a->mtu == b->mtu);
	require(a->lane_index == b->lane_index && a->lane_class == b->lane_class);
	require(a->lanes_allowed == b->lanes_allowed && a->security == b->security);
	require(a->keepalive_interval == b->keepalive_interval);
	require(a->keepalive_refresher == b->keepalive_refresher && a->timestamp == b->timestamp);
	require(memcmp(&a->inner4, &b->inner4, sizeof(a->inner4)) == 0);
	require(memcmp(&a->inner6, &b->inner6, sizeof(a->inner6)) == 0);
	require_same_view(a->software, b->software);
	require_same_view(a->instance, b->instance);
	require_same_view(a->reason, b->reason);
	require_same_view(a->other_tscf, b->other_tscf);
	require_same_view(a->user, b->user);
	require_same_view(a->password, b->password);
	require_same_view(a->resume_token, b->resume_token);
	require_same_view(a->join_key, b->join_key);
	require_same_lists(a, b);
}

static void require_round_trip(const struct control_message *message)
{
	static uint8_t out[CONTROL_ENCODED_MAX];
	static struct control_message again;
	size_t length = control_encode(message, out, sizeof(out));
	require(length >= HEADERS && length <= sizeof(out));

	struct envelope envelope;
	size_t consumed;
	require(envelope_next(out, length, &envelope, &consumed) == ENVELOPE_OK);
	require(consumed == length && envelope.type == ENVELOPE_CONTROL);

	const char *fault;
	require(control_decode(envelope.payload, envelope.length, &again, &fault) == CONTROL_OK);
	require_same(message, &again);
	require(control_encode(message, out, length - 1) == 0);
}

static void require_answer_gives_back(
	struct control_message *request, const uint8_t *input, size_t size)
{
	static uint8_t out[ENVELOPE_MAX];
	request->kind = CONTROL_KEEPALIVE_RESPONSE;
	size_t length = control_encode(request, out, sizeof(out));
	if (size > ENVELOPE_MAX - ENVELOPE_HEADER) {
		require(length == 0);
		return;
	}
	require(length == ENVELOPE_HEADER + size);
	require(memcmp(out + HEADERS, input + CONTROL_HEADER, size - CONTROL_HEADER) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct control_message message;
	const char *fault = "";
	enum control_verdict verdict = control_decode(input, size, &message, &fault);
	require((verdict == CONTROL_OK) == (fault == NULL));
	if (verdict >= CONTROL_MALFORMED)
		require(message.kind == input[2] && message.transaction == get_u16(input + 4));
	if (verdict != CONTROL_OK)
		return 0;
	require_views_inside(&message, input, size);
	require_round_trip(&message);
	if (message.kind == CONTROL_KEEPALIVE_REQUEST)
		require_answer_gives_back(&message, input, size);
	return 0;
}
