/*
 * link.c: birth, HELLO and death of a link.
 *
 * Runs on the loop thread of every actor.  Nothing here is fatal: a link that
 * does not come up or misbehaves goes down, and the supervisor is told by the
 * owner.  A link that is down stays in memory until the loop is about to
 * sleep, so that callers further up the stack may still look at it.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/desk.h"
#include "proto/link.h"
#include "proto/msg_link.h"
#include "supervisor/log.h"

static struct link_bucket *
link_bucket(struct mailbox *mb, uint64_t id)
{
	return &mb->buckets[id % LINK_BUCKETS];
}

static const char *
link_role_name(const struct link *l)
{
	switch (l->offer.from) {
	case FROM_WORKER:
		return "worker";
	case FROM_STORE:
		return "store";
	case FROM_ROUTER:
		return "router";
	case FROM_CLIENT:
		return "client";
	default:
		return "stranger";
	}
}

struct link *
link_new(struct mailbox *mb, const struct link_offer *o)
{
	struct link	*l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->mb = mb;
	l->offer = *o;
	l->fds = LANE_FDS_NONE;
	l->since = mono_now();
	notice_init(&l->notice, mb, link_on_notice);
	TAILQ_INSERT_TAIL(&mb->links, l, all);
	SLIST_INSERT_HEAD(link_bucket(mb, o->id), l, bucket);
	return l;
}

void
link_is_client(struct link *l)
{
	l->client = 1;
	l->mb->clients++;
}

void
lane_fds_close(struct lane_fds *f)
{
	if (f->lane != -1)
		close(f->lane);
	if (f->bell != -1)
		close(f->bell);
	if (f->ear != -1)
		close(f->ear);
	*f = LANE_FDS_NONE;
}

/* Maps the lane; the descriptors are the link's. */
static enum err
link_take_lane(struct link *l, const struct lane_fds *fds)
{
	l->fds = *fds;
	l->lane = lane_map(fds->lane, l->offer.dial ? LANE_A : LANE_B);
	close(fds->lane);
	l->fds.lane = -1;
	if (l->lane == NULL) {
		log_warn("link %llu: map its lane",
		    (unsigned long long)l->offer.id);
		return E_INTERNAL;
	}
	if (lane_frame_max(l->lane) < 2 * FRAME_KEY + FRAME_NAME) {
		log_warnx("link %llu: its lane is too small for a name and a key",
		    (unsigned long long)l->offer.id);
		return E_INTERNAL;
	}
	/* A full counter, or pipe, must not stop us. */
	fcntl(fds->bell, F_SETFL, fcntl(fds->bell, F_GETFL) | O_NONBLOCK);
	return l->client ? ears_add(l) : E_OK;
}

static void
link_forget(struct link *l)
{
	struct mailbox	*mb = l->mb;

	if (l->state == LINK_UP && l->lane != NULL)
		TAILQ_REMOVE(&mb->lanes, l, laned);
	if (l->is_unsent)
		TAILQ_REMOVE(&mb->unsent, l, unsent);
	l->is_unsent = 0;
	if (l->client)
		mb->clients--;
	/* Its client hears of it even if nng cannot close the socket. */
	if (l->client) {
		ears_drop(l);
		lane_fds_close(&l->fds);
	}
	SLIST_REMOVE(link_bucket(mb, l->offer.id), l, link, bucket);
	TAILQ_REMOVE(&mb->links, l, all);
	TAILQ_INSERT_TAIL(&mb->dead, l, all);
	mb->moved = 1;
	l->state = LINK_DOWN;
}

enum err
mailbox_offer(struct mailbox *mb, const struct link_offer *o,
    const struct lane_fds *given)
{
	int		 client = o->from == FROM_CLIENT;
	struct lane_fds	 fds = *given;
	struct link	*l = NULL;
	enum err	 e = E_OK;

	if (client && !desk_admits(mb))
		e = E_FULL;
	else if ((l = link_new(mb, o)) == NULL)
		e = E_NOMEM;
	else if (client)
		link_is_client(l);
	if (e == E_OK && mb->conf.lanes && fds.lane != -1)
		e = link_take_lane(l, &fds);
	else
		lane_fds_close(&fds);
	if (e == E_OK)
		e = client ? desk_open_link(mb->desk, l) :
		    link_nng_open(l, 0600);
	if (e != E_OK && l != NULL)
		link_forget(l);
	return e;
}

void
mailbox_unlink(struct mailbox *mb, uint64_t id)
{
	struct link	*l = link_find(mb, id);

	if (l != NULL)
		link_go_down(l, 0, "told to");
}

struct link *
link_find(struct mailbox *mb, uint64_t id)
{
	struct link	*l;

	SLIST_FOREACH(l, link_bucket(mb, id), bucket)
		if (l->offer.id == id)
			return l;
	return NULL;
}

void
link_break(struct link *l, const char *why)
{
	if (l->broken || l->state == LINK_DOWN)
		return;
	l->broken = 1;
	l->why = why;
	l->mb->breaks = 1;
	mailbox_more(l->mb);
}

