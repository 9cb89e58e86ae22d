/*
 * export.c: export (plan.h).
 *
 * Each store that has a part of the table makes its part of the snapshot, under
 * one token.  They are asked one after the other: what the first refuses has
 * begun nowhere, and when a later one does, or its answer does not come, all
 * are told to forget theirs.  The table's type is asked for first; and where
 * offset and size cut a listing that goes over several stores, how many entries
 * each has, a million in a step.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_list.h"
#include "proto/msg_stat.h"
#include "proto/msg_task.h"
#include "proto/slot.h"
#include "worker/args.h"
#include "worker/brief.h"
#include "worker/entry.h"

#define STEP		1000000u	/* the longest offset of a listing */
#define OFFSET_TOP	100000000u	/* contract 1.8 */

enum phase { PH_TYPE, PH_COUNT, PH_EXPORT, PH_DONE };

struct export {
	struct list_ask	 ask;
	struct cursor	 at;		/* PH_COUNT: counted up to here */
	enum phase	 phase;
	uint8_t		 type;		/* of the table; 0: a file is wanted */
	unsigned	 first, last;	/* stores */
	unsigned	 store;		/* is asked */
	unsigned	 files;
	int64_t		 token;
	uint64_t	 offset, size;	/* size 0: all */
	uint64_t	 has[STORES_MAX];
	uint8_t		 wire[LIST_ASK_SIZE];
	uint8_t		 after[ENTRY_AFTER];
};

/* No two alike. */
static int64_t
token_new(struct worker *w)
{
	int64_t	token = task_token(wall_ms() * 1000, w->a.seat);

	if (token <= w->token)
		token = w->token + TASK_TOKENS;
	return w->token = token;
}

static enum err
export_send(struct request *r, struct export *x, uint16_t msg, size_t keylen)
{
	struct param_text	tab = params_text(&r->par, P_TB);
	struct frame		f;

	list_ask_put(x->wire, &x->ask);
	memset(&f, 0, sizeof(f));
	f.msg = msg;
	f.type = x->type;
	f.slot = r->slot;
	if (x->phase == PH_TYPE || x->type != 0) {
		f.tab = tab.p;
		f.tablen = tab.len;
	}
	if (x->phase != PH_TYPE) {
		f.val = x->wire;
		f.vallen = sizeof(x->wire);
		f.key = x->after;
		f.keylen = (uint32_t)keylen;
		f.score = x->token;
	}
	return plan_send(r, x->store, 0, &f);
}

/* How many more entries the store has, up to a step. */
static enum err
count_ask(struct request *r, struct export *x)
{
	struct param_text	tab = params_text(&r->par, P_TB);

	x->ask.order = LIST_KEYS;
	x->ask.cover = 0;
	x->ask.file = (uint16_t)(x->at.file % x->files);
	x->ask.limit = 1;
	x->ask.offset = x->at.passed < STEP ? STEP - 1 : x->at.passed;
	return export_send(r, x, MSG_STORE_LIST,
	    entry_after(&x->at, tab.p, tab.len, 0, x->after));
}

/* The part of x->store in the window of offset and size. */
static void
window_take(struct export *x)
{
	uint64_t	before = 0, from = x->offset, to = from + x->size;
	unsigned	i;

	x->ask.offset = x->offset;
	x->ask.limit = (uint32_t)x->size;
	if (x->size == 0 || x->first == x->last)
		return;
	for (i = x->first; i < x->store; i++)
		before += x->has[i];
	from = from < before ? 0 : from - before;
	to = to < before ? 0 : to - before;
	if (to > x->has[x->store])
		to = x->has[x->store];
	x->ask.offset = from < to ? from : OFFSET_TOP;	/* nothing of it */
	x->ask.limit = from < to ? (uint32_t)(to - from) : 1;
}

static enum err
export_ask(struct request *r, struct export *x)
{
	x->ask.order = x->type == 'Z' ? LIST_RANK : LIST_KEYS;
	x->ask.cover = params_num(&r->par, P_COVER) != 0;
	x->ask.file = (uint16_t)((x->ask.flags & LIST_ONE_FILE) != 0 ?
	    (unsigned)params_num(&r->par, P_FILE) % x->files : 0);
	window_take(x);
	return export_send(r, x, MSG_STORE_EXPORT, 0);
}

/* It is known whose and what the entries are. */
static enum err
parts_begin(struct request *r, struct export *x)
{
	x->store = x->first;
	if (x->first != x->last)
		x->token |= TASK_EVERYWHERE;
	if (x->size > 0 && x->first != x->last) {
		x->phase = PH_COUNT;
		cursor_begin(&x->at, x->type, x->store * x->files);
		return count_ask(r, x);
	}
	x->phase = PH_EXPORT;
	return export_ask(r, x);
}

