/*
 * test_wal_here.c: which batches the loop writes itself (wal_kick).
 */
#include "tests/wal_rig.h"

/* One batch of n records; 1 if it was written when wal_kick came back. */
static int
written_here(struct rig *g, unsigned n)
{
	int	here;

	while (n-- > 0)
		CU_ASSERT_EQUAL(rig_add(g), E_OK);
	wal_kick(g->w, 0);
	here = wal_written(g->w) == wal_last(g->w);
	CU_ASSERT(rig_settle(g));
	CU_ASSERT_EQUAL(wal_written(g->w), wal_last(g->w));
	return here;
}

/* The same, on a machine on which any write may have been a slow one. */
static int
soon_here(struct rig *g, unsigned n)
{
	int	tries;

	for (tries = 0; tries < 10; tries++) {
		if (written_here(g, n))
			return 1;
		usleep(1100000);
	}
	return 0;
}

/*
 * Small batches are written by the loop, large ones not, nor what begins a
 * segment; a slow one is the last for a while.
 */
static void
test_loop_writes(void)
{
	struct rig	g;
	int		before, i, there = 0;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_FALSE(written_here(&g, 1));
	CU_ASSERT_FALSE(written_here(&g, 1));
	wal_close(g.w);
	rig_done(&g);

	rig_init(&g, WAL_OS);
	g.size = 1000;
	g.segment = 1 << 20;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	usleep(50000);			/* spares */
	CU_ASSERT(rig_settle(&g));
	(void)written_here(&g, 1);
	before = atomic_load(&g.notified);
	CU_ASSERT_TRUE(soon_here(&g, 3));
	CU_ASSERT(atomic_load(&g.notified) > before);
	atomic_store(&g.rio.delay_us, 20000);
	CU_ASSERT_TRUE(soon_here(&g, 1));
	CU_ASSERT_FALSE(written_here(&g, 1));
	atomic_store(&g.rio.delay_us, 0);
	CU_ASSERT_TRUE(soon_here(&g, 1));
	CU_ASSERT_FALSE(written_here(&g, 200));
	for (i = 0; i < 300; i++)
		there += !written_here(&g, 20);
	CU_ASSERT(there >= 3);
	CU_ASSERT(there < 300);
	atomic_store(&g.rio.bad_write, 1);
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	wal_flush(g.w);
	CU_ASSERT_EQUAL(wal_failed(g.w), EIO);
	wal_close(g.w);
	rig_done(&g);
}

static const CU_TestInfo	tests[] = {
	{ "loop writes", test_loop_writes },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_wal_here", UNIT_SUITE("here", tests))
