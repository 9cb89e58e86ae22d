/*
 * test_task.c: tasks between clients and workers (contract 5, do_get, do_post).
 */
#include <string.h>

#include "queue/task.h"
#include "tests/unit.h"

static struct tasks	*ts;
static mono_t		 now;
static uint32_t		 dice;

struct asker {
	struct task_ask	 a;		/* first */
	int		 done;
	enum err	 err;
	char		 result[32];
};

struct worker {
	struct task_claim c;		/* first */
	int		 done;
	enum err	 err;
	char		 queue[32], token[40], task[32];
};

static struct queue_str
str(const char *s)
{
	return (struct queue_str){ (const uint8_t *)s, strlen(s) };
}

static void
copy(char out[32], struct queue_str s)
{
	snprintf(out, 32, "%.*s", (int)s.n, s.n > 0 ? (const char *)s.p : "");
}

static void
on_result(struct task_ask *a, enum err e, struct queue_str result)
{
	struct asker	*x = (struct asker *)a;

	CU_ASSERT(!x->done);
	x->done = 1;
	x->err = e;
	copy(x->result, result);
}

static void
on_task(struct task_claim *c, enum err e, struct queue_str queue,
    const char *token, struct queue_str task)
{
	struct worker	*w = (struct worker *)c;

	CU_ASSERT(!w->done);
	w->done = 1;
	w->err = e;
	copy(w->queue, queue);
	copy(w->task, task);
	snprintf(w->token, sizeof(w->token), "%s", token);
}

static void
on_random(void *arg, void *p, size_t n)
{
	(void)arg;
	memset(p, 0x5a, n);
	memcpy(p, &dice, sizeof(dice));
	dice++;
}

static void
begin(uint32_t asks, uint32_t claims, size_t bytes)
{
	struct task_conf	c = { asks, claims, bytes, on_random, NULL };

	now.us = 1000;
	ts = tasks_new(&c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ts);
}

static void
finish(void)
{
	tasks_stop(ts);
	tasks_free(ts);
}

static enum err
ask(struct asker *x, const char *queue, const char *task)
{
	memset(x, 0, sizeof(*x));
	x->a.done = on_result;
	x->a.wait = 1000;
	return task_ask(ts, str(queue), str(task), &x->a, now);
}

static enum err
claim(struct worker *w, const char *queue, int64_t wait)
{
	memset(w, 0, sizeof(*w));
	w->c.done = on_task;
	w->c.wait = wait;
	return task_claim(ts, str(queue), &w->c, now);
}

static enum err
answer(const char *token, const char *result)
{
	return task_done(ts, str(token), str(result));
}

static void
pass(int64_t us)
{
	now.us += us;
	tasks_work(ts, now);
}

#define IS(a, b) CU_ASSERT_STRING_EQUAL(a, b)

static void
test_order(void)
{
	struct asker	a, b, c;
	struct worker	u, v, w;

	begin(9, 9, 10000);
	CU_ASSERT(ask(&a, "", "x") == E_PARAM);
	CU_ASSERT(ask(&a, "fib", "1") == E_OK);
	CU_ASSERT(ask(&b, "sum", "2") == E_OK);
	CU_ASSERT(ask(&c, "fib", "3") == E_OK);
	claim(&u, "sum", 0);
	IS(u.task, "2");
	IS(u.queue, "sum");
	claim(&v, "", 0);		/* any, the oldest */
	IS(v.task, "1");
	claim(&w, "sum", 0);
	CU_ASSERT(w.done && w.err == E_WAITED);
	claim(&w, "", 0);
	IS(w.task, "3");
	CU_ASSERT(strlen(u.token) == TASK_TOKEN && strcmp(u.token, v.token));
	CU_ASSERT(answer(w.token, "r3") == E_OK);
	CU_ASSERT(answer(u.token, "r2") == E_OK);
	CU_ASSERT(c.done && b.done && !a.done);
	IS(c.result, "r3");
	IS(b.result, "r2");
	CU_ASSERT(answer(u.token, "again") == E_NOTFOUND);
	CU_ASSERT(answer("", "x") == E_NOTFOUND);
	u.token[20] = u.token[20] == '1' ? '2' : '1';
	CU_ASSERT(answer(u.token, "x") == E_NOTFOUND);
	memset(u.token, 'G', TASK_TOKEN);
	CU_ASSERT(answer(u.token, "x") == E_NOTFOUND);
	finish();
	CU_ASSERT(a.done && a.err == E_NOTREADY);
}

