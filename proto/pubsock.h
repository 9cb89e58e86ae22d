/*
 * pubsock.h: an nng PUB socket on ipc, for whoever wants to hear: nobody is
 * waited for.  nng keeps PUBSOCK_QUEUE messages for a subscriber that does not
 * take them, and drops the oldest for each that comes then.
 *
 * The listener can be silenced like any other of nng (desk_probe.c), so it is
 * probed every second and opened anew; subscribers dial again by themselves.
 *
 * All calls are the loop thread's; may is called on nng's.
 */
#ifndef PROTO_PUBSOCK_H
#define PROTO_PUBSOCK_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#define PUBSOCK_QUEUE	64		/* messages per subscriber */

struct pubsock;

struct pubsock_conf {
	const char	*path;
	const char	*group;		/* owner group of the socket, "" none */
	unsigned	 mode;		/* its permissions */
	unsigned	 max;		/* subscribers; more are sent away */
	/* May a process of this user subscribe?  Any thread. */
	int		(*may)(void *arg, unsigned uid);
	void		*arg;
};

/* NULL: it cannot be made; logged. */
struct pubsock	*pubsock_new(struct ev_loop *, const struct pubsock_conf *);
/* Somebody listens. */
int		 pubsock_wanted(const struct pubsock *);
/* topic, a newline, item.  0: no memory. */
int		 pubsock_send(struct pubsock *, const uint8_t *topic, size_t n,
		    const uint8_t *item, size_t len);
/* Every half second. */
void		 pubsock_tick(struct pubsock *);
/* 0: nng does not come back; it must stay until the process ends. */
int		 pubsock_free(struct pubsock *);

#endif
