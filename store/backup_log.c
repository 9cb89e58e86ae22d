/*
 * backup_log.c: copies the log of a store that goes on writing it: from the
 * first segment that is held up to the end of the batch with E, which is
 * durable before this begins.  Every batch is checked as a start would.
 *
 * Invariants
 * 1 Segments with these numbers and above are not recycled while the hold
 *   lasts; whoever ends it early says so, and the copy counts for nothing.
 * 2 A segment counts only up to the first LSN of any later one (wal_recover.c):
 *   what is behind that in it is void, and not copied.
 * 3 What is copied has every LSN from the first segment's first to E, but for
 *   those that a segment's header declares left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/backup_impl.h"
#include "store/io.h"
#include "store/wal_format.h"

#define PATH_LEN	(4096 + 32)
#define SPAN_MAX	(1u << 30)	/* bytes of a batch */

struct seg {
	uint64_t	number, limit;
	struct seg_head	head;
	uint8_t		block[WAL_BLOCK];
};

struct log_copy {
	struct backup_run	*r;
	struct seg		*seg;
	size_t			 n, max;
	uint64_t		 next;		/* LSN that comes next */
	struct backup_out	*out;
	int			 fd;		/* of the segment at hand */
	uint64_t		 off;
	uint8_t			*buf;		/* a batch */
	size_t			 cap;
};

/* --- which segments there are --- */

static int
add_seg(struct log_copy *c, uint64_t number)
{
	struct seg	*s;
	size_t		 max = c->max * 2 + 16;

	if (c->n == c->max) {
		if ((s = realloc(c->seg, max * sizeof(*s))) == NULL)
			return -1;
		c->seg = s;
		c->max = max;
	}
	memset(&c->seg[c->n], 0, sizeof(*s));
	c->seg[c->n++].number = number;
	return 0;
}

