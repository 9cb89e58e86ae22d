/*
 * http.c: the way of a request.
 *
 *	http_on_uri		path and query are parsed while they are raw
 *	http_on_request		first call: head; then the body, then the work
 *	request_send		a message to the store of the key; suspended
 *	http_on_reply		the store's answer becomes the response; resumed
 *	http_on_completed	the request goes back to the free list
 *	http_on_connection	so does one whose head never got complete: MHD
 *				tells of the completion of those it showed to
 *				http_on_request only
 *
 * MHD closes the connection after a response that is queued in the first call
 * of http_on_request, so only refusals with a long body do that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/slot.h"
#include "worker/answer.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/worker.h"

#define SPARE_MAX	1024u	/* requests kept in the free list */
#define DISCARD_DECLARED 65536u	/* longest body of a refused request to read */
#define TOTAL_US	(9500 * INT64_C(1000))	/* see request_due */
#define LEAST_US	(500 * INT64_C(1000))
#define DEADLINE_US	(100 * INT64_C(1000))	/* the store's ends before ours */
/* Longer ones leave MHD no room for headers: it would wait for ever. */
#define URI_MAX		(LISTENER_POOL - 512u)
#define VERSION_TOP	4194303		/* contract 1.1 */

static struct request *
request_new(struct listener *l)
{
	struct worker	*w = l->w;
	struct request	*r = w->free;

	if (r != NULL) {
		w->free = r->next;
		w->nfree--;
	} else if ((r = malloc(sizeof(*r))) == NULL)
		return NULL;
	memset(r, 0, offsetof(struct request, room));
	r->w = w;
	r->l = l;
	w->active++;
	return r;
}

static void
request_unqueue(struct request *r)
{
	TAILQ_REMOVE(&r->w->unsent, r, queue);
	r->unsent = 0;
}

/* Its client left: nobody waits for the answer any more. */
static void
request_forget(struct request *r)
{
	if (r->unsent)
		request_unqueue(r);
	(void)pending_take(r->w->pending, r->id, r->link);
	if (r->stands)
		r->l->standing--;
}

static void
request_free(struct request *r)
{
	struct worker	*w = r->w;

	if (r->state == RS_SENT)
		request_forget(r);
	body_free(r);
	if (r->text != r->room)
		free(r->text);
	r->at->open = NULL;
	w->active--;
	if (w->nfree >= SPARE_MAX) {
		free(r);
		return;
	}
	r->next = w->free;
	w->free = r;
	w->nfree++;
}

void
http_cleanup(struct worker *w)
{
	struct request	*r;

	while ((r = w->free) != NULL) {
		w->free = r->next;
		free(r);
	}
	w->nfree = 0;
}

void
http_suspend(struct request *r)
{
	MHD_suspend_connection(r->conn);
	r->suspended = 1;
}

/* Before the answer: with that r may be gone. */
void
http_resume(struct request *r)
{
	if (r->suspended)
		MHD_resume_connection(r->conn);
	if (r->stands)
		r->l->standing--;
	r->suspended = r->stands = 0;
	r->l->ready = 1;
}

void
http_on_connection(void *cls, struct MHD_Connection *conn, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct listener		*l = cls;
	struct connection	*at = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = connection_new(l->w, conn);
		return;
	}
	if (at == NULL)
		return;
	if (at->open != NULL)
		request_free(at->open);
	connection_free(l->w, at);
	*context = NULL;
}

void *
http_on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct listener		*l = cls;
	struct connection	*at;
	struct request		*r;
	struct target		 t;

	at = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	if (at == NULL || (r = request_new(l)) == NULL)
		return NULL;
	at->open = r;
	l->begun++;
	r->at = at;
	r->conn = conn;
	r->urilen = strlen(uri);
	target_split(&t, uri, r->urilen);
	r->path = target_path(&t, l->on);
	r->text = r->room;
	if (r->urilen > URI_MAX) {
		answer_raw(r, E_URI);
		answer_hangup(r);	/* there may be no room for headers */
	}
	if (r->path == NULL || r->urilen > URI_MAX)
		return r;
	if (t.querylen > ROOM && (r->text = malloc(t.querylen)) == NULL) {
		r->text = r->room;
		answer_raw(r, E_NOMEM);
		return r;
	}
	r->textlen = query_parse(&r->par, r->path, t.query, t.querylen,
	    r->text);
	return r;
}

static int
head_is_long(struct MHD_Connection *conn)
{
	return MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size >
	    LISTENER_POOL / 2;
}

