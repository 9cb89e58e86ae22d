/*
 * buf.h: bounded little-endian reader and writer.
 *
 * The error is sticky: after the first short read or overfull write all
 * further calls give 0 / NULL / nothing, and rbuf_end or wbuf_end reports it,
 * so that a decoder is a plain list of fields.
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/err.h"

struct rbuf {
	const uint8_t	*p;
	size_t		 left;
	int		 bad;
};

struct wbuf {
	uint8_t		*p;
	size_t		 len, max;
	int		 bad;
};

static inline uint16_t
le16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
le32_get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static inline uint64_t
le64_get(const uint8_t *p)
{
	return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

#define ORDERED_SIZE	8u

/* Eight bytes that memcmp orders as the numbers. */
static inline void
ordered_put(uint8_t p[ORDERED_SIZE], int64_t n)
{
	uint64_t	v = htobe64((uint64_t)n ^ UINT64_C(1) << 63);

	memcpy(p, &v, sizeof(v));
}

static inline int64_t
ordered_get(const uint8_t p[ORDERED_SIZE])
{
	uint64_t	v;

	memcpy(&v, p, sizeof(v));
	return (int64_t)(be64toh(v) ^ UINT64_C(1) << 63);
}

static inline void
le16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void
le32_put(uint8_t *p, uint32_t v)
{
	le16_put(p, (uint16_t)v);
	le16_put(p + 2, (uint16_t)(v >> 16));
}

static inline void
le64_put(uint8_t *p, uint64_t v)
{
	le32_put(p, (uint32_t)v);
	le32_put(p + 4, (uint32_t)(v >> 32));
}

static inline void
rbuf_init(struct rbuf *b, const void *p, size_t n)
{
	b->p = p;
	b->left = n;
	b->bad = 0;
}

static inline const uint8_t *
rbuf_take(struct rbuf *b, size_t n)
{
	const uint8_t	*p = b->p;

	if (b->bad || n > b->left) {
		b->bad = 1;
		return NULL;
	}
	b->p += n;
	b->left -= n;
	return p;
}

static inline uint8_t
rbuf_u8(struct rbuf *b)
{
	const uint8_t	*p = rbuf_take(b, 1);

	return p == NULL ? 0 : *p;
}

static inline uint16_t
rbuf_u16(struct rbuf *b)
{
	const uint8_t	*p = rbuf_take(b, 2);

	return p == NULL ? 0 : le16_get(p);
}

static inline uint32_t
rbuf_u32(struct rbuf *b)
{
	const uint8_t	*p = rbuf_take(b, 4);

	return p == NULL ? 0 : le32_get(p);
}

static inline uint64_t
rbuf_u64(struct rbuf *b)
{
	const uint8_t	*p = rbuf_take(b, 8);

	return p == NULL ? 0 : le64_get(p);
}

/* u16 length, then at most max bytes; borrowed. */
static inline const uint8_t *
rbuf_blob(struct rbuf *b, size_t max, size_t *len)
{
	*len = rbuf_u16(b);
	if (*len > max)
		b->bad = 1;
	return rbuf_take(b, *len);
}

/* E_OK only when every field was there and nothing is left over. */
static inline enum err
rbuf_end(const struct rbuf *b)
{
	return b->bad || b->left != 0 ? E_BADMSG : E_OK;
}

static inline void
wbuf_init(struct wbuf *b, void *p, size_t max)
{
	b->p = p;
	b->len = 0;
	b->max = max;
	b->bad = 0;
}

static inline uint8_t *
wbuf_room(struct wbuf *b, size_t n)
{
	uint8_t	*p = b->p + b->len;

	if (b->bad || n > b->max - b->len) {
		b->bad = 1;
		return NULL;
	}
	b->len += n;
	return p;
}

static inline void
wbuf_u8(struct wbuf *b, uint8_t v)
{
	uint8_t	*p = wbuf_room(b, 1);

	if (p != NULL)
		*p = v;
}

static inline void
wbuf_u16(struct wbuf *b, uint16_t v)
{
	uint8_t	*p = wbuf_room(b, 2);

	if (p != NULL)
		le16_put(p, v);
}

static inline void
wbuf_u32(struct wbuf *b, uint32_t v)
{
	uint8_t	*p = wbuf_room(b, 4);

	if (p != NULL)
		le32_put(p, v);
}

static inline void
wbuf_u64(struct wbuf *b, uint64_t v)
{
	uint8_t	*p = wbuf_room(b, 8);

	if (p != NULL)
		le64_put(p, v);
}

static inline void
wbuf_blob(struct wbuf *b, const void *data, size_t len)
{
	uint8_t	*p;

	if (len > UINT16_MAX)
		b->bad = 1;
	wbuf_u16(b, (uint16_t)len);
	if ((p = wbuf_room(b, len)) != NULL)
		memcpy(p, data, len);
}

static inline enum err
wbuf_end(const struct wbuf *b)
{
	return b->bad ? E_FULL : E_OK;
}

#endif
