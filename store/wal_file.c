/*
 * wal_file.c: the files of the log: names, opening, writing, syncing, and
 * zero-filling.  Runs on the log thread (wal_fill on the helper's); everything
 * here returns -1 with errno and leaves the verdict to the caller: a failed
 * write or sync of a segment ends the log, a failed fill is tried again.
 *
 * Invariants
 * 1 A segment gets its name (N.seg) only after its header block is durable,
 *   and the name is durable before a batch in it counts as durable.
 * 2 With O_DIRECT|O_DSYNC what is written is durable.  Otherwise it is when
 *   its file has been synced, by wal_log_sync or by the sync thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/wal_impl.h"

#define FILL_SYNC	(4u << 20)	/* small syncs do not hold up the log's */

void
wal_path(char out[WAL_PATH], const char *dir, enum wal_name kind, uint64_t n)
{
	static const char *const	form[] = {
		[WAL_SEG] = "%s/%llu.seg",
		[WAL_SPARE] = "%s/spare.%llu",
		[WAL_NEW] = "%s/new.%llu",
	};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(out, WAL_PATH, form[kind], dir, (unsigned long long)n);
#pragma GCC diagnostic pop
}

int
wal_log_init(struct wal_log *l, const struct wal_conf *c, const char *dir)
{
	void	*p;

	memset(l, 0, sizeof *l);
	l->io = c->io;
	l->dir = dir;
	l->sync = c->sync;
	l->node = c->node;
	l->store = c->store;
	l->direct = c->sync == WAL_ALWAYS;
	l->fd = -1;
	if (posix_memalign(&p, WAL_BLOCK, WAL_BLOCK) != 0)
		return -1;
	l->block = p;
	return 0;
}

void
wal_log_free(struct wal_log *l)
{
	if (l->fd != -1)
		close(l->fd);
	free(l->block);
	memset(l, 0, sizeof *l);
	l->fd = -1;
}

/* Opens path and writes the header block; EINVAL with O_DIRECT: not here. */
static int
log_open(struct wal_log *l, const char *path)
{
	int	flags = O_WRONLY | O_CLOEXEC;
	int	saved;

	if (l->direct)
		flags |= O_DIRECT | O_DSYNC;
	if ((l->fd = l->io->open(l->io, path, flags, 0)) == -1)
		return -1;
	if (io_write_all(l->io, l->fd, l->block, WAL_BLOCK, 0) == 0 &&
	    (l->direct || l->io->fdatasync(l->io, l->fd) == 0))
		return 0;
	saved = errno;
	close(l->fd);
	l->fd = -1;
	errno = saved;
	return -1;
}

int
wal_log_start(struct wal_log *l, const struct wal_spare *s, uint64_t number,
    uint64_t first, uint64_t prev, uint64_t durable)
{
	struct seg_head	h = {
		.node = l->node, .store = l->store, .format = WAL_FORMAT,
		.number = number, .first = first, .prev = prev,
		.durable = durable, .bound = l->safe.bound, .size = s->size,
	};
	char		path[WAL_PATH];

	if (getrandom(&h.salt, sizeof h.salt, 0) != sizeof h.salt)
		return -1;
	seg_head_put(l->block, &h);
	wal_path(path, l->dir, s->made ? WAL_SPARE : WAL_NEW, s->id);
	if (log_open(l, path) == -1) {
		if (!l->direct || errno != EINVAL)
			return -1;
		l->direct = 0;
		if (log_open(l, path) == -1)
			return -1;
	}
	l->salt = h.salt;
	l->at.segment = number;
	l->at.end = WAL_BLOCK;
	return 0;
}

int
wal_log_name(const struct wal_log *l, const struct wal_spare *s, uint64_t number)
{
	char	from[WAL_PATH], to[WAL_PATH];

	wal_path(from, l->dir, s->made ? WAL_SPARE : WAL_NEW, s->id);
	wal_path(to, l->dir, WAL_SEG, number);
	if (l->io->rename(l->io, from, to) == -1)
		return -1;
	return io_sync_dir(l->io, l->dir);
}

int
wal_log_write(struct wal_log *l, struct wal_buf *b, uint64_t off,
    uint32_t span, uint64_t bound)
{
	int			same = l->safe.segment == l->at.segment;
	struct batch_head	h = {
		.salt = l->salt, .first = b->first, .count = b->count,
		.payload = (uint32_t)(b->len - WAL_HEAD), .span = span,
		.durable = l->safe.lsn, .bound = bound,
		/* A new segment's header was synced before its name. */
		.synced = same ? l->safe.end : WAL_BLOCK,
	};

	memset(b->p + b->len, 0, span - b->len);
	batch_seal(b->p, &h);
	if (io_write_all(l->io, l->fd, b->p, span, (off_t)off) == -1)
		return -1;
	l->at.end = (uint32_t)off + span;
	l->at.lsn = b->first + b->count - 1;
	l->at.bound = bound;
	return 0;
}

int
wal_log_sync(struct wal_log *l)
{
	if (!l->direct && l->io->fdatasync(l->io, l->fd) == -1)
		return -1;
	l->safe = l->at;
	return 0;
}

/* Claims the blocks at once where the file system can: a full disk shows. */
static int
fill_claim(const struct io *io, int fd, uint64_t size)
{
	struct statvfs	v;

	/* The last few MiB are MANIFEST's: without it nothing is recycled. */
	if (fstatvfs(fd, &v) == 0 &&
	    (uint64_t)v.f_bavail * v.f_frsize < size + IO_LEAVE) {
		errno = ENOSPC;
		return -1;
	}
	if (io->fallocate(io, fd, 0, 0, (off_t)size) == 0 ||
	    errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return -1;
}

static int
fill_write(const struct io *io, int fd, uint64_t size, const atomic_int *stop)
{
	uint64_t	off, n;

	for (off = 0; off < size; off += n) {
		if (stop != NULL && atomic_load(stop)) {
			errno = ECANCELED;
			return -1;
		}
		n = size - off < IO_ZEROS ? size - off : IO_ZEROS;
		if (io_write_zeros(io, fd, n, (off_t)off) == -1)
			return -1;
		if ((off + n) % FILL_SYNC == 0 && io->fdatasync(io, fd) == -1)
			return -1;
	}
	return io->fdatasync(io, fd);
}

int
wal_fill(const struct io *io, const char *dir, uint64_t id, uint64_t size,
    const atomic_int *stop)
{
	char	path[WAL_PATH];
	int	fd, r, saved;

	wal_path(path, dir, WAL_NEW, id);
	fd = io->open(io, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	r = fill_claim(io, fd, size);
	if (r == 0)
		r = fill_write(io, fd, size, stop);
	saved = errno;
	close(fd);
	if (r == -1)
		io->unlink(io, path);
	errno = saved;
	return r;
}
