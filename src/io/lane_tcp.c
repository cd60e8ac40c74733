/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TCP_INFO and the options of thin streams. */
#include "io/lane_tcp.h"

#include <linux/tcp.h> /* not netinet/tcp.h: its struct tcp_info ends in 2012 */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Linux 6.11 to 6.15; older headers lack the names, older kernels the options. */
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46
#endif

enum {
	RTO_MIN_US = 50000, /* above the 40 ms for which a peer may hold back an acknowledgement */
	RTO_MIN_PATIENT_US = 200000, /* the most that the kernel takes */
	RTO_MAX_MS = 1000,     /* the least that the kernel takes: after an outage, once a second */
	DELACK_MAX_US = 20000, /* voice comes every 20 ms */
};

static void set(int fd, int option, int value)
{
	setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

void lane_tcp_tune(struct lane_tcp *tcp, int fd)
{
	*tcp = (struct lane_tcp){.unsent_limit = LANE_TCP_UNSENT_FIRST};
	set(fd, TCP_NODELAY, 1);
	set(fd, TCP_NOTSENT_LOWAT, LANE_TCP_UNSENT_FIRST);
	/* A kernel that can bound the timeout itself needs no linear ones, but
	 * they do no harm there either. */
	set(fd, TCP_THIN_LINEAR_TIMEOUTS, 1);
	set(fd, TCP_RTO_MAX_MS, RTO_MAX_MS);
	set(fd, TCP_RTO_MIN_US, RTO_MIN_US);
	set(fd, TCP_DELACK_MAX_US, DELACK_MAX_US);
	set(fd, TCP_USER_TIMEOUT, LANE_TCP_DEAD_MS);
}

void lane_tcp_keep_alive(int fd, unsigned seconds)
{
	int on = 1;
	set(fd, TCP_KEEPIDLE, seconds ? (int)seconds : 1);
	set(fd, TCP_KEEPINTVL, LANE_TCP_DEAD_MS / 4000);
	set(fd, TCP_KEEPCNT, 4);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* On a path this short a congestion control that paces gains nothing, and its
 * timer for every few segments costs a quarter of the throughput.  Who may not
 * choose cubic may choose reno. */
static void spare_timers(int fd, uint32_t min_rtt)
{
	static const char pacing[] = "bbr", cubic[] = "cubic", reno[] = "reno";
	char name[16] = ""; /* TCP_CA_NAME_MAX */
	socklen_t length = sizeof(name);
	if (min_rtt >= LANE_TCP_SHORT_PATH_US ||
		getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) < 0 ||
		memcmp(name, pacing, sizeof(pacing) - 1) != 0)
		return;
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cubic, sizeof(cubic) - 1) < 0)
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno) - 1);
}

/* On a longer path segments leave at even distances, as with sch_fq, for bursts of a
 * window lose half of it where buffers are shallow.  Without a bound there: to set
 * one is what makes the kernel pace. */
static void pace_segments(int fd, uint32_t min_rtt)
{
	uint64_t any = UINT64_MAX - 1;
	if (min_rtt >= LANE_TCP_LONG_PATH_US && min_rtt != UINT32_MAX)
		setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &any, sizeof(any));
}

/* Since when is not told: not before the last look, which did not see it.  It may
 * count on as long as something that was sent again is not acknowledged. */
static void note_resending(
	struct lane_tcp *tcp, const struct tcp_info *info, uint64_t sent, uint64_t acknowledged)
{
	if (info->tcpi_retransmits > 0 || info->tcpi_ca_state >= TCP_CA_Recovery) {
		if (tcp->resending == 0)
			tcp->resending = tcp->read_at ? tcp->read_at : 1;
		tcp->resent = sent;
	} else if (acknowledged >= tcp->resent) {
		tcp->resending = 0;
	}
}

/* What was lost goes first, and the congestion window bounds what is on its way. */
static bool is_blocked(const struct tcp_info *info)
{
	uint32_t gone = info->tcpi_sacked + info->tcpi_lost;
	uint32_t out = info->tcpi_unacked + info->tcpi_retrans;
	return info->tcpi_lost > info->tcpi_retrans ||
	       (out > gone && out - gone >= info->tcpi_snd_cwnd);
}

