/*
 * form.c: encode and decode of the records (form.h), side by side.
 *
 * Part of libqueue.  Pure; what cannot be read is E_BADMSG.
 */
#include "proto/buf.h"
#include "queue/chunk.h"
#include "queue/form.h"

#define FORM	1

static void
be64_put(uint8_t *p, uint64_t v)
{
	unsigned	i;

	for (i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t
be64_get(const uint8_t *p)
{
	uint64_t	v = 0;
	unsigned	i;

	for (i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

void
form_message_key(uint8_t *p, unsigned priority, uint64_t id)
{
	p[0] = (uint8_t)priority;
	be64_put(p + 1, id);
}

enum err
form_message_key_get(const uint8_t *p, size_t n, unsigned *priority,
    uint64_t *id)
{
	if (n != FORM_MESSAGE_KEY || p[0] > 2)
		return E_BADMSG;
	*priority = p[0];
	*id = be64_get(p + 1);
	return *id == 0 || *id > INT64_MAX ? E_BADMSG : E_OK;
}

void
form_item_key(uint8_t *p, uint64_t idx)
{
	be64_put(p, idx);
}

enum err
form_item_key_get(const uint8_t *p, size_t n, uint64_t *idx)
{
	if (n != FORM_ITEM_KEY)
		return E_BADMSG;
	*idx = be64_get(p);
	return *idx == 0 || *idx > INT64_MAX ? E_BADMSG : E_OK;
}

static void
begin(struct wbuf *b, uint8_t *p, size_t n)
{
	wbuf_init(b, p, n);
	wbuf_u8(b, FORM);
}

/* A head of n bytes, of which there may be more behind. */
static int
opened(struct rbuf *b, const uint8_t *p, size_t n, size_t have)
{
	if (have < n)
		return 0;
	rbuf_init(b, p, n);
	return rbuf_u8(b) == FORM;
}

static int64_t
rbuf_ms(struct rbuf *b)
{
	uint64_t	v = rbuf_u64(b);

	if (v > INT64_MAX)
		b->bad = 1;
	return (int64_t)v;
}

void
form_message(uint8_t *p, const struct form_message *m)
{
	struct wbuf	b;

	begin(&b, p, FORM_MESSAGE);
	wbuf_u64(&b, (uint64_t)m->put);
	wbuf_u64(&b, (uint64_t)m->expires);
	wbuf_u64(&b, (uint64_t)m->notbefore);
}

enum err
form_message_get(struct form_message *m, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	if (!opened(&b, p, FORM_MESSAGE, n))
		return E_BADMSG;
	m->put = rbuf_ms(&b);
	m->expires = rbuf_ms(&b);
	m->notbefore = rbuf_ms(&b);
	return rbuf_end(&b);
}

void
form_delivery(uint8_t *p, const struct form_delivery *d)
{
	struct wbuf	b;

	begin(&b, p, FORM_DELIVERY);
	wbuf_u8(&b, d->state == S_OUT ? 1 : d->state == S_LATER ? 2 : 0);
	wbuf_u32(&b, d->tries);
	wbuf_u64(&b, d->stamp);
	wbuf_u64(&b, (uint64_t)d->due);
	wbuf_u32(&b, d->timeout);
}

enum err
form_delivery_get(struct form_delivery *d, const uint8_t *p, size_t n)
{
	static const uint8_t	 states[3] = { S_READY, S_OUT, S_LATER };
	struct rbuf		 b;
	uint8_t			 state;

	if (!opened(&b, p, FORM_DELIVERY, n))
		return E_BADMSG;
	state = rbuf_u8(&b);
	d->tries = rbuf_u32(&b);
	d->stamp = rbuf_u64(&b);
	d->due = rbuf_ms(&b);
	d->timeout = rbuf_u32(&b);
	if (state > 2)
		return E_BADMSG;
	d->state = states[state];
	return rbuf_end(&b);
}

void
form_item(uint8_t *p, const struct form_item *t)
{
	struct wbuf	b;

	begin(&b, p, FORM_ITEM);
	wbuf_u64(&b, (uint64_t)t->put);
	wbuf_u64(&b, (uint64_t)t->expires);
	wbuf_u64(&b, t->first);
}

enum err
form_item_get(struct form_item *t, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	if (!opened(&b, p, FORM_ITEM, n))
		return E_BADMSG;
	t->put = rbuf_ms(&b);
	t->expires = rbuf_ms(&b);
	t->first = rbuf_u64(&b);
	return rbuf_end(&b);
}

void
form_worker(uint8_t *p, int64_t ms)
{
	struct wbuf	b;

	begin(&b, p, FORM_WORKER);
	wbuf_u64(&b, (uint64_t)ms);
}

enum err
form_worker_get(int64_t *ms, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	if (!opened(&b, p, FORM_WORKER, n))
		return E_BADMSG;
	*ms = rbuf_ms(&b);
	return rbuf_end(&b);
}
