/*
 * client_stat.c: libwharf's tables and what they add up to: the rows of
 * STORE_STAT and STORE_STATS, which any store answers for all.
 */
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg_stat.h"

static void
answer_is(struct wharf_answer *a, enum wharf_status status)
{
	a->status = status;
	a->value = NULL;
	a->length = 0;
}

void
stat_take_rows(struct wharf *w, const struct op *op, const struct frame *f,
    struct wharf_answer *a)
{
	struct stat_row	r;
	size_t		at, used;

	(void)w, (void)op;
	if (a->status != WHARF_OK)
		return;
	for (at = 0; at < f->vallen; at += used, a->count++)
		if (stat_row_get(&r, f->val + at, f->vallen - at,
		    &used) != E_OK)
			break;
	if (at != f->vallen || a->count == 0) {
		answer_is(a, WHARF_BADMSG);
		a->count = 0;
	}
}

/* How many members a table of one type has, where one asked for that only. */
void
stat_take_count(struct wharf *w, const struct op *op, const struct frame *f,
    struct wharf_answer *a)
{
	struct stat_row	r;
	size_t		used;

	(void)w;
	if (a->status == WHARF_NOTFOUND) {
		a->status = WHARF_TYPE;		/* as everywhere but in stat */
		return;
	}
	if (a->status != WHARF_OK)
		return;
	if (stat_row_get(&r, f->val, f->vallen, &used) != E_OK ||
	    used != f->vallen)
		answer_is(a, WHARF_BADMSG);
	else
		answer_is(a, r.type == op->list.type ? WHARF_OK : WHARF_TYPE);
	if (a->status == WHARF_OK)
		a->number = r.count;
}

int
wharf_next_table(const struct wharf_answer *a, size_t *place,
    struct wharf_table *t)
{
	const uint8_t	*p = a->value;
	struct stat_row	 r;
	size_t		 used;

	if (*place >= a->length ||
	    stat_row_get(&r, p + *place, a->length - *place, &used) != E_OK)
		return 0;
	*place += used;
	memset(t, 0, sizeof(*t));
	t->type = (enum wharf_type)r.type;
	t->count = r.count;
	t->size = r.size;
	t->capacity = r.capacity;
	if (r.namelen != 0)
		memcpy(t->name, r.name, r.namelen);
	return 1;
}

enum wharf_status
wharf_stat(struct wharf *w, const char *table, struct wharf_table *t)
{
	struct wharf_op		op = WHARF_OP_INIT(WHARF_OP_STAT, WHARF_ANY);
	struct wharf_answer	a;
	size_t			place = 0;
	enum wharf_status	e;

	if (table == NULL)
		return WHARF_PARAM;
	op.table = table;
	e = wharf_do(w, &op, &a);
	if (e == WHARF_OK && !wharf_next_table(&a, &place, t))
		e = WHARF_BADMSG;
	return e;
}
