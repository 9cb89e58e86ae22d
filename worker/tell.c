/*
 * tell.c: see tell.h.  Runs in a worker, on the loop.
 */
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "proto/clock.h"
#include "proto/mailbox.h"
#include "proto/msg.h"
#include "supervisor/board.h"
#include "supervisor/log.h"
#include "worker/tell.h"

struct told {
	STAILQ_ENTRY(told) next;
	uint64_t	 link;		/* it goes by this one only; 0: by any */
	size_t		 size;
	struct frame	 f;
	uint8_t		 b[];		/* its table, key and value */
};

struct told_list {
	STAILQ_HEAD(, told) kept;
	unsigned	 n;
	size_t		 bytes;
};

struct tells {
	struct link *const *links;
	struct board_actor *my;
	unsigned	 routers, n;	/* n: kept in all */
	struct told_list to[];
};

struct tells *
tells_new(struct link *const *links, unsigned n, struct board_actor *my)
{
	struct tells	*t = calloc(1, sizeof(*t) + n * sizeof(t->to[0]));
	unsigned	 i;

	if (t == NULL)
		return NULL;
	t->links = links;
	t->my = my;
	t->routers = n;
	for (i = 0; i < n; i++)
		STAILQ_INIT(&t->to[i].kept);
	return t;
}

/* The first is sent, or has lost its sense. */
static void
told_remove(struct tells *t, struct told_list *to)
{
	struct told	*x = STAILQ_FIRST(&to->kept);

	STAILQ_REMOVE_HEAD(&to->kept, next);
	to->n--;
	t->n--;
	to->bytes -= x->size;
	free(x);
}

void
tells_free(struct tells *t)
{
	unsigned	i;

	if (t == NULL)
		return;
	for (i = 0; i < t->routers; i++)
		while (!STAILQ_EMPTY(&t->to[i].kept))
			told_remove(t, &t->to[i]);
	free(t);
}

/* --- keeping --- */

static const uint8_t *
told_copy(uint8_t **at, const uint8_t *p, size_t n)
{
	uint8_t	*to = *at;

	if (n > 0)
		memcpy(to, p, n);
	*at += n;
	return to;
}

static struct told *
told_new(const struct frame *f, uint64_t link)
{
	size_t		 n = (size_t)f->tablen + f->keylen + f->vallen;
	struct told	*x = malloc(sizeof(*x) + n);
	uint8_t		*at;

	if (x == NULL)
		return NULL;
	x->link = link;
	x->size = sizeof(*x) + n;
	x->f = *f;
	at = x->b;
	x->f.tab = told_copy(&at, f->tab, f->tablen);
	x->f.key = told_copy(&at, f->key, f->keylen);
	x->f.val = told_copy(&at, f->val, f->vallen);
	return x;
}

static void
told_keep(struct tells *t, unsigned router, const struct frame *f,
    uint64_t link)
{
	static struct log_limit	 lim;
	struct told_list	*to = &t->to[router];
	struct told		*x = NULL;

	if (to->n < TELLS_MAX && to->bytes < TELLS_BYTES)
		x = told_new(f, link);
	if (x == NULL) {
		board_add(t->my, BC_NOTICES_LOST, 1);
		log_limited(&lim, "router %u does not take what was "
		    "acknowledged, given back or cancelled", router);
		return;
	}
	STAILQ_INSERT_TAIL(&to->kept, x, next);
	to->n++;
	t->n++;
	to->bytes += x->size;
	board_set(t->my, BC_NOTICES, t->n);
}

/* --- sending --- */

static enum err
told_send(struct link *link, struct frame *f, int64_t patience)
{
	f->id = 0;
	f->deadline = frame_deadline(mono_add(mono_now(), patience));
	return link_send(link, f);
}

void
tell(struct tells *t, unsigned router, struct frame *f, int64_t patience)
{
	struct link	*link = t->links[router];
	int		 bound = f->msg == MSG_ROUTER_CANCEL;

	if (link == NULL && bound)
		return;
	if (link != NULL && STAILQ_EMPTY(&t->to[router].kept) &&
	    told_send(link, f, patience) == E_OK)
		return;
	told_keep(t, router, f, bound ? link_id(link) : 0);
}

static void
told_retry(struct tells *t, unsigned router, int64_t patience)
{
	struct told_list	*to = &t->to[router];
	struct link		*link = t->links[router];
	struct told		*x;

	while (link != NULL && (x = STAILQ_FIRST(&to->kept)) != NULL) {
		if ((x->link == 0 || x->link == link_id(link)) &&
		    told_send(link, &x->f, patience) != E_OK)
			return;
		told_remove(t, to);
		board_set(t->my, BC_NOTICES, t->n);
	}
}

void
tells_retry(struct tells *t, int64_t patience)
{
	unsigned	i;

	for (i = 0; t->n > 0 && i < t->routers; i++)
		told_retry(t, i, patience);
}

unsigned
tells_open(const struct tells *t)
{
	unsigned	i, n = 0;

	for (i = 0; i < t->routers; i++)
		if (t->links[i] != NULL)
			n += t->to[i].n;
	return n;
}
