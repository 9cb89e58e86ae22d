/*
 * wharf.c: libwharf in place of sockets.
 *
 * A client has o.depth ops in flight.  A closed loop submits the next op from
 * the callback of the one that ended; what one turn submits leaves together.
 * One client in a closed loop sleeps in wharf_wait, as a program would that
 * does nothing else; everything else in epoll on the clients' descriptors.
 *
 * A message that is taken (qget) the library acknowledges when the callback has
 * returned; these acknowledgements are waited for in the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/wharf.h"
#include "tests/bench/bench.h"

#define EVENTS	256
#define PAUSE	100		/* ms; how often the end is looked for */
#define CLOSE	(10 * SECOND)	/* for what is still in flight then */

struct place {
	struct client	*c;
	struct place	*next;		/* in the list of the free */
	struct op	 op;
};

struct client {
	struct wharf	*w;
	struct place	*places;
	struct place	*free;
};

static struct bench	*b;
static struct client	*clients;
static unsigned		 turn;		/* open loop: who is next */
static uint64_t		 inflight;

static void	place_submit(struct place *);

static void
on_answer(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct place	*p = arg;
	int		 status = a->status == WHARF_OK ? 200 :
			    wharf_status_http(a->status);

	(void)w;
	inflight--;
	if (b->o.check && p->op.kind == OP_GET && status == 200 &&
	    a->length == b->o.size &&
	    memcmp(a->value, value_of(b, p->op.key), a->length) != 0)
		b->t.content++;
	op_done(b, &p->op, status, a->value != NULL ? (int64_t)a->length : -1,
	    now_ns());
	if (b->o.rate > 0 || !op_next(b, &p->op, b->last)) {
		p->next = p->c->free;
		p->c->free = p;
		return;
	}
	place_submit(p);
}

/* Of the queue whose number the key is. */
static enum wharf_status
queue_submit(struct wharf *w, struct place *p)
{
	char			name[32];
	int			put = p->op.kind == OP_QPUT;
	struct wharf_queue_op	op = WHARF_QUEUE_OP_INIT(
				    put ? WHARF_Q_PUT : WHARF_Q_GET, name);

	(void)snprintf(name, sizeof(name), "bq%012llu",
	    (unsigned long long)p->op.key);
	if (put) {
		op.value = value_of(b, p->op.key);
		op.length = b->o.size;
	} else {
		op.other = "bench";
		op.flags = WHARF_AUTO;
	}
	return wharf_queue_submit(w, &op, on_answer, p, NULL);
}

static enum wharf_status
key_submit(struct wharf *w, struct place *p)
{
	char	key[KEY_LEN];

	memcpy(key, "key:", 4);
	key_digits(key + 4, p->op.key);
	if (p->op.kind == OP_PUT)
		return wharf_submit_put(w, key, KEY_LEN,
		    value_of(b, p->op.key), b->o.size, NULL, on_answer, p);
	if (p->op.kind == OP_DEL)
		return wharf_submit_del(w, key, KEY_LEN, NULL, on_answer, p);
	return wharf_submit_get(w, key, KEY_LEN, on_answer, p);
}

static void
place_submit(struct place *p)
{
	struct wharf		*w = p->c->w;
	enum wharf_status	 e;

	if (p->op.kind == OP_QPUT || p->op.kind == OP_QGET)
		e = queue_submit(w, p);
	else
		e = key_submit(w, p);
	if (e != WHARF_OK)
		die("libwharf: submit: %s", wharf_status_text(e));
	inflight++;
}

/* Up to `most` ops on free places; how many. */
static unsigned
client_fill(struct client *c, unsigned most, int64_t now)
{
	struct place	*p;
	unsigned	 n = 0;

	while (n < most && (p = c->free) != NULL && op_next(b, &p->op, now)) {
		c->free = p->next;
		place_submit(p);
		n++;
	}
	return n;
}

