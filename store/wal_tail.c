/*
 * wal_tail.c: the last act of recovery: a new segment to go on with, which
 * takes over the tail of the log.  Runs inside wal_open, before the log
 * thread is started, and uses its functions.
 *
 * What was read back may be in the page cache only (a sync may have failed
 * before the last start), so everything that no durable mark covers is
 * written anew and synced.  A crash at any instant is harmless:
 * 1 The new files have no segment name until all of them are written and
 *   synced; until then the log is as it was.
 * 2 They are named from the last to the first, each durably before the next.
 *   A named one makes the older segments void from its first LSN on
 *   (wal_recover.c) and has those records itself, or its successors do.
 * 3 Only the first of them, named last, says in its header that the whole log
 *   is durable.
 * 4 What is void is removed only after that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/wal_rec.h"

#define TAIL_BATCH	(4u << 20)
#define TAIL_ROOM	(64u << 10)	/* on a full disk: a small segment */

struct fresh {
	struct wal_spare spare;
	uint64_t	 number, first;
};

struct tail {
	struct rec	*r;
	struct wal	*w;
	struct fresh	*fresh;
	size_t		 n;
	uint64_t	 from;		/* copy from the batch with this LSN on */
	uint64_t	 last;
};

static int
tail_counts(const struct rec_seg *s)
{
	return s->valid && s->head.first < s->limit;
}

static enum err
tail_errno(struct tail *t, const char *what)
{
	enum err	e = io_is_full(errno) ? E_NOSPACE :
			    E_INTERNAL;

	return wal_fail(t->r, e, "log %s: %s: %s", t->w->dir, what,
	    strerror(errno));
}

/* A file for a new segment: a spare, or made now, small if it must be. */
static enum err
tail_file(struct tail *t, size_t span, struct wal_spare *s)
{
	struct wal	*w = t->w;
	uint64_t	 need = wal_round(WAL_BLOCK + span, WAL_BLOCK);
	int		 r;

	if (need <= w->segment && w->nspare > 0) {
		*s = w->spare[--w->nspare];
		return E_OK;
	}
	*s = (struct wal_spare){ w->next_id++, need, 0 };
	if (need < w->segment)
		s->size = w->segment;
	r = wal_fill(w->conf.io, w->dir, s->id, s->size, NULL);
	if (r == -1 && io_is_full(errno) && need + TAIL_ROOM < s->size) {
		s->size = need + TAIL_ROOM;
		r = wal_fill(w->conf.io, w->dir, s->id, s->size, NULL);
	}
	return r == -1 ? tail_errno(t, "new segment") : E_OK;
}

/* Syncs and closes the segment that is being written. */
static enum err
tail_sync(struct tail *t, int leave)
{
	struct wal_log	*l = &t->w->log;

	if (l->io->fdatasync(l->io, l->fd) == -1)
		return tail_errno(t, "sync");
	/* Only these bytes: no LSN is called durable before the naming. */
	l->safe.segment = l->at.segment;
	l->safe.end = l->at.end;
	if (leave) {
		close(l->fd);
		l->fd = -1;
	}
	return E_OK;
}

static enum err
tail_start(struct tail *t, uint64_t first, uint64_t prev, size_t span)
{
	struct wal	*w = t->w;
	struct fresh	*f;
	enum err	 e;

	if (t->n > 0 && (e = tail_sync(t, 1)) != E_OK)
		return e;
	if ((f = realloc(t->fresh, (t->n + 1) * sizeof *f)) == NULL)
		return wal_fail(t->r, E_INTERNAL, "log: out of memory");
	t->fresh = f;
	f += t->n;
	if ((e = tail_file(t, span, &f->spare)) != E_OK)
		return e;
	f->number = w->next_number++;
	f->first = first;
	if (wal_log_start(&w->log, &f->spare, f->number, first, prev,
	    t->n == 0 ? t->last : t->r->durable) == -1)
		return tail_errno(t, "segment header");
	t->n++;
	return E_OK;
}

