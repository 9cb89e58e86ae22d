/*
 * client_nng.c: libwharf's nng sockets: the only file of it that calls nng.
 *
 * nng's callbacks run on its own threads: they set a bit and ring the wire's
 * bell.  nng_close may never return when a peer died at the wrong moment, so
 * a wire is closed, and freed, by a thread of its own; while many of those hang
 * no wire is made.  Where no thread can be had the wire is left to the next
 * closer: the program's thread never closes one.  Signals of the program are blocked while threads are made,
 * so that none of them handles any.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* pthread_clockjoin_np */
#endif
#include <sys/eventfd.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/req.h>

#include "proto/client.h"
#include "proto/nng_end.h"

#define CLOSER_STACK	(128u << 10)
#define CLOSERS_MOST	256		/* of the whole program */
#define MESSAGE_MAX	(FRAME_LONGEST + 1024u)

struct wire {
	nng_socket	 sock;
	nng_aio		*raio, *saio;
	_Atomic unsigned bits;
	_Atomic int	 pipe;		/* the one in use, 0 none */
	_Atomic int	 peer;		/* its process, 0 not known */
	int		 bell;		/* eventfd */
	int		 receiving, sending;
	nng_msg		*in;
	struct wire	*next;		/* on left */
};

/* The only things that connections share: nng is one, too. */
static _Atomic int	closers;
static _Atomic(struct wire *) left;	/* wires without a closer */

static void
wire_raise(struct wire *wi, unsigned bit)
{
	static const uint64_t	one = 1;

	if (atomic_fetch_or(&wi->bits, bit) != 0)
		return;		/* rung already */
	/* It cannot fail: the counter never gets near its end. */
	if (write(wi->bell, &one, sizeof(one)) == -1)
		return;
}

static void
wire_received_cb(void *arg)
{
	wire_raise(arg, WIRE_RECEIVED);
}

static void
wire_sent_cb(void *arg)
{
	wire_raise(arg, WIRE_SENT);
}

static void
wire_pipe_cb(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	struct wire	*wi = arg;
	int		 id = nng_pipe_id(p);
	uint64_t	 pid = 0;

	if (ev == NNG_PIPE_EV_ADD_POST) {
		nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_PID, &pid);
		atomic_store(&wi->peer, (int)pid);
		atomic_store(&wi->pipe, id);
	} else if (!atomic_compare_exchange_strong(&wi->pipe, &id, 0))
		return;
	wire_raise(wi, WIRE_PIPE);
}

static int
wire_open(struct wire *wi, enum wire_kind kind)
{
	int	rv;

	rv = kind == WIRE_DESK ? nng_req0_open(&wi->sock) :
	    nng_pair1_open(&wi->sock);
	/* A question is asked once: whoever asks again says so himself. */
	if (rv == 0 && kind == WIRE_DESK)
		rv = nng_socket_set_ms(wi->sock, NNG_OPT_REQ_RESENDTIME,
		    NNG_DURATION_INFINITE);
	if (rv == 0)
		rv = nng_socket_set_size(wi->sock, NNG_OPT_RECVMAXSZ,
		    MESSAGE_MAX + 4);
	if (rv == 0)
		rv = nng_socket_set_ms(wi->sock, NNG_OPT_RECONNMINT, 5);
	if (rv == 0)
		rv = nng_socket_set_ms(wi->sock, NNG_OPT_RECONNMAXT, 50);
	if (rv == 0)
		rv = nng_pipe_notify(wi->sock, NNG_PIPE_EV_ADD_POST,
		    wire_pipe_cb, wi);
	if (rv == 0)
		rv = nng_pipe_notify(wi->sock, NNG_PIPE_EV_REM_POST,
		    wire_pipe_cb, wi);
	if (rv == 0)
		rv = nng_aio_alloc(&wi->raio, wire_received_cb, wi);
	if (rv == 0)
		rv = nng_aio_alloc(&wi->saio, wire_sent_cb, wi);
	return rv;
}

static int
wire_dial(struct wire *wi, const char *path)
{
	char	url[LINK_PATH_MAX + 8] = "ipc://";

	if (strlen(path) >= LINK_PATH_MAX)
		return NNG_EADDRINVAL;
	strcat(url, path);
	return nng_dial(wi->sock, url, NULL, NNG_FLAG_NONBLOCK);
}

