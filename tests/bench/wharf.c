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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/wharf.h"
#include "tests/bench/bench.h"
#include "tests/bench/wharf_ops.h"

#define EVENTS	256
#define PAUSE	100		/* ms; how often the end is looked for */
#define CLOSE	(10 * SECOND)	/* for what is still in flight then */
#define TICK	(SECOND / 1000)	/* how often the library's timers are */

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

static int
status_of(const struct wharf_answer *a)
{
	return a->status == WHARF_OK ? 200 : wharf_status_http(a->status);
}

/* body: bytes of the value, or -1. */
static void
place_done(struct place *p, int status, int64_t body)
{
	inflight--;
	op_done(b, &p->op, status, body, now_ns());
	if (b->o.rate > 0 || !op_next(b, &p->op, b->last)) {
		p->next = p->c->free;
		p->c->free = p;
		return;
	}
	place_submit(p);
}

static void
on_one(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct place	*p = arg;
	int		 status = status_of(a);

	(void)w;
	if (b->o.check && p->op.kind == OP_GET && status == 200 &&
	    a->length == b->o.size &&
	    memcmp(a->value, value_of(b, p->op.key), a->length) != 0)
		b->t.content++;
	place_done(p, status, a->value != NULL ? (int64_t)a->length : -1);
}

/* A key that is not there has its answer, too, as over the other protocols. */
static void
on_many(struct wharf *w, const struct wharf_answer *a, size_t n, void *arg)
{
	size_t	i;

	(void)w;
	for (i = 0; i < n; i++)
		if (a[i].status != WHARF_OK && a[i].status != WHARF_NOTFOUND)
			break;
	place_done(arg, i == n ? 200 : status_of(&a[i]), -1);
}

static void
place_submit(struct place *p)
{
	enum wharf_status	e = wharf_op_submit(b, p->c->w, &p->op, on_one,
				    on_many, p);

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

static int
no_row(void *arg, const struct wharf_queue_row *row)
{
	(void)arg;
	(void)row;
	return 0;
}

/*
 * As sockets are, links are there before the clock runs; those to routers are
 * made when something is asked of them.
 */
static enum wharf_status
client_connect(struct client *c, const struct wharf_options *o)
{
	enum wharf_status	e = wharf_connect(&c->w, b->o.address, o);

	if (e == WHARF_OK && (b->o.mix[OP_QPUT] != 0 || b->o.mix[OP_QGET] != 0))
		e = wharf_queue_stat_all(c->w, no_row, NULL);
	return e;
}

static void
client_open(struct client *c, int ep)
{
	struct wharf_options	o = WHARF_OPTIONS_INIT;
	struct epoll_event	ev = { .events = EPOLLIN, .data.ptr = c };
	enum wharf_status	e;
	unsigned		i;

	o.name = "wharf-bench";
	e = client_connect(c, &o);
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

/* The library's own timers. */
static void
clients_time(void)
{
	static int64_t	looked;
	int64_t		now = now_ns();
	unsigned	i;

	if (now - looked < TICK)
		return;
	looked = now;
	for (i = 0; i < b->o.conns; i++)
		if (wharf_timeout(clients[i].w) == 0)
			(void)wharf_process(clients[i].w);
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
	clients_time();
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
	for (i = 0; i < OP_KINDS; i++)
		if (b->o.mix[i] != 0 && !wharf_op_known((enum kind)i))
			die("libwharf: not %s", kind_names[i]);
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
