/*
 * cache_impl.h: inside the cache (cache.h).  From the bottom up:
 *
 * Units (cache_units.c).  One region of address space, eight times the limit,
 * in units of 16 to 64 KiB.  Address space is plenty, so a large value always
 * finds a run of units, whatever lies around it; what is bounded is how many
 * *pages* of units have been touched (unit.resident: a prefix of each).  A unit
 * that is given back stays resident ("dirty") until the room is wanted.
 *
 * Slots (cache_slots.c).  An item of up to a quarter of a unit lies in a slot
 * of the least class that holds it, classes an eighth of a doubling apart; a
 * larger one has a run of its own.  When the free slots of a class would fill a
 * unit, the items of its emptiest unit can be moved to others: so memory goes
 * from one size to another without evicting what is wanted, at one move per
 * slot freed at most.  Names and fields never share a unit.
 *
 * Index (cache_index.c).  Linear hashing (Litwin, VLDB 1980): it grows and
 * shrinks by one bucket at a time, so there is never a second table.
 *
 * Eviction (cache_evict.c).  Two clocks over the slots in the order of their
 * addresses.
 *
 * INVARIANT 1: resident <= room, at every moment.
 * INVARIANT 2: what may make room (room_make and so slot_new, slot_fit,
 * run_new, item_new, item_append, index_fit) may evict and move every item,
 * except that held is not evicted and follows the move.  No other item pointer
 * survives such a call.
 */
#ifndef STORE_CACHE_IMPL_H
#define STORE_CACHE_IMPL_H

#include "store/cache.h"

#define NONE		UINT32_MAX
#define CLASSES		80u	/* at most, of each group */
#define WANTED_MAX	3u
#define NEVER		UINT32_MAX	/* unit.soonest */

enum item_kind { ITEM_FREE, ITEM_STRING, ITEM_TABLE, ITEM_FIELD };

struct item {
	struct item	*next;		/* in its bucket; free: in its unit */
	union {
		int64_t	 expires;	/* names: msec, 0 does not */
		uint64_t table;		/* fields: id of the hash */
	};
	uint32_t	 hash, vallen;
	uint16_t	 keylen;	/* less 1 */
	uint8_t		 kind;
	uint8_t		 wanted:2;	/* names: asked for, 0..WANTED_MAX */
	uint8_t		 trial:1;	/* names: new, not asked for twice */
};

/*
 * What a hash has.  The fields are a list; where it ends there is the address
 * of the hash's item with bit 0 set, so that either can be moved.
 */
struct table {
	struct item	 i;
	uint64_t	 id;		/* never used twice */
	uint64_t	 count, bytes;	/* fields and their slots */
	struct field	*first, *last;
};

struct field {
	struct item	 i;
	uintptr_t	 before, after;
};

enum unit_kind { UNIT_FREE, UNIT_SLOTS, UNIT_RUN, UNIT_INDEX };

struct unit {
	uint32_t	 prev, next;	/* units of the class, some slots free */
	uint32_t	 run;		/* RUN: units, at the first one */
	uint16_t	 used, top;	/* slots; ever given out */
	struct item	*free;
	uint8_t		 kind, class;
	uint8_t		 resident;	/* pages, from its start */
	uint32_t	 soonest;	/* sec: no name here expires before */
};

struct class {
	uint32_t	 size, slots;	/* of a slot; in a unit */
	uint32_t	 first, last;	/* units with free slots */
	uint32_t	 fresh;		/* unit not given out to its end */
	uint64_t	 free;		/* slots in those lists */
};

struct hand {
	uint32_t	 unit, slot;
};

/* In a unit of slots. */
static inline struct item *
slot_at(const uint8_t *unit, const struct class *cl, uint32_t n)
{
	return (struct item *)(uintptr_t)(unit + n * (size_t)cl->size);
}

struct cache {
	uint8_t		*base;
	struct unit	*unit;
	uint64_t	*taken, *dirty;	/* bits */
	uint32_t	*block;		/* of the index: units */
	size_t		 mapped, tables; /* bytes in all; about the units */
	uint32_t	 units, end;	/* end: behind the last one taken */
	uint32_t	 lowest, lowdirty; /* no free, no dirty one below */
	unsigned	 shift, page;	/* log2 of a unit, of a page */
	uint64_t	 limit;		/* bytes */
	uint64_t	 room, resident, dirtypages; /* pages */
	struct class	 class[2 * CLASSES]; /* names, fields */
	unsigned	 classes;
	uint64_t	 loose[3];	/* bits: classes that can free a unit */
	uint8_t		 classof[2049];	/* by size / 8, rounded up */
	uint64_t	 seed, buckets, items;
	/* eviction */
	struct item	*held[2];	/* a name, and one of its fields */
	struct field	*dying;		/* of hashes that are gone */
	struct hand	 young, old, reaper;
	uint64_t	 trial, used;	/* bytes in slots: on trial, all */
	int64_t		 now;
	uint64_t	 last;		/* id of a hash */
	struct cache_stat stat;
};

/* --- units: bytes of a unit are 1 << shift --- */
int		 units_open(struct cache *, size_t limit);
void		 units_close(struct cache *);
/* One unit for slots or the index; NONE: no page of it would have room. */
uint32_t	 unit_new(struct cache *, enum unit_kind);
/*
 * A run for so many bytes, which are touched, and spare ones, which are not.
 * Makes room for it; NONE.
 */
