/*
 * cache.c: begin and end of a cache, its steps and counters, and the commands
 * on names (cache.h).
 *
 * Runs in wharf-store.  A command that finds no room changes nothing, except
 * that a put has evicted what it was to replace.
 */
#include <stdlib.h>
#include <string.h>

#include "store/cache_impl.h"

#define IDLE_DIRTY	64u	/* of the limit: pages kept for the next */

struct cache *
cache_new(size_t limit, uint64_t seed)
{
	struct cache	*c;

	if (limit < CACHE_LEAST || (c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->seed = seed;
	if (!units_open(c, limit)) {
		free(c);
		return NULL;
	}
	slots_open(c);
	if (!index_open(c)) {
		cache_free(c);
		return NULL;
	}
	return c;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	units_close(c);
	free(c);
}

void
cache_stat(const struct cache *c, struct cache_stat *st)
{
	*st = c->stat;
	st->limit = c->limit;
	st->bytes = (c->resident << c->page) + c->tables + sizeof(*c);
	st->used = c->used + c->buckets * sizeof(struct item *);
}

/* What is dirty beyond a little goes back to the system. */
static int
idle_purge(struct cache *c)
{
	return c->dirtypages > c->room / IDLE_DIRTY && units_purge(c);
}

int
cache_step(struct cache *c, int64_t now, unsigned budget)
{
	int	more;

	c->now = now;
	more = dying_step(c, budget);
	more |= reap_step(c, budget);
	more |= slots_compact(c, 2);
	more |= idle_purge(c);
	return more;
}

/* --- commands --- */

static int
key_ok(struct cache_str key)
{
	return key.n >= 1 && key.n <= CACHE_KEY_MAX;
}

static int
value_ok(struct cache_str val)
{
	return val.n >= 1 && val.n <= CACHE_VALUE_MAX;
}

/* Every command begins so. */
static enum err
name_get(struct cache *c, int64_t now, struct cache_str key, struct item **i)
{
	c->now = now;
	*i = NULL;
	if (!key_ok(key))
		return E_PARAM;
	*i = name_find(c, key);
	return *i != NULL ? E_OK : E_NOTFOUND;
}

enum err
cache_exist(struct cache *c, int64_t now, struct cache_str key)
{
	struct item	*i;

	return name_get(c, now, key, &i);
}

enum err
cache_get(struct cache *c, int64_t now, struct cache_str key,
    struct cache_str *val)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);

	if (e == E_NOTFOUND)
		c->stat.misses++;
	if (e != E_OK)
		return e;
	if (i->kind != ITEM_STRING)
		return E_CACHE_TYPE;
	c->stat.hits++;
	name_want(i);
	*val = item_value(i);
	return E_OK;
}

enum err
cache_ttl(struct cache *c, int64_t now, struct cache_str key, int64_t *sec)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);
	int64_t		 left;

	if (e != E_OK)
		return e;
	left = i->expires - now;
	*sec = i->expires == 0 ? -1 : left / 1000 + (left % 1000 >= 500);
	return E_OK;
}

/* What is overwritten keeps its rank. */
static void
rank_keep(struct cache *c, struct item *i, unsigned wanted, int trial)
{
	i->wanted = wanted & WANTED_MAX;
	if (i->trial && !trial) {
		c->trial -= name_bytes(c, i);
		i->trial = 0;
	}
	name_want(i);
}

/* The name is there, and its value takes another place. */
static enum err
put_again(struct cache *c, struct item *i, struct cache_str key,
    struct cache_str val, int64_t when)
{
	unsigned	wanted = i->wanted;
	int		trial = i->trial;

	name_drop(c, i);
	i = item_new(c, ITEM_STRING, key, 0, val);
	if (i == NULL)
		return E_CACHE_TOOBIG;
	rank_keep(c, i, wanted, trial);
	name_expires(c, i, when);
	return E_OK;
}

static enum err
put_new(struct cache *c, struct cache_str key, struct cache_str val,
    int64_t when)
{
	struct item	*i = item_new(c, ITEM_STRING, key, 0, val);

	if (i == NULL)
		return E_CACHE_TOOBIG;
	name_expires(c, i, when);
	return E_OK;
}

static enum err
put_over(struct cache *c, struct item *i, struct cache_str key,
    struct cache_str val, int64_t when)
{
	size_t	had = slot_bytes(c, i);
	int	done;

	if (i->kind != ITEM_STRING)
		return put_again(c, i, key, val, when);
	c->held[0] = i;
	done = item_rewrite(c, i, val);
	c->held[0] = NULL;
	if (!done)
		return put_again(c, i, key, val, when);
	name_weigh(c, i, (int64_t)slot_bytes(c, i) - (int64_t)had);
	name_want(i);
	name_expires(c, i, when);
	return E_OK;
}

static int
fits(const struct cache *c, enum item_kind kind, struct cache_str key,
    size_t vallen)
{
	return item_size(kind, key.n, vallen) <= c->room << c->page >> 1;
}

enum err
cache_put(struct cache *c, int64_t now, struct cache_str key,
    struct cache_str val, int64_t ttl)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);
	int64_t		 when;

	if (e == E_PARAM)
		return e;
	if (!value_ok(val))
		return E_CACHE_VALUE;
	if (ttl < 0 || ttl > INT64_MAX - now)
		return E_CACHE_NUMBER;
	if (!fits(c, ITEM_STRING, key, val.n))
		return E_CACHE_TOOBIG;
	when = ttl == 0 ? 0 : now + ttl;
	return i == NULL ? put_new(c, key, val, when) :
	    put_over(c, i, key, val, when);
}

enum err
cache_append(struct cache *c, int64_t now, struct cache_str key,
    struct cache_str val)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);

	if (e == E_PARAM)
		return e;
	if (!value_ok(val))
		return E_CACHE_VALUE;
	if (i == NULL)
		return put_new(c, key, val, 0);
	if (i->kind != ITEM_STRING)
		return E_CACHE_TYPE;
	if (i->vallen + val.n > CACHE_VALUE_MAX)
		return E_CACHE_TOOBIG;
	name_want(i);
	return item_append(c, i, val) ? E_OK : E_CACHE_TOOBIG;
}

enum err
cache_del(struct cache *c, int64_t now, struct cache_str key)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);

	if (e == E_OK)
		name_drop(c, i);
	return e;
}

enum err
cache_expire(struct cache *c, int64_t now, struct cache_str key, int64_t ttl)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);

	if (e != E_OK)
		return e;
	if (ttl <= 0 || ttl > INT64_MAX - now)
		return E_CACHE_NUMBER;
	name_expires(c, i, now + ttl);
	return E_OK;
}

enum err
cache_persist(struct cache *c, int64_t now, struct cache_str key)
{
	struct item	*i;
	enum err	 e = name_get(c, now, key, &i);

	if (e != E_OK)
		return e;
	if (i->expires == 0)
		return E_NOTFOUND;
	name_expires(c, i, 0);
	return E_OK;
}
