/*
 * test_wal.c: the log in use: what is written comes back, in every mode, over
 * segment ends, with records of any size; recycling; full disk; failures.
 */
#include "tests/wal_rig.h"

static const enum wal_sync	modes[] = { WAL_ALWAYS, WAL_1S, WAL_OS };

static void
test_replay(void)
{
	struct rig	g;
	size_t		i;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.found.last_lsn, 0);
		CU_ASSERT_EQUAL(wal_last(g.w), 0);
		CU_ASSERT_EQUAL(rig_put(&g, 500, 7), E_OK);
		CU_ASSERT_EQUAL(wal_last(g.w), 500);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.found.records, 500);
		CU_ASSERT_EQUAL(g.found.last_lsn, 500);
		CU_ASSERT(!g.wrong);
		CU_ASSERT_EQUAL(wal_durable(g.w), 500);
		CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 123), E_OK);
		CU_ASSERT_EQUAL(g.seen_first, 124);
		CU_ASSERT_EQUAL(g.seen, 500);
		CU_ASSERT(!g.wrong);
		CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
		rig_done(&g);
	}
}

/* The last batch was never waited for: wal_close writes it. */
static void
test_close_writes(void)
{
	struct rig	g;
	size_t		i, n;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		for (n = 0; n < 40; n++) {
			CU_ASSERT_EQUAL(rig_add(&g), E_OK);
			if (n % 10 == 0)
				wal_kick(g.w, 0);
		}
		CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.seen, 40);
		CU_ASSERT(!g.wrong);
		CU_ASSERT(!g.found.torn);
		wal_close(g.w);
		rig_done(&g);
	}
}

/* Many segments, batches of all sizes up to a segment. */
static void
test_segments(void)
{
	struct rig	g;
	struct wal_stat	st;
	size_t		i;
	unsigned	n;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		g.size = 9000;
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		for (n = 1; n < 40; n++)
			CU_ASSERT_EQUAL(rig_put(&g, n, n % 13 + 1), E_OK);
		wal_stat(g.w, &st);
		CU_ASSERT(st.segments > 20);
		CU_ASSERT_EQUAL(st.filled + 1, st.segments);
		CU_ASSERT(st.batches > 100);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.seen_first, 1);
		CU_ASSERT_EQUAL(g.seen, 39 * 40 / 2);
		CU_ASSERT(!g.wrong);
		wal_close(g.w);
		rig_done(&g);
	}
}

/* The open buffer fills while the log thread is slow: E_AGAIN, then notify. */
static void
test_buffer_full(void)
{
	struct rig	g;
	uint8_t		*k, *v;
	enum err	 e = E_OK;
	int		 i, before;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_OK);
	usleep(50000);
	helper_poll(g.helper);
	atomic_store(&g.rio.delay_us, 100000);
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	wal_kick(g.w, 0);
	for (i = 0; i < 100; i++) {
		if ((e = wal_reserve(g.w, 4, 1000)) != E_OK)
			break;
		wal_add(g.w, 4, 1000, &k, &v);
		memset(k, 'x', 1004);
	}
	CU_ASSERT_EQUAL(e, E_AGAIN);
	CU_ASSERT(i > 50);
	before = atomic_load(&g.notified);
	for (i = 0; i < 50 && atomic_load(&g.notified) == before; i++)
		usleep(10000);
	CU_ASSERT(atomic_load(&g.notified) > before);
	atomic_store(&g.rio.delay_us, 0);
	CU_ASSERT(rig_settle(&g));
	CU_ASSERT_EQUAL(wal_reserve(g.w, 4, 1000), E_OK);
	wal_close(g.w);
	rig_done(&g);
}

