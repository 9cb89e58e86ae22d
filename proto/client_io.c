/*
 * client_io.c: libwharf's frames: requests out into the lane, or into chunks
 * that become nng messages; answers in, put together where they are pieces.
 *
 * What a store sends is checked as if a stranger had sent it: a malformed
 * frame breaks the link, an answer to nothing is passed over.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/client.h"
#include "proto/msg.h"

/* A frame of this size, its table and key go into half of any lane. */
#define PIECE	(128u << 10)		/* value bytes */
#define SILENCE	1024u			/* sleeps; a pipe holds 4096 bytes at least */

/* The way out */

/* Less beside the long name of a cache's hash. */
static uint32_t
piece_of(const struct frame *f)
{
	return f->tablen > FRAME_TABLE ? PIECE / 2 : PIECE;
}

size_t
seat_cost(const struct frame *f)
{
	return frame_size(f) + f->vallen / piece_of(f) * FRAME_HEAD;
}

/* A frame has been handed over. */
static void
seat_gone(struct seat *s, const struct frame *f, size_t n)
{
	s->gone += n;
	s->half = f->voff + f->vallen < f->vtotal;
}

static int
seat_emit(struct seat *s, const struct frame *f)
{
	size_t	 n = frame_size(f);
	uint8_t	*p;

	if (s->lane != NULL && s->state == SEAT_UP && !s->broken &&
	    s->out.bytes == 0 && (p = lane_reserve(s->lane, n)) != NULL) {
		frame_put(p, f);
		lane_commit(s->lane, n);
		s->put += n;
		seat_gone(s, f, n);
		return 1;
	}
	if ((p = outq_room(&s->out, n)) == NULL)
		return 0;
	frame_put(p, f);
	s->w->queued += n;
	s->put += n;
	return 1;
}

int
seat_put(struct seat *s, struct frame *whole)
{
	struct frame	f = *whole;
	uint32_t	piece = piece_of(whole);

	f.from = s->w->inc;
	f.to = s->state == SEAT_UP ? s->link.inc : 0;
	if (s->state == SEAT_UP && s->lane == NULL)
		piece = FRAME_VALUE;
	if (f.vallen <= piece)
		return seat_emit(s, &f);
	for (; f.voff < f.vtotal; f.voff += f.vallen) {
		f.val = whole->val + f.voff;
		f.vallen = f.vtotal - f.voff < piece ? f.vtotal - f.voff :
		    piece;
		if (!seat_emit(s, &f)) {
			/* A value without an end: nothing may follow it. */
			if (f.voff != 0)
				seat_break(s, WHARF_NOMEM);
			return 0;
		}
		f.tablen = f.keylen = 0;	/* the first piece has them */
	}
	return 1;
}

/* Not of an op that has ended; what is of none (id 0) is always wanted. */
static int
frame_is_wanted(struct seat *s, const struct frame *f)
{
	return f->id == 0 || op_find(s, f) != NULL;
}

static void
seat_drop(struct seat *s, size_t n)
{
	outq_drop(&s->out, n);
	s->w->queued -= n;
	if (s->out.bytes == 0)
		s->expired = 0;
}

void
seat_forget_out(struct seat *s)
{
	s->w->queued -= s->out.bytes;
	outq_free(&s->out);
	s->gone = s->put;
	s->expired = s->half = 0;
}

/*
 * The first frame that waits and its length; passes over those whose ops have
 * ended, unless the store has the beginning of the value.  0: none.
 */
static size_t
seat_front(struct seat *s, const uint8_t **p, struct frame *f)
{
	size_t	all, n;

	while ((all = outq_front(&s->out, p)) != 0) {
		if (frame_next(f, *p, all, &n) != E_OK) {
			seat_break(s, WHARF_INTERNAL);
			return 0;
		}
		if (!s->expired || s->half || frame_is_wanted(s, f))
			return n;
		s->gone += n;
		seat_drop(s, n);
	}
	return 0;
}

void
seat_trim_out(struct seat *s)
{
	const uint8_t	*p;
	struct frame	 f;

	s->expired = 1;
	(void)seat_front(s, &p, &f);
}

static void
seat_flush_lane(struct seat *s)
{
	const uint8_t	*p;
	uint8_t		*room;
	struct frame	 f;
	size_t		 n;

	while ((n = seat_front(s, &p, &f)) != 0) {
		if ((room = lane_reserve(s->lane, n)) == NULL)
			return;
		memcpy(room, p, n);
		lane_commit(s->lane, n);
		seat_gone(s, &f, n);
		seat_drop(s, n);
	}
}

static void
seat_ring(struct seat *s)
{
	static const uint64_t	one = 1;
	int			must;

	must = lane_must_ring(s->lane);
	must |= lane_must_ring_writer(s->lane);
	if (must && write(s->bell, &one, sizeof(one)) == -1)
		return;		/* full: it is ringing anyway */
}

/* One chunk becomes one message; another when this one has left. */
static void
seat_flush_wire(struct seat *s)
{
	const uint8_t	*p;
	struct frame	 f;
	size_t		 all, n, used = 0;

	if (wire_sending(s->wire) || seat_front(s, &p, &f) == 0)
		return;
	all = outq_front(&s->out, &p);
	while (used < all && frame_next(&f, p + used, all - used, &n) == E_OK) {
		if (s->expired && !s->half && !frame_is_wanted(s, &f))
			break;
		used += n;
		s->half = f.voff + f.vallen < f.vtotal;
	}
	if (!wire_send(s->wire, p, used)) {
		seat_break(s, WHARF_NOMEM);
		return;
	}
	s->gone += used;
	seat_drop(s, used);
}

