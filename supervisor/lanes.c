/*
 * lanes.c: lanes for programs outside; see lanes.h.  Runs in wharfd.
 *
 * One packet is the question, one with three descriptors the answer.  The asker
 * stays until it closes (its link is up) or ASKED_S have passed, so that it can
 * be told when the actor would not have the link; then wharfd forgets it.  How
 * many clients there may be is counted by the actor.
 *
 * Limits: ASKERS at once, others wait in the backlog, for a client that is sent
 * away takes nng, for good; SILENT_S for the question.  Nothing an asker does is
 * fatal, nothing blocks, and what wharfd keeps of it is one descriptor.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "proto/msg_link.h"
#include "supervisor/lanes.h"

#define ASKERS		64
#define BACKLOG		1024
#define SILENT_S	1.0
#define ASKED_S		6.0		/* a link is up or gone by then */
#define PAUSE_S		1.0		/* when there is no descriptor */

struct asker {
	struct lanes	*lanes;
	int		 fd;		/* -1: free */
	int32_t		 pid;
	uint64_t	 link;		/* 0: has not asked yet */
	struct child	*to;
	ev_io		 io;
	ev_timer	 timeout;
};

struct lanes {
	struct ev_loop		*loop;
	struct lanes_conf	 conf;
	char			 path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int			 fd;
	ev_io			 io;
	ev_timer		 again;
	int			 full;		/* io waits for a place */
	struct asker		 asker[ASKERS];
	struct log_limit	 refused;
};

static enum err	lanes_on_ask(struct asker *, const struct msg *);

static void
asker_close(struct asker *a)
{
	if (a->fd == -1)
		return;
	ev_io_stop(a->lanes->loop, &a->io);
	ev_timer_stop(a->lanes->loop, &a->timeout);
	close(a->fd);
	a->fd = -1;
	a->link = 0;
	a->to = NULL;
	if (a->lanes->full)
		ev_io_start(a->lanes->loop, &a->lanes->io);
	a->lanes->full = 0;
}

/* An answer without a lane; nobody waits for one who does not read. */
static void
asker_refuse(struct asker *a, uint64_t id, enum err e)
{
	struct frame	f = { .msg = MSG_LANES_ASK, .flags = FRAME_REPLY,
	    .id = id, .status = (uint16_t)e };

	log_limited(&a->lanes->refused, "lanes: process %d refused: %s",
	    (int)a->pid, err_text(e));
	(void)ctl_send(a->fd, &f, NULL, 0);
	asker_close(a);
}

static enum err
asker_answer(struct asker *a, uint64_t id, const struct links_client *c)
{
	const struct lanes_conf	*lc = &a->lanes->conf;
	uint8_t			 buf[DESK_ANSWER_MAX];
	struct desk_answer	 d = { .version = LINK_VERSION,
	    .stores = (uint16_t)lc->stores.n, .files = (uint16_t)lc->files,
	    .routers = (uint16_t)lc->routers.n, .seat = (uint16_t)a->to->seat,
	    .inc = a->to->inc, .link = c->id };
	struct frame		 f = { .msg = MSG_LANES_ASK,
	    .flags = FRAME_REPLY, .id = id };

	memcpy(d.path, c->path, sizeof(d.path));
	f.val = buf;
	f.vallen = (uint32_t)desk_answer_put(buf, sizeof(buf), &d);
	return ctl_send(a->fd, &f, c->fds, CLIENT_FDS);
}

static enum err
lanes_on_ask(struct asker *a, const struct msg *m)
{
	const struct lanes_conf	*lc = &a->lanes->conf;
	const struct child_set	*set;
	struct frame		 drop = { .msg = MSG_UNLINK };
	struct links_client	 c;
	struct desk_hello	 h;
	enum err		 e;

	if (desk_hello_get(&h, m->f.val, m->f.vallen) != E_OK || a->link != 0)
		return E_BADMSG;
	set = m->f.type == LANES_ROUTER ? &lc->routers : &lc->stores;
	if (set->n == 0)
		return E_NOTREADY;
	a->to = &set->c[m->f.slot % set->n];
	if ((e = links_client(lc->links, a->to, a->pid, &c)) != E_OK)
		return e;
	a->link = drop.id = c.id;
	e = asker_answer(a, m->f.id, &c);
	links_client_close(&c);
	if (e != E_OK) {
		child_send(a->to, &drop, NULL, 0);
		return e;
	}
	log_debug("lanes: link %llu: %s to \"%s\", process %d",
	    (unsigned long long)c.id, a->to->name, h.name, (int)a->pid);
	ev_timer_set(&a->timeout, ASKED_S, 0.);
	ev_timer_start(a->lanes->loop, &a->timeout);
	return E_OK;
}

static void
on_asker(struct ev_loop *loop, ev_io *w, int revents)
{
	struct asker	*a = w->data;
	uint8_t		 buf[CTL_PACKET];
	struct msg	 m;
	enum err	 e = ctl_recv(a->fd, &m, buf);

	(void)revents;
	if (e == E_AGAIN)
		return;
	if (e == E_INTERNAL) {		/* it is done, or gone */
		asker_close(a);
		return;
	}
	ev_timer_stop(loop, &a->timeout);
	if (e == E_OK && (m.f.flags & FRAME_REPLY) != 0)
		e = E_BADMSG;
	if (e == E_OK)
		e = msg_check(&m.f, FROM_CLIENT);
	if (e == E_OK)
		e = m.f.msg == MSG_LANES_ASK ? lanes_on_ask(a, &m) : E_DENIED;
	ctl_close_fds(&m);
	if (e != E_OK)
		asker_refuse(a, m.f.id, e);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	asker_close(w->data);
}

