/*
 * sample.c: memory, descriptors and rates of the processes; see sample.h.
 * Reading /proc may fail at any time, for a process may be gone.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/board.h"
#include "supervisor/sample.h"

static void
read_memory(pid_t pid, struct sample_usage *u)
{
	const struct {
		const char	*name;
		int64_t		*bytes;
	}		 rows[] = { { "RssAnon:", &u->anon },
			    { "RssFile:", &u->file },
			    { "RssShmem:", &u->shmem } };
	char		 line[256];
	long long	 kib;
	size_t		 i, n;
	FILE		*fp;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	if ((fp = fopen(line, "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), fp) != NULL)
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			n = strlen(rows[i].name);
			if (strncmp(line, rows[i].name, n) == 0 &&
			    sscanf(line + n, "%lld", &kib) == 1)
				*rows[i].bytes = kib * 1024;
		}
	fclose(fp);
}

/* Since Linux 6.2 the size of the directory is the number of descriptors. */
static int64_t
read_fds(pid_t pid)
{
	char		 path[64];
	struct stat	 st;
	struct dirent	*d;
	int64_t		 n = 0;
	DIR		*dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &st) == 0 && st.st_size > 0)
		return st.st_size;
	if ((dir = opendir(path)) == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

void
sample_read(pid_t pid, struct sample_usage *u)
{
	memset(u, 0, sizeof(*u));
	if (pid == 0)
		return;
	read_memory(pid, u);
	u->fds = read_fds(pid);
}

void
sample_take(pid_t pid, struct board_actor *b)
{
	struct sample_usage	u;

	sample_read(pid, &u);
	board_set(b, BC_RSS_ANON, u.anon);
	board_set(b, BC_RSS_FILE, u.file);
	board_set(b, BC_RSS_SHMEM, u.shmem);
	board_set(b, BC_FDS, u.fds);
}

void
sample_rate(struct sample_rate *s, const struct board_actor *b, uint32_t inc,
    mono_t born, mono_t now)
{
	int64_t	requests = board_get(b, BC_REQUESTS), us;

	if (s->inc != inc)
		*s = (struct sample_rate){ .inc = inc, .at = born };
	if ((us = mono_diff(s->at, now)) <= 0)
		return;
	s->per_s = (double)(requests - s->requests) * 1e6 / (double)us;
	s->requests = requests;
	s->at = now;
}
