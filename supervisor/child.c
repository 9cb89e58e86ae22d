/*
 * child.c: birth (fork and exec with descriptors 3..10 as actor.h says), the
 * supervisor's end of fd 3, and death of one actor process.  Runs in wharfd.
 *
 * Nothing here is fatal to wharfd: a birth that fails is a death before READY
 * and the brake applies.  Limits: OUT_QUEUE messages wait for a child that
 * does not read; one more, or VIGIL_CTL usec, and it is killed.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "supervisor/actor.h"
#include "supervisor/child.h"

#define OUT_QUEUE	1024		/* messages */
#define OUT_VALUE	256		/* bytes of one's value */
#define OUT_FDS		3
#define CTL_BATCH	64		/* messages from one child per turn */

struct child_out {
	struct frame	f;
	uint8_t		val[OUT_VALUE];
	int		fds[OUT_FDS], nfds;
};

struct child_handler {
	enum err	(*fn)(struct child *, const struct msg *);
	unsigned	 from;
};

static enum err	child_on_ready(struct child *, const struct msg *);
static enum err	child_on_progress(struct child *, const struct msg *);
static enum err	child_on_beat(struct child *, const struct msg *);
static enum err	child_on_broken(struct child *, const struct msg *);
static enum err	child_on_wedged(struct child *, const struct msg *);
static enum err	child_on_backed(struct child *, const struct msg *);
static enum err	child_on_told(struct child *, const struct msg *);

static const struct child_handler super_table[MSG_MAX] = {
#define MSG_SUPER(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { fn, from },
#include "proto/msg.def"
};

static void
child_set_state(struct child *c, enum child_state s)
{
	c->v.state = s;
	board_set(c->board, BC_UP, s == CHILD_READY);
}

/* What a child says */

static void
child_heard(struct child *c)
{
	c->v.heard = mono_now();
	c->v.starved = 0;
	c->waited = sample_starved(c->pid);
}

static enum err
child_on_ready(struct child *c, const struct msg *m)
{
	(void)m;
	if (c->v.state != CHILD_STARTING)
		return E_PARAM;
	child_set_state(c, CHILD_READY);
	c->ready_at = mono_now();
	child_heard(c);
	c->was_ready = 1;
	log_info("%s[%d]: ready after %lld ms", c->name, (int)c->pid,
	    (long long)mono_diff(c->born, c->ready_at) / 1000);
	c->env->hooks->ready(c);
	return E_OK;
}

static enum err
child_on_progress(struct child *c, const struct msg *m)
{
	if (m->f.score != c->progress)
		c->v.moved = mono_now();
	c->progress = m->f.score;
	return E_OK;
}

static enum err
child_on_beat(struct child *c, const struct msg *m)
{
	(void)m;
	child_heard(c);
	return E_OK;
}

static enum err
child_on_broken(struct child *c, const struct msg *m)
{
	c->env->hooks->broken(c, m->f.id);
	return E_OK;
}

/* It stops in order by itself; another incarnation has a mailbox that works. */
static enum err
child_on_wedged(struct child *c, const struct msg *m)
{
	(void)m;
	if (c->v.state != CHILD_READY)
		return E_PARAM;
	c->leaves = "its mailbox is wedged";
	log_warnx("%s[%d]: %s, it ends to be started anew", c->name,
	    (int)c->pid, c->leaves);
	child_set_state(c, CHILD_STOPPING);
	c->v.moved = mono_now();
	c->v.patience = VIGIL_PROGRESS;
	c->v.deadline = (mono_t){ 0 };
	c->env->hooks->leaves(c);
	return E_OK;
}

static enum err
child_on_told(struct child *c, const struct msg *m)
{
	if (c->env->hooks->told != NULL)
		c->env->hooks->told(c, m);
	return E_OK;
}

static enum err
child_on_backed(struct child *c, const struct msg *m)
{
	if (c->env->hooks->backed != NULL)
		c->env->hooks->backed(c, m);
	return E_OK;
}

static void
child_dispatch(struct child *c, struct msg *m)
{
	const struct child_handler	*h;
	enum err			 e;

	m->from = FROM_CHILD;
	if ((e = msg_check(&m->f, FROM_CHILD)) == E_OK) {
		h = &super_table[m->f.msg];
		e = h->fn == NULL ? E_UNKNOWN : h->fn(c, m);
	}
	if (e != E_OK)
		log_limited(&c->bad, "%s[%d]: %s refused: %s", c->name,
		    (int)c->pid, msg_name(m->f.msg), err_text(e));
	ctl_close_fds(m);
}

