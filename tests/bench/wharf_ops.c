/*
 * wharf_ops.c: an op as libwharf has it: the same records as over HTTP.
 */
#include <stdio.h>
#include <string.h>

#include "proto/wharf.h"
#include "tests/bench/bench.h"
#include "tests/bench/wharf_ops.h"

/* What an op is about, beside the key and its value. */
static const struct form {
	enum wharf_command	 command;	/* 0: not of this table */
	enum wharf_type		 type;
	const char		*table;
	int			 value;		/* brings one */
	int			 member;	/* its key is o.size bytes long */
} forms[OP_KINDS] = {
	[OP_GET] = { WHARF_OP_GET, WHARF_KEY, NULL, 0, 0 },
	[OP_PUT] = { WHARF_OP_PUT, WHARF_KEY, NULL, 1, 0 },
	[OP_DEL] = { WHARF_OP_DEL, WHARF_KEY, NULL, 0, 0 },
	[OP_HSET] = { WHARF_OP_PUT, WHARF_HASH, "bh", 1, 0 },
	[OP_HGET] = { WHARF_OP_GET, WHARF_HASH, "bh", 0, 0 },
	[OP_SADD] = { WHARF_OP_PUT, WHARF_SET, "bs", 0, 1 },
	[OP_SISMEMBER] = { WHARF_OP_EXIST, WHARF_SET, "bs", 0, 1 },
	[OP_ZADD] = { WHARF_OP_ZADD, WHARF_ZSET, "bz", 0, 1 },
	[OP_ZSCORE] = { WHARF_OP_GET, WHARF_ZSET, "bz", 0, 1 },
	[OP_CGET] = { WHARF_OP_CACHE_GET, WHARF_ANY, NULL, 0, 0 },
	[OP_CPUT] = { WHARF_OP_CACHE_PUT, WHARF_ANY, NULL, 1, 0 },
};

int
wharf_op_known(enum kind kind)
{
	return forms[kind].command != 0 || kind == OP_ZRANGE ||
	    kind == OP_HKEYS || kind == OP_MGET || kind == OP_QPUT ||
	    kind == OP_QGET;
}

static void
key_put(char *p, uint64_t key)
{
	memcpy(p, "key:", 4);
	key_digits(p + 4, key);
}

static enum wharf_status
record_submit(const struct bench *b, struct wharf *w, const struct op *op,
    wharf_fn *fn, void *arg)
{
	const struct form	*f = &forms[op->kind];
	struct wharf_op		 o = WHARF_OP_INIT(f->command, f->type);
	char			 key[MEMBER_MAX];

	o.table = f->table;
	o.key = key;
	o.keylen = f->member && b->o.size > KEY_LEN ? b->o.size : KEY_LEN;
	if (o.keylen > sizeof(key))
		die("members are at most %d bytes long", MEMBER_MAX);
	memset(key, 'x', o.keylen);
	key_put(key, op->key);
	if (f->value) {
		o.value = value_of(b, op->key);
		o.length = b->o.size;
	}
	if (op->kind == OP_ZADD)
		o.score = (int64_t)op->key;
	return wharf_submit(w, &o, fn, arg);
}

/* RANGE members by score, or the first page of as many fields. */
static enum wharf_status
page_submit(struct wharf *w, const struct op *op, wharf_fn *fn, void *arg)
{
	struct wharf_op	o = WHARF_OP_INIT(WHARF_OP_LIST, WHARF_HASH);

	o.table = "bh";
	o.limit = RANGE;
	if (op->kind == OP_ZRANGE) {
		o.type = WHARF_ZSET;
		o.table = "bz";
		o.flags = WHARF_BY_SCORE;
		o.min = (int64_t)op->key;
		o.max = o.min + RANGE - 1;
	}
	return wharf_submit(w, &o, fn, arg);
}

/* Of the queue whose number the key is. */
static enum wharf_status
queue_submit(const struct bench *b, struct wharf *w, const struct op *op,
    wharf_fn *fn, void *arg)
{
	char			name[32];
	int			put = op->kind == OP_QPUT;
	struct wharf_queue_op	o = WHARF_QUEUE_OP_INIT(
				    put ? WHARF_Q_PUT : WHARF_Q_GET, name);

	(void)snprintf(name, sizeof(name), "bq%012llu",
	    (unsigned long long)op->key);
	if (put) {
		o.value = value_of(b, op->key);
		o.length = b->o.size;
	} else {
		o.other = "bench";
		o.flags = WHARF_AUTO;
	}
	return wharf_queue_submit(w, &o, fn, arg, NULL);
}

static enum wharf_status
many_submit(struct wharf *w, const struct op *op, wharf_many_fn *fn,
    void *arg)
{
	struct wharf_record	r[MGET_KEYS];
	char			keys[MGET_KEYS][KEY_LEN];
	unsigned		i;

	memset(r, 0, sizeof(r));
	for (i = 0; i < MGET_KEYS; i++) {
		key_put(keys[i], op->key + i);
		r[i].type = WHARF_KEY;
		r[i].key = keys[i];
		r[i].keylen = KEY_LEN;
	}
	return wharf_submit_mget(w, r, MGET_KEYS, fn, arg);
}

enum wharf_status
wharf_op_submit(const struct bench *b, struct wharf *w, const struct op *op,
    wharf_fn *fn, wharf_many_fn *many, void *arg)
{
	switch (op->kind) {
	case OP_QPUT:
	case OP_QGET:
		return queue_submit(b, w, op, fn, arg);
	case OP_ZRANGE:
	case OP_HKEYS:
		return page_submit(w, op, fn, arg);
	case OP_MGET:
		return many_submit(w, op, many, arg);
	default:
		return record_submit(b, w, op, fn, arg);
	}
}
