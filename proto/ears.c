/*
 * ears.c: how an actor hears its clients: the eventfds that they ring, and our
 * ends of the pipes by which they are rung, which fail when a client is gone.
 *
 * All of them hang in one epoll descriptor, edge triggered: to be rung by many
 * costs one call a turn, and no eventfd is ever read (what a client does to its
 * counter can stop nobody).  The lanes are looked at in every turn.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <unistd.h>

#include "proto/link.h"
#include "supervisor/log.h"

#define AT_ONCE		128

static void
ears_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct epoll_event	ev[AT_ONCE];
	int			i, n = epoll_wait(w->fd, ev, AT_ONCE, 0);

	(void)loop;
	(void)revents;
	if (n == -1 && errno != EINTR)
		fatal("mailbox: hear clients");
	for (i = 0; i < n; i++)
		if (ev[i].events & (EPOLLERR | EPOLLHUP))
			link_break(ev[i].data.ptr, "its bell was closed");
}

void
ears_init(struct mailbox *mb)
{
	mb->ears = -1;
	ev_io_init(&mb->rung, ears_cb, -1, EV_READ);
	mb->rung.data = mb;
}

int
ears_open(struct mailbox *mb)
{
	if (mb->ears != -1)
		return 1;
	if ((mb->ears = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return 0;
	ev_io_set(&mb->rung, mb->ears, EV_READ);
	ev_io_start(mb->loop, &mb->rung);
	return 1;
}

enum err
ears_add(struct link *l)
{
	struct epoll_event	ring = { .events = EPOLLIN | EPOLLET,
	    .data.ptr = l }, gone = { .events = 0, .data.ptr = l };
	struct mailbox		*mb = l->mb;

	if (epoll_ctl(mb->ears, EPOLL_CTL_ADD, l->fds.ear, &ring) == -1 ||
	    epoll_ctl(mb->ears, EPOLL_CTL_ADD, l->fds.bell, &gone) == -1) {
		log_warn("link %llu: hear it",
		    (unsigned long long)l->offer.id);
		return E_NOMEM;
	}
	return E_OK;
}

/* The client holds its eventfd open: that it is closed here is not enough. */
void
ears_drop(struct link *l)
{
	if (l->fds.ear == -1)
		return;
	epoll_ctl(l->mb->ears, EPOLL_CTL_DEL, l->fds.ear, NULL);
	epoll_ctl(l->mb->ears, EPOLL_CTL_DEL, l->fds.bell, NULL);
}

void
ears_free(struct mailbox *mb)
{
	ev_io_stop(mb->loop, &mb->rung);
	if (mb->ears != -1)
		close(mb->ears);
	mb->ears = -1;
}
