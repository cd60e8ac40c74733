/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's end of the tunnel: packets that were routed into the interface
 * are read here, and what is written here arrives on it. */
#include "io/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/sandbox.h"

/* UDP segmentation offload came with Linux 6.2; older headers lack the names. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static const char tun_device[] = "/dev/net/tun";

static int open_device(struct reason *why)
{
	int fd = open(tun_device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	int error = errno;
	if (error == ENOENT || error == ENODEV || error == ENXIO)
		reason_set(why,
			"%s is missing: load the driver (modprobe tun), or in a container pass the "
			"device in (--device %s)",
			tun_device, tun_device);
	else if (error == EACCES || error == EPERM)
		reason_set(why, "not allowed to open %s: start as root, or let this user open it",
			tun_device);
	else
		reason_set(why, "cannot open %s: %s", tun_device, strerror(error));
	return -error;
}

static void explain_permission(const char *name, struct reason *why)
{
	unsigned user = geteuid();
	if (if_nametoindex(name))
		reason_set(why,
			"not allowed to use the interface %s, which was made for another user: "
			"make "
			"it for this one (ip tuntap add dev %s mode tun user %u), or start with "
			"CAP_NET_ADMIN",
			name, name, user);
	else if (sandbox_has_net_admin()) /* of another user namespace */
		reason_set(why,
			"not allowed to make the interface %s: CAP_NET_ADMIN is there, but not for "
			"this network, which belongs to the host: an ordinary user's container "
			"needs a network of its own, or an interface made beforehand on the host "
			"(ip tuntap add dev %s mode tun)",
			name, name);
	else
		reason_set(why,
			"not allowed to make the interface %s: CAP_NET_ADMIN is needed (start as "
			"root; in a container: --cap-add NET_ADMIN), or an interface made "
			"beforehand (ip tuntap add dev %s mode tun user %u)",
			name, name, user);
}

static void explain_attach(int error, const char *name, unsigned queues, struct reason *why)
{
	switch (error) {
	case EPERM:
		explain_permission(name, why);
		return;
	case EBUSY:
		reason_set(why,
			"the interface %s is in use by another process: stop that one, or choose "
			"another name with interface =",
			name);
		return;
	case EINVAL:
		reason_set(why,
			"%s cannot be a TUN with %s: an interface of another kind or with another "
			"number of queues has that name; delete it (ip link delete %s) or choose "
			"another one with interface =",
			name, queues > 1 ? "several queues" : "one queue", name);
		return;
	case ENOTTY:
		reason_set(why,
			"%s is not the TUN driver: in a container pass the device in "
			"(--device %s)",
			tun_device, tun_device);
		return;
	case E2BIG:
		reason_set(why, "the kernel does not give %s as many as %u queues", name, queues);
		return;
	default:
		reason_set(why, "cannot make the interface %s: %s", name, strerror(error));
	}
}

/* An interface made beforehand is persistent; one that existed and is not
 * belongs to a living process, and a further queue would steal its packets. */
static bool is_persistent(int fd)
{
	struct ifreq request = {0};
	return ioctl(fd, TUNGETIFF, &request) == 0 && request.ifr_flags & IFF_PERSIST;
}

/* 0 or -errno.  The first queue makes the interface, the others join it. */
static int attach(int fd, const char *name, short flags, bool first)
{
	struct ifreq request = {0};
	memcpy(request.ifr_name, name, strlen(name));
	if (first) {
		request.ifr_flags = (short)(flags | (short)IFF_TUN_EXCL);
		if (ioctl(fd, TUNSETIFF, &request) == 0)
			return 0;
		if (errno != EBUSY)
			return -errno;
	}
	request.ifr_flags = flags;
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return -errno;
	return first && !is_persistent(fd) ? -EBUSY : 0;
}

/* What the kernel may leave to us: as much of it as this kernel knows. */
static int set_offload(struct tun *tun, bool wanted, struct reason *why)
{
	static const unsigned long segments = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int fd = tun->queues[0];
	if (!wanted) {
		/* One made beforehand may have it on from its last owner. */
		(void)ioctl(fd, TUNSETOFFLOAD, 0ul);
		return 0;
	}
	tun->udp_offload = ioctl(fd, TUNSETOFFLOAD, segments | TUN_F_USO4 | TUN_F_USO6) == 0;
	if (tun->udp_offload || ioctl(fd, TUNSETOFFLOAD, segments) == 0 ||
		ioctl(fd, TUNSETOFFLOAD, (unsigned long)TUN_F_CSUM) == 0)
		return 0;
	int error = errno;
	reason_set(why, "%s cannot have its checksums offloaded (%s): set offload = off", tun->name,
		strerror(error));
	return -error;
}

