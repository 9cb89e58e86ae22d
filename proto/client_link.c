/*
 * client_link.c: how a seat of libwharf gets its link to a store or router, what
 * happens when it is lost.
 *
 *	OFF -> ASK (wharfd's lanes socket) ---> HELLO -> UP
 *	    -> DESK (the store's front desk) -'
 *
 * With lanes on "auto" a lane is tried first; what fails there is tried at the
 * desk next.  A failure leads back to OFF and, after a pause that doubles and
 * differs from client to client, to a new try.  Ops that were submitted
 * meanwhile wait in the seat's queue.
 *
 * That a store has died is heard by the end of its pipe; without a lane from nng,
 * which may fall silent for good (tests/nng_stall.c shows how), so the store's
 * process is watched, too, and a store that says nothing for long is left.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/client.h"
#include "proto/msg.h"

#define PAUSE_FIRST	10000		/* usec */
#define PAUSE_MOST	1000000		/* usec */
#define SETTLED		1000000		/* usec: lived that long */
#define PEER_US		100000		/* nng tells of a death by then */
#define SILENT_US	5000000		/* wharfd kills such a store before */
#define ROLE(from)	((uint8_t)__builtin_ctz(from))

void
seat_init(struct seat *s, struct wharf *w, unsigned number)
{
	memset(s, 0, sizeof(*s));
	s->w = w;
	s->index = s->number = number;
	s->ask = s->bell = s->ear = s->peer = -1;
	s->why = WHARF_NOTREADY;
}

static void
seat_is_due(struct seat *s, mono_t when)
{
	struct wharf	*w = s->w;

	s->due = when;
	if (w->next.us == 0 || when.us < w->next.us)
		w->next = when;
}

/* Enters a state that must be left within us (0: for ever). */
static void
seat_enter(struct seat *s, enum seat_state state, int64_t us)
{
	s->state = state;
	s->since = mono_now();
	s->due = (mono_t){ 0 };
	if (us != 0)
		seat_is_due(s, mono_add(s->since, us));
}

void
seat_break(struct seat *s, enum wharf_status why)
{
	if (s->broken || s->state == SEAT_OFF)
		return;
	s->broken = 1;
	s->why = why;
	s->w->breaks = 1;
}

static void
seat_unwire(struct seat *s, int ms)
{
	if (s->wire == NULL)
		return;
	epoll_ctl(s->w->epoll, EPOLL_CTL_DEL, wire_fd(s->wire), NULL);
	wire_free(s->wire, ms);
	s->wire = NULL;
}

