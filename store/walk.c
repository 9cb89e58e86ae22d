/*
 * walk.c: the walk itself: which entries match, how many are passed over, and
 * when a step has lasted long enough.  Runs on the store's loop.
 *
 * Invariants
 * 1 Between steps w->file and w->after name the last entry that was looked at
 *   (afterlen 0: none of this file): passed over, taken, or of another slot.
 * 2 passed counts matching entries before the first taken one; it never goes
 *   beyond ask.offset.
 * 3 A step looks at one entry at least, so that a walk comes to its end on
 *   however slow a machine.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/slot.h"
#include "store/walk.h"

#define CLOCK_EVERY	64u	/* entries between two looks at the clock */
#define READ_WORK	8u	/* what reading a record counts as */
#define VALUE_WORK	512u	/* and so many bytes of its value as one */
#define SCORE_BYTES	8u

static enum err	 walk_keys(struct walk *);
static enum err	 walk_scores(struct walk *);
static int	 walk_see(void *, const struct index_entry *);

void
walk_init(struct walk *w, const struct walk_conf *conf)
{
	memset(w, 0, sizeof(*w));
	w->conf = *conf;
	w->ask = *conf->ask;
	w->conf.ask = NULL;
	w->file = w->last = w->ask.file;
}

void
walk_free(struct walk *w)
{
	free(w->after);
	w->after = NULL;
}

/* Room for a last key of n bytes. */
static uint8_t *
walk_room(struct walk *w, size_t n)
{
	uint8_t	*p;

	if (n > w->cap) {
		if ((p = realloc(w->after, n + 64)) == NULL)
			return NULL;
		w->after = p;
		w->cap = n + 64;
	}
	w->afterlen = n;
	return w->after;
}

enum err
walk_after(struct walk *w, const uint8_t *key, size_t n)
{
	const struct walk_conf	*c = &w->conf;
	const uint8_t		*tab, *member;
	size_t			 tablen, memberlen;
	uint8_t			 type;

	if (w->ask.order == LIST_KEYS) {
		if (record_key_get(key, n, &type, &tab, &tablen, &member,
		    &memberlen) != E_OK || (c->type != 0 && type != c->type))
			return E_PARAM;
		if (c->tablen != 0 && (tablen != c->tablen ||
		    memcmp(tab, c->tab, tablen) != 0))
			return E_PARAM;
	} else if (n < SCORE_BYTES || n > SCORE_BYTES + FRAME_KEY)
		return E_PARAM;
	if (walk_room(w, n) == NULL)
		return E_NOMEM;
	memcpy(w->after, key, n);
	return E_OK;
}

/* Remembers the entry as the last one looked at. */
static enum err
walk_mark(struct walk *w, const struct index_entry *e)
{
	uint8_t	*p;
	size_t	 n;

	n = w->ask.order == LIST_KEYS ? record_key_len(e->tablen, e->keylen) :
	    SCORE_BYTES + e->keylen;
	if ((p = walk_room(w, n)) == NULL)
		return E_NOMEM;
	if (w->ask.order == LIST_KEYS)
		record_key_put(p, e->type, e->tab, e->tablen, e->key,
		    e->keylen);
	else {
		ordered_put(p, e->score);
		memcpy(p + SCORE_BYTES, e->key, e->keylen);
	}
	return E_OK;
}

enum err
walk_step(struct walk *w, struct shard *s, int64_t wall, int64_t us)
{
	w->shard = s;
	w->wall = wall;
	w->until = mono_add(mono_now(), us);
	w->work = 0;
	if (w->conf.limit == 0)
		return E_OK;
	return w->ask.order == LIST_KEYS ? walk_keys(w) : walk_scores(w);
}

/* What the shard said, and then what walk_see said. */
static enum err
walk_result(struct walk *w, enum err e, uint64_t lsn)
{
	if (lsn > w->lsn)
		w->lsn = lsn;
	return e != E_OK ? e : w->stop;
}

