/*
 * stat.c: stat, stat_all, hlen, scard, zcard, zcount, zrank, file_count and
 * info: one question to one store, a number or a short JSON text as the answer
 * (plan.h).  What any store can say is asked of the next one when one is away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg_stat.h"
#include "proto/slot.h"
#include "worker/answer.h"
#include "worker/args.h"
#include "worker/brief.h"
#include "worker/info.h"
#include "worker/plan.h"
#include "worker/single.h"

struct question {
	struct frame	f;
	unsigned	store;		/* is asked */
	unsigned	others;		/* may be asked in its place */
	uint8_t		wire[LIST_ASK_SIZE];
};

/* Whether what there is of all stores is wanted: each of them can say it. */
static int
any_can_say(const struct frame *f)
{
	return f->msg == MSG_STORE_STAT || f->msg == MSG_STORE_STATS;
}

/* Asks the next of the others that is there; E_NOTREADY: there is none. */
static enum err
others_ask(struct request *r, struct question *q)
{
	enum err	e = E_NOTREADY;

	for (; e == E_NOTREADY && q->others > 0; q->others--) {
		q->store = (q->store + 1) % r->w->nstores;
		e = plan_send(r, q->store, 0, &q->f);
	}
	return e;
}

static enum err
scores_take(const struct request *r, struct question *q, const char **detail)
{
	struct list_ask	 ask = { .order = LIST_SCORE, .end = SLOTS };
	enum err	 e;

	if ((e = args_scores(r, &ask, detail)) != E_OK)
		return e;
	list_ask_put(q->wire, &ask);
	q->f.val = q->wire;
	q->f.vallen = LIST_ASK_SIZE;
	return E_OK;
}

static enum err
question_make(struct request *r, struct question *q, const char **detail)
{
	struct param_text	 tab = params_text(&r->par, P_TB), key;
	struct frame		*f = &q->f;

	f->msg = r->path->msg;
	f->type = r->path->type;
	f->tab = tab.p;
	f->tablen = tab.len;
	f->slot = r->slot = (uint16_t)slot_of(tab.p, tab.len);
	q->store = slot_store(f->slot, r->w->nstores);
	if (any_can_say(f))
		q->others = r->w->nstores - 1;
	if (f->msg == MSG_STORE_ZCOUNT)
		return scores_take(r, q, detail);
	if (f->msg == MSG_STORE_ZRANK) {
		key = single_key(r);
		f->key = key.p;
		f->keylen = key.len;
		f->flags = params_num(&r->par, P_REV) ? FRAME_REVERSE : 0;
	}
	return E_OK;
}

static enum err
stat_start(struct request *r, const char **detail)
{
	struct question	*q;
	enum err	 e;

	if ((e = args_peer(r, detail)) != E_OK)
		return e;
	if (r->path->msg == 0) {
		brief_number(r, (int64_t)r->w->nstores * args_files(r), NULL);
		return E_OK;
	}
	if ((r->plan_data = q = calloc(1, sizeof(*q))) == NULL)
		return E_NOMEM;
	if ((e = question_make(r, q, detail)) != E_OK)
		return e;
	e = plan_send(r, q->store, 0, &q->f);
	return e == E_NOTREADY ? others_ask(r, q) : e;
}

static void
sum_json(struct json *j, const struct stat_row *row)
{
	json_raw(j, "\"count\":");
	json_int(j, row->count);
	json_raw(j, ",\"size\":");
	json_int(j, row->size);
	json_raw(j, ",\"capacity\":");
	json_int(j, row->capacity);
}

static void
totals_json(struct json *j, const struct stat_row rows[2])
{
	json_raw(j, "{\"TOTALIZE\":{\"KVPAIR\":{");
	sum_json(j, &rows[0]);
	json_raw(j, "},\"HASHTABLE\":{");
	sum_json(j, &rows[1]);
	json_raw(j, "}}}");
}

