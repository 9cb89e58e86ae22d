/*
 * backup_out.c: writes one file of a backup: sums it, keeps to the rate, and
 * keeps what it wrote out of the page cache that the node needs.  Runs on the
 * backup's thread.  A full or broken target fails the backup, nothing else.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/backup_impl.h"

#define FLUSH		(8u << 20)	/* bytes written, then on to the disk */
#define NAP		100000		/* usec, most between looks at cancel */
#define SLACK		20000		/* usec that it may be early */

struct backup_out {
	struct backup_run	*r;
	int			 fd;
	char			 path[BACKUP_PATH_MAX + 24];
	uint64_t		 n, flushed;
	XXH3_state_t		*sum;
};

enum err
backup_fail(struct backup_run *r, enum err e, const char *fmt, ...)
{
	va_list	ap;

	if (r->e != E_OK)
		return r->e;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return r->e = e;
}

static enum err
out_errno(struct backup_out *o, const char *what)
{
	enum err	e = errno == ENOSPC || errno == EDQUOT ? E_NOSPACE :
			    E_INTERNAL;

	return backup_fail(o->r, e, "%s %s/%s: %s", what, o->r->name, o->path,
	    strerror(errno));
}

static void
out_free(struct backup_out *o)
{
	if (o->fd != -1)
		close(o->fd);
	XXH3_freeState(o->sum);
	free(o);
}

struct backup_out *
backup_out_open(struct backup_run *r, const char *name)
{
	struct backup_out	*o = calloc(1, sizeof(*o));

	if (o == NULL || (o->sum = XXH3_createState()) == NULL) {
		free(o);
		backup_fail(r, E_NOMEM, "%s", err_text(E_NOMEM));
		return NULL;
	}
	o->r = r;
	snprintf(o->path, sizeof(o->path), "%s", name);
	XXH3_128bits_reset(o->sum);
	o->fd = openat(r->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (o->fd != -1)
		return o;
	out_errno(o, "making");
	out_free(o);
	return NULL;
}

/* Sleeps until n more bytes are due. */
static enum err
pace(struct backup_run *r, size_t n)
{
	mono_t		now = mono_now();
	uint64_t	rate = atomic_load(&r->rate);
	int64_t		left;
	struct timespec	t = { 0, 0 };

	if (mono_diff(r->paced, now) > 0)
		r->paced = now;
	if (rate != 0)
		r->paced = mono_add(r->paced,
		    (int64_t)((double)n * 1e6 / (double)rate));
	while (!atomic_load(&r->cancel) &&
	    (left = mono_diff(mono_now(), r->paced)) > SLACK) {
		t.tv_nsec = (left < NAP ? left : NAP) * 1000;
		nanosleep(&t, NULL);
	}
	return E_OK;
}

/*
 * Dirty pages in a heap would make the log's syncs wait, and clean ones push
 * out what is read.
 */
static enum err
out_flush(struct backup_out *o)
{
	off_t	from = (off_t)o->flushed, to = (off_t)o->n;

	if (io_write_out(o->fd, from, to) == -1)
		return out_errno(o, "writing");
	posix_fadvise(o->fd, from, to - from, POSIX_FADV_DONTNEED);
	o->flushed = o->n;
	return E_OK;
}

enum err
backup_out_put(struct backup_out *o, const void *bytes, size_t n)
{
	const uint8_t	*p = bytes;
	size_t		 left;
	ssize_t		 w;

	if (!o->r->hurry)
		pace(o->r, n);
	if (atomic_load(&o->r->cancel))
		return backup_fail(o->r, E_AGAIN, "stopped");
	for (left = n; left > 0; p += w, left -= (size_t)w) {
		w = write(o->fd, p, left);
		if (w == -1 && errno == EINTR)
			w = 0;
		if (w == -1)
			return out_errno(o, "writing");
	}
	XXH3_128bits_update(o->sum, bytes, n);
	o->n += n;
	atomic_fetch_add(&o->r->copied, n);
	return o->n - o->flushed >= FLUSH ? out_flush(o) : E_OK;
}

static enum err
add_line(struct backup_run *r, const char *name, uint64_t from, uint64_t to,
    XXH128_hash_t h)
{
	XXH128_canonical_t	sum;
	char			full[BACKUP_PATH_MAX];

	XXH128_canonicalFromHash(&sum, h);
	snprintf(full, sizeof(full), "%s/%s", r->name, name);
	if (backup_add(&r->part, full, from, to, sum.digest) == -1)
		return backup_fail(r, E_NOMEM, "%s", err_text(E_NOMEM));
	return E_OK;
}

enum err
backup_same(struct backup_run *r, const char *name, uint64_t to)
{
	return add_line(r, name, to, to, XXH3_128bits("", 0));
}

enum err
backup_out_end(struct backup_out *o, enum err e, const char *name,
    uint64_t from)
{
	struct backup_run	*r = o->r;

	if (e == E_OK && fsync(o->fd) == -1)
		e = out_errno(o, "syncing");
	posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (e == E_OK)
		e = add_line(r, name, from, from + o->n,
		    XXH3_128bits_digest(o->sum));
	out_free(o);
	return e;
}

enum err
backup_put(struct backup_run *r, const char *name, const void *p, size_t n)
{
	struct backup_out	*o = backup_out_open(r, name);

	if (o == NULL)
		return r->e;
	return backup_out_end(o, backup_out_put(o, p, n), name, 0);
}
