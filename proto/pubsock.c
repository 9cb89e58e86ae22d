/*
 * pubsock.c: see pubsock.h.
 *
 * nng's PUB never blocks a sender, so the one send is waited for on the loop.
 * Its callbacks run on nng's threads; they touch the list of pipes only.  Those
 * are known by their ids: pipes whose peers are gone at once end more often
 * than they begin (seen with 1.5.2), so counting would go wrong.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>

#include "proto/desk.h"
#include "proto/pubsock.h"
#include "supervisor/log.h"

#define SUBSCRIBER_MESSAGE	1024u	/* bytes; they have nothing to say */
#define CLOSE_S			1	/* patience with nng at the end */

struct pubsock {
	struct pubsock_conf conf;	/* strings are our own */
	gid_t		 gid;
	nng_socket	 sock;
	nng_listener	 listener;
	int		 listening;
	nng_aio		*aio;
	pthread_mutex_t	 lock;		/* of pipes */
	int		*pipes;		/* max of them */
	atomic_uint	 subscribers;
	struct probe	 probe;
	int		 asked;		/* the probe has begun */
	atomic_int	 seen;		/* its pipe */
	struct log_limit lim;
};

/* --- nng's threads --- */

static void
pipe_begins(struct pubsock *ps, nng_pipe p)
{
	uint64_t	uid = UINT64_MAX;
	uint64_t	pid = 0;
	unsigned	n;

	/* A silenced listener still greets, but its pipes never come here. */
	nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_PID, &pid);
	if (pid == (uint64_t)getpid()) {
		atomic_store(&ps->seen, 1);
		nng_pipe_close(p);
		return;
	}
	if (nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_UID, &uid) != 0 ||
	    uid > UINT32_MAX || !ps->conf.may(ps->conf.arg, (unsigned)uid)) {
		nng_pipe_close(p);
		return;
	}
	pthread_mutex_lock(&ps->lock);
	n = atomic_load(&ps->subscribers);
	if (n < ps->conf.max) {
		ps->pipes[n] = nng_pipe_id(p);
		atomic_store(&ps->subscribers, n + 1);
	}
	pthread_mutex_unlock(&ps->lock);
	if (n >= ps->conf.max)
		nng_pipe_close(p);
}

static void
pipe_ends(struct pubsock *ps, nng_pipe p)
{
	unsigned	i, n;

	pthread_mutex_lock(&ps->lock);
	n = atomic_load(&ps->subscribers);
	for (i = 0; i < n && ps->pipes[i] != nng_pipe_id(p); i++)
		;
	if (i < n) {
		ps->pipes[i] = ps->pipes[n - 1];
		atomic_store(&ps->subscribers, n - 1);
	}
	pthread_mutex_unlock(&ps->lock);
}

static void
pipe_cb(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	struct pubsock	*ps = arg;

	switch (ev) {
	case NNG_PIPE_EV_ADD_PRE:
		pipe_begins(ps, p);
		break;
	case NNG_PIPE_EV_REM_POST:
		pipe_ends(ps, p);
		break;
	default:
		break;
	}
}

/* --- the loop's --- */

static int
pubsock_listen(struct pubsock *ps)
{
	char	url[LINK_URL_MAX];
	int	rv;

	link_url(url, ps->conf.path);
	if ((rv = nng_listener_create(&ps->listener, ps->sock, url)) == 0) {
		ps->listening = 1;
		rv = nng_listener_set_int(ps->listener,
		    NNG_OPT_IPC_PERMISSIONS, (int)ps->conf.mode);
	}
	if (rv == 0)
		rv = nng_listener_start(ps->listener, 0);
	if (rv == 0)
		desk_give(ps->conf.path, ps->conf.group, ps->gid);
	else
		log_limited(&ps->lim, "topics: listen on %s: %s",
		    ps->conf.path, nng_strerror(rv));
	return rv == 0;
}

static void
pubsock_unlisten(struct pubsock *ps)
{
	if (ps->listening)
		nng_listener_close(ps->listener);
	ps->listening = 0;
}

