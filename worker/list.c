/*
 * list.c: keys, hkeys, smembers and the zrange family (plan.h).
 *
 * A listing walks the stores in their order and asks one at a time, from a
 * place on (cursor.h) for what the page still lacks.  A page ends early, with a
 * Cursor, rather than take more than its part of the worker's budget.  A
 * snapshot's listing (async) goes on through all stores, to add up its length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/msg_list.h"
#include "proto/slot.h"
#include "worker/answer.h"
#include "worker/args.h"
#include "worker/brief.h"
#include "worker/cursor.h"
#include "worker/entry.h"
#include "worker/plan.h"

#define OFFSET_SYNC	1000000		/* contract 1.7 */
#define PAGE_PART	4u		/* of the budget, for the text of a page */

struct listing {
	struct list_ask	 ask;
	struct cursor	 at;		/* where it goes on */
	struct json	 out;
	uint64_t	 offset;	/* entries still to be passed over */
	uint64_t	 total;
	uint32_t	 size, count;
	unsigned	 store;		/* is asked */
	unsigned	 files;		/* K */
	unsigned	 slot;		/* of the table */
	uint8_t		 async, by_cursor;
	uint8_t		 found;		/* a store has the table */
	uint8_t		 full;		/* no room for more text */
	uint64_t	 lost;		/* stores (bits) that lack entries */
	uint8_t		 wire[LIST_ASK_SIZE];
	uint8_t		 after[ENTRY_AFTER];
};

/* Whether it is asked: one without a slot of the range has nothing. */
static int
is_asked(const struct listing *l, const struct request *r, unsigned store)
{
	unsigned	n = r->w->nstores, start = l->ask.start;

	if (l->at.what == CURSOR_KEYS)
		return store == l->at.file / l->files;
	if (l->at.what == 'Z')
		return store == slot_store(l->slot, n);
	return start + (store + n - start % n) % n < l->ask.end;
}

/* The first store from this one on that is asked; nstores: none. */
static unsigned
store_from(const struct listing *l, const struct request *r, unsigned store)
{
	while (store < r->w->nstores && !is_asked(l, r, store))
		store++;
	return store;
}

static enum err
cursor_read(struct listing *l, const struct request *r, unsigned first)
{
	struct param_text	text = params_text(&r->par, P_CURSOR);
	uint8_t			what = l->at.what;
	enum err		e;

	l->by_cursor = 1;
	if (text.len == 1 && text.p[0] == '0')
		return E_OK;
	e = cursor_parse(&l->at, text.p, text.len, what,
	    r->w->nstores * l->files);
	if (e == E_OK && (what == CURSOR_KEYS || what == 'Z') &&
	    l->at.file != first)
		e = E_PARAM;		/* of another file or table */
	return e;
}

/* The first file of the listing. */
static enum err
file_first(const struct listing *l, const struct request *r, unsigned *first)
{
	const struct params	*ps = &r->par;
	unsigned		 n = r->w->nstores;

	*first = 0;
	if (r->path->type == 0) {
		*first = (unsigned)params_num(ps, P_FILE);
		return *first < n * l->files ? E_OK : E_PARAM;
	}
	if (r->path->type == 'Z')
		*first = slot_store(l->slot, n) * l->files +
		    slot_file(l->slot, n, l->files);
	return E_OK;
}

/* From where on; *detail names the parameter that is wrong. */
static enum err
place_take(struct listing *l, const struct request *r, const char **detail)
{
	uint8_t		what = r->path->type != 0 ? r->path->type : CURSOR_KEYS;
	unsigned	first;

	*detail = "file";
	if (file_first(l, r, &first) != E_OK)
		return E_PARAM;
	cursor_begin(&l->at, what, first);
	if ((r->par.given & B(P_CURSOR)) == 0) {
		l->offset = (uint64_t)params_num(&r->par, P_OFFSET);
		*detail = "offset";
		return l->offset > OFFSET_SYNC && !l->async ? E_PARAM : E_OK;
	}
	*detail = "cursor";
	return l->async ? E_PARAM : cursor_read(l, r, first);
}

/* Contract 1.6: the slot of the set itself must be in the range. */
static enum err
zset_take(struct listing *l, const struct request *r, const char **detail)
{
	int	scores = (r->path->optional & B(P_MIN)) != 0;

	l->ask.order = scores ? LIST_SCORE : LIST_RANK;
	if ((r->path->flags & PF_REVERSE) != 0)
		l->ask.flags |= LIST_REVERSE;
	if (scores && args_scores(r, &l->ask, detail) != E_OK)
		return E_PARAM;
	*detail = "the slot of the table is not in start..end";
	return l->slot < l->ask.start || l->slot >= l->ask.end ? E_TYPE : E_OK;
}

