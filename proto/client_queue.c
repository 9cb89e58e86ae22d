/*
 * client_queue.c: libwharf's commands for queues, topics and tasks: from a
 * struct wharf_queue_op to the frame of its message, and to the router that
 * gets it.  One row of the table per command says what it takes; as with
 * records, what it does not take must not be there.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg_queue.h"
#include "proto/slot.h"

_Static_assert(WHARF_TOKEN_MAX == QUEUE_TOKEN_MAX &&
    WHARF_WORKER_MAX == QUEUE_WORKER_MAX && WHARF_BATCH_MAX == QUEUE_COUNT &&
    WHARF_TASK_MAX == TASK_BODY_MAX && WHARF_PRIORITIES == (int)QUEUE_PRIOS,
    "limits are those of the messages");
_Static_assert((int)WHARF_SET_ALL == (int)QSET_ALL &&
    (int)WHARF_SET_MAX == (int)QSET_MAX &&
    (int)WHARF_SET_LOCK == (int)QSET_LOCK &&
    (int)WHARF_SET_TIMEOUT == (int)QSET_TIMEOUT &&
    (int)WHARF_SET_MAXDELIVER == (int)QSET_MAXDELIVER &&
    (int)WHARF_SET_DEAD == (int)QSET_DEAD &&
    (int)WHARF_SET_TTL == (int)QSET_TTL &&
    (int)WHARF_SET_DELAY == (int)QSET_DELAY, "bits of settings");

#define WORKER_MIN	5u		/* characters */
#define WAITS_US	2000000000	/* frame_late reaches no further */

enum takes {
	TAKES_NAME	= 1 << 0,	/* must have one */
	TAKES_LABEL	= 1 << 1,	/* may have one */
	TAKES_TOKEN	= 1 << 2,
	TAKES_VALUE	= 1 << 3,
	TAKES_ITEMS	= 1 << 4,
	TAKES_PRIORITY	= 1 << 5,
	TAKES_ANY	= 1 << 6,	/* of the priorities */
	TAKES_TTL	= 1 << 7,
	TAKES_DELAY	= 1 << 8,
	TAKES_WAIT	= 1 << 9,
	TAKES_INDEX	= 1 << 10,
	TAKES_COUNT	= 1 << 11,
	TAKES_QUEUE	= 1 << 12,	/* other: another's name */
	TAKES_AFTER	= 1 << 13,	/* other: a name, or none */
	TAKES_WORKER	= 1 << 14,	/* other: likewise, a worker's */
	TAKES_SETTINGS	= 1 << 15
};
#define PUTS	(TAKES_NAME | TAKES_PRIORITY | TAKES_TTL | TAKES_DELAY)

