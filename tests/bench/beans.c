/*
 * beans.c: the protocol of beanstalkd (doc/protocol.txt of its sources).  A
 * connection puts and takes in one tube: the n-th in that of the n-th key, round
 * and round; the keys of its ops do not matter.  A message is reserved and then
 * deleted, which are two requests and one op.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

static void
beans_request(const struct options *o, enum kind kind, struct request *r)
{
	memset(r, 0, sizeof(*r));
	r->tail = "";
	if (kind == OP_QGET)
		r->len = (size_t)snprintf(r->text, sizeof(r->text),
		    "reserve-with-timeout 0\r\n");
	else if (kind == OP_QPUT) {
		r->len = (size_t)snprintf(r->text, sizeof(r->text),
		    "put 0 0 60 %zu\r\n", o->size);
		r->value = 1;
		r->tail = "\r\n";
		r->tail_len = 2;
	} else
		die("beanstalkd has qput and qget only");
}

static unsigned
beans_hello(const struct options *o, unsigned n, struct request *r)
{
	unsigned long long	tube = o->first + n % o->keys;

	r->len = (size_t)snprintf(r->text, sizeof(r->text),
	    "use bq%012llu\r\nwatch bq%012llu\r\nignore default\r\n", tube,
	    tube);
	return 3;
}

/* RESERVED <id> <bytes> */
static void
beans_reserved(const char *p, const char *end, struct reply *r)
{
	const char	*bytes = memchr(p, ' ', (size_t)(end - p));

	r->has_body = 1;
	r->body = bytes == NULL ? 0 : decimal(bytes, end);
	r->tail = 2;
	(void)snprintf(r->more, sizeof(r->more), "delete %llu\r\n",
	    (unsigned long long)decimal(p, end));
}

static ssize_t
beans_reply(const char *p, size_t n, struct reply *r)
{
	static const char	 reserved[] = "RESERVED ";
	const char		*nl = memchr(p, '\n', n);
	size_t			 len = sizeof(reserved) - 1;

	if (nl == NULL)
		return 0;
	memset(r, 0, sizeof(*r));
	r->status = 500;
	if ((size_t)(nl - p) > len && memcmp(p, reserved, len) == 0) {
		r->status = 200;
		beans_reserved(p + len, nl, r);
	} else if (strncmp(p, "INSERTED ", 9) == 0 ||
	    strncmp(p, "DELETED\r", 8) == 0 ||
	    strncmp(p, "USING ", 6) == 0 || strncmp(p, "WATCHING ", 9) == 0)
		r->status = 200;
	else if (strncmp(p, "TIMED_OUT\r", 10) == 0)
		r->status = 404;
	return nl + 1 - p;
}

const struct wire wire_beans = { "beans", beans_request, beans_reply,
	beans_hello };
