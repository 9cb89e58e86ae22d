/*
 * test_snapshot.c: names, lines and files of exports: what was written comes
 * back, and nothing else is taken for it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "tests/unit.h"

#define LINE	2048

static const struct snapshot_id	all = { .number = 3, .end = 1024 };
static const struct snapshot_id	hash = { .type = 'H', .number = 1, .end = 512,
	.tab = (const uint8_t *)"a:b.c", .tablen = 5, .values = 1 };

static void
test_names(void)
{
	struct snapshot_id	id = hash;
	char			name[SNAPSHOT_NAME];

	snapshot_name(name, &all);
	CU_ASSERT_STRING_EQUAL(name, "db.all@3[0-1024].k");
	snapshot_name(name, &id);
	CU_ASSERT_STRING_EQUAL(name, "a:b.c!1[0-512].kv");
	id.type = 'S';
	id.values = 0;
	snapshot_name(name, &id);
	CU_ASSERT_STRING_EQUAL(name, "a:b.c#1[0-512].k");
	id.type = 'Z';
	id.start = 7;
	snapshot_name(name, &id);
	CU_ASSERT_STRING_EQUAL(name, "a:b.c|1[7-512].k");
}

static struct list_item
item(uint8_t type, const char *key, const char *val)
{
	return (struct list_item){ .type = type, .version = 12,
	    .tab = (const uint8_t *)(type == 'K' ? "" : "t"),
	    .tablen = type != 'K', .key = (const uint8_t *)key,
	    .keylen = (uint32_t)strlen(key), .val = (const uint8_t *)val,
	    .vallen = (uint32_t)strlen(val) };
}

static void
line_is(const struct list_item *i, int named, int values, const char *want)
{
	uint8_t	p[LINE];
	size_t	n = snapshot_line_put(p, i, named, values);

	p[n] = '\0';
	CU_ASSERT_STRING_EQUAL((char *)p, want);
	CU_ASSERT(n <= snapshot_line_max(i));
}

static void
test_lines(void)
{
	struct list_item	i = item('K', "key", "v");

	line_is(&i, 1, 1, "{\"key\":\"a2V5\",\"val\":\"dg==\",\"ver\":12}\n");
	line_is(&i, 0, 0, "{\"key\":\"a2V5\",\"ver\":12}\n");
	i.ttl = 1;
	line_is(&i, 0, 0, "{\"key\":\"a2V5\",\"ver\":12,\"ttl\":1}\n");
	i.ttl = 2001;
	i.damaged = 1;
	i.vallen = 0;
	line_is(&i, 0, 1, "{\"key\":\"a2V5\",\"ver\":12,\"ttl\":3,"
	    "\"damaged\":true}\n");
	i = item('H', "ab", "");
	line_is(&i, 1, 0, "{\"key\":\"YWI=\",\"ver\":12,\"tb\":\"t\","
	    "\"ty\":\"H\"}\n");
	i = item('Z', "a", "");
	i.score = INT64_MIN;
	line_is(&i, 1, 1, "{\"key\":\"YQ==\",\"val\":\"-9223372036854775808\","
	    "\"ver\":12,\"tb\":\"t\",\"ty\":\"Z\"}\n");
}

static int
same(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
	return n == m && (n == 0 || memcmp(a, b, n) == 0);
}

/* There and back; named lines say themselves what they are. */
static void
there_and_back(const struct list_item *i, int values)
{
	struct snapshot_id	 id = { .type = i->type, .tab = i->tab,
		.tablen = i->tablen };
	struct list_item	 g;
	uint8_t			*p = malloc(snapshot_line_max(i));
	size_t			 n, len;
	int			 named, val = values && !i->damaged;

	for (named = i->type == 'K'; named < 2; named++) {
		n = snapshot_line_put(p, i, named, values);
		CU_ASSERT_EQUAL(snapshot_line_get(&g, p, n,
		    named ? &all : &id), E_OK);
		CU_ASSERT(same(g.key, g.keylen, i->key, i->keylen));
		CU_ASSERT(same(g.tab, g.tablen, i->tab, i->tablen));
		len = val && i->type != 'Z' ? i->vallen : 0;
		CU_ASSERT(same(g.val, g.vallen, i->val, len));
		CU_ASSERT(g.type == i->type && g.version == i->version);
		CU_ASSERT_EQUAL(g.ttl, (i->ttl + 999) / 1000 * 1000);
		CU_ASSERT_EQUAL(g.damaged, i->damaged);
		CU_ASSERT_EQUAL(g.score, val && i->type == 'Z' ? i->score : 0);
	}
	free(p);
}