static void
on_ctl_in(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child	*c = w->data;
	uint8_t		 buf[CTL_PACKET];
	struct msg	 m;
	enum err	 e;
	int		 i;

	(void)revents;
	for (i = 0; i < CTL_BATCH && c->ctl != -1; i++) {
		e = ctl_recv(c->ctl, &m, buf);
		if (e == E_AGAIN)
			return;
		if (e == E_INTERNAL) {
			/* Dead, or as good as. */
			ev_io_stop(loop, &c->in_io);
			child_kill(c, NULL);
			return;
		}
		if (e == E_OK)
			child_dispatch(c, &m);
		else
			log_limited(&c->bad, "%s[%d]: packet refused: %s",
			    c->name, (int)c->pid, err_text(e));
	}
}

/* What it is told */

static void
out_close(struct child_out *o)
{
	while (o->nfds > 0)
		close(o->fds[--o->nfds]);
}

static void
out_clear(struct child *c)
{
	unsigned	i;

	for (i = 0; i < c->nout; i++)
		out_close(&c->out[i]);
	c->nout = 0;
	c->v.blocked.us = 0;
}

static enum err
out_flush(struct child *c)
{
	enum err	 e = E_OK;
	unsigned	 i;

	for (i = 0; i < c->nout; i++) {
		c->out[i].f.val = c->out[i].val;
		e = ctl_send(c->ctl, &c->out[i].f, c->out[i].fds,
		    c->out[i].nfds);
		if (e != E_OK)
			break;
		out_close(&c->out[i]);
	}
	if (i > 0) {
		memmove(c->out, c->out + i, (c->nout - i) * sizeof(*c->out));
		c->nout -= i;
		c->v.blocked = c->nout > 0 ? mono_now() : (mono_t){ 0 };
	}
	return e;
}

static void
on_ctl_out(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child	*c = w->data;

	(void)revents;
	/*
	 * Writable and yet refused: too many descriptors are under way in the
	 * whole system; child_look tries again.
	 */
	if (out_flush(c) != E_OK || c->nout == 0)
		ev_io_stop(loop, &c->out_io);
}

static void
out_queue(struct child *c, const struct frame *f, const int *fds, int nfds)
{
	struct child_out	*o = &c->out[c->nout];

	if (c->nout == OUT_QUEUE || f->vallen > OUT_VALUE || nfds > OUT_FDS) {
		child_kill(c, "takes no control messages");
		return;
	}
	o->f = *f;
	if (f->vallen > 0)
		memcpy(o->val, f->val, f->vallen);
	for (o->nfds = 0; o->nfds < nfds; o->nfds++) {
		o->fds[o->nfds] = fcntl(fds[o->nfds], F_DUPFD_CLOEXEC, 0);
		if (o->fds[o->nfds] == -1) {
			out_close(o);
			child_kill(c, "no descriptor left to talk to it");
			return;
		}
	}
	if (c->nout++ == 0)
		c->v.blocked = mono_now();
	ev_io_start(c->env->loop, &c->out_io);
}

void
child_send(struct child *c, const struct frame *f, const int *fds, int nfds)
{
	struct frame	full = *f;
	enum err	e = E_AGAIN;

	if (c->pid == 0 || c->ctl == -1)
		return;
	full.to = c->inc;
	if (c->nout == 0)
		e = ctl_send(c->ctl, &full, fds, nfds);
	if (e == E_AGAIN)
		out_queue(c, &full, fds, nfds);
	/* E_INTERNAL: it is dying, and death will be told. */
}

/* Birth */

static int
fd_above(int fd, int least)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, least);
}

/* After fork, in the child: only async-signal-safe calls. */
static void
child_exec(const char *path, char *const argv[], const int *fds)
{
	static const int	ignored[] = {
		SIGPIPE, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2,
	};
	int			high[ACTOR_FD_LAST + 1 - ACTOR_FD_CTL], i, n;
	static const char	text[] = "wharfd: cannot execute an actor\n";

	n = ACTOR_FD_LAST + 1 - ACTOR_FD_CTL;
	for (i = 0; i < (int)(sizeof(ignored) / sizeof(ignored[0])); i++)
		signal(ignored[i], SIG_IGN);
	for (i = 0; i < n; i++)
		if ((high[i] = fd_above(fds[i], ACTOR_FD_LAST + 1)) == -1)
			_exit(126);
	for (i = 0; i < n; i++)
		if (dup2(high[i], ACTOR_FD_CTL + i) == -1)
			_exit(126);
	execv(path, argv);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		_exit(126);
	_exit(127);
}

