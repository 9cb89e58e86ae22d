/*
 * link_out.c: the way out of a link: frames go straight into the lane, or are
 * gathered into chunks that become nng messages, one under way at a time.
 *
 * Invariants
 * 1 Order: while anything waits in the queue, everything goes behind it.
 * 2 The pieces of a value follow one another; a piece that is refused for lack
 *   of memory in the middle breaks the link, as the peer could not tell.
 * 3 HELLO goes by nng; everything else by the lane where there is one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/link.h"
#include "supervisor/log.h"

/* Through a lane a long value goes by pieces of this size, to overlap copies. */
#define LANE_PIECE	(256u << 10)

static void
link_mark_unsent(struct link *l)
{
	if (l->is_unsent)
		return;
	l->is_unsent = 1;
	TAILQ_INSERT_TAIL(&l->mb->unsent, l, unsent);
}

static void
link_clear_unsent(struct link *l)
{
	if (!l->is_unsent)
		return;
	l->is_unsent = 0;
	TAILQ_REMOVE(&l->mb->unsent, l, unsent);
}

static enum err
link_put(struct link *l, const struct frame *f)
{
	size_t	 n = frame_size(f);
	uint8_t	*p;

	if (l->lane != NULL && l->out.bytes == 0 &&
	    (p = lane_reserve(l->lane, n)) != NULL) {
		frame_put(p, f);
		lane_commit(l->lane, n);
		l->mb->sent = 1;
		return E_OK;
	}
	if ((p = outq_room(&l->out, n)) == NULL)
		return E_NOMEM;
	frame_put(p, f);
	link_mark_unsent(l);
	if (l->lane == NULL && l->out.bytes >= OUTQ_CHUNK)
		link_flush(l);
	return E_OK;
}

/* The longest piece of a value that one frame of this link carries. */
static uint32_t
link_piece(const struct link *l, const struct frame *f)
{
	size_t	max, head = (size_t)FRAME_HEAD + f->tablen + f->keylen;

	if (l->lane == NULL)
		return FRAME_VALUE;
	max = lane_frame_max(l->lane) - head;
	return (uint32_t)(max < LANE_PIECE ? max : LANE_PIECE);
}

static int
link_fits_whole(const struct link *l, const struct frame *f)
{
	return f->vallen <= FRAME_VALUE && (l->lane == NULL ||
	    frame_size(f) <= lane_frame_max(l->lane));
}

static enum err
link_put_pieces(struct link *l, const struct frame *whole)
{
	struct frame	f = *whole;
	uint32_t	piece = link_piece(l, whole);
	enum err	e;

	while (f.voff < f.vtotal) {
		f.val = whole->val + f.voff;
		f.vallen = f.vtotal - f.voff;
		if (f.vallen > piece)
			f.vallen = piece;
		if ((e = link_put(l, &f)) != E_OK) {
			if (f.voff != 0)
				link_break(l, "no memory for a piece");
			return e;
		}
		f.voff += f.vallen;
		f.tablen = f.keylen = 0;	/* the first piece has them */
	}
	return E_OK;
}

static enum err
link_emit(struct link *l, struct frame *f)
{
	f->from = l->mb->conf.inc;
	f->to = l->offer.peer_inc;
	f->voff = 0;
	f->vtotal = f->vallen;
	return link_fits_whole(l, f) ? link_put(l, f) : link_put_pieces(l, f);
}

enum err
link_send(struct link *l, const struct frame *msg)
{
	struct frame	f = *msg;

	if (l->state != LINK_UP)
		return E_STALE;
	if (l->out.bytes >= l->mb->conf.out_max)
		return E_FULL;
	return link_emit(l, &f);
}

enum err
link_reply(struct link *l, uint16_t msg, uint64_t id, enum err status,
    const struct frame *r)
{
	struct frame	f;

	if (l->state != LINK_UP)
		return E_STALE;
	if (r != NULL)
		f = *r;
	else
		memset(&f, 0, sizeof(f));
	f.msg = msg;
	f.id = id;
	f.flags |= FRAME_REPLY;
	f.status = (uint16_t)status;
	l->answers = 1;
	return link_emit(l, &f);
}

void
link_send_hello(struct link *l, const struct frame *f)
{
	uint8_t	*p = outq_room(&l->hello, frame_size(f));

	if (p == NULL) {
		link_break(l, "no memory for HELLO");
		return;
	}
	frame_put(p, f);
	link_mark_unsent(l);
	link_flush(l);
}

size_t
link_queued(const struct link *l)
{
	return l->out.bytes + l->inflight;
}

/* Hands the first chunk of a queue to nng. */
static void
link_flush_nng(struct link *l, struct outq *q)
{
	const uint8_t	*p;
	size_t		 n;

	if (l->sending || (n = outq_front(q, &p)) == 0)
		return;
	if (!link_nng_send(l, p, n)) {
		link_break(l, "no memory for a message");
		return;
	}
	outq_drop(q, n);
}

static void
link_flush_lane(struct link *l)
{
	const uint8_t	*p;
	uint8_t		*room;
	struct frame	 f;
	size_t		 all, n;

	while ((all = outq_front(&l->out, &p)) != 0) {
		if (frame_next(&f, p, all, &n) != E_OK) {
			link_break(l, "own queue damaged");
			return;
		}
		if ((room = lane_reserve(l->lane, n)) == NULL)
			return;
		memcpy(room, p, n);
		lane_commit(l->lane, n);
		l->mb->sent = 1;
		outq_drop(&l->out, n);
	}
}

static void
link_ring(struct link *l)
{
	static const uint64_t	one = 1;
	ssize_t			n;
	int			must;

	must = lane_must_ring(l->lane);
	must |= lane_must_ring_writer(l->lane);
	if (!must)
		return;
	/* A client's is a pipe, in which there is room for many bytes. */
	n = write(l->fds.bell, &one, l->client ? 1 : sizeof(one));
	/* EAGAIN: the bell is full, so it is ringing anyway. */
	if (n == -1 && errno != EAGAIN)
		link_break(l, "its bell is gone");
}

void
link_flush(struct link *l)
{
	if (l->state == LINK_DOWN)
		return;
	link_flush_nng(l, &l->hello);
	if (l->state == LINK_UP && l->lane != NULL) {
		link_flush_lane(l);
		link_ring(l);
	} else if (l->state == LINK_UP) {
		link_flush_nng(l, &l->out);
	}
	if (l->hello.bytes == 0 && l->out.bytes == 0)
		link_clear_unsent(l);
}

int
link_may_sleep(struct link *l)
{
	const uint8_t	*p;
	struct frame	 f;
	size_t		 all, n;

	if (l->lane == NULL || l->state != LINK_UP ||
	    (all = outq_front(&l->out, &p)) == 0)
		return 1;
	if (frame_next(&f, p, all, &n) != E_OK)
		return 1;
	return !lane_wait_room(l->lane, n);
}
