/*
 * wal_scrub.c: which segments of a live log can be read, and reading one from
 * its header to the last record that counts.  Unlike the walk of a start this
 * need not find out where the log ends: the log itself says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/record.h"
#include "store/wal_impl.h"
#include "store/wal_scrub.h"

#define WINDOW	(1u << 20)	/* bytes read at a time */

int
wal_part_next(const struct wal *w, uint64_t after, struct wal_part *p)
{
	const struct wal_seg	*s = w->segs;

	while (s != NULL && s->number <= after)
		s = s->next;
	if (s == NULL)
		return 0;
	*p = (struct wal_part){ .number = s->number, .size = s->size,
	    .first = s->first, .last = s->last };
	if (s == w->cur)
		p->last = w->durable;
	wal_path(p->path, w->dir, WAL_SEG, s->number);
	return 1;
}

int
wal_has(const struct wal *w, uint64_t number)
{
	const struct wal_seg	*s;

	for (s = w->segs; s != NULL; s = s->next)
		if (s->number == number)
			return 1;
	return 0;
}

/* --- on any thread --- */

struct window {
	const struct io	*io;
	int		 fd;
	uint64_t	 size;		/* of the segment */
	uint64_t	 at;		/* offset of p[0] */
	uint8_t		*p;
	size_t		 n, cap;
};

/* Has n bytes at off in memory: E_OK, E_DAMAGED the segment ends before. */
static enum err
window_have(struct window *w, uint64_t off, size_t n)
{
	size_t	 want = n > WINDOW ? n : WINDOW;
	uint8_t	*p;

	if (off >= w->at && off + n <= w->at + w->n)
		return E_OK;
	if (off > w->size || n > w->size - off)
		return E_DAMAGED;
	if (want > w->size - off)
		want = (size_t)(w->size - off);
	if (want > w->cap) {
		if ((p = realloc(w->p, want)) == NULL)
			return E_NOMEM;
		w->p = p;
		w->cap = want;
	}
	w->at = off;
	w->n = 0;
	if (io_read_all(w->io, w->fd, w->p, want, (off_t)off) == -1)
		return errno == 0 || errno == EIO ? E_DAMAGED : E_INTERNAL;
	w->n = want;
	return E_OK;
}

static enum err
part_head(struct window *w, const struct wal_part *part, uint64_t node,
    uint16_t store, struct seg_head *h)
{
	enum err	e = window_have(w, 0, WAL_BLOCK);

	if (e == E_OK && (e = seg_head_get(h, w->p)) != E_OK)
		e = E_DAMAGED;
	if (e == E_OK && (h->node != node || h->store != store ||
	    h->number != part->number || h->first != part->first))
		e = E_DAMAGED;
	return e;
}

static enum err
part_records(const uint8_t *p, const struct batch_head *b)
{
	struct wal_rec	rec;
	struct record	r;
	size_t		left = b->payload;
	uint32_t	i;

	for (i = 0; i < b->count; i++)
		if (!wal_rec_get(&rec, &p, &left) || record_get(&r, rec.key,
		    rec.keylen, rec.val, rec.vallen) != E_OK)
			return E_DAMAGED;
	return E_OK;
}

/* The batch at off, which must begin with record expect. */
static enum err
part_batch(struct window *w, uint64_t off, uint64_t salt, uint64_t expect,
    struct batch_head *b)
{
	uint32_t	span;
	const uint8_t	*p;
	enum err	e = window_have(w, off, WAL_HEAD);

	if (e != E_OK)
		return e;
	span = batch_peek_span(w->p + (off - w->at));
	if ((e = window_have(w, off, span)) != E_OK)
		return e;
	p = w->p + (off - w->at);
	if (span < WAL_HEAD || !batch_get(b, p, span) || b->salt != salt ||
	    b->first != expect)
		return E_DAMAGED;
	return part_records(p + WAL_HEAD, b);
}

enum err
wal_part_check(const struct wal_part *part, const struct io *io, int fd,
    uint64_t node, uint16_t store, uint64_t *bad)
{
	struct window		w = { .io = io, .fd = fd, .size = part->size };
	struct seg_head		h;
	struct batch_head	b = { .span = 0 };
	uint64_t		expect = part->first;
	enum err		e;

	*bad = 0;
	e = part_head(&w, part, node, store, &h);
	if (e == E_OK)
		*bad = WAL_BLOCK;
	while (e == E_OK && expect <= part->last) {
		if ((e = part_batch(&w, *bad, h.salt, expect, &b)) != E_OK)
			break;
		expect += b.count;
		*bad += b.span;
	}
	free(w.p);
	return e;
}
