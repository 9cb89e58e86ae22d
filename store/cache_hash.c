/*
 * cache_hash.c: the commands on fields of hashes (cache.h).
 *
 * While a field is written its hash is held, for room may have to be made
 * (INVARIANT 2 of cache_impl.h).
 *
 * Runs in wharf-store.
 */
#include "store/cache_impl.h"

static int
name_ok(struct cache_str s)
{
	return s.n >= 1 && s.n <= CACHE_KEY_MAX;
}

/* The hash; E_OK with *t NULL: there is none. */
static enum err
hash_get(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct table **t)
{
	struct item	*i;

	c->now = now;
	*t = NULL;
	if (!name_ok(tb) || !name_ok(field))
		return E_PARAM;
	if ((i = name_find(c, tb)) == NULL)
		return E_OK;
	if (i->kind != ITEM_TABLE)
		return E_CACHE_TYPE;
	*t = (struct table *)i;
	return E_OK;
}

/* The hash and the field, or why not. */
static enum err
field_get(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct table **t, struct field **f)
{
	enum err	e = hash_get(c, now, tb, field, t);

	*f = NULL;
	if (e != E_OK)
		return e;
	if (*t != NULL)
		*f = (struct field *)index_find(c, field, (*t)->id);
	return *f != NULL ? E_OK : E_NOTFOUND;
}

enum err
cache_hexist(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field)
{
	struct table	*t;
	struct field	*f;

	return field_get(c, now, tb, field, &t, &f);
}

enum err
cache_hget(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct cache_str *val)
{
	struct table	*t;
	struct field	*f;
	enum err	 e = field_get(c, now, tb, field, &t, &f);

	if (t != NULL)
		name_want(&t->i);
	if (e == E_NOTFOUND)
		c->stat.misses++;
	if (e != E_OK)
		return e;
	c->stat.hits++;
	*val = item_value(&f->i);
	return E_OK;
}

enum err
cache_hdel(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field)
{
	struct table	*t;
	struct field	*f;
	enum err	 e = field_get(c, now, tb, field, &t, &f);

	if (e != E_OK)
		return e;
	name_want(&t->i);
	field_drop(c, t, f);
	if (t->count == 0)
		name_drop(c, &t->i);
	return E_OK;
}

/* --- writing --- */

static struct table *
held_table(const struct cache *c)
{
	return (struct table *)c->held[0];
}

/* In the place where it is; 0: it must have another one. */
static int
field_rewrite(struct cache *c, struct field *f, struct cache_str val)
{
	size_t	had = slot_bytes(c, &f->i);
	int64_t	more;

	c->held[1] = &f->i;
	if (!item_rewrite(c, &f->i, val))
		return 0;
	more = (int64_t)slot_bytes(c, &f->i) - (int64_t)had;
	held_table(c)->bytes += (uint64_t)more;
	name_weigh(c, c->held[0], more);
	return 1;
}

/* The old one goes when there is room for the new one. */
static enum err
field_write(struct cache *c, struct cache_str field, struct cache_str val)
{
	uint64_t	 id = held_table(c)->id;
	struct item	*old = index_find(c, field, id), *i;

	if (old != NULL && field_rewrite(c, (struct field *)old, val))
		return E_OK;
	c->held[1] = old;
	i = item_new(c, ITEM_FIELD, field, id, val);
	if (i == NULL)
		return E_CACHE_TOOBIG;
	if (c->held[1] != NULL)
		field_drop(c, held_table(c), (struct field *)c->held[1]);
	field_link(c, held_table(c), (struct field *)i);
	return E_OK;
}

/* A hash that is empty only while it is held. */
static struct table *
hash_new(struct cache *c, struct cache_str tb)
{
	return (struct table *)item_new(c, ITEM_TABLE, tb, 0,
	    (struct cache_str){ NULL, 0 });
}

static enum err
hash_set(struct cache *c, struct table *t, struct cache_str tb,
    struct cache_str field, struct cache_str val)
{
	enum err	e;

	if (item_size(ITEM_FIELD, field.n, val.n) > c->room << c->page >> 1)
		return E_CACHE_TOOBIG;
	if (t != NULL)
		name_want(&t->i);
	else if ((t = hash_new(c, tb)) == NULL)
		return E_CACHE_TOOBIG;
	c->held[0] = &t->i;
	e = field_write(c, field, val);
	t = held_table(c);
	c->held[0] = c->held[1] = NULL;
	if (t->count == 0)
		name_drop(c, &t->i);
	return e;
}

enum err
cache_hset(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct cache_str val)
{
	struct table	*t;
	enum err	 e = hash_get(c, now, tb, field, &t);

	if (e != E_OK)
		return e;
	if (val.n < 1 || val.n > CACHE_VALUE_MAX)
		return E_CACHE_VALUE;
	return hash_set(c, t, tb, field, val);
}

/* --- numbers --- */

/* Stores the sum and shows it as it was stored. */
static enum err
sum_set(struct cache *c, struct table *t, struct cache_str tb,
    struct cache_str field, const char *text, size_t n, struct cache_str *val)
{
	struct cache_str	sum = { (const uint8_t *)text, n };
	enum err		e = hash_set(c, t, tb, field, sum);
	struct item		*i;

	if (e != E_OK)
		return e;
	i = name_find(c, tb);
	i = index_find(c, field, ((struct table *)i)->id);
	*val = item_value(i);
	return E_OK;
}

enum err
cache_hincrby(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct cache_str by, struct cache_str *val)
{
	struct table	*t;
	struct field	*f;
	enum err	 e = field_get(c, now, tb, field, &t, &f);
	int64_t		 n = 0, more;
	char		 text[CACHE_NUMBER];

	if (e != E_OK && e != E_NOTFOUND)
		return e;
	if (cache_number(by, &more) != E_OK ||
	    (f != NULL && cache_number(item_value(&f->i), &n) != E_OK) ||
	    __builtin_add_overflow(n, more, &n))
		return E_CACHE_NUMBER;
	return sum_set(c, t, tb, field, text, cache_number_text(text, n), val);
}

enum err
cache_hincrbyfloat(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str field, struct cache_str by, struct cache_str *val)
{
	struct table	*t;
	struct field	*f;
	enum err	 e = field_get(c, now, tb, field, &t, &f);
	long double	 n = 0, more;
	char		 text[CACHE_REAL];
	size_t		 len;

	if (e != E_OK && e != E_NOTFOUND)
		return e;
	if (cache_real(by, &more) != E_OK ||
	    (f != NULL && cache_real(item_value(&f->i), &n) != E_OK) ||
	    (len = cache_real_text(text, n + more)) == 0)
		return E_CACHE_NUMBER;
	return sum_set(c, t, tb, field, text, len, val);
}
