/*
 * test_data.c: the data files of a shard against a model that is the log
 * itself: random writes, checkpoints, compactions and stops, and at every kind
 * of instant a kill or a power cut, after which what a store would do must give
 * back every record that the log has.  The same on both engines.
 *
 * WHARF_SEED and WHARF_STEPS make it another or a longer run.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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

static void
fill(struct world *w)
{
	unsigned	i;

	world_init(w, &engine_tkrzw);
	CU_ASSERT_EQUAL_FATAL(world_open(w), E_OK);
	for (i = 0; i < 100; i++)
		world_put(w, i, 100, 0);
	world_settle(w);
}

/* A damaged value is never served, hurts no other, and can be overwritten. */
static void
test_flipped_value(void)
{
	struct world	w;
	int		same;
	unsigned	i;

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	world_flip(&w, 7, RECORD_HEAD + 50);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(world_get(&w, 7, &same), E_DAMAGED);
	CU_ASSERT_EQUAL(world_check(&w), 1);
	/* Compaction must not lose it either: damage is no "absent". */
	for (i = 0; i < 2000; i++)
		world_put(&w, 10 + i % 90, 200, 0);
	world_settle(&w);
	CU_ASSERT_EQUAL(world_get(&w, 7, &same), E_DAMAGED);
	world_put(&w, 7, 10, 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_settle(&w);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

/* Keys that are neither right nor damaged; damaged ones of other slots too. */
static unsigned
wrong(struct world *w, unsigned key)
{
	unsigned	i, n = 0, slot = world_slot(w, key);
	enum err	e;
	int		same;

	for (i = 0; i < 100; i++) {
		e = world_get(w, i, &same);
		n += e == E_DAMAGED ? world_slot(w, i) != slot : !same;
	}
	return n;
}

/*
 * tkrzw's restore leaves out what it finds damaged, which would bring an older
 * value back to light.  So the file is made anew; what was damaged, and what
 * may be, says so, also after further starts, and all else can be read.
 */
static void
test_flipped_restore(void)
{
	struct world	w;
	size_t		at;
	int		same;
	unsigned	turn;

	for (at = 0; at < RECORD_HEAD + 100; at += 9) {
		fill(&w);
		world_put(&w, 7, 100, 0);	/* there is an older value */
		world_settle(&w);
		CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
		world_flip(&w, 7, at);
		if (at % 2 == 0)
			world_reboot(&w);
		for (turn = 0; turn < 3; turn++) {
			CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
			CU_ASSERT_EQUAL(world_get(&w, 7, &same), E_DAMAGED);
			CU_ASSERT_EQUAL(wrong(&w, 7), 0);
			CU_ASSERT_EQUAL(world_close(&w, turn == 1), E_OK);
		}
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		world_put(&w, 7, 60, 0);
		CU_ASSERT_EQUAL(world_get(&w, 7, &same), E_OK);
		CU_ASSERT_EQUAL(wrong(&w, 7), 0);
		world_settle(&w);
		CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(world_get(&w, 7, &same), E_OK);
		CU_ASSERT_EQUAL(wrong(&w, 7), 0);
		world_free(&w);
	}
	/* Overwritten after a clean start, its digest is put right. */
	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	world_flip(&w, 7, 10);
	world_put(&w, 7, 100, 0);
	world_settle(&w);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

/* How often the whole of a file was read on the loop. */
static unsigned
on_the_loop(struct world *w)
{
	unsigned	n = w->progress;

	w->progress = 0;
	return n;
}

/* Checkpoints what may be; files with a damaged record replaced must not. */
static void
checkpoint_others(struct world *w)
{
	uint64_t	lsn[6];
	unsigned	i;

	for (i = 0; i < 6; i++)
		lsn[i] = data_lsn(w->d, world_slot(w, i));
	while (data_checkpoint(w->d, w->last))
		helper_poll(w->helper);
	for (i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(data_lsn(w->d, world_slot(w, i)), lsn[i]);
}

/*
 * The sums that a replaced damaged record made inexact are put right beside
 * the loop, whatever is written meanwhile; no MANIFEST has them before.
 */
static void
test_recount(void)
{
	struct world	w;
	unsigned	i;

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	for (i = 0; i < 12; i++)
		world_flip(&w, i, i % 2 == 0 ? 10 : RECORD_HEAD + 3);
	w.progress = 0;
	for (i = 0; i < 6; i++)
		world_put(&w, i, 50 + i, 7200000);
	checkpoint_others(&w);
	data_work(w.d, w.now, w.last, 1000);
	hand_step(w.helper);			/* read, not yet taken over */
	for (i = 50; i < 60; i++)		/* was whole when it was read */
		world_flip(&w, i, 10);
	for (i = 6; i < 60; i++)
		world_put(&w, i, 30, 0);
	world_del(&w, 4);
	for (i = 100; i < 110; i++)
		world_put(&w, i, 30, 0);
	world_settle(&w);
	CU_ASSERT_EQUAL(on_the_loop(&w), 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_TRUE(w.found.clean);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	world_reboot(&w);			/* digests are compared */
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(w.found.restored, w.files);
	world_free(&w);
}

/* Replaced and stopped at once; and replaced while the file is compacted. */
static void
test_recount_late(void)
{
	struct world	w;
	unsigned	i, n;

	for (n = 0; n < 60; n++) {
		fill(&w);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		for (i = 0; i < 6; i++)
			world_flip(&w, i, 10);
		for (i = 0; i < 2000 && n != 0; i++)
			world_put(&w, 10 + i % 90, 200, 0);
		for (i = 0; i < n; i++)
			if (!hand_step(w.helper))
				data_work(w.d, w.now, w.last, 1000);
		for (i = 0; i < 6; i++)
			world_put(&w, i, 10, 0);
		if (n % 2 == 0)
			world_settle(&w);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
		CU_ASSERT_EQUAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(w.found.restored, 0);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		/* tkrzw's restore would leave them out of an older one. */
		world_settle(&w);
		CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
		world_reboot(&w);
		CU_ASSERT_EQUAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(w.found.restored, w.files);
		world_free(&w);
	}
}

static void
test_lost_files(void)
{
	struct world	w;
	char		path[16][256], was[256];
	struct stat	st;
	unsigned	n, i, lost = 0;
	int		same;
	enum err	e;

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	world_files(&w, "data.", path, &n);
	CU_ASSERT_EQUAL_FATAL(n, w.files);
	CU_ASSERT_EQUAL(stat(path[0], &st), 0);
	CU_ASSERT_EQUAL(truncate(path[0], st.st_size - 8), 0);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);	/* quarantine */
	for (i = 0; i < 100; i++) {
		e = world_get(&w, i, &same);
		lost += e == E_DAMAGED;
		CU_ASSERT(e == E_DAMAGED || same);
	}
	/* No more than what the last record's slot has. */
	CU_ASSERT(lost > 0 && lost < 10);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	world_files(&w, "data.", path, &n);
	CU_ASSERT_EQUAL_FATAL(n, w.files);
	unlink(path[0]);
	CU_ASSERT_EQUAL(world_open(&w), E_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(w.found.error, "missing"));
	world_free(&w);

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	snprintf(was, sizeof(was), "%s/MANIFEST", w.dir);
	CU_ASSERT_EQUAL(truncate(was, 200), 0);
	CU_ASSERT_EQUAL(world_open(&w), E_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(w.found.error, "MANIFEST"));
	unlink(was);
	CU_ASSERT_EQUAL(world_open(&w), E_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(w.found.error, "no MANIFEST"));
	world_files(&w, "data.", path, &n);
	CU_ASSERT_EQUAL(n, w.files);		/* nothing was removed */
	world_free(&w);
}

/* A clean MANIFEST beside a file that is not: restored, not trusted. */
static void
test_unclosed(void)
{
	struct world	w, c;

	fill(&w);
	/* The instant when files are open again, before the next MANIFEST. */
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	world_copy(&c, &w, 0);
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	world_unclosed(&c);
	CU_ASSERT_EQUAL(world_recover(&c), E_OK);
	CU_ASSERT_TRUE(c.found.clean);
	CU_ASSERT_EQUAL(world_check(&c), 0);
	world_free(&c);
	world_free(&w);
}

/* Changes a byte of a link: the child of the record of a key's last value. */
static void
flip_link(struct world *w, unsigned key)
{
	struct entry	*e = &w->log[w->newest[key] - 1];
	char		 path[16][256];
	uint8_t		 k[64], *map, *hit;
	size_t		 len, nk = world_key(key, k);
	unsigned	 n, i, flipped = 0;
	int		 fd;

	world_files(w, "data.", path, &n);
	for (i = 0; i < n; i++) {
		CU_ASSERT_FATAL((fd = open(path[i], O_RDWR)) != -1);
		len = (size_t)lseek(fd, 0, SEEK_END);
		CU_ASSERT_PTR_NOT_NULL_FATAL(map = malloc(len));
		CU_ASSERT_EQUAL(pread(fd, map, len, 0), (ssize_t)len);
		hit = memmem(map, len, e->val, e->len);
		if (hit != NULL) {
			/* Key, three or four bytes of sizes, the child. */
			hit -= nk + (e->len > 127 ? 4 : 3) + 1;
			*hit ^= 1;
			CU_ASSERT_EQUAL(pwrite(fd, hit, 1, hit - map), 1);
			flipped++;
		}
		free(map);
		close(fd);
	}
	CU_ASSERT_EQUAL(flipped, 1);
}

/*
 * After a mere kill files are taken back in place; after a reboot, and when
 * anything is not as it must be, they are restored.
 */
static void
test_ways(void)
{
	struct world	w;

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT(w.found.rewound == w.files && w.found.restored == 0);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	world_reboot(&w);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT(w.found.rewound == 0 && w.found.restored == w.files);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	flip_link(&w, 7);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT(w.found.rewound == w.files - 1 && w.found.restored == 1);
	CU_ASSERT_EQUAL(w.found.error[0], '\0');
	CU_ASSERT_EQUAL(world_check(&w), 0);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(w.found.rewound + w.found.restored, 0);
	world_free(&w);
}

static void
test_identity(void)
{
	struct world	w;

	fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	w.files = 4;
	CU_ASSERT_EQUAL(world_open(&w), E_STALE);
	w.files = 3;
	w.stores = 3;
	CU_ASSERT_EQUAL(world_open(&w), E_STALE);
	w.stores = 2;
	w.store = 0;
	CU_ASSERT_EQUAL(world_open(&w), E_STALE);
	CU_ASSERT_PTR_NOT_NULL(strstr(w.found.error, "store 1 of 2"));
	w.store = 1;
	w.ops = &engine_mem;
	CU_ASSERT_EQUAL(world_open(&w), E_STALE);
	w.ops = &engine_tkrzw;
	w.files = 0;
	CU_ASSERT_EQUAL(world_open(&w), E_PARAM);
	w.files = 3;
	CU_ASSERT_EQUAL(world_recover(&w), E_OK);
	CU_ASSERT_TRUE(w.found.clean);
	CU_ASSERT_TRUE(w.found.same_boot);
	CU_ASSERT_EQUAL(world_check(&w), 0);
	world_free(&w);
}

static void
test_newer(void)
{
	struct world	w;
	char		path[128];
	int		fd;

	world_init(&w, &engine_tkrzw);
	snprintf(path, sizeof(path), "%s/MANIFEST", w.dir);
	CU_ASSERT_FATAL((fd = open(path, O_WRONLY | O_CREAT, 0600)) != -1);
	CU_ASSERT_EQUAL(write(fd, "wharf-manifest 3\n", 17), 17);
	close(fd);
	CU_ASSERT_EQUAL(world_open(&w), E_STALE);
	CU_ASSERT_PTR_NOT_NULL(strstr(w.found.error, "newer"));
	world_free(&w);
}

/* A sync that fails ends it: nothing is called durable any more. */
static void
test_failed_sync(void)
{
	struct world	w;
	uint64_t	freed;

	fill(&w);
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

	fill(&w);
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

	fill(&w);
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

static const CU_TestInfo tests[] = {
	{ "compaction", test_compaction },
	{ "a small file of what has expired", test_small_expired },
	{ "flipped value", test_flipped_value },
	{ "flipped before a restore", test_flipped_restore },
	{ "which way a start takes", test_ways },
	{ "sums put right beside the loop", test_recount },
	{ "sums put right at a stop, in a compaction", test_recount_late },
	{ "lost files", test_lost_files },
	{ "not closed", test_unclosed },
	{ "identity", test_identity },
	{ "newer version", test_newer },
	{ "failed sync", test_failed_sync },
	{ "full disk", test_full_disk },
	{ "full disk, compaction", test_full_compaction },
	{ "log is freed", test_log_free },
	{ "random, memory", test_random_mem },
	{ "random, tkrzw", test_random_tkrzw },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_data", UNIT_SUITE("data", tests))