bool lane_tcp_read(struct lane_tcp *tcp, int fd, uint64_t now)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	/* tcpi_bytes_acked counts the SYN. */
	uint64_t sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	uint64_t acknowledged = info.tcpi_bytes_acked > sent ? sent : info.tcpi_bytes_acked;

	if (tcp->read_at == 0) {
		spare_timers(fd, info.tcpi_min_rtt);
		pace_segments(fd, info.tcpi_min_rtt);
	}
	note_resending(tcp, &info, sent, acknowledged);
	if (acknowledged != tcp->acknowledged || info.tcpi_delivered != tcp->segments_arrived)
		tcp->moved = now;
	tcp->read_at = now;
	tcp->acknowledged = acknowledged;
	tcp->segments_arrived = info.tcpi_delivered; /* since Linux 4.18 */
	/* Selectively acknowledged ones are counted in segments. */
	uint64_t segment =
		info.tcpi_data_segs_out ? info.tcpi_bytes_sent / info.tcpi_data_segs_out : 0;
	tcp->delivered = acknowledged + info.tcpi_sacked * segment;
	tcp->unacked = (uint32_t)(sent - acknowledged);
	tcp->unsent = info.tcpi_notsent_bytes;
	tcp->blocked = is_blocked(&info);
	tcp->rtt = info.tcpi_rtt;
	tcp->rttvar = info.tcpi_rttvar;
	tcp->silence = info.tcpi_last_data_recv;
	tcp->min_rtt = info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt;
	tcp->delivery_rate = info.tcpi_delivery_rate;
	tcp->rate_is_floor = info.tcpi_delivery_rate_app_limited;
	tcp->segments_sent = info.tcpi_data_segs_out;
	tcp->retransmitted = info.tcpi_total_retrans;
	tcp->segments_come = info.tcpi_data_segs_in;
	tcp->came_out_of_turn = info.tcpi_rcv_ooopack;
	return true;
}

uint64_t lane_tcp_last_came(struct lane_tcp *tcp, int fd, uint64_t now)
{
	return lane_tcp_read(tcp, fd, now) ? now - (uint64_t)tcp->silence * 1000 : 0;
}

void lane_tcp_wake_for(int fd, size_t octets)
{
	int least = (int)octets;
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least));
}

void lane_tcp_be_patient(int fd, bool patient)
{
	set(fd, TCP_RTO_MIN_US, patient ? RTO_MIN_PATIENT_US : RTO_MIN_US);
}

void lane_tcp_calm(struct lane_tcp *tcp, int fd)
{
	if (!tcp->hurried)
		return;
	tcp->hurried = false;
	set(fd, TCP_USER_TIMEOUT, LANE_TCP_DEAD_MS);
}

/* Linux waits for its timer at most until TCP_USER_TIMEOUT, counted from when it
 * first sent again (4.19, tcp_clamp_rto_to_user_timeout), and then gives up if that
 * was not put off meanwhile. */
void lane_tcp_hurry(struct lane_tcp *tcp, int fd, uint64_t now)
{
	uint64_t ms = tcp->resending ? (now - tcp->resending) / 1000 : 0;
	if (ms + LANE_TCP_HURRY_MS > LANE_TCP_DEAD_MS) {
		lane_tcp_calm(tcp, fd);
		return;
	}
	tcp->hurried = true;
	set(fd, TCP_USER_TIMEOUT, (int)ms + LANE_TCP_HURRY_MS);
}

void lane_tcp_bound_unsent(struct lane_tcp *tcp, int fd)
{
	uint64_t wanted = tcp->delivery_rate * LANE_TCP_UNSENT_MS / 1000;
	/* Where it was we who held it up, the lane may well be faster. */
	if (tcp->rate_is_floor)
		wanted *= 2;
	if (wanted < LANE_TCP_UNSENT_MIN)
		wanted = LANE_TCP_UNSENT_MIN;
	if (wanted > LANE_TCP_UNSENT_MAX)
		wanted = LANE_TCP_UNSENT_MAX;
	/* A rate is never the same twice: only what matters is worth a system call. */
	if (wanted > tcp->unsent_limit - tcp->unsent_limit / 4 &&
		wanted < tcp->unsent_limit + tcp->unsent_limit / 4)
		return;
	tcp->unsent_limit = (uint32_t)wanted;
	set(fd, TCP_NOTSENT_LOWAT, (int)wanted);
}
