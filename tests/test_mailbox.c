/*
 * test_mailbox.c: links between two real processes, over nng and over lanes.
 *
 *	test_mailbox			the tests
 *	test_mailbox bench [seconds]	round trips per second
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <signal.h>
#include <string.h>

#include "tests/mailbox_rig.h"
#include "tests/unit.h"

static struct rig	rig;

static void
begin_up(int lanes, size_t out_max)
{
	rig_begin(&rig, lanes, out_max);
	CU_ASSERT(rig_until(&rig, &rig.ups, 1, 6.));
	if (rig.link == NULL) {
		fprintf(stderr, "no link: %s\n", rig.why);
		exit(1);
	}
	rig.next_id = 1;
}

/* Many at once: all answered, in order, with what was sent. */
static void
many(int lanes)
{
	uint8_t	*val = pattern(3000);
	int	 i;

	begin_up(lanes, 16u << 20);
	for (i = 0; i < 5000; i++)
		CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, (uint64_t)i + 1, "k",
		    val, (size_t)(i % 3000) + 1) == E_OK);
	CU_ASSERT(rig_answers(&rig, 5000, 20.));
	CU_ASSERT(rig.disorder == 0 && rig.rejected == 0 && rig.downs == 0);
	CU_ASSERT(rig.last.vallen == 4999 % 3000 + 1);
	CU_ASSERT(memcmp(rig.value, val, rig.last.vallen) == 0);
	CU_ASSERT(rig.last.from == STORE_INC && rig.last.to == WORKER_INC);
	CU_ASSERT(link_from(rig.link) == FROM_STORE);
	CU_ASSERT(link_find(rig.mb, LINK_ID) == rig.link);
	rig_end(&rig);
	free(val);
}

static void
test_many_nng(void)
{
	many(0);
}

static void
test_many_lane(void)
{
	many(1);
}

/* A value of many pieces, between two small messages, both ways. */
static void
big(int lanes)
{
	uint8_t	*val = pattern(BIG);

	begin_up(lanes, 16u << 20);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_GET, 1, "k", NULL, 0) == E_OK);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 2, "key", val, BIG) == E_OK);
	CU_ASSERT(rig_answers(&rig, 2, 20.));
	CU_ASSERT(rig.last.id == 2 && rig.last.status == E_OK);
	CU_ASSERT(rig.last.vallen == BIG && rig.last.vtotal == BIG);
	CU_ASSERT(rig.last.vallen == BIG &&
	    memcmp(rig.value, val, BIG) == 0);
	/* Just fitting, and just not fitting, one frame. */
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 3, "key", val, FRAME_VALUE) ==
	    E_OK);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 4, "key", val,
	    FRAME_VALUE + 1) == E_OK);
	CU_ASSERT(rig_answers(&rig, 4, 20.));
	CU_ASSERT(rig.last.vallen == FRAME_VALUE + 1);
	CU_ASSERT(memcmp(rig.value, val, FRAME_VALUE + 1) == 0);
	CU_ASSERT(rig.disorder == 0 && rig.downs == 0);
	rig_end(&rig);
	free(val);
}

static void
test_big_nng(void)
{
	big(0);
}

static void
test_big_lane(void)
{
	big(1);
}

/* More than the peer will put together: refused once, the link lives on. */
static void
test_no_room(void)
{
	size_t	 n = BIG + (2u << 20);
	uint8_t	*val = pattern(n);

	begin_up(1, 32u << 20);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 1, "k", val, n) == E_OK);
	CU_ASSERT(rig_answers(&rig, 1, 20.));
	CU_ASSERT(rig.last.id == 1 && rig.last.status == E_FULL);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 2, "rejected", val, 9) == E_OK);
	CU_ASSERT(rig_answers(&rig, 2, 20.));
	CU_ASSERT(rig.last.id == 2 && rig.last.status == E_OK);
	CU_ASSERT(rig.last.ver == 1);
	CU_ASSERT(rig.answers == 2 && rig.downs == 0);
	rig_end(&rig);
	free(val);
}

/* An answer for which the asker has no room comes without its value. */
static void
test_no_room_answer(void)
{
	uint8_t	*val = pattern(BIG);

	rig.small = 1;
	rig_begin(&rig, 1, 32u << 20);
	CU_ASSERT(rig_until(&rig, &rig.ups, 1, 6.));
	rig.next_id = 1;
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 1, "k", val, BIG) == E_OK);
	CU_ASSERT(rig_answers(&rig, 1, 20.));
	CU_ASSERT(rig.last.id == 1 && rig.last.status == E_NOMEM);
	CU_ASSERT(rig.last.vallen == 0);
	CU_ASSERT(rig_ask(&rig, MSG_STORE_PUT, 2, "k", val, 5) == E_OK);
	CU_ASSERT(rig_answers(&rig, 2, 20.));
	CU_ASSERT(rig.last.id == 2 && rig.last.vallen == 5);
	rig_end(&rig);
	free(val);
}

