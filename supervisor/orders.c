/*
 * orders.c: see orders.h.  In wharfd's loop; nothing blocks.  Who dies before
 * its answer counts as not done.  FOUND_MAX findings are kept of a
 * check, the rest is only counted.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "supervisor/log.h"
#include "supervisor/orders.h"
#include "supervisor/tree.h"

#define FOUND_MAX	1000u
#define ROUTERS_MAX	64u		/* of a NODE */
#define PARTS		(CATALOGUE_STORES + ROUTERS_MAX)

enum state { NOT_ASKED, WAITED_FOR, ANSWERED, DIED };

struct part {			/* a store's, a router's */
	enum state	 state;
	uint32_t	 inc;
	enum err	 err;
	uint64_t	 number[DONE_NUMBERS];
};

struct order {
	uint64_t	 id;		/* 0: there was none yet */
	unsigned	 waits;		/* for so many */
	mono_t		 began, ended;
	struct part	 part[PARTS];	/* place() says whose */
	json_t		*found;		/* of CHECK: {store or router, what} */
};

struct orders {
	struct tree	*t;
	uint64_t	 next;
	struct order	 order[ORDERS];
};

struct orders *
orders_new(struct tree *t)
{
	struct orders	*o = calloc(1, sizeof(*o));

	if (o != NULL)
		o->t = t;
	return o;
}

void
orders_free(struct orders *o)
{
	unsigned	k;

	if (o == NULL)
		return;
	for (k = 0; k < ORDERS; k++)
		json_decref(o->order[k].found);
	free(o);
}

/* --- parts --- */

/* Stores, then routers; -1: it has none. */
static int
place(const struct child *c)
{
	if (c->from == FROM_STORE && c->seat < CATALOGUE_STORES)
		return (int)c->seat;
	if (c->from == FROM_ROUTER && c->seat < ROUTERS_MAX)
		return (int)(CATALOGUE_STORES + c->seat);
	return -1;
}

/* Stores and routers, one after the other; NULL: that were all. */
static struct child *
each(const struct orders *o, unsigned i)
{
	struct group	*s = &o->t->group[TREE_STORES];
	struct group	*r = &o->t->group[TREE_ROUTERS];

	if (i < s->n)
		return &s->c[i];
	return i - s->n < r->n ? &r->c[i - s->n] : NULL;
}

static int
is_meant(const struct order_what *w, const struct child *c)
{
	if (w->store == -1 && w->router == -1)
		return 1;
	return (int)c->seat == (c->from == FROM_STORE ? w->store : w->router);
}

/* --- asking --- */

static void
ask(struct order *x, struct child *c, enum order_kind kind, int file,
    int64_t rate)
{
	struct part	*p = &x->part[place(c)];
	struct frame	 f = { .id = x->id };

	f.msg = kind == ORDER_CHECK ? MSG_CHECK : MSG_COMPACT;
	f.ver = (uint32_t)(file + 1);
	f.score = rate;
	p->state = WAITED_FOR;
	p->inc = c->inc;
	x->waits++;
	child_send(c, &f, NULL, 0);
}

/* Of those that are meant; *ready: all are. */
static unsigned
count(const struct orders *o, const struct order_what *w, int *ready)
{
	const struct child	*c;
	unsigned		 i, n = 0;

	*ready = 1;
	for (i = 0; (c = each(o, i)) != NULL; i++) {
		if (!is_meant(w, c))
			continue;
		n++;
		if (c->v.state != CHILD_READY)
			*ready = 0;
	}
	return n;
}

static const char *
may(const struct orders *o, enum order_kind kind, const struct order_what *w)
{
	int	ready;

	if (o->order[kind].waits != 0)
		return "one is under way";
	if (w->file < -1 || w->file >= (int)o->t->node->files)
		return "no such file of a store: the first is number 0";
	if (count(o, w, &ready) == 0)
		return w->router == -1 ?
		    "no such store: the first is number 0" :
		    "no such router: the first is number 0";
	return ready ? NULL : "a store or router is not ready";
}

int
orders_start(struct orders *o, enum order_kind kind,
    const struct order_what *w, const char **why)
{
	struct order	*x = &o->order[kind];
	struct child	*c;
	unsigned	 i;
	int		 ready;
	int64_t		 rate;

	if ((*why = may(o, kind, w)) != NULL)
		return -1;
	json_decref(x->found);
	*x = (struct order){ .id = ++o->next, .began = mono_now(),
	    .found = json_array() };
	rate = w->rate == 0 ? 0 : w->rate / count(o, w, &ready) + 1;
	for (i = 0; (c = each(o, i)) != NULL; i++)
		if (is_meant(w, c))
			ask(x, c, kind, w->file, rate);
	return 0;
}

/* --- answers --- */

static void
order_answered(struct order *x)
{
	if (--x->waits == 0)
		x->ended = mono_now();
}

