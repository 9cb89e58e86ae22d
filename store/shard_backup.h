/*
 * shard_backup.h: a copy of one shard as of one LSN, E, made while it serves:
 * everything acknowledged when it was asked for, and nothing after E
 * (backup_file.h has the result, doc/storage.md why it is enough).
 *
 * Called on the loop; a thread of its own does the copying.  One at a time.
 */
#ifndef STORE_SHARD_BACKUP_H
#define STORE_SHARD_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/shard.h"

struct shard_backup_conf {
	int		 dir;		/* store.N, with wal/ in it; taken over */
	int		 router;	/* it is router.N */
	int		 parent;	/* that of the parent, or -1; taken over */
	const char	*parent_name;	/* of its directory; "" none */
	uint64_t	 rate;		/* bytes per second, 0: no limit */
};

struct shard_backup_stat {
	int		running;	/* or over and not told yet */
	uint64_t	copied, total;	/* bytes; total 0: not known yet */
};

/* E_OK: it is begun; E_AGAIN one is under way; E_READONLY; E_NOMEM. */
enum err	 shard_backup(struct shard *, const struct shard_backup_conf *);
/* It ends soon, and fails. */
void		 shard_backup_cancel(struct shard *);
void		 shard_backup_rate(struct shard *, uint64_t rate);
void		 shard_backup_stat(const struct shard *,
		    struct shard_backup_stat *);
/*
 * 1: it is over, told once; *e how, why in words when it failed.  To be asked
 * after shard_poll.
 */
int		 shard_backup_over(struct shard *, enum err *e, char *why,
		    size_t whylen);
/* shard.c: as part of shard_poll, shard_work, and shard_close. */
void		 shard_backup_poll(struct shard *);
void		 shard_backup_free(struct shard *);

#endif
