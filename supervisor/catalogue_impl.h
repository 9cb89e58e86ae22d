/*
 * catalogue_impl.h: the shared memory of the table of tables, for catalogue*.c
 * only.
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
#ifndef SUPERVISOR_CATALOGUE_IMPL_H
#define SUPERVISOR_CATALOGUE_IMPL_H

#include <stdatomic.h>

#include "supervisor/catalogue.h"

#define CATALOGUE_MAGIC	0x31544357u	/* "WCT1" */
#define NAME_WORDS	(CATALOGUE_NAME / 8)
#define NO_ENTRY	UINT32_MAX

#define HOLDERS		((UINT64_C(1) << CATALOGUE_STORES) - 1)
#define TYPE_SHIFT	48
#define GEN_SHIFT	50

#define TYPES		" HSZ"		/* by the bits of the word */

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
	uint32_t	 stuck;			/* held the lock for too long */
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

static inline unsigned
word_type(uint64_t w)
{
	return w >> TYPE_SHIFT & 3;
}

/* Seen one after the other: the name has been the same in between. */
static inline int
word_same(uint64_t a, uint64_t b)
{
	return (a & HOLDERS) != 0 && (b & HOLDERS) != 0 &&
	    a >> GEN_SHIFT == b >> GEN_SHIFT;
}

/* What others have written is looked at before it is relied upon. */
static inline uint32_t
mark_read(const _Atomic uint32_t *mark)
{
	uint32_t	n = atomic_load(mark);

	return n < CATALOGUE_MOST ? n : CATALOGUE_MOST;
}

/* catalogue_read.c: only the store itself writes its cells. */
void		 cell_put(struct cell *, const struct table_sum *);
/* 0: no name can be so long, or empty. */
int		 claim_name(const struct catalogue *, struct claim *,
		    const void *name, size_t len);
/* Has the entry this name, held or not? */
int		 entry_is(const struct catalogue *, uint32_t e,
		    const struct claim *);
/* The i-th place where this name may stand. */
uint32_t	 entry_place(const struct catalogue *, const struct claim *,
		    uint32_t i);
/* The held entry of a name and its word, or NO_ENTRY. */
uint32_t	 entry_find(const struct catalogue *, const struct claim *,
		    uint64_t *word);

#endif
