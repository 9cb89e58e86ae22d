/*
 * test_budget.c: the byte budget and the table of waiting requests.
 */
#include <string.h>

#include "tests/unit.h"
#include "worker/budget.h"
#include "worker/pending.h"

static mono_t
at(int64_t us)
{
	return (mono_t){ us };
}

static void
test_try(void)
{
	struct budget	b = { .max = 100 };

	CU_ASSERT(budget_try(&b, 60));
	CU_ASSERT(!budget_try(&b, 41));
	CU_ASSERT(budget_try(&b, 40));
	CU_ASSERT(!budget_try(&b, 1));
	CU_ASSERT(!budget_try(&b, SIZE_MAX));
	budget_give(&b, 100);
	CU_ASSERT_EQUAL(b.used, 0);
	/* A reload lowers the limit below what is in use. */
	CU_ASSERT(budget_try(&b, 80));
	b.max = 50;
	CU_ASSERT(!budget_try(&b, 1));
	budget_give(&b, 40);
	CU_ASSERT(budget_try(&b, 10));
}

static void
test_order(void)
{
	struct budget		b = { .max = 100 };
	struct budget_wait	w[3];

	memset(w, 0, sizeof(w));
	CU_ASSERT(budget_ask(&b, &w[0], 90, at(0)));
	CU_ASSERT(!budget_ask(&b, &w[0], 50, at(1)));
	/* It would fit, but somebody was there before. */
	CU_ASSERT(!budget_ask(&b, &w[1], 5, at(2)));
	CU_ASSERT(!budget_ask(&b, &w[2], 60, at(3)));
	CU_ASSERT_PTR_NULL(budget_grant(&b));
	budget_give(&b, 90);
	CU_ASSERT(budget_grant(&b) == &w[0]);
	CU_ASSERT(budget_grant(&b) == &w[1]);
	CU_ASSERT_PTR_NULL(budget_grant(&b));
	CU_ASSERT_EQUAL(b.used, 55);
	budget_give(&b, 50);
	CU_ASSERT(budget_grant(&b) == &w[2]);
	CU_ASSERT_PTR_NULL(budget_grant(&b));
	CU_ASSERT_PTR_NULL(b.tail);
}

static void
test_cancel(void)
{
	struct budget		b = { .max = 10, .used = 10 };
	struct budget_wait	w[3];
	int			i;

	memset(w, 0, sizeof(w));
	for (i = 0; i < 3; i++)
		CU_ASSERT(!budget_ask(&b, &w[i], 10, at(i)));
	budget_cancel(&b, &w[1]);
	budget_cancel(&b, &w[1]);
	budget_give(&b, 10);
	CU_ASSERT(budget_grant(&b) == &w[0]);
	budget_give(&b, 10);
	CU_ASSERT(budget_grant(&b) == &w[2]);
	CU_ASSERT_EQUAL(b.used, 10);
}

static void
test_wait_expires(void)
{
	struct budget		b = { .max = 10, .used = 10 };
	struct budget_wait	w[2];

	memset(w, 0, sizeof(w));
	(void)budget_ask(&b, &w[0], 1, at(100));
	(void)budget_ask(&b, &w[1], 1, at(150));
	CU_ASSERT_PTR_NULL(budget_expired(&b, at(199), 100));
	CU_ASSERT(budget_expired(&b, at(200), 100) == &w[0]);
	CU_ASSERT_PTR_NULL(budget_expired(&b, at(200), 100));
	CU_ASSERT_EQUAL(w[0].need, 0);
	CU_ASSERT_EQUAL(b.used, 10);
}