/* Records bigger than a segment, alone and joining others. */
static void
test_oversized(void)
{
	struct rig	g;
	struct wal_stat	st;
	size_t		i;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		g.big_lsn = 11;
		g.big_size = 3000000;
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(rig_put(&g, 10, 10), E_OK);
		CU_ASSERT_EQUAL(wal_reserve(g.w, 10, g.big_size), E_AGAIN);
		CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_OK);
		CU_ASSERT_EQUAL(rig_put(&g, 50, 3), E_OK);
		wal_stat(g.w, &st);
		CU_ASSERT(st.segments >= 2);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.seen, 61);
		CU_ASSERT(!g.wrong);
		/* Its segment is not kept as a spare. */
		CU_ASSERT_EQUAL(rig_put(&g, 900, 4), E_OK);
		CU_ASSERT_EQUAL(wal_sync_to(g.w, wal_last(g.w)), E_OK);
		wal_poll(g.w);
		wal_recycle(g.w, wal_last(g.w));
		CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 961), E_OK);
		CU_ASSERT_EQUAL(g.found.last_lsn, 961);
		wal_close(g.w);
		rig_done(&g);
	}
}

static void
test_oversized_joins(void)
{
	struct rig	g;

	rig_init(&g, WAL_ALWAYS);
	g.big_lsn = 6;
	g.big_size = 200000;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	while (wal_last(g.w) < 5)
		CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	/* rig_add turns the loop, which writes the five; add some again. */
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	CU_ASSERT_EQUAL(wal_reserve(g.w, 1, 200000), E_AGAIN);
	CU_ASSERT_EQUAL(wal_reserve(g.w, 1, 1), E_AGAIN);
	CU_ASSERT_EQUAL(rig_put(&g, 5, 5), E_OK);
	wal_close(g.w);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, 11);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

/* Freed segments serve again, and their old batches never come back. */
static void
test_recycle(void)
{
	struct rig	g;
	struct wal_stat	st;
	size_t		i;
	int		n;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		g.size = 3000;
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		for (n = 0; n < 30; n++) {
			CU_ASSERT_EQUAL(rig_put(&g, 60, 5), E_OK);
			CU_ASSERT_EQUAL(wal_sync_to(g.w, wal_last(g.w)), E_OK);
			wal_poll(g.w);
			wal_recycle(g.w, wal_last(g.w) - 10);
			wal_stat(g.w, &st);
			CU_ASSERT(st.segments <= 3);
		}
		rig_crash(&g);
		CU_ASSERT(rig_count(g.dir, "spare.") <= 8);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 1790), E_OK);
		CU_ASSERT_EQUAL(g.seen_first, 1791);
		CU_ASSERT_EQUAL(g.seen, 1800);
		CU_ASSERT(!g.wrong);
		wal_close(g.w);
		rig_done(&g);
	}
}

/* Nothing that is not durable is ever freed. */
static void
test_recycle_undurable(void)
{
	struct rig	g;
	struct wal_stat	st;

	rig_init(&g, WAL_OS);
	g.size = 3000;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 200, 5), E_OK);
	CU_ASSERT_EQUAL(wal_durable(g.w), 0);
	wal_recycle(g.w, 200);
	wal_stat(g.w, &st);
	CU_ASSERT(st.segments > 3);
	rig_crash(&g);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, 200);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

/* Crash upon crash, modes changing: all is there, files do not pile up. */
static void
test_reopen(void)
{
	struct rig	g;
	uint64_t	last = 0;
	int		n;

	rig_init(&g, WAL_ALWAYS);
	for (n = 0; n < 60; n++) {
		g.sync = modes[n % 3];
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.found.last_lsn, last);
		CU_ASSERT_EQUAL(g.found.records, last);
		CU_ASSERT(!g.wrong);
		CU_ASSERT_EQUAL(rig_put(&g, (unsigned)n % 4, 2), E_OK);
		last += (unsigned)n % 4;
		if (n % 5 == 0)
			CU_ASSERT_EQUAL(wal_close(g.w), E_OK)
		else
			rig_crash(&g);
	}
	CU_ASSERT(rig_count(g.dir, ".seg") < 8);
	rig_done(&g);
}

/* A log that was lost or left behind the data files goes on after them. */
static void
test_next_lsn(void)
{
	struct rig	g;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, 500, 501), E_OK);
	CU_ASSERT_EQUAL(wal_last(g.w), 500);
	CU_ASSERT_EQUAL(rig_put(&g, 3, 1), E_OK);
	wal_close(g.w);
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, 502, 601), E_OK);
	CU_ASSERT_EQUAL(g.found.last_lsn, 503);
	CU_ASSERT_EQUAL(g.found.records, 1);
	CU_ASSERT_EQUAL(wal_last(g.w), 600);
	CU_ASSERT_EQUAL(rig_put(&g, 2, 1), E_OK);
	wal_close(g.w);
	/* The jump is declared, so it is no gap. */
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, 502, 1), E_OK);
	CU_ASSERT_EQUAL(g.found.records, 3);
	CU_ASSERT_EQUAL(g.seen_first, 503);
	CU_ASSERT_EQUAL(g.seen, 602);
	wal_close(g.w);
	/* Also when its segment was taken over by another. */
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, 502, 1), E_OK);
	CU_ASSERT_EQUAL(g.found.records, 3);
	wal_close(g.w);
	rig_done(&g);
}

