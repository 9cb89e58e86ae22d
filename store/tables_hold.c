/*
 * tables_hold.c: this store's dealings with the shared catalogue: names are
 * held before their first member is logged, sums shown when they are durable,
 * names let go when the last removal is; and what becomes of a name that two
 * stores have with different types.
 *
 * Such a conflict can come only of a power cut under sync 1s or os.  The older
 * claim wins; the records of the other are hidden at once, and deleted by the
 * shard in the background.  A start in between finds the conflict again.
 */
#include <string.h>
#include <unistd.h>

#include "store/tables_impl.h"
#include "supervisor/log.h"

#define LOCK_PAUSE	1000		/* usec; while the catalogue is locked */

/* --- showing --- */

static int64_t
not_less(int64_t v)
{
	return v < 0 ? 0 : v;
}

/*
 * Never below zero: when a record expired before it was durable, it is taken
 * off twice until then.
 */
static struct table_sum
shown(const struct table *x)
{
	struct table_sum	s = x->now;

	sum_sub(&s, &x->open);
	sum_sub(&s, &x->fly);
	s.count = not_less(s.count);
	s.size = not_less(s.size);
	s.capacity = not_less(s.capacity);
	return s;
}

static int
is_ours(const struct tables *t, const struct table *x)
{
	return catalogue_type(t->cat, t->store, x->entry) == x->type;
}

/* Nothing is left of it, nothing waits: the name is let go. */
static void
show_gone(struct tables *t, struct table *x)
{
	if (x->held && is_ours(t, x))
		catalogue_drop(t->cat, t->store, x->entry);
	if (x->hidden)
		log_info("store: table %.*s of type %c is deleted", x->len,
		    (const char *)x->name, x->type);
	table_free(t, x);
}

void
tables_show(struct tables *t)
{
	struct table		*x;
	struct table_sum	 s;

	while ((x = table_pop(t, DIRTY)) != NULL) {
		s = shown(x);
		if (x == &t->keys) {
			if (t->cat != NULL)
				catalogue_set_keys(t->cat, t->store, &s);
		} else if (x->now.count == 0 && x->ends == 0 && x->listed == 0)
			show_gone(t, x);
		else if (x->held && is_ours(t, x))
			catalogue_set(t->cat, t->store, x->entry, &s);
	}
}

static void
verify_one(const struct tables *t, const struct table *x, unsigned entry,
    tables_see *see, void *arg)
{
	struct tables_name	name = { x->type, x->name, x->len };
	struct table_sum	is = shown(x), column;

	catalogue_get(t->cat, t->store, entry, &column);
	if (memcmp(&column, &is, sizeof(is)) != 0)
		see(arg, &name, &column, &is);
}

void
tables_verify(const struct tables *t, tables_see *see, void *arg)
{
	const struct table	*x;
	uint32_t		 i;

	if (t->cat == NULL || !t->filled)
		return;
	if (t->keys.listed == 0)
		verify_one(t, &t->keys, CATALOGUE_KEYS, see, arg);
	for (i = 1; i < t->nnumbers; i++) {
		x = t->number[i];
		if (x != NULL && x->listed == 0 && x->held && is_ours(t, x))
			verify_one(t, x, x->entry, see, arg);
	}
}

/* --- holding --- */

static void
lose(struct tables *t, struct table *x)
{
	log_warnx("store: table %.*s: another type than %c has the older "
	    "claim; deleting the %lld records of this store", x->len,
	    (const char *)x->name, x->type, (long long)x->now.count);
	x->held = 0;
	x->hidden = 1;
	t->nhidden++;
	t->conflicts++;
	table_list(t, x, DIRTY);	/* it may be empty */
}

/*
 * At the start as long as it takes: who has the lock acts at once, or is found
 * dead.  Later on the next claim of this name will hold it.
 */
static enum err
hold(struct tables *t, struct table *x)
{
	enum err	e;

	for (;;) {
		e = catalogue_hold(t->cat, t->store, t->inc, x->type, x->name,
		    x->len, x->claim, 1, &x->entry);
		if (e == E_TYPE)
			e = catalogue_settle(t->cat, t->store, t->inc, x->type,
			    x->name, x->len, x->claim, &x->entry);
		if (e != E_AGAIN || t->filled)
			return e;
		usleep(LOCK_PAUSE);
	}
}

