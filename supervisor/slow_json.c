/*
 * slow_json.c: the slow logs of all actors in one list.  Runs in wharfd; the
 * rings are shared memory, so texts are made harmless before they leave.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/slow_json.h"

struct found {
	struct slow_entry	 e;
	struct board_actor	*place;
};

static int
newest_first(const void *a, const void *b)
{
	const struct found	*x = a, *y = b;

	return (x->e.wall < y->e.wall) - (x->e.wall > y->e.wall);
}

/* "2026-11-22T12:00:00.123Z" */
static json_t *
time_json(int64_t us)
{
	time_t		s = (time_t)(us / 1000000);
	char		text[40];
	struct tm	tm;
	size_t		n;

	if (us < 0 || gmtime_r(&s, &tm) == NULL)
		return json_null();
	n = strftime(text, sizeof(text) - 5, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%03dZ",
	    (int)(us % 1000000 / 1000));
	return json_string(text);
}

static json_t *
text_json(const uint8_t *p, uint32_t len)
{
	char	text[SLOW_SHOWN];

	return json_string(slow_show(text, p, len));
}

static json_t *
entry_json(const struct found *f)
{
	const struct slow_entry	*e = &f->e;
	char			 role[BOARD_ROLE];
	json_t			*op;

	op = text_json((const uint8_t *)e->name, (uint32_t)strlen(e->name));
	return json_pack("{s:o?, s:s, s:i, s:I, s:o?, s:I, s:o?, s:o?, s:I,"
	    " s:I, s:I, s:I, s:I, s:I, s:I}",
	    "time", time_json(e->wall),
	    "role", board_role(f->place, role),
	    "seat", (int)board_seat(f->place),
	    "incarnation", (json_int_t)e->inc,
	    "op", op,
	    "status", (json_int_t)e->status,
	    "table", text_json(e->tab, e->tablen),
	    "key", text_json(e->key, e->keylen),
	    "key_length", (json_int_t)e->keylen,
	    "value_length", (json_int_t)e->vallen,
	    "total_us", (json_int_t)e->total,
	    "body_us", (json_int_t)e->body,
	    "budget_us", (json_int_t)e->budget,
	    "store_us", (json_int_t)e->store,
	    "held_us", (json_int_t)e->held);
}

/* All entries of all places, newest first; NULL: no memory. */
static struct found *
collect(struct board *b, size_t *n)
{
	struct slow_entry	 ring[SLOW_RING];
	struct found		*all;
	unsigned		 i, k, got;

	*n = 0;
	all = calloc((size_t)board_places(b) * SLOW_RING, sizeof(*all));
	if (all == NULL)
		return NULL;
	for (i = 0; i < board_places(b); i++) {
		got = slow_read(board_slow(board_place(b, i)), ring);
		for (k = 0; k < got; k++) {
			all[*n].e = ring[k];
			all[(*n)++].place = board_place(b, i);
		}
	}
	qsort(all, *n, sizeof(*all), newest_first);
	return all;
}

json_t *
slow_json(struct board *b, size_t n)
{
	json_t		*list = json_array();
	size_t		 found, i;
	struct found	*all = collect(b, &found);

	for (i = 0; all != NULL && i < found && i < n; i++)
		json_array_append_new(list, entry_json(&all[i]));
	if (all == NULL) {
		json_decref(list);
		list = NULL;
	}
	free(all);
	return list;
}

void
slow_json_clear(struct board *b)
{
	unsigned	i;

	for (i = 0; i < board_places(b); i++)
		slow_clear(board_slow(board_place(b, i)));
}