static void
test_pending(void)
{
	struct pending	*p = pending_new();
	int		 who[3];
	uint64_t	 a, b;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	a = pending_add(p, &who[0], 7, at(10));
	b = pending_add(p, &who[1], 7, at(10));
	CU_ASSERT(a != 0 && b != 0 && a != b);
	CU_ASSERT_PTR_NULL(pending_take(p, a, 8));	/* another link */
	CU_ASSERT(pending_take(p, a, 7) == &who[0]);
	CU_ASSERT_PTR_NULL(pending_take(p, a, 7));	/* twice */
	/* The slot is used again, under another id. */
	CU_ASSERT(pending_add(p, &who[2], 7, at(10)) != a);
	CU_ASSERT_PTR_NULL(pending_take(p, a, 7));
	CU_ASSERT_PTR_NULL(pending_take(p, 0, 7));
	CU_ASSERT_PTR_NULL(pending_take(p, UINT64_MAX, 7));
	CU_ASSERT_EQUAL(pending_count(p), 2);
	pending_free(p);
}

static void
test_deadlines(void)
{
	struct pending	*p = pending_new();
	int		 who[4];
	uint64_t	 id;
	mono_t		 due;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT(!pending_next(p, &due));
	(void)pending_add(p, &who[0], 1, at(10));
	(void)pending_add(p, &who[1], 1, at(30));
	(void)pending_add(p, &who[2], 1, at(20));	/* shorter deadline */
	id = pending_add(p, &who[3], 1, at(5));
	CU_ASSERT(pending_next(p, &due) && due.us == 5);
	CU_ASSERT(pending_take(p, id, 1) == &who[3]);
	CU_ASSERT(pending_next(p, &due) && due.us == 10);
	CU_ASSERT_PTR_NULL(pending_expired(p, at(9)));
	CU_ASSERT(pending_expired(p, at(25)) == &who[0]);
	CU_ASSERT(pending_expired(p, at(25)) == &who[2]);
	CU_ASSERT_PTR_NULL(pending_expired(p, at(25)));
	CU_ASSERT(pending_expired(p, at(30)) == &who[1]);
	CU_ASSERT_PTR_NULL(pending_expired(p, at(1000)));
	pending_free(p);
}

static void
test_orphans(void)
{
	struct pending	*p = pending_new();
	int		 who[3], *one, *other;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	(void)pending_add(p, &who[0], 1, at(1));
	(void)pending_add(p, &who[1], 2, at(1));
	(void)pending_add(p, &who[2], 1, at(1));
	one = pending_orphan(p, 1);
	other = pending_orphan(p, 1);
	CU_ASSERT(one == &who[0] || one == &who[2]);
	CU_ASSERT(other == &who[0] || other == &who[2]);
	CU_ASSERT(one != other);
	CU_ASSERT_PTR_NULL(pending_orphan(p, 1));
	CU_ASSERT(pending_orphan(p, 0) == &who[1]);
	CU_ASSERT_PTR_NULL(pending_orphan(p, 0));
	pending_free(p);
}

/* Many, so that the table grows, taken in a mixed order. */
static void
test_many(void)
{
	enum { N = 5000 };
	static int	 who[N];
	static uint64_t	 id[N];
	struct pending	*p = pending_new();
	int		 i, bad = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (i = 0; i < N; i++)
		id[i] = pending_add(p, &who[i], (uint64_t)i % 3 + 1, at(i));
	for (i = 0; i < N; i++)
		bad += pending_take(p, id[i * 7 % N],
		    (uint64_t)(i * 7 % N) % 3 + 1) != &who[i * 7 % N];
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(pending_count(p), 0);
	pending_free(p);
}

static const CU_TestInfo budget_tests[] = {
	{ "try", test_try },
	{ "order", test_order },
	{ "cancel", test_cancel },
	{ "wait_expires", test_wait_expires },
	CU_TEST_INFO_NULL
};
static const CU_TestInfo pending_tests[] = {
	{ "pending", test_pending },
	{ "deadlines", test_deadlines },
	{ "orphans", test_orphans },
	{ "many", test_many },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_budget", UNIT_SUITE("budget", budget_tests),
    UNIT_SUITE("pending", pending_tests))
