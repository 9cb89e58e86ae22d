/*
 * backup_dir.h: the directory that backups are in (store/backup_file.h): which
 * there are, and on which other each rests.  For wharfd and wharfctl.
 */
#ifndef SUPERVISOR_BACKUP_DIR_H
#define SUPERVISOR_BACKUP_DIR_H

#include <stddef.h>
#include <stdint.h>

#include "store/backup_file.h"

struct backup_entry {
	char		name[BACKUP_DIR_MAX];
	int		full;		/* as its name says */
	int		begun;		/* no BACKUP: it was never finished */
	char		why[128];	/* it cannot be used; "" it can */
	/* Of one with a BACKUP that can be read: */
	uint64_t	node, end, bytes;	/* bytes: of its files */
	int64_t		made;		/* ms since 1970 */
	unsigned	format, stores, files, routers;
	char		parent[BACKUP_DIR_MAX];
	uint64_t	parent_end;
};

struct backup_list {
	struct backup_entry	*e;	/* by name, the oldest first */
	size_t			 n;
};

/*
 * Reads all BACKUPs in it, and follows each to its full one: why says what is
 * wrong with it or on the way.  0, or -1 with errno.
 */
int	 backup_dir_list(int dirfd, struct backup_list *);
void	 backup_list_free(struct backup_list *);
/* The one of that name, or NULL. */
const struct backup_entry *backup_list_find(const struct backup_list *,
	    const char *name);
/* Removes one that has no BACKUP, with all in it: 0, or -1 with errno. */
int	 backup_dir_remove(int dirfd, const char *name);

#endif
