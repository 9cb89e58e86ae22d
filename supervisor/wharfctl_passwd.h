/*
 * wharfctl_passwd.h: "wharfctl passwd", which edits auth.file and talks to
 * nobody.
 */
#ifndef SUPERVISOR_WHARFCTL_PASSWD_H
#define SUPERVISOR_WHARFCTL_PASSWD_H

#include "supervisor/conf.h"

/*
 * Sets the user's password (asked for on the terminal, else the first line of
 * standard input) and role (NULL: as it was; a new user's is read), or
 * removes the user.  file: NULL for the configuration's auth.file.  Returns
 * wharfctl's exit code, with a message on stderr unless 0.
 */
int	 passwd_run(const struct conf *, const char *file, const char *name,
	    const char *role, int remove);

#endif