static int open_queue(struct tun *tun, unsigned queues, struct reason *why)
{
	short flags = IFF_TUN | IFF_NO_PI;
	if (queues > 1)
		flags |= IFF_MULTI_QUEUE;
	if (tun->offload)
		flags |= IFF_VNET_HDR;

	int fd = open_device(why);
	if (fd < 0)
		return fd;
	int result = attach(fd, tun->name, flags, tun->queue_count == 0);
	if (result < 0) {
		explain_attach(-result, tun->name, queues, why);
		goto close_queue;
	}
	int header = OFFLOAD_HEADER;
	if (tun->offload && ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) {
		result = -errno;
		reason_set(why, "%s does not take a header of %d octets: %s", tun->name, header,
			strerror(-result));
		goto close_queue;
	}
	tun->queues[tun->queue_count++] = fd;
	return 0;

close_queue:
	close(fd);
	return result;
}

int tun_open(struct tun *tun, const char *name, unsigned queues, bool offload, struct reason *why)
{
	*tun = (struct tun){.offload = offload};
	size_t length = strlen(name);
	if (length == 0 || length >= sizeof(tun->name)) {
		reason_set(why, "the interface name \"%s\" is not 1 to %zu characters long", name,
			sizeof(tun->name) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(tun->name, name, length);
	if (queues == 0 || queues > TUN_QUEUES_MAX) {
		reason_set(why, "%u queues are not possible for %s, 1 to %d are", queues, name,
			TUN_QUEUES_MAX);
		return -EINVAL;
	}
	tun->queues = calloc(queues, sizeof(*tun->queues));
	if (!tun->queues) {
		reason_set(why, "no memory for the queues of %s", name);
		return -ENOMEM;
	}

	int result = 0;
	while (result == 0 && tun->queue_count < queues)
		result = open_queue(tun, queues, why);
	if (result == 0)
		result = set_offload(tun, offload, why);
	if (result == 0) {
		tun->index = if_nametoindex(tun->name);
		if (tun->index == 0) {
			result = -errno;
			reason_set(why, "the interface %s vanished right after it was made", name);
		}
	}
	if (result < 0)
		tun_close(tun);
	return result;
}

void tun_close(struct tun *tun)
{
	for (unsigned queue = 0; queue < tun->queue_count; queue++)
		close(tun->queues[queue]);
	free(tun->queues);
	*tun = (struct tun){0};
}

int tun_carrier(const struct tun *tun, bool on)
{
	int carrier = on;
	return ioctl(tun->queues[0], TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}

enum tun_result tun_read(const struct tun *tun, unsigned queue, struct slot *slot)
{
	/* The header lands in the headroom, so the packet is where it belongs
	 * without a copy. */
	size_t front = tun->offload ? OFFLOAD_HEADER : 0;
	uint8_t *start = slot_packet(slot) - front;
	size_t room = front + (slot->big ? SLOT_BIG : SLOT_SMALL);
	ssize_t got;
	do
		got = read(tun->queues[queue], start, room);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno == EAGAIN)
			return TUN_AGAIN;
		return errno == EIO ? TUN_DOWN : TUN_FAILED;
	}
	if ((size_t)got < front) {
		errno = EBADMSG;
		return TUN_FAILED;
	}
	slot->length = (uint32_t)((size_t)got - front);
	slot->offload = (struct offload){0};
	if (tun->offload)
		offload_get_virtio(start, &slot->offload);
	return TUN_OK;
}

static enum tun_result write_result(ssize_t sent)
{
	if (sent >= 0)
		return TUN_OK;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return TUN_AGAIN;
	case EIO:
		return TUN_DOWN;
	case EINVAL:
	case EMSGSIZE:
		return TUN_REFUSED;
	default:
		return TUN_FAILED;
	}
}

enum tun_result tun_write(const struct tun *tun, unsigned queue, uint8_t *packet, size_t length,
	const struct offload *offload)
{
	size_t front = tun->offload ? OFFLOAD_HEADER : 0;
	if (tun->offload)
		offload_put_virtio(offload, packet - front);
	ssize_t sent;
	do
		sent = write(tun->queues[queue], packet - front, front + length);
	while (sent < 0 && errno == EINTR);
	return write_result(sent);
}

enum tun_result tun_write_pieces(const struct tun *tun, unsigned queue, const struct view *pieces,
	unsigned count, const struct offload *offload)
{
	struct iovec vector[1 + TUN_PIECES];
	uint8_t header[OFFLOAD_HEADER];
	int used = 0;
	if (tun->offload) {
		offload_put_virtio(offload, header);
		vector[used++] = (struct iovec){header, sizeof(header)};
	}
	for (unsigned i = 0; i < count && i < TUN_PIECES; i++)
		/* The kernel only reads them. */
		vector[used++] = (struct iovec){(void *)pieces[i].octets, pieces[i].length};
	ssize_t sent;
	do
		sent = writev(tun->queues[queue], vector, used);
	while (sent < 0 && errno == EINTR);
	return write_result(sent);
}
