/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A traversal in a world without mercy: random networks, random results, in
 * every configuration, and the promises of core/traversal.h checked after each
 * event against what a caller would see.  The seeds are fixed. */
#include <stdio.h>
#include <string.h>

#include "core/traversal.h"
#include "unit.h"

enum { SEEDS = 160, EVENTS = 4000 };

static const uint64_t second = 1000000;

/* The caller's side: what it holds, and what it has seen. */
struct world {
	struct traversal traversal;
	uint64_t random, now, timer;
	unsigned char bias[TRAVERSAL_STEPS]; /* how often a step passes, of 255 */
	bool open[TRAVERSAL_STEPS], passed[TRAVERSAL_STEPS], redial[TRAVERSAL_STEPS];
	enum traversal_path path;
	bool confirmed, replaced_direct, had_tunnel;
	enum traversal_kernel kernel;
	bool media;
	uint64_t media_end; /* 0: never */
	uint64_t confirmed_at;
	uint64_t silent_since; /* a check that nobody answered; NEVER: none */
	uint64_t direct_since; /* first direct success beside the tunnel; NEVER: none */
	uint64_t undecided_since;
	unsigned faults;
	/* Reached at all?  A test that never gets there proves nothing. */
	unsigned handovers, returns, verdicts[TRAVERSAL_VERDICTS];
};

static uint32_t draw(struct world *world)
{
	world->random =
		world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(world->random >> 32);
}

static bool one_in(struct world *world, uint32_t n)
{
	return draw(world) % n == 0;
}

static void demand(struct world *world, bool holds, const char *what)
{
	if (holds)
		return;
	if (world->faults++ < 5)
		printf("\n  at %.3f s: not so: %s", (double)world->now / (double)second, what);
}

/* --- order ---------------------------------------------------------------- */

static bool is_out(const struct traversal_record *record)
{
	return record->state == TRAVERSAL_FAILED || record->state == TRAVERSAL_SKIPPED;
}

/* Step 1 has not led to a path. */
static bool step1_is_out(const struct traversal *traversal)
{
	const struct traversal_record *sip = &traversal->steps[TRAVERSAL_SIP];
	const struct traversal_record *nat = &traversal->steps[TRAVERSAL_NAT];
	if (sip->state == TRAVERSAL_PASSED)
		return nat->state == TRAVERSAL_FAILED;
	if (!is_out(sip))
		return false;
	if (sip->cause == TRAVERSAL_CAUSE_REPORT)
		return true;
	bool blocked = nat->state == TRAVERSAL_FAILED && traversal->config.require_media;
	return is_out(nat) ? !nat->signalling || blocked || sip->state == TRAVERSAL_SKIPPED
			   : nat->state == TRAVERSAL_PASSED &&
				     (!nat->signalling || sip->state == TRAVERSAL_SKIPPED);
}

static bool is_its_turn(const struct traversal *traversal, enum traversal_step step)
{
	const struct traversal_record *steps = traversal->steps;
	bool proxy_first = traversal->config.order == ORDER_PROXY_FIRST;
	switch (step) {
	case TRAVERSAL_SIP:
		return true;
	case TRAVERSAL_NAT:
		return is_out(&steps[TRAVERSAL_SIP]) ||
		       steps[TRAVERSAL_SIP].state == TRAVERSAL_PASSED;
	case TRAVERSAL_TLS:
		return step1_is_out(traversal) && (!proxy_first || is_out(&steps[TRAVERSAL_PROXY]));
	case TRAVERSAL_PROXY:
		return step1_is_out(traversal) && (proxy_first || is_out(&steps[TRAVERSAL_TLS]));
	}
	return false;
}

/* --- actions -------------------------------------------------------------- */

static bool is_quiet(const struct world *world)
{
	return !world->media &&
	       (world->media_end == 0 || world->now >= world->media_end + TRAVERSAL_QUIET_US);
}

