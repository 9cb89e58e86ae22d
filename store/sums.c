/*
 * sums.c: computes, checks, reads and writes the checksums of a data file's
 * blocks.  Called by whoever has the file: while it is opened, then the
 * helper's thread at checkpoints and scrubs, and the offline check.  Nothing
 * here is fatal: without sums a file is only checked more slowly.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "store/rewind_tkrzw.h"
#include "store/sums.h"
#include "store/xxh.h"

#define MAGIC		"WSUM"
#define FORMAT		1
#define HEAD		64u
#define ENTRY		10u
#define FILE_MAX_	(1u << 30)	/* sums of 6 TiB */
#define PATH_LEN	4096

void
sums_init(struct sums *s, uint64_t gen, uint64_t base)
{
	memset(s, 0, sizeof(*s));
	s->gen = gen;
	s->base = base;
}

void
sums_free(struct sums *s)
{
	free(s->block);
	s->block = NULL;
	s->n = s->max = 0;
	s->end = 0;
}

/* --- blocks --- */

/* Block number of an offset, counted from that of base. */
static size_t
index_of(const struct sums *s, uint64_t off)
{
	return (size_t)(off / SUMS_BLOCK - s->base / SUMS_BLOCK);
}

/* What block i (counted from that of base) has between base and end. */
static uint64_t
block_from(const struct sums *s, size_t i)
{
	return i == 0 ? s->base : (s->base / SUMS_BLOCK + i) * SUMS_BLOCK;
}

static uint64_t
block_to(const struct sums *s, size_t i, uint64_t end)
{
	uint64_t	to = (s->base / SUMS_BLOCK + i + 1) * SUMS_BLOCK;

	return to < end ? to : end;
}

size_t
sums_blocks(const struct sums *s)
{
	return s->end == 0 ? 0 : (size_t)(s->base / SUMS_BLOCK) + s->n;
}

static enum err
room_for(struct sums *s, size_t n)
{
	struct sums_block	*b;
	size_t			 max;

	if (n <= s->max)
		return E_OK;
	max = n + n / 2 + 16;
	if ((b = realloc(s->block, max * sizeof(*b))) == NULL)
		return E_NOMEM;
	s->block = b;
	s->max = max;
	return E_OK;
}

/* --- summing what is new --- */

/* A block and the beginning of a record that goes on behind it. */
struct window {
	uint8_t		p[SUMS_BLOCK + TKRZW_META_MAX];
	uint64_t	from;		/* offset of p[0] in the file */
	size_t		n;
};

static enum err
window_read(struct window *w, const struct io *io, int fd, uint64_t from,
    uint64_t to, uint64_t end)
{
	to = end - to < TKRZW_META_MAX ? end : to + TKRZW_META_MAX;
	w->from = from;
	w->n = (size_t)(to - from);
	if (io_read_all(io, fd, w->p, w->n, (off_t)from) == 0)
		return E_OK;
	return errno == 0 || errno == EIO ? E_DAMAGED : E_INTERNAL;
}

/* Goes on from record to record; *next is where the next one begins. */
static enum err
window_records(const struct window *w, struct sums_block *b, uint64_t to,
    uint64_t *next)
{
	uint64_t	size;

	while (*next < to) {
		if (b->first == SUMS_NONE)
			b->first = (uint16_t)(*next % SUMS_BLOCK / 8);
		size = tkrzw_record_size(w->p + (*next - w->from),
		    w->n - (size_t)(*next - w->from));
		if (size == 0)
			return E_DAMAGED;
		*next += size;
	}
	return E_OK;
}

/* Is what was summed of a block that was not full still the same? */
static int
rest_same(const struct sums *s, const struct window *w, size_t i)
{
	return XXH3_64bits(w->p, (size_t)(s->end - w->from)) ==
	    s->block[i].sum;
}

static enum err
extend_block(struct sums *s, const struct window *w, size_t i, uint64_t end,
    struct sums_block *b, uint64_t *next)
{
	uint64_t	to = block_to(s, i, end);

	b->first = SUMS_NONE;
	if (i < s->n) {
		if (!rest_same(s, w, i))
			return E_DAMAGED;
		b->first = s->block[i].first;
	}
	b->sum = XXH3_64bits(w->p, (size_t)(to - w->from));
	return window_records(w, b, to, next);
}

/* Where summing goes on: at the block that was not full, if there is one. */
static size_t
begin_at(const struct sums *s)
{
	return s->n == 0 ? 0 :
	    s->end % SUMS_BLOCK == 0 ? s->n : s->n - 1;
}

