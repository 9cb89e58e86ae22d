/*
 * test_board.c: counters, histograms and their quantiles; memory that is not a
 * board is refused.
 */
#include <sys/mman.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/board.h"
#include "tests/unit.h"

static struct board	*board;

static struct board_actor *
fresh(unsigned n)
{
	int	fd;

	if (board == NULL) {
		fd = board_create(3);
		board = board_map(fd);
		close(fd);
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	board_clear(board_place(board, n));
	return board_place(board, n);
}

static void
test_values(void)
{
	struct board_actor	*a = fresh(0), *b = fresh(1);

	board_add(a, BC_REQUESTS, 2);
	board_add(a, BC_REQUESTS, 3);
	board_set(b, BC_DEPTH, 7);
	board_set(b, BC_DEPTH, -1);
	CU_ASSERT_EQUAL(board_get(a, BC_REQUESTS), 5);
	CU_ASSERT_EQUAL(board_get(b, BC_REQUESTS), 0);
	CU_ASSERT_EQUAL(board_get(b, BC_DEPTH), -1);
	board_time(a, BH_READ, 100);
	board_clear(a);
	CU_ASSERT_EQUAL(board_get(a, BC_REQUESTS), 0);
	CU_ASSERT_EQUAL(board_hist_count(a, BH_READ), 0);
	CU_ASSERT_PTR_NULL(board_place(board, 3));
	CU_ASSERT_STRING_EQUAL(board_name(BC_LSN_DURABLE), "lsn_durable");
	CU_ASSERT_STRING_EQUAL(board_hist_name(BH_LOG), "log");
	CU_ASSERT(board_kind(BC_CONNS) == BOARD_GAUGE &&
	    board_kind(BC_ERRORS) == BOARD_COUNTER);
	CU_ASSERT(strlen(board_help(BC_STATE)) > 0);
}

/* A new incarnation counts from zero; what is wharfd's stays, the slow log too. */
static void
test_incarnations(void)
{
	struct board_actor	*a = fresh(1);
	struct slow_entry	 e = { .total = 5 }, got[SLOW_RING];
	char			 role[BOARD_ROLE];

	board_name_seat(a, "store", 7);
	board_set(a, BC_RESTARTS, 3);
	board_time(a, BH_READ, 100);
	board_http(a, BOARD_HTTP_READ, 200);
	board_http(a, BOARD_HTTP_READ, 999);	/* no class of its own */
	slow_put(board_slow(a), &e);
	CU_ASSERT_EQUAL(board_hist_sum(a, BH_READ), 100);
	CU_ASSERT_EQUAL(board_http_count(a, BOARD_HTTP_READ, 2), 1);
	CU_ASSERT_EQUAL(board_http_count(a, BOARD_HTTP_READ, 5), 1);
	board_clear(a);
	CU_ASSERT_EQUAL(board_hist_sum(a, BH_READ), 0);
	CU_ASSERT_EQUAL(board_http_count(a, BOARD_HTTP_READ, 2), 0);
	CU_ASSERT_EQUAL(board_get(a, BC_RESTARTS), 3);
	CU_ASSERT(board_is_seat(BC_RESTARTS) && !board_is_seat(BC_STATE));
	CU_ASSERT_STRING_EQUAL(board_role(a, role), "store");
	CU_ASSERT_EQUAL(board_seat(a), 7);
	CU_ASSERT_EQUAL(slow_read(board_slow(a), got), 1);
	CU_ASSERT_EQUAL(got[0].total, 5);
	CU_ASSERT_EQUAL(board_places(board), 3);
	CU_ASSERT_STRING_EQUAL(board_role(board_place(board, 0), role), "");
}

/* Tops grow, and a value's own bucket ends at most an eighth above it. */
static void
test_buckets(void)
{
	struct board_actor	*a = fresh(0);
	int64_t			 v, q;
	unsigned		 b;

	for (b = 1; b < BOARD_BUCKETS; b++)
		CU_ASSERT(board_bucket_top(b) > board_bucket_top(b - 1));
	for (v = 0; v < (int64_t)1 << 33; v = v * 9 / 8 + 1) {
		board_clear(a);
		board_time(a, BH_READ, v);
		q = board_quantile(a, BH_READ, 0.5);
		CU_ASSERT(q >= v && q <= v + v / 8);
	}
	board_clear(a);
	board_time(a, BH_READ, -5);
	board_time(a, BH_READ, INT64_MAX);
	CU_ASSERT_EQUAL(board_bucket(a, BH_READ, 0), 1);
	CU_ASSERT_EQUAL(board_bucket(a, BH_READ, BOARD_BUCKETS - 1), 1);
}

static void
test_quantiles(void)
{
	struct board_actor	*a = fresh(2);
	int			 i;

	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 0.99), 0);
	for (i = 0; i < 990; i++)
		board_time(a, BH_WRITE, 3);
	for (i = 0; i < 10; i++)
		board_time(a, BH_WRITE, 1000);
	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 0.5), 3);
	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 0.99), 3);
	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 0.991), 1023);
	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 1.0), 1023);
	CU_ASSERT_EQUAL(board_quantile(a, BH_WRITE, 0.0), 3);
	CU_ASSERT_EQUAL(board_hist_count(a, BH_WRITE), 1000);
}

