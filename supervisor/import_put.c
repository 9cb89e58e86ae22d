/*
 * import_put.c: pages into the node; see import_put.h.
 *
 * A page is written in rounds: keys, fields and members in one mput, members of
 * sorted sets one by one, all under way together; the next round has what the
 * node could not do for now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/import_put.h"

#define MEMORY		(256u << 20)	/* of libwharf, bytes */
#define IN_FLIGHT	2048u
#define ROUNDS		70u		/* a second apart */
#define NAMED		20u		/* refused records, on stderr */
#define NAME_MOST	64u		/* bytes of a key, there */

/* What becomes of one record. */
struct place {
	struct put		*put;
	const struct item	*item;
	enum wharf_status	 status;
	unsigned		 flags;
	int			 open;		/* not yet done */
};

struct put {
	struct wharf			*w;
	const volatile sig_atomic_t	*stop;
	const struct page		*page;
	struct place			*places;
	struct wharf_record		*records;
	uint32_t			*order;	/* place of each record */
	size_t				 n, nrecords;
	unsigned			 waiting;	/* questions */
	uint64_t			 named;
	enum wharf_status		 last;	/* why it goes on trying */
};

struct put *
put_open(const char *run, const volatile sig_atomic_t *stop,
    enum wharf_status *e)
{
	struct wharf_options	 o = WHARF_OPTIONS_INIT;
	struct put		*p = calloc(1, sizeof(*p));

	o.name = "wharf-import";
	o.memory = MEMORY;
	o.in_flight = IN_FLIGHT;
	*e = p == NULL ? WHARF_NOMEM : wharf_connect(&p->w, run, &o);
	if (*e != WHARF_OK) {
		free(p);
		return NULL;
	}
	p->stop = stop;
	return p;
}

void
put_close(struct put *p)
{
	if (p == NULL)
		return;
	wharf_close(p->w);
	free(p->places);
	free(p->records);
	free(p->order);
	free(p);
}

enum wharf_status
put_status(const struct put *p)
{
	return p->last;
}

/* Limits of the node, which pass or an operator raises. */
static int
is_limit(enum wharf_status e)
{
	return strncmp(wharf_status_name(e), "LIMIT", 5) == 0;
}

/* This user may not write: none of the records will be taken. */
static int
is_forbidden(enum wharf_status e)
{
	return wharf_status_http(e) == 403 && !is_limit(e) && e != WHARF_NUMBER;
}

/* The node may do it later, or has perhaps done it: to ask again is right. */
static int
may_pass(enum wharf_status e)
{
	if (e == WHARF_DAMAGED || e == WHARF_INTERNAL || e == WHARF_UNKNOWN)
		return 0;
	return wharf_status_http(e) == 403 ? is_limit(e) :
	    wharf_status_http(e) >= 500;
}

/* Questions */

static void
on_many(struct wharf *w, const struct wharf_answer *a, size_t n, void *arg)
{
	struct put	*p = arg;
	struct place	*pl;
	size_t		 i;

	(void)w;
	for (i = 0; i < n; i++) {
		pl = &p->places[p->order[i]];
		pl->status = a[i].status;
		pl->flags = a[i].flags;
	}
	p->waiting--;
}

static void
on_score(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct place	*pl = arg;

	(void)w;
	pl->status = a->status;
	pl->flags = a->flags;
	pl->put->waiting--;
}

static struct wharf_write
write_of(const struct item *it)
{
	struct wharf_write	how = WHARF_WRITE_INIT;

	how.version = it->version;
	how.ttl = it->ttl;
	if (it->version != 0)
		how.flags = WHARF_IS_DUP;
	return how;
}

static void
record_add(struct put *p, size_t i)
{
	const struct item	*it = p->places[i].item;
	struct wharf_record	*r = &p->records[p->nrecords];
	struct wharf_write	 how = write_of(it);

	memset(r, 0, sizeof(*r));
	r->type = it->type;
	r->table = it->table;
	r->key = it->key;
	r->keylen = it->keylen;
	r->value = it->value;
	r->length = it->length;
	r->version = how.version;
	r->flags = how.flags;
	r->ttl = how.ttl;
	p->order[p->nrecords++] = (uint32_t)i;
}

/* 0: the connection is full; answers make room. */
static int
score_send(struct put *p, struct place *pl)
{
	struct wharf_op		 op = WHARF_OP_INIT(WHARF_OP_ZADD, WHARF_ZSET);
	struct wharf_write	 how = write_of(pl->item);
	enum wharf_status	 e;

	op.table = pl->item->table;
	op.key = pl->item->key;
	op.keylen = pl->item->keylen;
	op.score = pl->item->score;
	op.write = &how;
	if ((e = wharf_submit(p->w, &op, on_score, pl)) == WHARF_AGAIN)
		return 0;
	if (e == WHARF_OK)
		p->waiting++;
	else
		pl->status = e;
	return 1;
}

