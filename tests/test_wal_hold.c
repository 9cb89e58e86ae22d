/*
 * test_wal_hold.c: segments that somebody copies are kept (wal_hold).
 */
#include "tests/wal_rig.h"

/* What is held stays, whatever is recycled; then it goes at once. */
static void
test_hold(void)
{
	struct rig	g;
	struct wal_stat	st;
	uint64_t	first;
	unsigned	held;

	rig_init(&g, WAL_ALWAYS);
	g.size = 3000;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 100, 5), E_OK);
	wal_recycle(g.w, 60);
	first = wal_hold(g.w, 70);
	CU_ASSERT(first > 1);
	CU_ASSERT_EQUAL(rig_put(&g, 100, 5), E_OK);
	wal_recycle(g.w, 190);
	wal_stat(g.w, &st);
	held = st.segments;
	CU_ASSERT_EQUAL(wal_hold(g.w, 70), first);
	wal_recycle(g.w, 180);
	wal_stat(g.w, &st);
	CU_ASSERT_EQUAL(st.segments, held);
	rig_crash(&g);
	/* All from 71 on is there; a hold does not outlive the process. */
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 70), E_OK);
	CU_ASSERT_EQUAL(g.seen_first, 71);
	CU_ASSERT_EQUAL(g.seen, 200);
	CU_ASSERT(!g.wrong);
	wal_hold(g.w, 70);
	wal_recycle(g.w, 190);
	wal_stat(g.w, &st);
	held = st.segments;
	CU_ASSERT(wal_hold(g.w, UINT64_MAX) > first);
	wal_stat(g.w, &st);
	CU_ASSERT(st.segments < held);
	wal_close(g.w);
	rig_done(&g);
}

static const CU_TestInfo	tests[] = {
	{ "hold", test_hold },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_wal_hold", UNIT_SUITE("hold", tests))
