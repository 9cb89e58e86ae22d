/*
 * util.c: paths of the state and of the store's directory, and whole files.
 * Any failure aborts the store: a harness that is not sure proves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/powercut/world.h"

void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "powercut: LOST TRACK: %s: %s\n", what, strerror(errno));
	abort();
}

void
path_state(char out[PATH_LEN], const char *kind, unsigned n)
{
	must(snprintf(out, PATH_LEN, "%s/%s.%u", world_state, kind, n) <
	    PATH_LEN, "path");
}

void
path_root(char out[PATH_LEN], const char *rel)
{
	must(snprintf(out, PATH_LEN, "%s/%s", world_root, rel) < PATH_LEN,
	    "path");
}

int
path_ours(const char *path, const char **rel)
{
	size_t	n = strlen(world_root);

	if (strncmp(path, world_root, n) != 0 || path[n] != '/')
		return 0;
	*rel = path + n + strspn(path + n, "/");
	return 1;
}

uint8_t *
slurp(const char *path, uint64_t off, uint64_t len)
{
	uint8_t		*p = calloc(1, len + 1);
	uint64_t	 have = 0;
	ssize_t		 n = 1;
	int		 fd = open(path, O_RDONLY | O_CLOEXEC);

	must(p != NULL && fd != -1, path);
	while (have < len && n > 0) {
		n = pread(fd, p + have, len - have, (off_t)(off + have));
		must(n >= 0, path);
		have += (uint64_t)n;
	}
	close(fd);
	return p;
}

void
spill(const char *path, const uint8_t *p, uint64_t off, uint64_t len)
{
	int		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	uint64_t	at;
	ssize_t		n;

	must(fd != -1, path);
	for (at = 0; at < len; at += (uint64_t)n) {
		n = pwrite(fd, p + at, len - at, (off_t)(off + at));
		must(n > 0, path);
	}
	close(fd);
}
