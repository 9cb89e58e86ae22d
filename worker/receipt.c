/*
 * receipt.c: see receipt.h.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_queue.h"
#include "worker/receipt.h"
#include "worker/worker.h"

struct receipt {
	unsigned	 router;
	int		 task;
	uint8_t		 tab[TABLE_MAX];
	uint32_t	 tablen;
	size_t		 len;
	uint8_t		 tokens[];	/* a list, as QUEUE_ACK takes it */
};

static size_t
tokens_of(const struct frame *f, int many, struct wbuf *out)
{
	struct queue_delivery	d;
	struct rbuf		b;

	if (!many) {
		queue_token_put(out, f->key, f->keylen);
		return out->len;
	}
	rbuf_init(&b, f->val, f->vallen);
	while (b.left > 0 && !b.bad) {
		queue_delivery_get(&b, &d);
		if (!b.bad)
			queue_token_put(out, d.token, d.tokenlen);
	}
	return out->len;
}

struct receipt *
receipt_new(unsigned router, const struct frame *f, int many)
{
	size_t		 most = many ? (size_t)f->ver * (1 + QUEUE_TOKEN_MAX) :
			    1 + f->keylen;
	struct receipt	*c;
	struct wbuf	 b;

	if (most > QUEUE_TOKENS_MAX || f->tablen > TABLE_MAX ||
	    (c = malloc(sizeof(*c) + most)) == NULL)
		return NULL;
	c->router = router;
	c->task = f->msg == MSG_TASK_CLAIM;
	c->tablen = f->tablen;
	memcpy(c->tab, f->tab, f->tablen);
	wbuf_init(&b, c->tokens, most);
	c->len = tokens_of(f, many, &b);
	return c;
}

static void
receipt_ack(struct worker *w, const struct receipt *c)
{
	struct frame	f = { .msg = MSG_QUEUE_ACK, .tab = c->tab,
		.tablen = c->tablen, .val = c->tokens,
		.vallen = (uint32_t)c->len };

	call_tell(w, TO_ROUTER | c->router, &f);
}

static void
token_nack(struct worker *w, unsigned router, const uint8_t *tab,
    uint32_t tablen, const uint8_t *token, size_t n)
{
	struct frame	f = { .msg = MSG_QUEUE_NACK, .tab = tab,
		.tablen = tablen, .key = token, .keylen = (uint32_t)n };

	call_tell(w, TO_ROUTER | router, &f);
}

/* Nobody has it: it goes to another worker. */
static void
task_back(struct worker *w, unsigned router, const uint8_t *token, size_t n)
{
	struct frame	f = { .msg = MSG_TASK_DONE, .flags = FRAME_FORGET,
		.key = token, .keylen = (uint32_t)n };

	call_tell(w, TO_ROUTER | router, &f);
}

/* Each goes back to its place. */
static void
receipt_nack(struct worker *w, const struct receipt *c)
{
	const uint8_t	*token;
	struct rbuf	 b;
	size_t		 n;

	rbuf_init(&b, c->tokens, c->len);
	while (b.left > 0 && (token = queue_token_get(&b, &n)) != NULL)
		if (c->task)
			task_back(w, c->router, token, n);
		else
			token_nack(w, c->router, c->tab, c->tablen, token, n);
}

void
receipt_settle(struct request *r, int done)
{
	struct receipt	*c = r->receipt;

	if (c == NULL)
		return;
	r->receipt = NULL;
	if (done && !c->task)
		receipt_ack(r->w, c);
	else if (!done)
		receipt_nack(r->w, c);
	free(c);
}

void
receipt_return(struct worker *w, unsigned router, const struct frame *f)
{
	struct receipt	*c = receipt_new(router, f, f->keylen == 0);

	if (c != NULL)
		receipt_nack(w, c);
	free(c);
}
