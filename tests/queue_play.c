/*
 * queue_play.c: short words for tests of queues (queue_play.h).
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "tests/queue_play.h"

struct rig	 g;
struct queues	*qs;
struct queue_now	 now;
struct client	 c;

void
begin(void)
{
	rig_seed(3);
	rig_open(&g);
	now = (struct queue_now){ 1700000000000, { 1000000 } };
	qs = rig_start(&g, &now, 0, 0);
	client_init(&c);
}

void
finish(void)
{
	queues_stop(qs);
	queues_free(qs);
	rig_close(&g);
}

/* Only what is up to the mark was written. */
void
again(uint64_t mark)
{
	queues_stop(qs);
	queues_free(qs);
	rig_crash(&g, mark);
	g.conf.salt++;
	qs = rig_start(&g, &now, 5, 0);
}

void
later(int64_t ms)
{
	now.wall += ms;
	now.mono.us += ms * 1000;
	rig_work(qs, &now);
}

enum err
put_with(const char *queue, const char *item, unsigned priority, int64_t ttl,
    int64_t delay)
{
	struct queue_str	i = str(item);
	struct queue_put	p = { &i, 1, priority, ttl, delay };
	unsigned		done;
	uint64_t		mark = 0;

	return queue_put(qs, str(queue), &p, &now, &done, &mark);
}

enum err
put(const char *queue, const char *item)
{
	return put_with(queue, item, 0, 0, 0);
}

/* What a get at once brings, "" nothing. */
const char *
get(const char *queue)
{
	c.t.wait = 0;
	c.t.count = 1;
	if (client_get(qs, queue, &c, &now) != E_OK || c.err != E_OK)
		return "";
	return c.got[0].item;
}

enum err
ack(const char *queue, const char *token)
{
	uint64_t	mark = 0;

	return queue_ack(qs, str(queue), str(token), &now, &mark);
}

enum err
nack(const char *queue, const char *token, int64_t delay)
{
	struct queue_back	back = { .delay = delay };

	return queue_nack(qs, str(queue), str(token), &back, &now, NULL);
}

/* Nobody has had it. */
enum err
unseen(const char *queue, const char *token)
{
	struct queue_back	back = { .unseen = 1 };

	return queue_nack(qs, str(queue), str(token), &back, &now, NULL);
}

enum err
set(const char *queue, unsigned mask, struct settings s, const char *dead)
{
	s.deadlen = (uint8_t)strlen(dead);
	memcpy(s.dead, dead, s.deadlen);
	return queue_set(qs, str(queue), &s, mask, 1, &now, NULL);
}

struct queue_stat
stat_of(const char *queue)
{
	struct queue_stat	st = { .unacked = 9999 };

	CU_ASSERT(queue_stat(qs, str(queue), &st, NULL) == E_OK);
	return st;
}

struct client	w[5];

void
wait_all(const char *queue, int64_t ms)
{
	unsigned	i;

	for (i = 0; i < 5; i++) {
		client_init(&w[i]);
		w[i].t.wait = ms * 1000;
		CU_ASSERT(client_get(qs, queue, &w[i], &now) == E_OK);
		CU_ASSERT(!w[i].done);
	}
}
