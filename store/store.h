/*
 * store.h: the inside of wharf-store: one actor, one shard, and the answers
 * that wait until their record is durable.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "proto/clock.h"
#include "store/shard.h"
#include "supervisor/actor.h"

/* An answer that goes out when the log has reached lsn. */
struct held {
	uint64_t	 lsn;
	uint64_t	 link;		/* link_id */
	mono_t		 came, since;	/* it waits since */
	struct frame	 r;		/* id, msg, version, flags, ttl, value */
	enum err	 status;
	int		 write;
	uint8_t		*val;		/* owned copy of r.val, or NULL */
};

/* What the slow log says about a held answer's request. */
struct held_text {
	uint32_t	 tablen, keylen, vallen;	/* in full */
	uint8_t		 tab[SLOW_TEXT], key[SLOW_TEXT];
};

struct store;

/*
 * Before a handler does anything: E_OK; E_EXPIRED too late; E_AGAIN the link's
 * answers pile up; E_NOTREADY stopping; E_PARAM the key is not this store's.
 * Fills in the key.
 */
enum err	 store_admit(struct store *, const struct msg *,
		    struct shard_key *);
/*
 * Answers m now or, when it depends on a record that is not released yet,
 * then.  r: version, flags, ttl and value; its value is copied when it must
 * wait.  Returns E_PENDING, for the dispatcher.
 */
enum err	 store_answer(struct store *, const struct msg *, enum err status,
		    const struct frame *r, uint64_t lsn, int write);
struct shard	*store_shard(struct store *);
int64_t		 store_now(const struct store *);	/* wall ms */
void		 store_damaged(struct store *, unsigned slot);

/* The handlers (msg.def). */
enum err	 store_on_get(struct actor *, const struct msg *);
enum err	 store_on_put(struct actor *, const struct msg *);
enum err	 store_on_del(struct actor *, const struct msg *);
enum err	 store_on_exist(struct actor *, const struct msg *);

#endif
