/*
 * cache_item.c: items of the cache (cache_impl.h): what they are made of, names
 * and what they weigh.  cache_field.c has the lists of fields.
 *
 * An item's bytes: struct item (28 bytes of it; struct table, struct field
 * whole), key, value.  Memory of this process only, so the layout may change at
 * will.
 *
 * Runs in wharf-store.  Pure memory work.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "store/cache_impl.h"

#define ITEM_HEAD	28u	/* where padding begins */

_Static_assert(offsetof(struct item, kind) + 2 == ITEM_HEAD,
    "keys begin where struct item has nothing but padding");

static size_t
head_size(enum item_kind kind)
{
	switch (kind) {
	case ITEM_TABLE:
		return sizeof(struct table);
	case ITEM_FIELD:
		return sizeof(struct field);
	default:
		return ITEM_HEAD;
	}
}

size_t
item_size(enum item_kind kind, size_t keylen, size_t vallen)
{
	return head_size(kind) + keylen + vallen;
}

uint8_t *
item_key(const struct item *i)
{
	return (uint8_t *)(uintptr_t)i + head_size(i->kind);
}

struct cache_str
item_value(const struct item *i)
{
	return (struct cache_str){ item_key(i) + i->keylen + 1, i->vallen };
}

/* --- sums --- */

uint64_t
name_bytes(const struct cache *c, const struct item *i)
{
	const struct table	*t = (const struct table *)i;

	return slot_bytes(c, i) + (i->kind == ITEM_TABLE ? t->bytes : 0);
}

void
name_weigh(struct cache *c, struct item *i, int64_t more)
{
	c->used += (uint64_t)more;
	if (i->trial)
		c->trial += (uint64_t)more;
}

void
name_want(struct item *i)
{
	if (i->wanted < WANTED_MAX)
		i->wanted++;
}

int
name_over(const struct cache *c, const struct item *i)
{
	return i->expires != 0 && i->expires <= c->now;
}

void
name_expires(struct cache *c, struct item *i, int64_t when)
{
	i->expires = when;
	name_remind(c, i);
}

void
name_remind(struct cache *c, const struct item *i)
{
	struct unit	*x = &c->unit[unit_of(c, i)];
	uint64_t	 sec = (uint64_t)i->expires / 1000;

	if (i->expires != 0 && sec < x->soonest)
		x->soonest = (uint32_t)sec;
}

/* --- making --- */

static void
item_fill(struct item *i, enum item_kind kind, struct cache_str key,
    struct cache_str val)
{
	memset(i, 0, head_size(kind));
	i->kind = (uint8_t)kind;
	i->keylen = (uint16_t)(key.n - 1);
	i->vallen = (uint32_t)val.n;
	memcpy(item_key(i), key.p, key.n);
	if (val.n > 0)
		memcpy(item_key(i) + key.n, val.p, val.n);
}

/* A name is on trial first. */
static void
name_begin(struct cache *c, struct item *i)
{
	struct table	*t = (struct table *)i;

	if (i->kind == ITEM_TABLE)
		t->id = ++c->last;
	c->stat.entries++;
	i->trial = 1;
	name_weigh(c, i, (int64_t)slot_bytes(c, i));
}

struct item *
item_new(struct cache *c, enum item_kind kind, struct cache_str key,
    uint64_t table, struct cache_str val)
{
	size_t		 size = item_size(kind, key.n, val.n);
	struct item	*i;

	if (size > c->room << c->page >> 1)
		return NULL;
	index_fit(c);
	if ((i = slot_new(c, kind, size, 0)) == NULL)
		return NULL;
	item_fill(i, kind, key, val);
	if (kind == ITEM_FIELD)
		i->table = table;
	else
		name_begin(c, i);
	i->hash = index_hash(c, key, table);
	index_add(c, i);
	return i;
}

struct item *
name_find(struct cache *c, struct cache_str key)
{
	struct item	*i = index_find(c, key, 0);

	if (i == NULL || !name_over(c, i))
		return i;
	c->stat.expired++;
	name_drop(c, i);
	return NULL;
}

/* --- changing --- */

int
item_rewrite(struct cache *c, struct item *i, struct cache_str val)
{
	uint8_t	*p = item_key(i) + i->keylen + 1;

	if (!slot_fit(c, i, item_size(i->kind, i->keylen + 1u, val.n)))
		return 0;
	memcpy(p, val.p, val.n);
	i->vallen = (uint32_t)val.n;
	return 1;
}

/* Takes a place of so many bytes; an eighth more is thought of. */
static struct item *
item_grow(struct cache *c, size_t bytes)
{
	struct item	*to = slot_new(c, c->held[0]->kind, bytes, bytes / 8);
	struct item	*from = c->held[0];

	if (to == NULL)
		return NULL;
	memcpy(to, from, item_size(from->kind, from->keylen + 1u,
	    from->vallen));
	item_moved(c, from, to);
	slot_free(c, from);
	return to;
}

int
item_append(struct cache *c, struct item *i, struct cache_str val)
{
	size_t	size = item_size(i->kind, i->keylen + 1u, i->vallen + val.n);
	size_t	had = slot_bytes(c, i);

	if (size > c->room << c->page >> 1)
		return 0;
	c->held[0] = i;
	if (!slot_fit(c, i, size))
		i = item_grow(c, size);
	else
		i = c->held[0];
	c->held[0] = NULL;
	if (i == NULL)
		return 0;
	memcpy(item_key(i) + i->keylen + 1 + i->vallen, val.p, val.n);
	i->vallen += (uint32_t)val.n;
	name_weigh(c, i, (int64_t)slot_bytes(c, i) - (int64_t)had);
	return 1;
}

void
item_moved(struct cache *c, const struct item *from, struct item *to)
{
	unsigned	k;

	index_move(c, from, to);
	for (k = 0; k < 2; k++)
		if (c->held[k] == from)
			c->held[k] = to;
	links_moved(c, to);
	if (to->kind != ITEM_FIELD)
		name_remind(c, to);
}

void
name_drop(struct cache *c, struct item *i)
{
	if (i->trial)
		c->trial -= name_bytes(c, i);
	c->used -= slot_bytes(c, i);
	if (i->kind == ITEM_TABLE)
		fields_die(c, (struct table *)i);
	c->stat.entries--;
	index_del(c, i);
	slot_free(c, i);
}
