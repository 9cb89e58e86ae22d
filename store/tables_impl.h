/*
 * tables_impl.h: what tables.c, tables_ends.c, tables_file.c and tables_hold.c
 * share; nobody else includes it.
 *
 * Invariants:
 * 1 table.now is what the applied records add up to whose step is not taken
 *   off; ends has, of those that have a step, what each step takes off.
 * 2 table.open and .fly are the parts of now that wait for the log: of the
 *   batch that is being filled, and of the one before.  now - open - fly is
 *   what others are shown.  They are not zero only on the list of that name.
 * 3 A table that may be shown anew, or be gone, is on the list DIRTY.
 * 4 Parts (tables_part) and tables that are not yet filled in have no lists.
 */
#ifndef STORE_TABLES_IMPL_H
#define STORE_TABLES_IMPL_H

#include "store/tables.h"

/* --- tables_ends.c: (table, step) -> sum --- */

/*
 * Many small hash tables instead of a large one: when one grows it is for
 * microseconds, and they do not all grow at once.
 */
#define SHELVES		256u

struct end {
	uint32_t	 table;		/* its number */
	uint32_t	 step;		/* 0: empty */
	struct table_sum sum;
};

struct shelf {
	struct end	*end;		/* open addressing, linear */
	uint32_t	 cap, used;
};

struct ends {
	struct shelf	 shelf[SHELVES];
	uint64_t	 used, cap;
};

/* Entries that came to be, 1, or to nothing, -1; else 0.  No memory: -2. */
int		 ends_add(struct ends *, uint32_t table, uint32_t step,
		    const struct table_sum *);
/* Takes an entry out: 1, 0 there is none. */
int		 ends_take(struct ends *, uint32_t table, uint32_t step,
		    struct table_sum *);
/* Takes out all up to a step. */
typedef void	 ends_see(void *arg, const struct end *);
void		 ends_sweep(struct ends *, uint32_t upto, ends_see *, void *arg);
void		 ends_each(const struct ends *, ends_see *, void *arg);
void		 ends_free(struct ends *);

/* --- tables.c --- */

enum list { OPEN, FLY, DIRTY, LISTS };

struct table {
	struct table_sum now, open, fly;
	struct table	*next;			/* with the same hash */
	struct table	*on[LISTS];		/* the next one on each list */
	uint8_t		 listed;		/* bits of enum list */
	uint8_t		 type, len;
	uint8_t		 held;			/* entry is ours */
	uint8_t		 hidden;		/* the name is another type's */
	uint32_t	 entry;			/* in the catalogue */
	uint32_t	 number;
	uint32_t	 ends;			/* entries there */
	uint64_t	 claim;			/* HLC of its first record */
	uint8_t		 name[CATALOGUE_NAME];
};

struct tables {
	struct catalogue *cat;
	unsigned	  store;
	uint32_t	  inc;
	uint32_t	  upto;			/* last step taken off */
	int		  filled;
	int		  inexact;
	struct table	  keys;			/* K; number 0 */
	struct table	**bucket;		/* of names */
	struct table	**number;		/* NULL: free */
	uint32_t	  nbuckets, nnumbers, count;
	struct table	 *last;			/* found last; or NULL */
	struct table	 *head[LISTS];
	uint64_t	  first;		/* of the batch that fills OPEN */
	uint64_t	  lsn[LISTS];		/* last of OPEN, of FLY */
	struct ends	  ends;
	uint64_t	  conflicts;
	unsigned	  nhidden;
};

static inline void
sum_sub(struct table_sum *to, const struct table_sum *a)
{
	to->count -= a->count;
	to->size -= a->size;
	to->capacity -= a->capacity;
}

struct table	*table_find(struct tables *, uint8_t type, const uint8_t *tab,
		    size_t tablen);
/* Finds it or makes it; NULL: no memory. */
struct table	*table_get(struct tables *, uint8_t type, const uint8_t *tab,
		    size_t tablen);
void		 table_free(struct tables *, struct table *);
void		 table_list(struct tables *, struct table *, enum list);
/* The first on the list, taken off it; NULL. */
struct table	*table_pop(struct tables *, enum list);
/* Puts a sum that ends with a step onto a table, unless that is taken off. */
void		 table_end(struct tables *, struct table *, uint32_t step,
		    const struct table_sum *);
void		 tables_upto(struct tables *, uint32_t step, uint64_t *count);

/* --- tables_hold.c --- */

/* Shows what may be shown of all that is on DIRTY; what is empty goes. */
void		 tables_show(struct tables *);
/* Holds what has records and is not held, whatever it takes. */
void		 tables_hold(struct tables *);
/* Hides what another store's older claim has taken. */
void		 tables_watch(struct tables *);

#endif
