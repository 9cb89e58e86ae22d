/*
 * wharf_types.h: libwharf's operations on records of all types, in their
 * general form and in short ones; and what tables add up to.  A part of wharf.h.
 */
#ifndef WHARF_TYPES_H
#define WHARF_TYPES_H

#ifndef WHARF_H
#error "include wharf.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a record is.  A table has one type while it has members. */
enum wharf_type {
	WHARF_ANY	= 0,		/* list, stat: whatever there is */
	WHARF_KEY	= 'K',		/* has no table */
	WHARF_HASH	= 'H',
	WHARF_SET	= 'S',		/* members without values */
	WHARF_ZSET	= 'Z'		/* members with scores */
};

/*
 * The general form of every operation.  In brackets: the types that it is for
 * (all: KHSZ), and what of struct wharf_op it takes beside type, table and
 * key; what it does not take must be 0.  Answers have their version and ttl
 * where there is one record.
 */
enum wharf_command {
	WHARF_OP_GET	= 1,	/* [all] value; Z: number, and as text in value */
	WHARF_OP_PUT,		/* [KHS: value but S; write] */
	WHARF_OP_DEL,		/* [all: write] */
	WHARF_OP_EXIST,		/* [all] */
	WHARF_OP_INCR,		/* [KH: score, write] adds; number, value as text */
	/*
	 * [Z: score, WHARF_PLUS or _MINUS, write] number: the new score; value:
	 * its text, but none when the member had that score already.
	 */
	WHARF_OP_ZADD,
	WHARF_OP_EXPIRE,	/* [all: write: ttl >= 1, version] */
	WHARF_OP_PERSIST,	/* [all: write: version] NOTFOUND: had no ttl */
	WHARF_OP_RANK,		/* [Z: WHARF_REVERSE] number, 0 first */
	/* No key from here on. */
	WHARF_OP_COUNT,		/* [HSZ: WHARF_BY_SCORE: min, max] number */
	/*
	 * [all, 0: of every type; table: not of K; file, start, end, min, max,
	 * offset, limit, cursor, order and listing flags] A page: count,
	 * cursor, and wharf_next_item for its entries.
	 */
	WHARF_OP_LIST,
	/*
	 * [0] wharf_next_table for its rows: of one table; without table of all
	 * keys and of all hashes together.
	 */
	WHARF_OP_STAT,
	WHARF_OP_STAT_ALL,	/* [0] the same two rows, then every table's */
	/*
	 * The cache, see wharf_cache.h.  [0: the name of a string or a hash as
	 * key; no version, no flags]
	 */
	WHARF_OP_CACHE_EXIST = 32,
	WHARF_OP_CACHE_GET,	/* value */
	WHARF_OP_CACHE_TTL,	/* number: seconds left, -1 does not expire */
	WHARF_OP_CACHE_PUT,	/* [value; write: ttl] */
	WHARF_OP_CACHE_APPEND,	/* [value] */
	WHARF_OP_CACHE_DEL,
	WHARF_OP_CACHE_EXPIRE,	/* [write: ttl >= 1] */
	WHARF_OP_CACHE_PERSIST,	/* NOTFOUND: also when it had no ttl */
	/* [0: table and tablelen: the name of a hash; key: a field of it] */
	WHARF_OP_CACHE_HEXIST,
	WHARF_OP_CACHE_HGET,	/* value */
	WHARF_OP_CACHE_HSET,	/* [value] */
	WHARF_OP_CACHE_HDEL,
	WHARF_OP_CACHE_HINCRBY,	/* [score] number, value as text */
	WHARF_OP_CACHE_HINCRBYFLOAT /* [value: decimal text] value */
};

enum wharf_op_flags {
	WHARF_PLUS	= 1 << 4,	/* zadd: add the score to that of now */
	WHARF_MINUS	= 1 << 5,	/* zadd: take it from that of now */
	WHARF_REVERSE	= 1 << 6,	/* BY_SCORE, BY_RANK: from the top */
	/* The order of a listing; without: store, file, table, member. */
	WHARF_BY_RANK	= 1 << 8,	/* Z: by score, then member */
	WHARF_BY_SCORE	= 1 << 9,	/* the same, of scores min..max */
	WHARF_VALUES	= 1 << 10,	/* with values */
	WHARF_ONE_FILE	= 1 << 11,	/* of this file only */
	WHARF_EXPORTED	= 1 << 12,	/* of what wharf_export wrote */
	WHARF_REPLACE	= 1 << 13	/* wharf_export: also if there is one */
};

