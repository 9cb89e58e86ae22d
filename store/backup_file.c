/*
 * backup_file.c: reads and writes BACKUP (backup_file.h has the grammar).
 * wharfd writes it, stores their part of it; restore and check read it.
 *
 * The reader is strict, for what it reads decides which bytes are believed:
 * every line is one of the known ones and in its place, no name leads out of
 * the directory, the last line is the checksum of all before it.
 */
#define XXH_INLINE_ALL
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/backup_file.h"

#define TEXT_MAX	(64u << 20)	/* bytes of a BACKUP */
#define END_LINE	21		/* "end ", 16 digits, newline */
#define WORDS		6

void
backup_init(struct backup *b)
{
	memset(b, 0, sizeof(*b));
	b->format = BACKUP_FORMAT;
}

void
backup_clear(struct backup *b)
{
	free(b->file);
	b->file = NULL;
	b->nfile = b->maxfile = 0;
}

/* --- numbers: no sign, blanks or leading zeros, and no other way --- */

/* Goes on behind the digits; 0: there are none that will do. */
static int
dec_part(const char **s, uint64_t max, uint64_t *v)
{
	const char	*p = *s;
	unsigned	 d;

	for (*v = 0; *p >= '0' && *p <= '9'; p++) {
		d = (unsigned)(*p - '0');
		if (p > *s && **s == '0')
			return 0;
		if (d > max || *v > (max - d) / 10)
			return 0;
		*v = *v * 10 + d;
	}
	if (p == *s)
		return 0;
	*s = p;
	return 1;
}

static int
dec(const char *s, uint64_t max, uint64_t *v)
{
	return dec_part(&s, max, v) && *s == '\0';
}

