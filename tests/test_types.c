/*
 * test_types.c: records of every type in one shard: the tables of contract 1.2
 * for every kind of write, times to live, and what expired and damaged records
 * do.  Everything runs on both engines.
 */
#include "tests/types_rig.h"

/* --- contract 1.2 --- */

static void
versions_of(const struct kind *k)
{
	CHECK(write_as(k, "v", W(.ver = 7)), E_VERSION, 0, 0);
	CU_ASSERT_EQUAL(get(k->type, "v"), E_NOTFOUND);
	CHECK(write_as(k, "v", NONE), E_OK, 1, 0);
	CHECK(write_as(k, "v", NONE), E_OK, 2, 0);
	CHECK(write_as(k, "v", W(.ver = 2)), E_OK, 3, 0);
	CHECK(write_as(k, "v", W(.ver = 4)), E_VERSION, 3, 1);
	CHECK(del(k->type, "v", W(.ver = 2)), E_VERSION, 3, 1);
	CU_ASSERT_EQUAL(get(k->type, "v"), E_OK);
	CU_ASSERT_EQUAL(got.version, 3);
	CHECK(del(k->type, "v", W(.ver = 3)), E_OK, 3, 0);
	CHECK(del(k->type, "v", NONE), E_NOTFOUND, 0, 0);
	CHECK(del(k->type, "v", W(.ver = 3)), E_NOTFOUND, 0, 0);
	CHECK(write_as(k, "v", NONE), E_OK, 1, 0);
	CHECK(del(k->type, "v", NONE), E_OK, 1, 0);
	CHECK(write_as(k, "v", W(.ver = VERSION_MAX + 1)), E_VERSION,
	    VERSION_MAX + 1, 0);
}

static void
dups_of(const struct kind *k)
{
	CHECK(write_as(k, "d", W(.is_dup = 1)), E_VERSION, 0, 0);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = 9)), E_OK, 9, 0);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = 9)), E_OK, 9, 0);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = 8)), E_OK, 9, 1);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = VERSION_MAX - 5)), E_OK,
	    VERSION_MAX - 5, 0);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = 100001)), E_OK,
	    VERSION_MAX - 5, 1);
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = VERSION_MAX)), E_OK,
	    VERSION_MAX, 0);
	CHECK(write_as(k, "d", NONE), E_OK, 1, 0);	/* the wrap */
	CHECK(write_as(k, "d", W(.is_dup = 1, .ver = 5)), E_OK, 5, 0);
	CHECK(del(k->type, "d", W(.is_dup = 1, .ver = 4)), E_OK, 5, 1);
	CHECK(del(k->type, "d", W(.is_dup = 1, .ver = 6)), E_OK, 5, 0);
	CHECK(write_as(k, "d", NONE), E_OK, 1, 0);
	CHECK(del(k->type, "d", W(.is_dup = 1)), E_OK, 1, 0);
}

static void
versions_on(const struct engine_ops *ops)
{
	unsigned	i;

	begin(ops);
	others();
	for (i = 0; i < KINDS; i++) {
		versions_of(&kinds[i]);
		dups_of(&kinds[i]);
	}
	end();
}

/* W1: the versions of huststore break at the 64th write. */
static void
many_versions_on(const struct engine_ops *ops)
{
	uint32_t	i, v;

	begin(ops);
	for (i = 0; i < KINDS; i++) {
		if (i > 0 && kinds[i].type == kinds[i - 1].type)
			continue;
		(void)del(kinds[i].type, "w1", NONE);
		for (v = 1; v <= 200; v++)
			CHECK(write_as(&kinds[i], "w1", W(.ver = v - 1)),
			    E_OK, v, 0);
	}
	end();
}

/* The same member name under every type: four records. */
static void
apart_on(const struct engine_ops *ops)
{
	static const uint8_t	types[] = { TYPE_KV, TYPE_HASH, TYPE_ZSET };
	int64_t			n = -5;
	unsigned		i;

	begin(ops);
	others();
	CHECK(put(TYPE_KV, "same", "key", NONE), E_OK, 1, 0);
	CHECK(put(TYPE_HASH, "same", "field", NONE), E_OK, 1, 0);
	CHECK(put(TYPE_SET, "same", "", NONE), E_OK, 1, 0);
	CHECK(score("same", SCORE_SET, &n, NONE), E_OK, 1, 0);
	CHECK(del(TYPE_SET, "same", NONE), E_OK, 1, 0);
	CU_ASSERT_EQUAL(get(TYPE_SET, "same"), E_NOTFOUND);
	for (i = 0; i < sizeof(types); i++)
		CU_ASSERT_EQUAL(get(types[i], "same"), E_OK);
	CU_ASSERT_EQUAL(get(TYPE_KV, "same"), E_OK);
	CU_ASSERT_STRING_EQUAL(got.val, "key");
	CU_ASSERT_EQUAL(get(TYPE_HASH, "same"), E_OK);
	CU_ASSERT_STRING_EQUAL(got.val, "field");
	CU_ASSERT_EQUAL(get(TYPE_ZSET, "same"), E_OK);
	CU_ASSERT_EQUAL(got.score, -5);
	end();
}

