/*
 * test_data.c: the data files of a shard against a model that is the log
 * itself: random writes, checkpoints, compactions and stops, and at every kind
 * of instant a kill or a power cut, after which what a store would do must give
 * back every record that the log has.  The same on both engines.
 *
 * WHARF_SEED and WHARF_STEPS make it another or a longer run.
 */
#include <string.h>

#include "tests/data_world.h"
#include "tests/unit.h"

static unsigned	crashes, torn_jobs, clean_stops, bad_opens;
static unsigned	again, rewound, restored;

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

/* --- random runs --- */

static void
writes(struct world *w, unsigned n)
{
	static const int64_t	ttl[] = { 0, 0, 0, 1000, 100000, 4000000 };
	unsigned		key;
	size_t			len;

	while (n-- > 0) {
		/* Some keys are written often, some once. */
		key = chance(2) ? chance(20) : chance(WORLD_KEYS);
		if (chance(5) == 0) {
			world_del(w, key);
			continue;
		}
		len = chance(20) == 0 ? chance(WORLD_VALUE) : chance(200);
		world_put(w, key, len, ttl[chance(6)]);
	}
}

/* Killed, or cut off, while it was being opened. */
static void
crash_again(struct world *w)
{
	struct world	c;

	again++;
	world_copy(&c, w, (int)chance(2));
	if (world_recover(&c) != E_OK) {
		fprintf(stderr, "open again: %s\n", c.found.error);
		bad_opens++;
	} else
		CU_ASSERT_EQUAL(world_check(&c), 0);
	world_free(&c);
}

static void
crash(struct world *w)
{
	struct world	c;
	enum err	e;

	crashes++;
	world_copy(&c, w, (int)chance(2));
	if (chance(3) == 0)
		world_reboot(&c);
	c.snapshot = crash_again;
	c.arm = chance(2) ? 0 : 1 + chance(30);
	e = world_recover(&c);
	c.arm = 0;
	rewound += c.found.rewound;
	restored += c.found.restored;
	if (e != E_OK) {
		fprintf(stderr, "open: %s: %s\n", err_name(e), c.found.error);
		bad_opens++;
		world_free(&c);
		return;
	}
	CU_ASSERT_EQUAL(world_check(&c), 0);
	if (chance(2)) {			/* and it goes on from there */
		world_settle(&c);
		writes(&c, 50);
		world_settle(&c);
		CU_ASSERT_EQUAL(world_check(&c), 0);
		CU_ASSERT_EQUAL(world_close(&c, 1), E_OK);
		CU_ASSERT_EQUAL(world_recover(&c), E_OK);
		CU_ASSERT_TRUE(c.found.clean);
		CU_ASSERT_EQUAL(c.found.lsn, c.last);
		CU_ASSERT_EQUAL(c.found.bound, 77);
		CU_ASSERT_EQUAL(world_check(&c), 0);
	}
	world_free(&c);
}

static void
crash_inside(struct world *w)
{
	torn_jobs++;
	crash(w);
}

static void
stop_and_go(struct world *w)
{
	clean_stops++;
	w->fail_rename = 0;
	w->arm = chance(3) ? 0 : 1 + chance(30);
	CU_ASSERT_EQUAL(world_close(w, 1), E_OK);
	CU_ASSERT_EQUAL_FATAL(world_recover(w), E_OK);
	CU_ASSERT_TRUE(w->found.clean);
	CU_ASSERT_EQUAL(world_check(w), 0);
}

static void
step(struct world *w)
{
	switch (chance(12)) {
	case 0:
	case 1:
	case 2:
		writes(w, 1 + chance(200));
		break;
	case 3:
	case 4:
		data_checkpoint(w->d, w->last);
		break;
	case 5:
		if (w->arm == 0)
			w->arm = 1 + chance(40);
		break;
	case 6:
		crash(w);
		break;
	case 7:
		w->now += chance(10000);
		if (chance(10) == 0)
			w->now += 3600000;
		w->fail_rename = chance(4) == 0;	/* no space */
		break;
	case 8:
		if (chance(10) == 0)
			stop_and_go(w);
		break;
	default:
		hand_step(w->helper);
		data_work(w->d, w->now, w->last, 1000);
	}
}

static unsigned
env(const char *name, unsigned other)
{
	const char	*s = getenv(name);

	return s == NULL ? other : (unsigned)strtoul(s, NULL, 10);
}