static int
dec_u(const char *s, unsigned least, unsigned most, unsigned *v)
{
	uint64_t	x;

	if (!dec(s, most, &x) || x < least)
		return 0;
	*v = (unsigned)x;
	return 1;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
hex_bytes(const char *s, uint8_t *out, size_t n)
{
	size_t	i;
	int	hi, lo;

	for (i = 0; i < n; i++) {
		if ((hi = hex_digit(s[2 * i])) == -1 ||
		    (lo = hex_digit(s[2 * i + 1])) == -1)
			return 0;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return s[2 * n] == '\0';
}

static int
hex_u64(const char *s, uint64_t *v)
{
	uint8_t	b[8];
	int	i;

	if (!hex_bytes(s, b, sizeof(b)))
		return 0;
	for (*v = 0, i = 0; i < 8; i++)
		*v = *v << 8 | b[i];
	return 1;
}

/* --- names --- */

/* Takes a fixed piece of text: 1, or 0. */
static int
piece(const char **s, const char *text)
{
	size_t	n = strlen(text);

	if (strncmp(*s, text, n) != 0)
		return 0;
	*s += n;
	return 1;
}

static enum backup_kind
kind_in_shard(const char *s, struct backup_id *id)
{
	uint64_t	k;

	if (strcmp(s, "MANIFEST") == 0)
		return BACKUP_MANIFEST;
	if (piece(&s, "wal/"))
		return dec_part(&s, UINT64_MAX, &id->gen) && id->gen != 0 &&
		    strcmp(s, ".seg") == 0 ? BACKUP_SEGMENT : BACKUP_NONE;
	if (!piece(&s, "data.") || !dec_part(&s, UINT32_MAX, &k) ||
	    !piece(&s, ".") || !dec_part(&s, UINT64_MAX, &id->gen) ||
	    id->gen == 0)
		return BACKUP_NONE;
	id->k = (unsigned)k;
	return strcmp(s, ".tkh") == 0 ? BACKUP_DATA :
	    strcmp(s, ".sum") == 0 ? BACKUP_SUMS : BACKUP_NONE;
}

enum backup_kind
backup_kind(const char *name, struct backup_id *id)
{
	uint64_t	n;

	memset(id, 0, sizeof(*id));
	if (strcmp(name, "NODE") == 0)
		return BACKUP_NODE;
	if (strcmp(name, "conf") == 0)
		return BACKUP_CONF;
	if (strcmp(name, "auth.file") == 0)
		return BACKUP_AUTH;
	id->router = piece(&name, "router.");
	if ((!id->router && !piece(&name, "store.")) ||
	    !dec_part(&name, BACKUP_STORES - 1, &n) || !piece(&name, "/"))
		return BACKUP_NONE;
	id->store = (unsigned)n;
	return kind_in_shard(name, id);
}

void
backup_path(const struct backup_file *f, char out[BACKUP_PATH_MAX + 24])
{
	if (f->from == 0)
		snprintf(out, BACKUP_PATH_MAX + 24, "%s", f->name);
	else
		snprintf(out, BACKUP_PATH_MAX + 24, "%s.%" PRIu64, f->name,
		    f->from);
}

/* YYYYMMDDThhmmss */
static int
stamp_at(const char *s)
{
	int	i;

	for (i = 0; i < 15; i++)
		if (i == 8 ? s[i] != 'T' : !isdigit((unsigned char)s[i]))
			return 0;
	return 1;
}

int
backup_dir_name(const char *text, char stamp[16], int *full)
{
	if (!stamp_at(text) || text[15] != '-')
		return 0;
	memcpy(stamp, text, 15);
	stamp[15] = '\0';
	*full = strcmp(text + 16, "full") == 0;
	return *full || (stamp_at(text + 16) && text[31] == '\0');
}

/* --- shards --- */

unsigned
backup_shards(const struct backup *b)
{
	return b->stores + (b->format == 1 ? 0 : b->routers);
}

unsigned
backup_shard(const struct backup *b, int router, unsigned seat)
{
	return router ? b->stores + seat : seat;
}

int
backup_is_router(const struct backup *b, unsigned shard)
{
	return shard >= b->stores;
}

unsigned
backup_seat(const struct backup *b, unsigned shard)
{
	return shard < b->stores ? shard : shard - b->stores;
}

void
backup_shard_name(const struct backup *b, unsigned shard,
    char out[BACKUP_SHARD_NAME])
{
	snprintf(out, BACKUP_SHARD_NAME, "%s.%u", backup_is_router(b, shard) ?
	    "router" : "store", backup_seat(b, shard) % BACKUP_STORES);
}

/* --- lines --- */

int
backup_add(struct backup *b, const char *name, uint64_t from, uint64_t to,
    const uint8_t sum[16])
{
	struct backup_id	 id;
	struct backup_file	*f;
	size_t			 max = b->maxfile * 2 + 64;

	if (strlen(name) >= BACKUP_PATH_MAX ||
	    backup_kind(name, &id) == BACKUP_NONE)
		return -1;
	if (b->nfile == b->maxfile) {
		if ((f = realloc(b->file, max * sizeof(*f))) == NULL)
			return -1;
		b->file = f;
		b->maxfile = max;
	}
	f = &b->file[b->nfile++];
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->from = from;
	f->to = to;
	memcpy(f->sum, sum, sizeof(f->sum));
	return 0;
}

static int
file_cmp(const void *a, const void *b)
{
	const struct backup_file	*x = a, *y = b;

	return strcmp(x->name, y->name);
}

const struct backup_file *
backup_find(const struct backup *b, const char *name)
{
	struct backup_file	key;

	if (b->nfile == 0 || strlen(name) >= sizeof(key.name))
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, b->file, b->nfile, sizeof(key), file_cmp);
}

int
backup_whole(const struct backup *b)
{
	unsigned	i;

	for (i = 0; i < backup_shards(b); i++)
		if (!b->store[i].there)
			return 0;
	return b->stores > 0;
}

/* --- reading --- */

/* The lines in their order; each before "store" once. */
enum line { L_FORMAT, L_NODE, L_VERSION, L_MADE, L_STORES, L_PARENT, L_STORE,
	L_ROUTER, L_FILE };

struct parser {
	struct backup	*b;
	enum line	 last;		/* the line before this one */
	char		*w[WORDS];	/* its words */
	int		 n;
	enum err	 e;
};

static int
line_version(struct parser *p)
{
	if (p->n != 2 || strlen(p->w[1]) >= sizeof(p->b->version))
		return 0;
	snprintf(p->b->version, sizeof(p->b->version), "%s", p->w[1]);
	return 1;
}

static int
line_made(struct parser *p)
{
	uint64_t	ms;

	if (p->n != 2 || !dec(p->w[1], INT64_MAX, &ms))
		return 0;
	p->b->made = (int64_t)ms;
	return 1;
}

static int
line_stores(struct parser *p)
{
	struct backup	*b = p->b;

	if (p->n != 6 || strcmp(p->w[2], "files") != 0 ||
	    strcmp(p->w[4], "routers") != 0 ||
	    !dec_u(p->w[3], 1, 4096, &b->files))
		return 0;
	if (b->format == 1)
		return dec_u(p->w[1], 1, BACKUP_STORES, &b->stores) &&
		    dec_u(p->w[5], 0, 4096, &b->routers);
	return dec_u(p->w[1], 0, BACKUP_STORES, &b->stores) &&
	    dec_u(p->w[5], 0, BACKUP_STORES, &b->routers) &&
	    b->stores + b->routers > 0;
}

static int
line_parent(struct parser *p)
{
	char	stamp[16];
	int	full;

	if (p->n == 2)
		return strcmp(p->w[1], "-") == 0;
	if (p->n != 3 || !backup_dir_name(p->w[1], stamp, &full))
		return 0;
	snprintf(p->b->parent, sizeof(p->b->parent), "%s", p->w[1]);
	return hex_u64(p->w[2], &p->b->parent_end);
}

static int
line_shard(struct parser *p, int router, unsigned many)
{
	struct backup_store	s = { .there = 1 };
	unsigned		n, i;

	if (p->n != 4 || many == 0 || !dec_u(p->w[1], 0, many - 1, &n) ||
	    !dec(p->w[2], UINT64_MAX, &s.lsn) ||
	    !dec(p->w[3], UINT64_MAX, &s.bound))
		return 0;
	n = backup_shard(p->b, router, n);
	for (i = n; i < backup_shards(p->b); i++)
		if (p->b->store[i].there)
			return 0;
	p->b->store[n] = s;
	return 1;
}

static int
line_store(struct parser *p)
{
	return line_shard(p, 0, p->b->stores);
}

static int
line_router(struct parser *p)
{
	return line_shard(p, 1, p->b->format == 1 ? 0 : p->b->routers);
}

/* Is it a file that a backup of these shards, or this part of one, may have? */
static int
file_fits(const struct backup *b, const char *name, uint64_t from, uint64_t to)
{
	struct backup_id	id;
	enum backup_kind	k = backup_kind(name, &id);
	unsigned		n, many;

	if (k == BACKUP_NONE || from > to || (from != 0 && k != BACKUP_DATA))
		return 0;
	if (k == BACKUP_NODE || k == BACKUP_CONF || k == BACKUP_AUTH)
		return 1;
	n = backup_shard(b, id.router, id.store);
	many = id.router ? b->routers : b->stores;
	return id.store < many && n < backup_shards(b) && b->store[n].there &&
	    id.k < b->files && (from == 0 || b->parent[0] != '\0');
}

static int
line_file(struct parser *p)
{
	struct backup	*b = p->b;
	uint64_t	 from, to;
	uint8_t		 sum[16];

	if (p->n != 5 || strlen(p->w[1]) >= BACKUP_PATH_MAX ||
	    !dec(p->w[2], INT64_MAX, &from) || !dec(p->w[3], INT64_MAX, &to) ||
	    !hex_bytes(p->w[4], sum, sizeof(sum)) ||
	    !file_fits(b, p->w[1], from, to))
		return 0;
	if (b->nfile > 0 && strcmp(b->file[b->nfile - 1].name, p->w[1]) >= 0)
		return 0;
	if (backup_add(b, p->w[1], from, to, sum) == -1) {
		p->e = E_NOMEM;
		return 0;
	}
	return 1;
}

static int
line_format(struct parser *p)
{
	uint64_t	v;

	if (p->n != 2 || !dec(p->w[1], UINT64_MAX, &v) || v == 0)
		return 0;
	if (v > BACKUP_FORMAT)
		p->e = E_UNKNOWN;
	else
		p->b->format = (unsigned)v;
	return v <= BACKUP_FORMAT;
}

static int
line_node(struct parser *p)
{
	return p->n == 2 && hex_u64(p->w[1], &p->b->node);
}

static const struct {
	const char	*word;
	int		(*fn)(struct parser *);
} lines[] = {
	[L_FORMAT] = { "wharf-backup", line_format },
	[L_NODE] = { "node", line_node },
	[L_VERSION] = { "version", line_version },
	[L_MADE] = { "made", line_made },
	[L_STORES] = { "stores", line_stores },
	[L_PARENT] = { "parent", line_parent },
	[L_STORE] = { "store", line_store },
	[L_ROUTER] = { "router", line_router },
	[L_FILE] = { "file", line_file },
};

/* Cuts a line into its words; 0: not as they must be. */
static int
line_split(struct parser *p, char *s)
{
	for (p->n = 0; p->n < WORDS; ) {
		p->w[p->n++] = s;
		if (*s == ' ' || *s == '\0')
			return 0;
		if ((s = strchr(s, ' ')) == NULL)
			return 1;
		*s++ = '\0';
	}
	return 0;
}

/* first: it is the first line of all. */
static int
line_take(struct parser *p, char *s, int first)
{
	enum line	want = first ? L_FORMAT : p->last + 1;

	if (!line_split(p, s))
		return 0;
	if (!first && p->last >= L_STORE &&
	    strcmp(p->w[0], lines[p->last].word) == 0)
		want = p->last;
	else if ((want == L_STORE || want == L_ROUTER) &&
	    strcmp(p->w[0], lines[want].word) != 0)
		want++;		/* a part has only one of them */
	if (want > L_FILE || strcmp(p->w[0], lines[want].word) != 0)
		return 0;
	p->last = want;
	return lines[want].fn(p);
}

/* Does it end with the checksum of what is before that? */
static int
end_good(struct backup *b, const char *text, size_t n)
{
	char		 digits[17];
	const char	*end;

	if (n < END_LINE)
		return 0;
	end = text + n - END_LINE;
	if (memcmp(end, "end ", 4) != 0 || text[n - 1] != '\n')
		return 0;
	memcpy(digits, end + 4, 16);
	digits[16] = '\0';
	return hex_u64(digits, &b->end) &&
	    XXH3_64bits(text, n - END_LINE) == b->end;
}

static enum err	bad(struct backup *, enum err, char *, size_t,
    const char *, ...)
		    __attribute__((format(printf, 5, 6)));

static enum err
bad(struct backup *b, enum err e, char *err, size_t errlen, const char *fmt,
    ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	backup_clear(b);
	return e;
}

static enum err
parse_lines(struct parser *p, char *text, char *err, size_t errlen)
{
	unsigned	 at = 0;
	char		*s, *next;

	for (s = text; *s != '\0'; s = next) {
		at++;
		if ((next = strchr(s, '\n')) == NULL)
			return bad(p->b, E_DAMAGED, err, errlen,
			    "line %u has no end", at);
		*next++ = '\0';
		if (line_take(p, s, at == 1))
			continue;
		if (p->e == E_UNKNOWN)
			return bad(p->b, E_UNKNOWN, err, errlen,
			    "made by a newer version");
		return bad(p->b, p->e, err, errlen, "line %u is wrong", at);
	}
	if (p->last < L_STORE)
		return bad(p->b, E_DAMAGED, err, errlen, "lines are missing");
	return E_OK;
}

/* A newer format may end in another way: its first line is looked at alone. */
static int
is_newer(const char *text, size_t n)
{
	char		 line[32];
	struct backup	 b;
	struct parser	 p = { .b = &b, .e = E_OK };
	const char	*end = memchr(text, '\n', n);

	if (end == NULL || (size_t)(end - text) >= sizeof(line))
		return 0;
	memcpy(line, text, (size_t)(end - text));
	line[end - text] = '\0';
	line_take(&p, line, 1);
	return p.e == E_UNKNOWN;
}

enum err
backup_parse(struct backup *b, const char *text, size_t n, char *err,
    size_t errlen)
{
	struct parser	 p = { .b = b, .e = E_DAMAGED };
	char		*copy;
	enum err	 e;

	backup_init(b);
	if (is_newer(text, n))
		return bad(b, E_UNKNOWN, err, errlen,
		    "made by a newer version");
	if (!end_good(b, text, n))
		return bad(b, E_DAMAGED, err, errlen, "the last line is not "
		    "the checksum of the text");
	if (memchr(text, '\0', n) != NULL)
		return bad(b, E_DAMAGED, err, errlen, "it is no text");
	if ((copy = strndup(text, n - END_LINE)) == NULL)
		return bad(b, E_NOMEM, err, errlen, "out of memory");
	e = parse_lines(&p, copy, err, errlen);
	free(copy);
	return e;
}

/* --- writing --- */

static void
put_head(const struct backup *b, FILE *f)
{
	unsigned	i;

	fprintf(f, "wharf-backup %u\nnode %016" PRIx64 "\nversion %s\n"
	    "made %" PRId64 "\nstores %u files %u routers %u\n", b->format,
	    b->node, b->version, b->made, b->stores, b->files, b->routers);
	if (b->parent[0] == '\0')
		fputs("parent -\n", f);
	else
		fprintf(f, "parent %s %016" PRIx64 "\n", b->parent,
		    b->parent_end);
	for (i = 0; i < backup_shards(b); i++)
		if (b->store[i].there)
			fprintf(f, "%s %u %" PRIu64 " %" PRIu64 "\n",
			    backup_is_router(b, i) ? "router" : "store",
			    backup_seat(b, i), b->store[i].lsn,
			    b->store[i].bound);
}

static void
put_files(const struct backup *b, FILE *f)
{
	const struct backup_file	*x;
	size_t				 i, j;

	for (i = 0; i < b->nfile; i++) {
		x = &b->file[i];
		fprintf(f, "file %s %" PRIu64 " %" PRIu64 " ", x->name,
		    x->from, x->to);
		for (j = 0; j < sizeof(x->sum); j++)
			fprintf(f, "%02x", x->sum[j]);
		fputc('\n', f);
	}
}

char *
backup_text(struct backup *b, size_t *n)
{
	char	*text = NULL;
	FILE	*f = open_memstream(&text, n);
	int	 failed;

	if (f == NULL)
		return NULL;
	if (b->nfile > 0)
		qsort(b->file, b->nfile, sizeof(*b->file), file_cmp);
	put_head(b, f);
	put_files(b, f);
	failed = fflush(f) != 0;
	if (!failed) {
		b->end = XXH3_64bits(text, *n);
		fprintf(f, "end %016" PRIx64 "\n", b->end);
	}
	failed |= ferror(f);
	if ((fclose(f) != 0) | failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- files --- */

/* All of a file, malloc'ed; NULL with errno. */
static char *
slurp(int fd, size_t *n)
{
	struct stat	 st;
	char		*p;
	ssize_t		 r = 0;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > TEXT_MAX) {
		errno = EFBIG;
		return NULL;
	}
	if ((p = malloc((size_t)st.st_size + 1)) == NULL)
		return NULL;
	for (*n = 0; *n < (size_t)st.st_size; *n += (size_t)r) {
		r = read(fd, p + *n, (size_t)st.st_size - *n);
		if (r == -1 && errno == EINTR)
			r = 0;
		else if (r <= 0)
			break;
	}
	if (r != -1)
		return p;
	free(p);
	return NULL;
}

enum err
backup_load(struct backup *b, int dirfd, const char *path, int whole,
    char *err, size_t errlen)
{
	/* What is no file must not keep us waiting either. */
	int		 fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK |
			    O_CLOEXEC);
	char		*text;
	size_t		 n = 0;
	enum err	 e;

	backup_init(b);
	if (fd == -1)
		return bad(b, errno == ENOENT ? E_NOTFOUND : E_INTERNAL, err,
		    errlen, "%s", strerror(errno));
	text = slurp(fd, &n);
	close(fd);
	if (text == NULL)
		return bad(b, errno == ENOMEM ? E_NOMEM : E_INTERNAL, err,
		    errlen, "%s", strerror(errno));
	e = backup_parse(b, text, n, err, errlen);
	free(text);
	if (e == E_OK && whole && !backup_whole(b))
		return bad(b, E_DAMAGED, err, errlen, "a store or router is missing");
	return e;
}

static int
put_all(int fd, const char *p, size_t n)
{
	ssize_t	w;

	for (; n > 0; p += w, n -= (size_t)w) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			w = 0;
		if (w == -1)
			return -1;
	}
	return fsync(fd);
}

