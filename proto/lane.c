/*
 * lane.c: the ring in shared memory.  lane.h has the invariants.
 *
 * The memfd is one page of positions, then the ring that end A writes, then
 * the ring that end B writes.  Positions count bytes for ever (64 bits) and are
 * taken modulo the ring size to find the place.  A record is a u32 length, four
 * bytes of nothing, then the frame padded to eight bytes; a skip mark may stand
 * anywhere but at the start.
 *
 * What the peer can do: write anything anywhere in the memory at any time.  So
 * a position of the peer is read once, checked against our own, and a length is
 * read once, checked, and never read again.  The worst the peer achieves is a
 * lane that we call damaged.  The seals keep it from cutting the memory short
 * under us (SIGBUS).
 */
#include <sys/mman.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/lane.h"
#include "proto/sealed.h"

#define LANE_MAGIC	0x314e4c57u		/* "WLN1" */
#define LANE_HEAD	4096u			/* bytes before the rings */
#define LANE_MIN	(64u << 10)
#define LANE_MAX	(64u << 20)
#define RECORD		8u			/* bytes before each frame */
#define SKIP		UINT32_MAX		/* length: go on at the start */
#define EARLY		(32u << 10)		/* of a ring, where it is enough */
#define LONG		1024u			/* frames that it is done for */
#define WIDE		4096u			/* of these, for which it was not */

#define ALIGN8(n)	(((n) + 7) & ~(size_t)7)

/* Written by one side each; a line of cache apart. */
struct lane_ring {
	_Alignas(64) _Atomic uint64_t	head;		/* writer: written up to */
	_Atomic uint32_t		writer_waits;	/* writer sets, reader clears */
	_Alignas(64) _Atomic uint64_t	tail;		/* reader: read up to */
	_Atomic uint32_t		reader_sleeps;	/* reader sets, writer clears */
};

struct lane_shared {
	uint32_t		magic, ring_bytes;
	struct lane_ring	ring[2];
};

_Static_assert(sizeof(struct lane_shared) <= LANE_HEAD, "page of positions");

struct lane_tx {
	struct lane_ring	*ring;
	uint8_t			*bytes;
	uint64_t		 head;		/* ours: published up to */
	uint64_t		 tail;		/* the peer's, as last seen */
	size_t			 reserved;	/* of the frame in the making */
	size_t			 skip;		/* bytes to the start before it */
	unsigned		 wide;		/* frames that may use all of it */
	int			 dirty;		/* committed since last must_ring */
};

struct lane_rx {
	struct lane_ring	*ring;
	const uint8_t		*bytes;
	uint64_t		 tail;		/* ours: released up to */
	uint64_t		 head;		/* the peer's, as last seen */
	size_t			 peeked;	/* record bytes of the peeked frame */
	int			 dirty;		/* released since last must_ring */
	int			 sleeps;	/* our flag is, or was, up */
};

struct lane {
	struct lane_shared	*shared;
	size_t			 map_bytes;
	size_t			 ring_bytes;
	int			 damaged;
	struct lane_tx		 tx;
	struct lane_rx		 rx;
};

static size_t
lane_map_bytes(size_t ring_bytes)
{
	return LANE_HEAD + 2 * ring_bytes;
}

static int
lane_size_good(size_t ring_bytes)
{
	return ring_bytes >= LANE_MIN && ring_bytes <= LANE_MAX &&
	    (ring_bytes & (ring_bytes - 1)) == 0;
}

int
lane_create(size_t ring_bytes)
{
	const uint32_t	head[2] = { LANE_MAGIC, (uint32_t)ring_bytes };

	if (!lane_size_good(ring_bytes)) {
		errno = EINVAL;
		return -1;
	}
	return sealed_make("wharf-lane", lane_map_bytes(ring_bytes), head,
	    sizeof(head));
}

