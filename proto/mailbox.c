/*
 * mailbox.c: the loop's side of all links of an actor: when they are read,
 * when they are flushed, and how nng's threads wake the loop.
 *
 * A turn: after the poll the lanes are read, then what nng brought; the owner
 * is told once (hooks.turn); before the next poll everything is flushed, each
 * peer's bell is rung at most once, dead links are freed, and each lane is told
 * that its reader sleeps, unless something came in meanwhile.
 *
 * Invariant: the loop never sleeps while a readable link has something to
 * read.  The idle watcher, which does nothing, keeps it awake.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/desk.h"
#include "proto/link.h"
#include "supervisor/log.h"

#define CLOSE_PATIENCE	2000u		/* ms for all sockets at the end */
#define TICK	0.5		/* seconds */

void
notice_init(struct notice *n, struct mailbox *mb,
    void (*fn)(struct notice *, unsigned))
{
	n->mb = mb;
	n->fn = fn;
	n->next = NULL;
	atomic_init(&n->bits, 0);
}

void
notice_raise(struct notice *n, unsigned bits)
{
	struct mailbox	*mb = n->mb;

	if (atomic_fetch_or(&n->bits, bits) != 0)
		return;		/* on the stack already */
	n->next = atomic_load(&mb->notices);
	while (!atomic_compare_exchange_weak(&mb->notices, &n->next, n))
		;
	ev_async_send(mb->loop, &mb->async);
}

/* Takes the stack and turns it round: first raised, first served. */
static struct notice *
notices_take(struct mailbox *mb)
{
	struct notice	*n, *next, *first = NULL;

	for (n = atomic_exchange(&mb->notices, NULL); n != NULL; n = next) {
		next = n->next;
		n->next = first;
		first = n;
	}
	return first;
}

static void
mailbox_end_turn(struct mailbox *mb)
{
	if (mb->taken == 0)
		return;
	mb->taken = 0;
	if (mb->hooks.turn != NULL)
		mb->hooks.turn(mb->arg);
}

static void
mailbox_async_cb(struct ev_loop *loop, ev_async *w, int revents)
{
	struct mailbox	*mb = w->data;
	struct notice	*n, *next;
	unsigned	 bits;

	(void)loop;
	(void)revents;
	for (n = notices_take(mb); n != NULL; n = next) {
		/* Once the bits are taken it may be raised again. */
		next = n->next;
		bits = atomic_exchange(&n->bits, 0);
		if (n->fn != NULL)
			n->fn(n, bits);
	}
	mailbox_end_turn(mb);
}

void
mailbox_forget_desk(struct mailbox *mb)
{
	struct desk	*d = mb->desk;

	mailbox_async_cb(mb->loop, &mb->async, 0);
	mb->desk = NULL;
	desk_free(d);
}

void
mailbox_more(struct mailbox *mb)
{
	mb->more = 1;
	ev_idle_start(mb->loop, &mb->idle);
}

static void
mailbox_idle_cb(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/*
 * What was left over in nng messages and assemblies.  A handler may take links
 * down, which moves them to another list: then the rest waits for a turn.
 */
static void
mailbox_read_rest(struct mailbox *mb)
{
	struct link	*l;

	mb->moved = 0;
	TAILQ_FOREACH(l, &mb->links, all) {
		if (l->in != NULL || l->assembly.whole)
			link_read(l);
		if (mb->moved) {
			mailbox_more(mb);
			return;
		}
	}
}

/* Whether the loop should poll once more instead of sleeping. */
static int
mailbox_spins(struct mailbox *mb)
{
	return mb->spin.us != 0 && !TAILQ_EMPTY(&mb->lanes) &&
	    (mb->hooks.expects == NULL || mb->hooks.expects(mb->arg)) &&
	    spin_again(&mb->spin, mono_now());
}

static void
mailbox_check_cb(struct ev_loop *loop, ev_check *w, int revents)
{
	struct mailbox	*mb = w->data;
	struct link	*l;
	int		 more = mb->more;
	mono_t		 now = { 0 };

	(void)revents;
	if (mb->spin.us != 0)
		spin_back(&mb->spin, now = mono_now());
	mb->more = 0;
	ev_idle_stop(loop, &mb->idle);
	/* A link that goes down meanwhile leaves the list, but not memory. */
	TAILQ_FOREACH(l, &mb->lanes, laned) {
		lane_awake(l->lane);
		link_read(l);
	}
	if (more)
		mailbox_read_rest(mb);
	if (mb->spin.us != 0)
		spin_looked(&mb->spin, (unsigned)mb->taken, mb->sent, now);
	mb->sent = 0;
	mailbox_end_turn(mb);
}

static void
mailbox_bell_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	uint64_t	rung;

	(void)loop;
	(void)revents;
	/* Only silences it: the lanes are looked at in every turn. */
	if (read(w->fd, &rung, sizeof(rung)) == -1 && errno != EAGAIN)
		fatal("mailbox: read the bell");
}

