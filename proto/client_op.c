/*
 * client_op.c: libwharf's table of ops: from a request's frame to the seat that
 * sends it, from an answer to its callback.
 *
 * The id of a request is the op's index and how often its place was used, so
 * that an answer that comes after its op ended finds nobody.  All ops but
 * those that wait have the same time-out: the list of those in flight is in the
 * order of their ends, and so is the other one, which is kept sorted.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"

int
ops_init(struct wharf *w, unsigned max)
{
	unsigned	i;

	TAILQ_INIT(&w->idle);
	TAILQ_INIT(&w->flying);
	TAILQ_INIT(&w->waiting);
	TAILQ_INIT(&w->ended);
	if ((w->ops = calloc(max, sizeof(*w->ops))) == NULL)
		return 0;
	w->max_ops = max;
	for (i = 0; i < max; i++) {
		w->ops[i].index = i;
		TAILQ_INSERT_TAIL(&w->idle, &w->ops[i], all);
	}
	return 1;
}

static void
op_release(struct wharf *w, struct op *op)
{
	TAILQ_INSERT_HEAD(&w->idle, op, all);
	w->in_flight--;
}

static struct op_list *
op_list_of(struct wharf *w, const struct op *op)
{
	return op->over != WHARF_OK ? &w->waiting : &w->flying;
}

/* Most waits are equally long: its place is near the end. */
static void
op_fly(struct wharf *w, struct op *op)
{
	struct op_list	*list = op_list_of(w, op);
	struct op	*p;

	TAILQ_FOREACH_REVERSE(p, list, op_list, all)
		if (p->due.us <= op->due.us)
			break;
	if (p == NULL)
		TAILQ_INSERT_HEAD(list, op, all);
	else
		TAILQ_INSERT_AFTER(list, p, op, all);
}

/*
 * The store must not begin in the last tenth: what it refuses as too late is
 * then heard of before the op ends here with its outcome unknown.
 */
static void
op_start(struct wharf *w, struct op *op, struct seat *s, struct request *rq)
{
	struct frame	*f = &rq->f;
	mono_t		 now = mono_now();

	TAILQ_REMOVE(&w->idle, op, all);
	op->active = 1;
	op->turn++;
	op->seat = s->index;
	op->msg = f->msg;
	op->over = rq->over;
	op->autoack = rq->autoack;
	op->since = now;
	op->due = mono_add(now, w->timeout + rq->wait);
	op_fly(w, op);
	op->begin = s->put;
	w->in_flight++;
	s->ops++;
	/* A router may say nothing as long as it is asked to wait. */
	if (s->quiet.us == 0 && op->over == WHARF_OK)
		s->quiet = now;
	if (w->next.us == 0 || op->due.us < w->next.us)
		w->next = op->due;
	f->id = (uint64_t)op->turn << 32 | op->index;
	f->deadline = frame_deadline(mono_add(op->due, -w->timeout / 10));
}

/* Takes it out of flight; its callback is the caller's. */
static void
op_land(struct wharf *w, struct op *op)
{
	struct seat	*s = &w->seats[op->seat];

	TAILQ_REMOVE(op_list_of(w, op), op, all);
	op->active = 0;
	s->ops--;
}

unsigned
ops_room(const struct wharf *w)
{
	return w->max_ops - w->in_flight;
}

enum wharf_status
op_submit(struct wharf *w, struct request *rq)
{
	struct seat	*s = &w->seats[rq->seat];
	struct op	*op;
	size_t		 cost = seat_cost(&rq->f);

	if (cost > w->memory)
		return WHARF_TOOBIG;
	if ((op = TAILQ_FIRST(&w->idle)) == NULL ||
	    cost > w->memory - w->queued)
		return WHARF_AGAIN;
	op_start(w, op, s, rq);
	op->take = rq->take;
	op->list = rq->list;
	op->fn = rq->fn;
	op->arg = rq->arg;
	if (seat_put(s, &rq->f)) {
		op->end = s->put;
		seat_want(s);
		return WHARF_OK;
	}
	op_land(w, op);
	op_release(w, op);
	return WHARF_NOMEM;
}

