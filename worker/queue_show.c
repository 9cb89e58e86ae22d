/*
 * queue_show.c: what routers say of queues, topics and tasks, as text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/queue.h"
#include "worker/worker.h"

#define RING	11000000u	/* indexes that clients see, contract 3.1 */
#define MINUTE	60000u		/* ms */
#define COUNTS	5u		/* of TASK_STAT */

static void
number(struct json *j, const char *name, uint64_t v)
{
	json_raw(j, name);
	json_int(j, (int64_t)v);
}

static void
ready(struct json *j, const struct queue_row *q)
{
	number(j, ",\"ready\":[", q->ready[0]);
	number(j, ",", q->ready[1]);
	number(j, ",", q->ready[2]);
	json_raw(j, "]");
}

/* Whole minutes, as contract 3.2 has it; at least one. */
static uint64_t
minutes(const struct queue_row *q)
{
	uint64_t	n = (q->set.timeout + MINUTE - 1) / MINUTE;

	return n == 0 ? 1 : n;
}

/* Contract 3.2. */
static void
row_json(struct json *j, const struct queue_row *q)
{
	json_raw(j, "{\"queue\":");
	json_name(j, q->name, q->len);
	ready(j, q);
	number(j, ",\"unacked\":", q->unacked);
	number(j, ",\"max\":", q->set.max);
	number(j, ",\"lock\":", q->set.lock);
	number(j, ",\"type\":", q->topic);
	number(j, ",\"timeout\":", minutes(q));
	number(j, ",\"si\":", q->si % RING);
	number(j, ",\"ci\":", q->ci % RING);
	number(j, ",\"tm\":", (uint64_t)q->tm);
	json_raw(j, "}");
}

/* Contract 5. */
static void
row_json_bare(struct json *j, const struct queue_row *q)
{
	json_raw(j, "{\"queue\":");
	json_name(j, q->name, q->len);
	number(j, ",\"type\":", q->topic);
	ready(j, q);
	number(j, ",\"max\":", q->set.max);
	number(j, ",\"lock\":", q->set.lock);
	number(j, ",\"si\":", q->si % RING);
	number(j, ",\"ci\":", q->ci % RING);
	number(j, ",\"tm\":", (uint64_t)q->tm);
	number(j, ",\"unacked\":", q->unacked);
	number(j, ",\"timeout\":", minutes(q));
	json_raw(j, "}");
}

static void
row_show(struct json *j, const struct request *r, const struct queue_row *q)
{
	if (queue_is_bare(r))
		row_json_bare(j, q);
	else
		row_json(j, q);
}

static enum err
row_get(const uint8_t *p, size_t n, struct queue_row *q)
{
	struct rbuf	b;

	rbuf_init(&b, p, n);
	queue_row_get(&b, q);
	return rbuf_end(&b) == E_OK ? E_OK : E_INTERNAL;
}

enum err
queue_show_stat(struct json *j, const struct request *r, const uint8_t *p,
    size_t n)
{
	struct queue_row	q;
	enum err		e = row_get(p, n, &q);

	if (e == E_OK)
		row_show(j, r, &q);
	return e;
}

enum err
queue_show_settings(struct json *j, const uint8_t *p, size_t n)
{
	struct queue_row	q;
	enum err		e = row_get(p, n, &q);

	if (e != E_OK)
		return e;
	json_raw(j, "{\"queue\":");
	json_name(j, q.name, q.len);
	number(j, ",\"type\":", q.topic);
	number(j, ",\"max\":", q.set.max);
	number(j, ",\"lock\":", q.set.lock);
	number(j, ",\"timeout\":", q.set.timeout / 1000);
	number(j, ",\"maxdeliver\":", q.set.maxdeliver);
	json_raw(j, ",\"dead\":");
	json_name(j, q.set.dead, q.set.deadlen);
	number(j, ",\"ttl\":", q.set.ttl / 1000);
	number(j, ",\"delay\":", q.set.delay / 1000);
	number(j, ",\"delayed\":", q.delayed);
	number(j, ",\"waiting\":", q.waiting);
	json_raw(j, "}");
	return E_OK;
}

