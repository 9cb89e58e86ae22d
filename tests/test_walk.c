/*
 * test_walk.c: pages against brute force over a shard made of one array: slots,
 * offsets, limits, both ends, cursors; steps cut as short as they can be, with
 * changes in between.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/walk.h"
#include "tests/unit.h"

#define FILES	4u
#define MOST	4000
#define KEYS	24

struct entry {
	uint8_t		type;
	char		tab[8], key[KEYS];
	int64_t		score, expiry;
	unsigned	file;
	int		here, damaged, gone;	/* gone: the record, not here */
	int		expired;
};

/* The shard: entries in the order of (file, engine key). */
struct shard {
	struct entry	e[MOST];
	int		n;
	int		building;	/* this file; -1 none */
	int		counts;		/* its way to an offset */
	uint64_t	lsn;
};

static struct shard	s;
static uint64_t		seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static size_t
engine_key(const struct entry *e, uint8_t *out)
{
	record_key_put(out, e->type, e->tab, strlen(e->tab), e->key,
	    strlen(e->key));
	return record_key_len(strlen(e->tab), strlen(e->key));
}

static int
bytes_cmp(const void *a, size_t an, const void *b, size_t bn)
{
	int	c = memcmp(a, b, an < bn ? an : bn);

	return c != 0 ? c : (an > bn) - (an < bn);
}

static int
by_key(const void *a, const void *b)
{
	const struct entry	*x = a, *y = b;
	uint8_t			 p[64], q[64];
	size_t			 n = engine_key(x, p), m = engine_key(y, q);

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return bytes_cmp(p, n, q, m);
}

static int
by_score(const void *a, const void *b)
{
	const struct entry	*x = *(struct entry *const *)a;
	const struct entry	*y = *(struct entry *const *)b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return strcmp(x->key, y->key);
}

static struct index_entry
shown(const struct entry *e)
{
	return (struct index_entry){ .type = e->type,
	    .tab = (const uint8_t *)e->tab, .tablen = strlen(e->tab),
	    .key = (const uint8_t *)e->key, .keylen = strlen(e->key),
	    .version = 7, .expiry = e->expiry,
	    .score = e->score, .expired = e->expired };
}

/* Of these files nothing is lost. */
int
shard_file_lost(const struct shard *sh, unsigned file, unsigned start,
    unsigned end)
{
	(void)sh, (void)file, (void)start, (void)end;
	return 0;
}

enum err
shard_list(struct shard *sh, const struct shard_range *r, index_see *see,
    void *arg, uint64_t *lsn)
{
	struct index_entry	 x;
	uint8_t			 key[64];
	struct entry		*e;

	*lsn = sh->lsn;
	if ((int)r->file == sh->building)
		return E_BUILDING;
	for (e = sh->e; e < sh->e + sh->n; e++) {
		if (e->file != r->file || !e->here ||
		    (r->type != 0 && e->type != r->type))
			continue;
		if (r->tab != NULL && (strlen(e->tab) != r->tablen ||
		    memcmp(e->tab, r->tab, r->tablen) != 0))
			continue;
		if (r->after != NULL && bytes_cmp(key, engine_key(e, key),
		    r->after, r->afterlen) <= 0)
			continue;
		x = shown(e);
		if (r->passed != NULL && *r->passed < r->offset &&
		    sh->counts && !x.expired)
			++*r->passed;
		else if (!see(arg, &x))
			break;
	}
	return E_OK;
}

/* The sorted set of all Z entries of a table, in order. */
static int
sorted(struct shard *sh, const uint8_t *tab, size_t tablen,
    struct entry *out[MOST])
{
	struct entry	*e;
	int		 n = 0;

	for (e = sh->e; e < sh->e + sh->n; e++)
		if (e->here && e->type == 'Z' && strlen(e->tab) == tablen &&
		    memcmp(e->tab, tab, tablen) == 0)
			out[n++] = e;
	qsort(out, (size_t)n, sizeof(out[0]), by_score);
	return n;
}

