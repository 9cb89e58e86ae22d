/*
 * board.c: counters, gauges and histograms in one shared memfd.  wharfd makes
 * it and every actor maps it whole; the size is sealed, so a place can never
 * vanish under a reader.  A header says what the memory is: processes of two
 * builds never read each other's numbers.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/sealed.h"
#include "supervisor/board.h"

#define BOARD_MAGIC	0x32425257u	/* "WRB2" */
#define BOARD_PLACES	4096		/* more is nonsense */
#define SUSPECT		2		/* deaths while a file was read */
#define STEPS		8		/* linear steps per power of two */
#define STEP_BITS	3

struct board_actor {
	_Alignas(64) _Atomic int64_t	value[BC_MAX_];
	_Atomic uint64_t		hist[BH_MAX_][BOARD_BUCKETS];
	_Atomic int64_t			sum[BH_MAX_];
	_Atomic int64_t			http[BOARD_HTTP_MAX_][BOARD_CLASSES];
	char				role[BOARD_ROLE];
	uint32_t			seat;
	_Atomic uint8_t			reading[BOARD_FILES];
	_Atomic uint8_t			deaths[BOARD_FILES];
	struct slow_ring		slow;
};

struct shared {
	uint32_t		magic, n;
	uint64_t		place_size;
	struct board_actor	place[];
};

struct board {
	struct shared	*mem;
	size_t		 size;
	unsigned	 n;
};

