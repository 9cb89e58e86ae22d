/*
 * test_query.c: request targets, percent-decoding and typed parameters.
 */
#include <string.h>

#include "tests/unit.h"
#include "worker/netstring.h"
#include "worker/query.h"

#define PUT	(&path_table[PATH_PUT])

static uint8_t		buf[4096];
static struct params	ps;

static void
parse_for(const struct path *row, const char *query)
{
	size_t	len = strlen(query);

	CU_ASSERT_FATAL(len <= sizeof(buf));
	CU_ASSERT(query_parse(&ps, row, query, len, buf) <= len);
}

static void
parse(const char *query)
{
	parse_for(PUT, query);
}

static int
text_is(enum param_id id, const void *want, size_t len)
{
	return (ps.given & B(id)) != 0 && (ps.bad & B(id)) == 0 &&
	    ps.v[id].text.len == len && memcmp(ps.v[id].text.p, want, len) == 0;
}

static void
test_target(void)
{
	static const struct {
		const char	*uri, *path, *query;
	} cases[] = {
		{ "/put?key=a?b", "/put", "key=a?b" },
		{ "/put", "/put", "" },
		{ "/put?", "/put", "" },
		{ "?key=1", "", "key=1" },
		{ "http://host:8085/put?x", "/put", "x" },
		{ "HTTP://host/put", "/put", "" },
		{ "http://host", "", "" },
		{ "*", "*", "" },
	};
	struct target	t;
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		target_split(&t, cases[i].uri, strlen(cases[i].uri));
		CU_ASSERT(t.pathlen == strlen(cases[i].path) &&
		    memcmp(t.path, cases[i].path, t.pathlen) == 0);
		CU_ASSERT(t.querylen == strlen(cases[i].query) &&
		    memcmp(t.query, cases[i].query, t.querylen) == 0);
	}
}

static const struct path *
find(const char *uri, unsigned on)
{
	struct target	t;

	target_split(&t, uri, strlen(uri));
	return target_path(&t, on);
}

static void
test_target_path(void)
{
	char	longest[400];

	paths_init();
	CU_ASSERT(find("/hustdb/put?key=1", ON_DB) == PUT);
	CU_ASSERT(find("/hustdb/%70ut", ON_DB) == PUT);
	CU_ASSERT_PTR_NULL(find("/hustdb/%7Zput", ON_DB));
	CU_ASSERT_PTR_NULL(find("/hustdb/put%00", ON_DB));
	CU_ASSERT_PTR_NULL(find("", ON_DB));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	CU_ASSERT_PTR_NULL(find(longest, ON_DB));
}

static void
test_decode(void)
{
	uint8_t	out[16];

	CU_ASSERT_EQUAL(percent_decode(out, "a%00b+%fF", 9), 5);
	CU_ASSERT(memcmp(out, "a\0b+\xff", 5) == 0);
	CU_ASSERT_EQUAL(percent_decode(out, "%3F?", 4), 2);
	CU_ASSERT(memcmp(out, "??", 2) == 0);
	CU_ASSERT_EQUAL(percent_decode(out, "", 0), 0);
	CU_ASSERT_EQUAL(percent_decode(out, "%", 1), -1);
	CU_ASSERT_EQUAL(percent_decode(out, "%4", 2), -1);
	CU_ASSERT_EQUAL(percent_decode(out, "%g0", 3), -1);
	CU_ASSERT_EQUAL(percent_decode(out, "%0g", 3), -1);
	/* The digits must lie inside: what follows belongs to others. */
	CU_ASSERT_EQUAL(percent_decode(out, "a%41", 3), -1);
}

static void
test_names(void)
{
	parse("xkey=1&Key=2&key=3&keys=4&unknown=%zz&ver");
	CU_ASSERT(text_is(P_KEY, "3", 1));
	CU_ASSERT_EQUAL(ps.given, B(P_KEY));
	CU_ASSERT_EQUAL(ps.bad, 0);
	parse("&&key=a&&ver=7&");
	CU_ASSERT(text_is(P_KEY, "a", 1));
	CU_ASSERT_EQUAL(params_num(&ps, P_VER), 7);
	parse("key==a=b");
	CU_ASSERT(text_is(P_KEY, "=a=b", 4));
}