/* Sleeps in the library: wharf_fd would have it ring for a loop of ours. */
static int
alone(void)
{
	return b->o.conns == 1 && b->o.rate == 0;
}

static void
client_open(struct client *c, int ep)
{
	struct wharf_options	o = WHARF_OPTIONS_INIT;
	struct epoll_event	ev = { .events = EPOLLIN, .data.ptr = c };
	enum wharf_status	e;
	unsigned		i;

	o.name = "wharf-bench";
	if (b->o.mix[OP_GET] + b->o.mix[OP_PUT] + b->o.mix[OP_DEL] +
	    b->o.mix[OP_QPUT] + b->o.mix[OP_QGET] != 100)
		die("libwharf: get, put, del, qput and qget only");
	e = wharf_connect(&c->w, b->o.address, &o);
	if (e != WHARF_OK)
		die("libwharf: connect: %s", wharf_status_text(e));
	if (!alone() &&
	    epoll_ctl(ep, EPOLL_CTL_ADD, wharf_fd(c->w), &ev) != 0)
		die("epoll_ctl");
	c->places = calloc(b->o.depth, sizeof(*c->places));
	if (c->places == NULL)
		die("no memory for the clients");
	for (i = 0; i < b->o.depth; i++) {
		c->places[i].c = c;
		c->places[i].next = c->free;
		c->free = &c->places[i];
	}
}

/* Open loop: what is due goes to the clients by turns. */
static void
wharf_pump(void)
{
	unsigned	tried = 0;
	int64_t		now = now_ns();

	while (tried < b->o.conns && op_due(b) <= now) {
		struct client	*c = &clients[turn++ % b->o.conns];

		tried = client_fill(c, 1, now) != 0 ? 0 : tried + 1;
		wharf_flush(c->w);
	}
}

static void
wharf_turn(int ep)
{
	static struct epoll_event	events[EVENTS];
	struct timespec			t = { 0, PAUSE * 1000000 };
	int64_t				ns;
	int				i, n;

	/* With no place free an answer is waited for. */
	if (b->o.rate > 0 && inflight < (uint64_t)b->o.conns * b->o.depth) {
		ns = op_due(b) - now_ns();
		if (ns < t.tv_nsec)
			t.tv_nsec = ns > 0 ? ns : 0;
	}
	n = epoll_pwait2(ep, events, EVENTS, &t, NULL);
	/* The library's own timers. */
	for (i = 0; i < (int)b->o.conns; i++)
		if (wharf_timeout(clients[i].w) == 0)
			(void)wharf_process(clients[i].w);
	for (i = 0; i < n; i++) {
		struct client	*c = events[i].data.ptr;

		(void)wharf_process(c->w);
		wharf_flush(c->w);
	}
	if (b->o.rate > 0)
		wharf_pump();
}

/* What is in flight, acknowledgements too; not for ever. */
static void
client_close(struct client *c)
{
	int64_t	end = now_ns() + CLOSE;

	while (wharf_in_flight(c->w) > 0 && now_ns() < end)
		(void)wharf_wait(c->w, PAUSE);
	wharf_close(c->w);
}

void
wharf_run(struct bench *bench)
{
	int		ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned	i;

	b = bench;
	clients = calloc(b->o.conns, sizeof(*clients));
	if (ep < 0 || clients == NULL)
		die("no memory for the clients");
	for (i = 0; i < b->o.conns; i++)
		client_open(&clients[i], ep);
	bench_start(b);
	for (i = 0; i < b->o.conns && b->o.rate == 0; i++) {
		(void)client_fill(&clients[i], b->o.depth, now_ns());
		wharf_flush(clients[i].w);
	}
	do {
		if (alone())
			(void)wharf_wait(clients[0].w, PAUSE);
		else
			wharf_turn(ep);
	} while (bench_goes_on(b, inflight));
	if (!b->o.hold)
		b->t.unanswered = inflight;
	for (i = 0; i < b->o.conns; i++)
		client_close(&clients[i]);
}
