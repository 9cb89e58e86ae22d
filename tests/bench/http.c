/*
 * http.c: HTTP/1.1 as a key-value client speaks it: get and del are GETs, put
 * is a POST.  Of an answer only the status and Content-Length are read; one in
 * chunks would be "not an answer".
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/bench/bench.h"

#define KEY_PARAM	"?key=key:"

static void
http_request(const struct options *o, enum kind kind, struct request *r)
{
	char	length[64] = "";

	if (kind == OP_PUT)
		(void)snprintf(length, sizeof(length),
		    "Content-Length: %zu\r\n", o->size);
	r->len = (size_t)snprintf(r->text, sizeof(r->text),
	    "%s /hustdb/%s" KEY_PARAM "%0*d HTTP/1.1\r\nHost: %.64s\r\n%s\r\n",
	    kind == OP_PUT ? "POST" : "GET", kind_names[kind], KEY_DIGITS, 0,
	    o->address, length);
	r->key_at = (size_t)(strstr(r->text, KEY_PARAM) - r->text) +
	    sizeof(KEY_PARAM) - 1;
	r->tail = "";
	r->tail_len = 0;
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

const struct wire wire_http = { "http", http_request, http_reply };