/* The LSN before first: one less, unless a segment declares a jump. */
static uint64_t
tail_prev(const struct tail *t, uint64_t first)
{
	const struct rec	*r = t->r;
	size_t			 i;

	if (t->n > 0)
		return t->w->log.at.lsn;
	for (i = 0; i < r->n; i++)
		if (tail_counts(&r->seg[i]) && r->seg[i].head.first == first)
			return r->seg[i].head.prev;
	return first - 1;
}

/* Writes what is gathered as one batch. */
static enum err
tail_flush(struct tail *t)
{
	struct wal	*w = t->w;
	struct wal_log	*l = &w->log;
	struct wal_buf	*b = &w->buf[0];
	uint32_t	 span;
	enum err	 e;

	if (b->count == 0)
		return E_OK;
	span = (uint32_t)wal_round(b->len, l->direct ? WAL_BLOCK : WAL_ALIGN);
	if (t->n == 0 || b->first != l->at.lsn + 1 ||
	    l->at.end + (uint64_t)span > t->fresh[t->n - 1].spare.size) {
		e = tail_start(t, b->first, tail_prev(t, b->first), span);
		if (e != E_OK)
			return e;
	}
	if (wal_log_write(l, b, l->at.end, span, t->r->found->bound) == -1)
		return tail_errno(t, "copying the tail");
	wal_buf_reset(b, b->first + b->count);
	return E_OK;
}

static enum err
tail_record(struct tail *t, const struct wal_rec *rec)
{
	struct wal_buf	*b = &t->w->buf[0];
	size_t		 max = t->w->batch_max;
	size_t		 n = WAL_REC + rec->keylen + rec->vallen;
	uint8_t		*p;
	enum err	 e;

	if (max > TAIL_BATCH)
		max = TAIL_BATCH;
	if (b->count > 0 && b->len + n > max && (e = tail_flush(t)) != E_OK)
		return e;
	if (wal_buf_grow(b, b->len + n) == -1)
		return wal_fail(t->r, E_INTERNAL, "log: out of memory");
	p = wal_buf_add(b, rec->keylen, rec->vallen);
	memcpy(p, rec->key, rec->keylen);
	memcpy(p + rec->keylen, rec->val, rec->vallen);
	return E_OK;
}

static enum err
tail_batch(struct tail *t, const uint8_t *p, const struct batch_head *b)
{
	struct wal_buf	*buf = &t->w->buf[0];
	struct wal_rec	 rec;
	size_t		 left = b->payload;
	uint32_t	 i;
	enum err	 e;

	/* The first batch, or one after a declared jump. */
	if (b->first != buf->first + buf->count) {
		if ((e = tail_flush(t)) != E_OK)
			return e;
		wal_buf_reset(buf, b->first);
	}
	for (i = 0; i < b->count; i++) {
		wal_rec_get(&rec, &p, &left);
		if ((e = tail_record(t, &rec)) != E_OK)
			return e;
	}
	return E_OK;
}

