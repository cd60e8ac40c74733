/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is this a SIP response, and is it to our request?  (RFC 3261 7, 17.1.3, 18.3
 * and 25.1.)  Strict about what identifies a message, patient with what its
 * grammar allows: compact names, folded lines, white space around separators.
 *
 * Whether the Via's sent-by is the one we wrote is not asked, since boxes on
 * the way rewrite it; the branch is random, and that nobody can guess. */
#include "core/sip.h"

#include <string.h>

/* --- tokens ------------------------------------------------------------ */

static bool is_space(uint8_t octet)
{
	/* CR and LF stand inside a value only where a line is folded. */
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static bool is_digit(uint8_t octet)
{
	return octet >= '0' && octet <= '9';
}

static bool is_token_octet(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
	       is_digit(octet) || (octet != '\0' && strchr("-.!%*_+`'~", octet) != NULL);
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet + ('a' - 'A')) : octet;
}

/* Tokens are compared without regard to case (RFC 3261 7.3.1). */
static bool is_token(struct view view, const char *text)
{
	if (view.length != strlen(text))
		return false;
	for (size_t i = 0; i < view.length; i++)
		if (lower(view.octets[i]) != lower((uint8_t)text[i]))
			return false;
	return true;
}

static void drop(struct view *view, size_t count)
{
	view->octets += count;
	view->length -= count;
}

static void skip_space(struct view *rest)
{
	while (rest->length > 0 && is_space(rest->octets[0]))
		drop(rest, 1);
}

/* The octet with white space around it. */
static bool take(struct view *rest, uint8_t octet)
{
	skip_space(rest);
	if (rest->length == 0 || rest->octets[0] != octet)
		return false;
	drop(rest, 1);
	skip_space(rest);
	return true;
}

static struct view take_while(struct view *rest, bool (*belongs)(uint8_t octet))
{
	struct view taken = {rest->octets, 0};
	while (rest->length > 0 && belongs(rest->octets[0])) {
		taken.length++;
		drop(rest, 1);
	}
	return taken;
}

/* False when it is no number up to `most`. */
static bool take_number(struct view *rest, uint32_t most, uint32_t *out)
{
	struct view digits = take_while(rest, is_digit);
	uint64_t number = 0;
	for (size_t i = 0; i < digits.length; i++) {
		number = number * 10 + (digits.octets[i] - '0');
		if (number > most)
			return false;
	}
	*out = (uint32_t)number;
	return digits.length > 0;
}

/* Behind a quoted string that starts at rest; false when it does not end. */
static bool skip_quoted(struct view *rest)
{
	for (drop(rest, 1); rest->length > 0; drop(rest, 1)) {
		if (rest->octets[0] == '"') {
			drop(rest, 1);
			return true;
		}
		if (rest->octets[0] == '\\') {
			if (rest->length == 1)
				return false;
			drop(rest, 1);
		}
	}
	return false;
}

/* --- parameters -------------------------------------------------------- */

static bool is_value_octet(uint8_t octet)
{
	/* A token, or a host: IPv6 with or without brackets. */
	return is_token_octet(octet) || octet == ':' || octet == '[' || octet == ']';
}

/* ";name" or ";name=value" at rest. */
static bool take_parameter(struct view *rest, struct view *name, struct view *value)
{
	if (!take(rest, ';'))
		return false;
	*name = take_while(rest, is_token_octet);
	*value = (struct view){rest->octets, 0};
	if (name->length == 0)
		return false;
	if (!take(rest, '='))
		return true;
	if (rest->length > 0 && rest->octets[0] == '"') {
		const uint8_t *start = rest->octets;
		bool ends = skip_quoted(rest);
		*value = (struct view){start, (size_t)(rest->octets - start)};
		return ends;
	}
	*value = take_while(rest, is_value_octet);
	return value->length > 0;
}

/* --- header fields ----------------------------------------------------- */

/* What a Via names. */
struct via {
	struct view branch;
	struct address received;
	uint16_t rport;
};

