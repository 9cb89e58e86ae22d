/*
 * walk.h: a walk over the entries of a listing, in small steps, so that a long
 * way to the first of them, or past many that have expired, does not stand in
 * the loop's way.  It knows slots, offset, limit and where it stands; what
 * becomes of an entry says take.
 *
 * Between two steps the shard goes on changing.  The walk goes on behind the
 * last entry that it has looked at: what exists throughout is seen once.
 */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "proto/clock.h"
#include "proto/msg_list.h"
#include "store/shard.h"

enum walk_take {
	WALK_ON,	/* taken: go on */
	WALK_PAUSE,	/* taken: that will do for this step */
	WALK_REFUSE,	/* not taken: the walk ends before it */
	WALK_NOMEM
};

/* The item's bytes are gone after the call. */
typedef enum walk_take	walk_taker(void *arg, const struct list_item *);

struct walk_conf {
	const struct list_ask	*ask;		/* copied; checked before */
	uint64_t		 limit;		/* entries; not ask->limit */
	uint8_t			 type;
	const uint8_t		*tab;		/* borrowed for the whole walk */
	size_t			 tablen;
	unsigned		 files;		/* of the shard */
	walk_taker		*take;
	/* A record of this slot fails its checksum (the walk goes on). */
	void			(*damaged)(void *arg, unsigned slot);
	void			*arg;
};

struct walk {
	struct walk_conf	 conf;
	struct list_ask		 ask;
	unsigned		 file;		/* where it stands */
	unsigned		 last;		/* file of the last taken entry */
	uint8_t			*after;		/* owned; the last entry looked at */
	size_t			 afterlen, cap;
	uint64_t		 passed, taken;
	uint64_t		 lsn;		/* what was seen depends on it */
	int			 more;		/* there are more entries */
	int			 lost;		/* some may have been lost */
	/* Of the step at hand. */
	struct shard		*shard;
	int64_t			 wall;		/* ms */
	mono_t			 until;
	unsigned		 work;		/* since the clock was read */
	enum err		 stop;		/* why see wants no more */
};

void		 walk_init(struct walk *, const struct walk_conf *);
/* Begins behind this last key (proto/msg_list.h); E_NOMEM, E_PARAM: none. */
enum err	 walk_after(struct walk *, const uint8_t *key, size_t n);
/*
 * Goes on for about us microseconds.  E_OK: it is over; E_PENDING: call again;
 * E_BUILDING: call again after the next shard_poll.  What ends the walk for
 * good: E_INDEX, E_NOMEM, E_DAMAGED, E_READONLY.
 */
enum err	 walk_step(struct walk *, struct shard *, int64_t wall,
		    int64_t us);
void		 walk_free(struct walk *);

#endif