static int
by_name(const void *a, const void *b)
{
	const struct queue_row	*x = a, *y = b;
	size_t			 n = x->len < y->len ? x->len : y->len;
	int			 d = memcmp(x->name, y->name, n);

	return d != 0 ? d : (int)x->len - (int)y->len;
}

enum err
queue_show_all(struct json *j, const struct request *r, const struct asked *a)
{
	struct queue_row	*rows;
	struct rbuf		 b;
	uint32_t		 i;

	if ((rows = calloc((size_t)a->nrows + 1, sizeof(*rows))) == NULL)
		return E_NOMEM;
	rbuf_init(&b, a->rows.p, a->rows.n);
	for (i = 0; i < a->nrows; i++)
		queue_row_get(&b, &rows[i]);
	if (rbuf_end(&b) != E_OK) {
		free(rows);
		return E_INTERNAL;
	}
	qsort(rows, a->nrows, sizeof(*rows), by_name);
	json_raw(j, "[");
	for (i = 0; i < a->nrows; i++) {
		if (i > 0)
			json_raw(j, ",");
		row_show(j, r, &rows[i]);
	}
	json_raw(j, "]");
	free(rows);
	return E_OK;
}

/* A worker's name is whatever it said. */
static void
escaped(struct json *j, const uint8_t *p, size_t n)
{
	char	text[8];
	size_t	i;

	json_raw(j, "\"");
	for (i = 0; i < n; i++)
		if (p[i] == '"' || p[i] == '\\' || p[i] < ' ') {
			(void)snprintf(text, sizeof(text), "\\u%04x", p[i]);
			json_raw(j, text);
		} else
			json_bytes(j, p + i, 1);
	json_raw(j, "\"");
}

enum err
queue_show_workers(struct json *j, const uint8_t *p, size_t n)
{
	struct rbuf	 b;
	const uint8_t	*name;
	const char	*comma = "{\"w\":";
	size_t		 len;
	int64_t		 sec;

	json_raw(j, "[");
	rbuf_init(&b, p, n);
	while (b.left > 0) {
		name = queue_worker_get(&b, &len, &sec);
		if (b.bad)
			return E_INTERNAL;
		json_raw(j, comma);
		escaped(j, name, len);
		number(j, ",\"t\":", (uint64_t)sec);
		json_raw(j, "}");
		comma = ",{\"w\":";
	}
	json_raw(j, "]");
	return E_OK;
}

/* Contract 5; what is free is what is left of the most. */
enum err
queue_show_tasks(struct json *j, const struct request *r, const uint8_t *p,
    size_t n)
{
	uint32_t	c[COUNTS];
	unsigned	i;

	if (n != COUNTS * 4)
		return E_INTERNAL;
	for (i = 0; i < COUNTS; i++)
		c[i] = le32_get(p + 4 * i);
	if (r->path == &path_table[PATH_DO_POST_STATUS]) {
		number(j, "{\"cache_workers\":", c[3]);
		number(j, ",\"free_workers\":", c[4] - c[3]);
		number(j, ",\"total\":", c[4]);
	} else {
		number(j, "{\"unassigned_tasks\":", c[0]);
		number(j, ",\"assigned_tasks\":", c[1]);
		number(j, ",\"free_tasks\":", c[2] - c[0] - c[1]);
		number(j, ",\"total\":", c[2]);
	}
	json_raw(j, "}");
	return E_OK;
}

enum err
queue_show_items(struct json *j, const uint8_t *p, size_t n)
{
	struct queue_delivery	d;
	struct rbuf		b;
	char			line[48];

	rbuf_init(&b, p, n);
	json_expect(j, n + n / 8);
	while (b.left > 0) {
		queue_delivery_get(&b, &d);
		if (b.bad)
			return E_INTERNAL;
		json_bytes(j, d.token, d.tokenlen);
		(void)snprintf(line, sizeof(line), " %u %zu\n", d.deliveries,
		    d.itemlen);
		json_raw(j, line);
		json_bytes(j, d.item, d.itemlen);
		json_raw(j, "\n");
	}
	return E_OK;
}
