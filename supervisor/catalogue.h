/*
 * catalogue.h: the table of tables: name -> type, and what each store's
 * members of it add up to.  One memfd that wharfd makes; stores write it, each
 * its own column; all may read.
 *
 * A name has a type while some store holds it.  A store holds a name from
 * before it logs the first member until the removal of the last one is
 * durable.  Sums are of durable records (sync 1s, os: written ones), so what
 * is read here needs no waiting for a log.
 *
 * Joining and letting go are one compare-and-swap on the entry's word: type,
 * generation of the name, and a bit for each store that holds it.  Only
 * bringing in a new name takes the lock, for a few memory writes; who holds
 * the lock may have been stopped or killed, so waiting is bounded
 * (CATALOGUE_WAIT_US, once for each holder, then E_AGAIN) and wharfd breaks the
 * lock of the dead.
 * The invariants stand in catalogue.c.
 *
 * Until every store has filled in its column since wharfd's start
 * (catalogue_complete), a name that nobody holds may be held by one that is
 * still starting: then it is neither free nor missing, but E_NOTREADY.
 *
 * Memory: 6 MiB of address space, and 4 MiB for each store; a page of it is
 * there from its first use.
 */
#ifndef SUPERVISOR_CATALOGUE_H
#define SUPERVISOR_CATALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define CATALOGUE_STORES	48u	/* most stores (bits in the word) */
#define CATALOGUE_NAME		64u	/* bytes */
#define CATALOGUE_MOST		65534u	/* names */
#define CATALOGUE_YIELD_US	200u	/* then the waiting is sleep */
#define CATALOGUE_WAIT_US	50000u	/* a busy machine's pauses */

struct catalogue;

/* What members add up to: contract 1.5, exact at every change (W8). */
struct table_sum {
	int64_t		count;
	int64_t		size;		/* key and value bytes */
	int64_t		capacity;	/* the same, each record rounded up to 1024 */
};

static inline void
table_sum_add(struct table_sum *to, const struct table_sum *a)
{
	to->count += a->count;
	to->size += a->size;
	to->capacity += a->capacity;
}

/*
 * wharfd: the memory for so many stores; the memfd, or -1 with errno.  names:
 * the most that are let in (a starting store brings in what it has, also
 * beyond that, up to CATALOGUE_MOST).
 */
int		 catalogue_create(unsigned stores, unsigned names);
/* A store takes its own mapping: it remembers what this store holds. */
struct catalogue *catalogue_map(int fd);	/* NULL with errno */
void		 catalogue_unmap(struct catalogue *);
unsigned	 catalogue_stores(const struct catalogue *);
/* What catalogue_create was given. */
unsigned	 catalogue_most(const struct catalogue *);
/* Entries from this one on have never been used; for catalogue_row. */
unsigned	 catalogue_names(const struct catalogue *);
/* How many names the store holds. */
unsigned	 catalogue_held(const struct catalogue *, unsigned store);
/* wharfd: this incarnation is dead; if it has the lock, it is broken. */
void		 catalogue_dead(struct catalogue *, uint32_t inc);

/*
 * Holds name for this store; E_OK also when it held it already.  *entry is
 * valid while it is held.  stamp: (HLC) when the store's first member was
 * written; the oldest of all holders' is kept and settles conflicts.  E_TYPE:
 * it has another type; E_TABLES no room; E_AGAIN the lock; E_NOTREADY free, but
 * not every column is filled (never with force: a store that fills its own);
 * E_PARAM no type or no name.
 */
enum err	 catalogue_hold(struct catalogue *, unsigned store, uint32_t inc,
		    uint8_t type, const void *name, size_t len, uint64_t stamp,
		    int force, unsigned *entry);
/*
 * Its column becomes zero; the name is free when nobody else holds it.  Does
 * nothing when this store does not hold it.
 */
void		 catalogue_drop(struct catalogue *, unsigned store,
		    unsigned entry);
/* The store's own column of a held entry. */
void		 catalogue_set(struct catalogue *, unsigned store,
		    unsigned entry, const struct table_sum *);
/* The store's plain keys, which have no name. */
void		 catalogue_set_keys(struct catalogue *, unsigned store,
		    const struct table_sum *);
/* What these have set; entry CATALOGUE_KEYS: the plain keys. */
#define CATALOGUE_KEYS		UINT32_MAX
void		 catalogue_get(const struct catalogue *, unsigned store,
		    unsigned entry, struct table_sum *);
/*
 * A store that starts: what its earlier incarnation held and it did not hold
 * itself (catalogue_hold) since catalogue_begin is dropped by catalogue_filled.
 */
void		 catalogue_begin(struct catalogue *, unsigned store);
void		 catalogue_filled(struct catalogue *, unsigned store);
int		 catalogue_complete(const struct catalogue *);
/*
 * At a conflict found at start: takes the name for the older claim.  E_OK: the
 * entry is now ours, and its other holders have lost it (they see that by
 * catalogue_type); E_TYPE: ours is the newer claim; E_AGAIN, E_TABLES, E_PARAM
 * as above.
 */
enum err	 catalogue_settle(struct catalogue *, unsigned store,
		    uint32_t inc, uint8_t type, const void *name, size_t len,
		    uint64_t stamp, unsigned *entry);

struct catalogue_row {
	uint8_t			type;		/* enum record_type */
	uint8_t			len;
	char			name[CATALOGUE_NAME + 1];
	struct table_sum	sum;		/* of all stores */
};
/* E_OK, E_TYPE nobody holds the name, E_NOTREADY: not known yet. */
enum err	 catalogue_find(const struct catalogue *, const void *name,
		    size_t len, struct catalogue_row *);
/* Row of entry i, 0..catalogue_names()-1; 0: nobody holds it. */
int		 catalogue_row(const struct catalogue *, unsigned i,
		    struct catalogue_row *);
/*
 * As what this store holds an entry that it has held: the type; 0: it does not
 * any more, it was settled away.
 */
uint8_t		 catalogue_type(const struct catalogue *, unsigned store,
		    unsigned entry);
/* Of all stores' plain keys. */
void		 catalogue_keys(const struct catalogue *, struct table_sum *);
/* The same, and of all hashes. */
void		 catalogue_totals(const struct catalogue *, struct table_sum *keys,
		    struct table_sum *hashes);

#endif
