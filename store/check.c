/*
 * check.c: reads all that a stopped store or router has on the disk and names
 * what is damaged: MANIFEST, each block of the data files, each record in them,
 * their digests, buckets (tkrzw's index) and counts, the sums of tables (after
 * an orderly stop, which saves them), and the log.  Writes nothing.
 *
 * A file of a store that was killed is checked up to F; what follows it a start
 * throws away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/check.h"
#include "store/check_gen.h"
#include "store/wal_check.h"

#define PATH_LEN	4096
#define NAMES_MAX	256

struct check {
	const char		*dir;
	struct manifest		 man;
	struct manifest_slot	 slot[CHECK_SLOTS];	/* as counted */
	struct tables		*tables;	/* the same; or NULL */
	unsigned		 k;
	char			 path[PATH_LEN];	/* of the data file */
	uint64_t		 records;
	unsigned		 bad;		/* lines written */
	int			 failed;
};

static void
found(void *arg, const char *path, uint64_t off, const char *what)
{
	struct check	*c = arg;

	if (off == CHECK_NOWHERE)
		printf("%s: %s\n", path, what);
	else
		printf("%s offset %" PRIu64 ": %s\n", path, off, what);
	c->bad++;
}

static void
bad_file(struct check *c, const char *path, const char *what)
{
	found(c, path, CHECK_NOWHERE, what);
}

static void
cannot(struct check *c, const char *path, const char *why)
{
	fprintf(stderr, "wharf-store: %s: %s\n", path, why);
	c->failed = 1;
}

/* --- one data file --- */

