/*
 * gone.c: see gone.h.
 *
 * The end of what a client sends is seen by poll(2) though there are bytes
 * before it: of its next request, or TLS's last word.  But while these lie
 * there the socket is always readable, so that it is looked at now and then
 * instead.
 */
#include <poll.h>

#include "worker/gone.h"
#include "worker/worker.h"

#define LOOK	0.5		/* s */

static short
gone_poll(int fd)
{
	struct pollfd	p = { .fd = fd, .events = POLLIN | POLLRDHUP };

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

static int
is_end(short events)
{
	return (events & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void
gone_tell(struct gone *g)
{
	ev_io_stop(g->r->w->a.loop, &g->io);
	ev_timer_stop(g->r->w->a.loop, &g->later);
	g->tell(g->r);
}

static void
gone_look(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct gone	*g = (struct gone *)(void *)((char *)io -
			    offsetof(struct gone, io));
	short		 e = gone_poll(io->fd);

	(void)events;
	if (is_end(e)) {
		gone_tell(g);
	} else if (e != 0) {
		ev_io_stop(loop, io);
		ev_timer_again(loop, &g->later);
	}
}

static void
gone_later(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct gone	*g = (struct gone *)(void *)((char *)w -
			    offsetof(struct gone, later));

	(void)loop, (void)events;
	if (is_end(gone_poll(g->io.fd)))
		gone_tell(g);
}

void
gone_watch(struct gone *g, struct request *r, void (*tell)(struct request *))
{
	g->r = r;
	g->tell = tell;
	ev_timer_init(&g->later, gone_later, 0., LOOK);
	ev_io_init(&g->io, gone_look, r->at->fd, EV_READ);
	ev_io_start(r->w->a.loop, &g->io);
}

void
gone_stop(struct gone *g)
{
	if (g->r != NULL) {
		ev_io_stop(g->r->w->a.loop, &g->io);
		ev_timer_stop(g->r->w->a.loop, &g->later);
	}
	g->r = NULL;
}

int
gone_now(const struct request *r)
{
	return is_end(gone_poll(r->at->fd));
}