/* Copies the batches of segment i that have something from t->from on. */
static enum err
tail_seg(struct tail *t, size_t i)
{
	struct rec		*r = t->r;
	struct batch_head	 b;
	uint64_t		 off;
	enum err		 e;
	int			 ok;

	if ((e = wal_read(r, i)) != E_OK)
		return e;
	for (off = WAL_BLOCK; off < r->seg[i].end; off += b.span) {
		if ((ok = wal_batch_at(r, off, &b, &e)) == -1)
			return e;
		if (ok == 0)
			return wal_fail(r, E_DAMAGED, "log %llu.seg offset "
			    "%llu: changed while it was read",
			    (unsigned long long)r->seg[i].number,
			    (unsigned long long)off);
		wal_batch_cut(&b, r->seg[i].limit);
		if (b.first + b.count <= t->from || b.count == 0)
			continue;
		e = tail_batch(t, r->p + off + WAL_HEAD, &b);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

/*
 * The LSN to copy from: what no mark calls durable.  A last segment with
 * little in it is taken over whole, else restarts would pile up segments.
 */
static uint64_t
tail_from(const struct tail *t)
{
	const struct rec	*r = t->r;
	const struct rec_seg	*s = NULL;
	uint64_t		 from = r->durable, first;
	size_t			 i;

	if (from < r->after)
		from = r->after;
	if (from > t->last)
		from = t->last;
	from++;
	for (i = 0; i < r->n; i++)
		if (tail_counts(&r->seg[i]) && r->seg[i].end != 0)
			s = &r->seg[i];
	if (s == NULL || s->last <= r->after ||
	    s->end - WAL_BLOCK > t->w->segment / 4)
		return from;
	first = s->head.first > r->after ? s->head.first : r->after + 1;
	return first < from ? first : from;
}

static enum err
tail_copy(struct tail *t)
{
	struct rec	*r = t->r;
	enum err	 e = E_OK;
	size_t		 i;

	t->from = tail_from(t);
	wal_buf_reset(&t->w->buf[0], t->from);
	for (i = 0; i < r->n && e == E_OK; i++)
		if (tail_counts(&r->seg[i]) && r->seg[i].end != 0 &&
		    r->seg[i].last >= t->from)
			e = tail_seg(t, i);
	return e == E_OK ? tail_flush(t) : e;
}

/* Names the new segments, the last first (invariant 2). */
static enum err
tail_name(struct tail *t)
{
	enum err	e = tail_sync(t, 0);
	size_t		i;

	for (i = t->n; e == E_OK && i-- > 0; )
		if (wal_log_name(&t->w->log, &t->fresh[i].spare,
		    t->fresh[i].number) == -1)
			e = tail_errno(t, "naming a segment");
	return e;
}

/* The old segment counts from now on up to the first new one; else it goes. */
static enum err
tail_old(struct tail *t, struct rec_seg *s)
{
	struct wal	*w = t->w;
	uint64_t	 first = t->fresh[0].first;
	struct wal_seg	*g;
	char		 path[WAL_PATH];

	if (!tail_counts(s) || s->head.first >= first) {
		wal_path(path, w->dir, WAL_SEG, s->number);
		w->conf.io->unlink(w->conf.io, path);
		return E_OK;
	}
	g = wal_seg_add(w, s->number, s->head.first, s->size);
	if (g == NULL)
		return wal_fail(t->r, E_INTERNAL, "log: out of memory");
	g->last = s->last < first ? s->last : first - 1;
	return E_OK;
}

static enum err
tail_list(struct tail *t)
{
	struct wal	*w = t->w;
	struct fresh	*f;
	enum err	 e;
	size_t		 i;

	for (i = 0; i < t->r->n; i++)
		if ((e = tail_old(t, &t->r->seg[i])) != E_OK)
			return e;
	for (i = 0; i < t->n; i++) {
		f = &t->fresh[i];
		w->cur = wal_seg_add(w, f->number, f->first, f->spare.size);
		if (w->cur == NULL)
			return wal_fail(t->r, E_INTERNAL, "log: out of memory");
		w->cur->last = i + 1 < t->n ? f[1].first - 1 : t->last;
	}
	return E_OK;
}

enum err
wal_tail(struct rec *r, uint64_t next_lsn)
{
	struct tail	t = { .r = r, .w = r->w, .last = r->found->last_lsn };
	uint64_t	prev;
	enum err	e;

	r->w->log.safe.lsn = r->durable;
	r->w->log.safe.bound = r->found->bound;
	e = tail_copy(&t);
	if (next_lsn <= t.last)
		next_lsn = t.last + 1;
	/* Also where the log ends with a jump: what was copied lacks it. */
	prev = tail_prev(&t, t.last + 1);
	if (e == E_OK && (t.n == 0 || next_lsn > prev + 1))
		e = tail_start(&t, next_lsn, prev, WAL_HEAD);
	if (e == E_OK)
		e = tail_name(&t);
	if (e == E_OK)
		e = tail_list(&t);
	free(t.fresh);
	return e;
}
