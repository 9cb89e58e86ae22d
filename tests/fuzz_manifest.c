/*
 * fuzz_manifest.c: the reader of MANIFEST on any bytes: as they are, and with
 * a right checksum behind them, so that the fuzzer gets past it.
 */
#define FUZZ_NAME "manifest"
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/manifest.h"
#include "tests/fuzz.h"

#define END_LINE	21	/* "end ", 16 digits, newline */

static void
check_table(const struct manifest_table *t)
{
	size_t	i;

	MUST(t->type == TYPE_KV ? t->len == 0 : t->len > 0);
	MUST(t->len <= sizeof(t->name) && memchr(t->name, 0, t->len) == NULL);
	MUST(t->sum.count >= 0 && t->sum.size >= 0 && t->sum.capacity >= 0);
	for (i = 0; i < t->nends; i++)
		MUST(t->ends[i].step != 0 && t->ends[i].sum.count >= 0);
	fuzz_touch(t->ends, t->nends * sizeof(*t->ends));
}

/* What the reader promises of a MANIFEST that it took. */
static void
check_fields(const struct manifest *m)
{
	unsigned	k, older = 0;
	size_t		i;

	MUST(m->store < m->stores && m->files >= 1 && m->files <= FILES_MAX);
	MUST(memchr(m->boot, '\0', sizeof(m->boot)) != NULL);
	for (k = 0; k < FILES_MAX; k++) {
		const struct manifest_file	*f = &m->file[k];

		MUST(k < m->files || (f->now.gen == 0 && f->older.gen == 0));
		MUST(f->now.gen == 0 || f->now.gen < f->next_gen);
		MUST(f->older.gen == 0 || f->older.gen < f->now.gen);
		older += f->older.gen != 0;
	}
	MUST(older <= 1);
	MUST(m->nexpiry == 0 || m->expiry != NULL);
	fuzz_touch(m->expiry, m->nexpiry * sizeof(*m->expiry));
	for (i = 0; i < m->ntables; i++)
		check_table(&m->tables[i]);
}

/* Written and read again it says the same. */
static void
check_round(const struct manifest *m)
{
	struct manifest	 back;
	char		 err[128], *one, *two;
	size_t		 n1, n2;

	MUST((one = manifest_text(m, &n1)) != NULL);
	MUST(manifest_parse(&back, one, n1, err, sizeof(err)) == E_OK);
	check_fields(&back);
	MUST((two = manifest_text(&back, &n2)) != NULL);
	MUST(n1 == n2 && memcmp(one, two, n1) == 0);
	manifest_clear(&back);
	free(one);
	free(two);
}

static int
parse(const char *text, size_t n)
{
	struct manifest	m;
	char		err[128] = "";

	if (manifest_parse(&m, text, n, err, sizeof(err)) != E_OK) {
		MUST(err[0] != '\0' && memchr(err, '\0', sizeof(err)) != NULL);
		MUST(m.expiry == NULL && m.nexpiry == 0);
		return 0;
	}
	check_fields(&m);
	check_round(&m);
	manifest_clear(&m);
	return 1;
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	char	*text = malloc(n + END_LINE + 1);
	int	 good;

	MUST(text != NULL);
	good = parse((const char *)p, n);
	if (n > 0)
		memcpy(text, p, n);
	snprintf(text + n, END_LINE + 1, "end %016llx\n",
	    (unsigned long long)XXH3_64bits(text, n));
	good |= parse(text, n + END_LINE);
	free(text);
	return good;
}
