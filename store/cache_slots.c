/*
 * cache_slots.c: where items lie (cache_impl.h): slots of classes of sizes in
 * units, runs of units for what is larger.
 *
 * Invariants: 1. a unit of slots is in the list of its class exactly when it
 * has slots that were given out and came back, and unit.free chains these; 2.
 * what lies behind unit.top was never given out, and only the class's fresh
 * unit gives it out; 3. a unit without items is given back at once, unless it
 * is fresh and untouched.
 *
 * Runs in wharf-store.  Pure memory work.
 */
#include <string.h>

#include "store/cache_impl.h"

#define SLOT_LEAST	32u
#define SLOT_MOST	16384u
#define LOOK		64u	/* units of which the emptiest is moved */
#define AHEAD		8u	/* items that the index is told of before */

static size_t
slot_most(const struct cache *c)
{
	size_t	quarter = (size_t)1 << (c->shift - 2);

	return quarter < SLOT_MOST ? quarter : SLOT_MOST;
}

static unsigned
group(enum item_kind kind)
{
	return kind == ITEM_FIELD ? CLASSES : 0;
}

static void
class_open(struct cache *c, unsigned k, uint32_t size)
{
	struct class	*cl = &c->class[k];

	memset(cl, 0, sizeof(*cl));
	cl->size = size;
	cl->slots = ((uint32_t)1 << c->shift) / size;
	cl->first = cl->last = cl->fresh = NONE;
}

/* Sizes: 8 bytes apart, above 128 eight to a doubling. */
void
slots_open(struct cache *c)
{
	uint32_t	size = SLOT_LEAST, at = 0, top;
	unsigned	k = 0;

	for (; size <= slot_most(c); k++) {
		class_open(c, k, size);
		class_open(c, k + CLASSES, size);
		for (; at <= size / 8; at++)
			c->classof[at] = (uint8_t)k;
		top = (uint32_t)1 << (31 - __builtin_clz(size));
		size += top / 8 < 8 ? 8 : top / 8;
	}
}

/* --- the list of a class --- */

static struct class *
class_of(struct cache *c, uint32_t u)
{
	return &c->class[c->unit[u].class];
}

static void
list_add(struct cache *c, uint32_t u)
{
	struct class	*cl = class_of(c, u);
	struct unit	*x = &c->unit[u];

	x->prev = cl->last;
	x->next = NONE;
	if (cl->last != NONE)
		c->unit[cl->last].next = u;
	else
		cl->first = u;
	cl->last = u;
}

static void
list_del(struct cache *c, uint32_t u)
{
	struct class	*cl = class_of(c, u);
	struct unit	*x = &c->unit[u];

	if (x->prev != NONE)
		c->unit[x->prev].next = x->next;
	else
		cl->first = x->next;
	if (x->next != NONE)
		c->unit[x->next].prev = x->prev;
	else
		cl->last = x->prev;
}

static void
class_free(struct cache *c, unsigned k, int64_t more)
{
	struct class	*cl = &c->class[k];
	uint64_t	 bit = (uint64_t)1 << (k % 64);

	cl->free += (uint64_t)more;
	if (cl->free >= cl->slots)
		c->loose[k / 64] |= bit;
	else
		c->loose[k / 64] &= ~bit;
}

/* --- giving out and taking back --- */

/* A slot that came back; the class has one. */
static struct item *
slot_reuse(struct cache *c, uint32_t u)
{
	struct unit	*x = &c->unit[u];
	struct item	*i = x->free;

	x->free = i->next;
	x->used++;
	if (x->used == x->top)
		list_del(c, u);
	class_free(c, x->class, -1);
	return i;
}

/* One that was never used; NULL: no room. */
static struct item *
slot_fresh(struct cache *c, unsigned k)
{
	struct class	*cl = &c->class[k];
	uint32_t	 u = cl->fresh;
	struct unit	*x;

	if (u == NONE) {
		if ((u = unit_new(c, UNIT_SLOTS)) == NONE)
			return NULL;
		c->unit[u].class = (uint8_t)k;
		cl->fresh = u;
	}
	x = &c->unit[u];
	if (!unit_touch(c, u, (x->top + 1u) * (size_t)cl->size))
		return NULL;
	x->used++;
	if (++x->top == cl->slots)
		cl->fresh = NONE;
	return slot_at(unit_at(c, u), cl, x->top - 1u);
}

static struct item *
run_item(struct cache *c, enum item_kind kind, size_t bytes, size_t spare)
{
	uint32_t	u = run_new(c, bytes, spare);

	if (u == NONE)
		return NULL;
	c->unit[u].class = (uint8_t)group(kind);
	c->unit[u].used = c->unit[u].top = 1;
	return (struct item *)(void *)unit_at(c, u);
}

