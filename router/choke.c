/*
 * choke.c: see choke.h.
 *
 * A turn: the mailbox reads the links whose queues are short enough; after
 * that those who are kept here get their turn, so that a queue that is filled
 * again and again does not keep the mailbox from reading.  Before the loop
 * sleeps it is looked whether there is room already: nobody rings for that.
 */
#include <stdlib.h>

#include "router/router.h"

#define AT_ONCE	200u		/* of a link, in a turn */
#define ROWS	256u		/* names are spread over them */

struct choked {
	LIST_ENTRY(choked) next;
	uint64_t	 link;
	struct wait_list row[ROWS];
	unsigned	 turn;		/* the row that is next */
	int		 draining;
};

struct choke {
	struct router	*r;
	LIST_HEAD(, choked) links;
	struct ev_check	 turn;
	struct ev_prepare sleep;
	struct ev_idle	 idle;
};

static struct choked *
choke_find(const struct choke *c, uint64_t link)
{
	struct choked	*k;

	LIST_FOREACH(k, &c->links, next)
		if (k->link == link)
			return k;
	return NULL;
}

static int
has_room(const struct choke *c, uint64_t link)
{
	const struct link	*l = link_find(c->r->srv.actor.mailbox, link);

	return l == NULL || link_queued(l) < ROUTER_OUT;
}

static unsigned
row_of(const struct wait *w)
{
	unsigned	h = w->kind, i;

	for (i = 0; i < w->tablen; i++)
		h = h * 31 + w->tab[i];
	return (h ^ h >> 8) % ROWS;
}

/* While some of a name are kept nobody of that name overtakes them. */
int
choke_full(const struct choke *c, const struct wait *w)
{
	const struct choked	*k = choke_find(c, w->link);

	if (k != NULL && !k->draining && k->row[row_of(w)].n > 0)
		return 1;
	return !has_room(c, w->link);
}

static unsigned
choked_count(const struct choked *k)
{
	unsigned	i, n = 0;

	for (i = 0; i < ROWS; i++)
		n += k->row[i].n;
	return n;
}

unsigned
choke_count(const struct choke *c)
{
	const struct choked	*k;
	unsigned		 n = 0;

	LIST_FOREACH(k, &c->links, next)
		n += choked_count(k);
	return n;
}

/* --- turns --- */

static void
choke_watch(struct choke *c, int on)
{
	struct ev_loop	*loop = c->r->srv.actor.loop;

	if (on) {
		ev_check_start(loop, &c->turn);
		ev_prepare_start(loop, &c->sleep);
	} else {
		ev_check_stop(loop, &c->turn);
		ev_prepare_stop(loop, &c->sleep);
		ev_idle_stop(loop, &c->idle);
	}
}

/* The first of the row that is next; NULL: nobody is kept. */
static struct wait *
choked_take(struct choked *k)
{
	unsigned	i;

	for (i = 0; i < ROWS; i++, k->turn++)
		if (k->row[k->turn % ROWS].n > 0)
			return wait_list_take(&k->row[k->turn++ % ROWS]);
	return NULL;
}

static void
choke_drain(struct choke *c, struct choked *k)
{
	struct wait	*w;
	unsigned	 left = AT_ONCE;

	k->draining = 1;
	while (left-- > 0 && has_room(c, k->link) &&
	    (w = choked_take(k)) != NULL)
		wait_again(w);
	k->draining = 0;
}

static void
choke_sweep(struct choke *c)
{
	struct choked	*k, *next;

	for (k = LIST_FIRST(&c->links); k != NULL; k = next) {
		next = LIST_NEXT(k, next);
		if (choked_count(k) > 0)
			continue;
		LIST_REMOVE(k, next);
		free(k);
	}
	if (LIST_EMPTY(&c->links))
		choke_watch(c, 0);
}

static void
on_turn(struct ev_loop *loop, struct ev_check *w, int events)
{
	struct choke	*c = w->data;
	struct choked	*k;

	(void)events;
	ev_idle_stop(loop, &c->idle);
	LIST_FOREACH(k, &c->links, next)
		choke_drain(c, k);
	choke_sweep(c);
	shard_kick(c->r->srv.shard);
	router_arm(c->r);
}

static void
on_sleep(struct ev_loop *loop, struct ev_prepare *w, int events)
{
	struct choke	*c = w->data;
	struct choked	*k;

	(void)events;
	mailbox_flush(c->r->srv.actor.mailbox);
	LIST_FOREACH(k, &c->links, next)
		if (has_room(c, k->link)) {
			ev_idle_start(loop, &c->idle);
			return;
		}
}

static void
on_idle(struct ev_loop *loop, struct ev_idle *w, int events)
{
	(void)loop, (void)w, (void)events;
}

/* --- beginning and end --- */

struct choke *
choke_new(struct router *r)
{
	struct choke	*c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->r = r;
	LIST_INIT(&c->links);
	ev_check_init(&c->turn, on_turn);
	ev_set_priority(&c->turn, EV_MINPRI);	/* behind the mailbox's */
	ev_prepare_init(&c->sleep, on_sleep);
	ev_set_priority(&c->sleep, EV_MAXPRI);	/* ahead of it */
	ev_idle_init(&c->idle, on_idle);
	c->turn.data = c->sleep.data = c;
	return c;
}

void
choke_free(struct choke *c)
{
	struct choked	*k;

	while (c != NULL && (k = LIST_FIRST(&c->links)) != NULL) {
		LIST_REMOVE(k, next);
		free(k);
	}
	free(c);
}

void
choke_stop(struct choke *c)
{
	struct choked	*k;
	struct wait	*w;

	LIST_FOREACH(k, &c->links, next)
		while ((w = choked_take(k)) != NULL)
			wait_again(w);
}

static unsigned
most(const struct choke *c, uint64_t link)
{
	const struct link	*l = link_find(c->r->srv.actor.mailbox, link);

	if (l != NULL && link_from(l) == FROM_CLIENT)
		return CHOKE_CLIENT;
	return (unsigned)conf_int(c->r->srv.actor.conf, CONF_MQ_WAIT_MAX);
}

static struct choked *
choked_new(struct choke *c, uint64_t link)
{
	struct choked	*k = calloc(1, sizeof(*k));
	unsigned	 i;

	if (k == NULL)
		return NULL;
	k->link = link;
	for (i = 0; i < ROWS; i++)
		wait_list_init(&k->row[i]);
	if (LIST_EMPTY(&c->links))
		choke_watch(c, 1);
	LIST_INSERT_HEAD(&c->links, k, next);
	return k;
}

enum err
choke_keep(struct choke *c, struct wait *w)
{
	struct choked	*k = choke_find(c, w->link);

	if (k == NULL && (k = choked_new(c, w->link)) == NULL)
		return E_NOMEM;
	if (choked_count(k) >= most(c, w->link))
		return E_FULL;
	wait_list_add(&k->row[row_of(w)], w);
	return E_OK;
}
