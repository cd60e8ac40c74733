/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looks at the host the way a colleague would who has set this up before. */
#include "tscfd/preflight.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/packet.h"
#include "io/log.h"

enum {
	EXPIRY_DAYS = 30,
	OTHER_DESCRIPTORS = 128, /* besides one per client */
	CLIENTS_EXPECTED = 4096, /* when max-tunnels does not say */
	ECHOES = 4,              /* half a second apart */
	ECHO_ID = 0x5453,
};

static void warn(struct admin *admin, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct admin *admin, const char *format, ...)
{
	char text[REASON_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	admin_warn(admin, text);
}

/* -1 when there is no such setting. */
static int sysctl_value(const char *path)
{
	int value = -1;
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static void check_forwarding(struct admin *admin)
{
	const struct tscfd_config *config = &admin->settings->config;
	char path[128];
	if (config->ipv4.address.version && sysctl_value("/proc/sys/net/ipv4/ip_forward") != 1)
		warn(admin, "IPv4 forwarding is off, so nothing gets from the tunnels to the IMS "
			    "core: sysctl -w net.ipv4.ip_forward=1");
	if (config->ipv6.address.version &&
		sysctl_value("/proc/sys/net/ipv6/conf/all/forwarding") != 1)
		warn(admin, "IPv6 forwarding is off, so nothing gets from the tunnels to the IMS "
			    "core: sysctl -w net.ipv6.conf.all.forwarding=1");
	snprintf(
		path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/send_redirects", config->interface);
	if (config->inter_client && sysctl_value(path) == 1)
		warn(admin,
			"with inter-client = allow the kernel sends ICMP redirects to clients: "
			"sysctl -w net.ipv4.conf.%s.send_redirects=0 "
			"net.ipv4.conf.all.send_redirects=0",
			config->interface);
}

/* A route to each IMS prefix must exist and lead away from the tunnels. */
static void check_core_routes(struct admin *admin, struct netlink *netlink, unsigned tun_index)
{
	const struct config_prefixes *routes = &admin->settings->config.routes;
	for (size_t i = 0; i < routes->count; i++) {
		struct netlink_path found;
		struct reason why;
		char text[PREFIX_TEXT_MAX];
		struct address first = routes->items[i].address;
		size_t size = address_size(first.version);
		if (routes->items[i].length < size * 8)
			first.octets[size - 1] |= 1;
		if (netlink_path_find(netlink, &first, 0, &found, &why) != 0)
			warn(admin,
				"this host has no route to the IMS prefix %s: add one towards the "
				"core, or correct [ims] routes",
				prefix_format(&routes->items[i], text));
		else if (found.index == tun_index)
			warn(admin,
				"the route to the IMS prefix %s leads back into %s: the pool and "
				"[ims] routes overlap",
				prefix_format(&routes->items[i], text),
				admin->settings->config.interface);
	}
}

static void check_descriptors(struct admin *admin)
{
	struct rlimit limit;
	unsigned clients = admin->settings->config.max_tunnels;
	rlim_t needed = (clients ? clients : CLIENTS_EXPECTED) + OTHER_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed)
		warn(admin,
			"only %llu file descriptors may be open, %llu are needed for %u clients: "
			"raise LimitNOFILE= or ulimit -n, or lower max-tunnels",
			(unsigned long long)limit.rlim_cur, (unsigned long long)needed,
			clients ? clients : CLIENTS_EXPECTED);
}

static void check_certificate(struct admin *admin)
{
	int64_t expiry = tls_context_expiry(admin->settings->tls);
	int64_t left = expiry - (int64_t)time(NULL);
	if (expiry == 0)
		return;
	if (left <= 0)
		warn(admin, "the server certificate has expired: no client will connect until it "
			    "is renewed (tscf-pki renew-server, then tscfctl reload)");
	else if (left < (int64_t)EXPIRY_DAYS * 86400)
		warn(admin,
			"the server certificate expires in %lld days: renew it in time "
			"(tscf-pki renew-server, then tscfctl reload)",
			(long long)(left / 86400));
}

static void check_settings(struct admin *admin)
{
	const struct tscfd_config *config = &admin->settings->config;
	const struct config_key *key = NULL;
	if (config->client_auth == CLIENT_AUTH_NONE)
		warn(admin, "client-auth = none: everybody who reaches this port gets a tunnel "
			    "into the IMS core");
	if (config->client_auth == CLIENT_AUTH_OPTIONAL)
		warn(admin, "client-auth = optional: clients without a certificate get a tunnel "
			    "into the IMS core too");
	if (config->plain)
		warn(admin, "plain = yes: clients that know TS 24.322 only are served; they cannot "
			    "resume a tunnel, nor be told why one ends");
	while ((key = config_next_inert(config, tscfd_config_keys, key)))
		warn(admin, "[%s] %s has no effect in this version", key->section, key->name);
}

void preflight(struct admin *admin, struct netlink *netlink, unsigned tun_index)
{
	check_settings(admin);
	check_descriptors(admin);
	check_certificate(admin);
	check_forwarding(admin);
	check_core_routes(admin, netlink, tun_index);
}

/* --- the route back ------------------------------------------------------- */

static socklen_t socket_address(const struct address *address, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->version == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, address->octets, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, address->octets, 16);
	return sizeof(*in6);
}

static int open_socket(const struct address *own)
{
	struct sockaddr_storage from;
	socklen_t length = socket_address(own, &from);
	int fd = socket(from.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		own->version == 4 ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&from, length) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Echo Request, RFC 792 and RFC 4443 4.1; for IPv6 the kernel completes the
 * checksum. */
static void send_echo(const struct route_back *check)
{
	uint8_t echo[8] = {check->own.version == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
	struct sockaddr_storage to;
	socklen_t length = socket_address(&check->target, &to);
	put_u16(echo + 4, ECHO_ID);
	put_u16(echo + 6, (uint16_t)check->asked);
	if (check->own.version == 4)
		put_u16(echo + 2, (uint16_t)~packet_sum(echo, sizeof(echo), 0));
	/* Not sent is not answered. */
	(void)!sendto(check->fd, echo, sizeof(echo), 0, (struct sockaddr *)&to, length);
}

/* Raw IPv4 sockets give the IP header too. */
static bool is_our_answer(const struct route_back *check, const uint8_t *octets, size_t length)
{
	size_t skip = check->own.version == 4 && length ? (size_t)(octets[0] & 15) * 4 : 0;
	uint8_t reply = check->own.version == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	return length >= skip + 8 && octets[skip] == reply && get_u16(octets + skip + 4) == ECHO_ID;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct route_back *check = watcher->data;
	uint8_t octets[512];
	char target[ADDRESS_TEXT_MAX];
	ssize_t got;
	while ((got = recv(check->fd, octets, sizeof(octets), 0)) > 0)
		if (is_our_answer(check, octets, (size_t)got)) {
			log_line(LOG_INFO,
				"the P-CSCF %s answers a ping from the pool: the core "
				"has a route back",
				address_format(&check->target, target));
			route_back_stop(check);
			return;
		}
}

static void on_echo_due(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct route_back *check = watcher->data;
	if (check->asked < ECHOES) {
		check->asked++;
		send_echo(check);
		return;
	}
	const struct tscfd_config *config = &check->admin->settings->config;
	char own[ADDRESS_TEXT_MAX], target[ADDRESS_TEXT_MAX], pool[PREFIX_TEXT_MAX];
	warn(check->admin,
		"the P-CSCF %s does not answer a ping from %s: unless it never answers pings, the "
		"core has no route back to %s through this host",
		address_format(&check->target, target), address_format(&check->own, own),
		prefix_format(check->own.version == 4 ? &config->ipv4 : &config->ipv6, pool));
	route_back_stop(check);
}

static bool find_target(struct route_back *check)
{
	const struct config_list *pcscf = &check->admin->settings->config.p_cscf;
	for (size_t i = 0; i < pcscf->count; i++)
		if (address_parse(&check->target, pcscf->items[i]) &&
			check->target.version == check->own.version)
			return true;
	return false;
}

void route_back_start(struct route_back *check, struct ev_loop *loop, struct admin *admin,
	const struct address *own)
{
	*check = (struct route_back){.loop = loop, .admin = admin, .own = *own, .fd = -1};
	if (own->version == 0 || !find_target(check))
		return;
	check->fd = open_socket(own);
	if (check->fd < 0)
		return;
	ev_io_init(&check->readable, on_readable, check->fd, EV_READ);
	/* The kernel takes a moment until an IPv6 address just added is its own. */
	ev_timer_init(&check->echo_due, on_echo_due, 0.1, 0.5);
	check->readable.data = check->echo_due.data = check;
	ev_io_start(loop, &check->readable);
	ev_timer_start(loop, &check->echo_due);
}

void route_back_stop(struct route_back *check)
{
	if (check->fd < 0)
		return;
	ev_io_stop(check->loop, &check->readable);
	ev_timer_stop(check->loop, &check->echo_due);
	close(check->fd);
	check->fd = -1;
}
