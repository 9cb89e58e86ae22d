/*
 * client_sync.c: libwharf's general calls: one request, waited for or not,
 * whatever command it was made of; and what keeps the bytes of a synchronous
 * answer until the next call.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"

uint8_t *
kept_add(struct kept **list, size_t n)
{
	struct kept	*k = malloc(sizeof(*k) + n);

	if (k == NULL)
		return NULL;
	k->next = *list;
	*list = k;
	return k->bytes;
}

void
kept_free(struct kept **list)
{
	struct kept	*k;

	while ((k = *list) != NULL) {
		*list = k->next;
		free(k);
	}
}

struct kept *
kept_take(struct wharf *w)
{
	struct kept	*k = w->kept;

	w->kept = NULL;
	return k;
}

struct sync {
	struct wharf_answer	 answer;
	struct kept		**kept;
	int			 done;
};

/* Copies what the answer points to, which is gone when we return. */
static int
sync_keep(struct kept **kept, struct wharf_answer *a)
{
	size_t	 token = a->token == NULL ? 0 : strlen(a->token) + 1;
	size_t	 name = a->name == NULL ? 0 : strlen(a->name) + 1;
	size_t	 n = a->length + a->cursorlen;
	uint8_t	*p;

	if (n + token + name == 0)
		return 1;
	if ((p = kept_add(kept, n + token + name)) == NULL)
		return 0;
	if (token != 0)
		a->token = memcpy(p + n, a->token, token);
	if (name != 0)
		a->name = memcpy(p + n + token, a->name, name);
	if (a->value != NULL)
		a->value = memcpy(p, a->value, a->length);
	if (a->cursor != NULL)
		a->cursor = memcpy(p + a->length, a->cursor, a->cursorlen);
	return 1;
}

static void
sync_done(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct sync	*sy = arg;

	(void)w;
	sy->done = 1;
	sy->answer = *a;
	if (!sync_keep(sy->kept, &sy->answer)) {
		memset(&sy->answer, 0, sizeof(sy->answer));
		sy->answer.status = WHARF_NOMEM;
	}
}

enum wharf_status
sync_run(struct wharf *w, struct request *rq, struct kept **kept,
    struct wharf_answer *answer)
{
	struct sync	sy = { .kept = kept };

	rq->fn = sync_done;
	rq->arg = &sy;
	sy.answer.status = op_submit(w, rq);
	if (sy.answer.status == WHARF_OK)
		while (!sy.done)
			wharf_wait(w, -1);
	if (answer != NULL)
		*answer = sy.answer;
	return sy.answer.status;
}

enum wharf_status
request_do(struct wharf *w, struct request *rq, enum wharf_status made,
    struct wharf_answer *answer)
{
	struct wharf_answer	 a;
	struct kept		*old;

	memset(&a, 0, sizeof(a));
	if (w->inside)
		a.status = WHARF_AGAIN;
	else {
		old = kept_take(w);
		a.status = made;
		if (made == WHARF_OK)
			sync_run(w, rq, &w->kept, &a);
		/* What it acknowledges by itself is so when we return. */
		while (rq->autoack && a.status == WHARF_OK && w->acks != 0)
			wharf_wait(w, -1);
		kept_free(&old);
	}
	request_free(rq);
	if (answer != NULL)
		*answer = a;
	return a.status;
}

enum wharf_status
request_submit(struct wharf *w, struct request *rq, enum wharf_status made,
    wharf_fn *fn, void *arg)
{
	rq->fn = fn;
	rq->arg = arg;
	if (made == WHARF_OK)
		made = op_submit(w, rq);
	request_free(rq);
	return made;
}

enum wharf_status
wharf_do(struct wharf *w, const struct wharf_op *op, struct wharf_answer *answer)
{
	struct request	rq;

	return request_do(w, &rq, request_make(w, &rq, op), answer);
}

enum wharf_status
wharf_submit(struct wharf *w, const struct wharf_op *op, wharf_fn *fn, void *arg)
{
	struct request	rq;

	return request_submit(w, &rq, request_make(w, &rq, op), fn, arg);
}

enum wharf_status
op_number(struct wharf *w, const struct wharf_op *op, int64_t *number)
{
	struct wharf_answer	a;
	enum wharf_status	e = wharf_do(w, op, &a);

	if (e == WHARF_OK && number != NULL)
		*number = a.number;
	return e;
}
