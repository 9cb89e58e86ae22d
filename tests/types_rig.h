/*
 * types_rig.h: one shard for test_types and test_numbers: every kind of write
 * until it is no longer "again", reads, and an engine that can damage what is
 * read.
 */
#ifndef TESTS_TYPES_RIG_H
#define TESTS_TYPES_RIG_H

#include <stdint.h>
#include <string.h>

#include "proto/clock.h"
#include "proto/slot.h"
#include "store/shard_num.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define FILES	3u
#define NODE	0x77686172660002ull
#define BIG	100000u

/* The ways to write a record. */
enum how { HOW_PUT, HOW_INCR, HOW_ZADD };
struct kind {
	const char	*name;
	uint8_t		 type;
	enum how	 how;
};
static const struct kind kinds[] = {
	{ "put of a key", TYPE_KV, HOW_PUT },
	{ "put of a field", TYPE_HASH, HOW_PUT },
	{ "put of a member", TYPE_SET, HOW_PUT },
	{ "incr of a key", TYPE_KV, HOW_INCR },
	{ "incr of a field", TYPE_HASH, HOW_INCR },
	{ "zadd", TYPE_ZSET, HOW_ZADD }
};
#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static char			 base[64], dir[96];
static struct shard		*shard;
static struct shard_result	 res;	/* of the last write */
static const struct engine_ops	*sound;	/* what rotten_ops stand on */
static struct engine_ops	 rotten_ops;
static int			 rotten;	/* all that is read is damaged */

/* --- an engine whose records can be damaged --- */

struct rot {
	engine_see	*see;
	void		*arg;
};

static int
rot_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct rot	*r = arg;
	uint8_t		*copy;
	int		 said;

	if (old == NULL || oldlen == 0)
		return r->see(r->arg, old, oldlen, val, len);
	if ((copy = malloc(oldlen)) == NULL)
		abort();
	memcpy(copy, old, oldlen);
	copy[oldlen - 1] ^= 1;
	said = r->see(r->arg, copy, oldlen, val, len);
	free(copy);
	return said;
}

static enum err
rot_process(struct engine *e, const uint8_t *key, size_t keylen,
    engine_see *see, void *arg, int writable)
{
	struct rot	r = { see, arg };

	if (!rotten)
		return sound->process(e, key, keylen, see, arg, writable);
	return sound->process(e, key, keylen, rot_see, &r, writable);
}

/* --- a shard --- */

static void
shard_start(const struct engine_ops *ops)
{
	struct shard_conf	c = {
		.dir = dir, .ops = &rotten_ops, .io = &io_posix, .node = NODE,
		.stores = 1, .files = FILES, .segment = 1 << 20,
		.sync = WAL_ALWAYS, .compact_bytes = 1 << 20, .notify = shard_quiet
	};
	struct shard_opened	o;

	sound = ops;
	rotten_ops = *ops;
	rotten_ops.process = rot_process;
	rotten_ops.hint = NULL;	/* all goes by process */
	rotten = 0;
	CU_ASSERT_EQUAL_FATAL(shard_open(&shard, &c, &o), E_OK);
}

static void
begin(const struct engine_ops *ops)
{
	snprintf(base, sizeof(base), "/tmp/types.XXXXXX");
	shard_base(base);
	shard_dir(dir, sizeof(dir), base, 0);
	shard_start(ops);
}

static __attribute__((unused)) void
end(void)
{
	CU_ASSERT_EQUAL(shard_close(shard, 1), E_OK);
	shard_drop(base);
}

static struct shard_key
make_key(uint8_t type, const char *name)
{
	static const uint8_t	tables[] = "hash set  zset ";
	struct shard_key	k = { .type = type,
	    .key = (const uint8_t *)name, .keylen = strlen(name) };

	if (type != TYPE_KV) {
		k.tab = tables + (type == TYPE_HASH ? 0 :
		    type == TYPE_SET ? 5 : 10);
		k.tablen = type == TYPE_SET ? 3 : 4;
	}
	k.slot = type == TYPE_ZSET ? slot_of(k.tab, k.tablen) :
	    slot_of(k.key, k.keylen);
	return k;
}

static __attribute__((unused)) void
settle(void)
{
	while (shard_released(shard) < res.lsn) {
		shard_kick(shard);
		usleep(20);
		shard_poll(shard);
	}
}

/* Does it until it is no longer "again". */
#define DO(e, call) do {						\
	int	i_;							\
									\
	for (i_ = 0; i_ < 20000; i_++) {				\
		shard_turn(shard);					\
		(e) = (call);						\
		shard_work(shard);					\
		if ((e) != E_AGAIN)					\
			break;						\
		usleep(50);						\
		shard_poll(shard);					\
	}								\
} while (0)

