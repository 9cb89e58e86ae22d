/*
 * store_many.c: the handlers of STORE_MGET and STORE_MPUT: many operations in
 * one message, done in one pass into one buffer of answers.
 *
 * A message that is not done after STEP_OPS operations or STEP_BYTES, or whose
 * next write must wait for the log, stays with its link (E_AGAIN), and a struct
 * many remembers how far it came: at most one for each link, since a link that
 * keeps a message is not read.  What is over is forgotten with its link.
 *
 * Each operation has its own status.  The answer leaves when the latest record
 * that it depends on is released.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_many.h"
#include "store/shard_place.h"
#include "store/store.h"

#define STEP_OPS	256u
#define STEP_BYTES	(2u << 20)
#define GUESS		256u		/* bytes of a value */

struct many {
	struct many	*next;
	uint64_t	 link, id;
	size_t		 at;		/* where the next operation begins */
	unsigned	 left;		/* operations to come */
	uint64_t	 lsn;		/* the latest that the answer depends on */
	enum err	 refused;	/* why those to come are not done */
	uint8_t		*out;		/* room for the heads of all, always */
	size_t		 len, size;
};

/* Operations that are done one after the other, decoded together. */
struct many_batch {
	unsigned		 n;
	struct many_step {
		struct many_op		 op;
		size_t			 used;
		enum err		 err;	/* of a get: it cannot be */
		int			 placed;
		struct shard_key	 k;
		struct shard_place	 place;
	} step[SHARD_AHEAD];
};

/* One operation, and who sees its record. */
struct many_look {
	struct store		*st;
	struct many		*y;
	uint8_t			 type;
	struct shard_result	 res;
};

/* Does the operation and adds its answer; E_AGAIN: not done, come again. */
typedef enum err many_one(struct store *, struct many *,
    struct many_step *);

static enum err	 many_run(struct store *, const struct msg *, many_one *,
		    int write);
static struct many *many_find(struct store *, const struct msg *);
static enum err	 many_new(struct many **, const struct msg *, int write);
static enum err	 many_count(const struct msg *, unsigned *);
static enum err	 many_go_on(struct store *, struct many *, const struct msg *,
		    many_one *);
static many_one	 many_get, many_put;
static void	 many_get_seen(void *, const struct record *);
static void	 many_answer(struct many *, struct many_answer *);
static void	 many_damaged(struct store *, struct many *, unsigned slot,
		    struct many_answer *);
static enum err	 many_room(struct many *, size_t vallen);
static enum err	 many_finish(struct store *, struct many *,
		    const struct msg *, int write);
static void	 many_park(struct store *, struct many *);
static void	 many_free(struct store *, struct many *);

enum err
store_on_mget(struct actor *a, const struct msg *m)
{
	return many_run(a->self, m, many_get, 0);
}

enum err
store_on_mput(struct actor *a, const struct msg *m)
{
	return many_run(a->self, m, many_put, 1);
}

static enum err
many_run(struct store *st, const struct msg *m, many_one *one, int write)
{
	struct many	*y = many_find(st, m);
	enum err	 e = store_may(st, m);

	/* Also what comes too late, or at a stop, needs room for its answer. */
	if (e == E_AGAIN || (y != NULL && !store_can_hold(st)))
		return E_AGAIN;
	if (y == NULL && e != E_OK)
		return e;
	if (y == NULL && (e = many_new(&y, m, write)) != E_OK)
		return e;
	y->refused = e;		/* some are done: all get an answer */
	e = many_go_on(st, y, m, one);
	if (e == E_AGAIN)
		many_park(st, y);
	else if (e == E_OK)
		e = many_finish(st, y, m, write);
	if (e != E_AGAIN)
		many_free(st, y);
	return e;
}

static struct many *
many_find(struct store *st, const struct msg *m)
{
	struct many	*y = *store_parts(st);

	while (y != NULL && y->link != link_id(m->link))
		y = y->next;
	if (y == NULL || y->id == m->f.id)
		return y;
	many_free(st, y);	/* its lane's bytes were changed */
	return NULL;
}

static enum err
many_new(struct many **out, const struct msg *m, int write)
{
	struct many	*y;
	unsigned	 n;
	enum err	 e;

	if ((e = many_count(m, &n)) != E_OK)
		return e;
	if ((y = calloc(1, sizeof(*y))) == NULL)
		return E_NOMEM;
	y->size = (size_t)n * (MANY_ANSWER_HEAD + (write ? 0 : GUESS));
	if ((y->out = malloc(y->size)) == NULL) {
		free(y);
		return E_NOMEM;
	}
	y->link = link_id(m->link);
	y->id = m->f.id;
	y->left = n;
	*out = y;
	return E_OK;
}

