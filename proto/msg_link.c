/*
 * msg_link.c: encode and decode HELLO, DESK_HELLO and its answer.
 *
 * Runs in every actor and in libwharf; pure.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/msg_link.h"

/* A blob that becomes a C string: no NUL inside, shorter than max. */
static void
rbuf_string(struct rbuf *b, char *out, size_t max)
{
	size_t		 len;
	const uint8_t	*p = rbuf_blob(b, max - 1, &len);

	if (b->bad || memchr(p, '\0', len) != NULL) {
		b->bad = 1;
		return;
	}
	memcpy(out, p, len);
	out[len] = '\0';
}

static size_t
wbuf_result(const struct wbuf *b)
{
	return wbuf_end(b) == E_OK ? b->len : 0;
}

size_t
hello_put(uint8_t *out, size_t max, const struct hello *h)
{
	struct wbuf	b;

	wbuf_init(&b, out, max);
	wbuf_u8(&b, h->version);
	wbuf_u8(&b, h->role);
	wbuf_u16(&b, h->seat);
	wbuf_u32(&b, h->inc);
	wbuf_u64(&b, h->link);
	wbuf_u8(&b, h->lane);
	return wbuf_result(&b);
}

enum err
hello_get(struct hello *h, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	rbuf_init(&b, p, n);
	h->version = rbuf_u8(&b);
	h->role = rbuf_u8(&b);
	h->seat = rbuf_u16(&b);
	h->inc = rbuf_u32(&b);
	h->link = rbuf_u64(&b);
	h->lane = rbuf_u8(&b);
	if (h->version != LINK_VERSION || h->role >= 32 || h->lane > 1)
		return E_BADMSG;
	return rbuf_end(&b);
}

size_t
desk_hello_put(uint8_t *out, size_t max, const struct desk_hello *h)
{
	struct wbuf	b;

	wbuf_init(&b, out, max);
	wbuf_u8(&b, h->version);
	wbuf_blob(&b, h->name, strnlen(h->name, DESK_NAME_MAX));
	return wbuf_result(&b);
}

enum err
desk_hello_get(struct desk_hello *h, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	memset(h, 0, sizeof(*h));
	rbuf_init(&b, p, n);
	h->version = rbuf_u8(&b);
	rbuf_string(&b, h->name, sizeof(h->name));
	if (h->version != LINK_VERSION)
		return E_BADMSG;
	return rbuf_end(&b);
}

size_t
desk_answer_put(uint8_t *out, size_t max, const struct desk_answer *a)
{
	struct wbuf	b;

	wbuf_init(&b, out, max);
	wbuf_u8(&b, a->version);
	wbuf_u16(&b, a->stores);
	wbuf_u16(&b, a->files);
	wbuf_u16(&b, a->routers);
	wbuf_u16(&b, a->seat);
	wbuf_u32(&b, a->inc);
	wbuf_u64(&b, a->link);
	wbuf_blob(&b, a->path, strnlen(a->path, LINK_PATH_MAX - 1));
	wbuf_blob(&b, a->lanes, strnlen(a->lanes, LINK_PATH_MAX - 1));
	return wbuf_result(&b);
}

enum err
desk_answer_get(struct desk_answer *a, const uint8_t *p, size_t n)
{
	struct rbuf	b;

	memset(a, 0, sizeof(*a));
	rbuf_init(&b, p, n);
	a->version = rbuf_u8(&b);
	a->stores = rbuf_u16(&b);
	a->files = rbuf_u16(&b);
	a->routers = rbuf_u16(&b);
	a->seat = rbuf_u16(&b);
	a->inc = rbuf_u32(&b);
	a->link = rbuf_u64(&b);
	rbuf_string(&b, a->path, sizeof(a->path));
	rbuf_string(&b, a->lanes, sizeof(a->lanes));
	if (a->version != LINK_VERSION)
		return E_BADMSG;
	return rbuf_end(&b);
}