static int
pubsock_open(struct pubsock *ps)
{
	int	rv = nng_pub0_open(&ps->sock);

	if (rv == 0)
		rv = nng_socket_set_size(ps->sock, NNG_OPT_RECVMAXSZ,
		    SUBSCRIBER_MESSAGE);
	if (rv == 0)
		rv = nng_socket_set_int(ps->sock, NNG_OPT_SENDBUF,
		    PUBSOCK_QUEUE);
	if (rv == 0)
		rv = nng_pipe_notify(ps->sock, NNG_PIPE_EV_ADD_PRE, pipe_cb,
		    ps);
	if (rv == 0)
		rv = nng_pipe_notify(ps->sock, NNG_PIPE_EV_REM_POST, pipe_cb,
		    ps);
	if (rv == 0)
		rv = nng_aio_alloc(&ps->aio, NULL, NULL);
	if (rv != 0)
		log_warnx("topics: %s: %s", ps->conf.path, nng_strerror(rv));
	return rv == 0 && pubsock_listen(ps);
}

struct pubsock *
pubsock_new(struct ev_loop *loop, const struct pubsock_conf *conf)
{
	struct pubsock	*ps = calloc(1, sizeof(*ps));

	if (ps == NULL)
		return NULL;
	ps->conf = *conf;
	pthread_mutex_init(&ps->lock, NULL);
	ps->pipes = calloc(conf->max, sizeof(*ps->pipes));
	ps->conf.path = strdup(conf->path);
	ps->conf.group = strdup(conf->group);
	if (ps->conf.path != NULL && ps->conf.group != NULL &&
	    ps->pipes != NULL &&
	    strlen(conf->path) < LINK_PATH_MAX &&
	    desk_find_group(conf->group, &ps->gid) == E_OK) {
		probe_init_pub(&ps->probe, loop, ps->conf.path);
		if (pubsock_open(ps))
			return ps;
	}
	(void)pubsock_free(ps);
	return NULL;
}

int
pubsock_wanted(const struct pubsock *ps)
{
	return atomic_load(&ps->subscribers) != 0;
}

int
pubsock_send(struct pubsock *ps, const uint8_t *topic, size_t n,
    const uint8_t *item, size_t len)
{
	nng_msg	*m;
	uint8_t	*p;

	if (nng_msg_alloc(&m, n + 1 + len) != 0)
		return 0;
	p = nng_msg_body(m);
	memcpy(p, topic, n);
	p[n] = '\n';
	memcpy(p + n + 1, item, len);
	nng_aio_set_msg(ps->aio, m);
	nng_send_aio(ps->sock, ps->aio);
	nng_aio_wait(ps->aio);
	if (nng_aio_result(ps->aio) == 0)
		return 1;
	nng_msg_free(m);
	return 0;
}

static int
pubsock_is_fine(struct pubsock *ps)
{
	enum probe_state	st;

	if (ps->asked && !ps->probe.running && !atomic_load(&ps->seen))
		return 0;
	if (!ps->probe.running) {
		ps->asked = 0;
		atomic_store(&ps->seen, 0);
	}
	st = probe_tick(&ps->probe);
	if (st == PROBE_RUNNING)
		ps->asked = 1;
	return st != PROBE_FAILED;
}

void
pubsock_tick(struct pubsock *ps)
{
	if (ps->listening && pubsock_is_fine(ps))
		return;
	ps->asked = 0;
	log_limited(&ps->lim, "topics: %s does not answer; listening again",
	    ps->conf.path);
	pubsock_unlisten(ps);
	if (!pubsock_listen(ps))
		pubsock_unlisten(ps);
}

static void *
pubsock_closer(void *arg)
{
	struct pubsock	*ps = arg;

	if (nng_socket_id(ps->sock) > 0)
		nng_close(ps->sock);
	nng_aio_free(ps->aio);
	return NULL;
}

int
pubsock_free(struct pubsock *ps)
{
	struct timespec	end;
	pthread_t	closer;

	if (ps == NULL)
		return 1;
	if (ps->probe.loop != NULL)
		probe_stop(&ps->probe);
	if (pthread_create(&closer, NULL, pubsock_closer, ps) != 0)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CLOSE_S;
	if (pthread_clockjoin_np(closer, NULL, CLOCK_MONOTONIC, &end) != 0) {
		log_warnx("topics: nng does not close %s", ps->conf.path);
		pthread_detach(closer);
		return 0;
	}
	free((char *)(uintptr_t)ps->conf.path);
	free((char *)(uintptr_t)ps->conf.group);
	pthread_mutex_destroy(&ps->lock);
	free(ps->pipes);
	free(ps);
	return 1;
}
