/*
 * backup_check.c: see backup_check.h.  Reads every byte that BACKUP names, and
 * looks whether it is what a restore needs: the chain down to a full backup
 * without a gap, each generation that MANIFEST names up to its F, the log up to
 * E.  (That blocks and records are whole was seen to when they were copied.)
 */
#define XXH_INLINE_ALL
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/backup_check.h"
#include "store/backup_file.h"
#include "store/manifest.h"
#include "store/wal_check.h"

#define CHUNK	(1u << 20)

struct check {
	char		 dir[PATH_MAX];		/* of the backup at hand */
	struct backup	 b;
	uint64_t	 bytes;
	unsigned	 bad;
	int		 failed;
	uint8_t		*buf;			/* CHUNK bytes */
};

static void bad(struct check *, const char *path, const char *, ...)
    __attribute__((format(printf, 3, 4)));

static void
bad(struct check *c, const char *path, const char *fmt, ...)
{
	va_list	ap;

	printf("%s%s%s: ", c->dir, path[0] != '\0' ? "/" : "", path);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	c->bad++;
}

static void
cannot(struct check *c, const char *path, const char *why)
{
	fprintf(stderr, "wharf-store: %s: %s\n", path, why);
	c->failed = 1;
}

/* --- bytes --- */

/* 1: all n bytes of it have this sum. */
static int
sum_is(struct check *c, int fd, uint64_t n, const uint8_t want[16])
{
	XXH3_state_t		*x = XXH3_createState();
	XXH128_canonical_t	 sum;
	ssize_t			 r = 1;

	if (x == NULL)
		return 0;
	XXH3_128bits_reset(x);
	for (; n > 0 && r > 0; n -= (uint64_t)(r > 0 ? r : 0)) {
		r = read(fd, c->buf, n < CHUNK ? (size_t)n : CHUNK);
		if (r > 0)
			XXH3_128bits_update(x, c->buf, (size_t)r);
	}
	XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(x));
	XXH3_freeState(x);
	return n == 0 && memcmp(sum.digest, want, sizeof(sum.digest)) == 0;
}

static void
check_bytes(struct check *c, int fd, const struct backup_file *f,
    const char *path)
{
	uint64_t	n = f->to - f->from;
	struct stat	st;

	if (fstat(fd, &st) == -1)
		cannot(c, path, strerror(errno));
	else if ((uint64_t)st.st_size != n)
		bad(c, path, "%" PRIu64 " bytes, not %" PRIu64,
		    (uint64_t)st.st_size, n);
	else if (!sum_is(c, fd, n, f->sum))
		bad(c, path, "fails its checksum");
	c->bytes += n;
}

