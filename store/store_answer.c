/*
 * store_answer.c: see store_answer.h.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store_answer.h"

#define LEAST	256u		/* a small ring stays in the cache */

/* An answer that goes out when the log has reached lsn. */
struct held {
	uint64_t	 lsn;
	uint64_t	 link;		/* link_id */
	mono_t		 came, since;	/* it waits since */
	struct frame	 r;		/* id, msg, version, flags, ttl, value */
	enum err	 status;
	int		 write;
	uint8_t		*bytes;		/* owned: what r borrows; or NULL */
};

/* What the slow log says about a held answer's request. */
struct held_text {
	uint32_t	 tablen, keylen, vallen;	/* in full */
	uint8_t		 tab[SLOW_TEXT], key[SLOW_TEXT];
};

struct answers {
	struct actor		*a;
	struct held		*ring;		/* of size, a power of two */
	struct held_text	*texts;		/* of the same answers */
	unsigned		 size, first, count;
	uint64_t		 bytes;
	int64_t			 slow_us;
};

static struct held *
answers_at(const struct answers *an, unsigned i)
{
	return &an->ring[(an->first + i) & (an->size - 1)];
}

/* Doubles the ring: 1, or 0 when memory is short. */
static int
answers_grow(struct answers *an)
{
	unsigned		 size = an->size == 0 ? LEAST : an->size * 2, i;
	struct held		*ring, *from;
	struct held_text	*texts;

	ring = calloc(size, sizeof(*ring));
	texts = calloc(size, sizeof(*texts));
	if (ring == NULL || texts == NULL) {
		free(ring);
		free(texts);
		return 0;
	}
	for (i = 0; i < an->count; i++) {
		from = answers_at(an, i);
		ring[i] = *from;
		texts[i] = an->texts[from - an->ring];
	}
	free(an->ring);
	free(an->texts);
	an->ring = ring;
	an->texts = texts;
	an->first = 0;
	an->size = size;
	return 1;
}

struct answers *
answers_new(struct actor *a)
{
	struct answers	*an = calloc(1, sizeof(*an));

	if (an == NULL)
		return NULL;
	an->a = a;
	if (answers_grow(an))
		return an;
	free(an);
	return NULL;
}

void
answers_free(struct answers *an)
{
	unsigned	i;

	if (an == NULL)
		return;
	for (i = 0; i < an->count; i++)
		free(answers_at(an, i)->bytes);
	free(an->ring);
	free(an->texts);
	free(an);
}

void
answers_set_slow(struct answers *an, int64_t us)
{
	an->slow_us = us;
}

int
answers_room(struct answers *an)
{
	return an->count < ANSWERS_MAX &&
	    (an->count < an->size || answers_grow(an));
}

unsigned
answers_count(const struct answers *an)
{
	return an->count;
}

uint64_t
answers_bytes(const struct answers *an)
{
	return an->bytes;
}

void
answers_gauges(const struct answers *an)
{
	board_set(an->a->my, BC_DEPTH, an->count);
	board_set(an->a->my, BC_MEMORY, (int64_t)an->bytes);
}

/* m: the request, when its answer was not held. */
static void
answers_slow(const struct answers *an, const struct held *h,
    const struct msg *m, mono_t now)
{
	struct slow_entry	 e = { .inc = an->a->inc };
	const struct held_text	*t;

	e.total = mono_diff(h->came, now);
	e.status = (uint32_t)err_http(h->status);
	slow_name(&e, msg_name(h->r.msg));
	if (m != NULL) {
		e.tablen = slow_cut(e.tab, m->f.tab, m->f.tablen);
		e.keylen = slow_cut(e.key, m->f.key, m->f.keylen);
		e.vallen = m->f.vallen;
	} else {
		t = &an->texts[h - an->ring];
		e.tablen = slow_cut(e.tab, t->tab, t->tablen);
		e.keylen = slow_cut(e.key, t->key, t->keylen);
		e.vallen = t->vallen;
		e.held = mono_diff(h->since, now);
	}
	if (!h->write)
		e.vallen = h->r.vallen;
	slow_put(board_slow(an->a->my), &e);
}

