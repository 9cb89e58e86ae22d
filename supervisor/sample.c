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

struct line {
	const char	*name;		/* with its colon */
	int64_t		*bytes;
};

/* Lines "NAME:   123 kB" of a file in /proc; how many of them it has. */
static size_t
read_lines(const char *path, const struct line *want, size_t nwant)
{
	char		 line[256];
	long long	 kib;
	size_t		 i, n, found = 0;
	FILE		*fp;

	if ((fp = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), fp) != NULL)
		for (i = 0; i < nwant; i++) {
			n = strlen(want[i].name);
			if (strncmp(line, want[i].name, n) == 0 &&
			    sscanf(line + n, "%lld", &kib) == 1) {
				*want[i].bytes = kib * 1024;
				found++;
			}
		}
	fclose(fp);
	return found;
}

static void
read_memory(pid_t pid, struct sample_usage *u)
{
	const struct line	rows[] = { { "RssAnon:", &u->anon },
				    { "RssFile:", &u->file },
				    { "RssShmem:", &u->shmem } };
	char			path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	(void)read_lines(path, rows, sizeof(rows) / sizeof(rows[0]));
}

int64_t
sample_starved(pid_t pid)
{
	char		 path[64];
	long long	 ran, waited;
	FILE		*fp;
	int		 n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid,
	    (int)pid);
	if ((fp = fopen(path, "re")) == NULL)
		return 0;
	n = fscanf(fp, "%lld %lld", &ran, &waited);
	fclose(fp);
	return n == 2 ? waited / 1000 : 0;
}

void
sample_machine(int64_t *memory, int64_t *available)
{
	const struct line	rows[] = { { "MemTotal:", memory },
				    { "MemAvailable:", available } };

	if (read_lines("/proc/meminfo", rows, 2) != 2)
		*memory = *available = 0;
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
