/*
 * restore.c: wharfd --restore, up to the exec; see restore.h.  Makes the data
 * directory, so that node.user can write to it, and nothing else.
 */
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "supervisor/restore.h"

#define DIR_MODE	0750

static const struct passwd *
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

/* What is restored is that user's. */
static void
become(const struct passwd *pw, const char *data)
{
	if (chown(data, pw->pw_uid, pw->pw_gid) == -1)
		fatal("node.user: chown %s", data);
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	    setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1)
		fatal("node.user: become %s", pw->pw_name);
}

void
restore_exec(const struct conf *c, const char *dir, const char *from,
    int same_node)
{
	const char		*data = conf_str(c, CONF_NODE_DATA);
	const struct passwd	*pw = user_of(c);
	char			 path[PATH_MAX], stores[24], files[24];
	char			 routers[24];
	const char		*argv[] = { "wharf-store", "--restore", "-d",
	    data, "-s", stores, "-f", files, "-r", routers,
	    same_node ? "-n" : "--",
	    same_node ? "--" : from, same_node ? from : NULL, NULL };

	if (mkdir(data, DIR_MODE) == -1 && errno != EEXIST)
		fatal("make %s", data);
	if (pw != NULL)
		become(pw, data);
	snprintf(stores, sizeof(stores), "%lld",
	    (long long)conf_int(c, CONF_STORES_COUNT));
	snprintf(files, sizeof(files), "%lld",
	    (long long)conf_int(c, CONF_STORES_FILES));
	snprintf(routers, sizeof(routers), "%lld",
	    (long long)conf_int(c, CONF_ROUTERS_COUNT));
	if (snprintf(path, sizeof(path), "%s/wharf-store", dir) >=
	    (int)sizeof(path))
		fatalx("%s: too long", dir);
	execv(path, (char **)(uintptr_t)argv);
	fatal("start %s", path);
}