static void
answers_send(const struct answers *an, struct link *l, const struct held *h,
    const struct msg *m)
{
	struct board_actor	*b = an->a->my;
	mono_t			 now = mono_now();
	int64_t			 us = mono_diff(h->came, now);
	int			 http = err_http(h->status);

	board_add(b, BC_REQUESTS, 1);
	if (http >= 500)
		board_add(b, BC_ERRORS, 1);
	else if (http >= 400)
		board_add(b, BC_REFUSED, 1);
	board_add(b, BC_BYTES_OUT, h->r.vallen);
	board_time(b, h->write ? BH_WRITE : BH_READ, us);
	if (us >= an->slow_us)
		answers_slow(an, h, m, now);
	link_reply(l, h->r.msg, h->r.id, h->status, &h->r);
}

/* The slow log wants to know whose answer it was that waited. */
static void
answers_note(struct answers *an, struct held *h, const struct msg *m)
{
	struct held_text	*t = &an->texts[h - an->ring];

	h->since = mono_now();
	t->tablen = slow_cut(t->tab, m->f.tab, m->f.tablen);
	t->keylen = slow_cut(t->key, m->f.key, m->f.keylen);
	t->vallen = m->f.vallen;
}

/* Copies what the answer borrows; without memory it has none of it. */
static void
held_copy(struct held *h)
{
	struct frame	*r = &h->r;
	size_t		 n = (size_t)r->tablen + r->keylen + r->vallen;
	uint8_t		*p;

	if (n == 0)
		return;
	if ((h->bytes = malloc(n)) == NULL) {
		h->status = h->write ? E_UNSURE : E_NOMEM;
		r->tablen = r->keylen = r->vallen = 0;
		return;
	}
	p = h->bytes;
	if (r->tablen > 0)
		memcpy(p, r->tab, r->tablen);
	r->tab = p;
	p += r->tablen;
	if (r->keylen > 0)
		memcpy(p, r->key, r->keylen);
	r->key = p;
	p += r->keylen;
	if (r->vallen > 0)
		memcpy(p, r->val, r->vallen);
	r->val = p;
}

/* Into the ring; 0: no memory. */
static int
answers_hold(struct answers *an, const struct held *now, const struct msg *m,
    uint64_t lsn)
{
	struct held	*h;

	if (an->count == an->size && !answers_grow(an))
		return 0;
	h = answers_at(an, an->count);
	*h = *now;
	h->lsn = lsn;
	h->link = link_id(m->link);
	answers_note(an, h, m);
	held_copy(h);
	an->bytes += h->r.vallen;
	an->count++;
	return 1;
}

void
answers_give(struct answers *an, const struct msg *m, mono_t came,
    enum err status, const struct frame *r, uint64_t lsn, uint64_t released,
    int write)
{
	struct held	 h = { .came = came, .r = *r, .status = status,
	    .write = write };

	h.r.id = m->f.id;
	h.r.msg = m->f.msg;
	if (lsn > released) {
		if (answers_hold(an, &h, m, lsn))
			return;
		h.status = write ? E_UNSURE : E_NOMEM;
		h.r.tablen = h.r.keylen = h.r.vallen = 0;
	}
	answers_send(an, m->link, &h, m);
}

/* The first of the ring leaves it. */
static void
answers_leave(struct answers *an)
{
	struct held	*h = answers_at(an, 0);
	struct link	*l = link_find(an->a->mailbox, h->link);

	an->bytes -= h->r.vallen;
	if (l != NULL)
		answers_send(an, l, h, NULL);
	free(h->bytes);
	an->first = (an->first + 1) & (an->size - 1);
	an->count--;
}

void
answers_release(struct answers *an, uint64_t lsn)
{
	while (an->count > 0 && answers_at(an, 0)->lsn <= lsn)
		answers_leave(an);
	if (an->count == 0)
		an->first = 0;	/* keeps to the warm part of the ring */
}

void
answers_fail(struct answers *an)
{
	struct held	*h;

	while (an->count > 0) {
		h = answers_at(an, 0);
		h->status = h->write ? E_UNSURE : E_READONLY;
		h->r.score = 0;		/* what a move has moved, for one */
		an->bytes -= h->r.vallen;
		h->r.tablen = h->r.keylen = h->r.vallen = 0;
		answers_leave(an);
	}
}
