/*
 * client_rig.c: see client_rig.h.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "tests/client_rig.h"

struct wharf	*w;
struct seat	*seat;
struct lane	*lane;
int		 store_bell;
struct seen	 seen[64];
int		 nseen;

static struct lane	*lanes[SEATS_MAX];
static int		 bells[SEATS_MAX];
static unsigned		 seats;		/* stores and routers */
static pthread_t	 server;
static serve_fn		*serving;
static atomic_int	 serve_stop;

void
on_answer(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	const uint8_t	*v = a->value;

	CU_ASSERT_PTR_EQUAL(from, w);
	CU_ASSERT_FATAL(nseen < 64);
	seen[nseen].status = a->status;
	seen[nseen].version = a->version;
	seen[nseen].ttl = a->ttl;
	seen[nseen].score = a->number;
	seen[nseen].length = a->length;
	seen[nseen].count = a->count;
	seen[nseen].first = a->length ? v[0] : 0;
	seen[nseen].last = a->length ? v[a->length - 1] : 0;
	seen[nseen++].number = (int)(intptr_t)arg;
}

/* The link of one seat, up. */
static void
begin_seat(unsigned i)
{
	struct seat	*s = &w->seats[i];
	int		 fd = lane_create(RING), ring[2];

	CU_ASSERT_FATAL(fd != -1 && pipe2(ring, O_CLOEXEC | O_NONBLOCK) == 0);
	s->lane = lane_map(fd, LANE_A);
	lanes[i] = lane_map(fd, LANE_B);
	CU_ASSERT_FATAL(s->lane != NULL && lanes[i] != NULL);
	close(fd);
	s->ear = ring[0];
	s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CU_ASSERT_FATAL(s->bell != -1);
	bells[i] = ring[1];
	s->link.inc = INC;
	s->state = SEAT_UP;
	s->since = mono_now();
	CU_ASSERT(client_watch(w, s->ear, i, SEAT_ON_EAR, EPOLLIN | EPOLLET));
}

void
begin_node(unsigned stores, unsigned routers, unsigned ops, size_t memory)
{
	unsigned	i;

	nseen = 0;
	seats = stores + routers;
	w = calloc(1, sizeof(*w));
	for (i = 0; i < SEATS_MAX + ROUTERS_MOST; i++)
		seat_init(&w->seats[i], w, i);
	CU_ASSERT_FATAL(ops_init(w, ops));
	w->timeout = 60000000;
	w->memory = memory;
	w->inc = OURS;
	w->run = strdup("/nonexistent");
	w->name = strdup("test");
	w->lanes = WHARF_LANES_ON;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->again = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->stores = stores;
	w->files = FILES;
	w->routers = routers;
	for (i = 0; i < routers; i++) {
		w->seats[stores + i].router = 1;
		w->seats[stores + i].number = i;
	}
	for (i = 0; i < seats; i++)
		begin_seat(i);
	seat = &w->seats[0];
	lane = lanes[0];
	store_bell = bells[0];
}

void
hang_up(void)
{
	close(bells[0]);
	bells[0] = -1;
}

void
begin_stores(unsigned stores, unsigned ops, size_t memory)
{
	begin_node(stores, 0, ops, memory);
}

void
begin(unsigned ops, size_t memory)
{
	begin_stores(1, ops, memory);
}

void
finish(void)
{
	unsigned	i;

	wharf_close(w);
	for (i = 0; i < seats; i++) {
		lane_unmap(lanes[i]);
		if (bells[i] != -1)
			close(bells[i]);
	}
}

int
take_from(unsigned store, struct frame *f)
{
	const uint8_t	*p;
	size_t		 n;

	return lane_peek(lanes[store], &p, &n) == 1 &&
	    frame_get(f, p, n) == E_OK;
}

void
take_done_from(unsigned store)
{
	lane_release(lanes[store]);
}

int
say_from(unsigned store, const struct frame *f)
{
	uint8_t	*p = lane_reserve(lanes[store], frame_size(f));

	if (p == NULL)
		return 0;
	lane_commit(lanes[store], frame_put(p, f));
	return 1;
}

int
take(struct frame *f)
{
	return take_from(0, f);
}

void
take_done(void)
{
	take_done_from(0);
}

int
say(const struct frame *f)
{
	return say_from(0, f);
}

struct frame
answer_to(const struct frame *f, enum err status)
{
	struct frame	r;

	memset(&r, 0, sizeof(r));
	r.msg = f->msg;
	r.id = f->id;
	r.flags = FRAME_REPLY;
	r.status = (uint16_t)status;
	r.from = INC;
	r.to = OURS;
	return r;
}

/* One round of a store; 1: it had something to do. */
static int
serve_one(unsigned store, uint8_t *out)
{
	struct frame	f, r;

	if (!take_from(store, &f))
		return 0;
	r = answer_to(&f, E_OK);
	serving(store, &f, &r, out);
	if (r.vallen != 0)
		r.val = out;
	r.vtotal = r.vallen;
	take_done_from(store);
	while (!say_from(store, &r))
		usleep(100);
	if (lane_must_ring(lanes[store]))
		(void)!write(bells[store], "", 1);
	return 1;
}

static void *
serve(void *arg)
{
	uint8_t		*out = malloc(RING / 2);
	unsigned	 i;
	int		 busy;

	(void)arg;
	do {
		for (busy = 0, i = 0; i < seats; i++)
			busy |= serve_one(i, out);
		if (!busy)
			usleep(20);
	} while (busy || !atomic_load(&serve_stop));
	free(out);
	return NULL;
}

void
serve_begin(serve_fn *fn)
{
	serving = fn;
	atomic_store(&serve_stop, 0);
	CU_ASSERT_FATAL(pthread_create(&server, NULL, serve, NULL) == 0);
}

void
serve_end(void)
{
	atomic_store(&serve_stop, 1);
	CU_ASSERT(pthread_join(server, NULL) == 0);
}
