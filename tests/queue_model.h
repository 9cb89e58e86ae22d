/*
 * queue_model.h: the plain list that test_queue_model.c holds against libqueue
 * (queue_model.c), and what both know of a run.
 */
#ifndef TESTS_QUEUE_MODEL_H
#define TESTS_QUEUE_MODEL_H

#include "queue/queue.h"
#include "tests/queue_rig.h"

#define QUEUES	4
#define SEQS	60000u
#define IDS	2000000u
#define LIVE	6000u

enum st { NONE, READY, BACK, OUT, LATER };

struct inst {				/* a message in a queue */
	uint64_t	 id;
	uint32_t	 seq;
	int		 q;
	unsigned	 prio, tries;
	enum st		 st;
	int64_t		 due, expires;
	int		 logged;
	char		 token[TOKEN_MAX + 1], older[TOKEN_MAX + 1];
};

struct ref_set {
	int		 exists, lock, dead;	/* dead: a queue, or -1 */
	uint32_t	 max, timeout, maxdeliver, ttl, delay;
};

struct waiter {
	struct queue_taker t;			/* first */
	struct waiter	*next;
	int		 q, waits, done;
	struct inst	*pend;			/* shown, not yet known to be out */
	char		 token[TOKEN_MAX + 1];
	unsigned	 shown, out, most, n;
	enum err	 err;
	int64_t		 until;
};

enum op { PUT, GET, ACK, NACK, TOUCH, PURGE, SET, MOVE, WORK, OTHER };

extern const char	*const names[QUEUES];
extern struct rig	 g;
extern struct queues	*qs;
extern struct queue_now	 now;
extern struct inst	 live[LIVE];
extern unsigned		 lives;
extern struct ref_set	 set[QUEUES];
extern struct waiter	*waiters[QUEUES];
extern uint8_t		 sure[SEQS], ended[SEQS], received[SEQS];
extern uint8_t		 gone[IDS];
extern uint32_t		 seqs;
extern enum op		 op;
extern uint64_t		 ack_id, seed_now, released;
extern uint32_t		 moving;
extern unsigned long	 done_put, done_got, done_crash, done_dead, done_wait;
extern int		 broken;
extern unsigned		 nanswers;

#define CHECK(x) check((x) != 0, #x, __LINE__)

void	check(int ok, const char *what, int line);
void	promise(uint64_t mark, int is_put, uint32_t seq, uint64_t id);
void	release(uint64_t mark);
struct inst *by_id(int q, uint64_t id);
int	is_dead(const struct inst *m);
int	is_expired(const struct inst *m);
struct inst *pick(int q);
unsigned	count(int q, enum st st, int prio);
void	saw(const struct queue_key *k, const uint8_t *val, size_t len,
	    uint64_t mark);
void	make_settings(struct ref_set *s);
int	on_item(struct queue_taker *t, const struct queue_msg *msg);
void	on_done(struct queue_taker *t, enum err e, unsigned n, uint64_t mark);
void	leaves(struct waiter *w);
void	recover(void);

#endif
