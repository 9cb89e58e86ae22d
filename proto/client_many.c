/*
 * client_many.c: libwharf's mget and mput: many records, some messages, one
 * answer for each record.
 *
 * A batch is divided into parts: what goes to one store, in the order in which
 * the program has it, cut where a message grows long.  Each part is an op of
 * its own; the batch is over when its last part is.  Outcomes differ from part
 * to part and from record to record, and nothing is ever sent twice.
 *
 * Memory: the values of answers are copied as they come, within
 * options.memory, which the answers under way share.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg.h"
#include "proto/msg_many.h"
#include "proto/slot.h"

#define PART_BYTES	FRAME_VALUE	/* of a question with several records */

struct part {
	struct batch	*batch;
	unsigned	 store;
	const uint32_t	*items;		/* numbers of its records */
	uint32_t	 n;
	size_t		 bytes;		/* of its question */
};

struct batch {
	LIST_ENTRY(batch)	 all;
	uint16_t		 msg;
	size_t			 n;
	struct wharf_answer	*answers;
	uint8_t			*stores;	/* of each record */
	uint8_t			*types;		/* the same */
	uint32_t		*order;		/* numbers of good ones, by store */
	struct part		*parts;
	unsigned		 nparts, left;	/* left: without an answer */
	struct kept		*kept;		/* values */
	size_t			 bytes;		/* of them */
	struct kept		**keeper;	/* who has them afterwards; or NULL */
	wharf_many_fn		*fn;
	void			*arg;
};

static void
batch_free(struct batch *b)
{
	kept_free(&b->kept);
	free(b->answers);
	free(b->stores);
	free(b->types);
	free(b->order);
	free(b->parts);
	free(b);
}

void
batches_free(struct wharf *w)
{
	struct batch	*b;

	while ((b = LIST_FIRST(&w->batches)) != NULL) {
		LIST_REMOVE(b, all);
		batch_free(b);
	}
}

static struct batch *
batch_new(uint16_t msg, size_t n, wharf_many_fn *fn, void *arg)
{
	struct batch	*b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->msg = msg;
	b->n = n;
	b->fn = fn;
	b->arg = arg;
	b->answers = calloc(n, sizeof(*b->answers));
	b->stores = calloc(n, sizeof(*b->stores));
	b->types = calloc(n, sizeof(*b->types));
	b->order = calloc(n, sizeof(*b->order));
	b->parts = calloc(n, sizeof(*b->parts));	/* a record each */
	if (b->answers == NULL || b->stores == NULL || b->types == NULL ||
	    b->order == NULL || b->parts == NULL) {
		batch_free(b);
		return NULL;
	}
	return b;
}

/* Questions */

/* The record as an op of its own: so it is checked by the same rules. */
static int
record_slot(uint16_t msg, const struct wharf_record *r, unsigned *slot)
{
	struct wharf_op		op = WHARF_OP_INIT(WHARF_OP_GET, r->type);
	struct wharf_write	how = { sizeof(how), r->version, r->flags,
				    r->ttl };

	op.table = r->table;
	op.key = r->key;
	op.keylen = r->keylen;
	op.value = r->value;
	op.length = r->length;
	memcpy(op.reserved_, r->reserved_, sizeof(r->reserved_));
	if (msg == MSG_STORE_MPUT) {
		op.command = WHARF_OP_PUT;
		op.write = &how;
	} else if (how.version != 0 || how.flags != 0 || how.ttl != 0)
		return 0;
	if (!op_is_good(&op))
		return 0;
	*slot = op_slot(&op);
	return 1;
}

static struct many_op
many_op_of(const struct wharf_record *r)
{
	return (struct many_op){ .type = (uint8_t)r->type,
	    .flags = (uint16_t)r->flags, .ver = r->version, .ttl = r->ttl,
	    .tablen = r->table != NULL ? (uint32_t)strlen(r->table) : 0,
	    .keylen = (uint32_t)r->keylen, .vallen = (uint32_t)r->length,
	    .tab = (const uint8_t *)r->table, .key = r->key, .val = r->value };
}