static void
hold_one(struct tables *t, struct table *x)
{
	enum err		e = hold(t, x);
	struct table_sum	sum;

	if (e == E_TYPE)
		lose(t, x);
	else if (e != E_OK)
		log_warnx("store: table %.*s: %s", x->len,
		    (const char *)x->name, err_text(e));
	else {
		x->held = 1;
		sum = shown(x);
		catalogue_set(t->cat, t->store, x->entry, &sum);
	}
}

void
tables_hold(struct tables *t)
{
	struct table	*x;
	uint32_t	 i;

	for (i = 1; i < t->nnumbers; i++) {
		if ((x = t->number[i]) == NULL)
			continue;
		if (t->cat != NULL && x->now.count != 0 && !x->held &&
		    !x->hidden)
			hold_one(t, x);
		table_list(t, x, DIRTY);
	}
	table_list(t, &t->keys, DIRTY);
}

void
tables_fill(struct tables *t)
{
	if (t->cat != NULL)
		catalogue_begin(t->cat, t->store);
	tables_hold(t);
	t->filled = 1;
	tables_show(t);
	if (t->cat != NULL)
		catalogue_filled(t->cat, t->store);
}

void
tables_watch(struct tables *t)
{
	struct table	*x;
	uint32_t	 i;

	for (i = 1; i < t->nnumbers; i++)
		if ((x = t->number[i]) != NULL && x->held && !is_ours(t, x))
			lose(t, x);
}

/* --- writes and reads --- */

static enum err
claim_new(struct tables *t, uint8_t type, const uint8_t *tab, size_t tablen,
    uint64_t stamp)
{
	struct table	*x;
	unsigned	 entry = 0;
	enum err	 e;

	e = catalogue_hold(t->cat, t->store, t->inc, type, tab, tablen, stamp,
	    0, &entry);
	if (e != E_OK)
		return e;
	if ((x = table_get(t, type, tab, tablen)) == NULL) {
		catalogue_drop(t->cat, t->store, entry);
		return E_NOMEM;
	}
	x->held = 1;
	x->entry = entry;
	table_list(t, x, DIRTY);	/* if no record follows it goes */
	return E_OK;
}

enum err
tables_claim(struct tables *t, uint8_t type, const uint8_t *tab,
    size_t tablen, uint64_t stamp)
{
	struct table	*x;

	if (tablen == 0 || t->cat == NULL)
		return E_OK;
	x = table_find(t, type, tab, tablen);
	if (x != NULL && x->held && !is_ours(t, x))
		lose(t, x);
	if (x != NULL && x->hidden)
		return E_TYPE;
	if (x != NULL && x->held)
		return E_OK;
	return claim_new(t, type, tab, tablen, stamp);
}

void
tables_unclaim(struct tables *t)
{
	if (t->head[DIRTY] != NULL)
		tables_show(t);
}

enum err
tables_missing(struct tables *t, uint8_t type, const uint8_t *tab,
    size_t tablen)
{
	struct table		*x;
	struct catalogue_row	 row;
	enum err		 e;

	if (tablen == 0 || t->cat == NULL)
		return E_NOTFOUND;
	x = table_find(t, type, tab, tablen);
	if (x != NULL && x->hidden)
		return E_TYPE;
	if (x != NULL && x->held && x->now.count > 0 && is_ours(t, x))
		return E_NOTFOUND;
	/* A claim that nothing came of does not make it exist. */
	if (x != NULL)
		tables_show(t);
	if ((e = catalogue_find(t->cat, tab, tablen, &row)) != E_OK)
		return e;
	return row.type == type ? E_NOTFOUND : E_TYPE;
}

int
tables_hidden(struct tables *t, uint8_t type, const uint8_t *tab,
    size_t tablen)
{
	struct table	*x;

	if (t->nhidden == 0 || tablen == 0)
		return 0;
	x = table_find(t, type, tab, tablen);
	return x != NULL && x->hidden;
}

int
tables_to_delete(const struct tables *t, struct tables_name *name)
{
	const struct table	*x;
	uint32_t		 i;

	for (i = 1; t->nhidden != 0 && i < t->nnumbers; i++) {
		x = t->number[i];
		if (x != NULL && x->hidden && x->now.count > 0) {
			*name = (struct tables_name){ x->type, x->name,
			    x->len };
			return 1;
		}
	}
	return 0;
}
