/*
 * test_metrics.c: the text of /metrics for boards whose numbers are known.
 * tests/system/test_metrics.py takes that of a running node apart.
 */
#include <string.h>

#include "supervisor/metrics.h"
#include "tests/unit.h"

static struct board	*board;
static char		*text;
static size_t		 len;

static void
open_board(unsigned n)
{
	int	fd = board_create(n);

	board = board_map(fd);
	close(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	board_name_seat(board_place(board, 0), "wharfd", 0);
}

static void
close_board(void)
{
	free(text);
	text = NULL;
	board_unmap(board);
}

static void
take(void)
{
	free(text);
	text = metrics_text(board, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(strlen(text), len);
	CU_ASSERT(len > 0 && text[len - 1] == '\n');
}

/* Whether the text has this line, once. */
static int
has(const char *line)
{
	const char	*p = text;
	size_t		 n = strlen(line);
	int		 found = 0;

	while ((p = strstr(p, line)) != NULL) {
		found += (p == text || p[-1] == '\n') && p[n] == '\n';
		p += n;
	}
	return found == 1;
}

static void
test_values(void)
{
	struct board_actor	*a;

	open_board(4);
	board_name_seat(board_place(board, 1), "store", 0);
	board_name_seat(board_place(board, 2), "worker", 3);
	a = board_place(board, 2);
	board_add(a, BC_REQUESTS, 7);
	board_set(a, BC_DEPTH, -1);
	board_set(a, BC_STARTED, 1700000000000042);
	board_set(a, BC_RESTARTS, 2);
	board_http(a, BOARD_HTTP_WRITE, 404);
	board_set(board_place(board, 0), BC_UP, 1);
	board_set(board_place(board, 0), BC_DISK_USED, 4096);
	take();
	CU_ASSERT(has("# TYPE wharf_requests_total counter"));
	CU_ASSERT(has("wharf_requests_total{actor=\"worker\",seat=\"3\"} 7"));
	CU_ASSERT(has("wharf_requests_total{actor=\"store\",seat=\"0\"} 0"));
	CU_ASSERT(has("# TYPE wharf_depth gauge"));
	CU_ASSERT(has("wharf_depth{actor=\"worker\",seat=\"3\"} -1"));
	CU_ASSERT(has("wharf_start_time_seconds{actor=\"worker\",seat=\"3\"} "
	    "1700000000.000042"));
	CU_ASSERT(has("wharf_restarts_total{actor=\"worker\",seat=\"3\"} 2"));
	CU_ASSERT(has("wharf_http_requests_total{actor=\"worker\",seat=\"3\","
	    "kind=\"write\",code=\"4xx\"} 1"));
	CU_ASSERT(has("wharf_up{actor=\"wharfd\",seat=\"0\"} 1"));
	CU_ASSERT(has("# TYPE wharf_limit_disk_used_bytes gauge"));
	CU_ASSERT(has("wharf_limit_disk_used_bytes{actor=\"wharfd\",seat=\"0\"} "
	    "4096"));
	/* It is the node's, not each process's. */
	CU_ASSERT_PTR_NULL(strstr(text, "limit_disk_used_bytes{actor=\"store\""));
	/* wharfd counts nothing, stores speak no HTTP, place 3 is nobody's. */
	CU_ASSERT(!has("wharf_requests_total{actor=\"wharfd\",seat=\"0\"} 0"));
	CU_ASSERT_PTR_NULL(strstr(text, "http_requests_total{actor=\"store\""));
	CU_ASSERT_PTR_NULL(strstr(text, "actor=\"\""));
	close_board();
}

#define BUCKET(le) "wharf_read_seconds_bucket{actor=\"store\",seat=\"5\"," \
	"le=\"" le "\"} "

static void
test_histogram(void)
{
	struct board_actor	*a;
	int64_t			 us;

	open_board(2);
	a = board_place(board, 1);
	board_name_seat(a, "store", 5);
	board_time(a, BH_READ, 15);		/* less than 16 us */
	board_time(a, BH_READ, 16);
	board_time(a, BH_READ, 31);
	board_time(a, BH_READ, 32);
	board_time(a, BH_READ, (1 << 24) - 1);
	board_time(a, BH_READ, 1 << 24);	/* beyond the last one */
	board_time(a, BH_READ, -3);
	take();
	CU_ASSERT(has("# TYPE wharf_read_seconds histogram"));
	CU_ASSERT(has(BUCKET("0.000016") "2"));
	CU_ASSERT(has(BUCKET("0.000032") "4"));
	CU_ASSERT(has(BUCKET("0.000064") "5"));
	CU_ASSERT(has(BUCKET("8.388608") "5"));
	CU_ASSERT(has(BUCKET("16.777216") "6"));
	CU_ASSERT(has(BUCKET("+Inf") "7"));
	CU_ASSERT(has("wharf_read_seconds_count{actor=\"store\",seat=\"5\"} 7"));
	us = 15 + 16 + 31 + 32 + (1 << 24) - 1 + (1 << 24);
	CU_ASSERT_EQUAL(board_hist_sum(a, BH_READ), us);
	CU_ASSERT(has("wharf_read_seconds_sum{actor=\"store\",seat=\"5\"} "
	    "33.554525"));
	close_board();
}

/* As many actors as there can be: bounded, and every one is there. */
static void
test_many(void)
{
	unsigned	i, seen = 0;
	const char	*p;

	open_board(193);
	for (i = 1; i < 193; i++)
		board_name_seat(board_place(board, i), "store", i);
	take();
	CU_ASSERT(len < (size_t)193 * 12288);
	for (p = text; (p = strstr(p, "\nwharf_up{")) != NULL; p++)
		seen++;
	CU_ASSERT_EQUAL(seen, 193);
	close_board();
}

/* Nothing in the tables needs an escape, and every row has its help. */
static void
test_tables(void)
{
	int	i;

	for (i = 0; i < BC_MAX_; i++) {
		CU_ASSERT_PTR_NULL(strpbrk(board_help(i), "\\\n"));
		CU_ASSERT(board_help(i)[0] != '\0');
	}
	for (i = 0; i < BH_MAX_; i++) {
		CU_ASSERT_PTR_NULL(strpbrk(board_hist_help(i), "\\\n"));
		CU_ASSERT(board_hist_help(i)[0] != '\0');
	}
}

static const CU_TestInfo tests[] = {
	{ "values", test_values },
	{ "histogram", test_histogram },
	{ "many actors", test_many },
	{ "tables", test_tables },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_metrics", UNIT_SUITE("metrics", tests))
