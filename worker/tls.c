/*
 * tls.c: see tls.h.  Runs in a worker, on the loop.  Whatever a client does
 * ends its own connection only.
 *
 * Invariants
 * 1 A connection is suspended by tls_park exactly while it is SHAKE_PARKED;
 *   its watcher is active then.
 * 2 Until its handshake is done (or given up) a connection is in tls->oldest, in
 *   the order in which they began; while MHD has it, also in l->shaking.
 * 3 MHD reads and writes through tls_pull and tls_push: what moves is noted for
 *   listener.c, which MHD does not tell of the bytes of a long answer.
 * 4 A record that is held is followed by another one, in the same run of MHD or
 *   when the socket takes bytes again: a body, or the last word of TLS.
 * 5 GnuTLS points into the pair that tls_certificate gave it; a connection
 *   holds on to it until it ends, however often there is a new one.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "supervisor/tls.h"
#include "worker/linger.h"
#include "worker/tls.h"
#include "worker/worker.h"

#define RECORD_HANDSHAKE	22	/* first byte of a client that speaks TLS */
#define HOLD		512u	/* bytes of a head that waits for its body */
#define VECTORS		32

enum shake { SHAKE_RUNS, SHAKE_PARKED, SHAKE_DONE };

struct tls {
	struct tls_pair		*pair;
	gnutls_priority_t	 priorities;
	struct tls_queue	 oldest;
	unsigned		 shaking;	/* in oldest */
};

struct tls_conn {
	struct listener		*l;
	struct connection	*at;
	struct MHD_Connection	*conn;
	gnutls_session_t	 session;	/* MHD's */
	struct tls_pair		*pair;		/* NULL: not asked for yet */
	enum shake		 state;
	int			 aged;		/* is in oldest */
	int			 heard;		/* TLS came */
	mono_t			 since;
	struct ev_io		 io;
	TAILQ_ENTRY(tls_conn)	 age, shake;
	int			 hold;		/* the next record is a head */
	size_t			 nheld;
	uint8_t			 held[HOLD];
};

/* The transport */

