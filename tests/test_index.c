/*
 * test_index.c: the indexes of a shard against a model, on both engines: random
 * histories of all types with ttl and deletes, asked before, during and after a
 * build, while a file is compacted, after a restart; damage; limits of memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/index_world.h"
#include "tests/unit.h"

/* --- histories --- */

/* Begins builds and goes on without waiting for them. */
static void
ask_only(void)
{
	struct shard_range	r = { .file = draw(FILES) };
	struct seen		v = { .most = 1 };
	uint64_t		lsn;
	enum err		e = shard_list(s, &r, see, &v, &lsn);

	CU_ASSERT((e == E_OK && !v.wrong) || e == E_BUILDING);
}

static void
history(const struct engine_ops *engine, uint64_t from)
{
	struct shard_stat	st;
	unsigned		i, rounds = scaled(20000), bad = 0;
	uint64_t		compacted = 0, moving = 0;

	begin(engine, from);
	for (i = 0; i < rounds && bad == 0; i++) {
		change();
		now += draw(3);
		s->wall = now;
		if (draw(50) == 0)
			turn();
		if (draw(100) == 0)
			ask_only();
		if (draw(150) == 0) {
			shard_stat(s, &st);
			moving += st.data.compacting;
			bad += differs();
		}
		if (draw(400) == 0)
			drop_all();
		if (draw(4000) == 0) {
			shard_stat(s, &st);
			compacted += st.data.compactions;
			reopen((int)draw(2));
		}
	}
	bad += differs();
	CU_ASSERT_EQUAL(bad, 0);
	shard_stat(s, &st);
	CU_ASSERT(st.data.compactions + compacted > 0);
	CU_ASSERT(moving > 0);
	end();
}

static void
test_tkrzw(void)
{
	history(&engine_tkrzw, 11);
}

static void
test_mem(void)
{
	history(&engine_mem, 12);
}

/* --- the file changes under the build --- */

/* Overwrites until a file has two generations and its mover is at work. */
static void
until_moving(void)
{
	struct shard_stat	st;

	do {
		change();
		turn();
		shard_stat(s, &st);
	} while (!s->moving || st.data.compacting == 0);
}

/*
 * A build of a file with two generations stands still until the older one has
 * been removed, and more has been written.
 */
static void
test_removed_generation(void)
{
	struct shard_range	r = { .file = 0 };
	struct shard_stat	st;
	struct seen		v = { .most = 1 };
	uint64_t		lsn, before;
	unsigned		i;

	begin(&engine_tkrzw, 13);
	atomic_store(&gate, 1);
	CU_ASSERT_EQUAL_FATAL(sem_init(&opened, 0, 0), 0);
	until_moving();
	for (r.file = 0; r.file < FILES; r.file++)
		CU_ASSERT_EQUAL(shard_list(s, &r, see, &v, &lsn), E_BUILDING);
	shard_stat(s, &st);
	before = st.data.compactions;
	do {
		change();
		turn();
		shard_stat(s, &st);
	} while (st.data.compactions < before + 2);
	CU_ASSERT_EQUAL(st.index.building, FILES);
	atomic_store(&gate, 0);
	for (i = 0; i < 8; i++)
		sem_post(&opened);
	CU_ASSERT_EQUAL(differs(), 0);
	CU_ASSERT_EQUAL(stat_of().builds, FILES);
	end();
	sem_destroy(&opened);
}

/* The shard is closed while a build goes on. */
static void
test_closed_in_between(void)
{
	unsigned	i;

	for (i = 0; i < 10; i++) {
		begin(i % 2 ? &engine_tkrzw : &engine_mem, 20 + i);
		while (draw(1000) != 0)
			change();
		ask_only();
		settle();
		end();
	}
}

/* --- expiry --- */

static void
test_expired(void)
{
	unsigned	i, steps;

	begin(&engine_tkrzw, 14);
	for (i = 0; i < ITEMS; i++)
		put(&items[i], i % 10 == 0 ? 0 : 1000 + i % 3);
	CU_ASSERT_EQUAL(differs(), 0);
	CU_ASSERT_EQUAL(stat_of().entries, ITEMS);
	now += 1001;		/* a third of them, before any step */
	s->wall = now;
	CU_ASSERT_EQUAL(differs(), 0);
	now += 10;
	for (steps = 0; steps < 100 && stat_of().entries != ITEMS / 10; steps++)
		turn();
	CU_ASSERT_EQUAL(stat_of().entries, ITEMS / 10);
	for (i = 0; i < FILES; i++)
		CU_ASSERT_EQUAL(btree_count(s->indexes->index[i].t.ends), 0);
	CU_ASSERT_EQUAL(differs(), 0);
	end();
}

