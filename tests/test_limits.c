/*
 * test_limits.c: when the node is over which limit (supervisor/limits.h), what
 * it then says, and that it ends by itself.  How it is measured is in
 * test_sample and tests/system/test_limits.py.
 */
#include <string.h>
#include <unistd.h>

#include "supervisor/limits.h"
#include "supervisor/log.h"
#include "tests/unit.h"

#define MEMORY	(1000ll << 20)

static struct board		*board;
static struct board_actor	*node;
static struct catalogue		*cat;
static struct conf		*conf;

static int
set_up(void)
{
	int	fd = board_create(3), cfd = catalogue_create(2, 100);

	log_open("test", "stderr", LOG_LEVEL_ERROR);
	board = board_map(fd);
	cat = catalogue_map(cfd);
	conf = conf_new();
	close(fd);
	close(cfd);
	if (board == NULL || cat == NULL || conf == NULL)
		return -1;
	node = board_place(board, 0);
	return 0;
}

static int
clean_up(void)
{
	board_unmap(board);
	catalogue_unmap(cat);
	conf_free(conf);
	return 0;
}

static void
set(const char *option)
{
	char	err[256];

	CU_ASSERT_EQUAL_FATAL(conf_option(conf, option, err, sizeof(err)), 0);
}

/* Says what is used, and what comes of it. */
static enum err
judged(int64_t disk, int64_t process, int64_t machine)
{
	struct limits_use	u = { .used = { disk, process, machine },
				    .memory = MEMORY };

	limits_judge(node, conf, &u);
	return limits_over(node);
}

static void
expect_row(enum limit l, const char *name, int64_t used, int64_t most, int over)
{
	struct limits_row	r;

	limits_row(node, l, &r);
	CU_ASSERT_STRING_EQUAL(r.name, name);
	CU_ASSERT_EQUAL(r.used, used);
	CU_ASSERT_EQUAL(r.most, most);
	CU_ASSERT_EQUAL(r.over, over);
}

static void
test_defaults(void)
{
	CU_ASSERT_EQUAL(limits_over(node), E_OK);
	CU_ASSERT_EQUAL(judged(0, MEMORY, MEMORY), E_OK);
	CU_ASSERT_EQUAL(judged((512ll << 30) - 1, 0, 0), E_OK);
	CU_ASSERT_EQUAL(judged(512ll << 30, 0, 0), E_LIMIT_DISK);
	CU_ASSERT_EQUAL(judged(0, 0, 0), E_OK);
}

/* Contract 1.10: from the limit on. */
static void
test_disk(void)
{
	set("limits.disk=1M");
	CU_ASSERT_EQUAL(judged((1 << 20) - 1024, 0, 0), E_OK);
	CU_ASSERT_EQUAL(judged(1 << 20, 0, 0), E_LIMIT_DISK);
	expect_row(LIMIT_DISK, "disk", 1 << 20, 1 << 20, 1);
	CU_ASSERT_EQUAL(judged((1 << 20) + 1024, 0, 0), E_LIMIT_DISK);
	CU_ASSERT_EQUAL(judged((1 << 20) - 1024, 0, 0), E_OK);
	expect_row(LIMIT_DISK, "disk", (1 << 20) - 1024, 1 << 20, 0);
	/* The limit may change as well as what is used. */
	CU_ASSERT_EQUAL(judged(5 << 20, 0, 0), E_LIMIT_DISK);
	set("limits.disk=8M");
	CU_ASSERT_EQUAL(judged(5 << 20, 0, 0), E_OK);
	set("limits.disk=0");
	CU_ASSERT_EQUAL(judged(INT64_MAX, 0, 0), E_OK);
}

/* Contract 1.10: beyond the limit. */
static void
test_memory(void)
{
	int64_t	tenth = MEMORY / 10;

	set("limits.process_memory=10");
	set("limits.system_memory=90");
	CU_ASSERT_EQUAL(judged(0, tenth, 9 * tenth), E_OK);
	CU_ASSERT_EQUAL(judged(0, tenth + 1, 0), E_LIMIT_PROCESS);
	expect_row(LIMIT_PROCESS, "process_memory", tenth + 1, tenth, 1);
	expect_row(LIMIT_SYSTEM, "system_memory", 0, 9 * tenth, 0);
	CU_ASSERT_EQUAL(judged(0, tenth, 9 * tenth + 1), E_LIMIT_SYSTEM);
	expect_row(LIMIT_PROCESS, "process_memory", tenth, tenth, 0);
	expect_row(LIMIT_SYSTEM, "system_memory", 9 * tenth + 1, 9 * tenth, 1);
	/* Of several, the one that stands first. */
	CU_ASSERT_EQUAL(judged(0, MEMORY, MEMORY), E_LIMIT_PROCESS);
	set("limits.process_memory=0");
	CU_ASSERT_EQUAL(judged(0, MEMORY, MEMORY), E_LIMIT_SYSTEM);
	set("limits.system_memory=0");
	CU_ASSERT_EQUAL(judged(0, MEMORY, MEMORY), E_OK);
}

