/*
 * fuzz_queue_form.c: what a router keeps of queues, and the receipts that it
 * gives: queue/form.h, queue/settings.h, queue/token.h, on any bytes.
 *
 * The first byte modulo 9 says what the others are: 0 a message's key, 1 an
 * item's; the values of 2 a message, 3 a delivery, 4 an item, 5 a worker, 6 of
 * settings; 7 what QUEUE_SET brings, which is merged into settings; 8 a token.
 * A fuzzer cannot guess a MAC: with the second byte 1 a token is made of the
 * numbers that follow (struct made), else the bytes are a text.
 */
#define FUZZ_NAME "queue_form"
#include "proto/buf.h"
#include "proto/msg_queue.h"
#include "queue/form.h"
#include "queue/settings.h"
#include "queue/token.h"
#include "tests/fuzz.h"

#define TIMEOUT	300000u			/* ms, of new queues */

static int
fuzz_message_key(const uint8_t *p, size_t n)
{
	uint8_t		out[FORM_MESSAGE_KEY];
	unsigned	priority;
	uint64_t	id;

	if (form_message_key_get(p, n, &priority, &id) != E_OK)
		return 0;
	MUST(priority <= 2 && id != 0 && n == sizeof(out));
	form_message_key(out, priority, id);
	MUST(memcmp(out, p, n) == 0);
	return 1;
}

static int
fuzz_item_key(const uint8_t *p, size_t n)
{
	uint8_t		out[FORM_ITEM_KEY];
	uint64_t	index;

	if (form_item_key_get(p, n, &index) != E_OK)
		return 0;
	MUST(index != 0 && n == sizeof(out));
	form_item_key(out, index);
	MUST(memcmp(out, p, n) == 0);
	return 1;
}

/* Heads: what follows them is the item. */
static int
fuzz_message(const uint8_t *p, size_t n)
{
	struct form_message	m;
	uint8_t			out[FORM_MESSAGE];

	if (form_message_get(&m, p, n) != E_OK)
		return 0;
	MUST(m.put >= 0 && m.expires >= 0 && m.notbefore >= 0);
	form_message(out, &m);
	MUST(n >= sizeof(out) && memcmp(out, p, sizeof(out)) == 0);
	return 1;
}

static int
fuzz_delivery(const uint8_t *p, size_t n)
{
	struct form_delivery	d;
	uint8_t			out[FORM_DELIVERY];

	if (form_delivery_get(&d, p, n) != E_OK)
		return 0;
	MUST(d.due >= 0);
	form_delivery(out, &d);
	MUST(n >= sizeof(out) && memcmp(out, p, sizeof(out)) == 0);
	return 1;
}

static int
fuzz_item(const uint8_t *p, size_t n)
{
	struct form_item	t;
	uint8_t			out[FORM_ITEM];

	if (form_item_get(&t, p, n) != E_OK)
		return 0;
	MUST(t.put >= 0 && t.expires >= 0);
	form_item(out, &t);
	MUST(n >= sizeof(out) && memcmp(out, p, sizeof(out)) == 0);
	return 1;
}

static int
fuzz_worker(const uint8_t *p, size_t n)
{
	uint8_t	out[FORM_WORKER];
	int64_t	ms;

	if (form_worker_get(&ms, p, n) != E_OK)
		return 0;
	MUST(ms >= 0);
	form_worker(out, ms);
	MUST(n >= sizeof(out) && memcmp(out, p, sizeof(out)) == 0);
	return 1;
}

/* --- settings --- */

static int
fuzz_settings(const uint8_t *p, size_t n)
{
	struct settings	s;
	uint8_t		out[SETTINGS_BYTES];

	if (settings_get(&s, p, n) != E_OK)
		return 0;
	MUST(s.deadlen <= SETTINGS_DEAD && s.timeout != 0);
	MUST(settings_put(&s, out) == n && memcmp(out, p, n) == 0);
	return 1;
}

/* As router/order.c has them from the message. */
static void
settings_of(struct settings *s, const struct queue_set *q)
{
	memset(s, 0, sizeof(*s));
	s->lock = q->lock;
	s->max = q->max;
	s->timeout = q->timeout;
	s->maxdeliver = q->maxdeliver;
	s->ttl = q->ttl;
	s->delay = q->delay;
	s->deadlen = q->deadlen;
	memcpy(s->dead, q->dead, q->deadlen);
}

