/*
 * sp.c: the SUB side of nng's PUB/SUB on ipc, as much as a subscriber needs
 * (the "ipc" and "sp" mappings of the nanomsg RFCs): each side begins with
 * 8 bytes, 0 'S' 'P' 0, its protocol in 2 and 0 0; a message is 1, its length in
 * 8 bytes, most significant first, and its bytes, here "topic\nitem".  Nothing
 * is asked for: filters are the subscriber's own.
 */
#include <string.h>

#include "tests/bench/bench.h"

#define GREETING	8u
#define HEAD		9u

static void
sp_request(const struct options *o, enum kind kind, struct request *r)
{
	(void)o;
	(void)kind;
	memset(r, 0, sizeof(*r));
	r->tail = "";
}

static unsigned
sp_hello(const struct options *o, unsigned n, struct request *r)
{
	static const char	sub[GREETING] = { 0, 'S', 'P', 0, 0, 0x21 };

	(void)o;
	(void)n;
	memcpy(r->text, sub, sizeof(sub));
	r->len = sizeof(sub);
	return 1;
}

static ssize_t
sp_reply(const char *p, size_t n, struct reply *r)
{
	static const char	pub[GREETING] = { 0, 'S', 'P', 0, 0, 0x20 };
	const char		*nl;
	uint64_t		 len = 0;
	unsigned		 i;

	memset(r, 0, sizeof(*r));
	r->status = 200;
	if (n == 0)
		return 0;
	if (*p == 0) {
		if (n < sizeof(pub))
			return 0;
		return memcmp(p, pub, sizeof(pub)) == 0 ? (ssize_t)sizeof(pub) :
		    -1;
	}
	if (*p != 1)
		return -1;
	if (n < HEAD || (nl = memchr(p + HEAD, '\n', n - HEAD)) == NULL)
		return 0;
	for (i = 1; i < HEAD; i++)
		len = len << 8 | (uint8_t)p[i];
	nl++;
	if ((uint64_t)(nl - p) > len + HEAD)
		return -1;
	r->has_body = 1;
	r->body = len + HEAD - (uint64_t)(nl - p);
	return nl - p;
}

const struct wire wire_sp = { "sp", sp_request, sp_reply, sp_hello };