/* What is not known stands as it was found last, in either state. */
static void
test_unknown(void)
{
	struct limits_use	u = { .used = { -1, 0, -1 } };

	set("limits.disk=1M");
	set("limits.process_memory=10");
	CU_ASSERT_EQUAL(judged(2 << 20, MEMORY, 0), E_LIMIT_DISK);
	CU_ASSERT_EQUAL(judged(-1, MEMORY, 0), E_LIMIT_DISK);
	CU_ASSERT_EQUAL(judged(0, MEMORY, 0), E_LIMIT_PROCESS);
	CU_ASSERT_EQUAL(judged(-1, 0, 0), E_OK);
	/* Nobody knows how much memory there is: percents mean nothing. */
	u.used[LIMIT_PROCESS] = MEMORY;
	limits_judge(node, conf, &u);
	CU_ASSERT_EQUAL(limits_over(node), E_OK);
	set("limits.process_memory=0");
}

static void
test_look(void)
{
	struct table_sum	keys = { 3, 100, 3072 }, none = { 0, 0, 0 };
	struct limits_use	u;
	unsigned		i;

	for (i = 0; i < 3; i++) {
		board_set(board_place(board, i), BC_RSS_ANON, 1000 << i);
		board_set(board_place(board, i), BC_RSS_SHMEM, 1 << i);
		board_set(board_place(board, i), BC_RSS_FILE, 1 << 30);
	}
	limits_look(&u, board, cat, MEMORY, MEMORY / 4);
	CU_ASSERT_EQUAL(u.memory, MEMORY);
	CU_ASSERT_EQUAL(u.used[LIMIT_SYSTEM], MEMORY / 4 * 3);
	CU_ASSERT_EQUAL(u.used[LIMIT_PROCESS], 7007);
	CU_ASSERT_EQUAL(u.used[LIMIT_DISK], -1);	/* nobody has said */
	for (i = 0; i < 2; i++) {
		catalogue_begin(cat, i);
		catalogue_set_keys(cat, i, &keys);
		catalogue_filled(cat, i);
	}
	limits_look(&u, board, cat, 0, 0);
	CU_ASSERT_EQUAL(u.used[LIMIT_DISK], 6144);
	CU_ASSERT_EQUAL(u.used[LIMIT_SYSTEM], -1);
	catalogue_set_keys(cat, 1, &none);
	limits_look(&u, board, cat, 0, 0);
	CU_ASSERT_EQUAL(u.used[LIMIT_DISK], 3072);
}

/* Fields of hashes count, members of sets do not (contract 1.5). */
static void
test_look_tables(void)
{
	struct table_sum	s = { 1, 10, 1024 };
	struct limits_use	u, v;
	unsigned		hash, set_;

	limits_look(&u, board, cat, 0, 0);
	CU_ASSERT_EQUAL(catalogue_hold(cat, 0, 1, 'H', "h", 1, 1, 0, &hash),
	    E_OK);
	CU_ASSERT_EQUAL(catalogue_hold(cat, 0, 1, 'S', "s", 1, 1, 0, &set_),
	    E_OK);
	catalogue_set(cat, 0, hash, &s);
	catalogue_set(cat, 0, set_, &s);
	limits_look(&v, board, cat, 0, 0);
	CU_ASSERT_EQUAL(v.used[LIMIT_DISK], u.used[LIMIT_DISK] + 1024);
	catalogue_drop(cat, 0, hash);
	limits_look(&v, board, cat, 0, 0);
	CU_ASSERT_EQUAL(v.used[LIMIT_DISK], u.used[LIMIT_DISK]);
}

/* What routers hold counts once all of them have said it. */
static void
test_look_routers(void)
{
	struct board_actor	*a = board_place(board, 1);
	struct limits_use	u, v;

	limits_look(&u, board, cat, 0, 0);
	board_name_seat(a, "router", 0);
	board_set(a, BC_LIVE_BYTES, 4711);
	board_set(a, BC_STATE, BOARD_STARTING);
	limits_look(&v, board, cat, 0, 0);
	CU_ASSERT_EQUAL(v.used[LIMIT_DISK], -1);
	board_set(a, BC_STATE, BOARD_READY);
	limits_look(&v, board, cat, 0, 0);
	CU_ASSERT_EQUAL(v.used[LIMIT_DISK], u.used[LIMIT_DISK] + 4711);
	board_name_seat(a, "store", 0);
	limits_look(&v, board, cat, 0, 0);
	CU_ASSERT_EQUAL(v.used[LIMIT_DISK], u.used[LIMIT_DISK]);
}

/* A store that is born anew finds the state that its forerunner saw. */
static void
test_stays(void)
{
	set("limits.disk=1M");
	CU_ASSERT_EQUAL(judged(2 << 20, 0, 0), E_LIMIT_DISK);
	board_clear(node);
	CU_ASSERT_EQUAL(limits_over(node), E_LIMIT_DISK);
	CU_ASSERT_EQUAL(judged(0, 0, 0), E_OK);
}

static CU_TestInfo tests[] = {
	{ "defaults", test_defaults },
	{ "bytes of data", test_disk },
	{ "percents of memory", test_memory },
	{ "what is not known", test_unknown },
	{ "what is counted", test_look },
	{ "which tables count", test_look_tables },
	{ "what routers hold", test_look_routers },
	{ "it outlives who looks at it", test_stays },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_limits",
    { (char *)"limits", set_up, clean_up, NULL, NULL, tests })
