/*
 * waits.c: see waits.h.
 */
#include <stdlib.h>
#include <string.h>

#include "router/router.h"

#define BUCKETS	16384u

LIST_HEAD(wait_bucket, wait);

struct waits {
	struct wait_bucket	bucket[BUCKETS];
	struct wait_list	retry;
};

static struct wait_bucket *
wait_bucket(struct waits *ws, uint64_t link, uint64_t id)
{
	uint64_t	h = (link * 0x9e3779b97f4a7c15u ^ id) *
			    0xff51afd7ed558ccdu;

	return &ws->bucket[h >> 32 & (BUCKETS - 1)];
}

/* --- those to be asked again --- */

void
wait_list_init(struct wait_list *l)
{
	TAILQ_INIT(&l->waits);
	l->n = 0;
}

void
wait_list_add(struct wait_list *l, struct wait *w)
{
	TAILQ_INSERT_TAIL(&l->waits, w, again);
	w->on = l;
	l->n++;
}

static void
wait_list_leave(struct wait *w)
{
	TAILQ_REMOVE(&w->on->waits, w, again);
	w->on->n--;
	w->on = NULL;
}

struct wait *
wait_list_take(struct wait_list *l)
{
	struct wait	*w = TAILQ_FIRST(&l->waits);

	if (w != NULL)
		wait_list_leave(w);
	return w;
}

void
wait_again(struct wait *w)
{
	if (w->kind == WAIT_READER)
		router_sub_again(w);
	else
		router_get_again(w);
}

enum err
wait_later(struct wait *w)
{
	if (choke_full(w->r->choke, w))
		return choke_keep(w->r->choke, w);
	wait_retry(w);
	return E_OK;
}

/* --- all of them --- */

struct waits *
waits_new(void)
{
	struct waits	*ws = calloc(1, sizeof(*ws));

	if (ws != NULL)
		wait_list_init(&ws->retry);
	return ws;
}

void
waits_free(struct waits *ws)
{
	unsigned	i;

	for (i = 0; ws != NULL && i < BUCKETS; i++)
		while (!LIST_EMPTY(&ws->bucket[i]))
			wait_free(LIST_FIRST(&ws->bucket[i]));
	free(ws);
}

struct wait *
wait_new(struct router *r, const struct msg *m, struct queue_str name,
    enum wait_kind kind, int64_t us)
{
	struct wait	*w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->r = r;
	w->link = link_id(m->link);
	w->id = m->f.id;
	w->msg = m->f.msg;
	w->kind = (uint8_t)kind;
	w->tablen = (uint8_t)name.n;
	if (name.n > 0)
		memcpy(w->tab, name.p, name.n);
	w->until = mono_add(r->srv.now, us);
	LIST_INSERT_HEAD(wait_bucket(r->waits, w->link, w->id), w, bucket);
	return w;
}

void
wait_free(struct wait *w)
{
	LIST_REMOVE(w, bucket);
	if (w->on != NULL)
		wait_list_leave(w);
	free(w);
}

struct wait *
wait_find(struct waits *ws, uint64_t link, uint64_t id)
{
	struct wait	*w;

	LIST_FOREACH(w, wait_bucket(ws, link, id), bucket)
		if (w->link == link && w->id == id)
			return w;
	return NULL;
}

void
wait_cancel(struct wait *w)
{
	struct router	*r = w->r;

	if (w->on == NULL)
		switch (w->kind) {
		case WAIT_TAKER:
			(void)queue_cancel(r->queues, &w->u.taker);
			break;
		case WAIT_READER:
			(void)topic_cancel(r->queues, &w->u.reader);
			break;
		case WAIT_ASK:
			task_ask_cancel(r->tasks, &w->u.ask);
			break;
		case WAIT_CLAIM:
			task_claim_cancel(r->tasks, &w->u.claim);
			break;
		}
	wait_free(w);
}

void
waits_cancel(struct waits *ws, uint64_t link)
{
	struct wait	*w, *next;
	unsigned	 i;

	for (i = 0; i < BUCKETS; i++)
		for (w = LIST_FIRST(&ws->bucket[i]); w != NULL; w = next) {
			next = LIST_NEXT(w, bucket);
			if (w->link == link)
				wait_cancel(w);
		}
}

/* The time that it was kept waiting for something to come is not ours. */
void
wait_answer(struct wait *w, enum err e, const struct frame *f, uint64_t mark)
{
	struct router	*r = w->r;
	struct msg	 m = { .f = { .msg = w->msg, .id = w->id,
	    .tab = w->tab, .tablen = w->tablen, .key = w->key,
	    .keylen = w->keylen } };

	m.link = link_find(r->srv.actor.mailbox, w->link);
	if (m.link != NULL)
		server_answer(&r->srv, &m, e, f, mark, 0);
	wait_free(w);
}

void
wait_retry(struct wait *w)
{
	wait_list_add(&w->r->waits->retry, w);
}

unsigned
waits_retry(const struct waits *ws)
{
	return ws->retry.n;
}

struct wait *
wait_next_retry(struct waits *ws)
{
	return wait_list_take(&ws->retry);
}
