/*
 * shard_scan.h: once through all live records of a shard after a start, for
 * who keeps in memory what they say (a router).  A thread reads the data files
 * beside the loop, up to what they held when it began; each record is shown
 * once as it was then, in no order, the beginning of its value only; those that
 * fail their checksum by their key.  What is written meanwhile is not shown (by
 * an engine without files: neither).
 *
 * Memory: 16 bytes for each key that was written more than once since its file
 * was last compacted (for each of the newer generation of a file that is being
 * compacted), of one file at a time; and SCAN_CHUNKS chunks.
 */
#ifndef STORE_SHARD_SCAN_H
#define STORE_SHARD_SCAN_H

#include "store/shard.h"

#define SCAN_CHUNK	(256u << 10)	/* bytes */
#define SCAN_CHUNKS	8u		/* on their way to the loop */

struct shard_scan;

enum scan_how {
	SCAN_WHOLE,
	SCAN_DOUBT,		/* record_get_doubtful */
	SCAN_BAD		/* fails its checksum; without a value */
};

struct scan_entry {
	const uint8_t	*key, *val;	/* engine key; borrowed until the next */
	size_t		 keylen, vallen;
	enum scan_how	 how;
	int		 dead;		/* in doubt: that it was deleted */
};

/*
 * head: most bytes of a value; of one in doubt none is shown.  ill: only those
 * that are not whole are shown, and the whole value of one in doubt.  notify:
 * any thread, when there is something to take.  NULL: no memory or descriptors.
 */
struct shard_scan *shard_scan_new(struct shard *, size_t head, int ill,
		    void (*notify)(void *), void *arg);
/*
 * The next one: E_OK, E_PENDING (notify will come), E_NOTFOUND all have been
 * shown, but perhaps those of files that cannot be read; E_NOMEM.
 */
enum err	 shard_scan_next(struct shard_scan *, struct scan_entry *);
/* Records that fail their checksum. */
uint64_t	 shard_scan_bad(const struct shard_scan *);
/* After E_NOTFOUND: a bit for each data file that could not be read. */
uint64_t	 shard_scan_unread(struct shard_scan *);
void		 shard_scan_free(struct shard_scan *);

#endif