static void on_start_step(struct world *world, enum traversal_step step)
{
	const struct traversal *traversal = &world->traversal;
	enum traversal_path path =
		step == TRAVERSAL_PROXY ? TRAVERSAL_PATH_PROXY : TRAVERSAL_PATH_TLS;
	world->redial[step] = step >= TRAVERSAL_TLS && traversal->redial >> path & 1;
	demand(world, !world->open[step], "a step starts once");
	demand(world, traversal->targets[step].text[0], "a step that starts has a target");
	demand(world,
		world->redial[step] || traversal->config.overlap || is_its_turn(traversal, step),
		"a step starts only after all before it have failed");
	demand(world, !world->redial[step] || world->had_tunnel, "only a tunnel is dialled again");
	world->open[step] = true;
	world->passed[step] = false;
}

static void use_tunnel(struct world *world, enum traversal_path path)
{
	enum traversal_step step = path == TRAVERSAL_PATH_PROXY ? TRAVERSAL_PROXY : TRAVERSAL_TLS;
	bool redial = world->redial[step];

	demand(world, world->open[step] && world->passed[step], "only what has passed is used");
	demand(world, redial || is_its_turn(&world->traversal, step), "used in order");
	if (world->confirmed) {
		bool silent = world->silent_since != TRAVERSAL_NEVER;
		demand(world, redial ? silent : is_quiet(world),
			"a living tunnel is moved only when it is quiet");
		demand(world,
			!world->media || world->now >= world->silent_since + TRAVERSAL_PATIENCE_US,
			"media is not interrupted by choice");
		world->handovers++;
	}
	demand(world, world->path != TRAVERSAL_PATH_DIRECT || is_quiet(world),
		"a direct call is not moved");
	world->replaced_direct = world->path == TRAVERSAL_PATH_DIRECT;
	world->open[step] = false;
	world->confirmed = false;
	world->path = path;
}

static void use_direct(struct world *world)
{
	demand(world, !traversal_path_is_tunnel(world->path), "one path at a time");
	world->path = TRAVERSAL_PATH_DIRECT;
}

static void leave(struct world *world)
{
	demand(world, traversal_path_is_tunnel(world->path), "there is a tunnel to leave");
	if (world->confirmed) {
		demand(world, is_quiet(world), "a tunnel with media is not left");
		demand(world, world->now >= world->confirmed_at + TRAVERSAL_DWELL_US, "dwell");
		demand(world,
			world->direct_since != TRAVERSAL_NEVER &&
				world->now >= world->direct_since + TRAVERSAL_APART_US,
			"two direct successes, a minute apart");
		demand(world, world->kernel == TRAVERSAL_KERNEL_ABSENT, "apps go direct first");
		world->returns++;
	}
	world->path = TRAVERSAL_PATH_NONE;
	world->confirmed = false;
}

static void drop(struct world *world)
{
	demand(world,
		world->confirmed && world->silent_since != TRAVERSAL_NEVER &&
			world->now >= world->silent_since + TRAVERSAL_CHECK_US,
		"only a tunnel that has long been silent is dropped");
	demand(world, !world->open[TRAVERSAL_TLS] && !world->open[TRAVERSAL_PROXY],
		"and only when none is dialled in its place");
	world->path = TRAVERSAL_PATH_NONE;
	world->confirmed = false;
	world->undecided_since = TRAVERSAL_NEVER; /* a new question */
}

static void set_kernel(struct world *world, enum traversal_kernel kernel)
{
	if (kernel == TRAVERSAL_KERNEL_TUNNEL && world->replaced_direct)
		demand(world, is_quiet(world), "a direct call is not moved by the kernel");
	demand(world, kernel != world->kernel, "the kernel is set only when it changes");
	world->kernel = kernel;
}

