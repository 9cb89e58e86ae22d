/*
 * many.c: mget and mput: many records in one request, one answer for each.
 *
 * The body is a row of netstrings: one for each key, and for mput each key's
 * value behind it.  The items
 * are split by slot, each store gets one message (proto/msg_many.h), and the
 * answers come in the order of the items:
 *
 *	STATUS VERSION LENGTH\n, LENGTH bytes, \n
 *
 * A store that does not answer fails its own items only.  What is held counts
 * against the worker's budget; the answer is no longer than limits.body: items
 * that would make it so get 413.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_many.h"
#include "proto/slot.h"
#include "worker/body.h"
#include "worker/netstring.h"
#include "worker/plan.h"
#include "worker/single.h"

#define ANSWER_LINE	32u	/* the longest line, and the newline at the end */

struct item {
	const uint8_t	*key, *val;	/* in the body; then val of the answer */
	uint32_t	 keylen, vallen;
	uint32_t	 ver;
	uint16_t	 status;	/* enum err */
	uint8_t		 store;
};

struct many {
	unsigned	 count;
	struct item	*items;
	struct {
		size_t	 asklen, used;
		uint8_t	*ask;		/* the message; NULL: has no items */
		uint8_t	*answer;
	} part[STORES_MAX];
};
_Static_assert(STORES_MAX <= PLAN_PARTS, "a part for each store");

static int
is_write(const struct request *r)
{
	return (r->path->flags & PF_WRITE) != 0;
}

/* The next item of the body; E_PARAM: malformed. */
static enum err
item_next(struct item *it, const uint8_t **p, size_t *left, int write)
{
	memset(it, 0, sizeof(*it));
	if (!netstring_next(p, left, &it->key, &it->keylen) ||
	    it->keylen == 0 || it->keylen > KEY_MAX)
		return E_PARAM;
	if (write && (!netstring_next(p, left, &it->val, &it->vallen) ||
	    it->vallen == 0))
		return E_PARAM;
	return E_OK;
}

/* How many items the body has. */
static enum err
many_count(const struct request *r, unsigned *count, const char **detail)
{
	const uint8_t	*p = r->body;
	size_t		 left = r->got;
	struct item	 it;

	for (*count = 0; left > 0; ++*count) {
		if (*count == MANY_MOST) {
			*detail = "over 4096 items";
			return E_PARAM;
		}
		if (item_next(&it, &p, &left, is_write(r)) != E_OK) {
			*detail = "netstrings of the body";
			return E_PARAM;
		}
	}
	return E_OK;
}

static enum err
many_parse(struct request *r, struct many *m, const char **detail)
{
	const uint8_t	*p = r->body;
	size_t		 left = r->got;
	unsigned	 i, n;
	enum err	 e;

	if ((e = many_count(r, &n, detail)) != E_OK)
		return e;
	if (plan_hold(r, n * sizeof(*m->items)) != E_OK ||
	    (m->items = malloc(n * sizeof(*m->items))) == NULL)
		return E_NOMEM;
	m->count = n;
	for (i = 0; i < n; i++)
		(void)item_next(&m->items[i], &p, &left, is_write(r));
	return E_OK;
}

/* What all operations have in common. */
static struct many_op
many_like(const struct request *r)
{
	struct param_text	tab = params_text(&r->par, P_TB);
	struct many_op		o = { .type = tab.len != 0 ? 'H' : 'K',
		.tab = tab.p, .tablen = tab.len };

	if (is_write(r)) {
		o.ttl = single_ttl(r);
		o.flags = r->create_only ? FRAME_CREATE : 0;
	}
	return o;
}

static void
op_fill(struct many_op *o, const struct item *it)
{
	o->key = it->key;
	o->keylen = it->keylen;
	o->val = it->val;
	o->vallen = it->vallen;
}

