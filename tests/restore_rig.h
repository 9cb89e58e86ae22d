/*
 * restore_rig.h: what test_restore.c restores: a node of shards that are
 * written to at random, with a model of what they hold, and backups of them as
 * wharfd puts them together.
 */
#ifndef TESTS_RESTORE_RIG_H
#define TESTS_RESTORE_RIG_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "proto/clock.h"
#include "proto/slot.h"
#include "store/backup_file.h"
#include "store/shard_backup.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define STORES_MAX	3u
#define KEYS		400u
#define VAL_MAX		3000u
#define NODE		0x77686172660001ull
#define DAY_MS		86400000

/* What is stored under a key. */
struct entry {
	uint32_t	version;	/* 0: nothing */
	size_t		len;
	uint8_t		fill;
	int		ttl;
};

struct world {
	char		 base[64], data[96], backups[96];
	unsigned	 stores, files;
	uint64_t	 node;
	struct shard	*s[STORES_MAX];
	char		 dir[STORES_MAX][128];	/* of each, while it is open */
	struct entry	 model[KEYS];
	char		 last[BACKUP_DIR_MAX];	/* backup; "" none */
	uint64_t	 last_end;
	unsigned	 nbackups;
};

static uint64_t	rnd_state = 1;

/*
 * In place of the C library's, for all of this program: no power is cut here,
 * and a disk that others use takes its time.
 */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static unsigned
rnd(unsigned n)
{
	rnd_state = rnd_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(rnd_state >> 33) % n;
}

/* --- a node of shards --- */

static void
open_one(struct world *w, unsigned i)
{
	char			*dir = w->dir[i];
	struct shard_conf	 c = {
		.dir = dir, .ops = &engine_tkrzw, .io = &io_posix,
		.node = w->node, .store = i, .stores = w->stores,
		.files = w->files, .segment = 1 << 20, .sync = WAL_OS,
		.compact_bytes = 65536, .notify = shard_quiet
	};
	struct shard_opened	 o;
	enum err		 e;

	snprintf(dir, sizeof(w->dir[i]), "%s/store.%u", w->data, i);
	e = shard_open(&w->s[i], &c, &o);
	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e), o.error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
}

static void make_dir(const char *, ...) __attribute__((format(printf, 1, 2)));

static void
make_dir(const char *fmt, ...)
{
	char	path[300];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
}

static void
world_init(struct world *w, unsigned stores, unsigned files)
{
	const char	*seed = getenv("WHARF_SEED");
	unsigned	 i;

	memset(w, 0, sizeof(*w));
	rnd_state = seed == NULL ? 1 : strtoull(seed, NULL, 0);
	snprintf(w->base, sizeof(w->base), "/tmp/test_restore.XXXXXX");
	shard_base(w->base);
	snprintf(w->data, sizeof(w->data), "%s/data", w->base);
	snprintf(w->backups, sizeof(w->backups), "%s/backups", w->base);
	make_dir("%s", w->data);
	make_dir("%s", w->backups);
	w->stores = stores;
	w->files = files;
	w->node = NODE;
	for (i = 0; i < stores; i++) {
		make_dir("%s/store.%u", w->data, i);
		make_dir("%s/store.%u/wal", w->data, i);
		open_one(w, i);
	}
}

static void
close_all(struct world *w)
{
	unsigned	i;

	for (i = 0; i < w->stores; i++) {
		if (w->s[i] != NULL)
			CU_ASSERT_EQUAL(shard_close(w->s[i], 1), E_OK);
		w->s[i] = NULL;
	}
}

static void
world_free(struct world *w)
{
	close_all(w);
	shard_drop(w->base);
}

/* Key i, and the shard that has it. */
static struct shard *
key_of(struct world *w, unsigned i, struct shard_key *k)
{
	static const char	types[] = { TYPE_KV, TYPE_HASH, TYPE_SET,
	    TYPE_ZSET };
	static char		name[32], tab[8];

	snprintf(name, sizeof(name), "member%u", i);
	snprintf(tab, sizeof(tab), "t%u", i / 4 % 9);
	memset(k, 0, sizeof(*k));
	k->type = (uint8_t)types[i % 4];
	k->key = (const uint8_t *)name;
	k->keylen = strlen(name);
	k->tab = (const uint8_t *)tab;
	k->tablen = k->type == TYPE_KV ? 0 : 2;
	k->slot = k->type == TYPE_ZSET ? slot_of(k->tab, k->tablen) :
	    slot_of(k->key, k->keylen);
	return w->s[slot_store(k->slot, w->stores)];
}