static void
test_last_wins(void)
{
	parse("key=a&val=1&key=bb&val=22");
	CU_ASSERT(text_is(P_KEY, "bb", 2));
	CU_ASSERT(text_is(P_VAL, "22", 2));
	parse("key=%zz&key=good");
	CU_ASSERT(text_is(P_KEY, "good", 4));
	parse("key=good&key=%zz");
	CU_ASSERT_EQUAL(ps.bad, B(P_KEY));
	CU_ASSERT_EQUAL(ps.escape, B(P_KEY));
	/* Nothing of an earlier request is left in their place. */
	parse("key=old&ver=77");
	parse("key=%zz&ver=7%");
	CU_ASSERT_EQUAL(ps.escape, B(P_KEY) | B(P_VER));
	CU_ASSERT_EQUAL(params_num(&ps, P_VER), 0);
	CU_ASSERT_PTR_NULL(params_text(&ps, P_KEY).p);
	parse("key=a&key=");
	CU_ASSERT_EQUAL(ps.given, 0);
}

static void
test_raw_value(void)
{
	parse("key=a%20b&val=a%20b+%zz");
	CU_ASSERT(text_is(P_KEY, "a b", 3));
	CU_ASSERT(text_is(P_VAL, "a%20b+%zz", 9));
	parse("key=x%00y%ff+");
	CU_ASSERT(text_is(P_KEY, "x\0y\xff+", 5));
}

static void
check_num(const char *text, enum param_id id, int64_t want, int bad)
{
	char	query[64];

	(void)snprintf(query, sizeof(query), "%s=%s", param_table[id].name,
	    text);
	parse(query);
	CU_ASSERT_EQUAL(ps.given, B(id));
	CU_ASSERT_EQUAL(ps.bad, bad ? B(id) : 0);
	CU_ASSERT_EQUAL(params_num(&ps, id), want);
}

static void
test_lenient(void)
{
	static const struct {
		const char	*text;
		int64_t		 want;
	} cases[] = {
		{ "0", 0 }, { "15", 15 }, { "15abc", 15 }, { "abc", 0 },
		{ "1.9", 1 }, { "%20%0912", 12 }, { "+3", 3 }, { "%31%30", 10 },
		{ "-1", 4294967295 }, { "-5x", 4294967291 }, { "-", 0 },
		{ "- 1", 0 }, { "4294967295", 4294967295 },
		{ "4294967296", 0 }, { "-4294967296", 0 },
		{ "99999999999999999999999999", 0 }, { "0x10", 0 },
		{ "000000000000000000000000000007", 7 },
	};
	size_t	i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_num(cases[i].text, P_TTL, cases[i].want, 0);
	parse("");
	CU_ASSERT_EQUAL(params_num(&ps, P_TTL), 0);
}

/* Scores: the range is that of int64, opt's that of int. */
static void
test_lenient_long(void)
{
	static const struct {
		const char	*text;
		int64_t		 score, opt;
	} cases[] = {
		{ "0", 0, 0 }, { "-7x", -7, -7 }, { "+7", 7, 7 },
		{ " \t 12", 12, 12 }, { "x", 0, 0 }, { "--1", 0, 0 },
		{ "2147483648", 2147483648, 0 },
		{ "-2147483648", INT32_MIN, INT32_MIN },
		{ "9223372036854775807", INT64_MAX, 0 },
		{ "9223372036854775808", 0, 0 },
		{ "-9223372036854775808", INT64_MIN, 0 },
		{ "-9223372036854775809", 0, 0 }, { "-", 0, 0 },
	};
	char	query[128];
	size_t	i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(query, sizeof(query), "score=%s&opt=%s",
		    cases[i].text, cases[i].text);
		parse_for(&path_table[PATH_ZADD], query);
		CU_ASSERT_EQUAL(ps.bad, 0);
		CU_ASSERT_EQUAL(params_num(&ps, P_SCORE), cases[i].score);
		CU_ASSERT_EQUAL(params_num(&ps, P_OPT), cases[i].opt);
	}
	parse_for(&path_table[PATH_ZADD], "tb=a%3Ab");
	CU_ASSERT_EQUAL(params_num(&ps, P_SCORE), 0);
	CU_ASSERT(text_is(P_TB, "a:b", 3));
	CU_ASSERT_PTR_NULL(params_text(&ps, P_KEY).p);
}

