/*
 * client_short.c: libwharf's short forms: each fills in a struct wharf_op and
 * has it done.  client_types.c checks what is in it.
 */
#include "proto/client_ask.h"

static struct wharf_op
op_of(enum wharf_command command, enum wharf_type type, const char *table,
    const void *key, size_t keylen)
{
	struct wharf_op	op = WHARF_OP_INIT(command, type);

	op.table = table;
	op.key = key;
	op.keylen = keylen;
	return op;
}

static struct wharf_op
valued(struct wharf_op op, const void *val, size_t vallen)
{
	op.value = val;
	op.length = vallen;
	return op;
}

static enum wharf_status
write_do(struct wharf *w, struct wharf_op op, const struct wharf_write *how,
    struct wharf_answer *a)
{
	op.write = how;
	return wharf_do(w, &op, a);
}

/* A count or a rank. */
static enum wharf_status
count_of(struct wharf *w, const struct wharf_op *op, uint64_t *count)
{
	return op_number(w, op, (int64_t *)count);
}

enum wharf_status
wharf_put(struct wharf *w, const void *key, size_t keylen, const void *val,
    size_t vallen, const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, valued(op_of(WHARF_OP_PUT, WHARF_KEY, NULL, key,
	    keylen), val, vallen), how, a);
}

enum wharf_status
wharf_get(struct wharf *w, const void *key, size_t keylen,
    struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_GET, WHARF_KEY, NULL, key, keylen), a);
}

enum wharf_status
wharf_exist(struct wharf *w, const void *key, size_t keylen,
    struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_EXIST, WHARF_KEY, NULL, key, keylen),
	    a);
}

enum wharf_status
wharf_del(struct wharf *w, const void *key, size_t keylen,
    const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, op_of(WHARF_OP_DEL, WHARF_KEY, NULL, key, keylen),
	    how, a);
}

enum wharf_status
wharf_incrby(struct wharf *w, const void *key, size_t keylen, int64_t by,
    const struct wharf_write *how, struct wharf_answer *a)
{
	struct wharf_op	op = op_of(WHARF_OP_INCR, WHARF_KEY, NULL, key, keylen);

	op.score = by;
	op.write = how;
	return wharf_do(w, &op, a);
}

enum wharf_status
wharf_hset(struct wharf *w, const char *table, const void *key, size_t keylen,
    const void *val, size_t vallen, const struct wharf_write *how,
    struct wharf_answer *a)
{
	return write_do(w, valued(op_of(WHARF_OP_PUT, WHARF_HASH, table, key,
	    keylen), val, vallen), how, a);
}

enum wharf_status
wharf_hget(struct wharf *w, const char *table, const void *key, size_t keylen,
    struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_GET, WHARF_HASH, table, key, keylen),
	    a);
}

enum wharf_status
wharf_hdel(struct wharf *w, const char *table, const void *key, size_t keylen,
    const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, op_of(WHARF_OP_DEL, WHARF_HASH, table, key, keylen),
	    how, a);
}

enum wharf_status
wharf_hexist(struct wharf *w, const char *table, const void *key,
    size_t keylen, struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_EXIST, WHARF_HASH, table, key, keylen),
	    a);
}

enum wharf_status
wharf_hincrby(struct wharf *w, const char *table, const void *key,
    size_t keylen, int64_t by, const struct wharf_write *how,
    struct wharf_answer *a)
{
	struct wharf_op	op = op_of(WHARF_OP_INCR, WHARF_HASH,
			    table, key, keylen);

	op.score = by;
	op.write = how;
	return wharf_do(w, &op, a);
}

enum wharf_status
wharf_hlen(struct wharf *w, const char *table, uint64_t *count)
{
	struct wharf_op	op = op_of(WHARF_OP_COUNT, WHARF_HASH, table, NULL, 0);

	return count_of(w, &op, count);
}

enum wharf_status
wharf_sadd(struct wharf *w, const char *table, const void *key, size_t keylen,
    const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, op_of(WHARF_OP_PUT, WHARF_SET, table, key, keylen),
	    how, a);
}

enum wharf_status
wharf_srem(struct wharf *w, const char *table, const void *key, size_t keylen,
    const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, op_of(WHARF_OP_DEL, WHARF_SET, table, key, keylen),
	    how, a);
}

enum wharf_status
wharf_sismember(struct wharf *w, const char *table, const void *key,
    size_t keylen, struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_EXIST, WHARF_SET, table, key, keylen),
	    a);
}

enum wharf_status
wharf_scard(struct wharf *w, const char *table, uint64_t *count)
{
	struct wharf_op	op = op_of(WHARF_OP_COUNT, WHARF_SET, table, NULL, 0);

	return count_of(w, &op, count);
}

