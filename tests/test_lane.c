/*
 * test_lane.c: the ring: wrap-around, full, sleep and wake between two threads
 * and between two processes, and a peer that writes nonsense.
 *
 *	test_lane peer LANEFD OWNBELL PEERBELL COUNT	the other process
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>

#include "proto/lane.h"
#include "tests/unit.h"

#define RING	(64u << 10)
#define BIG	(512u << 10)

extern char	**environ;

static struct lane	*a, *b;
static int		 memfd;

static void
lanes_open(size_t ring)
{
	memfd = lane_create(ring);
	CU_ASSERT_FATAL(memfd != -1);
	a = lane_map(memfd, LANE_A);
	b = lane_map(memfd, LANE_B);
	CU_ASSERT_FATAL(a != NULL && b != NULL);
}

static void
lanes_close(void)
{
	lane_unmap(a);
	lane_unmap(b);
	close(memfd);
}

/* A frame's bytes follow from its number, so that any mix-up shows. */
static size_t
frame_length(uint32_t i, size_t max)
{
	uint32_t	x = i * 2654435761u;

	return 4 + (x >> 7) % (i % 50 == 0 ? max - 4 : 300);
}

static void
frame_fill(uint8_t *p, size_t n, uint32_t i)
{
	memset(p, (int)(i & 0xff), n);
	memcpy(p, &i, 4);
}

static int
frame_good(const uint8_t *p, size_t n, uint32_t i, size_t max)
{
	uint32_t	got;

	memcpy(&got, p, 4);
	return got == i && n == frame_length(i, max) &&
	    (n == 4 || (p[4] == (i & 0xff) && p[n - 1] == (i & 0xff)));
}

static int
put(struct lane *l, uint32_t i)
{
	size_t	 n = frame_length(i, lane_frame_max(l));
	uint8_t	*p = lane_reserve(l, n);

	if (p == NULL)
		return 0;
	frame_fill(p, n, i);
	lane_commit(l, n);
	return 1;
}

/* 1 taken and good, 0 none, -1 wrong. */
static int
take(struct lane *l, uint32_t i)
{
	const uint8_t	*p;
	size_t		 n;
	int		 r = lane_peek(l, &p, &n);

	if (r <= 0)
		return r;
	if (!frame_good(p, n, i, lane_frame_max(l)))
		return -1;
	lane_release(l);
	return 1;
}

