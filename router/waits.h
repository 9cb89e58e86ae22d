/*
 * waits.h: requests whose answer comes when there is something for them: who
 * asked, and where the state machine keeps them.  Found by link and request
 * id, so that a client that went away can be taken out.
 */
#ifndef ROUTER_WAITS_H
#define ROUTER_WAITS_H

#include <sys/queue.h>

#include "proto/msg.h"
#include "queue/queue.h"
#include "queue/task.h"
#include "queue/topic.h"

struct router;
struct waits;

enum wait_kind { WAIT_TAKER, WAIT_READER, WAIT_ASK, WAIT_CLAIM };

/* Those that the state machine does not have for now, the oldest first. */
struct wait_list {
	TAILQ_HEAD(, wait) waits;
	uint32_t	 n;
};

struct wait {
	LIST_ENTRY(wait) bucket;
	TAILQ_ENTRY(wait) again;
	struct wait_list *on;		/* to be asked again; or NULL */
	struct router	*r;
	uint64_t	 link, id;
	uint16_t	 msg;
	uint8_t		 kind;		/* enum wait_kind */
	uint8_t		 many;		/* its answer is a list */
	uint8_t		 tablen, keylen;
	uint8_t		 tab[TABLE_MAX], key[QUEUE_WORKER_MAX];
	mono_t		 until;		/* of its patience */
	union {
		struct queue_taker	taker;
		struct topic_reader	reader;
		struct task_ask		ask;
		struct task_claim	claim;
	} u;
};

struct waits	*waits_new(void);	/* NULL: no memory */
/* Nobody is answered any more; the state machines are gone. */
void		 waits_free(struct waits *);
/* Registered; NULL: no memory. us: how long it may wait. */
struct wait	*wait_new(struct router *, const struct msg *,
		    struct queue_str name, enum wait_kind, int64_t us);
void		 wait_free(struct wait *);
struct wait	*wait_find(struct waits *, uint64_t link, uint64_t id);
/* Takes it out of the state machine too, and frees it. */
void		 wait_cancel(struct wait *);
/* The same for all of a link. */
void		 waits_cancel(struct waits *, uint64_t link);
/* Answers it and frees it; nobody hears it when the link is gone. */
void		 wait_answer(struct wait *, enum err, const struct frame *,
		    uint64_t mark);
/* Tried again when the log has moved on, or a little later. */
void		 wait_retry(struct wait *);
unsigned	 waits_retry(const struct waits *);	/* how many there are */
struct wait	*wait_next_retry(struct waits *);	/* taken off; NULL none */
/* Asks for it once more: it is on no list and in no state machine. */
void		 wait_again(struct wait *);
/*
 * What it asked for cannot be given now: it is kept until its link has room,
 * or the log.  E_OK; E_FULL, E_NOMEM: it is not.
 */
enum err	 wait_later(struct wait *);

void		 wait_list_init(struct wait_list *);
void		 wait_list_add(struct wait_list *, struct wait *);
struct wait	*wait_list_take(struct wait_list *);	/* the first, or NULL */

#endif
