/*
 * tables_json.c: the catalogue as JSON for people.  Runs in wharfd; what stands
 * there was written by other processes, so names are made harmless before they
 * leave.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/slow.h"
#include "supervisor/tables_json.h"

static int
largest_first(const void *a, const void *b)
{
	const struct catalogue_row	*x = a, *y = b;

	if (x->sum.size != y->sum.size)
		return x->sum.size < y->sum.size ? 1 : -1;
	return memcmp(x->name, y->name, sizeof(x->name));
}

/* All rows, largest first; NULL: no memory. */
static struct catalogue_row *
collect(const struct catalogue *c, size_t *n)
{
	unsigned		 i, top = catalogue_names(c);
	struct catalogue_row	*rows = calloc(top + 1, sizeof(*rows));

	*n = 0;
	if (rows == NULL)
		return NULL;
	for (i = 0; i < top; i++)
		*n += (size_t)catalogue_row(c, i, &rows[*n]);
	qsort(rows, *n, sizeof(*rows), largest_first);
	return rows;
}

static json_t *
sum_json(const struct table_sum *s)
{
	return json_pack("{s:I, s:I, s:I}", "count", (json_int_t)s->count,
	    "size", (json_int_t)s->size, "capacity", (json_int_t)s->capacity);
}

static json_t *
row_json(const struct catalogue_row *r)
{
	char	 name[SLOW_SHOWN], type[2] = { (char)r->type, '\0' };
	json_t	*o = sum_json(&r->sum);

	slow_show(name, (const uint8_t *)r->name, r->len);
	json_object_set_new(o, "table", json_string(name));
	json_object_set_new(o, "type", json_string(type));
	return o;
}

json_t *
tables_json(const struct catalogue *c, size_t n)
{
	struct table_sum	 keys, hashes;
	size_t			 found, i;
	struct catalogue_row	*rows = collect(c, &found);
	json_t			*list;

	if (rows == NULL)
		return NULL;
	list = json_array();
	for (i = 0; i < found && i < n; i++)
		json_array_append_new(list, row_json(&rows[i]));
	free(rows);
	catalogue_totals(c, &keys, &hashes);
	return json_pack("{s:b, s:b, s:I, s:i, s:o, s:o, s:o}", "ok", 1,
	    "complete", catalogue_complete(c), "held", (json_int_t)found,
	    "most", (int)catalogue_most(c), "keys", sum_json(&keys),
	    "hashes", sum_json(&hashes), "tables", list);
}