/* --- the time to live by itself --- */

static void
expire_of(const struct kind *k)
{
	int64_t	before = wall_ms(), score_was;
	char	val[32];

	(void)del(k->type, "e", NONE);
	CHECK(expire(k->type, "e", 1000, 0), E_NOTFOUND, 0, 0);
	CHECK(expire(k->type, "e", 1000, 3), E_NOTFOUND, 0, 0);
	CHECK(expire(k->type, "e", 0, 0), E_NOTFOUND, 0, 0);
	CHECK(write_as(k, "e", NONE), E_OK, 1, 0);
	CU_ASSERT_EQUAL(get(k->type, "e"), E_OK);
	snprintf(val, sizeof(val), "%.31s", got.val);
	score_was = got.score;
	CHECK(expire(k->type, "e", 0, 1), E_NOTFOUND, 0, 0);
	CHECK(expire(k->type, "e", 60000, 2), E_VERSION, 1, 1);
	CHECK(expire(k->type, "e", 60000, 1), E_OK, 2, 0);
	CU_ASSERT_EQUAL(get(k->type, "e"), E_OK);
	CU_ASSERT_TRUE(got.expiry >= before + 60000 &&
	    got.expiry <= wall_ms() + 60000);
	CU_ASSERT_STRING_EQUAL(got.val, val);
	CU_ASSERT_EQUAL(got.score, score_was);
	CHECK(expire(k->type, "e", 0, 0), E_OK, 3, 0);
	CU_ASSERT_EQUAL(get(k->type, "e"), E_OK);
	CU_ASSERT_EQUAL(got.version, 3);
	CU_ASSERT_EQUAL(got.expiry, 0);
	CHECK(expire(k->type, "e", 0, 0), E_NOTFOUND, 0, 0);
	CHECK(expire(k->type, "e", INT64_MAX, 0), E_PARAM, 0, 0);
	CHECK(expire(k->type, "e", 20, 3), E_OK, 4, 0);
}

/* What has expired is missing, whoever asks. */
static void
gone(const struct kind *k)
{
	CU_ASSERT_EQUAL(get(k->type, "e"), E_NOTFOUND);
	CHECK(expire(k->type, "e", 1000, 0), E_NOTFOUND, 0, 0);
	CHECK(expire(k->type, "e", 0, 4), E_NOTFOUND, 0, 0);
	CHECK(del(k->type, "e", NONE), E_NOTFOUND, 0, 0);
	CHECK(write_as(k, "e", W(.ver = 4)), E_VERSION, 0, 0);
	CHECK(write_as(k, "e", W(.ver = 2, .is_dup = 1)), E_OK, 2, 0);
	CHECK(del(k->type, "e", NONE), E_OK, 2, 0);
}

static void
expire_on(const struct engine_ops *ops)
{
	unsigned	i;

	begin(ops);
	others();
	for (i = 0; i < KINDS; i++) {
		expire_of(&kinds[i]);
		usleep(30000);
		gone(&kinds[i]);
	}
	end();
}

static void
expire_big_on(const struct engine_ops *ops)
{
	static char	big[BIG + 1];

	begin(ops);
	memset(big, 'b', BIG);
	CHECK(put(TYPE_KV, "big", big, NONE), E_OK, 1, 0);
	CHECK(expire(TYPE_KV, "big", 50000, 0), E_OK, 2, 0);
	CU_ASSERT_EQUAL(get(TYPE_KV, "big"), E_OK);
	CU_ASSERT_EQUAL(got.len, BIG);
	CU_ASSERT_EQUAL(memcmp(got.val, big, BIG), 0);
	end();
}

/* --- what can go wrong --- */