static void
test_create(void)
{
	int	fd;

	CU_ASSERT(lane_create(4096) == -1 && errno == EINVAL);
	CU_ASSERT(lane_create(RING + 8) == -1);
	CU_ASSERT(lane_create((size_t)128 << 20) == -1);
	lanes_open(RING);
	CU_ASSERT(fcntl(memfd, F_GETFD) == FD_CLOEXEC);
	CU_ASSERT(ftruncate(memfd, 4096) == -1);	/* sealed */
	CU_ASSERT(lane_frame_max(a) == RING / 2 - 8);
	lanes_close();
	/* Memory that could be cut under us, and memory that is no lane. */
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT(ftruncate(fd, 4096 + 2 * RING) == 0);
	CU_ASSERT(lane_map(fd, LANE_A) == NULL && errno == EINVAL);
	CU_ASSERT(fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	CU_ASSERT(lane_map(fd, LANE_A) == NULL && errno == EINVAL);
	close(fd);
	CU_ASSERT(lane_map(-1, LANE_A) == NULL);
}

/* Several times round, both ways, with every alignment of the end. */
static void
test_wrap(void)
{
	uint32_t	in = 0, out = 0, back = 0;
	int		r = 1;

	lanes_open(RING);
	while (out < 20000 && r == 1) {
		while (in < 20000 && put(a, in))
			in++;
		if ((r = take(b, out)) == 1)
			out++;
		if (put(b, back) && (r = take(a, back)) == 1)
			back++;
	}
	CU_ASSERT(r == 1 && out == 20000 && back == 20000);
	CU_ASSERT(take(b, out) == 0 && take(a, back) == 0);
	lanes_close();
}

/* The longest frame fits an empty ring wherever its positions stand. */
static void
test_longest(void)
{
	const uint8_t	*p;
	uint8_t		*w;
	size_t		 n, max;
	int		 i, bad = 0;

	lanes_open(RING);
	max = lane_frame_max(a);
	for (i = 0; i < 2000; i++) {
		if ((w = lane_reserve(a, i % 3 ? 8 * (size_t)i + 1 : max)) ==
		    NULL) {
			bad++;
			continue;
		}
		lane_commit(a, i % 3 ? 8 * (size_t)i + 1 : max);
		if (lane_peek(b, &p, &n) != 1)
			bad++;
		else
			lane_release(b);
	}
	CU_ASSERT(bad == 0);
	lanes_close();
}

/* Sends and takes count frames of n bytes: how much of the ring they used. */
static size_t
reach(unsigned count, size_t n)
{
	const uint8_t	*least = NULL, *most = NULL, *p;
	uint8_t		*w;
	size_t		 got;

	for (; count > 0; count--) {
		if ((w = lane_reserve(a, n)) == NULL)
			return SIZE_MAX;
		lane_commit(a, n);
		if (lane_peek(b, &p, &got) != 1 || got != n)
			return SIZE_MAX;
		least = least == NULL || p < least ? p : least;
		most = most == NULL || p > most ? p : most;
		lane_release(b);
	}
	return (size_t)(most - least);
}

/*
 * A reader that keeps up meets the same memory over and over; one that does not
 * has all of the ring, and is not made to wait for what was skipped again.
 */
static void
test_early(void)
{
	unsigned	n = 0, i;
	size_t		most;

	lanes_open(BIG);
	CU_ASSERT(reach(5000, 1100) < BIG / 8);
	CU_ASSERT(reach(50000, 9) > BIG / 2);	/* short ones need it not */
	while (put(a, n))
		n++;
	for (i = 0; i < n; i++)
		CU_ASSERT_FATAL(take(b, i) == 1);
	CU_ASSERT(put(a, 4));
	CU_ASSERT_FATAL(take(b, 4) == 1);
	/* One did not fit: for a while they go round the whole of it. */
	most = reach(1000, 1100);
	CU_ASSERT(most > BIG / 2 && most < BIG);
	CU_ASSERT(reach(5000, 1100) < BIG);
	CU_ASSERT(reach(5000, 1100) < BIG / 8);
	lanes_close();
}

static void
test_full(void)
{
	uint32_t	in = 0;

	lanes_open(RING);
	while (put(a, in))
		in++;
	CU_ASSERT(in > 1);
	CU_ASSERT(lane_reserve(a, lane_frame_max(a)) == NULL);
	CU_ASSERT(lane_wait_room(a, lane_frame_max(a)) == 0);
	CU_ASSERT(lane_must_ring_writer(b) == 0);	/* nothing released */
	CU_ASSERT(take(b, 0) == 1);
	CU_ASSERT(lane_must_ring_writer(b) == 1);
	CU_ASSERT(lane_must_ring_writer(b) == 0);	/* once only */
	CU_ASSERT(lane_wait_room(a, 8) == 1);		/* nothing asked */
	CU_ASSERT(take(b, 1) == 1 && lane_must_ring_writer(b) == 0);
	lanes_close();
}

static void
test_sleep(void)
{
	lanes_open(RING);
	CU_ASSERT(lane_must_ring(a) == 0);
	put(a, 0);
	CU_ASSERT(lane_must_ring(a) == 0);	/* the reader is awake */
	CU_ASSERT(lane_sleep(b) == 0);		/* and may not sleep yet */
	CU_ASSERT(take(b, 0) == 1);
	CU_ASSERT(lane_sleep(b) == 1);
	CU_ASSERT(lane_must_ring(a) == 0);	/* nothing new */
	put(a, 1);
	CU_ASSERT(lane_must_ring(a) == 1);
	put(a, 2);
	CU_ASSERT(lane_must_ring(a) == 0);	/* rung already */
	CU_ASSERT(lane_sleep(b) == 0);
	lane_awake(b);
	put(a, 3);
	CU_ASSERT(lane_must_ring(a) == 0);
	lanes_close();
}

/* ---- two threads, two processes: a stream each way, with bells -------- */

struct side {
	struct lane	*lane;
	int		 own_bell, peer_bell;
	uint32_t	 count;
	uint32_t	 in, out;
	unsigned	 slept;
	int		 bad;
};

static void
side_ring(struct side *s)
{
	uint64_t	one = 1;
	int		must = lane_must_ring(s->lane);

	must |= lane_must_ring_writer(s->lane);
	if (must && write(s->peer_bell, &one, sizeof(one)) != sizeof(one))
		s->bad = 1;
}

/* Sleeps as an actor does; a lost wake-up shows as a poll that times out. */
static void
side_sleep(struct side *s)
{
	struct pollfd	p = { .fd = s->own_bell, .events = POLLIN };
	uint64_t	n;

	side_ring(s);
	if (s->out < s->count && lane_wait_room(s->lane,
	    frame_length(s->out, lane_frame_max(s->lane))))
		return;
	if (s->in < s->count && !lane_sleep(s->lane))
		return;
	s->slept++;
	if (poll(&p, 1, 10000) != 1 ||
	    read(s->own_bell, &n, sizeof(n)) != sizeof(n))
		s->bad = 1;
	lane_awake(s->lane);
}

static void *
side_run(void *arg)
{
	struct side	*s = arg;
	int		 r = 0, i;

	while ((s->in < s->count || s->out < s->count) && !s->bad) {
		for (i = 0; i < 100 && s->out < s->count; i++) {
			if (!put(s->lane, s->out))
				break;
			s->out++;
		}
		for (i = 0; i < 100 && s->in < s->count; i++) {
			if ((r = take(s->lane, s->in)) != 1)
				break;
			s->in++;
		}
		if (r < 0)
			s->bad = 1;
		if (s->in < s->count || s->out < s->count)
			side_sleep(s);
	}
	side_ring(s);
	return NULL;
}

static void
sides_init(struct side s[2], uint32_t count)
{
	memset(s, 0, 2 * sizeof(*s));
	s[0].lane = a;
	s[1].lane = b;
	s[0].count = s[1].count = count;
	s[0].own_bell = s[1].peer_bell = eventfd(0, EFD_CLOEXEC);
	s[1].own_bell = s[0].peer_bell = eventfd(0, EFD_CLOEXEC);
}

static void
test_threads(void)
{
	struct side	s[2];
	pthread_t	t;

	lanes_open(RING);
	sides_init(s, 300000);
	CU_ASSERT_FATAL(pthread_create(&t, NULL, side_run, &s[1]) == 0);
	side_run(&s[0]);
	pthread_join(t, NULL);
	CU_ASSERT(!s[0].bad && !s[1].bad);
	CU_ASSERT(s[0].in == 300000 && s[1].in == 300000);
	CU_ASSERT(s[0].slept + s[1].slept > 0);
	close(s[0].own_bell);
	close(s[1].own_bell);
	lanes_close();
}

static int
peer_main(char **argv)
{
	struct side	s = { .own_bell = atoi(argv[3]),
		.peer_bell = atoi(argv[4]), .count = (uint32_t)atoi(argv[5]) };

	alarm(120);
	if ((s.lane = lane_map(atoi(argv[2]), LANE_B)) == NULL)
		return 2;
	side_run(&s);
	lane_unmap(s.lane);
	return s.bad || s.in != s.count;
}

static pid_t
peer_spawn(struct side *s)
{
	static char	peer[] = "peer";
	char		self[256], num[4][16];
	char		*argv[] = { self, peer, num[0], num[1], num[2], num[3],
			    NULL };
	ssize_t		 n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	posix_spawn_file_actions_t fa;
	pid_t		 pid = -1;

	self[n > 0 ? n : 0] = '\0';
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, memfd, 20);
	posix_spawn_file_actions_adddup2(&fa, s->own_bell, 21);
	posix_spawn_file_actions_adddup2(&fa, s->peer_bell, 22);
	snprintf(num[0], 16, "20");
	snprintf(num[1], 16, "21");
	snprintf(num[2], 16, "22");
	snprintf(num[3], 16, "%u", s->count);
	if (posix_spawn(&pid, self, &fa, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&fa);
	return pid;
}

static void
test_processes(void)
{
	struct side	s[2];
	pid_t		pid;
	int		status = -1;

	lanes_open(RING);
	sides_init(s, 300000);
	pid = peer_spawn(&s[1]);
	CU_ASSERT_FATAL(pid > 0);
	side_run(&s[0]);
	CU_ASSERT(!s[0].bad && s[0].in == 300000);
	CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
	close(s[0].own_bell);
	close(s[1].own_bell);
	lanes_close();
}

/* ---- a hostile peer --------------------------------------------------- */

static uint32_t
rnd(void)
{
	static uint64_t	x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static void
scribble(uint8_t *mem, size_t size)
{
	static const uint8_t	nasty[] = { 0, 1, 7, 8, 0x7f, 0x80, 0xff };
	size_t			at;
	int			k = (int)(rnd() % 4) + 1;

	while (k-- > 0) {
		/* positions and the first records are worth most */
		at = rnd() % 4 == 0 ? rnd() % size : rnd() % 3 == 0 ?
		    4096 + rnd() % 2048 : 8 + rnd() % 300;
		mem[at] = nasty[rnd() % sizeof(nasty)];
	}
}

/* Everything the other side may do: nothing handed out lies outside. */
static int
poke(const uint8_t *mem, size_t size)
{
	const uint8_t	*p;
	uint8_t		*w;
	size_t		 n;
	volatile uint8_t sum = 0;
	int		 i, r;

	for (i = 0; i < 40; i++) {
		if ((w = lane_reserve(a, 1 + rnd() % 900)) != NULL) {
			*w = 1;
			lane_commit(a, 1);
		}
		r = lane_peek(a, &p, &n);
		if (r == 1) {
			if (p < mem + 4096 || n > size ||
			    p + n > mem + 4096 + 2 * RING)
				return 0;
			sum = (uint8_t)(sum + p[0] + p[n - 1]);
			lane_release(a);
		}
		lane_must_ring(a);
		lane_must_ring_writer(a);
		lane_wait_room(a, 64);
		if (lane_sleep(a))
			lane_awake(a);
	}
	return 1;
}

/* Where a's own mapping lies is learnt by asking for room in it. */
static void
test_hostile(void)
{
	struct stat	 st;
	uint8_t		*evil, *own;
	int		 i, j, good = 1, damaged = 0;
	const uint8_t	*p;
	size_t		 n;

	for (i = 0; i < 3000; i++) {
		lanes_open(RING);
		CU_ASSERT_FATAL(fstat(memfd, &st) == 0);
		evil = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, memfd, 0);
		CU_ASSERT_FATAL(evil != MAP_FAILED);
		own = lane_reserve(a, 8) - 8 - 4096;
		for (j = 0; j < 20; j++)
			put(b, (uint32_t)j);
		for (j = 0; j < 4; j++) {
			scribble(evil, (size_t)st.st_size);
			good &= poke(own, (size_t)st.st_size);
		}
		damaged += lane_peek(a, &p, &n) == -1;
		munmap(evil, (size_t)st.st_size);
		lanes_close();
		if (!good)
			break;
	}
	CU_ASSERT(good);
	CU_ASSERT(damaged > 100);
}

/* A damaged lane stays so: it neither writes nor reads any more. */
static void
test_damaged(void)
{
	const uint8_t	*p;
	uint8_t		*evil;
	uint64_t	 far = (uint64_t)1 << 40;
	size_t		 n;

	lanes_open(RING);
	put(b, 0);
	evil = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	CU_ASSERT_FATAL(evil != MAP_FAILED);
	memcpy(evil + 64, &far, 8);	/* ends' heads, ring by ring */
	memcpy(evil + 192, &far, 8);
	CU_ASSERT(lane_peek(a, &p, &n) == -1);
	CU_ASSERT(lane_peek(a, &p, &n) == -1);
	CU_ASSERT(lane_reserve(a, 8) == NULL);
	CU_ASSERT(lane_sleep(a) == 0);	/* so that somebody looks */
	munmap(evil, 4096);
	lanes_close();
}

static const CU_TestInfo tests[] = {
	{ "create and map", test_create },
	{ "wrap-around", test_wrap },
	{ "early", test_early },
	{ "the longest frame", test_longest },
	{ "full", test_full },
	{ "sleep", test_sleep },
	{ "two threads", test_threads },
	{ "two processes", test_processes },
	{ "a hostile peer", test_hostile },
	{ "a damaged lane", test_damaged },
	CU_TEST_INFO_NULL
};

int
main(int argc, char **argv)
{
	CU_SuiteInfo suites[] = { UNIT_SUITE("lane", tests),
	    CU_SUITE_INFO_NULL };

	if (argc == 6 && strcmp(argv[1], "peer") == 0)
		return peer_main(argv);
	return unit_run("test_lane", suites);
}