/* Decodes all, before any is done. */
static enum err
many_count(const struct msg *m, unsigned *count)
{
	struct many_op	o;
	size_t		at = 0, used;
	unsigned	n = 0;
	enum err	e;

	for (; at < m->f.vallen; at += used, n++)
		if ((e = many_op_get(&o, m->f.val + at, m->f.vallen - at,
		    &used)) != E_OK)
			return e;
	*count = n;
	return n >= 1 && n <= MANY_MOST ? E_OK : E_BADMSG;
}

static struct shard_key
many_key(const struct many_op *o)
{
	return (struct shard_key){ .type = o->type, .tab = o->tab,
	    .tablen = o->tablen, .key = o->key, .keylen = o->keylen };
}

/* E_BADMSG: the bytes were changed meanwhile. */
static enum err
many_decode(struct many_batch *b, const struct many *y, const struct msg *m)
{
	struct many_step	*s = b->step;
	size_t			 at = y->at;

	for (; s < b->step + SHARD_AHEAD && s < b->step + y->left;
	    at += s++->used)
		if (at >= m->f.vallen || many_op_get(&s->op, m->f.val + at,
		    m->f.vallen - at, &s->used) != E_OK)
			return E_BADMSG;
	b->n = (unsigned)(s - b->step);
	return E_OK;
}

/* Checks what many_get will look up, and has its memory come in. */
static void
many_ahead(struct store *st, struct many_batch *b)
{
	struct shard		*shard = store_shard(st);
	struct many_step	*s;

	for (s = b->step; s < b->step + b->n; s++) {
		s->k = many_key(&s->op);
		s->err = s->op.vallen != 0 ? E_PARAM :
		    store_key(st, "KHSZ", &s->k);
		s->placed = s->err == E_OK &&
		    shard_place(shard, &s->k, &s->place);
	}
	for (s = b->step; s < b->step + b->n; s++)
		if (s->placed)
			shard_ahead(shard, &s->k, &s->place);
}

/*
 * E_AGAIN: not all of them are done, and those must be decoded again.  began:
 * y's bytes when the message's turn did.
 */
static enum err
many_batch(struct store *st, struct many *y, struct many_batch *b,
    many_one *one, size_t began)
{
	struct many_step	*s;

	if (y->refused == E_OK && one == many_get)
		many_ahead(st, b);
	for (s = b->step; s < b->step + b->n; s++) {
		if (y->at + y->len - began > STEP_BYTES) {
			store_again(st);
			return E_AGAIN;
		}
		if (y->refused != E_OK)
			many_answer(y, &(struct many_answer){
			    .status = y->refused });
		else if (one(st, y, s) == E_AGAIN)
			return E_AGAIN;
		y->at += s->used;
		y->left--;
	}
	return E_OK;
}

/* E_OK: all are done; E_AGAIN; E_BADMSG. */
static enum err
many_go_on(struct store *st, struct many *y, const struct msg *m,
    many_one *one)
{
	struct many_batch	b;
	size_t			began = y->at + y->len;
	unsigned		n;
	enum err		e;

	for (n = 0; y->left > 0; n += b.n) {
		if (n >= STEP_OPS) {
			store_again(st);
			return E_AGAIN;
		}
		if ((e = many_decode(&b, y, m)) != E_OK ||
		    (e = many_batch(st, y, &b, one, began)) != E_OK)
			return e;
	}
	return E_OK;
}

static enum err
many_look_up(struct store *st, struct many_step *s, struct many_look *l)
{
	struct shard	*shard = store_shard(st);

	if (s->placed)
		return shard_get_at(shard, &s->k, &s->place, many_get_seen, l,
		    &l->res);
	/* A long key was in the store's one buffer, until the next. */
	if (s->err == E_OK) {
		s->k = many_key(&s->op);
		s->err = store_key(st, "KHSZ", &s->k);
	}
	return s->err != E_OK ? s->err :
	    shard_get(shard, &s->k, many_get_seen, l, &l->res);
}

static enum err
many_get(struct store *st, struct many *y, struct many_step *s)
{
	struct many_look	 l = { .st = st, .y = y, .type = s->op.type };
	enum err		 e = many_look_up(st, s, &l);

	if (y->lsn < l.res.lsn)
		y->lsn = l.res.lsn;
	if (e == E_DAMAGED)
		many_damaged(st, y, s->k.slot, &(struct many_answer){ 0 });
	else if (e != E_OK)
		many_answer(y, &(struct many_answer){ .status = e });
	return E_OK;
}