static void carry_out(struct world *world, const struct traversal_action *action)
{
	switch (action->kind) {
	case TRAVERSAL_START_STEP:
		on_start_step(world, action->step);
		return;
	case TRAVERSAL_CANCEL_STEP:
		demand(world, world->open[action->step], "only an open step is cancelled");
		world->open[action->step] = false;
		return;
	case TRAVERSAL_USE_PATH:
		if (action->path == TRAVERSAL_PATH_DIRECT)
			use_direct(world);
		else
			use_tunnel(world, action->path);
		return;
	case TRAVERSAL_LEAVE_TUNNEL:
		leave(world);
		return;
	case TRAVERSAL_DROP_TUNNEL:
		drop(world);
		return;
	case TRAVERSAL_CHECK_TUNNEL:
		demand(world, world->confirmed, "a tunnel that is checked is up");
		return;
	case TRAVERSAL_SET_KERNEL:
		set_kernel(world, action->kernel);
		return;
	case TRAVERSAL_PUBLISH:
		world->verdicts[world->traversal.finding.verdict]++;
		return;
	case TRAVERSAL_SET_TIMER:
		world->timer = action->at;
		return;
	}
}

/* --- promises ------------------------------------------------------------- */

static void check_kernel(struct world *world)
{
	const struct traversal *traversal = &world->traversal;
	enum traversal_mode mode = traversal->config.mode;
	enum traversal_verdict verdict = traversal->finding.verdict;

	demand(world, world->kernel == traversal->kernel, "the kernel is what it is said to be");
	demand(world, (world->kernel == TRAVERSAL_KERNEL_TUNNEL) == world->confirmed,
		"the kernel holds `tunnel' exactly while there is one");
	if (mode == MODE_ALWAYS)
		demand(world, world->kernel != TRAVERSAL_KERNEL_ABSENT, "always: nothing leaks");
	if (mode == MODE_PROBE_ONLY)
		demand(world,
			world->kernel == TRAVERSAL_KERNEL_ABSENT &&
				world->path == TRAVERSAL_PATH_NONE,
			"probe-only changes nothing");
	if (mode != MODE_AUTO)
		return;
	demand(world, world->kernel != TRAVERSAL_KERNEL_UNREACHABLE || world->had_tunnel,
		"unreachable only after a tunnel");
	bool final = verdict == TRAVERSAL_DIRECT || verdict == TRAVERSAL_CAPTIVE ||
		     (verdict == TRAVERSAL_DEAD &&
			     traversal->finding.cause != TRAVERSAL_CAUSE_NO_NETWORK);
	demand(world, traversal->running || !final || world->kernel == TRAVERSAL_KERNEL_ABSENT,
		"direct, dead and captive leave the way open");
}

static void check_finding(struct world *world)
{
	const struct traversal *traversal = &world->traversal;
	const struct traversal_finding *finding = &traversal->finding;
	bool tunnel =
		finding->verdict == TRAVERSAL_TUNNEL || finding->verdict == TRAVERSAL_TUNNEL_PROXY;

	if (traversal->config.mode != MODE_PROBE_ONLY) {
		demand(world, !tunnel || traversal_path_is_tunnel(world->path),
			"the verdict `tunnel' is true");
		demand(world, tunnel || !world->confirmed, "and given");
		demand(world,
			finding->verdict != TRAVERSAL_DIRECT || world->replaced_direct ||
				world->path == TRAVERSAL_PATH_DIRECT,
			"the verdict `direct' is true");
	}
	demand(world,
		traversal->running || finding->verdict != TRAVERSAL_UNKNOWN ||
			finding->cause == TRAVERSAL_CAUSE_LOST ||
			finding->cause == TRAVERSAL_CAUSE_NO_TARGET,
		"a run ends with a verdict");
	demand(world,
		traversal->running || finding->firewall != TRAVERSAL_FIREWALL_STRICT ||
			finding->cause == TRAVERSAL_CAUSE_LOST ||
			traversal->steps[TRAVERSAL_SIP].state != TRAVERSAL_SKIPPED,
		"skipped is not strict");
}

