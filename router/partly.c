/*
 * partly.c: messages of many items or tokens that had no room in the log in the
 * middle: their links keep them, and this is how far each came.
 */
#include <stdlib.h>

#include "router/router.h"

struct partly *
partly_find(struct router *r, const struct msg *m)
{
	struct partly	*p;

	TAILQ_FOREACH(p, &r->partly, next)
		if (p->link == link_id(m->link) && p->id == m->f.id &&
		    p->msg == m->f.msg)
			return p;
	return NULL;
}

void
partly_free(struct router *r, struct partly *p)
{
	if (p == NULL)
		return;
	TAILQ_REMOVE(&r->partly, p, next);
	free(p);
}

enum err
partly_refuse(struct router *r, const struct msg *m, enum err e)
{
	struct partly	*p = e == E_AGAIN ? NULL : partly_find(r, m);

	if (p == NULL)
		return e;
	partly_free(r, p);
	return E_UNSURE;
}

struct partly *
partly_keep(struct router *r, const struct msg *m)
{
	struct partly	*p = partly_find(r, m);

	if (p != NULL || (p = calloc(1, sizeof(*p))) == NULL)
		return p;
	p->link = link_id(m->link);
	p->id = m->f.id;
	p->msg = m->f.msg;
	TAILQ_INSERT_TAIL(&r->partly, p, next);
	return p;
}

void
partly_forget(struct router *r, uint64_t link)
{
	struct partly	*p, *next;

	for (p = TAILQ_FIRST(&r->partly); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		if (link == 0 || p->link == link)
			partly_free(r, p);
	}
}
