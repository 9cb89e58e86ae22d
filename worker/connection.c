/*
 * connection.c: clients whose turn it is to send.
 *
 * MHD sees edges only, and takes a short read for the end of what there is: a
 * client's end of stream that came together with its last bytes makes no
 * further edge, and the connection would stay until the idle limit.  So each
 * connection that fell quiet is looked at once, LOOK_US later.  MHD's idle
 * limit also begins anew with each byte; here it holds for a whole head.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/access.h"
#include "supervisor/log.h"
#include "worker/answer.h"
#include "worker/connection.h"
#include "worker/linger.h"
#include "worker/worker.h"

#define LOOK_US	50000

int
connection_may(struct worker *w, const struct sockaddr *sa)
{
	static struct log_limit	lim;
	char			host[NI_MAXHOST] = "?";

	if (access_allows(w->access, sa))
		return 1;
	board_add(w->a.my, BC_UNLISTED, 1);
	(void)getnameinfo(sa, sa->sa_family == AF_INET6 ?
	    sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), host,
	    sizeof(host), NULL, 0, NI_NUMERICHOST);
	log_limited(&lim, "http: %s is not in access.allow", host);
	return 0;
}

int
connection_still_may(struct worker *w, struct connection *at)
{
	struct sockaddr_storage	sa;
	socklen_t		len = sizeof(sa);

	if (at->listed == w->lists)
		return 1;
	at->listed = w->lists;
	if (getpeername(at->fd, (struct sockaddr *)&sa, &len) == -1)
		return access_count(w->access) == 0;
	return connection_may(w, (struct sockaddr *)&sa);
}

static void
peer_of(struct in6_addr *out, const struct sockaddr_storage *sa)
{
	static const uint8_t	mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (sa->ss_family == AF_INET6)
		*out = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	else if (sa->ss_family == AF_INET) {
		memcpy(out->s6_addr, mapped, sizeof(mapped));
		memcpy(out->s6_addr + sizeof(mapped),
		    &((const struct sockaddr_in *)sa)->sin_addr, 4);
	}
}

const struct in6_addr *
connection_peer(struct connection *at)
{
	struct sockaddr_storage	sa;
	socklen_t		len = sizeof(sa);

	if (!at->peered &&
	    getpeername(at->fd, (struct sockaddr *)&sa, &len) == 0)
		peer_of(&at->peer, &sa);
	at->peered = 1;
	return &at->peer;
}

struct connection *
connection_new(struct worker *w, struct MHD_Connection *conn)
{
	struct connection	*at = calloc(1, sizeof(*at));

	if (at == NULL)
		return NULL;
	at->linger = -1;
	at->listed = w->lists;
	at->fd = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	connection_quiet(w, at);
	return at;
}

void
connection_free(struct worker *w, struct connection *at)
{
	connection_busy(w, at);
	if (at->linger != -1)
		linger_start(w->a.loop, at->linger);
	free(at);
}

static void
look_arm(struct worker *w, int64_t us)
{
	if (ev_is_active(&w->look))
		return;
	ev_timer_set(&w->look, us > 0 ? (double)us / 1e6 : 0., 0.);
	ev_timer_start(w->a.loop, &w->look);
}

void
connection_quiet(struct worker *w, struct connection *at)
{
	connection_busy(w, at);
	at->since = mono_now();
	at->on = CONN_QUIET;
	TAILQ_INSERT_TAIL(&w->quiet, at, queue);
	look_arm(w, LOOK_US);
}

void
connection_busy(struct worker *w, struct connection *at)
{
	if (at->on == CONN_QUIET)
		TAILQ_REMOVE(&w->quiet, at, queue);
	else if (at->on == CONN_IDLE)
		TAILQ_REMOVE(&w->idle, at, queue);
	at->on = CONN_BUSY;
}

/* MHD sees the shutdown, and closes. */
static void
connection_look(const struct connection *at)
{
	char	c;

	if (recv(at->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		(void)shutdown(at->fd, SHUT_RDWR);
}

static void
on_look(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct worker		*w = timer->data;
	struct connection	*at;
	mono_t			 now = mono_now();
	int64_t			 left;

	(void)loop;
	(void)revents;
	while ((at = TAILQ_FIRST(&w->quiet)) != NULL) {
		left = LOOK_US - mono_diff(at->since, now);
		if (left > 0) {
			look_arm(w, left);
			return;
		}
		connection_busy(w, at);
		at->on = CONN_IDLE;
		TAILQ_INSERT_TAIL(&w->idle, at, queue);
		connection_look(at);
	}
}

void
connections_expire(struct worker *w)
{
	struct connection	*at;
	int64_t			 most = w->idle_us + IDLE_EXTRA * 1000000;
	mono_t			 now = mono_now();

	while ((at = TAILQ_FIRST(&w->idle)) != NULL &&
	    mono_diff(at->since, now) > most) {
		connection_busy(w, at);
		if (at->open != NULL && at->open->state == RS_NEW)
			answer_raw(at->open, E_SLOW);
		(void)shutdown(at->fd, SHUT_RDWR);
	}
}

void
connections_init(struct worker *w)
{
	TAILQ_INIT(&w->quiet);
	TAILQ_INIT(&w->idle);
	ev_init(&w->look, on_look);
	w->look.data = w;
}

void
connections_stop(struct worker *w)
{
	ev_timer_stop(w->a.loop, &w->look);
}