static bool parse_address(struct view text, struct address *out)
{
	char copy[ADDRESS_TEXT_MAX];
	if (text.length >= 2 && text.octets[0] == '[' && text.octets[text.length - 1] == ']') {
		drop(&text, 1);
		text.length--;
	}
	if (text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.octets, text.length);
	copy[text.length] = '\0';
	return address_parse(out, copy);
}

static bool is_sent_by_octet(uint8_t octet)
{
	return is_value_octet(octet) || is_space(octet);
}

static bool parse_via_parameters(struct view *rest, struct via *out)
{
	struct view name, value;
	skip_space(rest);
	while (rest->length > 0 && rest->octets[0] != ',') {
		uint32_t port;
		if (!take_parameter(rest, &name, &value))
			return false;
		if (is_token(name, "branch"))
			out->branch = value;
		else if (is_token(name, "received") && !parse_address(value, &out->received))
			return false;
		else if (is_token(name, "rport") && value.length > 0) {
			if (!take_number(&value, 65535, &port) || value.length > 0)
				return false;
			out->rport = (uint16_t)port;
		}
		skip_space(rest);
	}
	return true;
}

/* One Via, up to the end or a comma. */
static bool take_via(struct view *rest, struct via *out)
{
	*out = (struct via){0};
	skip_space(rest);
	if (!is_token(take_while(rest, is_token_octet), "SIP") || !take(rest, '/') ||
		!is_token(take_while(rest, is_token_octet), "2.0") || !take(rest, '/') ||
		take_while(rest, is_token_octet).length == 0)
		return false;
	if (rest->length == 0 || !is_space(rest->octets[0]))
		return false;
	skip_space(rest);
	if (take_while(rest, is_sent_by_octet).length == 0)
		return false;
	return parse_via_parameters(rest, out);
}

/* From or To: an address with or without <>, and its tag. */
static bool parse_party(struct view rest, struct view *tag)
{
	struct view name, value;
	size_t length = 0;
	bool bracketed = false;
	*tag = (struct view){rest.octets, 0};
	skip_space(&rest);
	while (rest.length > 0 && (bracketed || rest.octets[0] != ';')) {
		if (!bracketed && rest.octets[0] == '"') {
			if (!skip_quoted(&rest))
				return false;
			continue;
		}
		bool closes = bracketed && rest.octets[0] == '>';
		bracketed = bracketed || rest.octets[0] == '<';
		length += !is_space(rest.octets[0]);
		drop(&rest, 1);
		if (closes) {
			bracketed = false;
			break;
		}
	}
	skip_space(&rest);
	while (rest.length > 0) {
		if (!take_parameter(&rest, &name, &value))
			return false;
		if (is_token(name, "tag"))
			*tag = value;
		skip_space(&rest);
	}
	return length > 0 && !bracketed;
}

/* What is needed of a message's header. */
struct header {
	struct via via; /* the topmost */
	size_t via_count;
	struct view call_id, from_tag, method;
	uint32_t cseq, content_length;
	bool has_call_id, has_from, has_to, has_cseq, has_content_length;
};

static bool put_vias(struct header *header, struct view value)
{
	do {
		struct via via;
		if (!take_via(&value, &via))
			return false;
		if (header->via_count++ == 0)
			header->via = via;
	} while (take(&value, ','));
	return value.length == 0;
}

static void trim_end(struct view *value)
{
	while (value->length > 0 && is_space(value->octets[value->length - 1]))
		value->length--;
}

static bool put_cseq(struct header *header, struct view value)
{
	if (header->has_cseq || !take_number(&value, INT32_MAX, &header->cseq))
		return false;
	if (value.length == 0 || !is_space(value.octets[0]))
		return false;
	skip_space(&value);
	header->method = take_while(&value, is_token_octet);
	header->has_cseq = header->method.length > 0;
	return header->has_cseq && value.length == 0;
}