static pid_t
child_fork(const struct child *c, int ctl)
{
	char	 path[4096], arg0[32], seat[32], inc[32], place[32], node[32];
	char	*argv[] = { arg0, seat, inc, place, node, NULL };
	int	 fds[] = { ctl, c->env->board_fd, c->env->conf_fd, c->bell,
		    c->env->lock_fd, c->env->catalogue_fd, c->env->users_fd,
		    c->env->known_fd, c->env->tls_fd };
	pid_t	 pid;

	snprintf(path, sizeof(path), "%s/wharf-%s", c->env->dir, c->role);
	snprintf(arg0, sizeof(arg0), "wharf-%s", c->role);
	snprintf(seat, sizeof(seat), "--seat=%u", c->seat);
	snprintf(inc, sizeof(inc), "--incarnation=%u", c->inc);
	snprintf(place, sizeof(place), "--place=%u", c->place);
	snprintf(node, sizeof(node), "--node=%016llx",
	    (unsigned long long)c->env->node);
	if ((pid = fork()) == 0)
		child_exec(path, argv, fds);
	return pid;
}

static int
child_sockets(struct child *c, int *theirs)
{
	int	sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, sv) == -1)
		return -1;
	if ((c->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		close(sv[0]);
		close(sv[1]);
		return -1;
	}
	c->ctl = sv[0];
	*theirs = sv[1];
	return 0;
}

static void
child_close(struct child *c)
{
	ev_io_stop(c->env->loop, &c->in_io);
	ev_io_stop(c->env->loop, &c->out_io);
	out_clear(c);
	if (c->ctl != -1)
		close(c->ctl);
	if (c->bell != -1)
		close(c->bell);
	c->ctl = c->bell = -1;
}

static void
child_born(struct child *c, pid_t pid)
{
	struct ev_loop	*loop = c->env->loop;

	c->pid = pid;
	c->births++;
	board_set(c->board, BC_RESTARTS, c->births - 1);
	board_set(c->board, BC_STARTED, wall_ms() * 1000);
	child_set_state(c, CHILD_STARTING);
	child_heard(c);
	c->v.moved = c->born;
	c->v.blocked = c->v.deadline = (mono_t){ 0 };
	c->was_ready = c->asked = 0;
	c->progress = 0;
	c->killed = c->leaves = NULL;
	ev_io_set(&c->in_io, c->ctl, EV_READ);
	ev_io_set(&c->out_io, c->ctl, EV_WRITE);
	ev_child_set(&c->death, pid, 0);
	ev_io_start(loop, &c->in_io);
	ev_child_start(loop, &c->death);
	log_debug("%s[%d]: born, incarnation %u", c->name, (int)pid, c->inc);
}

void
child_start(struct child *c)
{
	int	theirs = -1;
	pid_t	pid = -1;

	ev_timer_stop(c->env->loop, &c->again);
	if (c->pid != 0)
		return;
	c->braked_until.us = 0;
	c->inc = c->env->next_inc++;
	if (c->env->next_inc == 0)
		c->env->next_inc = 1;
	c->born = mono_now();
	board_clear(c->board);
	if (child_sockets(c, &theirs) == 0)
		pid = child_fork(c, theirs);
	if (pid == -1)
		log_error("%s: cannot be started", c->name);
	if (theirs != -1)
		close(theirs);
	if (pid != -1) {
		child_born(c, pid);
		return;
	}
	child_close(c);
	child_start_later(c, brake_death(&c->brake, c->born, DEATH_EARLY));
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	child_start(w->data);
}

void
child_start_later(struct child *c, int64_t us)
{
	if (us == 0) {
		child_start(c);
		return;
	}
	c->braked_until = mono_add(mono_now(), us);
	log_warnx("%s: braked, next start in %lld s", c->name,
	    (long long)us / 1000000);
	ev_now_update(c->env->loop);
	ev_timer_stop(c->env->loop, &c->again);
	ev_timer_set(&c->again, (double)us / 1e6, 0.);
	ev_timer_start(c->env->loop, &c->again);
}

/* Death */

/* "signal 9 (Killed), killed: no heartbeat, before it was ready" */
static void
child_note_death(struct child *c, int status)
{
	const char	*why = c->killed != NULL ? c->killed : c->leaves;
	char		 how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	snprintf(c->obituary, sizeof(c->obituary), "%s%s%s%s", how,
	    why == NULL ? "" : c->killed != NULL ? ", killed: " : ", ended: ",
	    why != NULL ? why : "",
	    c->was_ready ? "" : ", before it was ready");
	c->died = mono_now();
}

