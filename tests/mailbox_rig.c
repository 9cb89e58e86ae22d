/*
 * mailbox_rig.c: the worker's side of test_mailbox, and its bench.
 */
#include <sys/eventfd.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/lane.h"
#include "tests/mailbox_rig.h"

extern char	**environ;

/*
 * For the leak sanitizer.  nng 1.5.2 forgets a dialler that is closed while it
 * waits for a greeting, as from a peer that is not there or was silenced.
 */
const char	*__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:desk_dial\nleak:link_nng_dial\n";
}

static void
rig_up(void *arg, struct link *l)
{
	struct rig	*r = arg;

	r->ups++;
	r->link = l;
}

static void
rig_down(void *arg, struct link *l, int broken, const char *why)
{
	struct rig	*r = arg;

	(void)l;
	r->downs++;
	r->broken = broken;
	r->link = NULL;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

enum err
rig_ask(struct rig *r, uint16_t msg, uint64_t id, const char *key,
    const void *val, size_t vallen)
{
	struct frame	f;

	memset(&f, 0, sizeof(f));
	f.msg = msg;
	f.id = id;
	f.key = (const uint8_t *)key;
	f.keylen = (uint32_t)strlen(key);
	f.val = val;
	f.vallen = (uint32_t)vallen;
	return link_send(r->link, &f);
}

static void
rig_bench_answer(struct rig *r)
{
	static uint8_t	value[300 - FRAME_HEAD - 1];

	rig_ask(r, MSG_STORE_PUT, r->next_id + (uint64_t)r->bench - 1, "k",
	    value, sizeof(value));
}

static enum err
rig_msg(void *arg, const struct msg *m)
{
	struct rig	*r = arg;

	if (m->f.id != r->next_id)
		r->disorder++;
	r->next_id = m->f.id + 1;
	r->answers++;
	r->last = m->f;
	if (r->bench > 0) {
		rig_bench_answer(r);
		return E_OK;
	}
	free(r->value);
	r->value = malloc(m->f.vallen + 1);
	memcpy(r->value, m->f.val, m->f.vallen);
	return E_OK;
}

static void
rig_reject(void *arg, struct link *l, enum err e)
{
	struct rig	*r = arg;

	(void)l;
	(void)e;
	r->rejected++;
}

static void
rig_limit_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct rig	*r = w->data;

	(void)revents;
	r->late = 1;
	ev_break(loop, EVBREAK_ALL);
}

/* Turns the loop until *what reaches n; 0 when that takes too long. */
int
rig_until(struct rig *r, const volatile int *what, int n, double seconds)
{
	r->late = 0;
	ev_now_update(r->loop);
	ev_timer_init(&r->limit, rig_limit_cb, seconds, 0.);
	r->limit.data = r;
	ev_timer_start(r->loop, &r->limit);
	while (*what < n && !r->late)
		ev_run(r->loop, EVRUN_ONCE);
	ev_timer_stop(r->loop, &r->limit);
	return *what >= n;
}

int
rig_answers(struct rig *r, int n, double seconds)
{
	return rig_until(r, &r->answers, n, seconds);
}

