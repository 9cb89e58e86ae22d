/*
 * test_desk.c: the front desk, as an nng program from outside meets it.
 *
 * The store is a process of its own (mailbox_side.c); this one is the client
 * and uses nothing but nng and the encoders.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/req.h>

#include "proto/clock.h"
#include "proto/msg_link.h"
#include "tests/mailbox_rig.h"
#include "tests/unit.h"

static struct rig	rig;
static char		desk_path[128];
static nng_socket	desk;		/* our REQ */
static uint8_t		answer[2048];	/* the last answer's bytes */

static void
nap(int ms)
{
	struct timespec	t = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

static void
desk_dial(void)
{
	char	url[160];

	snprintf(url, sizeof(url), "ipc://%s", desk_path);
	CU_ASSERT_FATAL(nng_req0_open(&desk) == 0);
	nng_socket_set_ms(desk, NNG_OPT_RECONNMINT, 10);
	nng_socket_set_ms(desk, NNG_OPT_RECONNMAXT, 100);
	nng_socket_set_ms(desk, NNG_OPT_RECVTIMEO, 4000);
	nng_socket_set_ms(desk, NNG_OPT_SENDTIMEO, 4000);
	CU_ASSERT(nng_dial(desk, url, NULL, NNG_FLAG_NONBLOCK) == 0);
}

static void
begin(void)
{
	static const int	none[3] = { -1, -1, -1 };

	rig_dir(&rig);
	snprintf(desk_path, sizeof(desk_path), "%s/store.0", rig.dir);
	rig.pid = rig_spawn(&rig, "desk", 0, none);
	desk_dial();
}

static void
end(void)
{
	nng_close(desk);
	rig_end(&rig);
}

/* One message there and back; the decoded answer borrows from answer[]. */
static int
exchange(nng_socket s, const void *p, size_t n, struct frame *r)
{
	void	*buf;
	size_t	 len = 0;

	if (nng_send(s, (void *)(uintptr_t)p, n, 0) != 0 ||
	    nng_recv(s, &buf, &len, NNG_FLAG_ALLOC) != 0)
		return 0;
	memcpy(answer, buf, len < sizeof(answer) ? len : sizeof(answer));
	nng_free(buf, len);
	return frame_get(r, answer, len) == E_OK;
}

static int
ask(nng_socket s, uint16_t msg, const char *key, const void *val, size_t n,
    struct frame *r)
{
	static uint64_t	id;
	uint8_t		out[1024];
	struct frame	f;

	memset(&f, 0, sizeof(f));
	f.msg = msg;
	f.id = ++id;
	f.key = (const uint8_t *)key;
	f.keylen = (uint32_t)strlen(key);
	f.val = val;
	f.vallen = f.vtotal = (uint32_t)n;
	return exchange(s, out, frame_put(out, &f), r) && r->id == id &&
	    r->msg == msg && (r->flags & FRAME_REPLY) != 0;
}

static enum err
desk_hello(struct desk_answer *a)
{
	struct desk_hello	h = { LINK_VERSION, "test" };
	struct frame		r;
	uint8_t			buf[64];
	size_t			n = desk_hello_put(buf, sizeof(buf), &h);

	if (!ask(desk, MSG_DESK_HELLO, "", buf, n, &r))
		return E_TIMEOUT;
	if (r.status == E_OK && desk_answer_get(a, r.val, r.vallen) != E_OK)
		return E_BADMSG;
	return r.status;
}

static nng_socket
link_dial(const struct desk_answer *a)
{
	nng_socket	s;
	char		url[160];

	snprintf(url, sizeof(url), "ipc://%s", a->path);
	CU_ASSERT_FATAL(nng_pair1_open(&s) == 0);
	nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 4000);
	nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, 4000);
	CU_ASSERT(nng_dial(s, url, NULL, 0) == 0);
	return s;
}

static int
link_hello(nng_socket s, const struct desk_answer *a, uint64_t id)
{
	struct hello	h = { .version = LINK_VERSION, .role = 4, .inc = 5,
		.link = id };
	struct frame	r;
	uint8_t		buf[64];

	return ask(s, MSG_HELLO, "", buf, hello_put(buf, sizeof(buf), &h),
	    &r) && r.status == E_OK && hello_get(&h, r.val, r.vallen) == E_OK &&
	    h.role == 2 && h.inc == a->inc && h.link == id;
}