static void
table_json(struct json *j, const struct stat_row *row)
{
	json_raw(j, "{\"table\":");
	json_name(j, row->name, row->namelen);
	json_raw(j, ",\"type\":");
	json_name(j, &row->type, 1);
	json_raw(j, ",");
	if (row->type == 'H')
		sum_json(j, row);
	else {
		json_raw(j, "\"count\":");
		json_int(j, row->count);
	}
	json_raw(j, "}");
}

/* The next row at *p. */
static enum err
row_next(struct stat_row *row, const uint8_t **p, size_t *n)
{
	size_t	used;

	if (stat_row_get(row, *p, *n, &used) != E_OK)
		return E_INTERNAL;
	*p += used;
	*n -= used;
	return E_OK;
}

/* The two rows of totals, and of STORE_STATS the tables behind them. */
static enum err
rows_json(struct json *j, const struct request *r, const uint8_t *p, size_t n)
{
	struct stat_row	totals[2], row;
	enum err	e;

	if ((e = row_next(&totals[0], &p, &n)) != E_OK ||
	    (e = row_next(&totals[1], &p, &n)) != E_OK)
		return e;
	if (info_wanted(r)) {
		info_json(j, r, totals);
		return E_OK;
	}
	if (r->path->msg == MSG_STORE_STAT) {
		totals_json(j, totals);
		return E_OK;
	}
	json_raw(j, "[");
	totals_json(j, totals);
	while (n > 0) {
		if ((e = row_next(&row, &p, &n)) != E_OK)
			return e;
		json_raw(j, ",");
		table_json(j, &row);
	}
	json_raw(j, "]");
	return E_OK;
}

/* What STORE_STAT and STORE_STATS say. */
static enum err
stat_json(struct json *j, const struct request *r, const struct frame *f)
{
	const uint8_t	*p = f->val;
	size_t		 n = f->vallen;
	struct stat_row	 row;
	enum err	 e;

	if ((r->par.given & B(P_TB)) == 0)
		return rows_json(j, r, p, n);
	if ((e = row_next(&row, &p, &n)) != E_OK)
		return e;
	if (r->path->type == 0)
		table_json(j, &row);
	else if (row.type != r->path->type)
		return E_TYPE;
	else
		json_int(j, row.count);
	return E_OK;
}

static void
rank_done(struct request *r, const struct frame *f)
{
	char		 version[16];
	const char	*headers[] = { "Version", version, NULL };

	(void)snprintf(version, sizeof(version), "%u", f->ver);
	brief_number(r, f->score, headers);
}

static void
stat_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct json	j;
	enum err	e = f->status;
	char		detail[ANSWER_DETAIL];

	(void)part;
	if (e == E_NOTFOUND && r->path->msg == MSG_STORE_STAT) {
		/* To stat it is what was asked for, to others where it is. */
		plan_fail(r, r->path->type == 0 ? e : E_TYPE, NULL);
		return;
	}
	if (e == E_OK && r->path->msg == MSG_STORE_ZCOUNT) {
		brief_number(r, f->score, NULL);
		return;
	}
	if (e == E_OK && r->path->msg == MSG_STORE_ZRANK) {
		rank_done(r, f);
		return;
	}
	json_init(&j, &r->w->budget);
	if (e == E_OK && (e = stat_json(&j, r, f)) == E_OK) {
		brief_text(r, &j, NULL);
		return;
	}
	json_free(&j);
	plan_fail(r, e, answer_detail(f, detail));
}

static void
stat_lost(struct request *r, unsigned part, enum err e)
{
	(void)part;
	if (e == E_NOTREADY)
		e = others_ask(r, r->plan_data);
	if (e != E_OK)
		plan_fail(r, e, NULL);
}

static void
stat_free(struct request *r)
{
	free(r->plan_data);
}

const struct plan_ops plan_stat = {
	.start = stat_start, .reply = stat_reply, .lost = stat_lost,
	.free = stat_free,
};
