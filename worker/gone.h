/*
 * gone.h: notices that the client of a suspended request hangs up.  MHD keeps
 * such a connection out of its epoll set, so nobody else looks at the socket.
 */
#ifndef WORKER_GONE_H
#define WORKER_GONE_H

#include <ev.h>

struct request;

struct gone {
	struct ev_io	 io;
	struct ev_timer	 later;
	struct request	*r;
	void		(*tell)(struct request *);
};

/*
 * From now on tell(r) is called, once, when the client has closed or reset its
 * connection.  At one that has sent more one looks twice a second.
 */
void	gone_watch(struct gone *, struct request *,
	    void (*tell)(struct request *));
/* Before the connection is resumed.  May be called at any time after all 0. */
void	gone_stop(struct gone *);

/* Whether it has closed or reset its connection by now. */
int	gone_now(const struct request *);

#endif
