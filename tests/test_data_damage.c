/*
 * test_data_damage.c: the quarantine of slots of which records may be lost:
 * what it says of keys, how long it lasts, what a power cut leaves of its
 * making, and files that have killed the process before.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/data_world.h"
#include "tests/unit.h"

#define FILLED	100u		/* keys of world_fill */

/* Each key has a slot of its own; these are damaged, the first stays so. */
static unsigned
victim(unsigned n)
{
	return n * WORLD_TABLES + 5;
}

/* Keys that are neither right nor damaged, or damaged in another slot. */
static unsigned
wrong(struct world *w)
{
	unsigned	i, n = 0, slot = world_slot(w, victim(0));
	enum err	e;
	int		same;

	for (i = 0; i < FILLED; i++) {
		e = world_get(w, i, &same);
		n += e == E_DAMAGED ? world_slot(w, i) != slot : !same;
	}
	return n;
}

static unsigned
lost_slots(const struct world *w)
{
	struct data_stat	st;

	data_stat(w->d, w->now, &st);
	return st.lost_slots;
}

static void
damage_path(const struct world *w, char out[128])
{
	snprintf(out, 128, "%s/DAMAGE", w->dir);
}

/* The only records of n keys are damaged so that they cannot be kept. */
static void
world_spoil(struct world *w, unsigned n, int clean)
{
	world_fill(w);
	CU_ASSERT_EQUAL(world_close(w, clean), E_OK);
	while (n-- > 0)
		world_flip(w, victim(n), 10);
}

static void
world_lose(struct world *w, unsigned n)
{
	int	same;

	world_spoil(w, n, 1);
	CU_ASSERT_EQUAL_FATAL(world_recover(w), E_OK);
	CU_ASSERT_EQUAL(lost_slots(w), n);
	while (n-- > 0) {
		CU_ASSERT_TRUE(data_lost(w->d, world_slot(w, victim(n))));
		CU_ASSERT_EQUAL(world_get(w, victim(n), &same), E_DAMAGED);
	}
}

static void
reopen(struct world *w, int clean)
{
	CU_ASSERT_EQUAL(world_close(w, clean), E_OK);
	CU_ASSERT_EQUAL_FATAL(world_recover(w), E_OK);
}

/* Every file is compacted, some more than once. */
static void
compact_all(struct world *w)
{
	struct data_stat	st;
	uint64_t		before;
	unsigned		i;

	data_stat(w->d, w->now, &st);
	before = st.compactions;
	for (i = 0; i < 4000; i++)
		world_put(w, FILLED + i % 90, 200, 0);
	world_settle(w);
	data_stat(w->d, w->now, &st);
	CU_ASSERT(st.compactions >= before + w->files);
}

/*
 * A key that was deleted, or has expired, after the loss is known to be gone:
 * that stays so through compactions, which otherwise leave such records out.
 */
static void
test_gone_is_known(void)
{
	struct world	w;
	int		same;
	unsigned	turn;

	world_lose(&w, 4);
	world_del(&w, victim(1));
	world_put(&w, victim(2), 50, 1000);
	world_del(&w, victim(3));
	world_put(&w, victim(3), 40, 0);
	w.now += 100000;
	for (turn = 0; turn < 3; turn++) {
		compact_all(&w);
		CU_ASSERT_EQUAL(world_get(&w, victim(0), &same), E_DAMAGED);
		CU_ASSERT(world_get(&w, victim(1), &same) == E_OK && same);
		CU_ASSERT(world_get(&w, victim(2), &same) == E_OK && same);
		CU_ASSERT(world_get(&w, victim(3), &same) == E_OK && same);
		CU_ASSERT_EQUAL(wrong(&w), 0);
		reopen(&w, turn % 2);
	}
	world_free(&w);
}

/* What has to stay for it does not make a file be compacted for ever. */
static void
test_kept_is_no_garbage(void)
{
	struct data_stat	st;
	struct world		w;
	uint64_t		before;
	unsigned		i;

	world_lose(&w, 10);
	data_set_compact_bytes(w.d, 3000);
	for (i = 1; i < 10; i++)
		world_put(&w, victim(i), 6000, 1000);
	w.now += 100000;
	compact_all(&w);
	data_stat(w.d, w.now, &st);
	before = st.compactions;
	w.now += 100000;
	world_settle(&w);
	data_stat(w.d, w.now, &st);
	CU_ASSERT_EQUAL(st.compactions, before);
	world_free(&w);
}

