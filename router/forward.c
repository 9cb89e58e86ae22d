/*
 * forward.c: see forward.h.  Runs in wharf-router.
 *
 * The request id of a forward is the message's own, which no other message of
 * this router ever has: so an answer finds its message, and one that is still
 * under way is not sent twice.  An answer of a link that went down is nobody's.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "router/router.h"

#define PEERS		16u		/* as routers.count allows */
#define BUCKETS		1024u
#define BEGUN_US	10000000	/* not begun by then: it is refused */

struct sent {
	LIST_ENTRY(sent) bucket;
	uint64_t	 id, link, order;	/* order 0: none */
	size_t		 bytes;
	unsigned	 priority, seat;
	uint8_t		 fromlen, tolen;
	uint8_t		 from[QUEUE_NAME_MAX], to[QUEUE_NAME_MAX];
};

LIST_HEAD(sent_list, sent);

struct peer {
	uint64_t	 link;		/* 0: there is none */
	unsigned	 n;		/* messages under way */
	size_t		 bytes;
};

struct forwards {
	struct router	*r;
	struct peer	 peers[PEERS];
	unsigned	 n;
	struct sent_list bucket[BUCKETS];
};

/* --- the table --- */

static struct sent_list *
sent_bucket(struct forwards *fs, uint64_t id)
{
	return &fs->bucket[id * 0x9e3779b97f4a7c15u >> 32 & (BUCKETS - 1)];
}

static struct sent *
sent_find(struct forwards *fs, uint64_t id)
{
	struct sent	*s;

	LIST_FOREACH(s, sent_bucket(fs, id), bucket)
		if (s->id == id)
			return s;
	return NULL;
}

static struct sent *
sent_new(struct forwards *fs, const struct queue_forward *f, unsigned seat)
{
	struct sent	*s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->id = f->id;
	s->link = fs->peers[seat].link;
	s->bytes = f->item.n;
	s->priority = f->priority;
	s->seat = seat;
	s->fromlen = (uint8_t)f->from.n;
	s->tolen = (uint8_t)f->to.n;
	memcpy(s->from, f->from.p, f->from.n);
	memcpy(s->to, f->to.p, f->to.n);
	return s;
}

static void
sent_add(struct forwards *fs, struct sent *s)
{
	LIST_INSERT_HEAD(sent_bucket(fs, s->id), s, bucket);
	fs->peers[s->seat].n++;
	fs->peers[s->seat].bytes += s->bytes;
	fs->n++;
}

/* Tells how it ended, and forgets it. */
static void
sent_end(struct forwards *fs, struct sent *s, enum err e)
{
	struct router		*r = fs->r;
	struct queue_now	 now = router_now(r);
	uint64_t		 mark = 0;

	LIST_REMOVE(s, bucket);
	fs->peers[s->seat].n--;
	fs->peers[s->seat].bytes -= s->bytes;
	fs->n--;
	e = queue_forwarded(r->queues, (struct queue_str){ s->from,
	    s->fromlen }, s->priority, s->id, e, &now, &mark);
	moves_told(r->moves, s->order, e, mark);
	free(s);
}

/* --- out --- */

static unsigned
seat_of(const struct forwards *fs, struct queue_str name)
{
	return slot_store(slot_of(name.p, name.n), fs->r->srv.shards);
}

enum err
forward_room(struct forwards *fs, struct queue_str to, int ordered)
{
	const struct peer	*p;
	unsigned		 seat = seat_of(fs, to);

	if (seat >= PEERS || seat == fs->r->srv.actor.seat)
		return E_PARAM;
	p = &fs->peers[seat];
	if (p->link == 0 || fs->r->srv.stopping)
		return E_NOTREADY;
	return p->n < (ordered ? FORWARD_MOST : FORWARD_MOST / 2) &&
	    p->bytes < FORWARD_BYTES ? E_OK : E_FULL;
}

/* Its word has not come for long, and is waited for on. */
static enum err
send_again(struct forwards *fs, struct sent *s, const struct queue_forward *f)
{
	if (s->tolen != f->to.n || memcmp(s->to, f->to.p, f->to.n) != 0)
		return E_FULL;		/* it may be in the other one */
	if (f->ordered)
		s->order = moves_sent(fs->r->moves);
	return E_PENDING;
}

