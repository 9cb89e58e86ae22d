/*
 * user.h: node.user, for what wharfd does without starting a node: --restore
 * and -t.  (node.c becomes him at a start, and gives him what is there.)
 */
#ifndef SUPERVISOR_USER_H
#define SUPERVISOR_USER_H

#include <pwd.h>

#include "supervisor/conf.h"

/* NULL: there is nobody to become.  Fatal if there is no such user. */
const struct passwd	*user_of(const struct conf *);
/* For good; fatal when it cannot. */
void			 user_become(const struct passwd *);

#endif
