/*
 * fuzz_many.c: what STORE_MGET and STORE_MPUT carry, on any bytes.  The first
 * byte says what the others are: 0 operations, else answers, back to back.
 * ok-* in the corpus decode to their end (tests/corpus/make.py).
 */
#define FUZZ_NAME "many"
#include "proto/msg.h"
#include "proto/msg_many.h"
#include "tests/fuzz.h"

/* What was accepted lies in its bytes, in range, and is written as it was. */
static void
fuzz_op(const struct many_op *o, const uint8_t *p, size_t used)
{
	uint8_t	*out = malloc(used);

	MUST(o->tab >= p && o->val + o->vallen == p + used);
	MUST(o->tablen <= TABLE_MAX && o->keylen >= 1 && o->keylen <= KEY_MAX);
	MUST(many_op_size(o) == used && out != NULL);
	MUST(many_op_put(out, o) == used && memcmp(out, p, used) == 0);
	free(out);
}

static void
fuzz_answer(const struct many_answer *a, const uint8_t *p, size_t used)
{
	uint8_t	*out = malloc(used);

	MUST(a->val >= p && a->val + a->vallen == p + used);
	MUST(a->status < E_MAX_ && a->status != E_PENDING);
	MUST(many_answer_size(a) == used && out != NULL);
	MUST(many_answer_put(out, a) == used && memcmp(out, p, used) == 0);
	free(out);
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	struct many_op		o;
	struct many_answer	a;
	const uint8_t		*end = p + n;
	size_t			 used;
	int			 ops;

	if (n < 1)
		return 0;
	for (ops = *p++ == 0; p < end; p += used) {
		used = 0;
		if ((ops ? many_op_get(&o, p, (size_t)(end - p), &used) :
		    many_answer_get(&a, p, (size_t)(end - p), &used)) != E_OK)
			return 0;
		MUST(used > 0 && used <= (size_t)(end - p));
		if (ops)
			fuzz_op(&o, p, used);
		else
			fuzz_answer(&a, p, used);
	}
	return 1;
}
