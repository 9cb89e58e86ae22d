/*
 * outs.c: see outs.h.
 */
#include <stdlib.h>
#include <string.h>

#include "router/outs.h"

#define BUCKETS	16384u
#define MOST	1000000u	/* remembered at a time */

LIST_HEAD(out_bucket, out);

struct outs {
	struct out_bucket	bucket[BUCKETS];
	struct out_bucket	lost;
	uint64_t		count;		/* in the buckets */
};

/* Tokens end in a keyed hash: their bytes are spread as it is. */
static struct out_bucket *
out_bucket(struct outs *o, struct queue_str token)
{
	uint64_t	h = 0;
	size_t		i;

	for (i = 0; i < token.n; i++)
		h = h * 31 + token.p[i];
	return &o->bucket[h & (BUCKETS - 1)];
}

struct outs *
outs_new(void)
{
	return calloc(1, sizeof(struct outs));
}

void
outs_free(struct outs *o)
{
	struct out	*x;
	unsigned	 i;

	if (o == NULL)
		return;
	for (i = 0; i < BUCKETS; i++)
		while ((x = LIST_FIRST(&o->bucket[i])) != NULL) {
			LIST_REMOVE(x, bucket);
			free(x);
		}
	while (outs_lost(o) != NULL)
		outs_back(o);
	free(o);
}

void
outs_add(struct outs *o, uint64_t link, struct queue_str tab,
    struct queue_str token, uint64_t mark)
{
	struct out	*x;

	if (token.n > QUEUE_TOKEN_MAX || tab.n > TABLE_MAX ||
	    o->count >= MOST ||
	    (x = malloc(sizeof(*x))) == NULL)
		return;
	x->link = link;
	x->mark = mark;
	x->unseen = 0;
	x->tablen = (uint8_t)tab.n;
	x->tokenlen = (uint8_t)token.n;
	memcpy(x->tab, tab.p, tab.n);
	memcpy(x->token, token.p, token.n);
	LIST_INSERT_HEAD(out_bucket(o, token), x, bucket);
	o->count++;
}

void
outs_remove(struct outs *o, struct queue_str token)
{
	struct out	*x;

	if (o->count == 0)
		return;
	LIST_FOREACH(x, out_bucket(o, token), bucket)
		if (x->tokenlen == token.n &&
		    memcmp(x->token, token.p, token.n) == 0) {
			LIST_REMOVE(x, bucket);
			free(x);
			o->count--;
			return;
		}
}

void
outs_lose(struct outs *o, uint64_t link, uint64_t released)
{
	struct out	*x, *next;
	unsigned	 i;

	for (i = 0; i < BUCKETS && o->count > 0; i++)
		for (x = LIST_FIRST(&o->bucket[i]); x != NULL; x = next) {
			next = LIST_NEXT(x, bucket);
			if (x->link != link)
				continue;
			LIST_REMOVE(x, bucket);
			x->unseen = x->mark > released;
			LIST_INSERT_HEAD(&o->lost, x, bucket);
			o->count--;
		}
}

const struct out *
outs_lost(const struct outs *o)
{
	return LIST_FIRST(&o->lost);
}

void
outs_back(struct outs *o)
{
	struct out	*x = LIST_FIRST(&o->lost);

	LIST_REMOVE(x, bucket);
	free(x);
}
