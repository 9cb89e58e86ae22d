/*
 * shard_index.c: questions that go through the indexes of a shard's data files:
 * listings in the order of engine keys, sorted sets by score and by rank.
 */
#include <string.h>

#include "store/index_impl.h"
#include "store/shard_impl.h"

#define INDEX_MEMORY	(256u << 20)	/* where the configuration says none */

/* The beginning of a key that a walk keeps to. */
struct span {
	uint8_t	b[1 + FRAME_TABLE + 1];
	size_t	n;
};

enum err
shard_index_open(struct shard *s)
{
	const struct shard_conf	*c = &s->conf;
	struct indexes_conf	 ic = {
		.data = s->data, .ops = c->ops, .io = c->io,
		.files = c->files,
		.limit = c->index_memory != 0 ? c->index_memory : INDEX_MEMORY,
		.notify = c->notify, .arg = c->arg
	};

	return (s->indexes = indexes_new(&ic)) == NULL ? E_NOMEM : E_OK;
}

void
shard_set_index_memory(struct shard *s, size_t bytes)
{
	indexes_limit(s->indexes, bytes != 0 ? bytes : INDEX_MEMORY);
}

/* The index of file k, and what an answer from it depends on. */
static enum err
shard_ask(struct shard *s, unsigned k, int sets, struct index **x,
    uint64_t *lsn)
{
	enum err	e;

	if (k >= s->conf.files)
		return E_PARAM;
	e = indexes_ask(s->indexes, k, sets, s->wall, wal_last(s->wal), x);
	if (e != E_OK)
		return e;
	if (s->failed != E_OK && (*x)->lsn > wal_released(s->wal))
		return E_READONLY;	/* that one will never be released */
	*lsn = (*x)->lsn;
	return E_OK;
}

/* --- keys --- */

static int
span_has(const struct span *p, const uint8_t *key, size_t keylen)
{
	return keylen >= p->n && memcmp(key, p->b, p->n) == 0;
}

static void
span_keys(struct span *p, const struct shard_range *r)
{
	p->n = 0;
	if (r->type == 0)
		return;
	p->b[p->n++] = r->type;
	if (r->tab == NULL)
		return;
	memcpy(p->b + p->n, r->tab, r->tablen);
	p->n += r->tablen;
	p->b[p->n++] = 0;
}

static void
seek_behind(const struct btree *t, struct btree_iter *it, const uint8_t *key,
    size_t keylen)
{
	struct btree_at	at;

	if (btree_get(t, key, keylen, &at))
		btree_seek_rank(t, it, btree_rank(t, key, keylen) + 1);
	else
		btree_seek(t, it, key, keylen);
}

/* Whether it begins behind after, which is in the span or above it. */
static int
list_behind(const struct span *p, const struct shard_range *r)
{
	size_t	n = r->afterlen < p->n ? r->afterlen : p->n;
	int	c;

	c = r->after == NULL ? -1 : n == 0 ? 0 : memcmp(r->after, p->b, n);
	return c > 0 || (c == 0 && r->afterlen >= p->n);
}

/* Where it begins, counted. */
static uint64_t
list_rank(const struct btree *t, const struct span *p,
    const struct shard_range *r)
{
	struct btree_at	at;

	if (!list_behind(p, r))
		return btree_rank(t, p->b, p->n);
	return btree_rank(t, r->after, r->afterlen) +
	    (uint64_t)btree_get(t, r->after, r->afterlen, &at);
}

/* Before how many it ends: nothing in a span goes on with a last byte of 255. */
static uint64_t
list_end(const struct btree *t, const struct span *p)
{
	struct span	end = *p;

	if (p->n == 0)
		return btree_count(t);
	end.b[end.n - 1]++;
	return btree_rank(t, end.b, end.n);
}

/* Where all count, the way to an offset is found by counting. */
static void
list_skip(const struct btree *t, struct btree_iter *it, const struct span *p,
    const struct shard_range *r)
{
	uint64_t	first = list_rank(t, p, r), end = list_end(t, p);
	uint64_t	n = r->offset - *r->passed;

	if (first >= end)
		n = 0;
	else if (n > end - first)
		n = end - first;
	*r->passed += n;
	btree_seek_rank(t, it, first + n);
}

static void
list_seek(const struct trees *t, struct btree_iter *it, const struct span *p,
    const struct shard_range *r, int64_t now)
{
	if (r->passed != NULL && *r->passed < r->offset &&
	    trees_expired(t, now, 0) + trees_expired(t, now, 1) == 0)
		list_skip(t->keys, it, p, r);
	else if (list_behind(p, r))
		seek_behind(t->keys, it, r->after, r->afterlen);
	else
		btree_seek(t->keys, it, p->b, p->n);
}

static enum err
list_walk(const struct trees *t, const struct shard_range *r, int64_t now,
    index_see *see, void *arg)
{
	struct btree_iter	it;
	struct btree_at		at;
	struct index_entry	e;
	struct span		p;
	enum err		err;

	span_keys(&p, r);
	list_seek(t, &it, &p, r, now);
	while (btree_next(&it, &at) && span_has(&p, at.key, at.keylen))
		if (trees_entry(&at, 0, now, &e) && !see(arg, &e))
			break;
	err = it.failed ? E_NOMEM : E_OK;
	btree_iter_end(&it);
	return err;
}

