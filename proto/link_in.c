/*
 * link_in.c: the way in: frames from the lane or from an nng message, checked,
 * put together where they are pieces, handed to the owner one by one.
 *
 * A malformed frame breaks the link: what follows it cannot be trusted.  A
 * well-formed frame that may not be (wrong sender, limits, incarnation) is
 * answered and counted, and the link goes on.
 *
 * Pieces of one value follow one another with nothing between, the first with
 * table and key and offset 0, the others without.  So a link has one assembly,
 * and a piece that is out of place breaks the link.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/link.h"

#define ASSEMBLY_IDLE_US	10000000	/* then the value is given up */
#define REST_MAX		65536		/* frames of a dead peer's lane */

#define HELLO_PILE	(64u << 10)	/* bytes of answers to HELLO waiting */
/*
 * Frames of a program outside per turn: the first ones go to the log, and their
 * answers out, while the later ones are still being taken (a PUT with 64 in
 * flight: 1.14 times as fast as with 256).  Workers gather theirs themselves.
 */
#define CLIENT_BATCH	24u

/* What became of a frame: gone, or to be shown again after link_resume. */
enum take { KEPT, TAKEN };

int
link_readable(const struct link *l)
{
	if (l->state == LINK_DOWN || l->paused || l->broken)
		return 0;
	/* It asks faster than it fetches its answers. */
	if (l->hello.bytes > HELLO_PILE)
		return 0;
	return !l->answers || l->out.bytes <= l->mb->conf.out_max;
}

void
link_refuse(struct link *l, const struct frame *f, enum err e)
{
	struct mailbox	*mb = l->mb;

	if (mb->hooks.reject != NULL)
		mb->hooks.reject(mb->arg, l, e);
	if ((f->flags & FRAME_REPLY) == 0 && f->voff == 0)
		link_reply(l, f->msg, f->id, e, NULL);
}

static void
link_garbage(struct link *l, const char *why)
{
	struct mailbox	*mb = l->mb;

	if (mb->hooks.reject != NULL)
		mb->hooks.reject(mb->arg, l, E_BADMSG);
	link_break(l, why);
}

/* Gives the owner a whole message. */
static enum take
link_deliver(struct link *l, const struct frame *f)
{
	struct mailbox	*mb = l->mb;
	struct msg	 m;
	enum err	 e = msg_check(f, l->offer.from);

	if (e != E_OK) {
		link_refuse(l, f, e);
		return TAKEN;
	}
	m.f = *f;
	m.link = l;
	m.from = l->offer.from;
	m.since = l->kept;
	m.nfds = 0;
	if (mb->hooks.msg(mb->arg, &m) == E_AGAIN) {
		l->paused = 1;
		if (l->kept.us == 0)
			l->kept = mono_now();
		return KEPT;
	}
	l->kept = (mono_t){ 0 };
	mb->taken++;
	return TAKEN;
}

void
assembly_free(struct link *l)
{
	struct assembly	*a = &l->assembly;

	l->mb->assembled -= a->charge;
	free(a->bytes);
	memset(a, 0, sizeof(*a));
}

/* The value is complete, or was swallowed to its end. */
static void
assembly_finish(struct link *l)
{
	struct assembly	*a = &l->assembly;
	struct frame	 f = a->f;

	if (a->bytes != NULL) {
		f.tab = a->bytes;
		f.key = f.tab + f.tablen;
		f.val = f.key + f.keylen;
		f.vallen = f.vtotal;
	} else {
		/* An answer without room: its owner must hear of it. */
		f.tablen = f.keylen = f.vallen = f.vtotal = 0;
		f.status = E_NOMEM;
	}
	a->whole = 1;
	/* A request without room was answered when its first piece came. */
	if (a->bytes == NULL && (f.flags & FRAME_REPLY) == 0)
		assembly_free(l);
	else if (link_deliver(l, &f) == TAKEN)
		assembly_free(l);
}

static void
assembly_add(struct link *l, const struct frame *f)
{
	struct assembly	*a = &l->assembly;

	if (a->bytes != NULL)
		memcpy(a->bytes + a->f.tablen + a->f.keylen + f->voff, f->val,
		    f->vallen);
	a->got = f->voff + f->vallen;
	a->last = mono_now();
	if (a->got == a->f.vtotal)
		assembly_finish(l);
}

static int
assembly_reserve(struct link *l, const struct frame *f)
{
	struct assembly	*a = &l->assembly;
	struct mailbox	*mb = l->mb;
	size_t		 n = (size_t)f->tablen + f->keylen + f->vtotal;
	size_t		 max = mb->conf.assembly_max;

	if (l->client)
		max /= 2;	/* the rest is for our own actors */
	if (n > max || mb->assembled > max - n ||
	    (a->bytes = malloc(n)) == NULL)
		return 0;
	a->charge = n;
	mb->assembled += n;
	return 1;
}