/* A child on its way to exec may hold it open: it must leave the epoll, too. */
static void
seat_unwatch(struct seat *s, int *fd)
{
	if (*fd == -1)
		return;
	epoll_ctl(s->w->epoll, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

void
seat_close(struct seat *s, int ms)
{
	seat_unwatch(s, &s->ask);
	seat_unwire(s, ms);
	lane_unmap(s->lane);
	s->lane = NULL;
	seat_unwatch(s, &s->ear);
	seat_unwatch(s, &s->peer);
	if (s->bell != -1)
		close(s->bell);
	s->bell = -1;
	s->armed = 0;
	seat_forget_in(s);
}

/* Half of it at least; who was lost at one time shall not come back at one. */
static int64_t
pause_of(struct wharf *w, int64_t us)
{
	w->random = w->random * 1664525u + 1013904223u;
	return us / 2 + (int64_t)(w->random >> 8) % (us / 2);
}

static int64_t
seat_pause(struct seat *s, int by_lane)
{
	int	was_up = s->state == SEAT_UP;

	if (was_up && mono_diff(s->since, mono_now()) > SETTLED)
		s->pause = 0;
	/* The other way is tried at once. */
	if (s->w->lanes == WHARF_LANES_AUTO && !was_up)
		s->by_desk = by_lane;
	if (s->by_desk && by_lane)
		return 1;
	s->pause = s->pause == 0 ? PAUSE_FIRST : s->pause * 2;
	if (s->pause > PAUSE_MOST)
		s->pause = PAUSE_MOST;
	return pause_of(s->w, s->pause);
}

void
seat_lost(struct seat *s)
{
	int	by_lane = s->state == SEAT_ASK || s->lane != NULL;

	s->broken = 0;
	if (s->state == SEAT_UP) {
		ops_lost(s);
		seat_forget_out(s);
	}
	else
		ops_doubt(s, mono_now());
	seat_close(s, 0);
	seat_enter(s, SEAT_OFF, seat_pause(s, by_lane));
}

static enum wharf_status
status_of_errno(int e)
{
	return e == EACCES || e == EPERM ? WHARF_DENIED :
	    e == EMFILE || e == ENFILE || e == ENOMEM ? WHARF_NOMEM :
	    WHARF_NOTREADY;
}

static int
seat_path(const struct seat *s, const char *name, struct sockaddr_un *sun)
{
	int	n;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/%s", s->w->run,
	    name);
	return n > 0 && (size_t)n < sizeof(sun->sun_path);
}

/* The question that both doors understand; 0: too long (never). */
static size_t
seat_question(const struct seat *s, uint16_t msg, uint8_t *out, size_t max)
{
	uint8_t			buf[HELLO_MAX];
	struct frame		f;
	struct desk_hello	h = { .version = LINK_VERSION };

	memset(&f, 0, sizeof(f));
	snprintf(h.name, sizeof(h.name), "%s", s->w->name);
	f.msg = msg;
	f.slot = (uint16_t)s->number;	/* slot N lies in store N */
	f.type = s->router ? LANES_ROUTER : 0;
	f.id = s->number + 1;
	f.val = buf;
	f.vallen = f.vtotal = (uint32_t)desk_hello_put(buf, sizeof(buf), &h);
	return frame_size(&f) <= max ? frame_put(out, &f) : 0;
}

/* ASK */

static int
ask_send(struct seat *s)
{
	uint8_t	 buf[FRAME_HEAD + HELLO_MAX];
	size_t	 n = seat_question(s, MSG_LANES_ASK, buf, sizeof(buf));

	return send(s->ask, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static int
ask_open(struct seat *s)
{
	struct sockaddr_un	sun;

	if (!seat_path(s, "lanes", &sun) || (s->ask = socket(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		goto fail;
	/* A full backlog is EAGAIN: nothing waits here. */
	if (connect(s->ask, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    !ask_send(s) || !client_watch(s->w, s->ask, s->index,
	    SEAT_ON_ASK, EPOLLIN))
		goto fail;
	return 1;
fail:
	s->why = status_of_errno(errno);
	seat_unwatch(s, &s->ask);
	return 0;
}

/* DESK */

static int
desk_open(struct seat *s)
{
	uint8_t			buf[FRAME_HEAD + HELLO_MAX];
	struct sockaddr_un	sun;
	char			name[32];
	size_t			n;

	snprintf(name, sizeof(name), "%s.%u", s->router ? "router" : "store",
	    s->number);
	if (!seat_path(s, name, &sun)) {
		s->why = WHARF_PARAM;
		return 0;
	}
	/* nng would dial for ever where we may not. */
	if (faccessat(AT_FDCWD, sun.sun_path, W_OK, AT_EACCESS) == -1) {
		s->why = status_of_errno(errno);
		return 0;
	}
	s->why = WHARF_NOMEM;
	n = seat_question(s, MSG_DESK_HELLO, buf, sizeof(buf));
	return (s->wire = wire_new(sun.sun_path, WIRE_DESK)) != NULL &&
	    client_watch(s->w, wire_fd(s->wire), s->index, SEAT_ON_WIRE,
	    EPOLLIN | EPOLLET) && wire_send(s->wire, buf, n);
}

void
seat_begin(struct seat *s)
{
	struct wharf	*w = s->w;

	if (w->lanes != WHARF_LANES_OFF && !s->by_desk && ask_open(s)) {
		seat_enter(s, SEAT_ASK, w->lanes == WHARF_LANES_AUTO ? ASK_US :
		    SEAT_US);
		return;
	}
	if (w->lanes != WHARF_LANES_ON && desk_open(s)) {
		seat_enter(s, SEAT_DESK, SEAT_US);
		return;
	}
	seat_lost(s);
}

/* HELLO */

static void
seats_init(struct wharf *w)
{
	struct seat	*s;
	unsigned	 i;

	for (i = 1; i < w->stores; i++)
		seat_enter(&w->seats[i], SEAT_OFF, 1);
	for (i = 0; i < w->routers; i++) {
		s = &w->seats[w->stores + i];
		s->router = 1;
		s->number = i;
	}
}

/* Learns how many there are of all; 0: others than before. */
static int
seat_shape(struct seat *s)
{
	struct wharf	*w = s->w;
	unsigned	 n = s->link.stores, files = s->link.files;
	unsigned	 routers = s->link.routers;

	if (n == 0 || n > SEATS_MAX || s->link.seat != s->number ||
	    files == 0 || routers > ROUTERS_MOST || (w->stores != 0 &&
	    (w->stores != n || w->files != files || w->routers != routers)))
		return 0;
	if (w->stores != 0)
		return 1;
	w->stores = n;
	w->files = files;
	w->routers = routers;
	seats_init(w);
	return 1;
}

void
seat_want(struct seat *s)
{
	if (s->router && s->state == SEAT_OFF && s->due.us == 0)
		seat_enter(s, SEAT_OFF, 1);
}

/* OK is no refusal, and must not look like one. */
static enum wharf_status
why_refused(const struct frame *f)
{
	return f->status == E_OK ? WHARF_BADMSG : (enum wharf_status)f->status;
}

/* The answer of either door. */
static int
seat_answered(struct seat *s, const struct frame *f, uint16_t msg)
{
	if (f->msg != msg || (f->flags & FRAME_REPLY) == 0 ||
	    f->vallen != f->vtotal || f->id != s->number + 1) {
		seat_break(s, WHARF_BADMSG);
		return 0;
	}
	if (f->status != E_OK) {
		seat_break(s, why_refused(f));
		return 0;
	}
	if (desk_answer_get(&s->link, f->val, f->vallen) != E_OK ||
	    !seat_shape(s)) {
		seat_break(s, WHARF_BADMSG);
		return 0;
	}
	return 1;
}

static void
seat_dial(struct seat *s)
{
	seat_unwire(s, 0);
	s->wire = wire_new(s->link.path, WIRE_LINK);
	if (s->wire == NULL || !client_watch(s->w, wire_fd(s->wire), s->index,
	    SEAT_ON_WIRE, EPOLLIN | EPOLLET)) {
		seat_break(s, WHARF_NOMEM);
		return;
	}
	seat_enter(s, SEAT_HELLO, SEAT_US);
}

static void
seat_say_hello(struct seat *s)
{
	uint8_t		buf[HELLO_MAX], out[FRAME_HEAD + HELLO_MAX];
	struct frame	f;
	struct hello	h = {
		.version = LINK_VERSION, .role = ROLE(FROM_CLIENT),
		.inc = s->w->inc, .link = s->link.link,
		.lane = s->lane != NULL
	};

	memset(&f, 0, sizeof(f));
	f.msg = MSG_HELLO;
	f.id = s->link.link;
	f.from = s->w->inc;
	f.to = s->link.inc;
	f.val = buf;
	f.vallen = f.vtotal = (uint32_t)hello_put(buf, sizeof(buf), &h);
	if (!wire_send(s->wire, out, frame_put(out, &f)))
		seat_break(s, WHARF_NOMEM);
}

static void
seat_hear_hello(struct seat *s, const struct frame *f)
{
	struct hello	h;

	if (f->msg != MSG_HELLO || (f->flags & FRAME_REPLY) == 0 ||
	    f->status != E_OK || f->vallen != f->vtotal ||
	    hello_get(&h, f->val, f->vallen) != E_OK ||
	    h.role != (s->router ? ROLE(FROM_ROUTER) : ROLE(FROM_STORE)) ||
	    h.seat != s->number ||
	    h.inc != s->link.inc || h.link != s->link.link ||
	    h.lane != (s->lane != NULL)) {
		seat_break(s, why_refused(f));
		return;
	}
	seat_unwatch(s, &s->ask);
	s->w->reconnects += (unsigned)s->were_up;
	s->were_up = 1;
	s->by_desk = 0;
	seat_enter(s, SEAT_UP, 0);
	/* What waited for the link leaves now. */
	s->quiet = s->ops != 0 ? s->since : (mono_t){ 0 };
}

/* Events */

static int
ask_take_lane(struct seat *s, struct msg *m)
{
	if (m->nfds != 3 || (s->lane = lane_map(m->fds[0], LANE_A)) == NULL ||
	    lane_frame_max(s->lane) <
	    2 * FRAME_KEY + FRAME_NAME + FRAME_HEAD)
		return 0;
	s->ear = m->fds[1];
	s->bell = m->fds[2];
	m->fds[1] = m->fds[2] = -1;
	return client_watch(s->w, s->ear, s->index, SEAT_ON_EAR,
	    EPOLLIN | EPOLLET);
}

static void
seat_on_ask(struct seat *s)
{
	uint8_t		buf[CTL_PACKET];
	struct msg	m;
	enum err	e;

	if (s->ask == -1 || (e = ctl_recv(s->ask, &m, buf)) == E_AGAIN)
		return;
	if (e != E_OK) {
		seat_break(s, e == E_NOMEM ? WHARF_NOMEM : WHARF_NOTREADY);
		return;
	}
	if (s->state != SEAT_ASK)	/* the store would not have the link */
		seat_break(s, why_refused(&m.f));
	else if (seat_answered(s, &m.f, MSG_LANES_ASK)) {
		if (ask_take_lane(s, &m))
			seat_dial(s);
		else
			seat_break(s, WHARF_NOMEM);
	}
	ctl_close_fds(&m);
}

static void
seat_on_message(struct seat *s)
{
	const uint8_t	*p;
	struct frame	 f;
	size_t		 n;

	if (!wire_message(s->wire, &p, &n)) {
		seat_break(s, WHARF_NOTREADY);
		return;
	}
	if (s->state == SEAT_UP) {
		s->quiet = (mono_t){ 0 };
		seat_read_message(s, p, n);
	} else if (frame_get(&f, p, n) != E_OK)
		seat_break(s, WHARF_BADMSG);
	else if (s->state == SEAT_HELLO)
		seat_hear_hello(s, &f);
	else if (seat_answered(s, &f, MSG_DESK_HELLO)) {
		wire_drop(s->wire);
		seat_dial(s);
		return;
	}
	wire_drop(s->wire);
	if (!s->broken)
		wire_receive(s->wire);
}

static void
seat_on_sent(struct seat *s)
{
	if (!wire_sent(s->wire))
		seat_break(s, WHARF_NOTREADY);
	else if (s->state == SEAT_DESK)
		wire_receive(s->wire);
}

/*
 * Before HELLO is said: whoever answers it was alive when he began to be
 * watched.  Where there is no pidfd, or the process is in a name space that we
 * do not see, nng's word must do.
 */
static void
seat_watch_peer(struct seat *s)
{
	int	pid = wire_peer(s->wire);

	seat_unwatch(s, &s->peer);
	if (s->lane != NULL || pid <= 0)
		return;
	s->peer = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->peer != -1 && !client_watch(s->w, s->peer, s->index,
	    SEAT_ON_PEER, EPOLLIN | EPOLLET))
		seat_unwatch(s, &s->peer);
}

static void
seat_on_pipe(struct seat *s)
{
	int	up = wire_is_up(s->wire);

	/* Whose first pipe broke says it again on the next. */
	if (s->state == SEAT_HELLO && up && !wire_sending(s->wire)) {
		seat_watch_peer(s);
		seat_say_hello(s);
	}
	if (s->state == SEAT_UP && !up)
		seat_break(s, WHARF_NOTREADY);
}

static void
seat_on_wire(struct seat *s)
{
	struct wire	*wi = s->wire;
	unsigned	 bits = wi == NULL ? 0 : wire_take(wi);

	if (bits & WIRE_SENT)
		seat_on_sent(s);
	/* What came before the pipe broke is read before it is noticed. */
	if ((bits & WIRE_RECEIVED) && !s->broken)
		seat_on_message(s);
	if ((bits & WIRE_PIPE) && !s->broken && s->wire == wi)
		seat_on_pipe(s);
}

/* The store has closed its end, or is dead. */
static void
seat_on_ear(struct seat *s)
{
	seat_break(s, WHARF_NOTREADY);
}

/*
 * What nng has still got from it is taken first.  The event may be one of an
 * earlier peer's.
 */
static void
seat_on_peer(struct seat *s)
{
	struct pollfd	p = { .fd = s->peer, .events = POLLIN };

	if (s->peer != -1 && poll(&p, 1, 0) == 1)
		seat_is_due(s, mono_add(mono_now(), PEER_US));
}

void
seat_on(struct seat *s, enum seat_event ev)
{
	static void (*const	fn[SEAT_EVENTS])(struct seat *) = {
		[SEAT_ON_ASK] = seat_on_ask,
		[SEAT_ON_WIRE] = seat_on_wire,
		[SEAT_ON_EAR] = seat_on_ear,
		[SEAT_ON_PEER] = seat_on_peer,
	};

	if (!s->broken)
		fn[ev](s);
}

void
seat_time(struct seat *s, mono_t now)
{
	if (s->due.us == 0 || s->due.us > now.us)
		return;
	if (s->state == SEAT_OFF)
		seat_begin(s);
	else if (s->state == SEAT_UP)
		seat_break(s, WHARF_NOTREADY);
	else
		seat_break(s, WHARF_TIMEOUT);
}

void
seat_doubt(struct seat *s, mono_t now)
{
	if (s->state == SEAT_UP && s->lane == NULL && s->quiet.us != 0 &&
	    mono_diff(s->quiet, now) >= SILENT_US)
		seat_break(s, WHARF_TIMEOUT);
}
