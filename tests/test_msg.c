/*
 * test_msg.c: the tables of messages and errors, payloads of control messages
 * and HELLOs, and fd 3.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "proto/msg_link.h"
#include "proto/slot.h"
#include "tests/unit.h"

static void
test_errors(void)
{
	CU_ASSERT(E_OK == 0 && E_NOSPACE == 32 && E_MAX_ == 64 && E_PEER == 40 &&
	    E_ROLE == 45 && E_AUTHBUSY == 46);
	CU_ASSERT_STRING_EQUAL(err_name(E_NOTFOUND), "E_NOTFOUND");
	CU_ASSERT_STRING_EQUAL(err_text(E_NOTFOUND),
	    "no such key, item or message");
	CU_ASSERT(err_http(E_NOTFOUND) == 404 && err_http(E_NOSPACE) == 507);
	CU_ASSERT_STRING_EQUAL(err_name(E_MAX_), "E_?");
	CU_ASSERT_STRING_EQUAL(err_name((enum err)-1), "E_?");
	CU_ASSERT(err_http((enum err)65535) == 500);
	CU_ASSERT(err_text((enum err)65535) != NULL);
}

static void
test_names(void)
{
	CU_ASSERT_STRING_EQUAL(msg_name(MSG_STORE_PUT), "STORE_PUT");
	CU_ASSERT_STRING_EQUAL(msg_name(MSG_HELLO), "HELLO");
	CU_ASSERT_STRING_EQUAL(msg_name(0), "?");
	CU_ASSERT_STRING_EQUAL(msg_name(MSG_MAX), "?");
	CU_ASSERT_STRING_EQUAL(msg_name(UINT32_MAX), "?");
}

static enum err
check(unsigned msg, unsigned from, uint32_t keylen, uint32_t vtotal)
{
	struct frame	f;

	memset(&f, 0, sizeof(f));
	f.msg = (uint16_t)msg;
	f.keylen = keylen;
	f.vtotal = vtotal;
	return msg_check(&f, from);
}

static void
test_check(void)
{
	struct frame	f;

	CU_ASSERT(check(MSG_STORE_GET, FROM_WORKER, 1, 0) == E_OK);
	CU_ASSERT(check(MSG_STORE_GET, FROM_CLIENT, KEY_MAX, 0) == E_OK);
	CU_ASSERT(check(MSG_STORE_GET, FROM_STORE, 1, 0) == E_DENIED);
	CU_ASSERT(check(MSG_STORE_GET, FROM_WORKER, 0, 0) == E_BADMSG);
	CU_ASSERT(check(MSG_STORE_GET, FROM_WORKER, KEY_MAX + 1, 0) ==
	    E_BADMSG);
	CU_ASSERT(check(MSG_STORE_GET, FROM_WORKER, 1, 1) == E_BADMSG);
	CU_ASSERT(check(MSG_STORE_PUT, FROM_WORKER, 1, VALUE_MAX) == E_OK);
	CU_ASSERT(check(MSG_STORE_PUT, FROM_WORKER, 1, VALUE_MAX + 1) ==
	    E_BADMSG);
	CU_ASSERT(check(MSG_CACHE_PUT, FROM_CLIENT, 1, CACHED_MAX) == E_OK);
	CU_ASSERT(check(MSG_CACHE_PUT, FROM_CLIENT, 1, CACHED_MAX + 1) ==
	    E_BADMSG);
	CU_ASSERT(check(MSG_CACHE_HINCRBY, FROM_CLIENT, 1,
	    CACHE_TEXT_MAX + 1) == E_BADMSG);
	CU_ASSERT(check(MSG_CACHE_GET, FROM_CLIENT, 1, 1) == E_BADMSG);
	CU_ASSERT(check(0, FROM_WORKER, 1, 0) == E_UNKNOWN);
	CU_ASSERT(check(65535, FROM_WORKER, 1, 0) == E_UNKNOWN);
	CU_ASSERT(check(MSG_STOP, FROM_SUPERVISOR, 0, 0) == E_OK);
	CU_ASSERT(check(MSG_STOP, FROM_CHILD, 0, 0) == E_DENIED);
	CU_ASSERT(check(MSG_READY, FROM_CHILD, 0, 0) == E_OK);
	CU_ASSERT(check(MSG_DESK_HELLO, FROM_WORKER, 0, 0) == E_DENIED);

	/* Only the cache's hashes have long names. */
	memset(&f, 0, sizeof(f));
	f.keylen = 1;
	f.tablen = CACHE_NAME_MAX;
	f.msg = MSG_CACHE_HGET;
	CU_ASSERT(msg_check(&f, FROM_CLIENT) == E_OK);
	f.msg = MSG_CACHE_GET;
	CU_ASSERT(msg_check(&f, FROM_CLIENT) == E_BADMSG);
	f.msg = MSG_STORE_GET;
	CU_ASSERT(msg_check(&f, FROM_CLIENT) == E_BADMSG);
	f.tablen = TABLE_MAX;
	CU_ASSERT(msg_check(&f, FROM_CLIENT) == E_OK);

	memset(&f, 0, sizeof(f));
	f.msg = MSG_STORE_GET;
	f.flags = FRAME_REPLY;
	f.vallen = f.vtotal = VALUE_MAX;
	CU_ASSERT(msg_check(&f, FROM_STORE) == E_OK);
	CU_ASSERT(msg_check(&f, FROM_WORKER) == E_DENIED);
	f.vtotal++;
	CU_ASSERT(msg_check(&f, FROM_STORE) == E_BADMSG);
}