static void check(struct world *world)
{
	const struct traversal *traversal = &world->traversal;
	uint64_t bound = traversal_bound(&traversal->config);

	demand(world, traversal->action_count < TRAVERSAL_ACTIONS, "there is room for all actions");
	demand(world, world->timer != TRAVERSAL_NEVER, "something will happen");
	demand(world,
		traversal_path_is_tunnel(traversal->path) == traversal_path_is_tunnel(world->path),
		"the path is what it is said to be");
	demand(world, traversal->confirmed == world->confirmed, "and confirmed when it is");
	demand(world, !traversal->running || world->now <= traversal->run_started + bound,
		"a run ends in time");
	if (!traversal->running)
		world->undecided_since = TRAVERSAL_NEVER;
	else if (world->undecided_since == TRAVERSAL_NEVER)
		world->undecided_since = world->now;
	else
		demand(world,
			world->now - world->undecided_since <= TRAVERSAL_ABANDON_US + 2 * bound,
			"new networks do not put a verdict off for ever");
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		demand(world, world->open[i] == traversal->steps[i].open, "both know what is open");
		demand(world, traversal->running || !world->open[i], "at rest nothing is open");
	}
	check_kernel(world);
	check_finding(world);
}

static void feed(struct world *world, const struct traversal_event *event)
{
	struct traversal *traversal = &world->traversal;
	traversal_handle(traversal, event, world->now, draw(world));
	for (size_t i = 0; i < traversal->action_count; i++)
		carry_out(world, &traversal->actions[i]);
	if (!world->confirmed || !traversal->direct_works)
		world->direct_since = TRAVERSAL_NEVER;
	else if (world->direct_since == TRAVERSAL_NEVER)
		world->direct_since = world->now;
	if (traversal->path == TRAVERSAL_PATH_NONE)
		world->path = TRAVERSAL_PATH_NONE; /* a direct path ends without an action */
	check(world);
}

/* --- events --------------------------------------------------------------- */

static void give_result(struct world *world, unsigned at)
{
	static const enum traversal_cause failures[] = {TRAVERSAL_CAUSE_TIMEOUT,
		TRAVERSAL_CAUSE_RESET, TRAVERSAL_CAUSE_NO_NETWORK, TRAVERSAL_CAUSE_CAPTIVE,
		TRAVERSAL_CAUSE_INSPECTED, TRAVERSAL_CAUSE_PROXY_AUTH, TRAVERSAL_CAUSE_NO_NAME};
	struct traversal_event event = {
		.kind = TRAVERSAL_EVENT_RESULT,
		.step = (enum traversal_step)at,
		.outcome = TRAVERSAL_PASSED,
		.behind_nat = one_in(world, 3),
		.signalling = one_in(world, 3),
		.words = "a\tword",
	};
	if (draw(world) % 256 >= world->bias[at]) {
		event.outcome = one_in(world, 8)   ? TRAVERSAL_STEP_REFUSED
				: one_in(world, 8) ? TRAVERSAL_SKIPPED
						   : TRAVERSAL_FAILED;
		event.cause =
			event.outcome == TRAVERSAL_STEP_REFUSED
				? TRAVERSAL_CAUSE_OVERLOADED
				: failures[draw(world) % (sizeof(failures) / sizeof(failures[0]))];
		event.retry_after = one_in(world, 2) ? draw(world) % 100 : 0;
	}
	if (world->open[at]) {
		if (event.outcome != TRAVERSAL_PASSED || at < TRAVERSAL_TLS)
			world->open[at] = false;
		else
			world->passed[at] = true;
	} else if (traversal_path_is_tunnel(world->path) && !world->confirmed &&
		   (world->path == TRAVERSAL_PATH_PROXY) == (at == TRAVERSAL_PROXY) &&
		   at >= TRAVERSAL_TLS && event.outcome != TRAVERSAL_PASSED) {
		world->path = TRAVERSAL_PATH_NONE; /* as the caller drops it */
	}
	feed(world, &event);
}

