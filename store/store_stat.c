/*
 * store_stat.c: the handlers of STORE_STAT and STORE_STATS.  Both answer from
 * the shared catalogue, for all stores; what stands there is durable, so no
 * answer waits for the log.
 *
 * Bounds: STORE_STATS gathers CATALOGUE_MOST rows at most, about 8 MiB, for
 * the time of the call.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_stat.h"
#include "store/store.h"

#define ROW_MOST	(STAT_ROW_HEAD + CATALOGUE_NAME)

static size_t
put_row(uint8_t *out, uint8_t type, const struct catalogue_row *name,
    const struct table_sum *s)
{
	struct stat_row	r = { .type = type, .count = s->count,
			    .size = s->size, .capacity = s->capacity };

	if (name != NULL) {
		r.namelen = name->len;
		r.name = (const uint8_t *)name->name;
	}
	return stat_row_put(out, &r);
}

static size_t
put_totals(uint8_t *out, const struct catalogue *c)
{
	struct table_sum	keys, hashes;
	size_t			n;

	catalogue_totals(c, &keys, &hashes);
	n = put_row(out, TYPE_KV, NULL, &keys);
	return n + put_row(out + n, TYPE_HASH, NULL, &hashes);
}

static enum err
stat_may(struct actor *a, const struct msg *m)
{
	enum err	e = store_may(a->self, m);

	if (e == E_OK && !catalogue_complete(a->catalogue))
		e = E_NOTREADY;
	return e;
}

static enum err
stat_answer(struct actor *a, const struct msg *m, const uint8_t *val, size_t n)
{
	struct frame	r = { .val = val, .vallen = (uint32_t)n };

	return store_answer(a->self, m, E_OK, &r, 0, 0);
}

enum err
store_on_stat(struct actor *a, const struct msg *m)
{
	struct catalogue_row	row;
	uint8_t			tab[CATALOGUE_NAME], val[2 * ROW_MOST];
	enum err		e;

	if ((e = stat_may(a, m)) != E_OK)
		return e;
	if (m->f.tablen == 0)
		return stat_answer(a, m, val, put_totals(val, a->catalogue));
	/* A lane's bytes may change under us. */
	memcpy(tab, m->f.tab, m->f.tablen);
	e = catalogue_find(a->catalogue, tab, m->f.tablen, &row);
	if (e != E_OK)
		return e == E_TYPE ? E_NOTFOUND : e;	/* contract 1.3 */
	return stat_answer(a, m, val, put_row(val, row.type, &row, &row.sum));
}

/* Padded with zeros, so this is the byte order. */
static int
by_name(const void *a, const void *b)
{
	const struct catalogue_row	*x = a, *y = b;

	return memcmp(x->name, y->name, sizeof(x->name));
}

static size_t
gather(const struct catalogue *c, struct catalogue_row *rows, unsigned top)
{
	unsigned	i;
	size_t		n = 0;

	for (i = 0; i < top; i++)
		n += catalogue_row(c, i, &rows[n]);
	qsort(rows, n, sizeof(*rows), by_name);
	return n;
}

static size_t
put_rows(uint8_t *out, const struct catalogue_row *rows, size_t nrows)
{
	size_t	i, n = 0;

	for (i = 0; i < nrows; i++) {
		/* Gone and made again, at another place, as we went by. */
		if (i > 0 && by_name(&rows[i - 1], &rows[i]) == 0)
			continue;
		n += put_row(out + n, rows[i].type, &rows[i], &rows[i].sum);
	}
	return n;
}

enum err
store_on_stats(struct actor *a, const struct msg *m)
{
	const struct catalogue	*c = a->catalogue;
	unsigned		 top;
	struct catalogue_row	*rows;
	uint8_t			*val;
	size_t			 nrows, n;
	enum err		 e;

	if ((e = stat_may(a, m)) != E_OK)
		return e;
	top = catalogue_names(c);
	if ((rows = calloc(top + 1, sizeof(*rows))) == NULL)
		return E_NOMEM;
	nrows = gather(c, rows, top);
	if ((val = malloc((nrows + 2) * ROW_MOST)) != NULL) {
		n = put_totals(val, c);
		n += put_rows(val + n, rows, nrows);
		e = stat_answer(a, m, val, n);
	} else
		e = E_NOMEM;
	free(rows);
	free(val);
	return e;
}