struct op *
op_find(struct seat *s, const struct frame *f)
{
	struct wharf	*w = s->w;
	uint32_t	 index = (uint32_t)f->id;
	struct op	*op;

	if (index >= w->max_ops)
		return NULL;
	op = &w->ops[index];
	if (!op->active || op->turn != (uint32_t)(f->id >> 32) ||
	    op->seat != s->index || op->msg != f->msg)
		return NULL;
	return op;
}

static void
op_call(struct wharf *w, struct op *op, const struct wharf_answer *a)
{
	wharf_fn	*fn = op->fn;
	void		*arg = op->arg;

	op_release(w, op);
	w->calls++;
	if (fn != NULL)
		fn(w, a, arg);
}

void
op_answer(struct wharf *w, struct op *op, const struct frame *f)
{
	struct wharf_answer	a = {
		.status = (enum wharf_status)f->status, .version = f->ver,
		.ttl = f->ttl, .flags = f->flags & WHARF_VERERROR,
		.number = f->score
	};
	struct seat		*s = &w->seats[op->seat];
	int			 ack = op->autoack;

	if (f->vallen != 0) {
		a.value = f->val;
		a.length = f->vallen;
	}
	if (op->take != NULL)
		op->take(w, op, f, &a);
	op_land(w, op);
	op_call(w, op, &a);
	if (ack && a.status == WHARF_OK)
		wait_ack(s, f);
}

void
op_end(struct wharf *w, struct op *op, enum wharf_status status)
{
	op_land(w, op);
	op->status = status;
	TAILQ_INSERT_TAIL(&w->ended, op, all);
}

static void
op_expire(struct wharf *w, struct op *op, mono_t now)
{
	struct seat	*s = &w->seats[op->seat];

	/* It should have spoken when the wait was over. */
	if (op->over != WHARF_OK && s->quiet.us == 0)
		s->quiet = mono_add(op->due, -w->timeout);
	seat_doubt(s, now);
	if (op->begin < s->gone) {
		wait_forget(s, op);
		op_end(w, op, WHARF_TIMEOUT);
		return;
	}
	/* Nothing of it has left, and now it never will. */
	op_end(w, op, WHARF_EXPIRED);
	seat_trim_out(s);
}

static void
list_expire(struct wharf *w, struct op_list *list, mono_t now)
{
	struct op	*op;

	while ((op = TAILQ_FIRST(list)) != NULL && op->due.us <= now.us)
		op_expire(w, op, now);
}

void
ops_expire(struct wharf *w, mono_t now)
{
	list_expire(w, &w->flying, now);
	list_expire(w, &w->waiting, now);
}

/*
 * The last byte of a request makes it one: what has not gone to its end the
 * store cannot have done.
 */
static enum wharf_status
op_lost(const struct seat *s, const struct op *op)
{
	/*
	 * What waits for something to be given has got nothing, or what comes
	 * again by itself; a task may have been done.
	 */
	return op->end > s->gone || (op->over != WHARF_OK &&
	    op->msg != MSG_TASK_ASK) ? WHARF_NOTREADY : WHARF_UNSURE;
}

static void
list_lost(struct seat *s, struct op_list *list)
{
	struct op	*op, *next;

	for (op = TAILQ_FIRST(list); op != NULL; op = next) {
		next = TAILQ_NEXT(op, all);
		if (op->seat == s->index)
			op_end(s->w, op, op_lost(s, op));
	}
}

void
ops_lost(struct seat *s)
{
	list_lost(s, &s->w->flying);
	list_lost(s, &s->w->waiting);
}

/*
 * The time that an op waits is for something to come, not for the router: that
 * has as long as for any other op.
 */
void
ops_doubt(struct seat *s, mono_t now)
{
	struct wharf	*w = s->w;
	struct op	*op, *next;

	for (op = TAILQ_FIRST(&w->waiting); op != NULL; op = next) {
		next = TAILQ_NEXT(op, all);
		if (op->seat == s->index &&
		    mono_diff(op->since, now) >= w->timeout) {
			op_end(w, op, WHARF_NOTREADY);
			seat_trim_out(s);
		}
	}
}

void
ops_call(struct wharf *w)
{
	struct wharf_answer	 a;
	struct op		*op;

	while ((op = TAILQ_FIRST(&w->ended)) != NULL) {
		TAILQ_REMOVE(&w->ended, op, all);
		memset(&a, 0, sizeof(a));
		a.status = op->status;
		op_call(w, op, &a);
	}
}