void
http_on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode code)
{
	struct request	*r = *con_cls;

	(void)cls;
	if (r == NULL)
		return;
	/*
	 * A head that all but fills the pool leaves MHD no room for the head
	 * of our response; it closes then without having sent anything.
	 */
	if (code == MHD_REQUEST_TERMINATED_WITH_ERROR &&
	    r->state == RS_ANSWERED && !r->streamed && head_is_long(conn))
		answer_raw(r, r->urilen > LISTENER_POOL / 2 ? E_URI :
		    E_HEADERS);
	r->l->moved = 1;
	connection_quiet(r->w, r->at);
	request_free(r);
	*con_cls = NULL;
}

static void
header_length(struct request *r, const char *val, size_t len, unsigned *seen)
{
	uint64_t	n = 0;
	size_t		i;

	for (i = 0; i < len && val[i] >= '0' && val[i] <= '9'; i++)
		if (n < UINT64_MAX / 100)
			n = n * 10 + (uint64_t)(val[i] - '0');
	if (i != len || len == 0 || (*seen != 0 && n != r->declared))
		r->malformed = 1;
	r->declared = n;
	*seen = 1;
}

struct scan {
	struct request	*r;
	unsigned	 lengths, codings;
};

/* One header; the length of its name tells most of them apart. */
static enum MHD_Result
header_look(void *cls, enum MHD_ValueKind kind, const char *name,
    size_t namelen, const char *val, size_t len)
{
	struct scan	*s = cls;
	struct request	*r = s->r;

	(void)kind;
	if (namelen == 14 && strncasecmp(name, "Content-Length", 14) == 0)
		header_length(r, val, len, &s->lengths);
	else if (namelen == 17 &&
	    strncasecmp(name, "Transfer-Encoding", 17) == 0) {
		/* MHD would wait for ever for the end of any other. */
		if (r->chunked || len != 7 ||
		    strncasecmp(val, "chunked", 7) != 0)
			r->malformed = 1;
		r->chunked = 1;
	} else if (namelen == 15 &&
	    strncasecmp(name, "Accept-Encoding", 15) == 0)
		r->coding = (uint8_t)coding_accept(val, len);
	else if (namelen == 13 && strncasecmp(name, "If-None-Match", 13) == 0)
		r->create_only = len == 1 && *val == '*';
	else if (namelen == 6 && strncasecmp(name, "Expect", 6) == 0)
		r->expects = 1;
	return MHD_YES;
}

static void
headers_scan(struct request *r, const char *version)
{
	struct scan	s = { r, 0, 0 };

	(void)MHD_get_connection_values_n(r->conn, MHD_HEADER_KIND,
	    header_look, &s);
	if (r->chunked && (s.lengths != 0 || strcmp(version, "HTTP/1.1") != 0))
		r->malformed = 1;
}

/* Whether there is a value (contract 0, Body; W32). */
static int
has_value(const struct request *r, int has_body)
{
	if (has_body)
		return 1;
	if (r->method == M_POST && r->w->get_writes)
		return 0;
	return (r->par.given & B(P_VAL)) != 0;
}

static enum err
verdict_params(const struct request *r, int has_body, const char **detail)
{
	const struct params	*ps = &r->par;
	uint64_t		 missing = r->path->required & ~ps->given, bad;

	if ((r->path->flags & PF_BODY) != 0) {
		missing &= ~B(P_VAL);
		if (!has_value(r, has_body))
			missing |= B(P_VAL);
	}
	if (missing != 0) {
		*detail = param_table[__builtin_ctzll(missing)].name;
		return E_MISSING;
	}
	if ((bad = ps->bad) != 0) {
		*detail = param_table[__builtin_ctzll(bad)].name;
		return (bad & -bad & ps->escape) != 0 ? E_ESCAPE : E_PARAM;
	}
	if (params_num(ps, P_VER) > VERSION_TOP) {
		*detail = "ver over 4194303";
		return E_VERSION;
	}
	return E_OK;
}

/* The order of the checks is the contract's (section 0). */
enum err
http_verdict(const struct request *r, int has_body, const char **detail)
{
	const struct path	*path = r->path;

	*detail = NULL;
	if (path == NULL)
		return E_NOPATH;
	if (path->act == ACT_STORE && (r->w->nup == 0 || r->w->leaving))
		return E_NOTREADY;
	if (!path_takes(path, r->method, r->w->get_writes))
		return E_METHOD;
	return verdict_params(r, has_body, detail);
}

static enum MHD_Result
refuse(struct request *r, enum err e, const char *detail)
{
	return answer_status(r, e, detail) ? MHD_YES : MHD_NO;
}

/* Before the body: MHD closes after the answer, the client may still send. */
static enum MHD_Result
refuse_early(struct request *r, enum err e, const char *detail)
{
	answer_linger(r);
	return refuse(r, e, detail);
}