static struct asker *
lanes_free_place(struct lanes *l)
{
	int	i;

	for (i = 0; i < ASKERS; i++)
		if (l->asker[i].fd == -1)
			return &l->asker[i];
	return NULL;
}

static void
asker_open(struct asker *a, int fd)
{
	struct ev_loop	*loop = a->lanes->loop;
	struct ucred	 u = { 0 };
	socklen_t	 len = sizeof(u);

	a->fd = fd;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len);
	a->pid = u.pid;
	ev_io_set(&a->io, fd, EV_READ);
	ev_io_start(loop, &a->io);
	ev_timer_set(&a->timeout, SILENT_S, 0.);
	ev_timer_start(loop, &a->timeout);
	if (a->pid == 0)		/* of another pid namespace */
		asker_refuse(a, 0, E_DENIED);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct lanes	*l = w->data;
	struct asker	*a = lanes_free_place(l);
	int		 fd;

	(void)revents;
	if (a == NULL) {
		log_limited(&l->refused, "lanes: %d ask already: others wait",
		    ASKERS);
		ev_io_stop(loop, &l->io);
		l->full = 1;
		return;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE) {
			/* It stays readable: look again in a while. */
			ev_io_stop(loop, &l->io);
			ev_timer_set(&l->again, PAUSE_S, 0.);
			ev_timer_start(loop, &l->again);
		}
		return;
	}
	asker_open(a, fd);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct lanes	*l = w->data;

	(void)revents;
	ev_io_start(loop, &l->io);
}

void
lanes_broken(struct lanes *l, uint64_t link)
{
	int	i;

	for (i = 0; l != NULL && link != 0 && i < ASKERS; i++)
		if (l->asker[i].fd != -1 && l->asker[i].link == link)
			asker_refuse(&l->asker[i], 0, E_FULL);
}

/* What an actor that was killed has left; also of its front desk. */
static void
lanes_sweep(const struct lanes *l, const struct child *gone)
{
	DIR		*d = opendir(l->conf.run);
	struct dirent	*e;
	char		 prefix[32];
	int		 n;

	n = snprintf(prefix, sizeof(prefix), "c.%u.%u.", gone->seat,
	    gone->inc);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, (size_t)n) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

void
lanes_gone(struct lanes *l, const struct child *gone)
{
	int	i;

	if (l == NULL || (gone->from & (FROM_STORE | FROM_ROUTER)) == 0)
		return;
	for (i = 0; i < ASKERS; i++)
		if (l->asker[i].fd != -1 && l->asker[i].to == gone)
			asker_refuse(&l->asker[i], 0, E_STALE);
	lanes_sweep(l, gone);
}

static void
lanes_chown(const struct lanes *l)
{
	const struct group	*g;

	if (l->conf.group[0] == '\0')
		return;
	if ((g = getgrnam(l->conf.group)) == NULL ||
	    chown(l->path, (uid_t)-1, g->gr_gid) == -1)
		log_warn("lanes: give %s to group %s", l->path,
		    l->conf.group);
}

static int
lanes_listen(struct lanes *l)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			n;

	n = snprintf(l->path, sizeof(l->path), "%s/lanes", l->conf.run);
	if (n < 0 || (size_t)n >= sizeof(l->path)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	memcpy(sun.sun_path, l->path, sizeof(sun.sun_path));
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (l->fd == -1)
		return 0;
	unlink(l->path);
	/* Nobody else may connect before group and mode are as they shall be. */
	if (fchmod(l->fd, 0600) == -1 ||
	    bind(l->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return 0;
	lanes_chown(l);
	return chmod(l->path, l->conf.mode) == 0 &&
	    listen(l->fd, BACKLOG) == 0;
}

struct lanes *
lanes_new(struct ev_loop *loop, const struct lanes_conf *conf)
{
	struct lanes	*l = calloc(1, sizeof(*l));
	int		 i;

	if (l == NULL)
		return NULL;
	l->loop = loop;
	l->conf = *conf;
	if (!lanes_listen(l)) {
		log_warn("lanes: socket %s", l->path);
		if (l->fd > 0)
			close(l->fd);
		free(l);
		return NULL;
	}
	for (i = 0; i < ASKERS; i++) {
		l->asker[i].lanes = l;
		l->asker[i].fd = -1;
		ev_io_init(&l->asker[i].io, on_asker, -1, EV_READ);
		ev_timer_init(&l->asker[i].timeout, on_timeout, 0., 0.);
		l->asker[i].io.data = l->asker[i].timeout.data = &l->asker[i];
	}
	ev_timer_init(&l->again, on_again, 0., 0.);
	ev_io_init(&l->io, on_accept, l->fd, EV_READ);
	l->io.data = l->again.data = l;
	ev_io_start(loop, &l->io);
	return l;
}

void
lanes_free(struct lanes *l)
{
	int	i;

	if (l == NULL)
		return;
	for (i = 0; i < ASKERS; i++)
		asker_close(&l->asker[i]);
	ev_io_stop(l->loop, &l->io);	/* after them: they may start it */
	ev_timer_stop(l->loop, &l->again);
	close(l->fd);
	unlink(l->path);
	free(l);
}