static void
change(struct world *w, unsigned i)
{
	static uint8_t		val[VAL_MAX];
	struct entry		*m = &w->model[i];
	struct shard_key	 k;
	struct shard		*s = key_of(w, i, &k);
	struct shard_write	 wr = { .val = val, .vallen = rnd(VAL_MAX),
	    .ttl = rnd(4) == 0 ? DAY_MS : 0 };
	struct shard_result	 res;
	int			 del = rnd(6) == 0;
	uint8_t			 fill = (uint8_t)rnd(256);
	enum err		 e;

	memset(val, fill, wr.vallen);
	while ((e = del ? shard_del(s, &k, &wr, &res) :
	    shard_put(s, &k, &wr, &res)) == E_AGAIN)
		shard_loop(s);
	CU_ASSERT_EQUAL(e, del && m->version == 0 ? E_NOTFOUND : E_OK);
	*m = (struct entry){ del ? 0 : m->version + 1, wr.vallen, fill,
	    wr.ttl != 0 };
}

static void
write_some(struct world *w, unsigned n)
{
	unsigned	i;

	while (n-- > 0) {
		change(w, rnd(KEYS));
		if (n % 8 == 0)
			for (i = 0; i < w->stores; i++)
				shard_loop(w->s[i]);
	}
}

/* --- backups --- */

static void
add_part(struct backup *b, const char *dir, unsigned i)
{
	struct backup	part;
	char		path[300], why[200] = "";
	size_t		j;

	snprintf(path, sizeof(path), "%s/store.%u/" BACKUP_PART, dir, i);
	CU_ASSERT_EQUAL_FATAL(backup_load(&part, AT_FDCWD, path, 0, why,
	    sizeof(why)), E_OK);
	b->store[i] = part.store[i];
	for (j = 0; j < part.nfile; j++)
		CU_ASSERT_EQUAL(backup_add(b, part.file[j].name,
		    part.file[j].from, part.file[j].to, part.file[j].sum), 0);
	backup_clear(&part);
	unlink(path);
}

static int
open_dir(const char *base, const char *name, unsigned i)
{
	char	path[300];

	if (name[0] == '\0')
		return -1;
	snprintf(path, sizeof(path), "%s/%s/store.%u", base, name, i);
	return open(path, O_RDONLY | O_DIRECTORY);
}

/* Shard i's part. */
static void
run_backup(struct world *w, const char *name, unsigned i)
{
	struct shard_backup_conf	 c = {
		.dir = open_dir(w->backups, name, i),
		.parent = open_dir(w->backups, w->last, i),
		.parent_name = w->last,
	};
	char				 why[200];
	enum err			 e;

	CU_ASSERT_EQUAL_FATAL(shard_backup(w->s[i], &c), E_OK);
	do
		shard_loop(w->s[i]);
	while (!shard_backup_over(w->s[i], &e, why, sizeof(why)));
	if (e != E_OK)
		printf("backup: %s\n", why);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
}

static void
backup(struct world *w, int full)
{
	/* Without routers, as of before there were any. */
	struct backup	b = { .format = 1, .node = w->node, .version = "1",
	    .made = wall_ms(), .stores = w->stores, .files = w->files,
	    .routers = 1 };
	char		name[BACKUP_DIR_MAX], stamp[16], dir[200];
	unsigned	i;
	int		fd;

	if (full)
		w->last[0] = '\0';
	snprintf(stamp, sizeof(stamp), "20261123T%06u", ++w->nbackups);
	snprintf(name, sizeof(name), "%s-%.15s", stamp,
	    full ? "full" : w->last);
	snprintf(dir, sizeof(dir), "%s/%s", w->backups, name);
	make_dir("%s", dir);
	snprintf(b.parent, sizeof(b.parent), "%s", w->last);
	b.parent_end = w->last_end;
	for (i = 0; i < w->stores; i++) {
		make_dir("%s/store.%u", dir, i);
		make_dir("%s/store.%u/wal", dir, i);
		run_backup(w, name, i);
		add_part(&b, dir, i);
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL(backup_write(&b, fd, BACKUP_NAME), E_OK);
	close(fd);
	memcpy(w->last, name, sizeof(w->last));
	w->last_end = b.end;
	backup_clear(&b);
}

#endif