/* The first call: the head is here. */
static enum MHD_Result
request_begin(struct request *r, const char *method, const char *version)
{
	const char	*detail = NULL;
	enum err	 e;

	r->method = (uint8_t)method_bit(method);
	headers_scan(r, version);
	if (r->malformed)
		return refuse_early(r, E_REQUEST,
		    "Content-Length or Transfer-Encoding");
	r->state = RS_BODY;
	if (!r->chunked && r->declared == 0)
		return MHD_YES;
	/* Decided once: what the head said stays true when stores come and go. */
	e = r->refused = http_verdict(r, 1, &detail);
	r->refused_by = detail;
	if (e == E_OK && r->declared > r->w->body_max)
		return refuse_early(r, E_TOOBIG, NULL);
	if (e != E_OK && (r->expects || r->declared > DISCARD_DECLARED))
		return refuse_early(r, e, detail);
	r->discard = e != E_OK || (r->path->flags & PF_BODY) == 0;
	return body_begin(r);
}

/*
 * When the answer must be there.  Waiting for budget may have begun after the
 * client's last byte, so it is taken off the 10 s that a request may be open.
 */
static mono_t
request_due(const struct request *r)
{
	int64_t	left = TOTAL_US - r->waited;

	if (left < LEAST_US)
		left = LEAST_US;
	if (left > r->w->deadline_us)
		left = r->w->deadline_us;
	return mono_add(r->start, left);
}

/* Seconds to the frame's milliseconds; what is out of range never expires. */
static int64_t
request_ttl(const struct request *r)
{
	int64_t	ttl = params_num(&r->par, P_TTL);

	return ttl > r->w->ttl_max ? 0 : ttl * 1000;
}

static void
request_frame(const struct request *r, struct frame *f)
{
	const struct params	*ps = &r->par;

	memset(f, 0, sizeof(*f));
	f->msg = r->path->msg;
	f->key = ps->v[P_KEY].text.p;
	f->keylen = ps->v[P_KEY].text.len;
	f->slot = (uint16_t)r->slot;
	f->id = r->id;
	f->deadline = frame_deadline(mono_add(r->due, -DEADLINE_US));
	if ((r->path->flags & PF_WRITE) != 0) {
		f->ver = (uint32_t)params_num(ps, P_VER);
		f->ttl = request_ttl(r);
		if (params_num(ps, P_IS_DUP))
			f->flags |= FRAME_IS_DUP;
	}
	if ((r->path->flags & PF_BODY) == 0)
		return;
	if (r->create_only)
		f->flags |= FRAME_CREATE;
	if (r->got > 0) {
		assert(!r->discard);
		f->val = r->body;
		f->vallen = (uint32_t)r->got;
	} else {
		f->val = ps->v[P_VAL].text.p;
		f->vallen = ps->v[P_VAL].text.len;
	}
}

static void
deadline_arm(struct worker *w)
{
	mono_t	due;
	int64_t	us;

	if (!pending_next(w->pending, &due) || (ev_is_active(&w->deadline) &&
	    mono_diff(w->armed, due) >= 0))
		return;
	ev_timer_stop(w->a.loop, &w->deadline);
	w->armed = due;
	us = mono_diff(mono_now(), due);
	ev_timer_set(&w->deadline, us > 0 ? (double)us / 1e6 : 0., 0.);
	ev_timer_start(w->a.loop, &w->deadline);
}

/* The message, or a copy that waits with it, has the body from now on. */
static enum err
request_pass(struct request *r, struct link *link)
{
	struct frame	f;
	enum err	e;

	request_frame(r, &f);
	if ((e = link_send(link, &f)) == E_OK)
		body_free(r);
	return e;
}

/*
 * The request waits for the answer of another actor.  To suspend a connection
 * costs two epoll_ctl and a recv, so the first ones stand: MHD asks for them
 * again in each of its runs, see listener.c.
 */
static void
request_wait(struct request *r)
{
	r->state = RS_SENT;
	if (r->l->standing >= STANDING_MAX) {
		http_suspend(r);
		return;
	}
	r->stands = 1;
	r->l->standing++;
	r->l->begun--;
}

static enum err
request_send(struct request *r)
{
	struct worker	*w = r->w;
	const struct param_text *key = &r->par.v[P_KEY].text;
	struct link	*link;
	enum err	 e;

	r->slot = slot_of(key->p, key->len);
	link = w->stores[slot_store(r->slot, w->nstores)];
	if (link == NULL)
		return E_NOTREADY;
	r->due = request_due(r);
	r->link = link_id(link);
	r->id = pending_add(w->pending, r, r->link, r->due);
	if (r->id == 0)
		return E_NOMEM;
	if ((e = request_pass(r, link)) == E_FULL) {
		r->unsent = 1;
		TAILQ_INSERT_TAIL(&w->unsent, r, queue);
	} else if (e != E_OK) {
		(void)pending_take(w->pending, r->id, r->link);
		return e;
	}
	deadline_arm(w);
	request_wait(r);
	return E_OK;
}

