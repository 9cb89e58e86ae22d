/*
 * plan.c: the life of a plan (plan.h).
 *
 * An answer may end the request, and the request its plan, while a function of
 * the plan is at work: "busy" counts those, and the last one out frees it.
 */
#include <assert.h>
#include <stdlib.h>

#include "worker/answer.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/plan.h"
#include "worker/plan_impl.h"

struct part {
	struct call	 call;
	struct frame	 f;
};

struct plan {
	struct request		*r;		/* NULL: it is gone */
	struct budget		*budget;
	const struct plan_ops	*ops;
	unsigned		 busy;		/* functions at work on it */
	unsigned		 open;		/* parts under way */
	size_t			 held;		/* bytes of budget */
	struct part		*parts[PLAN_PARTS];	/* made when needed */
};

/* One row for each action from ACT_PLAN on. */
static const struct plan_ops *const	plans[ACT_MAX_] = {
	[ACT_LIST] = &plan_list,
	[ACT_MANY] = &plan_many,
	[ACT_STAT] = &plan_stat,
	[ACT_EXPORT] = &plan_export,
	[ACT_TASK] = &plan_task,
	[ACT_QUEUE] = &plan_queue,
};

static void
plan_drop_parts(struct plan *p)
{
	unsigned	i;

	for (i = 0; i < PLAN_PARTS; i++)
		if (p->parts[i] != NULL)
			call_drop(&p->parts[i]->call);
	p->open = 0;
}

static void
plan_free(struct plan *p)
{
	unsigned	i;

	budget_give(p->budget, p->held);
	for (i = 0; i < PLAN_PARTS; i++)
		free(p->parts[i]);
	free(p);
}

void
plan_forget(struct request *r)
{
	struct plan	*p = r->plan;

	if (p == NULL)
		return;
	plan_drop_parts(p);
	p->ops->free(r);
	r->plan = NULL;
	r->plan_data = NULL;
	p->r = NULL;
	if (p->busy == 0)
		plan_free(p);
}

static int
is_over(const struct request *r)
{
	return r->state == RS_ANSWERED || r->state == RS_DEAD;
}

/*
 * A function of the plan has returned.  The request may be gone; if it is
 * answered the plan is of no more use, and if it waits for nothing the plan
 * has a fault: better an error than a client that waits for ever.
 */
static void
plan_leave(struct plan *p)
{
	struct request	*r = p->r;

	if (p->busy == 1 && r != NULL && r->state == RS_SENT && p->open == 0)
		plan_fail(r, E_INTERNAL, "nothing is awaited");
	if (--p->busy != 0)
		return;
	if (p->r == NULL) {
		plan_free(p);
	} else if (is_over(p->r)) {
		body_free(p->r);
		plan_forget(p->r);
	}
}

enum err
plan_begin(struct request *r, const char **detail)
{
	struct plan	*p = calloc(1, sizeof(*p));
	enum err	 e;

	if (p == NULL)
		return E_NOMEM;
	p->r = r;
	p->budget = &r->w->budget;
	p->ops = plans[r->path->act];
	assert(p->ops != NULL);
	r->plan = p;
	p->busy++;
	e = p->ops->start(r, detail);
	if (e == E_OK && p->open == 0 && !is_over(r))
		e = E_INTERNAL;
	plan_leave(p);
	if (e != E_OK)
		plan_forget(r);
	return e;
}

void
plan_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct plan	*p = r->plan;

	p->open--;
	p->busy++;
	p->ops->reply(r, part, f);
	plan_leave(p);
}

void
plan_lost(struct request *r, unsigned part, enum err e)
{
	struct plan	*p = r->plan;

	p->open--;
	p->busy++;
	if (p->ops->lost != NULL)
		p->ops->lost(r, part, e);
	else
		plan_fail(r, e, NULL);
	plan_leave(p);
}

enum err
plan_send(struct request *r, unsigned to, unsigned part, struct frame *f)
{
	struct plan	*p = r->plan;
	struct part	*at;
	enum err	 e;

	assert(part < PLAN_PARTS && (to & ~TO_ROUTER) <
	    (to & TO_ROUTER ? r->w->nrouters : r->w->nstores));
	if (mono_diff(mono_now(), r->due) <= 0)
		return E_TIMEOUT;
	if (p->parts[part] == NULL &&
	    (p->parts[part] = calloc(1, sizeof(*at))) == NULL)
		return E_NOMEM;
	at = p->parts[part];
	assert(!at->call.open);
	at->call.r = r;
	at->call.part = (uint8_t)part;
	at->f = *f;
	if ((e = call_send(&at->call, to, &at->f)) == E_OK)
		p->open++;
	f->id = at->f.id;
	f->deadline = at->f.deadline;
	return e;
}

unsigned
plan_open(const struct request *r)
{
	return r->plan->open;
}

enum err
plan_hold(struct request *r, size_t n)
{
	struct plan	*p = r->plan;

	if (!budget_try(p->budget, n))
		return E_NOMEM;
	p->held += n;
	return E_OK;
}

/* What is under way is given up; the answer may be made. */
static void
plan_end(struct plan *p)
{
	plan_drop_parts(p);
	budget_give(p->budget, p->held);
	p->held = 0;
	http_resume(p->r);
}

void
plan_fail(struct request *r, enum err e, const char *detail)
{
	struct plan	*p = r->plan;

	p->busy++;
	plan_end(p);
	(void)answer_status(r, e, detail);
	plan_leave(p);
}

void
plan_refuse(struct request *r, enum err e, const char *detail,
    const char *const *headers)
{
	struct plan	*p = r->plan;

	p->busy++;
	plan_end(p);
	(void)answer_refuse(r, e, detail, headers);
	plan_leave(p);
}

void
plan_done(struct request *r, uint8_t *body, size_t n, const char *type,
    const char *const *headers)
{
	struct plan	*p = r->plan;

	p->busy++;
	plan_end(p);
	(void)answer_made(r, body, n, type, headers);
	plan_leave(p);
}

void
plan_value(struct request *r, struct MHD_Response *resp, size_t n,
    const char *type, const char *const *headers)
{
	struct plan	*p = r->plan;

	p->busy++;
	plan_end(p);
	(void)answer_with(r, resp, n, type, headers);
	plan_leave(p);
}