void
mailbox_flush(struct mailbox *mb)
{
	struct link	*l, *next;

	TAILQ_FOREACH(l, &mb->lanes, laned)
		link_flush(l);
	for (l = TAILQ_FIRST(&mb->unsent); l != NULL; l = next) {
		next = TAILQ_NEXT(l, unsent);
		link_flush(l);
	}
}

/* Takes the broken links down.  The owner may take others down meanwhile. */
static void
mailbox_give_up(struct mailbox *mb)
{
	struct link	*l;

	mb->breaks = 0;
again:
	TAILQ_FOREACH(l, &mb->links, all) {
		if (l->broken) {
			link_go_down(l, 1, l->why);
			goto again;
		}
	}
}

static void
mailbox_bury(struct mailbox *mb)
{
	struct link	*l, *next;

	for (l = TAILQ_FIRST(&mb->dead); l != NULL; l = next) {
		next = TAILQ_NEXT(l, all);
		link_free_dead(l);
	}
}

/* Under load a look is enough: nothing is written, no peer has to ring. */
static int
mailbox_may_sleep(struct mailbox *mb)
{
	struct link	*l;

	TAILQ_FOREACH(l, &mb->lanes, laned)
		if (lane_holds(l->lane) && link_readable(l))
			return 0;
	TAILQ_FOREACH(l, &mb->lanes, laned)
		if (!link_may_sleep(l) ||
		    (link_readable(l) && !lane_sleep(l->lane)))
			return 0;
	return 1;
}

static void
mailbox_prepare_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct mailbox	*mb = w->data;

	(void)loop;
	(void)revents;
	if (mb->breaks) {
		mailbox_give_up(mb);
		mailbox_more(mb);	/* the owner may have more to send */
	}
	mailbox_flush(mb);
	if (!TAILQ_EMPTY(&mb->dead))
		mailbox_bury(mb);
	if (mailbox_spins(mb)) {
		/* One of our own threads may be what is waited for. */
		(void)sched_yield();
		ev_idle_start(loop, &mb->idle);
	} else if (!mailbox_may_sleep(mb))
		mailbox_more(mb);
}

/* Many sockets hang in nng_close, or one for long: see link.h. */
static int
mailbox_is_wedged(const struct mailbox *mb, mono_t now)
{
	struct link	*l;

	if (mb->closing == 0 ||
	    mono_diff(mb->closing_since, now) < LINK_WEDGED_US)
		return 0;
	if (mb->closing >= LINK_WEDGED)
		return 1;
	TAILQ_FOREACH(l, &mb->dead, all)
		if (l->socket == LINK_CLOSING &&
		    mono_diff(l->since, now) >= LINK_WEDGED_US)
			return mb->desk != NULL && !desk_admits(mb);
	return 0;
}

static void
mailbox_look_wedged(struct mailbox *mb, mono_t now)
{
	if (mb->wedged || !mailbox_is_wedged(mb, now))
		return;
	mb->wedged = 1;
	log_warnx("mailbox: nng cannot close %u sockets", mb->closing);
	if (mb->hooks.wedged != NULL)
		mb->hooks.wedged(mb->arg);
}