/* Sorts the numbers of good records by store; returns how many they are. */
static size_t
batch_sort(struct batch *b, const struct wharf *w,
    const struct wharf_record *records)
{
	size_t		i, at = 0, begin[SEATS_MAX + 1] = { 0 };
	unsigned	slot, s;

	for (i = 0; i < b->n; i++) {
		b->stores[i] = SEATS_MAX;	/* of none */
		b->types[i] = (uint8_t)records[i].type;
		if (record_slot(b->msg, &records[i], &slot)) {
			b->stores[i] = (uint8_t)slot_store(slot, w->stores);
			begin[b->stores[i] + 1]++;
		} else
			b->answers[i].status = WHARF_PARAM;
	}
	for (s = 0; s < SEATS_MAX; s++)
		at = begin[s + 1] += begin[s];
	for (i = 0; i < b->n; i++)
		if (b->stores[i] != SEATS_MAX)
			b->order[begin[b->stores[i]]++] = (uint32_t)i;
	return at;
}

/* Divides them into parts; returns the bytes of all questions. */
static size_t
batch_divide(struct batch *b, const struct wharf_record *records, size_t n)
{
	struct part	*p = NULL;
	struct many_op	 o;
	size_t		 i, size, sum = 0;

	for (i = 0; i < n; i++) {
		o = many_op_of(&records[b->order[i]]);
		size = many_op_size(&o);
		sum += size;
		if (p == NULL || p->store != b->stores[b->order[i]] ||
		    p->n == MANY_MOST || p->bytes + size > PART_BYTES) {
			p = &b->parts[b->nparts++];
			p->batch = b;
			p->store = b->stores[b->order[i]];
			p->items = &b->order[i];
		}
		p->n++;
		p->bytes += size;
	}
	return sum;
}

static void	part_done(struct wharf *, const struct wharf_answer *, void *);

static enum wharf_status
part_send(struct wharf *w, struct part *p, const struct wharf_record *records)
{
	struct request		 rq;
	struct many_op		 o;
	enum wharf_status	 e;
	uint8_t			*at;
	uint32_t		 i;

	if (p->bytes > VALUE_MAX)
		return WHARF_TOOBIG;
	memset(&rq, 0, sizeof(rq));
	if ((rq.bytes = at = malloc(p->bytes)) == NULL)
		return WHARF_NOMEM;
	for (i = 0; i < p->n; i++) {
		o = many_op_of(&records[p->items[i]]);
		at += many_op_put(at, &o);
	}
	rq.f.msg = p->batch->msg;
	request_value(&rq, rq.bytes, p->bytes);
	rq.fn = part_done;
	rq.arg = p;
	request_to(w, &rq, p->store);	/* slot N lies in store N */
	e = op_submit(w, &rq);
	request_free(&rq);
	return e;
}

/* Answers */

static void
part_fail(struct part *p, enum wharf_status status)
{
	uint32_t	i;

	for (i = 0; i < p->n; i++) {
		memset(&p->batch->answers[p->items[i]], 0,
		    sizeof(struct wharf_answer));
		p->batch->answers[p->items[i]].status = status;
	}
}

/* A sorted set's score comes as its text. */
static int64_t
number_of(const uint8_t *p, size_t n)
{
	uint64_t	v = 0;
	size_t		i = n != 0 && p[0] == '-';

	for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
		v = v * 10 + p[i] - '0';
	return (int64_t)(n != 0 && p[0] == '-' ? 0 - v : v);
}

/* One answer for each record and nothing behind them; 0: malformed. */
static int
part_read(struct part *p, const uint8_t *at, size_t left)
{
	struct many_answer	 m;
	struct wharf_answer	*a;
	size_t			 used;
	uint32_t		 i;

	for (i = 0; i < p->n; i++, at += used, left -= used) {
		if (many_answer_get(&m, at, left, &used) != E_OK)
			return 0;
		a = &p->batch->answers[p->items[i]];
		a->status = (enum wharf_status)m.status;
		a->version = m.ver;
		a->ttl = m.ttl;
		a->flags = m.flags & WHARF_VERERROR;
		a->value = m.vallen != 0 ? m.val : NULL;
		a->length = m.vallen;
		if (p->batch->types[p->items[i]] == WHARF_ZSET)
			a->number = number_of(m.val, m.vallen);
	}
	return left == 0;
}

static void
part_take(struct wharf *w, struct part *p, const struct wharf_answer *a)
{
	struct batch	*b = p->batch;
	uint8_t		*bytes;

	if (a->length > w->memory - w->assembled ||
	    (bytes = kept_add(&b->kept, a->length)) == NULL) {
		part_fail(p, b->msg == MSG_STORE_MPUT ? WHARF_UNSURE :
		    WHARF_NOMEM);
		return;
	}
	if (a->length != 0)
		memcpy(bytes, a->value, a->length);
	w->assembled += a->length;
	b->bytes += a->length;
	/* What a write has come to then nobody knows. */
	if (!part_read(p, bytes, a->length))
		part_fail(p, b->msg == MSG_STORE_MPUT ? WHARF_UNSURE :
		    WHARF_BADMSG);
}

