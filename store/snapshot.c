/*
 * snapshot.c: names and reading of exported files.  Used by a store on its
 * loop: an entry is two reads of what the page cache mostly has.
 *
 * An export that replaces a snapshot removes the old offsets first, then puts
 * the new lines in place, then the new offsets.  So offsets that are still
 * there when both files are open belong to the lines that were opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "store/io.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "supervisor/log.h"

/* Two keys' worth of names beside key and value, in base64. */
#define LINE_MOST	(((size_t)VALUE_MAX + KEY_MAX) / 3 * 4 + 512)

void
snapshot_name(char out[SNAPSHOT_NAME], const struct snapshot_id *id)
{
	char	kind = id->type == TYPE_HASH ? '!' :
		    id->type == TYPE_SET ? '#' : '|';

	if (id->type == 0)
		snprintf(out, SNAPSHOT_NAME, "db.all@%u[%u-%u].k%s",
		    id->number, id->start, id->end, id->values ? "v" : "");
	else
		snprintf(out, SNAPSHOT_NAME, "%.*s%c%u[%u-%u].k%s",
		    (int)id->tablen, (const char *)id->tab, kind, id->number,
		    id->start, id->end, id->values ? "v" : "");
}

static int
snapshot_open_file(const char *path, struct stat *st)
{
	int	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum err
snapshot_open(struct snapshot *s, const char *dir,
    const struct snapshot_id *id)
{
	char		name[SNAPSHOT_NAME], path[PATH_MAX + SNAPSHOT_NAME + 16];
	struct stat	of, data, now;

	memset(s, 0, sizeof(*s));
	s->data = -1;
	snapshot_name(name, id);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((s->fd = snapshot_open_file(path, &of)) < 0)
		return E_SNAPSHOT;
	snprintf(path, sizeof(path), "%s/%s" SNAPSHOT_DATA, dir, name);
	s->data = snapshot_open_file(path, &data);
	path[strlen(path) - strlen(SNAPSHOT_DATA)] = '\0';
	if (s->data < 0 || stat(path, &now) != 0 || now.st_ino != of.st_ino ||
	    of.st_size % 8 != 0) {
		snapshot_close(s);
		return E_SNAPSHOT;
	}
	s->total = (uint64_t)of.st_size / 8;
	s->size = (uint64_t)data.st_size;
	return E_OK;
}

void
snapshot_close(struct snapshot *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->data >= 0)
		close(s->data);
	free(s->line);
	s->fd = s->data = -1;
	s->line = NULL;
}

/* Where line i begins and ends. */
static enum err
snapshot_place(const struct snapshot *s, uint64_t i, uint64_t *at, size_t *n)
{
	uint8_t		of[16];
	int		last = i + 1 == s->total;
	uint64_t	end;

	if (i >= s->total || io_read_all(&io_posix, s->fd, of, last ? 8 : 16,
	    (off_t)(i * 8)) != 0)
		return E_SNAPSHOT;
	*at = le64_get(of);
	end = last ? s->size : le64_get(of + 8);
	if (end > s->size || *at >= end || end - *at > LINE_MOST)
		return E_SNAPSHOT;
	*n = (size_t)(end - *at);
	return E_OK;
}

enum err
snapshot_read(struct snapshot *s, uint64_t i, const struct snapshot_id *id,
    struct list_item *item)
{
	static struct log_limit	 lim;
	uint8_t			*p;
	uint64_t		 at;
	size_t			 n;
	enum err		 e;

	if ((e = snapshot_place(s, i, &at, &n)) == E_OK && n > s->cap) {
		if ((p = realloc(s->line, n)) == NULL)
			return E_NOMEM;
		s->line = p;
		s->cap = n;
	}
	if (e == E_OK && io_read_all(&io_posix, s->data, s->line, n,
	    (off_t)at) != 0)
		e = E_SNAPSHOT;
	if (e == E_OK)
		e = snapshot_line_get(item, s->line, n, id);
	if (e != E_OK)
		log_limited(&lim, "store: entry %llu of a snapshot is not as "
		    "it was written", (unsigned long long)i);
	return e;
}
