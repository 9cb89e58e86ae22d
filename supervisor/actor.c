/*
 * actor.c: the child's half of the contract with wharfd; runs in every actor.
 *
 * Owns fd 3, the loop, the mailbox and this actor's place on the board.  A
 * lost supervisor (end of file on fd 3) is an orderly stop, bounded by an
 * alarm; before READY nothing has been promised and the orphan just exits.
 * Fatal: anything that was to be handed down and is not there.
 *
 * Threads: the loop, and until READY and after STOP a helper that reports
 * PROGRESS while the loop's thread is busy restoring or closing.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/actor.h"
#include "supervisor/gate.h"
#include "supervisor/log.h"

#define BEAT_S		1.0
#define MMAP_FROM	(512 << 10)	/* bytes of an allocation */
#define HEAP_SPARE	(8 << 20)	/* bytes kept at the end of the heap */
#define PROGRESS_MS	500
#define ORPHAN_S	10		/* time to stop in order */
#define CTL_QUEUE	1024		/* reports that wait for room on fd 3 */
#define OUT_MAX		((size_t)2 << 20)	/* and one message beyond */
#define ASSEMBLY_MAX	((size_t)256 << 20)

struct report {
	uint16_t	msg;
	uint64_t	id;
};

struct actor_priv {
	struct actor		*actor;
	ev_io			 ctl_in, ctl_out;
	ev_timer		 beat;
	struct report		*queue;		/* ring of CTL_QUEUE */
	unsigned		 head, used;
	pthread_t		 helper;
	pthread_mutex_t		 lock;
	pthread_cond_t		 wake;
	int			 helper_runs, helper_stop;	/* under lock */
	_Atomic int64_t		 progress;
	_Atomic int		 promised;	/* was READY */
	uint64_t		*links;		/* ids of those that are up */
	unsigned		 nlinks, maxlinks;
	struct gate		*gate;		/* what nng clients may ask */
	int			 stopping, code;
	struct log_limit	 bad, rejected;
};

static enum err	actor_on_stop(struct actor *, const struct msg *);
static enum err	actor_on_lane(struct actor *, const struct msg *);
static enum err	actor_on_unlink(struct actor *, const struct msg *);
static enum err	actor_on_reload(struct actor *, const struct msg *);
static enum err	actor_on_listen(struct actor *, const struct msg *);
static enum err	actor_on_unlisten(struct actor *, const struct msg *);
static enum err	actor_on_order(struct actor *, const struct msg *);

static const struct handler ctl_table[MSG_MAX] = {
#define MSG_CTL(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { fn, from },
#include "proto/msg.def"
};

/* Reports to the supervisor */

static void
actor_orphaned(struct actor *a)
{
	ev_io_stop(a->loop, &a->priv->ctl_in);
	ev_io_stop(a->loop, &a->priv->ctl_out);
	ev_timer_stop(a->loop, &a->priv->beat);
	if (a->priv->stopping)
		return;
	a->priv->stopping = 1;
	log_warnx("supervisor is gone, stopping");
	alarm(ORPHAN_S);
	a->hooks->stop(a, 0);
}

/* Sends what waits, as far as there is room. */
static void
actor_reports_flush(struct actor *a)
{
	struct actor_priv	*p = a->priv;
	struct report		*r;
	struct frame		 f;
	enum err		 e = E_OK;

	while (p->used > 0) {
		r = &p->queue[p->head];
		memset(&f, 0, sizeof(f));
		f.msg = r->msg;
		f.id = r->id;
		f.from = a->inc;
		if ((e = ctl_send(ACTOR_FD_CTL, &f, NULL, 0)) != E_OK)
			break;
		p->head = (p->head + 1) % CTL_QUEUE;
		p->used--;
	}
	if (e == E_AGAIN)
		ev_io_start(a->loop, &p->ctl_out);
	else
		ev_io_stop(a->loop, &p->ctl_out);
	/* Any other failure shows as end of file on ctl_in. */
}

