/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is read out of certificates and CRLs, and that no octet of them, however
 * wrong, makes the reader look outside. */
#include "../unit/unit.h"
#include "io/certificate.h"
#include "tls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void forget(struct view view)
{
	free((void *)(uintptr_t)view.octets);
}

static void test_fields(void)
{
	struct view der = certificate_file("server", ".der");
	struct certificate certificate;
	char name[CERTIFICATE_NAME_MAX], time[CERTIFICATE_TIME_MAX], subjects[100];
	CU_ASSERT_TRUE(certificate_parse(&certificate, der));
	CU_ASSERT_STRING_EQUAL(certificate_name(certificate.subject, name), "CN=tscf.example");
	CU_ASSERT_STRING_EQUAL(
		certificate_name(certificate.issuer, name), "CN=Example CA, O=Example");
	CU_ASSERT_STRING_EQUAL(
		certificate_time(certificate.not_before, time), "2025-01-01 00:00:00 UTC");
	CU_ASSERT_STRING_EQUAL(
		certificate_time(certificate.not_after, time), "2045-01-01 00:00:00 UTC");
	certificate_subjects(&certificate, subjects, sizeof(subjects));
	CU_ASSERT_STRING_EQUAL(subjects, "tscf.example, *.wild.example");
	certificate_subjects(&certificate, subjects, 20);
	CU_ASSERT_STRING_EQUAL(subjects, "tscf.example");
	forget(der);
}

/* A certificate of nothing but names. */
static bool is_for(const char *pattern, const char *host)
{
	uint8_t names[64];
	size_t length = strlen(pattern);
	names[0] = 0x82;
	names[1] = (uint8_t)length;
	memcpy(names + 2, pattern, length);
	const struct certificate certificate = {.alt_names = {names, length + 2}};
	return certificate_is_for(&certificate, host);
}

static void test_names(void)
{
	static const struct {
		const char *pattern, *host;
		bool match;
	} rows[] = {
		{"a.example", "a.example", true},
		{"A.Example", "a.eXAMPLE", true},
		{"a.example", "a.example.", true},
		{"a.example", "b.example", false},
		{"a.example", "a.example.evil", false},
		{"a.example", "aa.example", false},
		{"*.b.example", "a.b.example", true},
		{"*.b.example", "b.example", false},
		{"*.b.example", ".b.example", false},
		{"*.b.example", "a.a.b.example", false},
		{"*.example", "a.example", false}, /* too wide */
		{"*", "a", false},
		{"*.", "a.", false},
		{"a*.b.example", "ab.b.example", false},
		{"a.*.example", "a.b.example", false},
		{"*.*.example", "a.b.example", false},
		{"192.0.2.1", "192.0.2.1", false}, /* not as a name */
		{"", "", false},
		{"", ".", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool match = is_for(rows[i].pattern, rows[i].host);
		CU_ASSERT_EQUAL(match, rows[i].match);
		if (match != rows[i].match)
			printf("\n    %s for %s\n", rows[i].pattern, rows[i].host);
	}
	/* A name with a NUL in it is not its first part. */
	static const uint8_t nul[] = {
		0x82, 11, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 'x'};
	const struct certificate certificate = {.alt_names = {nul, sizeof(nul)}};
	char text[64];
	CU_ASSERT_FALSE(certificate_is_for(&certificate, "a.example"));
	certificate_subjects(&certificate, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "nothing");
}

/* Text that could change a terminal or a log is not shown. */
static void test_unclean_text(void)
{
	static const uint8_t name[] = {
		0x31, 15, 0x30, 13, 0x06, 3, 0x55, 4, 3, 0x0c, 6, 'e', 'v', '\x1b', '[', '3', '1'};
	const struct certificate certificate = {.subject = {name, sizeof(name)}};
	char text[CERTIFICATE_NAME_MAX];
	CU_ASSERT_STRING_EQUAL(certificate_name(certificate.subject, text), "CN=?");
	CU_ASSERT_FALSE(certificate_common_name(&certificate, text, sizeof(text)));
}

static void test_crl(void)
{
	static const char begin[] = "-----BEGIN";
	struct view pem = certificate_file("old.crl", "");
	struct revocation_list crl;
	CU_ASSERT_EQUAL(memcmp(pem.octets, begin, strlen(begin)), 0);
	CU_ASSERT_FALSE(revocation_list_parse(&crl, pem));
	forget(pem);
}

/* Reads everything there is to read. */
static void use(struct view der)
{
	struct certificate certificate;
	struct revocation_list crl;
	char name[CERTIFICATE_NAME_MAX], time[CERTIFICATE_TIME_MAX], serial[CERTIFICATE_SERIAL_MAX],
		subjects[64];
	if (revocation_list_parse(&crl, der))
		certificate_name(crl.issuer, name);
	if (!certificate_parse(&certificate, der))
		return;
	certificate_name(certificate.subject, name);
	certificate_name(certificate.issuer, name);
	certificate_time(certificate.not_after, time);
	certificate_serial(&certificate, serial);
	certificate_subjects(&certificate, subjects, sizeof(subjects));
	certificate_common_name(&certificate, subjects, sizeof(subjects));
	certificate_is_for(&certificate, "tscf.example");
	certificate_is_for(&certificate, "192.0.2.1");
}

/* Every octet replaced by several others, and every length, in memory of
 * exactly that size so that a sanitizer sees one octet too many. */
static void test_damaged(void)
{
	static const uint8_t others[] = {
		0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x87, 0xa3, 0xff};
	struct view der = certificate_file("server", ".der");
	struct certificate certificate;
	for (size_t length = 0; length <= der.length; length++) {
		uint8_t *part = malloc(length ? length : 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(part);
		memcpy(part, der.octets, length);
		CU_ASSERT_EQUAL(certificate_parse(&certificate, (struct view){part, length}),
			length == der.length);
		free(part);
	}
	uint8_t *copy = malloc(der.length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, der.octets, der.length);
	for (size_t at = 0; at < der.length; at++) {
		for (size_t i = 0; i < sizeof(others); i++) {
			copy[at] = others[i];
			use((struct view){copy, der.length});
		}
		copy[at] = der.octets[at];
	}
	free(copy);
	forget(der);
}

static const struct unit_test tests[] = {
	{"fields", test_fields},
	{"names", test_names},
	{"unclean text", test_unclean_text},
	{"CRL", test_crl},
	{"damaged input", test_damaged},
};

int main(void)
{
	if (!certificates_make())
		return EXIT_FAILURE;
	int status = unit_run("certificate", tests, sizeof(tests) / sizeof(tests[0]));
	certificates_remove();
	return status;
}
