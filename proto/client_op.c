/*
 * client_op.c: libwharf's table of ops: from a request's frame to the seat that
 * sends it, from an answer to its callback.
 *
 * The id of a request is the op's index and how often its place was used, so
 * that an answer that comes after its op ended finds nobody.  All ops have the
 * same time-out: the list of those in flight is in the order of their ends.
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

/*
 * The store must not begin in the last tenth: what it refuses as too late is
 * then heard of before the op ends here with its outcome unknown.
 */
static void
op_start(struct wharf *w, struct op *op, struct seat *s, struct frame *f)
{
	mono_t	now = mono_now();

	TAILQ_REMOVE(&w->idle, op, all);
	TAILQ_INSERT_TAIL(&w->flying, op, all);
	op->active = 1;
	op->turn++;
	op->seat = s->number;
	op->msg = f->msg;
	op->due = mono_add(now, w->timeout);
	op->begin = s->put;
	w->in_flight++;
	s->ops++;
	if (s->quiet.us == 0)
		s->quiet = now;
	if (w->next.us == 0 || op->due.us < w->next.us)
		w->next = op->due;
	f->id = (uint64_t)op->turn << 32 | op->index;
	f->deadline = frame_deadline(mono_add(now,
	    w->timeout - w->timeout / 10));
}

/* Takes it out of flight; its callback is the caller's. */
static void
op_land(struct wharf *w, struct op *op)
{
	struct seat	*s = &w->seats[op->seat];

	TAILQ_REMOVE(&w->flying, op, all);
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
	op_start(w, op, s, &rq->f);
	op->take = rq->take;
	op->list = rq->list;
	op->fn = rq->fn;
	op->arg = rq->arg;
	if (seat_put(s, &rq->f)) {
		op->end = s->put;
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
	    op->seat != s->number || op->msg != f->msg)
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

	if (f->vallen != 0) {
		a.value = f->val;
		a.length = f->vallen;
	}
	if (op->take != NULL)
		op->take(w, op, f, &a);
	op_land(w, op);
	op_call(w, op, &a);
}

void
op_end(struct wharf *w, struct op *op, enum wharf_status status)
{
	op_land(w, op);
	op->status = status;
	TAILQ_INSERT_TAIL(&w->ended, op, all);
}

void
ops_expire(struct wharf *w, mono_t now)
{
	struct op	*op;
	struct seat	*s;

	while ((op = TAILQ_FIRST(&w->flying)) != NULL && op->due.us <= now.us) {
		s = &w->seats[op->seat];
		seat_doubt(s, now);
		if (op->begin < s->gone) {
			op_end(w, op, WHARF_TIMEOUT);
			continue;
		}
		/* Nothing of it has left, and now it never will. */
		op_end(w, op, WHARF_EXPIRED);
		seat_trim_out(s);
	}
}

/*
 * The last byte of a request makes it one: what has not gone to its end the
 * store cannot have done.
 */
void
ops_lost(struct seat *s)
{
	struct wharf	*w = s->w;
	struct op	*op, *next;

	for (op = TAILQ_FIRST(&w->flying); op != NULL; op = next) {
		next = TAILQ_NEXT(op, all);
		if (op->seat == s->number)
			op_end(w, op, op->end > s->gone ? WHARF_NOTREADY :
			    WHARF_UNSURE);
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
