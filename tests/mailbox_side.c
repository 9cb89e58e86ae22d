/*
 * mailbox_side.c: the store of test_mailbox, in a process of its own: answers
 * every request with what it was sent, and obeys a few words said as the key.
 */
#include <sys/types.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/mailbox_rig.h"
#include "tests/nng_stall.h"

struct store {
	struct ev_loop	*loop;
	struct mailbox	*mb;
	unsigned	 refusals;	/* E_AGAINs left */
	uint64_t	 resume;	/* link to resume, 0 none */
	unsigned	 rejected;
	unsigned	 downs;
	unsigned	 wedged;
	ev_timer	 timer;
};

static int
msg_says(const struct msg *m, const char *word)
{
	return m->f.keylen == strlen(word) &&
	    memcmp(m->f.key, word, m->f.keylen) == 0;
}

static void
store_resume_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store	*s = w->data;
	struct link	*l = link_find(s->mb, s->resume);

	(void)loop;
	(void)revents;
	s->resume = 0;
	if (l != NULL)
		link_resume(l);
}

static enum err
store_hold(struct store *s, const struct msg *m)
{
	s->refusals--;
	s->resume = link_id(m->link);
	ev_timer_init(&s->timer, store_resume_cb, 0.02, 0.);
	s->timer.data = s;
	ev_timer_start(s->loop, &s->timer);
	return E_AGAIN;
}

/* From now on nng closes nothing; the value is a path for that.  1: done. */
static uint32_t
store_stall(const struct msg *m)
{
	char	path[LINK_PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", (int)m->f.vallen, m->f.val);
	return (uint32_t)nng_stall(path);
}

/* The answer: the request's value, and in ver what the word asks for. */
static enum err
store_msg(void *arg, const struct msg *m)
{
	struct store	*s = arg;
	struct frame	 r;

	memset(&r, 0, sizeof(r));
	if (s->refusals > 0)
		return store_hold(s, m);
	r.ver = m->f.ver;
	r.val = m->f.val;
	r.vallen = m->f.vallen;
	if (msg_says(m, "again"))
		s->refusals = 3;
	else if (msg_says(m, "rejected"))
		r.ver = s->rejected;
	else if (msg_says(m, "downs"))
		r.ver = s->downs;
	else if (msg_says(m, "wedged"))
		r.ver = s->wedged;
	else if (msg_says(m, "uid"))
		r.ver = link_uid(m->link);
	else if (msg_says(m, "die"))
		_exit(0);
	else if (msg_says(m, "close")) {
		mailbox_free(s->mb);
		_exit(7);
	} else if (msg_says(m, "stall"))
		r.ver = store_stall(m);
	else if (msg_says(m, "unlink"))
		mailbox_unlink(s->mb, link_id(m->link));
	link_reply(m->link, m->f.msg, m->f.id, E_OK, &r);
	return E_OK;
}

static void
store_reject(void *arg, struct link *l, enum err e)
{
	struct store	*s = arg;

	(void)l;
	(void)e;
	s->rejected++;
}

static void
store_down(void *arg, struct link *l, int broken, const char *why)
{
	struct store	*s = arg;

	(void)l;
	(void)broken;
	(void)why;
	s->downs++;
}

static void
store_wedged(void *arg)
{
	((struct store *)arg)->wedged++;
}

static void
store_offer(struct store *s, const char *path, int lanes)
{
	struct link_offer	o;

	memset(&o, 0, sizeof(o));
	o.id = LINK_ID;
	o.from = FROM_WORKER;
	o.seat = 1;
	o.peer_inc = WORKER_INC;
	o.peer_pid = getppid();
	snprintf(o.path, sizeof(o.path), "%s", path);
	if (mailbox_offer(s->mb, &o, &(struct lane_fds){ lanes ? FD_LANE : -1,
	    lanes ? FD_PEER_BELL : -1, -1 }) != E_OK)
		_exit(3);
}

static void
store_desk(struct store *s, const char *dir)
{
	char			path[90];
	struct desk_conf	d = { .path = path, .run = dir, .group = "",
		.mode = 0600, .stores = 2, .files = 16, .routers = 1,
		.seat = 0, .max_clients = 3, .lanes = "" };

	snprintf(path, sizeof(path), "%s/store.0", dir);
	if (mailbox_desk(s->mb, &d) != E_OK)
		_exit(4);
}

/* side DIR link|desk LANES */
int
side_main(char **argv)
{
	static const struct mailbox_hooks hooks = { .msg = store_msg,
		.reject = store_reject, .down = store_down,
		.wedged = store_wedged };
	struct store		s;
	int			lanes = atoi(argv[4]);
	char			path[LINK_PATH_MAX];
	struct mailbox_conf	c = { .role = FROM_STORE, .seat = 0,
		.inc = STORE_INC, .bell = lanes ? FD_OWN_BELL : -1,
		.lanes = lanes, .batch = 64, .out_max = 4u << 20,
		.assembly_max = BIG + (1u << 20) };

	alarm(120);
	signal(SIGPIPE, SIG_IGN);
	memset(&s, 0, sizeof(s));
	s.loop = ev_default_loop(EVFLAG_NOSIGMASK);
	s.mb = mailbox_new(s.loop, &c, &hooks, &s);
	snprintf(path, sizeof(path), "%s/link", argv[2]);
	if (strcmp(argv[3], "desk") == 0)
		store_desk(&s, argv[2]);
	else
		store_offer(&s, path, lanes);
	ev_run(s.loop, 0);
	return 0;
}

