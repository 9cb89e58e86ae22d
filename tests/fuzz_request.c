/*
 * fuzz_request.c: request targets and Accept-Encoding headers from strangers.
 *
 * With -fsanitize=fuzzer and -DFUZZER it is a libFuzzer target; as it stands
 * its main replays the files named on the command line, or all of
 * tests/corpus/request, and fails when there are none.
 */
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/coding.h"
#include "worker/query.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What the parser promises whatever it was given. */
static void
check_params(const struct params *ps, const struct path *row,
    const uint8_t *buf, size_t used)
{
	const struct param_text	*text;
	int			 id;

	assert((ps->given & ~(row->required | row->optional)) == 0);
	assert((ps->bad & ~ps->given) == 0 && (ps->escape & ~ps->bad) == 0);
	for (id = 0; id < PARAM_MAX_; id++) {
		if ((ps->given & ~ps->bad & B(id)) == 0)
			continue;
		if (param_table[id].type > PT_NAME) {
			assert(ps->v[id].num >= param_table[id].min &&
			    ps->v[id].num <= param_table[id].max);
			continue;
		}
		text = &ps->v[id].text;
		assert(text->p >= buf && text->p + text->len <= buf + used);
		assert(text->len >= 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct path	*row;
	struct target		 t;
	struct params		 ps;
	uint8_t			*buf;
	size_t			 used;

	paths_init();
	target_split(&t, (const char *)data, size);
	(void)coding_accept((const char *)data, size);
	row = target_path(&t, ON_DB);
	(void)target_path(&t, ON_MQ);
	if (row == NULL)
		row = &path_table[size % PATH_MAX_];
	/* Exactly as long as promised, so that the sanitizer sees one more. */
	if ((buf = malloc(t.querylen + (t.querylen == 0))) == NULL)
		abort();
	used = query_parse(&ps, row, t.query, t.querylen, buf);
	assert(used <= t.querylen);
	check_params(&ps, row, buf, used);
	free(buf);
	return 0;
}

#ifndef FUZZER
static int
replay(const char *path)
{
	static uint8_t	 data[1 << 16];
	uint8_t		*exact;
	size_t		 n;
	FILE		*f = fopen(path, "rb");

	if (f == NULL) {
		perror(path);
		return 1;
	}
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	if ((exact = malloc(n + (n == 0))) == NULL)
		abort();
	memcpy(exact, data, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

static int
replay_corpus(void)
{
	const char	*src = getenv("srcdir");
	char		 dir[512], path[1024];
	struct dirent	*e;
	DIR		*d;
	int		 n = 0, bad = 0;

	(void)snprintf(dir, sizeof(dir), "%s/tests/corpus/request",
	    src != NULL ? src : ".");
	if ((d = opendir(dir)) == NULL) {
		perror(dir);
		return 1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		bad |= replay(path);
		n++;
	}
	(void)closedir(d);
	printf("SUMMARY fuzz_request files=%d result=%s\n", n,
	    bad || n == 0 ? "FAIL" : "PASS");
	return bad || n == 0;
}

int
main(int argc, char **argv)
{
	int	i, bad = 0;

	if (argc < 2)
		return replay_corpus();
	for (i = 1; i < argc; i++)
		bad |= replay(argv[i]);
	return bad;
}
#endif
