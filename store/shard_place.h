/*
 * shard_place.h: several keys that are looked up one after the other, so that
 * their memory comes in at the same time: shard_place of each, then shard_ahead
 * of each, then shard_get_at, in one turn and with no write between.
 */
#ifndef STORE_SHARD_PLACE_H
#define STORE_SHARD_PLACE_H

#include "store/shard.h"

#define SHARD_AHEAD	16u		/* keys at a time pay best */
struct shard_place {
	uint8_t		 key[128];	/* of the record */
	size_t		 keylen;
	uint64_t	*recent, hint;
};
/* The key's bytes are the place's own afterwards; 0: they are too long for it. */
int		 shard_place(struct shard *, struct shard_key *,
		    struct shard_place *);
void		 shard_ahead(struct shard *, const struct shard_key *,
		    const struct shard_place *);
/* As shard_get. */
enum err	 shard_get_at(struct shard *, const struct shard_key *,
		    const struct shard_place *, data_seen *seen, void *arg,
		    struct shard_result *);

#endif