void
seat_flush(struct seat *s)
{
	if (s->state != SEAT_UP || s->broken)
		return;
	if (s->lane == NULL) {
		seat_flush_wire(s);
		return;
	}
	if (s->out.bytes != 0)
		seat_flush_lane(s);
	seat_ring(s);
}

/* The way in */

void
seat_forget_in(struct seat *s)
{
	if (s->in.bytes != NULL)
		s->w->assembled -= s->in.f.vtotal;
	free(s->in.bytes);
	memset(&s->in, 0, sizeof(s->in));
}

/* The bytes of the first piece are gone when the last comes. */
static void
pieces_keep(struct pieces *in, const struct frame *f)
{
	in->f = *f;
	in->f.tab = in->tab;
	in->f.key = in->key;
	if (f->tablen > sizeof(in->tab))
		in->f.tablen = 0;
	if (f->keylen > sizeof(in->key))
		in->f.keylen = 0;
	if (in->f.tablen != 0)
		memcpy(in->tab, f->tab, in->f.tablen);
	if (in->f.keylen != 0)
		memcpy(in->key, f->key, in->f.keylen);
}

static void
pieces_begin(struct seat *s, const struct frame *f)
{
	struct wharf	*w = s->w;
	struct pieces	*in = &s->in;

	in->active = 1;
	pieces_keep(in, f);
	if ((op_find(s, f) == NULL && !wait_stray_matters(f)) ||
	    f->vtotal > w->memory - w->assembled ||
	    (in->bytes = malloc(f->vtotal)) == NULL)
		return;
	w->assembled += f->vtotal;
}

static void
pieces_end(struct seat *s)
{
	struct pieces	*in = &s->in;
	struct frame	 f = in->f;
	struct op	*op = op_find(s, &f);

	f.val = in->bytes;
	f.vallen = f.vtotal;
	if (in->bytes == NULL) {
		f.status = WHARF_NOMEM;
		f.vallen = 0;
	}
	if (op != NULL)
		op_answer(s->w, op, &f);
	else
		wait_stray(s, &f);
	seat_forget_in(s);
}

static void
pieces_take(struct seat *s, const struct frame *f)
{
	struct pieces	*in = &s->in;

	if (!in->active && f->voff == 0)
		pieces_begin(s, f);
	if (!in->active || f->id != in->f.id || f->msg != in->f.msg ||
	    f->vtotal != in->f.vtotal || f->voff != in->got) {
		seat_break(s, WHARF_BADMSG);
		return;
	}
	if (in->bytes != NULL)
		memcpy(in->bytes + f->voff, f->val, f->vallen);
	in->got += f->vallen;
	if (in->got == in->f.vtotal)
		pieces_end(s);
}

static void
seat_take(struct seat *s, const struct frame *f)
{
	struct op	*op;

	if ((f->flags & FRAME_REPLY) == 0 || f->msg == MSG_HELLO ||
	    (f->to != 0 && f->to != s->w->inc) ||
	    (f->from != 0 && f->from != s->link.inc))
		return;
	if (f->vallen != f->vtotal || s->in.active)
		pieces_take(s, f);
	else if ((op = op_find(s, f)) != NULL)
		op_answer(s->w, op, f);
	else
		wait_stray(s, f);
}

int
seat_read_lane(struct seat *s)
{
	const uint8_t	*p;
	struct frame	 f;
	unsigned	 i;
	size_t		 n;
	int		 r;

	for (i = 0; i < SEAT_BATCH && !s->broken; i++) {
		if ((r = lane_peek(s->lane, &p, &n)) == 0)
			return 0;
		if (r < 0 || frame_get(&f, p, n) != E_OK) {
			seat_break(s, WHARF_BADMSG);
			return 0;
		}
		seat_take(s, &f);
		lane_release(s->lane);
	}
	return !s->broken;
}

void
seat_read_message(struct seat *s, const uint8_t *p, size_t n)
{
	struct frame	f;
	size_t		used;

	for (; n != 0 && !s->broken; p += used, n -= used) {
		if (frame_next(&f, p, n, &used) != E_OK) {
			seat_break(s, WHARF_BADMSG);
			return;
		}
		seat_take(s, &f);
	}
}

/*
 * Each time that we ask to be rung two bytes may come, one for frames and one
 * for room.  The pipe is edge triggered, so they need not be taken each time,
 * but it must never be full of them: then nobody could ring.  (Each byte is an
 * edge, but for Linux 5.5 to 5.13 without the fix of August 2021, 3b844826b6c6.)
 */
static void
seat_silence(struct seat *s)
{
	char	bytes[2 * SILENCE];

	if (++s->asleep % SILENCE == 0 &&
	    read(s->ear, bytes, sizeof(bytes)) == -1)
		return;		/* none came */
}

int
seat_arm(struct seat *s)
{
	const uint8_t	*p;
	struct frame	 f;
	size_t		 n;

	if (s->broken)
		return 0;
	if (s->state != SEAT_UP || s->lane == NULL)
		return 1;
	seat_silence(s);
	if ((n = seat_front(s, &p, &f)) != 0 && lane_wait_room(s->lane, n))
		return 0;
	s->armed = lane_sleep(s->lane);
	return s->armed;
}
