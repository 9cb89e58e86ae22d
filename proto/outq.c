/*
 * outq.c: the chunks of a link's queue.
 *
 * Runs in every actor, on the loop thread.  Nothing here knows what a frame
 * is; the bounds are the caller's.
 */
#include <stdlib.h>

#include "proto/outq.h"

struct outq_chunk {
	struct outq_chunk	*next;
	size_t			 max, begin, end;
	uint8_t			 data[];
};

static struct outq_chunk *
outq_grow(struct outq *q, size_t n)
{
	struct outq_chunk	*c;
	size_t			 max = n > OUTQ_CHUNK ? n : OUTQ_CHUNK;

	if ((c = malloc(sizeof(*c) + max)) == NULL)
		return NULL;
	c->next = NULL;
	c->max = max;
	c->begin = c->end = 0;
	if (q->last != NULL)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
	return c;
}

uint8_t *
outq_room(struct outq *q, size_t n)
{
	struct outq_chunk	*c = q->last;
	uint8_t			*p;

	if (c == NULL || n > c->max - c->end)
		c = outq_grow(q, n);
	if (c == NULL)
		return NULL;
	p = c->data + c->end;
	c->end += n;
	q->bytes += n;
	return p;
}

size_t
outq_front(const struct outq *q, const uint8_t **p)
{
	const struct outq_chunk	*c = q->first;

	if (c == NULL)
		return 0;
	*p = c->data + c->begin;
	return c->end - c->begin;
}

void
outq_drop(struct outq *q, size_t n)
{
	struct outq_chunk	*c = q->first;

	c->begin += n;
	q->bytes -= n;
	if (c->begin < c->end)
		return;
	q->first = c->next;
	if (q->first == NULL)
		q->last = NULL;
	free(c);
}

void
outq_free(struct outq *q)
{
	struct outq_chunk	*c;

	while ((c = q->first) != NULL) {
		q->first = c->next;
		free(c);
	}
	q->last = NULL;
	q->bytes = 0;
}
