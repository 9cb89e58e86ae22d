/*
 * wal_walk.c: goes through the log in order, gives its records to the replay
 * function, and decides what an end or a hole in it is.  Runs inside wal_open;
 * changes nothing on the disk.
 *
 * Invariants
 * 1 Records are replayed once, in the order of their LSNs, without a gap
 *   beyond those that a segment header declares.
 * 2 A batch counts when its checksum, salt and first LSN are right.  Where
 *   that ends, `expect' is the LSN that the bad batch must have begun with.
 * 3 If anything valid and later says that expect was durable, or that these
 *   bytes of the segment were, it is damage.  Otherwise it is a torn tail:
 *   nothing that counts as durable can be behind it.
 */
#include <string.h>

#include "store/wal_rec.h"
#include "supervisor/log.h"

#define ULL(x)	((unsigned long long)(x))

/* Where a hole is. */
struct hole {
	size_t		i;		/* segment */
	size_t		off;
	uint64_t	expect;
};

static void
walk_marks(struct rec *r, uint64_t durable, uint64_t bound)
{
	if (durable > r->durable)
		r->durable = durable;
	if (bound > r->found->bound)
		r->found->bound = bound;
}

static enum err
walk_replay(struct rec *r, const uint8_t *p, const struct batch_head *b)
{
	struct wal_rec	rec;
	size_t		left = b->payload;
	uint64_t	lsn;
	enum err	e;

	for (lsn = b->first; lsn < b->first + b->count; lsn++) {
		if (!wal_rec_get(&rec, &p, &left))
			return E_DAMAGED;
		if (lsn <= r->after)
			continue;
		e = r->replay(r->arg, lsn, rec.key, rec.keylen, rec.val, rec.vallen);
		if (e != E_OK)
			return r->found->error[0] != '\0' ? e :
			    wal_fail(r, e, "log %llu.seg: record %llu is not "
			    "accepted: %s", ULL(r->seg[r->cur].number), ULL(lsn),
			    err_text(e));
		r->found->records++;
	}
	return E_OK;
}

/* Leaves a batch only the records below limit. */
void
wal_batch_cut(struct batch_head *b, uint64_t limit)
{
	if (b->count > limit - b->first)
		b->count = (uint32_t)(limit - b->first);
}

/* Replays the valid batches of the segment in memory, from its header on. */
static enum err
walk_batches(struct rec *r)
{
	struct rec_seg		*s = &r->seg[r->cur];
	struct batch_head	 b;
	enum err		 e = E_OK;
	int			 ok;

	for (s->end = WAL_BLOCK; r->expect < s->limit; s->end += b.span) {
		ok = wal_batch_at(r, s->end, &b, &e);
		if (ok != 1 || b.first != r->expect)
			break;
		wal_batch_cut(&b, s->limit);
		walk_marks(r, b.durable, b.bound);
		e = walk_replay(r, r->p + s->end + WAL_HEAD, &b);
		if (e != E_OK)
			break;
		r->expect += b.count;
	}
	s->last = r->expect - 1;
	return e;
}

/* Whether the segment in memory proves, from off on, that h was durable. */
static enum err
hole_evidence(struct rec *r, const struct hole *h, size_t off, int *proof)
{
	const struct rec_seg	*s = &r->seg[r->cur];
	struct batch_head	 b;
	enum err		 e;
	int			 ok;

	*proof = 0;
	if ((e = wal_load(r, s->size)) != E_OK)
		return e;
	for (; !*proof && s->size >= WAL_HEAD && off <= s->size - WAL_HEAD;
	    off += WAL_ALIGN) {
		ok = wal_batch_at(r, off, &b, &e);
		if (ok == -1)
			return e;
		if (ok == 0 || b.first < h->expect)
			continue;
		*proof = b.durable >= h->expect ||
		    (s->valid && r->cur == h->i && b.synced > h->off);
	}
	return E_OK;
}

/* Names the place of the damage as well as it can be told. */
static enum err
hole_damage(struct rec *r, const struct hole *h, int inside)
{
	const struct rec_seg	*s = &r->seg[h->i];
	const struct rec_seg	*next = s + 1;

	if (!inside && s->valid && h->i + 1 < r->n) {
		if (!next->valid)
			return wal_fail(r, E_DAMAGED, "log %llu.seg offset 0: "
			    "header is damaged (record %llu was durable)",
			    ULL(next->number), ULL(h->expect));
		if (next->number != s->number + 1)
			return wal_fail(r, E_DAMAGED, "log %llu.seg is missing "
			    "(record %llu was durable; %llu.seg ends at offset "
			    "%zu)", ULL(s->number + 1), ULL(h->expect),
			    ULL(s->number), h->off);
	}
	return wal_fail(r, E_DAMAGED, "log %llu.seg offset %zu: batch is "
	    "damaged (record %llu was durable)", ULL(s->number),
	    s->valid ? h->off : 0, ULL(h->expect));
}