static void
test_wait(void)
{
	struct asker	a, b;
	struct worker	u, v, w;

	begin(9, 9, 10000);
	CU_ASSERT(claim(&u, "other", 500) == E_OK);
	CU_ASSERT(claim(&v, "fib", 500) == E_OK);
	CU_ASSERT(claim(&w, "", 500) == E_OK);
	CU_ASSERT(!u.done && tasks_next(ts, now) == 500);
	ask(&a, "fib", "1");
	CU_ASSERT(v.done && !u.done && !w.done);
	ask(&b, "fib", "2");
	CU_ASSERT(w.done && !u.done);
	pass(499);
	CU_ASSERT(!u.done && tasks_next(ts, now) == 1);
	pass(1);
	CU_ASSERT(u.done && u.err == E_WAITED);
	pass(499);
	CU_ASSERT(!a.done);
	pass(1);
	CU_ASSERT(a.done && a.err == E_WAITED && b.done);
	CU_ASSERT(answer(v.token, "late") == E_NOTFOUND);
	CU_ASSERT(tasks_next(ts, now) == -1);
	/* The wait begins again when it is claimed. */
	ask(&a, "fib", "3");
	pass(900);
	claim(&u, "", 0);
	pass(999);
	CU_ASSERT(!a.done);
	CU_ASSERT(answer(u.token, "r") == E_OK && a.done);
	finish();
}

static void
test_leave(void)
{
	struct asker	a, b;
	struct worker	u, v;
	struct task_stat st;

	begin(9, 9, 10000);
	ask(&a, "fib", "1");
	task_ask_cancel(ts, &a.a);
	task_ask_cancel(ts, &a.a);
	claim(&u, "", 500);
	CU_ASSERT(!u.done);
	task_claim_cancel(ts, &u.c);
	task_claim_cancel(ts, &u.c);
	ask(&a, "fib", "2");
	CU_ASSERT(!u.done);
	claim(&u, "", 0);
	task_ask_cancel(ts, &a.a);	/* its worker is told when it is done */
	CU_ASSERT(answer(u.token, "r") == E_NOTFOUND && !a.done);
	/* The answer to a claim did not arrive: the task is the oldest again. */
	ask(&a, "fib", "3");
	ask(&b, "fib", "4");
	claim(&u, "", 0);
	CU_ASSERT(task_back(ts, str(u.token), now) == E_OK);
	CU_ASSERT(task_back(ts, str(u.token), now) == E_NOTFOUND);
	claim(&v, "", 0);
	IS(v.task, "3");
	CU_ASSERT(strcmp(u.token, v.token) != 0);
	CU_ASSERT(answer(u.token, "r") == E_NOTFOUND);
	claim(&u, "", 0);
	IS(u.task, "4");
	claim(&u, "", 500);
	CU_ASSERT(task_back(ts, str(v.token), now) == E_OK && u.done);
	IS(u.task, "3");
	tasks_stat(ts, &st);
	CU_ASSERT(st.unassigned == 0 && st.assigned == 2 && st.waiting == 0);
	finish();
	CU_ASSERT(a.err == E_NOTREADY && b.err == E_NOTREADY);
}

static void
test_limits(void)
{
	struct asker	a, b, c;
	struct worker	u, v;
	struct task_stat st;

	begin(2, 1, 600);
	CU_ASSERT(ask(&a, "q", "1") == E_OK && ask(&b, "q", "2") == E_OK);
	CU_ASSERT(ask(&c, "q", "3") == E_FULL);
	claim(&u, "", 0);
	CU_ASSERT(ask(&c, "q", "3") == E_FULL);	/* claimed ones count */
	answer(u.token, "r");
	CU_ASSERT(ask(&c, "q", "3") == E_OK);
	tasks_stat(ts, &st);
	CU_ASSERT(st.unassigned == 2 && st.bytes > 0 && st.bytes <= 600);
	claim(&u, "", 0);
	claim(&u, "", 0);
	CU_ASSERT(claim(&u, "", 500) == E_OK && claim(&v, "", 500) == E_FULL);
	finish();
	begin(9, 9, 600);
	CU_ASSERT(ask(&a, "q", "1") == E_OK);
	b.a.done = on_result;
	CU_ASSERT(task_ask(ts, str("q"), (struct queue_str){
	    (const uint8_t *)"x", 600 }, &b.a, now) == E_NOMEM);
	finish();
}

/* Many, in all orders: each result reaches who asked, once. */
static void
test_many(void)
{
	enum { N = 100, ROUNDS = 3000 };
	static struct asker	a[N];
	static struct worker	w[N];
	static uint8_t		asks[N], held[N];
	uint64_t		r = 9;
	unsigned		i, k, wrong = 0;
	char			text[16];

	begin(N, N, 1 << 20);
	memset(asks, 0, sizeof(asks));
	for (i = 0; i < ROUNDS; i++) {
		r = r * 6364136223846793005u + 1442695040888963407u;
		k = (unsigned)(r >> 33) % N;
		snprintf(text, sizeof(text), "%u", k);
		if (!asks[k]) {
			wrong += ask(&a[k], "q", text) != E_OK;
			asks[k] = 1;
		}
		k = (unsigned)(r >> 40) % N;
		if (!held[k]) {
			claim(&w[k], "", 0);
			held[k] = w[k].err == E_OK;
		} else {
			wrong += answer(w[k].token, w[k].task) != E_OK;
			held[k] = 0;
		}
		for (k = 0; k < N; k++)
			if (asks[k] && a[k].done) {
				wrong += strtoul(a[k].result, NULL, 10) != k;
				asks[k] = 0;
			}
	}
	CU_ASSERT(wrong == 0);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "wait", test_wait },
	{ "leave", test_leave },
	{ "limits", test_limits },
	{ "many", test_many },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_task", UNIT_SUITE("task", tests))
