/*
 * desk.h: inside the mailbox: the front desk (desk.c) and the probe that finds
 * out whether it still accepts (desk_probe.c).
 */
#ifndef PROTO_DESK_H
#define PROTO_DESK_H

#include <sys/un.h>

#include <ev.h>

#include "proto/clock.h"
#include "proto/frame.h"
#include "proto/link.h"

#define DESK_CONTEXTS	4
/* What the probe writes and awaits: greeting, length, request id, frame. */
#define PROBE_BYTES	(8u + 9u + 4u + FRAME_HEAD)

struct probe {
	ev_io		 io;
	struct ev_loop	*loop;
	struct sockaddr_un addr;
	int		 running;
	unsigned	 ticks;		/* since it began or ended */
	int		 pub;		/* of a PUB socket, see probe_init_pub */
	size_t		 got;
	uint8_t		 answer[PROBE_BYTES];
};

enum probe_state { PROBE_FINE, PROBE_RUNNING, PROBE_FAILED };

void			probe_init(struct probe *, struct ev_loop *,
			    const char *path);
/*
 * Of a PUB socket, which answers nothing: its greeting shows that it accepts.
 */
void			probe_init_pub(struct probe *, struct ev_loop *,
			    const char *path);
/* Called every half second: begins a probe each second, judges it. */
enum probe_state	probe_tick(struct probe *);
void			probe_stop(struct probe *);

/* One of the contexts that serve the desk's requests. */
struct desk_ctx {
	struct notice	 notice;
	struct desk	*desk;
	nng_ctx		 ctx;
	nng_aio		*aio;
	int		 busy;		/* an operation is under way */
	int		 sending;
};

/* The group's id, (gid_t)-1 for none. E_PARAM: there is no such group. */
enum err desk_find_group(const char *group, gid_t *);
/* Gives a socket to that group. */
void	desk_give(const char *path, const char *group, gid_t);
/* Whether there is room for one more client. */
int	desk_admits(const struct mailbox *);
/* Opens a client's link with the group and mode of the desk. */
enum err desk_open_link(struct desk *, struct link *);
void	desk_tick(struct desk *, mono_t now);
/*
 * Silences nng; afterwards no notice is raised.  0: nng does not come back (see
 * LINK_CLOSERS), and desk and mailbox must stay until the process ends.
 */
int	desk_close(struct desk *);
void	desk_free(struct desk *);

#endif
