/*
 * resp.c: RESP2, the protocol of Redis (redis.io, "RESP protocol spec"):
 * commands as arrays of bulk strings.  A nil and 0 count as 404, an error as 500;
 * an array must have come whole before it is an answer.
 *
 * Who subscribes says so at the beginning; what comes then is the answer to a
 * request of no bytes.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

/* Words; = is the value.  Without any nothing is sent. */
static const char *const verbs[OP_KINDS] = {
	[OP_GET] = "GET @",
	[OP_PUT] = "SET @ =",
	[OP_DEL] = "DEL @",
	[OP_HSET] = "HSET bh @ =",
	[OP_HGET] = "HGET bh @",
	[OP_SADD] = "SADD bs @~",
	[OP_SISMEMBER] = "SISMEMBER bs @~",
	[OP_ZADD] = "ZADD bz # @~",
	[OP_ZSCORE] = "ZSCORE bz @~",
	[OP_ZRANGE] = "ZRANGEBYSCORE bz # ^",
	[OP_HKEYS] = "HSCAN bh 0 COUNT 100",
	[OP_MGET] = "MGET",
	[OP_CGET] = "GET @",
	[OP_CPUT] = "SET @ =",
	[OP_QPUT] = "LPUSH bq# =",
	[OP_QGET] = "RPOP bq#",
	[OP_EVGET] = "BRPOP bq# 0",
	[OP_PUB] = "PUBLISH bt! =",
	[OP_SUB] = "",
};

/* No template: it has a $ in it. */
static void
resp_length(struct request *r, size_t n)
{
	r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len,
	    "$%zu\r\n", n);
}

static void
resp_word(const struct options *o, struct request *r, const char *word,
    size_t n)
{
	char	one[32];

	(void)snprintf(one, sizeof(one), "%.*s", (int)n, word);
	r->value = strcmp(one, "=") == 0;
	resp_length(r, r->value ? o->size : template_size(o, one));
	if (r->value)
		return;
	template_put(r, o, one);
	template_put(r, o, "\r\n");
}

static void
resp_request(const struct options *o, enum kind kind, struct request *r)
{
	const char	*p, *end;
	unsigned	 words = 1, i;
	char		 text[32];

	memset(r, 0, sizeof(*r));
	r->tail = "";
	if (verbs[kind][0] == '\0')
		return;
	for (p = verbs[kind]; *p != '\0'; p++)
		words += *p == ' ';
	if (kind == OP_MGET)
		words += MGET_KEYS;
	(void)snprintf(text, sizeof(text), "*%u\r\n", words);
	template_put(r, o, text);
	for (p = verbs[kind]; *p != '\0'; p = end + (*end == ' ')) {
		end = p + strcspn(p, " ");
		resp_word(o, r, p, (size_t)(end - p));
	}
	for (i = 0; kind == OP_MGET && i < MGET_KEYS; i++)
		resp_word(o, r, "key:$", 5);
	r->tail = "\r\n";
	r->tail_len = r->value ? 2 : 0;
}

static unsigned
resp_hello(const struct options *o, unsigned n, struct request *r)
{
	if (o->mix[OP_SUB] == 0 || n == 0)
		return 0;
	template_put(r, o, "SUBSCRIBE bt!\r\n");
	return 1;
}

/*
 * The end of a value of any kind, arrays and what is in them included; NULL:
 * not all there yet.
 */
static const char *
resp_skip(const char *p, const char *end)
{
	uint64_t	 more = 1, n;
	const char	*nl;

	for (; more > 0; more--) {
		if (p == end ||
		    (nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			return NULL;
		n = p[1] == '-' ? 0 : decimal(p + 1, nl);
		if (*p == '*')
			more += n;
		else if (*p == '$' && p[1] != '-') {
			if ((uint64_t)(end - nl) < n + 3)
				return NULL;
			nl += n + 2;
		}
		p = nl + 1;
	}
	return p;
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
	case '*':
		nl = resp_skip(p, p + n);
		return nl == NULL ? 0 : nl - p;
	default:
		return -1;
	}
	return nl + 1 - p;
}

const struct wire wire_resp = { "resp", resp_request, resp_reply, resp_hello };