static void
many_send(struct put *p)
{
	enum wharf_status	e;
	size_t			i;

	if (p->nrecords == 0)
		return;
	while ((e = wharf_submit_mput(p->w, p->records, p->nrecords, on_many,
	    p)) == WHARF_AGAIN && p->waiting != 0)
		wharf_wait(p->w, -1);
	if (e == WHARF_OK)
		p->waiting++;
	else
		for (i = 0; i < p->nrecords; i++)
			p->places[p->order[i]].status = e;
}

/* One round: all that is still open. */
static void
put_send(struct put *p)
{
	struct place	*pl;
	size_t		 i;

	p->nrecords = 0;
	for (i = 0; i < p->n; i++) {
		pl = &p->places[i];
		if (!pl->open)
			continue;
		if (pl->item->type != WHARF_ZSET)
			record_add(p, i);
		else
			while (!score_send(p, pl))
				wharf_wait(p->w, -1);
	}
	many_send(p);
	wharf_flush(p->w);
}

static int
put_room(struct put *p, size_t n)
{
	void	*a, *b, *c;

	if ((a = realloc(p->places, n * sizeof(*p->places))) != NULL)
		p->places = a;
	if ((b = realloc(p->records, n * sizeof(*p->records))) != NULL)
		p->records = b;
	if ((c = realloc(p->order, n * sizeof(*p->order))) != NULL)
		p->order = c;
	return a != NULL && b != NULL && c != NULL;
}

void
put_begin(struct put *p, const struct page *page)
{
	size_t	i;

	p->page = page;
	p->n = 0;
	if (page->n == 0 || !put_room(p, page->n))
		return;
	p->n = page->n;
	for (i = 0; i < p->n; i++)
		p->places[i] = (struct place){ p, &page->items[i], WHARF_OK, 0,
		    page->items[i].fate == ITEM_GOOD };
	put_send(p);
}

/* Answers */

static void
name_print(const struct item *it)
{
	size_t	i;

	if (it->table != NULL)
		fprintf(stderr, "%s ", it->table);
	for (i = 0; i < it->keylen && i < NAME_MOST; i++)
		if (it->key[i] > ' ' && it->key[i] < 127 && it->key[i] != '\\')
			putc(it->key[i], stderr);
		else
			fprintf(stderr, "\\x%02x", it->key[i]);
	fprintf(stderr, "%s\n", it->keylen > NAME_MOST ? "..." : "");
}

static void
refused(struct put *p, struct tally *t, const struct item *it, const char *why)
{
	t->refused++;
	if (p->named++ < NAMED) {
		fprintf(stderr, "\nwharfctl import: not taken over: %s: %c ",
		    why, it->type);
		name_print(it);
	}
}

static void
count(struct put *p, struct tally *t, struct place *pl)
{
	const struct item	*it = pl->item;

	if (it->fate == ITEM_GONE || it->fate == ITEM_ELSEWHERE)
		return;
	if (it->fate == ITEM_MESSAGE)
		t->left_out++;
	else if (it->fate == ITEM_LONG)
		refused(p, t, it, "the value is too long");
	else if (it->fate == ITEM_DAMAGED)
		refused(p, t, it, "damaged at the source");
	else if (it->fate == ITEM_UNREAD)
		refused(p, t, it, "without a value");
	else if (pl->status != WHARF_OK)
		refused(p, t, it, wharf_status_text(pl->status));
	else if (pl->flags & WHARF_VERERROR)
		t->newer++;
	else {
		t->written++;
		t->bytes += it->keylen + it->length;
	}
}

/* After a round: how many must be asked again; -1: it is of no use. */
static long
put_sift(struct put *p)
{
	struct place	*pl;
	size_t		 i;
	long		 left = 0;

	for (i = 0; i < p->n; i++) {
		pl = &p->places[i];
		if (!pl->open)
			continue;
		if (is_forbidden(pl->status)) {
			p->last = pl->status;
			return -1;
		}
		if (may_pass(pl->status)) {
			p->last = pl->status;
			left++;
		} else
			pl->open = 0;
	}
	return left;
}

int
put_end(struct put *p, struct tally *t)
{
	const struct timespec	second = { 1, 0 };
	unsigned		round = 0;
	size_t			i;
	long			left;

	if (p->page == NULL)
		return 0;
	if (p->page->n != p->n) {	/* put_begin had no memory */
		p->last = WHARF_NOMEM;
		return -1;
	}
	for (;;) {
		while (p->waiting != 0)
			wharf_wait(p->w, -1);
		if ((left = put_sift(p)) == 0)
			break;
		if (left == -1 || *p->stop || ++round == ROUNDS)
			return -1;
		nanosleep(&second, NULL);
		put_send(p);
	}
	for (i = 0; i < p->n; i++)
		count(p, t, &p->places[i]);
	p->page = NULL;
	return 0;
}
