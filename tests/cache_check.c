/*
 * cache_check.c: the invariants of cache_impl.h, each counted anew.
 */
#include "store/cache_impl.h"
#include "tests/cache_check.h"

#define NO(cond, what) do { if (cond) return what; } while (0)

struct sums {
	uint64_t	resident, dirty, free[2 * CLASSES];
	uint64_t	names, fields, used, trial, lists, dying;
};

static int
bit(const uint64_t *set, uint32_t u)
{
	return set[u / 64] >> (u % 64) & 1;
}

static struct item *
item_at(struct cache *c, uint32_t u, uint32_t n)
{
	size_t	size = c->unit[u].kind == UNIT_RUN ? 0 :
		    c->class[c->unit[u].class].size;

	return (struct item *)(void *)(unit_at(c, u) + n * size);
}

static const char *
check_fields(struct cache *c, struct table *t, struct sums *s)
{
	uintptr_t	 end = (uintptr_t)t | 1, before = end;
	uintptr_t	 p = t->first == NULL ? end : (uintptr_t)t->first;
	uint64_t	 n = 0, bytes = 0;
	struct field	*f;

	for (; p != end; before = p, p = f->after, n++) {
		NO(p & 1, "a list of fields ends at another hash");
		f = (struct field *)p;
		NO(f->i.kind != ITEM_FIELD, "no field in a list of fields");
		NO(f->i.table != t->id, "a field of another hash");
		NO(f->before != before, "what is before a field");
		bytes += slot_bytes(c, &f->i);
	}
	NO(n != 0 && (uintptr_t)t->last != before, "the last field");
	NO(n == 0, "an empty hash");
	NO(n != t->count || bytes != t->bytes, "sums of a hash");
	s->lists += n;
	return NULL;
}

static const char *
check_item(struct cache *c, struct item *i, struct sums *s)
{
	struct cache_str	key = { item_key(i), i->keylen + 1u };

	NO(index_find(c, key, i->kind == ITEM_FIELD ? i->table : 0) != i,
	    "an item is not in the index");
	NO(i->kind != ITEM_FIELD && i->expires != 0 &&
	    c->unit[unit_of(c, i)].soonest > i->expires / 1000 &&
	    (c->reaper.unit != unit_of(c, i) || c->reaper.slot == 0),
	    "a unit says that nothing in it expires");
	s->used += slot_bytes(c, i);
	if (i->kind == ITEM_FIELD) {
		s->fields++;
		return NULL;
	}
	s->names++;
	if (i->trial)
		s->trial += name_bytes(c, i);
	return i->kind == ITEM_TABLE ?
	    check_fields(c, (struct table *)i, s) : NULL;
}

static const char *
check_slots(struct cache *c, uint32_t u, struct sums *s)
{
	struct unit	*x = &c->unit[u];
	const char	*bad;
	struct item	*i;
	uint32_t	 n, used = 0, came = 0;

	for (n = 0; n < x->top; n++) {
		i = item_at(c, u, n);
		if (i->kind == ITEM_FREE)
			continue;
		used++;
		NO((i->kind == ITEM_FIELD) != (x->class >= CLASSES),
		    "names and fields in one unit");
		if ((bad = check_item(c, i, s)) != NULL)
			return bad;
	}
	NO(used != x->used, "slots used in a unit");
	if (x->kind == UNIT_RUN)
		return NULL;
	if (used < x->top)
		for (i = x->free; i != NULL && came <= x->top; i = i->next)
			came++;
	NO(used + came != x->top, "free slots of a unit");
	NO(used == 0 && x->top != 0, "an empty unit");
	s->free[x->class] += came;
	return NULL;
}

static const char *
check_units(struct cache *c, struct sums *s)
{
	const char	*bad;
	uint32_t	 u;

	for (u = 0; u < c->units; u++) {
		s->resident += c->unit[u].resident;
		NO(bit(c->taken, u) == (c->unit[u].kind == UNIT_FREE),
		    "taken and free");
		NO(u >= c->end && bit(c->taken, u), "a unit behind the end");
		if (c->unit[u].kind == UNIT_FREE) {
			NO(bit(c->dirty, u) != (c->unit[u].resident > 0),
			    "dirty");
			s->dirty += c->unit[u].resident;
			continue;
		}
		NO(bit(c->dirty, u), "taken and dirty");
		if (c->unit[u].kind != UNIT_INDEX &&
		    (bad = check_slots(c, u, s)) != NULL)
			return bad;
	}
	return NULL;
}

static const char *
check_classes(struct cache *c, const struct sums *s)
{
	unsigned	k;
	uint64_t	n;
	uint32_t	u;

	for (k = 0; k < 2 * CLASSES; k++) {
		n = 0;
		if (c->class[k].size == 0)
			continue;
		for (u = c->class[k].first; u != NONE; u = c->unit[u].next)
			n += (uint64_t)c->unit[u].top - c->unit[u].used;
		NO(n != s->free[k] || n != c->class[k].free,
		    "free slots of a class");
		NO((n >= c->class[k].slots) != (c->loose[k / 64] >> k % 64 & 1),
		    "loose classes");
	}
	return NULL;
}

const char *
cache_check(struct cache *c)
{
	struct sums	 s = { 0 };
	const char	*bad;
	struct field	*f;

	if ((bad = check_units(c, &s)) != NULL ||
	    (bad = check_classes(c, &s)) != NULL)
		return bad;
	for (f = c->dying; f != NULL; s.dying++)
		f = f->after & 1 ? NULL : (struct field *)f->after;
	NO(s.resident != c->resident || s.dirty != c->dirtypages, "pages");
	NO(c->resident > c->room, "more than the room is resident");
	NO(s.names + s.fields != c->items, "items in the index");
	NO(s.names != c->stat.entries, "entries");
	NO(s.lists != c->stat.fields || s.lists + s.dying != s.fields,
	    "fields");
	NO(s.used != c->used || s.trial != c->trial, "bytes used, on trial");
	NO(c->held[0] != NULL || c->held[1] != NULL, "something is held");
	return NULL;
}