enum err
shard_zcount(struct shard *sh, unsigned slot, const uint8_t *tab,
    size_t tablen, int64_t min, int64_t max, uint64_t *below,
    uint64_t *within, uint64_t *lsn)
{
	struct entry	*z[MOST];
	int		 i, n = sorted(sh, tab, tablen, z);

	(void)slot;
	*lsn = sh->lsn;
	*below = *within = 0;
	for (i = 0; i < n; i++) {
		*below += z[i]->score < min;
		*within += z[i]->score >= min && z[i]->score <= max;
	}
	return E_OK;
}

static enum err
z_show(struct entry **z, int n, int i, int reverse, index_see *see, void *arg)
{
	struct index_entry	x;

	for (; i >= 0 && i < n; i += reverse ? -1 : 1) {
		x = shown(z[i]);
		if (!see(arg, &x))
			break;
	}
	return E_OK;
}

enum err
shard_zwalk(struct shard *sh, unsigned slot, const uint8_t *tab,
    size_t tablen, uint64_t rank, int reverse, index_see *see, void *arg,
    uint64_t *lsn)
{
	struct entry	*z[MOST];
	int		 n = sorted(sh, tab, tablen, z);

	(void)slot;
	*lsn = sh->lsn;
	return z_show(z, n, (int)rank, reverse, see, arg);
}

enum err
shard_zafter(struct shard *sh, unsigned slot, const uint8_t *tab,
    size_t tablen, int64_t score, const uint8_t *key, size_t keylen,
    int reverse, index_see *see, void *arg, uint64_t *lsn)
{
	struct entry	*z[MOST], at = { .score = score }, *p = &at;
	int		 i, n = sorted(sh, tab, tablen, z);

	(void)slot;
	*lsn = sh->lsn;
	memcpy(at.key, key, keylen);
	if (reverse) {
		for (i = n - 1; i >= 0 && by_score(&z[i], &p) >= 0; i--)
			;
	} else
		for (i = 0; i < n && by_score(&z[i], &p) <= 0; i++)
			;
	return z_show(z, n, i, reverse, see, arg);
}

enum err
shard_get(struct shard *sh, const struct shard_key *k, data_seen *seen,
    void *arg, struct shard_result *res)
{
	struct record	r = { .version = 9, .kind = RECORD_VALUE };
	struct entry	*e;

	CU_ASSERT(k->type == 'K' || k->type == 'H');
	for (e = sh->e; e < sh->e + sh->n; e++)
		if (e->here && e->type == k->type &&
		    strlen(e->key) == k->keylen &&
		    memcmp(e->key, k->key, k->keylen) == 0 &&
		    strlen(e->tab) == k->tablen &&
		    memcmp(e->tab, k->tab, k->tablen) == 0)
			break;
	res->lsn = sh->lsn + 1;
	if (e == sh->e + sh->n || e->gone)
		return E_NOTFOUND;
	CU_ASSERT_EQUAL(k->slot, slot_of(k->key, k->keylen));
	if (e->damaged)
		return E_DAMAGED;
	r.expiry = e->expiry;
	r.val = (const uint8_t *)e->key;
	r.vallen = strlen(e->key);
	seen(arg, &r);
	return E_OK;
}

/* -- a page ------------------------------------------------------------------ */

struct page {
	struct list_item	i[MOST];
	char			key[MOST][KEYS], tab[MOST][8];
	unsigned		file[MOST];
	int			n, damaged;
	int			refuse, pause;	/* at so many items */
	struct walk		*w;
};

static struct page	page;

static enum walk_take
take(void *arg, const struct list_item *i)
{
	struct page	*p = arg;

	if (p->refuse != 0 && p->n == p->refuse)
		return WALK_REFUSE;
	p->i[p->n] = *i;
	memcpy(p->key[p->n], i->key, i->keylen);
	p->key[p->n][i->keylen] = '\0';
	memcpy(p->tab[p->n], i->tab, i->tablen);
	p->tab[p->n][i->tablen] = '\0';
	p->file[p->n] = p->w->file;
	if (i->vallen != 0)
		CU_ASSERT(i->vallen == i->keylen &&
		    memcmp(i->val, i->key, i->keylen) == 0);
	p->n++;
	return p->pause ? WALK_PAUSE : WALK_ON;
}

