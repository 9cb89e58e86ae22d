/*
 * manifest.c: reads and writes MANIFEST (manifest.h has the grammar).
 *
 * The reader is strict: every line is one of the known ones, every number is
 * in range, the last line is the checksum of all before it.  What it cannot
 * read is damage, and damage is never guessed around: the file is replaced as
 * a whole by rename, so a crash leaves the old text or the new one.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/manifest.h"

#define VERSION		2	/* 1 has no sums, table, ends */
#define SLOTS		1024
#define STORES_MAX	1024
#define TEXT_MAX	(256u << 20)	/* bytes of a MANIFEST */
#define END_LINE	21		/* "end ", 16 digits, newline */

enum once { NODE = 1, STORE = 2, BOOT = 4, CLEAN = 8, BOUND = 16, LSN = 32,
	ALL = 63, SUMS = 64 };

struct parser {
	struct manifest	*m;
	const char	*p, *end;	/* the rest of the line */
	unsigned	 seen;		/* enum once */
	uint64_t	 version;
	size_t		 maxexpiry, maxtables;
	size_t		 maxends;	/* of the last table */
};

void
manifest_init(struct manifest *m)
{
	memset(m, 0, sizeof(*m));
}

void
manifest_clear(struct manifest *m)
{
	free(m->expiry);
	m->expiry = NULL;
	m->nexpiry = 0;
	manifest_clear_tables(m);
}

void
manifest_clear_tables(struct manifest *m)
{
	size_t	i;

	for (i = 0; i < m->ntables; i++)
		free(m->tables[i].ends);
	free(m->tables);
	m->tables = NULL;
	m->ntables = 0;
	m->sums = 0;
}

/* --- reading --- */

static int
word(struct parser *p, const char *w)
{
	size_t	n = strlen(w);

	if ((size_t)(p->end - p->p) < n || memcmp(p->p, w, n) != 0)
		return 0;
	p->p += n;
	return 1;
}

/* A number without sign, blanks or leading zeros, at most max. */
static int
dec(struct parser *p, uint64_t max, uint64_t *v)
{
	const char	*s = p->p;
	unsigned	 d;

	*v = 0;
	for (; p->p < p->end && *p->p >= '0' && *p->p <= '9'; p->p++) {
		d = (unsigned)(*p->p - '0');
		if (p->p > s && *s == '0')
			return 0;
		if (*v > (max - d) / 10 || d > max)
			return 0;
		*v = *v * 10 + d;
	}
	return p->p > s;
}

static int
dec_u(struct parser *p, unsigned max, unsigned *v)
{
	uint64_t	x;

	if (!dec(p, max, &x))
		return 0;
	*v = (unsigned)x;
	return 1;
}

/* Exactly 16 lower-case digits. */
static int
hex(struct parser *p, uint64_t *v)
{
	int	i, c;

	*v = 0;
	for (i = 0; i < 16; i++, p->p++) {
		if (p->p == p->end)
			return 0;
		c = *p->p;
		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else
			return 0;
		*v = *v << 4 | (uint64_t)c;
	}
	return 1;
}

static int
once(struct parser *p, enum once what)
{
	if (p->seen & what)
		return 0;
	p->seen |= what;
	return 1;
}

static int
line_gen(struct parser *p, int older)
{
	struct manifest_file	*f;
	struct manifest_gen	*g;
	unsigned		 k;

	if (!dec_u(p, FILES_MAX - 1, &k))
		return 0;
	f = &p->m->file[k];
	g = older ? &f->older : &f->now;
	return g->gen == 0 && word(p, " ") &&
	    dec(p, UINT64_MAX, &g->gen) && g->gen != 0 && word(p, " ") &&
	    dec(p, INT64_MAX, &g->size) && word(p, " ") &&
	    dec(p, UINT64_MAX, &g->lsn) && word(p, " ") &&
	    dec(p, UINT64_MAX, &g->count) && word(p, " ") &&
	    dec(p, UINT64_MAX, &g->live);
}

