/*
 * task.c: task_status and task_info (plan.h): every store is asked about its
 * part, all at once.  An export is one task to the client, however many stores
 * have a part of it, so counts are those of the store that has most.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/msg_task.h"
#include "worker/args.h"
#include "worker/brief.h"

#define COUNTS	3u		/* waiting, running, done: u32 each */

struct tasks {
	unsigned	said[TASK_STATES];	/* by how many stores */
	uint32_t	counts[COUNTS];	/* the most of any store */
	unsigned	left;		/* answers to come */
};

static int
wants_status(const struct request *r)
{
	return (r->path->required & B(P_TOKEN)) != 0;
}

static enum err
task_start(struct request *r, const char **detail)
{
	struct tasks	*t = calloc(1, sizeof(*t));
	struct frame	 f;
	enum err	 e;

	if ((r->plan_data = t) == NULL)
		return E_NOMEM;
	if ((e = args_peer(r, detail)) != E_OK)
		return e;
	memset(&f, 0, sizeof(f));
	f.msg = r->path->msg;
	f.score = params_num(&r->par, P_TOKEN);
	if (wants_status(r) && f.score == 0) {	/* to a store: all tasks */
		brief_number(r, TASK_UNKNOWN, NULL);
		return E_OK;
	}
	while (e == E_OK && t->left < r->w->nstores) {
		e = plan_send(r, t->left, t->left, &f);
		t->left++;
	}
	return e;
}

static void
counts_done(struct request *r, const struct tasks *t)
{
	struct json	j;

	json_init(&j, &r->w->budget);
	json_raw(&j, "{\"undo\":\"");
	json_int(&j, t->counts[TASK_WAITS]);
	json_raw(&j, "\",\"doning\":");
	json_int(&j, t->counts[TASK_RUNS]);
	json_raw(&j, ",\"done\":");
	json_int(&j, t->counts[TASK_DONE]);
	json_raw(&j, "}");
	brief_text(r, &j, NULL);
}

static enum err
task_take(struct tasks *t, const struct request *r, const struct frame *f)
{
	uint32_t	n;
	unsigned	i;

	if (f->status != E_OK)
		return f->status;
	if (wants_status(r)) {
		if (f->score < 0 || f->score >= TASK_STATES)
			return E_INTERNAL;
		t->said[f->score]++;
		return E_OK;
	}
	if (f->vallen != COUNTS * 4)
		return E_INTERNAL;
	for (i = 0; i < COUNTS; i++) {
		n = le32_get(f->val + 4 * i);
		if (n > t->counts[i])
			t->counts[i] = n;
	}
	return E_OK;
}

static void
task_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct tasks	*t = r->plan_data;
	enum err	 e = task_take(t, r, f);

	(void)part;
	if (e != E_OK)
		plan_fail(r, e, NULL);
	else if (--t->left == 0) {
		if (wants_status(r))
			brief_number(r, task_state_of(t->said,
			    params_num(&r->par, P_TOKEN)), NULL);
		else
			counts_done(r, t);
	}
}

static void
task_free(struct request *r)
{
	free(r->plan_data);
}

const struct plan_ops plan_task = {
	.start = task_start, .reply = task_reply,
	.free = task_free,
};