static void
damaged(void *arg, unsigned slot)
{
	struct page	*p = arg;

	CU_ASSERT(slot < 1024);
	p->damaged++;
}

static void
begin(struct walk *w, const struct list_ask *q, uint8_t type, const char *tab)
{
	struct walk_conf	c = { .ask = q, .limit = q->limit,
		.type = type, .tab = (const uint8_t *)tab,
		.tablen = strlen(tab), .files = FILES, .take = take,
		.damaged = damaged, .arg = &page };

	memset(&page, 0, sizeof(page));
	page.w = w;
	walk_init(w, &c);
}

static int64_t	step_us = -1;	/* over at the first look at the clock */

/* To the end, step by step. */
static unsigned
finish(struct walk *w, void (*between)(void))
{
	unsigned	steps = 1;
	enum err	e;

	while ((e = walk_step(w, &s, 1000, step_us)) == E_PENDING) {
		if (between != NULL)
			between();
		steps++;
	}
	CU_ASSERT_EQUAL(e, E_OK);
	return steps;
}

static void
fill(int n, uint64_t with)
{
	static const char	types[] = "KHSZ";
	struct entry		*e;

	seed = with;
	memset(&s, 0, sizeof(s));
	s.n = n;
	s.building = -1;
	s.lsn = 100;
	s.counts = rnd(2) != 0;
	for (e = s.e; e < s.e + n; e++) {
		e->type = (uint8_t)types[rnd(4)];
		if (e->type != 'K')
			snprintf(e->tab, sizeof(e->tab), "%c%u", e->type | 32,
			    rnd(2));
		/* Some are the beginning of others. */
		snprintf(e->key, sizeof(e->key), "%.*s%ld",
		    (int)rnd(4), "aab", (long)(e - s.e));
		e->score = (int)rnd(40) - 20;
		e->here = 1;
		e->expired = e->type != 'Z' && rnd(5) == 0;
		e->file = e->type == 'Z' ? 1 : slot_of(e->key,
		    strlen(e->key)) % FILES;
	}
	qsort(s.e, (size_t)n, sizeof(s.e[0]), by_key);
}

/* What a listing of everything would be, by brute force. */
static int
expect(const struct list_ask *q, uint8_t type, const char *tab,
    struct entry *out[MOST])
{
	struct entry	*e;
	unsigned	 slot;
	int		 n = 0, i;

	for (e = s.e; e < s.e + s.n; e++) {
		slot = e->type == 'Z' ? slot_of(e->tab, strlen(e->tab)) :
		    slot_of(e->key, strlen(e->key));
		if (e->here && !e->expired && e->file >= q->file &&
		    (!(q->flags & LIST_ONE_FILE) || e->file == q->file) &&
		    (type == 0 || e->type == type) &&
		    (tab[0] == '\0' || strcmp(tab, e->tab) == 0) &&
		    slot >= q->start && slot < q->end &&
		    (q->order != LIST_SCORE || (e->score >= q->min &&
		    e->score <= q->max)))
			out[n++] = e;
	}
	if (q->order != LIST_KEYS)
		qsort(out, (size_t)n, sizeof(out[0]), by_score);
	for (i = 0; (q->flags & LIST_REVERSE) && i < n / 2; i++) {
		e = out[i];
		out[i] = out[n - 1 - i];
		out[n - 1 - i] = e;
	}
	return n;
}

