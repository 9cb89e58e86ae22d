/*
 * msg_many.c: the operations and answers that lie back to back in the value of
 * STORE_MGET and STORE_MPUT.
 *
 * Runs in stores, workers and libwharf.  The bytes may be memory that a peer is
 * writing at this moment: a decoder copies the head out and looks at the copy.
 * To change a format, raise FRAME_VERSION, keep the old decoder and add a
 * fixture to tests/corpus/many.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/msg_many.h"

/* Offsets; doc/protocol.7 shows the same maps. */
enum {
	OP_TYPE = 0, OP_TABLEN = 1, OP_FLAGS = 2, OP_VER = 4, OP_TTL = 8,
	OP_KEYLEN = 16, OP_VALLEN = 20, OP_END = 24
};
enum {
	ANSWER_STATUS = 0, ANSWER_FLAGS = 2, ANSWER_VER = 4, ANSWER_TTL = 8,
	ANSWER_VALLEN = 16, ANSWER_END = 20
};

_Static_assert(OP_END == MANY_OP_HEAD, "the map and MANY_OP_HEAD differ");
_Static_assert(ANSWER_END == MANY_ANSWER_HEAD,
    "the map and MANY_ANSWER_HEAD differ");

static uint8_t *
append(uint8_t *out, const uint8_t *p, size_t n)
{
	if (n != 0)
		memcpy(out, p, n);
	return out + n;
}

size_t
many_op_size(const struct many_op *o)
{
	return (size_t)MANY_OP_HEAD + o->tablen + o->keylen + o->vallen;
}

size_t
many_op_put(uint8_t *out, const struct many_op *o)
{
	uint8_t	*p = out + MANY_OP_HEAD;

	out[OP_TYPE] = o->type;
	out[OP_TABLEN] = (uint8_t)o->tablen;
	le16_put(out + OP_FLAGS, o->flags);
	le32_put(out + OP_VER, o->ver);
	le64_put(out + OP_TTL, (uint64_t)o->ttl);
	le32_put(out + OP_KEYLEN, o->keylen);
	le32_put(out + OP_VALLEN, o->vallen);
	p = append(p, o->tab, o->tablen);
	p = append(p, o->key, o->keylen);
	p = append(p, o->val, o->vallen);
	return (size_t)(p - out);
}

enum err
many_op_get(struct many_op *o, const uint8_t *p, size_t n, size_t *used)
{
	uint8_t	h[MANY_OP_HEAD];

	if (n < MANY_OP_HEAD)
		return E_BADMSG;
	memcpy(h, p, MANY_OP_HEAD);
	o->type = h[OP_TYPE];
	o->tablen = h[OP_TABLEN];
	o->flags = le16_get(h + OP_FLAGS);
	o->ver = le32_get(h + OP_VER);
	o->ttl = (int64_t)le64_get(h + OP_TTL);
	o->keylen = le32_get(h + OP_KEYLEN);
	o->vallen = le32_get(h + OP_VALLEN);
	if (o->tablen > TABLE_MAX || o->keylen < 1 || o->keylen > KEY_MAX ||
	    o->vallen > VALUE_MAX)
		return E_BADMSG;
	/* Each length is bounded by now: the sum cannot overflow. */
	if (many_op_size(o) > n)
		return E_BADMSG;
	o->tab = p + MANY_OP_HEAD;
	o->key = o->tab + o->tablen;
	o->val = o->key + o->keylen;
	*used = many_op_size(o);
	return E_OK;
}

size_t
many_answer_size(const struct many_answer *a)
{
	return (size_t)MANY_ANSWER_HEAD + a->vallen;
}

size_t
many_answer_put(uint8_t *out, const struct many_answer *a)
{
	le16_put(out + ANSWER_STATUS, (uint16_t)a->status);
	le16_put(out + ANSWER_FLAGS, a->flags);
	le32_put(out + ANSWER_VER, a->ver);
	le64_put(out + ANSWER_TTL, (uint64_t)a->ttl);
	le32_put(out + ANSWER_VALLEN, a->vallen);
	append(out + MANY_ANSWER_HEAD, a->val, a->vallen);
	return many_answer_size(a);
}

enum err
many_answer_get(struct many_answer *a, const uint8_t *p, size_t n,
    size_t *used)
{
	uint8_t		h[MANY_ANSWER_HEAD];
	unsigned	status;

	if (n < MANY_ANSWER_HEAD)
		return E_BADMSG;
	memcpy(h, p, MANY_ANSWER_HEAD);
	status = le16_get(h + ANSWER_STATUS);
	a->flags = le16_get(h + ANSWER_FLAGS);
	a->ver = le32_get(h + ANSWER_VER);
	a->ttl = (int64_t)le64_get(h + ANSWER_TTL);
	a->vallen = le32_get(h + ANSWER_VALLEN);
	if (status >= E_MAX_ || status == E_PENDING || a->vallen > VALUE_MAX ||
	    many_answer_size(a) > n)
		return E_BADMSG;
	a->status = (enum err)status;
	a->val = p + MANY_ANSWER_HEAD;
	*used = many_answer_size(a);
	return E_OK;
}
