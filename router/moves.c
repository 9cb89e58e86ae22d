/*
 * moves.c: see moves.h.  Runs in wharf-router.
 *
 * The answer depends on our log, too: after it no crash brings a message back
 * that it counts.
 */
#include <stdlib.h>
#include <string.h>

#include "router/router.h"

#define ORDER_US	10000000	/* that an order takes at most */
#define MARGIN_US	400000		/* before its deadline, or a part of it */
#define MARGIN_PART	8

struct order {
	TAILQ_ENTRY(order) next;
	uint64_t	 n, link, id;
	uint8_t		 tablen, keylen;
	uint8_t		 tab[TABLE_MAX], key[TABLE_MAX];
	mono_t		 came, until;
	unsigned	 left;		/* under way */
	unsigned	 moved;
	enum err	 err;		/* of those that are not */
	uint64_t	 mark;
};

struct moves {
	struct router	*r;
	TAILQ_HEAD(, order) list;	/* the oldest first */
	struct order	*at_hand;	/* while it is begun, or NULL */
	unsigned	 n;
	uint64_t	 last;		/* number given */
	struct ev_timer	 late;
};

/* --- time --- */

static mono_t
order_until(const struct router *r, const struct msg *m)
{
	uint32_t	now = (uint32_t)r->srv.now.us;
	int64_t		us = ORDER_US, margin;

	if (m->f.deadline != 0)
		us = (int32_t)(m->f.deadline - now);
	if (us > ORDER_US)
		us = ORDER_US;
	margin = us / MARGIN_PART;
	return mono_add(r->srv.now, us - (margin < MARGIN_US ? margin :
	    MARGIN_US));
}

static void
moves_arm(struct moves *ms)
{
	struct ev_loop		*loop = ms->r->srv.actor.loop;
	const struct order	*o;
	mono_t			 first = { INT64_MAX };
	int64_t			 us;

	ev_timer_stop(loop, &ms->late);
	TAILQ_FOREACH(o, &ms->list, next)
		if (o->until.us < first.us)
			first = o->until;
	if (TAILQ_EMPTY(&ms->list))
		return;
	us = mono_diff(mono_now(), first);
	ev_now_update(loop);
	ev_timer_set(&ms->late, us > 0 ? (double)us / 1e6 : 0., 0.);
	ev_timer_start(loop, &ms->late);
}

/* --- one order --- */

static struct order *
order_new(struct moves *ms, const struct msg *m, struct queue_str from,
    struct queue_str to)
{
	struct order	*o;

	if (ms->n == MOVES_MOST || (o = calloc(1, sizeof(*o))) == NULL)
		return NULL;
	o->n = ++ms->last;
	o->link = link_id(m->link);
	o->id = m->f.id;
	o->tablen = (uint8_t)from.n;
	memcpy(o->tab, from.p, from.n);
	o->keylen = (uint8_t)to.n;
	memcpy(o->key, to.p, to.n);
	o->came = m->since.us != 0 ? m->since : ms->r->srv.now;
	o->until = order_until(ms->r, m);
	TAILQ_INSERT_TAIL(&ms->list, o, next);
	ms->n++;
	return o;
}

static void
order_free(struct moves *ms, struct order *o)
{
	TAILQ_REMOVE(&ms->list, o, next);
	ms->n--;
	free(o);
}

static void
order_answer(struct moves *ms, struct order *o)
{
	struct router	*r = ms->r;
	struct frame	 f = { .score = o->moved };
	struct msg	 m = { .f = { .msg = MSG_QUEUE_MOVE, .id = o->id,
	    .tab = o->tab, .tablen = o->tablen, .key = o->key,
	    .keylen = o->keylen }, .since = o->came };

	m.link = link_find(r->srv.actor.mailbox, o->link);
	if (m.link != NULL)
		server_answer(&r->srv, &m, o->err, &f, o->mark, 1);
	order_free(ms, o);
}

/* That nobody knows of some is to be said before why others did not go. */
static void
order_note(struct order *o, enum err e)
{
	if (o->err == E_OK || e == E_UNSURE || e == E_TIMEOUT)
		o->err = e;
}

/* --- from begin to end --- */

/* E_AGAIN, E_FULL with some under way: who wants the rest asks again. */
enum err
moves_begin(struct router *r, const struct msg *m, struct queue_str from,
    struct queue_str to)
{
	struct moves		*ms = r->moves;
	struct queue_now	 now = router_now(r);
	struct order		*o = order_new(ms, m, from, to);
	unsigned		 n;
	enum err		 e;

	if (o == NULL)
		return E_FULL;
	ms->at_hand = o;
	e = queue_move(r->queues, from, to, (unsigned)m->f.score, &n, &now,
	    &o->mark);
	ms->at_hand = NULL;
	if (e == E_AGAIN && n == 0) {
		order_free(ms, o);
		return e;
	}
	if (n == 0 || (e != E_AGAIN && e != E_FULL))
		order_note(o, e);
	if (o->left == 0)
		order_answer(ms, o);
	moves_arm(ms);
	return E_PENDING;
}

uint64_t
moves_sent(struct moves *ms)
{
	if (ms->at_hand == NULL)
		return 0;
	ms->at_hand->left++;
	return ms->at_hand->n;
}

void
moves_told(struct moves *ms, uint64_t order, enum err e, uint64_t mark)
{
	struct order	*o;

	TAILQ_FOREACH(o, &ms->list, next)
		if (o->n == order)
			break;
	if (o == NULL)
		return;
	if (mark > o->mark)
		o->mark = mark;
	if (e == E_OK)
		o->moved++;
	else
		order_note(o, e);
	if (--o->left == 0)
		order_answer(ms, o);
}

static void
on_late(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct moves	*ms = w->data;
	struct order	*o, *next;
	mono_t		 now = mono_now();

	(void)loop, (void)events;
	for (o = TAILQ_FIRST(&ms->list); o != NULL; o = next) {
		next = TAILQ_NEXT(o, next);
		if (mono_diff(now, o->until) > 0)
			continue;
		order_note(o, E_TIMEOUT);
		order_answer(ms, o);
	}
	moves_arm(ms);
}

/* --- all of them --- */

unsigned
moves_count(const struct moves *ms)
{
	return ms->n;
}

struct moves *
moves_new(struct router *r)
{
	struct moves	*ms = calloc(1, sizeof(*ms));

	if (ms == NULL)
		return NULL;
	ms->r = r;
	TAILQ_INIT(&ms->list);
	ev_timer_init(&ms->late, on_late, 0., 0.);
	ms->late.data = ms;
	return ms;
}

void
moves_free(struct moves *ms)
{
	struct order	*o;

	if (ms == NULL)
		return;
	while ((o = TAILQ_FIRST(&ms->list)) != NULL)
		order_free(ms, o);
	free(ms);
}