/* Who speaks HTTP here gets an answer that he understands. */
static void
alien_answer(struct tls_conn *c)
{
	static const char	text[] = "HTTP/1.1 400 Bad Request\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n"
	    "Wharf-Error: E_REQUEST this port speaks TLS\r\n\r\n";
	struct connection	*at = c->at;

	board_add(c->l->w->a.my, BC_TLS_PLAIN, 1);
	(void)send(at->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (at->linger == -1)
		at->linger = linger_dup(at->fd);
}

static ssize_t
tls_pull(gnutls_transport_ptr_t arg, void *buf, size_t n)
{
	struct tls_conn	*c = arg;
	ssize_t		 got = recv(c->at->fd, buf, n, MSG_DONTWAIT);

	c->l->shook = c;
	if (got <= 0)
		return got;
	c->l->moved = 1;
	if (!c->heard && *(uint8_t *)buf != RECORD_HANDSHAKE) {
		alien_answer(c);
		errno = ECONNRESET;
		return -1;
	}
	c->heard = 1;
	return got;
}

/* The bytes taken; 0: they are not for holding. */
static size_t
push_hold(struct tls_conn *c, const giovec_t *iov, int n)
{
	size_t	len = 0;
	int	i, hold = c->hold && c->nheld == 0;

	c->hold = 0;
	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (!hold || len > HOLD)
		return 0;
	for (i = 0; i < n; i++) {
		memcpy(c->held + c->nheld, iov[i].iov_base, iov[i].iov_len);
		c->nheld += iov[i].iov_len;
	}
	return len;
}

/* Of what was sent, that which was not held. */
static ssize_t
push_sent(struct tls_conn *c, ssize_t put)
{
	size_t	n = (size_t)put;

	if (put <= 0)
		return put;
	c->l->moved = 1;
	if (n > c->nheld) {
		n -= c->nheld;
		c->nheld = 0;
		return (ssize_t)n;
	}
	c->nheld -= n;
	memmove(c->held, c->held + n, c->nheld);
	errno = EAGAIN;
	return -1;
}

static ssize_t
tls_push(gnutls_transport_ptr_t arg, const giovec_t *iov, int n)
{
	struct tls_conn	*c = arg;
	struct iovec	 all[1 + VECTORS];
	struct msghdr	 m = { .msg_iov = all };
	size_t		 took = push_hold(c, iov, n);

	c->l->shook = c;
	if (took > 0) {
		c->l->moved = 1;
		return (ssize_t)took;
	}
	if (n > VECTORS)
		n = VECTORS;
	all[0] = (struct iovec){ c->held, c->nheld };
	memcpy(all + 1, iov, (size_t)n * sizeof(*iov));
	m.msg_iovlen = (size_t)n + 1;
	return push_sent(c, sendmsg(c->at->fd, &m,
	    MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* GnuTLS wants one wherever there is a pull of one's own. */
static int
tls_pull_wait(gnutls_transport_ptr_t arg, unsigned ms)
{
	struct tls_conn	*c = arg;
	struct pollfd	 p = { .fd = c->at->fd, .events = POLLIN };

	return poll(&p, 1, (int)ms);
}

/* The certificate */

static struct tls_conn *
conn_of(gnutls_session_t s)
{
	struct MHD_Connection	*conn = gnutls_session_get_ptr(s);
	struct connection	*at;

	at = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	return at != NULL ? at->tls : NULL;
}

/* Every handshake asks, some twice. */
static int
tls_certificate(gnutls_session_t s, const gnutls_datum_t *cas, int ncas,
    const gnutls_pk_algorithm_t *algos, int nalgos, gnutls_pcert_st **chain,
    unsigned *n, gnutls_privkey_t *key)
{
	struct tls_conn	*c = conn_of(s);

	(void)cas, (void)ncas, (void)algos, (void)nalgos;
	if (c == NULL)
		return -1;
	if (c->pair == NULL && c->l->w->tls->pair != NULL)
		c->pair = tls_pair_ref(c->l->w->tls->pair);
	if (c->pair == NULL)
		return -1;
	*chain = c->pair->chain;
	*n = c->pair->n;
	*key = c->pair->key;
	return 0;
}

const struct MHD_OptionItem *
tls_options(void)
{
	static struct MHD_OptionItem	items[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	items[0].ptr_value = (void *)tls_certificate;
	return items;
}

/* Handshakes */

static void
shake_leave(struct tls_conn *c)
{
	struct tls	*t = c->l->w->tls;

	if (!c->aged)
		return;
	TAILQ_REMOVE(&t->oldest, c, age);
	t->shaking--;
	c->aged = 0;
}

/* The client's last message of it. */
static int
on_finished(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
    const gnutls_datum_t *msg)
{
	struct tls_conn	*c = conn_of(s);

	(void)type, (void)when, (void)msg;
	if (!incoming || c == NULL || c->state == SHAKE_DONE)
		return 0;
	board_add(c->l->w->a.my, BC_TLS_HANDSHAKES, 1);
	TAILQ_REMOVE(&c->l->shaking, c, shake);
	c->state = SHAKE_DONE;
	shake_leave(c);
	return 0;
}

static void
shake_resume(struct tls_conn *c)
{
	if (c->state != SHAKE_PARKED)
		return;
	ev_io_stop(c->l->w->a.loop, &c->io);
	c->state = SHAKE_RUNS;
	TAILQ_INSERT_TAIL(&c->l->shaking, c, shake);
	MHD_resume_connection(c->conn);
	c->l->ready = 1;
	listeners_wake(c->l->w);
}

static void
on_shake(struct ev_loop *loop, struct ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	shake_resume(io->data);
}

void
tls_park(struct listener *l)
{
	struct tls_conn	*c;

	while ((c = TAILQ_FIRST(&l->shaking)) != NULL) {
		TAILQ_REMOVE(&l->shaking, c, shake);
		c->state = SHAKE_PARKED;
		MHD_suspend_connection(c->conn);
		ev_io_set(&c->io, c->at->fd,
		    gnutls_record_get_direction(c->session) ? EV_WRITE :
		    EV_READ);
		ev_io_start(l->w->a.loop, &c->io);
	}
}

/* MHD sees the end of the stream, and closes. */
static void
shake_drop(struct tls_conn *c)
{
	shake_leave(c);
	(void)shutdown(c->at->fd, SHUT_RDWR);
}

void
tls_expire(struct worker *w, int all)
{
	struct tls_conn	*c;
	mono_t		 now = mono_now();

	while ((c = TAILQ_FIRST(&w->tls->oldest)) != NULL && (all ||
	    mono_diff(c->since, now) >= TLS_SHAKE_MOST * 1000000)) {
		shake_drop(c);
		if (all)
			shake_resume(c);
	}
}

/* Connections */

static void
session_init(struct tls_conn *c)
{
	gnutls_session_t	s = c->session;

	gnutls_transport_set_ptr(s, c);
	gnutls_transport_set_pull_function(s, tls_pull);
	gnutls_transport_set_vec_push_function(s, tls_push);
	gnutls_transport_set_pull_timeout_function(s, tls_pull_wait);
	gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_FINISHED,
	    GNUTLS_HOOK_POST, on_finished);
	(void)gnutls_priority_set(s, c->l->w->tls->priorities);
}

void
tls_begin(struct listener *l, struct connection *at,
    struct MHD_Connection *conn)
{
	struct tls	*t = l->w->tls;
	struct tls_conn	*c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)shutdown(at->fd, SHUT_RDWR);
		return;
	}
	at->tls = c;
	c->l = l;
	c->at = at;
	c->conn = conn;
	c->session = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
	c->since = mono_now();
	ev_init(&c->io, on_shake);
	c->io.data = c;
	session_init(c);
	TAILQ_INSERT_TAIL(&l->shaking, c, shake);
	TAILQ_INSERT_TAIL(&t->oldest, c, age);
	c->aged = 1;
	if (++t->shaking > TLS_SHAKING)
		shake_drop(TAILQ_FIRST(&t->oldest));
}

/*
 * MHD is about to close without a word; the one that it speaks of is the last
 * that read or wrote.
 */
void
tls_failed(struct listener *l)
{
	struct tls_conn	*c = l->shook;

	if (c != NULL && c->state == SHAKE_RUNS && c->heard)
		(void)gnutls_alert_send(c->session, GNUTLS_AL_FATAL,
		    GNUTLS_A_HANDSHAKE_FAILURE);
}

/* MHD has freed the session. */
void
tls_end(struct connection *at)
{
	struct tls_conn	*c = at->tls;

	if (c == NULL)
		return;
	if (c->state != SHAKE_DONE)
		board_add(c->l->w->a.my, BC_TLS_FAILED, 1);
	if (c->l->shook == c)
		c->l->shook = NULL;
	if (c->state == SHAKE_RUNS)
		TAILQ_REMOVE(&c->l->shaking, c, shake);
	ev_io_stop(c->l->w->a.loop, &c->io);
	shake_leave(c);
	at->tls = NULL;
	tls_pair_unref(c->pair);
	free(c);
}

void
tls_hold(struct connection *at)
{
	at->tls->hold = 1;
}

void
tls_send_last(struct connection *at, const void *p, size_t n)
{
	gnutls_session_t	s = at->tls->session;

	if (gnutls_record_send(s, p, n) == (ssize_t)n)
		(void)gnutls_bye(s, GNUTLS_SHUT_WR);
}

/* The worker */

void
tls_take(struct worker *w, int fd)
{
	char		 err[256];
	struct tls_pair	*fresh;

	if (tls_from_fd(fd, &fresh, err, sizeof(err)) == -1) {
		if (w->tls->pair == NULL)
			fatalx("%s", err);
		log_errorx("%s; the old certificate stays", err);
		return;
	}
	tls_pair_unref(w->tls->pair);
	w->tls->pair = fresh;
}

void
tls_reload(struct worker *w)
{
	char			err[256];
	gnutls_priority_t	fresh = tls_priorities(w->a.conf, err,
				    sizeof(err));

	if (fresh == NULL) {
		log_errorx("%s; the old ones stay", err);
		return;
	}
	gnutls_priority_deinit(w->tls->priorities);
	w->tls->priorities = fresh;
}

void
tls_init(struct worker *w)
{
	char		err[256];
	struct tls	*t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("worker: TLS");
	w->tls = t;
	TAILQ_INIT(&t->oldest);
	t->priorities = tls_priorities(w->a.conf, err, sizeof(err));
	if (t->priorities == NULL)
		fatalx("%s", err);
	tls_take(w, ACTOR_FD_TLS);
	close(ACTOR_FD_TLS);
}

void
tls_free(struct worker *w)
{
	tls_pair_unref(w->tls->pair);
	gnutls_priority_deinit(w->tls->priorities);
	free(w->tls);
	w->tls = NULL;
}
