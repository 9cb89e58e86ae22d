/*
 * check.c: reads all that a stopped store has on the disk and names what is
 * damaged: MANIFEST, each block of the data files, each record in them, their
 * digests, buckets (tkrzw's index) and counts, and the log.  Writes nothing.
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

#include "proto/slot.h"
#include "store/check.h"
#include "store/manifest.h"
#include "store/salvage.h"
#include "store/wal_check.h"

#define SLOTS		1024
#define PATH_LEN	4096
#define NAMES_MAX	256

struct check {
	const char		*dir;
	struct manifest		 man;
	struct manifest_slot	 slot[SLOTS];	/* as counted */
	unsigned		 k;
	char			 path[PATH_LEN];	/* of the data file */
	uint64_t		 records;
	unsigned		 bad;		/* lines written */
	int			 failed;
};

static void
bad_at(struct check *c, uint64_t off, const char *what)
{
	printf("%s offset %" PRIu64 ": %s\n", c->path, off, what);
	c->bad++;
}

static void
bad_file(struct check *c, const char *path, const char *what)
{
	printf("%s: %s\n", path, what);
	c->bad++;
}

static void
cannot(struct check *c, const char *path, const char *why)
{
	fprintf(stderr, "wharf-store: %s: %s\n", path, why);
	c->failed = 1;
}

/* --- one data file --- */

static void
check_blocks(struct check *c, int fd, const struct sums *s)
{
	size_t		i;
	uint64_t	off;
	enum err	e;

	for (i = 0; i < sums_blocks(s); i++) {
		e = sums_check(s, &io_posix, fd, i);
		off = (uint64_t)i * SUMS_BLOCK;
		if (e == E_DAMAGED)
			bad_at(c, off < s->base ? s->base : off,
			    "block fails its checksum");
		else if (e != E_OK)
			cannot(c, c->path, err_text(e));
	}
}

static int
check_whole(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct check	*c = arg;
	struct record	 r;

	(void)off;
	return record_get(&r, rec->key, rec->keylen, rec->val, rec->vallen) ==
	    E_OK && slot_file(r.slot, c->man.stores, c->man.files) == c->k;
}

static enum err
check_good(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct check	*c = arg;

	(void)off;
	(void)rec;
	c->records++;
	return E_OK;
}

static enum err
check_bad(void *arg, uint64_t from, uint64_t to,
    const struct tkrzw_record *rec)
{
	char	what[64];

	(void)rec;
	snprintf(what, sizeof(what), "%" PRIu64 " bytes hold no whole record",
	    to - from);
	bad_at(arg, from, what);
	return E_OK;
}

static void
slot_change(struct check *c, const struct record *r, const uint8_t *key,
    size_t keylen, int by)
{
	if (r->kind != RECORD_VALUE)
		return;
	c->slot[r->slot].count += (uint64_t)(int64_t)by;
	digest_xor(&c->slot[r->slot].digest, record_digest(r, key, keylen));
}

/* As in a start: what a record is and what it took the place of. */
static enum err
check_see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct check	*c = arg;
	struct record	 r, was;

	if (key == NULL)
		return E_OK;
	if (record_peek(&r, val, vallen) != E_OK ||
	    (old != NULL && record_peek(&was, old, oldlen) != E_OK))
		return E_DAMAGED;
	if (old != NULL)
		slot_change(c, &was, key, keylen, -1);
	slot_change(c, &r, key, keylen, 1);
	return E_OK;
}

static void
check_digests(struct check *c)
{
	const struct manifest_slot	*a, *b;
	char				 what[64];
	unsigned			 s;

	for (s = 0; s < SLOTS; s++) {
		a = &c->slot[s];
		b = &c->man.slot[s];
		if (slot_file(s, c->man.stores, c->man.files) != c->k ||
		    (a->count == b->count &&
		    memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0))
			continue;
		snprintf(what, sizeof(what), "slot %u is not what MANIFEST "
		    "says", s);
		bad_file(c, c->path, what);
	}
}

/* Links, buckets, counts; and, of a file that is alone, the digests. */
static void
check_structure(struct check *c, int fd, const struct manifest_gen *m,
    int alone)
{
	enum err	e;

	memset(c->slot, 0, sizeof(c->slot));
	e = (c->man.clean ? tkrzw_check : tkrzw_read)(&io_posix, fd, m->size,
	    m->count, check_see, c);
	if (e == E_DAMAGED)
		bad_file(c, c->path, "header, links, buckets or counts are "
		    "not what its records make them");
	else if (e != E_OK)
		cannot(c, c->path, err_text(e));
	else if (alone)
		check_digests(c);
}

static void
check_open_gen(struct check *c, int fd, const struct manifest_gen *m,
    int alone)
{
	char		 path[PATH_LEN + 8];
	struct sums	 sums;
	struct salvage	 s = { .io = &io_posix, .fd = fd, .end = m->size,
	    .whole = check_whole, .good = check_good, .bad = check_bad,
	    .arg = c };
	enum err	 e;

	snprintf(path, sizeof(path), "%.*s.sum", (int)(strlen(c->path) - 4),
	    c->path);
	e = sums_load(&sums, &io_posix, path, m->gen);
	if (e == E_DAMAGED || (e == E_OK && sums.end > m->size))
		bad_file(c, path, "is damaged or of another file");
	else if (e == E_OK) {
		check_blocks(c, fd, &sums);
		s.sums = &sums;
	}
	if (salvage_walk(&s) != E_OK)
		cannot(c, c->path, err_text(E_NOMEM));
	sums_free(&sums);
	check_structure(c, fd, m, alone);
}

static void
check_gen(struct check *c, const struct manifest_gen *m, int alone)
{
	struct stat	st;
	int		fd;

	if (m->gen == 0)
		return;
	snprintf(c->path, sizeof(c->path), "%s/data.%u.%" PRIu64 ".tkh",
	    c->dir, c->k, m->gen);
	if ((fd = open(c->path, O_RDONLY | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			bad_file(c, c->path, "is missing");
		else
			cannot(c, c->path, strerror(errno));
		return;
	}
	if (fstat(fd, &st) == 0 && ((uint64_t)st.st_size < m->size ||
	    (c->man.clean && (uint64_t)st.st_size != m->size)))
		bad_at(c, (uint64_t)st.st_size, "the file ends here, not "
		    "where MANIFEST says");
	check_open_gen(c, fd, m, alone);
	close(fd);
}

/* --- one store --- */

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

static void
check_damage_file(struct check *c)
{
	char	path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/DAMAGE", c->dir);
	if (access(path, F_OK) == 0)
		bad_file(c, path, "slots have lost records (quarantine)");
}

static int
check_store(const char *dir)
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
	for (c->k = 0; e == E_OK && c->k < c->man.files; c->k++) {
		check_gen(c, &c->man.file[c->k].older, 0);
		check_gen(c, &c->man.file[c->k].now,
		    c->man.file[c->k].older.gen == 0);
	}
	if (e == E_OK) {
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

static int
check_node(const char *dir)
{
	char		 path[PATH_LEN];
	struct stat	 st;
	unsigned	 i;
	int		 r, worst = 2;

	for (i = 0; i < NAMES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/store.%u", dir, i);
		if (stat(path, &st) == -1)
			break;
		r = check_store(path);
		if (i == 0 || r > worst)
			worst = r;
	}
	if (i == 0)
		fprintf(stderr, "wharf-store: %s: neither MANIFEST nor "
		    "store.0\n", dir);
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
	return access(path, F_OK) == 0 ? check_store(argv[0]) :
	    check_node(argv[0]);
}