static void
test_way(void)
{
	struct desk_answer	a;
	struct frame		r;
	struct stat		st;
	nng_socket		s;

	begin();
	CU_ASSERT_FATAL(desk_hello(&a) == E_OK);
	CU_ASSERT(a.stores == 2 && a.files == 16 && a.routers == 1 &&
	    a.seat == 0 && a.inc == STORE_INC && a.lanes[0] == '\0');
	CU_ASSERT(stat(desk_path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CU_ASSERT(stat(a.path, &st) == 0 && (st.st_mode & 0777) == 0600);
	s = link_dial(&a);
	CU_ASSERT(link_hello(s, &a, a.link));
	CU_ASSERT(ask(s, MSG_STORE_PUT, "key", "value", 5, &r));
	CU_ASSERT(r.status == E_OK && r.vallen == 5 &&
	    memcmp(r.val, "value", 5) == 0);
	CU_ASSERT(ask(s, MSG_STORE_PUT, "uid", "v", 1, &r) &&
	    r.ver == getuid());
	/* What a client may not say is refused, and the link lives. */
	CU_ASSERT(ask(s, MSG_STOP, "", "", 0, &r) && r.status == E_DENIED);
	CU_ASSERT(ask(s, MSG_STORE_GET, "", "", 0, &r) &&
	    r.status == E_BADMSG);
	CU_ASSERT(ask(s, MSG_STORE_GET, "k", "", 0, &r) && r.status == E_OK);
	nng_close(s);
	/* The store's owner hears that the client has left. */
	nap(100);
	CU_ASSERT_FATAL(desk_hello(&a) == E_OK);
	s = link_dial(&a);
	CU_ASSERT(link_hello(s, &a, a.link));
	CU_ASSERT(ask(s, MSG_STORE_PUT, "downs", "v", 1, &r) && r.ver == 1);
	nng_close(s);
	end();
}

/* Junk at the desk is answered and kills nothing. */
static void
test_junk(void)
{
	static const char	junk[] = "GET / HTTP/1.1\r\n\r\n";
	struct desk_answer	a;
	struct frame		r;
	uint8_t			big[3000];

	begin();
	memset(big, 'x', sizeof(big));
	CU_ASSERT(exchange(desk, junk, sizeof(junk), &r) &&
	    r.status == E_BADMSG);
	CU_ASSERT(exchange(desk, "", 0, &r) && r.status == E_BADMSG);
	CU_ASSERT(exchange(desk, big, sizeof(big), &r) &&
	    r.status == E_BADMSG);
	CU_ASSERT(ask(desk, MSG_DESK_HELLO, "", "\x09", 1, &r) &&
	    r.status == E_BADMSG);
	CU_ASSERT(ask(desk, MSG_STORE_GET, "k", "", 0, &r) &&
	    r.status == E_DENIED);
	CU_ASSERT(ask(desk, 4711, "", "", 0, &r) && r.status == E_UNKNOWN);
	CU_ASSERT(ask(desk, MSG_DESK_PING, "", "", 0, &r) &&
	    r.status == E_OK);
	CU_ASSERT(desk_hello(&a) == E_OK);
	end();
}

/* Three may have a link, pending ones too; a place is free when one leaves. */
static void
test_most_clients(void)
{
	struct desk_answer	a[3], b;
	nng_socket		s;
	int			i;

	begin();
	for (i = 0; i < 3; i++)
		CU_ASSERT(desk_hello(&a[i]) == E_OK);
	CU_ASSERT(strcmp(a[0].path, a[1].path) != 0 && a[0].link != a[1].link);
	CU_ASSERT(desk_hello(&b) == E_FULL);
	s = link_dial(&a[0]);
	CU_ASSERT(link_hello(s, &a[0], a[0].link));
	nng_close(s);
	nap(200);
	CU_ASSERT(desk_hello(&b) == E_OK);
	CU_ASSERT(desk_hello(&b) == E_FULL);
	/* The three that never came are forgotten after 5 s. */
	nap(6000);
	CU_ASSERT(desk_hello(&b) == E_OK);
	CU_ASSERT(access(a[1].path, F_OK) == -1);
	end();
}

static void
test_wrong_hello(void)
{
	struct desk_answer	a;
	struct frame		r;
	nng_socket		s;

	begin();
	CU_ASSERT_FATAL(desk_hello(&a) == E_OK);
	s = link_dial(&a);
	CU_ASSERT(!link_hello(s, &a, a.link + 1));
	nng_close(s);
	CU_ASSERT_FATAL(desk_hello(&a) == E_OK);
	s = link_dial(&a);	/* no HELLO at all */
	nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 500);
	CU_ASSERT(!ask(s, MSG_STORE_GET, "k", "", 0, &r));
	nng_close(s);
	CU_ASSERT(desk_hello(&a) == E_OK);
	end();
}

static void
link_begin(struct desk_answer *a, nng_socket *s)
{
	begin();
	CU_ASSERT_FATAL(desk_hello(a) == E_OK);
	*s = link_dial(a);
	CU_ASSERT(link_hello(*s, a, a->link));
}

/* Pieces that do not follow one another end the link, and only it. */
static void
test_pieces(void)
{
	static const uint32_t	bad[][2] = {	/* offset, id of the second */
		{ 0, 1 }, { 3, 1 }, { 5, 1 }, { 4, 2 }
	};
	struct desk_answer	a;
	struct frame		f, r;
	nng_socket		s;
	uint8_t			out[512];
	size_t			i, n;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		link_begin(&a, &s);
		memset(&f, 0, sizeof(f));
		f.msg = MSG_STORE_PUT;
		f.id = 1;
		f.key = f.val = (const uint8_t *)"0123";
		f.keylen = 1;
		f.vallen = 4;
		f.vtotal = 10;
		n = frame_put(out, &f);
		f.keylen = 0;
		f.voff = bad[i][0];
		f.id = bad[i][1];
		n += frame_put(out + n, &f);
		nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 300);
		nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, 300);
		CU_ASSERT(!exchange(s, out, n, &r));
		CU_ASSERT(!ask(s, MSG_STORE_GET, "k", "", 0, &r));
		nng_close(s);
		CU_ASSERT(desk_hello(&a) == E_OK);
		end();
	}
}

