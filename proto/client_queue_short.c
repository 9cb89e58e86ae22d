/*
 * client_queue_short.c: libwharf's short forms for queues, topics and tasks:
 * each fills in a struct wharf_queue_op and has it done.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/client_ask.h"

static struct wharf_queue_op
op_of(enum wharf_queue_command command, const char *name)
{
	struct wharf_queue_op	op = WHARF_QUEUE_OP_INIT(command, name);

	return op;
}

enum wharf_status
wharf_queue_put(struct wharf *w, const char *queue, const void *item,
    size_t length, int priority, int64_t ttl, int64_t delay)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_PUT, queue);

	op.value = item;
	op.length = length;
	op.priority = priority;
	op.ttl = ttl;
	op.delay = delay;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_queue_mput(struct wharf *w, const char *queue,
    const struct wharf_bytes *items, unsigned n, int priority, int64_t ttl,
    int64_t delay, unsigned *put)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_MPUT, queue);
	struct wharf_answer	a;
	enum wharf_status	e;

	op.items = items;
	op.count = n;
	op.priority = priority;
	op.ttl = ttl;
	op.delay = delay;
	e = wharf_queue_do(w, &op, &a);
	if (put != NULL)
		*put = a.count;
	return e;
}

enum wharf_status
wharf_queue_get(struct wharf *w, const char *queue, const char *worker,
    int64_t wait, unsigned flags, struct wharf_answer *a)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_GET, queue);

	op.other = worker;
	op.wait = wait;
	op.flags = flags;
	return wharf_queue_do(w, &op, a);
}

enum wharf_status
wharf_queue_ack(struct wharf *w, const char *queue, const char *token)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_ACK, queue);

	op.token = token;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_queue_nack(struct wharf *w, const char *queue, const char *token,
    int64_t delay)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_NACK, queue);

	op.token = token;
	op.delay = delay;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_queue_touch(struct wharf *w, const char *queue, const char *token,
    int64_t more, int64_t *left)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_TOUCH, queue);
	struct wharf_answer	a;
	enum wharf_status	e;

	op.token = token;
	op.ttl = more;
	e = wharf_queue_do(w, &op, &a);
	if (e == WHARF_OK && left != NULL)
		*left = a.ttl;
	return e;
}

enum wharf_status
wharf_queue_peek(struct wharf *w, const char *queue, int priority,
    uint64_t offset, struct wharf_answer *a)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_PEEK, queue);

	op.priority = priority;
	op.index = offset > INT64_MAX ? -1 : (int64_t)offset;
	return wharf_queue_do(w, &op, a);
}

enum wharf_status
wharf_queue_move(struct wharf *w, const char *from, const char *to,
    unsigned most, unsigned *moved)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_MOVE, from);
	struct wharf_answer	a;
	enum wharf_status	e;

	op.other = to;
	op.count = most;
	e = wharf_queue_do(w, &op, &a);
	if (moved != NULL)
		*moved = (unsigned)a.number;
	return e;
}

enum wharf_status
wharf_queue_set(struct wharf *w, const char *queue,
    const struct wharf_settings *settings, int create)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_SET, queue);

	op.settings = settings;
	op.flags = create ? WHARF_CREATE : 0;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_queue_purge(struct wharf *w, const char *queue, int priority)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_PURGE, queue);

	op.priority = priority;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_queue_stat(struct wharf *w, const char *name,
    struct wharf_queue_row *row)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_STAT, name);
	struct wharf_answer	a;
	size_t			place = 0;
	enum wharf_status	e = wharf_queue_do(w, &op, &a);

	if (e == WHARF_OK && !wharf_next_queue(&a, &place, row))
		e = WHARF_BADMSG;
	return e;
}

enum wharf_status
wharf_queue_settings(struct wharf *w, const char *queue,
    struct wharf_settings *settings)
{
	struct wharf_queue_row	row;
	enum wharf_status	e = wharf_queue_stat(w, queue, &row);

	if (e == WHARF_OK)
		*settings = row.settings;
	return e;
}

/* One router's; 0: no more are wanted, or *e is not OK. */
static int
stat_router(struct wharf *w, unsigned router,
    int (*see)(void *, const struct wharf_queue_row *), void *arg,
    enum wharf_status *e)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_STAT_ALL, NULL);
	struct wharf_queue_row	row;
	struct wharf_answer	a;
	size_t			place;

	op.router = router;
	do {
		if ((*e = wharf_queue_do(w, &op, &a)) != WHARF_OK)
			return 0;
		for (place = 0; wharf_next_queue(&a, &place, &row);)
			if (!see(arg, &row))
				return 0;
		op.other = row.name;
	} while (a.number != 0 && a.count != 0);
	return 1;
}

enum wharf_status
wharf_queue_stat_all(struct wharf *w,
    int (*see)(void *arg, const struct wharf_queue_row *), void *arg)
{
	enum wharf_status	e = WHARF_NOTREADY;
	unsigned		i;

	for (i = 0; i < w->routers; i++)
		if (!stat_router(w, i, see, arg, &e))
			break;
	return e;
}

/* --- topics --- */

enum wharf_status
wharf_pub(struct wharf *w, const char *topic, const void *item, size_t length,
    int64_t index, int64_t ttl, int64_t *at)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_PUB, topic);
	struct wharf_answer	a;
	enum wharf_status	e;

	op.value = item;
	op.length = length;
	op.index = index;
	op.ttl = ttl;
	e = wharf_queue_do(w, &op, &a);
	if (e == WHARF_OK && at != NULL)
		*at = a.number;
	return e;
}

enum wharf_status
wharf_sub(struct wharf *w, const char *topic, int64_t index, int64_t wait,
    struct wharf_answer *a)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_SUB, topic);

	op.index = index;
	op.wait = wait;
	return wharf_queue_do(w, &op, a);
}

/* --- tasks --- */

enum wharf_status
wharf_task_ask(struct wharf *w, const char *queue, const void *task,
    size_t length, int64_t wait, struct wharf_answer *a)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_ASK, queue);

	op.value = task;
	op.length = length;
	op.wait = wait;
	return wharf_queue_do(w, &op, a);
}

enum wharf_status
wharf_task_claim(struct wharf *w, const char *queue, int64_t wait,
    struct wharf_answer *a)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_CLAIM, queue);

	op.wait = wait;
	return wharf_queue_do(w, &op, a);
}

enum wharf_status
wharf_task_done(struct wharf *w, const char *token, const void *result,
    size_t length)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_DONE, NULL);

	op.token = token;
	op.value = result;
	op.length = length;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_task_back(struct wharf *w, const char *token)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_BACK, NULL);

	op.token = token;
	return wharf_queue_do(w, &op, NULL);
}

enum wharf_status
wharf_task_counts(struct wharf *w, struct wharf_task_numbers *n)
{
	struct wharf_queue_op	op = op_of(WHARF_Q_COUNTS, NULL);
	struct wharf_answer	a;
	struct rbuf		b;
	enum wharf_status	e = wharf_queue_do(w, &op, &a);

	if (e != WHARF_OK)
		return e;
	memset(n, 0, sizeof(*n));
	rbuf_init(&b, a.value, a.length);
	n->waiting = rbuf_u32(&b);
	n->running = rbuf_u32(&b);
	n->most = rbuf_u32(&b);
	n->workers = rbuf_u32(&b);
	n->workers_most = rbuf_u32(&b);
	return rbuf_end(&b) == E_OK ? WHARF_OK : WHARF_BADMSG;
}