static void
actor_report(struct actor *a, uint16_t msg, uint64_t id)
{
	struct actor_priv	*p = a->priv;

	if (p->used == CTL_QUEUE)
		fatalx("supervisor takes no reports");
	p->queue[(p->head + p->used++) % CTL_QUEUE] = (struct report){ msg, id };
	actor_reports_flush(a);
}

static void
on_ctl_out(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	actor_reports_flush(w->data);
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct actor	*a = w->data;

	(void)loop, (void)revents;
	/* A beat that cannot leave is of no use later. */
	if (a->priv->used == 0)
		actor_report(a, MSG_BEAT, 0);
}

/* PROGRESS, from the helper thread */

static void
helper_report(struct actor_priv *p, int64_t *last)
{
	struct pollfd	 pfd = { .fd = ACTOR_FD_CTL };
	struct frame	 f = { .msg = MSG_PROGRESS, .from = p->actor->inc };

	/* An orphan that has promised nothing yet. */
	if (!p->promised && poll(&pfd, 1, 0) == 1 &&
	    (pfd.revents & POLLHUP) != 0)
		_exit(ACTOR_EXIT_ENV);
	f.score = p->progress;
	if (f.score != *last &&
	    ctl_send(ACTOR_FD_CTL, &f, NULL, 0) == E_OK)
		*last = f.score;
}

static void *
helper_main(void *arg)
{
	struct actor_priv	*p = arg;
	struct timespec		 t;
	int64_t			 last = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->helper_stop) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_nsec += PROGRESS_MS * 1000000L;
		if (t.tv_nsec >= 1000000000L) {
			t.tv_nsec -= 1000000000L;
			t.tv_sec++;
		}
		if (pthread_cond_timedwait(&p->wake, &p->lock, &t) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&p->lock);
		helper_report(p, &last);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
helper_start(struct actor_priv *p)
{
	pthread_condattr_t	attr;

	if (p->helper_runs)
		return;
	p->helper_stop = 0;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	if ((errno = pthread_create(&p->helper, NULL, helper_main, p)) != 0)
		fatal("start the helper thread");
	p->helper_runs = 1;
}

static void
helper_stop(struct actor_priv *p)
{
	if (!p->helper_runs)
		return;
	pthread_mutex_lock(&p->lock);
	p->helper_stop = 1;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->helper, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	p->helper_runs = 0;
}

void
actor_progress(struct actor *a)
{
	atomic_fetch_add_explicit(&a->priv->progress, 1, memory_order_relaxed);
}

/* Control messages */

/* A copy of a descriptor that came along, for somebody who will keep it. */
static int
fd_keep(const struct msg *m, int i)
{
	return i < m->nfds ? fcntl(m->fds[i], F_DUPFD_CLOEXEC, 0) : -1;
}

static enum err
actor_on_stop(struct actor *a, const struct msg *m)
{
	a->priv->stopping = 1;
	board_set(a->my, BC_STATE, BOARD_STOPPING);
	/* The last checkpoint may keep the loop for longer than a beat. */
	helper_start(a->priv);
	a->hooks->stop(a, m->f.ver != 0);
	return E_OK;
}

static enum err
actor_on_lane(struct actor *a, const struct msg *m)
{
	struct link_offer	offer;
	enum err		e;
	struct lane_fds		fds;

	if ((e = link_offer_get(&offer, m->f.val, m->f.vallen)) != E_OK)
		return e;
	if (m->nfds != 0 && m->nfds != (offer.from == FROM_CLIENT ? 3 : 2))
		return E_BADMSG;
	fds.lane = fd_keep(m, 0);
	fds.bell = fd_keep(m, 1);
	fds.ear = fd_keep(m, 2);
	if (m->nfds != 0 && (fds.lane == -1 || fds.bell == -1 ||
	    (m->nfds == 3 && fds.ear == -1))) {
		/* Out of descriptors: the link works without a lane. */
		log_warn("link %llu: no lane", (unsigned long long)offer.id);
		lane_fds_close(&fds);
	}
	e = mailbox_offer(a->mailbox, &offer, &fds);
	if (e != E_OK)
		actor_report(a, MSG_BROKEN, offer.id);
	return E_OK;
}