static void
child_obituary(struct child *c, int status)
{
	long long	up = (long long)mono_diff(c->born, mono_now()) / 1000;

	if (c->asked && status == 0) {
		log_info("%s[%d]: stopped after %lld.%03lld s, %u restarts",
		    c->name, (int)c->pid, up / 1000, up % 1000, c->births - 1);
		return;
	}
	child_note_death(c, status);
	log_warnx("%s[%d]: died: %s, after %lld.%03lld s, %u restarts",
	    c->name, (int)c->pid, c->obituary, up / 1000, up % 1000,
	    c->births - 1);
}

/*
 * Something that a file it was reading can have brought about: not that
 * somebody, or the kernel for its memory, has killed it.
 */
static int
child_faulted(const struct child *c, int status)
{
	static const int	faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL,
				    SIGFPE };
	size_t			i;

	if (!WIFSIGNALED(status))
		return 0;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (WTERMSIG(status) == faults[i])
			return 1;
	return WTERMSIG(status) == SIGKILL && c->killed != NULL;
}

static void
on_death(struct ev_loop *loop, ev_child *w, int revents)
{
	struct child	*c = w->data;
	int		 status = w->rstatus;

	(void)revents;
	ev_child_stop(loop, w);
	child_obituary(c, status);
	board_gone(c->board, child_faulted(c, status));
	child_close(c);
	c->pid = 0;
	child_set_state(c, CHILD_DOWN);
	c->env->hooks->gone(c, status);
}

void
child_kill(struct child *c, const char *why)
{
	if (c->pid == 0)
		return;
	if (why != NULL && c->killed == NULL) {
		c->killed = why;
		log_warnx("%s[%d]: %s, killing it", c->name, (int)c->pid, why);
	}
	kill(c->pid, SIGKILL);
}

void
child_stop(struct child *c, int hurry, int64_t limit, int64_t patience)
{
	struct frame	f = { .msg = MSG_STOP, .ver = hurry != 0 };
	mono_t		now = mono_now();

	ev_timer_stop(c->env->loop, &c->again);
	c->braked_until.us = 0;
	if (c->pid == 0)
		return;
	c->asked = 1;
	if (c->v.state == CHILD_STARTING) {
		/* It has promised nothing yet. */
		child_set_state(c, CHILD_STOPPING);
		c->v.moved = now;
		c->v.patience = patience;
		child_kill(c, NULL);
		return;
	}
	child_set_state(c, CHILD_STOPPING);
	c->v.moved = now;
	c->v.patience = patience;
	c->v.deadline = limit == 0 ? (mono_t){ 0 } : mono_add(now, limit);
	child_send(c, &f, NULL, 0);
}

void
child_look(struct child *c, mono_t now)
{
	const char	*why;

	if (c->pid == 0)
		return;
	if (c->nout > 0)
		ev_io_start(c->env->loop, &c->out_io);
	/* On a crowded machine it may not have had its turn. */
	if (mono_diff(c->v.heard, now) > VIGIL_BEAT)
		c->v.starved = sample_starved(c->pid) - c->waited;
	if ((why = vigil_verdict(&c->v, now)) != NULL)
		child_kill(c, why);
}

const char *
child_state_name(const struct child *c)
{
	switch (c->v.state) {
	case CHILD_STARTING:
		return "starting";
	case CHILD_READY:
		return "ready";
	case CHILD_STOPPING:
		return "stopping";
	case CHILD_DOWN:
		break;
	}
	return c->braked_until.us != 0 ? "braked" : "down";
}

void
child_init(struct child *c, struct child_env *env, const char *role,
    unsigned from, unsigned seat, unsigned place, struct board_actor *board)
{
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->role = role;
	c->from = from;
	c->seat = seat;
	c->place = place;
	c->board = board;
	c->ctl = c->bell = -1;
	snprintf(c->name, sizeof(c->name), "%s.%u", role, seat);
	board_name_seat(board, role, seat);
	if ((c->out = calloc(OUT_QUEUE, sizeof(*c->out))) == NULL)
		fatal("%s", c->name);
	ev_io_init(&c->in_io, on_ctl_in, -1, EV_READ);
	ev_io_init(&c->out_io, on_ctl_out, -1, EV_WRITE);
	ev_child_init(&c->death, on_death, 0, 0);
	ev_timer_init(&c->again, on_again, 0., 0.);
	c->in_io.data = c->out_io.data = c->death.data = c->again.data = c;
}

void
child_free(struct child *c)
{
	ev_timer_stop(c->env->loop, &c->again);
	ev_child_stop(c->env->loop, &c->death);
	child_close(c);
	free(c->out);
	c->out = NULL;
}