static void
test_foreign_memory(void)
{
	int	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_PTR_NULL(board_map(fd));
	CU_ASSERT_EQUAL(ftruncate(fd, 1 << 20), 0);
	CU_ASSERT_PTR_NULL(board_map(fd));
	CU_ASSERT_EQUAL(errno, EINVAL);
	close(fd);
	CU_ASSERT_PTR_NULL(board_map(-1));
}

/* What one process counts another one reads. */
static void
test_shared(void)
{
	int		 fd = board_create(1);
	struct board	*one = board_map(fd), *two = board_map(fd);

	CU_ASSERT_FATAL(one != NULL && two != NULL);
	board_add(board_place(one, 0), BC_REQUESTS, 9);
	CU_ASSERT_EQUAL(board_get(board_place(two, 0), BC_REQUESTS), 9);
	CU_ASSERT(ftruncate(fd, 0) == -1);
	board_unmap(one);
	board_unmap(two);
	board_unmap(NULL);
	close(fd);
}

/* Two faults while it read the same file make a suspect; nothing else does. */
static void
test_suspects(void)
{
	struct board_actor	*a = fresh(0), *b = fresh(1);
	unsigned		 i;

	board_reading(a)[3] = 1;
	board_gone(a, 0);			/* killed by somebody */
	CU_ASSERT_EQUAL(board_reading(a)[3], 0);
	board_gone(a, 1);			/* it read nothing then */
	board_reading(a)[3] = board_reading(a)[63] = 1;
	board_gone(a, 1);
	CU_ASSERT_EQUAL(board_suspects(a), 0);
	board_clear(a);				/* over its next birth */
	board_reading(a)[4] = 1;
	board_gone(a, 1);
	board_reading(a)[3] = 7;
	board_gone(a, 1);
	CU_ASSERT_EQUAL(board_suspects(a), 1 << 3);
	CU_ASSERT_EQUAL(board_suspects(b), 0);
	for (i = 0; i < 300; i++) {
		board_reading(a)[63] = 1;
		board_gone(a, 1);
	}
	CU_ASSERT_EQUAL(board_suspects(a), UINT64_C(1) << 63 | 1 << 3);
	board_acquit(a, UINT64_C(1) << 63);
	CU_ASSERT_EQUAL(board_suspects(a), 1 << 3);
	board_acquit(a, UINT64_MAX);
	CU_ASSERT_EQUAL(board_suspects(a), 0);
}

static const CU_TestInfo tests[] = {
	{ "values", test_values },
	{ "incarnations", test_incarnations },
	{ "buckets", test_buckets },
	{ "quantiles", test_quantiles },
	{ "foreign memory", test_foreign_memory },
	{ "shared", test_shared },
	{ "suspects", test_suspects },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_board", UNIT_SUITE("board", tests))