static enum err
actor_on_unlink(struct actor *a, const struct msg *m)
{
	mailbox_unlink(a->mailbox, m->f.id);
	return E_OK;
}

static void
actor_log_open(struct actor *a)
{
	const char	*target = conf_str(a->conf, CONF_LOG_TARGET);
	char		 ident[32];

	snprintf(ident, sizeof(ident), "%s.%u", a->name, a->seat);
	if (log_open(ident, target,
	    (enum log_level)conf_int(a->conf, CONF_LOG_LEVEL)) == -1)
		log_warn("log: open %s", target);
}

/* wharfd has checked the list; the old one stays if there is no memory. */
static void
actor_gate(struct actor *a)
{
	char		 err[256];
	struct gate	*fresh = gate_new(a->conf, err, sizeof(err));

	if (fresh == NULL && a->priv->gate == NULL)
		fatalx("%s", err);
	if (fresh == NULL) {
		log_errorx("%s; the old roles stay", err);
		return;
	}
	gate_free(a->priv->gate);
	a->priv->gate = fresh;
}

static enum err
actor_on_reload(struct actor *a, const struct msg *m)
{
	struct conf	*fresh;
	char		 err[256];

	if (m->nfds != 3)
		return E_BADMSG;
	if ((fresh = conf_from_fd(m->fds[0], err, sizeof(err))) == NULL) {
		log_errorx("reload: %s", err);
		return E_PARAM;
	}
	conf_free(a->conf);
	a->conf = fresh;
	actor_log_open(a);
	actor_gate(a);
	if (a->hooks->users != NULL)
		a->hooks->users(a, m->fds[1]);
	if (a->hooks->tls != NULL)
		a->hooks->tls(a, m->fds[2]);
	if (a->hooks->reload != NULL)
		a->hooks->reload(a);
	return E_OK;
}

static enum err
actor_on_listen(struct actor *a, const struct msg *m)
{
	int	fd;

	if (m->nfds != 1)
		return E_BADMSG;
	if (a->hooks->listen == NULL)
		return E_DENIED;
	if ((fd = fd_keep(m, 0)) == -1) {
		log_warn("socket %llu", (unsigned long long)m->f.id);
		return E_NOMEM;
	}
	a->hooks->listen(a, m->f.id, m->f.slot, m->f.ver != 0, fd);
	return E_OK;
}

static enum err
actor_on_unlisten(struct actor *a, const struct msg *m)
{
	if (a->hooks->unlisten != NULL)
		a->hooks->unlisten(a, m->f.id);
	return E_OK;
}

enum err
actor_tell(struct actor *a, const struct frame *f)
{
	struct frame	full = *f;

	full.from = a->inc;
	return ctl_send(ACTOR_FD_CTL, &full, NULL, 0);
}

static enum err
actor_on_order(struct actor *a, const struct msg *m)
{
	return a->hooks->order == NULL ? E_DENIED : a->hooks->order(a, m);
}

/* The dispatcher */

/* Counts, logs, and answers a request on a link; never answers an answer. */
static void
actor_reject(struct actor *a, const struct msg *m, enum err e)
{
	if (e == E_UNKNOWN || e == E_DENIED || e == E_BADMSG) {
		board_add(a->my, BC_REJECTED, 1);
		log_limited(&a->priv->rejected, "%s from %s refused: %s",
		    msg_name(m->f.msg), m->link == NULL ? "supervisor" : "link",
		    err_text(e));
	}
	if (m->link == NULL || (m->f.flags & FRAME_REPLY) != 0)
		return;
	board_add(a->my, BC_REQUESTS, 1);
	board_add(a->my, err_http(e) >= 500 ? BC_ERRORS : BC_REFUSED, 1);
	link_reply(m->link, m->f.msg, m->f.id, e, NULL);
}

