/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lease files of DHCP clients, as far as they name SIP servers. */
#include "core/sip_lease.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"

enum {
	OPTION_MAX = 255,     /* octets of a DHCPv4 option */
	STATEMENT_MAX = 1024, /* octets of a statement that concerns us */
	INTERFACES_MAX = 16,
	INTERFACE_NAME = 16,
	ENCODING_NAMES = 0,
	ENCODING_ADDRESSES = 1,
};

/* --- servers ----------------------------------------------------------- */

/* A name or an address, unless it is there already or neither. */
static void add_server(struct sip_lease *out, const char *text, size_t length)
{
	char server[SIP_LEASE_NAME];
	struct address address;
	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length >= sizeof(server) || out->count == SIP_LEASE_SERVERS)
		return;
	memcpy(server, text, length);
	server[length] = '\0';
	if (strlen(server) != length ||
		(!address_parse(&address, server) &&
			!text_is_host_name((const uint8_t *)server, length)))
		return;
	for (size_t i = 0; i < out->count; i++)
		if (strcmp(out->servers[i], server) == 0)
			return;
	memcpy(out->servers[out->count++], server, length + 1);
}

static void add_all(struct sip_lease *out, const struct sip_lease *more)
{
	for (size_t i = 0; i < more->count; i++)
		add_server(out, more->servers[i], strlen(more->servers[i]));
}

/* Labels without compression, each name ended by the root (RFC 3361 3.1). */
static void read_names(const uint8_t *octets, size_t length, struct sip_lease *out)
{
	char name[SIP_LEASE_NAME];
	size_t used = 0;
	for (size_t at = 0; at < length;) {
		size_t label = octets[at++];
		if (label == 0) {
			add_server(out, name, used);
			used = 0;
			continue;
		}
		if (label > TEXT_LABEL_MAX || label > length - at ||
			used + label + 1 >= sizeof(name))
			return;
		if (used > 0)
			name[used++] = '.';
		memcpy(name + used, octets + at, label);
		used += label;
		at += label;
	}
}

void sip_lease_read_option(const uint8_t *octets, size_t length, struct sip_lease *out)
{
	if (length == 0)
		return;
	if (octets[0] == ENCODING_NAMES)
		read_names(octets + 1, length - 1, out);
	for (size_t at = 1; octets[0] == ENCODING_ADDRESSES && at + 4 <= length; at += 4) {
		struct address address;
		char text[ADDRESS_TEXT_MAX];
		address_set(&address, 4, octets + at);
		address_format(&address, text);
		add_server(out, text, strlen(text));
	}
}

/* --- dhclient ---------------------------------------------------------- */

/*   lease {
 *     interface "eth0";
 *     option unknown-120 1:cb:0:71:5;
 *     expire 4 2026/11/26 10:00:00;
 *   }
 */

/* What the block that is being read says. */
struct block {
	char interface[INTERFACE_NAME];
	bool is_ipv6, expired;
	int64_t starts; /* of the address that is being read; DHCPv6 only */
	struct sip_lease servers;
};

/* The last block of each interface and family. */
struct blocks {
	struct block items[INTERFACES_MAX];
	size_t count;
};

/* What follows `word` and a space, or NULL. */
static const char *behind(const char *text, const char *word)
{
	size_t length = strlen(word);
	if (strncmp(text, word, length) != 0 || text[length] != ' ')
		return NULL;
	return text + length + 1;
}

/* "1:cb:0:71:5" */
static void read_hex(const char *text, struct sip_lease *out)
{
	uint8_t octets[OPTION_MAX];
	size_t count = 0;
	while (count < sizeof(octets)) {
		char *end;
		size_t digits = strspn(text, "0123456789abcdefABCDEF");
		if (digits == 0 || digits > 2)
			return;
		octets[count++] = (uint8_t)strtoul(text, &end, 16);
		if (*end == '\0') {
			sip_lease_read_option(octets, count, out);
			return;
		}
		if (*end != ':')
			return;
		text = end + 1;
	}
}

/* Addresses or quoted names, separated by commas or spaces. */
static void read_list(const char *text, struct sip_lease *out)
{
	static const char separators[] = ", \"\t\r";
	while (*(text += strspn(text, separators))) {
		size_t length = strcspn(text, separators);
		add_server(out, text, length);
		text += length;
	}
}

static void read_interface(const char *text, char out[INTERFACE_NAME])
{
	size_t length = *text == '"' ? strcspn(text + 1, "\"") : 0;
	if (length == 0 || length >= INTERFACE_NAME)
		return;
	memcpy(out, text + 1, length);
	out[length] = '\0';
}

