/*
 * parked.c: see parked.h.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/parked.h"

void
parking_init(struct parking *g, struct name *q, struct heap *until)
{
	TAILQ_INIT(&g->list);
	g->n = 0;
	g->name = q;
	g->until = until;
}

void
parked_init(struct parked *p)
{
	p->at = NULL;
	p->until.at = 0;
}

void
parked_add(struct parking *g, struct parked *p, int64_t until)
{
	p->at = g;
	TAILQ_INSERT_TAIL(&g->list, p, next);
	g->n++;
	heap_set(g->until, &p->until, until);
}

void
parked_del(struct parked *p)
{
	struct parking	*g = p->at;

	heap_del(g->until, &p->until);
	TAILQ_REMOVE(&g->list, p, next);
	g->n--;
	p->at = NULL;
}

struct parked *
parked_late(const struct heap *h, mono_t now)
{
	struct heap_node	*n = heap_top(h);

	if (n == NULL || n->key > now.us)
		return NULL;
	return (struct parked *)(void *)((char *)n -
	    offsetof(struct parked, until));
}