/* Writes and syncs DIRFD/name: 0, or -1 with errno. */
static int
put_file(int dirfd, const char *name, const void *p, size_t n)
{
	int	fd, bad;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	bad = put_all(fd, p, n);
	close(fd);
	return bad;
}

static enum err
full_or_not(void)
{
	return errno == ENOSPC || errno == EDQUOT ? E_NOSPACE : E_INTERNAL;
}

enum err
backup_put_file(struct backup *b, int dirfd, const char *name, const void *p,
    size_t n)
{
	XXH128_canonical_t	sum;

	XXH128_canonicalFromHash(&sum, XXH3_128bits(p, n));
	if (put_file(dirfd, name, p, n) == -1)
		return full_or_not();
	return backup_add(b, name, 0, n, sum.digest) == 0 ? E_OK : E_NOMEM;
}

enum err
backup_write(struct backup *b, int dirfd, const char *name)
{
	char		 tmp[64];
	size_t		 n;
	char		*text = backup_text(b, &n);
	int		 ok;

	if (text == NULL)
		return E_NOMEM;
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	ok = put_file(dirfd, tmp, text, n) == 0;
	free(text);
	if (ok && renameat(dirfd, tmp, dirfd, name) == 0 && fsync(dirfd) == 0)
		return E_OK;
	return full_or_not();
}