/* The log ends with a jump that nothing was written behind: found by fuzzing. */
static void
test_jump_at_the_end(void)
{
	struct rig	g;
	int		i;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 3, 1), E_OK);
	wal_close(g.w);
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, 0, 601), E_OK);
	rig_crash(&g);
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.dir, i == 0 ? 3 : 0, 1),
		    E_OK);
		CU_ASSERT_EQUAL(g.found.records, i == 0 ? 0 : 3);
		CU_ASSERT_EQUAL(wal_last(g.w), 600);
		rig_crash(&g);
	}
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_OK);
	wal_close(g.w);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.found.records, 4);
	CU_ASSERT_EQUAL(g.seen, 601);
	wal_close(g.w);
	rig_done(&g);
}

static void
test_bound(void)
{
	struct rig	g;
	size_t		i;
	int		n;

	for (i = 0; i < 3; i++) {
		rig_init(&g, modes[i]);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		wal_set_bound(g.w, 777);
		CU_ASSERT_EQUAL(wal_bound(g.w), 0);
		wal_kick(g.w, 1);
		for (n = 0; n < 2000 && wal_bound(g.w) != 777; n++) {
			rig_turn(&g);
			usleep(1000);
		}
		CU_ASSERT_EQUAL(wal_bound(g.w), 777);
		CU_ASSERT_EQUAL(wal_last(g.w), 0);
		CU_ASSERT_EQUAL(rig_put(&g, 2, 1), E_OK);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.found.bound, 777);
		CU_ASSERT_EQUAL(g.seen, 2);
		CU_ASSERT_EQUAL(wal_bound(g.w), 777);
		wal_close(g.w);
		rig_done(&g);
	}
}

/* Full disk: writes stop with E_NOSPACE, go on when there is room again. */
static void
nospace(int partial)
{
	struct rig	g;
	enum err	e = E_OK;
	unsigned	n;
	uint64_t	last;

	rig_init(&g, WAL_ALWAYS);
	g.size = 3000;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 10, 1), E_OK);
	if (partial)
		atomic_store(&g.rio.full_after, 1);
	else
		atomic_store(&g.rio.full, 1);
	for (n = 0; n < 300 && e == E_OK; n++)
		e = rig_put(&g, 1, 1);
	CU_ASSERT_EQUAL(e, E_NOSPACE);
	CU_ASSERT(!wal_failed(g.w));
	CU_ASSERT_EQUAL(rig_count(g.dir, "new."), 0);
	CU_ASSERT_EQUAL(wal_durable(g.w), wal_last(g.w));
	last = wal_last(g.w);
	/* Tried at most twice a second. */
	atomic_store(&g.rio.calls, 0);
	for (n = 0; n < 200; n++) {
		CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_NOSPACE);
		rig_turn(&g);
		usleep(1000);
	}
	CU_ASSERT(atomic_load(&g.rio.calls) < 12);
	atomic_store(&g.rio.full, 0);
	atomic_store(&g.rio.full_after, -1);
	for (n = 0; n < 30 && rig_put(&g, 1, 1) != E_OK; n++) {
		usleep(100000);
		rig_turn(&g);
	}
	CU_ASSERT(n < 30);
	CU_ASSERT_EQUAL(rig_put(&g, 100, 1), E_OK);
	wal_close(g.w);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, last + 101);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

static void
test_nospace(void)
{
	nospace(0);
	nospace(1);
}

