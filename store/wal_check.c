/*
 * wal_check.c: the walk that a start makes (wal_walk.c), over all of the log
 * instead of what data files do not have yet, and on a disk that nothing can
 * be written to or removed from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/record.h"
#include "store/wal_check.h"
#include "store/wal_rec.h"

static int
unlink_not(const struct io *io, const char *path)
{
	(void)io, (void)path;
	return 0;
}

static enum err
check_record(void *arg, uint64_t lsn, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct wal_check	*c = arg;
	struct record		 r;

	if (record_get(&r, key, keylen, val, vallen) == E_OK)
		return E_OK;
	snprintf(c->error, sizeof(c->error), "log record %llu fails its own "
	    "checksum", (unsigned long long)lsn);
	return E_DAMAGED;
}

/* The first segment; 0: none. */
static unsigned long long
first_segment(const char *dir)
{
	unsigned long long	 n, least = 0;
	struct dirent		*de;
	DIR			*d = opendir(dir);
	int			 end;

	if (d == NULL)
		return 0;
	while ((de = readdir(d)) != NULL) {
		end = 0;
		if (sscanf(de->d_name, "%llu.seg%n", &n, &end) == 1 &&
		    end != 0 && de->d_name[end] == '\0' &&
		    (least == 0 || n < least))
			least = n;
	}
	closedir(d);
	return least;
}

/* Up to where the log need not go back: what its first segment says. */
static uint64_t
begins_after(const char *dir, uint64_t after)
{
	unsigned long long	 n = first_segment(dir);
	char			 path[WAL_PATH];
	uint8_t			 block[WAL_BLOCK];
	struct seg_head		 h;
	int			 fd;

	if (n == 0)
		return after;
	wal_path(path, dir, WAL_SEG, n);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return after;
	if (pread(fd, block, sizeof(block), 0) == (ssize_t)sizeof(block) &&
	    seg_head_get(&h, block) == E_OK && h.prev < after)
		after = h.prev;
	close(fd);
	return after;
}

enum err
wal_check(struct wal_check *c, const char *dir, uint64_t node, uint16_t store,
    uint64_t after)
{
	struct io	 io = io_posix;
	struct wal_found found = { .last_lsn = 0 };
	struct wal	*w = calloc(1, sizeof(*w));
	struct rec	 r = { .found = &found, .replay = check_record,
	    .arg = c, .fd = -1, .w = w };
	enum err	 e = E_INTERNAL;

	memset(c, 0, sizeof(*c));
	snprintf(c->error, sizeof(c->error), "out of memory");
	if (w != NULL && (w->dir = strdup(dir)) != NULL) {
		io.unlink = unlink_not;
		w->conf = (struct wal_conf){ .dir = w->dir, .io = &io,
		    .node = node, .store = store };
		r.after = begins_after(dir, after);
		c->error[0] = '\0';
		e = wal_recover(&r);
		if (c->error[0] == '\0')
			memcpy(c->error, found.error, sizeof(c->error));
		c->records = found.records;
		c->last = found.last_lsn;
		c->torn = found.torn;
		wal_rec_free(&r);
		free(w->dir);
	}
	free(w);
	return e;
}
