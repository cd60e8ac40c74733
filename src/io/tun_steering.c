/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The eBPF program, instruction by instruction: offset 0 of what it sees is the
 * IP header.
 *
 *      version = packet[0] >> 4
 *      4:  index = destination - base                  (32 bits)
 *      6:  index = second word of the destination - base, masked to the subnet
 *      return index mod queues
 */
#include "io/tun_steering.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/octets.h"

enum {
	IPV4_DESTINATION = 16,
	IPV6_DESTINATION_LOW = 24 + 4, /* octets 4 to 7: what precedes the host half */
	PROGRAM_MAX = 32,
};

struct program {
	struct bpf_insn code[PROGRAM_MAX];
	int length;
};

/* Appends one instruction; returns where it stands. */
static int emit(struct program *program, uint8_t code, uint8_t to, uint8_t from, int16_t jump,
	int32_t value)
{
	struct bpf_insn *at = &program->code[program->length];
	*at = (struct bpf_insn){
		.code = code, .dst_reg = to, .src_reg = from, .off = jump, .imm = value};
	return program->length++;
}

static void load_word(struct program *program, int offset)
{
	emit(program, BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, offset);
}

/* Makes the jump at `from` lead to the next instruction. */
static void land(struct program *program, int from)
{
	program->code[from].off = (int16_t)(program->length - from - 1);
}

/* r0 = (r0 - base) & mask, in 32 bits. */
static void make_index(struct program *program, uint32_t base, uint32_t mask)
{
	emit(program, BPF_ALU | BPF_SUB | BPF_K, BPF_REG_0, 0, 0, (int32_t)base);
	emit(program, BPF_ALU | BPF_AND | BPF_K, BPF_REG_0, 0, 0, (int32_t)mask);
}

static void assemble(struct program *program, const struct prefix *ipv4, const struct prefix *ipv6,
	unsigned queues)
{
	/* BPF_ABS loads want the packet in r6, and return 0 when it is short. */
	emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
	emit(program, BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, 0);
	emit(program, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 4);
	int is_six = emit(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 6);

	load_word(program, IPV4_DESTINATION);
	make_index(program, get_u32(ipv4->address.octets), UINT32_MAX);
	int done = emit(program, BPF_JMP | BPF_JA, 0, 0, 0, 0);

	land(program, is_six);
	/* Up to 32 bits of subnet number; the pool uses no more than 20. */
	uint32_t mask = ipv6->length > 32 ? UINT32_MAX >> (ipv6->length - 32) : UINT32_MAX;
	load_word(program, IPV6_DESTINATION_LOW);
	make_index(program, get_u32(ipv6->address.octets + 4), mask);

	land(program, done);
	emit(program, BPF_ALU | BPF_MOD | BPF_K, BPF_REG_0, 0, 0, (int32_t)queues);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int load(const struct program *program)
{
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attributes.insns = (uintptr_t)program->code;
	attributes.insn_cnt = (uint32_t)program->length;
	attributes.license = (uintptr_t) "GPL";
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : fd;
}

int tun_steer(const struct tun *tun, const struct prefix *ipv4, const struct prefix *ipv6,
	struct reason *why)
{
	struct program program = {.length = 0};
	assemble(&program, ipv4, ipv6, tun->queue_count);
	int fd = load(&program);
	int error = fd < 0 ? fd : 0;
	if (!error) {
		/* The TUN holds a reference of its own. */
		if (ioctl(tun->queues[0], TUNSETSTEERINGEBPF, &fd) < 0)
			error = -errno;
		close(fd);
	}
	if (error)
		reason_set(why,
			"the kernel does not let packets of %s be steered to %u workers (%s): set "
			"[tun] workers = 1",
			tun->name, tun->queue_count, strerror(-error));
	return error;
}
