/*
 * store_cache.h: this store's part of the cache (cache.memory), as the actor
 * has it: the table of cache.h, its timer, and what it counts.
 */
#ifndef STORE_STORE_CACHE_H
#define STORE_STORE_CACHE_H

struct actor;
struct part;

/*
 * Also where there is no cache, because cache.memory is 0 or the address space
 * has no room for it: commands get E_CACHE_OFF then.  NULL: no memory.
 */
struct part	*part_new(struct actor *);
void		 part_free(struct part *);
/* Writes the counters of the board. */
void		 part_gauges(const struct part *);

#endif