static void
random_run(const struct engine_ops *ops, unsigned seed, unsigned steps)
{
	struct world		w;
	struct data_stat	st;
	unsigned		i;

	srand(seed);
	crashes = torn_jobs = clean_stops = bad_opens = 0;
	again = rewound = restored = 0;
	world_init(&w, ops);
	w.snapshot = crash_inside;
	CU_ASSERT_EQUAL_FATAL(world_open(&w), E_OK);
	CU_ASSERT_TRUE(w.found.fresh);
	for (i = 0; i < steps; i++)
		step(&w);
	w.arm = w.fail_rename = 0;
	CU_ASSERT_EQUAL(world_check(&w), 0);
	w.now += 2000;
	world_settle(&w);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	data_stat(w.d, w.now, &st);
	printf("%s seed %u: %u steps, %llu records, %llu checkpoints, "
	    "%llu compactions since the last of %u stops, %u crashes, "
	    "%u of them inside, %u again; %u files rewound, %u restored\n",
	    ops->name, seed, steps,
	    (unsigned long long)w.last, (unsigned long long)st.checkpoints,
	    (unsigned long long)st.compactions, clean_stops, crashes,
	    torn_jobs, again, rewound, restored);
	CU_ASSERT_EQUAL(bad_opens, 0);
	CU_ASSERT(again > 0 && rewound > 0 && restored > 0);
	CU_ASSERT(crashes > steps / 20);
	world_free(&w);
}

static void
test_random_tkrzw(void)
{
	unsigned	i, seed = env("WHARF_SEED", 1);

	for (i = 0; i < 4; i++)
		random_run(&engine_tkrzw, seed + i, env("WHARF_STEPS", 400));
}

/* A memory engine has nothing after a crash but what the log gives it. */
static void
test_random_mem(void)
{
	struct world		w;
	struct data_stat	st;
	unsigned		i;

	srand(env("WHARF_SEED", 1));
	world_init(&w, &engine_mem);
	CU_ASSERT_EQUAL_FATAL(world_open(&w), E_OK);
	for (i = 0; i < 2000; i++) {
		writes(&w, 1 + chance(30));
		hand_step(w.helper);
		data_work(w.d, w.now, w.last, 1000);
		CU_ASSERT_FALSE(data_checkpoint(w.d, w.last));
		w.now += chance(1000);
		if (i % 100 == 0)
			CU_ASSERT_EQUAL(world_check(&w), 0);
		if (i % 500 == 499) {
			CU_ASSERT_EQUAL(world_close(&w, (int)chance(2)), E_OK);
			CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
			CU_ASSERT_EQUAL(w.found.after, 0);
		}
	}
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT(st.compactions > 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	CU_ASSERT_EQUAL(w.freed, 0);
	world_free(&w);
}

/* --- one thing at a time --- */

/* Fills with live records, then overwrites until half of it is garbage. */
static void
test_compaction(void)
{
	struct data_stat	a, b;
	struct world		w;
	unsigned		i;

	world_init(&w, &engine_tkrzw);
	w.compact_bytes = 10000;
	CU_ASSERT_EQUAL_FATAL(world_open(&w), E_OK);
	for (i = 0; i < WORLD_KEYS; i++)
		world_put(&w, i, 300, i % 2 ? 0 : 1000);
	world_settle(&w);
	data_stat(w.d, w.now, &a);
	CU_ASSERT_EQUAL(a.compactions, 0);
	CU_ASSERT_EQUAL(a.live_records, WORLD_KEYS);
	CU_ASSERT_EQUAL(a.records, WORLD_KEYS);
	for (i = 0; i < WORLD_KEYS; i++)	/* half expires, no write at all */
		if (i % 8 == 1)
			world_del(&w, i);
	w.now += 61000;			/* the minute is over in which it ended */
	world_settle(&w);
	data_stat(w.d, w.now, &b);
	CU_ASSERT_EQUAL(b.compactions, w.files);
	CU_ASSERT_EQUAL(b.compacting, 0);
	CU_ASSERT(b.bytes < a.bytes);
	CU_ASSERT_EQUAL(b.live_records, WORLD_KEYS / 2 - WORLD_KEYS / 8);
	CU_ASSERT_EQUAL(b.records, b.live_records);
	CU_ASSERT_EQUAL(b.expired_bytes, 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

/* Of what expired a small part of compact_bytes is enough, of other garbage not. */
static void
test_small_expired(void)
{
	struct data_stat	st;
	struct world		w;
	unsigned		i;

	world_init(&w, &engine_tkrzw);
	w.compact_bytes = 1 << 20;
	CU_ASSERT_EQUAL_FATAL(world_open(&w), E_OK);
	for (i = 0; i < WORLD_KEYS; i++)
		world_put(&w, i, 1500, 1000);
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compactions, 0);
	CU_ASSERT(st.bytes / w.files < w.compact_bytes);
	CU_ASSERT(st.live_bytes / w.files > w.compact_bytes / 16);
	w.now += 61000;
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compactions, w.files);
	CU_ASSERT_EQUAL(st.records, 0);
	for (i = 0; i < WORLD_KEYS * 3; i++)
		world_put(&w, i % WORLD_KEYS, 1500, 0);
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compactions, w.files);
	world_free(&w);
}

