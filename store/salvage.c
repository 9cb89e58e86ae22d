/*
 * salvage.c: reads a damaged data file as far as it can be read.  Runs at start
 * for a file that is not what MANIFEST says, and in the offline check.  Reads
 * with pread, so that what the disk does not give is damage and no SIGBUS.
 */
#include <stdlib.h>
#include <string.h>

#include "store/salvage.h"

#define WINDOW		(1u << 20)
#define STEP		8u		/* records begin at multiples of it */

struct walk {
	const struct salvage	*s;
	uint8_t			*p;	/* the file from at on, n bytes */
	size_t			 n, cap;
	uint64_t		 at;
	int			 nomem;
};

/* n bytes at off, or NULL: they are not to be had. */
static const uint8_t *
walk_bytes(struct walk *w, uint64_t off, size_t n)
{
	size_t	want = n > WINDOW ? n : WINDOW;
	uint8_t	*p;

	if (off >= w->at && off + n <= w->at + w->n)
		return w->p + (off - w->at);
	if (want > w->s->end - off)
		want = (size_t)(w->s->end - off);
	if (want > w->cap) {
		if ((p = realloc(w->p, want)) == NULL) {
			w->nomem = 1;
			return NULL;
		}
		w->p = p;
		w->cap = want;
	}
	w->at = off;
	w->n = want;
	if (io_read_all(w->s->io, w->s->fd, w->p, want, (off_t)off) == 0)
		return w->p;
	/* Some of it may be readable. */
	w->n = n;
	if (io_read_all(w->s->io, w->s->fd, w->p, n, (off_t)off) == 0)
		return w->p;
	w->n = 0;
	return NULL;
}

/* The size that stands there, whether it is true or not; 0 none. */
static uint64_t
walk_size(struct walk *w, uint64_t off)
{
	uint64_t	 left = w->s->end - off, size;
	size_t		 n = left < TKRZW_META_MAX ? (size_t)left :
	    TKRZW_META_MAX;
	const uint8_t	*p = walk_bytes(w, off, n);

	size = p == NULL ? 0 : tkrzw_record_size(p, n);
	return size <= left ? size : 0;
}

/* The record at off, if it is whole: 1. */
static int
walk_record(struct walk *w, uint64_t off, struct tkrzw_record *r)
{
	uint64_t	 size = walk_size(w, off);
	const uint8_t	*p;

	return size != 0 && (p = walk_bytes(w, off, (size_t)size)) != NULL &&
	    tkrzw_record_get(r, p, (size_t)size) &&
	    w->s->whole(w->s->arg, off, r);
}

static uint64_t
walk_search(struct walk *w, uint64_t off)
{
	struct tkrzw_record	r;

	for (off += STEP; off < w->s->end && !w->nomem; off += STEP)
		if (walk_record(w, off, &r))
			return off;
	return w->s->end;
}

/* Where to go on behind the damage at off. */
static uint64_t
walk_on(struct walk *w, uint64_t off)
{
	const struct sums	*sums = w->s->sums;
	struct tkrzw_record	 r;
	uint64_t		 next = walk_size(w, off);

	if (next != 0 && (off + next == w->s->end ||
	    walk_record(w, off + next, &r)))
		return off + next;
	if (sums == NULL || sums->end <= off)
		return walk_search(w, off);
	for (next = off; !w->nomem; ) {
		next = sums_record_after(sums, next + STEP);
		if (next == 0)		/* behind the last sum a record begins */
			return sums->end == w->s->end ? w->s->end :
			    walk_record(w, sums->end, &r) ? sums->end :
			    walk_search(w, sums->end);
		if (walk_record(w, next, &r))
			return next;
		next = next / SUMS_BLOCK * SUMS_BLOCK + SUMS_BLOCK - STEP;
	}
	return w->s->end;
}

static enum err
walk_bad(struct walk *w, uint64_t off, uint64_t next)
{
	struct tkrzw_record	 r;
	const uint8_t		*p;
	int			 form = walk_size(w, off) == next - off &&
	    (p = walk_bytes(w, off, (size_t)(next - off))) != NULL &&
	    tkrzw_record_get(&r, p, (size_t)(next - off));

	return w->nomem ? E_NOMEM :
	    w->s->bad(w->s->arg, off, next, form ? &r : NULL);
}

enum err
salvage_walk(const struct salvage *s)
{
	struct walk		w = { .s = s };
	struct tkrzw_record	r;
	uint64_t		off, next;
	enum err		e = E_OK;

	off = s->sums != NULL && s->sums->base != 0 ? s->sums->base :
	    tkrzw_base_get(s->io, s->fd, s->end);
	if (off == 0) {
		return s->bad(s->arg, 0, s->end, NULL);
	}
	while (off < s->end && e == E_OK && !w.nomem) {
		if (walk_record(&w, off, &r)) {
			e = s->good(s->arg, off, &r);
			off += r.size;
		} else {
			next = walk_on(&w, off);
			e = walk_bad(&w, off, next);
			off = next;
		}
	}
	free(w.p);
	return w.nomem ? E_NOMEM : e;
}