static void
check_file(struct check *c, const struct backup_file *f)
{
	char	path[BACKUP_PATH_MAX + 24], full[PATH_MAX * 2];
	int	fd;

	if (f->from != 0 && f->from == f->to)
		return;			/* a line without a file */
	backup_path(f, path);
	snprintf(full, sizeof(full), "%s/%s", c->dir, path);
	if ((fd = open(full, O_RDONLY | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			bad(c, path, "is missing");
		else
			cannot(c, full, strerror(errno));
		return;
	}
	check_bytes(c, fd, f, path);
	close(fd);
}

/* --- what a shard needs --- */

static void
need_gen(struct check *c, const char *shard, unsigned k,
    const struct manifest_gen *g)
{
	const struct backup_file	*f;
	char				 name[BACKUP_PATH_MAX];

	if (g->gen == 0)
		return;
	snprintf(name, sizeof(name), "%s/data.%u.%" PRIu64 ".sum", shard, k,
	    g->gen);
	if (backup_find(&c->b, name) == NULL)
		bad(c, BACKUP_NAME, "has no %s", name);
	memcpy(name + strlen(name) - 3, "tkh", 3);
	f = backup_find(&c->b, name);
	if (f == NULL || f->to != g->size)
		bad(c, BACKUP_NAME, "has not what MANIFEST says of %s", name);
}

static void
need_log(struct check *c, unsigned n, const char *shard,
    const struct manifest *m)
{
	char			 dir[PATH_MAX * 2], name[32];
	struct wal_check	 w;
	uint64_t		 after = UINT64_MAX;
	unsigned		 k;
	enum err		 e;

	for (k = 0; k < m->files; k++)
		if (m->file[k].now.lsn < after)
			after = m->file[k].now.lsn;
	snprintf(name, sizeof(name), "%s/wal", shard);
	snprintf(dir, sizeof(dir), "%s/%s", c->dir, name);
	e = wal_check(&w, dir, c->b.node, (uint16_t)m->store, after);
	if (e == E_DAMAGED || e == E_STALE)
		bad(c, name, "%s", w.error);
	else if (e != E_OK)
		cannot(c, dir, w.error);
	else if (w.last < c->b.store[n].lsn)
		bad(c, name, "ends at record %" PRIu64 ", not %" PRIu64,
		    w.last, c->b.store[n].lsn);
}

static void
check_shard(struct check *c, unsigned n)
{
	static struct manifest	 m;
	char			 dir[PATH_MAX * 2], why[256];
	char			 name[BACKUP_SHARD_NAME];
	unsigned		 k, all;
	enum err		 e;

	all = backup_is_router(&c->b, n) ? c->b.routers : c->b.stores;
	backup_shard_name(&c->b, n, name);
	snprintf(dir, sizeof(dir), "%s/%s", c->dir, name);
	e = manifest_load(&m, &io_posix, dir, why, sizeof(why));
	if (e == E_OK && (m.node != c->b.node || m.stores != all ||
	    m.store != backup_seat(&c->b, n) || m.files != c->b.files))
		bad(c, name, "MANIFEST is of another one");
	else if (e != E_OK)
		bad(c, name, "MANIFEST: %s",
		    e == E_DAMAGED ? why : err_text(e));
	else {
		for (k = 0; k < m.files; k++) {
			need_gen(c, name, k, &m.file[k].older);
			need_gen(c, name, k, &m.file[k].now);
		}
		need_log(c, n, name, &m);
	}
	manifest_clear(&m);
}

/* --- one backup, and what it rests on --- */

/* The directory beside. */
static void
beside(const struct check *c, const char *name, char out[PATH_MAX])
{
	const char	*slash = strrchr(c->dir, '/');

	snprintf(out, PATH_MAX, "%.*s%.*s",
	    slash == NULL ? 0 : (int)(slash + 1 - c->dir), c->dir,
	    BACKUP_DIR_MAX, name);
}

/* What begins in the middle begins where the parent's ends. */
static void
check_parent(struct check *c)
{
	const struct backup_file	*f;
	struct backup			 p;
	char				 dir[PATH_MAX], path[PATH_MAX + 16];
	char				 why[256];
	size_t				 i;

	beside(c, c->b.parent, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, BACKUP_NAME);
	if (backup_load(&p, AT_FDCWD, path, 1, why, sizeof(why)) != E_OK) {
		bad(c, "", "rests on %s: %s", c->b.parent, why);
		return;
	}
	if (p.end != c->b.parent_end)
		bad(c, "", "rests on %s, which is not what it was",
		    c->b.parent);
	for (i = 0; i < c->b.nfile; i++) {
		if (c->b.file[i].from == 0)
			continue;
		f = backup_find(&p, c->b.file[i].name);
		if (f == NULL || f->to != c->b.file[i].from)
			bad(c, c->b.file[i].name, "does not begin where that "
			    "of %s ends", c->b.parent);
	}
	backup_clear(&p);
}

static void
check_backup(struct check *c)
{
	char		path[PATH_MAX + 16], why[256];
	unsigned	before = c->bad, i;
	size_t		j;

	snprintf(path, sizeof(path), "%s/%s", c->dir, BACKUP_NAME);
	if (backup_load(&c->b, AT_FDCWD, path, 1, why, sizeof(why)) != E_OK) {
		bad(c, BACKUP_NAME, "%s", why);
		return;
	}
	c->bytes = 0;
	for (j = 0; j < c->b.nfile; j++)
		check_file(c, &c->b.file[j]);
	for (i = 0; i < backup_shards(&c->b); i++)
		check_shard(c, i);
	if (c->b.parent[0] != '\0')
		check_parent(c);
	printf("%s: %zu files, %" PRIu64 " bytes, %u findings\n", c->dir,
	    c->b.nfile, c->bytes, c->bad - before);
}

static void
check_chain(struct check *c)
{
	char	parent[PATH_MAX];

	for (;;) {
		check_backup(c);
		if (c->b.parent[0] == '\0' ||
		    strcmp(strrchr(c->dir, '/') == NULL ? c->dir :
		    strrchr(c->dir, '/') + 1, c->b.parent) <= 0)
			break;
		beside(c, c->b.parent, parent);
		snprintf(c->dir, sizeof(c->dir), "%s", parent);
		backup_clear(&c->b);
	}
	backup_clear(&c->b);
}

static void
check_all(struct check *c, const char *dir)
{
	struct dirent	**names;
	char		  stamp[16];
	int		  i, n = scandir(dir, &names, NULL, alphasort), full;
	unsigned	  found = 0;

	if (n == -1) {
		cannot(c, dir, strerror(errno));
		return;
	}
	for (i = 0; i < n; free(names[i++])) {
		if (!backup_dir_name(names[i]->d_name, stamp, &full))
			continue;
		found++;
		snprintf(c->dir, sizeof(c->dir), "%.3000s/%.40s", dir,
		    names[i]->d_name);
		check_backup(c);
		backup_clear(&c->b);
	}
	free(names);
	if (found == 0)
		cannot(c, dir, "no backup is there");
}

int
backup_check_main(int argc, char **argv)
{
	static struct check	c;
	char			path[PATH_MAX + 16], *end;

	if (argc != 1 || strlen(argv[0]) >= PATH_MAX - 64) {
		fprintf(stderr, "usage: wharf-store --check-backup "
		    "DIR[/NAME]\n");
		return 2;
	}
	if ((c.buf = malloc(CHUNK)) == NULL)
		return 2;
	end = argv[0] + strlen(argv[0]);
	while (end > argv[0] + 1 && end[-1] == '/')
		*--end = '\0';
	snprintf(path, sizeof(path), "%s/%s", argv[0], BACKUP_NAME);
	if (access(path, F_OK) == 0) {
		snprintf(c.dir, sizeof(c.dir), "%s", argv[0]);
		check_chain(&c);
	} else
		check_all(&c, argv[0]);
	free(c.buf);
	return c.failed ? 2 : c.bad != 0;
}