static void
assembly_begin(struct link *l, const struct frame *f)
{
	struct assembly	*a = &l->assembly;
	enum err	 e = msg_check(f, l->offer.from);

	a->active = 1;
	a->f = *f;
	if (e == E_OK && !assembly_reserve(l, f))
		e = E_FULL;
	if (e != E_OK)
		link_refuse(l, f, e);
	if (a->bytes != NULL && f->tablen != 0)
		memcpy(a->bytes, f->tab, f->tablen);
	if (a->bytes != NULL && f->keylen != 0)
		memcpy(a->bytes + f->tablen, f->key, f->keylen);
	assembly_add(l, f);
}

static int
assembly_fits(const struct assembly *a, const struct frame *f)
{
	return f->id == a->f.id && f->msg == a->f.msg &&
	    ((f->flags ^ a->f.flags) & FRAME_REPLY) == 0 &&
	    f->vtotal == a->f.vtotal && f->voff == a->got &&
	    f->tablen == 0 && f->keylen == 0;
}

static void
assembly_take(struct link *l, const struct frame *f)
{
	struct assembly	*a = &l->assembly;

	if (!a->active && f->voff == 0)
		assembly_begin(l, f);
	else if (a->active && assembly_fits(a, f))
		assembly_add(l, f);
	else
		link_garbage(l, "a piece out of place");
}

static int
link_is_ours(const struct link *l, const struct frame *f)
{
	if (f->to != 0 && f->to != l->mb->conf.inc)
		return 0;
	return f->from == 0 || l->offer.peer_inc == 0 ||
	    f->from == l->offer.peer_inc;
}

static enum take
link_take(struct link *l, const struct frame *f, int by_lane)
{
	int	ours = link_is_ours(l, f);

	if (f->msg == MSG_HELLO && !by_lane) {
		link_on_hello(l, f, ours);
		return TAKEN;
	}
	if (!ours) {
		link_refuse(l, f, E_STALE);
		return TAKEN;
	}
	if (l->state != LINK_UP || by_lane != (l->lane != NULL)) {
		link_garbage(l, "spoke out of turn");
		return TAKEN;
	}
	if (f->vallen != f->vtotal || l->assembly.active) {
		assembly_take(l, f);
		return TAKEN;
	}
	return link_deliver(l, f);
}

/* One frame of the nng message at hand; 0: nothing more for now. */
static int
link_read_nng(struct link *l)
{
	struct frame	f;
	size_t		used, n = nng_msg_len(l->in);

	if (n != 0) {
		if (frame_next(&f, nng_msg_body(l->in), n, &used) != E_OK) {
			link_garbage(l, "no frame in its message");
			return 0;
		}
		if (link_take(l, &f, 0) == KEPT)
			return 0;
		nng_msg_trim(l->in, used);
		n -= used;
	}
	if (n == 0) {
		nng_msg_free(l->in);
		l->in = NULL;
		link_nng_receive(l);
	}
	return 1;
}

static int
link_read_lane(struct link *l)
{
	const uint8_t	*p;
	struct frame	 f;
	size_t		 n;
	int		 r = lane_peek(l->lane, &p, &n);

	if (r == 0)
		return 0;
	if (r < 0 || frame_get(&f, p, n) != E_OK) {
		link_garbage(l, "its lane is damaged");
		return 0;
	}
	if (link_take(l, &f, 1) == KEPT)
		return 0;
	lane_release(l->lane);
	return 1;
}

static int
link_read_one(struct link *l)
{
	if (l->assembly.whole) {
		assembly_finish(l);
		return !l->assembly.whole;
	}
	if (l->in != NULL)
		return link_read_nng(l);
	if (l->lane != NULL && l->state == LINK_UP)
		return link_read_lane(l);
	return 0;
}

void
link_read(struct link *l)
{
	unsigned	n = l->mb->conf.batch;

	if (l->client && n > CLIENT_BATCH)
		n = CLIENT_BATCH;
	while (link_readable(l) && link_read_one(l)) {
		if (--n == 0) {
			mailbox_more(l->mb);
			return;
		}
	}
}

void
link_read_rest(struct link *l)
{
	unsigned	n = REST_MAX;

	while (n-- > 0 && link_readable(l) && link_read_one(l))
		;
}

void
link_resume(struct link *l)
{
	l->paused = 0;
	if (l->state != LINK_DOWN)
		mailbox_more(l->mb);
}

unsigned
mailbox_resume_below(struct mailbox *mb, size_t max)
{
	struct link	*l;
	unsigned	 others = 0;

	TAILQ_FOREACH(l, &mb->links, all) {
		if (!l->paused)
			continue;
		if (link_queued(l) < max)
			link_resume(l);
		else
			others++;
	}
	return others;
}

void
mailbox_resume(struct mailbox *mb)
{
	(void)mailbox_resume_below(mb, SIZE_MAX);
}

void
link_check_time(struct link *l, mono_t now)
{
	struct assembly	*a = &l->assembly;

	if (l->state == LINK_OFFERED &&
	    mono_diff(l->since, now) > LINK_HELLO_US)
		link_break(l, "no HELLO in time");
	if (!a->active)
		return;
	if (a->whole || !link_readable(l))
		a->last = now;		/* it is we who wait */
	else if (mono_diff(a->last, now) > ASSEMBLY_IDLE_US)
		link_break(l, "a value that does not go on");
}
