/*
 * budget.c: counting bytes, and a queue of those who wait for some.
 */
#include <assert.h>

#include "worker/budget.h"

int
budget_try(struct budget *b, size_t n)
{
	/* max may have been lowered by a reload. */
	if (b->used > b->max || n > b->max - b->used)
		return 0;
	b->used += n;
	return 1;
}

int
budget_ask(struct budget *b, struct budget_wait *w, size_t n, mono_t now)
{
	assert(w->need == 0 && n > 0);
	if (b->head == NULL && budget_try(b, n))
		return 1;
	w->need = n;
	w->since = now;
	w->next = NULL;
	w->prev = b->tail;
	if (b->tail != NULL)
		b->tail->next = w;
	else
		b->head = w;
	b->tail = w;
	return 0;
}

void
budget_give(struct budget *b, size_t n)
{
	assert(n <= b->used);
	b->used -= n;
}

void
budget_cancel(struct budget *b, struct budget_wait *w)
{
	if (w->need == 0)
		return;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		b->head = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		b->tail = w->prev;
	w->need = 0;
}

struct budget_wait *
budget_grant(struct budget *b)
{
	struct budget_wait	*w = b->head;

	if (w == NULL || !budget_try(b, w->need))
		return NULL;
	budget_cancel(b, w);
	return w;
}

struct budget_wait *
budget_expired(struct budget *b, mono_t now, int64_t limit)
{
	struct budget_wait	*w = b->head;

	if (w == NULL || mono_diff(w->since, now) < limit)
		return NULL;
	budget_cancel(b, w);
	return w;
}