uint32_t	 run_new(struct cache *, size_t bytes, size_t spare);
/* A unit, or the run that begins there. */
void		 unit_free(struct cache *, uint32_t);
/* The first bytes of a unit are about to be used; 0: no room for its pages. */
int		 unit_touch(struct cache *, uint32_t, size_t bytes);
/* The same of a run; what was touched behind them goes back. */
int		 run_touch(struct cache *, uint32_t, size_t bytes);
size_t		 run_bytes(const struct cache *, uint32_t); /* touched */
/* Gives some dirty pages back to the system; 0: there are none. */
int		 units_purge(struct cache *);
/* The next unit from u on that is taken, or c->end. */
uint32_t	 unit_next(const struct cache *, uint32_t u);

static inline uint8_t *
unit_at(const struct cache *c, uint32_t u)
{
	return c->base + ((size_t)u << c->shift);
}

static inline uint32_t
unit_of(const struct cache *c, const void *p)
{
	return (uint32_t)((size_t)((const uint8_t *)p - c->base) >> c->shift);
}

/* --- slots --- */
void		 slots_open(struct cache *);
/* Room for an item of so many bytes; contents undefined.  NULL: none. */
struct item	*slot_new(struct cache *, enum item_kind, size_t bytes,
		    size_t spare);
void		 slot_free(struct cache *, struct item *);
/*
 * Makes the item's place hold so many bytes if it can stay there without waste,
 * with room made for it while the item is held; 0: it takes another one.
 */
int		 slot_fit(struct cache *, struct item *, size_t bytes);
/* What it takes, for sums. */
size_t		 slot_bytes(const struct cache *, const struct item *);
/*
 * Empties a unit by moving, of a class that has free slots for so many units;
 * 0: nothing to be gained.
 */
int		 slots_compact(struct cache *, unsigned units);

/* --- index --- */
int		 index_open(struct cache *);
/* Before an item is added: another bucket when it is time and there is room. */
void		 index_fit(struct cache *);
void		 index_add(struct cache *, struct item *);
void		 index_del(struct cache *, const struct item *);
void		 index_move(struct cache *, const struct item *from,
		    struct item *to);
/* These two items will be deleted or moved in a while, and very soon. */
void		 index_expect(const struct cache *, const struct item *later,
		    const struct item *soon);
uint32_t	 index_hash(const struct cache *, struct cache_str,
		    uint64_t table);
/* table 0: a name. */
struct item	*index_find(struct cache *, struct cache_str, uint64_t table);

/* --- items --- */
size_t		 item_size(enum item_kind, size_t keylen, size_t vallen);
uint8_t		*item_key(const struct item *);
struct cache_str item_value(const struct item *);
/*
 * A new one with its key and value, in the index; table: whose field it is.
 * NULL: there is no room.
 */
struct item	*item_new(struct cache *, enum item_kind, struct cache_str key,
		    uint64_t table, struct cache_str val);
/* Overwrites the value in place; 0: it takes another place, nothing is done. */
int		 item_rewrite(struct cache *, struct item *, struct cache_str);
/* A string becomes longer; 0: there is no room. */
int		 item_append(struct cache *, struct item *, struct cache_str);
/* The address of an item has become another; all that knows it is told. */
void		 item_moved(struct cache *, const struct item *from,
		    struct item *to);
struct item	*name_find(struct cache *, struct cache_str); /* live, NULL */
/* Takes a name away; its fields follow step by step. */
void		 name_drop(struct cache *, struct item *);
/* Its time has come. */
int		 name_over(const struct cache *, const struct item *);
/* Its fields included. */
uint64_t	 name_bytes(const struct cache *, const struct item *);
/* Has been asked for. */
void		 name_want(struct item *);
void		 name_weigh(struct cache *, struct item *, int64_t more);
void		 name_expires(struct cache *, struct item *, int64_t when);
/* The unit it lies in knows when. */
void		 name_remind(struct cache *, const struct item *);
void		 field_link(struct cache *, struct table *, struct field *);
void		 field_drop(struct cache *, struct table *, struct field *);
/* The hash goes; its fields follow step by step. */
void		 fields_die(struct cache *, struct table *);
/* The first field of a hash that is gone. */
void		 dying_drop(struct cache *);
void		 links_moved(struct cache *, struct item *);

/* --- eviction --- */
/* Frees something; 0: there is nothing more to be had. */
int		 room_make(struct cache *);
/* room_make, n times at most; 1: a run of bytes fits, or none can be had. */
int		 room_for(struct cache *, size_t bytes, unsigned n);
int		 dying_step(struct cache *, unsigned n);
int		 reap_step(struct cache *, unsigned n);

/* --- numbers: E_CACHE_NUMBER --- */
#define CACHE_NUMBER	24u	/* longest text of an int64, with a NUL */
#define CACHE_REAL	5120u	/* of a long double, likewise */
enum err	 cache_number(struct cache_str, int64_t *);
enum err	 cache_real(struct cache_str, long double *);
/* These return the length; 0: not finite. */
size_t		 cache_number_text(char out[CACHE_NUMBER], int64_t);
size_t		 cache_real_text(char out[CACHE_REAL], long double);

#endif