/* Most may stand only once: of two, who knows which one the next box reads. */
static bool put_field(struct header *header, struct view name, struct view value)
{
	struct view to_tag;
	skip_space(&value);
	trim_end(&value);
	if (is_token(name, "Via") || is_token(name, "v"))
		return put_vias(header, value);
	if (is_token(name, "CSeq"))
		return put_cseq(header, value);
	if (is_token(name, "Call-ID") || is_token(name, "i")) {
		bool again = header->has_call_id;
		header->has_call_id = true;
		header->call_id = value;
		return !again && value.length > 0;
	}
	if (is_token(name, "From") || is_token(name, "f")) {
		bool again = header->has_from;
		header->has_from = true;
		return !again && parse_party(value, &header->from_tag);
	}
	if (is_token(name, "To") || is_token(name, "t")) {
		bool again = header->has_to;
		header->has_to = true;
		return !again && parse_party(value, &to_tag);
	}
	if (is_token(name, "Content-Length") || is_token(name, "l")) {
		bool again = header->has_content_length;
		header->has_content_length = true;
		return !again && take_number(&value, SIP_BODY_MAX, &header->content_length) &&
		       value.length == 0;
	}
	return true;
}

/* --- lines ------------------------------------------------------------- */

/* The next line without its end, folded ones as one. */
static bool take_line(struct view *rest, struct view *line)
{
	for (size_t at = 0; at + 1 < rest->length; at++) {
		if (rest->octets[at] != '\r' || rest->octets[at + 1] != '\n')
			continue;
		bool folded = at > 0 && at + 2 < rest->length &&
			      (rest->octets[at + 2] == ' ' || rest->octets[at + 2] == '\t');
		if (folded)
			continue;
		*line = (struct view){rest->octets, at};
		drop(rest, at + 2);
		return true;
	}
	return false;
}

/* No control characters but escaped ones, and CR and LF only together. */
static bool is_text(struct view text)
{
	for (size_t at = 0; at < text.length; at++) {
		uint8_t octet = text.octets[at];
		uint8_t before = at > 0 ? text.octets[at - 1] : 0;
		uint8_t after = at + 1 < text.length ? text.octets[at + 1] : 0;
		if (octet == '\r' ? after != '\n' : octet == '\n' ? before != '\r' : false)
			return false;
		if (octet < ' ' && !is_space(octet) && before != '\\')
			return false;
	}
	return true;
}

static bool parse_fields(struct view rest, struct header *out)
{
	struct view line;
	for (size_t count = 0; take_line(&rest, &line); count++) {
		if (line.length == 0)
			return rest.length == 0;
		struct view name = take_while(&line, is_token_octet);
		while (line.length > 0 && (line.octets[0] == ' ' || line.octets[0] == '\t'))
			drop(&line, 1);
		if (count == SIP_LINES_MAX || name.length == 0 || line.length == 0 ||
			line.octets[0] != ':')
			return false;
		drop(&line, 1);
		if (!put_field(out, name, line))
			return false;
	}
	return false;
}

/* "SIP/2.0 200 OK"; the phrase may be empty. */
static bool parse_status_line(struct view line, struct sip_response *out)
{
	struct view version = {line.octets, 7};
	uint32_t status;
	if (line.length < 12 || !is_token((struct view){version.octets, 4}, "SIP/") ||
		!is_token(version, "SIP/2.0") || line.octets[7] != ' ' || line.octets[11] != ' ')
		return false;
	struct view digits = {line.octets + 8, 3};
	if (!take_number(&digits, 699, &status) || digits.length > 0 || status < 100)
		return false;
	out->status = status;
	out->reason = (struct view){line.octets + 12, line.length - 12};
	return true;
}

/* "METHOD URI SIP/2.0" */
static bool is_request_line(struct view line)
{
	struct view method = take_while(&line, is_token_octet);
	if (method.length == 0 || line.length < 10 || line.octets[0] != ' ')
		return false;
	return is_token((struct view){line.octets + line.length - 8, 8}, " SIP/2.0");
}

