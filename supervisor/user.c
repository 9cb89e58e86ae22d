/*
 * user.c: see user.h.
 */
#include <grp.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "supervisor/user.h"

const struct passwd *
user_of(const struct conf *c)
{
	const char		*user = conf_str(c, CONF_NODE_USER);
	const struct passwd	*pw;

	if (*user == '\0')
		return NULL;
	if ((pw = getpwnam(user)) == NULL)
		fatalx("node.user: no user \"%s\"", user);
	if (pw->pw_uid == geteuid())
		return NULL;
	if (geteuid() != 0)
		fatalx("node.user: only root can become %s", user);
	return pw;
}

void
user_become(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	    setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1)
		fatal("node.user: become %s", pw->pw_name);
}
