/*
 * get.c: messages go out: at once, or when one comes.
 *
 * Invariants
 * 1 A struct wait is in waits from its handler until its answer; queue/ has
 *   its taker all that time, but while it is on a list of those to ask again.
 * 2 The items of one answer are put together in the router's page between the
 *   first item of a taker and its done.
 */
#include <string.h>

#include "router/router.h"

/* An item for an answer that is a list. */
static int
get_list(struct router *r, const struct queue_delivery *d)
{
	struct page	*p = &r->page;
	struct wbuf	 b;

	if (p->n == QUEUE_COUNT_MAX ||
	    !page_room(p, queue_delivery_size(d), &b))
		return 0;
	queue_delivery_put(&b, d);
	page_add(p, &b);
	return 1;
}

static int
get_one(struct router *r, const struct queue_delivery *d)
{
	struct page	*p = &r->page;
	struct wbuf	 b;

	if (!page_room(p, d->itemlen, &b))
		return 0;
	memcpy(wbuf_room(&b, d->itemlen), d->item, d->itemlen);
	page_add(p, &b);
	memcpy(p->token, d->token, d->tokenlen);
	p->token[d->tokenlen] = '\0';
	p->deliveries = d->deliveries;
	return 1;
}

static struct wait *
of_taker(struct queue_taker *t)
{
	return (struct wait *)(void *)((char *)t -
	    offsetof(struct wait, u.taker));
}

static int
get_item(struct queue_taker *t, const struct queue_msg *q)
{
	struct wait		*w = of_taker(t);
	struct page		*p = &w->r->page;
	struct queue_delivery	 d = { .token = (const uint8_t *)q->token,
	    .tokenlen = strlen(q->token), .item = q->item.p,
	    .itemlen = q->item.n, .deliveries = q->deliveries };

	if (!(w->many ? get_list(w->r, &d) : get_one(w->r, &d)))
		return 0;
	p->end[p->n++] = (uint32_t)p->len;
	return 1;
}

/* Who acknowledges by itself may go away before it does. */
static void
get_out(struct wait *w, unsigned n, uint64_t mark)
{
	struct router		*r = w->r;
	struct queue_str	 tab = { w->tab, w->tablen };
	struct queue_delivery	 d;
	struct rbuf		 b;

	if (!w->many) {
		outs_add(r->outs, w->link, tab, (struct queue_str){
		    (const uint8_t *)r->page.token, strlen(r->page.token) },
		    mark);
		return;
	}
	rbuf_init(&b, r->page.b, r->page.end[n - 1]);
	while (n-- > 0) {
		queue_delivery_get(&b, &d);
		outs_add(r->outs, w->link, tab, (struct queue_str){ d.token,
		    d.tokenlen }, mark);
	}
}

static void
get_fill(const struct wait *w, unsigned n, struct frame *f)
{
	const struct page	*p = &w->r->page;

	f->tab = w->tab;
	f->tablen = w->tablen;
	f->val = p->b;
	f->vallen = p->end[n - 1];
	f->ver = w->many ? n : p->deliveries;
	if (w->many)
		return;
	f->key = (const uint8_t *)p->token;
	f->keylen = (uint32_t)strlen(p->token);
}

static void
get_done(struct queue_taker *t, enum err e, unsigned n, uint64_t mark)
{
	struct wait	*w = of_taker(t);
	struct router	*r = w->r;
	struct frame	 f = { .ver = 0 };

	if (e == E_AGAIN && !r->srv.stopping && (e = wait_later(w)) == E_OK)
		e = E_PENDING;
	if (e != E_PENDING) {
		if (e == E_OK) {
			get_fill(w, n, &f);
			if (t->autoack)
				get_out(w, n, mark);
		}
		wait_answer(w, e, &f, mark);
	}
	page_clear(&r->page);
}

static int
get_ready(struct queue_taker *t)
{
	struct wait	*w = of_taker(t);

	return !choke_full(w->r->choke, w);
}

static enum err
get_start(struct wait *w)
{
	struct router		*r = w->r;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name = { w->tab, w->tablen };
	struct queue_str	 worker = { w->key, w->keylen };

	if (choke_full(r->choke, w))
		return choke_keep(r->choke, w);
	return queue_get(r->queues, name, worker, &w->u.taker, &now);
}

void
router_get_again(struct wait *w)
{
	struct frame	f = { .ver = 0 };
	int64_t		left = mono_diff(w->r->srv.now, w->until);
	enum err	e;

	w->u.taker.wait = left > 0 ? left : 0;
	e = w->r->srv.stopping ? E_NOTREADY : get_start(w);
	if (e == E_AGAIN)
		wait_retry(w);
	else if (e != E_OK)
		wait_answer(w, e, &f, 0);
}

static enum err
get_ask(struct router *r, const struct msg *m, int64_t *us)
{
	if (m->f.score < 0 || m->f.score > QUEUE_COUNT_MAX ||
	    (m->f.keylen != 0 && m->f.keylen < 5))
		return E_PARAM;
	return router_wait(r, m->f.ttl, us);
}

enum err
router_on_get(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name;
	struct wait		*w;
	int64_t			 us;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK ||
	    (e = get_ask(r, m, &us)) != E_OK)
		return e;
	if ((w = wait_new(r, m, name, WAIT_TAKER, us)) == NULL)
		return E_NOMEM;
	w->keylen = (uint8_t)m->f.keylen;
	memcpy(w->key, m->f.key, w->keylen);
	w->many = m->f.score > 1;
	w->u.taker = (struct queue_taker){ .item = get_item, .done = get_done,
	    .ready = get_ready,
	    .count = m->f.score == 0 ? 1 : (unsigned)m->f.score,
	    .autoack = (m->f.flags & FRAME_AUTO) != 0, .wait = us };
	if ((e = get_start(w)) == E_OK)
		return E_PENDING;
	wait_free(w);
	return e;
}
