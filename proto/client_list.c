/*
 * client_list.c: libwharf's listings: the question for a page, what is read in
 * its answer, where the next page begins, and the walk over all pages.
 *
 * A listing goes store by store, in each file by file; a page is one message to
 * one store.  The place where it goes on is a cursor: the program may keep it,
 * so it is read as if a stranger had made it.  What a store answers is checked
 * entry by entry before the program sees any of it.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/client_ask.h"
#include "proto/msg.h"
#include "proto/slot.h"

#define CURSOR_VERSION	1

/* Where a listing stands. */
struct place {
	unsigned	 store, file;
	uint64_t	 offset;	/* still to be passed over */
	const uint8_t	*key;		/* the last key seen */
	size_t		 keylen;
};

/* Of one data file only, or of a sorted set, which lies in one. */
static int
listing_is_single(const struct listing *l)
{
	return l->type == WHARF_ZSET || (l->flags & LIST_ONE_FILE) != 0;
}

static size_t
cursor_put(uint8_t *out, const struct listing *l, const struct place *p)
{
	out[0] = CURSOR_VERSION;
	out[1] = l->order;
	out[2] = l->type;
	out[3] = 0;
	le16_put(out + 4, (uint16_t)p->store);
	le16_put(out + 6, (uint16_t)p->file);
	le64_put(out + 8, p->offset);
	if (p->keylen != 0)
		memmove(out + CURSOR_HEAD, p->key, p->keylen);
	return CURSOR_HEAD + p->keylen;
}

static int
cursor_get(const struct wharf *w, const struct listing *l, struct place *p,
    const uint8_t *c, size_t n)
{
	if (c == NULL || n < CURSOR_HEAD || n > CURSOR_MAX ||
	    c[0] != CURSOR_VERSION || c[1] != l->order || c[2] != l->type ||
	    c[3] != 0)
		return 0;
	p->store = le16_get(c + 4);
	p->file = le16_get(c + 6);
	p->offset = le64_get(c + 8);
	p->key = c + CURSOR_HEAD;
	p->keylen = n - CURSOR_HEAD;
	return p->store < w->stores && p->file < w->files &&
	    (!listing_is_single(l) ||
	    (p->store == l->store && p->file == l->file));
}

/* The last key as the stores know it; out has LIST_AFTER bytes. */
static size_t
last_key_put(uint8_t *out, const struct listing *l, const struct list_item *i)
{
	size_t	n = 0;

	if (l->order == LIST_KEYS) {
		out[n++] = i->type;
		if (i->tablen != 0)
			memcpy(out + n, i->tab, i->tablen);
		n += i->tablen;
		out[n++] = 0;
	} else {
		ordered_put(out, i->score);
		n = ORDERED_SIZE;
	}
	memcpy(out + n, i->key, i->keylen);
	return n + i->keylen;
}

size_t
cursor_behind(const struct wharf *w, uint8_t *out, const struct listing *l,
    const struct list_item *i, uint64_t number)
{
	struct place	p = { .store = l->store, .file = l->file };
	unsigned	slot;

	if (l->flags & LIST_ASYNC) {	/* a snapshot goes by numbers */
		p.offset = number;
		return cursor_put(out, l, &p);
	}
	slot = slot_of_record(i->type, i->tab, i->tablen, i->key, i->keylen);
	p.file = slot_file(slot, w->stores, w->files);
	p.key = out + CURSOR_HEAD;
	p.keylen = last_key_put(out + CURSOR_HEAD, l, i);
	return cursor_put(out, l, &p);
}

/* The question */

static int
range_flags(const struct wharf_op *op, struct listing *l)
{
	unsigned	by = op->flags & (WHARF_BY_RANK | WHARF_BY_SCORE);

	l->order = by == WHARF_BY_RANK ? LIST_RANK :
	    by == WHARF_BY_SCORE ? LIST_SCORE : LIST_KEYS;
	l->flags = (uint8_t)((op->flags & WHARF_VALUES ? LIST_VALUES : 0) |
	    (op->flags & WHARF_ONE_FILE ? LIST_ONE_FILE : 0) |
	    (op->flags & WHARF_REVERSE ? LIST_REVERSE : 0) |
	    (op->flags & WHARF_EXPORTED ? LIST_ASYNC : 0));
	if (by == (WHARF_BY_RANK | WHARF_BY_SCORE) ||
	    (by != 0 && op->type != WHARF_ZSET) ||
	    (by == 0 && (op->flags & WHARF_REVERSE)))
		return 0;
	return by == WHARF_BY_SCORE ? op->min <= op->max :
	    op->min == 0 && op->max == 0;
}