/* Days since 1970-01-01 of a date of the Gregorian calendar; the year begins
 * in March, so that the odd day of leap years is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

/* The number at *text, behind any of the separators; -1 when there is none. */
static int64_t take_number(const char **text)
{
	*text += strspn(*text, " /:");
	size_t digits = strspn(*text, "0123456789");
	if (digits == 0 || digits > 12)
		return -1;
	int64_t number = strtoll(*text, NULL, 10);
	*text += digits;
	return number;
}

/* "4 2026/11/26 10:00:00" in UTC, "epoch 1795687200", or "never". */
static bool has_expired(const char *text, int64_t now)
{
	const char *epoch = behind(text, "epoch");
	int64_t fields[7]; /* weekday, year, month, day, hour, minute, second */
	if (epoch)
		return take_number(&epoch) <= now;
	for (size_t i = 0; i < 7; i++) {
		fields[i] = take_number(&text);
		if (fields[i] < 0)
			return false; /* "never", or nothing that we understand */
	}
	if (fields[1] > 9999 || fields[2] < 1 || fields[2] > 12)
		return false;
	int64_t days = days_of(fields[1], fields[2], fields[3]);
	return days * 86400 + fields[4] * 3600 + fields[5] * 60 + fields[6] <= now;
}

/* One statement without its semicolon. */
static void read_statement(const char *text, int64_t now, struct block *block)
{
	const char *value;
	if ((value = behind(text, "interface")))
		read_interface(value, block->interface);
	else if ((value = behind(text, "expire")))
		block->expired = has_expired(value, now);
	else if ((value = behind(text, "starts")) && block->is_ipv6)
		block->starts = take_number(&value);
	else if ((value = behind(text, "max-life")) && block->is_ipv6)
		block->expired = block->starts + take_number(&value) <= now;
	else if ((value = behind(text, "option unknown-120")))
		read_hex(value, &block->servers);
	else if ((value = behind(text, "option dhcp6.sip-servers-addresses")) ||
		 (value = behind(text, "option dhcp6.sip-servers-names")))
		read_list(value, &block->servers);
}

static void keep_block(struct blocks *blocks, const struct block *block)
{
	for (size_t i = 0; i < blocks->count; i++) {
		struct block *other = &blocks->items[i];
		if (other->is_ipv6 == block->is_ipv6 &&
			strcmp(other->interface, block->interface) == 0) {
			*other = *block;
			return;
		}
	}
	if (blocks->count < INTERFACES_MAX)
		blocks->items[blocks->count++] = *block;
}

/* The octets up to ';', '{' or '}' outside quotes, with single spaces; the mark
 * itself into *mark, 0 at the end of the text. */
static void take_statement(struct view *rest, char out[STATEMENT_MAX], char *mark)
{
	size_t used = 0;
	bool quoted = false, comment = false;
	*mark = '\0';
	while (rest->length > 0 && !*mark) {
		char octet = (char)*rest->octets++;
		rest->length--;
		comment = comment ? octet != '\n' : !quoted && octet == '#';
		quoted ^= octet == '"' && !comment;
		if (!quoted && !comment && (octet == ';' || octet == '{' || octet == '}'))
			*mark = octet;
		else if (octet == '\n' || octet == '\t' || octet == '\r' || octet == '\0' ||
			 comment)
			octet = ' ';
		bool repeats = octet == ' ' && (used == 0 || out[used - 1] == ' ');
		if (!*mark && !repeats && used < STATEMENT_MAX - 1)
			out[used++] = octet;
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}

void sip_lease_read_dhclient(struct view text, int64_t now, struct sip_lease *out)
{
	struct blocks blocks = {0};
	struct block block = {0};
	char statement[STATEMENT_MAX], mark;
	unsigned depth = 0;
	do {
		take_statement(&text, statement, &mark);
		if (mark == '{' && depth++ == 0)
			block = (struct block){.is_ipv6 = strcmp(statement, "lease6") == 0};
		else if (mark == ';' && depth > 0)
			read_statement(statement, now, &block);
		else if (mark == '}' && depth > 0 && --depth == 0)
			keep_block(&blocks, &block);
	} while (mark);
	for (size_t i = 0; i < blocks.count; i++)
		if (!blocks.items[i].expired)
			add_all(out, &blocks.items[i].servers);
}

/* --- systemd-networkd -------------------------------------------------- */

void sip_lease_read_networkd(struct view text, struct sip_lease *out)
{
	static const char key[] = "SIP=";
	while (text.length > 0) {
		const uint8_t *end = memchr(text.octets, '\n', text.length);
		size_t length = end ? (size_t)(end - text.octets) : text.length;
		char line[STATEMENT_MAX];
		if (length < sizeof(line) && length >= sizeof(key) - 1 &&
			memcmp(text.octets, key, sizeof(key) - 1) == 0) {
			memcpy(line, text.octets, length);
			line[length] = '\0';
			read_list(line + sizeof(key) - 1, out);
		}
		length += end != NULL;
		text.octets += length;
		text.length -= length;
	}
}
