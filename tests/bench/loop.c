/*
 * loop.c: many connections in one thread (see loop.h).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/loop.h"

#define EVENTS		512

static int
loop_next(struct loop *l, struct conn *c, struct op *op, int64_t now)
{
	(void)c;
	return op_next(l->b, op, now);
}

static void
loop_done(struct loop *l, struct conn *c, struct op *op, int status,
    int64_t body, int64_t now)
{
	(void)c;
	op_done(l->b, op, status, body, now);
}

static void
conn_idle(struct loop *l, struct conn *c)
{
	if (c->queued || c->inflight == l->b->o.depth)
		return;
	c->queued = 1;
	l->idle[(l->idle_first + l->idle_n++) % l->b->o.conns] = c;
}

static void
loop_resolve(struct loop *l)
{
	struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM };
	char		 host[256];
	const char	*colon = strrchr(l->b->o.address, ':');

	if (colon == NULL || (size_t)(colon - l->b->o.address) >= sizeof(host))
		die("address: host:port");
	memcpy(host, l->b->o.address, (size_t)(colon - l->b->o.address));
	host[colon - l->b->o.address] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &l->to) != 0)
		die("address: no such host or port");
}

static void
loop_init(struct loop *l)
{
	const struct options	*o = &l->b->o;
	struct rlimit		 rl;
	unsigned		 i;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	for (i = 0; i < OP_KINDS; i++)
		if (o->mix[i] > 0)
			l->others->request(o, (enum kind)i, &l->requests[i]);
	l->conns = calloc(o->conns, sizeof(*l->conns));
	l->idle = calloc(o->conns, sizeof(struct conn *));
	l->in = malloc(LOOP_IN);
	l->batch.text = malloc(o->depth *
	    (sizeof(l->requests[0].text) + COPY_MAX + 2));
	l->ep = epoll_create1(EPOLL_CLOEXEC);
	if (l->conns == NULL || l->idle == NULL || l->in == NULL ||
	    l->batch.text == NULL || l->ep < 0)
		die("no memory for the connections");
	for (i = 0; i < o->conns; i++) {
		l->conns[i].ring = calloc(o->depth, sizeof(struct op));
		if (l->conns[i].ring == NULL)
			die("no memory for the connections");
		conn_open(l, &l->conns[i]);
	}
}

/* Open loop: everything that is due, on the connections that waited longest. */
static void
loop_pump(struct loop *l)
{
	struct conn	*c;
	int64_t		 now = now_ns();

	while (l->idle_n > 0 && op_due(l->b) <= now) {
		c = l->idle[l->idle_first];
		l->idle_first = (l->idle_first + 1) % l->b->o.conns;
		l->idle_n--;
		c->queued = 0;
		if (conn_fill(l, c, 1, now) == 0 && c->out_len == 0) {
			conn_idle(l, c);
			return;
		}
		/* With c->out not empty its event queues it again. */
		if (c->out_len == 0)
			conn_idle(l, c);
	}
}

static void
loop_first(struct loop *l)
{
	unsigned	i;

	for (i = 0; i < l->b->o.conns; i++) {
		if (l->b->o.rate > 0)
			conn_idle(l, &l->conns[i]);
		else
			(void)conn_fill(l, &l->conns[i], l->b->o.depth,
			    now_ns());
	}
}

/* Reads what came and, in a closed loop, sends the next. */
static void
loop_event(struct loop *l, const struct epoll_event *ev)
{
	struct conn	*c = ev->data.ptr;
	int64_t		 now = 0;	/* until something was read */

	conn_event(l, c, ev->events, &now);
	if (l->b->o.rate > 0)
		conn_idle(l, c);
	else if (c->inflight < l->b->o.depth)
		(void)conn_fill(l, c, l->b->o.depth,
		    now != 0 ? now : now_ns());
}

void
loop_open(struct loop *l, struct bench *b, const struct wire *wire)
{
	l->b = b;
	l->wire = wire;
	l->others = b->o.topics != NULL ? &wire_sp : wire;
	l->next = loop_next;
	l->done = loop_done;
	loop_resolve(l);
	loop_init(l);
}

static int
loop_wait(struct loop *l, struct epoll_event *events)
{
	struct timespec	t = { 0, 100000000 };
	struct timespec	nap = { l->b->o.nap / SECOND, l->b->o.nap % SECOND };
	int64_t		ns;

	if (l->b->o.nap > 0)
		(void)nanosleep(&nap, NULL);
	if (l->b->o.rate > 0 && l->idle_n > 0) {
		ns = op_due(l->b) - now_ns();
		if (ns < t.tv_nsec)
			t.tv_nsec = ns > 0 ? ns : 0;
	}
	return epoll_pwait2(l->ep, events, EVENTS, &t, NULL);
}

int
loop_turn(struct loop *l)
{
	static struct epoll_event	events[EVENTS];
	int				i, n = loop_wait(l, events);

	for (i = 0; i < n; i++)
		loop_event(l, &events[i]);
	return n;
}

void
loop_run(struct bench *b, const struct wire *wire)
{
	static struct loop	l;

	loop_open(&l, b, wire);
	bench_start(b);
	loop_first(&l);
	do {
		(void)loop_turn(&l);
		if (b->o.rate > 0)
			loop_pump(&l);
	} while (bench_goes_on(b, l.inflight));
	/* Nothing is asked for any more: what has been sent to us is taken. */
	while (b->o.hold && loop_turn(&l) > 0)
		;
	if (!b->o.hold)
		b->t.unanswered = l.inflight;
}