/* Fields of later versions lie in the reserved ones: begin with the INIT. */
struct wharf_op {
	size_t		 size;		/* sizeof(struct wharf_op) */
	enum wharf_command command;
	enum wharf_type	 type;
	const char	*table;		/* ends with a NUL; NULL for a plain key */
	const void	*key;		/* key, field or member */
	size_t		 keylen;
	const void	*value;
	size_t		 length;
	const struct wharf_write *write;
	int64_t		 score;
	int64_t		 min, max;	/* scores, both included */
	uint64_t	 offset;	/* entries that match, to be passed over */
	unsigned	 limit;		/* entries of a page; 0: WHARF_PAGE_MAX */
	unsigned	 flags;		/* enum wharf_op_flags */
	unsigned	 file;		/* ONE_FILE: 0..wharf_info's files - 1 */
	unsigned	 start, end;	/* slots start..end - 1; end 0: 1024 */
	unsigned	 tablelen;	/* of a cache's hash; 0: it ends with a NUL */
	unsigned	 reserved_[6];
	const void	*cursor;	/* of an earlier page; then no offset */
	size_t		 cursorlen;
};
#define WHARF_OP_INIT(command, type)	{ sizeof(struct wharf_op), (command), \
	(type), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	{ 0, 0, 0, 0, 0, 0 }, 0, 0 }

/* Synchronous and asynchronous: the rules of wharf_get and wharf_submit_get. */
enum wharf_status wharf_do(struct wharf *, const struct wharf_op *,
		    struct wharf_answer *);
enum wharf_status wharf_submit(struct wharf *, const struct wharf_op *,
		    wharf_fn *fn, void *arg);

/* Short forms, synchronous.  incrby: answer->number is what it is then. */
enum wharf_status wharf_incrby(struct wharf *, const void *key, size_t keylen,
		    int64_t by, const struct wharf_write *,
		    struct wharf_answer *);

enum wharf_status wharf_hset(struct wharf *, const char *table, const void *key,
		    size_t keylen, const void *val, size_t vallen,
		    const struct wharf_write *, struct wharf_answer *);
enum wharf_status wharf_hget(struct wharf *, const char *table, const void *key,
		    size_t keylen, struct wharf_answer *);
enum wharf_status wharf_hdel(struct wharf *, const char *table, const void *key,
		    size_t keylen, const struct wharf_write *,
		    struct wharf_answer *);
enum wharf_status wharf_hexist(struct wharf *, const char *table,
		    const void *key, size_t keylen, struct wharf_answer *);
enum wharf_status wharf_hincrby(struct wharf *, const char *table,
		    const void *key, size_t keylen, int64_t by,
		    const struct wharf_write *, struct wharf_answer *);
enum wharf_status wharf_hlen(struct wharf *, const char *table,
		    uint64_t *count);

enum wharf_status wharf_sadd(struct wharf *, const char *table, const void *key,
		    size_t keylen, const struct wharf_write *,
		    struct wharf_answer *);
enum wharf_status wharf_srem(struct wharf *, const char *table, const void *key,
		    size_t keylen, const struct wharf_write *,
		    struct wharf_answer *);
enum wharf_status wharf_sismember(struct wharf *, const char *table,
		    const void *key, size_t keylen, struct wharf_answer *);
enum wharf_status wharf_scard(struct wharf *, const char *table,
		    uint64_t *count);

enum wharf_status wharf_zadd(struct wharf *, const char *table, const void *key,
		    size_t keylen, int64_t score, const struct wharf_write *,
		    struct wharf_answer *);
enum wharf_status wharf_zincrby(struct wharf *, const char *table,
		    const void *key, size_t keylen, int64_t by,
		    const struct wharf_write *, struct wharf_answer *);
enum wharf_status wharf_zrem(struct wharf *, const char *table, const void *key,
		    size_t keylen, const struct wharf_write *,
		    struct wharf_answer *);
/* *score may be NULL: is it a member? */
enum wharf_status wharf_zscore(struct wharf *, const char *table,
		    const void *key, size_t keylen, int64_t *score);
/* 0: the lowest score; reverse not 0: the highest. */
enum wharf_status wharf_zrank(struct wharf *, const char *table,
		    const void *key, size_t keylen, int reverse,
		    uint64_t *rank);
enum wharf_status wharf_zcard(struct wharf *, const char *table,
		    uint64_t *count);
enum wharf_status wharf_zcount(struct wharf *, const char *table, int64_t min,
		    int64_t max, uint64_t *count);

/* Any record; table NULL for a plain key.  ttl: ms, at least 1. */
enum wharf_status wharf_expire(struct wharf *, enum wharf_type,
		    const char *table, const void *key, size_t keylen,
		    int64_t ttl, struct wharf_answer *);
enum wharf_status wharf_persist(struct wharf *, enum wharf_type,
		    const char *table, const void *key, size_t keylen,
		    struct wharf_answer *);

/* What the members of a table add up to; name "": keys (K) or hashes (H). */
struct wharf_table {
	enum wharf_type	 type;
	char		 name[WHARF_TABLE_MAX + 1];
	int64_t		 count;
	int64_t		 size;		/* bytes of members and values */
	int64_t		 capacity;	/* the same, each rounded up to 1024 */
	unsigned	 reserved_[8];
};
enum wharf_status wharf_stat(struct wharf *, const char *table,
		    struct wharf_table *);
/*
 * The next row of an answer to WHARF_OP_STAT or WHARF_OP_STAT_ALL: 1, or 0 when
 * there are no more.  *place: 0 at first.
 */
int		 wharf_next_table(const struct wharf_answer *, size_t *place,
		    struct wharf_table *);

#ifdef __cplusplus
}
#endif

#endif