static __attribute__((unused)) enum err
put(uint8_t type, const char *name, const char *val, struct shard_write w)
{
	struct shard_key	k = make_key(type, name);
	enum err		e;

	w.val = (const uint8_t *)val;
	w.vallen = strlen(val);
	DO(e, shard_put(shard, &k, &w, &res));
	return e;
}

static __attribute__((unused)) enum err
incr(uint8_t type, const char *name, int64_t *n, struct shard_write w)
{
	struct shard_key	k = make_key(type, name);
	int64_t			delta = *n;
	enum err		e;

	DO(e, (*n = delta, shard_incr(shard, &k, &w, n, &res)));
	return e;
}

static __attribute__((unused)) enum err
score(const char *name, enum score_op op, int64_t *n, struct shard_write w)
{
	struct shard_key	k = make_key(TYPE_ZSET, name);
	int64_t			asked = *n;
	enum err		e;

	DO(e, (*n = asked, shard_zadd(shard, &k, &w, op, n, &res)));
	return e;
}

static __attribute__((unused)) enum err
expire(uint8_t type, const char *name, int64_t ttl, uint32_t ver)
{
	struct shard_key	k = make_key(type, name);
	struct shard_write	w = { .ttl = ttl, .ver = ver };
	enum err		e;

	DO(e, shard_expire(shard, &k, &w, &res));
	return e;
}

static __attribute__((unused)) enum err
del(uint8_t type, const char *name, struct shard_write w)
{
	struct shard_key	k = make_key(type, name);
	enum err		e;

	DO(e, shard_del(shard, &k, &w, &res));
	return e;
}

/* Another value each time: a set's has none, and a zadd needs another score. */
static __attribute__((unused)) enum err
write_as(const struct kind *kind, const char *name, struct shard_write w)
{
	static int64_t	any;
	int64_t		n = ++any;

	switch (kind->how) {
	case HOW_INCR:
		return incr(kind->type, name, &n, w);
	case HOW_ZADD:
		return score(name, SCORE_SET, &n, w);
	default:
		return put(kind->type, name, kind->type == TYPE_SET ? "" :
		    any % 2 ? "1" : "22", w);
	}
}

struct got {
	char		val[BIG + 1];
	size_t		len;
	uint32_t	version;
	int64_t		expiry, score;
};

static void
got_seen(void *arg, const struct record *r)
{
	struct got	*g = arg;

	CU_ASSERT_TRUE_FATAL(r->vallen <= BIG);
	memcpy(g->val, r->val, r->vallen);
	g->val[r->vallen] = '\0';
	g->len = r->vallen;
	g->version = r->version;
	g->expiry = r->expiry;
	if (r->vallen == SCORE_BYTES)
		CU_ASSERT_EQUAL(score_get(r, &g->score), E_OK);
}

static struct got	got;

static __attribute__((unused)) enum err
get(uint8_t type, const char *name)
{
	struct shard_key	k = make_key(type, name);
	struct shard_result	r;

	memset(&got, 0, sizeof(got));
	shard_turn(shard);
	return shard_get(shard, &k, got_seen, &got, &r);
}

/* So that the tables are there whatever becomes of a test's own records. */
static __attribute__((unused)) void
others(void)
{
	int64_t	one = 1;

	CU_ASSERT_EQUAL(put(TYPE_HASH, "other", "x", (struct shard_write){ 0 }),
	    E_OK);
	CU_ASSERT_EQUAL(put(TYPE_SET, "other", "", (struct shard_write){ 0 }),
	    E_OK);
	CU_ASSERT_EQUAL(score("other", SCORE_SET, &one,
	    (struct shard_write){ 0 }), E_OK);
}

#define W(...)	((struct shard_write){ __VA_ARGS__ })
#define NONE	W(.ver = 0)
#define CHECK(expr, e, v, ve) do {					\
	CU_ASSERT_EQUAL((expr), (e));					\
	CU_ASSERT_EQUAL(res.version, (uint32_t)(v));			\
	CU_ASSERT_EQUAL(res.vererror, (ve));				\
	CU_ASSERT_EQUAL(res.written, (e) == E_OK && !(ve));		\
} while (0)

#define SCORE(op, asked, write_, e, v, ve, result) do {			\
	int64_t	n_ = (asked);						\
									\
	CHECK(score("m", (op), &n_, (write_)), e, v, ve);		\
	if ((e) == E_OK && !(ve))					\
		CU_ASSERT_EQUAL(n_, (result));				\
} while (0)

static __attribute__((unused)) void
expect_score(int64_t s, uint32_t version)
{
	CU_ASSERT_EQUAL(get(TYPE_ZSET, "m"), E_OK);
	CU_ASSERT_EQUAL(got.len, SCORE_BYTES);
	CU_ASSERT_EQUAL(got.score, s);
	CU_ASSERT_EQUAL(got.version, version);
}

#endif
