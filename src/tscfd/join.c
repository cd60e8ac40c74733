/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The join key names a living tunnel, and whoever knows it is that tunnel's
 * client: it was told over TLS to nobody else.  Who shows a certificate all the
 * same must show the one that the tunnel was made with. */
#include "tscfd/join.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/log.h"
#include "tscfd/answer.h"
#include "tscfd/session_lane.h"

enum {
	RETRY_MEMORY = 600,           /* s */
	MEMORY_PER_LANE = 128 * 1024, /* TLS object, kernel's buffers when it is busy */
	MEMORY_SHARE = 8,     /* one part in so many of the machine's is for further lanes */
	DESCRIPTOR_SHARE = 2, /* and of the descriptors: the others are for tunnels */
};

unsigned join_lanes_allowed(const struct tscfd_config *config)
{
	return config->lanes == 0 || config->lanes > LANES_MAX ? LANES_MAX : config->lanes;
}

/* Lanes beyond the first of each tunnel that this worker may have in all. */
static uint64_t further_lanes_allowed(const struct worker *worker)
{
	struct rlimit descriptors = {.rlim_cur = 1024};
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	getrlimit(RLIMIT_NOFILE, &descriptors);
	uint64_t by_memory = memory / MEMORY_SHARE / MEMORY_PER_LANE;
	uint64_t by_descriptors = descriptors.rlim_cur / DESCRIPTOR_SHARE;
	return (by_memory < by_descriptors ? by_memory : by_descriptors) / worker->count;
}

/* An index names a lane for as long as it lives; who uses it again knows that
 * the old one is dead, and we do not yet. */
static void replace_old(struct session *tunnel, uint8_t index)
{
	for (unsigned i = 0; i < tunnel->lane_count; i++) {
		if (tunnel->lanes[i]->lane.index != index)
			continue;
		session_lane_end(tunnel->lanes[i]);
		return;
	}
}

static void take_in(
	struct session *session, struct session *tunnel, const struct control_message *request)
{
	struct session_lane *at = session_first(session);
	struct control_message message = {
		.kind = CONTROL_JOIN_RESPONSE,
		.transaction = request->transaction,
		.result = RESULT_OK,
	};
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX];

	at->lane.index = request->lane_index;
	at->lane.class = (enum control_lane_class)request->lane_class;
	replace_old(tunnel, request->lane_index);
	session_lane_move(at, tunnel);
	session_dissolve(session);
	control_set(&message, TAG_RESULT);
	tunnel_control_on(&tunnel->tunnel, &at->lane, &message);
	if (at->lane.state != LANE_OPEN)
		return; /* it broke while it was told, and has left already */
	tunnel_add_lane(&tunnel->tunnel, &at->lane);
	session_lane_start(at);
	log_line(LOG_DEBUG, "session %s: lane %u from %s, %u in all%s", session_id(tunnel, id),
		at->lane.index, session_lane_outer(at, outer), tunnel->lane_count,
		tls_resumed(at->lane.tls) ? ", resumed" : "");
}

void join_answer(struct session *session, const struct control_message *request)
{
	struct worker *worker = session->worker;
	const struct tscfd_config *config = &worker->settings->config;
	unsigned owner = worker_of_token(worker->group, &request->join_key);

	if (worker->stopping) {
		answer_refuse(
			session, request, RESULT_SHUTTING_DOWN, 0, "this TSCF is shutting down");
		return;
	}
	if (owner != worker->index) {
		session_pass_on(session, owner);
		return;
	}
	struct lease *lease = pool_find_join_key(worker->pool, &request->join_key);
	struct session *tunnel = lease ? lease->tunnel : NULL;
	if (!tunnel) {
		answer_refuse(session, request, RESULT_UNKNOWN_TUNNEL, 0,
			"the join key names no living tunnel");
	} else if (!tls_resumed(session_first(session)->lane.tls) &&
		   strcmp(session->identity, tunnel->identity) != 0) {
		answer_refuse(session, request, RESULT_AUTHENTICATION_FAILED, 0,
			"the tunnel to join is another client's");
	} else if (tunnel->lane_count >= join_lanes_allowed(config)) {
		answer_refuse(session, request, RESULT_FORBIDDEN, 0,
			"the tunnel has as many connections as it may (lanes)");
	} else if (worker->connection_count - worker->session_count >=
		   further_lanes_allowed(worker)) {
		answer_refuse(session, request, RESULT_FORBIDDEN, RETRY_MEMORY,
			"no memory is left here for further connections of tunnels");
	} else {
		take_in(session, tunnel, request);
	}
}