static int
line_next(struct parser *p)
{
	unsigned	k;

	return dec_u(p, FILES_MAX - 1, &k) && word(p, " ") &&
	    p->m->file[k].next_gen == 0 &&
	    dec(p, UINT64_MAX, &p->m->file[k].next_gen) &&
	    p->m->file[k].next_gen != 0;
}

static int
line_slot(struct parser *p)
{
	struct manifest_slot	*s;
	unsigned		 n;

	if (!dec_u(p, SLOTS - 1, &n))
		return 0;
	s = &p->m->slot[n];
	return s->count == 0 && word(p, " ") &&
	    dec(p, UINT64_MAX, &s->count) && s->count != 0 && word(p, " ") &&
	    hex(p, &s->digest.hi) && hex(p, &s->digest.lo);
}

/* Makes room for one more element of size bytes; 0: no memory. */
static int
room(void *arrayp, size_t n, size_t *max, size_t size)
{
	size_t	 more = *max == 0 ? 64 : *max * 2;
	void	*p;

	if (n < *max)
		return 1;
	memcpy(&p, arrayp, sizeof(p));
	if ((p = realloc(p, more * size)) == NULL)
		return 0;
	memcpy(arrayp, &p, sizeof(p));
	*max = more;
	return 1;
}

static int
line_expiry(struct parser *p)
{
	struct manifest		*m = p->m;
	struct manifest_expiry	 e;

	if (!dec_u(p, FILES_MAX - 1, &e.file) || !word(p, " ") ||
	    !dec(p, INT64_MAX / 60000, &e.minute) || !word(p, " ") ||
	    !dec(p, UINT64_MAX, &e.bytes) ||
	    !room(&m->expiry, m->nexpiry, &p->maxexpiry, sizeof(e)))
		return 0;
	m->expiry[m->nexpiry++] = e;
	return 1;
}

static int
plain(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_' || c == ':' || c == '.';
}

static int
escaped(struct parser *p, uint8_t *c)
{
	static const char	 digit[] = "0123456789ABCDEF";
	const char		*hi, *lo;

	if (p->end - p->p < 3 || p->p[0] != '%' ||
	    (hi = memchr(digit, p->p[1], 16)) == NULL ||
	    (lo = memchr(digit, p->p[2], 16)) == NULL)
		return 0;
	*c = (uint8_t)((hi - digit) << 4 | (lo - digit));
	p->p += 3;
	return *c != 0 && !plain(*c);
}

/* As put_name writes it, and in no other way. */
static int
name(struct parser *p, struct manifest_table *t)
{
	if (t->type == TYPE_KV)
		return word(p, "-");
	for (; p->p < p->end && *p->p != ' '; t->len++) {
		if (t->len == sizeof(t->name))
			return 0;
		if (plain((uint8_t)*p->p))
			t->name[t->len] = (uint8_t)*p->p++;
		else if (!escaped(p, &t->name[t->len]))
			return 0;
	}
	return t->len > 0;
}

static int
number(struct parser *p, int64_t *v)
{
	uint64_t	u;

	if (!word(p, " ") || !dec(p, INT64_MAX, &u))
		return 0;
	*v = (int64_t)u;
	return 1;
}

static int
sum(struct parser *p, struct table_sum *s)
{
	return number(p, &s->count) && number(p, &s->size) &&
	    number(p, &s->capacity);
}

static int
line_table(struct parser *p)
{
	struct manifest		*m = p->m;
	struct manifest_table	 t = { .ends = NULL };

	if (p->p == p->end || memchr("KHSZC", *p->p, 5) == NULL)
		return 0;
	t.type = (uint8_t)*p->p++;
	if (!word(p, " ") || !name(p, &t) || !sum(p, &t.sum) ||
	    !word(p, " ") || !dec(p, UINT64_MAX, &t.claim) ||
	    !room(&m->tables, m->ntables, &p->maxtables, sizeof(t)))
		return 0;
	m->tables[m->ntables++] = t;
	p->maxends = 0;
	return 1;
}

