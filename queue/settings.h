/*
 * settings.h: what is kept of a queue or topic beside its messages, and its
 * binary form: the value of records of type C and of QUEUE_SET (doc/protocol.7).
 *
 *	u8  form, 1		u8  kind		u8  lock
 *	u8  gone: purged away, its records are being deleted
 *	u32 max			u32 timeout ms		u32 maxdeliver
 *	u32 ttl ms		u32 delay ms		u64 tm, s since 1970
 *	3 x { u64 stamp, u64 ms, u32 timeout }  purged, of each priority
 *	u64 counter		u64 counted		blob dead
 * little-endian.  To change it: a new form, and keep reading this one.
 */
#ifndef QUEUE_SETTINGS_H
#define QUEUE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define SETTINGS_MAX_MAX	5000000u	/* contract 3.2 */
#define SETTINGS_TIMEOUT_MAX	(255u * 60000)	/* ms, contract 3.2 */
#define SETTINGS_TRIES_MAX	32767u		/* deliveries are counted so far */
#define SETTINGS_DEAD		64u		/* bytes of a name */
#define SETTINGS_BYTES		(32u + 60 + 16 + 2 + SETTINGS_DEAD)

enum queue_kind { KIND_QUEUE = 0, KIND_TOPIC = 1 };	/* contract 3.1 */

struct settings {
	uint8_t		 kind;
	uint8_t		 lock;		/* puts are refused */
	uint8_t		 gone;
	uint8_t		 deadlen;
	uint32_t	 max;		/* messages that are not outstanding; 0 any */
	uint32_t	 timeout;	/* ms until redelivery, 1.. */
	uint32_t	 maxdeliver;	/* deliveries, 0 any; then to dead */
	uint32_t	 ttl, delay;	/* ms, of puts that name none; 0 none */
	int64_t		 tm;		/* s: creation, or the last pub */
	struct {
		uint64_t stamp;		/* what was put before it is gone */
		int64_t	 ms;		/* when, and the time-out then */
		uint32_t timeout;
	} purged[3];
	/* si and ci of priority 0: puts so far, and the id up to which. */
	uint64_t	 counter, counted;
	uint8_t		 dead[SETTINGS_DEAD];	/* dead-letter queue */
};

/* What queue_set changes; all else of the struct it leaves alone. */
#define SETTINGS_LIST(X)						\
	X(MAX, 0) X(LOCK, 1) X(TIMEOUT, 2) X(MAXDELIVER, 3) X(DEAD, 4)	\
	X(TTL, 5) X(DELAY, 6)
enum {
#define X(name, bit) SET_##name = 1 << bit,
	SETTINGS_LIST(X)
#undef X
	SET_ALL = (1 << 7) - 1
};

/* A queue as it is when nobody has changed it; timeout in ms. */
void		 settings_default(struct settings *, enum queue_kind,
		    uint32_t timeout, int64_t tm);
/* Takes the fields of mask. E_PARAM: to is as it was. */
enum err	 settings_merge(struct settings *to, const struct settings *,
		    unsigned mask);
/* Whether anything that SETTINGS_LIST names differs from the default. */
int		 settings_changed(const struct settings *, uint32_t timeout);
/* Up to SETTINGS_BYTES; how many. */
size_t		 settings_put(const struct settings *, uint8_t *out);
enum err	 settings_get(struct settings *, const uint8_t *, size_t);

#endif
