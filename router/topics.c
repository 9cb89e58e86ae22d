/*
 * topics.c: pub, and sub with or without waiting.
 */
#include <stdio.h>
#include <string.h>

#include "router/router.h"
#include "supervisor/limits.h"

#define TTL_DEFAULT	900000		/* ms, contract 3.2 */
#define WINDOW_TEXT	48
/* Bytes of items that wait for the log at a time, if more than one does. */
#define HELD_MOST	SERVER_OUT_HIGH

enum err
router_on_pub(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name, item = { m->f.val, m->f.vallen };
	int64_t			 ttl = m->f.ttl == 0 ? TTL_DEFAULT : m->f.ttl;
	struct frame		 f = { .ver = 0 };
	uint64_t		 at = 0, mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, ROUTER_ROOM, &name)) != E_OK)
		return e;
	if (item.n == 0 || ttl < 0 || ttl > 1000 *
	    conf_int(a->conf, CONF_MQ_TTL_MAX))
		return E_PARAM;
	if ((e = limits_over(board_place(a->board, 0))) == E_OK)
		e = topic_pub(r->queues, name, item, m->f.score, ttl, &now,
		    &at, &mark);
	if (e == E_AGAIN)
		return e;
	if (e == E_OK)
		cast_item(r->cast, name, item, mark);
	f.score = (int64_t)at;
	return server_answer(&r->srv, m, e, &f, mark, 1);
}

/*
 * Whether an item may go out now: E_OK; E_PENDING it is kept for later, as the
 * link or what waits for the log has enough of them; why it cannot be.
 */
static enum err
sub_room(struct wait *w, size_t n, uint64_t mark)
{
	struct server	*s = &w->r->srv;
	uint64_t	 held = answers_bytes(s->answers);
	enum err	 e;

	if (s->stopping)
		return E_OK;
	if (choke_full(w->r->choke, w)) {
		e = choke_keep(w->r->choke, w);
		return e == E_OK ? E_PENDING : e;
	}
	if (mark <= shard_released(s->shard) || held == 0 ||
	    held + n <= HELD_MOST)
		return E_OK;
	wait_retry(w);
	return E_PENDING;
}

/*
 * E_WINDOW: "sp-ep" as clients see them is the value; score and ttl are the
 * 64-bit numbers.
 */
static void
sub_window(struct wait *w, const struct topic_window *win, uint64_t mark)
{
	char		 text[WINDOW_TEXT];
	struct frame	 f = { .score = (int64_t)win->sp,
	    .ttl = (int64_t)win->ep, .val = (const uint8_t *)text };

	f.vallen = (uint32_t)snprintf(text, sizeof(text), "%u-%u",
	    (unsigned)(win->sp % TOPIC_RING), (unsigned)(win->ep % TOPIC_RING));
	wait_answer(w, E_WINDOW, &f, mark);
}

static void
sub_done(struct topic_reader *t, enum err e, struct queue_str item,
    const struct topic_window *win, uint64_t mark)
{
	struct wait	*w = (struct wait *)(void *)((char *)t -
			    offsetof(struct wait, u.reader));
	struct frame	 f = { .val = item.p, .vallen = (uint32_t)item.n };

	if (e == E_OK)
		e = sub_room(w, item.n, mark);
	else if (e == E_AGAIN && !w->r->srv.stopping) {
		wait_retry(w);
		e = E_PENDING;
	}
	if (e == E_WINDOW && win != NULL)
		sub_window(w, win, mark);
	else if (e != E_PENDING) {
		if (e != E_OK)
			f.vallen = 0;
		wait_answer(w, e, &f, mark);
	}
}

static enum err
sub_start(struct wait *w)
{
	struct queue_now	now = router_now(w->r);
	struct queue_str	name = { w->tab, w->tablen };

	if (choke_full(w->r->choke, w))
		return choke_keep(w->r->choke, w);
	return topic_sub(w->r->queues, name, &w->u.reader, &now);
}

void
router_sub_again(struct wait *w)
{
	struct frame	f = { .ver = 0 };
	int64_t		left = mono_diff(w->r->srv.now, w->until);
	enum err	e;

	w->u.reader.wait = left > 0 ? left : 0;
	e = w->r->srv.stopping ? E_NOTREADY : sub_start(w);
	if (e != E_OK)
		wait_answer(w, e, &f, 0);
}

enum err
router_on_sub(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name;
	struct wait		*w;
	int64_t			 us;
	enum err		 e;

	if ((e = router_admit(r, m, 0, &name)) != E_OK ||
	    (e = router_wait(r, m->f.ttl, &us)) != E_OK)
		return e;
	if (m->f.score < 0 || m->f.score >= TOPIC_RING)
		return E_PARAM;
	if ((w = wait_new(r, m, name, WAIT_READER, us)) == NULL)
		return E_NOMEM;
	w->u.reader = (struct topic_reader){ .done = sub_done,
	    .idx = (uint32_t)m->f.score, .wait = us };
	if ((e = sub_start(w)) == E_OK)
		return E_PENDING;
	wait_free(w);
	return e;
}
