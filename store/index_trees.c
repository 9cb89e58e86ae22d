/*
 * index_trees.c: the three trees of an index and what a change does to them.
 *
 *	keys	engine key -> version, expiry; of sorted sets also the score
 *	scores	table, 0x00, score, member -> version, expiry
 *	ends	0x00 (sorted sets) or 0x01 (the rest), expiry, engine key -> nothing
 *
 * Scores and expiries in keys are 8 bytes that memcmp orders (ordered_put).  In
 * payloads all numbers have 7 bits a byte, lowest
 * first: a first version without expiry takes 2 bytes.  Version 0: the record
 * is damaged, nothing else about it is known.
 *
 * ends has sorted sets first because their ranks must not count what has
 * expired, and need not wait for millions of keys that expired too.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "store/index_impl.h"

#define KEY_SIZE	(RECORD_KEY_MAX + 9)
#define PAY_SIZE	25		/* 5 + 10 + 10 */

int
trees_init(struct trees *t)
{
	*t = (struct trees){ btree_new(), btree_new(), btree_new(), 0 };
	if (t->keys != NULL && t->scores != NULL && t->ends != NULL)
		return 1;
	trees_free(t);
	return 0;
}

void
trees_free(struct trees *t)
{
	btree_free(t->keys);
	btree_free(t->scores);
	btree_free(t->ends);
	*t = (struct trees){ 0 };
}

size_t
trees_bytes(const struct trees *t)
{
	if (t->keys == NULL)
		return 0;
	return btree_bytes(t->keys) + btree_bytes(t->scores) +
	    btree_bytes(t->ends);
}

/* --- numbers --- */

static uint8_t *
number_put(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static const uint8_t *
number_get(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	unsigned	shift;

	*v = 0;
	for (shift = 0; p < end && shift < 64; shift += 7) {
		*v |= (uint64_t)(*p & 0x7f) << shift;
		if (*p++ < 0x80)
			break;
	}
	return p;
}

/* Small ones of either sign are short. */
static uint64_t
folded(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v < 0 ? -1 : 0);
}