/* A big record without room for its segment; small ones go on. */
static void
test_nospace_big(void)
{
	struct rig	g;
	enum err	e;
	int		n;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_OK);
	usleep(20000);
	helper_poll(g.helper);
	atomic_store(&g.rio.full, 1);
	for (n = 0; (e = wal_reserve(g.w, 1, 500000)) == E_AGAIN && n < 1000; n++) {
		rig_turn(&g);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(e, E_NOSPACE);
	CU_ASSERT_EQUAL(rig_put(&g, 20, 1), E_OK);
	wal_close(g.w);
	rig_done(&g);
}

/* A start on a full disk: a small segment, so that reads go on. */
static void
test_nospace_open(void)
{
	struct rig	g;
	char		path[128];
	int		n;

	rig_init(&g, WAL_ALWAYS);
	g.segment = 1 << 20;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 10, 1), E_OK);
	rig_crash(&g);
	for (n = 1; n < 20; n++) {
		snprintf(path, sizeof path, "%s/spare.%d", g.dir, n);
		unlink(path);
	}
	atomic_store(&g.rio.full, 1);
	CU_ASSERT_EQUAL(rig_open(&g, 0), E_NOSPACE);
	CU_ASSERT(strstr(g.found.error, "No space") != NULL);
	atomic_store(&g.rio.full, 0);
	/* Room for a little: it serves, and takes a few more writes. */
	atomic_store(&g.rio.room, 200000);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, 10);
	CU_ASSERT_EQUAL(rig_put(&g, 5, 1), E_OK);
	for (n = 0; n < 100 && rig_put(&g, 1, 1) == E_OK; n++)
		;
	CU_ASSERT(n < 100);
	atomic_store(&g.rio.room, 0);
	CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, 15 + (uint64_t)n);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

/* After a failed write or sync nothing is tried again. */
static void
failing(enum wal_sync sync, int write)
{
	struct rig	g;
	uint64_t	durable;
	long		calls;
	int		n;

	rig_init(&g, sync);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 20, 3), E_OK);
	usleep(30000);
	helper_poll(g.helper);
	wal_poll(g.w);
	durable = wal_durable(g.w);
	atomic_store(write ? &g.rio.bad_write : &g.rio.bad_sync, 1);
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	wal_kick(g.w, 0);
	if (sync != WAL_ALWAYS)
		CU_ASSERT_EQUAL(wal_sync_to(g.w, 21), E_READONLY);
	for (n = 0; n < 2000 && !wal_failed(g.w); n++) {
		usleep(1000);
		wal_poll(g.w);
	}
	CU_ASSERT_EQUAL(wal_failed(g.w), EIO);
	/* The others may have been synced first, the failed one never. */
	CU_ASSERT(wal_durable(g.w) >= durable && wal_durable(g.w) <= 20);
	CU_ASSERT_EQUAL(wal_reserve(g.w, 1, 1), E_READONLY);
	CU_ASSERT_EQUAL(wal_sync_to(g.w, 21), E_READONLY);
	calls = atomic_load(&g.rio.calls);
	wal_kick(g.w, 1);
	usleep(20000);
	CU_ASSERT_EQUAL(atomic_load(&g.rio.calls), calls);
	CU_ASSERT_EQUAL(wal_close(g.w), E_READONLY);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT(g.seen == 20 || g.seen == 21);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

static void
test_failed(void)
{
	failing(WAL_ALWAYS, 1);
	failing(WAL_1S, 1);
	failing(WAL_1S, 0);
	failing(WAL_OS, 0);
}

/* The next sync of the log is to wait; those of new spares are over. */
static void
hold_next(struct rig *g)
{
	struct wal_stat	st;

	for (;;) {
		rig_turn(g);
		wal_stat(g->w, &st);
		if (st.spares >= 2)
			break;
		usleep(1000);
	}
	atomic_store(&g->rio.hold_sync, 1);
}

/* Has a sync begin that covers record 1 and does not end. */
static void
hold_sync(struct rig *g)
{
	CU_ASSERT_EQUAL_FATAL(rig_open(g, 0), E_OK);
	hold_next(g);
	wal_set_bound(g->w, 5);
	CU_ASSERT_EQUAL(rig_put(g, 1, 1), E_OK);
	while (atomic_load(&g->rio.hold_sync) != 2)
		usleep(1000);
}