/* What can be set can be kept; what is refused has changed nothing. */
static int
fuzz_set(const uint8_t *p, size_t n)
{
	struct settings		s, before, from;
	struct queue_set	q;
	struct rbuf		b;
	uint8_t			out[SETTINGS_BYTES];

	rbuf_init(&b, p, n);
	queue_set_get(&b, &q);
	if (rbuf_end(&b) != E_OK)
		return 0;
	settings_of(&from, &q);
	settings_default(&s, KIND_QUEUE, TIMEOUT, 1);
	before = s;
	if (settings_merge(&s, &from, q.mask) != E_OK) {
		MUST(memcmp(&s, &before, sizeof(s)) == 0);
		return 0;
	}
	MUST(q.mask != 0 || !settings_changed(&s, TIMEOUT));
	return fuzz_settings(out, settings_put(&s, out));
}

/* --- tokens --- */

static const uint8_t	key[TOKEN_KEY] = "a router's key.", other[TOKEN_KEY];

/* Numbers, a name; and how the text is spoilt: which byte, and by what. */
struct made {
	struct token	 t;
	uint8_t		 at, by;
	const uint8_t	*name;
	size_t		 namelen;
};

static int
made_get(struct made *m, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	rbuf_init(&b, p, n);
	m->t.priority = rbuf_u8(&b);
	m->t.id = rbuf_u64(&b);
	m->t.attempt = rbuf_u32(&b);
	m->t.salt = rbuf_u32(&b);
	m->at = rbuf_u8(&b);
	m->by = rbuf_u8(&b);
	m->name = b.p;
	m->namelen = b.left;
	return !b.bad && m->t.priority <= 2 && m->namelen <= TABLE_MAX;
}

static enum err
made_read(const struct made *m, const uint8_t *k, const char *text, size_t len,
    struct token *t)
{
	return token_get(t, k, m->name, m->namelen, (const uint8_t *)text, len);
}

/* It says what it was made of; no other text, name or key does. */
static int
fuzz_made(const uint8_t *p, size_t n)
{
	struct made	m;
	struct token	t;
	char		text[TOKEN_MAX + 1];
	size_t		len;

	if (!made_get(&m, p, n))
		return 0;
	len = token_put(&m.t, key, m.name, m.namelen, text);
	MUST(len <= TOKEN_MAX && text[len] == '\0');
	MUST(made_read(&m, key, text, len, &t) == E_OK);
	MUST(t.priority == m.t.priority && t.id == m.t.id &&
	    t.attempt == m.t.attempt && t.salt == m.t.salt);
	MUST(made_read(&m, other, text, len, &t) == E_TOKEN);
	MUST(made_read(&m, key, text, len - 1, &t) == E_TOKEN);
	if (m.namelen > 0) {
		m.namelen--;
		MUST(made_read(&m, key, text, len, &t) == E_TOKEN);
		m.namelen++;
	}
	text[m.at % len] ^= (char)m.by;
	MUST((made_read(&m, key, text, len, &t) == E_OK) == (m.by == 0));
	return 1;
}

static int
fuzz_token(const uint8_t *p, size_t n)
{
	static const uint8_t	name[] = "queue";
	struct token		t;
	char			text[TOKEN_MAX + 1];

	if (n > 0 && *p == 1)
		return fuzz_made(p + 1, n - 1);
	if (n < 1 || token_get(&t, key, name, 5, p + 1, n - 1) != E_OK)
		return 0;
	MUST(token_put(&t, key, name, 5, text) == n - 1 &&
	    memcmp(text, p + 1, n - 1) == 0);
	return 1;
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	static int (*const	kinds[])(const uint8_t *, size_t) = {
		fuzz_message_key, fuzz_item_key, fuzz_message, fuzz_delivery,
		fuzz_item, fuzz_worker, fuzz_settings, fuzz_set, fuzz_token
	};

	if (n < 1)
		return 0;
	return kinds[*p % (sizeof(kinds) / sizeof(kinds[0]))](p + 1, n - 1);
}
