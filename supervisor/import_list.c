/*
 * import_list.c: the pages of a source; see import_list.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/import_list.h"

#define SIZE_MOST	1000u		/* entries of a page, contract 1.7 */
#define OFFSET_MOST	1000000u	/* contract 1.7, async=false */
#define QUIET		16u		/* empty pages before a listing rests */
#define TEXT_MOST	(64u << 20)	/* bytes of stat_all and the like */
#define PAGE_MOST	(16u << 20)	/* bytes of a page */
#define PATH_SIZE	9216u		/* of a question, with its cursor */

static int wrong(struct lister *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

/* Always -1. */
static int
wrong(struct lister *li, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(li->error, sizeof(li->error), fmt, ap);
	va_end(ap);
	return -1;
}

static int
wrong_reply(struct lister *li, const char *path, const struct reply *r)
{
	if (r->toolong)
		return wrong(li, "%.200s: answers too much", path);
	if (r->status == 0)
		return wrong(li, "%.200s", source_error(li->src));
	if (r->status == 401 || r->status == 403)
		return wrong(li, "status %ld: the source wants a user who may "
		    "read, as http://USER:PASSWORD@HOST:PORT", r->status);
	return wrong(li, "%.200s: status %ld, %.200s", path, r->status,
	    source_error(li->src));
}

/* What there is */

static const struct reply *
ask(struct lister *li, const char *path)
{
	const struct reply	*r = source_get(li->src, TEXT_MOST, path);

	if (r->status == 200)
		return r;
	wrong_reply(li, path, r);
	return NULL;
}

/* The array of JSON that path answers; NULL with a reason. */
static json_t *
ask_array(struct lister *li, const char *path)
{
	const struct reply	*r = ask(li, path);
	json_t			*o;

	if (r == NULL)
		return NULL;
	o = json_loadb(r->body != NULL ? r->body : "", r->n, 0, NULL);
	if (json_is_array(o))
		return o;
	json_decref(o);
	wrong(li, "%s: no answer of a huststore or a Wharf", path);
	return NULL;
}

static uint64_t
count_of(const json_t *o)
{
	json_int_t	n = json_integer_value(json_object_get(o, "count"));

	return n > 0 ? (uint64_t)n : 0;
}

static int
plan_table(struct lister *li, const json_t *o)
{
	struct plan	*p = li->plan;
	struct listing	*l;
	const char	*name, *type;

	name = json_string_value(json_object_get(o, "table"));
	type = json_string_value(json_object_get(o, "type"));
	if (name == NULL || type == NULL || strlen(name) > WHARF_TABLE_MAX)
		return wrong(li, "stat_all: names no table");
	p->total += count_of(o);
	if (type[0] != 'Z' || p->cursors) {
		p->expected += count_of(o);
		return 0;
	}
	if ((l = plan_add(p)) == NULL)
		return wrong(li, "out of memory");
	l->zset = 1;
	l->expected = count_of(o);
	snprintf(l->table, sizeof(l->table), "%s", name);
	return 0;
}

static int
plan_tables(struct lister *li)
{
	json_t	*all = ask_array(li, "/hustdb/stat_all"), *keys;
	size_t	 i;
	int	 rv = 0;

	if (all == NULL)
		return -1;
	keys = json_object_get(json_object_get(json_array_get(all, 0),
	    "TOTALIZE"), "KVPAIR");
	li->plan->total = li->plan->expected = count_of(keys);
	for (i = 1; i < json_array_size(all) && rv == 0; i++)
		rv = plan_table(li, json_array_get(all, i));
	json_decref(all);
	return rv;
}

static int
plan_files(struct lister *li)
{
	const struct reply	*r = ask(li, "/hustdb/file_count");
	struct listing		*l;
	unsigned long		 i, n;

	if (r == NULL)
		return -1;
	n = strtoul(r->body != NULL ? r->body : "", NULL, 10);
	if (n == 0 || n > 65536)
		return wrong(li, "file_count: answers no number of files");
	for (i = 0; i < n; i++) {
		if ((l = plan_add(li->plan)) == NULL)
			return wrong(li, "out of memory");
		l->file = (unsigned)i;
	}
	return 0;
}

int
list_plan(struct lister *li)
{
	const struct reply	*r;

	r = ask(li, "/hustdb/keys?file=0&offset=0&size=1");
	if (r == NULL)
		return -1;
	li->plan->cursors = r->cursor[0] != '\0';
	if ((li->plan->source = strdup(source_name(li->src))) == NULL)
		return wrong(li, "out of memory");
	return plan_files(li) == -1 ? -1 : plan_tables(li);
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
queues_read(struct lister *li, const json_t *all)
{
	const char	*name;
	size_t		 i, n = json_array_size(all);

	if ((li->queues = calloc(n + 1, sizeof(*li->queues))) == NULL)
		return wrong(li, "out of memory");
	for (i = 0; i < n; i++) {
		name = json_string_value(json_object_get(
		    json_array_get(all, i), "queue"));
		if (name == NULL)
			continue;
		if ((li->queues[li->nqueues] = strdup(name)) == NULL)
			return wrong(li, "out of memory");
		li->nqueues++;
	}
	qsort(li->queues, li->nqueues, sizeof(*li->queues), name_cmp);
	return 0;
}

int
list_open(struct lister *li)
{
	json_t	*all;
	int	 rv;

	li->size = SIZE_MOST;
	if (li->plan->cursors)		/* its messages are not among keys */
		return 0;
	if ((all = ask_array(li, "/hustmq/stat_all")) == NULL)
		return -1;
	rv = queues_read(li, all);
	json_decref(all);
	return rv;
}

void
list_close(struct lister *li)
{
	while (li->nqueues > 0)
		free(li->queues[--li->nqueues]);
	free(li->queues);
	li->queues = NULL;
}

/* Pages */

/* A message's key is <queue>|<priority>:<tag>, contract 1.7. */
static int
is_message(const struct lister *li, const struct item *it)
{
	const uint8_t	*bar = memchr(it->key, '|', it->keylen);
	char		 name[WHARF_TABLE_MAX + 1], *at = name;
	size_t		 n;

	if (it->type != WHARF_KEY || bar == NULL)
		return 0;
	n = (size_t)(bar - it->key);
	if (n > WHARF_TABLE_MAX || it->keylen < n + 4 || bar[1] < '0' ||
	    bar[1] > '2' || bar[2] != ':')
		return 0;
	memcpy(name, it->key, n);
	name[n] = '\0';
	return bsearch(&at, li->queues, li->nqueues, sizeof(*li->queues),
	    name_cmp) != NULL;
}

/* How many entries count as come; says of each what is to be done with it. */
static uint64_t
sift(const struct lister *li, const struct listing *l, struct page *pg)
{
	struct item	*it;
	uint64_t	 got = 0;
	size_t		 i;

	for (i = 0; i < pg->n; i++) {
		it = &pg->items[i];
		if (it->type == WHARF_ZSET && !l->zset && !li->plan->cursors) {
			it->fate = ITEM_ELSEWHERE;
			continue;
		}
		got++;
		if (is_message(li, it))
			it->fate = ITEM_MESSAGE;
	}
	return got;
}

static void
path_make(const struct lister *li, const struct listing *l,
    const struct where *at, int noval, char *out)
{
	int	n;

	if (l->zset)
		n = snprintf(out, PATH_SIZE, "/hustdb/zrangebyrank?tb=%s",
		    l->table);
	else
		n = snprintf(out, PATH_SIZE, "/hustdb/keys?file=%u", l->file);
	n += snprintf(out + n, PATH_SIZE - (size_t)n, "&size=%u&noval=%s",
	    li->size, noval ? "true" : "false");
	if (li->plan->cursors)
		snprintf(out + n, PATH_SIZE - (size_t)n, "&cursor=%s",
		    at->cursor != NULL ? at->cursor : "0");
	else
		snprintf(out + n, PATH_SIZE - (size_t)n, "&offset=%" PRIu64
		    "%s", at->offset, at->phase == PHASE_SNAPSHOT ?
		    "&async=true" : "");
}

/* One value, however long the page was that should have had it. */
static int
value_fetch(struct lister *li, struct page *pg, struct item *it)
{
	const struct reply	*r;
	char			*key, *path, *value;
	size_t			 n;

	if (it->type != WHARF_KEY && it->type != WHARF_HASH)
		return 0;
	if ((key = source_text(li->src, it->key, it->keylen)) == NULL)
		return wrong(li, "out of memory");
	n = strlen(key) + 128;
	if ((path = malloc(n)) == NULL) {
		source_text_free(key);
		return wrong(li, "out of memory");
	}
	snprintf(path, n, it->table != NULL ? "/hustdb/hget?tb=%s&key=%s" :
	    "/hustdb/get%s?key=%s", it->table != NULL ? it->table : "", key);
	source_text_free(key);
	r = source_get(li->src, WHARF_VALUE_MAX, path);
	it->fate = r->toolong ? ITEM_LONG : ITEM_GONE;
	if (!r->toolong && r->status != 200 && r->status != 404 &&
	    r->status != 412) {
		wrong_reply(li, path, r);
		free(path);
		return -1;
	}
	free(path);
	if (r->status != 200)
		return 0;
	if ((value = malloc(r->n + 1)) == NULL)
		return wrong(li, "out of memory");
	if (r->n != 0)
		memcpy(value, r->body, r->n);
	if (page_keep(pg, it, (uint8_t *)value, r->n) == -1) {
		free(value);
		return wrong(li, "out of memory");
	}
	return 0;
}

/*
 * The page at *at, of as many entries as PAGE_MOST allows, of one without its
 * value if need be.  *cursor: where it goes on; *total: of a snapshot.
 */
static int
page_fetch(struct lister *li, const struct listing *l, const struct where *at,
    struct page *pg, char **cursor, uint64_t *total)
{
	const struct reply	*r;
	char			 path[PATH_SIZE];
	int			 noval = 0;

	for (;;) {
		path_make(li, l, at, noval, path);
		r = source_get(li->src, PAGE_MOST, path);
		if (!r->toolong || noval)
			break;
		if (li->size == 1)
			noval = 1;
		else
			li->size = (li->size + 3) / 4;
	}
	memset(pg, 0, sizeof(*pg));
	*total = 0;
	if (r->status == 412 && l->zset)	/* it has lost its last member */
		return 0;
	if (r->status != 200)
		return wrong_reply(li, path, r);
	if (page_read(pg, r->body != NULL ? r->body : "", r->n,
	    l->zset ? WHARF_ZSET : WHARF_KEY, l->table) == -1)
		return wrong(li, "%.200s: answers no listing", path);
	*total = r->total;
	if ((*cursor = strdup(r->cursor)) == NULL)
		return wrong(li, "out of memory");
	return noval && pg->n == 1 ? value_fetch(li, pg, &pg->items[0]) : 0;
}

static void
size_grow(struct lister *li)
{
	li->size = li->size * 2 < SIZE_MOST ? li->size * 2 : SIZE_MOST;
}

/* Entries that have come, of all data files but l. */
static uint64_t
files_got(const struct plan *p, const struct listing *l)
{
	uint64_t	got = 0;
	size_t		i;

	for (i = 0; i < p->n; i++)
		if (!p->listings[i].zset && &p->listings[i] != l)
			got += p->listings[i].where.got;
	return got;
}

/* Whether as many have come as the source counts. */
static int
has_all(const struct lister *li, const struct listing *l,
    const struct where *at)
{
	if (l->zset)
		return at->got >= l->expected;
	return li->deep &&
	    files_got(li->plan, l) + at->got >= li->plan->expected;
}

/* Behind a page by offset: whether there can be more. */
static void
walk_on(const struct lister *li, const struct listing *l, struct where *at)
{
	if (at->quiet != 0 && has_all(li, l, at))
		at->phase = PHASE_DONE;
	else if (at->offset > OFFSET_MOST)
		at->phase = at->quiet >= QUIET ? PHASE_DONE : PHASE_EXPORT;
	else if (at->quiet >= QUIET && !li->deep)
		at->phase = PHASE_REST;
}

static int
page_next(struct lister *li, const struct listing *l, struct where *at,
    struct page *pg)
{
	char		*cursor = NULL;
	uint64_t	 total;

	if (page_fetch(li, l, at, pg, &cursor, &total) == -1) {
		free(cursor);
		page_free(pg);
		return -1;
	}
	at->got += sift(li, l, pg);
	at->quiet = pg->n == 0 ? at->quiet + 1 : 0;
	at->offset += li->size;
	free(at->cursor);
	at->cursor = NULL;
	if (at->phase == PHASE_SNAPSHOT) {
		if (at->offset >= total)
			at->phase = PHASE_DONE;
	} else if (!li->plan->cursors)
		walk_on(li, l, at);
	else if (pg->n == 0 || cursor[0] == '\0' || strcmp(cursor, "0") == 0)
		at->phase = PHASE_DONE;
	else {
		at->cursor = cursor;
		cursor = NULL;
	}
	free(cursor);
	size_grow(li);
	return 0;
}

/* Snapshots: contract 1.8 */

static int
export_ask(struct lister *li, const struct listing *l, struct where *at)
{
	const struct reply	*r;
	char			 path[256], what[WHARF_TABLE_MAX + 8];

	if (l->zset)
		snprintf(what, sizeof(what), "tb=%s", l->table);
	else
		snprintf(what, sizeof(what), "file=%u", l->file);
	snprintf(path, sizeof(path), "/hustdb/export?%s&noval=false&cover=true",
	    what);
	r = source_get(li->src, TEXT_MOST, path);
	if (r->status == 200 && r->body != NULL)
		at->token = strtoull(r->body, NULL, 10);
	else if (r->status != 412)	/* 412: others are at it */
		return wrong_reply(li, path, r);
	return 0;
}

static int
export_wait(struct lister *li, const struct listing *l, struct where *at,
    struct page *pg)
{
	const struct timespec	 second = { 1, 0 };
	const struct reply	*r;
	char			 path[64];

	memset(pg, 0, sizeof(*pg));
	if (at->token == 0 && export_ask(li, l, at) == -1)
		return -1;
	if (at->token == 0) {
		nanosleep(&second, NULL);
		return 0;
	}
	snprintf(path, sizeof(path), "/hustdb/task_status?token=%" PRIu64,
	    at->token);
	if ((r = ask(li, path)) == NULL)
		return -1;
	/* 2: done; 3: done, and forgotten since. */
	if (r->n != 0 && (r->body[0] == '2' || r->body[0] == '3')) {
		at->phase = PHASE_SNAPSHOT;
		at->offset = at->got = at->quiet = 0;
	} else
		nanosleep(&second, NULL);
	return 0;
}

int
list_page(struct lister *li, const struct listing *l, struct where *at,
    struct page *pg)
{
	return at->phase == PHASE_EXPORT ? export_wait(li, l, at, pg) :
	    page_next(li, l, at, pg);
}

int
list_deeper(struct lister *li)
{
	struct listing	*l;
	size_t		 i;
	int		 files, woken = 0;

	files = files_got(li->plan, NULL) < li->plan->expected;
	li->deep = 1;
	for (i = 0; i < li->plan->n; i++) {
		l = &li->plan->listings[i];
		if (l->where.phase == PHASE_REST && (l->zset || files)) {
			l->where.phase = PHASE_WALK;
			woken = 1;
		}
	}
	return woken;
}
