/*
 * wal_recover.c: what lies in the log's directory: lists it, reads the segment
 * headers, says up to where each segment counts, and reads segments into
 * memory for the walk.  Runs inside wal_open; changes nothing on the disk.
 *
 * The one rule that makes every crash harmless: a segment counts only up to
 * the first LSN of any segment with a higher number.  So a segment that takes
 * over the tail of an older one replaces it in the instant of its renaming,
 * and what a cut left behind is void as soon as the log has gone on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/wal_rec.h"

#define LOAD_STEP	(1u << 20)
#define SIZE_MAX_	(3u << 30)	/* no segment is bigger: offsets are u32 */

enum err
wal_fail(struct rec *r, enum err e, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(r->found->error, sizeof r->found->error, fmt, ap);
	va_end(ap);
	return e;
}

/* A decimal number without leading zeros that ends at suffix: 1 or 0. */
static int
name_number(const char *s, const char *suffix, uint64_t *n)
{
	char	*end;

	if (*s < '1' || *s > '9')
		return 0;
	errno = 0;
	*n = strtoull(s, &end, 10);
	return errno == 0 && strcmp(end, suffix) == 0 && *n < UINT64_MAX / 2;
}

static int
list_seg(struct rec *r, uint64_t n)
{
	struct rec_seg	*s;
	size_t		 max;

	if (r->n == r->max) {
		max = r->max * 2 + 16;
		if ((s = realloc(r->seg, max * sizeof *s)) == NULL)
			return -1;
		r->seg = s;
		r->max = max;
	}
	memset(&r->seg[r->n], 0, sizeof *s);
	r->seg[r->n++].number = n;
	if (n >= r->w->next_number)
		r->w->next_number = n + 1;
	return 0;
}

/* Takes a ready spare over, unless it is of another size or there are many. */
static void
list_spare(struct wal *w, uint64_t id)
{
	char		path[WAL_PATH];
	struct stat	st;

	wal_path(path, w->dir, WAL_SPARE, id);
	if (stat(path, &st) == 0 && (uint64_t)st.st_size == w->segment &&
	    w->nspare < w->conf.spares + WAL_FREED)
		w->spare[w->nspare++] = (struct wal_spare){ id, w->segment, 1 };
	else
		w->conf.io->unlink(w->conf.io, path);
}

static int
list_name(struct rec *r, const char *name)
{
	struct wal	*w = r->w;
	char		 path[WAL_PATH];
	uint64_t	 n;

	if (name_number(name, ".seg", &n))
		return list_seg(r, n);
	if (strncmp(name, "spare.", 6) == 0 && name_number(name + 6, "", &n)) {
		list_spare(w, n);
	} else if (strncmp(name, "new.", 4) == 0 && name_number(name + 4, "", &n)) {
		wal_path(path, w->dir, WAL_NEW, n);
		w->conf.io->unlink(w->conf.io, path);
	} else {
		return 0;
	}
	if (n >= w->next_id)
		w->next_id = n + 1;
	return 0;
}