/* All items of a store end with this. */
static void
part_fail(struct many *m, unsigned part, enum err e)
{
	unsigned	i;

	for (i = 0; i < m->count; i++)
		if (m->items[i].store == part)
			m->items[i].status = (uint16_t)e;
}

/* Sizes of the messages, and room for them. */
static enum err
many_room(struct request *r, struct many *m)
{
	struct many_op	 o = many_like(r);
	struct item	*it;
	unsigned	 i;
	size_t		 all = 0;

	for (i = 0; i < m->count; i++) {
		it = &m->items[i];
		it->store = (uint8_t)slot_store(slot_of(it->key, it->keylen),
		    r->w->nstores);
		op_fill(&o, it);
		m->part[it->store].asklen += many_op_size(&o);
		all += many_op_size(&o);
	}
	if (plan_hold(r, all) != E_OK)
		return E_NOMEM;
	for (i = 0; i < r->w->nstores; i++)
		if (m->part[i].asklen != 0 && (m->part[i].ask =
		    malloc(m->part[i].asklen)) == NULL)
			return E_NOMEM;
	return E_OK;
}

static enum err
many_build(struct request *r, struct many *m)
{
	struct many_op	 o = many_like(r);
	unsigned	 i, s;
	enum err	 e;

	if ((e = many_room(r, m)) != E_OK)
		return e;
	for (i = 0; i < m->count; i++) {
		op_fill(&o, &m->items[i]);
		s = m->items[i].store;
		m->part[s].used += many_op_put(m->part[s].ask +
		    m->part[s].used, &o);
	}
	return E_OK;
}

static void
part_send(struct request *r, struct many *m, unsigned s)
{
	struct frame	f = { .msg = r->path->msg, .val = m->part[s].ask,
		.vallen = (uint32_t)m->part[s].asklen };
	enum err	e = E_TOOBIG;

	if (m->part[s].asklen <= VALUE_MAX)
		e = plan_send(r, s, s, &f);
	if (e != E_OK)
		part_fail(m, s, e);
}

/* A number and what ends it. */
static uint8_t *
number_put(uint8_t *out, uint32_t num, char end)
{
	char	digits[10];
	size_t	n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + num % 10);
		num /= 10;
	} while (num != 0);
	memcpy(out, digits + n, sizeof(digits) - n);
	out += sizeof(digits) - n;
	*out++ = (uint8_t)end;
	return out;
}

static uint8_t *
item_put(uint8_t *out, const struct item *it)
{
	out = number_put(out, (uint32_t)err_http(it->status), ' ');
	out = number_put(out, it->ver, ' ');
	out = number_put(out, it->vallen, '\n');
	if (it->vallen != 0)
		memcpy(out, it->val, it->vallen);
	out += it->vallen;
	*out++ = '\n';
	return out;
}

/* The items' values that fit into the answer; returns its size at most. */
static size_t
many_measure(const struct request *r, struct many *m)
{
	size_t		 all = 0;
	struct item	*it;
	unsigned	 i;

	for (i = 0; i < m->count; i++) {
		it = &m->items[i];
		if (it->status != E_OK && it->status != E_DAMAGED)
			it->vallen = 0;
		if (it->vallen + ANSWER_LINE + all > r->w->body_max &&
		    it->vallen != 0) {
			it->status = E_TOOBIG;
			it->ver = 0;
			it->vallen = 0;
		}
		all += it->vallen + ANSWER_LINE;
	}
	return all;
}

/* There is no memory for what was said: writes are done all the same. */
static enum err
unsaid(const struct request *r)
{
	return is_write(r) ? E_UNSURE : E_NOMEM;
}

static void
many_finish(struct request *r)
{
	struct many	*m = r->plan_data;
	uint8_t		*body = malloc(many_measure(r, m)), *end = body;
	unsigned	 i;

	if (body == NULL) {
		plan_fail(r, unsaid(r), NULL);
		return;
	}
	for (i = 0; i < m->count; i++)
		end = item_put(end, &m->items[i]);
	plan_done(r, body, (size_t)(end - body), "application/octet-stream",
	    NULL);
}

