/*
 * watch.c: the slow log of a worker.
 */
#include "worker/single.h"
#include "worker/watch.h"
#include "worker/worker.h"

static size_t
value_length(const struct request *r, size_t vallen)
{
	if (r->path == NULL || (r->path->flags & PF_BODY) == 0)
		return vallen;
	return r->got != 0 ? r->got : params_text(&r->par, P_VAL).len;
}

/* The seldom case, so here it may cost something. */
static void
watch_slow(struct request *r, int http, size_t vallen)
{
	struct slow_entry	 e = { .inc = r->w->a.inc };
	struct param_text	 tab = single_table(r), key;
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
	e.tablen = slow_cut(e.tab, tab.p, tab.len);
	if (r->path != NULL && (key = single_key(r)).p != NULL)
		e.keylen = slow_cut(e.key, key.p, key.len);
	slow_put(board_slow(r->w->a.my), &e);
}

void
watch_answer(struct request *r, int http, size_t vallen)
{
	if (r->watched)
		return;
	r->watched = 1;
	if (r->sent)
		r->took = mono_diff(r->start, mono_now());
	if (r->took + r->waited >= r->w->slow_us)
		watch_slow(r, http, vallen);
}
