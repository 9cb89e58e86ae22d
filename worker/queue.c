/*
 * queue.c: the plan of queues, topics and tasks (plan.h).  One message to one
 * router, whose answer may take as long as the client wants to wait; stat_all
 * goes from router to router and from page to page.
 *
 * A client that waits is watched for hanging up: then the router is told that
 * nobody waits any more, and an answer that crosses that is given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/answer.h"
#include "worker/brief.h"
#include "worker/queue.h"
#include "worker/receipt.h"
#include "worker/value.h"
#include "worker/worker.h"

#define TOKEN_TEXT	(QUEUE_TOKEN_MAX + 1)

static int
is_all(const struct asked *a)
{
	return a->f.msg == MSG_QUEUE_STAT && a->f.tablen == 0;
}

/* --- waiting --- */

static void
unpark(struct asked *a)
{
	gone_stop(&a->gone);
	if (a->parked)
		TAILQ_REMOVE(&a->r->w->waits, a, next);
	a->parked = 0;
}

/* Nobody waits: the router may forget it, MHD closes the connection. */
static void
give_up(struct request *r, enum err e)
{
	struct asked	*a = r->plan_data;
	struct frame	 f = { .msg = MSG_ROUTER_CANCEL,
		.score = (int64_t)a->f.id };
	unsigned	 to = TO_ROUTER | a->router;
	struct worker	*w = r->w;

	unpark(a);
	plan_fail(r, e, NULL);
	call_tell(w, to, &f);
}

static void
client_gone(struct request *r)
{
	give_up(r, E_WAITED);
	listeners_wake(r->w);
}

static void
park(struct request *r, struct asked *a)
{
	a->r = r;
	a->parked = 1;
	TAILQ_INSERT_TAIL(&r->w->waits, a, next);
	gone_watch(&a->gone, r, client_gone);
}

void
queue_stop(struct worker *w)
{
	struct asked	*a;

	while ((a = TAILQ_FIRST(&w->waits)) != NULL)
		give_up(a->r, E_NOTREADY);
}

/* --- asking --- */

static enum err
ask_send(struct request *r, struct asked *a)
{
	return plan_send(r, TO_ROUTER | a->router, 0, &a->f);
}

/* ms; a task's time begins again when a worker takes it (contract 5). */
static int64_t
longest(const struct asked *a)
{
	return a->f.msg == MSG_TASK_ASK ? 2 * a->wait : a->wait;
}

static enum err
queue_start(struct request *r, const char **detail)
{
	struct asked	*a = calloc(1, sizeof(*a));
	enum err	 e;

	if ((r->plan_data = a) == NULL)
		return E_NOMEM;
	json_init(&a->rows, &r->w->budget);
	if ((e = queue_ask(r, a, detail)) != E_OK)
		return e;
	*detail = NULL;
	if (a->wait > 0) {
		r->due = mono_add(mono_now(), longest(a) * 1000 +
		    r->w->deadline_us);
		r->parks = 1;
	}
	if ((e = ask_send(r, a)) == E_OK && a->wait > 0)
		park(r, a);
	return e;
}

/* --- answers --- */

/* 200 with the value; without room for it the receipt gives it back. */
static void
value_done(struct request *r, const struct frame *f,
    const char *const *headers)
{
	struct MHD_Response	*resp = value_plain(r, f,
				    f->msg == MSG_TOPIC_SUB);

	if (resp == NULL)
		plan_fail(r, E_NOMEM, NULL);
	else
		plan_value(r, resp, f->vallen, "text/plain", headers);
}

static void
text_done(struct request *r, struct json *j, enum err e)
{
	if (e == E_OK) {
		brief_text(r, j, NULL);
		return;
	}
	json_free(j);
	plan_fail(r, e, NULL);
}

/* Ack-Token where it is wanted, Deliveries, and Ack-Peer as the HA had it. */
static void
get_headers(const struct request *r, const struct asked *a,
    const struct frame *f, const char **out, char token[TOKEN_TEXT],
    char deliveries[12])
{
	if (!a->automatic) {
		memcpy(token, f->key, f->keylen);
		token[f->keylen] = '\0';
		*out++ = "Ack-Token";
		*out++ = token;
		if (queue_is_bare(r)) {
			*out++ = "Ack-Peer";
			*out++ = "0";
		}
	}
	(void)snprintf(deliveries, 12, "%u", f->ver);
	*out++ = "Deliveries";
	*out++ = deliveries;
	*out = NULL;
}

static void
items_done(struct request *r, const struct frame *f)
{
	struct json	 j;
	uint8_t		*p;
	size_t		 n;

	json_init(&j, &r->w->budget);
	if (queue_show_items(&j, f->val, f->vallen) == E_OK &&
	    (p = json_take(&j, &n)) != NULL) {
		plan_done(r, p, n, "application/octet-stream", NULL);
		return;
	}
	json_free(&j);
	plan_fail(r, E_NOMEM, NULL);
}