static enum err
listing_take(struct listing *l, const struct request *r, const char **detail)
{
	struct param_text	tab = params_text(&r->par, P_TB);
	enum err		e;

	l->files = args_files(r);
	l->slot = slot_of(tab.p, tab.len);
	l->size = (uint32_t)params_num(&r->par, P_SIZE);
	l->async = params_num(&r->par, P_ASYNC) != 0;
	if (l->async)
		l->ask.flags |= LIST_ASYNC;
	if (r->path->type == 0)
		l->ask.flags |= LIST_ONE_FILE;
	e = args_range(r, &l->ask, detail);
	if (e == E_OK)
		e = place_take(l, r, detail);
	if (e == E_OK && r->path->type == 'Z')
		e = zset_take(l, r, detail);
	return e;
}

static enum err
listing_ask(struct request *r, struct listing *l)
{
	struct param_text	tab = params_text(&r->par, P_TB);
	struct frame		f;

	l->ask.file = (uint16_t)(l->at.file % l->files);
	l->ask.limit = l->full ? 0 : l->size - l->count;
	l->ask.offset = l->offset + l->at.passed;
	list_ask_put(l->wire, &l->ask);
	memset(&f, 0, sizeof(f));
	f.msg = MSG_STORE_LIST;
	f.type = r->path->type;
	f.slot = (uint16_t)l->slot;
	f.tab = tab.p;
	f.tablen = tab.len;
	f.key = l->after;
	f.keylen = (uint32_t)entry_after(&l->at, tab.p, tab.len,
	    (l->ask.flags & LIST_REVERSE) != 0, l->after);
	f.val = l->wire;
	f.vallen = sizeof(l->wire);
	return plan_send(r, l->store, 0, &f);
}

static enum err
list_start(struct request *r, const char **detail)
{
	struct listing	*l = calloc(1, sizeof(*l));
	enum err	 e;

	if ((r->plan_data = l) == NULL)
		return E_NOMEM;
	json_init(&l->out, &r->w->budget);
	if (plan_hold(r, sizeof(*l)) != E_OK)
		return E_NOMEM;
	if ((e = args_peer(r, detail)) != E_OK ||
	    (e = listing_take(l, r, detail)) != E_OK)
		return e;
	*detail = NULL;
	r->slot = (uint16_t)l->slot;
	l->store = store_from(l, r, l->at.file / l->files);
	json_raw(&l->out, "[");
	if (l->store == r->w->nstores)
		return E_PARAM;		/* a cursor of other slots */
	/* The cursor's own store has none of these slots. */
	if (l->store != l->at.file / l->files)
		cursor_begin(&l->at, l->at.what, l->store * l->files);
	return listing_ask(r, l);
}

/* One more entry of the page, unless it would grow too long by it. */
static void
entry_add(struct listing *l, const struct request *r,
    const struct list_item *it)
{
	size_t	mark = l->out.n;

	if (l->count > 0)
		json_raw(&l->out, ",");
	entry_json(&l->out, it, (l->ask.flags & LIST_VALUES) != 0,
	    l->at.what == CURSOR_KEYS);
	if (l->out.bad || (l->count > 0 &&
	    l->out.n > r->w->budget.max / PAGE_PART)) {
		json_cut(&l->out, mark);
		l->full = 1;
		return;
	}
	l->count++;
	if (!l->async)
		entry_pass(&l->at, it, r->w->nstores, l->files);
}

static enum err
entries_take(struct listing *l, const struct request *r, const uint8_t *p,
    size_t n, struct list_head *h)
{
	struct list_item	it;
	size_t			used;
	uint32_t		i;

	if (n < LIST_HEAD_SIZE || list_head_get(h, p, LIST_HEAD_SIZE) != E_OK)
		return E_INTERNAL;
	p += LIST_HEAD_SIZE;
	n -= LIST_HEAD_SIZE;
	if (h->count > l->ask.limit)
		return E_INTERNAL;
	/* What an item has beside its bytes is about what its text has. */
	json_expect(&l->out, base64_size(n, BASE64_STD));
	for (i = 0; i < h->count && !l->full; i++) {
		if (list_item_get(&it, p, n, &used) != E_OK)
			return E_INTERNAL;
		entry_add(l, r, &it);
		p += used;
		n -= used;
	}
	return E_OK;
}

