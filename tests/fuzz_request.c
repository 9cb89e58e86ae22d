/*
 * fuzz_request.c: request targets, Accept-Encoding headers and netstrings from
 * strangers.
 */
#define FUZZ_NAME "request"
#include "tests/fuzz.h"
#include "worker/coding.h"
#include "worker/netstring.h"
#include "worker/query.h"

/* What the parser promises whatever it was given. */
static void
check_params(const struct params *ps, const struct path *row,
    const uint8_t *buf, size_t used)
{
	const struct param_text	*text;
	int			 id;

	MUST((ps->given & ~(row->required | row->optional)) == 0);
	MUST((ps->bad & ~ps->given) == 0 && (ps->escape & ~ps->bad) == 0);
	for (id = 0; id < PARAM_MAX_; id++) {
		if ((ps->given & ~ps->bad & B(id)) == 0)
			continue;
		if (param_table[id].type > PT_NAME) {
			MUST(ps->v[id].num >= param_table[id].min &&
			    ps->v[id].num <= param_table[id].max);
			continue;
		}
		text = &ps->v[id].text;
		MUST(text->p >= buf && text->p + text->len <= buf + used);
		MUST(text->len >= 1);
	}
}

/* Each lies within the bytes that it takes. */
static void
check_netstrings(const uint8_t *p, size_t left)
{
	const uint8_t	*begin = p, *text;
	size_t		 had = left;
	uint32_t	 len;

	while (netstring_next(&p, &left, &text, &len)) {
		MUST(left < had && (size_t)(p - begin) == had - left);
		MUST(len + 3 <= had - left && text > begin);
		MUST(text + len + 1 == p && p[-1] == ',');
		begin = p;
		had = left;
	}
	MUST(p == begin && left == had);
}

static int
fuzz_one(const uint8_t *data, size_t size)
{
	const struct path	*row;
	struct target		 t;
	struct params		 ps;
	uint8_t			*buf;
	size_t			 used;

	paths_init();
	target_split(&t, (const char *)data, size);
	(void)coding_accept((const char *)data, size);
	check_netstrings(data, size);
	row = target_path(&t, ON_DB);
	(void)target_path(&t, ON_MQ);
	if (row == NULL)
		row = &path_table[size % PATH_MAX_];
	/* Exactly as long as promised, so that the sanitizer sees one more. */
	MUST((buf = malloc(t.querylen + (t.querylen == 0))) != NULL);
	used = query_parse(&ps, row, t.query, t.querylen, buf);
	MUST(used <= t.querylen);
	check_params(&ps, row, buf, used);
	free(buf);
	return ps.bad == 0;
}
