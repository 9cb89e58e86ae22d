/*
 * call.c: the way of a message to a store or router, and of its answer or of the news
 * that there will be none, to the request (single.c) or the plan (plan.c) that
 * sent it.
 */
#include "proto/frame.h"
#include "worker/call.h"
#include "worker/listener.h"
#include "worker/plan_impl.h"
#include "worker/queue.h"
#include "worker/single.h"
#include "worker/tell.h"
#include "worker/worker.h"

/* The store's deadline ends before ours: by 100 ms, or a quarter of a short one. */
#define MARGIN_US	(100 * INT64_C(1000))
#define MARGIN_PART	4

static void
deadline_arm(struct worker *w)
{
	mono_t	due;
	int64_t	us;

	if (!pending_next(w->pending, &due) || (ev_is_active(&w->deadline) &&
	    mono_diff(w->armed, due) >= 0))
		return;
	ev_timer_stop(w->a.loop, &w->deadline);
	w->armed = due;
	us = mono_diff(mono_now(), due);
	ev_timer_set(&w->deadline, us > 0 ? (double)us / 1e6 : 0., 0.);
	ev_timer_start(w->a.loop, &w->deadline);
}

static void
call_unqueue(struct call *c)
{
	if (c->unsent)
		TAILQ_REMOVE(&c->r->w->unsent, c, queue);
	c->unsent = 0;
}

static int64_t
margin(const struct worker *w)
{
	int64_t	part = w->deadline_us / MARGIN_PART;

	return part < MARGIN_US ? part : MARGIN_US;
}

/* The message, or a copy that waits with it, has the body from now on. */
static enum err
call_pass(struct call *c, struct link *link, struct frame *f)
{
	enum err	e;

	f->id = c->id;
	f->deadline = frame_deadline(mono_add(c->r->due,
	    -margin(c->r->w)));
	e = link_send(link, f);
	if (e == E_OK && c->part == CALL_WHOLE)
		single_sent(c->r);
	return e;
}

static struct link *
call_link(struct worker *w, unsigned to)
{
	return to & TO_ROUTER ? w->routers[to & ~TO_ROUTER] : w->stores[to];
}

enum err
call_send(struct call *c, unsigned to, struct frame *f)
{
	struct request	*r = c->r;
	struct worker	*w = r->w;
	struct link	*link = call_link(w, to);
	enum err	 e;

	if (link == NULL || w->leaving)
		return E_NOTREADY;
	c->link = link_id(link);
	c->id = pending_add(w->pending, c, c->link, r->due);
	if (c->id == 0)
		return E_NOMEM;
	if ((e = call_pass(c, link, f)) == E_FULL) {
		c->unsent = 1;
		c->f = f;
		TAILQ_INSERT_TAIL(&w->unsent, c, queue);
	} else if (e != E_OK) {
		(void)pending_take(w->pending, c->id, c->link);
		return e;
	}
	c->open = 1;
	r->sent = 1;
	deadline_arm(w);
	return E_OK;
}

void
call_drop(struct call *c)
{
	if (!c->open)
		return;
	call_unqueue(c);
	(void)pending_take(c->r->w->pending, c->id, c->link);
	c->open = 0;
}

void
call_tell(struct worker *w, unsigned to, struct frame *f)
{
	struct link	*link;

	if (to & TO_ROUTER) {
		tell(w->tells, to & ~TO_ROUTER, f, w->deadline_us);
		return;
	}
	link = call_link(w, to);
	f->id = 0;
	f->deadline = frame_deadline(mono_add(mono_now(), w->deadline_us));
	if (link != NULL)
		(void)link_send(link, f);
}

/*
 * The answer will not come, and the call is out of the pending table.  A write
 * may have been done all the same, unless it never left.
 */
static void
call_lost(struct call *c, enum err if_write, enum err if_read)
{
	struct request	*r = c->r;
	enum err	 e = (r->path->flags & PF_WRITE) != 0 ?
			     if_write : if_read;

	if (c->unsent)
		e = E_FULL;
	call_unqueue(c);
	c->open = 0;
	if (c->part == CALL_WHOLE)
		single_lost(r, e);
	else
		plan_lost(r, c->part, e);
}

enum err
call_on_reply(struct actor *a, const struct msg *m)
{
	struct worker	*w = a->self;
	struct call	*c;

	c = pending_take(w->pending, m->f.id, link_id(m->link));
	if (c == NULL) {
		board_add(a->my, BC_LATE, 1);
		queue_late(w, m);
		return E_OK;
	}
	c->open = 0;
	if (c->part == CALL_WHOLE)
		single_reply(c->r, &m->f);
	else
		plan_reply(c->r, c->part, &m->f);
	return E_OK;
}

static enum err
call_again(struct call *c)
{
	struct link	*link = link_find(c->r->w->a.mailbox, c->link);
	struct frame	 f;

	if (link == NULL)
		return E_NOTREADY;
	if (c->part != CALL_WHOLE)
		return call_pass(c, link, c->f);
	(void)single_frame(c->r, &f);	/* it was right the first time */
	return call_pass(c, link, &f);
}

/* 1: one is lost, and may have taken others along. */
static int
retry_round(struct worker *w)
{
	struct call	*c, *next;
	uint64_t	 full = 0;
	enum err	 e;

	for (c = TAILQ_FIRST(&w->unsent); c != NULL; c = next) {
		next = TAILQ_NEXT(c, queue);
		if (c->link == full)
			continue;
		if ((e = call_again(c)) == E_FULL) {
			full = c->link;		/* others may have room */
			continue;
		}
		call_unqueue(c);
		if (e == E_OK)
			continue;
		(void)pending_take(w->pending, c->id, c->link);
		call_lost(c, e, e);
		return 1;
	}
	return 0;
}

void
calls_retry(struct worker *w)
{
	tells_retry(w->tells, w->deadline_us);
	while (retry_round(w))
		;
}

void
calls_on_link_down(struct worker *w, uint64_t link)
{
	struct call	*c;

	while ((c = pending_orphan(w->pending, link)) != NULL)
		call_lost(c, E_UNSURE, E_NOTREADY);
	listeners_wake(w);
}

void
calls_expire(struct worker *w)
{
	mono_t		 now = mono_now();
	struct call	*c;

	while ((c = pending_expired(w->pending, now)) != NULL)
		call_lost(c, E_TIMEOUT, E_TIMEOUT);
	deadline_arm(w);
	listeners_wake(w);
}

void
calls_abandon(struct worker *w)
{
	struct call	*c;

	while ((c = pending_orphan(w->pending, 0)) != NULL)
		call_lost(c, E_UNSURE, E_NOTREADY);
}
