/*
 * client_queue_read.c: what libwharf makes of the routers' answers: tokens and
 * names that end with a NUL, and rows of lists, checked before the program
 * sees any of them.
 */
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg_queue.h"

typedef void	row_fn(struct rbuf *);

static void
row_message(struct rbuf *b)
{
	struct queue_delivery	d;

	queue_delivery_get(b, &d);
	if (d.tokenlen == 0)
		b->bad = 1;
}

static void
row_worker(struct rbuf *b)
{
	int64_t	sec;
	size_t	n;

	queue_worker_get(b, &n, &sec);
}

static void
row_queue(struct rbuf *b)
{
	struct queue_row	r;

	queue_row_get(b, &r);
}

/* So many rows, and nothing behind them. */
static void
take_rows(const struct frame *f, struct wharf_answer *a, row_fn *fn)
{
	struct rbuf	b;
	uint32_t	n;

	rbuf_init(&b, f->val, f->vallen);
	for (n = 0; b.left > 0 && !b.bad; n++)
		fn(&b);
	a->version = 0;
	a->count = n;
	if (!b.bad && n == f->ver)
		return;
	memset(a, 0, sizeof(*a));
	a->status = WHARF_BADMSG;
}

/* A text of the answer, with a NUL behind it; NULL: it is none. */
static const char *
take_text(char *out, size_t max, const uint8_t *p, uint32_t n)
{
	if (n == 0 || n > max || memchr(p, '\0', n) != NULL)
		return NULL;
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

static void
take_token(struct wharf *w, const struct frame *f, struct wharf_answer *a)
{
	a->token = take_text(w->token, QUEUE_TOKEN_MAX, f->key, f->keylen);
	if (f->msg == MSG_TASK_CLAIM)
		a->name = take_text(w->of_queue, TABLE_MAX, f->tab, f->tablen);
	if (a->token != NULL && (f->msg != MSG_TASK_CLAIM || a->name != NULL))
		return;
	memset(a, 0, sizeof(*a));
	a->status = WHARF_BADMSG;
}

void
queue_take(struct wharf *w, const struct op *op, const struct frame *f,
    struct wharf_answer *a)
{
	if (f->msg == MSG_QUEUE_MPUT || f->msg == MSG_QUEUE_ACK) {
		a->count = f->ver;
		a->version = 0;
	}
	if (a->status != WHARF_OK)
		return;
	switch (f->msg) {
	case MSG_QUEUE_GET:
		if (op->list.limit > 1) {
			take_rows(f, a, row_message);
			break;
		}
		/* FALLTHROUGH */
	case MSG_TASK_CLAIM:
		take_token(w, f, a);
		break;
	case MSG_QUEUE_WORKERS:
		take_rows(f, a, row_worker);
		break;
	case MSG_QUEUE_STAT:
		take_rows(f, a, row_queue);
		break;
	}
}

/* --- rows, as programs see them --- */

static int
row_begin(const struct wharf_answer *a, size_t place, struct rbuf *b)
{
	if (a->value == NULL || place >= a->length)
		return 0;
	rbuf_init(b, (const uint8_t *)a->value + place, a->length - place);
	return 1;
}

static int
row_end(const struct wharf_answer *a, size_t *place, const struct rbuf *b)
{
	if (b->bad)
		return 0;
	*place = a->length - b->left;
	return 1;
}

static void
text_put(char *out, const uint8_t *p, size_t n)
{
	if (n != 0)
		memcpy(out, p, n);
	out[n] = '\0';
}

int
wharf_next_message(const struct wharf_answer *a, size_t *place,
    struct wharf_message *m)
{
	struct queue_delivery	d;
	struct rbuf		b;

	if (!row_begin(a, *place, &b))
		return 0;
	memset(m, 0, sizeof(*m));
	if (a->token != NULL) {
		m->value = a->value;
		m->length = a->length;
		m->deliveries = a->version;
		text_put(m->token, (const uint8_t *)a->token,
		    strlen(a->token));
		*place = a->length;
		return 1;
	}
	queue_delivery_get(&b, &d);
	if (!row_end(a, place, &b))
		return 0;
	m->value = d.item;
	m->length = d.itemlen;
	m->deliveries = d.deliveries;
	text_put(m->token, d.token, d.tokenlen);
	return 1;
}

int
wharf_next_worker(const struct wharf_answer *a, size_t *place,
    struct wharf_worker *wo)
{
	const uint8_t	*name;
	struct rbuf	 b;
	size_t		 n;

	if (!row_begin(a, *place, &b))
		return 0;
	name = queue_worker_get(&b, &n, &wo->seen);
	if (!row_end(a, place, &b))
		return 0;
	text_put(wo->name, name, n);
	return 1;
}

static void
settings_of(struct wharf_settings *s, const struct queue_set *q)
{
	s->size = sizeof(*s);
	s->mask = WHARF_SET_ALL;
	s->lock = q->lock;
	s->max = q->max;
	s->timeout = q->timeout;
	s->maxdeliver = q->maxdeliver;
	s->ttl = q->ttl;
	s->delay = q->delay;
	text_put(s->dead, q->dead, q->deadlen);
}

int
wharf_next_queue(const struct wharf_answer *a, size_t *place,
    struct wharf_queue_row *row)
{
	struct queue_row	r;
	struct rbuf		b;

	if (!row_begin(a, *place, &b))
		return 0;
	queue_row_get(&b, &r);
	if (!row_end(a, place, &b))
		return 0;
	memset(row, 0, sizeof(*row));
	text_put(row->name, r.name, r.len);
	settings_of(&row->settings, &r.set);
	row->topic = r.topic;
	memcpy(row->ready, r.ready, sizeof(row->ready));
	row->delayed = r.delayed;
	row->unacked = r.unacked;
	row->waiting = r.waiting;
	row->first = r.si;
	row->last = r.ci;
	row->changed = r.tm;
	return 1;
}