/* The same name with another meaning. */
static void
test_expire(void)
{
	const struct path	*row = &path_table[PATH_EXPIRE];

	parse_for(row, "key=a&ttl=10");
	CU_ASSERT_EQUAL(ps.given, B(P_KEY) | B(P_EXPIRE));
	CU_ASSERT_EQUAL(params_num(&ps, P_EXPIRE), 10);
	parse_for(row, "ttl=0");
	CU_ASSERT_EQUAL(ps.bad, B(P_EXPIRE));
	parse_for(row, "ttl=10x");
	CU_ASSERT_EQUAL(ps.bad, B(P_EXPIRE));
}

static void
test_number(void)
{
	static const struct {
		const char	*text;
		int		 ok;
		int64_t		 num;
	} cases[] = {
		{ "1", 1, 1 }, { "-1", 1, -1 }, { "+1", 1, 1 }, { "007", 1, 7 },
		{ " \t\n5", 1, 5 }, { "5 ", 1, 5 }, { "5\nrest", 1, 5 },
		{ "", 0, 0 }, { " ", 0, 0 }, { "-", 0, 0 }, { "5x", 0, 0 },
		{ "x5", 0, 0 }, { "- 5", 0, 0 }, { "1.5", 0, 0 }, { "0x1", 0, 0 },
		{ "9223372036854775807", 1, INT64_MAX },
		{ "9223372036854775808", 0, 0 },
		{ "-9223372036854775808", 1, INT64_MIN },
		{ "-9223372036854775809", 0, 0 },
		{ "18446744073709551617", 0, 0 },
	};
	int64_t	num;
	size_t	i;
	int	ok;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		num = 0;
		ok = text_number((const uint8_t *)cases[i].text,
		    strlen(cases[i].text), &num);
		CU_ASSERT_EQUAL(ok, cases[i].ok);
		CU_ASSERT(!ok || num == cases[i].num);
	}
	CU_ASSERT(!text_number(NULL, 0, &num));
	CU_ASSERT(!text_number((const uint8_t *)"5\0", 2, &num));
}

/* A time to live of the cache. */
static void
test_integer(void)
{
	static const struct {
		const char	*text;
		int		 ok;
		int64_t		 num;
	} cases[] = {
		{ "0", 1, 0 }, { "17", 1, 17 }, { "-1", 1, -1 },
		{ "9223372036854775807", 1, INT64_MAX },
		{ "-9223372036854775808", 1, INT64_MIN },
		{ "9223372036854775808", 0, 0 }, { "", 0, 0 }, { "-", 0, 0 },
		{ "+1", 0, 0 }, { " 1", 0, 0 }, { "1 ", 0, 0 }, { "1x", 0, 0 },
		{ "1.5", 0, 0 }, { "--1", 0, 0 },
	};
	int64_t	num;
	size_t	i;
	int	ok;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		num = 0;
		ok = text_integer((const uint8_t *)cases[i].text,
		    strlen(cases[i].text), &num);
		CU_ASSERT_EQUAL(ok, cases[i].ok);
		CU_ASSERT(!ok || num == cases[i].num);
	}
}

static void
check_netstring(const char *in, size_t n, const char *text, const char *rest)
{
	const uint8_t	*p = (const uint8_t *)in, *s;
	size_t		 left = n;
	uint32_t	 len;
	int		 ok = netstring_next(&p, &left, &s, &len);

	CU_ASSERT_EQUAL(ok, text != NULL);
	if (!ok) {
		CU_ASSERT(p == (const uint8_t *)in && left == n);
		return;
	}
	CU_ASSERT(len == strlen(text) && memcmp(s, text, len) == 0);
	CU_ASSERT(left == strlen(rest) && memcmp(p, rest, left) == 0);
}

static void
test_netstring(void)
{
	static const struct {
		const char	*in, *text, *rest;
	} cases[] = {
		{ "3:abc,", "abc", "" }, { "0:,x", "", "x" },
		{ "12:hello world!,1:a,", "hello world!", "1:a," },
		{ "2:a,,", "a,", "" }, { "", NULL, "" }, { "3", NULL, "" },
		{ "3:", NULL, "" }, { ":,", NULL, "" }, { "3:ab,", NULL, "" },
		{ "3:abcd", NULL, "" }, { "3:abc", NULL, "" },
		{ "03:abc,", NULL, "" }, { "00:,", NULL, "" },
		{ "-1:,", NULL, "" }, { " 1:a,", NULL, "" },
		{ "1 :a,", NULL, "" }, { "999999999:a,", NULL, "" },
		{ "4294967297:a,", NULL, "" }, { "1;a,", NULL, "" },
	};
	size_t	i, n;
	char	*exact;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Exactly as long, so that a sanitizer sees one byte more. */
		n = strlen(cases[i].in);
		CU_ASSERT_PTR_NOT_NULL_FATAL(exact = malloc(n + (n == 0)));
		memcpy(exact, cases[i].in, n);
		check_netstring(exact, n, cases[i].text, cases[i].rest);
		free(exact);
	}
}

