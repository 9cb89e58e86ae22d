/*
 * topics.c: pub, and sub with or without waiting.
 */
#include <stdio.h>
#include <string.h>

#include "router/router.h"
#include "supervisor/limits.h"

#define TTL_DEFAULT	900000		/* ms, contract 3.2 */
#define WINDOW_TEXT	48

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
 * E_WINDOW: "sp-ep" as clients see them is the value; score and ttl are the
 * 64-bit numbers.
 */
static void
sub_done(struct topic_reader *t, enum err e, struct queue_str item,
    const struct topic_window *win, uint64_t mark)
{
	struct wait	*w = (struct wait *)(void *)((char *)t -
			    offsetof(struct wait, u.reader));
	struct frame	 f = { .ver = 0 };
	char		 text[WINDOW_TEXT];

	if (e == E_OK) {
		f.val = item.p;
		f.vallen = (uint32_t)item.n;
	} else if (e == E_WINDOW && win != NULL) {
		f.score = (int64_t)win->sp;
		f.ttl = (int64_t)win->ep;
		f.val = (const uint8_t *)text;
		f.vallen = (uint32_t)snprintf(text, sizeof(text), "%u-%u",
		    (unsigned)(win->sp % TOPIC_RING),
		    (unsigned)(win->ep % TOPIC_RING));
	}
	wait_answer(w, e, &f, mark);
}

enum err
router_on_sub(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
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
	if ((e = topic_sub(r->queues, name, &w->u.reader, &now)) == E_OK)
		return E_PENDING;
	wait_free(w);
	return e;
}
