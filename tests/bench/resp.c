/*
 * resp.c: RESP2, the protocol of Redis (redis.io, "RESP protocol spec"): GET,
 * SET and DEL as arrays of bulk strings.  A nil and a DEL that found nothing
 * count as 404, an error as 500.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

static void
resp_request(const struct options *o, enum kind kind, struct request *r)
{
	static const char *const	verbs[OP_KINDS] = {
		"GET", "SET", "DEL"
	};
	char				length[32] = "";

	if (kind == OP_PUT)
		(void)snprintf(length, sizeof(length), "$%zu\r\n", o->size);
	r->len = (size_t)snprintf(r->text, sizeof(r->text),
	    "*%d\r\n$3\r\n%s\r\n$%d\r\nkey:%0*d\r\n%s", kind == OP_PUT ? 3 : 2,
	    verbs[kind], KEY_LEN, KEY_DIGITS, 0, length);
	r->key_at = (size_t)(strstr(r->text, "key:") - r->text) + 4;
	r->tail = "\r\n";
	r->tail_len = kind == OP_PUT ? 2 : 0;
}

static ssize_t
resp_reply(const char *p, size_t n, struct reply *r)
{
	const char	*nl = memchr(p, '\n', n);

	if (nl == NULL)
		return 0;
	memset(r, 0, sizeof(*r));
	r->status = 200;
	switch (*p) {
	case '+':
		break;
	case ':':
		if (decimal(p + 1, nl) == 0)
			r->status = 404;
		break;
	case '$':
		if (p[1] == '-') {
			r->status = 404;
			break;
		}
		r->has_body = 1;
		r->body = decimal(p + 1, nl);
		r->tail = 2;
		break;
	case '-':
		r->status = 500;
		break;
	default:
		return -1;
	}
	return nl + 1 - p;
}

const struct wire wire_resp = { "resp", resp_request, resp_reply };