static void
damaged_on(const struct engine_ops *ops)
{
	int64_t	n = 1;

	begin(ops);
	others();
	CHECK(put(TYPE_HASH, "x", "41", NONE), E_OK, 1, 0);
	SCORE(SCORE_SET, 7, NONE, E_OK, 1, 0, 7);
	rotten = 1;
	CU_ASSERT_EQUAL(get(TYPE_HASH, "x"), E_DAMAGED);
	CHECK(incr(TYPE_HASH, "x", &n, NONE), E_DAMAGED, 0, 0);
	CHECK(expire(TYPE_HASH, "x", 1000, 0), E_DAMAGED, 0, 0);
	CHECK(score("m", SCORE_ADD, &n, NONE), E_DAMAGED, 0, 0);
	CHECK(score("m", SCORE_SUB, &n, NONE), E_DAMAGED, 0, 0);
	CHECK(score("m", SCORE_SET, &n, W(.ver = 1)), E_DAMAGED, 1, 0);
	rotten = 0;
	CU_ASSERT_EQUAL(get(TYPE_HASH, "x"), E_OK);	/* as it was */
	CU_ASSERT_STRING_EQUAL(got.val, "41");
	expect_score(7, 1);
	/* Who needs nothing of it may replace it. */
	rotten = 1;
	n = 3;
	CHECK(score("m", SCORE_SET, &n, NONE), E_OK, 1, 0);
	CHECK(put(TYPE_HASH, "x", "new", NONE), E_OK, 1, 0);
	rotten = 0;
	expect_score(3, 1);
	end();
}

/* A sorted set's member whose value is no score. */
static void
no_score_on(const struct engine_ops *ops)
{
	int64_t	n = 1;

	begin(ops);
	CHECK(put(TYPE_ZSET, "m", "123", NONE), E_OK, 1, 0);
	CHECK(score("m", SCORE_ADD, &n, NONE), E_DAMAGED, 0, 0);
	CHECK(score("m", SCORE_SET, &n, NONE), E_OK, 2, 0);
	expect_score(1, 2);
	end();
}

/* Every answer depends on the record that it met, refusals too. */
static void
waits_on(const struct engine_ops *ops)
{
	uint64_t	lsn;
	int64_t		n = 7;

	begin(ops);
	CHECK(put(TYPE_HASH, "w", "none", NONE), E_OK, 1, 0);
	settle();
	CHECK(put(TYPE_HASH, "w", "text", NONE), E_OK, 2, 0);
	lsn = res.lsn;
	CU_ASSERT_TRUE(lsn > shard_released(shard));
	CHECK(incr(TYPE_HASH, "w", &n, NONE), E_NUMBER, 0, 0);
	CU_ASSERT_EQUAL(res.lsn, lsn);
	CHECK(expire(TYPE_HASH, "w", 0, 0), E_NOTFOUND, 0, 0);
	CU_ASSERT_EQUAL(res.lsn, lsn);
	SCORE(SCORE_SET, 7, NONE, E_OK, 1, 0, 7);
	lsn = res.lsn;
	CU_ASSERT_EQUAL(score("m", SCORE_SET, &n, NONE), E_OK);
	CU_ASSERT_EQUAL(res.written, 0);
	CU_ASSERT_EQUAL(res.lsn, lsn);
	settle();
	CU_ASSERT_TRUE(shard_released(shard) >= lsn);
	end();
}

/* All of it is in the log: a stop and a start change nothing. */
static void
restart_on(const struct engine_ops *ops)
{
	int64_t	n = 5;

	begin(ops);
	others();
	CHECK(incr(TYPE_HASH, "r", &n, NONE), E_OK, 1, 0);
	SCORE(SCORE_SET, -7, NONE, E_OK, 1, 0, -7);
	CHECK(put(TYPE_SET, "r", "", NONE), E_OK, 1, 0);
	CHECK(expire(TYPE_SET, "r", 60000, 0), E_OK, 2, 0);
	settle();
	CU_ASSERT_EQUAL(shard_close(shard, 0), E_OK);
	shard_start(ops);
	n = 6;
	CHECK(incr(TYPE_HASH, "r", &n, W(.ver = 1)), E_OK, 2, 0);
	CU_ASSERT_EQUAL(n, 11);
	SCORE(SCORE_SUB, 3, W(.ver = 1), E_OK, 2, 0, -10);
	CHECK(expire(TYPE_SET, "r", 0, 2), E_OK, 3, 0);
	end();
}

BOTH(versions)
BOTH(many_versions)
BOTH(apart)
BOTH(expire)
BOTH(expire_big)
BOTH(damaged)
BOTH(no_score)
BOTH(waits)
BOTH(restart)

static const CU_TestInfo tests[] = {
	ROWS(versions, "versions of every type"),
	ROWS(many_versions, "200 versions"),
	ROWS(apart, "types are apart"),
	ROWS(expire, "expire and persist"),
	ROWS(expire_big, "expire a long value"),
	ROWS(damaged, "damaged records"),
	ROWS(no_score, "a member without a score"),
	ROWS(waits, "what answers depend on"),
	ROWS(restart, "a restart"),
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_types", UNIT_SUITE("types", tests))