static void
batch_end(struct wharf *w, struct batch *b)
{
	LIST_REMOVE(b, all);
	w->assembled -= b->bytes;
	if (b->keeper != NULL) {
		*b->keeper = b->kept;
		b->kept = NULL;
	}
	if (b->fn != NULL)
		b->fn(w, b->answers, b->n, b->arg);
	batch_free(b);
}

static void
part_done(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct part	*p = arg;

	if (a->status == WHARF_OK)
		part_take(w, p, a);
	else
		part_fail(p, a->status);
	if (--p->batch->left == 0)
		batch_end(w, p->batch);
}

/* All of it */

/* OK: a part at least is under way; else none is. */
static enum wharf_status
batch_send(struct wharf *w, struct batch *b, const struct wharf_record *records)
{
	size_t			good = batch_sort(b, w, records), bytes;
	enum wharf_status	e, last = WHARF_PARAM;
	unsigned		i;

	bytes = batch_divide(b, records, good) +
	    (size_t)b->nparts * FRAME_HEAD;
	if (bytes > w->memory || b->nparts > w->max_ops)
		return WHARF_TOOBIG;
	if (bytes > w->memory - w->queued || b->nparts > ops_room(w))
		return WHARF_AGAIN;
	for (i = 0; i < b->nparts; i++) {
		if ((e = part_send(w, &b->parts[i], records)) == WHARF_OK)
			b->left++;
		else
			part_fail(&b->parts[i], last = e);
	}
	return b->left != 0 ? WHARF_OK : last;
}

static enum wharf_status
many_submit(struct wharf *w, uint16_t msg, const struct wharf_record *records,
    size_t n, struct kept **keeper, wharf_many_fn *fn, void *arg)
{
	struct batch		*b;
	enum wharf_status	 e;

	if (n == 0 || n > WHARF_MANY_MAX)
		return WHARF_PARAM;
	if ((b = batch_new(msg, n, fn, arg)) == NULL)
		return WHARF_NOMEM;
	b->keeper = keeper;
	if ((e = batch_send(w, b, records)) == WHARF_OK)
		LIST_INSERT_HEAD(&w->batches, b, all);
	else
		batch_free(b);
	return e;
}

struct many_sync {
	struct wharf_answer	*answers;
	int			 done;
};

static void
many_done(struct wharf *w, const struct wharf_answer *answers, size_t n,
    void *arg)
{
	struct many_sync	*sy = arg;

	(void)w;
	memcpy(sy->answers, answers, n * sizeof(*answers));
	sy->done = 1;
}

static enum wharf_status
many_sync(struct wharf *w, uint16_t msg, const struct wharf_record *records,
    size_t n, struct wharf_answer *answers)
{
	struct many_sync	 sy = { answers, 0 };
	struct kept		*old;
	enum wharf_status	 e;

	if (w->inside)
		return WHARF_AGAIN;
	old = kept_take(w);
	e = many_submit(w, msg, records, n, &w->kept, many_done, &sy);
	if (e == WHARF_OK)
		while (!sy.done)
			wharf_wait(w, -1);
	kept_free(&old);
	return e;
}

enum wharf_status
wharf_mget(struct wharf *w, const struct wharf_record *records, size_t n,
    struct wharf_answer *answers)
{
	return many_sync(w, MSG_STORE_MGET, records, n, answers);
}

enum wharf_status
wharf_mput(struct wharf *w, const struct wharf_record *records, size_t n,
    struct wharf_answer *answers)
{
	return many_sync(w, MSG_STORE_MPUT, records, n, answers);
}

enum wharf_status
wharf_submit_mget(struct wharf *w, const struct wharf_record *records, size_t n,
    wharf_many_fn *fn, void *arg)
{
	return many_submit(w, MSG_STORE_MGET, records, n, NULL, fn, arg);
}

enum wharf_status
wharf_submit_mput(struct wharf *w, const struct wharf_record *records, size_t n,
    wharf_many_fn *fn, void *arg)
{
	return many_submit(w, MSG_STORE_MPUT, records, n, NULL, fn, arg);
}
