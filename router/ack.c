/*
 * ack.c: what becomes of a message that was delivered: gone, back, or longer
 * with whom it is.
 */
#include <string.h>

#include "router/router.h"

static enum err
ack_one(struct router *r, struct queue_str name, struct queue_str token,
    uint64_t *mark)
{
	struct queue_now	now = router_now(r);
	enum err		e;

	e = queue_ack(r->queues, name, token, &now, mark);
	if (e == E_OK || e == E_NOTFOUND || e == E_TOKEN)
		outs_remove(r->outs, token);
	return e;
}

/*
 * The tokens of a message, each once: E_OK it is through, E_AGAIN the next has
 * no room in the log, E_BADMSG.  *at: how far it came, and what was wrong with
 * the first that could not be acknowledged.
 */
static enum err
ack_all(struct router *r, const struct msg *m, struct queue_str name,
    struct partly *at)
{
	uint8_t		 token[QUEUE_TOKEN_MAX];
	const uint8_t	*p;
	struct rbuf	 b;
	size_t		 n;
	unsigned	 i;
	enum err	 e;

	rbuf_init(&b, m->f.val, m->f.vallen);
	for (i = 0; b.left > 0; i++) {
		if ((p = queue_token_get(&b, &n)) == NULL || n == 0)
			return E_BADMSG;
		if (i < at->done)
			continue;
		memcpy(token, p, n);
		e = ack_one(r, name, (struct queue_str){ token, n },
		    &at->mark);
		if (e == E_AGAIN)
			return e;
		at->done++;
		at->good += e == E_OK;
		if (e != E_OK && at->err == E_OK)
			at->err = e;
	}
	return E_OK;
}

/*
 * Many: those that can be; the answer says how many, and what was wrong with
 * the first that could not.  When the log has no room in the middle the link
 * keeps the message, and the rest follows.
 */
static enum err
ack_many(struct router *r, const struct msg *m, struct queue_str name)
{
	struct partly	*was = partly_find(r, m), at = { .err = E_OK };
	struct frame	 f = { .ver = 0 };
	enum err	 e;

	if (was != NULL)
		at = *was;
	e = ack_all(r, m, name, &at);
	if (e == E_AGAIN && at.done == 0)
		return e;
	if (e == E_AGAIN && (was = partly_keep(r, m)) != NULL) {
		was->done = at.done;
		was->good = at.good;
		was->mark = at.mark;
		was->err = at.err;
		return e;
	}
	partly_free(r, was);
	f.ver = at.good;
	return server_answer(&r->srv, m, at.err == E_OK ? e : at.err, &f,
	    at.mark, 1);
}

enum err
router_on_ack(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name, token;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK)
		return partly_refuse(r, m, e);
	if ((m->f.keylen == 0) == (m->f.vallen == 0))
		return E_PARAM;
	if (m->f.vallen > 0)
		return ack_many(r, m, name);
	token = router_key(r, m);
	e = ack_one(r, name, token, &mark);
	return router_answer(r, m, e, mark, 1);
}

enum err
router_on_nack(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_back	 back = { .delay = m->f.ttl,
		.unseen = (m->f.flags & FRAME_UNSEEN) != 0 };
	struct queue_str	 name, token;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK)
		return e;
	token = router_key(r, m);
	e = queue_nack(r->queues, name, token, &back, &now, &mark);
	if (e == E_OK || e == E_TOKEN)
		outs_remove(r->outs, token);
	return router_answer(r, m, e, mark, 1);
}

enum err
router_on_touch(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name;
	struct frame		 f = { .ttl = m->f.ttl };
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK)
		return e;
	if (f.ttl < 0 || f.ttl > QUEUE_DELAY_MAX)
		return E_PARAM;
	e = queue_touch(r->queues, name, router_key(r, m), &f.ttl, &now,
	    &mark);
	if (e == E_AGAIN)
		return e;
	return server_answer(&r->srv, m, e, &f, mark, 1);
}
