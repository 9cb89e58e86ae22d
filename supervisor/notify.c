/*
 * notify.c: the state of the tree for the service manager; see notify.h.
 * Runs in wharfd's loop.  It only looks: a timer compares what is with what
 * was told, so nobody else has to know that a service manager exists.
 *
 * Invariants
 * 1 READY=1 is told when every actor is READY and every worker has its link
 *   to every store and router: from then on /status.html answers "ok".
 * 2 What could not be sent counts as not told, and is told at the next look.
 * 3 More time is asked for only because of new PROGRESS, and as much as the
 *   vigil gives the child; a child that dies again and again gets none, so
 *   that a start which cannot succeed ends.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "supervisor/notify.h"

#define LOOK_S		0.25		/* seconds between two looks */
#define EXTEND_EVERY	5000000		/* usec between two EXTEND_TIMEOUT */
#define EXTEND_BY	(VIGIL_PROGRESS + 10000000)	/* usec */
#define TEXT_MAX	512		/* bytes of all lines */

struct notify {
	const struct systemd	*sd;
	const struct tree	*tree;
	ev_timer		 look, feed;
	ev_prepare		 stop;
	int			 ready, stopping;	/* told */
	int			 reloaded;		/* to be told */
	mono_t			 extended;
	char			 status[TEXT_MAX];	/* told */
};

/* What is */

static unsigned
group_count(const struct group *g, enum child_state state)
{
	unsigned	i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->c[i].v.state == state;
	return n;
}

static int
tree_answers(const struct tree *t)
{
	const struct group	*w = &t->group[TREE_WORKERS];
	unsigned		 i;
	int			 k;

	for (k = 0; k < TREE_GROUPS; k++)
		if (group_count(&t->group[k], CHILD_READY) < t->group[k].n)
			return 0;
	for (i = 0; i < w->n; i++)
		if (board_get(w->c[i].board, BC_LINKS) <
		    (int64_t)t->group[TREE_STORES].n +
		    (int64_t)t->group[TREE_ROUTERS].n)
			return 0;
	return 1;
}

/* When a child that starts or stops last made progress; .us 0: none does. */
static mono_t
tree_moved(const struct tree *t)
{
	const struct child	*c;
	mono_t			 last = { 0 };
	unsigned		 i;
	int			 k;

	for (k = 0; k < TREE_GROUPS; k++) {
		for (i = 0; i < t->group[k].n; i++) {
			c = &t->group[k].c[i];
			if (c->progress != 0 && c->brake.pause == 0 &&
			    (c->v.state == CHILD_STARTING ||
			    c->v.state == CHILD_STOPPING) &&
			    mono_diff(last, c->v.moved) > 0)
				last = c->v.moved;
		}
	}
	return last;
}

/* What is wrong with an actor, or NULL. */
static const char *
child_trouble(const struct child *c)
{
	if (c->v.state != CHILD_READY)
		return child_state_name(c);
	if ((c->from & (FROM_STORE | FROM_ROUTER)) == 0)
		return NULL;
	switch (board_get(c->board, BC_STATE)) {
	case BOARD_READONLY:
		return "read-only: its log could not be written";
	case BOARD_NOSPACE:
		return "takes no writes: no space";
	}
	return NULL;
}

