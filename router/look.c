/*
 * look.c: what there is: a message further back, the queues and topics with
 * their settings and numbers, the workers of a queue.
 */
#include <string.h>

#include "router/router.h"

#define ROWS_MAX	1024u		/* of one answer */

static void
peek_see(void *arg, const struct queue_msg *q)
{
	struct router	*r = arg;
	struct page	*p = &r->page;
	struct wbuf	 b;

	if (!page_room(p, q->item.n, &b))
		return;
	memcpy(wbuf_room(&b, q->item.n), q->item.p, q->item.n);
	page_add(p, &b);
	p->deliveries = q->deliveries;
	p->n = 1;
}

enum err
router_on_peek(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_str	 name;
	struct frame		 f = { .ver = 0 };
	uint64_t		 mark = 0;
	unsigned		 p = 0;
	enum err		 e;

	if ((e = router_admit(r, m, 0, &name)) != E_OK)
		return e;
	if (m->f.score < 0 || router_priority(m, &p) != E_OK)
		return E_PARAM;
	e = queue_peek(r->queues, name, m->f.type == 0 ? -1 : (int)p,
	    (uint64_t)m->f.score, peek_see, r, &now, &mark);
	if (e == E_OK && r->page.n == 0)
		e = E_NOMEM;
	if (e == E_OK) {
		f.val = r->page.b;
		f.vallen = (uint32_t)r->page.len;
		f.ver = r->page.deliveries;
	}
	server_answer(&r->srv, m, e, &f, mark, 0);
	page_clear(&r->page);
	return E_PENDING;
}

/* --- rows --- */

struct rows {
	struct page	*page;
	uint32_t	 n;
	int		 more, nomem;
};

static void
row_of(struct queue_row *row, const struct queue_stat *s)
{
	const struct settings	*set = s->set;
	unsigned		 i;

	*row = (struct queue_row){
		.name = s->name.p, .len = (uint8_t)s->name.n,
		.topic = set->kind == KIND_TOPIC,
		.set = { .mask = QSET_ALL, .lock = set->lock,
		    .max = set->max, .timeout = set->timeout,
		    .maxdeliver = set->maxdeliver, .ttl = set->ttl,
		    .delay = set->delay, .dead = set->dead,
		    .deadlen = set->deadlen },
		.delayed = s->delayed, .unacked = s->unacked,
		.waiting = s->waiting, .si = s->si, .ci = s->ci,
		.tm = set->tm
	};
	for (i = 0; i < QUEUE_PRIORITIES; i++)
		row->ready[i] = s->ready[i];
}

/* Goes on while there is room for another. */
static int
rows_see(void *arg, const struct queue_stat *s)
{
	struct rows		*rows = arg;
	struct queue_row	 row;
	struct wbuf		 b;

	if (rows->n == ROWS_MAX) {
		rows->more = 1;
		return 0;
	}
	if (!page_room(rows->page, QUEUE_ROW_MAX, &b)) {
		rows->nomem = 1;
		return 0;
	}
	row_of(&row, s);
	queue_row_put(&b, &row);
	page_add(rows->page, &b);
	rows->n++;
	return 1;
}

static enum err
rows_answer(struct router *r, const struct msg *m, enum err e,
    const struct rows *rows, uint64_t mark)
{
	struct frame	f = { .ver = 0 };

	if (e == E_OK && rows->nomem)
		e = E_NOMEM;
	if (e == E_OK) {
		f.val = r->page.b;
		f.vallen = (uint32_t)r->page.len;
		f.ver = rows->n;
		f.score = rows->more;
	}
	server_answer(&r->srv, m, e, &f, mark, 0);
	page_clear(&r->page);
	return E_PENDING;
}

static enum err
stat_all(struct router *r, const struct msg *m)
{
	struct rows	rows = { .page = &r->page };
	uint64_t	mark = 0;
	enum err	e;

	if ((e = server_may(&r->srv, m)) != E_OK)
		return e;
	e = queues_list(r->queues, router_key(r, m), rows_see, &rows, &mark);
	return rows_answer(r, m, e, &rows, mark);
}

enum err
router_on_stat(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct rows		 rows = { .page = &r->page };
	struct queue_str	 name;
	struct queue_stat	 s;
	uint64_t		 mark = 0;
	enum err		 e;

	if (m->f.tablen == 0)
		return stat_all(r, m);
	if ((e = router_admit(r, m, 0, &name)) != E_OK)
		return e;
	if ((e = queue_stat(r->queues, name, &s, &mark)) == E_OK)
		(void)rows_see(&rows, &s);
	return rows_answer(r, m, e, &rows, mark);
}

static void
workers_see(void *arg, struct queue_str worker, int64_t sec)
{
	struct rows	*rows = arg;
	struct wbuf	 b;

	if (!page_room(rows->page, 1 + worker.n + 8, &b)) {
		rows->nomem = 1;
		return;
	}
	queue_worker_put(&b, worker.p, worker.n, sec);
	page_add(rows->page, &b);
	rows->n++;
}

enum err
router_on_workers(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct rows		 rows = { .page = &r->page };
	struct queue_now	 now = router_now(r);
	struct queue_str	 name;
	uint64_t		 mark = 0;
	enum err		 e;

	if ((e = router_admit(r, m, 0, &name)) != E_OK)
		return e;
	e = queue_workers(r->queues, name, &now, workers_see, &rows, &mark);
	return rows_answer(r, m, e, &rows, mark);
}
