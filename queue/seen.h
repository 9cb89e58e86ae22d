/*
 * seen.h: who has asked a queue for messages, and when last (contract 3.2,
 * worker): names in order, at most SEEN_NAMES of a queue; the one not seen for
 * longest makes room.
 */
#ifndef QUEUE_SEEN_H
#define QUEUE_SEEN_H

#include <stddef.h>
#include <stdint.h>

#define SEEN_NAME	32u		/* bytes of a worker's name */
#define SEEN_NAMES	1025u
#define SEEN_KEEP	512000		/* ms that a worker is shown */
#define SEEN_WRITE	10000		/* ms between two records of it */

struct seen_worker {
	int64_t		 ms;		/* last seen, since 1970 */
	int64_t		 written;	/* what the record says; 0: none yet */
	uint8_t		 len, name[SEEN_NAME];
};

struct seen {
	struct seen_worker *w;		/* by name */
	uint32_t	 n, cap;
};

/*
 * The worker's entry, made if there is none; *out (may be NULL) gets the one
 * that made room, its len 0 if none did.  NULL: no memory, or room is 0 and
 * nobody is there to go.  room: how many more there may be, of all queues.
 */
struct seen_worker *seen_note(struct seen *, const uint8_t *name, size_t len,
		    int64_t ms, uint64_t room, struct seen_worker *out);
/* Takes one out that was last seen before this; 1, or 0 when there is none. */
int		 seen_old(struct seen *, int64_t before, struct seen_worker *out);
size_t		 seen_bytes(const struct seen *);
void		 seen_free(struct seen *);

#endif