static void
add(char *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add(char *text, const char *fmt, ...)
{
	size_t	n = strlen(text);
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text + n, TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

static void
status_addresses(const struct listen_set *l, char *text)
{
	unsigned	i;

	for (i = 0; i < l->naddr; i++)
		add(text, "%s %s on %s", i > 0 ? "," : "",
		    listen_name(l->addr[i].kind), l->addr[i].text);
}

/* "STATUS=1 of 2 stores, 2 of 2 workers ready; store.1 starting" */
static void
status_text(const struct tree *t, char *text)
{
	const struct group	*s = &t->group[TREE_STORES];
	const struct group	*w = &t->group[TREE_WORKERS];
	unsigned		 i, n = 0;
	const char		*why;
	int			 k;

	snprintf(text, TEXT_MAX, "STATUS=%s%u of %u stores, %u of %u workers "
	    "ready", t->stopping ? "stopping; " : "",
	    group_count(s, CHILD_READY), s->n,
	    group_count(w, CHILD_READY), w->n);
	for (k = 0; k < TREE_GROUPS; k++) {
		for (i = 0; i < t->group[k].n; i++) {
			why = child_trouble(&t->group[k].c[i]);
			if (why != NULL && n++ < 8)
				add(text, "; %s %s", t->group[k].c[i].name,
				    why);
		}
	}
	if (n == 0) {
		add(text, ";");
		status_addresses(t->listen, text);
	}
}

/* What is told */

static int
tell(const struct notify *n, const char *lines)
{
	return systemd_notify(n->sd, lines);
}

static void
tell_status(struct notify *n)
{
	char	text[TEXT_MAX];

	status_text(n->tree, text);
	if (strcmp(text, n->status) != 0 && tell(n, text) == 0)
		memcpy(n->status, text, sizeof(text));
}

static void
tell_ready(struct notify *n)
{
	if (!n->ready && !n->tree->stopping && tree_answers(n->tree) &&
	    tell(n, "READY=1") == 0)
		n->ready = 1;
	if (n->reloaded && tell(n, "READY=1") == 0)
		n->reloaded = 0;
}

static void
tell_stopping(struct notify *n)
{
	if (n->tree->stopping && !n->stopping && tell(n, "STOPPING=1") == 0)
		n->stopping = 1;
}

static void
tell_extend(struct notify *n)
{
	mono_t	now = mono_now(), moved;
	char	text[64];

	if ((n->ready && !n->tree->stopping) ||
	    mono_diff(n->extended, now) < EXTEND_EVERY)
		return;
	moved = tree_moved(n->tree);
	if (mono_diff(n->extended, moved) <= 0)
		return;
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld",
	    (long long)EXTEND_BY);
	if (tell(n, text) == 0)
		n->extended = now;
}

void
notify_reloading(struct notify *n)
{
	char	text[128];

	if (n == NULL || !n->ready || n->tree->stopping)
		return;
	/* CLOCK_MONOTONIC, as mono_now has it. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)mono_now().us);
	n->reloaded = tell(n, text) == 0;
}

void
notify_reloaded(struct notify *n)
{
	if (n != NULL)
		tell_ready(n);
}

/* When */

static void
on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct notify	*n = w->data;

	(void)loop, (void)revents;
	tell_ready(n);
	tell_status(n);
	tell_extend(n);
}

/* The loop turns; that is all there is to say. */
static void
on_feed(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	(void)tell(w->data, "WATCHDOG=1");
}

/* A stop can be over before the next look. */
static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop, (void)revents;
	tell_stopping(w->data);
}

struct notify *
notify_new(const struct systemd *sd, const struct tree *t)
{
	struct notify	*n;
	double		 half = (double)sd->watchdog / 2e6;

	if (sd->sock == -1)
		return NULL;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		fatal("notify");
	n->sd = sd;
	n->tree = t;
	ev_timer_init(&n->look, on_look, 0., LOOK_S);
	ev_timer_init(&n->feed, on_feed, half, half);
	ev_prepare_init(&n->stop, on_prepare);
	n->look.data = n->feed.data = n->stop.data = n;
	ev_timer_start(t->loop, &n->look);
	if (sd->watchdog > 0)
		ev_timer_start(t->loop, &n->feed);
	ev_prepare_start(t->loop, &n->stop);
	return n;
}

void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	tell_stopping(n);
	ev_timer_stop(n->tree->loop, &n->look);
	ev_timer_stop(n->tree->loop, &n->feed);
	ev_prepare_stop(n->tree->loop, &n->stop);
	free(n);
}