/* The first file there is. */
static int
range_file(const struct wharf *w, const struct wharf_op *op, struct listing *l)
{
	unsigned	slot;

	if (op->flags & WHARF_ONE_FILE) {
		l->store = op->file / w->files;
		l->file = op->file % w->files;
		return op->type != WHARF_ZSET && l->store < w->stores;
	}
	if (op->type == WHARF_ZSET) {
		slot = op_slot(op);
		l->store = slot_store(slot, w->stores);
		l->file = slot_file(slot, w->stores, w->files);
		if (l->order == LIST_KEYS)
			l->flags |= LIST_ONE_FILE;
	}
	return op->file == 0;
}

int
list_range(const struct wharf *w, const struct wharf_op *op,
    struct listing *l, struct list_ask *ask)
{
	memset(ask, 0, sizeof(*ask));
	l->type = (uint8_t)op->type;
	if (!range_flags(op, l) || !range_file(w, op, l) ||
	    op->start > SLOTS || op->end > SLOTS)
		return 0;
	l->offset = op->offset;
	l->limit = op->limit;
	ask->order = l->order;
	ask->flags = l->flags;
	ask->file = (uint16_t)l->file;
	ask->start = (uint16_t)op->start;
	ask->end = (uint16_t)(op->end != 0 ? op->end : SLOTS);
	ask->limit = l->limit;
	ask->offset = l->offset;
	ask->min = op->min;
	ask->max = op->max;
	return ask->start < ask->end;
}

/* A last key that is no key by its length stands behind the question. */
static int
request_ask(struct request *rq, const struct list_ask *ask,
    const struct place *p)
{
	struct frame	*f = &rq->f;
	size_t		 n = LIST_ASK_SIZE;

	list_ask_put(rq->ask, ask);
	request_value(rq, rq->ask, n);
	if (p->keylen <= KEY_MAX) {
		f->key = p->key;
		f->keylen = (uint32_t)p->keylen;
		return 1;
	}
	n += p->keylen;
	if ((rq->bytes = malloc(n)) == NULL)
		return 0;
	memcpy(rq->bytes, rq->ask, LIST_ASK_SIZE);
	memcpy(rq->bytes + LIST_ASK_SIZE, p->key, p->keylen);
	request_value(rq, rq->bytes, n);
	return 1;
}

static op_take	list_take;

/* The cursor decides where the page begins, if there is one. */
static int
list_place(const struct wharf *w, const struct wharf_op *op,
    struct listing *l, struct place *p)
{
	p->store = l->store;
	p->file = l->file;
	p->offset = op->offset;
	if (op->cursorlen == 0)
		return 1;
	if (op->offset != 0 ||
	    !cursor_get(w, l, p, op->cursor, op->cursorlen))
		return 0;
	l->store = p->store;
	l->file = p->file;
	l->offset = p->offset;
	return 1;
}

enum wharf_status
list_request(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	struct listing	*l = &rq->list;
	struct list_ask	 ask;
	struct place	 p = { .key = NULL };

	if (!list_range(w, op, l, &ask) || l->limit > LIST_MOST ||
	    !list_place(w, op, l, &p))
		return WHARF_PARAM;
	if (l->limit == 0)
		l->limit = LIST_MOST;
	ask.limit = l->limit;
	ask.file = (uint16_t)p.file;
	ask.offset = p.offset;
	rq->take = list_take;
	rq->f.flags = 0;		/* the question has them */
	request_to(w, rq, p.store);	/* slot N lies in store N */
	return request_ask(rq, &ask, &p) ? WHARF_OK : WHARF_NOMEM;
}

