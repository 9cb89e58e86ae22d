/*
 * test_data_sums.c: the tables' sums that data files keep, when they come from
 * MANIFEST, from reading the files, or must be counted anew because a damaged
 * record was replaced.  world_check compares them with a fresh count.
 */
#include <string.h>

#include "tests/data_world.h"
#include "tests/unit.h"

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
writes(struct world *w)
{
	static const int64_t	ttl[] = { 0, 0, 1000, 100000, 4000000 };
	unsigned		n;

	for (n = 0; n < 100; n++)
		if (chance(5) == 0)
			world_del(w, chance(WORLD_KEYS));
		else
			world_put(w, chance(WORLD_KEYS), chance(200),
			    ttl[chance(5)]);
}

/* Lets it run for a while, with or without a compaction under way. */
static void
run_on(struct world *w, unsigned n, int garbage)
{
	unsigned	i;

	for (i = 0; i < 2000 && garbage; i++)
		world_put(w, 10 + i % 90, 200, 0);
	for (i = 0; i < n; i++)
		if (!hand_step(w->helper))
			data_work(w->d, w->now, w->last, 1000);
}

/*
 * Whatever of a replaced record's header was damaged, also so that it still
 * looks like one: in the end the tables' sums are right.
 */
static void
test_recount_tables(void)
{
	static const size_t	at[] = { 10, 40, 41, 47, 48, 52, 54, 55, 60,
	    RECORD_HEAD };
	struct engine_ops	ops = engine_tkrzw;
	struct world		w;
	unsigned		n, i;

	for (n = 0; n < 40; n++) {
		world_fill(&w);
		world_put(&w, 3, 500, 7200000);
		world_put(&w, 5, 500, 7200000);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
		if (n % 8 == 7) {		/* all of it on the loop */
			ops.read = NULL;
			w.ops = &ops;
		}
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		for (i = 0; i < 8; i++)
			world_flip(&w, i, n % 3 ? at[(i + n) % 10] : 54);
		run_on(&w, n, n % 4 == 0);
		for (i = 0; i < 8; i++) {
			if (i % 4 == 3)
				world_del(&w, i);
			else
				world_put(&w, i, 77, i % 2 ? 0 : 9999);
			run_on(&w, chance(n % 4 == 1 ? 2 : 15), 0);
		}
		for (i = 0; i < n % 7 * 6; i++) {	/* while it counts */
			world_put(&w, 20 + i, 60 + i, 0);
			run_on(&w, 1, 0);
		}
		if (n % 4 == 1) {		/* not yet right: not saved */
			CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
			CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		} else
			world_settle(&w);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		world_free(&w);
	}
}

/* Takes the sums of tables out of MANIFEST, as there were none in version 1. */
static void
forget_sums(const struct world *w)
{
	struct manifest	*m = calloc(1, sizeof(*m));
	char		*text, err[256];
	size_t		 n = 0;

	CU_ASSERT_EQUAL_FATAL(manifest_load(m, &io_posix, w->dir, err,
	    sizeof(err)), E_OK);
	CU_ASSERT_TRUE(m->clean && m->sums != 0 && m->ntables > 1);
	manifest_clear_tables(m);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text = manifest_text(m, &n));
	CU_ASSERT_EQUAL(manifest_write(&io_posix, w->dir, text, n), E_OK);
	manifest_clear(m);
	free(text);
	free(m);
}

/* The sums come from MANIFEST, from reading, or from both in part. */
static void
test_table_sums(void)
{
	struct world	w;
	unsigned	n;

	for (n = 0; n < 12; n++) {
		world_fill(&w);
		run_on(&w, 3 * n, 1);		/* two generations or one */
		writes(&w);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
		if (n % 3 == 1)
			forget_sums(&w);
		if (n % 3 == 2)
			world_unclosed(&w);
		w.now += chance(2) ? 3000 : 200000;
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		writes(&w);
		world_settle(&w);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		world_free(&w);
	}
}

static const CU_TestInfo tests[] = {
	{ "counted anew", test_recount_tables },
	{ "at a start", test_table_sums },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_data_sums", UNIT_SUITE("data_sums", tests))