/* Nothing but zeros, or an older use of the file: an end without a tear. */
static int
hole_clean(struct rec *r, const struct hole *h)
{
	const struct rec_seg	*s = &r->seg[h->i];
	size_t			 i;

	if (s->size <= h->off || s->size - h->off < WAL_HEAD)
		return 1;
	for (i = 0; i < WAL_HEAD; i++)
		if (r->p[h->off + i] != 0)
			return !batch_peek_salt(r->p + h->off, s->head.salt);
	return 1;
}

/*
 * The log cannot be read on at h: E_DAMAGED, or E_OK when it is the end (then
 * later segments are void).  found->torn says whether something was cut.
 */
static enum err
walk_hole(struct rec *r, const struct hole *h)
{
	size_t		i;
	enum err	e;
	int		proof;

	if ((e = wal_read(r, h->i)) != E_OK ||
	    (e = hole_evidence(r, h, h->off, &proof)) != E_OK)
		return e;
	/* A header made by recovery vouches for what it took over. */
	if (proof || r->durable >= h->expect)
		return hole_damage(r, h, 1);
	r->found->torn = !r->seg[h->i].valid || !hole_clean(r, h);
	for (i = h->i + 1; i < r->n; i++) {
		r->found->torn = 1;
		if (r->seg[i].valid && r->seg[i].head.durable >= h->expect)
			return hole_damage(r, h, 0);
		if ((e = wal_read(r, i)) != E_OK ||
		    (e = hole_evidence(r, h, WAL_BLOCK, &proof)) != E_OK)
			return e;
		if (proof)
			return hole_damage(r, h, 0);
	}
	return E_OK;
}

/* What is damaged has done its service: the data files have all of it. */
static enum err
walk_forgo(struct rec *r)
{
	log_warnx("%s; nothing of it is needed, the log goes on behind it",
	    r->found->error);
	r->found->error[0] = '\0';
	r->found->torn = 1;
	return E_OK;
}

/* The segment that takes over at this one's limit. */
static const struct rec_seg *
walk_next(const struct rec *r, size_t i)
{
	uint64_t	limit = r->seg[i].limit;

	while (++i < r->n)
		if (r->seg[i].valid && r->seg[i].head.first == limit)
			return &r->seg[i];
	return NULL;
}

/* Segment i starts the log: is anything missing before it? */
static enum err
walk_first(struct rec *r, size_t i)
{
	const struct seg_head	*h = &r->seg[i].head;

	if (h->first > r->after + 1 && h->prev > r->after)
		return wal_fail(r, E_DAMAGED, "log %llu.seg offset 0: begins "
		    "with record %llu, but records from %llu on are needed",
		    ULL(h->number), ULL(h->first), ULL(r->after + 1));
	r->expect = h->first;
	return E_OK;
}

/* Nothing in the segment counts: later ones have it all. */
static int
walk_void(const struct rec *r, const struct rec_seg *s)
{
	return s->valid ? s->head.first >= s->limit : r->expect >= s->limit;
}

/*
 * Segment i: E_OK go on, E_NOTFOUND the log ends here, else an error.
 */
static enum err
walk_seg(struct rec *r, size_t i)
{
	struct rec_seg		*s = &r->seg[i];
	const struct rec_seg	*next = walk_next(r, i);
	struct hole		 h = { .i = i, .off = WAL_BLOCK };
	enum err		 e;

	if (s->valid)
		walk_marks(r, s->head.durable, s->head.bound);
	/* Void, or all of it is in the data files: not even looked at. */
	if (walk_void(r, s) || s->limit - 1 <= r->after) {
		if (next != NULL && s->limit - 1 <= r->after) {
			s->last = s->limit - 1;
			r->expect = s->limit;
		}
		return E_OK;
	}
	if (s->valid) {
		if (r->expect == 0 && (e = walk_first(r, i)) != E_OK)
			return e;
		r->expect = s->head.first;
		if ((e = wal_read(r, i)) != E_OK || (e = walk_batches(r)) != E_OK)
			return e;
		if (next != NULL && next->head.prev + 1 <= r->expect) {
			r->expect = s->limit;
			return E_OK;
		}
		h.off = s->end;
	}
	h.expect = r->expect != 0 ? r->expect : r->after + 1;
	e = walk_hole(r, &h);
	if (e == E_DAMAGED && r->forgo)
		e = walk_forgo(r);
	return e == E_OK ? E_NOTFOUND : e;
}

enum err
wal_walk(struct rec *r)
{
	enum err	e = E_OK;
	size_t		i;

	for (i = 0; i < r->n && e == E_OK; i++)
		e = walk_seg(r, i);
	/* What lies behind the end is void. */
	for (; i < r->n; i++)
		r->seg[i].valid = 0;
	r->found->last_lsn = r->expect == 0 ? 0 : r->expect - 1;
	if (r->durable > r->found->last_lsn)
		r->durable = r->found->last_lsn;
	return e == E_NOTFOUND ? E_OK : e;
}
