/*
 * test_spin.c: when a loop polls instead of sleeping.
 */
#include "proto/spin.h"
#include "tests/unit.h"

#define US	200u

static struct spin	s;
static mono_t		now;

static void
pass(int64_t us)
{
	now = mono_add(now, us);
}

static void
start(void)
{
	now.us = 1000000000;
	spin_init(&s, US);
}

/* One message after us of sleep or polling; 1 if the loop polls then. */
static int
message(int64_t us, unsigned n)
{
	pass(us);
	spin_back(&s, now);
	spin_looked(&s, n, 0, now);
	return spin_again(&s, now);
}

/* How many single messages, us apart, it takes until the loop polls. */
static unsigned
lessons(int64_t us)
{
	unsigned	n;

	for (n = 1; n < 1000; n++)
		if (message(us, 1))
			return n;
	return 0;
}

/* Polls for us in steps of step; the number of polls. */
static unsigned
polls(int64_t us, int64_t step)
{
	unsigned	n = 0;

	for (; us > 0; us -= step) {
		pass(step);
		spin_back(&s, now);
		spin_looked(&s, 0, 0, now);
		n += (unsigned)spin_again(&s, now);
	}
	return n;
}

static void
test_learns(void)
{
	start();
	CU_ASSERT_FALSE(spin_again(&s, now));
	CU_ASSERT(lessons(50) > 1);
	CU_ASSERT_TRUE(message(100, 1));
}

static void
test_ends(void)
{
	start();
	CU_ASSERT(lessons(50) > 0);
	CU_ASSERT_EQUAL(polls(US + 10, 1), US - 1);
	/* It slept shortly: it goes on.  It slept long: it learns anew. */
	CU_ASSERT_TRUE(message(US, 1));
	(void)polls(US, 1);
	CU_ASSERT_FALSE(message(10 * US, 1));
	CU_ASSERT(lessons(50) > 1);
}

static void
test_rare_messages_never(void)
{
	start();
	CU_ASSERT_EQUAL(lessons(1000000), 0);
	CU_ASSERT_EQUAL(lessons(3 * US), 0);
}

static void
test_many_at_a_time_never(void)
{
	unsigned	i;

	start();
	CU_ASSERT(lessons(50) > 0);
	CU_ASSERT_FALSE(message(50, 2));
	for (i = 0; i < 100; i++)
		CU_ASSERT_FALSE(message(50, 1 + i % 2));
}

static void
test_sent_counts_as_busy(void)
{
	start();
	CU_ASSERT(lessons(50) > 0);
	(void)polls(US - 10, 1);
	spin_looked(&s, 0, 1, now);
	CU_ASSERT_EQUAL(polls(US - 1, 1), US - 1);
}

/* Another process had the core: pauses that double, up to a bound. */
static void
test_leaves_others_alone(void)
{
	int64_t		pause, last = 0;
	unsigned	i;

	start();
	for (i = 0; i < 20; i++) {
		CU_ASSERT(lessons(50) > 0);
		pass(1000);
		spin_back(&s, now);
		CU_ASSERT_FALSE(spin_again(&s, now));
		pause = mono_diff(now, s.rest);
		CU_ASSERT(pause >= last);
		CU_ASSERT(pause <= 500000);
		last = pause;
		CU_ASSERT_FALSE(message(50, 1));
		pass(pause);
	}
	CU_ASSERT_EQUAL(last, 500000);
	CU_ASSERT(lessons(50) > 0);
	/* Long undisturbed: the next pause is a short one. */
	for (i = 0; i < 20000; i++)
		(void)message(1, 1);
	pass(1000);
	spin_back(&s, now);
	CU_ASSERT(mono_diff(now, s.rest) < last / 10);
}

static const CU_TestInfo tests[] = {
	{ "learns", test_learns },
	{ "ends", test_ends },
	{ "rare_messages_never", test_rare_messages_never },
	{ "many_at_a_time_never", test_many_at_a_time_never },
	{ "sent_counts_as_busy", test_sent_counts_as_busy },
	{ "leaves_others_alone", test_leaves_others_alone },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_spin", UNIT_SUITE("spin", tests))