/* huststore's long polls sent the client elsewhere. */
static void
redirect(struct request *r, const char *path)
{
	const struct params	*ps = &r->par;
	struct param_text	 q = params_text(ps, P_QUEUE);
	struct param_text	 w = params_text(ps, P_WORKER);
	char			 where[TABLE_MAX + 3 * QUEUE_WORKER_MAX + 64];
	char			 name[3 * QUEUE_WORKER_MAX + 1] = "";
	const char		*headers[] = { "Location", where, NULL };
	uint32_t		 i;

	for (i = 0; i < w.len; i++)
		(void)snprintf(name + 3 * i, 4, "%%%02X", w.p[i]);
	if (w.len != 0)
		(void)snprintf(where, sizeof(where),
		    "%s?queue=%.*s&worker=%s%s", path, (int)q.len, q.p, name,
		    ((struct asked *)r->plan_data)->automatic ? "" :
		    "&ack=false");
	else
		(void)snprintf(where, sizeof(where), "%s?queue=%.*s&idx=%lld",
		    path, (int)q.len, q.p, (long long)params_num(ps, P_IDX));
	plan_refuse(r, E_ELSEWHERE, NULL, headers);
}

static void
get_reply(struct request *r, struct asked *a, const struct frame *f)
{
	char		 token[TOKEN_TEXT], deliveries[12];
	const char	*headers[7];

	if (f->keylen > QUEUE_TOKEN_MAX || f->vallen == 0) {
		plan_fail(r, E_INTERNAL, NULL);
		return;
	}
	if (params_num(&r->par, P_REDIRECT)) {
		receipt_return(r->w, a->router, f);
		redirect(r, "/get");
		return;
	}
	r->receipt = receipt_new(a->router, f, a->many, a->automatic);
	if (r->receipt == NULL) {
		receipt_return(r->w, a->router, f);
		plan_fail(r, E_NOMEM, NULL);
		return;
	}
	if (a->many) {
		items_done(r, f);
		return;
	}
	get_headers(r, a, f, headers, token, deliveries);
	value_done(r, f, headers);
}

static void
claim_reply(struct request *r, struct asked *a, const struct frame *f)
{
	char		 token[TOKEN_TEXT], queue[TABLE_MAX + 1];
	const char	*headers[] = { "Queue", queue, "Token", token, NULL };

	if (f->keylen > QUEUE_TOKEN_MAX || f->tablen > TABLE_MAX) {
		plan_fail(r, E_INTERNAL, NULL);
		return;
	}
	memcpy(token, f->key, f->keylen);
	token[f->keylen] = '\0';
	memcpy(queue, f->tab, f->tablen);
	queue[f->tablen] = '\0';
	if ((r->receipt = receipt_new(a->router, f, 0, 0)) == NULL) {
		receipt_return(r->w, a->router, f);
		plan_fail(r, E_NOMEM, NULL);
		return;
	}
	value_done(r, f, headers);
}

static void
number_header(struct request *r, const char *name, int64_t v)
{
	char		 text[24];
	const char	*headers[] = { name, text, NULL };

	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	plan_done(r, NULL, 0, NULL, headers);
}

static void
peek_reply(struct request *r, const struct frame *f)
{
	char		 deliveries[12];
	const char	*headers[] = { "Deliveries", deliveries, NULL };

	(void)snprintf(deliveries, sizeof(deliveries), "%u", f->ver);
	value_done(r, f, headers);
}

/* --- stat_all --- */

/* What a page says; *more: this router has more of them. */
static enum err
page_take(struct asked *a, const struct frame *f, int *more)
{
	struct queue_row	q = { .len = 0 };
	struct rbuf		b;
	uint32_t		i;

	rbuf_init(&b, f->val, f->vallen);
	for (i = 0; i < f->ver && !b.bad; i++)
		queue_row_get(&b, &q);
	if (rbuf_end(&b) != E_OK || (f->score != 0 && f->ver == 0))
		return E_INTERNAL;
	json_bytes(&a->rows, f->val, f->vallen);
	if (a->rows.bad)
		return E_NOMEM;
	a->nrows += f->ver;
	*more = f->score != 0;
	a->f.key = a->after;
	a->f.keylen = *more ? q.len : 0;
	if (a->f.keylen > 0)
		memcpy(a->after, q.name, a->f.keylen);
	return E_OK;
}

static void
all_reply(struct request *r, struct asked *a, const struct frame *f)
{
	struct json	j;
	enum err	e;
	int		more = 0;

	if ((e = page_take(a, f, &more)) == E_OK) {
		if (!more)
			a->router++;
		if (a->router < r->w->nrouters) {
			if ((e = ask_send(r, a)) != E_OK)
				plan_fail(r, e, NULL);
			return;
		}
		json_init(&j, &r->w->budget);
		e = queue_show_all(&j, r, a);
		text_done(r, &j, e);
		return;
	}
	plan_fail(r, e, NULL);
}

/* --- all of them --- */

static int
is_settings(const struct request *r)
{
	return r->path == &path_table[PATH_SETTINGS] ||
	    r->path == &path_table[PATH_MQ_SETTINGS];
}

