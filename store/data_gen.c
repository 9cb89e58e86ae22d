/*
 * data_gen.c: one generation of a data file: an engine, and beside it a second
 * descriptor, opened before the engine and closed after it, through which disk
 * space is reserved and the file is synced without tkrzw's locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/data_impl.h"

#define STEP_MAX	(16u << 20)	/* longest reservation ahead */

int
disk_has(const struct data *d, uint64_t n)
{
	struct statvfs	v;

	if (statvfs(d->conf.dir, &v) == -1)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize >= n;
}

/*
 * Gives the file disk blocks up to end, without changing its length: a write
 * through tkrzw's mapping to a page without one would be SIGBUS on a full disk.
 * The last few MiB of the disk are left alone: MANIFEST must still fit, or no
 * checkpoint could ever free the log.
 */
static enum err
allocate(struct data *d, struct gen *g, uint64_t end)
{
	const struct io	*io = d->conf.io;
	uint64_t	 n = end - g->reserved;
	uint64_t	 own = 0;	/* blocks that it has already */
	struct stat	 st;

	if (g->reserved == 0 && fstat(g->fd, &st) == 0)
		own = (uint64_t)st.st_blocks * 512;
	if (!disk_has(d, (n > own ? n - own : 0) + SLACK))
		return E_NOSPACE;
	if (io->fallocate(io, g->fd, FALLOC_FL_KEEP_SIZE, (off_t)g->reserved,
	    (off_t)n) == -1) {
		if (io_is_full(errno))
			return E_NOSPACE;
		/* Then looking at free space is the best one can do. */
		if (errno != EOPNOTSUPP)
			return E_INTERNAL;
	}
	g->reserved = end;
	return E_OK;
}

static enum err
extend(struct data *d, struct gen *g, uint64_t need)
{
	uint64_t	step = need / 4;
	enum err	e;

	if (step < AHEAD)
		step = AHEAD;
	if (step > STEP_MAX)
		step = STEP_MAX;
	if (!g->tight && (e = allocate(d, g, need + step)) != E_NOSPACE)
		return e;
	e = allocate(d, g, need);
	g->tight = e != E_OK;
	return e;
}

/* The length that tkrzw gives is exact, and asked for only where it matters. */
static enum err
reserve(struct data *d, struct gen *g, uint64_t more)
{
	if (g->used + more <= g->reserved)
		return E_OK;
	g->used = d->conf.ops->size(g->e);
	if (g->used + more <= g->reserved)
		return E_OK;
	return extend(d, g, g->used + more);
}

enum err
gen_reserve(struct data *d, struct gen *g, size_t bytes)
{
	uint64_t	more = data_bytes(bytes, 0) + 8;
	enum err	e;

	if (g->fd == -1)
		return E_OK;
	if ((e = reserve(d, g, more + AHEAD)) == E_OK)
		pages_fill(d, g, more);
	return e;
}

enum err
gen_close(struct data *d, struct gen *g)
{
	enum err	e = E_OK;

	if (g->e != NULL)
		e = d->conf.ops->close(&g->e);
	/* After tkrzw's: closing any descriptor drops tkrzw's lock. */
	if (g->fd != -1)
		close(g->fd);
	g->fd = -1;
	gen_sums_free(g);
	return e;
}

void
gen_drop(struct data *d, struct gen *g, unsigned k)
{
	char	path[PATH_LEN];

	gen_close(d, g);
	if (!d->conf.ops->files || g->gen == 0)
		return;
	data_path(d, path, sizeof(path), k, g->gen);
	d->conf.io->unlink(d->conf.io, path);
	gen_sums_remove(d, k, g->gen);
}

static enum err
create_file(struct data *d, struct gen *g, const char *path, uint64_t buckets)
{
	const struct io	*io = d->conf.io;
	enum err	 e;

	g->fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (g->fd == -1)
		return io_is_full(errno) ? E_NOSPACE :
		    E_INTERNAL;
	e = allocate(d, g, d->conf.ops->room(buckets) + AHEAD);
	if (e == E_OK)
		e = d->conf.ops->open(&g->e, path, 1, buckets);
	if (e != E_OK)
		return e;
	/* tkrzw's truncate may have given back what lies beyond its end. */
	g->reserved = 0;
	if ((e = gen_reserve(d, g, 0)) != E_OK)
		return e;
	if (io->fsync(io, g->fd) == -1 || io_sync_dir(io, d->conf.dir) == -1)
		return E_INTERNAL;
	return E_OK;
}

enum err
gen_create(struct data *d, struct gen *g, unsigned k, uint64_t gen,
    uint64_t buckets)
{
	char		path[PATH_LEN];
	enum err	e;

	memset(g, 0, sizeof(*g));
	g->fd = -1;
	g->gen = gen;
	data_path(d, path, sizeof(path), k, gen);
	if (!d->conf.ops->files)
		return d->conf.ops->open(&g->e, path, 1, buckets);
	if ((e = create_file(d, g, path, buckets)) != E_OK)
		gen_drop(d, g, k);
	else
		gen_sums_new(d, g);
	return e;
}

enum err
gen_open(struct data *d, struct gen *g, unsigned k,
    const struct manifest_gen *m)
{
	const struct engine_ops	*ops = d->conf.ops;
	char			 path[PATH_LEN];
	struct sums_seal	 found = { 0 };
	struct stat		 st;
	uint8_t			 was;
	enum err		 e = E_DAMAGED;

	memset(g, 0, sizeof(*g));
	g->gen = m->gen;
	data_path(d, path, sizeof(path), k, m->gen);
	g->fd = d->conf.io->open(d->conf.io, path, O_RDWR | O_CLOEXEC, 0);
	if (g->fd == -1)
		return errno == ENOENT ? E_DAMAGED : E_INTERNAL;
	sums_seal_get(&found, path);	/* opening writes to it */
	was = data_touch(d, k);
	if (fstat(g->fd, &st) == 0 && (uint64_t)st.st_size == m->size)
		e = ops->open(&g->e, path, 0, 0);
	data_touched(d, k, was);
	if (e == E_OK && (ops->size(g->e) != m->size ||
	    ops->count(g->e) != m->count))
		e = E_DAMAGED;
	if (e != E_OK) {
		gen_close(d, g);
		return e;
	}
	g->used = m->size;
	gen_sums_load(d, g, k, m, &found);
	/* No disk space is no reason not to open: reads go on. */
	gen_reserve(d, g, 0);
	return E_OK;
}
