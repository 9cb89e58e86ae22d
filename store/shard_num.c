/*
 * shard_num.c: counters, scores and times to live: reads the record, changes it
 * and writes it in one step of the shard, as one log record (W6).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "store/shard_num.h"

struct incr {
	int64_t		n;		/* to add, then the sum */
	uint8_t		text[NUMBER_TEXT];
};

struct zadd {
	enum score_op	op;
	int64_t		score;
	uint8_t		bytes[SCORE_BYTES];
};

/* As isspace() in the C locale. */
static int
is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

enum err
number_get(const uint8_t *p, size_t n, int64_t *out)
{
	const uint8_t	*end = p + n, *digits;
	int64_t		 v = 0;
	int		 minus;

	while (p < end && is_space(*p))
		p++;
	minus = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	/* Below zero there is one number more than above it. */
	for (digits = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, *p - '0', &v))
			return E_NUMBER;
	if (p == digits || (p < end && !is_space(*p)))
		return E_NUMBER;
	if (!minus && __builtin_sub_overflow(0, v, &v))
		return E_NUMBER;
	*out = v;
	return E_OK;
}

size_t
number_put(uint8_t out[NUMBER_TEXT], int64_t v)
{
	char	text[NUMBER_TEXT + 1];
	int	n = snprintf(text, sizeof(text), "%lld", (long long)v);

	memcpy(out, text, (size_t)n);
	return (size_t)n;
}

static enum err
incr_change(void *arg, const struct record *r, struct shard_write *w)
{
	struct incr	*i = arg;
	int64_t		 base = 0;
	enum err	 e;

	if (r != NULL && (e = number_get(r->val, r->vallen, &base)) != E_OK)
		return e;
	if (__builtin_add_overflow(base, i->n, &i->n))
		return E_NUMBER;
	w->val = i->text;
	w->vallen = number_put(i->text, i->n);
	return E_OK;
}

enum err
shard_incr(struct shard *s, const struct shard_key *k,
    const struct shard_write *asked, int64_t *n, struct shard_result *res)
{
	struct incr		 i = { .n = *n };
	struct shard_write	 w = *asked;
	enum err		 e;

	w.change = incr_change;
	w.arg = &i;
	e = shard_put(s, k, &w, res);
	*n = i.n;
	return e;
}

enum err
score_get(const struct record *r, int64_t *score)
{
	if (r->vallen != SCORE_BYTES)
		return E_DAMAGED;
	*score = (int64_t)le64_get(r->val);
	return E_OK;
}

static enum err
zadd_change(void *arg, const struct record *r, struct shard_write *w)
{
	struct zadd	*z = arg;
	int64_t		 old = 0;
	enum err	 e;

	if (r != NULL && (e = score_get(r, &old)) != E_OK)
		return e;
	if (z->op == SCORE_SET && r != NULL && old == z->score &&
	    r->version >= w->ver)
		w->keep = 1;
	else if ((z->op == SCORE_ADD &&
	    __builtin_add_overflow(old, z->score, &z->score)) ||
	    (z->op == SCORE_SUB &&
	    __builtin_sub_overflow(old, z->score, &z->score)))
		return E_NUMBER;
	le64_put(z->bytes, (uint64_t)z->score);
	w->val = z->bytes;
	w->vallen = SCORE_BYTES;
	return E_OK;
}

enum err
shard_zadd(struct shard *s, const struct shard_key *k,
    const struct shard_write *asked, enum score_op op, int64_t *score,
    struct shard_result *res)
{
	struct zadd		 z = { .op = op, .score = *score };
	struct shard_write	 w = *asked;
	enum err		 e;

	w.change = zadd_change;
	w.arg = &z;
	e = shard_put(s, k, &w, res);
	if (e == E_DAMAGED && op == SCORE_SET) {
		/* Nothing of it is needed: replaced as any damaged record. */
		le64_put(z.bytes, (uint64_t)*score);
		w.val = z.bytes;
		w.vallen = SCORE_BYTES;
		w.change = NULL;
		e = shard_put(s, k, &w, res);
	}
	*score = z.score;
	return e;
}

/* Keeps the value, which will not be there any more when it is written. */
static enum err
expire_change(void *arg, const struct record *r, struct shard_write *w)
{
	uint8_t	**copy = arg;

	if (r == NULL || (w->ttl <= 0 && r->expiry == 0))
		return E_NOTFOUND;
	if (r->vallen == 0)
		return E_OK;
	if ((*copy = malloc(r->vallen)) == NULL)
		return E_NOMEM;
	memcpy(*copy, r->val, r->vallen);
	w->val = *copy;
	w->vallen = r->vallen;
	return E_OK;
}

enum err
shard_expire(struct shard *s, const struct shard_key *k,
    const struct shard_write *asked, struct shard_result *res)
{
	struct shard_write	 w = *asked;
	uint8_t			*copy = NULL;
	enum err		 e;

	w.change = expire_change;
	w.update = 1;
	w.arg = &copy;
	e = shard_put(s, k, &w, res);
	free(copy);
	return e;
}
