/*
 * backup.h: "wharfctl backup" in wharfd: one at a time, from the directories
 * (backup_make.h, on a thread of its own) over the stores and routers, which
 * copy their shards, to BACKUP.  Whoever asked need not stay.
 */
#ifndef SUPERVISOR_BACKUP_H
#define SUPERVISOR_BACKUP_H

#include <jansson.h>

#include "proto/msg.h"
#include "supervisor/child.h"

struct backup_maker;
struct tree;

struct backup_maker	*backup_new(struct tree *);	/* NULL: no memory */
void	 backup_free(struct backup_maker *);
/* 0: it is begun; -1 and why. */
int	 backup_start(struct backup_maker *, const char *dir, int full,
	    char *why, size_t whylen);
/* Ends the one under way; -1: there is none. */
int	 backup_stop(struct backup_maker *);
/* How it stands, and how the last one ended; a new reference. */
json_t	*backup_json(const struct backup_maker *);

/* Of the children's hooks. */
void	 backup_backed(struct backup_maker *, const struct child *,
	    const struct msg *);
void	 backup_gone(struct backup_maker *, const struct child *);

#endif
