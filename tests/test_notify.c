/*
 * test_notify.c: what the service manager is told of a tree that is made up
 * here (supervisor/notify.c, supervisor/systemd.c), over a real socket.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <string.h>

#include "proto/msg.h"
#include "supervisor/notify.h"
#include "tests/unit.h"

#define STORES	2
#define PLACES	(STORES + 1)

/* child.c would bring all of wharfd; only this is asked of it. */
const char *
child_state_name(const struct child *c)
{
	return c->v.state == CHILD_READY ? "ready" : "starting";
}

static struct {
	struct tree		 t;
	struct listen_set	 l;
	struct child		 c[PLACES];
	struct systemd		 sd;
	struct notify		*n;
	int			 sock, board_fd;
	char			 told[8192];
} w;

static void
manager_open(void)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	char			name[64], err[128];
	size_t			n;

	n = (size_t)snprintf(name, sizeof(name), "@wharf-test-notify-%d",
	    (int)getpid());
	memcpy(sun.sun_path + 1, name + 1, n - 1);
	w.sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(w.sock, (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	CU_ASSERT_EQUAL_FATAL(systemd_take(&w.sd, err, sizeof(err)), 0);
	CU_ASSERT_PTR_NULL(getenv("NOTIFY_SOCKET"));
}

static void
child_make(unsigned i, const char *role, unsigned from, unsigned seat)
{
	struct child	*c = &w.c[i];

	c->role = role;
	c->from = from;
	snprintf(c->name, sizeof(c->name), "%s.%u", role, seat);
	c->board = board_place(w.t.board, i);
	c->v.state = CHILD_STARTING;
}

static void
world_open(void)
{
	memset(&w, 0, sizeof(w));
	manager_open();
	w.board_fd = board_create(PLACES);
	w.t.board = board_map(w.board_fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w.t.board);
	child_make(0, "store", FROM_STORE, 0);
	child_make(1, "store", FROM_STORE, 1);
	child_make(2, "worker", FROM_WORKER, 0);
	w.t.group[TREE_STORES] = (struct group){ .c = w.c, .n = STORES };
	w.t.group[TREE_WORKERS] = (struct group){ .c = w.c + STORES, .n = 1 };
	w.t.listen = &w.l;
	w.t.loop = ev_loop_new(0);
	w.n = notify_new(&w.sd, &w.t);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w.n);
}

static void
world_close(void)
{
	notify_free(w.n);
	ev_loop_destroy(w.t.loop);
	board_unmap(w.t.board);
	close(w.board_fd);
	close(w.sock);
	systemd_close(&w.sd);
}

static void
child_ready(unsigned i)
{
	w.c[i].v.state = CHILD_READY;
	board_set(w.c[i].board, BC_STATE, BOARD_READY);
}

static void
all_ready(void)
{
	unsigned	i;

	for (i = 0; i < PLACES; i++)
		child_ready(i);
	board_set(w.c[STORES].board, BC_LINKS, STORES);
}

