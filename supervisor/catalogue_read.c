/*
 * catalogue_read.c: finding a name in the table of tables, and what its holders
 * say of it.  Takes no lock and waits for nobody: see catalogue_impl.h for what
 * makes that right.  Also the writing of a cell, which is how it is read.
 */
#include <string.h>

#include "supervisor/catalogue_impl.h"

/* Cells */

void
cell_put(struct cell *p, const struct table_sum *s)
{
	uint64_t	turn = atomic_load_explicit(&p->turn,
			    memory_order_relaxed) + 1;
	unsigned	i = turn & 1;

	atomic_store_explicit(&p->sum[i].count, s->count,
	    memory_order_release);
	atomic_store_explicit(&p->sum[i].size, s->size, memory_order_release);
	atomic_store_explicit(&p->sum[i].capacity, s->capacity,
	    memory_order_release);
	atomic_store_explicit(&p->turn, turn, memory_order_release);
}

static void
cell_get(const struct cell *p, struct table_sum *s)
{
	uint64_t	turn, now;
	unsigned	i;

	now = atomic_load_explicit(&p->turn, memory_order_acquire);
	do {
		turn = now;
		i = turn & 1;
		s->count = atomic_load_explicit(&p->sum[i].count,
		    memory_order_acquire);
		s->size = atomic_load_explicit(&p->sum[i].size,
		    memory_order_acquire);
		s->capacity = atomic_load_explicit(&p->sum[i].capacity,
		    memory_order_acquire);
		now = atomic_load_explicit(&p->turn, memory_order_acquire);
	} while (now != turn);
}

void
catalogue_get(const struct catalogue *c, unsigned store, unsigned entry,
    struct table_sum *s)
{
	cell_get(entry == CATALOGUE_KEYS ? &c->h->keys[store] :
	    &c->h->cell[store][entry], s);
}

static void
sum_add(struct table_sum *to, const struct cell *p)
{
	struct table_sum	s;

	cell_get(p, &s);
	table_sum_add(to, &s);
}

/* What the holders in w say about entry e. */
static void
sum_of_holders(const struct catalogue *c, uint32_t e, uint64_t w,
    struct table_sum *s)
{
	unsigned	i;

	for (i = 0; i < c->stores; i++)
		if ((w >> i & 1) != 0)
			sum_add(s, &c->h->cell[i][e]);
}

/* Names */

/* FNV-1a, then mixed, for its low bits say where the entry stands. */
static uint64_t
name_hash(const uint8_t *p, size_t len)
{
	uint64_t	h = UINT64_C(0xcbf29ce484222325);

	while (len-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

int
claim_name(const struct catalogue *c, struct claim *k, const void *name,
    size_t len)
{
	uint64_t	hash;

	memset(k, 0, sizeof(*k));
	if (len == 0 || len > CATALOGUE_NAME)
		return 0;
	memcpy(k->name, name, len);
	hash = name_hash(name, len);
	k->home = (uint32_t)(hash % c->limit);
	k->tag = (hash & ~UINT64_C(0xff)) | len;
	return 1;
}

int
entry_is(const struct catalogue *c, uint32_t e, const struct claim *k)
{
	unsigned	i;

	if (atomic_load(&c->h->tag[e]) != k->tag)
		return 0;
	for (i = 0; i < NAME_WORDS; i++)
		if (atomic_load(&c->h->entry[e].name[i]) != k->name[i])
			return 0;
	return 1;
}

uint32_t
entry_place(const struct catalogue *c, const struct claim *k, uint32_t i)
{
	if (i >= c->limit)
		return i;
	return i < c->limit - k->home ? k->home + i : k->home + i - c->limit;
}

/* Is this the entry of the name, and held?  Then *word is its word. */
static int
entry_holds(const struct catalogue *c, uint32_t e, const struct claim *k,
    uint64_t *word)
{
	uint64_t	w;

	*word = atomic_load(&c->h->word[e]);
	do {
		w = *word;
		if ((w & HOLDERS) == 0 || !entry_is(c, e, k))
			return 0;
		*word = atomic_load(&c->h->word[e]);
	} while (!word_same(w, *word));
	return 1;
}

uint32_t
entry_find(const struct catalogue *c, const struct claim *k, uint64_t *word)
{
	uint32_t	i, e, reach = mark_read(&c->h->reach);

	for (i = 0; i < reach; i++) {
		e = entry_place(c, k, i);
		if (atomic_load(&c->h->tag[e]) == k->tag &&
		    entry_holds(c, e, k, word))
			return e;
	}
	return NO_ENTRY;
}

/* Reading */

int
catalogue_row(const struct catalogue *c, unsigned i, struct catalogue_row *r)
{
	const struct entry	*p = &c->h->entry[i];
	uint64_t		 w, len, name[NAME_WORDS];
	unsigned		 j;

	do {
		w = atomic_load(&c->h->word[i]);
		if ((w & HOLDERS) == 0)
			return 0;
		memset(r, 0, sizeof(*r));
		for (j = 0; j < NAME_WORDS; j++)
			name[j] = atomic_load(&p->name[j]);
		len = atomic_load(&c->h->tag[i]) & 0xff;
		sum_of_holders(c, i, w, &r->sum);
	} while (!word_same(w, atomic_load(&c->h->word[i])));
	r->type = (uint8_t)TYPES[word_type(w)];
	r->len = (uint8_t)(len < CATALOGUE_NAME ? len : CATALOGUE_NAME);
	memcpy(r->name, name, CATALOGUE_NAME);
	return 1;
}

enum err
catalogue_find(const struct catalogue *c, const void *name, size_t len,
    struct catalogue_row *r)
{
	struct claim	k;
	uint64_t	w;
	uint32_t	e;

	if (!claim_name(c, &k, name, len))
		return E_TYPE;
	do {
		if ((e = entry_find(c, &k, &w)) == NO_ENTRY)
			return catalogue_complete(c) ? E_TYPE : E_NOTREADY;
	} while (!catalogue_row(c, e, r) || r->len != len ||
	    memcmp(r->name, name, len) != 0);
	return E_OK;
}

uint8_t
catalogue_type(const struct catalogue *c, unsigned store, unsigned entry)
{
	uint64_t	w = atomic_load(&c->h->word[entry]);

	return (w >> store & 1) != 0 ? (uint8_t)TYPES[word_type(w)] : 0;
}

void
catalogue_keys(const struct catalogue *c, struct table_sum *keys)
{
	unsigned	i;

	memset(keys, 0, sizeof(*keys));
	for (i = 0; i < c->stores; i++)
		sum_add(keys, &c->h->keys[i]);
}

void
catalogue_totals(const struct catalogue *c, struct table_sum *keys,
    struct table_sum *hashes)
{
	unsigned	i, top = catalogue_names(c);
	uint64_t	w;

	catalogue_keys(c, keys);
	memset(hashes, 0, sizeof(*hashes));
	for (i = 0; i < top; i++) {
		w = atomic_load(&c->h->word[i]);
		if (TYPES[word_type(w)] == 'H')
			sum_of_holders(c, i, w, hashes);
	}
}