static int
line_ends(struct parser *p)
{
	struct manifest_table	*t;
	struct manifest_end	 e;
	unsigned		 step;

	if (p->m->ntables == 0 || !dec_u(p, UINT32_MAX, &step) || step == 0 ||
	    !sum(p, &e.sum))
		return 0;
	t = &p->m->tables[p->m->ntables - 1];
	if (!room(&t->ends, t->nends, &p->maxends, sizeof(e)))
		return 0;
	e.step = step;
	t->ends[t->nends++] = e;
	return 1;
}

static int
line_store(struct parser *p)
{
	struct manifest	*m = p->m;

	return once(p, STORE) && dec_u(p, STORES_MAX, &m->store) &&
	    word(p, " of ") && dec_u(p, STORES_MAX, &m->stores) &&
	    word(p, " files ") && dec_u(p, FILES_MAX, &m->files) &&
	    m->store < m->stores && m->files > 0;
}

static int
line_boot(struct parser *p)
{
	size_t	n = (size_t)(p->end - p->p);

	if (!once(p, BOOT) || n >= sizeof(p->m->boot))
		return 0;
	memcpy(p->m->boot, p->p, n);
	p->m->boot[n] = '\0';
	p->p = p->end;
	return 1;
}

/* The lines that version 2 brought. */
static int
line_2(struct parser *p)
{
	if (word(p, "table "))
		return line_table(p);
	if (word(p, "ends "))
		return line_ends(p);
	return word(p, "sums ") && once(p, SUMS) &&
	    dec_u(p, UINT32_MAX - 1, &p->m->sums);
}

static int
line(struct parser *p)
{
	uint64_t	v;

	if (word(p, "file "))
		return line_gen(p, 0);
	if (word(p, "older "))
		return line_gen(p, 1);
	if (word(p, "slot "))
		return line_slot(p);
	if (word(p, "next "))
		return line_next(p);
	if (word(p, "expiry "))
		return line_expiry(p);
	if (word(p, "node "))
		return once(p, NODE) && hex(p, &p->m->node);
	if (word(p, "store "))
		return line_store(p);
	if (word(p, "boot "))
		return line_boot(p);
	if (word(p, "clean ")) {
		if (!once(p, CLEAN) || !dec(p, 1, &v))
			return 0;
		p->m->clean = (int)v;
		return 1;
	}
	if (word(p, "bound "))
		return once(p, BOUND) && dec(p, UINT64_MAX, &p->m->bound);
	if (word(p, "lsn "))
		return once(p, LSN) && dec(p, UINT64_MAX, &p->m->lsn);
	return p->version >= 2 && line_2(p);
}

/* What no single line can tell. */
static const char *
check(const struct manifest *m, unsigned seen)
{
	unsigned	k, older = 0;

	if ((seen & ALL) != ALL)
		return "a line is missing";
	for (k = 0; k < FILES_MAX; k++) {
		const struct manifest_file *f = &m->file[k];

		if (f->now.gen == 0 && f->older.gen == 0 && f->next_gen == 0)
			continue;
		if (k >= m->files)
			return "a data file beyond their number";
		if (f->now.gen >= f->next_gen || f->older.gen >= f->next_gen)
			return "a generation number that is not yet due";
		if (f->older.gen != 0 && f->older.gen >= f->now.gen)
			return "generations out of order";
		older += f->older.gen != 0;
	}
	return older > 1 ? "more than one file under compaction" : NULL;
}

static enum err
first_line(struct parser *p, const char *text, size_t n, char *err, size_t len)
{
	uint64_t	v = 0;

	p->p = text;
	p->end = text + n;
	if (!word(p, "wharf-manifest ") || !dec(p, UINT32_MAX, &v) ||
	    !word(p, "\n") || v == 0) {
		snprintf(err, len, "line 1: not a MANIFEST");
		return E_DAMAGED;
	}
	if (v > VERSION) {
		snprintf(err, len, "written by a newer version (format %" PRIu64
		    ", known is %d)", v, VERSION);
		return E_UNKNOWN;
	}
	p->version = v;
	return E_OK;
}