/* Over when the owner says so: and then also for later starts. */
static void
test_accept(void)
{
	struct world	w;
	char		path[128];
	struct stat	st;
	int		same, clean;

	for (clean = 0; clean < 2; clean++) {
		world_lose(&w, 2);
		world_del(&w, victim(1));
		damage_path(&w, path);
		CU_ASSERT_EQUAL(stat(path, &st), 0);
		w.fail_sync = 1;
		CU_ASSERT_EQUAL(data_accept_loss(w.d), E_INTERNAL);
		w.fail_sync = 0;
		CU_ASSERT_EQUAL(lost_slots(&w), 2);
		CU_ASSERT_EQUAL(data_accept_loss(w.d), E_OK);
		CU_ASSERT_EQUAL(data_accept_loss(w.d), E_OK);
		CU_ASSERT_EQUAL(lost_slots(&w), 0);
		CU_ASSERT_EQUAL(world_get(&w, victim(0), &same), E_NOTFOUND);
		CU_ASSERT_EQUAL(stat(path, &st), -1);
		reopen(&w, clean);
		CU_ASSERT_EQUAL(world_get(&w, victim(0), &same), E_NOTFOUND);
		CU_ASSERT_EQUAL(lost_slots(&w), 0);
		compact_all(&w);	/* nor need the dead one stay */
		CU_ASSERT_EQUAL(world_get(&w, victim(1), &same), E_NOTFOUND);
		world_free(&w);
	}
}

static size_t
damage_read(const char *path, uint8_t *p, size_t max)
{
	int	fd = open(path, O_RDONLY);
	ssize_t	n = read(fd, p, max);

	CU_ASSERT_FATAL(fd != -1 && n > 0);
	close(fd);
	return (size_t)n;
}

static void
damage_put(const char *path, const uint8_t *p, size_t n)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL_FATAL(write(fd, p, n), (ssize_t)n);
	close(fd);
}

/* DAMAGE with a bit flipped or cut short still holds back what was lost. */
static void
test_damaged_damage(void)
{
	struct world	w;
	char		path[128];
	uint8_t		was[256], now[256];
	size_t		n, i, all = 0;
	int		same;

	world_lose(&w, 1);
	CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	damage_path(&w, path);
	n = damage_read(path, was, sizeof(was));
	for (i = 0; i < 2 * n; i++) {
		memcpy(now, was, n);
		if (i < n)
			now[i] ^= (uint8_t)(1 << i % 8);
		damage_put(path, now, i < n ? n : i - n);
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(world_get(&w, victim(0), &same), E_DAMAGED);
		/* All of one of two stores; or a letter's case, at the end. */
		CU_ASSERT(lost_slots(&w) == 512 || lost_slots(&w) == 1);
		all += lost_slots(&w) == 512;
		CU_ASSERT_EQUAL(wrong(&w), 0);
		CU_ASSERT_EQUAL(world_close(&w, 1), E_OK);
	}
	CU_ASSERT(all >= 2 * n - 10);
	damage_put(path, was, n);
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(lost_slots(&w), 1);
	world_free(&w);
}

/* --- power cuts while a file is made anew --- */

static struct world	cut;
static int		was_cut;

static void
cut_now(struct world *w)
{
	world_copy(&cut, w, 1);
	was_cut = 1;
}

static void
check_cut(int again)
{
	int	same, turn;

	for (turn = 0; turn < 2; turn++) {
		if (again)
			world_reboot(&cut);
		CU_ASSERT_EQUAL_FATAL(world_recover(&cut), E_OK);
		CU_ASSERT_EQUAL(world_get(&cut, victim(0), &same), E_DAMAGED);
		CU_ASSERT_EQUAL(wrong(&cut), 0);
		CU_ASSERT_EQUAL(lost_slots(&cut), 1);
		CU_ASSERT_EQUAL(world_close(&cut, turn), E_OK);
	}
	CU_ASSERT_EQUAL_FATAL(world_recover(&cut), E_OK);
	CU_ASSERT_EQUAL(wrong(&cut), 0);
	world_free(&cut);
}

/*
 * Whatever of DAMAGE, .sum, MANIFEST and the new file there is then: the key
 * that was lost is never called absent.
 */
