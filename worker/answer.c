/*
 * answer.c: responses.  Those without a body are alike but for the version, so
 * they are kept and queued again; a value's response is made for it.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/metrics.h"
#include "worker/answer.h"
#include "worker/linger.h"
#include "worker/receipt.h"
#include "worker/value.h"
#include "worker/watch.h"
#include "worker/worker.h"

#define CACHE_SIZE	1024u
#define AUTH_CHALLENGE	"Basic realm=\"wharf\""

/* What the headers of a response depend on. */
struct head {
	enum err	 err;
	unsigned	 kind;		/* PF_WRITE, PF_READ or 0 */
	uint32_t	 ver;
	int		 vererr;
	const char	*detail;
};

static struct {
	uint64_t		 key;
	struct MHD_Response	*resp;
} cache[CACHE_SIZE];
static struct MHD_Response	*texts[PATH_MAX_];

static int
is_closing(const struct request *r)
{
	return r->l->closing || r->w->stopping;
}

static void
header_add(struct MHD_Response *resp, const char *name, const char *text)
{
	/* Fails without memory only; the answer is still an answer then. */
	(void)MHD_add_response_header(resp, name, text);
}

static void
header_allow(struct MHD_Response *resp, const struct request *r)
{
	static const struct {
		unsigned	 bit;
		const char	*name;
	} names[] = { { M_GET, "GET" }, { M_HEAD, "HEAD" }, { M_POST, "POST" },
	    { M_PUT, "PUT" }, { M_DELETE, "DELETE" } };
	char	text[64] = "";
	size_t	i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!path_takes(r->path, names[i].bit, r->w->get_writes))
			continue;
		if (text[0] != '\0')
			strcat(text, ", ");
		strcat(text, names[i].name);
	}
	header_add(resp, "Allow", text);
}

static int
has_version(const struct head *h)
{
	if ((h->kind & PF_WRITE) != 0)
		return 1;
	return (h->kind & PF_READ) != 0 && (h->err == E_OK ||
	    err_http(h->err) == MHD_HTTP_NOT_FOUND ||
	    err_http(h->err) == MHD_HTTP_PRECONDITION_FAILED);
}

static void
error_text(const struct head *h, char *out, size_t max)
{
	(void)snprintf(out, max, "%s %s%s%s", err_name(h->err),
	    err_text(h->err), h->detail != NULL ? ": " : "",
	    h->detail != NULL ? h->detail : "");
}

static void
headers_add(struct MHD_Response *resp, const struct request *r,
    const struct head *h)
{
	char	text[160];

	if (has_version(h)) {
		(void)snprintf(text, sizeof(text), "%u", h->ver);
		header_add(resp, "Version", text);
	}
	if ((h->kind & PF_WRITE) != 0)
		header_add(resp, "VerError", h->vererr ? "true" : "false");
	if (is_closing(r))
		header_add(resp, "Connection", "close");
	if (h->err == E_OK)
		return;
	error_text(h, text, sizeof(text));
	header_add(resp, "Wharf-Error", text);
	if (err_http(h->err) == MHD_HTTP_SERVICE_UNAVAILABLE)
		header_add(resp, "Retry-After", "1");
	if (h->err == E_METHOD)
		header_allow(resp, r);
	else if (h->err == E_AUTH)
		header_add(resp, "WWW-Authenticate", AUTH_CHALLENGE);
}

static enum board_http
http_kind(const struct path *path)
{
	if (path == NULL || !path_asks(path))
		return BOARD_HTTP_OTHER;
	return (path->flags & PF_WRITE) != 0 ? BOARD_HTTP_WRITE :
	    BOARD_HTTP_READ;
}

static void
count(struct request *r, int http, size_t bytes)
{
	struct board_actor	*my = r->w->a.my;
	enum board_http		 kind = http_kind(r->path);

	board_add(my, BC_REQUESTS, 1);
	if (http >= 500)
		board_add(my, BC_ERRORS, 1);
	else if (http >= 400)
		board_add(my, BC_REFUSED, 1);
	if (bytes != 0)
		board_add(my, BC_BYTES_OUT, (int64_t)bytes);
	board_http(my, kind, http);
	watch_answer(r, http, bytes);
	if (r->sent)
		board_time(my, kind == BOARD_HTTP_WRITE ? BH_WRITE : BH_READ,
		    r->took);
}

