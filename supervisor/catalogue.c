/*
 * catalogue.c: the table of tables in one shared memfd; see catalogue.h.  Runs
 * in wharfd, which makes it, and in the stores.  A store may be stopped or
 * killed at any instruction; nothing here is fatal.
 *
 * The memory: a head, then CATALOGUE_MOST words, as many tags, as many entries
 * (stamp, name), then for each store as many cells.  The word of an entry is
 *	bits 0..47 a bit for each store that holds the name, 48..49 the type,
 *	50..63 generation of the name.
 *
 * Invariants:
 * 1. An entry whose word has no holder is free: what its name says means
 *    nothing, half-written or not.  Every other entry has its full name.
 * 2. The bit of a store is set by that store alone, and taken away by it, or
 *    by who settles a conflict.  Setting it first empties the store's cell;
 *    a cell counts only while the bit is set.
 * 3. A free entry gets a name and its first holder under the lock only, the
 *    word last, after it was seen under the lock that no entry has the name.
 *    So a name is held at one place at most, and has one type.
 * 4. Bringing a name in changes the generation, and so does settling it.
 *    Whoever sees an entry held twice with the same generation has seen one
 *    name in between.  The generation goes round after 16384 names, so who
 *    sets its bit compares the name once more: while the bit is set it stays.
 * 5. Under the lock nothing is written that is wrong when it ends there:
 *    breaking the lock is all that has to be done for the dead.
 *
 * Finding: an entry stands where the hash of its name says or up to `reach'
 * places behind it.  Reach only grows, and before the entry's word is written.
 * Entries from the limit of names on are for what starting stores bring in.
 *
 * A cell has two sums, and a turn that says which of them counts: the store
 * writes the other one and then takes the turn on.  A reader that finds the
 * same turn afterwards has read one that was not being written.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/clock.h"
#include "supervisor/catalogue.h"

#define MAGIC		0x31544357u	/* "WCT1" */
#define SEALS		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define NAME_WORDS	(CATALOGUE_NAME / 8)
#define NO_ENTRY	UINT32_MAX

#define HOLDERS		((UINT64_C(1) << CATALOGUE_STORES) - 1)
#define TYPE_SHIFT	48
#define GEN_SHIFT	50

static const char	types[] = " HSZ";	/* by the bits of the word */

struct cell {
	_Alignas(64) _Atomic uint64_t	turn;
	struct {
		_Atomic int64_t		count, size, capacity;
	} sum[2];
};

struct entry {
	_Atomic uint64_t	stamp;		/* oldest claim of a holder */
	_Atomic uint64_t	name[NAME_WORDS];	/* padded with zeros */
};

struct head {
	uint32_t		magic, stores, limit, most;
	_Alignas(64) _Atomic uint32_t	lock;	/* incarnation, 0 free */
	_Atomic uint32_t	reach, top;	/* top: catalogue_names() */
	_Atomic uint64_t	filled;		/* a bit for each store */
	struct cell		keys[CATALOGUE_STORES];
	_Alignas(64) _Atomic uint64_t	word[CATALOGUE_MOST];
	/* Hash of the name and its length, close together to be looked through. */
	_Atomic uint64_t	tag[CATALOGUE_MOST];
	struct entry		entry[CATALOGUE_MOST];
	_Alignas(4096) struct cell	cell[][CATALOGUE_MOST];
};

struct catalogue {
	struct head	*h;
	size_t		 size;
	uint32_t	 stores, limit;		/* as they were mapped */
	unsigned	 conflicts;
	uint8_t		 mine[CATALOGUE_MOST];	/* held since begin */
};

/* A name as it is looked for, and who wants it. */
struct claim {
	uint64_t	 name[NAME_WORDS];
	uint64_t	 tag, stamp;
	uint32_t	 home;		/* where it would stand */
	unsigned	 store, type;
	uint32_t	 inc;
	int		 force;
};

static unsigned
word_type(uint64_t w)
{
	return w >> TYPE_SHIFT & 3;
}

/* Type, and the store as the only holder, of the generation after w's. */
static uint64_t
word_next(uint64_t w, const struct claim *k)
{
	return ((w >> GEN_SHIFT) + 1) << GEN_SHIFT |
	    (uint64_t)k->type << TYPE_SHIFT | UINT64_C(1) << k->store;
}

/* Seen one after the other: the name has been the same in between. */
static int
word_same(uint64_t a, uint64_t b)
{
	return (a & HOLDERS) != 0 && (b & HOLDERS) != 0 &&
	    a >> GEN_SHIFT == b >> GEN_SHIFT;
}

/* Making and mapping */

static size_t
catalogue_size(unsigned stores)
{
	return sizeof(struct head) +
	    (size_t)stores * CATALOGUE_MOST * sizeof(struct cell);
}

static int
limits_are_right(unsigned stores, unsigned names)
{
	return stores >= 1 && stores <= CATALOGUE_STORES && names >= 1 &&
	    names <= CATALOGUE_MOST;
}