/* A sync that fails ends it: nothing is called durable any more. */
static void
test_failed_sync(void)
{
	struct world	w;
	uint64_t	freed;

	world_fill(&w);
	freed = w.freed;
	writes(&w, 100);
	w.fail_sync = 1;
	CU_ASSERT_EQUAL(data_checkpoint(w.d, w.last), 1);
	while (hand_step(w.helper))
		;
	w.fail_sync = 0;
	CU_ASSERT_EQUAL(data_failed(w.d), E_INTERNAL);
	CU_ASSERT_EQUAL(data_checkpoint(w.d, w.last), 0);
	CU_ASSERT_EQUAL(w.freed, freed);
	CU_ASSERT_EQUAL(world_check(&w), 0);	/* reads go on */
	CU_ASSERT_EQUAL(world_close(&w, 1), E_INTERNAL);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_FALSE(w.found.clean);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

/* A full disk refuses writes and puts checkpoints off; then it is over. */
static void
test_full_disk(void)
{
	struct world	w;
	uint64_t	freed;

	world_fill(&w);
	w.fail_fallocate = 1;
	CU_ASSERT_EQUAL(data_reserve(w.d, world_slot(&w, 1), 64 << 20),
	    E_NOSPACE);
	w.fail_fallocate = 0;
	CU_ASSERT_EQUAL(data_reserve(w.d, world_slot(&w, 1), 64 << 10), E_OK);
	freed = w.freed;
	writes(&w, 100);
	w.fail_rename = 1;
	CU_ASSERT_EQUAL(data_checkpoint(w.d, w.last), 1);
	while (hand_step(w.helper))
		;
	CU_ASSERT_EQUAL(data_failed(w.d), E_OK);
	CU_ASSERT_EQUAL(w.freed, freed);
	w.fail_rename = 0;
	world_settle(&w);
	CU_ASSERT_EQUAL(w.freed, w.last);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	bad_opens = 0;
	crash(&w);
	CU_ASSERT_EQUAL(bad_opens, 0);
	world_free(&w);
}

/* Compaction waits for space with both generations in use, then ends. */
static void
test_full_compaction(void)
{
	struct data_stat	st;
	struct world		w;
	unsigned		i;

	world_init(&w, &engine_tkrzw);
	CU_ASSERT_EQUAL_FATAL(world_open(&w), E_OK);
	for (i = 0; i < WORLD_KEYS; i++)
		world_put(&w, i, 20000, 0);
	world_settle(&w);
	for (i = 0; i < 3 * WORLD_KEYS; i++)
		if (world_slot(&w, i % WORLD_KEYS) / 2 % 3 == 1 && i % 5)
			world_put(&w, i % WORLD_KEYS, 20000, 0);
	do {
		hand_step(w.helper);
		data_work(w.d, w.now, w.last, 1000);
		data_stat(w.d, w.now, &st);
	} while (st.compacting == 0);
	w.fail_fallocate = 1;
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compacting, 1);
	CU_ASSERT_EQUAL(data_failed(w.d), E_OK);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	bad_opens = 0;
	w.fail_fallocate = 0;
	crash(&w);
	CU_ASSERT_EQUAL(bad_opens, 0);
	w.now += 2000;
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compacting, 0);
	CU_ASSERT_EQUAL(st.compactions, 1);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

/* The log is let go of although one file only is ever written. */
static void
test_log_free(void)
{
	struct world	w;
	unsigned	i;

	world_fill(&w);
	for (i = 0; i < 50; i++) {
		world_put(&w, 3, 10, 0);
		data_checkpoint(w.d, w.last);
		while (hand_step(w.helper))
			;
		CU_ASSERT_EQUAL(w.freed, w.last);
	}
	CU_ASSERT_EQUAL(data_checkpoint(w.d, w.last), 0);
	world_free(&w);
}

/* Pages are ready before they are written to; nothing hangs on it. */
static void
test_pages(void)
{
	struct world	w;
	uint64_t	was;
	unsigned	i;

	world_fill(&w);
	was = w.pwritten;
	CU_ASSERT_EQUAL(data_reserve(w.d, world_slot(&w, 1), 512 << 10), E_OK);
	CU_ASSERT(w.pwritten >= was + (256 << 10));	/* some were */
	was = w.pwritten;
	for (i = 0; i < 20; i++)			/* and are once */
		CU_ASSERT_EQUAL(data_reserve(w.d, world_slot(&w, 1),
		    512 << 10), E_OK);
	CU_ASSERT_EQUAL(w.pwritten, was);
	w.fail_pwrite = 1;
	for (i = 0; i < 400; i++)
		world_put(&w, i % 100, WORLD_VALUE, 0);
	CU_ASSERT_EQUAL(w.pwritten, was);
	w.fail_pwrite = 0;
	for (i = 0; i < 200; i++)
		world_put(&w, i % 100, WORLD_VALUE, 0);
	CU_ASSERT(w.pwritten > was);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	bad_opens = 0;
	crash(&w);
	CU_ASSERT_EQUAL(bad_opens, 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

static const CU_TestInfo tests[] = {
	{ "compaction", test_compaction },
	{ "a small file of what has expired", test_small_expired },
	{ "failed sync", test_failed_sync },
	{ "full disk", test_full_disk },
	{ "full disk, compaction", test_full_compaction },
	{ "log is freed", test_log_free },
	{ "pages", test_pages },
	{ "random, memory", test_random_mem },
	{ "random, tkrzw", test_random_tkrzw },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_data", UNIT_SUITE("data", tests))