static int
seg_cmp(const void *a, const void *b)
{
	const struct rec_seg	*x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static enum err
recover_list(struct rec *r)
{
	DIR		*d = opendir(r->w->dir);
	struct dirent	*de;
	int		 bad = 0;

	if (d == NULL)
		return wal_fail(r, E_INTERNAL, "log %s: %s", r->w->dir,
		    strerror(errno));
	while (!bad && (de = readdir(d)) != NULL)
		bad = list_name(r, de->d_name);
	closedir(d);
	if (bad)
		return wal_fail(r, E_INTERNAL, "log: out of memory");
	if (r->n > 0)
		qsort(r->seg, r->n, sizeof *r->seg, seg_cmp);
	return E_OK;
}

/* Opens segment i; its number of bytes is then known. */
enum err
wal_read(struct rec *r, size_t i)
{
	const struct io	*io = r->w->conf.io;
	struct rec_seg	*s = &r->seg[i];
	char		 path[WAL_PATH];
	struct stat	 st;

	if (r->fd != -1)
		close(r->fd);
	wal_path(path, r->w->dir, WAL_SEG, s->number);
	r->fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	if (r->fd == -1 || fstat(r->fd, &st) == -1)
		return wal_fail(r, E_INTERNAL, "log %llu.seg: %s",
		    (unsigned long long)s->number, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > SIZE_MAX_)
		return wal_fail(r, E_DAMAGED, "log %llu.seg: not a segment",
		    (unsigned long long)s->number);
	s->size = (uint64_t)st.st_size;
	r->cur = i;
	r->loaded = 0;
	return E_OK;
}

enum err
wal_load(struct rec *r, size_t end)
{
	const struct io	*io = r->w->conf.io;
	struct rec_seg	*s = &r->seg[r->cur];
	uint8_t		*p;

	if (end <= r->loaded)
		return E_OK;
	end = wal_round(end, LOAD_STEP);
	if (end > s->size)
		end = s->size;
	if (end > r->cap) {
		/* Whole segments come next: do not creep up by steps. */
		if ((p = realloc(r->p, end > s->size / 2 ? s->size : end)) == NULL)
			return wal_fail(r, E_INTERNAL, "log: out of memory");
		r->cap = end > s->size / 2 ? s->size : end;
		r->p = p;
	}
	if (io_read_all(io, r->fd, r->p + r->loaded, end - r->loaded,
	    (off_t)r->loaded) == -1)
		return wal_fail(r, E_INTERNAL, "log %llu.seg: read: %s",
		    (unsigned long long)s->number,
		    errno != 0 ? strerror(errno) : "shorter than it was");
	r->loaded = end;
	return E_OK;
}

int
wal_batch_at(struct rec *r, size_t off, struct batch_head *b, enum err *e)
{
	const struct rec_seg	*s = &r->seg[r->cur];
	uint32_t		 span;

	*e = E_OK;
	if (off > s->size || s->size - off < WAL_HEAD)
		return 0;
	if ((*e = wal_load(r, off + WAL_HEAD)) != E_OK)
		return -1;
	span = batch_peek_span(r->p + off);
	if (span > s->size - off)
		return 0;
	/* Do not read what a wrong header only claims. */
	if (s->valid && !batch_peek_salt(r->p + off, s->head.salt))
		return 0;
	if ((*e = wal_load(r, off + span)) != E_OK)
		return -1;
	return batch_get(b, r->p + off, r->loaded - off);
}

/* The header block of segment i; one that is none leaves valid 0. */
static enum err
recover_head(struct rec *r, size_t i)
{
	struct rec_seg	*s = &r->seg[i];
	const struct wal_conf *c = &r->w->conf;
	enum err	 e;
	unsigned long long n = s->number;

	if ((e = wal_read(r, i)) != E_OK)
		return e;
	if (s->size < WAL_BLOCK)
		return E_OK;
	if ((e = wal_load(r, WAL_BLOCK)) != E_OK)
		return e;
	e = seg_head_get(&s->head, r->p);
	if (e == E_UNKNOWN)
		return wal_fail(r, E_STALE, "log %llu.seg: format %u, written "
		    "by a newer version (this one knows %u)", n,
		    s->head.format, WAL_FORMAT);
	if (e != E_OK || s->head.number != s->number)
		return E_OK;
	if (s->head.node != c->node)
		return wal_fail(r, E_STALE, "log %llu.seg is of node %016llx, "
		    "not of %016llx", n, (unsigned long long)s->head.node,
		    (unsigned long long)c->node);
	if (s->head.store != c->store)
		return wal_fail(r, E_STALE, "log %llu.seg is of store %u, "
		    "not of %u", n, s->head.store, c->store);
	s->valid = 1;
	return E_OK;
}

/* Up to where each segment counts: the least first LSN of all later ones. */
static void
recover_limits(struct rec *r)
{
	uint64_t	least = UINT64_MAX;
	size_t		i;

	for (i = r->n; i-- > 0; ) {
		r->seg[i].limit = least;
		if (r->seg[i].valid && r->seg[i].head.first < least)
			least = r->seg[i].head.first;
	}
}

enum err
wal_recover(struct rec *r)
{
	enum err	e;
	size_t		i;

	e = recover_list(r);
	for (i = 0; e == E_OK && i < r->n; i++)
		e = recover_head(r, i);
	if (e == E_OK) {
		recover_limits(r);
		e = wal_walk(r);
	}
	return e;
}

void
wal_rec_free(struct rec *r)
{
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	free(r->seg);
	free(r->p);
	r->seg = NULL;
	r->p = NULL;
}
