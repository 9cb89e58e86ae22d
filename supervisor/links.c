/*
 * links.c: who has which link; see links.h.  Runs in wharfd.
 *
 * Each link has a number and an nng path of its own that is never used again
 * while this wharfd lives, and a lane (memory made here, closed here once both
 * ends have it).  What cannot be made now is tried again after a pause.
 */
#include <sys/eventfd.h>

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/lane.h"
#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "supervisor/links.h"

#define CLIENT_RING	(512u << 10)	/* bytes: there may be many clients */
#define PAUSE_FIRST	50000		/* usec */
#define PAUSE_MOST	5000000		/* usec */
#define SETTLED		10000000	/* usec: lived that long, no repetition */

struct pair {
	struct links	*links;
	struct child	*dial, *listen;
	uint64_t	 id;		/* 0: no link */
	mono_t		 made;
	int64_t		 pause;
	ev_timer	 again;
};

struct links {
	struct ev_loop		*loop;
	struct links_conf	 conf;
	uint64_t		 last_id;
	unsigned		 n;
	struct pair		*pairs;
};

static void
pair_path(const struct pair *p, char path[LINK_PATH_MAX])
{
	snprintf(path, LINK_PATH_MAX, "%s/l.%llu", p->links->conf.run,
	    (unsigned long long)p->id);
}

static void
pair_offer(const struct pair *p, struct child *to, struct child *peer, int dial,
    int memfd)
{
	uint8_t			buf[256];
	struct link_offer	o = { .id = p->id, .from = peer->from,
	    .seat = peer->seat, .peer_inc = peer->inc, .peer_pid = peer->pid,
	    .dial = (uint8_t)dial };
	struct frame		f = { .msg = MSG_LANE };
	int			fds[2] = { memfd, peer->bell };

	pair_path(p, o.path);
	f.val = buf;
	f.vallen = (uint32_t)link_offer_put(buf, sizeof(buf), &o);
	assert(f.vallen > 0);
	child_send(to, &f, fds, memfd == -1 ? 0 : 2);
}

static void
pair_retry(struct pair *p)
{
	int64_t	lived = mono_diff(p->made, mono_now());

	if (p->pause == 0 || lived > SETTLED)
		p->pause = PAUSE_FIRST;
	else if ((p->pause *= 2) > PAUSE_MOST)
		p->pause = PAUSE_MOST;
	ev_now_update(p->links->loop);
	ev_timer_stop(p->links->loop, &p->again);
	ev_timer_set(&p->again, (double)p->pause / 1e6, 0.);
	ev_timer_start(p->links->loop, &p->again);
}

static void
pair_make(struct pair *p)
{
	size_t	ring = p->links->conf.ring;
	int	memfd = -1;

	ev_timer_stop(p->links->loop, &p->again);
	if (p->id != 0 || p->dial->v.state != CHILD_READY ||
	    p->listen->v.state != CHILD_READY)
		return;
	p->made = mono_now();
	if (ring > 0 && (memfd = lane_create(ring)) == -1) {
		log_warn("lane for %s and %s", p->dial->name, p->listen->name);
		pair_retry(p);
		return;
	}
	p->id = ++p->links->last_id;
	log_debug("link %llu: %s to %s", (unsigned long long)p->id,
	    p->dial->name, p->listen->name);
	pair_offer(p, p->listen, p->dial, 0, memfd);
	pair_offer(p, p->dial, p->listen, 1, memfd);
	if (memfd != -1)
		close(memfd);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	pair_make(w->data);
}

/* Tells both ends; the one that is dead does not hear it. */
static void
pair_drop(struct pair *p)
{
	struct frame	f = { .msg = MSG_UNLINK, .id = p->id };
	char		path[LINK_PATH_MAX];

	ev_timer_stop(p->links->loop, &p->again);
	if (p->id == 0)
		return;
	child_send(p->dial, &f, NULL, 0);
	child_send(p->listen, &f, NULL, 0);
	/* A listener that was killed has left its socket. */
	pair_path(p, path);
	unlink(path);
	p->id = 0;
}

void
links_client_close(struct links_client *c)
{
	unsigned	i;

	for (i = 0; i < CLIENT_FDS; i++) {
		if (c->fds[i] != -1)
			close(c->fds[i]);
		c->fds[i] = -1;
	}
}