/* Takes whole messages, of several frames each, until none comes. */
static int
count_answers(nng_socket s)
{
	struct frame	 f;
	void		*buf;
	size_t		 len, at, used;
	int		 n = 0;

	while (nng_recv(s, &buf, &len, NNG_FLAG_ALLOC) == 0) {
		for (at = 0; at < len; at += used, n++) {
			if (frame_next(&f, (uint8_t *)buf + at, len - at,
			    &used) != E_OK || f.id != (uint64_t)n) {
				nng_free(buf, len);
				return -1;
			}
		}
		nng_free(buf, len);
	}
	return n;
}

/* Who asks and does not fetch is no longer read; nothing is lost. */
static void
test_slow_reader(void)
{
	static uint8_t		val[60000], out[60000 + 256];
	struct desk_answer	a;
	struct frame		f;
	nng_socket		s;
	int			n;

	link_begin(&a, &s);
	memset(&f, 0, sizeof(f));
	f.msg = MSG_STORE_PUT;
	f.key = (const uint8_t *)"k";
	f.keylen = 1;
	f.val = val;
	f.vallen = f.vtotal = sizeof(val);
	nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, 500);
	nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 500);
	for (n = 0; n < 2000; n++) {
		f.id = (uint64_t)n;
		if (nng_send(s, out, frame_put(out, &f), 0) != 0)
			break;
	}
	/* out_max of the side is 4 MiB; the rest is socket buffers. */
	CU_ASSERT(n > 60 && n < 200);
	CU_ASSERT(count_answers(s) == n);
	nng_close(s);
	end();
}

static int
hasty_connect(void)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	memcpy(sun.sun_path, desk_path, strlen(desk_path) + 1);
	r = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	close(fd);
	return r;
}

/*
 * One connect and close silences an nng listener for ever; the desk notices
 * and listens again.  A real client gets through within 3 s, every time.
 */
static void
test_silenced(void)
{
	struct desk_answer	a;
	mono_t			t;
	nng_socket		s;
	int			i, j;

	begin();
	CU_ASSERT(desk_hello(&a) == E_OK);
	nng_close(desk);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 20; j++)
			CU_ASSERT(hasty_connect() == 0);
		t = mono_now();
		desk_dial();
		CU_ASSERT(desk_hello(&a) == E_OK);
		CU_ASSERT(mono_diff(t, mono_now()) < 3000000);
		s = link_dial(&a);
		CU_ASSERT(link_hello(s, &a, a.link));
		nng_close(s);
		nng_close(desk);
		nap(150);
	}
	desk_dial();
	end();
}

