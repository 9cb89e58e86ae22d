/*
 * test_numbers.c: counters (contract 1.4) and scores (1.6) in one shard, on
 * both engines, and the texts of numbers.
 */
#include "tests/types_rig.h"

/* --- contract 1.4 --- */

struct number {
	const char	*text;
	int		 good;
	int64_t		 value;
};
static const struct number numbers[] = {
	{ "0", 1, 0 }, { "-0", 1, 0 }, { "7", 1, 7 }, { "+7", 1, 7 },
	{ "-7", 1, -7 }, { " \t\n\v\f\r42", 1, 42 }, { "0042", 1, 42 },
	{ "42 ", 1, 42 }, { "42\n", 1, 42 }, { "42 things", 1, 42 },
	{ "9223372036854775807", 1, INT64_MAX },
	{ "-9223372036854775808", 1, INT64_MIN },
	{ "9223372036854775808", 0, 0 }, { "-9223372036854775809", 0, 0 },
	{ "92233720368547758070", 0, 0 }, { "99999999999999999999999", 0, 0 },
	{ "", 0, 0 }, { " ", 0, 0 }, { "-", 0, 0 }, { "+", 0, 0 },
	{ "- 1", 0, 0 }, { "--1", 0, 0 }, { "x", 0, 0 }, { "1x", 0, 0 },
	{ "1.5", 0, 0 }, { "0x10", 0, 0 }, { "1,000", 0, 0 }, { "1_", 0, 0 }
};
#define NUMBERS	(sizeof(numbers) / sizeof(numbers[0]))

static void
number_texts(void)
{
	static const int64_t	ends[] = { 0, 1, -1, INT64_MAX, INT64_MIN };
	const struct number	*n;
	uint8_t			 out[NUMBER_TEXT];
	int64_t			 v;
	size_t			 i, len;

	for (i = 0; i < NUMBERS; i++) {
		n = &numbers[i];
		v = 123;
		CU_ASSERT_EQUAL(number_get((const uint8_t *)n->text,
		    strlen(n->text), &v), n->good ? E_OK : E_NUMBER);
		CU_ASSERT_EQUAL(v, n->good ? n->value : 123);
	}
	/* A zero byte is neither a digit nor white space. */
	CU_ASSERT_EQUAL(number_get((const uint8_t *)"5\0", 2, &v), E_NUMBER);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		len = number_put(out, ends[i]);
		CU_ASSERT_TRUE(len >= 1 && len <= NUMBER_TEXT);
		CU_ASSERT_EQUAL(number_get(out, len, &v), E_OK);
		CU_ASSERT_EQUAL(v, ends[i]);
	}
}

/* What can be counted on, and what stays as it is. */
static void
incr_texts_of(uint8_t type)
{
	const struct number	*n;
	size_t			 i;
	int64_t			 v;

	for (i = 0; i < NUMBERS; i++) {
		n = &numbers[i];
		if (n->text[0] == '\0' || (n->good && n->value == INT64_MIN))
			continue;
		(void)del(type, "n", NONE);
		CHECK(put(type, "n", n->text, NONE), E_OK, 1, 0);
		v = -1;
		if (n->good) {
			CHECK(incr(type, "n", &v, NONE), E_OK, 2, 0);
			CU_ASSERT_EQUAL(v, n->value - 1);
			continue;
		}
		CHECK(incr(type, "n", &v, W(.ver = 1)), E_NUMBER, 1, 0);
		CHECK(incr(type, "n", &v, W(.ver = 5)), E_NUMBER, 5, 0);
		CU_ASSERT_EQUAL(get(type, "n"), E_OK);
		CU_ASSERT_EQUAL(got.version, 1);
		CU_ASSERT_STRING_EQUAL(got.val, n->text);
	}
}