static void
compare(const struct list_ask *q, uint8_t type, const char *tab)
{
	struct entry	*want[MOST];
	struct walk	 w;
	int		 n = expect(q, type, tab, want), i, from, shown_;

	begin(&w, q, type, tab);
	finish(&w, NULL);
	from = q->offset < (uint64_t)n ? (int)q->offset : n;
	shown_ = n - from < (int)q->limit ? n - from : (int)q->limit;
	CU_ASSERT_EQUAL(page.n, shown_);
	CU_ASSERT_EQUAL(w.passed, (uint64_t)from);
	CU_ASSERT_EQUAL(w.more, from + shown_ < n);
	CU_ASSERT(w.lsn >= 100);
	for (i = 0; i < page.n && i < shown_; i++) {
		CU_ASSERT_STRING_EQUAL(page.key[i], want[from + i]->key);
		CU_ASSERT_STRING_EQUAL(page.tab[i], want[from + i]->tab);
		CU_ASSERT_EQUAL(page.i[i].type, want[from + i]->type);
		if (page.i[i].type == 'Z')
			CU_ASSERT_EQUAL(page.i[i].score,
			    want[from + i]->score);
	}
	if (page.n > 0)
		CU_ASSERT_EQUAL(w.last, page.file[page.n - 1]);
	walk_free(&w);
}

static void
test_keys(void)
{
	static const struct { uint8_t type; const char *tab; } what[] = {
		{ 0, "" }, { 'K', "" }, { 'H', "h0" }, { 'S', "s1" },
		{ 'Z', "z0" }, { 'H', "none" }
	};
	struct list_ask	q;
	unsigned	i, k;

	for (i = 0; i < 400; i++) {
		if (i % 50 == 0)
			fill(800, i);
		k = rnd(6);
		q = (struct list_ask){ .flags = (uint8_t)rnd(4),
		    .file = (uint16_t)rnd(FILES), .start = 0, .end = 1024,
		    .limit = rnd(60) + 1, .offset = rnd(3) ? rnd(300) : 0 };
		if (rnd(2)) {
			q.start = (uint16_t)rnd(1024);
			q.end = (uint16_t)(q.start + 1 +
			    rnd(1024 - q.start));
		}
		compare(&q, what[k].type, what[k].tab);
	}
}

static void
test_scores(void)
{
	struct list_ask	q;
	unsigned	i;

	for (i = 0; i < 400; i++) {
		if (i % 50 == 0)
			fill(800, i + 1);
		q = (struct list_ask){ .order = rnd(2) ? LIST_RANK : LIST_SCORE,
		    .flags = rnd(2) ? LIST_REVERSE : 0, .end = 1024,
		    .limit = rnd(60) + 1, .offset = rnd(3) ? rnd(120) : 0,
		    .min = (int)rnd(50) - 25 };
		q.max = q.min + rnd(30);
		compare(&q, 'Z', rnd(8) ? "z1" : "none");
	}
}

/* Cursor by cursor, what the whole listing has. */
static void
page_by_page(struct list_ask q, uint8_t type, const char *tab)
{
	struct entry	*want[MOST];
	uint8_t		 after[64];
	size_t		 afterlen = 0;
	struct walk	 w;
	int		 n = expect(&q, type, tab, want), at = 0, more, i;
	const struct list_item *last;

	do {
		begin(&w, &q, type, tab);
		if (afterlen != 0)
			CU_ASSERT_EQUAL(walk_after(&w, after, afterlen), E_OK);
		finish(&w, NULL);
		for (i = 0; i < page.n && at < n; i++, at++)
			CU_ASSERT_STRING_EQUAL(page.key[i], want[at]->key);
		more = w.more;
		CU_ASSERT(page.n == (int)q.limit || !more);
		walk_free(&w);
		if (page.n == 0)
			break;
		q.file = (uint16_t)w.last;
		last = &page.i[page.n - 1];
		if (q.order == LIST_KEYS) {
			record_key_put(after, last->type, page.tab[page.n - 1],
			    last->tablen, page.key[page.n - 1], last->keylen);
			afterlen = record_key_len(last->tablen, last->keylen);
			continue;
		}
		for (i = 0; i < 8; i++)
			after[i] = (uint8_t)(((uint64_t)last->score ^
			    (uint64_t)1 << 63) >> (56 - 8 * i));
		memcpy(after + 8, page.key[page.n - 1], last->keylen);
		afterlen = 8 + last->keylen;
	} while (more);
	CU_ASSERT_EQUAL(at, n);
	CU_ASSERT(!more);
}

