/*
 * client_walk.c: libwharf's walk over all pages of a listing (wharf_list_*).
 *
 * It owns the page it stands in, so that other calls with the connection may
 * come between; and its place is a cursor at any time, by which it asks for the
 * next page, too.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"

struct wharf_list {
	struct wharf		*w;
	struct wharf_op		 op;
	enum wharf_status	 status;
	int			 found;		/* some store had the table */
	int			 paged;		/* there is a page: */
	struct wharf_answer	 page;
	struct listing		 asked;		/* its question */
	struct kept		*kept;		/* its bytes */
	size_t			 at;		/* the next entry */
	unsigned		 shown;		/* entries */
	struct list_item	 last;		/* of them */
	/* Where the listing stands if no entry of a page was shown; 0: end. */
	size_t			 cursorlen;
	char			 table[WHARF_TABLE_MAX + 1];
	uint8_t			 cursor[CURSOR_MAX];
};

enum wharf_status
wharf_list_open(struct wharf *w, struct wharf_list **lp,
    const struct wharf_op *range)
{
	struct wharf_list	*l;
	struct request		 rq;
	enum wharf_status	 e;

	*lp = NULL;
	if (range->command != WHARF_OP_LIST)
		return WHARF_PARAM;
	e = request_make(w, &rq, range);
	request_free(&rq);
	if (e != WHARF_OK)
		return e;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return WHARF_NOMEM;
	l->w = w;
	l->op = *range;
	if (range->table != NULL) {
		memcpy(l->table, range->table, strlen(range->table));
		l->op.table = l->table;
	}
	if ((l->cursorlen = range->cursorlen) != 0)
		memcpy(l->cursor, range->cursor, range->cursorlen);
	else
		l->cursorlen = cursor_first(l->cursor, &rq.list);
	l->op.cursor = l->cursor;
	l->op.offset = 0;
	*lp = l;
	return WHARF_OK;
}

void
wharf_list_close(struct wharf_list *l)
{
	if (l == NULL)
		return;
	kept_free(&l->kept);
	free(l);
}

/* The page has been shown: the listing stands behind it. */
static void
list_leave_page(struct wharf_list *l)
{
	l->cursorlen = l->page.cursorlen;
	if (l->cursorlen != 0)
		memcpy(l->cursor, l->page.cursor, l->cursorlen);
	l->paged = 0;
}

/* 1: there is a page, which may be empty, or the listing is at its end. */
static int
list_fetch(struct wharf_list *l)
{
	struct request		rq;

	if (l->w->inside) {
		l->status = WHARF_AGAIN;
		return 0;
	}
	kept_free(&l->kept);
	l->op.cursorlen = l->cursorlen;
	l->status = request_make(l->w, &rq, &l->op);
	if (l->status == WHARF_OK)
		l->status = sync_run(l->w, &rq, &l->kept, &l->page);
	l->asked = rq.list;
	request_free(&rq);
	if (l->status == WHARF_TYPE && l->found) {
		/* The table has gone while we walked. */
		l->status = WHARF_OK;
		l->cursorlen = 0;
		return 1;
	}
	l->paged = l->status == WHARF_OK;
	l->found |= l->paged;
	l->at = l->shown = 0;
	return l->paged;
}

int
wharf_list_next(struct wharf_list *l, struct wharf_item *item)
{
	while (!l->paged || !page_next(&l->page, &l->at, &l->last)) {
		if (l->paged)
			list_leave_page(l);
		else if (l->cursorlen == 0 || !list_fetch(l))
			return 0;
	}
	l->shown++;
	item_fill(item, &l->last);
	return 1;
}

enum wharf_status
wharf_list_status(const struct wharf_list *l)
{
	return l->status;
}

const void *
wharf_list_cursor(struct wharf_list *l, size_t *len)
{
	struct list_head	h;

	if (l->paged && l->shown == l->page.count)
		list_leave_page(l);
	else if (l->paged && l->shown != 0 && list_head_get(&h, l->page.value,
	    l->page.length) == E_OK)
		l->cursorlen = cursor_behind(l->w, l->cursor, &l->asked,
		    &l->last, h.passed + l->shown);
	*len = l->cursorlen;
	return l->cursorlen != 0 ? l->cursor : NULL;
}