struct wire *
wire_new(const char *path, enum wire_kind kind)
{
	struct wire	*wi;
	sigset_t	 all, old;
	int		 rv;

	if (atomic_load(&closers) >= CLOSERS_MOST ||
	    (wi = calloc(1, sizeof(*wi))) == NULL)
		return NULL;
	if ((wi->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		free(wi);
		return NULL;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rv = wire_open(wi, kind);
	if (rv == 0 && kind == WIRE_LINK)
		wire_receive(wi);
	if (rv == 0)
		rv = wire_dial(wi, path);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rv == 0)
		return wi;
	wire_free(wi, 0);
	return NULL;
}

static void
wire_end(struct wire *wi)
{
	nng_end_free((struct nng_end){ .sock = wi->sock, .raio = wi->raio,
	    .saio = wi->saio, .receiving = wi->receiving,
	    .sending = wi->sending, .in = wi->in });
	close(wi->bell);
	free(wi);
	atomic_fetch_sub(&closers, 1);
}

static void *
wire_closer(void *arg)
{
	struct wire	*wi = arg, *next;

	wire_end(wi);
	for (wi = atomic_exchange(&left, NULL); wi != NULL; wi = next) {
		next = wi->next;
		wire_end(wi);
	}
	return NULL;
}

/* Taken as a whole only, so that nothing can come and go in between. */
static void
wire_leave(struct wire *wi)
{
	wi->next = atomic_load(&left);
	while (!atomic_compare_exchange_weak(&left, &wi->next, wi))
		continue;
}

/* Thread-local data of the program may need more stack than we do. */
static int
closer_start(pthread_t *closer, struct wire *wi)
{
	pthread_attr_t	attr;
	sigset_t	all, old;
	int		rv;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	rv = pthread_create(closer, &attr, wire_closer, wi);
	if (rv != 0)
		rv = pthread_create(closer, NULL, wire_closer, wi);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rv == 0;
}

/* By a clock that nobody sets back. */
static void
closer_wait(pthread_t closer, int ms)
{
	struct timespec	end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += (ms % 1000) * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_nsec -= 1000000000L;
		end.tv_sec++;
	}
	if (ms == 0 || pthread_clockjoin_np(closer, NULL, CLOCK_MONOTONIC,
	    &end) != 0)
		pthread_detach(closer);
}

void
wire_free(struct wire *wi, int ms)
{
	pthread_t	closer;

	if (wi == NULL)
		return;
	atomic_fetch_add(&closers, 1);
	if (closer_start(&closer, wi))
		closer_wait(closer, ms);
	else
		wire_leave(wi);
}

int
wire_fd(const struct wire *wi)
{
	return wi->bell;
}

unsigned
wire_take(struct wire *wi)
{
	return atomic_exchange(&wi->bits, 0);
}

int
wire_happened(const struct wire *wi)
{
	return atomic_load_explicit(&wi->bits, memory_order_relaxed) != 0;
}

int
wire_is_up(const struct wire *wi)
{
	return atomic_load(&wi->pipe) != 0;
}

int
wire_peer(const struct wire *wi)
{
	return atomic_load(&wi->peer);
}

int
wire_sending(const struct wire *wi)
{
	return wi->sending;
}

/* Exactly one receive is under way: with more, nng loses the order. */
void
wire_receive(struct wire *wi)
{
	if (wi->receiving || wi->in != NULL)
		return;
	wi->receiving = 1;
	nng_recv_aio(wi->sock, wi->raio);
}

int
wire_message(struct wire *wi, const uint8_t **p, size_t *n)
{
	if (wi->in == NULL) {
		wi->receiving = 0;
		if (nng_aio_result(wi->raio) != 0)
			return 0;
		wi->in = nng_aio_get_msg(wi->raio);
	}
	*p = nng_msg_body(wi->in);
	*n = nng_msg_len(wi->in);
	return 1;
}

void
wire_drop(struct wire *wi)
{
	nng_msg_free(wi->in);
	wi->in = NULL;
}

int
wire_send(struct wire *wi, const uint8_t *p, size_t n)
{
	nng_msg	*m = nng_end_message(p, n);

	if (m == NULL)
		return 0;
	wi->sending = 1;
	nng_aio_set_msg(wi->saio, m);
	nng_send_aio(wi->sock, wi->saio);
	return 1;
}

int
wire_sent(struct wire *wi)
{
	wi->sending = 0;
	if (nng_aio_result(wi->saio) == 0)
		return 1;
	/* nng takes a message only on success. */
	nng_msg_free(nng_aio_get_msg(wi->saio));
	return 0;
}
