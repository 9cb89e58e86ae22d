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
	int		 task, automatic;
	uint8_t		 tab[TABLE_MAX];
	uint32_t	 tablen;
	size_t		 len;
	uint8_t		 tokens[];	/* a list, as QUEUE_ACK takes it */
};

static void
token_keep(void *arg, const uint8_t *p, size_t n)
{
	queue_token_put(arg, p, n);
}

struct receipt *
receipt_new(unsigned router, const struct frame *f, int many, int automatic)
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
	c->automatic = automatic;
	c->tablen = f->tablen;
	memcpy(c->tab, f->tab, f->tablen);
	wbuf_init(&b, c->tokens, most);
	queue_tokens(f, token_keep, &b);
	c->len = b.len;
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

/* --- back to the router --- */

struct back {
	struct worker	*w;
	unsigned	 router;
	int		 task, unseen;
	const uint8_t	*tab;
	uint32_t	 tablen;
};

/* To its place; or, a task, to another worker. */
static void
back_one(void *arg, const uint8_t *token, size_t n)
{
	const struct back	*b = arg;
	struct frame		 f = { .msg = MSG_QUEUE_NACK,
		.flags = b->unseen ? FRAME_UNSEEN : 0, .tab = b->tab,
		.tablen = b->tablen, .key = token, .keylen = (uint32_t)n };

	if (b->task) {
		f.msg = MSG_TASK_DONE;
		f.flags = FRAME_FORGET;
		f.tablen = 0;
	}
	if (n > 0 && n <= QUEUE_TOKEN_MAX)
		call_tell(b->w, TO_ROUTER | b->router, &f);
}

static void
receipt_nack(struct worker *w, const struct receipt *c, int unseen)
{
	struct back	 back = { w, c->router, c->task, unseen, c->tab,
			    c->tablen };
	const uint8_t	*token;
	struct rbuf	 b;
	size_t		 n;

	rbuf_init(&b, c->tokens, c->len);
	while (b.left > 0 && (token = queue_token_get(&b, &n)) != NULL)
		back_one(&back, token, n);
}

void
receipt_settle(struct request *r, enum receipt_end end)
{
	struct receipt	*c = r->receipt;

	if (c == NULL)
		return;
	r->receipt = NULL;
	if (end == RECEIPT_OUT) {
		if (c->automatic)
			receipt_ack(r->w, c);
	} else if (end == RECEIPT_UNSEEN || c->automatic || c->task)
		receipt_nack(r->w, c, end == RECEIPT_UNSEEN);
	free(c);
}

void
receipt_return(struct worker *w, unsigned router, const struct frame *f)
{
	struct back	back = { w, router, f->msg == MSG_TASK_CLAIM, 1,
			    f->tab, f->tablen };

	if (f->tablen <= TABLE_MAX)
		queue_tokens(f, back_one, &back);
}