static int
walk_all_slots(const struct walk *w)
{
	return w->ask.start == 0 && w->ask.end == SLOTS;
}

static enum err
walk_keys(struct walk *w)
{
	const struct walk_conf	*c = &w->conf;
	struct shard_range	 r = { .type = c->type, .tablen = c->tablen };
	uint64_t		 lsn;
	enum err		 e;

	r.tab = c->tablen != 0 ? c->tab : NULL;
	if (walk_all_slots(w)) {
		r.passed = &w->passed;
		r.offset = w->ask.offset;
	}
	for (; w->file < c->files; w->file++, w->afterlen = 0) {
		r.file = w->file;
		r.after = w->afterlen != 0 ? w->after : NULL;
		r.afterlen = w->afterlen;
		lsn = 0;
		w->stop = E_OK;
		w->lost |= shard_file_lost(w->shard, w->file, w->ask.start,
		    w->ask.end);
		e = shard_list(w->shard, &r, walk_see, w, &lsn);
		e = walk_result(w, e, lsn);
		if (e == E_BUILDING && w->taken == w->conf.limit) {
			w->more = 1;	/* full; perhaps no more, but soon */
			return E_OK;
		}
		if (e != E_OK || w->more || (w->ask.flags & LIST_ONE_FILE))
			return e;
		/* Files without entries take time as well. */
		if (mono_diff(w->until, mono_now()) > 0 &&
		    w->file + 1 < c->files) {
			w->file++;
			w->afterlen = 0;
			return E_PENDING;
		}
	}
	return E_OK;
}

/*
 * The first step finds its place by counting, so that it costs the same at any
 * offset; later ones go on behind the last entry.
 */
static enum err
walk_seek(struct walk *w, unsigned slot, uint64_t *lsn)
{
	const struct walk_conf	*c = &w->conf;
	int			 reverse = (w->ask.flags & LIST_REVERSE) != 0;
	int			 all = w->ask.order == LIST_RANK;
	uint64_t		 below, within, rank;
	enum err		 e;

	e = shard_zcount(w->shard, slot, c->tab, c->tablen,
	    all ? INT64_MIN : w->ask.min, all ? INT64_MAX : w->ask.max,
	    &below, &within, lsn);
	if (e != E_OK)
		return e;
	if (*lsn > w->lsn)
		w->lsn = *lsn;
	w->passed = w->ask.offset < within ? w->ask.offset : within;
	if (w->ask.offset >= within)
		return E_OK;
	rank = reverse ? below + within - 1 - w->ask.offset :
	    below + w->ask.offset;
	return shard_zwalk(w->shard, slot, c->tab, c->tablen, rank, reverse,
	    walk_see, w, lsn);
}

static enum err
walk_scores(struct walk *w)
{
	const struct walk_conf	*c = &w->conf;
	unsigned		 slot = slot_of(c->tab, c->tablen);
	uint64_t		 lsn = 0;
	enum err		 e;

	w->stop = E_OK;
	if (w->afterlen == 0)
		e = walk_seek(w, slot, &lsn);
	else
		e = shard_zafter(w->shard, slot, c->tab, c->tablen,
		    ordered_get(w->after), w->after + SCORE_BYTES,
		    w->afterlen - SCORE_BYTES,
		    (w->ask.flags & LIST_REVERSE) != 0, walk_see, w, &lsn);
	return walk_result(w, e, lsn);
}

/* A record on its way into a page. */
struct reading {
	struct walk		*w;
	struct list_item	*item;
	enum walk_take		 took;
};

static enum walk_take
walk_give(struct walk *w, const struct list_item *i)
{
	enum walk_take	took = w->conf.take(w->conf.arg, i);

	if (took == WALK_ON || took == WALK_PAUSE) {
		w->taken++;
		w->last = w->file;
	}
	return took;
}