struct item *
slot_new(struct cache *c, enum item_kind kind, size_t bytes, size_t spare)
{
	unsigned	 k;
	struct item	*i;

	if (bytes > slot_most(c))
		return run_item(c, kind, bytes, spare);
	k = group(kind) + c->classof[(bytes + 7) / 8];
	do {
		if (c->class[k].last != NONE)
			return slot_reuse(c, c->class[k].last);
		if ((i = slot_fresh(c, k)) != NULL)
			return i;
	} while (room_make(c));
	return NULL;
}

/* Its last item is gone; the slots that came back before are in the list. */
static void
slots_end(struct cache *c, uint32_t u)
{
	struct unit	*x = &c->unit[u];
	struct class	*cl = class_of(c, u);

	if (x->top > 1) {
		list_del(c, u);
		class_free(c, x->class, -(int64_t)(x->top - 1));
	}
	if (cl->fresh == u)
		cl->fresh = NONE;
	unit_free(c, u);
}

void
slot_free(struct cache *c, struct item *i)
{
	uint32_t	 u = unit_of(c, i);
	struct unit	*x = &c->unit[u];

	i->kind = ITEM_FREE;
	if (x->kind == UNIT_RUN) {
		unit_free(c, u);
		return;
	}
	if (--x->used == 0) {
		slots_end(c, u);
		return;
	}
	if (x->used + 1 == x->top) {
		x->free = NULL;
		list_add(c, u);
	}
	i->next = x->free;
	x->free = i;
	class_free(c, x->class, 1);
}

int
slot_fit(struct cache *c, struct item *i, size_t bytes)
{
	uint32_t	 u = unit_of(c, i);
	struct unit	*x = &c->unit[u];

	if (x->kind != UNIT_RUN)
		return bytes <= slot_most(c) &&
		    x->class % CLASSES == c->classof[(bytes + 7) / 8];
	if (bytes <= slot_most(c) || bytes > (size_t)x->run << c->shift)
		return 0;
	while (!run_touch(c, u, bytes))
		if (!room_make(c))
			return 0;
	return 1;
}

size_t
slot_bytes(const struct cache *c, const struct item *i)
{
	uint32_t	 u = unit_of(c, i);

	if (c->unit[u].kind == UNIT_RUN)
		return run_bytes(c, u);
	return c->class[c->unit[u].class].size;
}

/* --- compaction --- */

static unsigned
loose_class(const struct cache *c, unsigned units)
{
	unsigned	k, w;
	uint64_t	set;

	for (w = 0; w < 3; w++)
		for (set = c->loose[w]; set != 0; set &= set - 1) {
			k = w * 64 + (unsigned)__builtin_ctzll(set);
			if (c->class[k].free >=
			    (uint64_t)units * c->class[k].slots)
				return k;
		}
	return NONE;
}

/* Of those longest in the list, where the hands have passed. */
static uint32_t
emptiest(const struct cache *c, const struct class *cl)
{
	uint32_t	u, best = cl->first;
	unsigned	n = 0;

	for (u = cl->first; u != NONE && n < LOOK; u = c->unit[u].next, n++)
		if (c->unit[u].used < c->unit[best].used)
			best = u;
	return best;
}

static void
slot_move(struct cache *c, struct item *from)
{
	struct class	*cl = class_of(c, unit_of(c, from));
	struct item	*to = slot_reuse(c, cl->last);

	memcpy(to, from, cl->size);
	item_moved(c, from, to);
}

static void
unit_empty(struct cache *c, uint32_t u)
{
	const struct class	*cl = class_of(c, u);
	uint32_t		 n, top = c->unit[u].top;
	struct item		*i;

	for (n = 0; n < top; n++) {
		i = slot_at(unit_at(c, u), cl, n);
		if (n + AHEAD < top)
			index_expect(c, slot_at(unit_at(c, u), cl, n + AHEAD),
			    slot_at(unit_at(c, u), cl, n + AHEAD / 2));
		if (i->kind != ITEM_FREE)
			slot_move(c, i);
	}
}

/* The others have free slots enough: that is what loose means. */
int
slots_compact(struct cache *c, unsigned units)
{
	unsigned	 k = loose_class(c, units);
	struct class	*cl;
	struct unit	*x;
	uint32_t	 u;

	if (k == NONE)
		return 0;
	cl = &c->class[k];
	u = emptiest(c, cl);
	x = &c->unit[u];
	list_del(c, u);
	class_free(c, k, -(int64_t)(x->top - x->used));
	if (cl->fresh == u)
		cl->fresh = NONE;
	unit_empty(c, u);
	unit_free(c, u);
	return 1;
}