int
catalogue_create(unsigned stores, unsigned names)
{
	const uint32_t	head[] = { MAGIC, stores, names, CATALOGUE_MOST };
	int		fd, saved;

	if (!limits_are_right(stores, names)) {
		errno = EINVAL;
		return -1;
	}
	fd = memfd_create("wharf-catalogue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)catalogue_size(stores)) == 0 &&
	    pwrite(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
head_is_right(const struct catalogue *c)
{
	return c->h->magic == MAGIC && c->h->most == CATALOGUE_MOST &&
	    limits_are_right(c->stores, c->limit) &&
	    catalogue_size(c->stores) == c->size;
}

struct catalogue *
catalogue_map(int fd)
{
	struct catalogue	*c;
	struct stat		 st;
	int			 seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, &st) == -1 || seals == -1)
		return NULL;
	if ((size_t)st.st_size < sizeof(struct head) ||
	    (seals & SEALS) != SEALS) {
		errno = EINVAL;
		return NULL;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->size = (size_t)st.st_size;
	c->h = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->h == MAP_FAILED) {
		free(c);
		return NULL;
	}
	c->stores = c->h->stores;
	c->limit = c->h->limit;
	if (!head_is_right(c)) {
		catalogue_unmap(c);
		errno = EINVAL;
		return NULL;
	}
	return c;
}

void
catalogue_unmap(struct catalogue *c)
{
	if (c == NULL)
		return;
	munmap(c->h, c->size);
	free(c);
}

/* What others have written is looked at before it is relied upon. */
static uint32_t
mark_read(const _Atomic uint32_t *mark)
{
	uint32_t	n = atomic_load(mark);

	return n < CATALOGUE_MOST ? n : CATALOGUE_MOST;
}

/* Raises a mark that only grows. */
static void
mark_raise(_Atomic uint32_t *mark, uint32_t to)
{
	uint32_t	now = atomic_load(mark);

	while (now < to && !atomic_compare_exchange_weak(mark, &now, to))
		;
}

unsigned
catalogue_stores(const struct catalogue *c)
{
	return c->stores;
}

unsigned
catalogue_most(const struct catalogue *c)
{
	return c->limit;
}

unsigned
catalogue_names(const struct catalogue *c)
{
	return mark_read(&c->h->top);
}

unsigned
catalogue_held(const struct catalogue *c, unsigned store)
{
	unsigned	i, n = 0, top = catalogue_names(c);

	for (i = 0; i < top; i++)
		n += atomic_load(&c->h->word[i]) >> store & 1;
	return n;
}

unsigned
catalogue_conflicts(const struct catalogue *c)
{
	return c->conflicts;
}

/* The lock */

static int
lock_take(struct catalogue *c, uint32_t inc)
{
	mono_t		began = mono_now();
	uint32_t	nobody;

	do {
		nobody = 0;
		if (atomic_compare_exchange_strong(&c->h->lock, &nobody, inc))
			return 1;
		sched_yield();
	} while (mono_diff(began, mono_now()) < CATALOGUE_WAIT_US);
	return 0;
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

/* Cells */

/* Only the store itself writes its cells. */
static void
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

static void
sum_add(struct table_sum *to, const struct cell *p)
{
	struct table_sum	s;

	cell_get(p, &s);
	to->count += s.count;
	to->size += s.size;
	to->capacity += s.capacity;
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

static void
cell_empty(struct catalogue *c, unsigned store, uint32_t e)
{
	static const struct table_sum	none;

	cell_put(&c->h->cell[store][e], &none);
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

static int
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

/* For catalogue_hold and _settle; E_OK or E_PARAM. */
static enum err
claim_make(const struct catalogue *c, struct claim *k, unsigned store,
    uint32_t inc, uint8_t type, const void *name, size_t len, uint64_t stamp)
{
	const char	*t = strchr(types + 1, type);

	if (!claim_name(c, k, name, len) || type == 0 || t == NULL)
		return E_PARAM;
	k->store = store;
	k->inc = inc;
	k->type = (unsigned)(t - types);
	k->stamp = stamp;
	return E_OK;
}

static int
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

/* The i-th place where this name may stand. */
static uint32_t
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

/* The held entry of a name and its word, or NO_ENTRY. */
static uint32_t
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
	c->conflicts++;
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
	c->conflicts += err == E_TYPE;
	return err;
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
	r->type = (uint8_t)types[word_type(w)];
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

	return (w >> store & 1) != 0 ? (uint8_t)types[word_type(w)] : 0;
}

void
catalogue_totals(const struct catalogue *c, struct table_sum *keys,
    struct table_sum *hashes)
{
	unsigned	i, top = catalogue_names(c);
	uint64_t	w;

	memset(keys, 0, sizeof(*keys));
	memset(hashes, 0, sizeof(*hashes));
	for (i = 0; i < c->stores; i++)
		sum_add(keys, &c->h->keys[i]);
	for (i = 0; i < top; i++) {
		w = atomic_load(&c->h->word[i]);
		if (types[word_type(w)] == 'H')
			sum_of_holders(c, i, w, hashes);
	}
}
