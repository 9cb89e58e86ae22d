/*
 * client_loop.c: when libwharf reads, flushes, sleeps and is woken.
 *
 * One epoll descriptor, which is also wharf_fd(), holds the wires' bells, the
 * pipes by which lanes ring, the sockets that asked for lanes, and an eventfd of
 * our own for work that is left over.  All but the last two are edge triggered.
 *
 * A turn takes what the lanes and the wires hold, gives up what broke, calls
 * the callbacks of what ended without an answer, and sends what waits.  Before
 * anybody sleeps the lanes are armed: each store is told to ring.
 *
 * With one op in flight the wake-ups cost more than the work, so wharf_wait
 * looks at the lanes for some microseconds, yielding the processor each time,
 * before it sleeps.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "proto/client.h"

#define EVENTS		16
#define TURNS		8		/* of one wharf_process */
#define GLANCE		16u		/* calls of wharf_wait */
#define SPIN_PAUSE	1023u		/* waits, after spins in vain */
#define OURSELVES	UINT32_MAX	/* in place of a seat */

int
client_watch(struct wharf *w, int fd, unsigned seat, enum seat_event ev,
    uint32_t events)
{
	struct epoll_event	e = {
		.events = events,
		.data.u64 = (uint64_t)seat << 32 | ev
	};

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Stores whose number is not known have no seats yet, but for the first. */
static unsigned
client_seats(const struct wharf *w)
{
	return w->stores == 0 ? 1 : w->stores + w->routers;
}

static void
client_give_up(struct wharf *w)
{
	unsigned	i;

	w->breaks = 0;
	for (i = 0; i < client_seats(w); i++)
		if (w->seats[i].broken) {
			/* A dead store's last answers are answers. */
			if (w->seats[i].state == SEAT_UP &&
			    w->seats[i].why == WHARF_NOTREADY &&
			    w->seats[i].lane != NULL) {
				w->seats[i].broken = 0;
				seat_read_lane(&w->seats[i]);
			}
			seat_lost(&w->seats[i]);
		}
}

static void
client_flush(struct wharf *w)
{
	unsigned	i;

	for (i = 0; i < client_seats(w); i++)
		seat_flush(&w->seats[i]);
}

/* 1: a lane holds more than one turn may take. */
static int
client_turn(struct wharf *w)
{
	struct seat	*s;
	int		 more = 0;

	for (s = w->seats; s < w->seats + client_seats(w); s++) {
		if (s->armed)
			lane_awake(s->lane);
		s->armed = 0;
		if (s->state == SEAT_UP && s->lane != NULL)
			more |= seat_read_lane(s);
		if (s->wire != NULL && wire_happened(s->wire))
			seat_on(s, SEAT_ON_WIRE);
	}
	client_flush(w);
	while (w->breaks || !TAILQ_EMPTY(&w->ended)) {
		if (w->breaks)
			client_give_up(w);
		ops_call(w);
	}
	return more;
}

static mono_t
earlier(mono_t a, mono_t b)
{
	return a.us == 0 || (b.us != 0 && b.us < a.us) ? b : a;
}

/* What is due by the clock. */
static void
client_time(struct wharf *w, mono_t now)
{
	struct seat	*s;
	struct op	*op;
	mono_t		 next = { 0 };

	if (w->next.us == 0 || w->next.us > now.us)
		return;
	ops_expire(w, now);
	for (s = w->seats; s < w->seats + client_seats(w); s++)
		seat_time(s, now);
	if ((op = TAILQ_FIRST(&w->flying)) != NULL)
		next = op->due;
	if ((op = TAILQ_FIRST(&w->waiting)) != NULL)
		next = earlier(next, op->due);
	for (s = w->seats; s < w->seats + client_seats(w); s++)
		next = earlier(next, s->due);
	w->next = next;
}

static void
client_ring_ourselves(struct wharf *w)
{
	static const uint64_t	one = 1;

	if (write(w->again, &one, sizeof(one)) == -1)
		return;		/* full: it is ringing anyway */
}

static void
client_hear(struct wharf *w, const struct epoll_event *e)
{
	uint64_t	rung;
	unsigned	seat = (unsigned)(e->data.u64 >> 32);
	enum seat_event	ev = (enum seat_event)(uint32_t)e->data.u64;

	if (ev == SEAT_ON_EAR && (e->events & (EPOLLHUP | EPOLLERR)) == 0)
		return;
	if (seat != OURSELVES)
		seat_on(&w->seats[seat], ev);
	else if (read(w->again, &rung, sizeof(rung)) == -1)
		return;
}

static void
client_events(struct wharf *w, int ms)
{
	struct epoll_event	ev[EVENTS];
	int			i, n;

	n = epoll_wait(w->epoll, ev, EVENTS, ms);
	for (i = 0; i < n; i++)
		client_hear(w, &ev[i]);
}

/* Milliseconds, rounded up; -1: t is never. */
static int
ms_until(mono_t now, mono_t t)
{
	int64_t	us = mono_diff(now, t);

	if (t.us == 0)
		return -1;
	if (us <= 0)
		return 0;
	return us > 3600000000 ? 3600000 : (int)((us + 999) / 1000);
}

static int
client_arm(struct wharf *w)
{
	struct seat	*s;

	if (w->breaks || !TAILQ_EMPTY(&w->ended))
		return 0;
	for (s = w->seats; s < w->seats + client_seats(w); s++)
		if (!seat_arm(s))
			return 0;
	return 1;
}

/* Whoever polls the descriptor must be woken. */
static void
client_leave(struct wharf *w)
{
	w->inside = 0;
	if (w->polled && !client_arm(w))
		client_ring_ourselves(w);
}

static int
client_look(struct wharf *w)
{
	struct seat	*s;
	const uint8_t	*p;
	size_t		 n;

	for (s = w->seats; s < w->seats + client_seats(w); s++) {
		if (s->state == SEAT_UP && s->lane != NULL &&
		    lane_peek(s->lane, &p, &n) != 0)
			return 1;
		if (s->wire != NULL && wire_happened(s->wire))
			return 1;
	}
	return 0;
}

/*
 * 1: something came.  Where store and client share a processor the store does
 * not get on while we look, so what was in vain is tried more and more seldom.
 */
static int
client_spin(struct wharf *w, mono_t now)
{
	mono_t	end = mono_add(now, w->spin);

	if (w->spin <= 0)
		return 0;
	if (w->spin_skip > 0) {
		w->spin_skip--;
		return 0;
	}
	do {
		if (client_look(w)) {
			w->spin_pause = 0;
			return 1;
		}
		sched_yield();
	} while (mono_now().us < end.us);
	if (w->spin_pause < SPIN_PAUSE)
		w->spin_pause = w->spin_pause * 2 + 1;
	w->spin_skip = w->spin_pause;
	return 0;
}

void
client_sleep(struct wharf *w, mono_t end)
{
	mono_t	now = mono_now();

	if (client_arm(w))
		client_events(w, ms_until(now, earlier(end, w->next)));
	client_turn(w);
	client_time(w, mono_now());
}

unsigned
wharf_wait(struct wharf *w, int timeout)
{
	mono_t	now = mono_now(), end = { 0 };

	if (w->inside)
		return 0;
	if (timeout >= 0)
		end = mono_add(now, (int64_t)timeout * 1000);
	w->inside = 1;
	w->calls = 0;
	/* Links that come up or are lost are heard of also if nobody sleeps. */
	if (timeout == 0 || ++w->waits % GLANCE == 0)
		client_events(w, 0);
	while (client_turn(w) || w->calls == 0) {
		now = mono_now();
		client_time(w, now);
		if (w->calls != 0 || w->in_flight == 0 ||
		    (timeout >= 0 && now.us >= end.us))
			break;
		if (!w->breaks && TAILQ_EMPTY(&w->ended) &&
		    !client_spin(w, now))
			client_sleep(w, end);
	}
	client_leave(w);
	return w->calls;
}

unsigned
wharf_process(struct wharf *w)
{
	int	i, more;

	if (w->inside)
		return 0;
	w->inside = 1;
	w->calls = 0;
	client_events(w, 0);
	for (i = 0, more = 1; more && i < TURNS; i++) {
		more = client_turn(w);
		client_time(w, mono_now());
		more |= !client_arm(w);
	}
	if (more)
		client_ring_ourselves(w);
	w->inside = 0;
	return w->calls;
}

void
wharf_flush(struct wharf *w)
{
	client_flush(w);
	/* Room in a lane must wake whoever goes to poll now. */
	if (w->polled && !w->inside && (w->queued != 0 || w->breaks) &&
	    !client_arm(w))
		client_ring_ourselves(w);
}

int
wharf_fd(struct wharf *w)
{
	w->polled = 1;
	if (!w->inside)
		client_leave(w);
	return w->epoll;
}

int
wharf_timeout(const struct wharf *w)
{
	if (w->breaks || !TAILQ_EMPTY(&w->ended))
		return 0;
	return ms_until(mono_now(), w->next);
}