/* E_AGAIN holds the link, link_resume lets it go on, nothing is lost. */
static void
again(int lanes)
{
	uint8_t	*val = pattern(BIG);
	int	 i;

	begin_up(lanes, 16u << 20);
	rig_ask(&rig, MSG_STORE_PUT, 1, "again", "x", 1);
	rig_ask(&rig, MSG_STORE_PUT, 2, "k", val, BIG);
	for (i = 3; i <= 200; i++)
		rig_ask(&rig, MSG_STORE_PUT, (uint64_t)i, i == 100 ? "again" :
		    "k", "x", 1);
	CU_ASSERT(rig_answers(&rig, 200, 20.));
	CU_ASSERT(rig.disorder == 0 && rig.downs == 0);
	rig_end(&rig);
	free(val);
}

static void
test_again_nng(void)
{
	again(0);
}

static void
test_again_lane(void)
{
	again(1);
}

/* The peer stands still: E_FULL, not memory; afterwards all is answered. */
static void
stopped(int lanes)
{
	uint8_t	*val = pattern(60000);
	int	 n = 0;

	begin_up(lanes, 1u << 20);
	kill(rig.pid, SIGSTOP);
	while (n < 1000 && rig_ask(&rig, MSG_STORE_PUT, (uint64_t)n + 1, "k",
	    val, 60000) == E_OK)
		n++;
	CU_ASSERT(n >= 16 && n < 100);
	CU_ASSERT(link_queued(rig.link) < (1u << 20) + 3 * 61000);
	CU_ASSERT(!rig_answers(&rig, 1, 0.1));
	kill(rig.pid, SIGCONT);
	CU_ASSERT(rig_answers(&rig, n, 20.));
	CU_ASSERT(rig.disorder == 0 && rig.downs == 0);
	rig_end(&rig);
	free(val);
}

static void
test_stopped_nng(void)
{
	stopped(0);
}

static void
test_stopped_lane(void)
{
	stopped(1);
}

static void
killed(int lanes)
{
	begin_up(lanes, 1u << 20);
	kill(rig.pid, SIGKILL);
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 2.));
	CU_ASSERT(rig.broken == 1 && rig.link == NULL);
	CU_ASSERT(link_find(rig.mb, LINK_ID) == NULL);
	rig_end(&rig);
}

static void
test_killed_nng(void)
{
	killed(0);
}

static void
test_killed_lane(void)
{
	killed(1);
}

/* What a peer answered before it died is read before it is given up. */
static void
test_last_words(void)
{
	begin_up(1, 1u << 20);
	rig_ask(&rig, MSG_STORE_PUT, 1, "k", "x", 1);
	rig_ask(&rig, MSG_STORE_PUT, 2, "die", "x", 1);
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 2.));
	CU_ASSERT(rig.answers == 1 && rig.last.id == 1);
	rig_end(&rig);
}

/* A handler that takes its own link down. */
static void
test_unlink_inside(void)
{
	begin_up(1, 1u << 20);
	rig_ask(&rig, MSG_STORE_PUT, 1, "unlink", "x", 1);
	rig_ask(&rig, MSG_STORE_PUT, 2, "k", "x", 1);
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 2.));
	CU_ASSERT(rig.broken == 1 && rig.answers == 0);
	rig_end(&rig);
}

static void
test_told_down(void)
{
	begin_up(1, 1u << 20);
	mailbox_unlink(rig.mb, 4711);
	CU_ASSERT(rig.downs == 0);
	mailbox_unlink(rig.mb, LINK_ID);
	CU_ASSERT(rig.downs == 1 && rig.broken == 0);
	rig_end(&rig);
}

/* Nobody at the other end, or not the one announced: down after 5 s. */
static void
test_nobody(void)
{
	const int	none[3] = { -1, -1, -1 };

	rig_dir(&rig);
	rig_mailbox(&rig, -1, 0, 1u << 20);
	rig_offer(&rig, getpid(), -1, -1);
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 7.));
	CU_ASSERT(rig.ups == 0 && rig.broken == 1);
	rig_end(&rig);

	rig_dir(&rig);
	rig.pid = rig_spawn(&rig, "link", 0, none);
	rig_mailbox(&rig, -1, 0, 1u << 20);
	rig_offer(&rig, getpid(), -1, -1);	/* the wrong pid */
	CU_ASSERT(!rig_until(&rig, &rig.ups, 1, 0.7));
	rig_end(&rig);
}

