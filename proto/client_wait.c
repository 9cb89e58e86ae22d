/*
 * client_wait.c: libwharf's ops that wait: how they are cancelled, what becomes
 * of an answer that crosses, and the acknowledgements that get sends itself.
 *
 * Invariant: a message or task that came in an answer is the program's, or is
 * given back.  Where there is no memory for giving back, or the link is gone,
 * the queue's time-out or the router does it.
 *
 * What is said here without an op has id 0: its answer finds nobody.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg_queue.h"

static void
wait_say(struct seat *s, struct frame *f)
{
	struct wharf	*w = s->w;

	f->vtotal = f->vallen;
	if (s->state == SEAT_UP && !s->broken &&
	    seat_cost(f) <= w->memory - w->queued)
		(void)seat_put(s, f);
}

void
wait_forget(struct seat *s, const struct op *op)
{
	struct frame	f = { .msg = MSG_ROUTER_CANCEL };

	if (op->over == WHARF_OK)
		return;
	f.score = (int64_t)((uint64_t)op->turn << 32 | op->index);
	wait_say(s, &f);
}

/* --- back to the router --- */

int
wait_stray_matters(const struct frame *f)
{
	return f->status == E_OK && f->tablen <= TABLE_MAX &&
	    (f->msg == MSG_QUEUE_GET || f->msg == MSG_TASK_CLAIM);
}

static void
stray_back(struct seat *s, const struct frame *from, const uint8_t *token,
    size_t n)
{
	struct frame	f = { .msg = MSG_QUEUE_NACK, .key = token,
		.keylen = (uint32_t)n, .flags = FRAME_UNSEEN };

	if (n == 0 || n > QUEUE_TOKEN_MAX)
		return;
	if (from->msg == MSG_TASK_CLAIM) {
		f.msg = MSG_TASK_DONE;
		f.flags = FRAME_FORGET;
	} else {
		f.slot = from->slot;
		f.tab = from->tab;
		f.tablen = from->tablen;
	}
	wait_say(s, &f);
}

struct stray {
	struct seat		*s;
	const struct frame	*f;
};

static void
stray_token(void *arg, const uint8_t *p, size_t n)
{
	const struct stray	*st = arg;

	stray_back(st->s, st->f, p, n);
}

void
wait_stray(struct seat *s, const struct frame *f)
{
	struct stray	st = { s, f };

	if (s->router && wait_stray_matters(f))
		queue_tokens(f, stray_token, &st);
}

/* --- acknowledged --- */

static void
acked(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	(void)a, (void)arg;
	w->acks--;
}

static void
ack_token(void *arg, const uint8_t *p, size_t n)
{
	queue_token_put(arg, p, n);
}

/* A list of them, but never longer than what it was made of. */
static size_t
ack_list(const struct frame *f, uint8_t **out)
{
	size_t		max = (size_t)f->keylen + f->vallen + 1;
	struct wbuf	b;

	if ((*out = malloc(max)) == NULL)
		return 0;
	wbuf_init(&b, *out, max);
	queue_tokens(f, ack_token, &b);
	return b.bad ? 0 : b.len;
}

void
wait_ack(struct seat *s, const struct frame *f)
{
	struct wharf	*w = s->w;
	struct request	 rq;
	size_t		 n;

	memset(&rq, 0, offsetof(struct request, ask));
	rq.f.msg = MSG_QUEUE_ACK;
	rq.f.slot = f->slot;
	rq.f.tab = f->tab;
	rq.f.tablen = f->tablen;
	n = ack_list(f, &rq.bytes);
	request_value(&rq, rq.bytes, n);
	rq.seat = s->index;
	rq.fn = acked;
	if (n != 0 && f->tablen <= TABLE_MAX) {
		if (op_submit(w, &rq) == WHARF_OK)
			w->acks++;
		else
			wait_say(s, &rq.f);
	}
	request_free(&rq);
}

/* --- what programs call --- */

int
wharf_cancel(struct wharf *w, uint64_t handle)
{
	uint32_t	 index = (uint32_t)handle;
	struct seat	*s;
	struct op	*op;

	if (index >= w->max_ops)
		return 0;
	op = &w->ops[index];
	if (!op->active || op->turn != (uint32_t)(handle >> 32) ||
	    op->over == WHARF_OK)
		return 0;
	s = &w->seats[op->seat];
	if (op->begin < s->gone) {
		wait_forget(s, op);
		op_end(w, op, op->over);
	} else {
		op_end(w, op, op->over);
		seat_trim_out(s);
	}
	return 1;
}

enum wharf_status
wharf_queue_submit(struct wharf *w, const struct wharf_queue_op *op,
    wharf_fn *fn, void *arg, uint64_t *handle)
{
	struct request		rq;
	enum wharf_status	e;

	e = request_submit(w, &rq, queue_request(w, &rq, op), fn, arg);
	if (handle != NULL)
		*handle = e == WHARF_OK ? rq.f.id : 0;
	return e;
}

enum wharf_status
wharf_queue_do(struct wharf *w, const struct wharf_queue_op *op,
    struct wharf_answer *answer)
{
	struct request	rq;

	return request_do(w, &rq, queue_request(w, &rq, op), answer);
}
