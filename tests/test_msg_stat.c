/*
 * test_msg_stat.c: rows of STORE_STAT and STORE_STATS: there and back, the
 * bytes as doc/protocol.7 has them, and rows that are none.
 */
#include <string.h>

#include "proto/msg_stat.h"
#include "tests/unit.h"

static const uint8_t	name[] = "t123456789012345678901234567890"
			    "1234567890123456789012345678901234";

static void
test_bytes(void)
{
	static const uint8_t	want[] = {
		'H', 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
		255, 255, 255, 255, 255, 255, 255, 255, 't', '1', '2'
	};
	struct stat_row		r = { 'H', 3, 258, INT64_C(1) << 32, -1, name };
	uint8_t			out[64];

	CU_ASSERT_EQUAL(stat_row_size(&r), sizeof(want));
	CU_ASSERT_EQUAL_FATAL(stat_row_put(out, &r), sizeof(want));
	CU_ASSERT_EQUAL(memcmp(out, want, sizeof(want)), 0);
}

static void
test_back(void)
{
	struct stat_row	in[] = {
		{ 'K', 0, 0, 0, 0, NULL },
		{ 'H', 0, INT64_MAX, INT64_MIN, 7, NULL },
		{ 'S', 1, 1, 2, 1024, name },
		{ 'Z', 64, 3, 4, 5, name },
	}, r;
	uint8_t		buf[512];
	size_t		i, n = 0, at = 0, used;

	for (i = 0; i < 4; i++)
		n += stat_row_put(buf + n, &in[i]);
	for (i = 0; i < 4; i++, at += used) {
		CU_ASSERT_EQUAL_FATAL(stat_row_get(&r, buf + at, n - at, &used),
		    E_OK);
		CU_ASSERT(r.type == in[i].type && r.namelen == in[i].namelen);
		CU_ASSERT(r.count == in[i].count && r.size == in[i].size &&
		    r.capacity == in[i].capacity);
		CU_ASSERT_EQUAL(memcmp(r.name, name, r.namelen), 0);
	}
	CU_ASSERT_EQUAL(at, n);
}

static void
test_bad(void)
{
	struct stat_row	r = { 'S', 64, 1, 1, 1, name };
	uint8_t		buf[128];
	size_t		n = stat_row_put(buf, &r), i, used;

	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(stat_row_get(&r, buf, i, &used), E_BADMSG);
	CU_ASSERT_EQUAL(stat_row_get(&r, buf, n, &used), E_OK);
	buf[1] = 65;
	CU_ASSERT_EQUAL(stat_row_get(&r, buf, sizeof(buf), &used), E_BADMSG);
	buf[1] = 64;
	for (i = 0; i < 256; i++) {
		buf[0] = (uint8_t)i;
		CU_ASSERT_EQUAL(stat_row_get(&r, buf, n, &used) == E_OK,
		    i == 'K' || i == 'H' || i == 'S' || i == 'Z');
	}
}

static const CU_TestInfo tests[] = {
	{ "bytes", test_bytes },
	{ "there and back", test_back },
	{ "no rows", test_bad },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_msg_stat", UNIT_SUITE("msg_stat", tests))
