/*
 * store_stat.c: the handlers of STORE_STAT and STORE_STATS.  Both answer from
 * the shared catalogue, for all stores; what stands there is durable, so no
 * answer waits for the log.
 *
 * One table is looked up at once.  Whatever is about all of them goes through
 * the catalogue in steps; the rows of STORE_STATS are sorted in a tree as they
 * come, which also makes one of a table that was gone and made again, at
 * another place, meanwhile.
 *
 * Bounds: STORE_STATS has CATALOGUE_MOST rows at most, about 12 MiB.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_stat.h"
#include "store/store_job.h"

#define STEP_US		500
#define CLOCK_EVERY	64u		/* rows between two looks at the clock */
#define ROW_MOST	(STAT_ROW_HEAD + CATALOGUE_NAME)

/* What the tree has with a name. */
struct stat_pay {
	struct table_sum sum;
	uint8_t		 type;
};

_Static_assert(sizeof(struct stat_pay) <= BTREE_PAYLOAD, "too long");

static size_t
put_row(uint8_t *out, uint8_t type, const void *name, size_t namelen,
    const struct table_sum *s)
{
	struct stat_row	r = { .type = type, .namelen = (uint8_t)namelen,
			    .name = name, .count = s->count,
			    .size = s->size, .capacity = s->capacity };

	return stat_row_put(out, &r);
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
stat_one(struct actor *a, const struct msg *m)
{
	struct catalogue_row	row;
	uint8_t			tab[CATALOGUE_NAME], val[ROW_MOST];
	struct frame		r = { .val = val };
	enum err		e;

	/* A lane's bytes may change under us. */
	memcpy(tab, m->f.tab, m->f.tablen);
	e = catalogue_find(a->catalogue, tab, m->f.tablen, &row);
	if (e != E_OK)
		return e == E_TYPE ? E_NOTFOUND : e;	/* contract 1.3 */
	r.vallen = (uint32_t)put_row(val, row.type, row.name, row.len,
	    &row.sum);
	return store_answer(a->self, m, E_OK, &r, 0, 0);
}

/* Takes the next row of the catalogue; E_NOMEM. */
static enum err
stat_gather(struct list_job *j)
{
	struct catalogue_row	row;
	struct stat_pay		pay;

	if (!catalogue_row(j->a->catalogue, j->row++, &row))
		return E_OK;
	if (row.type == TYPE_HASH)
		table_sum_add(&j->hashes, &row.sum);
	memset(&pay, 0, sizeof(pay));
	pay.type = row.type;
	pay.sum = row.sum;
	return j->rows == NULL || btree_put(j->rows, row.name, row.len, &pay,
	    sizeof(pay)) != -1 ? E_OK : E_NOMEM;
}

/* All have been seen: room for their rows, and the two that come first. */
static enum err
stat_begin_page(struct list_job *j)
{
	struct table_sum	keys;
	size_t			most = 2;

	if (j->rows != NULL)
		most += (size_t)btree_count(j->rows);
	if ((j->page = malloc(most * ROW_MOST)) == NULL)
		return E_NOMEM;
	j->pagecap = most * ROW_MOST;
	catalogue_keys(j->a->catalogue, &keys);
	j->pagelen = put_row(j->page, TYPE_KV, NULL, 0, &keys);
	j->pagelen += put_row(j->page + j->pagelen, TYPE_HASH, NULL, 0,
	    &j->hashes);
	return E_OK;
}

/* Until the time is up: E_PENDING; E_OK: all rows are in the page. */
static enum err
stat_put_rows(struct list_job *j, mono_t until)
{
	struct btree_iter	it;
	struct btree_at		at;
	struct stat_pay		pay;
	enum err		e = E_OK;

	btree_seek_rank(j->rows, &it, j->count);
	while (e == E_OK && btree_next(&it, &at)) {
		memcpy(&pay, at.pay, sizeof(pay));
		j->pagelen += put_row(j->page + j->pagelen, pay.type, at.key,
		    at.keylen, &pay.sum);
		if (++j->count % CLOCK_EVERY == 0 &&
		    mono_diff(mono_now(), until) <= 0)
			e = E_PENDING;
	}
	if (it.failed)
		e = E_NOMEM;
	btree_iter_end(&it);
	return e;
}

static enum err
stat_step(struct list_job *j)
{
	mono_t		until = mono_add(mono_now(), STEP_US);
	enum err	e = E_OK;

	/* What comes later is none of it: the page has its size. */
	while (j->page == NULL &&
	    j->row < catalogue_names(j->a->catalogue)) {
		if ((e = stat_gather(j)) != E_OK)
			return e;
		if (j->row % CLOCK_EVERY == 0 &&
		    mono_diff(mono_now(), until) <= 0)
			return E_PENDING;
	}
	if (j->page == NULL)
		e = stat_begin_page(j);
	if (e == E_OK && j->rows != NULL)
		e = stat_put_rows(j, until);
	j->r.val = j->page;
	j->r.vallen = (uint32_t)j->pagelen;
	return e;
}

static enum err
stat_all(struct actor *a, const struct msg *m, int rows)
{
	struct list_job	*j = job_new(a, m, stat_step);

	if (j == NULL)
		return E_NOMEM;
	if (rows && (j->rows = btree_new()) == NULL) {
		job_free(j);
		return E_NOMEM;
	}
	return job_start(j);
}

enum err
store_on_stat(struct actor *a, const struct msg *m)
{
	enum err	e = stat_may(a, m);

	if (e != E_OK)
		return e;
	return m->f.tablen != 0 ? stat_one(a, m) : stat_all(a, m, 0);
}

enum err
store_on_stats(struct actor *a, const struct msg *m)
{
	enum err	e = stat_may(a, m);

	return e != E_OK ? e : stat_all(a, m, 1);
}