/*
 * Outside its callbacks MHD builds the head at once; if that fails it closes
 * the connection, and r is gone.
 */
static int
respond(struct request *r, int http, struct MHD_Response *resp, size_t bytes)
{
	count(r, http, bytes);
	r->state = RS_ANSWERED;
	if (http != MHD_HTTP_OK)
		receipt_settle(r, RECEIPT_UNSEEN);	/* not in here */
	if (r->at->tls != NULL && bytes != 0 && r->method != M_HEAD &&
	    !r->streamed)
		tls_hold(r->at);
	if (resp != NULL &&
	    MHD_queue_response(r->conn, (unsigned)http, resp) == MHD_YES)
		return 1;
	r->state = RS_DEAD;
	return 0;
}

/* As respond, for a response that is not kept. */
static int
respond_once(struct request *r, int http, struct MHD_Response *resp,
    size_t bytes)
{
	int	ok = respond(r, http, resp, bytes);

	if (resp != NULL)
		MHD_destroy_response(resp);
	return ok;
}

static struct MHD_Response *
empty_make(const struct request *r, const struct head *h)
{
	struct MHD_Response	*resp;

	resp = MHD_create_response_from_buffer(0, NULL,
	    MHD_RESPMEM_PERSISTENT);
	if (resp != NULL)
		headers_add(resp, r, h);
	return resp;
}

static int
answer_empty(struct request *r, const struct head *h)
{
	uint64_t	key;
	unsigned	i;

	if (h->detail != NULL || h->err == E_METHOD || is_closing(r))
		return respond_once(r, err_http(h->err), empty_make(r, h), 0);
	key = (uint64_t)1 << 63 | (uint64_t)h->vererr << 62 |
	    (uint64_t)h->kind << 48 | (uint64_t)h->err << 32 | h->ver;
	i = (h->ver ^ (unsigned)h->err << 5 ^ h->kind << 3) % CACHE_SIZE;
	if (cache[i].key != key) {
		if (cache[i].resp != NULL)
			MHD_destroy_response(cache[i].resp);
		cache[i].resp = empty_make(r, h);
		cache[i].key = cache[i].resp != NULL ? key : 0;
	}
	return respond(r, err_http(h->err), cache[i].resp, 0);
}

static void
head_init(struct head *h, const struct request *r, enum err e)
{
	unsigned	flags = r->path != NULL ? r->path->flags : 0;

	h->err = e;
	/* E_AUTH is 401 as is a version conflict, and must not look like one. */
	h->kind = (flags & PF_PLAIN) != 0 || e == E_AUTH ? 0 :
	    flags & (PF_WRITE | PF_READ);
	/* A refused write echoes the version it was sent with. */
	h->ver = (h->kind & PF_WRITE) != 0 ?
	    (uint32_t)params_num(&r->par, P_VER) : 0;
	h->vererr = 0;
	h->detail = NULL;
}

const char *
answer_detail(const struct frame *f, char out[ANSWER_DETAIL])
{
	uint32_t	i;

	if (f->status != E_DAMAGED || f->vallen == 0)
		return NULL;
	/* A peer wrote it: no line ends, no end of the header. */
	for (i = 0; i < f->vallen && i < ANSWER_DETAIL - 1; i++)
		out[i] = f->val[i] >= ' ' && f->val[i] <= '~' ?
		    (char)f->val[i] : '?';
	out[i] = '\0';
	return out;
}

int
answer_status(struct request *r, enum err e, const char *detail)
{
	struct head	h;

	head_init(&h, r, e);
	h.detail = detail;
	return answer_empty(r, &h);
}