static void
test_version(void)
{
	check_num("4194304", P_VER, 4194304, 0);
	check_num("4294967294", P_VER, 4294967294, 0);
	check_num("4294967295", P_VER, 4294967295, 1);
	check_num("4294967296", P_VER, 4294967295, 1);
	check_num("-1", P_VER, 4294967295, 1);
	check_num("junk", P_VER, 0, 0);
}

static void
test_bool(void)
{
	check_num("true", P_IS_DUP, 1, 0);
	check_num("1", P_IS_DUP, 1, 0);
	check_num("TRUE", P_IS_DUP, 0, 0);
	check_num("11", P_IS_DUP, 0, 0);
	check_num("false", P_IS_DUP, 0, 0);
	check_num("%74rue", P_IS_DUP, 1, 0);
}

static enum err
convert(const struct param *row, const char *text, int64_t *num)
{
	*num = 0;
	return param_convert(row, (const uint8_t *)text, strlen(text), num);
}

static void
test_strict(void)
{
	static const struct param	wide = { .type = PT_INT,
	    .min = INT64_MIN, .max = INT64_MAX };
	static const struct param	row = { .type = PT_INT,
	    .min = -5, .max = 100 };
	static const struct param	flag = { .type = PT_FLAG, .max = 1 };
	static const char *const	bad[] = { "", "-", "+1", " 1", "1 ",
	    "1x", "0x1", "101", "-6", "9223372036854775808",
	    "18446744073709551617" };
	int64_t				num;
	size_t				i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(convert(&row, bad[i], &num), E_PARAM);
	CU_ASSERT(convert(&row, "-5", &num) == E_OK && num == -5);
	CU_ASSERT(convert(&row, "100", &num) == E_OK && num == 100);
	CU_ASSERT(convert(&wide, "-9223372036854775808", &num) == E_OK &&
	    num == INT64_MIN);
	CU_ASSERT(convert(&wide, "9223372036854775807", &num) == E_OK &&
	    num == INT64_MAX);
	CU_ASSERT_EQUAL(convert(&wide, "-9223372036854775809", &num), E_PARAM);
	CU_ASSERT(convert(&flag, "true", &num) == E_OK && num == 1);
	CU_ASSERT(convert(&flag, "0", &num) == E_OK && num == 0);
	CU_ASSERT_EQUAL(convert(&flag, "yes", &num), E_PARAM);
}

static void
test_name(void)
{
	static const struct param	row = { .type = PT_NAME, .min = 1,
	    .max = 64 };
	char				text[66];
	int64_t				num;

	CU_ASSERT_EQUAL(convert(&row, "Az09_:.", &num), E_OK);
	CU_ASSERT_EQUAL(convert(&row, "a-b", &num), E_PARAM);
	CU_ASSERT_EQUAL(convert(&row, "a b", &num), E_PARAM);
	memset(text, 'a', 65);
	text[65] = '\0';
	CU_ASSERT_EQUAL(convert(&row, text, &num), E_PARAM);
	text[64] = '\0';
	CU_ASSERT_EQUAL(convert(&row, text, &num), E_OK);
}

static const CU_TestInfo tests[] = {
	{ "target", test_target },
	{ "integer", test_integer },
	{ "target_path", test_target_path },
	{ "decode", test_decode },
	{ "names", test_names },
	{ "last_wins", test_last_wins },
	{ "raw_value", test_raw_value },
	{ "lenient", test_lenient },
	{ "lenient_long", test_lenient_long },
	{ "expire", test_expire },
	{ "number", test_number },
	{ "netstring", test_netstring },
	{ "version", test_version },
	{ "bool", test_bool },
	{ "strict", test_strict },
	{ "name", test_name },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_query", UNIT_SUITE("query", tests))