enum err
sums_extend(struct sums *s, const struct io *io, int fd, uint64_t end,
    uint64_t *bad)
{
	uint64_t		 next = s->end == 0 ? s->base : s->end;
	struct sums_block	*new;
	struct window		*w;
	size_t			 i, begin = begin_at(s), n;
	enum err		 e = E_OK;

	if (end <= next)
		return E_OK;
	n = index_of(s, end - 1) + 1;
	w = malloc(sizeof(*w));
	new = malloc((n - begin) * sizeof(*new));
	if (w == NULL || new == NULL || room_for(s, n) != E_OK)
		e = E_NOMEM;
	for (i = begin; i < n && e == E_OK; i++) {
		*bad = block_from(s, i);
		e = window_read(w, io, fd, *bad, block_to(s, i, end), end);
		if (e == E_OK)
			e = extend_block(s, w, i, end, &new[i - begin], &next);
	}
	if (e == E_OK && next != end)
		e = E_DAMAGED;
	if (e == E_OK) {
		memcpy(s->block + begin, new, (n - begin) * sizeof(*new));
		s->n = n;
		s->end = end;
	}
	free(new);
	free(w);
	return e;
}

/* --- checking --- */

enum err
sums_check(const struct sums *s, const struct io *io, int fd, size_t i)
{
	uint8_t		*p;
	uint64_t	 from;
	size_t		 n, first = (size_t)(s->base / SUMS_BLOCK);
	enum err	 e = E_OK;

	if (i < first || i >= sums_blocks(s))
		return E_OK;
	i -= first;
	from = block_from(s, i);
	n = (size_t)(block_to(s, i, s->end) - from);
	if ((p = malloc(n)) == NULL)
		return E_NOMEM;
	if (io_read_all(io, fd, p, n, (off_t)from) == -1)
		e = errno == 0 || errno == EIO ? E_DAMAGED : E_INTERNAL;
	else if (XXH3_64bits(p, n) != s->block[i].sum)
		e = E_DAMAGED;
	free(p);
	return e;
}

int
sums_match(const struct sums *s, size_t i, const uint8_t *p)
{
	size_t		first = (size_t)(s->base / SUMS_BLOCK);
	uint64_t	from, at = (uint64_t)i * SUMS_BLOCK;

	if (i < first || i >= sums_blocks(s))
		return 1;
	from = block_from(s, i - first);
	return XXH3_64bits(p + (from - at),
	    (size_t)(block_to(s, i - first, s->end) - from)) ==
	    s->block[i - first].sum;
}

int
sums_goes_on(const struct sums *old, const struct sums *now, size_t *rest)
{
	size_t	i, full = old->n;

	*rest = SIZE_MAX;
	if (old->gen != now->gen || old->base != now->base ||
	    old->end == 0 || old->end > now->end)
		return 0;
	if (old->end % SUMS_BLOCK != 0) {
		full--;
		*rest = sums_blocks(old) - 1;
	}
	for (i = 0; i < full; i++)
		if (old->block[i].sum != now->block[i].sum)
			return 0;
	return 1;
}

uint64_t
sums_record_after(const struct sums *s, uint64_t off)
{
	uint64_t	at;
	size_t		i;

	if (off <= s->base)
		return s->n != 0 ? s->base : 0;
	for (i = index_of(s, off); i < s->n; i++) {
		if (s->block[i].first == SUMS_NONE)
			continue;
		at = block_from(s, i) / SUMS_BLOCK * SUMS_BLOCK +
		    s->block[i].first * 8u;
		if (at >= off)
			return at;
	}
	return 0;
}

/* --- the file --- */

static void
head_put(const struct sums *s, uint8_t *p, size_t n)
{
	memcpy(p + 8, MAGIC, 4);
	le32_put(p + 12, FORMAT);
	le64_put(p + 16, s->gen);
	le64_put(p + 24, s->base);
	le64_put(p + 32, s->end);
	le64_put(p + 40, (uint64_t)s->seal.mtime);
	le64_put(p + 48, (uint64_t)s->seal.ctime);
	le64_put(p + 56, s->seal.inode);
	le64_put(p, XXH3_64bits(p + 8, n - 8));
}