static const struct {
	const char	*name, *help;
	enum board_kind	 kind;
	enum { OWN, SEAT_ROW, NODE_ROW } whose;
} values[] = {
#define COUNTER(id, name, help) [id] = { name, help, BOARD_COUNTER, OWN },
#define GAUGE(id, name, help) [id] = { name, help, BOARD_GAUGE, OWN },
#define HIST(id, name, help)
#define SEAT(id, kind, name, help) \
	[id] = { name, help, BOARD_##kind, SEAT_ROW },
#define NODE(id, name, help) [id] = { name, help, BOARD_GAUGE, NODE_ROW },
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
#undef SEAT
#undef NODE
};

static const struct {
	const char	*name, *help;
} hists[] = {
#define COUNTER(id, name, help)
#define GAUGE(id, name, help)
#define HIST(id, name, help) [id] = { name, help },
#define SEAT(id, kind, name, help)
#define NODE(id, name, help)
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
#undef SEAT
#undef NODE
};

static size_t
board_size(unsigned n)
{
	return sizeof(struct shared) + n * sizeof(struct board_actor);
}

int
board_create(unsigned n)
{
	struct shared	head = { .magic = BOARD_MAGIC, .n = n,
			    .place_size = sizeof(struct board_actor) };

	return sealed_make("wharf-board", board_size(n), &head, sizeof(head));
}

static int
board_is_ours(const struct shared *m, size_t size)
{
	return m->magic == BOARD_MAGIC && m->n <= BOARD_PLACES &&
	    m->place_size == sizeof(struct board_actor) &&
	    board_size(m->n) == size;
}

struct board *
board_map(int fd)
{
	struct board	*b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->mem = sealed_map(fd, sizeof(struct shared), &b->size);
	if (b->mem == NULL) {
		free(b);
		return NULL;
	}
	if (!board_is_ours(b->mem, b->size)) {
		board_unmap(b);
		errno = EINVAL;
		return NULL;
	}
	b->n = b->mem->n;
	return b;
}

void
board_unmap(struct board *b)
{
	if (b == NULL)
		return;
	munmap(b->mem, b->size);
	free(b);
}

struct board_actor *
board_place(struct board *b, unsigned n)
{
	return n < b->n ? &b->mem->place[n] : NULL;
}

unsigned
board_places(const struct board *b)
{
	return b->n;
}

static void
zero(_Atomic int64_t *p, size_t n)
{
	while (n-- > 0)
		atomic_store_explicit(p++, 0, memory_order_relaxed);
}

void
board_clear(struct board_actor *p)
{
	unsigned	i, j;

	for (i = 0; i < BC_MAX_; i++)
		if (values[i].whose == OWN)
			zero(&p->value[i], 1);
	for (i = 0; i < BH_MAX_; i++)
		for (j = 0; j < BOARD_BUCKETS; j++)
			atomic_store_explicit(&p->hist[i][j], 0,
			    memory_order_relaxed);
	zero(p->sum, BH_MAX_);
	for (i = 0; i < BOARD_HTTP_MAX_; i++)
		zero(p->http[i], BOARD_CLASSES);
}

void
board_name_seat(struct board_actor *p, const char *role, unsigned seat)
{
	snprintf(p->role, sizeof(p->role), "%s", role);
	p->seat = seat;
}

/* A copy: the memory is shared, its end may be gone. */
const char *
board_role(const struct board_actor *p, char *out)
{
	size_t	i;

	for (i = 0; i < BOARD_ROLE - 1 && p->role[i] >= 'a' &&
	    p->role[i] <= 'z'; i++)
		out[i] = p->role[i];
	out[i] = '\0';
	return out;
}

unsigned
board_seat(const struct board_actor *p)
{
	return p->seat;
}

struct slow_ring *
board_slow(struct board_actor *p)
{
	return &p->slow;
}

_Atomic uint8_t *
board_reading(struct board_actor *p)
{
	return p->reading;
}

/* A store writes in there as well: whatever stands there is a number. */
void
board_gone(struct board_actor *p, int fault)
{
	unsigned	k;
	uint8_t		n;

	for (k = 0; k < BOARD_FILES; k++) {
		n = atomic_load_explicit(&p->deaths[k], memory_order_relaxed);
		if (fault && n < UINT8_MAX && atomic_load_explicit(
		    &p->reading[k], memory_order_relaxed) != 0)
			atomic_store_explicit(&p->deaths[k], (uint8_t)(n + 1),
			    memory_order_relaxed);
		atomic_store_explicit(&p->reading[k], 0, memory_order_relaxed);
	}
}

uint64_t
board_suspects(const struct board_actor *p)
{
	uint64_t	files = 0;
	unsigned	k;

	for (k = 0; k < BOARD_FILES; k++)
		if (atomic_load_explicit(&p->deaths[k],
		    memory_order_relaxed) >= SUSPECT)
			files |= UINT64_C(1) << k;
	return files;
}

void
board_acquit(struct board_actor *p, uint64_t files)
{
	unsigned	k;

	for (k = 0; k < BOARD_FILES; k++)
		if (files >> k & 1)
			atomic_store_explicit(&p->deaths[k], 0,
			    memory_order_relaxed);
}

void
board_add(struct board_actor *p, enum board_id id, int64_t n)
{
	atomic_fetch_add_explicit(&p->value[id], n, memory_order_relaxed);
}

void
board_set(struct board_actor *p, enum board_id id, int64_t n)
{
	atomic_store_explicit(&p->value[id], n, memory_order_relaxed);
}

int64_t
board_get(const struct board_actor *p, enum board_id id)
{
	return atomic_load_explicit(&p->value[id], memory_order_relaxed);
}

const char *
board_name(enum board_id id)
{
	return values[id].name;
}

enum board_kind
board_kind(enum board_id id)
{
	return values[id].kind;
}

int
board_is_seat(enum board_id id)
{
	return values[id].whose != OWN;
}

int
board_is_node(enum board_id id)
{
	return values[id].whose == NODE_ROW;
}

const char *
board_help(enum board_id id)
{
	return values[id].help;
}

/* A status that is none counts as the nearest class. */
static unsigned
class_of(int class)
{
	return class < 2 ? 0 : class > 5 ? BOARD_CLASSES - 1 :
	    (unsigned)class - 2;
}

void
board_http(struct board_actor *p, enum board_http what, int status)
{
	atomic_fetch_add_explicit(&p->http[what][class_of(status / 100)], 1,
	    memory_order_relaxed);
}

int64_t
board_http_count(const struct board_actor *p, enum board_http what, int class)
{
	return atomic_load_explicit(&p->http[what][class_of(class)],
	    memory_order_relaxed);
}

/*
 * Below STEPS each value has its bucket; above, a power of two has STEPS
 * buckets, numbered by the bits behind the highest one.
 */
static unsigned
bucket_of(int64_t us)
{
	unsigned	high, b;

	if (us < STEPS)
		return us < 0 ? 0 : (unsigned)us;
	high = 63 - (unsigned)__builtin_clzll((uint64_t)us);
	b = (high - STEP_BITS + 1) * STEPS +
	    (unsigned)(us >> (high - STEP_BITS) & (STEPS - 1));
	return b < BOARD_BUCKETS ? b : BOARD_BUCKETS - 1;
}

int64_t
board_bucket_top(unsigned b)
{
	if (b < STEPS)
		return b;
	return ((int64_t)(STEPS + b % STEPS + 1) << (b / STEPS - 1)) - 1;
}

void
board_time(struct board_actor *p, enum board_hist h, int64_t us)
{
	atomic_fetch_add_explicit(&p->hist[h][bucket_of(us)], 1,
	    memory_order_relaxed);
	if (us > 0)
		atomic_fetch_add_explicit(&p->sum[h], us,
		    memory_order_relaxed);
}

const char *
board_hist_name(enum board_hist h)
{
	return hists[h].name;
}

const char *
board_hist_help(enum board_hist h)
{
	return hists[h].help;
}

int64_t
board_hist_sum(const struct board_actor *p, enum board_hist h)
{
	return atomic_load_explicit(&p->sum[h], memory_order_relaxed);
}

uint64_t
board_bucket(const struct board_actor *p, enum board_hist h, unsigned b)
{
	return atomic_load_explicit(&p->hist[h][b], memory_order_relaxed);
}

uint64_t
board_hist_count(const struct board_actor *p, enum board_hist h)
{
	uint64_t	n = 0;
	unsigned	b;

	for (b = 0; b < BOARD_BUCKETS; b++)
		n += board_bucket(p, h, b);
	return n;
}

int64_t
board_quantile(const struct board_actor *p, enum board_hist h, double q)
{
	uint64_t	total = board_hist_count(p, h), seen = 0, want;
	unsigned	b;

	if (total == 0)
		return 0;
	/* The want-th smallest entry, counted from 1 and rounded up. */
	want = (uint64_t)(q * (double)total);
	if ((double)want < q * (double)total || want == 0)
		want++;
	for (b = 0; b < BOARD_BUCKETS - 1; b++)
		if ((seen += board_bucket(p, h, b)) >= want)
			break;
	return board_bucket_top(b);
}