static int
seg_cmp(const void *a, const void *b)
{
	const struct seg	*x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static enum err
list_segs(struct log_copy *c)
{
	struct backup_run	*r = c->r;
	DIR			*d = opendir(r->waldir);
	struct dirent		*de;
	uint64_t		 n;
	int			 end, bad = 0;

	if (d == NULL)
		return backup_fail(r, E_INTERNAL, "%s: %s", r->waldir,
		    strerror(errno));
	while (!bad && (de = readdir(d)) != NULL) {
		end = 0;
		if (sscanf(de->d_name, "%" SCNu64 ".seg%n", &n, &end) == 1 &&
		    end != 0 && de->d_name[end] == '\0' && n >= r->first_seg)
			bad = add_seg(c, n);
	}
	closedir(d);
	if (bad)
		return backup_fail(r, E_NOMEM, "%s", err_text(E_NOMEM));
	if (c->n == 0)
		return backup_fail(r, E_DAMAGED, "%s: no segment", r->waldir);
	qsort(c->seg, c->n, sizeof(*c->seg), seg_cmp);
	return E_OK;
}

static int
open_seg(const struct log_copy *c, const struct seg *s)
{
	const struct io	*io = c->r->io;
	char		 path[PATH_LEN];
	int		 fd;

	snprintf(path, sizeof(path), "%s/%" PRIu64 ".seg", c->r->waldir,
	    s->number);
	fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	/* What is ahead is being written: it is none of ours to read. */
	if (fd != -1)
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

static enum err
log_bad(struct log_copy *c, const struct seg *s, uint64_t off,
    const char *what)
{
	return backup_fail(c->r, E_DAMAGED, "log %" PRIu64 ".seg offset %"
	    PRIu64 ": %s", s->number, off, what);
}

/* One of a later activation may not be one yet: it ends the list. */
static enum err
read_heads(struct log_copy *c)
{
	const struct io	*io = c->r->io;
	struct seg	*s;
	uint64_t	 least = UINT64_MAX;
	size_t		 i;
	int		 fd, ok;

	for (i = 0; i < c->n; i++) {
		s = &c->seg[i];
		if ((fd = open_seg(c, s)) == -1)
			return log_bad(c, s, 0, strerror(errno));
		ok = io_read_all(io, fd, s->block, WAL_BLOCK, 0) == 0 &&
		    seg_head_get(&s->head, s->block) == E_OK &&
		    s->head.number == s->number;
		close(fd);
		if (!ok)
			return log_bad(c, s, 0, "header is damaged");
	}
	for (i = c->n; i-- > 0; ) {
		s = &c->seg[i];
		s->limit = least;
		if (s->head.first < least)
			least = s->head.first;
	}
	return E_OK;
}

/* --- batches --- */

static int
read_at(struct log_copy *c, void *p, size_t n)
{
	return io_read_all(c->r->io, c->fd, p, n, (off_t)c->off);
}

/* The batch at off: 1 it is here, in buf; 0 none; -1 failed. */
static int
read_batch(struct log_copy *c, const struct seg *s, struct batch_head *b)
{
	uint8_t		 head[WAL_HEAD], *p;
	uint32_t	 span;

	if (s->head.size < WAL_HEAD || c->off > s->head.size - WAL_HEAD ||
	    read_at(c, head, WAL_HEAD) == -1)
		return 0;
	span = batch_peek_span(head);
	if (!batch_peek_salt(head, s->head.salt) || span < WAL_HEAD ||
	    span > SPAN_MAX || span > s->head.size - c->off)
		return 0;
	if (span > c->cap) {
		if ((p = realloc(c->buf, span)) == NULL) {
			backup_fail(c->r, E_NOMEM, "%s", err_text(E_NOMEM));
			return -1;
		}
		c->buf = p;
		c->cap = span;
	}
	return read_at(c, c->buf, span) == 0 && batch_get(b, c->buf, span);
}

/* Copies batches up to the one with E, or to where the segment ends. */
static enum err
copy_batches(struct log_copy *c, const struct seg *s)
{
	struct backup_run	*r = c->r;
	struct batch_head	 b;
	enum err		 e;
	int			 got;

	for (c->off = WAL_BLOCK; c->next <= r->last && c->next < s->limit;
	    c->off += b.span) {
		if ((got = read_batch(c, s, &b)) == -1)
			return r->e;
		if (got == 0 || b.first != c->next)
			return E_OK;
		if ((e = backup_out_put(c->out, c->buf, b.span)) != E_OK)
			return e;
		c->next += b.count;
		if (b.bound > r->pin.bound)
			r->pin.bound = b.bound;
	}
	return E_OK;
}

static enum err
copy_seg(struct log_copy *c, const struct seg *s)
{
	char		name[64];
	enum err	e;

	snprintf(name, sizeof(name), "wal/%" PRIu64 ".seg", s->number);
	if ((c->out = backup_out_open(c->r, name)) == NULL)
		return c->r->e;
	if ((c->fd = open_seg(c, s)) == -1)
		e = log_bad(c, s, 0, strerror(errno));
	else if ((e = backup_out_put(c->out, s->block, WAL_BLOCK)) == E_OK)
		e = copy_batches(c, s);
	if (c->fd != -1)
		close(c->fd);
	return backup_out_end(c->out, e, name, 0);
}

/* Whether segment i takes over where the ones before it ended. */
static int
goes_on(struct log_copy *c, size_t i)
{
	const struct seg	*s = &c->seg[i];

	if (i > 0 && s->head.prev + 1 > c->next)
		return 0;
	if (i == 0 || s->head.first > c->next)
		c->next = s->head.first;
	return 1;
}

static enum err
copy_segs(struct log_copy *c)
{
	struct backup_run	*r = c->r;
	size_t			 i;
	enum err		 e = E_OK;

	for (i = 0; i < c->n && e == E_OK; i++) {
		if (i > 0 && c->next > r->last)
			break;
		if (!goes_on(c, i))
			break;
		/* All void: a later one has it too. */
		if (i > 0 && c->seg[i].limit <= c->next)
			continue;
		e = copy_seg(c, &c->seg[i]);
	}
	if (e == E_OK && c->next <= r->last)
		e = log_bad(c, &c->seg[i - 1], c->off, "batch is damaged");
	return e;
}

enum err
backup_copy_log(struct backup_run *r)
{
	struct log_copy	c = { .r = r, .fd = -1 };
	enum err	e;

	if ((e = list_segs(&c)) == E_OK && (e = read_heads(&c)) == E_OK)
		e = copy_segs(&c);
	if (e == E_OK && c.next - 1 > r->last)
		r->last = c.next - 1;	/* a batch goes as a whole */
	free(c.buf);
	free(c.seg);
	return e;
}
