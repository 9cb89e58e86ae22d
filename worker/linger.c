/*
 * linger.c: sockets whose last answer is on its way (linger.h).  Runs in a
 * worker on the loop; a socket that fails is just closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "worker/linger.h"

#define READS	16		/* reads of one socket per turn */

struct lingering {
	struct lingering	*next, *prev;
	struct ev_io	 io;
	struct ev_timer	 timer;
	size_t		 bytes;
};

static struct lingering	*all;
static unsigned		 count;		/* duplicates given out, too */

int
linger_dup(int fd)
{
	int	d;

	if (count >= LINGER_MAX)
		return -1;
	if ((d = fcntl(fd, F_DUPFD_CLOEXEC, 0)) != -1)
		count++;
	return d;
}

static void
linger_end(struct ev_loop *loop, struct lingering *l)
{
	ev_io_stop(loop, &l->io);
	ev_timer_stop(loop, &l->timer);
	close(l->io.fd);
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		all = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	free(l);
	count--;
}

static void
linger_read(struct ev_loop *loop, struct ev_io *w, int events)
{
	static char	 junk[65536];
	struct lingering	*l = w->data;
	ssize_t		 n = 0;
	int		 i;

	(void)events;
	for (i = 0; i < READS; i++) {
		n = recv(w->fd, junk, sizeof(junk), MSG_DONTWAIT);
		if (n <= 0)
			break;
		l->bytes += (size_t)n;
	}
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
	    l->bytes > LINGER_BYTES)
		linger_end(loop, l);
}

static void
linger_late(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)events;
	linger_end(loop, w->data);
}

void
linger_start(struct ev_loop *loop, int fd)
{
	struct lingering	*l = calloc(1, sizeof(*l));

	(void)shutdown(fd, SHUT_WR);
	if (l == NULL) {
		close(fd);
		count--;
		return;
	}
	ev_io_init(&l->io, linger_read, fd, EV_READ);
	ev_timer_init(&l->timer, linger_late, LINGER_TIME, 0.);
	l->io.data = l->timer.data = l;
	ev_io_start(loop, &l->io);
	ev_timer_start(loop, &l->timer);
	if ((l->next = all) != NULL)
		all->prev = l;
	all = l;
}

void
linger_stop(struct ev_loop *loop)
{
	while (all != NULL)
		linger_end(loop, all);
}