enum err
actor_dispatch(struct actor *a, const struct msg *m)
{
	const struct handler	*h = NULL;
	enum err		 e;

	if (m->f.msg < MSG_MAX)
		h = m->from == FROM_SUPERVISOR ? &ctl_table[m->f.msg] :
		    &a->table[m->f.msg];
	if (h == NULL || h->fn == NULL)
		e = E_UNKNOWN;
	else if ((h->from & m->from) == 0)
		e = E_DENIED;
	else if (m->from == FROM_CLIENT &&
	    !gate_allows(a->priv->gate, link_uid(m->link), m->f.msg))
		e = E_ROLE;
	else
		e = h->fn(a, m);
	/* E_AGAIN: the mailbox keeps the message. */
	if (e != E_OK && e != E_PENDING && e != E_AGAIN)
		actor_reject(a, m, e);
	return e;
}

static void
on_ctl_in(struct ev_loop *loop, ev_io *w, int revents)
{
	struct actor	*a = w->data;
	uint8_t		 buf[CTL_PACKET];
	struct msg	 m;
	enum err	 e;
	int		 i;

	(void)loop, (void)revents;
	for (i = 0; i < ACTOR_BATCH; i++) {
		e = ctl_recv(ACTOR_FD_CTL, &m, buf);
		if (e == E_AGAIN)
			return;
		if (e == E_INTERNAL) {
			actor_orphaned(a);
			return;
		}
		if (e == E_NOMEM)	/* wharfd will not say it again */
			fatalx("fd 3: out of descriptors, a message is lost");
		m.from = FROM_SUPERVISOR;
		if (e == E_OK)
			e = msg_check(&m.f, m.from);
		if (e == E_OK)
			actor_dispatch(a, &m);
		else
			log_limited(&a->priv->bad, "fd 3: %s", err_text(e));
		ctl_close_fds(&m);
	}
}

/* Mailbox hooks */

/* Only links that were up go down as far as the actor is concerned. */
static void
links_add(struct actor_priv *p, uint64_t id)
{
	uint64_t	*more;

	if (p->nlinks == p->maxlinks) {
		p->maxlinks = p->maxlinks * 2 + 16;
		more = reallocarray(p->links, p->maxlinks, sizeof(*more));
		if (more == NULL)
			fatal("links");
		p->links = more;
	}
	p->links[p->nlinks++] = id;
	board_set(p->actor->my, BC_LINKS, p->nlinks);
}

static int
links_remove(struct actor_priv *p, uint64_t id)
{
	unsigned	i;

	for (i = 0; i < p->nlinks; i++) {
		if (p->links[i] != id)
			continue;
		p->links[i] = p->links[--p->nlinks];
		board_set(p->actor->my, BC_LINKS, p->nlinks);
		return 1;
	}
	return 0;
}

static void
on_link_up(void *arg, struct link *l)
{
	struct actor	*a = arg;

	links_add(a->priv, link_id(l));
	if (a->hooks->link_up != NULL)
		a->hooks->link_up(a, l);
}

static void
on_link_down(void *arg, struct link *l, int broken, const char *why)
{
	struct actor	*a = arg;

	if (links_remove(a->priv, link_id(l)) && a->hooks->link_down != NULL)
		a->hooks->link_down(a, l);
	if (!broken)
		return;
	log_info("link %llu broken: %s", (unsigned long long)link_id(l), why);
	if (link_from(l) != FROM_CLIENT && !a->priv->stopping)
		actor_report(a, MSG_BROKEN, link_id(l));
}

static enum err
on_link_msg(void *arg, const struct msg *m)
{
	return actor_dispatch(arg, m);
}