static void
test_wrong_incarnation(void)
{
	const int	none[3] = { -1, -1, -1 };

	rig_dir(&rig);
	rig.inc = WORKER_INC + 1;
	rig.pid = rig_spawn(&rig, "link", 0, none);
	rig_mailbox(&rig, -1, 0, 1u << 20);
	rig_offer(&rig, rig.pid, -1, -1);
	/* It is refused at once, but the refusal may be lost with the pipe. */
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 7.));
	CU_ASSERT(rig.ups == 0 && rig.broken == 1);
	rig_end(&rig);
}

/* Refused by its row: answered, counted, and the link lives. */
static void
test_refused(void)
{
	begin_up(1, 1u << 20);
	rig_ask(&rig, MSG_STORE_GET, 1, "", NULL, 0);
	rig_ask(&rig, 63, 2, "k", NULL, 0);
	rig_ask(&rig, MSG_READY, 3, "", NULL, 0);
	CU_ASSERT(rig_answers(&rig, 1, 2.));
	/* Answers to messages that there are not are refused here in turn. */
	rig_ask(&rig, MSG_STORE_PUT, 4, "rejected", "x", 1);
	CU_ASSERT(rig_answers(&rig, 2, 2.));
	CU_ASSERT(rig.last.id == 4 && rig.last.ver == 3);
	CU_ASSERT(rig.rejected == 2 && rig.downs == 0);
	rig_end(&rig);
}

/* Whatever stands in the lane, we only give up the link. */
static void
scribble(uint64_t from, uint64_t step, uint8_t byte)
{
	struct stat	 st;
	uint8_t		*p;
	uint64_t	 i;

	begin_up(1, 1u << 20);
	rig_ask(&rig, MSG_STORE_PUT, 1, "k", "x", 1);
	CU_ASSERT(rig_answers(&rig, 1, 2.));
	CU_ASSERT_FATAL(fstat(rig.memfd, &st) == 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    rig.memfd, 0);
	CU_ASSERT_FATAL(p != MAP_FAILED);
	kill(rig.pid, SIGSTOP);
	rig_ask(&rig, MSG_STORE_PUT, 2, "k", "x", 1);
	for (i = from; i < (uint64_t)st.st_size; i += step)
		p[i] = byte;
	munmap(p, (size_t)st.st_size);
	mailbox_flush(rig.mb);
	kill(rig.pid, SIGCONT);
	CU_ASSERT(rig_until(&rig, &rig.downs, 1, 3.));
	CU_ASSERT(rig.broken == 1);
	rig_end(&rig);
}

static void
test_scribble(void)
{
	scribble(8, 1, 0xff);		/* positions, flags and frames */
	scribble(64 + 5, 64, 0x7f);	/* positions far away */
	scribble(4096, 1, 0xff);	/* lengths, as skip marks */
	scribble(4096, 1, 0x00);	/* lengths of nothing */
	scribble(4096 + 8, 8, 'X');	/* frames' magic numbers */
}

static const CU_TestInfo tests[] = {
	{ "many over nng", test_many_nng },
	{ "many over a lane", test_many_lane },
	{ "big values over nng", test_big_nng },
	{ "big values over a lane", test_big_lane },
	{ "no room for a request", test_no_room },
	{ "no room for an answer", test_no_room_answer },
	{ "E_AGAIN over nng", test_again_nng },
	{ "E_AGAIN over a lane", test_again_lane },
	{ "stopped peer over nng", test_stopped_nng },
	{ "stopped peer over a lane", test_stopped_lane },
	{ "killed peer over nng", test_killed_nng },
	{ "killed peer over a lane", test_killed_lane },
	{ "last words", test_last_words },
	{ "unlink inside a handler", test_unlink_inside },
	{ "told down", test_told_down },
	{ "nobody there", test_nobody },
	{ "wrong incarnation", test_wrong_incarnation },
	{ "refused messages", test_refused },
	{ "scribbled lane", test_scribble },
	CU_TEST_INFO_NULL
};

int
main(int argc, char **argv)
{
	CU_SuiteInfo suites[] = { UNIT_SUITE("mailbox", tests),
	    CU_SUITE_INFO_NULL };

	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "side") == 0)
		return side_main(argv);
	if (argc >= 2 && strcmp(argv[1], "bench") == 0) {
		rig_bench(argc > 2 ? atof(argv[2]) : 3.);
		return 0;
	}
	return unit_run("test_mailbox", suites);
}