static void change_network(struct world *world)
{
	bool resume = one_in(world, 3);
	struct traversal_event event = {
		.kind = resume ? TRAVERSAL_EVENT_RESUME : TRAVERSAL_EVENT_NETWORK};
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++)
		world->bias[i] = (unsigned char)(one_in(world, 2) ? 0 : draw(world));
	if (world->confirmed && world->silent_since == TRAVERSAL_NEVER)
		world->silent_since = world->now;
	feed(world, &event);
}

static void stall(struct world *world)
{
	if (world->confirmed && world->silent_since == TRAVERSAL_NEVER)
		world->silent_since = world->now;
	feed(world, &(struct traversal_event){.kind = TRAVERSAL_EVENT_STALLED});
}

static void lose_tunnel(struct world *world)
{
	struct traversal_event event = {
		.kind = TRAVERSAL_EVENT_TUNNEL_LOST, .cause = TRAVERSAL_CAUSE_RESET};
	if (world->confirmed)
		world->undecided_since = TRAVERSAL_NEVER; /* a new question */
	if (traversal_path_is_tunnel(world->path))
		world->path = TRAVERSAL_PATH_NONE;
	world->confirmed = false;
	feed(world, &event);
}

static void confirm(struct world *world)
{
	struct traversal_event event = {.kind = TRAVERSAL_EVENT_TUNNEL_CONFIRMED};
	if (traversal_path_is_tunnel(world->path) && !world->confirmed &&
		(!world->replaced_direct || is_quiet(world))) {
		world->confirmed = world->had_tunnel = true;
		world->confirmed_at = world->now;
		world->silent_since = TRAVERSAL_NEVER;
		world->undecided_since = TRAVERSAL_NEVER;
	}
	feed(world, &event);
	world->replaced_direct = false;
}

static void toggle_media(struct world *world)
{
	struct traversal_event event = {.kind = TRAVERSAL_EVENT_MEDIA_STARTED};
	world->media = !world->media;
	world->media_end = world->now ? world->now : 1;
	if (!world->media) {
		event.kind = TRAVERSAL_EVENT_MEDIA_STOPPED;
		event.last_media = world->media_end;
	}
	feed(world, &event);
}

static void send(struct world *world, enum traversal_event_kind kind)
{
	struct traversal_event event = {.kind = kind,
		.registered = one_in(world, 2),
		.step = (enum traversal_step)(draw(world) % TRAVERSAL_STEPS),
		.cause = TRAVERSAL_CAUSE_TLS_STALLED};
	if (kind == TRAVERSAL_EVENT_TUNNEL_ALIVE)
		world->silent_since = TRAVERSAL_NEVER;
	feed(world, &event);
}

static void happen(struct world *world)
{
	unsigned step = draw(world) % TRAVERSAL_STEPS;
	switch (draw(world) % 16) {
	case 0:
		if (one_in(world, 6))
			change_network(world);
		return;
	case 1:
		if (one_in(world, 12))
			lose_tunnel(world);
		return;
	case 2:
		if (one_in(world, world->media ? 2 : 20))
			toggle_media(world);
		return;
	case 3:
		if (one_in(world, 8))
			send(world, TRAVERSAL_EVENT_KICK);
		return;
	case 4:
		if (one_in(world, 8))
			send(world, TRAVERSAL_EVENT_REPORT);
		return;
	case 5:
		if (one_in(world, 2))
			send(world, TRAVERSAL_EVENT_TUNNEL_ALIVE);
		return;
	case 6:
		if (one_in(world, 40))
			stall(world);
		else
			send(world, TRAVERSAL_EVENT_PROGRESS);
		return;
	case 7:
	case 8:
	case 9:
		confirm(world);
		return;
	default:
		if (world->open[step] || one_in(world, 8))
			give_result(world, step);
		return;
	}
}

