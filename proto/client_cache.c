/*
 * client_cache.c: libwharf's commands for the cache: their frames, and their
 * short forms.
 *
 * A string or a hash lies in the store that its name says; a hash's name is in
 * the place of the table, and may be as long as a key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg.h"
#include "proto/slot.h"

_Static_assert(WHARF_CACHED_MAX == CACHED_MAX, "limits are the messages'");

size_t
op_tablen(const struct wharf_op *op)
{
	return op->tablelen != 0 ? op->tablelen :
	    strnlen(op->table, CACHE_NAME_MAX + 1);
}

/* The number of a hincrby travels as text. */
static void
by_text(struct request *rq, int64_t by)
{
	_Static_assert(sizeof(rq->ask) > 20, "room for an int64");
	request_value(rq, rq->ask, (size_t)snprintf((char *)rq->ask,
	    sizeof(rq->ask), "%" PRId64, by));
}

enum wharf_status
cache_request(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	struct frame	*f = &rq->f;

	f->key = op->key;
	f->keylen = (uint32_t)op->keylen;
	request_value(rq, op->value, op->length);
	if (f->msg == MSG_CACHE_HINCRBY)
		by_text(rq, op->score);
	if (op->write != NULL)
		f->ttl = op->write->ttl;
	request_to(w, rq, f->tablen != 0 ? slot_of(f->tab, f->tablen) :
	    slot_of(f->key, f->keylen));
	return WHARF_OK;
}

/* --- short forms --- */

static struct wharf_op
op_name(enum wharf_command command, const void *key, size_t keylen)
{
	struct wharf_op	op = WHARF_OP_INIT(command, WHARF_ANY);

	op.key = key;
	op.keylen = keylen;
	return op;
}

/* A length that no name has must not become one that some name has. */
static struct wharf_op
op_field(enum wharf_command command, const void *hash, size_t hashlen,
    const void *key, size_t keylen)
{
	struct wharf_op	op = op_name(command, key, keylen);

	op.table = hashlen != 0 ? hash : NULL;
	op.tablelen = hashlen <= CACHE_NAME_MAX ? (unsigned)hashlen :
	    CACHE_NAME_MAX + 1;
	return op;
}

enum wharf_status
wharf_cache_get(struct wharf *w, const void *key, size_t keylen,
    struct wharf_answer *a)
{
	return op_do(w, op_name(WHARF_OP_CACHE_GET, key, keylen), a);
}

enum wharf_status
wharf_cache_put(struct wharf *w, const void *key, size_t keylen,
    const void *val, size_t vallen, int64_t ttl)
{
	struct wharf_op		op = op_name(WHARF_OP_CACHE_PUT, key, keylen);
	struct wharf_write	how = WHARF_WRITE_INIT;

	op.value = val;
	op.length = vallen;
	op.write = &how;
	how.ttl = ttl;
	return wharf_do(w, &op, NULL);
}

enum wharf_status
wharf_cache_append(struct wharf *w, const void *key, size_t keylen,
    const void *val, size_t vallen)
{
	struct wharf_op	op = op_name(WHARF_OP_CACHE_APPEND, key, keylen);

	op.value = val;
	op.length = vallen;
	return wharf_do(w, &op, NULL);
}

enum wharf_status
wharf_cache_exist(struct wharf *w, const void *key, size_t keylen)
{
	return op_do(w, op_name(WHARF_OP_CACHE_EXIST, key, keylen), NULL);
}

enum wharf_status
wharf_cache_del(struct wharf *w, const void *key, size_t keylen)
{
	return op_do(w, op_name(WHARF_OP_CACHE_DEL, key, keylen), NULL);
}

enum wharf_status
wharf_cache_ttl(struct wharf *w, const void *key, size_t keylen,
    int64_t *seconds)
{
	struct wharf_op	op = op_name(WHARF_OP_CACHE_TTL, key, keylen);

	return op_number(w, &op, seconds);
}

enum wharf_status
wharf_cache_expire(struct wharf *w, const void *key, size_t keylen,
    int64_t ttl)
{
	struct wharf_op		op = op_name(WHARF_OP_CACHE_EXPIRE, key,
				    keylen);
	struct wharf_write	how = WHARF_WRITE_INIT;

	op.write = &how;
	how.ttl = ttl;
	return wharf_do(w, &op, NULL);
}

enum wharf_status
wharf_cache_persist(struct wharf *w, const void *key, size_t keylen)
{
	return op_do(w, op_name(WHARF_OP_CACHE_PERSIST, key, keylen), NULL);
}

enum wharf_status
wharf_cache_hget(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen, struct wharf_answer *a)
{
	return op_do(w, op_field(WHARF_OP_CACHE_HGET, hash, hashlen, key,
	    keylen), a);
}

enum wharf_status
wharf_cache_hset(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen, const void *val, size_t vallen)
{
	struct wharf_op	op = op_field(WHARF_OP_CACHE_HSET, hash, hashlen, key,
			    keylen);

	op.value = val;
	op.length = vallen;
	return wharf_do(w, &op, NULL);
}

enum wharf_status
wharf_cache_hexist(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen)
{
	return op_do(w, op_field(WHARF_OP_CACHE_HEXIST, hash, hashlen, key,
	    keylen), NULL);
}

enum wharf_status
wharf_cache_hdel(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen)
{
	return op_do(w, op_field(WHARF_OP_CACHE_HDEL, hash, hashlen, key,
	    keylen), NULL);
}

enum wharf_status
wharf_cache_hincrby(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen, int64_t by, int64_t *sum)
{
	struct wharf_op	op = op_field(WHARF_OP_CACHE_HINCRBY, hash, hashlen,
			    key, keylen);

	op.score = by;
	return op_number(w, &op, sum);
}

enum wharf_status
wharf_cache_hincrbyfloat(struct wharf *w, const void *hash, size_t hashlen,
    const void *key, size_t keylen, const char *by, struct wharf_answer *a)
{
	struct wharf_op	op = op_field(WHARF_OP_CACHE_HINCRBYFLOAT, hash,
			    hashlen, key, keylen);

	op.value = by;
	op.length = strlen(by);
	return wharf_do(w, &op, a);
}
