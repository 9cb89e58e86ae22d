/*
 * test_child.c: what the supervisor decides about its children: brake, vigil,
 * lending (supervisor/rules.c), with time as an argument.
 */
#include <string.h>

#include "supervisor/rules.h"
#include "tests/unit.h"

#define S	1000000LL

static mono_t
at(int64_t us)
{
	return (mono_t){ 1000 * S + us };
}

static void
test_brake_early(void)
{
	static const int	want[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct brake		b = { .n = 0 };
	int64_t			now = 0, pause;
	size_t			i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		pause = brake_death(&b, at(now), DEATH_EARLY);
		CU_ASSERT_EQUAL(pause, want[i] * S);
		now += pause + S / 10;
	}
	/* It became ready at last: the next early death starts over. */
	CU_ASSERT_EQUAL(brake_death(&b, at(now + 20 * S), DEATH_LATE), 0);
	CU_ASSERT_EQUAL(brake_death(&b, at(now + 40 * S), DEATH_EARLY), S);
	brake_reset(&b);
	CU_ASSERT_EQUAL(brake_death(&b, at(now + 41 * S), DEATH_EARLY), S);
}

static void
test_brake_often(void)
{
	struct brake	b = { .n = 0 };
	int64_t		now = 0;
	int		i;

	/* SIGKILL every 0.4 s for a minute: 25 in 10 s, no brake. */
	for (i = 0; i < 150; i++, now += 4 * S / 10)
		CU_ASSERT_EQUAL(brake_death(&b, at(now), DEATH_LATE), 0);
	brake_reset(&b);
	/* 30 in 10 s are free, the 31st is one too many. */
	for (i = 0; i < BRAKE_DEATHS; i++, now += S / 10)
		CU_ASSERT_EQUAL(brake_death(&b, at(now), DEATH_LATE), 0);
	CU_ASSERT_EQUAL(brake_death(&b, at(now), DEATH_LATE), S);
	CU_ASSERT_EQUAL(brake_death(&b, at(now + S), DEATH_LATE), 2 * S);
	CU_ASSERT_EQUAL(brake_death(&b, at(now + 30 * S), DEATH_LATE), 0);
}

static void
test_brake_recover(void)
{
	struct brake	b = { .n = 0 };

	CU_ASSERT_EQUAL(brake_death(&b, at(0), DEATH_RECOVER), 0);
	CU_ASSERT_EQUAL(brake_death(&b, at(2 * S), DEATH_RECOVER), S);
	CU_ASSERT_EQUAL(brake_death(&b, at(4 * S), DEATH_RECOVER), 2 * S);
	CU_ASSERT_EQUAL(brake_death(&b, at(40 * S), DEATH_RECOVER), 0);
}

static void
test_brake_asked(void)
{
	struct brake	b = { .n = 0 };
	int		i;

	for (i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(brake_death(&b, at(i), DEATH_ASKED), 0);
	CU_ASSERT_EQUAL(brake_death(&b, at(i), DEATH_LATE), 0);
}

static struct vigil
vigil(enum child_state state)
{
	struct vigil	v = { .state = state, .heard = at(0), .moved = at(0),
			    .patience = VIGIL_PROGRESS };

	return v;
}

static void
test_vigil_states(void)
{
	struct vigil	v = vigil(CHILD_STARTING);

	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(59 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(61 * S)));
	v.moved = at(30 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(61 * S)));
	v = vigil(CHILD_READY);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(3900000)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(4100000)));
	/* It had no turn for so long. */
	v.starved = 20 * S;
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(23900000)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(24100000)));
	v = vigil(CHILD_DOWN);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(1000 * S)));
}

static void
test_vigil_stopping(void)
{
	struct vigil	v = vigil(CHILD_STOPPING);

	/* No heartbeat is asked for, but progress. */
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(59 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(61 * S)));
	v.moved = at(50 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(61 * S)));
	v.deadline = at(10 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(9 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(11 * S)));
}

static void
test_vigil_blocked(void)
{
	struct vigil	v = vigil(CHILD_READY);

	v.heard = at(100 * S);
	v.blocked = at(96 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(100 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(100 * S + 1)));
	v.blocked.us = 0;
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(100 * S + 1)));
}

/* After wharfd itself slept nobody is blamed. */
static void
test_vigil_grace(void)
{
	struct vigil	v = vigil(CHILD_READY);

	v.blocked = at(0);
	vigil_grace(&v, at(100 * S), 99 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(103 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(105 * S)));
	v = vigil(CHILD_STOPPING);
	v.deadline = at(10 * S);
	vigil_grace(&v, at(100 * S), 95 * S);
	CU_ASSERT_PTR_NULL(vigil_verdict(&v, at(104 * S)));
	CU_ASSERT_PTR_NOT_NULL(vigil_verdict(&v, at(106 * S)));
	v = vigil(CHILD_READY);
	vigil_grace(&v, at(50 * S), 50 * S);
	CU_ASSERT_EQUAL(v.blocked.us, 0);
	CU_ASSERT_EQUAL(v.deadline.us, 0);
}

static void
test_lend(void)
{
	struct lend_worker	w[4] = { { 0, 0 } };

	CU_ASSERT_EQUAL(lend_choose(w, 0), -1);
	CU_ASSERT_EQUAL(lend_choose(w, 4), -1);
	w[2].ready = 1;
	w[2].lent = 5;
	CU_ASSERT_EQUAL(lend_choose(w, 4), 2);
	w[1].ready = 1;
	w[1].lent = 1;
	w[3].ready = 1;
	w[3].lent = 1;
	CU_ASSERT_EQUAL(lend_choose(w, 4), 1);
	w[1].lent = 2;
	CU_ASSERT_EQUAL(lend_choose(w, 4), 3);
}

static const CU_TestInfo tests[] = {
	{ "brake: before READY", test_brake_early },
	{ "brake: too often", test_brake_often },
	{ "brake: recover", test_brake_recover },
	{ "brake: asked for", test_brake_asked },
	{ "vigil: states", test_vigil_states },
	{ "vigil: stopping", test_vigil_stopping },
	{ "vigil: fd 3 blocked", test_vigil_blocked },
	{ "vigil: grace", test_vigil_grace },
	{ "lend", test_lend },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_child", UNIT_SUITE("child", tests))