static void
incr_of(uint8_t type, int64_t a, int64_t b, int fits, const char *text)
{
	int64_t	n = a;

	(void)del(type, "i", NONE);
	CHECK(incr(type, "i", &n, NONE), E_OK, 1, 0);	/* missing: from 0 */
	CU_ASSERT_EQUAL(n, a);
	n = b;
	if (fits)
		CHECK(incr(type, "i", &n, NONE), E_OK, 2, 0);
	else
		CHECK(incr(type, "i", &n, NONE), E_NUMBER, 0, 0);
	CU_ASSERT_EQUAL(get(type, "i"), E_OK);
	CU_ASSERT_EQUAL(got.version, fits ? 2 : 1);
	CU_ASSERT_STRING_EQUAL(got.val, text);
}

static void
incr_on(const struct engine_ops *ops)
{
	static const uint8_t	types[] = { TYPE_KV, TYPE_HASH };
	unsigned		i;

	begin(ops);
	others();
	for (i = 0; i < sizeof(types); i++) {
		incr_texts_of(types[i]);
		incr_of(types[i], 5, 7, 1, "12");
		incr_of(types[i], 5, -7, 1, "-2");
		incr_of(types[i], 5, 0, 1, "5");
		incr_of(types[i], INT64_MAX, -1, 1, "9223372036854775806");
		incr_of(types[i], INT64_MAX, 1, 0, "9223372036854775807");
		incr_of(types[i], INT64_MIN, -1, 0, "-9223372036854775808");
		incr_of(types[i], INT64_MIN, INT64_MAX, 1, "-1");
	}
	end();
}

/* An absent ttl takes the expiry away; an expired number is missing. */
static void
incr_expiry_on(const struct engine_ops *ops)
{
	int64_t	n;

	begin(ops);
	others();
	CHECK(put(TYPE_HASH, "t", "10", W(.ttl = 60000)), E_OK, 1, 0);
	n = 1;
	CHECK(incr(TYPE_HASH, "t", &n, NONE), E_OK, 2, 0);
	CU_ASSERT_EQUAL(get(TYPE_HASH, "t"), E_OK);
	CU_ASSERT_EQUAL(got.expiry, 0);
	n = 1;
	CHECK(incr(TYPE_HASH, "t", &n, W(.ttl = 30)), E_OK, 3, 0);
	CU_ASSERT_EQUAL(n, 12);
	usleep(40000);
	CU_ASSERT_EQUAL(get(TYPE_HASH, "t"), E_NOTFOUND);
	n = 1;
	CHECK(incr(TYPE_HASH, "t", &n, W(.ver = 3)), E_VERSION, 0, 0);
	n = 4;
	CHECK(incr(TYPE_HASH, "t", &n, NONE), E_OK, 1, 0);
	CU_ASSERT_EQUAL(n, 4);
	end();
}

/* --- contract 1.6 --- */

static void
zadd_opt_on(const struct engine_ops *ops)
{
	begin(ops);
	others();
	SCORE(SCORE_ADD, 5, NONE, E_OK, 1, 0, 5);	/* missing: from 0 */
	SCORE(SCORE_ADD, 6, NONE, E_OK, 2, 0, 11);
	SCORE(SCORE_SUB, 20, NONE, E_OK, 3, 0, -9);
	SCORE(SCORE_SUB, -9, NONE, E_OK, 4, 0, 0);
	SCORE(SCORE_ADD, 0, NONE, E_OK, 5, 0, 0);	/* adds are writes */
	SCORE(SCORE_SET, -3, NONE, E_OK, 6, 0, -3);
	SCORE(SCORE_ADD, 1, W(.ver = 5), E_VERSION, 6, 1, 0);
	expect_score(-3, 6);
	CHECK(del(TYPE_ZSET, "m", NONE), E_OK, 6, 0);
	SCORE(SCORE_SUB, 5, NONE, E_OK, 1, 0, -5);	/* missing: from 0 */
	CHECK(del(TYPE_ZSET, "m", NONE), E_OK, 1, 0);
	SCORE(SCORE_SUB, INT64_MIN, NONE, E_NUMBER, 0, 0, 0);
	CU_ASSERT_EQUAL(get(TYPE_ZSET, "m"), E_NOTFOUND);
	SCORE(SCORE_SET, INT64_MIN, NONE, E_OK, 1, 0, INT64_MIN);
	SCORE(SCORE_SUB, 1, W(.ver = 1), E_NUMBER, 1, 0, 0);
	SCORE(SCORE_ADD, -1, NONE, E_NUMBER, 0, 0, 0);
	expect_score(INT64_MIN, 1);
	SCORE(SCORE_SET, INT64_MAX, NONE, E_OK, 2, 0, INT64_MAX);
	SCORE(SCORE_ADD, 1, NONE, E_NUMBER, 0, 0, 0);
	expect_score(INT64_MAX, 2);
	end();
}

