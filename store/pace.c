/*
 * pace.c: reads that nobody else notices.  Of a descriptor with O_DIRECT they
 * go past the page cache, in whole blocks through a buffer of our own.  Of
 * another what was not in memory is dropped again after it was read.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* O_DIRECT, preadv2 */
#endif
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/pace.h"

#define NAP_US	20000		/* so that a stop is seen soon */

static ssize_t	 pace_pread(const struct io *, int, void *, size_t, off_t);

int
pace_init(struct pace *p, const struct io *base, uint64_t rate)
{
	void	*room;

	memset(p, 0, sizeof(*p));
	p->base = base;
	p->io = *base;
	p->io.pread = pace_pread;
	p->io.arg = p;
	atomic_init(&p->rate, rate);
	atomic_init(&p->bytes, 0);
	atomic_init(&p->stop, 0);
	if (posix_memalign(&room, PACE_BLOCK, PACE_ROOM) != 0)
		return -1;
	p->room = room;
	return 0;
}

void
pace_free(struct pace *p)
{
	free(p->room);
	p->room = NULL;
}

int
pace_open(const struct pace *p, const char *path)
{
	int	fd;

	fd = p->base->open(p->base, path, O_RDONLY | O_CLOEXEC | O_DIRECT, 0);
	if (fd == -1 && errno == EINVAL)
		fd = p->base->open(p->base, path, O_RDONLY | O_CLOEXEC, 0);
	return fd;
}

static void
nap(int64_t us)
{
	struct timespec	t = { 0, (us < NAP_US ? us : NAP_US) * 1000 };

	nanosleep(&t, NULL);
}

int
pace_wait(struct pace *p, size_t n)
{
	uint64_t	rate;
	mono_t		now = mono_now();

	while (!atomic_load(&p->stop) && mono_diff(now, p->next) > 0) {
		/* The rate may have become another one. */
		if ((rate = atomic_load(&p->rate)) == 0)
			break;
		nap(mono_diff(now, p->next));
		now = mono_now();
	}
	if (atomic_load(&p->stop)) {
		errno = ECANCELED;
		return -1;
	}
	rate = atomic_load(&p->rate);
	p->next = rate == 0 ? now :
	    mono_add(now, (int64_t)((uint64_t)n * 1000000 / rate));
	return 0;
}

/* What lies in whole blocks around it; the caller's part of that. */
static ssize_t
pread_direct(struct pace *p, int fd, void *buf, size_t n, off_t off)
{
	size_t	skip = (size_t)(off % PACE_BLOCK), want;
	ssize_t	got;

	want = (skip + n + PACE_BLOCK - 1) / PACE_BLOCK * PACE_BLOCK;
	got = p->base->pread(p->base, fd, p->room, want, off - (off_t)skip);
	if (got == -1 || (size_t)got <= skip)
		return got == -1 ? -1 : 0;
	if ((size_t)got - skip < n)
		n = (size_t)got - skip;
	memcpy(buf, p->room + skip, n);
	return (ssize_t)n;
}

/* Linux before 4.14, and some file systems, cannot say: then it is dropped. */
static ssize_t
pread_cached(struct pace *p, int fd, void *buf, size_t n, off_t off)
{
	struct iovec	v = { buf, n };
	ssize_t		got;

	if (preadv2(fd, &v, 1, off, RWF_NOWAIT) == (ssize_t)n)
		return (ssize_t)n;
	got = p->base->pread(p->base, fd, buf, n, off);
	if (got > 0)
		(void)posix_fadvise(fd, off, got, POSIX_FADV_DONTNEED);
	return got;
}

static ssize_t
pace_pread(const struct io *io, int fd, void *buf, size_t n, off_t off)
{
	struct pace	*p = io->arg;
	int		 flags = fcntl(fd, F_GETFL);
	ssize_t		 got;

	if (n > PACE_ROOM - PACE_BLOCK)
		n = PACE_ROOM - PACE_BLOCK;
	if (pace_wait(p, n) == -1)
		return -1;
	if (flags != -1 && (flags & O_DIRECT) != 0) {
		got = pread_direct(p, fd, buf, n, off);
		if (got == -1 && errno == EINVAL &&
		    fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0)
			got = pread_cached(p, fd, buf, n, off);
	} else
		got = pread_cached(p, fd, buf, n, off);
	if (got > 0)
		atomic_fetch_add(&p->bytes, (uint64_t)got);
	return got;
}