static enum err
last_line(const char *text, size_t n, char *err, size_t len)
{
	struct parser	p;
	uint64_t	sum;

	if (n >= END_LINE) {
		p.p = text + n - END_LINE;
		p.end = text + n;
		if ((n == END_LINE || p.p[-1] == '\n') && word(&p, "end ") &&
		    hex(&p, &sum) && word(&p, "\n") &&
		    sum == XXH3_64bits(text, n - END_LINE))
			return E_OK;
	}
	snprintf(err, len, "checksum wrong or missing");
	return E_DAMAGED;
}

enum err
manifest_parse(struct manifest *m, const char *text, size_t n, char *err,
    size_t errlen)
{
	struct parser	 p = { .m = m };
	const char	*why, *s, *end;
	unsigned	 no = 1;
	enum err	 e;

	manifest_init(m);
	if ((e = first_line(&p, text, n, err, errlen)) != E_OK ||
	    (e = last_line(text, n, err, errlen)) != E_OK)
		return e;
	end = text + n - END_LINE;
	for (s = p.p; s < end; s = p.end + 1) {
		no++;
		p.p = s;
		p.end = memchr(s, '\n', (size_t)(end - s));
		if (p.end == NULL || !line(&p) || p.p != p.end) {
			snprintf(err, errlen, "line %u: malformed", no);
			goto fail;
		}
	}
	if ((why = check(m, p.seen)) == NULL)
		return E_OK;
	snprintf(err, errlen, "%s", why);
fail:
	manifest_clear(m);
	return E_DAMAGED;
}

static char *
slurp(const struct io *io, const char *path, size_t *n)
{
	struct stat	 st;
	char		*p = NULL;
	int		 fd, saved;

	if ((fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0)) == -1)
		return NULL;
	if (fstat(fd, &st) == -1)
		goto out;
	errno = EFBIG;
	if (st.st_size > TEXT_MAX || (p = malloc((size_t)st.st_size + 1)) == NULL)
		goto out;
	*n = (size_t)st.st_size;
	if (io_read_all(io, fd, p, *n, 0) == -1) {
		free(p);
		p = NULL;
	}
out:
	saved = errno;
	close(fd);
	errno = saved;
	return p;
}

enum err
manifest_load(struct manifest *m, const struct io *io, const char *dir,
    char *err, size_t errlen)
{
	char		 path[4096], why[128], *text;
	size_t		 n = 0;
	enum err	 e;

	manifest_init(m);
	snprintf(path, sizeof(path), "%s/MANIFEST", dir);
	if ((text = slurp(io, path, &n)) == NULL) {
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? E_NOTFOUND : E_INTERNAL;
	}
	e = manifest_parse(m, text, n, why, sizeof(why));
	if (e != E_OK)
		snprintf(err, errlen, "%s: %s", path, why);
	free(text);
	return e;
}

/* --- writing --- */

static void
put_gen(FILE *f, const char *name, unsigned k, const struct manifest_gen *g)
{
	if (g->gen != 0)
		fprintf(f, "%s %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		    " %" PRIu64 "\n", name, k, g->gen, g->size, g->lsn,
		    g->count, g->live);
}

static void
put_name(FILE *f, const struct manifest_table *t)
{
	unsigned	i;

	if (t->len == 0)
		fputc('-', f);
	for (i = 0; i < t->len; i++)
		if (plain(t->name[i]))
			fputc(t->name[i], f);
		else
			fprintf(f, "%%%02X", t->name[i]);
}

static void
put_sum(FILE *f, const struct table_sum *s)
{
	fprintf(f, " %" PRId64 " %" PRId64 " %" PRId64, s->count, s->size,
	    s->capacity);
}