/* Also the actor's: memory, the pipe to the client, the client's eventfd. */
static enum err
client_make(struct links_client *c, int actor[CLIENT_FDS])
{
	int	ring[2] = { -1, -1 };

	c->fds[0] = lane_create(CLIENT_RING);
	c->fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fds[0] == -1 || c->fds[2] == -1 ||
	    pipe2(ring, O_CLOEXEC | O_NONBLOCK) == -1) {
		c->fds[1] = -1;
		links_client_close(c);
		return E_NOMEM;
	}
	c->fds[1] = ring[0];
	actor[0] = c->fds[0];
	actor[1] = ring[1];
	actor[2] = c->fds[2];
	return E_OK;
}

enum err
links_client(struct links *l, struct child *to, int32_t pid,
    struct links_client *c)
{
	uint8_t			buf[256];
	struct link_offer	o = { .from = FROM_CLIENT, .peer_pid = pid };
	struct frame		f = { .msg = MSG_LANE };
	enum err		e;
	int			fds[CLIENT_FDS], n;

	if (to->v.state != CHILD_READY)
		return E_NOTREADY;
	if (to->nout > 0)
		return E_AGAIN;		/* its queue is for its own links */
	if ((e = client_make(c, fds)) != E_OK)
		return e;
	o.id = c->id = ++l->last_id;
	n = snprintf(o.path, sizeof(o.path), "%s/c.%u.%u.l%llu", l->conf.run,
	    to->seat, to->inc, (unsigned long long)o.id);
	assert(n > 0 && (size_t)n < sizeof(o.path));
	memcpy(c->path, o.path, sizeof(c->path));
	f.val = buf;
	f.vallen = (uint32_t)link_offer_put(buf, sizeof(buf), &o);
	assert(f.vallen > 0);
	child_send(to, &f, fds, CLIENT_FDS);
	close(fds[1]);
	return E_OK;
}

void
links_ready(struct links *l, struct child *c)
{
	unsigned	i;

	for (i = 0; i < l->n; i++)
		if (l->pairs[i].dial == c || l->pairs[i].listen == c)
			pair_make(&l->pairs[i]);
}

void
links_gone(struct links *l, struct child *c)
{
	unsigned	i;

	for (i = 0; i < l->n; i++)
		if (l->pairs[i].dial == c || l->pairs[i].listen == c)
			pair_drop(&l->pairs[i]);
}

void
links_broken(struct links *l, uint64_t id)
{
	unsigned	i;

	for (i = 0; i < l->n; i++) {
		if (id == 0 || l->pairs[i].id != id)
			continue;
		log_info("link %llu between %s and %s is broken, renewing it",
		    (unsigned long long)id, l->pairs[i].dial->name,
		    l->pairs[i].listen->name);
		pair_drop(&l->pairs[i]);
		pair_retry(&l->pairs[i]);
		return;
	}
}

static void
links_pairs(struct links *l, const struct child_set *dial,
    const struct child_set *listen)
{
	struct pair	*p;
	unsigned	 i, j;

	for (i = 0; i < dial->n; i++) {
		for (j = 0; j < listen->n; j++) {
			if (&dial->c[i] == &listen->c[j])
				continue;
			p = &l->pairs[l->n++];
			p->links = l;
			p->dial = &dial->c[i];
			p->listen = &listen->c[j];
			ev_timer_init(&p->again, on_again, 0., 0.);
			p->again.data = p;
		}
	}
}

struct links *
links_new(struct ev_loop *loop, const struct links_conf *conf)
{
	struct links	*l = calloc(1, sizeof(*l));
	unsigned	 k, listen = 0;

	for (k = 0; k < LINKS_KINDS; k++)
		listen += conf->listen[k].n;
	if (l == NULL || (l->pairs = calloc(conf->dial.n * listen +
	    conf->mesh.n * conf->mesh.n + 1, sizeof(*l->pairs))) == NULL) {
		free(l);
		return NULL;
	}
	l->loop = loop;
	l->conf = *conf;
	for (k = 0; k < LINKS_KINDS; k++)
		links_pairs(l, &conf->dial, &conf->listen[k]);
	links_pairs(l, &conf->mesh, &conf->mesh);
	return l;
}

void
links_free(struct links *l)
{
	unsigned	i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n; i++)
		pair_drop(&l->pairs[i]);
	free(l->pairs);
	free(l);
}