static int64_t
unfolded(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

/* --- notes --- */

struct index_note
index_note(const struct record *r, const uint8_t *key, int64_t now)
{
	struct index_note	n = { 0 };

	n.live = r == NULL || record_live(r, now);
	if (r == NULL || !n.live)
		return n;
	if (key[0] == TYPE_ZSET) {
		if (r->vallen != sizeof(uint64_t))
			return n;		/* as one that is damaged */
		n.score = (int64_t)le64_get(r->val);
	}
	n.version = r->version;
	n.expiry = r->expiry;
	return n;
}

/* A member of a sorted set whose place among the scores is known. */
static int
note_scored(const struct index_note *n, const uint8_t *key)
{
	return n->live && n->version != 0 && key[0] == TYPE_ZSET;
}

static size_t
note_put(uint8_t *out, const struct index_note *n, int score)
{
	uint8_t	*p = number_put(out, n->version);

	p = number_put(p, (uint64_t)n->expiry);
	if (score)
		p = number_put(p, folded(n->score));
	return (size_t)(p - out);
}

static void
note_get(struct index_note *n, const struct btree_at *at)
{
	const uint8_t	*p = at->pay, *end = p + at->paylen;
	uint64_t	 v;

	n->live = 1;
	p = number_get(p, end, &v);
	n->version = (uint32_t)v;
	p = number_get(p, end, &v);
	n->expiry = (int64_t)v;
	number_get(p, end, &v);
	n->score = unfolded(v);
}

/* --- keys of the two other trees --- */

size_t
trees_score_key(uint8_t *out, const uint8_t *tab, size_t tablen,
    int64_t score, const uint8_t *key, size_t keylen)
{
	if (tablen != 0)
		memcpy(out, tab, tablen);
	out[tablen] = 0;
	ordered_put(out + tablen + 1, score);
	if (keylen != 0)
		memcpy(out + tablen + 9, key, keylen);
	return tablen + 9 + keylen;
}

static size_t
end_key(uint8_t *out, int64_t expiry, const uint8_t *key, size_t keylen)
{
	out[0] = key[0] == TYPE_ZSET ? 0 : 1;
	ordered_put(out + 1, expiry);
	memcpy(out + 9, key, keylen);
	return keylen + 9;
}

/* --- changes --- */

static int
scores_change(struct trees *t, const uint8_t *key, size_t keylen,
    const struct index_note *old, const struct index_note *new)
{
	uint8_t		 k[KEY_SIZE], pay[PAY_SIZE], type;
	const uint8_t	*tab, *member;
	size_t		 tablen, memberlen, n;

	if (record_key_get(key, keylen, &type, &tab, &tablen, &member,
	    &memberlen) != E_OK)
		return 1;
	if (note_scored(old, key) &&
	    (!note_scored(new, key) || new->score != old->score)) {
		n = trees_score_key(k, tab, tablen, old->score, member,
		    memberlen);
		btree_del(t->scores, k, n);
	}
	if (!note_scored(new, key))
		return 1;
	n = trees_score_key(k, tab, tablen, new->score, member, memberlen);
	return btree_put(t->scores, k, n, pay, note_put(pay, new, 0)) != -1;
}

static int
ends_change(struct trees *t, const uint8_t *key, size_t keylen,
    const struct index_note *old, const struct index_note *new)
{
	uint8_t	k[KEY_SIZE];

	if (old->expiry == new->expiry)
		return 1;
	if (old->expiry != 0)
		btree_del(t->ends, k, end_key(k, old->expiry, key, keylen));
	return new->expiry == 0 || btree_put(t->ends, k,
	    end_key(k, new->expiry, key, keylen), NULL, 0) != -1;
}

int
trees_apply(struct trees *t, const uint8_t *key, size_t keylen,
    const struct index_note *new)
{
	struct index_note	 old = { 0 };
	struct btree_at		 at;
	uint8_t			 pay[PAY_SIZE];
	int			 set = key[0] == TYPE_ZSET;

	if (btree_get(t->keys, key, keylen, &at))
		note_get(&old, &at);
	if (!old.live && !new->live)
		return 1;
	if (set) {
		t->damaged_sets += new->live && new->version == 0;
		t->damaged_sets -= old.live && old.version == 0;
		if (!scores_change(t, key, keylen, &old, new))
			return 0;
	}
	if (!ends_change(t, key, keylen, &old, new))
		return 0;
	if (!new->live)
		return btree_del(t->keys, key, keylen);
	return btree_put(t->keys, key, keylen, pay,
	    note_put(pay, new, set)) != -1;
}

/* --- expiry --- */

/* Up to and with now an entry has expired. */
static size_t
end_bound(uint8_t out[9], int64_t now, int sets)
{
	out[0] = sets ? 0 : 1;
	ordered_put(out + 1, now + 1);
	return 9;
}

uint64_t
trees_expired(const struct trees *t, int64_t now, int sets)
{
	uint8_t		bound[9], first = sets ? 0 : 1;

	end_bound(bound, now, sets);
	return btree_rank(t->ends, bound, sizeof(bound)) -
	    btree_rank(t->ends, &first, 1);
}

int
trees_expire(struct trees *t, int64_t now, int sets, unsigned n)
{
	static const struct index_note	 gone;
	struct btree_iter		 it;
	struct btree_at			 at;
	uint8_t				 first = sets ? 0 : 1;
	unsigned			 i;
	int				 ok = 1;

	for (i = 0; i < n && ok; i++) {
		btree_seek(t->ends, &it, &first, 1);
		ok = btree_next(&it, &at);
		if (!ok || at.key[0] != first ||
		    ordered_get(at.key + 1) > now) {
			ok = !it.failed;
			btree_iter_end(&it);
			break;
		}
		/* The iterator's copy of the key outlives the change. */
		ok = trees_apply(t, at.key + 9, at.keylen - 9, &gone);
		btree_iter_end(&it);
	}
	return ok ? (int)i : -1;
}

int
trees_entry(const struct btree_at *at, int scores, int64_t now,
    struct index_entry *e)
{
	struct index_note	 n;
	const uint8_t		*nul;

	note_get(&n, at);
	*e = (struct index_entry){ .type = TYPE_ZSET, .tab = at->key,
	    .version = n.version, .expiry = n.expiry, .score = n.score,
	    .expired = n.expiry != 0 && n.expiry <= now };
	if (!scores)
		return record_key_get(at->key, at->keylen, &e->type, &e->tab,
		    &e->tablen, &e->key, &e->keylen) == E_OK;
	nul = memchr(at->key, 0, at->keylen);
	e->tablen = (size_t)(nul - at->key);
	e->score = ordered_get(nul + 1);
	e->key = nul + 9;
	e->keylen = at->keylen - e->tablen - 9;
	return 1;
}
