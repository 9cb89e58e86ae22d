/*
 * listener.c: libmicrohttpd under the libev loop.
 *
 * Invariants
 * 1 MHD's epoll descriptor is level-triggered for us, the client sockets in it
 *   are edge-triggered: MHD_get_timeout() = 0 is the only sign of work left
 *   over, so it is asked before every sleep.
 * 2 Nothing tells MHD or the loop of a resumed connection: whoever resumes
 *   sets ready and calls listeners_wake.
 * 3 While requests stand (STANDING_MAX) that timeout is always 0.  Then a run
 *   in which nothing moved is taken for the last; what it may have left over
 *   (a long head that came in pieces) goes on after STANDING_MS.
 * 4 A pump makes a bounded number of rounds, so that timers and mailbox get
 *   their turn under load; what is left over continues after a timer of 0 s.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "worker/answer.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/worker.h"

#define POOL_STEP	4096u	/* the read buffer grows by this */
#define ROUNDS		4
#define STANDING_MS	2
#define DENIED_S	0.1	/* until the next try to accept a first connection */

static void
on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct listener	*l = w->data;

	(void)loop;
	(void)revents;
	l->ready = 1;
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct listener	*l = w->data;

	(void)revents;
	if (l->denied)
		ev_io_start(loop, &l->io);
	l->denied = 0;
	l->ready = 1;
}