/* --- memory --- */

static void
test_memory(void)
{
	struct index_stat	st;
	uint64_t		lsn;
	struct shard_range	r = { .file = 0 };
	struct seen		v = { .most = 1 };
	unsigned		k;
	enum err		e;

	begin(&engine_tkrzw, 15);
	for (k = 0; k < ITEMS; k++)
		put(&items[k], 0);
	CU_ASSERT_EQUAL(differs(), 0);
	st = stat_of();
	CU_ASSERT_EQUAL(st.built, FILES);
	CU_ASSERT_EQUAL(st.dropped, 0);
	/* Room for two of three. */
	shard_set_index_memory(s, st.bytes - 1);
	CU_ASSERT_EQUAL(differs(), 0);
	CU_ASSERT(stat_of().dropped > 0);
	while (atomic_load(&s->indexes->leaving) != 0)
		turn();
	CU_ASSERT(stat_of().bytes < st.bytes);
	/* For none. */
	shard_set_index_memory(s, 1000);
	ASK(e, shard_list(s, &r, see, &v, &lsn));
	CU_ASSERT_EQUAL(e, E_INDEX);
	CU_ASSERT_EQUAL(shard_list(s, &r, see, &v, &lsn), E_INDEX);
	shard_set_index_memory(s, 0);
	CU_ASSERT_EQUAL(differs(), 0);
	/* Unused for ten minutes. */
	for (k = 0; k < FILES; k++)
		s->indexes->index[k].used.us -= 601000000;
	for (k = 0; k < 2 * FILES; k++)
		turn();
	CU_ASSERT_EQUAL(stat_of().built, 0);
	CU_ASSERT_EQUAL(stat_of().entries, 0);
	CU_ASSERT_EQUAL(differs(), 0);
	end();
}

/* The memory of one that is dropped does not wait for another's build. */
static void
test_dropped_while_building(void)
{
	struct shard_range	 r = { .file = 0 };
	struct seen		 v = { .most = 1 };
	struct index		*x;
	uint64_t		 lsn;
	size_t			 had;
	unsigned		 k;
	enum err		 e;

	begin(&engine_tkrzw, 18);
	for (k = 0; k < ITEMS; k++)
		put(&items[k], 0);
	x = &s->indexes->index[FILES - 1];
	r.file = FILES - 1;
	ASK(e, shard_list(s, &r, see, &v, &lsn));
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	had = stat_of().bytes;
	CU_ASSERT_EQUAL_FATAL(sem_init(&opened, 0, 0), 0);
	atomic_store(&gate, 1);
	r.file = 0;
	CU_ASSERT_EQUAL(shard_list(s, &r, see, &v, &lsn), E_BUILDING);
	x->used.us -= 601000000;
	for (k = 0; k < 10000 && stat_of().bytes >= had; k++) {
		turn();
		usleep(1000);
	}
	CU_ASSERT(k < 10000);
	CU_ASSERT_EQUAL(x->state, INDEX_NONE);
	CU_ASSERT(stat_of().building > 0);
	atomic_store(&gate, 0);
	for (k = 0; k < 8; k++)
		sem_post(&opened);
	CU_ASSERT_EQUAL(differs(), 0);
	end();
	sem_destroy(&opened);
}

/* Changes that nobody takes are not kept for ever. */
static void
test_feed_is_bounded(void)
{
	struct shard_range	r = { .file = file_of(&items[50]) };
	struct seen		v = { .most = 1 };
	uint64_t		lsn;
	unsigned		i;
	enum err		e;

	begin(&engine_tkrzw, 16);
	put(&items[50], 0);
	shard_set_index_memory(s, 1 << 20);
	ASK(e, shard_list(s, &r, see, &v, &lsn));
	CU_ASSERT_EQUAL(e, E_OK);
	lazy = 1;
	for (i = 0; i < 20000 && stat_of().dropped == 0; i++)
		put(&items[50], 0);
	lazy = 0;
	CU_ASSERT_EQUAL(stat_of().dropped, 1);
	CU_ASSERT(i > 1000);
	CU_ASSERT_EQUAL(differs(), 0);
	end();
}

/* A question about one file has the next one begun. */
static void
test_ahead(void)
{
	struct shard_range	r = { .file = 0 };
	struct seen		v = { .most = 1 };
	uint64_t		lsn;
	enum err		e;

	begin(&engine_tkrzw, 17);
	ASK(e, shard_list(s, &r, see, &v, &lsn));
	CU_ASSERT_EQUAL(e, E_OK);
	while (stat_of().building != 0)
		turn();
	CU_ASSERT_EQUAL(stat_of().builds, 2);
	end();
}

