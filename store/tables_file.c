/*
 * tables_file.c: sums from elsewhere: of files that were read apart, and what
 * a clean stop left in MANIFEST.
 */
#include <stdlib.h>
#include <string.h>

#include "store/tables_impl.h"

#define SAVE_MAX	1000000u	/* lines of MANIFEST; beyond: count anew */

/* --- joining --- */

struct joining {
	struct tables	*t, *part;
};

static void
join_end(void *arg, const struct end *e)
{
	struct joining	*j = arg;
	struct table	*x = e->table == 0 ? &j->part->keys :
	    j->part->number[e->table];

	x = table_get(j->t, x->type, x->name, x->len);
	if (x != NULL)		/* else t is inexact already */
		table_end(j->t, x, e->step, &e->sum);
}

static void
join_table(struct tables *t, const struct table *from)
{
	struct table	*x = table_get(t, from->type, from->name, from->len);

	if (x == NULL) {
		t->inexact = 1;
		return;
	}
	table_sum_add(&x->now, &from->now);
	if (from->claim != 0 && (x->claim == 0 || from->claim < x->claim))
		x->claim = from->claim;
}

void
tables_join(struct tables *t, struct tables *part)
{
	struct joining	j = { t, part };
	uint64_t	count = 0;
	uint32_t	i;

	if (part == NULL) {
		t->inexact = 1;
		return;
	}
	/* Time went on while it was counted. */
	if (part->upto < t->upto)
		tables_upto(part, t->upto, &count);
	join_table(t, &part->keys);
	for (i = 1; i < part->nnumbers; i++)
		if (part->number[i] != NULL)
			join_table(t, part->number[i]);
	ends_each(&part->ends, join_end, &j);
	t->inexact |= part->inexact;
	tables_free(part);
}

static void
table_clear(struct table *x)
{
	memset(&x->now, 0, sizeof(x->now));
	x->ends = 0;
}

/* What waits for the log is in part too: it stays as it is. */
void
tables_replace(struct tables *t, struct tables *part)
{
	uint32_t	i;

	if (part != NULL) {
		table_clear(&t->keys);
		for (i = 1; i < t->nnumbers; i++)
			if (t->number[i] != NULL)
				table_clear(t->number[i]);
		ends_free(&t->ends);
	}
	tables_join(t, part);
	if (t->filled) {
		tables_hold(t);
		tables_show(t);
	}
}

/* --- MANIFEST --- */

static void
adopt_table(struct tables *t, const struct manifest_table *m, uint32_t upto)
{
	struct table	*x = table_get(t, m->type, m->name, m->len);
	size_t		 i;

	if (x == NULL) {
		t->inexact = 1;
		return;
	}
	table_sum_add(&x->now, &m->sum);
	x->claim = m->claim;
	for (i = 0; i < m->nends; i++)
		if (m->ends[i].step > upto)
			table_end(t, x, m->ends[i].step, &m->ends[i].sum);
}

void
tables_adopt(struct tables *t, const struct manifest *m)
{
	uint32_t	now = t->upto;
	uint64_t	count = 0;
	size_t		i;

	/* What has ended since is taken off as ever; no step comes back. */
	t->upto = m->sums;
	for (i = 0; i < m->ntables; i++)
		adopt_table(t, &m->tables[i], t->upto);
	if (now > t->upto)
		tables_upto(t, now, &count);
}

struct saving {
	struct manifest_table	**of;		/* by number */
	int			  bad;		/* not to be saved */
};

/* MANIFEST takes none below zero; there is none, unless sums are not right. */
static void
save_check(struct saving *s, const struct table_sum *sum)
{
	if (sum->count < 0 || sum->size < 0 || sum->capacity < 0)
		s->bad = 1;
}

static void
save_end(void *arg, const struct end *e)
{
	struct saving		*s = arg;
	struct manifest_table	*m = s->of[e->table];

	save_check(s, &e->sum);
	m->ends[m->nends++] = (struct manifest_end){ e->step, e->sum };
}

static int
save_table(struct manifest *m, const struct table *x, struct saving *s)
{
	struct manifest_table	*to = &m->tables[m->ntables];

	save_check(s, &x->now);
	if ((to->ends = calloc(x->ends + 1, sizeof(*to->ends))) == NULL)
		return 0;
	m->ntables++;
	to->type = x->type;
	to->len = x->len;
	memcpy(to->name, x->name, x->len);
	to->sum = x->now;
	to->claim = x->claim;
	s->of[x->number] = to;
	return 1;
}

static int
save_tables(const struct tables *t, struct manifest *m, struct saving *s)
{
	uint32_t	i;

	m->tables = calloc(t->count + 1, sizeof(*m->tables));
	s->of = calloc(t->nnumbers + 1, sizeof(struct manifest_table *));
	if (m->tables == NULL || s->of == NULL ||
	    !save_table(m, &t->keys, s))
		return 0;
	for (i = 1; i < t->nnumbers; i++)
		if (t->number[i] != NULL && !save_table(m, t->number[i], s))
			return 0;
	ends_each(&t->ends, save_end, s);
	return !s->bad;
}

void
tables_save(const struct tables *t, struct manifest *m)
{
	struct saving	s = { NULL, 0 };

	m->sums = 0;
	if (t->inexact || t->upto == 0 || t->count + t->ends.used > SAVE_MAX)
		return;
	if (save_tables(t, m, &s))
		m->sums = t->upto;
	else
		manifest_clear_tables(m);
	free(s.of);
}
