/*
 * send.c: requests on their way to a socket (invariant 1 of loop.h).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/bench/loop.h"

static void
batch_piece(struct batch *t, const char *p, size_t n)
{
	struct iovec	*v = &t->iov[t->n > 0 ? t->n - 1 : 0];

	t->bytes += n;
	if (t->n > 0 && (char *)v->iov_base + v->iov_len == p) {
		v->iov_len += n;
		return;
	}
	v = &t->iov[t->n++];
	v->iov_base = (void *)(uintptr_t)p;
	v->iov_len = n;
}

static void
batch_copy(struct batch *t, const char *p, size_t n)
{
	memcpy(t->text + t->len, p, n);
	batch_piece(t, t->text + t->len, n);
	t->len += n;
}

static void
batch_op(struct loop *l, const struct op *op)
{
	const struct request	*r = &l->requests[op->kind];
	struct batch		*t = &l->batch;
	size_t			 size = l->b->o.size;
	unsigned		 i;

	memcpy(t->text + t->len, r->text, r->len);
	for (i = 0; i < r->ndigits; i++)
		key_digits(t->text + t->len + r->digits[i].at,
		    op->key + r->digits[i].add);
	batch_piece(t, t->text + t->len, r->len);
	t->len += r->len;
	if (!r->value)
		return;
	if (size <= COPY_MAX)
		batch_copy(t, value_of(l->b, op->key), size);
	else
		batch_piece(t, value_of(l->b, op->key), size);
	batch_copy(t, r->tail, r->tail_len);
}

/* The part of the batch from byte `sent` on, for when the socket has room. */
static void
batch_keep(struct batch *t, struct conn *c, size_t sent)
{
	int	i;
	size_t	n;

	c->out = realloc(c->out, t->bytes - sent);
	if (c->out == NULL)
		die("no memory for requests");
	c->out_len = c->out_off = 0;
	for (i = 0; i < t->n; i++) {
		n = t->iov[i].iov_len;
		if (sent >= n) {
			sent -= n;
			continue;
		}
		memcpy(c->out + c->out_len, (char *)t->iov[i].iov_base + sent,
		    n - sent);
		c->out_len += n - sent;
		sent = 0;
	}
}

static void
batch_send(struct loop *l, struct conn *c)
{
	struct batch	*t = &l->batch;
	struct msghdr	 m = { .msg_iov = t->iov };
	ssize_t		 n;

	m.msg_iovlen = (size_t)t->n;
	if (t->n == 1)
		n = send(c->fd, t->text, t->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* A failed one is noticed by the read. */
	if (n < (ssize_t)t->bytes)
		batch_keep(t, c, n > 0 ? (size_t)n : 0);
	t->len = t->bytes = 0;
	t->n = 0;
}

void
conn_flush(struct conn *c)
{
	ssize_t	n;

	n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0 && (c->out_off += (size_t)n) == c->out_len)
		c->out_off = c->out_len = 0;
}

unsigned
conn_fill(struct loop *l, struct conn *c, unsigned most, int64_t now)
{
	unsigned	 depth = l->b->o.depth, n = 0;
	struct op	*op;

	/* One write at a time, else the order would be lost. */
	if (c->out_len != 0)
		return 0;
	while (n < most && c->inflight < depth) {
		op = &c->ring[(c->first + c->inflight) % depth];
		if (!l->next(l, c, op, now))
			break;
		batch_op(l, op);
		c->inflight++;
		l->inflight++;
		n++;
	}
	if (l->batch.bytes > 0)
		batch_send(l, c);
	return n;
}
