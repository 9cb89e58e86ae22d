/*
 * cache.h: one store's slice of the cache (contract 2, Redis 3.2 semantics):
 * strings and hashes by name in memory, within a limit, the less wanted ones
 * evicted.  Knows nothing of frames, HTTP or the clock.  A table of our own:
 * tkrzw's CacheDBM knows neither fields within a name nor times to live, evicts
 * single records, and only estimates its memory.
 *
 * Memory: everything (index, entries, what allocation wastes, the tables about
 * it) lies in pages that cache_new reserves, eight times limit of address
 * space (two, where that is short); at most limit bytes of them are ever
 * resident.  How: cache_impl.h.
 *
 * One name is one entry, a string or a hash; it is evicted and expires as a
 * whole.  A hash has at least one field; its last one takes it away.
 *
 * Time is an argument, milliseconds since 1970; an entry whose time has come is
 * missing for every command at once, found by cache_step or not.  A clock that
 * is set back may show it again, if it was not found yet.
 *
 * Not thread safe: the store's loop calls everything.  A call does work for its
 * own value and for evicting as many bytes as that brings, and none that grows
 * with what is stored (cache_free excepted): see cache_step; and cache_ready for
 * large values.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

struct cache;

#define CACHE_KEY_MAX	65536u		/* bytes of a name or a field, 1.. */
#define CACHE_VALUE_MAX	8388608u	/* bytes of a value, 1.. */
#define CACHE_LARGE	(1u << 20)	/* bytes: more is too much for a turn */
#define CACHE_LEAST	(1u << 20)	/* least limit of a slice, bytes */

struct cache_str {			/* borrowed bytes, not NUL-terminated */
	const uint8_t	*p;
	size_t		 n;
};

/*
 * limit: bytes, CACHE_LEAST or more.  seed: random, so that clients cannot
 * choose keys that meet in one place.  NULL: no address space.
 */
struct cache	*cache_new(size_t limit, uint64_t seed);
void		 cache_free(struct cache *);

/*
 * Errors of all commands:
 * E_PARAM	key or field is not 1..CACHE_KEY_MAX bytes
 * E_CACHE_VALUE value is not 1..CACHE_VALUE_MAX bytes
 * E_NOTFOUND	no such name, or no such field in it
 * E_CACHE_TYPE	the name is a hash where a string is wanted, or the reverse
 * E_CACHE_NUMBER not a number, out of its range, or a ttl that is not > 0
 * E_CACHE_TOOBIG the result would be more than CACHE_VALUE_MAX, or the entry
 *		more than half of the slice, or its hash more than all of it
 * Nothing was changed then, but others may have been evicted for it.
 *
 * Arguments are copied; they may not point into the cache.  What *val points
 * to afterwards lies in the cache and is valid until the next call.
 */
enum err	 cache_exist(struct cache *, int64_t now, struct cache_str key);
enum err	 cache_get(struct cache *, int64_t now, struct cache_str key,
		    struct cache_str *val);
/* *sec: left, rounded to the nearest; -1: it does not expire. */
enum err	 cache_ttl(struct cache *, int64_t now, struct cache_str key,
		    int64_t *sec);
/*
 * Takes the place of whatever the name was.  ttl: msec; 0: does not expire, a
 * ttl that was there is gone; below 0: E_CACHE_NUMBER.
 */
enum err	 cache_put(struct cache *, int64_t now, struct cache_str key,
		    struct cache_str val, int64_t ttl);
/* Makes a string that is not there; a ttl that is there stays. */
enum err	 cache_append(struct cache *, int64_t now, struct cache_str key,
		    struct cache_str val);
enum err	 cache_del(struct cache *, int64_t now, struct cache_str key);
/* ttl: msec, 1 or more, else E_CACHE_NUMBER and nothing is changed. */
enum err	 cache_expire(struct cache *, int64_t now, struct cache_str key,
		    int64_t ttl);
/* E_NOTFOUND also when it did not expire anyway. */
enum err	 cache_persist(struct cache *, int64_t now,
		    struct cache_str key);

/* Hashes: the name of the hash, and a field. */
enum err	 cache_hexist(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str field);
enum err	 cache_hget(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str field, struct cache_str *val);
enum err	 cache_hset(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str field, struct cache_str val);
enum err	 cache_hdel(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str field);
/*
 * by: decimal text.  hincrby: an int64 as Redis takes it (no blanks, no "+", no
 * leading zeros), and so must the field be; one that is missing is 0.
 * hincrbyfloat: as strtold takes it, without blanks before it, no NaN;
 * *val is the sum in plain decimal (17 places after the point at most, no
 * trailing zeros, no exponent), which is also what is stored.
 */
enum err	 cache_hincrby(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str field, struct cache_str by,
		    struct cache_str *val);
enum err	 cache_hincrbyfloat(struct cache *, int64_t now,
		    struct cache_str tb, struct cache_str field,
		    struct cache_str by, struct cache_str *val);

/*
 * Before a put, an append or an hset: what it would evict at once, in steps.
 * tb.n 0: key is the name.  bytes: of the value that it brings; append: what is
 * there grows by them.  0: n entries or so were evicted for it, and more calls
 * are needed, which others may come between.  1: there is room, or it is of no
 * use to make any, or it is less than CACHE_LARGE that the command wants.
 */
int		 cache_ready(struct cache *, int64_t now, struct cache_str tb,
		    struct cache_str key, size_t bytes, int append, unsigned n);

/*
 * Background work: frees what deleted hashes had, looks for expired entries,
 * gives memory back.  budget: about how many entries to look at (1,000 are well
 * below 1 ms).  Returns 1 when there is more to be done at once, 0: call again
 * in about 100 ms.
 */
int		 cache_step(struct cache *, int64_t now, unsigned budget);

struct cache_stat {
	uint64_t	limit, bytes;	/* bytes: resident, of limit */
	uint64_t	used;		/* of them in entries and index */
	uint64_t	entries;	/* names, also not yet found expired */
	uint64_t	fields;		/* of all hashes */
	uint64_t	hits, misses;	/* cache_get and cache_hget */
	uint64_t	evicted, expired; /* names; expired: when found */
};
void		 cache_stat(const struct cache *, struct cache_stat *);

#endif
