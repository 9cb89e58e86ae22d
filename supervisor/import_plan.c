/*
 * import_plan.c: the listings and their file; see import_plan.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/import_plan.h"

#define FORM		1	/* of the file */

struct listing *
plan_add(struct plan *p)
{
	struct listing	*more;

	if ((p->n & (p->n - 1)) == 0) {		/* room for a power of two */
		more = realloc(p->listings,
		    (p->n != 0 ? p->n * 2 : 1) * sizeof(*more));
		if (more == NULL)
			return NULL;
		p->listings = more;
	}
	more = &p->listings[p->n++];
	memset(more, 0, sizeof(*more));
	return more;
}

void
plan_free(struct plan *p)
{
	size_t	i;

	for (i = 0; i < p->n; i++)
		free(p->listings[i].where.cursor);
	free(p->listings);
	free(p->source);
	memset(p, 0, sizeof(*p));
}

int
where_copy(struct where *w, const struct where *from)
{
	char	*cursor = NULL;

	if (from->cursor != NULL && (cursor = strdup(from->cursor)) == NULL)
		return -1;
	free(w->cursor);
	*w = *from;
	w->cursor = cursor;
	return 0;
}

/* The file */

static json_t *
listing_json(const struct listing *l)
{
	const struct where	*w = &l->where;
	json_t			*o;

	o = json_pack("{s:i s:I s:I s:I s:i s:I}", "phase", (int)w->phase,
	    "offset", (json_int_t)w->offset, "got", (json_int_t)w->got,
	    "expected", (json_int_t)l->expected, "quiet", (int)w->quiet,
	    "token", (json_int_t)w->token);
	if (w->cursor != NULL)
		json_object_set_new(o, "cursor", json_string(w->cursor));
	if (l->zset)
		json_object_set_new(o, "zset", json_string(l->table));
	else
		json_object_set_new(o, "file", json_integer(l->file));
	return o;
}

static json_t *
plan_json(const struct plan *p)
{
	json_t	*list = json_array(), *o;
	size_t	 i;

	for (i = 0; i < p->n; i++)
		json_array_append_new(list, listing_json(&p->listings[i]));
	o = json_pack("{s:i s:s s:b s:I s:I s:[I,I,I,I,I] s:o}",
	    "form", FORM, "source", p->source, "cursors", p->cursors,
	    "expected", (json_int_t)p->expected,
	    "total", (json_int_t)p->total, "tally",
	    (json_int_t)p->tally.written, (json_int_t)p->tally.newer,
	    (json_int_t)p->tally.refused, (json_int_t)p->tally.left_out,
	    (json_int_t)p->tally.bytes, "listings", list);
	return o;
}

static int
file_write(const char *path, const char *text)
{
	size_t	n = strlen(text);
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int	good;

	if (fd == -1)
		return -1;
	errno = ENOSPC;		/* of a short write */
	good = write(fd, text, n) == (ssize_t)n && fdatasync(fd) == 0;
	close(fd);
	return good ? 0 : -1;
}

int
plan_save(const struct plan *p, const char *path)
{
	json_t	*o = plan_json(p);
	char	*text = json_dumps(o, JSON_COMPACT), tmp[PATH_MAX];
	int	 rv = -1;

	json_decref(o);
	errno = text == NULL ? ENOMEM : ENAMETOOLONG;
	if (text != NULL && (size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) <
	    sizeof(tmp) && file_write(tmp, text) == 0)
		rv = rename(tmp, path);
	free(text);
	return rv;
}

static uint64_t
number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static int
listing_load(struct plan *p, const json_t *o)
{
	struct listing	*l = plan_add(p);
	const char	*cursor, *zset;

	if (l == NULL || !json_is_object(o))
		return -1;
	cursor = json_string_value(json_object_get(o, "cursor"));
	zset = json_string_value(json_object_get(o, "zset"));
	if (zset != NULL) {
		l->zset = 1;
		snprintf(l->table, sizeof(l->table), "%s", zset);
	}
	l->file = (unsigned)number(o, "file");
	l->expected = number(o, "expected");
	l->where.phase = (enum phase)number(o, "phase");
	l->where.offset = number(o, "offset");
	l->where.got = number(o, "got");
	l->where.quiet = (unsigned)number(o, "quiet");
	l->where.token = number(o, "token");
	if (cursor != NULL && (l->where.cursor = strdup(cursor)) == NULL)
		return -1;
	return l->where.phase <= PHASE_DONE ? 0 : -1;
}

static int
plan_read(struct plan *p, const json_t *o)
{
	const json_t	*t = json_object_get(o, "tally");
	const json_t	*list = json_object_get(o, "listings");
	uint64_t	*tally[] = { &p->tally.written, &p->tally.newer,
			    &p->tally.refused, &p->tally.left_out,
			    &p->tally.bytes };
	size_t		 i;

	if (number(o, "form") != FORM || !json_is_array(list) ||
	    json_array_size(t) != 5)
		return -1;
	for (i = 0; i < 5; i++)
		*tally[i] = (uint64_t)json_integer_value(json_array_get(t, i));
	p->cursors = json_is_true(json_object_get(o, "cursors"));
	p->expected = number(o, "expected");
	p->total = number(o, "total");
	for (i = 0; i < json_array_size(list); i++)
		if (listing_load(p, json_array_get(list, i)) == -1)
			return -1;
	return 0;
}

int
plan_load(struct plan *p, const char *path, const char *source, char *err,
    size_t max)
{
	json_error_t	 why;
	json_t		*o;
	const char	*theirs;
	int		 rv = -1;

	if (access(path, F_OK) == -1 && errno == ENOENT)
		return 0;
	o = json_load_file(path, 0, &why);
	theirs = json_string_value(json_object_get(o, "source"));
	if (theirs == NULL)
		snprintf(err, max, "%s: not the state of an import: %s", path,
		    o == NULL ? why.text : "no source");
	else if (strcmp(theirs, source) != 0)
		snprintf(err, max, "%s: of an import from %s", path, theirs);
	else if (plan_read(p, o) == -1 ||
	    (p->source = strdup(source)) == NULL) {
		plan_free(p);
		snprintf(err, max, "%s: not the state of an import", path);
	} else
		rv = 1;
	json_decref(o);
	return rv;
}
