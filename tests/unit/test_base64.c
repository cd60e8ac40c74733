/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/base64.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void base64_is_strict(void)
{
	static const struct {
		const char *text, *octets; /* NULL: refused */
	} cases[] = {
		{"", ""},
		{"Zg==", "f"},
		{"Zm8=", "fo"},
		{"Zm9v", "foo"},
		{"Zm9vYmFy", "foobar"},
		{" Zm9v\n Ym\tFy \r\n", "foobar"},
		{"Z g = =\n", "f"},
		{"+/+/", "\xfb\xff\xbf"},
		{"Zg", NULL},
		{"Zg=", NULL},
		{"Zg===", NULL},
		{"Z===", NULL},
		{"====", NULL},
		{"=", NULL},
		{"Zh==", NULL}, /* unused bits set */
		{"Zm9=", NULL},
		{"Zg==Zg==", NULL},
		{"Zg==x", NULL},
		{"Zg=x", NULL},
		{"Zm9v!", NULL},
		{"Zm-_", NULL}, /* the URL alphabet */
		{"Zm9vY", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Of exactly the promised room, so that a sanitizer sees an overrun. */
		uint8_t *out = malloc(base64_room(strlen(cases[i].text)) + 1);
		size_t length = 99;
		bool valid = base64_decode(cases[i].text, out, &length);
		CU_ASSERT_EQUAL(valid, cases[i].octets != NULL);
		if (valid && cases[i].octets) {
			CU_ASSERT_EQUAL(length, strlen(cases[i].octets));
			CU_ASSERT(memcmp(out, cases[i].octets, length) == 0);
		}
		free(out);
	}
}

static const struct unit_test tests[] = {
	{"base64 is strict", base64_is_strict},
};

UNIT_MAIN("base64", tests)