void
http_retry(struct worker *w)
{
	struct request	*r, *next;
	struct link	*link;
	uint64_t	 full = 0;
	enum err	 e;

	for (r = TAILQ_FIRST(&w->unsent); r != NULL; r = next) {
		next = TAILQ_NEXT(r, queue);
		if (r->link == full)
			continue;
		link = link_find(w->a.mailbox, r->link);
		e = link == NULL ? E_NOTREADY : request_pass(r, link);
		if (e == E_FULL) {
			full = r->link;		/* others may have room */
			continue;
		}
		request_unqueue(r);
		if (e == E_OK)
			continue;
		(void)pending_take(w->pending, r->id, r->link);
		http_resume(r);
		(void)answer_status(r, e, NULL);
	}
}

/* An answer of our own. */
static enum MHD_Result
request_finish(struct request *r, enum err e, const char *detail)
{
	if (e != E_OK)
		return refuse(r, e, detail);
	return answer_text(r) ? MHD_YES : MHD_NO;
}

/* All of the request is here. */
static enum MHD_Result
request_run(struct request *r)
{
	const char	*detail;
	enum err	 e;

	body_end(r);
	connection_busy(r->w, r->at);
	r->start = mono_now();
	if (r->got != 0)
		board_add(r->w->a.my, BC_BYTES_IN, (int64_t)r->got);
	if (r->refused != E_OK)
		return request_finish(r, r->refused, r->refused_by);
	if ((e = http_verdict(r, r->got > 0, &detail)) != E_OK)
		return request_finish(r, e, detail);
	if (r->path->act == ACT_STATUS && r->w->nup < r->w->nstores)
		e = E_NOTREADY;
	else if (r->path->act == ACT_STORE &&
	    (e = request_send(r)) == E_OK)
		return MHD_YES;
	return request_finish(r, e, NULL);
}

enum MHD_Result
http_on_request(void *cls, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **con_cls)
{
	struct request	*r = *con_cls;

	(void)cls;
	(void)conn;
	(void)url;
	if (r == NULL)
		return MHD_NO;
	switch ((enum request_state)r->state) {
	case RS_NEW:
		return request_begin(r, method, version);
	case RS_WAIT_HEAD:
		return body_resume(r);
	case RS_BODY:
		return *size != 0 ? body_take(r, data, size) : request_run(r);
	case RS_WAIT_CHUNK:
		return body_take(r, data, size);
	case RS_SENT:
	case RS_ANSWERED:
		return MHD_YES;
	case RS_DEAD:
		break;
	}
	if (*size == 0)
		return MHD_NO;
	*size = 0;
	return MHD_YES;
}

enum err
http_on_reply(struct actor *a, const struct msg *m)
{
	struct worker	*w = a->self;
	struct request	*r;

	r = pending_take(w->pending, m->f.id, link_id(m->link));
	if (r == NULL) {
		board_add(a->my, BC_LATE, 1);
		return E_OK;
	}
	http_resume(r);
	(void)answer_reply(r, &m->f);
	return E_OK;
}

/* The answer will not come: a write may have been done all the same. */
static void
request_lost(struct request *r, enum err if_write, enum err if_read)
{
	enum err	e = (r->path->flags & PF_WRITE) != 0 ?
			    if_write : if_read;

	if (r->unsent) {
		request_unqueue(r);
		e = E_FULL;	/* it never left */
	}
	http_resume(r);
	(void)answer_status(r, e, NULL);
}

void
http_on_link_down(struct worker *w, uint64_t link)
{
	struct request	*r;

	while ((r = pending_orphan(w->pending, link)) != NULL)
		request_lost(r, E_UNSURE, E_NOTREADY);
	listeners_wake(w);
}

void
http_expire(struct worker *w)
{
	mono_t		 now = mono_now();
	struct request	*r;

	while ((r = pending_expired(w->pending, now)) != NULL)
		request_lost(r, E_TIMEOUT, E_TIMEOUT);
	deadline_arm(w);
	listeners_wake(w);
}

void
http_abandon(struct worker *w)
{
	struct request	*r;

	while ((r = pending_orphan(w->pending, 0)) != NULL)
		request_lost(r, E_UNSURE, E_NOTREADY);
	body_expire(w, 1);
}

void
http_gauges(struct worker *w)
{
	board_set(w->a.my, BC_CONNS, listeners_connections(w));
	board_set(w->a.my, BC_DEPTH, (int64_t)pending_count(w->pending));
	board_set(w->a.my, BC_MEMORY, (int64_t)w->budget.used);
}
