/*
 * queue_play.h: short words for what tests do with a struct queues on the rig:
 * one client, now and then five that wait.
 */
#ifndef TESTS_QUEUE_PLAY_H
#define TESTS_QUEUE_PLAY_H

#include "queue/queue.h"
#include "tests/queue_rig.h"

extern struct rig	 g;
extern struct queues	*qs;
extern struct queue_now	 now;
extern struct client	 c, w[5];

#define IS(a, b) CU_ASSERT_STRING_EQUAL(a, b)

void	begin(void);
void	finish(void);
/* A crash: only what is up to the mark was written. */
void	again(uint64_t mark);
void	later(int64_t ms);
enum err	put_with(const char *queue, const char *item, unsigned priority,
	    int64_t ttl, int64_t delay);
enum err	put(const char *queue, const char *item);
/* What a get at once brings, "" nothing. */
const char *get(const char *queue);
enum err	ack(const char *queue, const char *token);
enum err	nack(const char *queue, const char *token, int64_t delay);
enum err	unseen(const char *queue, const char *token);
enum err	set(const char *queue, unsigned mask, struct settings s,
	    const char *dead);
struct queue_stat	stat_of(const char *queue);
void	wait_all(const char *queue, int64_t ms);

#endif