/* 1s: what is written during a sync does not wait for it, nor is covered. */
static void
test_sync_behind(void)
{
	struct rig	g;
	struct wal_stat	st;

	rig_init(&g, WAL_1S);
	g.size = 3000;
	hold_sync(&g);
	CU_ASSERT_EQUAL(rig_put(&g, 60, 3), E_OK);	/* two segments */
	CU_ASSERT_EQUAL(wal_written(g.w), 61);
	CU_ASSERT_EQUAL(wal_durable(g.w), 0);
	CU_ASSERT_EQUAL(wal_bound(g.w), 0);
	wal_stat(g.w, &st);
	CU_ASSERT(st.filled >= 1);
	wal_recycle(g.w, 61);
	wal_stat(g.w, &st);
	CU_ASSERT(st.segments >= 2);
	/* The next one is held too: only the first has ended. */
	hold_next(&g);
	while (wal_durable(g.w) == 0) {
		usleep(1000);
		wal_poll(g.w);
	}
	CU_ASSERT_EQUAL(wal_durable(g.w), 1);
	CU_ASSERT_EQUAL(wal_bound(g.w), 5);
	atomic_store(&g.rio.hold_sync, 0);
	CU_ASSERT_EQUAL(wal_sync_to(g.w, 61), E_OK);
	wal_poll(g.w);
	wal_recycle(g.w, 61);
	wal_stat(g.w, &st);
	CU_ASSERT_EQUAL(st.segments, 1);
	rig_crash(&g);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 60), E_OK);
	CU_ASSERT_EQUAL(g.seen, 61);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

/* It fails when more is written already: the log ends there and then. */
static void
test_sync_behind_fails(void)
{
	struct rig	g;
	long		calls;

	rig_init(&g, WAL_1S);
	hold_sync(&g);
	CU_ASSERT_EQUAL(rig_put(&g, 20, 3), E_OK);
	atomic_store(&g.rio.bad_sync, 1);
	atomic_store(&g.rio.hold_sync, 0);
	while (wal_failed(g.w) == 0) {
		usleep(1000);
		wal_poll(g.w);
	}
	CU_ASSERT_EQUAL(wal_failed(g.w), EIO);
	CU_ASSERT_EQUAL(wal_durable(g.w), 0);
	CU_ASSERT_EQUAL(wal_bound(g.w), 0);
	CU_ASSERT_EQUAL(wal_reserve(g.w, 1, 1), E_READONLY);
	CU_ASSERT_EQUAL(wal_sync_to(g.w, 21), E_READONLY);
	calls = atomic_load(&g.rio.calls);
	wal_set_bound(g.w, 9);
	wal_kick(g.w, 1);
	CU_ASSERT_EQUAL(wal_close(g.w), E_READONLY);
	CU_ASSERT_EQUAL(atomic_load(&g.rio.calls), calls);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(g.seen, 21);
	CU_ASSERT(!g.wrong);
	wal_close(g.w);
	rig_done(&g);
}

/* A batch that was handed over when the sync failed is not written. */
static void
test_sync_fails_first(void)
{
	struct rig	g;
	long		calls;

	rig_init(&g, WAL_1S);
	hold_sync(&g);
	atomic_store(&g.rio.bad_sync, 1);
	atomic_store(&g.rio.hold_sync, 0);
	/* The loop has not heard of it yet: no wal_poll here. */
	CU_ASSERT_EQUAL(wal_sync_to(g.w, 1), E_READONLY);
	calls = atomic_load(&g.rio.calls);
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	wal_kick(g.w, 0);
	wal_flush(g.w);
	CU_ASSERT_EQUAL(wal_failed(g.w), EIO);
	CU_ASSERT_EQUAL(wal_written(g.w), 1);
	CU_ASSERT_EQUAL(atomic_load(&g.rio.calls), calls);
	CU_ASSERT_EQUAL(wal_close(g.w), E_READONLY);
	rig_done(&g);
}

/* O_DIRECT refused, at open or at the first write. */
static void
test_no_direct(void)
{
	struct rig	g;
	int		how;

	for (how = 1; how <= 2; how++) {
		rig_init(&g, WAL_ALWAYS);
		atomic_store(&g.rio.no_direct, how);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		atomic_store(&g.rio.syncs, 0);
		CU_ASSERT_EQUAL(rig_put(&g, 300, 3), E_OK);
		CU_ASSERT(atomic_load(&g.rio.syncs) >= 100);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		CU_ASSERT_EQUAL(g.seen, 300);
		CU_ASSERT(!g.wrong);
		wal_close(g.w);
		rig_done(&g);
	}
}