static enum err
many_start(struct request *r, const char **detail)
{
	struct many	*m = calloc(1, sizeof(*m));
	enum err	 e;
	unsigned	 s;

	if ((r->plan_data = m) == NULL)
		return E_NOMEM;
	if ((e = many_parse(r, m, detail)) != E_OK)
		return e;
	if ((e = many_build(r, m)) != E_OK)
		return e;
	body_free(r);		/* the messages have it all */
	for (s = 0; s < r->w->nstores; s++)
		if (m->part[s].ask != NULL)
			part_send(r, m, s);
	if (plan_open(r) == 0)
		many_finish(r);
	return E_OK;
}

static void
item_take(struct item *it, const struct many_answer *a)
{
	it->status = (uint16_t)a->status;
	/* The others say nothing of the record. */
	if (a->status == E_OK || a->status == E_VERSION ||
	    a->status == E_NOTFOUND || a->status == E_EXISTS)
		it->ver = a->ver;
	it->val = a->val;
	it->vallen = a->vallen;
}

/* The store's answers, which lie at p until the request's own is made. */
static void
part_take(struct many *m, unsigned part, const uint8_t *p, size_t left)
{
	struct many_answer	 a;
	size_t			 used;
	unsigned		 i;

	for (i = 0; i < m->count; i++) {
		if (m->items[i].store != part)
			continue;
		if (many_answer_get(&a, p, left, &used) != E_OK) {
			/* The rest of a malformed message. */
			m->items[i].status = E_INTERNAL;
			left = 0;
			continue;
		}
		item_take(&m->items[i], &a);
		p += used;
		left -= used;
	}
}

/*
 * A copy of the answer's bytes, for the others are still to come.  It takes the
 * place of the message in the budget, so what writes say always finds room.
 */
static const uint8_t *
part_keep(struct request *r, struct many *m, unsigned part,
    const struct frame *f)
{
	size_t	asklen = m->part[part].asklen;

	if ((f->vallen > asklen && plan_hold(r, f->vallen - asklen) != E_OK) ||
	    (m->part[part].answer = malloc(f->vallen)) == NULL)
		return NULL;
	return memcpy(m->part[part].answer, f->val, f->vallen);
}

static void
part_over(struct many *m, unsigned part)
{
	struct item	*it;
	unsigned	 i;

	free(m->part[part].ask);
	m->part[part].ask = NULL;
	for (i = 0; i < m->count; i++) {
		it = &m->items[i];
		if (it->store == part) {
			it->val = NULL;
			it->vallen = 0;
		}
	}
}

static void
many_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct many	*m = r->plan_data;
	const uint8_t	*p = f->val;

	part_over(m, part);
	if (f->status != E_OK)
		part_fail(m, part, f->status);
	else if (plan_open(r) != 0 && f->vallen != 0 &&
	    (p = part_keep(r, m, part, f)) == NULL)
		part_fail(m, part, unsaid(r));
	else
		part_take(m, part, p, f->vallen);
	if (plan_open(r) == 0)
		many_finish(r);
}

static void
many_lost(struct request *r, unsigned part, enum err e)
{
	struct many	*m = r->plan_data;

	part_over(m, part);
	part_fail(m, part, e);
	if (plan_open(r) == 0)
		many_finish(r);
}

static void
many_free(struct request *r)
{
	struct many	*m = r->plan_data;
	unsigned	 s;

	if (m == NULL)
		return;
	for (s = 0; s < STORES_MAX; s++) {
		free(m->part[s].ask);
		free(m->part[s].answer);
	}
	free(m->items);
	free(m);
}

const struct plan_ops	plan_many = {
	.start = many_start, .reply = many_reply, .lost = many_lost,
	.free = many_free,
};