static const struct command {
	uint16_t	 msg;
	unsigned	 takes;
	unsigned	 flags;
	enum wharf_status over;
	size_t		 most;		/* bytes of the value */
} commands[] = {
	[0] = { 0, 0, 0, WHARF_OK, 0 },
	[WHARF_Q_PUT] =
	    { MSG_QUEUE_PUT, PUTS | TAKES_VALUE, 0, WHARF_OK, VALUE_MAX },
	[WHARF_Q_MPUT] =
	    { MSG_QUEUE_MPUT, PUTS | TAKES_ITEMS, 0, WHARF_OK, 0 },
	[WHARF_Q_GET] =
	    { MSG_QUEUE_GET, TAKES_NAME | TAKES_WORKER | TAKES_COUNT |
		TAKES_WAIT, WHARF_AUTO, WHARF_NOTFOUND, 0 },
	[WHARF_Q_ACK] =
	    { MSG_QUEUE_ACK, TAKES_NAME | TAKES_TOKEN | TAKES_ITEMS, 0,
		WHARF_OK, 0 },
	[WHARF_Q_NACK] =
	    { MSG_QUEUE_NACK, TAKES_NAME | TAKES_TOKEN | TAKES_DELAY, 0,
		WHARF_OK, 0 },
	[WHARF_Q_TOUCH] =
	    { MSG_QUEUE_TOUCH, TAKES_NAME | TAKES_TOKEN | TAKES_TTL, 0,
		WHARF_OK, 0 },
	[WHARF_Q_PEEK] =
	    { MSG_QUEUE_PEEK, TAKES_NAME | TAKES_PRIORITY | TAKES_ANY |
		TAKES_INDEX, 0, WHARF_OK, 0 },
	[WHARF_Q_MOVE] =
	    { MSG_QUEUE_MOVE, TAKES_NAME | TAKES_QUEUE | TAKES_COUNT, 0,
		WHARF_OK, 0 },
	[WHARF_Q_SET] =
	    { MSG_QUEUE_SET, TAKES_NAME | TAKES_SETTINGS, WHARF_CREATE,
		WHARF_OK, 0 },
	[WHARF_Q_PURGE] =
	    { MSG_QUEUE_PURGE, TAKES_NAME | TAKES_PRIORITY, 0, WHARF_OK, 0 },
	[WHARF_Q_WORKERS] =
	    { MSG_QUEUE_WORKERS, TAKES_NAME, 0, WHARF_OK, 0 },
	[WHARF_Q_STAT] =
	    { MSG_QUEUE_STAT, TAKES_NAME, 0, WHARF_OK, 0 },
	[WHARF_Q_STAT_ALL] =
	    { MSG_QUEUE_STAT, TAKES_AFTER, 0, WHARF_OK, 0 },
	[WHARF_Q_PUB] =
	    { MSG_TOPIC_PUB, TAKES_NAME | TAKES_VALUE | TAKES_INDEX |
		TAKES_TTL, 0, WHARF_OK, VALUE_MAX },
	[WHARF_Q_SUB] =
	    { MSG_TOPIC_SUB, TAKES_NAME | TAKES_INDEX | TAKES_WAIT, 0,
		WHARF_NOTFOUND, 0 },
	[WHARF_Q_ASK] =
	    { MSG_TASK_ASK, TAKES_NAME | TAKES_VALUE | TAKES_WAIT, 0,
		WHARF_WAITED, TASK_BODY_MAX },
	[WHARF_Q_CLAIM] =
	    { MSG_TASK_CLAIM, TAKES_LABEL | TAKES_WAIT, 0, WHARF_WAITED, 0 },
	[WHARF_Q_DONE] =
	    { MSG_TASK_DONE, TAKES_TOKEN | TAKES_VALUE, 0, WHARF_OK,
		TASK_BODY_MAX },
	[WHARF_Q_BACK] =
	    { MSG_TASK_DONE, TAKES_TOKEN, 0, WHARF_OK, 0 },
	[WHARF_Q_COUNTS] =
	    { MSG_TASK_STAT, 0, 0, WHARF_OK, 0 }
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

/* --- is it what it should be? --- */

static int
names_are_good(const struct wharf_queue_op *op, const struct command *c)
{
	size_t	n = op->other == NULL ? 0 : strnlen(op->other, TABLE_MAX + 1);

	if (op->name == NULL ? (c->takes & TAKES_NAME) != 0 :
	    (c->takes & (TAKES_NAME | TAKES_LABEL)) == 0 ||
	    !table_is_good(op->name))
		return 0;
	if (c->takes & TAKES_WORKER)
		return op->other == NULL ||
		    (n >= WORKER_MIN && n <= QUEUE_WORKER_MAX);
	if (op->other == NULL)
		return (c->takes & TAKES_QUEUE) == 0;
	return (c->takes & (TAKES_QUEUE | TAKES_AFTER)) != 0 &&
	    table_is_good(op->other);
}

/* Tokens and messages one by one, or many. */
static int
items_are_good(const struct wharf_queue_op *op, const struct command *c)
{
	size_t		most = c->takes & TAKES_TOKEN ? QUEUE_TOKEN_MAX :
			    VALUE_MAX;
	unsigned	i;

	if (op->items == NULL)
		return !(c->takes & TAKES_ITEMS) || (op->count == 0 &&
		    (c->takes & TAKES_TOKEN) != 0);
	if (!(c->takes & TAKES_ITEMS) || op->token != NULL ||
	    op->count == 0 || op->count > QUEUE_COUNT)
		return 0;
	for (i = 0; i < op->count; i++)
		if (op->items[i].p == NULL || op->items[i].n == 0 ||
		    op->items[i].n > most)
			return 0;
	return 1;
}

static int
bytes_are_good(const struct wharf_queue_op *op, const struct command *c)
{
	size_t	n = op->token == NULL ? 0 :
		    strnlen(op->token, QUEUE_TOKEN_MAX + 1);

	if (c->takes & TAKES_TOKEN ? op->items == NULL &&
	    (n == 0 || n > QUEUE_TOKEN_MAX) : op->token != NULL)
		return 0;
	if (!(c->takes & TAKES_VALUE))
		return op->value == NULL && op->length == 0;
	return op->value != NULL && op->length != 0 && op->length <= c->most;
}

static int
ms_is_good(int64_t ms, unsigned taken, int64_t most)
{
	return taken ? ms >= 0 && ms <= most : ms == 0;
}

static int
times_are_good(const struct wharf *w, const struct wharf_queue_op *op,
    const struct command *c)
{
	return ms_is_good(op->ttl, c->takes & TAKES_TTL, WHARF_DELAY_MAX) &&
	    ms_is_good(op->delay, c->takes & TAKES_DELAY, WHARF_DELAY_MAX) &&
	    ms_is_good(op->wait, c->takes & TAKES_WAIT, WHARF_WAIT_MAX) &&
	    op->wait * 1000 + w->timeout <= WAITS_US &&
	    (op->command != WHARF_Q_ASK || op->wait > 0);
}

static int
numbers_are_good(const struct wharf *w, const struct wharf_queue_op *op,
    const struct command *c)
{
	static const unsigned	none[8];
	int			lowest = c->takes & TAKES_ANY ? -1 : 0;

	_Static_assert(sizeof(none) == sizeof(op->reserved_), "all of them");
	if (c->takes & TAKES_PRIORITY ? op->priority < lowest ||
	    op->priority >= WHARF_PRIORITIES : op->priority != 0)
		return 0;
	if (c->takes & TAKES_INDEX ? op->index < (op->command ==
	    WHARF_Q_PUB ? -1 : 0) : op->index != 0)
		return 0;
	if (!(c->takes & (TAKES_COUNT | TAKES_ITEMS)) && op->count != 0)
		return 0;
	return op->count <= QUEUE_COUNT && (op->count != 0 ||
	    op->command != WHARF_Q_MOVE) &&
	    (op->flags & ~c->flags) == 0 && (op->router == 0 ||
	    ((c->takes & TAKES_AFTER) && op->router < w->routers)) &&
	    memcmp(op->reserved_, none, sizeof(none)) == 0;
}

static int
settings_are_good(const struct wharf_queue_op *op, const struct command *c)
{
	const struct wharf_settings	*s = op->settings;

	if (!(c->takes & TAKES_SETTINGS))
		return s == NULL;
	return s != NULL && size_is_good(s, s->size, sizeof(*s)) &&
	    (s->mask & ~(unsigned)WHARF_SET_ALL) == 0 &&
	    (s->dead[0] == '\0' || table_is_good(s->dead));
}

static int
queue_op_is_good(const struct wharf *w, const struct wharf_queue_op *op,
    const struct command *c)
{
	return c->msg != 0 && size_is_good(op, op->size, sizeof(*op)) &&
	    names_are_good(op, c) && bytes_are_good(op, c) &&
	    items_are_good(op, c) && times_are_good(w, op, c) &&
	    numbers_are_good(w, op, c) && settings_are_good(op, c);
}

/* --- the frame --- */

static size_t
items_size(const struct wharf_queue_op *op, size_t head)
{
	size_t		n = 0;
	unsigned	i;

	for (i = 0; i < op->count; i++)
		n += head + op->items[i].n;
	return n;
}

/* Room for a value of at most n bytes; 0: there is none. */
static int
put_begin(struct request *rq, struct wbuf *b, size_t n)
{
	rq->bytes = malloc(n);
	wbuf_init(b, rq->bytes, n);
	return rq->bytes != NULL;
}

/* A list of messages, or of tokens, is the value. */
static enum wharf_status
put_items(struct request *rq, const struct wharf_queue_op *op)
{
	int		 tokens = op->command == WHARF_Q_ACK;
	size_t		 n = items_size(op, tokens ? 1 : 4);
	struct wbuf	 b;
	unsigned	 i;

	if (n > VALUE_MAX)
		return WHARF_TOOBIG;
	if (!put_begin(rq, &b, n))
		return WHARF_NOMEM;
	for (i = 0; i < op->count; i++)
		(tokens ? queue_token_put : queue_item_put)(&b,
		    op->items[i].p, op->items[i].n);
	request_value(rq, b.p, b.len);
	return WHARF_OK;
}

static enum wharf_status
put_settings(struct request *rq, const struct wharf_settings *s)
{
	struct queue_set	q = {
		.mask = (uint8_t)s->mask, .lock = s->lock != 0,
		.max = s->max, .timeout = s->timeout,
		.maxdeliver = s->maxdeliver, .ttl = s->ttl, .delay = s->delay,
		.dead = (const uint8_t *)s->dead,
		.deadlen = (uint8_t)strlen(s->dead)
	};
	struct wbuf		b;

	if (!put_begin(rq, &b, QUEUE_SET_MAX))
		return WHARF_NOMEM;
	queue_set_put(&b, &q);
	request_value(rq, b.p, b.len);
	return WHARF_OK;
}

/* The numbers stand where proto/msg.def's table in doc/protocol.7 says. */
static void
put_numbers(struct frame *f, const struct wharf_queue_op *op)
{
	f->ttl = op->ttl;
	if (op->command == WHARF_Q_NACK)
		f->ttl = op->delay;
	else
		f->score = op->delay;
	if (op->wait != 0)
		f->ttl = op->wait;
	if (op->command == WHARF_Q_SUB)
		f->score = op->index % WHARF_RING;
	else if (op->index != 0)
		f->score = op->index;
	if (op->command == WHARF_Q_GET || op->command == WHARF_Q_MOVE)
		f->score = op->count;
	if (op->command == WHARF_Q_PEEK ? op->priority >= 0 :
	    op->priority != 0)
		f->type = (uint8_t)('0' + op->priority);
	f->flags = (uint16_t)((op->flags & WHARF_AUTO ? FRAME_AUTO : 0) |
	    (op->flags & WHARF_CREATE) |
	    (op->command == WHARF_Q_BACK ? FRAME_FORGET : 0));
}

static void
put_bytes(struct request *rq, const struct wharf_queue_op *op)
{
	struct frame	*f = &rq->f;
	const char	*key = op->token != NULL ? op->token : op->other;

	if (op->name != NULL) {
		f->tab = (const uint8_t *)op->name;
		f->tablen = (uint32_t)strlen(op->name);
	}
	if (key != NULL) {
		f->key = (const uint8_t *)key;
		f->keylen = (uint32_t)strlen(key);
	}
	request_value(rq, op->value, op->length);
}

static int
is_task(const struct command *c)
{
	return c->msg >= MSG_TASK_ASK && c->msg <= MSG_TASK_STAT;
}

/* The router of the name; tasks are the first one's. */
static void
queue_to(struct wharf *w, struct request *rq, const struct wharf_queue_op *op,
    const struct command *c)
{
	unsigned	router = op->router;

	if (op->name != NULL)
		rq->f.slot = (uint16_t)slot_of(op->name, strlen(op->name));
	if (op->name != NULL && !is_task(c))
		router = slot_store(rq->f.slot, w->routers);
	rq->seat = w->stores + router;
}

enum wharf_status
queue_request(struct wharf *w, struct request *rq,
    const struct wharf_queue_op *op)
{
	unsigned		 n = (unsigned)op->command;
	const struct command	*c = &commands[n < COMMANDS ? n : 0];

	memset(rq, 0, offsetof(struct request, ask));
	if (!queue_op_is_good(w, op, c))
		return WHARF_PARAM;
	if (w->routers == 0)
		return WHARF_NOTREADY;
	rq->f.msg = c->msg;
	rq->take = queue_take;
	rq->list.limit = op->count;
	rq->over = c->over;
	rq->wait = op->wait * 1000;
	rq->autoack = (op->flags & WHARF_AUTO) != 0;
	put_bytes(rq, op);
	put_numbers(&rq->f, op);
	queue_to(w, rq, op, c);
	if (op->items != NULL)
		return put_items(rq, op);
	return op->settings != NULL ? put_settings(rq, op->settings) :
	    WHARF_OK;
}