static void
test_cursor(void)
{
	struct list_ask	q = { .end = 1024, .min = -9, .max = 9 };
	unsigned	i;

	fill(1000, 3);
	for (i = 1; i < 80; i += 7) {
		step_us = i % 2 ? -1 : 10000000;
		q.limit = i;
		q.order = LIST_KEYS;
		page_by_page(q, 0, "");
		page_by_page(q, 'H', "h1");
		q.order = LIST_RANK;
		page_by_page(q, 'Z', "z0");
		q.flags = LIST_REVERSE;
		page_by_page(q, 'Z', "z0");
		q.order = LIST_SCORE;
		page_by_page(q, 'Z', "z1");
		q.flags = 0;
		page_by_page(q, 'Z', "z1");
	}
	step_us = -1;
}

/* Each step is short, and whatever comes and goes in between. */
static void
churn(void)
{
	struct entry	*e;
	int		 i;

	for (i = 0; i < 40; i++) {
		e = &s.e[rnd((unsigned)s.n)];
		if (e->score != 20)
			e->here = !e->here;
	}
}

static void
once(const struct list_ask *q, uint8_t type, const char *tab, int pause)
{
	struct walk	 w;
	struct entry	*e;
	unsigned	 steps;
	int		 i, seen;

	begin(&w, q, type, tab);
	page.pause = pause;
	steps = finish(&w, churn);
	CU_ASSERT(steps > 3);
	for (e = s.e; e < s.e + s.n; e++) {
		if (e->type != type || strcmp(e->tab, tab) != 0)
			continue;
		for (i = seen = 0; i < page.n; i++)
			seen += strcmp(page.key[i], e->key) == 0;
		CU_ASSERT(e->expired ? seen == 0 :
		    e->score == 20 ? seen == 1 : seen <= 1);
	}
	walk_free(&w);
}

static void
test_changes(void)
{
	struct list_ask	q = { .end = 1024, .limit = MOST };
	int		i, k;

	for (i = 0; i < 20; i++) {
		fill(2000, 50 + (uint64_t)i);
		for (k = 0; k < s.n; k++)
			if (rnd(2))
				s.e[k].score = 20;	/* exist throughout */
		q.order = LIST_KEYS;
		once(&q, 'H', "h0", 0);
		once(&q, 'H', "h0", 1);
		q.order = LIST_RANK;
		once(&q, 'Z', "z1", 1);
		q.flags = LIST_REVERSE;
		once(&q, 'Z', "z1", 1);
		q.flags = 0;
	}
}

/* A long row of what has expired is passed over in many short steps. */
static void
test_expired(void)
{
	struct list_ask	q = { .end = 1024, .limit = 10 };
	struct walk	 w;
	int		 i;

	fill(MOST, 7);
	for (i = 0; i < s.n; i++)
		s.e[i].expired = 1;
	begin(&w, &q, 0, "");
	CU_ASSERT(finish(&w, NULL) > MOST / 100);
	CU_ASSERT_EQUAL(page.n, 0);
	CU_ASSERT_EQUAL(w.passed, 0);
	CU_ASSERT(!w.more);
	walk_free(&w);
	compare(&q, 0, "");
}

static void
test_building(void)
{
	struct list_ask	q = { .end = 1024, .limit = MOST }, at = { 0 };
	struct entry	*want[MOST];
	struct walk	 w;
	int		 n, i, first;

	fill(600, 9);
	n = expect(&q, 'K', "", want);
	s.building = 2;
	begin(&w, &q, 'K', "");
	while (walk_step(&w, &s, 1000, -1) == E_PENDING)
		;
	CU_ASSERT_EQUAL(walk_step(&w, &s, 1000, -1), E_BUILDING);
	s.building = -1;
	finish(&w, NULL);
	CU_ASSERT_EQUAL(page.n, n);
	walk_free(&w);
	/* A full page does not wait to hear whether there is more. */
	for (first = i = 0; i < n; i++)
		first += want[i]->file < 2;
	at = q;
	at.limit = (uint32_t)first;
	s.building = 2;
	begin(&w, &at, 'K', "");
	finish(&w, NULL);
	CU_ASSERT(page.n == first && w.more);
	walk_free(&w);
}

