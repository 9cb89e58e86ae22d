/*
 * test_data_start.c: what a start finds that is not as a stop leaves it:
 * records that are damaged, files that are lost, not closed, from another boot
 * or somebody else's.  What is damaged says so and never gives way to an older
 * value; sums that it made inexact are put right.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/data_world.h"
#include "tests/unit.h"

/* A damaged value is never served, hurts no other, and can be overwritten. */
static void
test_flipped_value(void)
{
	struct world	w;
	int		same;
	unsigned	i;

	world_fill(&w);
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
		world_fill(&w);
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
	world_fill(&w);
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

	world_fill(&w);
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
		world_fill(&w);
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

	world_fill(&w);
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

	world_fill(&w);
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

	world_fill(&w);
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

static unsigned	cuts, bad_cuts;

/* A power cut while what a kill left is being opened. */
static void
cut(struct world *w)
{
	struct world	c;

	cuts++;
	world_copy(&c, w, 1);
	bad_cuts += world_recover(&c) != E_OK || world_check(&c) != 0;
	world_free(&c);
}

/* Killed when MANIFEST has its new text, and the directory is not synced. */
static void
kill_renamed(struct world *w)
{
	struct world	c;
	unsigned	i, n;
	int		renamed = 0;

	w->arm = 1;			/* and at the next instant */
	for (i = 0; i < w->ndisk; i++)
		renamed |= strcmp(w->disk[i].name, "MANIFEST") == 0 &&
		    w->disk[i].renamed;
	for (n = 1; renamed && n <= 8; n++) {
		world_copy(&c, w, 0);
		c.snapshot = cut;
		c.arm = n;
		CU_ASSERT_EQUAL(world_recover(&c), E_OK);
		c.arm = 0;
		world_free(&c);
	}
}

/*
 * What only the MANIFEST before names is not removed at a start until a power
 * cut cannot bring that one back.
 */
static void
test_names_first(void)
{
	struct world	w;

	world_fill(&w);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	world_reboot(&w);		/* so each file gets a new name */
	w.snapshot = kill_renamed;
	w.arm = 1;
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	w.arm = 0;
	CU_ASSERT(w.found.restored == w.files && cuts > 20);
	CU_ASSERT_EQUAL(bad_cuts, 0);
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

	world_fill(&w);
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

	world_fill(&w);
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

static const CU_TestInfo tests[] = {
	{ "flipped value", test_flipped_value },
	{ "flipped before a restore", test_flipped_restore },
	{ "which way a start takes", test_ways },
	{ "names are synced before files go", test_names_first },
	{ "sums put right beside the loop", test_recount },
	{ "sums put right at a stop, in a compaction", test_recount_late },
	{ "lost files", test_lost_files },
	{ "not closed", test_unclosed },
	{ "identity", test_identity },
	{ "newer version", test_newer },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_data_start", UNIT_SUITE("data_start", tests))