static enum err
send_frame(struct forwards *fs, const struct sent *s,
    const struct queue_forward *f)
{
	struct router	*r = fs->r;
	struct link	*l = link_find(r->srv.actor.mailbox, s->link);
	struct frame	 fr = { .msg = MSG_QUEUE_FORWARD, .id = f->id,
	    .tab = f->to.p, .tablen = (uint32_t)f->to.n, .val = f->item.p,
	    .vallen = (uint32_t)f->item.n, .ttl = f->ttl,
	    .type = (uint8_t)('0' + f->priority), .score = f->ordered != 0 };
	enum err	 e;

	fr.deadline = frame_deadline(mono_add(r->srv.now, BEGUN_US));
	if (l == NULL)
		return E_NOTREADY;
	e = link_send(l, &fr);
	return e == E_STALE ? E_NOTREADY : e;
}

enum err
forward_send(struct forwards *fs, const struct queue_forward *f)
{
	struct sent	*s = sent_find(fs, f->id);
	enum err	 e;

	if (s != NULL)
		return send_again(fs, s, f);
	if ((e = forward_room(fs, f->to, f->ordered)) != E_OK)
		return e;
	if ((s = sent_new(fs, f, seat_of(fs, f->to))) == NULL)
		return E_NOMEM;
	if ((e = send_frame(fs, s, f)) != E_OK) {
		free(s);
		return e;
	}
	if (f->ordered)
		s->order = moves_sent(fs->r->moves);
	sent_add(fs, s);
	return E_PENDING;
}

/* The delete needs room in our log: until then the link keeps the word. */
static enum err
forward_answered(struct router *r, const struct msg *m)
{
	struct sent	*s = sent_find(r->forwards, m->f.id);

	if (s == NULL || s->link != link_id(m->link))
		return E_OK;
	if (m->f.status == E_OK && shard_room(r->srv.shard,
	    slot_of(s->from, s->fromlen), ROUTER_ROOM) == E_AGAIN)
		return E_AGAIN;
	sent_end(r->forwards, s, (enum err)m->f.status);
	return E_OK;
}

/* --- in --- */

enum err
router_on_forward(struct actor *a, const struct msg *m)
{
	struct router		*r = a->self;
	struct queue_now	 now = router_now(r);
	struct queue_forward	 f = { .item = { m->f.val, m->f.vallen },
				    .ttl = m->f.ttl,
				    .ordered = m->f.score != 0 };
	uint64_t		 mark = 0;
	enum err		 e;

	if ((m->f.flags & FRAME_REPLY) != 0)
		return forward_answered(r, m);
	if ((e = router_admit(r, m, ROUTER_ROOM, &f.to)) != E_OK ||
	    (e = router_priority(m, &f.priority)) != E_OK)
		return e;
	e = queue_receive(r->queues, &f, &now, &mark);
	return router_answer(r, m, e, mark, 1);
}

/* --- links --- */

void
forwards_up(struct forwards *fs, struct link *l)
{
	if (link_from(l) == FROM_ROUTER && link_dials(l) &&
	    link_seat(l) < PEERS)
		fs->peers[link_seat(l)].link = link_id(l);
}

void
forwards_down(struct forwards *fs, struct link *l)
{
	struct sent	*s, *next;
	unsigned	 i;

	if (link_from(l) != FROM_ROUTER || link_seat(l) >= PEERS)
		return;
	if (fs->peers[link_seat(l)].link == link_id(l))
		fs->peers[link_seat(l)].link = 0;
	for (i = 0; i < BUCKETS; i++)
		for (s = LIST_FIRST(&fs->bucket[i]); s != NULL; s = next) {
			next = LIST_NEXT(s, bucket);
			if (s->link == link_id(l))
				sent_end(fs, s, E_UNSURE);
		}
}

unsigned
forwards_count(const struct forwards *fs)
{
	return fs->n;
}

struct forwards *
forwards_new(struct router *r)
{
	struct forwards	*fs = calloc(1, sizeof(*fs));

	if (fs != NULL)
		fs->r = r;
	return fs;
}

void
forwards_free(struct forwards *fs)
{
	struct sent	*s;
	unsigned	 i;

	for (i = 0; fs != NULL && i < BUCKETS; i++)
		while ((s = LIST_FIRST(&fs->bucket[i])) != NULL) {
			LIST_REMOVE(s, bucket);
			free(s);
		}
	free(fs);
}