/* The ring size when the descriptor is a lane of this version, else 0. */
static size_t
lane_check(int fd)
{
	uint32_t	head[2];
	size_t		size = sealed_size(fd);

	if (size == 0 ||
	    pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return 0;
	if (head[0] != LANE_MAGIC || !lane_size_good(head[1]) ||
	    size != lane_map_bytes(head[1]))
		return 0;
	return head[1];
}

struct lane *
lane_map(int memfd, enum lane_end end)
{
	struct lane	*l;
	uint8_t		*base;
	size_t		 ring = lane_check(memfd);

	if (ring == 0) {
		errno = EINVAL;
		return NULL;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->ring_bytes = ring;
	base = sealed_map(memfd, lane_map_bytes(ring), &l->map_bytes);
	if (base == NULL) {
		free(l);
		return NULL;
	}
	l->shared = (struct lane_shared *)base;
	l->tx.ring = &l->shared->ring[end == LANE_A ? 0 : 1];
	l->tx.bytes = base + LANE_HEAD + (end == LANE_A ? 0 : ring);
	l->rx.ring = &l->shared->ring[end == LANE_A ? 1 : 0];
	l->rx.bytes = base + LANE_HEAD + (end == LANE_A ? ring : 0);
	return l;
}

void
lane_unmap(struct lane *l)
{
	if (l == NULL)
		return;
	munmap(l->shared, l->map_bytes);
	free(l);
}

/*
 * Half of the ring: from any place either the way to the end or the way from
 * the start to that place is at least this long.
 */
size_t
lane_frame_max(const struct lane *l)
{
	return l->ring_bytes / 2 - RECORD;
}

/* How many bytes are free, by the peer's position as last seen. */
static size_t
tx_free(const struct lane *l)
{
	return l->ring_bytes - (size_t)(l->tx.head - l->tx.tail);
}

/* Reads the peer's position anew; nonsense makes the lane damaged. */
static void
tx_look(struct lane *l)
{
	uint64_t	tail = atomic_load_explicit(&l->tx.ring->tail,
			    memory_order_acquire);

	if (tail < l->tx.tail || tail > l->tx.head || (tail & 7) != 0)
		l->damaged = 1;
	else
		l->tx.tail = tail;
}

/* From where the writer stands to the end of the ring. */
static size_t
tx_to_end(const struct lane *l)
{
	return l->ring_bytes - (size_t)(l->tx.head & (l->ring_bytes - 1));
}

/* Bytes to leave unused at the end so that need bytes are contiguous. */
static size_t
tx_skip(const struct lane *l, size_t need)
{
	return need <= tx_to_end(l) ? 0 : tx_to_end(l);
}

/*
 * A ring that is used from end to end is always cold, and each new page of it a
 * fault.  So where the reader keeps up, the writer of long frames goes back to
 * the start early: never so that less than EARLY is left, as what is skipped
 * counts as used until the reader is behind it, and not for a while where that
 * was too little.
 */
static int
tx_early(struct lane *l, size_t need)
{
	if (need < LONG || l->ring_bytes - tx_to_end(l) < need + EARLY)
		return 0;
	if (l->tx.wide > 0) {
		l->tx.wide--;
		return 0;
	}
	tx_look(l);
	l->tx.skip = tx_to_end(l);
	return !l->damaged && l->tx.skip + need + EARLY <= tx_free(l);
}

static int
tx_fits(struct lane *l, size_t n)
{
	size_t	need = RECORD + ALIGN8(n);

	if (tx_early(l, need))
		return 1;
	l->tx.skip = tx_skip(l, need);
	need += l->tx.skip;
	if (need > tx_free(l))
		tx_look(l);
	if (!l->damaged && need <= tx_free(l))
		return 1;
	l->tx.wide = WIDE;
	return 0;
}

static uint8_t *
tx_at(const struct lane *l, uint64_t pos)
{
	return l->tx.bytes + (pos & (l->ring_bytes - 1));
}

uint8_t *
lane_reserve(struct lane *l, size_t n)
{
	assert(n != 0 && n <= lane_frame_max(l));
	if (!tx_fits(l, n))
		return NULL;
	l->tx.reserved = n;
	return tx_at(l, l->tx.head + l->tx.skip) + RECORD;
}

void
lane_commit(struct lane *l, size_t n)
{
	uint32_t	len = (uint32_t)n, skip = SKIP;

	assert(n != 0 && n <= l->tx.reserved);
	if (l->tx.skip != 0) {
		memcpy(tx_at(l, l->tx.head), &skip, sizeof(skip));
		l->tx.head += l->tx.skip;
	}
	memcpy(tx_at(l, l->tx.head), &len, sizeof(len));
	l->tx.head += RECORD + ALIGN8(n);
	l->tx.reserved = 0;
	l->tx.dirty = 1;
	atomic_store_explicit(&l->tx.ring->head, l->tx.head,
	    memory_order_release);
}

/*
 * A flag that says "ring me", taken down by whoever rings.  The fence puts
 * what we published before what we read of the flag (invariant 3).
 */
static int
flag_taken(_Atomic uint32_t *flag)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(flag, memory_order_relaxed) == 0)
		return 0;
	return atomic_exchange_explicit(flag, 0, memory_order_acq_rel) != 0;
}