static bool is_ours(const struct sip_transaction *own, const struct header *header)
{
	/* More than one Via: meant for somebody else (RFC 3261 8.1.3.3). */
	return header->via_count == 1 && is_token(header->via.branch, own->branch) &&
	       is_token(header->from_tag, own->tag) && header->cseq == own->cseq &&
	       header->method.length == strlen(sip_method_name(own->method)) &&
	       memcmp(header->method.octets, sip_method_name(own->method), header->method.length) ==
		       0 &&
	       header->call_id.length == strlen(own->call_id) &&
	       memcmp(header->call_id.octets, own->call_id, header->call_id.length) == 0;
}

/* A whole header, with its empty line. */
static enum sip_result parse_header(const struct sip_transaction *own, struct view text,
	struct header *header, struct sip_response *out)
{
	struct view first;
	*header = (struct header){0};
	*out = (struct sip_response){0};
	if (!is_text(text) || !take_line(&text, &first) ||
		memchr(first.octets, '\r', first.length)) /* only fields may be folded */
		return SIP_BAD;
	bool is_response = parse_status_line(first, out);
	if ((!is_response && !is_request_line(first)) || !parse_fields(text, header))
		return SIP_BAD;
	if (header->via_count == 0 || !header->has_from || !header->has_to ||
		!header->has_call_id || !header->has_cseq)
		return SIP_BAD;
	if (!is_response || !is_ours(own, header))
		return SIP_FOREIGN;
	out->received = header->via.received;
	out->rport = header->via.rport;
	return SIP_OURS;
}

/* Octets up to behind the empty line, 0 when it has not come; `from`: what was
 * searched before. */
static size_t find_end(const uint8_t *octets, size_t length, size_t from)
{
	for (size_t at = from < 3 ? 0 : from - 3; at + 4 <= length; at++)
		if (memcmp(octets + at, "\r\n\r\n", 4) == 0)
			return at + 4;
	return 0;
}

enum sip_result sip_parse_datagram(const struct sip_transaction *own, const uint8_t *octets,
	size_t length, struct sip_response *out)
{
	struct header header;
	size_t end = find_end(octets, length, 0);
	if (end == 0)
		return SIP_BAD;
	enum sip_result result = parse_header(own, (struct view){octets, end}, &header, out);
	/* A body that was cut off (RFC 3261 18.3). */
	if (result != SIP_BAD && header.content_length > length - end)
		return SIP_BAD;
	return result;
}

/* Decides about the header that ends at `end`. */
static enum sip_result judge(struct sip_stream *stream, const struct sip_transaction *own,
	size_t end, struct sip_response *out)
{
	struct header header;
	enum sip_result result =
		parse_header(own, (struct view){stream->octets, end}, &header, out);
	/* On a stream nothing else tells where a message ends (RFC 3261 20.14). */
	if (result != SIP_BAD && !header.has_content_length)
		return SIP_BAD;
	stream->skip = header.content_length;
	return result;
}

enum sip_result sip_stream_put(struct sip_stream *stream, const struct sip_transaction *own,
	const uint8_t *octets, size_t length, struct sip_response *out, unsigned *foreign)
{
	while (length > 0) {
		if (stream->skip > 0) {
			size_t skipped = stream->skip < length ? stream->skip : length;
			stream->skip -= skipped;
			octets += skipped;
			length -= skipped;
			continue;
		}
		/* Empty lines before a message are keep-alives (RFC 3261 7.5). */
		if (stream->length == 0 && (*octets == '\r' || *octets == '\n')) {
			octets++;
			length--;
			continue;
		}
		if (stream->length == SIP_HEADER_MAX)
			return SIP_BAD;
		size_t had = stream->length;
		size_t taken = SIP_HEADER_MAX - had < length ? SIP_HEADER_MAX - had : length;
		memcpy(stream->octets + had, octets, taken);
		stream->length += taken;
		size_t end = find_end(stream->octets, stream->length, had);
		if (end > 0) {
			taken = end - had; /* the rest is not the header's */
			enum sip_result result = judge(stream, own, end, out);
			if (result != SIP_FOREIGN)
				return result;
			++*foreign;
			stream->length = 0;
		}
		octets += taken;
		length -= taken;
	}
	return SIP_MORE;
}
