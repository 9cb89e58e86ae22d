/*
 * http.c: the way of a request.
 *
 *	http_on_uri		path and query are parsed while they are raw
 *	http_on_request		first call: head; then the body, then the work
 *	request_ask		a message to the store of the key (single.c), or
 *				several (plan.c); suspended until the answer
 *	http_on_completed	the request goes back to the free list
 *	http_on_connection	so does one whose head never got complete: MHD
 *				tells of the completion of those it showed to
 *				http_on_request only
 *
 * MHD closes the connection after a response that is queued in the first call
 * of http_on_request, so only refusals with a long body do that.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/answer.h"
#include "worker/auth.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/plan_impl.h"
#include "worker/queue.h"
#include "worker/receipt.h"
#include "worker/single.h"
#include "worker/worker.h"

#define SPARE_MAX	1024u	/* requests kept in the free list */
#define DISCARD_DECLARED 65536u	/* longest body of a refused request to read */
#define TOTAL_US	(9500 * INT64_C(1000))	/* see request_due */
#define LEAST_US	(500 * INT64_C(1000))
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
	memset(r, 0, offsetof(struct request, par));
	r->par.given = r->par.bad = r->par.escape = 0;
	r->w = w;
	r->l = l;
	w->active++;
	return r;
}

static void
request_free(struct request *r)
{
	struct worker	*w = r->w;

	if (r->plan != NULL)
		plan_forget(r);
	else
		call_drop(&r->call);
	receipt_settle(r, RECEIPT_CUT);
	if (r->stands)
		r->l->standing--;
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
		*context = at = connection_new(l->w, conn);
		if (l->tls && at != NULL)
			tls_begin(l, at, conn);
		return;
	}
	if (at == NULL)
		return;
	if (at->open != NULL)
		request_free(at->open);
	tls_end(at);
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
	if (at == NULL || !connection_still_may(l->w, at) ||
	    (r = request_new(l)) == NULL)
		return NULL;	/* MHD closes */
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
	receipt_settle(r, code == MHD_REQUEST_TERMINATED_COMPLETED_OK ?
	    RECEIPT_OUT : r->state == RS_ANSWERED ? RECEIPT_CUT :
	    RECEIPT_UNSEEN);
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
	unsigned	 lengths, logins;
	const char	*login;		/* Authorization, MHD's */
	size_t		 loginlen;
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
	else if (namelen == 13 &&
	    strncasecmp(name, "Authorization", 13) == 0) {
		s->login = s->logins++ == 0 ? val : NULL;
		s->loginlen = len;
	}
	else if (namelen == 6 && strncasecmp(name, "Expect", 6) == 0)
		r->expects = 1;
	return MHD_YES;
}

static void
headers_scan(struct scan *s, const char *version)
{
	struct request	*r = s->r;

	(void)MHD_get_connection_values_n(r->conn, MHD_HEADER_KIND,
	    header_look, s);
	if (r->chunked && (s->lengths != 0 || strcmp(version, "HTTP/1.1") != 0))
		r->malformed = 1;
}

/* The parameter whose place a body takes. */
static uint64_t
body_param(const struct path *path)
{
	if ((path->flags & PF_BODY) != 0)
		return B(P_VAL);
	if ((path->flags & PF_ITEM) != 0)
		return B(P_ITEM);
	return (path->flags & PF_KEYBODY) != 0 ? B(P_KEY) : 0;
}

static int
takes_body(const struct path *path)
{
	return (path->flags & (PF_BODY | PF_KEYBODY | PF_ITEM | PF_ITEMS)) != 0;
}

/* Which parameters there are (contract 0, Body; W32). */
static uint64_t
params_given(const struct request *r, int has_body)
{
	uint64_t	body = body_param(r->path), given = r->par.given;

	if ((given & B(P_CURSOR)) != 0)
		given |= B(P_OFFSET);	/* it says where to begin */
	if ((given & B(P_FILE)) != 0)
		given |= B(P_TB);	/* export: of either */
	if (has_body)
		return given | body;
	return r->method == M_POST && r->w->get_writes ? given & ~body : given;
}

static enum err
verdict_params(const struct request *r, int has_body, const char **detail)
{
	const struct params	*ps = &r->par;
	uint64_t		 missing, bad;

	if ((r->path->flags & PF_ITEMS) != 0 && !has_body) {
		*detail = "body";
		return E_MISSING;
	}
	missing = r->path->required & ~params_given(r, has_body);
	if (missing != 0) {
		*detail = param_table[__builtin_ctzll(missing)].name;
		return E_MISSING;
	}
	if (has_body)
		bad = ps->bad & ~body_param(r->path);
	else
		bad = ps->bad;
	if (bad != 0) {
		*detail = param_table[__builtin_ctzll(bad)].name;
		return (bad & -bad & ps->escape) != 0 ? E_ESCAPE : E_PARAM;
	}
	if (params_num(ps, P_EXPIRE) > r->w->ttl_max) {
		*detail = "ttl over db.ttl_max";
		return E_PARAM;
	}
	if (params_num(ps, P_VER) > VERSION_TOP) {
		*detail = "ver over 4194303";
		return E_VERSION;
	}
	return E_OK;
}

