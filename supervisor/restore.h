/*
 * restore.h: wharfd --restore: wharf-store does it, as the user and into the
 * directory that the configuration names.
 */
#ifndef SUPERVISOR_RESTORE_H
#define SUPERVISOR_RESTORE_H

#include "supervisor/conf.h"

/*
 * Becomes wharf-store --restore, from the directory dir of programs; from: a
 * backup, or a directory of them, whose last one is meant.  Exits 1 if it
 * cannot.
 */
void	 restore_exec(const struct conf *, const char *dir, const char *from,
	    int same_node) __attribute__((noreturn));

#endif