static void
test_records(void)
{
	struct list_ask	q = { .end = 1024, .limit = MOST,
		.flags = LIST_VALUES };
	struct walk	 w;
	struct entry	*e;
	int		 i, keys = 0, bad = 0, with = 0;

	fill(600, 11);
	for (e = s.e; e < s.e + s.n; e++) {
		if (e->type != 'K')
			continue;
		e->expired = 0;
		e->damaged = rnd(5) == 0;
		e->gone = !e->damaged && rnd(5) == 0;
		e->expiry = rnd(2) ? 1500 : 0;
		keys += !e->gone;
		bad += e->damaged;
	}
	begin(&w, &q, 'K', "");
	finish(&w, NULL);
	CU_ASSERT_EQUAL(page.n, keys);
	CU_ASSERT_EQUAL(page.damaged, bad);
	CU_ASSERT_EQUAL(w.taken, (uint64_t)keys);
	CU_ASSERT_EQUAL(w.lsn, 101);	/* of the records */
	for (i = 0; i < page.n; i++) {
		bad -= page.i[i].damaged;
		with += page.i[i].vallen != 0;
		CU_ASSERT(page.i[i].version == (page.i[i].damaged ? 7 : 9));
		CU_ASSERT(page.i[i].ttl == 0 || page.i[i].ttl == 500);
	}
	CU_ASSERT(bad == 0 && with == keys - page.damaged);
	walk_free(&w);
}

/* The page is full before the limit: what was refused comes next. */
static void
test_refuse(void)
{
	struct list_ask	q = { .end = 1024, .limit = MOST };
	struct walk	w;

	fill(600, 12);
	begin(&w, &q, 'H', "h0");
	page.refuse = 5;
	finish(&w, NULL);
	CU_ASSERT(page.n == 5 && w.taken == 5 && w.more);
	walk_free(&w);
	q.limit = 0;
	begin(&w, &q, 'H', "h0");
	finish(&w, NULL);
	CU_ASSERT(page.n == 0 && !w.more);
	walk_free(&w);
}

static void
test_bad_cursor(void)
{
	static const struct { uint8_t order; const char *p; size_t n; } bad[] = {
		{ LIST_KEYS, "H", 1 }, { LIST_KEYS, "Hh0k", 4 },
		{ LIST_KEYS, "Sh0\0k", 5 }, { LIST_KEYS, "Hh1\0k", 5 },
		{ LIST_KEYS, "Hh\0k", 4 }, { LIST_RANK, "0123456", 7 },
		{ LIST_RANK, "", 0 }
	};
	struct list_ask	q = { .end = 1024, .limit = 10 };
	struct walk	w;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q.order = bad[i].order;
		begin(&w, &q, 'H', "h0");
		CU_ASSERT_EQUAL(walk_after(&w, (const uint8_t *)bad[i].p,
		    bad[i].n), E_PARAM);
		walk_free(&w);
	}
	q.order = LIST_KEYS;
	begin(&w, &q, 'H', "h0");
	CU_ASSERT_EQUAL(walk_after(&w, (const uint8_t *)"Hh0\0k", 5), E_OK);
	walk_free(&w);
}

static const CU_TestInfo	tests[] = {
	{ "pages of keys: files, slots, offset, limit", test_keys },
	{ "pages by rank and score, from both ends", test_scores },
	{ "a listing page by page", test_cursor },
	{ "what exists throughout is seen once", test_changes },
	{ "a long row of expired entries", test_expired },
	{ "an index is not there yet", test_building },
	{ "values, damaged ones, expired ones", test_records },
	{ "a page that is full, a page of nothing", test_refuse },
	{ "cursors that are none", test_bad_cursor },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_walk", UNIT_SUITE("walk", tests))