static void
test_back(void)
{
	static const int64_t	score[] = { 0, 1, -1, 99, INT64_MIN, INT64_MAX };
	uint8_t			key[300], val[300];
	struct list_item	i;
	unsigned		n, k;

	srandom(1);
	for (n = 1; n < 300; n++) {
		for (k = 0; k < n; k++) {
			key[k] = (uint8_t)random();
			val[k] = (uint8_t)random();
		}
		i = (struct list_item){ .type = "KHSZ"[n % 4],
		    .version = n, .ttl = n % 3 ? n * 1000 : 0,
		    .score = score[n / 4 % 6], .damaged = n % 7 == 0,
		    .tab = (const uint8_t *)"tab_1", .key = key, .val = val,
		    .keylen = n, .vallen = n % 300 };
		i.tablen = i.type == 'K' ? 0 : 5;
		if (i.type == 'S' || i.type == 'Z')
			i.vallen = 0;
		there_and_back(&i, n % 2);
	}
}

/* Every line with a byte changed is refused or means something, safely. */
static void
test_bad_lines(void)
{
	static const char	*bad[] = {
		"", "{}\n", "{\"key\":\"a2V5\"}\n", "{\"key\":\"a2V\",\"ver\":1}\n",
		"{\"key\":\"a2V5\",\"ver\":}\n", "{\"key\":\"a2V5\",\"ver\":1}",
		"{\"key\":\"a2V5\",\"ver\":-1}\n",
		"{\"key\":\"a2V5\",\"ver\":4294967296}\n",
		"{\"key\":\"a=V5\",\"ver\":1}\n", "{\"key\":\"a2V5\",\"ver\":1} \n",
		"{\"key\":\"a2V5\",\"ver\":1}\nx", "{\"key\":\"a2V5",
		"{\"key\":\"a2V5\",\"val\":\"\",\"ver\":1}\n",
		"{\"key\":\"a2V5\",\"ver\":1,\"tb\":\"t\"}\n",
		"{\"key\":\"a2V5\",\"ver\":1,\"tb\":\"t\",\"ty\":\"K\"}\n",
		"{\"key\":\"a2V5\",\"val\":\"x\",\"ver\":1,\"tb\":\"t\","
		    "\"ty\":\"Z\"}\n",
		"{\"key\":\"a2V5\",\"val\":\"9223372036854775808\",\"ver\":1,"
		    "\"tb\":\"t\",\"ty\":\"Z\"}\n",
		"{\"key\":\"a2V5\",\"val\":\"YQ==\",\"ver\":1,\"tb\":\"t\","
		    "\"ty\":\"S\"}\n"
	};
	struct list_item	i;
	uint8_t			p[LINE];
	size_t			k, n;

	for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		n = strlen(bad[k]);
		memcpy(p, bad[k], n);
		CU_ASSERT_EQUAL(snapshot_line_get(&i, p, n, &all), E_SNAPSHOT);
	}
}

/* -- files ------------------------------------------------------------------- */

static char	dir[64];

static void
path_of(char out[PATH_MAX], const struct snapshot_id *id, const char *suffix)
{
	char	name[SNAPSHOT_NAME];

	snapshot_name(name, id);
	snprintf(out, PATH_MAX, "%s/%s%s", dir, name, suffix);
}

static void
file_put(const char *path, const void *p, size_t n)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

/* n entries with keys k0, k1 ... */
static void
files_put(const struct snapshot_id *id, unsigned n)
{
	static uint8_t		lines[65536], places[8192];
	struct list_item	i;
	char			key[16], path[PATH_MAX];
	size_t			at = 0;
	unsigned		k;

	for (k = 0; k < n; k++) {
		snprintf(key, sizeof(key), "k%u", k);
		i = item('H', key, "value");
		le64_put(places + 8 * k, at);
		at += snapshot_line_put(lines + at, &i, 0, 1);
	}
	path_of(path, id, "");
	file_put(path, places, 8 * (size_t)n);
	path_of(path, id, SNAPSHOT_DATA);
	file_put(path, lines, at);
}