size_t
cursor_first(uint8_t *out, const struct listing *l)
{
	struct place	p = { .store = l->store, .file = l->file,
		.offset = l->offset };

	return cursor_put(out, l, &p);
}

/* The answer */

/* Reads all of a page; *last is its last entry.  0: malformed. */
static int
page_check(const struct listing *l, const uint8_t *p, size_t n,
    struct list_head *h, struct list_item *last)
{
	size_t		used;
	uint32_t	i;

	if (n < LIST_HEAD_SIZE || list_head_get(h, p, LIST_HEAD_SIZE) != E_OK ||
	    h->count > l->limit || h->passed > l->offset ||
	    (h->count == 0 && (h->flags & LIST_MORE)))
		return 0;
	p += LIST_HEAD_SIZE;
	n -= LIST_HEAD_SIZE;
	for (i = 0; i < h->count; i++, p += used, n -= used)
		if (list_item_get(last, p, n, &used) != E_OK ||
		    last->keylen == 0 || last->type == 0 ||
		    strchr("KHSZ", last->type) == NULL ||
		    (l->type != 0 && last->type != l->type) ||
		    (last->type == WHARF_KEY) != (last->tablen == 0))
			return 0;
	return n == 0;
}

/* Where the next page begins; 0: there is none. */
static size_t
cursor_next(const struct wharf *w, const struct listing *l,
    const struct list_head *h, const struct list_item *last)
{
	struct place	p = { .store = l->store + 1 };

	if (h->flags & LIST_MORE)
		return cursor_behind(w, w->cursor, l, last,
		    h->passed + h->count);
	if (listing_is_single(l) || p.store >= w->stores)
		return 0;
	p.offset = h->count != 0 ? 0 : l->offset - h->passed;
	return cursor_put(w->cursor, l, &p);
}

/*
 * A store that has nothing of a table says NOTFOUND as long as others have it:
 * an empty page.
 */
static void
list_take(struct wharf *w, const struct op *op, const struct frame *f,
    struct wharf_answer *a)
{
	struct list_head	h = { .count = 0 };
	struct list_item	last;

	if (a->status == WHARF_NOTFOUND && op->list.type != 0)
		a->status = WHARF_OK;
	else if (a->status == WHARF_DAMAGED)
		return;			/* its value says where */
	else if (a->status == WHARF_OK &&
	    !page_check(&op->list, f->val, f->vallen, &h, &last))
		a->status = WHARF_BADMSG;
	if (a->status == WHARF_OK && w->cursor == NULL &&
	    (w->cursor = malloc(CURSOR_MAX)) == NULL)
		a->status = WHARF_NOMEM;
	if (a->status != WHARF_OK) {
		a->value = NULL;
		a->length = 0;
		return;
	}
	a->count = h.count;
	a->number = (int64_t)h.total;
	a->flags |= h.flags & LIST_LOST ? WHARF_LOST : 0;
	a->cursorlen = cursor_next(w, &op->list, &h, &last);
	a->cursor = a->cursorlen != 0 ? w->cursor : NULL;
}

int
page_next(const struct wharf_answer *a, size_t *place, struct list_item *i)
{
	const uint8_t	*p = a->value;
	size_t		 used;

	if (*place < LIST_HEAD_SIZE)
		*place = LIST_HEAD_SIZE;
	if (*place >= a->length ||
	    list_item_get(i, p + *place, a->length - *place, &used) != E_OK)
		return 0;
	*place += used;
	return 1;
}

void
item_fill(struct wharf_item *item, const struct list_item *i)
{
	memset(item, 0, sizeof(*item));
	item->type = (enum wharf_type)i->type;
	item->version = i->version;
	item->ttl = i->ttl;
	item->score = i->score;
	item->key = i->key;
	item->keylen = i->keylen;
	item->damaged = i->damaged;
	if (i->vallen != 0) {
		item->value = i->val;
		item->length = i->vallen;
	}
	if (i->tablen != 0)
		memcpy(item->table, i->tab, i->tablen);
}

int
wharf_next_item(const struct wharf_answer *a, size_t *place,
    struct wharf_item *item)
{
	struct list_item	i;

	if (!page_next(a, place, &i))
		return 0;
	item_fill(item, &i);
	return 1;
}