enum wharf_status
wharf_zadd(struct wharf *w, const char *table, const void *key, size_t keylen,
    int64_t score, const struct wharf_write *how, struct wharf_answer *a)
{
	struct wharf_op	op = op_of(WHARF_OP_ZADD, WHARF_ZSET,
			    table, key, keylen);

	op.score = score;
	op.write = how;
	return wharf_do(w, &op, a);
}

enum wharf_status
wharf_zincrby(struct wharf *w, const char *table, const void *key,
    size_t keylen, int64_t by, const struct wharf_write *how,
    struct wharf_answer *a)
{
	struct wharf_op	op = op_of(WHARF_OP_ZADD, WHARF_ZSET,
			    table, key, keylen);

	op.score = by;
	op.flags = WHARF_PLUS;
	op.write = how;
	return wharf_do(w, &op, a);
}

enum wharf_status
wharf_zrem(struct wharf *w, const char *table, const void *key, size_t keylen,
    const struct wharf_write *how, struct wharf_answer *a)
{
	return write_do(w, op_of(WHARF_OP_DEL, WHARF_ZSET, table, key, keylen),
	    how, a);
}

enum wharf_status
wharf_zscore(struct wharf *w, const char *table, const void *key,
    size_t keylen, int64_t *score)
{
	struct wharf_op	op = op_of(WHARF_OP_GET, WHARF_ZSET,
			    table, key, keylen);

	return op_number(w, &op, score);
}

enum wharf_status
wharf_zrank(struct wharf *w, const char *table, const void *key, size_t keylen,
    int reverse, uint64_t *rank)
{
	struct wharf_op	op = op_of(WHARF_OP_RANK, WHARF_ZSET,
			    table, key, keylen);

	op.flags = reverse ? WHARF_REVERSE : 0;
	return count_of(w, &op, rank);
}

enum wharf_status
wharf_zcard(struct wharf *w, const char *table, uint64_t *count)
{
	struct wharf_op	op = op_of(WHARF_OP_COUNT, WHARF_ZSET, table, NULL, 0);

	return count_of(w, &op, count);
}

enum wharf_status
wharf_zcount(struct wharf *w, const char *table, int64_t min, int64_t max,
    uint64_t *count)
{
	struct wharf_op	op = op_of(WHARF_OP_COUNT, WHARF_ZSET, table, NULL, 0);

	op.flags = WHARF_BY_SCORE;
	op.min = min;
	op.max = max;
	return count_of(w, &op, count);
}

enum wharf_status
wharf_expire(struct wharf *w, enum wharf_type type, const char *table,
    const void *key, size_t keylen, int64_t ttl, struct wharf_answer *a)
{
	struct wharf_op	op = op_of(WHARF_OP_EXPIRE, type, table, key, keylen);
	struct wharf_write	how = WHARF_WRITE_INIT;

	op.write = &how;
	how.ttl = ttl;
	return wharf_do(w, &op, a);
}

enum wharf_status
wharf_persist(struct wharf *w, enum wharf_type type, const char *table,
    const void *key, size_t keylen, struct wharf_answer *a)
{
	return op_do(w, op_of(WHARF_OP_PERSIST, type, table, key, keylen), a);
}

enum wharf_status
wharf_submit_put(struct wharf *w, const void *key, size_t keylen,
    const void *val, size_t vallen, const struct wharf_write *how,
    wharf_fn *fn, void *arg)
{
	struct wharf_op	op = op_of(WHARF_OP_PUT, WHARF_KEY, NULL, key, keylen);

	op.value = val;
	op.length = vallen;
	op.write = how;
	return wharf_submit(w, &op, fn, arg);
}

enum wharf_status
wharf_submit_get(struct wharf *w, const void *key, size_t keylen, wharf_fn *fn,
    void *arg)
{
	struct wharf_op	op = op_of(WHARF_OP_GET, WHARF_KEY, NULL, key, keylen);

	return wharf_submit(w, &op, fn, arg);
}

enum wharf_status
wharf_submit_exist(struct wharf *w, const void *key, size_t keylen,
    wharf_fn *fn, void *arg)
{
	struct wharf_op	op = op_of(WHARF_OP_EXIST, WHARF_KEY,
			    NULL, key, keylen);

	return wharf_submit(w, &op, fn, arg);
}

enum wharf_status
wharf_submit_del(struct wharf *w, const void *key, size_t keylen,
    const struct wharf_write *how, wharf_fn *fn, void *arg)
{
	struct wharf_op	op = op_of(WHARF_OP_DEL, WHARF_KEY, NULL, key, keylen);

	op.write = how;
	return wharf_submit(w, &op, fn, arg);
}