/* Each prefix of a payload, and the payload with a byte more, is refused. */
#define SHORTER_AND_LONGER(type, get, buf, n) do {			\
	type	x_;							\
	size_t	i_;							\
									\
	for (i_ = 0; i_ < (n); i_++)					\
		CU_ASSERT(get(&x_, buf, i_) == E_BADMSG);		\
	CU_ASSERT(get(&x_, buf, (n) + 1) == E_BADMSG);			\
} while (0)

static void
test_offer(void)
{
	struct link_offer	a = { .id = 7, .from = FROM_STORE, .seat = 3,
		.peer_inc = 99, .peer_pid = 4711, .dial = 1, .path = "/run/x" };
	struct link_offer	b;
	uint8_t			buf[256] = { 0 };
	size_t			n = link_offer_put(buf, sizeof(buf), &a);

	CU_ASSERT(n == 25 + 2 + 6);
	CU_ASSERT(link_offer_get(&b, buf, n) == E_OK);
	CU_ASSERT(b.id == 7 && b.from == FROM_STORE && b.seat == 3 &&
	    b.peer_inc == 99 && b.peer_pid == 4711 && b.dial == 1);
	CU_ASSERT_STRING_EQUAL(b.path, "/run/x");
	SHORTER_AND_LONGER(struct link_offer, link_offer_get, buf, n);
	CU_ASSERT(link_offer_put(buf, n - 1, &a) == 0);
	link_offer_put(buf, sizeof(buf), &a);
	buf[n - 1] = '\0';		/* a path that ends early */
	CU_ASSERT(link_offer_get(&b, buf, n) == E_BADMSG);
	a.from = FROM_STORE | FROM_WORKER;
	n = link_offer_put(buf, sizeof(buf), &a);
	CU_ASSERT(link_offer_get(&b, buf, n) == E_BADMSG);
}

static void
test_hello(void)
{
	struct hello	a = { LINK_VERSION, 2, 513, 99, 1ull << 63, 1 }, b;
	uint8_t		buf[64] = { 0 };
	size_t		n = hello_put(buf, sizeof(buf), &a);

	CU_ASSERT(n == 17);
	CU_ASSERT(hello_get(&b, buf, n) == E_OK);
	CU_ASSERT(b.role == 2 && b.seat == 513 && b.inc == 99 &&
	    b.link == 1ull << 63 && b.lane == 1);
	SHORTER_AND_LONGER(struct hello, hello_get, buf, n);
	buf[0] = 2;
	CU_ASSERT(hello_get(&b, buf, n) == E_BADMSG);
}

static void
test_desk(void)
{
	struct desk_hello	h = { LINK_VERSION, "tester" }, g;
	struct desk_answer	a = { LINK_VERSION, 8, 16, 1, 3, 99,
		1ull << 63 | 5, "/run/wharf/c.3.99.5", "" }, b;
	uint8_t			buf[DESK_ANSWER_MAX] = { 0 };
	size_t			n = desk_hello_put(buf, sizeof(buf), &h);

	CU_ASSERT(n == 9 && desk_hello_get(&g, buf, n) == E_OK);
	CU_ASSERT_STRING_EQUAL(g.name, "tester");
	SHORTER_AND_LONGER(struct desk_hello, desk_hello_get, buf, n);
	n = desk_answer_put(buf, sizeof(buf), &a);
	CU_ASSERT(n == 21 + 2 + 19 + 2);
	CU_ASSERT(desk_answer_get(&b, buf, n) == E_OK);
	CU_ASSERT(b.stores == 8 && b.files == 16 && b.routers == 1 &&
	    b.seat == 3 && b.inc == 99 && b.link == (1ull << 63 | 5));
	CU_ASSERT_STRING_EQUAL(b.path, "/run/wharf/c.3.99.5");
	CU_ASSERT_STRING_EQUAL(b.lanes, "");
	SHORTER_AND_LONGER(struct desk_answer, desk_answer_get, buf, n);
}

static int	pair[2];

static void
pair_open(void)
{
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair) == 0);
}

static void
pair_close(void)
{
	close(pair[0]);
	close(pair[1]);
}