int
answer_refuse(struct request *r, enum err e, const char *detail,
    const char *const *headers)
{
	struct MHD_Response	*resp;
	struct head		 h;

	if (headers == NULL)
		return answer_status(r, e, detail);
	head_init(&h, r, e);
	h.detail = detail;
	resp = empty_make(r, &h);
	for (; resp != NULL && headers[0] != NULL; headers += 2)
		header_add(resp, headers[0], headers[1]);
	return respond_once(r, err_http(e), resp, 0);
}

/* The answer cannot be made; what it would say of a write is done. */
static int
answer_unmade(struct request *r)
{
	return answer_status(r, (r->path->flags & PF_WRITE) != 0 ? E_UNSURE :
	    E_NOMEM, NULL);
}

int
answer_made(struct request *r, uint8_t *body, size_t n, const char *type,
    const char *const *headers)
{
	struct MHD_Response	*resp = value_own(r, body, n);

	if (resp == NULL)
		return answer_unmade(r);
	return answer_with(r, resp, n, type, headers);
}

int
answer_with(struct request *r, struct MHD_Response *resp, size_t n,
    const char *type, const char *const *headers)
{
	struct head	h;

	head_init(&h, r, E_OK);
	if (type != NULL)
		header_add(resp, "Content-Type", type);
	for (; headers != NULL && headers[0] != NULL; headers += 2)
		header_add(resp, headers[0], headers[1]);
	headers_add(resp, r, &h);
	return respond_once(r, MHD_HTTP_OK, resp, n);
}

static int
answer_metrics(struct request *r)
{
	size_t	 n = 0;
	char	*text = metrics_text(r->w->a.board, &n);

	if (text == NULL)
		return answer_status(r, E_NOMEM, NULL);
	return answer_made(r, (uint8_t *)text, n, METRICS_TYPE, NULL);
}