static unsigned
listener_connections(const struct listener *l)
{
	return MHD_get_daemon_info(l->mhd,
	    MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

static void mhd_log(void *, const char *, va_list)
    __attribute__((format(printf, 2, 0)));

static void
mhd_log(void *arg, const char *fmt, va_list ap)
{
	static struct log_limit	lim;
	struct listener		*l = arg;
	char			text[256];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	/* Mostly it is about what clients do; this one is about us. */
	if (strstr(text, "resource limit") != NULL) {
		log_limited(&lim, "http: %s", text);
		/* No descriptor left; none yet when the first daemon starts. */
		if (l->mhd != NULL) {
			l->starved = listener_connections(l);
			l->denied = l->starved == 0;
		}
	} else
		log_debug("http: %s", text);
	if (strstr(text, "handshake message") != NULL)
		tls_failed(l);
}

/* For MHD a connection whose request stands is an idle one, too. */
static unsigned
idle_limit(const struct conf *c)
{
	unsigned	s = (unsigned)conf_int(c, CONF_LIMITS_UPLOAD_IDLE);

	return (s > OPEN_MOST ? s : OPEN_MOST) + IDLE_EXTRA;
}

/* Without an answer; MHD closes. */
static enum MHD_Result
on_accept(void *arg, const struct sockaddr *sa, socklen_t len)
{
	const struct listener	*l = arg;

	(void)len;
	return connection_may(l->w, sa) ? MHD_YES : MHD_NO;
}

static struct MHD_Daemon *
daemon_start(struct listener *l, int fd)
{
	const struct conf		*c = l->w->a.conf;
	static struct MHD_OptionItem	 none = { MHD_OPTION_END, 0, NULL };
	/* TURBO saves a shutdown, with TLS the client's proof of the end. */
	unsigned			 flags = l->tls ? MHD_USE_TLS :
					    MHD_USE_TURBO;

	return MHD_start_daemon(flags | MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
	    MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, l, http_on_request, l,
	    MHD_OPTION_EXTERNAL_LOGGER, mhd_log, l,
	    MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
	    MHD_OPTION_CONNECTION_LIMIT, l->limit,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LISTENER_POOL,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_STEP,
	    MHD_OPTION_CONNECTION_TIMEOUT, idle_limit(c),
	    MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, l,
	    MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, l,
	    MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, l,
	    MHD_OPTION_ARRAY, l->tls ? tls_options() : &none,
	    MHD_OPTION_END);
}

/*
 * Descriptors are for db, mq, with TLS and without, as many lent sockets, and a
 * share of them for everything else: a worker without any could not take its
 * next link.
 */
static unsigned
listener_limit(const struct conf *c)
{
	unsigned	limit = (unsigned)conf_int(c, CONF_WORKERS_CONNECTIONS);
	unsigned	shares = conf_str(c, CONF_TLS_CERTIFICATE)[0] == '\0' ?
			    5 : 9;
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur / shares < limit)
		limit = (unsigned)(rl.rlim_cur / shares);
	return limit > 0 ? limit : 1;
}

/* For up to most connections; NULL: MHD does not take it, logged. */
static struct listener *
listener_start(struct worker *w, uint64_t id, unsigned on, int tls,
    unsigned most, int fd)
{
	struct listener	*l = calloc(1, sizeof(*l));

	if (l == NULL)
		fatal("worker: listener");
	l->w = w;
	l->id = id;
	l->on = on;
	l->tls = tls;
	TAILQ_INIT(&l->shaking);
	l->fd = fd;
	l->limit = most < LISTENER_PART ? most : LISTENER_PART;
	l->rest = most - l->limit;
	if ((l->mhd = daemon_start(l, fd)) == NULL) {
		log_warnx("http: cannot serve socket %llu",
		    (unsigned long long)id);
		(void)close(fd);
		free(l);
		return NULL;
	}
	ev_io_init(&l->io, on_io,
	    MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
	    EV_READ);
	l->io.data = l;
	ev_init(&l->timer, on_timer);
	l->timer.data = l;
	ev_io_start(w->a.loop, &l->io);
	log_debug("http: serving socket %llu", (unsigned long long)id);
	return l;
}

void
listener_open(struct worker *w, uint64_t id, unsigned on, int tls, int fd)
{
	struct listener	*l = listener_start(w, id, on, tls,
			    listener_limit(w->a.conf), fd);

	if (l == NULL)
		return;
	l->next = w->listeners;
	w->listeners = l;
}

/* The next in the list is for the connections that this one cannot have. */
static void
listener_follow(struct listener *l)
{
	static struct log_limit	 lim;
	int			 fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	struct listener		*n;

	if (fd == -1) {
		log_limited(&lim, "http: no descriptor for more than %u "
		    "connections", l->limit);
		return;
	}
	n = listener_start(l->w, l->id, l->on, l->tls, l->rest, fd);
	if (n == NULL)
		return;
	n->next = l->next;
	l->next = n;
	l->followed = 1;
}

static void
listener_close(struct listener *l)
{
	MHD_socket	fd;

	if (l->closing)
		return;
	l->closing = 1;
	fd = MHD_quiesce_daemon(l->mhd);
	if (fd != MHD_INVALID_SOCKET)
		(void)close(fd);
	l->ready = 1;
	listeners_wake(l->w);
}

void
listener_unlisten(struct worker *w, uint64_t id)
{
	struct listener	*l;

	for (l = w->listeners; l != NULL; l = l->next)
		if (l->id == id)
			listener_close(l);
}

void
listeners_close(struct worker *w)
{
	struct listener	*l;

	for (l = w->listeners; l != NULL; l = l->next)
		listener_close(l);
}

unsigned
listeners_connections(const struct worker *w)
{
	const struct listener	*l;
	unsigned		 n = 0;

	for (l = w->listeners; l != NULL; l = l->next)
		n += listener_connections(l);
	return n;
}

/*
 * At its limit, or without a descriptor for the next, MHD takes the listening
 * socket out of epoll, and puts it back in the run after the one in which a
 * connection went.
 */
static void
listener_look_full(struct listener *l)
{
	unsigned	n = listener_connections(l);
	int		full = n >= l->limit ||
			    (l->starved != 0 && n >= l->starved);

	if (l->full && !full) {
		l->ready = 1;
		l->starved = 0;
	}
	l->full = full;
}

static void
listener_round(struct listener *l)
{
	l->ready = l->begun = l->moved = 0;
	(void)MHD_run(l->mhd);
	tls_park(l);
	listener_look_full(l);
}

static void
listener_arm(struct listener *l, double seconds)
{
	ev_timer_stop(l->w->a.loop, &l->timer);
	ev_timer_set(&l->timer, seconds, 0.);
	ev_timer_start(l->w->a.loop, &l->timer);
}

/* Rounds until MHD has nothing left to do at once, or it had its share. */
static void
listener_run(struct listener *l)
{
	unsigned long long	ms = 0;
	int			n;

	for (n = 0; n < ROUNDS; n++) {
		if (l->ready) {
			listener_round(l);
			continue;
		}
		if (MHD_get_timeout(l->mhd, &ms) != MHD_YES) {
			ev_timer_stop(l->w->a.loop, &l->timer);
			return;
		}
		if (ms != 0)
			break;
		if (l->standing != 0 && l->begun == 0 && !l->moved) {
			ms = STANDING_MS;
			break;
		}
		l->ready = 1;
	}
	listener_arm(l, l->ready ? 0. : (double)ms / 1e3);
}

/* MHD has no connection whose end it could wait for, and would spin. */
static void
listener_wait_descriptor(struct listener *l)
{
	ev_io_stop(l->w->a.loop, &l->io);
	listener_arm(l, DENIED_S);
}

static void
listener_free(struct listener *l)
{
	ev_io_stop(l->w->a.loop, &l->io);
	ev_timer_stop(l->w->a.loop, &l->timer);
	MHD_stop_daemon(l->mhd);
	free(l);
}

/* The last one has nothing to do any more, nor soon. */
static void
listener_retire_next(struct listener *l)
{
	struct listener	*n = l->next;

	if (l->closing || !l->followed || n->followed ||
	    listener_connections(n) != 0 ||
	    listener_connections(l) >= l->limit / 2)
		return;
	l->followed = 0;
	listener_close(n);
}

/* Frees the closing listeners whose last connection is gone. */
static void
listeners_reap(struct worker *w)
{
	struct listener	**p = &w->listeners, *l;

	while ((l = *p) != NULL) {
		if (!l->closing || listener_connections(l) != 0) {
			listener_retire_next(l);
			p = &l->next;
			continue;
		}
		*p = l->next;
		listener_free(l);
	}
}

void
listeners_pump(struct worker *w)
{
	struct listener	*l;

	body_grant(w);
	calls_retry(w);
	for (l = w->listeners; l != NULL; l = l->next) {
		listener_run(l);
		if (l->denied)
			listener_wait_descriptor(l);
		if (l->full && l->starved == 0 && l->rest > 0 &&
		    !l->followed && !l->closing)
			listener_follow(l);
	}
	/* What was sent in this turn gave bytes back to those who wait. */
	if (body_grant(w))
		listeners_wake(w);
	listeners_reap(w);
	mailbox_flush(w->a.mailbox);
	http_gauges(w);
}

void
listeners_wake(struct worker *w)
{
	/* Also from within a prepare callback: it runs before the sleep. */
	ev_feed_event(w->a.loop, &w->pump, EV_CUSTOM);
}

void
listeners_stop(struct worker *w)
{
	struct listener	*l;

	listeners_close(w);
	while ((l = w->listeners) != NULL) {
		/* Resumed connections leave the list of the suspended here. */
		(void)MHD_run(l->mhd);
		w->listeners = l->next;
		listener_free(l);
	}
}