static enum err
export_take(struct export *x, struct request *r, const char **detail)
{
	const struct params	*ps = &r->par;
	enum err		 e;

	x->files = args_files(r);
	x->offset = (uint64_t)params_num(ps, P_OFFSET);
	x->size = (uint64_t)params_num(ps, P_COUNT);
	if ((e = args_peer(r, detail)) != E_OK ||
	    (e = args_range(r, &x->ask, detail)) != E_OK)
		return e;
	*detail = "offset without size";
	return x->offset > 0 && x->size == 0 ? E_PARAM : E_OK;
}

static enum err
export_start(struct request *r, const char **detail)
{
	struct param_text	 tab = params_text(&r->par, P_TB);
	unsigned		 file = (unsigned)params_num(&r->par, P_FILE);
	struct export		*x = calloc(1, sizeof(*x));
	enum err		 e;

	if ((r->plan_data = x) == NULL || plan_hold(r, sizeof(*x)) != E_OK)
		return E_NOMEM;
	if ((e = export_take(x, r, detail)) != E_OK)
		return e;
	x->token = token_new(r->w);
	r->slot = (uint16_t)slot_of(tab.p, tab.len);
	if (tab.len > 0) {
		*detail = NULL;
		x->store = slot_store(r->slot, r->w->nstores);
		return export_send(r, x, MSG_STORE_STAT, 0);
	}
	*detail = "file";
	x->first = x->last = file / x->files;
	if (x->last >= r->w->nstores)
		return E_PARAM;
	*detail = NULL;
	x->ask.flags |= LIST_ONE_FILE;
	x->store = x->first;
	return parts_begin(r, x);
}

static enum err
type_reply(struct request *r, struct export *x, const struct frame *f)
{
	struct stat_row	row;
	size_t		used;

	if (f->status == E_TYPE || f->status == E_NOTFOUND)
		return E_PARAM;		/* contract 1.8 */
	if (f->status != E_OK)
		return f->status;
	if (stat_row_get(&row, f->val, f->vallen, &used) != E_OK)
		return E_INTERNAL;
	x->type = row.type;
	x->first = x->last = x->store;
	if (row.type != 'Z') {
		x->first = 0;
		x->last = r->w->nstores - 1;
	}
	return parts_begin(r, x);
}

/* Whether the store may have more entries that matter. */
static int
count_stays(const struct export *x, const struct list_head *h)
{
	uint64_t	sum = 0;
	unsigned	i;

	for (i = x->first; i <= x->store; i++)
		sum += x->has[i];
	return h->count > 0 && sum < x->offset + x->size;
}

static enum err
count_reply(struct request *r, struct export *x, const struct frame *f)
{
	struct list_head	h = { .count = 0 };
	struct list_item	it;
	uint64_t		known = x->at.passed;
	size_t			used;

	if (f->status != E_OK && f->status != E_NOTFOUND &&
	    f->status != E_TYPE)
		return f->status;
	if (f->status == E_OK && (f->vallen < LIST_HEAD_SIZE ||
	    list_head_get(&h, f->val, LIST_HEAD_SIZE) != E_OK ||
	    (h.count > 0 && list_item_get(&it, f->val + LIST_HEAD_SIZE,
	    f->vallen - LIST_HEAD_SIZE, &used) != E_OK)))
		return E_INTERNAL;
	if (h.count > 0)
		entry_pass(&x->at, &it, r->w->nstores, x->files);
	x->has[x->store] += h.count;
	if (h.passed > known)
		x->has[x->store] += h.passed - known;
	if (count_stays(x, &h))
		return count_ask(r, x);
	if (x->store++ < x->last) {
		cursor_begin(&x->at, x->type, x->store * x->files);
		return count_ask(r, x);
	}
	x->store = x->first;
	x->phase = PH_EXPORT;
	return export_ask(r, x);
}

static void
export_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct export	*x = r->plan_data;
	const char	*detail = NULL;
	enum err	 e;

	(void)part;
	if (x->phase == PH_TYPE) {
		if ((e = type_reply(r, x, f)) == E_PARAM)
			detail = "no such table";
	} else if (x->phase == PH_COUNT)
		e = count_reply(r, x, f);
	else if ((e = f->status) == E_OK) {
		if (x->store == x->last) {
			x->phase = PH_DONE;
			brief_number(r, x->token, NULL);
			return;
		}
		x->store++;
		e = export_ask(r, x);
	}
	if (e != E_OK)
		plan_fail(r, e, detail);
}

/* Parts that have begun, or may have: of no use without the others. */
static void
parts_forget(struct request *r, const struct export *x)
{
	struct frame	f = { .msg = MSG_STORE_TASK, .flags = FRAME_FORGET,
			    .score = x->token };
	unsigned	i;

	for (i = x->first; i <= x->store; i++)
		call_tell(r->w, i, &f);
}

static void
export_free(struct request *r)
{
	struct export	*x = r->plan_data;

	if (x != NULL && x->phase == PH_EXPORT)
		parts_forget(r, x);
	free(x);
}

const struct plan_ops plan_export = {
	.start = export_start, .reply = export_reply,
	.free = export_free,
};
