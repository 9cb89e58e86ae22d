/*
 * frame.c: the codec of the one header (frame.h has the map of its bytes).
 *
 * Runs everywhere, on bytes from anywhere: shared memory that a peer may be
 * writing at this moment, nng messages, fd 3, files of the fuzzer.  So a
 * decoder first copies the header out and from then on looks at the copy only.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"

/* Offsets in the header; frame.h and doc/protocol.7 show the same map. */
enum {
	AT_MAGIC = 0, AT_VERSION = 4, AT_HEADLEN = 5, AT_MSG = 6, AT_FLAGS = 8,
	AT_STATUS = 10, AT_SLOT = 12, AT_TYPE = 14, AT_KIND = 15, AT_ID = 16,
	AT_FROM = 24, AT_TO = 28, AT_EPOCH = 32, AT_DEADLINE = 36,
	AT_TABLEN = 40, AT_KEYLEN = 44, AT_VALLEN = 48, AT_VOFF = 52,
	AT_VTOTAL = 56, AT_VER = 60, AT_TTL = 64, AT_SCORE = 72, AT_STAMP = 80,
	AT_PREV = 96, AT_END = 112
};

_Static_assert(AT_END == FRAME_HEAD, "the map and FRAME_HEAD differ");
_Static_assert(FRAME_HEAD % 8 == 0, "the header length is counted in eights");

void
stamp_put(uint8_t out[16], const struct stamp *s)
{
	le64_put(out, s->hlc);
	le32_put(out + 8, s->epoch);
	le16_put(out + 12, s->node);
	le16_put(out + 14, s->store);
}

void
stamp_get(struct stamp *s, const uint8_t in[16])
{
	s->hlc = le64_get(in);
	s->epoch = le32_get(in + 8);
	s->node = le16_get(in + 12);
	s->store = le16_get(in + 14);
}

int
stamp_cmp(const struct stamp *a, const struct stamp *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	if (a->hlc != b->hlc)
		return a->hlc < b->hlc ? -1 : 1;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return 0;
}

void
frame_put_head(uint8_t *out, const struct frame *f)
{
	le32_put(out + AT_MAGIC, FRAME_MAGIC);
	out[AT_VERSION] = FRAME_VERSION;
	out[AT_HEADLEN] = FRAME_HEAD / 8;
	le16_put(out + AT_MSG, f->msg);
	le16_put(out + AT_FLAGS, f->flags);
	le16_put(out + AT_STATUS, f->status);
	le16_put(out + AT_SLOT, f->slot);
	out[AT_TYPE] = f->type;
	out[AT_KIND] = f->kind;
	le64_put(out + AT_ID, f->id);
	le32_put(out + AT_FROM, f->from);
	le32_put(out + AT_TO, f->to);
	le32_put(out + AT_EPOCH, f->epoch);
	le32_put(out + AT_DEADLINE, f->deadline);
	le32_put(out + AT_TABLEN, f->tablen);
	le32_put(out + AT_KEYLEN, f->keylen);
	le32_put(out + AT_VALLEN, f->vallen);
	le32_put(out + AT_VOFF, f->voff);
	le32_put(out + AT_VTOTAL, f->vtotal);
	le32_put(out + AT_VER, f->ver);
	le64_put(out + AT_TTL, (uint64_t)f->ttl);
	le64_put(out + AT_SCORE, (uint64_t)f->score);
	stamp_put(out + AT_STAMP, &f->stamp);
	stamp_put(out + AT_PREV, &f->prev);
}

static uint8_t *
frame_append(uint8_t *out, const uint8_t *p, size_t n)
{
	if (n != 0)
		memcpy(out, p, n);
	return out + n;
}

size_t
frame_put(uint8_t *out, const struct frame *f)
{
	uint8_t	*p = out + FRAME_HEAD;

	frame_put_head(out, f);
	p = frame_append(p, f->tab, f->tablen);
	p = frame_append(p, f->key, f->keylen);
	p = frame_append(p, f->val, f->vallen);
	return (size_t)(p - out);
}

static void
frame_get_head(struct frame *f, const uint8_t *h)
{
	f->msg = le16_get(h + AT_MSG);
	f->flags = le16_get(h + AT_FLAGS);
	f->status = le16_get(h + AT_STATUS);
	f->slot = le16_get(h + AT_SLOT);
	f->type = h[AT_TYPE];
	f->kind = h[AT_KIND];
	f->id = le64_get(h + AT_ID);
	f->from = le32_get(h + AT_FROM);
	f->to = le32_get(h + AT_TO);
	f->epoch = le32_get(h + AT_EPOCH);
	f->deadline = le32_get(h + AT_DEADLINE);
	f->tablen = le32_get(h + AT_TABLEN);
	f->keylen = le32_get(h + AT_KEYLEN);
	f->vallen = le32_get(h + AT_VALLEN);
	f->voff = le32_get(h + AT_VOFF);
	f->vtotal = le32_get(h + AT_VTOTAL);
	f->ver = le32_get(h + AT_VER);
	f->ttl = (int64_t)le64_get(h + AT_TTL);
	f->score = (int64_t)le64_get(h + AT_SCORE);
	stamp_get(&f->stamp, h + AT_STAMP);
	stamp_get(&f->prev, h + AT_PREV);
}

/* Everything that can be wrong with a header, whatever the message. */
static int
frame_sane(const struct frame *f)
{
	return f->status < E_MAX_ && f->status != E_PENDING &&
	    f->slot < SLOTS &&
	    f->tablen <= FRAME_NAME && f->keylen <= FRAME_KEY &&
	    f->vallen <= FRAME_VALUE && f->vtotal <= VALUE_MAX &&
	    f->voff <= f->vtotal && f->vallen <= f->vtotal - f->voff &&
	    /* a piece of nothing would never end a value */
	    (f->vallen != 0 || f->vtotal == 0);
}

enum err
frame_next(struct frame *f, const uint8_t *p, size_t n, size_t *used)
{
	uint8_t	 h[FRAME_HEAD];
	size_t	 head;

	if (n < FRAME_HEAD)
		return E_BADMSG;
	memcpy(h, p, FRAME_HEAD);
	head = h[AT_HEADLEN] * (size_t)8;
	if (le32_get(h + AT_MAGIC) != FRAME_MAGIC ||
	    h[AT_VERSION] != FRAME_VERSION || head < FRAME_HEAD || head > n)
		return E_BADMSG;
	frame_get_head(f, h);
	if (!frame_sane(f))
		return E_BADMSG;
	n -= head;
	/* Each length is bounded by now: the sum cannot overflow. */
	if ((size_t)f->tablen + f->keylen + f->vallen > n)
		return E_BADMSG;
	f->tab = p + head;
	f->key = f->tab + f->tablen;
	f->val = f->key + f->keylen;
	*used = head + f->tablen + f->keylen + f->vallen;
	return E_OK;
}

enum err
frame_get(struct frame *f, const uint8_t *p, size_t n)
{
	size_t		used;
	enum err	e = frame_next(f, p, n, &used);

	if (e == E_OK && used != n)
		e = E_BADMSG;
	return e;
}