static void
told_found(struct order *x, const struct child *c, const struct msg *m)
{
	json_t	*text;

	if (json_array_size(x->found) >= FOUND_MAX)
		return;
	text = json_stringn((const char *)m->f.val, m->f.vallen);
	if (text == NULL)		/* a path need not be UTF-8 */
		text = json_string("a finding that cannot be shown here");
	json_array_append_new(x->found, json_pack("{s:i, s:o}",
	    c->from == FROM_STORE ? "store" : "router", (int)c->seat, "what",
	    text));
}

static void
told_done(struct order *x, struct part *p, const struct msg *m)
{
	unsigned	i;

	p->state = ANSWERED;
	p->err = (enum err)m->f.status;
	for (i = 0; i < DONE_NUMBERS && m->f.vallen == DONE_SIZE; i++)
		p->number[i] = le64_get(m->f.val + 8 * i);
	order_answered(x);
}

void
orders_told(struct orders *o, const struct child *c, const struct msg *m)
{
	struct order	*x;
	struct part	*p;
	unsigned	 k;

	for (k = 0; k < ORDERS; k++) {
		x = &o->order[k];
		if (x->id != m->f.id || place(c) == -1)
			continue;
		p = &x->part[place(c)];
		if (p->state != WAITED_FOR || p->inc != c->inc)
			continue;
		if (m->f.msg == MSG_FOUND)
			told_found(x, c, m);
		else
			told_done(x, p, m);
	}
}

void
orders_gone(struct orders *o, const struct child *c)
{
	struct part	*p;
	unsigned	 k;

	if (o == NULL || place(c) == -1)
		return;
	for (k = 0; k < ORDERS; k++) {
		p = &o->order[k].part[place(c)];
		if (p->state != WAITED_FOR || p->inc != c->inc)
			continue;
		p->state = DIED;
		order_answered(&o->order[k]);
	}
}

/* --- showing --- */

static const char *const names[ORDERS][DONE_NUMBERS] = {
	[ORDER_CHECK] = { "records", "blocks", "segments", "bytes",
	    "index_entries", "found" },
	[ORDER_COMPACT] = { "before", "after" },
};

static json_t *
part_json(const struct part *p, enum order_kind kind, unsigned at)
{
	int		 store = at < CATALOGUE_STORES;
	json_t		*o = json_pack("{s:i, s:b}", store ? "store" :
			    "router", (int)(store ? at : at -
			    CATALOGUE_STORES), "running",
			    p->state == WAITED_FOR);
	unsigned	 i;

	if (p->state == DIED)
		json_object_set_new(o, "error",
		    json_string(store ? "the store has died" :
		    "the router has died"));
	if (p->state == ANSWERED && p->err != E_OK)
		json_object_set_new(o, "error", json_string(
		    p->err == E_DAMAGED ? "a compaction has stopped at "
		    "damage" : err_text(p->err)));
	for (i = 0; p->state == ANSWERED && i < DONE_NUMBERS &&
	    names[kind][i] != NULL; i++)
		json_object_set_new(o, names[kind][i],
		    json_integer((json_int_t)p->number[i]));
	return o;
}

/* Bytes of the check as they are shown while they are read. */
static void
progress(const struct orders *o, const struct order *x, json_t *out)
{
	const struct child	*c;
	const struct part	*p;
	int64_t			 done = 0, all = 0;
	unsigned		 i;

	for (i = 0; (c = each(o, i)) != NULL; i++) {
		p = &x->part[place(c)];
		if (p->state == ANSWERED) {
			done += (int64_t)p->number[3];
			all += (int64_t)p->number[3];
		}
		if (p->state != WAITED_FOR)
			continue;
		done += board_get(c->board, BC_CHECK_BYTES);
		all += board_get(c->board, BC_CHECK_TOTAL);
	}
	json_object_set_new(out, "bytes", json_integer(done));
	json_object_set_new(out, "total_bytes", json_integer(all));
}

static json_t *
parts_json(const struct order *x, enum order_kind kind, unsigned from,
    unsigned to)
{
	json_t		*parts = json_array();
	unsigned	 i;

	for (i = from; i < to; i++)
		if (x->part[i].state != NOT_ASKED)
			json_array_append_new(parts, part_json(&x->part[i],
			    kind, i));
	return parts;
}

json_t *
orders_json(const struct orders *o, enum order_kind kind)
{
	const struct order	*x = &o->order[kind];
	json_t			*out;
	mono_t			 end = x->waits != 0 ? mono_now() : x->ended;

	out = json_pack("{s:b, s:I, s:b, s:f, s:o, s:o}", "ok", 1, "id",
	    (json_int_t)x->id, "running", x->waits != 0, "seconds",
	    (double)mono_diff(x->began, end) / 1e6,
	    "stores", parts_json(x, kind, 0, CATALOGUE_STORES),
	    "routers", parts_json(x, kind, CATALOGUE_STORES, PARTS));
	if (kind == ORDER_CHECK && out != NULL) {
		progress(o, x, out);
		json_object_set_new(out, "found", x->found == NULL ?
		    json_array() : json_deep_copy(x->found));
	}
	return out;
}
