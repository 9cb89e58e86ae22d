/*
 * catalogue.c: the table of tables: how a store holds a name and lets go of it,
 * and how a conflict is settled.  Runs in the stores; catalogue_map.c makes and
 * maps the memory, catalogue_read.c reads it.  The invariants stand in
 * catalogue_impl.h.
 *
 * A store may be stopped or killed at any instruction; nothing here is fatal.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "proto/clock.h"
#include "supervisor/catalogue_impl.h"

#define NAP_NS	200000

/* Type, and the store as the only holder, of the generation after w's. */
static uint64_t
word_next(uint64_t w, const struct claim *k)
{
	return ((w >> GEN_SHIFT) + 1) << GEN_SHIFT |
	    (uint64_t)k->type << TYPE_SHIFT | UINT64_C(1) << k->store;
}

/* Raises a mark that only grows. */
static void
mark_raise(_Atomic uint32_t *mark, uint32_t to)
{
	uint32_t	now = atomic_load(mark);

	while (now < to && !atomic_compare_exchange_weak(mark, &now, to))
		;
}

/* The lock */

/* At first a turn for the others, then the time that a nice one needs. */
static void
lock_wait(int64_t waited)
{
	const struct timespec	nap = { .tv_nsec = NAP_NS };

	if (waited < CATALOGUE_YIELD_US)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

/* Who was waited for in vain is not waited for again: he may be stopped. */
static int
lock_take(struct catalogue *c, uint32_t inc)
{
	mono_t		began = mono_now();
	uint32_t	holder;
	int64_t		waited;

	/* One wait may take longer than all of them: look once more after it. */
	for (;;) {
		holder = 0;
		if (atomic_compare_exchange_strong(&c->h->lock, &holder, inc)) {
			c->stuck = 0;
			return 1;
		}
		waited = mono_diff(began, mono_now());
		if (holder == c->stuck || waited >= CATALOGUE_WAIT_US) {
			c->stuck = holder;
			return 0;
		}
		lock_wait(waited);
	}
}

static void
lock_drop(struct catalogue *c)
{
	atomic_store(&c->h->lock, 0);
}

void
catalogue_dead(struct catalogue *c, uint32_t inc)
{
	atomic_compare_exchange_strong(&c->h->lock, &inc, 0);
}

/* Entries */

static void
cell_empty(struct catalogue *c, unsigned store, uint32_t e)
{
	static const struct table_sum	none;

	cell_put(&c->h->cell[store][e], &none);
}

/* For catalogue_hold and _settle; E_OK or E_PARAM. */
static enum err
claim_make(const struct catalogue *c, struct claim *k, unsigned store,
    uint32_t inc, uint8_t type, const void *name, size_t len, uint64_t stamp)
{
	static const char	 types[] = TYPES;
	const char		*t = strchr(types + 1, type);

	if (!claim_name(c, k, name, len) || type == 0 || t == NULL)
		return E_PARAM;
	k->store = store;
	k->inc = inc;
	k->type = (unsigned)(t - types);
	k->stamp = stamp;
	return E_OK;
}

static void
stamp_lower(struct entry *p, uint64_t stamp)
{
	uint64_t	now = atomic_load(&p->stamp);

	while (stamp < now &&
	    !atomic_compare_exchange_weak(&p->stamp, &now, stamp))
		;
}

/* Under the lock, when nobody holds the name: E_OK or E_TABLES. */
static enum err
entry_new(struct catalogue *c, const struct claim *k, uint32_t *entry)
{
	uint32_t	 i, e, most = k->force ? CATALOGUE_MOST : c->limit;
	struct entry	*p;
	unsigned	 j;

	for (i = 0; i < most; i++) {
		e = entry_place(c, k, i);
		if ((atomic_load(&c->h->word[e]) & HOLDERS) == 0)
			break;
	}
	if (i == most)
		return E_TABLES;
	p = &c->h->entry[e];
	atomic_store(&c->h->tag[e], k->tag);
	for (j = 0; j < NAME_WORDS; j++)
		atomic_store(&p->name[j], k->name[j]);
	atomic_store(&p->stamp, k->stamp);
	mark_raise(&c->h->reach, i + 1);
	mark_raise(&c->h->top, e + 1);
	cell_empty(c, k->store, e);
	atomic_store(&c->h->word[e],
	    word_next(atomic_load(&c->h->word[e]), k));
	c->mine[e] = 1;
	*entry = e;
	return E_OK;
}

/*
 * Adds the store to the holders of a name that was found held, with word w.
 * E_STALE: look for it again.
 */
static enum err
entry_join(struct catalogue *c, const struct claim *k, uint32_t e, uint64_t w,
    uint32_t *entry)
{
	uint64_t	bit = UINT64_C(1) << k->store;

	if (word_type(w) != k->type) {
		if ((w & HOLDERS) != bit || c->mine[e])
			return E_TYPE;
		/* Only an earlier incarnation of this store has it. */
		catalogue_drop(c, k->store, e);
		return E_STALE;
	}
	if ((w & bit) == 0) {
		cell_empty(c, k->store, e);
		if (!atomic_compare_exchange_strong(&c->h->word[e], &w,
		    w | bit))
			return E_STALE;
		if (!entry_is(c, e, k)) {
			catalogue_drop(c, k->store, e);
			return E_STALE;
		}
	}
	stamp_lower(&c->h->entry[e], k->stamp);
	c->mine[e] = 1;
	*entry = e;
	return E_OK;
}

/* A name that nobody seems to hold.  E_STALE: somebody does by now. */
static enum err
entry_bring(struct catalogue *c, const struct claim *k, uint32_t *entry)
{
	uint64_t	w;
	enum err	err = E_STALE;

	if (!k->force && !catalogue_complete(c))
		return E_NOTREADY;
	if (!lock_take(c, k->inc))
		return E_AGAIN;
	if (entry_find(c, k, &w) == NO_ENTRY)
		err = entry_new(c, k, entry);
	lock_drop(c);
	return err;
}

/* Holding */

enum err
catalogue_hold(struct catalogue *c, unsigned store, uint32_t inc,
    uint8_t type, const void *name, size_t len, uint64_t stamp, int force,
    unsigned *entry)
{
	struct claim	k;
	uint64_t	w = 0;
	uint32_t	e;
	enum err	err;

	err = claim_make(c, &k, store, inc, type, name, len, stamp);
	if (err != E_OK)
		return err;
	k.force = force;
	do {
		e = entry_find(c, &k, &w);
		err = e == NO_ENTRY ? entry_bring(c, &k, entry) :
		    entry_join(c, &k, e, w, entry);
	} while (err == E_STALE);
	return err;
}

void
catalogue_drop(struct catalogue *c, unsigned store, unsigned entry)
{
	uint64_t	bit = UINT64_C(1) << store;

	c->mine[entry] = 0;
	if ((atomic_load(&c->h->word[entry]) & bit) == 0)
		return;
	cell_empty(c, store, entry);
	atomic_fetch_and(&c->h->word[entry], ~bit);
}

void
catalogue_set(struct catalogue *c, unsigned store, unsigned entry,
    const struct table_sum *s)
{
	cell_put(&c->h->cell[store][entry], s);
}

void
catalogue_set_keys(struct catalogue *c, unsigned store,
    const struct table_sum *s)
{
	cell_put(&c->h->keys[store], s);
}

/* Starting */

void
catalogue_begin(struct catalogue *c, unsigned store)
{
	(void)store;
	memset(c->mine, 0, sizeof(c->mine));
}

void
catalogue_filled(struct catalogue *c, unsigned store)
{
	unsigned	i, top = catalogue_names(c);

	for (i = 0; i < top; i++)
		if (!c->mine[i])
			catalogue_drop(c, store, i);
	atomic_fetch_or(&c->h->filled, UINT64_C(1) << store);
}

int
catalogue_complete(const struct catalogue *c)
{
	uint64_t	all = HOLDERS >> (CATALOGUE_STORES - c->stores);

	return atomic_load(&c->h->filled) == all;
}

/* Under the lock.  E_STALE: again. */
static enum err
entry_settle(struct catalogue *c, const struct claim *k, uint32_t *entry)
{
	uint64_t	 w = 0;
	uint32_t	 e = entry_find(c, k, &w);

	if (e == NO_ENTRY)
		return entry_new(c, k, entry);
	if (word_type(w) == k->type ||
	    k->stamp >= atomic_load(&c->h->entry[e].stamp))
		return entry_join(c, k, e, w, entry);
	cell_empty(c, k->store, e);
	if (!atomic_compare_exchange_strong(&c->h->word[e], &w,
	    word_next(w, k)))
		return E_STALE;
	/* Killed before this: the next incarnation joins with the stamp. */
	atomic_store(&c->h->entry[e].stamp, k->stamp);
	c->mine[e] = 1;
	*entry = e;
	return E_OK;
}

enum err
catalogue_settle(struct catalogue *c, unsigned store, uint32_t inc,
    uint8_t type, const void *name, size_t len, uint64_t stamp,
    unsigned *entry)
{
	struct claim	k;
	enum err	err;

	err = claim_make(c, &k, store, inc, type, name, len, stamp);
	if (err != E_OK)
		return err;
	k.force = 1;
	if (!lock_take(c, inc))
		return E_AGAIN;
	do
		err = entry_settle(c, &k, entry);
	while (err == E_STALE);
	lock_drop(c);
	return err;
}
