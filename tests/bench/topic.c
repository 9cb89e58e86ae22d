/*
 * topic.c: a topic with many subscribers: the first connection publishes an
 * item when all others have got the one before.  What is counted is items that
 * have arrived; their time is that since the publisher sent them.
 *
 * Over HTTP a subscriber asks for the next item as soon as it has one (evsub).
 * Redis, and Wharf's nng socket of topics (--topics), send them by themselves,
 * which is an answer to a request of no bytes.
 */
#include <string.h>
#include <unistd.h>

#include "tests/bench/loop.h"

#define SETTLE		300000	/* us */

static uint64_t	coming;		/* items on their way to subscribers */
static int64_t	published;	/* when the last was sent */

static int
publisher_next(struct loop *l, struct op *op, int64_t now)
{
	unsigned	subscribers = l->b->o.conns - 1;

	if (coming > 0 || !bench_issues(l->b, now))
		return 0;
	op->kind = OP_PUB;
	op->key = l->b->o.first;
	op->sent = op->due = published = now;
	coming = subscribers;
	l->b->issued += subscribers;
	return 1;
}

/* The first item of the topic, index 1, was there before anybody asked. */
static int
topic_next(struct loop *l, struct conn *c, struct op *op, int64_t now)
{
	if (c == l->conns)
		return publisher_next(l, op, now);
	op->kind = OP_SUB;
	op->key = c->items + 2;
	return coming > 0 || bench_issues(l->b, now);
}

static void
topic_done(struct loop *l, struct conn *c, struct op *op, int status,
    int64_t body, int64_t now)
{
	if (op->kind == OP_PUB) {
		if (status != 200)
			die("publish: status %d", status);
		return;
	}
	op->sent = op->due = published;
	op_done(l->b, op, status, body, now);
	if (status == 200 && coming > 0) {
		c->items++;
		coming--;
	}
}

void
topic_run(struct bench *b, const struct wire *wire)
{
	static struct loop	l;
	unsigned		i;

	if (b->o.conns < 2 || b->o.depth != 1 || b->o.rate > 0 ||
	    wire == &wire_beans || b->o.mix[OP_SUB] != 100 ||
	    (b->o.topics != NULL && wire != &wire_http))
		die("sub: alone, one at a time, from 2 connections on");
	loop_open(&l, b, wire);
	/* The greeting of nng is answered before its pipe is there. */
	if (b->o.topics != NULL)
		(void)usleep(SETTLE);
	l.next = topic_next;
	l.done = topic_done;
	wire->request(&b->o, OP_PUB, &l.requests[OP_PUB]);
	bench_start(b);
	for (i = 1; i < b->o.conns; i++)
		(void)conn_fill(&l, &l.conns[i], 1, now_ns());
	do {
		(void)conn_fill(&l, &l.conns[0], 1, now_ns());
		(void)loop_turn(&l);
	} while (bench_goes_on(b, coming));
	b->t.unanswered = coming;
}