/* 0: there is nothing to be checked. */
static int
gen_open(struct check *c, const struct manifest_gen *m, int *fd)
{
	struct stat	st;

	if (m->gen == 0)
		return 0;
	snprintf(c->path, sizeof(c->path), "%s/data.%u.%" PRIu64 ".tkh",
	    c->dir, c->k, m->gen);
	if ((*fd = open(c->path, O_RDONLY | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			bad_file(c, c->path, "is missing");
		else
			cannot(c, c->path, strerror(errno));
		return 0;
	}
	if (fstat(*fd, &st) == 0 && ((uint64_t)st.st_size < m->size ||
	    (c->man.clean && (uint64_t)st.st_size != m->size)))
		found(c, c->path, (uint64_t)st.st_size, "the file ends here, "
		    "not where MANIFEST says");
	return 1;
}

static void
gen_sums(struct check *c, struct sums *sums, const struct manifest_gen *m)
{
	char		path[PATH_LEN + 8];
	enum err	e;

	snprintf(path, sizeof(path), "%.*s.sum", (int)(strlen(c->path) - 4),
	    c->path);
	e = sums_load(sums, &io_posix, path, m->gen);
	if (e == E_OK && sums->end <= m->size)
		return;
	if (e == E_DAMAGED || e == E_OK)
		bad_file(c, path, "is damaged or of another file");
	sums_free(sums);
}

/* 1: all of it was read, and its structure is whole. */
static int
check_gen(struct check *c, const struct manifest_gen *m,
    const struct btree *over, struct btree *keys)
{
	struct sums		sums;
	struct check_gen	g = { .io = &io_posix, .path = c->path,
	    .k = c->k, .store = c->man.store, .stores = c->man.stores,
	    .files = c->man.files, .size = m->size, .count = m->count,
	    .closed = c->man.clean, .found = found, .arg = c,
	    .slot = c->slot, .tables = c->tables, .over = over, .keys = keys };
	enum err		e;

	if (!gen_open(c, m, &g.fd))
		return m->gen == 0;
	gen_sums(c, &sums, m);
	g.sums = sums.n != 0 ? &sums : NULL;
	if ((e = check_gen_blocks(&g)) != E_OK ||
	    (e = check_gen_records(&g)) != E_OK ||
	    (e = check_gen_structure(&g)) != E_OK)
		cannot(c, c->path, err_text(e));
	sums_free(&sums);
	close(g.fd);
	c->records += g.records;
	return e == E_OK && !g.broken;
}

/* What the newer generation has of a key hides what the older one has. */
static void
check_file(struct check *c)
{
	const struct manifest_file	*m = &c->man.file[c->k];
	struct check_gen		 g = { .k = c->k,
	    .store = c->man.store, .stores = c->man.stores,
	    .files = c->man.files, .path = c->path, .slot = c->slot,
	    .found = found, .arg = c };
	struct btree			*keys = NULL;
	int				 whole;

	if (m->older.gen != 0 && (keys = btree_new()) == NULL) {
		cannot(c, c->dir, err_text(E_NOMEM));
		return;
	}
	whole = check_gen(c, &m->now, NULL, keys);
	whole &= check_gen(c, &m->older, keys, NULL);
	btree_free(keys);
	if (whole)
		check_gen_digests(&g, c->man.slot);
	else {
		/* What it would add to them is not known. */
		tables_free(c->tables);
		c->tables = NULL;
	}
}

/* --- one shard --- */

static void
check_log(struct check *c)
{
	char			 dir[PATH_LEN];
	struct wal_check	 w;
	uint64_t		 after = UINT64_MAX;
	unsigned		 k;
	enum err		 e;

	for (k = 0; k < c->man.files; k++)
		if (c->man.file[k].now.lsn < after)
			after = c->man.file[k].now.lsn;
	snprintf(dir, sizeof(dir), "%s/wal", c->dir);
	e = wal_check(&w, dir, c->man.node, (uint16_t)c->man.store, after);
	if (e == E_DAMAGED || e == E_STALE)
		bad_file(c, dir, w.error);
	else if (e != E_OK)
		cannot(c, dir, w.error);
	else if (w.last < c->man.lsn || (c->man.clean && w.torn))
		bad_file(c, dir, "ends before the last record that MANIFEST "
		    "knows of");
}

/* Of a store that was not stopped in order MANIFEST says nothing of tables. */
static void
count_tables(struct check *c)
{
	struct manifest	empty = { .sums = c->man.sums };

	if (!c->man.clean || c->man.sums == 0)
		return;
	if ((c->tables = tables_new(NULL, c->man.store, 0, 0)) == NULL)
		cannot(c, c->dir, err_text(E_NOMEM));
	else		/* up to the same time */
		tables_adopt(c->tables, &empty);
}

static void
check_catalogue(struct check *c)
{
	struct manifest	counted = { .sums = 0 };
	char		path[PATH_LEN];

	if (c->tables == NULL)
		return;
	snprintf(path, sizeof(path), "%s/MANIFEST", c->dir);
	tables_save(c->tables, &counted);
	if (counted.sums == 0)
		cannot(c, path, "its sums of tables could not be counted");
	else
		check_tables(&c->man, &counted, path, found, c);
	manifest_clear_tables(&counted);
	tables_free(c->tables);
	c->tables = NULL;
}

static void
check_damage_file(struct check *c)
{
	char	path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/DAMAGE", c->dir);
	if (access(path, F_OK) == 0)
		bad_file(c, path, "slots have lost records (quarantine)");
}

static int
check_shard(const char *dir)
{
	struct check	*c = calloc(1, sizeof(*c));
	char		 why[256];
	unsigned	 bad;
	int		 failed;
	enum err	 e;

	if (c == NULL)
		return 2;
	c->dir = dir;
	e = manifest_load(&c->man, &io_posix, dir, why, sizeof(why));
	if (e == E_DAMAGED)
		bad_file(c, dir, why);
	else if (e != E_OK)
		cannot(c, dir, e == E_NOTFOUND ? "no MANIFEST" : err_text(e));
	if (e == E_OK)
		count_tables(c);
	for (c->k = 0; e == E_OK && c->k < c->man.files; c->k++)
		check_file(c);
	if (e == E_OK) {
		check_catalogue(c);
		check_log(c);
		check_damage_file(c);
		manifest_clear(&c->man);
	}
	printf("%s: %" PRIu64 " records, %u findings\n", dir, c->records,
	    c->bad);
	bad = c->bad;
	failed = c->failed;
	free(c);
	return failed ? 2 : bad != 0;
}

/* --- the program --- */

/* 1: a running wharfd, or what it left running, has these data. */
static int
in_use(const char *dir)
{
	static const char *const names[] = { "LOCK", "LOCK.actors",
	    "../LOCK", "../LOCK.actors" };
	char			 path[PATH_LEN];
	unsigned		 i;
	int			 fd, used = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
			continue;
		used |= flock(fd, LOCK_EX | LOCK_NB) == -1;
		close(fd);
	}
	return used;
}

/* All store.N, or router.N, that there are: how many; raises *worst. */
static unsigned
check_kind(const char *dir, const char *kind, int *worst)
{
	char		 path[PATH_LEN];
	struct stat	 st;
	unsigned	 i;
	int		 r;

	for (i = 0; i < NAMES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%s.%u", dir, kind, i);
		if (stat(path, &st) == -1)
			break;
		if ((r = check_shard(path)) > *worst)
			*worst = r;
	}
	return i;
}

static int
check_node(const char *dir)
{
	int	worst = 0;

	if (check_kind(dir, "store", &worst) == 0) {
		fprintf(stderr, "wharf-store: %s: neither MANIFEST nor "
		    "store.0\n", dir);
		return 2;
	}
	check_kind(dir, "router", &worst);
	return worst;
}

int
check_main(int argc, char **argv)
{
	char	path[PATH_LEN];

	if (argc != 1) {
		fprintf(stderr, "usage: wharf-store --check DIR\n");
		return 2;
	}
	if (in_use(argv[0])) {
		fprintf(stderr, "wharf-store: %s: in use\n", argv[0]);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/MANIFEST", argv[0]);
	return access(path, F_OK) == 0 ? check_shard(argv[0]) :
	    check_node(argv[0]);
}
