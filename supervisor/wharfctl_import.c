/*
 * wharfctl_import.c: finds wharf-import, beside wharfctl (the build tree) or
 * where it was installed, and becomes it.  The source goes by the environment:
 * it may hold a password, and arguments are for all to read.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/wharfctl_import.h"

#define PROGRAM		"wharf-import"
#define FAILED		1

static void
program_find(char *out, size_t max)
{
	char	 dir[PATH_MAX], *slash;
	ssize_t	 n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n > 0) {
		dir[n] = '\0';
		if ((slash = strrchr(dir, '/')) != NULL)
			*slash = '\0';
		snprintf(out, max, "%s/" PROGRAM, dir);
		if (access(out, X_OK) == 0)
			return;
	}
	snprintf(out, max, "%s/" PROGRAM, WHARF_ACTOR_DIR);
}

int
import_exec(const char *run, const char *state, const char *source, int json)
{
	char		 path[PATH_MAX + 32];
	const char	*argv[8] = { PROGRAM, "-r", run };
	int		 n = 3;

	if (state != NULL) {
		argv[n++] = "-S";
		argv[n++] = state;
	}
	if (json)
		argv[n++] = "-j";
	argv[n] = NULL;
	program_find(path, sizeof(path));
	if (setenv("WHARF_IMPORT_SOURCE", source, 1) == 0)
		execv(path, (char **)argv);
	fprintf(stderr, "wharfctl: %s: %s\n", path, strerror(errno));
	return FAILED;
}
