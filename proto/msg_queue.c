/*
 * msg_queue.c: encodes and decodes what msg_queue.h describes.  Pure.
 */
#include <string.h>

#include "proto/msg_queue.h"

static void
bytes_put(struct wbuf *b, const uint8_t *p, size_t n)
{
	uint8_t	*to = wbuf_room(b, n);

	if (to != NULL && n > 0)
		memcpy(to, p, n);
}

/* Behind a length of one byte. */
static void
short_put(struct wbuf *b, const uint8_t *p, size_t n)
{
	if (n > UINT8_MAX)
		b->bad = 1;
	wbuf_u8(b, (uint8_t)n);
	bytes_put(b, p, n);
}

static const uint8_t *
short_get(struct rbuf *b, size_t max, size_t *len)
{
	*len = rbuf_u8(b);
	if (*len > max)
		b->bad = 1;
	return rbuf_take(b, *len);
}

void
queue_item_put(struct wbuf *b, const uint8_t *p, size_t n)
{
	if (n > UINT32_MAX)
		b->bad = 1;
	wbuf_u32(b, (uint32_t)n);
	bytes_put(b, p, n);
}

const uint8_t *
queue_item_get(struct rbuf *b, size_t *len)
{
	*len = rbuf_u32(b);
	return rbuf_take(b, *len);
}

void
queue_token_put(struct wbuf *b, const uint8_t *p, size_t n)
{
	short_put(b, p, n);
}

const uint8_t *
queue_token_get(struct rbuf *b, size_t *len)
{
	return short_get(b, QUEUE_TOKEN_MAX, len);
}

void
queue_delivery_put(struct wbuf *b, const struct queue_delivery *d)
{
	short_put(b, d->token, d->tokenlen);
	wbuf_u32(b, d->deliveries);
	queue_item_put(b, d->item, d->itemlen);
}

void
queue_delivery_get(struct rbuf *b, struct queue_delivery *d)
{
	d->token = queue_token_get(b, &d->tokenlen);
	d->deliveries = rbuf_u32(b);
	d->item = queue_item_get(b, &d->itemlen);
}

void
queue_tokens(const struct frame *f, void (*fn)(void *, const uint8_t *, size_t),
    void *arg)
{
	struct queue_delivery	d;
	struct rbuf		b;

	if (f->keylen != 0) {
		fn(arg, f->key, f->keylen);
		return;
	}
	rbuf_init(&b, f->val, f->vallen);
	while (b.left > 0) {
		queue_delivery_get(&b, &d);
		if (b.bad)
			return;
		fn(arg, d.token, d.tokenlen);
	}
}

void
queue_worker_put(struct wbuf *b, const uint8_t *p, size_t n, int64_t sec)
{
	short_put(b, p, n);
	wbuf_u64(b, (uint64_t)sec);
}

const uint8_t *
queue_worker_get(struct rbuf *b, size_t *len, int64_t *sec)
{
	const uint8_t	*p = short_get(b, QUEUE_WORKER_MAX, len);

	*sec = (int64_t)rbuf_u64(b);
	return p;
}

void
queue_set_put(struct wbuf *b, const struct queue_set *s)
{
	wbuf_u8(b, s->mask);
	wbuf_u8(b, s->lock);
	wbuf_u32(b, s->max);
	wbuf_u32(b, s->timeout);
	wbuf_u32(b, s->maxdeliver);
	wbuf_u32(b, s->ttl);
	wbuf_u32(b, s->delay);
	short_put(b, s->dead, s->deadlen);
}

void
queue_set_get(struct rbuf *b, struct queue_set *s)
{
	size_t	n;

	s->mask = rbuf_u8(b);
	s->lock = rbuf_u8(b);
	s->max = rbuf_u32(b);
	s->timeout = rbuf_u32(b);
	s->maxdeliver = rbuf_u32(b);
	s->ttl = rbuf_u32(b);
	s->delay = rbuf_u32(b);
	s->dead = short_get(b, TABLE_MAX, &n);
	s->deadlen = (uint8_t)n;
	if ((s->mask & ~QSET_ALL) != 0 || s->lock > 1)
		b->bad = 1;
}

void
queue_row_put(struct wbuf *b, const struct queue_row *r)
{
	unsigned	i;

	short_put(b, r->name, r->len);
	wbuf_u8(b, r->topic);
	queue_set_put(b, &r->set);
	for (i = 0; i < QUEUE_PRIOS; i++)
		wbuf_u64(b, r->ready[i]);
	wbuf_u64(b, r->delayed);
	wbuf_u64(b, r->unacked);
	wbuf_u64(b, r->waiting);
	wbuf_u64(b, r->si);
	wbuf_u64(b, r->ci);
	wbuf_u64(b, (uint64_t)r->tm);
}

void
queue_row_get(struct rbuf *b, struct queue_row *r)
{
	size_t		n;
	unsigned	i;

	r->name = short_get(b, TABLE_MAX, &n);
	r->len = (uint8_t)n;
	r->topic = rbuf_u8(b);
	queue_set_get(b, &r->set);
	for (i = 0; i < QUEUE_PRIOS; i++)
		r->ready[i] = rbuf_u64(b);
	r->delayed = rbuf_u64(b);
	r->unacked = rbuf_u64(b);
	r->waiting = rbuf_u64(b);
	r->si = rbuf_u64(b);
	r->ci = rbuf_u64(b);
	r->tm = (int64_t)rbuf_u64(b);
	if (r->topic > 1)
		b->bad = 1;
}