/* What a client of plain sockets says to the link; 0: it failed. */
static int
plain_say(int fd, const uint8_t *p, size_t n)
{
	uint8_t	head[13] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };

	head[7] = (uint8_t)((n + 4) >> 8);
	head[8] = (uint8_t)(n + 4);
	return write(fd, head, sizeof(head)) == sizeof(head) &&
	    write(fd, p, n) == (ssize_t)n;
}

/* A client in a process of its own, without nng, whose link is up; or -1. */
static pid_t
plain_client(const struct desk_answer *a)
{
	static const char	greeting[8] = { 0, 'S', 'P', 0, 0, 0x11, 0, 0 };
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	struct hello		h = { .version = LINK_VERSION, .role = 4,
		.inc = 6, .link = a->link };
	struct frame		f = { .msg = MSG_HELLO, .id = 1 };
	uint8_t			buf[64], out[512];
	char			ok = 0;
	int			fd, up[2];
	pid_t			pid = -1;

	f.val = buf;
	f.vallen = f.vtotal = (uint32_t)hello_put(buf, sizeof(buf), &h);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", a->path);
	CU_ASSERT_FATAL(pipe(up) == 0 && (pid = fork()) != -1);
	if (pid == 0) {
		if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1 &&
		    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
		    write(fd, greeting, 8) == 8 &&
		    recv(fd, out, 8, MSG_WAITALL) == 8 &&
		    plain_say(fd, out, frame_put(out, &f)) &&
		    recv(fd, out, 13, MSG_WAITALL) == 13 &&
		    write(up[1], "y", 1) == 1)
			pause();
		_exit(1);
	}
	close(up[1]);
	CU_ASSERT(read(up[0], &ok, 1) == 1 && ok == 'y');
	close(up[0]);
	return pid;
}

/* With one socket that cannot be closed: only for want of room. */
static void
fill_until_wedged(nng_socket s)
{
	struct desk_answer	a;
	struct frame		r = { .ver = 0 };
	int			i;

	nap(12000);
	CU_ASSERT(ask(s, MSG_STORE_GET, "wedged", "", 0, &r) && r.ver == 0);
	for (i = 0; i < 300 && r.ver == 0; i++) {
		(void)desk_hello(&a);
		nap(100);
		CU_ASSERT_FATAL(ask(s, MSG_STORE_GET, "wedged", "", 0, &r));
	}
	CU_ASSERT_EQUAL(r.ver, 1);
}

/*
 * nng closes nothing any more and hears of no death: a client that has died is
 * missed all the same, and the store comes to its end.
 */
static void
test_stalled(void)
{
	struct desk_answer	a, b;
	struct frame		r;
	nng_socket		s;
	char			path[128];
	pid_t			pid;
	int			i, status = 0;

	begin();
	CU_ASSERT_FATAL(desk_hello(&a) == E_OK && desk_hello(&b) == E_OK);
	s = link_dial(&a);
	CU_ASSERT(link_hello(s, &a, a.link));
	snprintf(path, sizeof(path), "%s/stall", rig.dir);
	CU_ASSERT_FATAL(ask(s, MSG_STORE_PUT, "stall", path, strlen(path),
	    &r) && r.ver == 1);
	pid = plain_client(&b);
	CU_ASSERT(ask(s, MSG_STORE_GET, "downs", "", 0, &r) && r.ver == 0);
	CU_ASSERT(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	for (i = 0; i < 100 && r.ver == 0; i++) {
		nap(100);
		CU_ASSERT_FATAL(ask(s, MSG_STORE_GET, "downs", "", 0, &r));
	}
	CU_ASSERT_EQUAL(r.ver, 1);
	if (getenv("WHARF_LONG") != NULL)
		fill_until_wedged(s);
	CU_ASSERT(!ask(s, MSG_STORE_GET, "close", "", 0, &r));
	CU_ASSERT(waitpid(rig.pid, &status, 0) == rig.pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	rig.pid = -1;
	nng_close(s);
	end();
}

static const CU_TestInfo tests[] = {
	{ "the whole way", test_way },
	{ "junk", test_junk },
	{ "most clients", test_most_clients },
	{ "wrong HELLO", test_wrong_hello },
	{ "pieces out of place", test_pieces },
	{ "slow reader", test_slow_reader },
	{ "silenced listener", test_silenced },
	{ "stalled", test_stalled },
	CU_TEST_INFO_NULL
};

int
main(int argc, char **argv)
{
	CU_SuiteInfo suites[] = { UNIT_SUITE("desk", tests),
	    CU_SUITE_INFO_NULL };

	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "side") == 0)
		return side_main(argv);
	return unit_run("test_desk", suites);
}
