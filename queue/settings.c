/*
 * settings.c: settings of queues and topics (settings.h).
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "proto/buf.h"
#include "queue/chunk.h"
#include "queue/settings.h"

#define FORM		1
#define DELAY_MAX	(30u * 86400000u)	/* ms, as QUEUE_DELAY_MAX */

_Static_assert(SETTINGS_TRIES_MAX == LEASE_TRIES, "a count that is reached");

void
settings_default(struct settings *s, enum queue_kind kind, uint32_t timeout,
    int64_t tm)
{
	memset(s, 0, sizeof(*s));
	s->kind = (uint8_t)kind;
	s->timeout = timeout;
	s->tm = tm;
}

/* maxdeliver without a queue to go to would lose messages in silence. */
static int
in_range(const struct settings *s)
{
	return s->max <= SETTINGS_MAX_MAX && s->timeout >= 1 &&
	    s->timeout <= SETTINGS_TIMEOUT_MAX && s->ttl <= DELAY_MAX &&
	    s->delay <= DELAY_MAX && s->deadlen <= SETTINGS_DEAD &&
	    s->maxdeliver <= SETTINGS_TRIES_MAX &&
	    (s->maxdeliver == 0 || s->deadlen > 0);
}

enum err
settings_merge(struct settings *to, const struct settings *from, unsigned mask)
{
	struct settings	s = *to;

	if (mask & ~(unsigned)SET_ALL)
		return E_PARAM;
	if (mask & SET_MAX)
		s.max = from->max;
	if (mask & SET_LOCK)
		s.lock = from->lock != 0;
	if (mask & SET_TIMEOUT)
		s.timeout = from->timeout;
	if (mask & SET_MAXDELIVER)
		s.maxdeliver = from->maxdeliver;
	if (mask & SET_TTL)
		s.ttl = from->ttl;
	if (mask & SET_DELAY)
		s.delay = from->delay;
	if (mask & SET_DEAD) {
		s.deadlen = from->deadlen;
		memcpy(s.dead, from->dead, sizeof(s.dead));
	}
	if (!in_range(&s))
		return E_PARAM;
	*to = s;
	return E_OK;
}

int
settings_changed(const struct settings *s, uint32_t timeout)
{
	return s->max != 0 || s->lock != 0 || s->timeout != timeout ||
	    s->maxdeliver != 0 || s->deadlen != 0 || s->ttl != 0 ||
	    s->delay != 0;
}

size_t
settings_put(const struct settings *s, uint8_t *out)
{
	struct wbuf	b;
	unsigned	p;

	wbuf_init(&b, out, SETTINGS_BYTES);
	wbuf_u8(&b, FORM);
	wbuf_u8(&b, s->kind);
	wbuf_u8(&b, s->lock);
	wbuf_u8(&b, s->gone);
	wbuf_u32(&b, s->max);
	wbuf_u32(&b, s->timeout);
	wbuf_u32(&b, s->maxdeliver);
	wbuf_u32(&b, s->ttl);
	wbuf_u32(&b, s->delay);
	wbuf_u64(&b, (uint64_t)s->tm);
	for (p = 0; p < 3; p++) {
		wbuf_u64(&b, s->purged[p].stamp);
		wbuf_u64(&b, (uint64_t)s->purged[p].ms);
		wbuf_u32(&b, s->purged[p].timeout);
	}
	wbuf_u64(&b, s->counter);
	wbuf_u64(&b, s->counted);
	wbuf_blob(&b, s->dead, s->deadlen);
	return b.len;
}

static void
read_all(struct rbuf *b, struct settings *s)
{
	unsigned	p;

	s->kind = rbuf_u8(b);
	s->lock = rbuf_u8(b);
	s->gone = rbuf_u8(b);
	s->max = rbuf_u32(b);
	s->timeout = rbuf_u32(b);
	s->maxdeliver = rbuf_u32(b);
	s->ttl = rbuf_u32(b);
	s->delay = rbuf_u32(b);
	s->tm = (int64_t)rbuf_u64(b);
	for (p = 0; p < 3; p++) {
		s->purged[p].stamp = rbuf_u64(b);
		s->purged[p].ms = (int64_t)rbuf_u64(b);
		s->purged[p].timeout = rbuf_u32(b);
	}
	s->counter = rbuf_u64(b);
	s->counted = rbuf_u64(b);
}

enum err
settings_get(struct settings *s, const uint8_t *p, size_t n)
{
	struct rbuf	 b;
	const uint8_t	*dead;
	size_t		 len;

	memset(s, 0, sizeof(*s));
	rbuf_init(&b, p, n);
	if (rbuf_u8(&b) != FORM)
		return E_BADMSG;
	read_all(&b, s);
	dead = rbuf_blob(&b, SETTINGS_DEAD, &len);
	if (rbuf_end(&b) != E_OK || s->kind > KIND_TOPIC || s->lock > 1 ||
	    s->gone > 1)
		return E_BADMSG;
	s->deadlen = (uint8_t)len;
	memcpy(s->dead, dead, len);
	if (s->maxdeliver > SETTINGS_TRIES_MAX)	/* was taken once */
		s->maxdeliver = SETTINGS_TRIES_MAX;
	return in_range(s) ? E_OK : E_BADMSG;
}