uint8_t *
sums_bytes(const struct sums *s, size_t *n)
{
	uint8_t	*p;
	size_t	 i;

	*n = HEAD + s->n * ENTRY;
	if ((p = calloc(1, *n)) == NULL)
		return NULL;
	for (i = 0; i < s->n; i++) {
		le64_put(p + HEAD + i * ENTRY, s->block[i].sum);
		le16_put(p + HEAD + i * ENTRY + 8, s->block[i].first);
	}
	head_put(s, p, *n);
	return p;
}

enum err
sums_write(const struct sums *s, const struct io *io, const char *path)
{
	char		 tmp[PATH_LEN + 8];
	size_t		 n;
	uint8_t		*p = sums_bytes(s, &n);
	int		 fd, ok;

	if (p == NULL)
		return E_NOMEM;
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = io->open(io, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd != -1 && io_write_all(io, fd, p, n, 0) == 0 &&
	    io->fdatasync(io, fd) == 0;
	if (fd != -1)
		close(fd);
	free(p);
	if (ok && io->rename(io, tmp, path) == 0)
		return E_OK;
	return io_is_full(errno) ? E_NOSPACE : E_INTERNAL;
}

/* The whole file, malloc'ed; E_DAMAGED when it cannot be one. */
static enum err
file_get(const struct io *io, const char *path, uint8_t **out, size_t *n)
{
	struct stat	st;
	int		fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	enum err	e = E_DAMAGED;

	*out = NULL;
	if (fd == -1)
		return errno == ENOENT ? E_NOTFOUND : E_INTERNAL;
	if (fstat(fd, &st) == 0 && st.st_size >= HEAD &&
	    st.st_size < FILE_MAX_ && (st.st_size - HEAD) % ENTRY == 0) {
		*n = (size_t)st.st_size;
		e = (*out = malloc(*n)) == NULL ? E_NOMEM :
		    io_read_all(io, fd, *out, *n, 0) == 0 ? E_OK : E_DAMAGED;
	}
	close(fd);
	return e;
}

static int
head_get(struct sums *s, const uint8_t *p, size_t n)
{
	if (le64_get(p) != XXH3_64bits(p + 8, n - 8) ||
	    memcmp(p + 8, MAGIC, 4) != 0 || le32_get(p + 12) != FORMAT ||
	    le64_get(p + 16) != s->gen)
		return 0;
	s->base = le64_get(p + 24);
	s->end = le64_get(p + 32);
	s->seal.mtime = (int64_t)le64_get(p + 40);
	s->seal.ctime = (int64_t)le64_get(p + 48);
	s->seal.inode = le64_get(p + 56);
	s->n = (n - HEAD) / ENTRY;
	if (s->n == 0)
		return s->end == 0;
	return s->base < s->end && index_of(s, s->end - 1) + 1 == s->n;
}

enum err
sums_parse(struct sums *s, const uint8_t *p, size_t n, uint64_t gen)
{
	size_t	i, want;

	sums_init(s, gen, 0);
	if (n < HEAD || (n - HEAD) % ENTRY != 0 || !head_get(s, p, n)) {
		sums_init(s, gen, 0);
		return E_DAMAGED;
	}
	want = s->n;
	s->n = 0;
	if (room_for(s, want) != E_OK) {
		sums_init(s, gen, 0);
		return E_NOMEM;
	}
	s->n = want;
	for (i = 0; i < s->n; i++) {
		s->block[i].sum = le64_get(p + HEAD + i * ENTRY);
		s->block[i].first = le16_get(p + HEAD + i * ENTRY + 8);
	}
	return E_OK;
}

enum err
sums_load(struct sums *s, const struct io *io, const char *path, uint64_t gen)
{
	uint8_t		*p;
	size_t		 n = 0;
	enum err	 e;

	sums_init(s, gen, 0);
	if ((e = file_get(io, path, &p, &n)) == E_OK)
		e = sums_parse(s, p, n, gen);
	free(p);
	return e;
}

/* --- was it written to? --- */

int
sums_seal_get(struct sums_seal *s, const char *path)
{
	struct stat	st;

	if (stat(path, &st) == -1)
		return -1;
	s->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 +
	    st.st_mtim.tv_nsec;
	s->ctime = (int64_t)st.st_ctim.tv_sec * 1000000000 +
	    st.st_ctim.tv_nsec;
	s->inode = (uint64_t)st.st_ino;
	return 0;
}

int
sums_seal_same(const struct sums_seal *a, const struct sums_seal *b)
{
	return a->mtime == b->mtime && a->ctime == b->ctime &&
	    a->inode == b->inode && a->ctime != 0;
}