static void
mailbox_timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct mailbox	*mb = w->data;
	struct link	*l;
	mono_t		 now = mono_now();

	(void)loop;
	(void)revents;
	TAILQ_FOREACH(l, &mb->links, all) {
		link_check_time(l, now);
		link_check_peer(l);
	}
	mailbox_look_wedged(mb, now);
	if (mb->desk != NULL)
		desk_tick(mb->desk, now);
}

static void
mailbox_start(struct mailbox *mb)
{
	struct ev_loop	*loop = mb->loop;

	ears_init(mb);
	ev_io_init(&mb->bell, mailbox_bell_cb, mb->conf.bell, EV_READ);
	ev_prepare_init(&mb->prepare, mailbox_prepare_cb);
	ev_check_init(&mb->check, mailbox_check_cb);
	ev_idle_init(&mb->idle, mailbox_idle_cb);
	ev_async_init(&mb->async, mailbox_async_cb);
	ev_timer_init(&mb->timer, mailbox_timer_cb, TICK, TICK);
	mb->bell.data = mb->prepare.data = mb->check.data = mb->idle.data =
	    mb->async.data = mb->timer.data = mb;
	/* After everybody else's prepare, which may still send. */
	ev_set_priority(&mb->prepare, EV_MINPRI);
	ev_async_start(loop, &mb->async);
	ev_prepare_start(loop, &mb->prepare);
	ev_check_start(loop, &mb->check);
	ev_timer_start(loop, &mb->timer);
	if (mb->conf.bell != -1)
		ev_io_start(loop, &mb->bell);
}

struct mailbox *
mailbox_new(struct ev_loop *loop, const struct mailbox_conf *conf,
    const struct mailbox_hooks *hooks, void *arg)
{
	struct mailbox	*mb = calloc(1, sizeof(*mb));
	unsigned	 i;

	if (mb == NULL)
		fatal("mailbox: memory");
	mb->loop = loop;
	mb->conf = *conf;
	mb->hooks = *hooks;
	mb->arg = arg;
	spin_init(&mb->spin, conf->spin_us);
	if (mb->conf.batch == 0)
		mb->conf.batch = 1;
	TAILQ_INIT(&mb->links);
	TAILQ_INIT(&mb->lanes);
	TAILQ_INIT(&mb->unsent);
	TAILQ_INIT(&mb->dead);
	for (i = 0; i < LINK_BUCKETS; i++)
		SLIST_INIT(&mb->buckets[i]);
	atomic_init(&mb->notices, NULL);
	/* nng sets a socket's mode only after it has bound it. */
	umask(077);
	if (conf->bell != -1)
		fcntl(conf->bell, F_SETFL,
		    fcntl(conf->bell, F_GETFL) | O_NONBLOCK);
	mailbox_start(mb);
	return mb;
}

static void
mailbox_stop(struct mailbox *mb)
{
	struct ev_loop	*loop = mb->loop;

	ears_free(mb);
	ev_io_stop(loop, &mb->bell);
	ev_prepare_stop(loop, &mb->prepare);
	ev_check_stop(loop, &mb->check);
	ev_idle_stop(loop, &mb->idle);
	ev_timer_stop(loop, &mb->timer);
	/* Last: until the sockets were closed nng's threads use it. */
	ev_async_stop(loop, &mb->async);
}

void
mailbox_free(struct mailbox *mb)
{
	struct link	*l;
	unsigned	 i;

	if (mb == NULL)
		return;
	mailbox_flush(mb);
	if (mb->wedged)
		return;		/* nng would not let us; the process ends */
	if (mb->desk != NULL && !desk_close(mb->desk))
		return;
	while ((l = TAILQ_FIRST(&mb->links)) != NULL)
		link_go_down(l, 0, "the mailbox closes");
	mailbox_bury(mb);
	for (i = 0; !TAILQ_EMPTY(&mb->dead) && i < CLOSE_PATIENCE; i++) {
		usleep(1000);
		mailbox_async_cb(mb->loop, &mb->async, 0);
		mailbox_bury(mb);
	}
	if (mb->desk != NULL)
		mailbox_forget_desk(mb);
	mailbox_stop(mb);
	/* A socket that nng cannot close still knows its link and us. */
	if (TAILQ_EMPTY(&mb->dead))
		free(mb);
}
