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
 *   wal_log_sync has synced it, and that syncs every older segment first.
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

#define FILL_CHUNK	(256u << 10)
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
	while (l->nold > 0)
		close(l->old[--l->nold]);
	if (l->fd != -1)
		close(l->fd);
	free(l->old);
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
		.durable = durable, .bound = l->bound, .size = s->size,
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
	l->end = l->synced = WAL_BLOCK;
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
wal_log_leave(struct wal_log *l)
{
	size_t	 max;
	int	*p;

	if (l->fd == -1)
		return 0;
	if (!l->dirty) {
		close(l->fd);
	} else {
		if (l->nold == l->maxold) {
			max = l->maxold * 2 + 8;
			if ((p = realloc(l->old, max * sizeof *p)) == NULL)
				return -1;
			l->old = p;
			l->maxold = max;
		}
		l->old[l->nold++] = l->fd;
	}
	l->fd = -1;
	return 0;
}

int
wal_log_write(struct wal_log *l, struct wal_buf *b, uint64_t off,
    uint32_t span, uint64_t bound)
{
	struct batch_head	h = {
		.salt = l->salt, .first = b->first, .count = b->count,
		.payload = (uint32_t)(b->len - WAL_HEAD), .span = span,
		.durable = l->durable, .bound = bound, .synced = l->synced,
	};

	memset(b->p + b->len, 0, span - b->len);
	batch_seal(b->p, &h);
	if (io_write_all(l->io, l->fd, b->p, span, (off_t)off) == -1)
		return -1;
	l->end = (uint32_t)off + span;
	l->written = b->first + b->count - 1;
	l->bound_written = bound;
	if (!l->direct && !l->dirty) {
		l->dirty = 1;
		l->dirty_since = mono_now();
	}
	return 0;
}

/* Everything written is on stable storage. */
static void
log_through(struct wal_log *l)
{
	l->dirty = 0;
	l->synced = l->end;
	l->durable = l->written;
	l->bound = l->bound_written;
}

int
wal_log_sync(struct wal_log *l)
{
	if (l->dirty) {
		for (; l->nold > 0; l->nold--) {
			if (l->io->fdatasync(l->io, l->old[l->nold - 1]) == -1)
				return -1;
			close(l->old[l->nold - 1]);
		}
		if (l->fd != -1 && l->io->fdatasync(l->io, l->fd) == -1)
			return -1;
	}
	log_through(l);
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
	static uint8_t	zeros[FILL_CHUNK];	/* never written: bss */
	uint64_t	off, n;

	for (off = 0; off < size; off += n) {
		if (stop != NULL && atomic_load(stop)) {
			errno = ECANCELED;
			return -1;
		}
		n = size - off < FILL_CHUNK ? size - off : FILL_CHUNK;
		if (io_write_all(io, fd, zeros, n, (off_t)off) == -1)
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
