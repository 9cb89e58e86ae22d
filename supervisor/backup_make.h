/*
 * backup_make.h: what wharfd itself does for a backup on the disk: where it
 * goes, what it rests on, the node's own files, and at the end BACKUP.  All of
 * it blocks: backup.c calls it on a thread of its own.
 */
#ifndef SUPERVISOR_BACKUP_MAKE_H
#define SUPERVISOR_BACKUP_MAKE_H

#include <limits.h>

#include "supervisor/backup_dir.h"

struct backup_work {
	/* To be set: */
	char		dir[PATH_MAX];		/* as the operator gave it */
	int		full;			/* also where there is a parent */
	char		data[PATH_MAX];		/* node.data */
	char		auth[PATH_MAX];		/* auth.file, "" none */
	int		conf_fd;		/* taken over: all of conf */
	struct backup	b;			/* node, stores .. made */

	char		name[BACKUP_DIR_MAX];	/* "" until it is made */
	int		dirfd, lock, fd;	/* DIR, its lock, DIR/name */
				/* Of each shard, as backup_file.h has them: */
	int		store[BACKUP_SHARDS];	/* store.N of it; -1 */
	int		parent[BACKUP_SHARDS];	/* that of the parent; -1 */
	uint64_t	bytes;			/* of all its files, when sealed */
	unsigned	removed;		/* unfinished ones, found */
	char		why[300];		/* it failed; "" it did not */
};

void	 backup_work_init(struct backup_work *);
void	 backup_work_free(struct backup_work *);	/* closes, unlocks */
/* Makes the directories and the node's files; 0, or -1 and why. */
int	 backup_prepare(struct backup_work *);
/* After all shards: puts their parts together as BACKUP; 0, or -1 and why. */
int	 backup_seal(struct backup_work *);
/* After a failure: removes what there is. */
void	 backup_abandon(struct backup_work *);

#endif
