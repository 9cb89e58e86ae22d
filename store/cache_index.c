/*
 * cache_index.c: where an item is, by its key (cache_impl.h): linear hashing,
 * W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB
 * 1980, with about one item to a bucket.  Names and the fields of all hashes
 * are in the one table; a field's hash is of its key and its hash's id.
 *
 * Bucket b of the table was split off from b less its highest bit, and goes
 * back to there.  Buckets lie in units (c->block), which are touched and given
 * back from the end.
 *
 * Runs in wharf-store.  When there is no room for another bucket the chains
 * become longer; nothing fails.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "store/cache_impl.h"

#define LEAST	512u			/* buckets */
#define MERGES	2u			/* for one item less: keeps up */
#define MIX	0x9e3779b97f4a7c15u	/* odd: ids differ in all bits */

/* The highest bit of b, which is not 0. */
static uint64_t
top_bit(uint64_t b)
{
	return (uint64_t)1 << (63 - __builtin_clzll(b));
}

static unsigned
block_shift(const struct cache *c)
{
	return c->shift - 3;		/* eight bytes to a bucket */
}

static struct item **
bucket(const struct cache *c, uint64_t b)
{
	unsigned	s = block_shift(c);
	uint8_t		*p = unit_at(c, c->block[b >> s]);

	return (struct item **)(void *)p + (b & (((uint64_t)1 << s) - 1));
}

static struct item **
bucket_of(const struct cache *c, uint32_t hash)
{
	uint64_t	low = top_bit(c->buckets);
	uint64_t	b = hash & (2 * low - 1);

	return bucket(c, b < c->buckets ? b : b - low);
}

/* The place that points to the item. */
static struct item **
link_to(const struct cache *c, const struct item *i)
{
	struct item	**p = bucket_of(c, i->hash);

	while (*p != i)
		p = &(*p)->next;
	return p;
}

int
index_open(struct cache *c)
{
	uint32_t	u = unit_new(c, UNIT_INDEX);

	if (u == NONE || !unit_touch(c, u, LEAST * sizeof(struct item *)))
		return 0;
	c->block[0] = u;
	c->buckets = LEAST;
	memset(unit_at(c, u), 0, LEAST * sizeof(struct item *));
	return 1;
}

/* --- one bucket more, one less --- */

/* Memory for bucket c->buckets; 0: no room just now. */
static int
bucket_room(struct cache *c)
{
	unsigned	s = block_shift(c);
	uint64_t	at = c->buckets & (((uint64_t)1 << s) - 1);
	uint32_t	*block = &c->block[c->buckets >> s];

	if (at == 0 && (*block = unit_new(c, UNIT_INDEX)) == NONE)
		return 0;
	if (unit_touch(c, *block, (at + 1) * sizeof(struct item *)))
		return 1;
	if (at == 0)
		unit_free(c, *block);
	return 0;
}

static void
bucket_split(struct cache *c)
{
	uint64_t	  b = c->buckets, low = top_bit(b);
	struct item	**from = bucket(c, b - low), **to = bucket(c, b), *i;

	*to = NULL;
	while ((i = *from) != NULL) {
		if ((i->hash & (2 * low - 1)) != b) {
			from = &i->next;
			continue;
		}
		*from = i->next;
		i->next = *to;
		*to = i;
	}
	c->buckets++;
}

static void
bucket_merge(struct cache *c)
{
	uint64_t	  b = c->buckets - 1;
	struct item	**to = bucket(c, b - top_bit(b));
	unsigned	  s = block_shift(c);

	while (*to != NULL)
		to = &(*to)->next;
	*to = *bucket(c, b);
	c->buckets--;
	if ((b & (((uint64_t)1 << s) - 1)) == 0)
		unit_free(c, c->block[b >> s]);
}

void
index_fit(struct cache *c)
{
	while (c->items >= c->buckets) {
		if (bucket_room(c)) {
			bucket_split(c);
			return;
		}
		if (!room_make(c))
			return;
	}
}

/* --- items --- */

void
index_add(struct cache *c, struct item *i)
{
	struct item	**p = bucket_of(c, i->hash);

	i->next = *p;
	*p = i;
	c->items++;
}

void
index_del(struct cache *c, const struct item *i)
{
	unsigned	k;

	*link_to(c, i) = i->next;
	c->items--;
	for (k = 0; k < MERGES; k++)
		if (c->buckets > LEAST && c->items < c->buckets / 2)
			bucket_merge(c);
}

/* to is a copy of from, whose bytes are still there. */
void
index_move(struct cache *c, const struct item *from, struct item *to)
{
	*link_to(c, from) = to;
}

/* Their chains are brought near, in two steps, for every one is far away. */
void
index_expect(const struct cache *c, const struct item *later,
    const struct item *soon)
{
	__builtin_prefetch(bucket_of(c, later->hash));
	__builtin_prefetch(*bucket_of(c, soon->hash));
}

uint32_t
index_hash(const struct cache *c, struct cache_str key, uint64_t table)
{
	return (uint32_t)XXH3_64bits_withSeed(key.p, key.n,
	    c->seed + table * MIX);
}

static int
same(const struct item *i, struct cache_str key, uint64_t table)
{
	if (i->keylen + 1u != key.n)
		return 0;
	if ((i->kind == ITEM_FIELD) != (table != 0) ||
	    (table != 0 && i->table != table))
		return 0;
	return memcmp(item_key(i), key.p, key.n) == 0;
}

struct item *
index_find(struct cache *c, struct cache_str key, uint64_t table)
{
	uint32_t	 hash = index_hash(c, key, table);
	struct item	*i;

	for (i = *bucket_of(c, hash); i != NULL; i = i->next)
		if (i->hash == hash && same(i, key, table))
			return i;
	return NULL;
}