static void
dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/snapshot.XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
}

static void
dir_drop(const struct snapshot_id *id)
{
	char	path[PATH_MAX];

	path_of(path, id, "");
	unlink(path);
	path_of(path, id, SNAPSHOT_DATA);
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void
test_files(void)
{
	static const unsigned	order[] = { 0, 99, 50, 51, 1, 98 };
	struct snapshot		s;
	struct list_item	i;
	char			key[16];
	unsigned		k;

	dir_make();
	CU_ASSERT_EQUAL(snapshot_open(&s, dir, &hash), E_SNAPSHOT);
	files_put(&hash, 100);
	CU_ASSERT_EQUAL(snapshot_open(&s, dir, &all), E_SNAPSHOT);
	CU_ASSERT_EQUAL_FATAL(snapshot_open(&s, dir, &hash), E_OK);
	CU_ASSERT_EQUAL(s.total, 100);
	for (k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		CU_ASSERT_EQUAL(snapshot_read(&s, order[k], &hash, &i), E_OK);
		snprintf(key, sizeof(key), "k%u", order[k]);
		CU_ASSERT(same(i.key, i.keylen, (uint8_t *)key, strlen(key)));
		CU_ASSERT(same(i.val, i.vallen, (const uint8_t *)"value", 5));
		CU_ASSERT(same(i.tab, i.tablen, hash.tab, hash.tablen));
	}
	CU_ASSERT_EQUAL(snapshot_read(&s, 100, &hash, &i), E_SNAPSHOT);
	snapshot_close(&s);
	files_put(&hash, 0);
	CU_ASSERT_EQUAL_FATAL(snapshot_open(&s, dir, &hash), E_OK);
	CU_ASSERT_EQUAL(s.total, 0);
	snapshot_close(&s);
	dir_drop(&hash);
}

/* Somebody changed them: E_SNAPSHOT, whatever is read. */
static void
test_bad_files(void)
{
	static const uint64_t	bad[] = { 0, 1, 1u << 20, UINT64_MAX };
	struct snapshot		s;
	struct list_item	i;
	uint8_t			p[24];
	char			path[PATH_MAX];
	unsigned		k;

	dir_make();
	for (k = 0; k < 4; k++) {
		files_put(&hash, 3);
		le64_put(p, 0);
		le64_put(p + 8, bad[k]);
		le64_put(p + 16, bad[3 - k]);
		path_of(path, &hash, "");
		file_put(path, p, sizeof(p));
		CU_ASSERT_EQUAL_FATAL(snapshot_open(&s, dir, &hash), E_OK);
		CU_ASSERT_EQUAL(snapshot_read(&s, 1, &hash, &i), E_SNAPSHOT);
		snapshot_close(&s);
	}
	file_put(path, p, 7);
	CU_ASSERT_EQUAL(snapshot_open(&s, dir, &hash), E_SNAPSHOT);
	files_put(&hash, 3);
	path_of(path, &hash, SNAPSHOT_DATA);
	file_put(path, "{", 1);
	CU_ASSERT_EQUAL_FATAL(snapshot_open(&s, dir, &hash), E_OK);
	CU_ASSERT_EQUAL(snapshot_read(&s, 0, &hash, &i), E_SNAPSHOT);
	CU_ASSERT_EQUAL(snapshot_read(&s, 2, &hash, &i), E_SNAPSHOT);
	snapshot_close(&s);
	unlink(path);
	CU_ASSERT_EQUAL(snapshot_open(&s, dir, &hash), E_SNAPSHOT);
	dir_drop(&hash);
}

static const CU_TestInfo	tests[] = {
	{ "names of files", test_names },
	{ "lines character by character", test_lines },
	{ "lines there and back", test_back },
	{ "lines that are none", test_bad_lines },
	{ "files", test_files },
	{ "files that were changed", test_bad_files },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_snapshot", UNIT_SUITE("snapshot", tests))
