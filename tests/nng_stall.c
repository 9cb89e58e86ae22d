/*
 * nng_stall.c: stalls nng's one reaper thread for good, as the death of a peer
 * may do to any program that uses nng 1.5.2.
 *
 * The fault (src/sp/transport/ipc/ipc.c): when the head of a message has been
 * read and the pipe is closed before the callback of that read has run, the
 * callback starts another read, which a stopped aio refuses without a word; so
 * the pipe's receive never ends, and the reaper waits for it.  From then on
 * nobody hears that a pipe has gone, and no nng_close comes back.
 *
 * Here the callbacks are held up on purpose: all of nng's task threads wait for
 * us while a peer of our own sends the head of a message and the pipe is closed.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/sockios.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/supplemental/util/platform.h>

#include "tests/nng_stall.h"

#define TASKS_MOST	16		/* nng has min(2 * processors, 16) */
#define PATIENCE	20000		/* tries of a millisecond */

static sem_t		go;
static _Atomic int	waiting;	/* task threads that wait for go */
static _Atomic int	pipe_id;

static void
hold_cb(void *arg)
{
	(void)arg;
	atomic_fetch_add(&waiting, 1);
	while (sem_wait(&go) != 0)
		continue;
	atomic_fetch_sub(&waiting, 1);
}

static void
pipe_cb(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	(void)ev, (void)arg;
	atomic_store(&pipe_id, nng_pipe_id(p));
}

/* 1: it became n in time. */
static int
becomes(_Atomic int *number, int n)
{
	int	i;

	for (i = 0; i < PATIENCE && atomic_load(number) != n; i++)
		usleep(1000);
	return atomic_load(number) == n;
}

/* A peer that nng dials, up to the greeting; -1: it failed. */
static int
peer_accept(nng_socket sock, const char *path)
{
	static const char	greeting[8] = { 0, 'S', 'P', 0, 0, 0x11, 0, 0 };
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	char			url[sizeof(sun.sun_path) + 8], theirs[8];
	int			ls, fd = -1;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	snprintf(url, sizeof(url), "ipc://%s", sun.sun_path);
	if ((ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	unlink(path);
	if (bind(ls, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    listen(ls, 1) == 0 &&
	    nng_dial(sock, url, NULL, NNG_FLAG_NONBLOCK) == 0)
		fd = accept(ls, NULL, NULL);
	close(ls);
	unlink(path);
	if (fd != -1 && (write(fd, greeting, 8) != 8 ||
	    recv(fd, theirs, 8, MSG_WAITALL) != 8)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* n of nng's threads wait for go; 0: they do not. */
static int
hold_tasks(nng_aio **aios, int n)
{
	int	i;

	for (i = 0; i < n; i++) {
		if (nng_aio_alloc(&aios[i], hold_cb, NULL) != 0)
			return 0;
		nng_sleep_aio(0, aios[i]);
	}
	return becomes(&waiting, n);
}

/* The head of a message of 100 bytes, read but not yet looked at. */
static int
send_head(int fd)
{
	static const char	head[9] = { 1, 0, 0, 0, 0, 0, 0, 0, 100 };
	int			i, left = 1;

	if (write(fd, head, sizeof(head)) != sizeof(head))
		return 0;
	for (i = 0; i < PATIENCE && left != 0; i++) {
		usleep(1000);
		if (ioctl(fd, SIOCOUTQ, &left) == -1)
			return 0;
	}
	usleep(50000);		/* from the read to the queue of tasks */
	return left == 0;
}

int
nng_stall(const char *path)
{
	nng_aio		*aios[TASKS_MOST] = { NULL };
	nng_socket	 sock;
	long		 n = 2 * sysconf(_SC_NPROCESSORS_ONLN);
	int		 i, fd, done;

	if (n > TASKS_MOST)
		n = TASKS_MOST;
	if (sem_init(&go, 0, 0) != 0 || nng_pair1_open(&sock) != 0 ||
	    nng_pipe_notify(sock, NNG_PIPE_EV_ADD_POST, pipe_cb, NULL) != 0 ||
	    (fd = peer_accept(sock, path)) == -1)
		return 0;
	for (i = 0; i < PATIENCE && atomic_load(&pipe_id) == 0; i++)
		usleep(1000);
	done = atomic_load(&pipe_id) != 0 && hold_tasks(aios, (int)n) &&
	    send_head(fd) &&
	    nng_pipe_close((nng_pipe){ (uint32_t)atomic_load(&pipe_id) }) == 0;
	for (i = 0; i < n; i++)
		sem_post(&go);
	done = becomes(&waiting, 0) && done;
	for (i = 0; i < n; i++)
		nng_aio_free(aios[i]);
	close(fd);
	usleep(50000);		/* until the reaper is where it stays */
	return done;		/* the socket cannot be closed */
}
