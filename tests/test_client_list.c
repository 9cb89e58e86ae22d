/*
 * test_client_list.c: libwharf's listings, without a node: over several stores
 * and files, by cursors that are kept, with pages that fail; and questions and
 * answers that are malformed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define OP(cmd, t, tab) .size = sizeof(struct wharf_op), .command = cmd, \
	.type = t, .table = tab

#define STORES	3u
#define ENTRIES	90u

struct entry {
	unsigned	store, file;
	char		key[16];
	int64_t		score;
};
static struct entry	entries[ENTRIES];
static uint8_t		entry_type;
static uint64_t		asked_offset;
static unsigned		pages, fail_page;	/* which one fails */
static enum err		fail_with;

static int
by_place(const void *a, const void *b)
{
	const struct entry	*x = a, *y = b;

	if (x->store != y->store)
		return x->store < y->store ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (entry_type == 'Z' && x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return strcmp(x->key, y->key);
}

static void
entries_make(uint8_t type)
{
	unsigned	i, slot;

	entry_type = type;
	pages = 0;
	fail_page = UINT32_MAX;
	for (i = 0; i < ENTRIES; i++) {
		snprintf(entries[i].key, sizeof(entries[i].key), "key%u", i);
		slot = type == 'Z' ? slot_of("tab", 3) :
		    slot_of(entries[i].key, strlen(entries[i].key));
		entries[i].store = slot_store(slot, STORES);
		entries[i].file = slot_file(slot, STORES, FILES);
		entries[i].score = (int64_t)(i % 7) - 3;
	}
	qsort(entries, ENTRIES, sizeof(entries[0]), by_place);
}

static struct list_item
item_of(const struct entry *e)
{
	return (struct list_item){ .type = entry_type, .version = 3,
	    .ttl = 1000, .score = entry_type == 'Z' ? e->score : 0,
	    .tablen = entry_type == 'K' ? 0 : 3,
	    .keylen = (uint32_t)strlen(e->key),
	    .tab = (const uint8_t *)"tab", .key = (const uint8_t *)e->key };
}

/* The last key, by which a listing goes on behind this entry. */
static size_t
last_key(const struct entry *e, int by_score, uint8_t *out)
{
	uint64_t	s = (uint64_t)e->score ^ UINT64_C(1) << 63;
	int		i;

	if (!by_score)
		return (size_t)sprintf((char *)out, "%c%s", entry_type,
		    entry_type == 'K' ? "" : "tab") + 1 +
		    (size_t)sprintf((char *)out + (entry_type == 'K' ? 2 : 5),
		    "%s", e->key);
	for (i = 0; i < 8; i++)
		out[i] = (uint8_t)(s >> (56 - 8 * i));
	return 8 + (size_t)sprintf((char *)out + 8, "%s", e->key);
}

/* The entry behind the last key; the store has it, so it is found by equality. */
static unsigned
entry_from(unsigned store, const struct frame *f, const struct list_ask *a)
{
	uint8_t		key[64];
	unsigned	i;

	for (i = 0; i < ENTRIES; i++) {
		if (entries[i].store != store || entries[i].file < a->file)
			continue;
		if (f->keylen == 0)
			return i;
		if (last_key(&entries[i], a->order != LIST_KEYS, key) ==
		    f->keylen && memcmp(key, f->key, f->keylen) == 0)
			return i + 1;
	}
	return ENTRIES;
}

static void
serve_page(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	struct list_ask		a;
	struct list_head	h = { .count = 0 };
	struct list_item	item;
	size_t			n = LIST_HEAD_SIZE;
	unsigned		i;

	if (pages++ == fail_page || list_ask_get(&a, f->val, f->vallen) !=
	    E_OK) {
		r->status = (uint16_t)fail_with;
		return;
	}
	for (i = entry_from(store, f, &a); i < ENTRIES &&
	    entries[i].store == store; i++) {
		if ((a.flags & LIST_ONE_FILE) && entries[i].file != a.file)
			break;
		if (h.passed < a.offset)
			h.passed++;
		else if (h.count == a.limit) {
			h.flags = LIST_MORE;
			break;
		} else {
			item = item_of(&entries[i]);
			n += list_item_put(out + n, &item);
			h.count++;
		}
	}
	asked_offset = a.offset;
	if (h.count == 0 && h.passed == 0 && entry_type != 'K')
		r->status = E_NOTFOUND;
	list_head_put(out, &h);
	r->vallen = (uint32_t)n;
}

/* How many entries come, from number first on, each where it should. */
static unsigned
walk(struct wharf_list *l, unsigned first)
{
	struct wharf_item	item;
	unsigned		i;

	for (i = first; wharf_list_next(l, &item); i++) {
		if (i >= ENTRIES || item.keylen != strlen(entries[i].key) ||
		    memcmp(item.key, entries[i].key, item.keylen) != 0 ||
		    item.type != entry_type || item.version != 3 ||
		    item.ttl != 1000 || strcmp(item.table,
		    entry_type == 'K' ? "" : "tab") != 0)
			return UINT32_MAX;
	}
	return i - first;
}

static const struct wharf_op	all_keys = { OP(WHARF_OP_LIST, 0, NULL) },
	hash = { OP(WHARF_OP_LIST, 'H', "tab") },
	ranks = { OP(WHARF_OP_LIST, 'Z', "tab"), .flags = WHARF_BY_RANK },
	members = { OP(WHARF_OP_LIST, 'Z', "tab") };

static void
list_from(const struct wharf_op *range, unsigned limit, unsigned offset)
{
	struct wharf_op		op = *range;
	struct wharf_list	*l;

	op.limit = limit;
	op.offset = offset;
	CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
	CU_ASSERT_EQUAL(walk(l, offset), ENTRIES - offset);
	CU_ASSERT_EQUAL(wharf_list_status(l), WHARF_OK);
	CU_ASSERT_EQUAL(walk(l, ENTRIES), 0);	/* the end stays the end */
	wharf_list_close(l);
}

static void
test_list(void)
{
	static const unsigned	limits[] = { 0, 1, 7, ENTRIES };
	unsigned		i;

	begin_stores(STORES, 4, 1 << 20);
	serve_begin(serve_page);
	for (i = 0; i < LEN(limits); i++) {
		entries_make('K');
		list_from(&all_keys, limits[i], 0);
		list_from(&all_keys, limits[i], 40);
		list_from(&all_keys, limits[i], ENTRIES);
		entries_make('H');
		list_from(&hash, limits[i], 0);
		entries_make('Z');
		pages = 0;
		list_from(&ranks, limits[i], 0);
		CU_ASSERT(pages == (ENTRIES + limits[i] - (limits[i] != 0)) /
		    (limits[i] ? limits[i] : ENTRIES) || limits[i] == 7);
		list_from(&ranks, limits[i], 5);
	}
	serve_end();
	finish();
}

/* From behind each entry on, by its cursor, in another walk. */
static void
cursors(const struct wharf_op *range, unsigned limit)
{
	struct wharf_list	*l, *again;
	struct wharf_item	 item;
	struct wharf_op		 op = *range, from = *range;
	uint8_t			 kept[CURSOR_MAX];
	const void		*c;
	unsigned		 i;

	op.limit = from.limit = limit;
	CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
	for (i = 0; i <= ENTRIES; i++) {
		c = wharf_list_cursor(l, &from.cursorlen);
		if (c == NULL)
			break;
		memcpy(kept, c, from.cursorlen);
		from.cursor = kept;
		CU_ASSERT_FATAL(wharf_list_open(w, &again, &from) == WHARF_OK);
		CU_ASSERT_EQUAL(walk(again, i), ENTRIES - i);
		CU_ASSERT_PTR_NULL(wharf_list_cursor(again, &from.cursorlen));
		wharf_list_close(again);
		CU_ASSERT_EQUAL(wharf_list_next(l, &item), i < ENTRIES);
	}
	CU_ASSERT(i >= ENTRIES);
	wharf_list_close(l);
}

static void
test_cursors(void)
{
	begin_stores(STORES, 4, 1 << 20);
	serve_begin(serve_page);
	entries_make('K');
	cursors(&all_keys, 7);
	entries_make('H');
	cursors(&hash, 1);
	entries_make('Z');
	cursors(&ranks, 7);
	cursors(&ranks, 100);
	serve_end();
	finish();
}

static void
test_one_file(void)
{
	struct wharf_op		 op = all_keys;
	struct wharf_list	*l;
	unsigned		 sum = 0, i, n;

	begin_stores(STORES, 4, 1 << 20);
	serve_begin(serve_page);
	entries_make('K');
	op.flags = WHARF_ONE_FILE;
	op.limit = 4;
	for (op.file = 0; op.file < STORES * FILES; op.file++) {
		for (i = 0; i < ENTRIES && entries[i].store * FILES +
		    entries[i].file != op.file; i++)
			;
		CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
		n = walk(l, i);
		CU_ASSERT(n <= ENTRIES);
		sum += n;
		wharf_list_close(l);
	}
	CU_ASSERT_EQUAL(sum, ENTRIES);
	/* A set lies in one file: nobody else is asked about its members. */
	entries_make('Z');
	op = members;
	CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
	CU_ASSERT(!wharf_list_next(l, &(struct wharf_item){ 0 }) ||
	    pages == 1);
	wharf_list_close(l);
	serve_end();
	finish();
}

/* A page that fails can be asked for again; a table that went is an end. */
static void
test_list_fails(void)
{
	struct wharf_op		 op = hash;
	struct wharf_list	*l;
	struct wharf_item	 item;
	unsigned		 i, n;

	begin_stores(STORES, 4, 1 << 20);
	serve_begin(serve_page);
	op.limit = 10;
	for (i = 0; i < 4; i++) {
		entries_make('H');
		fail_page = i;
		fail_with = E_BUILDING;
		CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
		n = walk(l, 0);
		CU_ASSERT(n <= 10 * i && (n != 0) == (i != 0));
		CU_ASSERT_EQUAL(wharf_list_status(l), WHARF_BUILDING);
		CU_ASSERT_EQUAL(walk(l, n), ENTRIES - n);
		CU_ASSERT_EQUAL(wharf_list_status(l), WHARF_OK);
		wharf_list_close(l);
		entries_make('H');
		fail_page = i;
		fail_with = E_TYPE;
		CU_ASSERT_FATAL(wharf_list_open(w, &l, &op) == WHARF_OK);
		CU_ASSERT_EQUAL(walk(l, 0), n);
		CU_ASSERT_EQUAL(wharf_list_status(l), i == 0 ? WHARF_TYPE :
		    WHARF_OK);
		CU_ASSERT(i == 0 || !wharf_list_next(l, &item));
		wharf_list_close(l);
	}
	serve_end();
	finish();
}

/* The longest last key there is stands behind the question. */
static void
test_long_cursor(void)
{
	struct wharf_op		op = hash;
	struct list_item	item = { .type = 'H', .tablen = 3,
		.keylen = KEY_MAX, .tab = (const uint8_t *)"tab" };
	struct listing		asked = { .type = 'H' };
	uint8_t			*cursor = malloc(CURSOR_MAX),
				*key = malloc(KEY_MAX);
	struct frame		f;

	memset(key, 'k', KEY_MAX);
	item.key = key;
	begin(4, 1 << 20);
	op.cursor = cursor;
	op.cursorlen = cursor_behind(w, cursor, &asked, &item, 0);
	CU_ASSERT(op.cursorlen <= CURSOR_MAX);
	CU_ASSERT(wharf_submit(w, &op, on_answer, NULL) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	CU_ASSERT(f.keylen == 0 && f.vallen == LIST_ASK_SIZE + 5 + KEY_MAX &&
	    msg_check(&f, FROM_CLIENT) == E_OK &&
	    memcmp(f.val + LIST_ASK_SIZE, "Htab\0kkk", 8) == 0);
	take_done();
	op.cursorlen++;
	CU_ASSERT(wharf_submit(w, &op, on_answer, NULL) == WHARF_OK ||
	    op.cursorlen > CURSOR_MAX);
	finish();
	free(cursor);
	free(key);
}

/* Kept cursors are read as if a stranger had made them. */
static void
test_wrong_cursors(void)
{
	struct wharf_op	op = hash;
	uint8_t		good[CURSOR_HEAD + 8] = { 1, LIST_KEYS, 'H', 0, 2, 0,
		3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'H', 't', 'a', 'b', 0, 'k', 'e',
		'y' }, c[sizeof(good)];
	unsigned	i;

	begin_stores(STORES, 4096, 1 << 20);
	op.cursor = c;
	op.cursorlen = sizeof(c);
	memcpy(c, good, sizeof(c));
	CU_ASSERT(wharf_submit(w, &op, NULL, NULL) == WHARF_OK);
	for (i = 0; i < 8; i++) {
		memcpy(c, good, sizeof(c));
		c[i] ^= 4;
		CU_ASSERT_EQUAL(wharf_submit(w, &op, NULL, NULL),
		    WHARF_PARAM);
	}
	for (op.cursorlen = 1; op.cursorlen < CURSOR_HEAD; op.cursorlen++)
		CU_ASSERT_EQUAL(wharf_submit(w, &op, NULL, NULL),
		    WHARF_PARAM);
	op.cursorlen = sizeof(c);
	memcpy(c, good, sizeof(c));
	op.offset = 1;
	CU_ASSERT_EQUAL(wharf_submit(w, &op, NULL, NULL), WHARF_PARAM);
	op.offset = 0;
	srandom(3);
	for (i = 0; i < 2000; i++) {
		memcpy(c, good, sizeof(c));
		c[(unsigned)random() % sizeof(c)] = (uint8_t)random();
		(void)wharf_submit(w, &op, NULL, NULL);
		wharf_process(w);
	}
	finish();
}

static size_t
page_make(uint8_t *out, unsigned count, uint8_t flags)
{
	struct list_head	h = { .count = count, .flags = flags };
	struct list_item	item;
	size_t			n = LIST_HEAD_SIZE;
	unsigned		i;

	list_head_put(out, &h);
	for (i = 0; i < count; i++) {
		item = item_of(&entries[i]);
		n += list_item_put(out + n, &item);
	}
	return n;
}

static unsigned	items_seen;

static void
on_page(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	struct wharf_item	item;
	size_t			place = 0;
	unsigned		n = 0;

	(void)from;
	while (wharf_next_item(a, &place, &item))
		n++;
	CU_ASSERT(n == a->count && (a->cursor == NULL) ==
	    (a->cursorlen == 0));
	items_seen += n;
	*(enum wharf_status *)arg = a->status;
}

static enum wharf_status
paged(const struct wharf_op *op, const uint8_t *page, size_t n)
{
	enum wharf_status	status = WHARF_AUTH;
	struct frame		f, r;

	CU_ASSERT_FATAL(wharf_submit(w, op, on_page, &status) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, E_OK);
	r.val = page;
	r.vallen = r.vtotal = (uint32_t)n;
	take_done();
	CU_ASSERT(say(&r) && wharf_process(w) == 1);
	return status;
}

static void
test_wrong_pages(void)
{
	struct wharf_op	op = hash;
	uint8_t		page[1000], c[1000];
	size_t		n, i;

	begin(4, 1 << 20);
	entries_make('H');
	n = page_make(page, 5, LIST_MORE);
	CU_ASSERT(paged(&op, page, n) == WHARF_OK && items_seen == 5);
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(paged(&op, page, i), WHARF_BADMSG);
	CU_ASSERT_EQUAL(paged(&op, page, n + 1), WHARF_BADMSG);
	op.limit = 4;			/* more than was asked for */
	CU_ASSERT_EQUAL(paged(&op, page, n), WHARF_BADMSG);
	op.limit = 5;
	le32_put(page + 4, 4);
	CU_ASSERT_EQUAL(paged(&op, page, n), WHARF_BADMSG);
	le32_put(page + 4, UINT32_MAX);
	CU_ASSERT_EQUAL(paged(&op, page, n), WHARF_BADMSG);
	CU_ASSERT_EQUAL(paged(&op, page, page_make(page, 0, LIST_MORE)),
	    WHARF_BADMSG);		/* for ever */
	CU_ASSERT_EQUAL(paged(&op, page, page_make(page, 0, 0)), WHARF_OK);
	le64_put(page + 8, 1);		/* passed over what was not asked */
	CU_ASSERT_EQUAL(paged(&op, page, LIST_HEAD_SIZE), WHARF_BADMSG);
	entry_type = 'S';		/* of another type */
	CU_ASSERT_EQUAL(paged(&op, page, page_make(page, 5, 0)),
	    WHARF_BADMSG);
	entry_type = 'H';
	n = page_make(page, 5, LIST_MORE);
	srandom(5);
	for (i = 0; i < 5000; i++) {
		memcpy(c, page, n);
		c[(size_t)random() % n] = (uint8_t)random();
		(void)paged(&op, c, n);
	}
	CU_ASSERT(seat->state == SEAT_UP);
	finish();
}

static const CU_TestInfo	tests[] = {
	{ "list", test_list },
	{ "cursors", test_cursors },
	{ "one file", test_one_file },
	{ "list fails", test_list_fails },
	{ "long cursor", test_long_cursor },
	{ "wrong cursors", test_wrong_cursors },
	{ "wrong pages", test_wrong_pages },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client_list", UNIT_SUITE("client list", tests))
