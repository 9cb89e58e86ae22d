/*
 * test_base64.c: both forms, there and back, and what is no text of them.
 */
#include <string.h>

#include "proto/base64.h"
#include "tests/unit.h"

static void
test_vectors(void)
{
	static const struct {
		const char	*in, *std, *url;
	} cases[] = {	/* RFC 4648, section 10, and the letters that differ */
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	};
	const char	*want;
	uint8_t		 text[16], back[16];
	size_t		 i, n, len;
	int		 form;

	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		form = i % 2 == 0 ? BASE64_STD : BASE64_URL;
		want = form == BASE64_STD ? cases[i / 2].std : cases[i / 2].url;
		len = strlen(cases[i / 2].in);
		n = base64_put(text, cases[i / 2].in, len, form);
		CU_ASSERT(n == strlen(want) && n == base64_size(len, form) &&
		    memcmp(text, want, n) == 0);
		CU_ASSERT(base64_get(back, text, n, form) == (long)len &&
		    memcmp(back, cases[i / 2].in, len) == 0);
	}
}

/* Every length to some, every byte; decoded where it stands. */
static void
test_lengths(void)
{
	uint8_t	in[300], text[404];
	size_t	i, n, len;
	int	form;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + i / 256);
	for (i = 0; i < 2 * (sizeof(in) + 1); i++) {
		form = i % 2 == 0 ? BASE64_STD : BASE64_URL;
		len = i / 2;
		n = base64_put(text, in, len, form);
		CU_ASSERT(n == base64_size(len, form) && n <= sizeof(text));
		CU_ASSERT(base64_get(text, text, n, form) == (long)len &&
		    memcmp(text, in, len) == 0);
	}
}

static void
refuse(const char *text, enum base64_form form)
{
	uint8_t	out[16];
	size_t	n = strlen(text);
	uint8_t	in[16];

	memcpy(in, text, n);
	CU_ASSERT_EQUAL(base64_get(out, in, n, form), -1);
}

static void
test_refuses(void)
{
	static const char *const	url[] = { "A", "AAAAA", "Zg==", "Zm9+",
		"Zm9/", "Zh", "Zm9", "Zm 9v", "Zm9v\n", "Z\3449v" };
	static const char *const	std[] = { "A", "AAAAA", "Zg", "Zg=",
		"Zg===", "Zm9-", "Zm9_", "Zh==", "Zm9=", "=", "==", "====",
		"Z===", "Zg==Zg==", "Zm=v", "Zm9v=", "Zm9v====", "Zm 9",
		"\n\n\n\n", "Z\3449v" };
	size_t	i;

	for (i = 0; i < sizeof(url) / sizeof(url[0]); i++)
		refuse(url[i], BASE64_URL);
	for (i = 0; i < sizeof(std) / sizeof(std[0]); i++)
		refuse(std[i], BASE64_STD);
}

static const CU_TestInfo tests[] = {
	{ "vectors", test_vectors },
	{ "lengths", test_lengths },
	{ "refuses", test_refuses },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_base64", UNIT_SUITE("base64", tests))
