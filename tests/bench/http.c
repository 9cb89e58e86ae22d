/*
 * http.c: HTTP/1.1 as a key-value client speaks it: what brings a value is a
 * POST, all else a GET.  Of an answer only the status and Content-Length are
 * read; one in chunks would be "not an answer".
 *
 * The key of a sub is the index that the connection asks for.  There is no
 * topic before its first item: the publisher's first words bring that.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/bench/bench.h"

static const struct {
	const char	*method, *target;
	int		 value;
} verbs[OP_KINDS] = {
	[OP_GET] = { "GET", "get?key=@", 0 },
	[OP_PUT] = { "POST", "put?key=@", 1 },
	[OP_DEL] = { "GET", "del?key=@", 0 },
	[OP_HSET] = { "POST", "hset?tb=bh&key=@", 1 },
	[OP_HGET] = { "GET", "hget?tb=bh&key=@", 0 },
	[OP_SADD] = { "GET", "sadd?tb=bs&key=@~", 0 },
	[OP_SISMEMBER] = { "GET", "sismember?tb=bs&key=@~", 0 },
	[OP_ZADD] = { "GET", "zadd?tb=bz&score=#&key=@~", 0 },
	[OP_ZSCORE] = { "GET", "zscore?tb=bz&key=@~", 0 },
	[OP_ZRANGE] = { "GET",
	    "zrangebyscore?tb=bz&min=#&max=^&offset=0&size=100", 0 },
	[OP_HKEYS] = { "GET", "hkeys?tb=bh&offset=0&size=100", 0 },
	[OP_MGET] = { "POST", "mget", 0 },
	[OP_CGET] = { "GET", "/hustcache/get?key=@", 0 },
	[OP_CPUT] = { "POST", "/hustcache/put?key=@", 1 },
	[OP_QPUT] = { "POST", "/hustmq/put?queue=bq#", 1 },
	[OP_QGET] = { "GET", "/hustmq/get?queue=bq#&worker=bench", 0 },
	[OP_EVGET] = { "GET", "/evget?queue=bq#&worker=bench", 0 },
	[OP_PUB] = { "POST", "/hustmq/pub?queue=bt!", 1 },
	[OP_SUB] = { "GET", "/evsub?queue=bt!&idx=#", 0 },
};

/* The netstrings of an mget; returns their length. */
static size_t
http_keys(struct request *r, const struct options *o)
{
	size_t		was = r->len;
	unsigned	i;

	for (i = 0; i < MGET_KEYS; i++)
		template_put(r, o, "16:key:$,");
	return r->len - was;
}

static void
http_request(const struct options *o, enum kind kind, struct request *r)
{
	struct request	keys = { .len = 0 };
	char		text[512];
	size_t		body = verbs[kind].value ? o->size : 0;

	memset(r, 0, sizeof(*r));
	r->value = verbs[kind].value;
	r->tail = "";
	if (kind == OP_MGET)
		body = http_keys(&keys, o);
	(void)snprintf(text, sizeof(text), "%s %s", verbs[kind].method,
	    verbs[kind].target[0] == '/' ? "" : "/hustdb/");
	template_put(r, o, text);
	template_put(r, o, verbs[kind].target);
	(void)snprintf(text, sizeof(text), " HTTP/1.1\r\nHost: %.64s\r\n",
	    o->address);
	template_put(r, o, text);
	if (body > 0) {
		(void)snprintf(text, sizeof(text), "Content-Length: %zu\r\n",
		    body);
		template_put(r, o, text);
	}
	template_put(r, o, "\r\n");
	if (kind == OP_MGET)
		(void)http_keys(r, o);
}

static unsigned
http_hello(const struct options *o, unsigned n, struct request *r)
{
	struct options	one = *o;

	if (o->mix[OP_SUB] == 0 || n != 0)
		return 0;
	one.size = 1;
	http_request(&one, OP_PUB, r);
	template_put(r, &one, "x");
	return 1;
}

/* One header line, without its end. */
static void
http_line(const char *p, size_t n, struct reply *r)
{
	static const char	name[] = "content-length:";

	if (n < sizeof(name) || strncasecmp(p, name, sizeof(name) - 1) != 0)
		return;
	r->has_body = 1;
	r->body = decimal(p + sizeof(name) - 1, p + n);
}

static ssize_t
http_reply(const char *p, size_t n, struct reply *r)
{
	const char	*at = p, *nl;

	if (n < 12)
		return 0;
	if (memcmp(p, "HTTP/1.", 7) != 0)
		return -1;
	memset(r, 0, sizeof(*r));
	r->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] - '0';
	while ((nl = memchr(at, '\n', n - (size_t)(at - p))) != NULL) {
		if (nl - at <= 1)
			return r->has_body ? nl + 1 - p : -1;
		/* 'C' and 'c' differ in one bit. */
		if ((*at | 0x20) == 'c')
			http_line(at, (size_t)(nl - at), r);
		at = nl + 1;
	}
	return 0;
}

const struct wire wire_http = { "http", http_request, http_reply, http_hello };