/* It is there already: E_OK with the present version, and nothing written. */
static void
kept(uint32_t ver, int is_dup, uint32_t version)
{
	int64_t	n = 7;

	CU_ASSERT_EQUAL(score("m", SCORE_SET, &n, W(.ver = ver,
	    .is_dup = is_dup)), E_OK);
	CU_ASSERT_EQUAL(res.version, version);
	CU_ASSERT_EQUAL(res.vererror, 0);
	CU_ASSERT_EQUAL(res.written, 0);
	CU_ASSERT_EQUAL(n, 7);
	expect_score(7, version);
}

static void
zadd_same_on(const struct engine_ops *ops)
{
	begin(ops);
	others();
	SCORE(SCORE_SET, 7, W(.ver = 1), E_VERSION, 0, 0, 0);
	SCORE(SCORE_SET, 7, W(.is_dup = 1, .ver = 3), E_OK, 3, 0, 7);
	kept(0, 0, 3);
	kept(1, 0, 3);
	kept(3, 0, 3);
	kept(0, 1, 3);
	kept(2, 1, 3);
	kept(3, 1, 3);
	/* Stored version < ver: the rules of 1.2. */
	SCORE(SCORE_SET, 7, W(.ver = 4), E_VERSION, 3, 1, 0);
	SCORE(SCORE_SET, 7, W(.is_dup = 1, .ver = 9), E_OK, 9, 0, 7);
	expect_score(7, 9);
	/* W6: another score under a lower version changes nothing at all. */
	SCORE(SCORE_SET, 8, W(.is_dup = 1, .ver = 8), E_OK, 9, 1, 0);
	SCORE(SCORE_ADD, 1, W(.is_dup = 1, .ver = 8), E_OK, 9, 1, 0);
	expect_score(7, 9);
	SCORE(SCORE_SET, 8, W(.is_dup = 1, .ver = 9), E_OK, 9, 0, 8);
	expect_score(8, 9);
	end();
}

/* Keeping a member keeps its time to live; one that expired is not the same. */
static void
zadd_expiry_on(const struct engine_ops *ops)
{
	begin(ops);
	others();
	SCORE(SCORE_SET, 7, W(.ttl = 60000), E_OK, 1, 0, 7);
	kept(0, 0, 1);
	CU_ASSERT_TRUE(got.expiry > 0);
	SCORE(SCORE_ADD, 0, W(.ttl = 30), E_OK, 2, 0, 7);
	usleep(40000);
	CU_ASSERT_EQUAL(get(TYPE_ZSET, "m"), E_NOTFOUND);
	CHECK(del(TYPE_ZSET, "m", NONE), E_NOTFOUND, 0, 0);
	SCORE(SCORE_ADD, 1, W(.ver = 2), E_VERSION, 0, 0, 0);
	SCORE(SCORE_SET, 7, NONE, E_OK, 1, 0, 7);
	expect_score(7, 1);
	CU_ASSERT_EQUAL(got.expiry, 0);
	end();
}

BOTH(incr)
BOTH(incr_expiry)
BOTH(zadd_opt)
BOTH(zadd_same)
BOTH(zadd_expiry)

static const CU_TestInfo tests[] = {
	{ (char *)"texts of numbers", number_texts },
	ROWS(incr, "counters"),
	ROWS(incr_expiry, "counters expire"),
	ROWS(zadd_opt, "scores added and taken off"),
	ROWS(zadd_same, "the same score"),
	ROWS(zadd_expiry, "scores expire"),
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_numbers", UNIT_SUITE("numbers", tests))
