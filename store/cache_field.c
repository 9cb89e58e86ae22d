/*
 * cache_field.c: the list of a hash's fields, and of the fields of hashes that
 * are gone (cache_impl.h).  Fields and hashes may be moved at any time, so each
 * neighbour must be found from either side.
 *
 * Runs in wharf-store.  Pure memory work.
 */
#include "store/cache_impl.h"

#define LIST_END	1u	/* what is before or after is the hash */

static uintptr_t
list_end(const struct table *t)
{
	return (uintptr_t)t | LIST_END;
}

/* What follows p, or precedes it, is x from now on. */
static void
link_after(struct cache *c, uintptr_t p, struct field *x)
{
	struct table	*t = (struct table *)(p & ~(uintptr_t)LIST_END);

	if ((p & LIST_END) == 0)
		((struct field *)p)->after = (uintptr_t)x;
	else if (t == NULL)
		c->dying = x;
	else
		t->first = x;
}

static void
link_before(uintptr_t p, struct field *x)
{
	struct table	*t = (struct table *)(p & ~(uintptr_t)LIST_END);

	if ((p & LIST_END) == 0)
		((struct field *)p)->before = (uintptr_t)x;
	else if (t != NULL)
		t->last = x;
}

void
field_link(struct cache *c, struct table *t, struct field *f)
{
	int64_t	size = (int64_t)slot_bytes(c, &f->i);

	f->after = list_end(t);
	if (t->last != NULL) {
		f->before = (uintptr_t)t->last;
		t->last->after = (uintptr_t)f;
	} else {
		f->before = list_end(t);
		t->first = f;
	}
	t->last = f;
	t->count++;
	t->bytes += (uint64_t)size;
	name_weigh(c, &t->i, size);
	c->stat.fields++;
}

/* Takes f out of its list, whose ends know the hash. */
static void
field_unlink(struct table *t, struct field *f)
{
	struct field	*b = (struct field *)f->before;
	struct field	*a = (struct field *)f->after;

	if (t->first == f)
		t->first = t->last == f ? NULL : a;
	else
		b->after = f->after;
	if (t->last == f)
		t->last = t->first == NULL ? NULL : b;
	else
		a->before = f->before;
}

void
field_drop(struct cache *c, struct table *t, struct field *f)
{
	int64_t	size = (int64_t)slot_bytes(c, &f->i);

	field_unlink(t, f);
	t->count--;
	t->bytes -= (uint64_t)size;
	name_weigh(c, &t->i, -size);
	c->stat.fields--;
	index_del(c, &f->i);
	slot_free(c, &f->i);
}

void
links_moved(struct cache *c, struct item *i)
{
	struct field	*f = (struct field *)i;
	struct table	*t = (struct table *)i;

	if (i->kind == ITEM_FIELD) {
		link_after(c, f->before, f);
		link_before(f->after, f);
	} else if (i->kind == ITEM_TABLE && t->first != NULL) {
		t->first->before = list_end(t);
		t->last->after = list_end(t);
	}
}

/* Puts the fields before those that are dying already. */
void
fields_die(struct cache *c, struct table *t)
{
	if (t->first == NULL)
		return;
	t->last->after = c->dying != NULL ? (uintptr_t)c->dying : LIST_END;
	if (c->dying != NULL)
		c->dying->before = (uintptr_t)t->last;
	t->first->before = LIST_END;
	c->dying = t->first;
	c->stat.fields -= t->count;
}

void
dying_drop(struct cache *c)
{
	struct field	*f = c->dying;
	uintptr_t	 after = f->after;

	c->used -= slot_bytes(c, &f->i);
	c->dying = after & LIST_END ? NULL : (struct field *)after;
	if (c->dying != NULL)
		c->dying->before = LIST_END;
	index_del(c, &f->i);
	slot_free(c, &f->i);
}
