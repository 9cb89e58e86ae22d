/*
 * seats.c: hands the listening sockets to the workers; see seats.h.  Runs in
 * wharfd.  A socket nobody accepts from would hang every connection that the
 * kernel gives it, so after LEND_AFTER a seat without a READY worker is lent.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "supervisor/seats.h"

#define LEND_AFTER	0.2		/* seconds */
#define LINK_LOOK	0.005		/* seconds between two looks */
#define LINK_TRIES	40

struct seat {
	struct seats	*seats;
	unsigned	 n;
	int		 holder;	/* worker that has it on loan, -1 none */
	unsigned	 tries;		/* looks for the links of its worker */
	ev_timer	 lend, link;
};

struct seats {
	struct ev_loop			*loop;
	const struct listen_set		*set;
	struct child			*workers;
	unsigned			 n;
	struct child_set		 linked[LINKS_KINDS];
	struct seat			*seat;
	struct lend_worker		*lend;	/* scratch for the choice */
};

static void
seat_listen(const struct seats *s, int seat, struct child *to, int lent)
{
	struct frame	f = { .msg = MSG_LISTEN, .ver = (uint32_t)lent };
	unsigned	i;

	for (i = 0; i < s->set->n; i++) {
		if (s->set->s[i].seat != seat)
			continue;
		f.id = s->set->s[i].id;
		f.slot = (uint16_t)s->set->s[i].kind;
		child_send(to, &f, &s->set->s[i].fd, 1);
	}
}

static void
seat_unlisten(const struct seats *s, int seat, struct child *from)
{
	struct frame	f = { .msg = MSG_UNLISTEN };
	unsigned	i;

	for (i = 0; i < s->set->n; i++) {
		if (s->set->s[i].seat != seat)
			continue;
		f.id = s->set->s[i].id;
		child_send(from, &f, NULL, 0);
	}
}

/* Sockets passed by systemd belong to no seat. */
static int
seat_has_sockets(const struct seats *s, int seat)
{
	unsigned	i;

	for (i = 0; i < s->set->n; i++)
		if (s->set->s[i].seat == seat)
			return 1;
	return 0;
}

static int
is_ready(const struct seats *s, unsigned i)
{
	return s->workers[i].v.state == CHILD_READY;
}

static void
seat_lend(struct seats *s, struct seat *seat)
{
	unsigned	i;
	int		to;

	if (is_ready(s, seat->n) || seat->holder != -1 ||
	    !seat_has_sockets(s, (int)seat->n))
		return;
	for (i = 0; i < s->n; i++)
		s->lend[i] = (struct lend_worker){ .ready = is_ready(s, i) };
	for (i = 0; i < s->n; i++)
		if (s->seat[i].holder != -1)
			s->lend[s->seat[i].holder].lent++;
	if ((to = lend_choose(s->lend, s->n)) == -1)
		return;
	log_info("sockets of worker.%u are lent to worker.%d", seat->n, to);
	seat->holder = to;
	seat_listen(s, (int)seat->n, &s->workers[to], 1);
}

static void
on_lend(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct seat	*seat = w->data;

	(void)loop, (void)revents;
	seat_lend(seat->seats, seat);
}

static void
seat_lend_later(struct seats *s, struct seat *seat)
{
	ev_now_update(s->loop);
	ev_timer_stop(s->loop, &seat->lend);
	ev_timer_set(&seat->lend, LEND_AFTER, 0.);
	ev_timer_start(s->loop, &seat->lend);
}

/* It reaches every store and router that is there. */
static int
is_linked(const struct seats *s, unsigned worker)
{
	unsigned	i, k, ready = 0;

	for (k = 0; k < LINKS_KINDS; k++)
		for (i = 0; i < s->linked[k].n; i++)
			ready += s->linked[k].c[i].v.state == CHILD_READY;
	return board_get(s->workers[worker].board, BC_LINKS) >= (int64_t)ready;
}

static void
seat_open(struct seats *s, struct seat *seat)
{
	struct child	*worker = &s->workers[seat->n];
	unsigned	 i;

	seat_listen(s, (int)seat->n, worker, 0);
	seat_listen(s, -1, worker, 0);
	if (seat->holder != -1)
		seat_unlisten(s, (int)seat->n, &s->workers[seat->holder]);
	seat->holder = -1;
	/* Seats that wait for the first READY worker. */
	for (i = 0; i < s->n; i++)
		if (!ev_is_active(&s->seat[i].lend))
			seat_lend(s, &s->seat[i]);
}

static void
on_link(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct seat	*seat = w->data;

	(void)revents;
	if (!is_linked(seat->seats, seat->n) && ++seat->tries < LINK_TRIES)
		return;
	ev_timer_stop(loop, w);
	seat_open(seat->seats, seat);
}

/*
 * A new worker would answer 503 to all who waited for it until its links are
 * up, some milliseconds later; so it gets the sockets then.
 */
void
seats_ready(struct seats *s, struct child *worker)
{
	struct seat	*seat = &s->seat[worker->seat];

	ev_timer_stop(s->loop, &seat->lend);
	if (is_linked(s, seat->n)) {
		seat_open(s, seat);
		return;
	}
	seat->tries = 0;
	ev_timer_again(s->loop, &seat->link);
}

void
seats_gone(struct seats *s, struct child *worker)
{
	unsigned	i;

	/* It may have died before its links were up. */
	ev_timer_stop(s->loop, &s->seat[worker->seat].link);
	seat_lend_later(s, &s->seat[worker->seat]);
	for (i = 0; i < s->n; i++) {
		if (s->seat[i].holder != (int)worker->seat)
			continue;
		s->seat[i].holder = -1;
		seat_lend(s, &s->seat[i]);
	}
}

struct seats *
seats_new(struct ev_loop *loop, const struct listen_set *set,
    struct child_set workers, const struct child_set linked[LINKS_KINDS])
{
	struct seats	*s = calloc(1, sizeof(*s));
	unsigned	 i, n = workers.n;

	if (s == NULL || (s->seat = calloc(n, sizeof(*s->seat))) == NULL ||
	    (s->lend = calloc(n, sizeof(*s->lend))) == NULL) {
		if (s != NULL)
			free(s->seat);
		free(s);
		return NULL;
	}
	s->loop = loop;
	s->set = set;
	s->workers = workers.c;
	s->n = n;
	memcpy(s->linked, linked, sizeof(s->linked));
	for (i = 0; i < n; i++) {
		s->seat[i].seats = s;
		s->seat[i].n = i;
		s->seat[i].holder = -1;
		ev_timer_init(&s->seat[i].lend, on_lend, 0., 0.);
		ev_timer_init(&s->seat[i].link, on_link, 0., LINK_LOOK);
		s->seat[i].lend.data = s->seat[i].link.data = &s->seat[i];
		seat_lend_later(s, &s->seat[i]);
	}
	return s;
}

void
seats_free(struct seats *s)
{
	unsigned	i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++) {
		ev_timer_stop(s->loop, &s->seat[i].lend);
		ev_timer_stop(s->loop, &s->seat[i].link);
	}
	free(s->seat);
	free(s->lend);
	free(s);
}
