/*
 * watch.c: the slow log of a worker, and the answer to /metrics, which counts
 * against the budget until MHD has sent it.
 */
#include <stdlib.h>

#include "supervisor/metrics.h"
#include "worker/watch.h"
#include "worker/worker.h"

static size_t
value_length(const struct request *r, size_t vallen)
{
	if (r->path == NULL || (r->path->flags & PF_WRITE) == 0)
		return vallen;
	if (r->got != 0)
		return r->got;
	return (r->par.given & B(P_VAL)) != 0 ? r->par.v[P_VAL].text.len : 0;
}

/* The seldom case, so here it may cost something. */
static void
watch_slow(struct request *r, int http, size_t vallen)
{
	struct slow_entry	 e = { .inc = r->w->a.inc };
	const struct param_text	*key = &r->par.v[P_KEY].text;
	mono_t			 now = mono_now(), start = r->start;

	if (start.us == 0)
		start = now;		/* the body never came in whole */
	e.body = r->began.us != 0 ? mono_diff(r->began, start) : 0;
	e.budget = r->waited;
	e.store = r->took;
	e.total = e.body + mono_diff(start, now);
	e.status = (uint32_t)http;
	e.vallen = value_length(r, vallen);
	slow_name(&e, r->path != NULL ? r->path->path : "(unknown)");
	if ((r->par.given & B(P_KEY)) != 0)
		e.keylen = slow_cut(e.key, key->p, key->len);
	slow_put(board_slow(r->w->a.my), &e);
}

void
watch_answer(struct request *r, int http, size_t vallen)
{
	if (r->watched)
		return;
	r->watched = 1;
	if (r->link != 0)	/* it was sent on */
		r->took = mono_diff(r->start, mono_now());
	if (r->took + r->waited >= r->w->slow_us)
		watch_slow(r, http, vallen);
}

struct text {
	struct budget	*budget;
	char		*p;
	size_t		 len;
};

static void
text_free(void *arg)
{
	struct text	*t = arg;

	budget_give(t->budget, t->len);
	free(t->p);
	free(t);
}

struct MHD_Response *
watch_metrics(struct request *r, size_t *len)
{
	struct MHD_Response	*resp;
	struct text		*t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->budget = &r->w->budget;
	if ((t->p = metrics_text(r->w->a.board, len)) == NULL ||
	    !budget_try(t->budget, *len)) {
		free(t->p);
		free(t);
		return NULL;
	}
	t->len = *len;
	resp = MHD_create_response_from_buffer_with_free_callback_cls(t->len,
	    t->p, text_free, t);
	if (resp == NULL)
		text_free(t);
	return resp;
}
