/*
 * tasks.c: the frames of tasks (queue/task.h); router 0 has them all.
 */
#include <string.h>

#include "router/router.h"

/* As router_admit; the name is only a label here, and any router 0's. */
static enum err
task_admit(struct router *r, const struct msg *m, int named,
    struct queue_str *name)
{
	enum err	e;

	if ((e = server_may(&r->srv, m)) != E_OK)
		return e;
	memcpy(r->tab, m->f.tab, m->f.tablen);
	*name = (struct queue_str){ r->tab, m->f.tablen };
	if (r->tasks == NULL)
		return E_PARAM;
	if (name->n == 0 && !named)
		return E_OK;
	return server_name_valid(name->p, name->n) ? E_OK : E_PARAM;
}

static void
ask_done(struct task_ask *t, enum err e, struct queue_str result)
{
	struct wait	*w = (struct wait *)(void *)((char *)t -
			    offsetof(struct wait, u.ask));
	struct frame	 f = { .val = result.p,
	    .vallen = (uint32_t)result.n };

	wait_answer(w, e, &f, 0);
}

enum err
router_on_task_ask(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name, task = { m->f.val, m->f.vallen };
	struct wait		*w;
	int64_t			 us;
	enum err		 e;

	if ((e = task_admit(r, m, 1, &name)) != E_OK ||
	    (e = router_wait(r, m->f.ttl, &us)) != E_OK)
		return e;
	if (task.n == 0 || us == 0)
		return E_PARAM;
	if ((w = wait_new(r, m, name, WAIT_ASK, us)) == NULL)
		return E_NOMEM;
	w->u.ask = (struct task_ask){ .done = ask_done, .wait = us };
	e = task_ask(r->tasks, name, task, &w->u.ask, r->srv.now);
	if (e == E_OK)
		return E_PENDING;
	wait_free(w);
	return e;
}

static void
claim_done(struct task_claim *t, enum err e, struct queue_str queue,
    const char *token, struct queue_str task)
{
	struct wait	*w = (struct wait *)(void *)((char *)t -
			    offsetof(struct wait, u.claim));
	struct frame	 f = { .ver = 0 };

	if (e == E_OK) {
		f.tab = queue.p;
		f.tablen = (uint32_t)queue.n;
		f.key = (const uint8_t *)token;
		f.keylen = (uint32_t)strlen(token);
		f.val = task.p;
		f.vallen = (uint32_t)task.n;
	}
	wait_answer(w, e, &f, 0);
}

enum err
router_on_task_claim(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 name;
	struct wait		*w;
	int64_t			 us;
	enum err		 e;

	if ((e = task_admit(r, m, 0, &name)) != E_OK ||
	    (e = router_wait(r, m->f.ttl, &us)) != E_OK)
		return e;
	if ((w = wait_new(r, m, name, WAIT_CLAIM, us)) == NULL)
		return E_NOMEM;
	w->u.claim = (struct task_claim){ .done = claim_done, .wait = us };
	e = task_claim(r->tasks, name, &w->u.claim, r->srv.now);
	if (e == E_OK)
		return E_PENDING;
	wait_free(w);
	return e;
}

/* With FORGET: the claim did not reach its worker, another may have it. */
enum err
router_on_task_done(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 none, token;
	enum err		 e;

	if ((e = task_admit(r, m, 0, &none)) != E_OK)
		return e;
	token = router_key(r, m);
	if (m->f.flags & FRAME_FORGET)
		e = task_back(r->tasks, token, r->srv.now);
	else if (m->f.vallen == 0)
		e = E_PARAM;
	else
		e = task_done(r->tasks, token, (struct queue_str){ m->f.val,
		    m->f.vallen });
	return router_answer(r, m, e, 0, 1);
}

/* Five numbers of 4 bytes: unassigned, assigned, most; waiting, most. */
enum err
router_on_task_stat(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_str	 none;
	struct task_stat	 s;
	struct frame		 f = { .ver = 0 };
	uint8_t			 text[20];
	struct wbuf		 b;
	enum err		 e;

	if ((e = task_admit(r, m, 0, &none)) != E_OK)
		return e;
	tasks_stat(r->tasks, &s);
	wbuf_init(&b, text, sizeof(text));
	wbuf_u32(&b, s.unassigned);
	wbuf_u32(&b, s.assigned);
	wbuf_u32(&b, s.asks);
	wbuf_u32(&b, s.waiting);
	wbuf_u32(&b, s.claims);
	f.val = text;
	f.vallen = (uint32_t)b.len;
	return server_answer(&r->srv, m, E_OK, &f, 0, 0);
}