/* --- damage --- */

/* Flips the first byte after what, wherever it stands in a data file. */
static void
flip_behind(const char *what, size_t len, size_t skip)
{
	char		 path[400];
	struct dirent	*de;
	DIR		*dp = opendir(dir);
	uint8_t		*p, *hit;
	struct stat	 st;
	int		 fd, n = 0;

	while ((de = readdir(dp)) != NULL) {
		if (strncmp(de->d_name, "data.", 5) != 0 ||
		    strstr(de->d_name, ".tkh") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		fd = open(path, O_RDWR);
		fstat(fd, &st);
		p = malloc((size_t)st.st_size + 1);
		CU_ASSERT_EQUAL_FATAL(pread(fd, p, (size_t)st.st_size, 0),
		    st.st_size);
		if ((hit = memmem(p, (size_t)st.st_size, what, len)) != NULL) {
			hit[len + skip] ^= 0x10;
			n++;
			CU_ASSERT_EQUAL(pwrite(fd, hit + len + skip, 1,
			    hit + len + skip - p), 1);
		}
		free(p);
		close(fd);
	}
	closedir(dp);
	CU_ASSERT_EQUAL_FATAL(n, 1);
}

static struct item *
first_of(uint8_t type)
{
	unsigned	i;

	for (i = 40; items[i].type != type; i++)
		;
	return &items[i];
}

static int
see_damaged(void *arg, const struct index_entry *e)
{
	*(unsigned *)arg += e->version == 0;
	return 1;
}

/*
 * Damage that comes while the file is open: at the start it would be found.
 * A record that fails its checksum: it is listed with version 0, a sorted set
 * with such a member is not, until it has been replaced.
 */
static void
test_damaged_record(void)
{
	struct item		*k, *z;
	struct shard_range	 r;
	uint64_t		 below, within, lsn;
	unsigned		 i, n = 0;
	enum err		 e;

	begin(&engine_tkrzw, 18);
	k = first_of('K');
	z = first_of('Z');
	for (i = 0; i < ITEMS; i++)
		put(&items[i], 0);
	settle();
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	open_shard();
	flip_behind((char *)k->engine, k->enginelen, 9);
	flip_behind((char *)z->engine, z->enginelen, 9);
	r = (struct shard_range){ .file = file_of(k), .type = 'K' };
	ASK(e, shard_list(s, &r, see_damaged, &n, &lsn));
	CU_ASSERT_EQUAL(e, E_OK);
	CU_ASSERT_EQUAL(n, 1);
	ASK(e, shard_zcount(s, z->slot, (const uint8_t *)z->tab,
	    strlen(z->tab), 0, 1, &below, &within, &lsn));
	CU_ASSERT_EQUAL(e, E_DAMAGED);
	put(k, 0);
	put(z, 0);
	CU_ASSERT_EQUAL(differs(), 0);
	end();
}

/* A link of the engine's: no listing of that file, all else goes on. */
static void
test_damaged_file(void)
{
	struct item		*k;
	struct shard_range	 r;
	struct seen		 v = { .most = 1 };
	uint64_t		 lsn;
	unsigned		 i;
	enum err		 e;

	begin(&engine_tkrzw, 19);
	k = first_of('K');
	for (i = 0; i < ITEMS; i++)
		put(&items[i], 0);
	settle();
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	open_shard();
	/* The length of a record's padding stands before its key. */
	flip_behind((char *)k->engine, k->enginelen, (size_t)-1 -
	    k->enginelen);
	for (r = (struct shard_range){ .file = 0 }; r.file < FILES; r.file++) {
		v = (struct seen){ .most = 1 };
		ASK(e, shard_list(s, &r, see, &v, &lsn));
		CU_ASSERT_EQUAL(e, r.file == file_of(k) ? E_DAMAGED : E_OK);
	}
	put(first_of('H'), 0);
	end();
}

static const CU_TestInfo	tests[] = {
	{ "history on tkrzw", test_tkrzw },
	{ "history in memory", test_mem },
	{ "a generation goes while it is read", test_removed_generation },
	{ "closed while building", test_closed_in_between },
	{ "expired", test_expired },
	{ "memory", test_memory },
	{ "dropped while another is built", test_dropped_while_building },
	{ "the feed is bounded", test_feed_is_bounded },
	{ "ahead", test_ahead },
	{ "a damaged record", test_damaged_record },
	{ "a damaged file", test_damaged_file },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_index", UNIT_SUITE("index", tests))