/* What a store said; *h all 0 when it has nothing of the table. */
static enum err
answer_take(struct listing *l, const struct request *r, const struct frame *f,
    struct list_head *h)
{
	memset(h, 0, sizeof(*h));
	/* Elsewhere it was found: it went meanwhile. */
	if (f->status == E_NOTFOUND || (f->status == E_TYPE && l->found)) {
		l->found = 1;
		return E_OK;
	}
	if (f->status != E_OK)
		return f->status;
	l->found = 1;
	return entries_take(l, r, f->val, f->vallen, h);
}

/* Takes off what was passed over; to ask a snapshot again: and what was taken. */
static void
offset_move(struct listing *l, const struct list_head *h, int stays)
{
	uint64_t	passed = h->passed;

	if (l->async && stays) {
		l->offset = passed + h->count;
		return;
	}
	passed -= passed < l->at.passed ? passed : l->at.passed;
	if (h->count > 0 || passed > l->offset)
		passed = l->offset;
	l->offset -= passed;
}

/*
 * Decides whether to go on: 1 and the place is set, 0 the page is done.  *more:
 * the listing is not at its end.
 */
static int
listing_next(struct listing *l, const struct request *r,
    const struct list_head *h, int *more)
{
	int	lacks = l->count < l->size && !l->full;
	int	stays = (h->flags & LIST_MORE) != 0;

	*more = 1;
	if (!lacks && (stays || l->full) && !l->async)
		return 0;
	stays = stays && lacks;
	offset_move(l, h, stays);
	if (!stays) {
		l->store = store_from(l, r, l->store + 1);
		*more = l->store < r->w->nstores;
		if (*more)
			cursor_begin(&l->at, l->at.what, l->store * l->files);
	}
	return *more && (lacks || l->async);
}

/* Where what is listed may lack something. */
static void
lost_text(const struct listing *l, char *out, size_t max)
{
	unsigned	s;
	size_t		n = 0;

	for (s = 0; s < STORES_MAX && n < max; s++)
		if (l->lost >> s & 1)
			n += (size_t)snprintf(out + n, max - n, "%sstore.%u",
			    n == 0 ? "" : " ", s);
}

static void
listing_finish(struct request *r, struct listing *l, int more)
{
	char		 keys[16], total[24], cursor[CURSOR_TEXT] = "0";
	char		 lost[STORES_MAX * 9];
	const char	*headers[] = { "Keys", keys, "TotalCount", total,
			    NULL, NULL, NULL, NULL, NULL };
	unsigned	 n = 4;

	json_raw(&l->out, "]");
	(void)snprintf(keys, sizeof(keys), "%u", l->count);
	(void)snprintf(total, sizeof(total), "%llu",
	    (unsigned long long)l->total);
	if (more)
		cursor_text(&l->at, cursor);
	/* Without an entry an offset has led to no place. */
	if (!l->async && (l->size != 0 || l->by_cursor)) {
		headers[n++] = "Cursor";
		headers[n++] = cursor;
	}
	if (l->lost != 0) {
		lost_text(l, lost, sizeof(lost));
		headers[n++] = "Wharf-Lost";
		headers[n++] = lost;
	}
	brief_text(r, &l->out, headers);
}

static void
list_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct listing		*l = r->plan_data;
	struct list_head	 h;
	enum err		 e = answer_take(l, r, f, &h);
	char			 detail[ANSWER_DETAIL];
	int			 more;

	(void)part;
	l->total += h.total;
	if (h.flags & LIST_LOST)
		l->lost |= UINT64_C(1) << l->store;
	if (e == E_OK && l->full && l->count == 0)
		e = E_NOMEM;
	if (e == E_OK && (h.flags & LIST_MORE) != 0 && h.count == 0 &&
	    l->ask.limit > 0)
		e = E_INTERNAL;		/* would ask the same for ever */
	if (e == E_OK && listing_next(l, r, &h, &more)) {
		if ((e = listing_ask(r, l)) == E_OK)
			return;
	}
	if (e == E_OK && l->async &&
	    l->total <= (uint64_t)params_num(&r->par, P_OFFSET))
		e = E_SNAPSHOT;
	if (e != E_OK)
		plan_fail(r, e, answer_detail(f, detail));
	else
		listing_finish(r, l, more);
}

static void
list_free(struct request *r)
{
	struct listing	*l = r->plan_data;

	if (l == NULL)
		return;
	json_free(&l->out);
	free(l);
}

const struct plan_ops plan_list = {
	.start = list_start, .reply = list_reply,
	.free = list_free,
};