/* A slow disk: marks come late, but in order and truly. */
static void
test_slow(void)
{
	struct rig	g;
	mono_t		t;

	rig_init(&g, WAL_OS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	usleep(30000);
	atomic_store(&g.rio.delay_us, 20000);
	CU_ASSERT_EQUAL(rig_add(&g), E_OK);
	t = mono_now();
	wal_kick(g.w, 0);
	CU_ASSERT_EQUAL(wal_sync_to(g.w, 1), E_OK);
	CU_ASSERT(mono_diff(t, mono_now()) >= 30000);
	CU_ASSERT_EQUAL(wal_durable(g.w), 0);
	wal_poll(g.w);
	CU_ASSERT_EQUAL(wal_durable(g.w), 1);
	atomic_store(&g.rio.delay_us, 0);
	wal_close(g.w);
	rig_done(&g);
}

/* 1s syncs by itself, os does not. */
static void
test_sync_modes(void)
{
	struct rig	g;

	rig_init(&g, WAL_1S);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 5, 1), E_OK);
	CU_ASSERT_EQUAL(wal_durable(g.w), 0);
	CU_ASSERT_EQUAL(wal_released(g.w), 5);
	usleep(1300000);
	wal_poll(g.w);
	CU_ASSERT_EQUAL(wal_durable(g.w), 5);
	CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
	g.sync = WAL_OS;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	usleep(50000);
	rig_turn(&g);
	atomic_store(&g.rio.syncs, 0);
	CU_ASSERT_EQUAL(rig_put(&g, 5, 1), E_OK);
	usleep(1300000);
	wal_poll(g.w);
	CU_ASSERT_EQUAL(atomic_load(&g.rio.syncs), 0);
	CU_ASSERT_EQUAL(wal_durable(g.w), 5);
	CU_ASSERT_EQUAL(wal_last(g.w), 10);
	CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
	rig_done(&g);
}

/* Where nobody asks for a sync, segments left behind are not kept open. */
static void
test_os_descriptors(void)
{
	struct rig	g;
	unsigned	i, before, after = 0;

	rig_init(&g, WAL_OS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	before = rig_count("/proc/self/fd", "");
	CU_ASSERT_EQUAL(rig_put(&g, 60 * (unsigned)g.segment / g.size, 100),
	    E_OK);
	for (i = 0; i < 200; i++) {		/* a sync is under way, perhaps */
		after = rig_count("/proc/self/fd", "");
		if (after < before + 20)
			break;
		usleep(10000);
	}
	CU_ASSERT(rig_count(g.dir, ".seg") > 40);
	CU_ASSERT(after < before + 20);
	CU_ASSERT_EQUAL(wal_close(g.w), E_OK);
	rig_done(&g);
}

static const CU_TestInfo tests[] = {
	{ "replay in all modes", test_replay },
	{ "close writes what is left", test_close_writes },
	{ "many segments", test_segments },
	{ "full buffer", test_buffer_full },
	{ "oversized record", test_oversized },
	{ "oversized record joins a batch", test_oversized_joins },
	{ "recycle", test_recycle },
	{ "recycle frees nothing undurable", test_recycle_undurable },
	{ "reopen many times", test_reopen },
	{ "next lsn", test_next_lsn },
	{ "jump at the end", test_jump_at_the_end },
	{ "clock bound", test_bound },
	{ "full disk", test_nospace },
	{ "full disk, big record", test_nospace_big },
	{ "full disk at start", test_nospace_open },
	{ "failed write, failed sync", test_failed },
	{ "1s, writes during a sync", test_sync_behind },
	{ "1s, a sync fails behind writes", test_sync_behind_fails },
	{ "1s, a sync fails before a write", test_sync_fails_first },
	{ "no O_DIRECT", test_no_direct },
	{ "slow disk", test_slow },
	{ "1s and os", test_sync_modes },
	{ "os keeps few segments open", test_os_descriptors },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_wal", UNIT_SUITE("wal", tests))
