/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lenient where a portal may be sloppy (bare LF, odd fields), strict about
 * what is kept. */
#include "core/http_answer.h"

#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/octets.h"
#include "core/text.h"

enum {
	STATUS_LINE_LEAST = 12, /* "HTTP/1.1 200" */
	SUCCESSFUL = 200,
};

struct head {
	struct http_answer *answer;
	bool has_type;
};

/* --- lines ----------------------------------------------------------------- */

static struct view trim(struct view text)
{
	while (text.length > 0 && (text.octets[0] == ' ' || text.octets[0] == '\t')) {
		text.octets++;
		text.length--;
	}
	while (text.length > 0 && memchr(" \t\r", text.octets[text.length - 1], 3))
		text.length--;
	return text;
}

/* Cuts the next line, without its end, off the front of `rest`; a bare LF ends
 * one too (RFC 9112 2.2).  False when no whole line is left. */
static bool next_line(struct view *rest, struct view *line)
{
	const uint8_t *end = rest->length ? memchr(rest->octets, '\n', rest->length) : NULL;
	if (!end)
		return false;
	size_t length = (size_t)(end - rest->octets);
	*line = (struct view){rest->octets, length};
	if (length > 0 && end[-1] == '\r')
		line->length--;
	rest->octets += length + 1;
	rest->length -= length + 1;
	return true;
}

static bool is_digit(uint8_t octet)
{
	return octet >= '0' && octet <= '9';
}

/* False as soon as what is there cannot become a status line, so that who
 * greets with something else is not waited for. */
static bool may_be_status_line(struct view start)
{
	static const char pattern[] = "HTTP/1.# ###";
	for (size_t i = 0; i < start.length && i < STATUS_LINE_LEAST; i++) {
		uint8_t octet = start.octets[i];
		if (pattern[i] == '#' ? !is_digit(octet) : octet != (uint8_t)pattern[i])
			return false;
	}
	return start.length <= STATUS_LINE_LEAST || start.octets[STATUS_LINE_LEAST] == ' ' ||
	       start.octets[STATUS_LINE_LEAST] == '\r' || start.octets[STATUS_LINE_LEAST] == '\n';
}

static bool take_status_line(struct http_answer *answer, struct view line)
{
	if (line.length < STATUS_LINE_LEAST || !may_be_status_line(line))
		return false;
	const uint8_t *digits = line.octets + 9;
	answer->status = (unsigned)(digits[0] - '0') * 100 + (unsigned)(digits[1] - '0') * 10 +
			 (unsigned)(digits[2] - '0');
	struct view phrase = trim(
		(struct view){line.octets + STATUS_LINE_LEAST, line.length - STATUS_LINE_LEAST});
	if (phrase.length < sizeof(answer->phrase) && text_is_clean(phrase.octets, phrase.length)) {
		memcpy(answer->phrase, phrase.octets, phrase.length);
		answer->phrase[phrase.length] = '\0';
	}
	return answer->status >= 100 && answer->status <= 599;
}

/* --- fields ---------------------------------------------------------------- */

static bool is_field(struct view line, const char *name, struct view *value)
{
	size_t size = strlen(name);
	if (line.length <= size || line.octets[size] != ':' ||
		strncasecmp((const char *)line.octets, name, size) != 0)
		return false;
	*value = trim((struct view){line.octets + size + 1, line.length - size - 1});
	return true;
}

static bool starts_with(struct view text, const char *word)
{
	size_t size = strlen(word);
	return text.length >= size && strncasecmp((const char *)text.octets, word, size) == 0;
}

/* unreserved, reserved and "%" (RFC 3986 2.1 to 2.3). */
static bool is_uri_octet(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
	       is_digit(octet) || (octet && strchr("-._~:/?#[]@!$&'()*+,;=%", octet));
}

/* Cut, it still names the page, though no longer what was to be told to it. */
static void drop_query(char *location)
{
	location[strcspn(location, "?#")] = '\0';
}

/* What is between "//" and the path; empty when there is no authority. */
static struct view authority_of(const char *location)
{
	const char *start = strstr(location, "//");
	if (!start || (start != location && start[-1] != ':') ||
		strcspn(location, "/?#") != (size_t)(start - location))
		return (struct view){0};
	start += 2;
	return (struct view){(const uint8_t *)start, strcspn(start, "/?#")};
}

static bool has_scheme(const char *location)
{
	size_t length = strcspn(location, ":/?#");
	return location[length] == ':';
}