void
link_go_down(struct link *l, int broken, const char *why)
{
	struct mailbox	*mb = l->mb;
	int		 was_up = l->state == LINK_UP;

	if (l->state == LINK_DOWN)
		return;
	log_debug("link %llu to %s.%u down: %s",
	    (unsigned long long)l->offer.id, link_role_name(l), l->offer.seat,
	    why);
	link_forget(l);
	/* Of a client that never came up the owner has not heard. */
	if (mb->hooks.down != NULL && (was_up || !l->client))
		mb->hooks.down(mb->arg, l, broken && !l->client, why);
}

int
link_free_dead(struct link *l)
{
	if (l->socket == LINK_OPEN)
		link_nng_close(l);
	/* nng is silent when it is closed; a notice may still be on the stack. */
	if (l->socket != LINK_GONE || atomic_load(&l->notice.bits) != 0)
		return 0;
	lane_unmap(l->lane);
	lane_fds_close(&l->fds);
	outq_free(&l->hello);
	outq_free(&l->out);
	assembly_free(l);
	TAILQ_REMOVE(&l->mb->dead, l, all);
	free(l);
	return 1;
}

/* Says HELLO, or answers the one that was asked. */
static void
link_say_hello(struct link *l, const struct frame *asked, enum err status)
{
	const struct mailbox_conf	*c = &l->mb->conf;
	uint8_t				 buf[HELLO_MAX];
	struct frame			 f;
	struct hello			 h = {
		.version = LINK_VERSION,
		.role = (uint8_t)__builtin_ctz(c->role),
		.seat = (uint16_t)c->seat,
		.inc = c->inc,
		.link = l->offer.id,
		.lane = l->lane != NULL
	};

	memset(&f, 0, sizeof(f));
	f.msg = MSG_HELLO;
	f.flags = asked != NULL ? FRAME_REPLY : 0;
	f.status = (uint16_t)status;
	f.id = asked != NULL ? asked->id : l->offer.id;
	f.from = c->inc;
	f.to = l->offer.peer_inc;
	f.val = buf;
	f.vallen = f.vtotal = (uint32_t)hello_put(buf, sizeof(buf), &h);
	link_send_hello(l, &f);
}

static int
hello_matches(const struct link *l, const struct hello *h)
{
	const struct link_offer	*o = &l->offer;

	if (h->link != o->id || h->role != __builtin_ctz(o->from) ||
	    h->lane != (l->lane != NULL))
		return 0;
	return l->client || (h->seat == o->seat && h->inc == o->peer_inc);
}

static void
link_up(struct link *l)
{
	struct mailbox	*mb = l->mb;

	l->state = LINK_UP;
	if (l->lane != NULL) {
		TAILQ_INSERT_TAIL(&mb->lanes, l, laned);
		mailbox_more(mb);	/* the peer may have written already */
	}
	log_debug("link %llu to %s.%u up", (unsigned long long)l->offer.id,
	    link_role_name(l), l->offer.seat);
	if (mb->hooks.up != NULL)
		mb->hooks.up(mb->arg, l);
}

void
link_on_hello(struct link *l, const struct frame *f, int ours)
{
	struct hello	h;
	int		is_answer = (f->flags & FRAME_REPLY) != 0;

	if (!ours || is_answer != l->offer.dial || f->status != E_OK ||
	    f->vallen != f->vtotal || msg_check(f, l->offer.from) != E_OK ||
	    hello_get(&h, f->val, f->vallen) != E_OK || !hello_matches(l, &h)) {
		if (!is_answer)
			link_say_hello(l, f, E_DENIED);
		link_refuse(l, f, E_DENIED);
		link_break(l, "its HELLO is not the one awaited");
		return;
	}
	if (l->client && l->state == LINK_OFFERED) {
		l->offer.peer_inc = h.inc;
		l->offer.seat = h.seat;
	}
	/* A dialler whose first pipe broke says it again. */
	if (!is_answer)
		link_say_hello(l, f, E_OK);
	if (l->state == LINK_OFFERED)
		link_up(l);
}

void
link_on_pipe(struct link *l)
{
	int	pipe = atomic_load(&l->pipe);

	if (pipe != 0 && l->offer.dial && l->state == LINK_OFFERED)
		link_say_hello(l, NULL, E_OK);
	if (pipe == 0 && l->state == LINK_UP) {
		link_read_rest(l);
		link_go_down(l, 1, "its end of the socket was closed");
	}
}

void
link_check_peer(struct link *l)
{
	int	pid = atomic_load(&l->peer_pid);

	if (l->client && l->state == LINK_UP && l->lane == NULL && pid > 0 &&
	    kill(pid, 0) == -1 && errno == ESRCH)
		link_break(l, "its process has ended");
}

unsigned
link_from(const struct link *l)
{
	return l->offer.from;
}

unsigned
link_seat(const struct link *l)
{
	return l->offer.seat;
}

int
link_dials(const struct link *l)
{
	return l->offer.dial;
}

unsigned
link_uid(const struct link *l)
{
	return atomic_load(&l->peer_uid);
}

uint64_t
link_id(const struct link *l)
{
	return l->offer.id;
}

void *
link_data(const struct link *l)
{
	return l->data;
}

void
link_set_data(struct link *l, void *data)
{
	l->data = data;
}
