/*
 * storage.c: the records of queues and topics in this router's shard, and the
 * key of its tokens.
 *
 * The slot of a record is that of the queue's name, so all of a queue is in one
 * data file.  A write makes sure of more room than it needs: what belongs to
 * it and is written next, as the delete of a move, then stands in the same
 * batch of the log, and so is there after a crash or is not, with it.
 */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "proto/slot.h"
#include "router/router.h"
#include "supervisor/log.h"

#define KEY_PAUSE	1000		/* usec */
#define KEY_TRIES	10000

static struct shard_key
storage_key(const struct router *r, const struct queue_key *k)
{
	struct shard_key	s = { .type = k->type, .tab = k->tab.p,
	    .tablen = k->tab.n, .key = k->key.p, .keylen = k->key.n };

	/* Those of the router itself have no name: any slot of ours. */
	s.slot = k->tab.n > 0 ? slot_of(k->tab.p, k->tab.n) :
	    r->srv.actor.seat;
	return s;
}

static void
mark_raise(uint64_t *mark, uint64_t lsn)
{
	if (lsn > *mark)
		*mark = lsn;
}

static enum err
storage_put(void *arg, const struct queue_key *key, struct queue_str head,
    struct queue_str item, uint64_t *mark)
{
	struct router		*r = arg;
	struct shard_key	 k = storage_key(r, key);
	struct shard_write	 w = { .head = head.p, .headlen = head.n,
	    .val = item.p, .vallen = item.n };
	struct shard_result	 res;
	enum err		 e;

	e = shard_room(r->srv.shard, k.slot, ROUTER_ROOM + head.n + item.n);
	if (e == E_OK)
		e = shard_put(r->srv.shard, &k, &w, &res);
	if (e == E_OK)
		mark_raise(mark, res.lsn);
	return e;
}

static enum err
storage_del(void *arg, const struct queue_key *key, uint64_t *mark)
{
	static const struct shard_write	 any;
	struct router		*r = arg;
	struct shard_key	 k = storage_key(r, key);
	struct shard_result	 res = { .lsn = 0 };
	enum err		 e = shard_del(r->srv.shard, &k, &any, &res);

	if (e == E_OK || e == E_NOTFOUND)
		mark_raise(mark, res.lsn);
	return e;
}

struct reading {
	queue_seen	*seen;
	void		*arg;
};

static void
storage_seen(void *arg, const struct record *rec)
{
	struct reading	*g = arg;

	g->seen(g->arg, rec->val, rec->vallen);
}

static enum err
storage_get(void *arg, const struct queue_key *key, queue_seen *seen,
    void *seenarg, uint64_t *mark)
{
	static struct log_limit	lim;
	struct router		*r = arg;
	struct shard_key	 k = storage_key(r, key);
	struct reading		 g = { seen, seenarg };
	struct shard_result	 res;
	enum err		 e;

	e = shard_get(r->srv.shard, &k, storage_seen, &g, &res);
	mark_raise(mark, res.lsn);
	if (e == E_DAMAGED) {
		board_add(r->srv.actor.my, BC_DAMAGED, 1);
		log_limited(&lim, "router: a record of %.*s fails its "
		    "checksum", (int)k.tablen, (const char *)k.tab);
	}
	return e;
}

static uint64_t
storage_id(void *arg)
{
	struct router	*r = arg;

	return shard_id(r->srv.shard);
}

static int
storage_owns(void *arg, struct queue_str name)
{
	struct router	*r = arg;

	return slot_store(slot_of(name.p, name.n), r->srv.shards) ==
	    r->srv.actor.seat;
}

static int
storage_doubt(void *arg, struct queue_str name)
{
	const struct router	*r = arg;

	return damage_doubts(r->damage, name);
}

static enum err
storage_forward(void *arg, const struct queue_forward *f)
{
	struct router	*r = arg;

	return forward_send(r->forwards, f);
}

static enum err
storage_reaches(void *arg, struct queue_str to, int ordered)
{
	struct router	*r = arg;

	return forward_room(r->forwards, to, ordered);
}

const struct queue_ops	storage_ops = {
	.put = storage_put, .del = storage_del, .get = storage_get,
	.id = storage_id, .doubt = storage_doubt, .owns = storage_owns, .forward = storage_forward,
	.reaches = storage_reaches,
};

/* --- the key of the tokens --- */

static const struct queue_key	key_record = {
	.type = QUEUE_SETTINGS, .key = { (const uint8_t *)"token", 5 },
};

struct found {
	uint8_t	*key;
	int	 ok;
};

static void
key_seen(void *arg, const uint8_t *val, size_t len)
{
	struct found	*f = arg;

	if ((f->ok = len == TOKEN_KEY) != 0)
		memcpy(f->key, val, TOKEN_KEY);
}

/* The loop does not run yet: what the log is waited for is done here. */
static enum err
key_make(struct router *r, uint8_t key[TOKEN_KEY])
{
	struct queue_str	empty = { NULL, 0 };
	struct queue_str	bytes = { key, TOKEN_KEY };
	struct shard		*s = r->srv.shard;
	uint64_t		 mark = 0;
	enum err		 e;
	unsigned		 n = 0;

	randombytes_buf(key, TOKEN_KEY);
	while ((e = storage_put(r, &key_record, empty, bytes, &mark)) ==
	    E_AGAIN && n++ < KEY_TRIES) {
		shard_kick(s);
		usleep(KEY_PAUSE);
		shard_poll(s);
		shard_turn(s);
	}
	shard_kick(s);
	return e;
}

static void
token_key(struct router *r, uint8_t key[TOKEN_KEY])
{
	struct found	 f = { key, 0 };
	uint64_t	 mark = 0;
	enum err	 e;

	e = storage_get(r, &key_record, key_seen, &f, &mark);
	if (e == E_NOTFOUND || e == E_DAMAGED || (e == E_OK && !f.ok))
		e = key_make(r, key);
	if (e != E_OK)
		fatalx("router: the key of the tokens: %s", err_text(e));
}

static struct queue_limits
storage_limits(const struct router *r)
{
	const struct conf	*c = r->srv.actor.conf;
	uint32_t		 names = (uint32_t)conf_int(c, CONF_MQ_QUEUES);

	return (struct queue_limits){
		.names = (names + r->srv.shards - 1) / r->srv.shards,
		.messages = (uint64_t)conf_int(c, CONF_LIMITS_MESSAGES),
		.waiters = (uint32_t)conf_int(c, CONF_MQ_WAIT_MAX),
		.timeout = (uint32_t)conf_int(c, CONF_MQ_REDELIVERY) * 60000
	};
}

void
router_limits(struct router *r)
{
	struct queue_limits	l = storage_limits(r);

	queues_set_limits(r->queues, &l);
}

void
router_storage(struct router *r)
{
	struct queue_conf	qc = { .ops = &storage_ops, .arg = r,
	    .limits = storage_limits(r) };

	if (sodium_init() == -1)
		fatalx("router: libsodium");
	token_key(r, qc.key);
	randombytes_buf(&qc.salt, sizeof(qc.salt));
	if ((r->queues = queues_new(&qc)) == NULL)
		fatal("router: no memory");
}