/* Up to the timer, which is never missed. */
static void pass_time(struct world *world)
{
	static const uint32_t scales[] = {1, 20000, 1000000, 10000000, 400000000};
	uint64_t next = world->now + draw(world) % scales[draw(world) % 5];
	if (next < world->timer && !one_in(world, 8)) {
		world->now = next;
		return;
	}
	if (world->timer > world->now)
		world->now = world->timer;
	send(world, TRAVERSAL_EVENT_TIMER);
}

/* --- runs ----------------------------------------------------------------- */

static void set_up(struct world *world, unsigned seed)
{
	struct traversal_config config = {
		.mode = seed % 6 == 4   ? MODE_ALWAYS
			: seed % 6 == 5 ? MODE_PROBE_ONLY
					: MODE_AUTO,
		.order = seed & 1 ? ORDER_PROXY_FIRST : ORDER_DIRECT_FIRST,
		.overlap = (seed / 6) % 2,
		.require_media = (seed / 12) % 2,
		.timeout = {4 * second, 3 * second, 6 * second, 10 * second},
		.confirm_timeout = 10 * second,
	};
	memset(world, 0, sizeof(*world));
	world->random = UINT64_C(0x9e3779b97f4a7c15) * (seed + 1);
	world->timer = world->silent_since = world->direct_since = world->undecided_since =
		TRAVERSAL_NEVER;
	traversal_init(&world->traversal, &config);
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		world->bias[i] = (unsigned char)draw(world);
		bool none = (seed / 24) % 2 && one_in(world, 3);
		traversal_set_target(&world->traversal, (enum traversal_step)i,
			none ? NULL : "somewhere", TRAVERSAL_CAUSE_NO_TARGET);
	}
}

static void check_words(struct world *world)
{
	char text[TRAVERSAL_EXPLAIN];
	traversal_explain(&world->traversal, text, sizeof(text));
	demand(world, strlen(text) < sizeof(text) - 1 && strstr(text, "\nnext step: "),
		"it can be explained");
}

static void test_promises(void)
{
	static struct world world;
	unsigned handovers = 0, returns = 0, verdicts[TRAVERSAL_VERDICTS] = {0};

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		set_up(&world, seed);
		send(&world, TRAVERSAL_EVENT_START);
		for (unsigned i = 0; i < EVENTS && world.faults == 0; i++) {
			pass_time(&world);
			happen(&world);
			if (i % 64 == 0)
				check_words(&world);
		}
		if (world.faults)
			printf(" (seed %u)\n", seed);
		CU_ASSERT_EQUAL(world.faults, 0);
		handovers += world.handovers;
		returns += world.returns;
		for (unsigned i = 0; i < TRAVERSAL_VERDICTS; i++)
			verdicts[i] += world.verdicts[i];
	}
	CU_ASSERT(handovers > 20);
	CU_ASSERT(returns > 20);
	for (unsigned i = 0; i < TRAVERSAL_VERDICTS; i++)
		CU_ASSERT(verdicts[i] > 20);
}

/* When nothing ever answers, a run takes the sum of its timeouts, or with
 * overlap the longest. */
static void test_black_hole(void)
{
	for (unsigned overlap = 0; overlap < 2; overlap++) {
		static struct world world;
		set_up(&world, overlap ? 6 : 0);
		send(&world, TRAVERSAL_EVENT_START);
		for (unsigned i = 0; i < 100 && world.traversal.running; i++) {
			world.now = world.timer;
			send(&world, TRAVERSAL_EVENT_TIMER);
		}
		CU_ASSERT_EQUAL(world.faults, 0);
		CU_ASSERT_EQUAL(world.now, (overlap ? 10 : 23) * second);
		CU_ASSERT_EQUAL(world.traversal.finding.verdict, TRAVERSAL_DEAD);
		CU_ASSERT_EQUAL(world.traversal.finding.cause, TRAVERSAL_CAUSE_ALL_SILENT);
	}
}

static const struct unit_test tests[] = {
	{"promises", test_promises},
	{"black hole", test_black_hole},
};

UNIT_MAIN("traversal at random", tests)