static void
flag_raise(_Atomic uint32_t *flag)
{
	atomic_store_explicit(flag, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

int
lane_must_ring(struct lane *l)
{
	if (!l->tx.dirty)
		return 0;
	l->tx.dirty = 0;
	return flag_taken(&l->tx.ring->reader_sleeps);
}

int
lane_wait_room(struct lane *l, size_t n)
{
	if (tx_fits(l, n))
		return 1;
	flag_raise(&l->tx.ring->writer_waits);
	if (!tx_fits(l, n))
		return 0;
	atomic_store_explicit(&l->tx.ring->writer_waits, 0,
	    memory_order_relaxed);
	return 1;
}

/* Bytes that the peer has published and we have not released; -1 nonsense. */
static int64_t
rx_avail(struct lane *l)
{
	uint64_t	head;

	if (l->rx.head != l->rx.tail)
		return (int64_t)(l->rx.head - l->rx.tail);
	head = atomic_load_explicit(&l->rx.ring->head, memory_order_acquire);
	if (head < l->rx.tail || head - l->rx.tail > l->ring_bytes ||
	    (head & 7) != 0)
		return -1;
	l->rx.head = head;
	return (int64_t)(head - l->rx.tail);
}

static uint32_t
rx_length(const struct lane *l, size_t off)
{
	return __atomic_load_n((const uint32_t *)(const void *)
	    (l->rx.bytes + off), __ATOMIC_RELAXED);
}

/* Goes over a skip mark; 0 when it may not stand here. */
static int
rx_skip(struct lane *l, size_t off, size_t avail)
{
	size_t	to_end = l->ring_bytes - off;

	if (off == 0 || to_end >= avail)
		return 0;
	l->rx.tail += to_end;
	return 1;
}

static int
rx_take(struct lane *l, size_t off, size_t avail, uint32_t len)
{
	size_t	need = RECORD + ALIGN8((size_t)len);

	if (len == 0 || len > lane_frame_max(l) || need > avail ||
	    need > l->ring_bytes - off)
		return 0;
	l->rx.peeked = need;
	return 1;
}

int
lane_peek(struct lane *l, const uint8_t **p, size_t *n)
{
	int64_t		avail = l->damaged ? -1 : rx_avail(l);
	size_t		off = (size_t)(l->rx.tail & (l->ring_bytes - 1));
	uint32_t	len;

	if (avail == 0)
		return 0;
	if (avail < 0)
		goto damaged;
	len = rx_length(l, off);
	if (len == SKIP) {
		if (!rx_skip(l, off, (size_t)avail))
			goto damaged;
		avail -= (int64_t)(l->ring_bytes - off);
		off = 0;
		len = rx_length(l, off);
	}
	if (!rx_take(l, off, (size_t)avail, len))
		goto damaged;
	*p = l->rx.bytes + off + RECORD;
	*n = len;
	return 1;
damaged:
	l->damaged = 1;
	return -1;
}

void
lane_release(struct lane *l)
{
	assert(l->rx.peeked != 0);
	l->rx.tail += l->rx.peeked;
	l->rx.peeked = 0;
	l->rx.dirty = 1;
	atomic_store_explicit(&l->rx.ring->tail, l->rx.tail,
	    memory_order_release);
}

int
lane_must_ring_writer(struct lane *l)
{
	if (!l->rx.dirty)
		return 0;
	l->rx.dirty = 0;
	return flag_taken(&l->rx.ring->writer_waits);
}

int
lane_holds(const struct lane *l)
{
	return l->damaged || atomic_load_explicit(&l->rx.ring->head,
	    memory_order_acquire) != l->rx.tail;
}

int
lane_sleep(struct lane *l)
{
	if (lane_holds(l))
		return 0;
	flag_raise(&l->rx.ring->reader_sleeps);
	l->rx.sleeps = 1;
	if (!lane_holds(l))
		return 1;
	lane_awake(l);
	return 0;
}

void
lane_awake(struct lane *l)
{
	if (!l->rx.sleeps)
		return;
	l->rx.sleeps = 0;
	atomic_store_explicit(&l->rx.ring->reader_sleeps, 0,
	    memory_order_relaxed);
}
