/*
 * msg_list.c: encode and decode of what STORE_LIST, STORE_ZCOUNT and
 * STORE_EXPORT carry: a question of fixed size; a head of fixed size and
 * items, each 32 bytes and then the bytes of its table, key and value.
 *
 * Runs in stores, workers and libwharf; pure.
 *
 *  list_ask             list_head            an item
 *  0  1 order           0  1 flags           0  1 record type
 *  1  1 flags           1  1 reserved        1  1 1: its value is damaged
 *  2  2 file            2  2 file            2  1 table length
 *  4  2 start           4  4 count           3  1 reserved
 *  6  2 end             8  8 passed          4  4 version
 *  8  4 limit          16  8 total           8  8 ttl, ms (signed)
 * 12  1 cover          24  8 reserved       16  8 score (signed)
 * 13  3 reserved                            24  4 key length
 * 16  8 offset                              28  4 value length
 * 24  8 min (signed)                        32    table, key, value
 * 32  8 max (signed)
 * 40 24 reserved
 *
 * What is reserved is 0 and is refused when it is not: a later meaning of it
 * must not be overlooked by an older program.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/msg_list.h"

#define ITEM_HEAD	32u
#define ASK_FLAGS	(LIST_VALUES | LIST_ONE_FILE | LIST_REVERSE | LIST_ASYNC)

static int
is_zero(const uint8_t *p, size_t n)
{
	for (; n > 0; n--)
		if (*p++ != 0)
			return 0;
	return 1;
}

void
list_ask_put(uint8_t out[LIST_ASK_SIZE], const struct list_ask *a)
{
	memset(out, 0, LIST_ASK_SIZE);
	out[0] = a->order;
	out[1] = a->flags;
	le16_put(out + 2, a->file);
	le16_put(out + 4, a->start);
	le16_put(out + 6, a->end);
	le32_put(out + 8, a->limit);
	out[12] = a->cover;
	le64_put(out + 16, a->offset);
	le64_put(out + 24, (uint64_t)a->min);
	le64_put(out + 32, (uint64_t)a->max);
}

enum err
list_ask_get(struct list_ask *a, const uint8_t *p, size_t n)
{
	memset(a, 0, sizeof(*a));
	if (n != LIST_ASK_SIZE || !is_zero(p + 13, 3) || !is_zero(p + 40, 24))
		return E_BADMSG;
	a->order = p[0];
	a->flags = p[1];
	a->file = le16_get(p + 2);
	a->start = le16_get(p + 4);
	a->end = le16_get(p + 6);
	a->limit = le32_get(p + 8);
	a->cover = p[12];
	a->offset = le64_get(p + 16);
	a->min = (int64_t)le64_get(p + 24);
	a->max = (int64_t)le64_get(p + 32);
	return a->order > LIST_SCORE || (a->flags & ~ASK_FLAGS) != 0 ||
	    a->cover > 1 ? E_BADMSG : E_OK;
}

void
list_head_put(uint8_t out[LIST_HEAD_SIZE], const struct list_head *h)
{
	memset(out, 0, LIST_HEAD_SIZE);
	out[0] = h->flags;
	le16_put(out + 2, h->file);
	le32_put(out + 4, h->count);
	le64_put(out + 8, h->passed);
	le64_put(out + 16, h->total);
}

enum err
list_head_get(struct list_head *h, const uint8_t *p, size_t n)
{
	memset(h, 0, sizeof(*h));
	if (n < LIST_HEAD_SIZE || p[1] != 0 || !is_zero(p + 24, 8))
		return E_BADMSG;
	h->flags = p[0];
	h->file = le16_get(p + 2);
	h->count = le32_get(p + 4);
	h->passed = le64_get(p + 8);
	h->total = le64_get(p + 16);
	return (h->flags & ~(LIST_MORE | LIST_LOST)) != 0 ? E_BADMSG : E_OK;
}

size_t
list_item_size(const struct list_item *i)
{
	return (size_t)ITEM_HEAD + i->tablen + i->keylen + i->vallen;
}

size_t
list_item_put(uint8_t *out, const struct list_item *i)
{
	uint8_t	*p = out + ITEM_HEAD;

	out[0] = i->type;
	out[1] = i->damaged;
	out[2] = i->tablen;
	out[3] = 0;
	le32_put(out + 4, i->version);
	le64_put(out + 8, (uint64_t)i->ttl);
	le64_put(out + 16, (uint64_t)i->score);
	le32_put(out + 24, i->keylen);
	le32_put(out + 28, i->vallen);
	if (i->tablen != 0)
		memcpy(p, i->tab, i->tablen);
	p += i->tablen;
	if (i->keylen != 0)
		memcpy(p, i->key, i->keylen);
	p += i->keylen;
	if (i->vallen != 0)
		memcpy(p, i->val, i->vallen);
	return list_item_size(i);
}

enum err
list_item_get(struct list_item *i, const uint8_t *p, size_t n, size_t *used)
{
	struct rbuf	b;

	memset(i, 0, sizeof(*i));
	*used = 0;
	rbuf_init(&b, p, n);
	i->type = rbuf_u8(&b);
	i->damaged = rbuf_u8(&b);
	i->tablen = rbuf_u8(&b);
	if (rbuf_u8(&b) != 0 || i->damaged > 1 || i->tablen > TABLE_MAX)
		return E_BADMSG;
	i->version = rbuf_u32(&b);
	i->ttl = (int64_t)rbuf_u64(&b);
	i->score = (int64_t)rbuf_u64(&b);
	i->keylen = rbuf_u32(&b);
	i->vallen = rbuf_u32(&b);
	if (i->keylen > KEY_MAX || i->vallen > VALUE_MAX)
		return E_BADMSG;
	i->tab = rbuf_take(&b, i->tablen);
	i->key = rbuf_take(&b, i->keylen);
	i->val = rbuf_take(&b, i->vallen);
	if (b.bad)
		return E_BADMSG;
	*used = n - b.left;
	return E_OK;
}
