/*
 * link_nng.c: the nng socket of a link: pair1, one listener or dialler on a
 * path of its own, one receive and one send under way.
 *
 * The callbacks run on nng's threads.  They touch the link's atomics and raise
 * its notice, nothing else.  nng's own traps are named where they are met.
 */
#include <pthread.h>
#include <string.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>

#include "proto/link.h"
#include "proto/nng_end.h"
#include "supervisor/log.h"

#define CLOSER_STACK	(128u << 10)

void
link_url(char out[LINK_URL_MAX], const char *path)
{
	static const char	scheme[] = "ipc://";

	memcpy(out, scheme, sizeof(scheme) - 1);
	memcpy(out + sizeof(scheme) - 1, path, strlen(path) + 1);
}

static void
link_receive_cb(void *arg)
{
	struct link	*l = arg;

	notice_raise(&l->notice, LINK_RECEIVED);
}

static void
link_sent_cb(void *arg)
{
	struct link	*l = arg;

	notice_raise(&l->notice, LINK_SENT);
}

/*
 * A pipe is about to be used.  Strangers and second comers are sent away here,
 * before they could take the one place that a pair has.
 */
static void
link_pipe_begin(struct link *l, nng_pipe p)
{
	uint64_t	pid = 0, uid = 0;
	int		none = 0;

	nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_PID, &pid);
	nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_UID, &uid);
	/* Whom the desk itself has told of the path is not known. */
	if ((l->offer.peer_pid != 0 && (int32_t)pid != l->offer.peer_pid) ||
	    !atomic_compare_exchange_strong(&l->pipe, &none, nng_pipe_id(p))) {
		nng_pipe_close(p);
		return;
	}
	atomic_store(&l->peer_pid, (int)pid);
	atomic_store(&l->peer_uid, (unsigned)uid);
}

static void
link_pipe_cb(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	struct link	*l = arg;
	int		 id = nng_pipe_id(p);

	if (ev == NNG_PIPE_EV_ADD_PRE) {
		link_pipe_begin(l, p);
		return;
	}
	if (ev == NNG_PIPE_EV_REM_POST) {
		if (!atomic_compare_exchange_strong(&l->pipe, &id, 0))
			return;
	} else if (atomic_load(&l->pipe) != id) {
		return;
	}
	notice_raise(&l->notice, LINK_PIPE);
}

static int
link_nng_watch(struct link *l)
{
	int	rv;

	rv = nng_pipe_notify(l->sock, NNG_PIPE_EV_ADD_PRE, link_pipe_cb, l);
	if (rv == 0)
		rv = nng_pipe_notify(l->sock, NNG_PIPE_EV_ADD_POST,
		    link_pipe_cb, l);
	if (rv == 0)
		rv = nng_pipe_notify(l->sock, NNG_PIPE_EV_REM_POST,
		    link_pipe_cb, l);
	/* The default is unlimited; the count includes pair1's 4 bytes. */
	if (rv == 0)
		rv = nng_socket_set_size(l->sock, NNG_OPT_RECVMAXSZ,
		    LINK_MESSAGE + 4);
	return rv;
}

static int
link_nng_listen(struct link *l, const char *url, unsigned mode)
{
	nng_listener	ln;
	int		rv = nng_listener_create(&ln, l->sock, url);

	if (rv == 0)
		rv = nng_listener_set_int(ln, NNG_OPT_IPC_PERMISSIONS,
		    (int)mode);
	return rv == 0 ? nng_listener_start(ln, 0) : rv;
}

static int
link_nng_dial(struct link *l, const char *url)
{
	int	rv = nng_socket_set_ms(l->sock, NNG_OPT_RECONNMINT, 10);

	if (rv == 0)
		rv = nng_socket_set_ms(l->sock, NNG_OPT_RECONNMAXT, 100);
	/* Without NONBLOCK it would wait here, and fail if we come first. */
	return rv == 0 ? nng_dial(l->sock, url, NULL, NNG_FLAG_NONBLOCK) : rv;
}

enum err
link_nng_open(struct link *l, unsigned mode)
{
	char	url[LINK_URL_MAX];
	int	rv;

	link_url(url, l->offer.path);
	if ((rv = nng_pair1_open(&l->sock)) != 0)
		goto fail;
	if ((rv = link_nng_watch(l)) != 0 ||
	    (rv = nng_aio_alloc(&l->raio, link_receive_cb, l)) != 0 ||
	    (rv = nng_aio_alloc(&l->saio, link_sent_cb, l)) != 0)
		goto fail;
	link_nng_receive(l);
	rv = l->offer.dial ? link_nng_dial(l, url) :
	    link_nng_listen(l, url, mode);
	if (rv == 0)
		return E_OK;
fail:
	log_warnx("link %llu: %s: %s", (unsigned long long)l->offer.id,
	    l->offer.path, nng_strerror(rv));
	return E_INTERNAL;
}

/* Exactly one receive is under way: with more, nng loses the order. */
void
link_nng_receive(struct link *l)
{
	if (l->state == LINK_DOWN || l->receiving)
		return;
	l->receiving = 1;
	nng_recv_aio(l->sock, l->raio);
}

int
link_nng_send(struct link *l, const uint8_t *p, size_t n)
{
	nng_msg	*m = nng_end_message(p, n);

	if (m == NULL)
		return 0;
	l->sending = 1;
	l->inflight = n;
	nng_aio_set_msg(l->saio, m);
	nng_send_aio(l->sock, l->saio);
	return 1;
}

static void
link_on_received(struct link *l)
{
	l->receiving = 0;
	if (nng_aio_result(l->raio) != 0) {
		link_break(l, "nng cannot receive");
		return;
	}
	l->in = nng_aio_get_msg(l->raio);
	link_read(l);
}

static void
link_on_sent(struct link *l)
{
	l->sending = 0;
	l->inflight = 0;
	if (nng_aio_result(l->saio) != 0) {
		/* nng takes a message only on success. */
		nng_msg_free(nng_aio_get_msg(l->saio));
		link_break(l, "nng cannot send");
		return;
	}
	link_flush(l);
	if (l->in != NULL || l->assembly.whole)
		mailbox_more(l->mb);	/* it may have waited for room */
}

void
link_on_notice(struct notice *n, unsigned bits)
{
	struct link	*l = (struct link *)(void *)
			    ((char *)n - offsetof(struct link, notice));

	if (bits & LINK_CLOSED) {
		l->socket = LINK_GONE;
		l->mb->closing--;
	}
	if (l->state == LINK_DOWN)
		return;
	if (bits & LINK_SENT)
		link_on_sent(l);
	/* What came before the pipe broke is read before it is noticed. */
	if (bits & LINK_RECEIVED)
		link_on_received(l);
	if (bits & LINK_PIPE)
		link_on_pipe(l);
}

static void *
link_closer(void *arg)
{
	struct link	*l = arg;

	nng_end_free((struct nng_end){ .sock = l->sock, .raio = l->raio,
	    .saio = l->saio, .receiving = l->receiving, .sending = l->sending,
	    .in = l->in });
	notice_raise(&l->notice, LINK_CLOSED);
	return NULL;
}

void
link_nng_close(struct link *l)
{
	pthread_attr_t	attr;
	pthread_t	closer;
	int		rv;

	l->socket = LINK_CLOSING;
	l->since = mono_now();
	if (l->mb->closing++ == 0)
		l->mb->closing_since = l->since;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rv = pthread_create(&closer, &attr, link_closer, l);
	pthread_attr_destroy(&attr);
	if (rv != 0)
		link_closer(l);
}
