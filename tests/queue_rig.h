/*
 * queue_rig.h: storage for libqueue in memory: every write gets a mark, can be
 * refused, and can be taken back as a crash does.
 */
#ifndef TESTS_QUEUE_RIG_H
#define TESTS_QUEUE_RIG_H

#include "queue/queue.h"

#define RIG_KEY		200u

struct rig_rec {
	struct rig_rec	*next;
	size_t		 keylen, vallen;
	uint8_t		 key[RIG_KEY];	/* type, length of the name, name, key */
	uint8_t		*val;
};

struct rig_undo {
	struct rig_undo	*next;		/* the write before */
	uint64_t	 mark;
	size_t		 keylen, vallen;
	uint8_t		 key[RIG_KEY];
	uint8_t		*val;		/* as it was; NULL: it was not there */
};

struct rig {
	struct rig_rec	*table[4096];
	struct rig_undo	*undo;
	uint64_t	 mark;		/* of the last write */
	uint64_t	 id;
	uint64_t	 reads, writes, records;
	unsigned	 fail_in;	/* the n-th write from now is refused */
	unsigned	 fail_many;	/* and so many in a row */
	enum err	 fail_with;
	int		 read_damaged;	/* reads of messages fail */
	/* Sees each write before it is done; val NULL: a delete. */
	void		(*saw)(const struct queue_key *, const uint8_t *val,
			    size_t len, uint64_t mark);
	/* Names that begin with this character are another router's. */
	char		 foreign;
	/* Of names that begin with this one records may be damaged. */
	char		 doubtful;
	unsigned	 forwards;
	uint64_t	 forward_id;
	enum err	 reach;		/* what reaches says */
	/* Where they go; NULL: they are counted only. */
	enum err	(*forward)(struct rig *, const struct queue_forward *);
	struct queue_conf conf;
};

extern const struct queue_ops	rig_ops;

void		 rig_open(struct rig *);
void		 rig_close(struct rig *);
struct rig_rec	*rig_find(struct rig *, const struct queue_key *);
unsigned	 rig_count(struct rig *, enum queue_type);
/* Takes back all writes after the mark. */
void		 rig_crash(struct rig *, uint64_t mark);
/* What was written up to here stays. */
void		 rig_forget(struct rig *);
/* The key of a record; points into it. */
struct queue_key rig_key(const struct rig_rec *);
/*
 * A struct queues made from the records, in an order that the seed decides,
 * some of them fed twice. stop: returns before queues_feed_done.
 */
struct queues	*rig_start(struct rig *, const struct queue_now *,
		    uint64_t seed, int stop);
void		 rig_work(struct queues *, struct queue_now *);

struct queue_str str(const char *);
uint64_t	 rig_rnd(uint64_t below);
void		 rig_seed(uint64_t);

/* A client that wants messages, and what it got. */
#define GOT_MOST	64u
struct client {
	struct queue_taker t;		/* first */
	unsigned	 shown, n;
	int		 done;
	enum err	 err;
	uint64_t	 mark;
	struct got {
		char		 token[TOKEN_MAX + 1];
		char		 item[64];
		uint64_t	 id;
		uint32_t	 deliveries;
		unsigned	 priority;
	} got[GOT_MOST];
};
/* Gets at once; count, autoack, wait are to be set before. */
enum err	 client_get(struct queues *, const char *queue, struct client *,
		    const struct queue_now *);
void		 client_init(struct client *);

#endif