static int
socket_of(const struct request *r)
{
	return MHD_get_connection_info(r->conn,
	    MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Where the client found this node: "host:port"; "" unknown. */
static void
local_name(const struct request *r, char *out, size_t max)
{
	struct sockaddr_storage	a;
	socklen_t		len = sizeof(a);
	char			host[NI_MAXHOST], port[NI_MAXSERV];

	out[0] = '\0';
	if (getsockname(socket_of(r), (void *)&a, &len) != 0 ||
	    getnameinfo((void *)&a, len, host, sizeof(host), port,
	    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	(void)snprintf(out, max, strchr(host, ':') != NULL ? "[%s]:%s" :
	    "%s:%s", host, port);
}

/* huststore's table of slots (contract 4.8). */
static int
answer_table(struct request *r)
{
	char	name[NI_MAXHOST + NI_MAXSERV], *text = NULL;
	int	n;

	local_name(r, name, sizeof(name));
	n = asprintf(&text, "{\"table\":[{\"item\":{\"key\":[0,1024],"
	    "\"val\":[\"%s\",\"%s\"]}}]}", name, name);
	if (n < 0)
		return answer_status(r, E_NOMEM, NULL);
	return answer_made(r, (uint8_t *)text, (size_t)n, "text/plain", NULL);
}

int
answer_text(struct request *r)
{
	const char		*text = r->path->text;
	size_t			 n = strlen(text);
	struct MHD_Response	**keep = &texts[r->path - path_table], *resp;

	if (r->path->act == ACT_METRICS)
		return answer_metrics(r);
	if (r->path->act == ACT_TABLE)
		return answer_table(r);
	if (*keep != NULL && !is_closing(r))
		return respond(r, MHD_HTTP_OK, *keep, n);
	resp = MHD_create_response_from_buffer(n, (void *)(uintptr_t)text,
	    MHD_RESPMEM_PERSISTENT);
	if (resp == NULL)
		return respond(r, MHD_HTTP_OK, NULL, 0);
	header_add(resp, "Content-Type", "text/plain");
	if (is_closing(r)) {
		header_add(resp, "Connection", "close");
		return respond_once(r, MHD_HTTP_OK, resp, n);
	}
	*keep = resp;
	return respond(r, MHD_HTTP_OK, resp, n);
}

static int
answer_value(struct request *r, const struct frame *f, const struct head *h)
{
	struct MHD_Response	*resp = NULL;
	enum err		 e = value_response(r, f, &resp);

	if (e == E_NOMEM)
		return answer_unmade(r);
	if (e != E_OK)
		return answer_status(r, e, e == E_PARAM ? "coding" : NULL);
	header_add(resp, "Content-Type", "text/plain");
	headers_add(resp, r, h);
	return respond_once(r, MHD_HTTP_OK, resp, f->vallen);
}

/* Seconds, to the nearest; -1: for ever. */
static int
answer_ttl(struct request *r, const struct frame *f, const struct head *h)
{
	struct frame	g = *f;
	char		text[24];
	int		n;

	n = snprintf(text, sizeof(text), "%lld",
	    f->ttl == 0 ? -1LL : (long long)(f->ttl / 1000 +
	    (f->ttl % 1000 >= 500)));
	g.val = (const uint8_t *)text;
	g.vallen = (uint32_t)n;
	return answer_value(r, &g, h);
}

int
answer_reply(struct request *r, const struct frame *f)
{
	enum err	e = f->status == E_PENDING ? E_INTERNAL : f->status;
	char		detail[ANSWER_DETAIL];
	struct head	h;

	watch_answer(r, err_http(e), f->vallen);
	head_init(&h, r, e);
	/* These say what the record is like; other refusals echo. */
	if (e == E_OK || e == E_VERSION || e == E_NOTFOUND || e == E_EXISTS) {
		h.ver = f->ver;
		h.vererr = (f->flags & FRAME_VERERROR) != 0;
	}
	if (e == E_OK && (r->path->flags & PF_TTL) != 0)
		return answer_ttl(r, f, &h);
	if (e == E_OK && f->vallen != 0)
		return answer_value(r, f, &h);
	h.detail = answer_detail(f, detail);
	return answer_empty(r, &h);
}

void
answer_linger(struct request *r)
{
	if (r->at->linger == -1)
		r->at->linger = linger_dup(socket_of(r));
}

/* MHD sees the end of the stream and closes the connection. */
void
answer_hangup(struct request *r)
{
	(void)shutdown(socket_of(r), SHUT_RD);
}

/*
 * MHD takes a response before a body or after it, not in between.  Nothing of
 * ours waits to be sent on this socket: MHD answers one request at a time.
 */
void
answer_raw(struct request *r, enum err e)
{
	unsigned	http = (unsigned)err_http(e);
	char		text[512], version[64] = "", error[160];
	struct head	h;
	int		n;

	head_init(&h, r, e);
	error_text(&h, error, sizeof(error));
	if ((h.kind & PF_WRITE) != 0)
		(void)snprintf(version, sizeof(version),
		    "Version: %u\r\nVerError: false\r\n", h.ver);
	n = snprintf(text, sizeof(text), "HTTP/1.1 %u %s\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n%s%s%s"
	    "Wharf-Error: %s\r\n\r\n", http, MHD_get_reason_phrase_for(http),
	    version, http == MHD_HTTP_SERVICE_UNAVAILABLE ?
	    "Retry-After: 1\r\n" : "", e == E_AUTH ?
	    "WWW-Authenticate: " AUTH_CHALLENGE "\r\n" : "", error);
	if (r->at->tls != NULL)
		tls_send_last(r->at, text, (size_t)n);
	else
		(void)send(socket_of(r), text, (size_t)n,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	answer_linger(r);
	r->state = RS_DEAD;
	count(r, (int)http, 0);
}

void
answer_cleanup(void)
{
	size_t	i;

	for (i = 0; i < CACHE_SIZE; i++)
		if (cache[i].resp != NULL)
			MHD_destroy_response(cache[i].resp);
	memset(cache, 0, sizeof(cache));
	for (i = 0; i < PATH_MAX_; i++)
		if (texts[i] != NULL)
			MHD_destroy_response(texts[i]);
	memset(texts, 0, sizeof(texts));
}
