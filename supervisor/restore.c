/*
 * restore.c: wharfd --restore, up to the exec; see restore.h.  Makes the data
 * directory, so that node.user can write to it, and nothing else.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "supervisor/restore.h"
#include "supervisor/user.h"

#define DIR_MODE	0750

/* But for what a file system has at its root. */
static int
is_empty(const char *dir)
{
	DIR		*d = opendir(dir);
	struct dirent	*e;
	int		 n = 0;

	while (d != NULL && n == 0 && (e = readdir(d)) != NULL)
		n = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") !=
		    0 && strcmp(e->d_name, "lost+found") != 0;
	if (d != NULL)
		closedir(d);
	return d != NULL && n == 0;
}

/*
 * What is restored is that user's; what is in use for something else will be
 * refused, and stays whose it is.
 */
static void
become(const struct passwd *pw, const char *data)
{
	if (is_empty(data) &&
	    chown(data, pw->pw_uid, pw->pw_gid) == -1)
		fatal("node.user: chown %s", data);
	user_become(pw);
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