static void
on_link_turn(void *arg)
{
	struct actor	*a = arg;

	if (a->hooks->turn != NULL)
		a->hooks->turn(a);
}

static void
on_link_reject(void *arg, struct link *l, enum err e)
{
	struct actor	*a = arg;

	board_add(a->my, BC_REJECTED, 1);
	if (l == NULL)
		log_limited(&a->priv->rejected, "frame refused: %s",
		    err_text(e));
	else
		log_limited(&a->priv->rejected, "link %llu: frame refused: %s",
		    (unsigned long long)link_id(l), err_text(e));
}

static int
on_link_expects(void *arg)
{
	struct actor	*a = arg;

	return a->hooks->expects == NULL || a->hooks->expects(a);
}

/* An orderly end; the supervisor starts the actor anew. */
static void
on_wedged(void *arg)
{
	struct actor	*a = arg;

	if (a->priv->stopping)
		return;
	a->priv->stopping = 1;
	board_set(a->my, BC_STATE, BOARD_STOPPING);
	actor_report(a, MSG_WEDGED, 0);
	helper_start(a->priv);
	a->hooks->stop(a, 0);
}

static const struct mailbox_hooks link_hooks = {
	.up = on_link_up,
	.down = on_link_down,
	.msg = on_link_msg,
	.turn = on_link_turn,
	.expects = on_link_expects,
	.reject = on_link_reject,
	.wedged = on_wedged,
};

/* Birth */

static uint64_t
number(const char *s, int base)
{
	char			*end;
	unsigned long long	 n;

	errno = 0;
	n = strtoull(s, &end, base);
	if (errno != 0 || end == s || *end != '\0')
		fatalx("bad number \"%s\"; actors are started by wharfd", s);
	return n;
}