static void
on_time(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Lets it look once at least; all datagrams of that time, one a line. */
static const char *
looks(void)
{
	ev_timer	t;
	size_t		n = 0;
	ssize_t		r;

	ev_timer_init(&t, on_time, 0.3, 0.);
	ev_now_update(w.t.loop);
	ev_timer_start(w.t.loop, &t);
	ev_run(w.t.loop, 0);
	while ((r = recv(w.sock, w.told + n, sizeof(w.told) - n - 2, 0)) > 0) {
		n += (size_t)r;
		w.told[n++] = '\n';
	}
	w.told[n] = '\0';
	return w.told;
}

static int
has(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

static void
test_ready(void)
{
	const char	*s;

	world_open();
	s = looks();
	CU_ASSERT(has(s, "STATUS=0 of 2 stores, 0 of 1 workers ready"));
	all_ready();
	board_set(w.c[STORES].board, BC_LINKS, STORES - 1);
	s = looks();
	CU_ASSERT(has(s, "STATUS=2 of 2 stores, 1 of 1 workers ready"));
	CU_ASSERT_FALSE(has(s, "READY=1"));	/* it would answer 503 */
	board_set(w.c[STORES].board, BC_LINKS, STORES);
	CU_ASSERT(has(looks(), "READY=1\n"));
	CU_ASSERT_STRING_EQUAL(looks(), "");	/* nothing twice */
	w.t.stopping = 1;
	s = looks();
	CU_ASSERT(has(s, "STOPPING=1\n"));
	CU_ASSERT(has(s, "STATUS=stopping; "));
	world_close();
}

/* A manager that does not read just now hears of it later. */
static void
test_full(void)
{
	char	junk[64];
	int	n = 0;

	world_open();
	looks();
	while (systemd_notify(&w.sd, "X=1") == 0)
		n++;
	CU_ASSERT(n > 0);
	all_ready();
	/* looks() reads after the time is over: all but the junk is lost. */
	CU_ASSERT_FALSE(has(looks(), "READY=1"));
	CU_ASSERT(has(looks(), "READY=1\n"));
	CU_ASSERT_EQUAL(recv(w.sock, junk, sizeof(junk), 0), -1);
	world_close();
}

static void
test_extend(void)
{
	struct child	*c = &w.c[1];

	world_open();
	CU_ASSERT_FALSE(has(looks(), "EXTEND"));	/* no progress yet */
	c->progress = 7;
	c->v.moved = mono_now();
	CU_ASSERT(has(looks(), "EXTEND_TIMEOUT_USEC=70000000\n"));
	c->progress = 8;
	c->v.moved = mono_now();
	CU_ASSERT_FALSE(has(looks(), "EXTEND"));	/* not so soon again */
	world_close();
}

/* It dies again and again: the start is to fail in time. */
static void
test_extend_braked(void)
{
	world_open();
	w.c[1].progress = 7;
	w.c[1].v.moved = mono_now();
	w.c[1].brake.pause = BRAKE_FIRST;
	CU_ASSERT_FALSE(has(looks(), "EXTEND"));
	world_close();
}

static void
test_reload(void)
{
	const char	*s;

	world_open();
	notify_reloading(w.n);
	notify_reloaded(w.n);
	CU_ASSERT_FALSE(has(looks(), "RELOADING"));	/* not ready yet */
	all_ready();
	looks();
	notify_reloading(w.n);
	notify_reloaded(w.n);
	s = looks();
	CU_ASSERT_EQUAL(strncmp(s, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	CU_ASSERT(has(s, "\nREADY=1\n"));
	world_close();
}

static void
test_trouble(void)
{
	world_open();
	all_ready();
	board_set(w.c[1].board, BC_STATE, BOARD_READONLY);
	CU_ASSERT(has(looks(), "; store.1 read-only: "));
	board_set(w.c[1].board, BC_STATE, BOARD_NOSPACE);
	CU_ASSERT(has(looks(), "; store.1 takes no writes: no space"));
	world_close();
}

static int
take(const char *pid, const char *fds, const char *names)
{
	char	err[128] = "";
	int	rv;

	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	rv = systemd_take(&w.sd, err, sizeof(err));
	CU_ASSERT(rv == 0 || err[0] != '\0');
	CU_ASSERT_PTR_NULL(getenv("LISTEN_FDS"));
	return rv;
}

static void
test_fds(void)
{
	char	me[32];

	snprintf(me, sizeof(me), "%d", (int)getpid());
	CU_ASSERT_EQUAL(dup2(STDERR_FILENO, 3), 3);
	CU_ASSERT_EQUAL(dup2(STDERR_FILENO, 4), 4);
	CU_ASSERT_EQUAL(take(me, "2", "db:mq"), 0);
	CU_ASSERT_EQUAL(w.sd.nfds, 2);
	CU_ASSERT(fcntl(3, F_GETFD) == FD_CLOEXEC);
	CU_ASSERT(systemd_fd_is(&w.sd, 0, "db"));
	CU_ASSERT_FALSE(systemd_fd_is(&w.sd, 0, "mq"));
	CU_ASSERT_FALSE(systemd_fd_is(&w.sd, 0, "d"));
	CU_ASSERT(systemd_fd_is(&w.sd, 1, "mq"));
	CU_ASSERT_FALSE(systemd_fd_is(&w.sd, 2, "mq"));
	systemd_close(&w.sd);
	CU_ASSERT_EQUAL(take("1", "2", "db:mq"), 0);	/* not for us */
	CU_ASSERT_EQUAL(w.sd.nfds, 0);
	CU_ASSERT_EQUAL(take(me, "0", ""), 0);
	CU_ASSERT_EQUAL(w.sd.nfds, 0);
	systemd_close(&w.sd);
	close(4);
	CU_ASSERT_EQUAL(take(me, "2", "db:mq"), -1);	/* 4 is not open */
	CU_ASSERT_EQUAL(take(me, "-1", ""), -1);
	CU_ASSERT_EQUAL(take(me, "2x", ""), -1);
	CU_ASSERT_EQUAL(take(me, "99999999999", ""), -1);
	close(3);
}

static const CU_TestInfo	tests[] = {
	{ "ready", test_ready },
	{ "manager busy", test_full },
	{ "more time", test_extend },
	{ "no more time for a loop", test_extend_braked },
	{ "reload", test_reload },
	{ "trouble", test_trouble },
	{ "passed descriptors", test_fds },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_notify", UNIT_SUITE("notify", tests))
