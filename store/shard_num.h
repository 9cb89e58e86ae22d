/*
 * shard_num.h: writes that depend on what is there: counters (contract 1.4),
 * scores (1.6), and the time to live by itself.  On shard_put; runs on the
 * store's loop.
 *
 * A sorted set's member has as value its score, 8 bytes little-endian.  A
 * counter has its number as decimal text.
 */
#ifndef STORE_SHARD_NUM_H
#define STORE_SHARD_NUM_H

#include "store/shard.h"

#define NUMBER_TEXT	20u		/* longest decimal int64, without a NUL */
#define SCORE_BYTES	8u

enum score_op { SCORE_SET, SCORE_ADD, SCORE_SUB };

/*
 * These three: errors of shard_put, and result->written as there.  w: ver,
 * ttl, is_dup.  E_NUMBER: the record is no number or the sum no int64; nothing
 * was written.
 *
 * *n: the number to be added, and then the sum.  It is what the record holds
 * only when written.
 */
enum err	 shard_incr(struct shard *, const struct shard_key *,
		    const struct shard_write *w, int64_t *n,
		    struct shard_result *);
/*
 * *score: what to set, add or take off, and then what the member would have.
 * Setting what it has already, from a version that is not later than the
 * member's, writes nothing.
 */
enum err	 shard_zadd(struct shard *, const struct shard_key *,
		    const struct shard_write *w, enum score_op,
		    int64_t *score, struct shard_result *);
/*
 * Sets the time to live to w->ttl; 0 takes it away.  E_NOTFOUND: no such
 * record, or it has none to be taken away; E_NOMEM.
 */
enum err	 shard_expire(struct shard *, const struct shard_key *,
		    const struct shard_write *w, struct shard_result *);

/* The score of a sorted set's member; E_DAMAGED. */
enum err	 score_get(const struct record *, int64_t *);
/*
 * As strtoll base 10, but the digits must be followed by the end or by white
 * space; E_NUMBER.
 */
enum err	 number_get(const uint8_t *p, size_t n, int64_t *);
/* Its text, without a NUL; returns its length. */
size_t		 number_put(uint8_t out[NUMBER_TEXT], int64_t);

#endif
