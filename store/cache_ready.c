/*
 * cache_ready.c: room for large values, made in steps before the command comes
 * (cache.h).  A value of 8 MiB takes the place of 50,000 small ones; to evict
 * them within the put would keep everybody else waiting for 15 to 30 ms.
 *
 * What is replaced counts as room, so that a large value put again and again
 * evicts nobody; it is held meanwhile, for an append needs it still.
 *
 * Runs in wharf-store.  Nothing here can fail.
 */
#include "store/cache_impl.h"

/* The command's item as it will be, and what it has now. */
struct plan {
	struct item	*name, *item;	/* NULL: there is none */
	size_t		 size;
	int		 replaces;	/* what is there goes first */
};

/* It can grow where it lies. */
static int
can_stay(const struct cache *c, const struct item *i, size_t size)
{
	const struct unit	*x = &c->unit[unit_of(c, i)];

	return x->kind == UNIT_RUN && size <= (size_t)x->run << c->shift;
}

/* Bytes of pages that are wanted beside those it has. */
static size_t
plan_wants(const struct cache *c, const struct plan *p)
{
	uint64_t	had = 0;

	if (p->item != NULL && p->replaces)
		had = name_bytes(c, p->item);
	else if (p->item != NULL && can_stay(c, p->item, p->size))
		had = slot_bytes(c, p->item);
	return had < p->size ? p->size - (size_t)had : 0;
}

static int
key_fits(struct cache_str key)
{
	return key.n >= 1 && key.n <= CACHE_KEY_MAX;
}

/* 0: the command will be refused, or needs no plan. */
static int
plan_make(struct cache *c, struct plan *p, struct cache_str tb,
    struct cache_str key, size_t bytes, int append)
{
	int	field = tb.n > 0;

	if (!key_fits(key) || (field && !key_fits(tb)))
		return 0;
	p->name = p->item = name_find(c, field ? tb : key);
	p->replaces = !field && !append;
	if (p->name != NULL && !p->replaces &&
	    (p->name->kind == ITEM_TABLE) != field)
		return 0;
	if (field && p->name != NULL)
		p->item = index_find(c, key, ((struct table *)p->name)->id);
	if (append && p->item != NULL)
		bytes += p->item->vallen;
	p->size = item_size(field ? ITEM_FIELD : ITEM_STRING, key.n, bytes);
	return bytes <= CACHE_VALUE_MAX &&
	    p->size <= c->room << c->page >> 1;
}

int
cache_ready(struct cache *c, int64_t now, struct cache_str tb,
    struct cache_str key, size_t bytes, int append, unsigned n)
{
	struct plan	p;
	size_t		wants;
	int		ready;

	c->now = now;
	if (!plan_make(c, &p, tb, key, bytes, append))
		return 1;
	if ((wants = plan_wants(c, &p)) < CACHE_LARGE)
		return 1;
	c->held[0] = p.name;
	ready = room_for(c, wants, n);
	c->held[0] = NULL;
	return ready;
}
