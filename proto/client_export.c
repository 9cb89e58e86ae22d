/*
 * client_export.c: libwharf's exports: each store that has a part of what is to
 * be written is told so, one after the other, under one token: what the first
 * refuses has begun nowhere, and when a later one does the others are told to
 * forget it.
 */
#include <string.h>
#include <time.h>

#include "proto/buf.h"
#include "proto/client_ask.h"
#include "proto/msg.h"
#include "proto/msg_task.h"

#define EXPORT_FLAGS	(WHARF_VALUES | WHARF_ONE_FILE | WHARF_REPLACE)

static int64_t
token_new(const struct wharf *w, int everywhere)
{
	struct timespec	t;

	clock_gettime(CLOCK_REALTIME, &t);
	return task_token((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000,
	    w->inc) | (everywhere ? TASK_EVERYWHERE : 0);
}

/* Asks one store, and waits for its answer. */
static enum wharf_status
ask_store(struct wharf *w, struct request *rq, unsigned store,
    struct wharf_answer *a)
{
	if (w->inside)
		return WHARF_AGAIN;
	kept_free(&w->kept);
	request_to(w, rq, store);	/* slot N lies in store N */
	return sync_run(w, rq, &w->kept, a);
}

/* A table, or all of one file; offset and limit where one store has it all. */
static int
export_is_good(const struct wharf_op *op)
{
	int	one = op->type == WHARF_ZSET ||
		    (op->flags & WHARF_ONE_FILE) != 0;

	return op->command == WHARF_OP_LIST && op->cursorlen == 0 &&
	    op->min == 0 && op->max == 0 && op->type != WHARF_KEY &&
	    (op->type == WHARF_ANY) == ((op->flags & WHARF_ONE_FILE) != 0) &&
	    (one || (op->offset == 0 && op->limit == 0)) &&
	    (op->flags & ~(unsigned)EXPORT_FLAGS) == 0;
}

static enum wharf_status
export_make(struct wharf *w, struct request *rq, const struct wharf_op *range)
{
	struct wharf_op		 op = *range;
	struct list_ask		 ask;
	enum wharf_status	 e;

	if (!export_is_good(range))
		return WHARF_PARAM;
	op.flags &= ~(unsigned)WHARF_REPLACE;
	op.limit = 0;			/* here it is no page's */
	if (op.type == WHARF_ZSET)
		op.flags |= WHARF_BY_RANK;
	if ((e = request_make(w, rq, &op)) != WHARF_OK)
		return e;
	(void)list_range(w, &op, &rq->list, &ask);
	ask.limit = range->limit;
	ask.cover = (range->flags & WHARF_REPLACE) != 0;
	list_ask_put(rq->ask, &ask);
	rq->f.msg = MSG_STORE_EXPORT;
	rq->take = NULL;
	return WHARF_OK;
}

/* Parts that have begun, of no use without the one that was refused. */
static void
parts_forget(struct wharf *w, uint64_t token, unsigned store, unsigned end)
{
	struct request	rq;

	for (; store < end; store++) {
		memset(&rq, 0, sizeof(rq));
		rq.f.msg = MSG_STORE_TASK;
		rq.f.flags = FRAME_FORGET;
		rq.f.score = (int64_t)token;
		(void)ask_store(w, &rq, store, NULL);
	}
}

enum wharf_status
wharf_export(struct wharf *w, const struct wharf_op *range, uint64_t *token)
{
	struct request		rq;
	unsigned		first, last, i;
	enum wharf_status	e;

	memset(&rq, 0, sizeof(rq));
	if ((e = export_make(w, &rq, range)) == WHARF_OK) {
		first = last = rq.list.store;
		if (range->type != WHARF_ANY && range->type != WHARF_ZSET)
			last = w->stores - 1;
		rq.f.score = token_new(w, first != last);
		*token = (uint64_t)rq.f.score;
		for (i = first; e == WHARF_OK && i <= last; i++)
			e = ask_store(w, &rq, i, NULL);
		if (e != WHARF_OK)
			parts_forget(w, *token, first, i - 1);
	}
	request_free(&rq);
	return e;
}

/* Asks all stores about a token; each has its answer seen. */
static enum wharf_status
tasks_ask(struct wharf *w, int64_t token,
    int (*see)(void *, const struct wharf_answer *), void *arg)
{
	struct request		rq;
	struct wharf_answer	a;
	enum wharf_status	e = WHARF_OK;
	unsigned		i;

	for (i = 0; e == WHARF_OK && i < w->stores; i++) {
		memset(&rq, 0, sizeof(rq));
		rq.f.msg = MSG_STORE_TASK;
		rq.f.score = token;
		e = ask_store(w, &rq, i, &a);
		if (e == WHARF_OK && !see(arg, &a))
			e = WHARF_BADMSG;
	}
	return e;
}

_Static_assert((int)WHARF_TASK_WAITS == TASK_WAITS &&
    (int)WHARF_TASK_RUNS == TASK_RUNS && (int)WHARF_TASK_DONE == TASK_DONE &&
    (int)WHARF_TASK_UNKNOWN == TASK_UNKNOWN, "the same states");

static int
see_state(void *arg, const struct wharf_answer *a)
{
	unsigned	*said = arg;

	if (a->number < 0 || a->number >= TASK_STATES)
		return 0;
	said[a->number]++;
	return 1;
}

enum wharf_status
wharf_task(struct wharf *w, uint64_t token, enum wharf_task_state *state)
{
	unsigned		said[TASK_STATES] = { 0 };
	enum wharf_status	e = WHARF_OK;

	*state = WHARF_TASK_UNKNOWN;
	if (token != 0 && token <= INT64_MAX &&
	    (e = tasks_ask(w, (int64_t)token, see_state, said)) == WHARF_OK)
		*state = (enum wharf_task_state)task_state_of(said,
		    (int64_t)token);
	return e;
}

/* An export is one task, however many stores have a part of it. */
static int
see_counts(void *arg, const struct wharf_answer *a)
{
	const uint8_t	*p = a->value;
	unsigned	*counts = arg, i, n;

	if (a->length != 4 * WHARF_TASK_UNKNOWN)
		return 0;
	for (i = 0; i < WHARF_TASK_UNKNOWN; i++) {
		n = le32_get(p + 4 * i);
		if (n > counts[i])
			counts[i] = n;
	}
	return 1;
}

enum wharf_status
wharf_tasks(struct wharf *w, unsigned counts[WHARF_TASK_UNKNOWN])
{
	memset(counts, 0, WHARF_TASK_UNKNOWN * sizeof(*counts));
	return tasks_ask(w, 0, see_counts, counts);
}