/* Straight from the data file into the answer. */
static void
many_get_seen(void *arg, const struct record *rec)
{
	struct many_look	*l = arg;
	struct many_answer	 a = { .ver = rec->version,
	    .ttl = store_left(l->st, rec) };
	uint8_t			 text[NUMBER_TEXT];
	struct frame		 r;

	a.status = store_value(rec, l->type, text, &r);
	if (a.status == E_OK)
		a.status = many_room(l->y, r.vallen);
	if (a.status == E_OK) {
		a.val = r.val;
		a.vallen = r.vallen;
	}
	many_answer(l->y, &a);
}

static enum err
many_put(struct store *st, struct many *y, struct many_step *s)
{
	const struct many_op	*o = &s->op;
	struct shard_write	 w = { .val = o->val, .vallen = o->vallen,
		.ver = o->ver, .ttl = o->ttl,
		.is_dup = (o->flags & FRAME_IS_DUP) != 0,
		.create = (o->flags & FRAME_CREATE) != 0 };
	struct shard_key	 k = many_key(o);
	struct shard_result	 res = store_nothing(&w);
	struct many_answer	 a;
	enum err		 e;

	e = store_key(st, "KHS", &k);
	if (e == E_OK && (w.vallen == 0) != (k.type == TYPE_SET))
		e = E_PARAM;
	if (e == E_OK)
		e = store_grow(st, w.vallen);
	if (e == E_OK)
		e = shard_put(store_shard(st), &k, &w, &res);
	if (e == E_AGAIN)
		return e;
	if (y->lsn < res.lsn)
		y->lsn = res.lsn;
	a = (struct many_answer){ .status = e, .ver = res.version,
	    .flags = res.vererror ? FRAME_VERERROR : 0 };
	if (e == E_DAMAGED)
		many_damaged(st, y, k.slot, &a);
	else
		many_answer(y, &a);
	return E_OK;
}

/* There is room for it: many_room for the value, the head always. */
static void
many_answer(struct many *y, struct many_answer *a)
{
	y->len += many_answer_put(y->out + y->len, a);
}

/* Its value says where, if there is room for it. */
static void
many_damaged(struct store *st, struct many *y, unsigned slot,
    struct many_answer *a)
{
	char	text[DAMAGE_TEXT];
	size_t	n = damage_slot_text(st, slot, text);

	store_damaged(st, slot);
	a->status = E_DAMAGED;
	if (many_room(y, n) == E_OK) {
		a->val = (const uint8_t *)text;
		a->vallen = (uint32_t)n;
	}
	many_answer(y, a);
}

/*
 * Room for this value and the heads of all that are to come: E_TOOBIG when the
 * answer would be longer than a value may be, E_NOMEM.
 */
static enum err
many_room(struct many *y, size_t vallen)
{
	size_t	 need = y->len + vallen + (size_t)y->left * MANY_ANSWER_HEAD;
	size_t	 size = y->size;
	uint8_t	*out;

	if (need > VALUE_MAX)
		return E_TOOBIG;
	if (need <= size)
		return E_OK;
	while (size < need)
		size *= 2;
	if ((out = realloc(y->out, size)) == NULL)
		return E_NOMEM;
	y->out = out;
	y->size = size;
	return E_OK;
}

/* A log that failed meanwhile will never release what was written to it. */
static enum err
many_finish(struct store *st, struct many *y, const struct msg *m, int write)
{
	struct frame	r;

	memset(&r, 0, sizeof(r));
	if (shard_failed(store_shard(st)) != E_OK &&
	    y->lsn > shard_released(store_shard(st)))
		return store_answer(st, m, write ? E_UNSURE : E_READONLY, &r,
		    0, write);
	r.val = y->out;
	r.vallen = (uint32_t)y->len;
	return store_answer(st, m, E_OK, &r, y->lsn, write);
}

/* The link keeps the message, and shows it again. */
static void
many_park(struct store *st, struct many *y)
{
	struct many	**head = store_parts(st), *p;

	for (p = *head; p != NULL && p != y; p = p->next)
		;
	if (p == NULL) {
		y->next = *head;
		*head = y;
	}
	/* The turn's end is not told of messages that were kept. */
	shard_kick(store_shard(st));
}

static void
many_free(struct store *st, struct many *y)
{
	struct many	**p;

	for (p = store_parts(st); *p != NULL && *p != y; p = &(*p)->next)
		;
	if (*p == y)
		*p = y->next;
	free(y->out);
	free(y);
}

void
store_many_sweep(struct store *st)
{
	struct many	*y, *next;

	for (y = *store_parts(st); y != NULL; y = next) {
		next = y->next;
		if (store_link_gone(st, y->link))
			many_free(st, y);
	}
}
