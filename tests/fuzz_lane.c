/*
 * fuzz_lane.c: both ends of a lane, and a third hand that writes anything
 * anywhere into its memory between their steps.  The input is a list of steps,
 * each one byte of what and who (fuzz_step), and its arguments.
 *
 * Whatever the memory says: no end hands out bytes beyond its ring, none
 * asserts, and an end that found its lane damaged stays so.  Undisturbed,
 * frames arrive whole and in order.
 */
#define FUZZ_NAME "lane"
#include <sys/mman.h>

#include <unistd.h>

#include "proto/lane.h"
#include "tests/fuzz.h"

#define RING	(64u << 10)
#define HEAD	4096u		/* positions, before the rings: lane.c */
#define RECORD	8u		/* in front of each frame */
#define MAP	(HEAD + 2 * RING)

struct end {
	struct lane	*lane;
	const uint8_t	*tx, *rx;	/* its rings, as it maps them */
	uint32_t	 sent, got;	/* numbers in frames */
	int		 damaged;
};

struct world {
	struct end	 end[2];
	uint8_t		*hand;		/* the memory, mapped by a stranger */
	int		 touched;	/* the stranger has written */
	const uint8_t	*p;
	size_t		 n;
};

static size_t
take(struct world *w, size_t bytes)
{
	size_t	v = 0, i;

	for (i = 0; i < bytes && w->n > 0; i++, w->p++, w->n--)
		v |= (size_t)*w->p << 8 * i;
	return v;
}

static void
world_open(struct world *w, const uint8_t *p, size_t n)
{
	int	fd = lane_create(RING), i;

	memset(w, 0, sizeof(*w));
	w->p = p;
	w->n = n;
	MUST(fd != -1);
	w->hand = mmap(NULL, MAP, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(w->hand != MAP_FAILED);
	for (i = 0; i < 2; i++) {
		struct end	*e = &w->end[i];

		e->lane = lane_map(fd, i == 0 ? LANE_A : LANE_B);
		MUST(e->lane != NULL);
		e->tx = lane_reserve(e->lane, 1) - RECORD;
		e->rx = i == 0 ? e->tx + RING : e->tx - RING;
	}
	close(fd);
}

static void
world_close(struct world *w)
{
	lane_unmap(w->end[0].lane);
	lane_unmap(w->end[1].lane);
	munmap(w->hand, MAP);
}

/* A frame of n bytes: its number, then that number's low byte. */
static void
end_send(struct world *w, struct end *e)
{
	size_t	 n = 4 + take(w, 2) % (lane_frame_max(e->lane) - 3);
	size_t	 less = take(w, 1);
	uint8_t	*p = lane_reserve(e->lane, n);

	if (p == NULL)
		return;
	MUST(p >= e->tx + RECORD && p + n <= e->tx + RING);
	if (n - 4 > less)
		n -= less;	/* fewer than were reserved */
	e->sent++;
	memset(p, (int)(e->sent & 0xff), n);
	memcpy(p, &e->sent, 4);
	lane_commit(e->lane, n);
	(void)lane_must_ring(e->lane);
}

static void
end_receive(const struct world *w, struct end *e)
{
	const uint8_t	*p;
	uint32_t	 no;
	size_t		 n;
	int		 r = lane_peek(e->lane, &p, &n);

	MUST(r == -1 || !e->damaged);
	MUST(r != -1 || w->touched);
	e->damaged = r == -1;
	if (r != 1)
		return;
	MUST(n > 0 && n <= lane_frame_max(e->lane));
	MUST(p >= e->rx + RECORD && p + n <= e->rx + RING);
	fuzz_touch(p, n);
	if (!w->touched) {
		memcpy(&no, p, 4);
		MUST(no == ++e->got && p[n - 1] ==
		    (n > 4 ? (no & 0xff) : no >> 24));
	}
	lane_release(e->lane);
	(void)lane_must_ring_writer(e->lane);
}

static void
end_sleep(const struct world *w, struct end *e)
{
	if (lane_sleep(e->lane)) {
		MUST(!e->damaged);
		lane_awake(e->lane);
	}
	(void)w;
}

/* Positions and flags stand in the first 512 bytes; elsewhere are lengths. */
static void
scribble(struct world *w, unsigned how)
{
	size_t	 at = take(w, how & 1 ? 3 : 2), i;
	size_t	 len = 1 + (how >> 1 & 7);
	uint64_t pos;

	at = how & 1 ? HEAD + at % (2 * RING) : at % 512;
	at &= ~(size_t)7;
	memcpy(&pos, w->hand + at, 8);
	if (how & 8)		/* nearly right */
		pos += (uint64_t)(int64_t)(int8_t)take(w, 1) *
		    (how & 4 ? 8 : RING / 4);
	else
		for (i = 0, pos = 0; i < len; i++)
			pos |= (uint64_t)take(w, 1) << 8 * i;
	memcpy(w->hand + at, &pos, 8);
	w->touched = 1;
}

static void
fuzz_step(struct world *w)
{
	unsigned	 what = (unsigned)take(w, 1);
	struct end	*e = &w->end[what >> 7];

	switch (what >> 4 & 7) {
	case 0:
	case 1:
		end_send(w, e);
		break;
	case 2:
	case 3:
		end_receive(w, e);
		break;
	case 4:
		end_sleep(w, e);
		break;
	case 5:
		(void)lane_wait_room(e->lane, 1 + take(w, 2) %
		    lane_frame_max(e->lane));
		break;
	default:
		scribble(w, what & 15);
	}
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	struct world	w;
	int		good;

	world_open(&w, p, n);
	while (w.n > 0)
		fuzz_step(&w);
	end_receive(&w, &w.end[0]);
	end_receive(&w, &w.end[1]);
	good = !w.end[0].damaged && !w.end[1].damaged;
	world_close(&w);
	return good;
}
