/*
 * put.c: messages come in: one, or many in one message of which all or none
 * are taken as far as limits and settings go.  When the log has no room in the
 * middle the link keeps the message, and the rest goes in when it has.
 */
#include <string.h>

#include "router/router.h"
#include "supervisor/limits.h"

static enum err
put_fill(const struct msg *m, struct queue_put *p)
{
	memset(p, 0, sizeof(*p));
	p->ttl = m->f.ttl;
	p->delay = m->f.score;
	if (p->ttl < 0 || p->ttl > QUEUE_DELAY_MAX || p->delay < 0 ||
	    p->delay > QUEUE_DELAY_MAX)
		return E_PARAM;
	return router_priority(m, &p->priority);
}

static enum err
put_may(struct router *r)
{
	return limits_over(board_place(r->srv.actor.board, 0));
}

enum err
router_on_put(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name, item = { m->f.val, m->f.vallen };
	struct queue_now	 now = router_now(r);
	struct queue_put	 p;
	unsigned		 done;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK ||
	    (e = put_fill(m, &p)) != E_OK)
		return e;
	if (item.n == 0 || item.n > ROUTER_ITEM_MAX)
		return item.n == 0 ? E_PARAM : E_TOOBIG;
	p.items = &item;
	p.n = 1;
	if ((e = put_may(r)) == E_OK)
		e = queue_put(r->queues, name, &p, &now, &done, &mark);
	return router_answer(r, m, e, mark, 1);
}

/* --- many --- */

/* The items of the message: their lengths are taken once. */
static enum err
mput_items(struct router *r, const struct msg *m, unsigned *n)
{
	struct rbuf	b;

	rbuf_init(&b, m->f.val, m->f.vallen);
	for (*n = 0; b.left > 0 && !b.bad && *n < QUEUE_COUNT_MAX; ++*n) {
		r->items[*n].p = queue_item_get(&b, &r->items[*n].n);
		if (r->items[*n].n == 0)
			return E_PARAM;
		if (r->items[*n].n > ROUTER_ITEM_MAX)
			return E_TOOBIG;
	}
	if (rbuf_end(&b) != E_OK)
		return *n == QUEUE_COUNT_MAX ? E_PARAM : E_BADMSG;
	return *n == 0 ? E_PARAM : E_OK;
}

static enum err
mput_answer(struct router *r, const struct msg *m, enum err e, unsigned done,
    uint64_t mark)
{
	struct frame	f = { .ver = done };

	return server_answer(&r->srv, m, e, &f, mark, 1);
}

static enum err
mput(struct router *r, const struct msg *m, struct queue_str name,
    struct queue_put *p)
{
	struct partly		*was = partly_find(r, m);
	struct queue_now	 now = router_now(r);
	unsigned		 had = was == NULL ? 0 : was->done, done = 0;
	uint64_t		 mark = was == NULL ? 0 : was->mark;
	enum err		 e;

	p->items = r->items + had;
	p->n -= had;
	if ((e = put_may(r)) == E_OK)
		e = queue_put(r->queues, name, p, &now, &done, &mark);
	done += had;
	if (e == E_AGAIN && done == 0)
		return e;
	if (e == E_AGAIN && (was = partly_keep(r, m)) != NULL) {
		was->done = done;
		was->mark = mark;
		return e;
	}
	partly_free(r, was);
	return mput_answer(r, m, e != E_OK && done > 0 ? E_UNSURE : e, done,
	    mark);
}

enum err
router_on_mput(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name;
	struct queue_put	 p;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) == E_OK &&
	    (e = put_fill(m, &p)) == E_OK &&
	    (e = mput_items(r, m, &p.n)) == E_OK)
		return mput(r, m, name, &p);
	return partly_refuse(r, m, e);
}