static void
walk_read_seen(void *arg, const struct record *r)
{
	struct reading		*g = arg;
	struct list_item	*i = g->item;

	i->version = r->version;
	i->ttl = record_left(r->expiry, g->w->wall);
	i->val = r->val;
	i->vallen = (uint32_t)r->vallen;
	g->w->work += READ_WORK + i->vallen / VALUE_WORK;
	g->took = walk_give(g->w, i);
}

/*
 * With its value from the record.  One that cannot be read is said to be so;
 * one that is gone since, by expiry, is none of the listing.
 */
static enum walk_take
walk_read(struct walk *w, struct list_item *i)
{
	unsigned		slot = slot_of(i->key, i->keylen);
	struct shard_key	k = { .type = i->type, .slot = slot,
	    .tab = i->tab, .tablen = i->tablen, .key = i->key,
	    .keylen = i->keylen };
	struct reading		g = { .w = w, .item = i, .took = WALK_ON };
	struct shard_result	res = { 0 };
	enum err		e;

	e = shard_get(w->shard, &k, walk_read_seen, &g, &res);
	if (res.lsn > w->lsn)
		w->lsn = res.lsn;
	if (e == E_DAMAGED) {
		w->conf.damaged(w->conf.arg, slot);
		i->damaged = 1;
		return walk_give(w, i);
	}
	if (e == E_READONLY) {
		w->stop = e;
		return WALK_REFUSE;
	}
	return g.took;
}

/* A matching entry behind the offset: into the page, or the end of it. */
static enum walk_take
walk_take(struct walk *w, const struct index_entry *e)
{
	struct list_item	i = {
		.type = e->type, .version = e->version, .score = e->score,
		.tab = e->tab, .tablen = (uint8_t)e->tablen,
		.key = e->key, .keylen = (uint32_t)e->keylen
	};
	if (w->taken == w->conf.limit)
		return WALK_REFUSE;
	i.ttl = record_left(e->expiry, w->wall);
	/* A score is in the index; a set's members have no values. */
	if ((w->ask.flags & LIST_VALUES) &&
	    (e->type == TYPE_KV || e->type == TYPE_HASH))
		return walk_read(w, &i);
	return walk_give(w, &i);
}

/* 1: go on; otherwise w->stop and w->more say why not. */
static int
walk_took(struct walk *w, const struct index_entry *e, enum walk_take took)
{
	if (took == WALK_NOMEM)
		w->stop = E_NOMEM;
	else if (took == WALK_REFUSE)
		w->more = w->stop == E_OK;
	else if (took == WALK_PAUSE ||
	    (w->work >= CLOCK_EVERY && mono_diff(w->until, mono_now()) > 0)) {
		w->stop = walk_mark(w, e);
		if (w->stop == E_OK)
			w->stop = E_PENDING;
	} else {
		if (w->work >= CLOCK_EVERY)
			w->work = 0;
		return 1;
	}
	return 0;
}

/* Not hashed where no slot is left out. */
static int
walk_wants(const struct walk *w, const struct index_entry *e)
{
	unsigned	slot;

	if (walk_all_slots(w))
		return 1;
	slot = slot_of_record(e->type, e->tab, e->tablen, e->key, e->keylen);
	return slot >= w->ask.start && slot < w->ask.end;
}

static int
walk_see(void *arg, const struct index_entry *e)
{
	struct walk	*w = arg;

	w->work++;
	if (w->ask.order == LIST_SCORE &&
	    (e->score < w->ask.min || e->score > w->ask.max))
		/* Behind the last one, or a cursor from elsewhere. */
		return (e->score < w->ask.min) ==
		    ((w->ask.flags & LIST_REVERSE) != 0) ? 0 :
		    walk_took(w, e, WALK_ON);
	if (e->expired || !walk_wants(w, e))
		return walk_took(w, e, WALK_ON);
	if (w->passed < w->ask.offset) {
		w->passed++;
		return walk_took(w, e, WALK_ON);
	}
	return walk_took(w, e, walk_take(w, e));
}
