/*
 * body.c: request bodies.
 *
 * A short body lies in the request itself.  A longer one has a buffer of its
 * own whose bytes are reserved from the budget: all at once from
 * Content-Length, piecewise when it is chunked.  Who gets no bytes is
 * suspended, in the order of asking, and refused after BUDGET_WAIT.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/answer.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/worker.h"

/* A little under the 10 s of RULE answers: the tick that looks is coarse. */
#define BUDGET_WAIT	(9500 * INT64_C(1000))	/* usec */
/* Bytes of a refused body that are read to keep the connection. */
#define DISCARD_MAX	65536u

static void
upload_leave(struct request *r)
{
	struct worker	*w = r->w;

	if (!r->uploading)
		return;
	if (r->up_prev != NULL)
		r->up_prev->up_next = r->up_next;
	else
		w->up_head = r->up_next;
	if (r->up_next != NULL)
		r->up_next->up_prev = r->up_prev;
	else
		w->up_tail = r->up_prev;
	r->uploading = 0;
}

/* The upload made progress: it goes to the end of the list. */
static void
upload_moved(struct request *r)
{
	struct worker	*w = r->w;

	upload_leave(r);
	r->up_next = NULL;
	r->up_prev = w->up_tail;
	if (w->up_tail != NULL)
		w->up_tail->up_next = r;
	else
		w->up_head = r;
	w->up_tail = r;
	r->uploading = 1;
	r->moved = mono_now();
	if (r->began.us == 0)
		r->began = r->moved;
}

/* Asks for n bytes more; 0 when the request has to wait in this state. */
static int
body_ask(struct request *r, size_t n, enum request_state state)
{
	struct worker	*w = r->w;

	if (n == 0)
		return 1;
	if (budget_ask(&w->budget, &r->wait, n, mono_now())) {
		r->held += n;
		return 1;
	}
	upload_leave(r);
	connection_busy(w, r->at);
	if (r->began.us == 0)
		r->began = r->wait.since;
	r->wait_err = E_OK;
	r->state = (uint8_t)state;
	if (!w->leaving)	/* MHD must not find any suspended then */
		http_suspend(r);
	return 0;
}

/* MHD closes; what the client still sends is read away (linger.h). */
static enum MHD_Result
body_refuse(struct request *r, enum err e)
{
	answer_raw(r, e);
	body_free(r);		/* neither budget nor the list of uploads */
	return MHD_NO;
}

/* The buffer for a declared length, once its bytes are reserved. */
static enum MHD_Result
body_alloc(struct request *r)
{
	r->state = RS_BODY;
	if ((r->body = malloc(r->declared)) == NULL) {
		answer_linger(r);
		return answer_status(r, E_NOMEM, NULL) ? MHD_YES : MHD_NO;
	}
	r->own_body = 1;
	r->bodycap = r->declared;
	upload_moved(r);
	connection_quiet(r->w, r->at);
	return MHD_YES;
}

enum MHD_Result
body_begin(struct request *r)
{
	size_t	used = r->text == r->room ? r->textlen : 0;

	r->state = RS_BODY;
	r->body = r->room + used;
	r->bodycap = ROOM - used;
	if (r->discard || r->chunked || r->declared <= r->bodycap) {
		upload_moved(r);
		return MHD_YES;
	}
	r->body = NULL;
	r->bodycap = 0;
	if (!body_ask(r, r->declared, RS_WAIT_HEAD))
		return MHD_YES;
	return body_alloc(r);
}

enum MHD_Result
body_resume(struct request *r)
{
	if (r->wait_err == E_OK)
		return body_alloc(r);
	answer_linger(r);
	return answer_status(r, r->wait_err, NULL) ? MHD_YES : MHD_NO;
}

static int
body_move(struct request *r, size_t cap)
{
	uint8_t	*p = realloc(r->own_body ? r->body : NULL, cap);

	if (p == NULL)
		return 0;
	if (!r->own_body)
		memcpy(p, r->body, r->got);
	r->body = p;
	r->own_body = 1;
	r->bodycap = cap;
	return 1;
}

/*
 * Makes room for want bytes of a chunked body: 1 there is, 0 it has to wait,
 * -1 no memory.  The same arguments give the same capacity after the wait.
 */
static int
body_room(struct request *r, size_t want)
{
	size_t	cap = r->bodycap * 2;

	if (want <= r->bodycap)
		return 1;
	if (cap > r->w->body_max)
		cap = r->w->body_max;
	if (cap < want)
		cap = want;
	if (cap > r->held && !body_ask(r, cap - r->held, RS_WAIT_CHUNK))
		return 0;
	return body_move(r, cap) ? 1 : -1;
}

/* How many bytes are read at most. */
static uint64_t
body_limit(const struct request *r)
{
	if (r->refused != E_OK)
		return DISCARD_MAX;
	if (path_body_most(r->path) < r->w->body_max)
		return path_body_most(r->path);
	return r->w->body_max;
}

/* The body is longer than will be read. */
static enum err
body_excess(const struct request *r)
{
	if (r->refused != E_OK)
		return r->refused;
	return body_limit(r) == path_body_most(r->path) ?
	    path_body_error(r->path) : E_TOOBIG;
}

enum MHD_Result
body_take(struct request *r, const char *data, size_t *size)
{
	if (r->state == RS_WAIT_CHUNK) {
		if (r->wait_err != E_OK)
			return body_refuse(r, r->wait_err);
		r->state = RS_BODY;
	}
	if (r->got + *size > body_limit(r))
		return body_refuse(r, body_excess(r));
	upload_moved(r);
	connection_quiet(r->w, r->at);
	r->l->moved = 1;
	if (!r->discard) {
		switch (body_room(r, r->got + *size)) {
		case 0:
			return MHD_YES;
		case -1:
			return body_refuse(r, E_NOMEM);
		}
		memcpy(r->body + r->got, data, *size);
	}
	r->got += *size;
	*size = 0;
	return MHD_YES;
}

void
body_end(struct request *r)
{
	upload_leave(r);
}

void
body_free(struct request *r)
{
	upload_leave(r);
	budget_cancel(&r->w->budget, &r->wait);
	if (r->own_body)
		free(r->body);
	r->own_body = 0;
	r->body = NULL;
	budget_give(&r->w->budget, r->held);
	r->held = 0;
}

static struct request *
waiter(struct budget_wait *bw)
{
	return (struct request *)(void *)
	    ((char *)bw - offsetof(struct request, wait));
}

static void
waiter_wake(struct request *r, enum err e)
{
	r->wait_err = e;
	r->waited += mono_diff(r->wait.since, mono_now());
	http_resume(r);
}

int
body_grant(struct worker *w)
{
	struct budget_wait	*bw;
	struct request		*r;
	size_t			 need;
	int			 n = 0;

	while ((bw = w->budget.head) != NULL) {
		need = bw->need;
		if ((bw = budget_grant(&w->budget)) == NULL)
			break;
		r = waiter(bw);
		r->held += need;
		waiter_wake(r, E_OK);
		n = 1;
	}
	return n;
}

void
body_expire(struct worker *w, int all)
{
	mono_t			 now = mono_now();
	struct budget_wait	*bw;
	struct request		*r;

	while ((bw = budget_expired(&w->budget, now,
	    all ? 0 : BUDGET_WAIT)) != NULL)
		waiter_wake(waiter(bw), E_NOMEM);
	while ((r = w->up_head) != NULL &&
	    (all || mono_diff(r->moved, now) >= w->idle_us)) {
		upload_leave(r);
		answer_raw(r, all ? E_NOTREADY : E_SLOW);
		answer_hangup(r);
	}
}