static void
put_table(FILE *f, const struct manifest_table *t)
{
	size_t	i;

	fprintf(f, "table %c ", t->type);
	put_name(f, t);
	put_sum(f, &t->sum);
	fprintf(f, " %" PRIu64 "\n", t->claim);
	for (i = 0; i < t->nends; i++) {
		fprintf(f, "ends %u", t->ends[i].step);
		put_sum(f, &t->ends[i].sum);
		fputc('\n', f);
	}
}

static void
put_lines(FILE *f, const struct manifest *m)
{
	unsigned	k;
	size_t		i;

	fprintf(f, "wharf-manifest %d\nnode %016" PRIx64
	    "\nstore %u of %u files %u\nboot %s\nclean %d\nbound %" PRIu64
	    "\nlsn %" PRIu64 "\n", VERSION, m->node, m->store, m->stores,
	    m->files, m->boot, m->clean, m->bound, m->lsn);
	for (k = 0; k < FILES_MAX; k++) {
		put_gen(f, "file", k, &m->file[k].now);
		put_gen(f, "older", k, &m->file[k].older);
		if (m->file[k].next_gen != 0)
			fprintf(f, "next %u %" PRIu64 "\n", k,
			    m->file[k].next_gen);
	}
	for (k = 0; k < SLOTS; k++)
		if (m->slot[k].count != 0)
			fprintf(f, "slot %u %" PRIu64 " %016" PRIx64 "%016"
			    PRIx64 "\n", k, m->slot[k].count,
			    m->slot[k].digest.hi, m->slot[k].digest.lo);
	for (i = 0; i < m->nexpiry; i++)
		fprintf(f, "expiry %u %" PRIu64 " %" PRIu64 "\n",
		    m->expiry[i].file, m->expiry[i].minute, m->expiry[i].bytes);
	if (m->sums != 0)
		fprintf(f, "sums %u\n", m->sums);
	for (i = 0; i < m->ntables; i++)
		put_table(f, &m->tables[i]);
}

char *
manifest_text(const struct manifest *m, size_t *n)
{
	char	*text = NULL;
	FILE	*f;
	int	 bad;

	if ((f = open_memstream(&text, n)) == NULL)
		return NULL;
	put_lines(f, m);
	if (fflush(f) == 0)
		fprintf(f, "end %016" PRIx64 "\n",
		    (uint64_t)XXH3_64bits(text, *n));
	bad = ferror(f);
	if (fclose(f) != 0 || bad) {
		free(text);
		return NULL;
	}
	return text;
}

/* The old text stands, and what was in the way may pass. */
static enum err
not_written(int err)
{
	if (io_is_full(err))
		return E_NOSPACE;
	if (err == EMFILE || err == ENFILE || err == ENOMEM)
		return E_NOMEM;
	return E_INTERNAL;
}

static int
write_tmp(const struct io *io, const char *tmp, const char *text, size_t n)
{
	int	fd, r, saved;

	fd = io->open(io, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	r = io_write_all(io, fd, text, n, 0);
	if (r == 0)
		r = io->fdatasync(io, fd);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

enum err
manifest_write(const struct io *io, const char *dir, const char *text, size_t n)
{
	char		path[4096], tmp[4096];
	enum err	e;
	int		fd, saved;

	snprintf(path, sizeof(path), "%s/MANIFEST", dir);
	snprintf(tmp, sizeof(tmp), "%s/MANIFEST.tmp", dir);
	/* First: without a descriptor for it nothing must have happened. */
	fd = io->open(io, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -1 || write_tmp(io, tmp, text, n) == -1 ||
	    io->rename(io, tmp, path) == -1) {
		saved = errno;
		e = not_written(saved);
		io->unlink(io, tmp);
	} else {
		/*
		 * From here on either text may be the one that is found after
		 * a crash: no longer a mere "try again later".
		 */
		e = io->fsync(io, fd) == 0 ? E_OK : E_INTERNAL;
		saved = errno;
	}
	if (fd != -1)
		close(fd);
	errno = saved;
	return e;
}