/* The order of the checks is the contract's (section 0). */
static enum err
verdict(const struct request *r, int has_body, const char **detail)
{
	const struct path	*path = r->path;

	*detail = NULL;
	if (path == NULL)
		return E_NOPATH;
	if (path->act == ACT_CACHE && !r->w->cache)
		return E_CACHE_OFF;
	if (path_asks(path) && (r->w->leaving ||
	    (path->act == ACT_QUEUE ? r->w->nrup : r->w->nup) == 0))
		return E_NOTREADY;
	if (r->auth != E_OK)
		return r->auth;
	if (!path_takes(path, r->method, r->w->get_writes))
		return E_METHOD;
	return verdict_params(r, has_body, detail);
}

static enum MHD_Result
refuse(struct request *r, enum err e, const char *detail)
{
	return answer_refuse(r, e, detail, queue_refusal(r)) ? MHD_YES :
	    MHD_NO;
}

/* Before the body: MHD closes after the answer, the client may still send. */
static enum MHD_Result
refuse_early(struct request *r, enum err e, const char *detail)
{
	answer_linger(r);
	return refuse(r, e, detail);
}

/* It is known who asks: what is done with the body. */
static enum MHD_Result
request_admit(struct request *r)
{
	const char	*detail = NULL;
	enum err	 e;

	r->state = RS_BODY;
	if (!r->chunked && r->declared == 0)
		return MHD_YES;
	/* Decided once: what the head said stays true when stores come and go. */
	e = verdict(r, 1, &detail);
	if (e == E_OK && r->declared > path_body_most(r->path)) {
		e = path_body_error(r->path);
		detail = param_table[__builtin_ctzll(body_param(r->path))].name;
	}
	r->refused = e;
	r->refused_by = detail;
	if (e == E_OK && r->declared > r->w->body_max)
		return refuse_early(r, E_TOOBIG, NULL);
	if (e != E_OK && (r->expects || r->declared > DISCARD_DECLARED))
		return refuse_early(r, e, detail);
	r->discard = e != E_OK || !takes_body(r->path);
	return body_begin(r);
}

/* The first call: the head is here.  MHD repeats it after a suspension. */
static enum MHD_Result
request_begin(struct request *r, const char *method, const char *version)
{
	struct scan	s = { .r = r };
	enum err	e;

	r->method = (uint8_t)method_bit(method);
	headers_scan(&s, version);
	if (r->malformed)
		return refuse_early(r, E_REQUEST,
		    "Content-Length or Transfer-Encoding");
	e = auth_ask(r, s.login, s.loginlen);
	if (e == E_PENDING) {	/* r->auth may be known already */
		r->state = RS_WAIT_AUTH;
		return MHD_YES;
	}
	r->auth = e;
	return request_admit(r);
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

/*
 * The request waits for the answer of another actor.  To suspend a connection
 * costs two epoll_ctl and a recv, so the first ones stand: MHD asks for them
 * again in each of its runs, see listener.c.
 */
static void
request_wait(struct request *r)
{
	r->state = RS_SENT;
	if (r->parks || r->l->standing >= STANDING_MAX) {
		http_suspend(r);
		return;
	}
	r->stands = 1;
	r->l->standing++;
	r->l->begun--;
}

/* An answer of our own. */
static enum MHD_Result
request_finish(struct request *r, enum err e, const char *detail)
{
	if (e != E_OK)
		return refuse(r, e, detail);
	return answer_text(r) ? MHD_YES : MHD_NO;
}

/* Asks the store of its record, or all that its plan asks. */
static enum MHD_Result
request_ask(struct request *r)
{
	const char	*detail = NULL;
	enum err	 e;

	r->due = request_due(r);
	if (path_is_single(r->path))
		e = single_send(r);
	else
		e = plan_begin(r, &detail);
	if (e != E_OK)
		return request_finish(r, e, detail);
	if (r->state == RS_BODY)
		request_wait(r);
	return r->state == RS_DEAD ? MHD_NO : MHD_YES;
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
	if ((e = verdict(r, r->got > 0, &detail)) != E_OK)
		return request_finish(r, e, detail);
	if (r->path->act == ACT_STATUS && (r->w->nup < r->w->nstores ||
	    r->w->nrup < r->w->nrouters))
		e = r->path == &path_table[PATH_AUTOST] ? E_PARTLY :
		    E_NOTREADY;
	else if (path_asks(r->path))
		return request_ask(r);
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
	case RS_WAIT_AUTH:
		return request_admit(r);
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

void
http_gauges(struct worker *w)
{
	board_set(w->a.my, BC_CONNS, listeners_connections(w));
	board_set(w->a.my, BC_DEPTH, (int64_t)pending_count(w->pending));
	board_set(w->a.my, BC_MEMORY, (int64_t)w->budget.used);
}