/* Only what a browser opens, and nothing that pretends to be another host
 * ("http://bank.example@portal.example/"). */
static bool is_acceptable(const char *location)
{
	struct view authority = authority_of(location);
	if (has_scheme(location) && strncasecmp(location, "http://", 7) != 0 &&
		strncasecmp(location, "https://", 8) != 0)
		return false;
	if (authority.length == 0)
		return !has_scheme(location) && strncmp(location, "//", 2) != 0;
	return !memchr(authority.octets, '@', authority.length);
}

static void take_location(struct http_answer *answer, struct view value)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = answer->location;
	size_t used = 0, at = 0;
	for (; at < value.length && used + 4 <= HTTP_LOCATION_MAX; at++) {
		uint8_t octet = value.octets[at];
		if (is_uri_octet(octet)) {
			out[used++] = (char)octet;
		} else {
			out[used++] = '%';
			out[used++] = hex[octet >> 4];
			out[used++] = hex[octet & 15];
		}
	}
	out[used] = '\0';
	if (at < value.length)
		drop_query(out);
	if (!is_acceptable(out))
		out[0] = '\0';
}

static void take_field(struct head *head, struct view line)
{
	struct http_answer *answer = head->answer;
	struct view value;
	if (is_field(line, "Location", &value) && !answer->location[0]) {
		take_location(answer, value);
	} else if (is_field(line, "Content-Type", &value) && !head->has_type) {
		head->has_type = true;
		answer->html =
			starts_with(value, "text/html") || starts_with(value, "application/xhtml");
	}
}

/* --- the whole of it ------------------------------------------------------- */

/* A page without a type shows itself by its first octet. */
static enum http_result look_at_body(struct http_answer *answer, struct view body)
{
	for (size_t i = 0; i < body.length; i++)
		if (!memchr(" \t\r\n", body.octets[i], 4)) {
			answer->html = body.octets[i] == '<';
			return HTTP_OK;
		}
	return HTTP_MORE;
}

/* One head; `rest` then holds what follows it. */
static enum http_result parse_head(struct view *rest, struct head *head)
{
	struct view line;
	if (!may_be_status_line(*rest))
		return HTTP_BAD;
	if (!next_line(rest, &line))
		return HTTP_MORE;
	if (!take_status_line(head->answer, line))
		return HTTP_BAD;
	while (next_line(rest, &line)) {
		if (line.length == 0)
			return HTTP_OK;
		take_field(head, line);
	}
	return HTTP_MORE;
}

enum http_result http_answer_parse(const uint8_t *octets, size_t length, struct http_answer *out)
{
	struct view rest = {octets, length};
	struct head head;
	enum http_result result;
	do { /* interim answers announce the final one (RFC 9110 15.2) */
		*out = (struct http_answer){0};
		head = (struct head){.answer = out};
		result = parse_head(&rest, &head);
	} while (result == HTTP_OK && out->status < SUCCESSFUL);
	if (result == HTTP_BAD || out->status < SUCCESSFUL)
		*out = (struct http_answer){0};
	if (result == HTTP_OK && out->status == SUCCESSFUL && !head.has_type)
		return look_at_body(out, rest);
	return result;
}

/* --- where it leads -------------------------------------------------------- */

/* The host of an authority, without port and brackets. */
static struct view host_of(struct view authority)
{
	const uint8_t *start = authority.octets, *end;
	if (authority.length > 0 && start[0] == '[') {
		end = memchr(start, ']', authority.length);
		return end ? (struct view){start + 1, (size_t)(end - start) - 1} : (struct view){0};
	}
	end = authority.length ? memchr(start, ':', authority.length) : NULL;
	return (struct view){start, end ? (size_t)(end - start) : authority.length};
}

bool http_location_leaves(const char *location, const char *host)
{
	char text[TEXT_HOST_NAME_MAX + 2];
	struct address there, here;
	struct view other = host_of(authority_of(location));
	if (other.length == 0)
		return false;
	if (other.length >= sizeof(text))
		return true;
	memcpy(text, other.octets, other.length);
	text[other.length] = '\0';
	if (address_parse(&there, text) && address_parse(&here, host))
		return !address_equal(&there, &here);
	/* A name may end in the root's dot. */
	size_t length = strlen(host);
	length -= length > 0 && host[length - 1] == '.';
	other.length -= text[other.length - 1] == '.';
	return other.length != length || strncasecmp(text, host, length) != 0;
}