static void
text_reply(struct request *r, const struct frame *f)
{
	struct json	j;
	enum err	e;

	json_init(&j, &r->w->budget);
	if (f->msg == MSG_QUEUE_WORKERS)
		e = queue_show_workers(&j, f->val, f->vallen);
	else if (f->msg == MSG_TASK_STAT)
		e = queue_show_tasks(&j, r, f->val, f->vallen);
	else if (is_settings(r))
		e = queue_show_settings(&j, f->val, f->vallen);
	else
		e = queue_show_stat(&j, r, f->val, f->vallen);
	text_done(r, &j, e);
}

static void
ok_reply(struct request *r, struct asked *a, const struct frame *f)
{
	switch (a->f.msg) {
	case MSG_QUEUE_GET:
		get_reply(r, a, f);
		break;
	case MSG_QUEUE_PEEK:
		peek_reply(r, f);
		break;
	case MSG_TOPIC_SUB:
		if (params_num(&r->par, P_REDIRECT))
			redirect(r, "/sub");
		else
			value_done(r, f, NULL);
		break;
	case MSG_TASK_ASK:
		value_done(r, f, NULL);
		break;
	case MSG_TASK_CLAIM:
		claim_reply(r, a, f);
		break;
	case MSG_QUEUE_TOUCH:
		number_header(r, "Timeout", f->ttl / 1000);
		break;
	case MSG_QUEUE_MOVE:
		number_header(r, "Moved", f->score);
		break;
	case MSG_QUEUE_STAT:
		if (is_all(a)) {
			all_reply(r, a, f);
			break;
		}
		/* FALLTHROUGH */
	case MSG_QUEUE_WORKERS:
	case MSG_TASK_STAT:
		text_reply(r, f);
		break;
	default:
		plan_done(r, NULL, 0, NULL, NULL);
	}
}

/* Some have gone, and why not all. */
static void
moved_reply(struct request *r, const struct frame *f)
{
	char		 text[24];
	const char	*headers[] = { "Moved", text, NULL };

	(void)snprintf(text, sizeof(text), "%lld", (long long)f->score);
	plan_refuse(r, (enum err)f->status, NULL, headers);
}

/* The window of a topic, which the router has as text. */
static void
window_reply(struct request *r, const struct frame *f)
{
	char		 text[48];
	const char	*headers[] = { "Index", text, NULL };
	int		 n = f->vallen < sizeof(text) ? (int)f->vallen : 0;

	(void)snprintf(text, sizeof(text), "%.*s", n, f->val);
	plan_refuse(r, (r->path->flags & PF_WAIT) != 0 ? E_BEHIND : E_WINDOW,
	    NULL, headers);
}

static void
refusal(struct request *r, const struct asked *a, enum err e,
    const char *detail)
{
	int	task = a->f.msg == MSG_TASK_ASK || a->f.msg == MSG_TASK_CLAIM;

	if (e == E_FULL && task)
		e = E_TASKS_FULL;
	if (detail == NULL)
		detail = queue_why(a, e);
	plan_refuse(r, e, detail, queue_refusal(r));
}

/* What an answer gave goes back. */
static void
answer_return(struct worker *w, unsigned router, const struct frame *f)
{
	if (f->status == E_OK && (f->msg == MSG_QUEUE_GET ||
	    f->msg == MSG_TASK_CLAIM))
		receipt_return(w, router, f);
}

void
queue_late(struct worker *w, const struct msg *m)
{
	answer_return(w, link_seat(m->link), &m->f);
}

/*
 * A crowd may hang up at once: then answers come before the loop has looked
 * at every socket, and one that is written to a closed one is lost.
 */
static void
queue_reply(struct request *r, unsigned part, const struct frame *f)
{
	struct asked	*a = r->plan_data;
	int		 gone = a->parked && gone_now(r);
	char		 detail[ANSWER_DETAIL];

	(void)part;
	unpark(a);
	if (gone) {
		answer_return(r->w, a->router, f);
		plan_fail(r, E_WAITED, NULL);
	} else if (f->status == E_OK)
		ok_reply(r, a, f);
	else if (f->status == E_WINDOW)
		window_reply(r, f);
	else if (f->msg == MSG_QUEUE_MOVE && f->score > 0)
		moved_reply(r, f);
	else
		refusal(r, a, f->status, answer_detail(f, detail));
}

static void
queue_lost(struct request *r, unsigned part, enum err e)
{
	struct asked	*a = r->plan_data;

	(void)part;
	unpark(a);
	/* What it took without anybody having it is given again. */
	if (e == E_UNSURE && (a->f.msg == MSG_QUEUE_GET ||
	    a->f.msg == MSG_TASK_CLAIM))
		e = E_NOTREADY;
	refusal(r, a, e, NULL);
}

static void
queue_free(struct request *r)
{
	struct asked	*a = r->plan_data;

	if (a == NULL)
		return;
	unpark(a);
	json_free(&a->rows);
	free(a->wire);
	free(a);
}

const struct plan_ops plan_queue = {
	.start = queue_start, .reply = queue_reply, .lost = queue_lost,
	.free = queue_free,
};