static void
test_ctl(void)
{
	struct frame	f;
	struct msg	m;
	struct stat	a, b;
	uint8_t		buf[CTL_PACKET];
	int		fds[2];

	pair_open();
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[1] = pair[0];
	memset(&f, 0, sizeof(f));
	f.msg = MSG_LANE;
	f.id = 5;
	f.val = (const uint8_t *)"hello";
	f.vallen = 5;
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_AGAIN);
	CU_ASSERT(ctl_send(pair[0], &f, fds, 2) == E_OK);
	CU_ASSERT(ctl_send(pair[0], &f, NULL, 0) == E_OK);
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_OK);
	CU_ASSERT(m.f.msg == MSG_LANE && m.f.id == 5 && m.f.vallen == 5 &&
	    memcmp(m.f.val, "hello", 5) == 0);
	CU_ASSERT(m.nfds == 2 && m.link == NULL);
	CU_ASSERT(fstat(fds[0], &a) == 0 && fstat(m.fds[0], &b) == 0);
	CU_ASSERT(a.st_rdev == b.st_rdev);
	CU_ASSERT(fcntl(m.fds[0], F_GETFD) == FD_CLOEXEC);
	ctl_close_fds(&m);
	CU_ASSERT(fcntl(m.fds[0], F_GETFD) == -1 && m.nfds == 0);
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_OK && m.nfds == 0);
	close(fds[0]);
	pair_close();
}

static int
open_fds(void)
{
	int	fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* Junk with descriptors: refused, nothing leaks, the talk goes on. */
static void
test_ctl_junk(void)
{
	struct frame	f;
	struct msg	m;
	uint8_t		buf[CTL_PACKET], big[2 * CTL_PACKET] = { 0 };
	union {
		struct cmsghdr	h;
		char		b[CMSG_SPACE(8 * sizeof(int))];
	}		c;
	struct iovec	iov = { big, 20 };
	struct msghdr	h = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c) };
	int		i, before, fds[8];

	pair_open();
	for (i = 0; i < 8; i++)
		fds[i] = pair[0];
	memset(&c, 0, sizeof(c));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&c.h), fds, sizeof(fds));
	before = open_fds();
	CU_ASSERT(sendmsg(pair[0], &h, 0) == 20);
	CU_ASSERT(send(pair[0], big, sizeof(big), 0) == sizeof(big));
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_NOMEM);
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_BADMSG);
	CU_ASSERT(open_fds() == before);
	memset(&f, 0, sizeof(f));
	f.msg = MSG_BEAT;
	CU_ASSERT(ctl_send(pair[0], &f, NULL, 0) == E_OK);
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_OK && m.f.msg == MSG_BEAT);
	pair_close();
}

static void
test_ctl_end(void)
{
	struct frame	f;
	struct msg	m;
	uint8_t		buf[CTL_PACKET];
	int		n = 0;

	pair_open();
	memset(&f, 0, sizeof(f));
	f.msg = MSG_BEAT;
	while (n < 100000 && ctl_send(pair[0], &f, NULL, 0) == E_OK)
		n++;
	CU_ASSERT(n > 10 && ctl_send(pair[0], &f, NULL, 0) == E_AGAIN);
	close(pair[1]);
	CU_ASSERT(ctl_send(pair[0], &f, NULL, 0) == E_INTERNAL);
	close(pair[0]);
	pair_open();
	close(pair[0]);
	CU_ASSERT(ctl_recv(pair[1], &m, buf) == E_INTERNAL);
	close(pair[1]);
}

/* Contract 4.1. */
/* As contract 4.1 has it: bytes of every value, keys of every length. */
static void
check_slots(void)
{
	uint8_t		key[100];
	uint64_t	h = 0;
	size_t		n;

	for (n = 0; n < sizeof(key); n++) {
		CU_ASSERT(slot_of(key, n) == h % 1024);
		key[n] = (uint8_t)(251 - n * 37);
		h = h * 31 + key[n];
	}
}

static void
test_slots(void)
{
	check_slots();
	CU_ASSERT(slot_of("", 0) == 0);
	CU_ASSERT(slot_of("a", 1) == 97);
	CU_ASSERT(slot_of("ab", 2) == (97 * 31 + 98) % 1024);
	CU_ASSERT(slot_of("\xff", 1) == 255);		/* unsigned */
	CU_ASSERT(slot_store(1023, 8) == 7 && slot_file(1023, 8, 16) == 15);
}

static const CU_TestInfo tests[] = {
	{ "errors", test_errors },
	{ "names", test_names },
	{ "rows", test_check },
	{ "LANE's payload", test_offer },
	{ "HELLO's payload", test_hello },
	{ "front desk payloads", test_desk },
	{ "fd 3 with descriptors", test_ctl },
	{ "fd 3 and junk", test_ctl_junk },
	{ "fd 3 full and at its end", test_ctl_end },
	{ "slots", test_slots },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_msg", UNIT_SUITE("msg", tests))