static void
actor_args(struct actor *a, unsigned *place, int argc, char **argv)
{
	static const struct option	opts[] = {
		{ "seat", required_argument, NULL, 's' },
		{ "incarnation", required_argument, NULL, 'i' },
		{ "place", required_argument, NULL, 'p' },
		{ "node", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int				ch;

	while ((ch = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (ch) {
		case 's':
			a->seat = (unsigned)number(optarg, 10);
			break;
		case 'i':
			a->inc = (uint32_t)number(optarg, 10);
			break;
		case 'p':
			*place = (unsigned)number(optarg, 10);
			break;
		case 'n':
			a->node = number(optarg, 16);
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc || a->inc == 0)
		fatalx("actors are started by wharfd, not by hand");
}

/* What wharfd alone decides about must not reach us from a terminal. */
static void
actor_signals(void)
{
	static const int	ignored[] = {
		SIGPIPE, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2,
	};
	size_t			i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static void
actor_limits(void)
{
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void
actor_process_name(const struct actor *a)
{
	char	title[16];	/* the kernel keeps 15 bytes */

	snprintf(title, sizeof(title), "wharf-%s %u", a->name, a->seat);
	prctl(PR_SET_NAME, title);
}

static void
actor_map(struct actor *a, unsigned place)
{
	char	err[256];
	int	fd;

	for (fd = ACTOR_FD_CTL; fd <= ACTOR_FD_LAST; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
			fatal("descriptor %d was not handed down", fd);
	if ((a->conf = conf_from_fd(ACTOR_FD_CONF, err, sizeof(err))) == NULL)
		fatalx("configuration: %s", err);
	if ((a->board = board_map(ACTOR_FD_BOARD)) == NULL)
		fatal("board");
	if ((a->my = board_place(a->board, place)) == NULL)
		fatalx("board has no place %u", place);
	if (a->role == FROM_STORE &&
	    (a->catalogue = catalogue_map(ACTOR_FD_CATALOGUE)) == NULL)
		fatal("catalogue");
	close(ACTOR_FD_CATALOGUE);
	if (a->role != FROM_WORKER) {
		close(ACTOR_FD_USERS);
		close(ACTOR_FD_KNOWN);
		close(ACTOR_FD_TLS);
	}
}

static void
actor_open_mailbox(struct actor *a)
{
	struct mailbox_conf	mc = {
		.role = a->role,
		.seat = a->seat,
		.inc = a->inc,
		.bell = ACTOR_FD_BELL,
		.lanes = (int)conf_int(a->conf, CONF_LANES_ENABLED),
		.batch = ACTOR_BATCH,
		.out_max = OUT_MAX,
		.assembly_max = ASSEMBLY_MAX,
		.spin_us = (unsigned)conf_int(a->conf, CONF_LANES_SPIN),
	};

	a->mailbox = mailbox_new(a->loop, &mc, &link_hooks, a);
	if (a->mailbox == NULL)
		fatal("mailbox");
}

static struct actor_priv *
priv_new(struct actor *a)
{
	struct actor_priv	*p = calloc(1, sizeof(*p));

	if (p == NULL ||
	    (p->queue = calloc(CTL_QUEUE, sizeof(*p->queue))) == NULL)
		fatal("actor");
	p->actor = a;
	ev_io_init(&p->ctl_in, on_ctl_in, ACTOR_FD_CTL, EV_READ);
	ev_io_init(&p->ctl_out, on_ctl_out, ACTOR_FD_CTL, EV_WRITE);
	ev_timer_init(&p->beat, on_beat, 0, BEAT_S);
	p->ctl_in.data = p->ctl_out.data = p->beat.data = a;
	return p;
}

void
actor_init(struct actor *a, int argc, char **argv, const char *name,
    unsigned role, const struct handler *table,
    const struct actor_hooks *hooks, void *self)
{
	unsigned	place = 0;

	memset(a, 0, sizeof(*a));
	a->name = name;
	a->role = role;
	a->table = table;
	a->hooks = hooks;
	a->self = self;
	actor_signals();
	actor_args(a, &place, argc, argv);
	actor_process_name(a);
	actor_map(a, place);
	actor_log_open(a);
	actor_limits();
	/*
	 * Large values come and go: their memory is to go with them.  Left to
	 * itself malloc would soon take them from the heap, and keep it.  But
	 * it would give the heap's end back with each value of some KiB.
	 */
	mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
	mallopt(M_TRIM_THRESHOLD, HEAP_SPARE);
	if ((a->loop = ev_default_loop(EVFLAG_NOSIGMASK | EVFLAG_NOENV)) == NULL)
		fatalx("no event loop");
	a->priv = priv_new(a);
	actor_gate(a);
	helper_start(a->priv);
	actor_open_mailbox(a);
	ev_io_start(a->loop, &a->priv->ctl_in);
}

void
actor_ready(struct actor *a)
{
	a->priv->promised = 1;
	helper_stop(a->priv);
	board_set(a->my, BC_STATE, BOARD_READY);
	actor_report(a, MSG_READY, 0);
	ev_now_update(a->loop);
	ev_timer_again(a->loop, &a->priv->beat);
}

int
actor_run(struct actor *a)
{
	ev_run(a->loop, 0);
	return a->priv->code;
}

void
actor_exit(struct actor *a, int code)
{
	a->priv->stopping = 1;
	a->priv->code = code;
	ev_break(a->loop, EVBREAK_ALL);
}

void
actor_free(struct actor *a)
{
	struct actor_priv	*p = a->priv;

	helper_stop(p);
	mailbox_free(a->mailbox);
	ev_io_stop(a->loop, &p->ctl_in);
	ev_io_stop(a->loop, &p->ctl_out);
	ev_timer_stop(a->loop, &p->beat);
	ev_loop_destroy(a->loop);
	board_unmap(a->board);
	catalogue_unmap(a->catalogue);
	conf_free(a->conf);
	gate_free(p->gate);
	free(p->links);
	free(p->queue);
	free(p);
	memset(a, 0, sizeof(*a));
}
