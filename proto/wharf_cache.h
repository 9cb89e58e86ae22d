/*
 * wharf_cache.h: libwharf's operations on the node's cache, in short forms; the
 * general ones are WHARF_OP_CACHE_* of wharf_types.h.  A part of wharf.h.
 *
 * The cache has names of 1 to 65,536 bytes, apart from keys and tables; each
 * is a string, or a hash of fields, and is there until it expires, is deleted
 * or put out to make room, or its store starts anew.  There are no versions.
 *
 * All of them are synchronous, by the rules of wharf_get.  NOTFOUND: no such
 * name or field; CACHE_TYPE: a hash where a string is wanted, or the reverse;
 * CACHE_NUMBER, CACHE_TOOBIG; CACHE_OFF: the node has no cache.
 */
#ifndef WHARF_CACHE_H
#define WHARF_CACHE_H

#ifndef WHARF_H
#error "include wharf.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define WHARF_CACHED_MAX	(8u << 20)	/* bytes of a value; at least 1 */

enum wharf_status wharf_cache_get(struct wharf *, const void *key,
		    size_t keylen, struct wharf_answer *);
/* Whatever has the name is replaced.  ttl: ms; 0: it does not expire. */
enum wharf_status wharf_cache_put(struct wharf *, const void *key,
		    size_t keylen, const void *val, size_t vallen,
		    int64_t ttl);
/* Makes the string if it is not there; its ttl stays. */
enum wharf_status wharf_cache_append(struct wharf *, const void *key,
		    size_t keylen, const void *val, size_t vallen);
/* These five also for a hash, by its name. */
enum wharf_status wharf_cache_exist(struct wharf *, const void *key,
		    size_t keylen);
enum wharf_status wharf_cache_del(struct wharf *, const void *key,
		    size_t keylen);
/* *seconds: left, to the nearest; -1: it does not expire.  May be NULL. */
enum wharf_status wharf_cache_ttl(struct wharf *, const void *key,
		    size_t keylen, int64_t *seconds);
/* ttl: ms, at least 1. */
enum wharf_status wharf_cache_expire(struct wharf *, const void *key,
		    size_t keylen, int64_t ttl);
/* NOTFOUND also when it did not expire anyway. */
enum wharf_status wharf_cache_persist(struct wharf *, const void *key,
		    size_t keylen);

/* hash: any bytes, not ended by a NUL. */
enum wharf_status wharf_cache_hget(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen,
		    struct wharf_answer *);
enum wharf_status wharf_cache_hset(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen,
		    const void *val, size_t vallen);
enum wharf_status wharf_cache_hexist(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen);
/* The last field takes the hash away. */
enum wharf_status wharf_cache_hdel(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen);
/* *sum may be NULL. */
enum wharf_status wharf_cache_hincrby(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen,
		    int64_t by, int64_t *sum);
/* by: decimal text; the answer's value is the sum, as text. */
enum wharf_status wharf_cache_hincrbyfloat(struct wharf *, const void *hash,
		    size_t hashlen, const void *key, size_t keylen,
		    const char *by, struct wharf_answer *);

#ifdef __cplusplus
}
#endif

#endif