pid_t
rig_spawn(struct rig *r, const char *mode, int lanes, const int fds[3])
{
	static char	side[] = "side", zero[] = "0", one[] = "1";
	char		self[256], kind[16];
	char		*argv[] = { self, side, r->dir, kind,
			    lanes ? one : zero, NULL };
	posix_spawn_file_actions_t fa;
	pid_t		 pid = -1;
	ssize_t		 n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int		 i;

	self[n > 0 ? n : 0] = '\0';
	snprintf(kind, sizeof(kind), "%s", mode);
	posix_spawn_file_actions_init(&fa);
	for (i = 0; lanes && i < 3; i++)
		posix_spawn_file_actions_adddup2(&fa, fds[i], FD_LANE + i);
	if (posix_spawn(&pid, self, &fa, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&fa);
	return pid;
}

void
rig_mailbox(struct rig *r, int bell, int lanes, size_t out_max)
{
	static const struct mailbox_hooks hooks = { .up = rig_up,
		.down = rig_down, .msg = rig_msg, .reject = rig_reject };
	struct mailbox_conf	c = { .role = FROM_WORKER, .seat = 1,
		.inc = r->inc != 0 ? r->inc : WORKER_INC, .bell = bell,
		.lanes = lanes, .batch = 64, .out_max = out_max,
		.assembly_max = r->small ? 65536 : BIG + (1u << 20) };

	r->loop = ev_loop_new(EVFLAG_NOSIGMASK);
	r->mb = mailbox_new(r->loop, &c, &hooks, r);
}

void
rig_dir(struct rig *r)
{
	int	small = r->small;

	memset(r, 0, sizeof(*r));
	r->small = small;
	r->memfd = -1;
	snprintf(r->dir, sizeof(r->dir), "/tmp/wharf-mb.XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		abort();
	snprintf(r->path, sizeof(r->path), "%s/link", r->dir);
}

void
rig_offer(struct rig *r, pid_t pid, int lanefd, int bell)
{
	struct link_offer	o;

	memset(&o, 0, sizeof(o));
	o.id = LINK_ID;
	o.from = FROM_STORE;
	o.peer_inc = STORE_INC;
	o.peer_pid = pid;
	o.dial = 1;
	memcpy(o.path, r->path, sizeof(o.path));
	if (mailbox_offer(r->mb, &o, &(struct lane_fds){ lanefd, bell, -1 }) !=
	    E_OK)
		abort();
}

/* Both sides of one link; out_max is the worker's. */
void
rig_begin(struct rig *r, int lanes, size_t out_max)
{
	int	fds[3] = { -1, -1, -1 };	/* lane, store's, worker's bell */

	rig_dir(r);
	if (lanes) {
		fds[0] = lane_create(RING);
		fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r->memfd = dup(fds[0]);
	}
	r->pid = rig_spawn(r, "link", lanes, fds);
	rig_mailbox(r, fds[2], lanes, out_max);
	rig_offer(r, r->pid, fds[0], fds[1]);
}

void
rig_end(struct rig *r)
{
	char	path[128];

	if (r->mb != NULL)
		mailbox_free(r->mb);
	if (r->loop != NULL)
		ev_loop_destroy(r->loop);
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	if (r->memfd != -1)
		close(r->memfd);
	free(r->value);
	unlink(r->path);
	snprintf(path, sizeof(path), "%s/store.0", r->dir);
	unlink(path);
	rmdir(r->dir);
	r->small = 0;
}

uint8_t *
pattern(size_t n)
{
	uint8_t		*p = malloc(n);
	uint32_t	 x = 12345;
	size_t		 i;

	for (i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (uint8_t)(x >> 16);
	}
	return p;
}

static struct rig rig;

static void
bench_one(int lanes, int flight, double seconds)
{
	mono_t	t;
	int	i;

	rig_begin(&rig, lanes, 4u << 20);
	if (!rig_until(&rig, &rig.ups, 1, 6.)) {
		printf("no link\n");
		exit(1);
	}
	rig.bench = flight;
	rig.next_id = 1;
	for (i = 0; i < flight; i++) {
		static uint8_t	value[300 - FRAME_HEAD - 1];

		rig_ask(&rig, MSG_STORE_PUT, (uint64_t)i + 1, "k", value,
		    sizeof(value));
	}
	t = mono_now();
	rig_answers(&rig, 2000000000, seconds);
	printf("%s, %2d in flight: %9.0f round trips/s\n",
	    lanes ? "lane + eventfd" : "nng only      ", flight,
	    rig.answers * 1e6 / (double)mono_diff(t, mono_now()));
	if (rig.disorder != 0)
		printf("DISORDER %u\n", rig.disorder);
	rig_end(&rig);
}

void
rig_bench(double seconds)
{
	bench_one(1, 1, seconds);
	bench_one(1, 64, seconds);
	bench_one(0, 1, seconds);
	bench_one(0, 64, seconds);
}
