/*
 * wharfctl_backup.h: "wharfctl backup": begins one and follows it; and what is
 * in a directory of backups, which needs no wharfd.
 */
#ifndef SUPERVISOR_WHARFCTL_BACKUP_H
#define SUPERVISOR_WHARFCTL_BACKUP_H

#include <jansson.h>

/* Takes the request, returns wharfd's answer; does not return on a failure. */
typedef json_t *backup_ask(const char *socket, json_t *request);

/* The exit code: 0 it is done, 1 refused, stopped or failed. */
int	 backup_make(backup_ask *, const char *socket, const char *dir,
	    int full, int json);
int	 backup_end(backup_ask *, const char *socket, int json);
/* The same of what was found: 1 too if one cannot be used. */
int	 backup_show_list(const char *dir, int json);

#endif