enum err
shard_list(struct shard *s, const struct shard_range *r, index_see *see,
    void *arg, uint64_t *lsn)
{
	struct index	*x;
	enum err	 e;

	e = shard_ask(s, r->file, 0, &x, lsn);
	if (e == E_OK || e == E_BUILDING)
		indexes_ahead(s->indexes, r->file, s->wall, wal_last(s->wal));
	return e == E_OK ? list_walk(&x->t, r, s->wall, see, arg) : e;
}

/* --- sorted sets --- */

/* No count and no place is sure where members may have been lost. */
static enum err
sets_ask(struct shard *s, unsigned slot, struct index **x, uint64_t *lsn)
{
	if (shard_lost(s, slot))
		return E_DAMAGED;
	return shard_ask(s, data_file_of(s->data, slot), 1, x, lsn);
}

/* How many entries of all tables stand before the first score of at least. */
static uint64_t
sets_rank(const struct trees *t, const uint8_t *tab, size_t tablen,
    int64_t least)
{
	uint8_t	k[FRAME_TABLE + 9];

	return btree_rank(t->scores, k, trees_score_key(k, tab, tablen, least,
	    NULL, 0));
}

/* The same before the end of the table: no name has a 0x00 in it. */
static uint64_t
sets_end(const struct trees *t, const uint8_t *tab, size_t tablen)
{
	uint8_t	k[FRAME_TABLE + 1];

	memcpy(k, tab, tablen);
	k[tablen] = 1;
	return btree_rank(t->scores, k, tablen + 1);
}

enum err
shard_zcount(struct shard *s, unsigned slot, const uint8_t *tab, size_t tablen,
    int64_t min, int64_t max, uint64_t *below, uint64_t *within, uint64_t *lsn)
{
	struct index	*x;
	uint64_t	 first, low, high;
	enum err	 e;

	if ((e = sets_ask(s, slot, &x, lsn)) != E_OK)
		return e;
	first = sets_rank(&x->t, tab, tablen, INT64_MIN);
	low = sets_rank(&x->t, tab, tablen, min);
	high = max == INT64_MAX ? sets_end(&x->t, tab, tablen) :
	    sets_rank(&x->t, tab, tablen, max + 1);
	*below = low - first;
	*within = high > low ? high - low : 0;
	return E_OK;
}

enum err
shard_zrank(struct shard *s, unsigned slot, const uint8_t *tab, size_t tablen,
    int64_t score, const uint8_t *key, size_t keylen, uint64_t *rank,
    uint64_t *lsn)
{
	uint8_t		 k[RECORD_KEY_MAX + 8];
	struct index	*x;
	enum err	 e;

	if ((e = sets_ask(s, slot, &x, lsn)) != E_OK)
		return e;
	*rank = btree_rank(x->t.scores, k, trees_score_key(k, tab, tablen,
	    score, key, keylen)) - sets_rank(&x->t, tab, tablen, INT64_MIN);
	return E_OK;
}

static enum err
sets_walk(struct btree_iter *it, const uint8_t *tab, size_t tablen,
    int reverse, int64_t now, index_see *see, void *arg)
{
	struct btree_at		at;
	struct index_entry	e;
	struct span		p;
	enum err		err;

	memcpy(p.b, tab, tablen);
	p.b[tablen] = 0;
	p.n = tablen + 1;
	while ((reverse ? btree_prev(it, &at) : btree_next(it, &at)) &&
	    span_has(&p, at.key, at.keylen))
		if (trees_entry(&at, 1, now, &e) && !see(arg, &e))
			break;
	err = it->failed ? E_NOMEM : E_OK;
	btree_iter_end(it);
	return err;
}

enum err
shard_zwalk(struct shard *s, unsigned slot, const uint8_t *tab, size_t tablen,
    uint64_t rank, int reverse, index_see *see, void *arg, uint64_t *lsn)
{
	struct btree_iter	 it;
	struct index		*x;
	uint64_t		 first, n;
	enum err		 e;

	if ((e = sets_ask(s, slot, &x, lsn)) != E_OK)
		return e;
	first = sets_rank(&x->t, tab, tablen, INT64_MIN);
	n = sets_end(&x->t, tab, tablen) - first;
	if (rank >= n)
		return E_OK;
	btree_seek_rank(x->t.scores, &it, first + rank + (reverse ? 1 : 0));
	return sets_walk(&it, tab, tablen, reverse, s->wall, see, arg);
}

enum err
shard_zafter(struct shard *s, unsigned slot, const uint8_t *tab, size_t tablen,
    int64_t score, const uint8_t *key, size_t keylen, int reverse,
    index_see *see, void *arg, uint64_t *lsn)
{
	uint8_t			 k[RECORD_KEY_MAX + 8];
	size_t			 n;
	struct btree_iter	 it;
	struct index		*x;
	enum err		 e;

	if ((e = sets_ask(s, slot, &x, lsn)) != E_OK)
		return e;
	n = trees_score_key(k, tab, tablen, score, key, keylen);
	if (reverse)
		btree_seek(x->t.scores, &it, k, n);
	else
		seek_behind(x->t.scores, &it, k, n);
	return sets_walk(&it, tab, tablen, reverse, s->wall, see, arg);
}
