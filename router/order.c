/*
 * order.c: what is done to a queue as a whole: settings, purge, move.
 */
#include <string.h>

#include "router/router.h"

/* The bits on the wire and those of queue/ are one thing. */
_Static_assert(QSET_MAX == (int)SET_MAX && QSET_LOCK == (int)SET_LOCK &&
    QSET_TIMEOUT == (int)SET_TIMEOUT && QSET_DEAD == (int)SET_DEAD &&
    QSET_MAXDELIVER == (int)SET_MAXDELIVER && QSET_TTL == (int)SET_TTL &&
    QSET_DELAY == (int)SET_DELAY && QSET_ALL == (int)SET_ALL, "bits");

static enum err
set_get(const struct msg *m, struct settings *s, unsigned *mask)
{
	uint8_t			 copy[QUEUE_SET_MAX];
	struct queue_set	 q;
	struct rbuf		 b;

	memcpy(copy, m->f.val, m->f.vallen);
	rbuf_init(&b, copy, m->f.vallen);
	queue_set_get(&b, &q);
	if (rbuf_end(&b) != E_OK)
		return E_BADMSG;
	if (q.deadlen > 0 && !server_name_valid(q.dead, q.deadlen))
		return E_PARAM;
	memset(s, 0, sizeof(*s));
	*mask = q.mask;
	s->lock = q.lock;
	s->max = q.max;
	s->timeout = q.timeout;
	s->maxdeliver = q.maxdeliver;
	s->ttl = q.ttl;
	s->delay = q.delay;
	s->deadlen = q.deadlen;
	memcpy(s->dead, q.dead, q.deadlen);
	return E_OK;
}

enum err
router_on_set(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name;
	struct settings		 s;
	unsigned		 mask;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK ||
	    (e = set_get(m, &s, &mask)) != E_OK)
		return e;
	e = queue_set(r->queues, name, &s, mask,
	    (m->f.flags & FRAME_CREATE) != 0, &now, &mark);
	return router_answer(r, m, e, mark, 1);
}

enum err
router_on_purge(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name;
	unsigned		 priority;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK ||
	    (e = router_priority(m, &priority)) != E_OK)
		return e;
	e = queue_purge(r->queues, name, priority, &now, &mark);
	return router_answer(r, m, e, mark, 1);
}

static enum err
move_here(struct router *r, const struct msg *m, struct queue_str from,
    struct queue_str to)
{
	struct queue_now	 now = router_now(r);
	struct frame		 f = { .score = 0 };
	unsigned		 moved = 0;
	uint64_t		 mark = 0;
	enum err		 e;

	e = queue_move(r->queues, from, to, (unsigned)m->f.score, &moved, &now,
	    &mark);
	if (e == E_AGAIN && moved == 0)
		return e;
	/* What had no room in the log is moved by who asks for the rest. */
	f.score = moved;
	return server_answer(&r->srv, m, e == E_AGAIN ? E_OK : e, &f, mark, 1);
}

enum err
router_on_move(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 from, to;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &from)) != E_OK)
		return e;
	to = router_key(r, m);
	if (!server_name_valid(to.p, to.n) || m->f.score < 1 ||
	    m->f.score > QUEUE_COUNT_MAX)
		return E_PARAM;
	return storage_ops.owns(r, to) ? move_here(r, m, from, to) :
	    moves_begin(r, m, from, to);
}