static void
test_power_cuts(void)
{
	struct world	w;
	unsigned	i, cuts = 0;

	for (i = 1, was_cut = 1; was_cut; i += 1 + i / 16) {
		world_spoil(&w, 1, i % 2);
		if (i % 3 == 0)
			world_reboot(&w);
		was_cut = 0;
		w.snapshot = cut_now;
		w.arm = i;
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		w.arm = 0;
		CU_ASSERT_EQUAL(wrong(&w), 0);
		if (was_cut) {
			check_cut(i % 5 == 0);
			cuts++;
		}
		world_free(&w);
	}
	CU_ASSERT(cuts > 20);
}

/* --- files that killed the process --- */

static unsigned
file_of(const struct world *w, unsigned key)
{
	return world_slot(w, key) / w->stores % w->files;
}

static int
marked(const struct world *w)
{
	unsigned	k;
	int		n = 0;

	for (k = 0; k < FILES_MAX; k++)
		n += w->reading[k] != 0;
	return n;
}

/* Taken anew from its whole records, by nothing that reads it otherwise. */
static void
test_suspects(void)
{
	struct world	w;
	char		path[16][256];
	unsigned	n, clean, key = victim(0);

	for (clean = 0; clean < 2; clean++) {
		world_fill(&w);
		world_put(&w, key, 70, 0);
		CU_ASSERT_EQUAL(world_close(&w, (int)clean), E_OK);
		w.suspects = UINT64_C(1) << file_of(&w, key);
		CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
		CU_ASSERT_EQUAL(w.found.restored, 1);
		world_files(&w, "damaged.", path, &n);
		CU_ASSERT_EQUAL(n, 1);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		CU_ASSERT_EQUAL(lost_slots(&w), 0);
		CU_ASSERT_EQUAL(marked(&w), 0);
		w.suspects = 0;
		world_settle(&w);
		reopen(&w, (int)clean);
		CU_ASSERT_EQUAL(w.found.restored, 0);
		CU_ASSERT_EQUAL(world_check(&w), 0);
		world_free(&w);
	}
}

struct looked {
	const struct world	*w;
	unsigned		 k;
	int			 marks;		/* seen inside */
};

static void
look_inside(void *arg, const struct record *r)
{
	struct looked	*l = arg;

	CU_ASSERT(r->vallen > 0);
	l->marks += l->w->reading[l->k] != 0 && marked(l->w) == 1;
}

static struct looked	restoring;

static int
is_marked(void)
{
	return restoring.w != NULL && restoring.w->reading[restoring.k] != 0;
}

static enum err
marked_restore(const char *path, const char *newpath, uint64_t end)
{
	restoring.marks += is_marked();
	return engine_tkrzw.restore(path, newpath, end);
}

static enum err
marked_open(struct engine **e, const char *path, int create, uint64_t buckets)
{
	if (!create)
		restoring.marks += is_marked();
	return engine_tkrzw.open(e, path, create, buckets);
}

/* While it is read, opened or restored, and only then. */
static void
test_marks(void)
{
	struct engine_ops	 ops = engine_tkrzw;
	struct world		 w;
	struct looked		 l = { &w, 0, 0 };
	uint8_t			 k[64];
	unsigned		 i;

	ops.restore = marked_restore;
	ops.open = marked_open;
	world_fill(&w);
	for (i = 0; i < FILLED; i++) {
		l.k = file_of(&w, i);
		CU_ASSERT_EQUAL(data_get(w.d, world_slot(&w, i), k,
		    world_key(i, k), look_inside, &l), E_OK);
		CU_ASSERT_EQUAL(marked(&w), 0);
	}
	CU_ASSERT_EQUAL(l.marks, (int)FILLED);
	CU_ASSERT_EQUAL(world_close(&w, 0), E_OK);
	world_reboot(&w);
	w.ops = &ops;
	restoring = (struct looked){ &w, file_of(&w, 0), 0 };
	CU_ASSERT_EQUAL_FATAL(world_recover(&w), E_OK);
	CU_ASSERT_EQUAL(restoring.marks, 2);	/* restored, then opened */
	CU_ASSERT_EQUAL(marked(&w), 0);
	restoring.w = NULL;
	world_free(&w);
}

static const CU_TestInfo tests[] = {
	{ "gone since is known", test_gone_is_known },
	{ "kept is no garbage", test_kept_is_no_garbage },
	{ "accept", test_accept },
	{ "DAMAGE itself", test_damaged_damage },
	{ "power cuts", test_power_cuts },
	{ "files that killed", test_suspects },
	{ "marks", test_marks },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_data_damage", UNIT_SUITE("data_damage", tests))
