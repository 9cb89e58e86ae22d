/*
 * fuzz_wal.c: the reader of the log on segments of any bytes.  The input:
 *	u8	segments - 1 (2 bits); 4: numbers with gaps; 8: also wal_open
 *	u8	LSN after which records are wanted
 *	then for each segment
 *	u16	bytes behind the header block
 *	80	the header block, the rest of which is zeros
 *	n	batches
 * A header or a batch whose first byte is 0 gets what a fuzzer cannot guess
 * (checksum, magic, salt, names); any other first byte leaves it as it is.
 *
 * Promises: records come in the order of their LSNs, each once, all of their
 * bytes in memory; what cannot be read is named.  What wal_open made of such a
 * log says the same when it is opened again.
 */
#define FUZZ_NAME "wal"
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proto/buf.h"
#include "store/wal_rec.h"
#include "tests/fuzz.h"

#define SEGS	4u
#define HEAD	80u
#define NODE	7
#define STORE	1

static char		 dir[64];
static struct io	 io;
static struct helper	*helper;

struct seen {
	uint64_t	after, last, records, hash;
};

static int
io_open(const struct io *i, const char *path, int flags, mode_t mode)
{
	(void)i;
	if ((flags & O_DIRECT) != 0) {
		errno = EINVAL;
		return -1;
	}
	return open(path, flags, mode);
}

static int
io_nosync(const struct io *i, int fd)
{
	(void)i, (void)fd;
	return 0;
}

static void
notify(void *arg)
{
	(void)arg;
}

static void
dir_empty(void)
{
	DIR		*d = opendir(dir);
	struct dirent	*e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static void
dir_remove(void)
{
	dir_empty();
	rmdir(dir);
}

static void
setup(void)
{
	const char	*tmp = getenv("FUZZ_TMP");	/* libFuzzer leaves ours */

	if (helper != NULL)
		return;
	snprintf(dir, sizeof(dir), "%s/fuzz-wal.XXXXXX", tmp != NULL ? tmp :
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".");
	io = io_posix;
	io.open = io_open;
	io.fdatasync = io.fsync = io_nosync;
	helper = helper_new(notify, NULL);
	MUST(helper != NULL && mkdtemp(dir) != NULL);
	atexit(dir_remove);
}

/* Gives a header what makes it one of this log. */
static uint64_t
mend_head(uint8_t *block, uint64_t number)
{
	struct seg_head	h = {
		.format = WAL_FORMAT, .store = STORE, .node = NODE,
		.number = number,
		.salt = le64_get(block + 32),
		.first = le64_get(block + 40), .prev = le64_get(block + 48),
		.durable = le64_get(block + 56), .bound = le64_get(block + 64),
		.size = le64_get(block + 72)
	};

	seg_head_put(block, &h);
	return h.salt;
}

/* The bytes to the next batch. */
static size_t
mend_batch(uint8_t *p, size_t left, uint64_t salt)
{
	struct batch_head	b = {
		.count = le32_get(p + 12), .salt = salt,
		.first = le64_get(p + 24), .payload = le32_get(p + 32),
		.span = le32_get(p + 36), .durable = le64_get(p + 40),
		.bound = le64_get(p + 48), .synced = le32_get(p + 56)
	};

	if (p[0] == 0 && b.payload <= left - WAL_HEAD)
		batch_seal(p, &b);
	if (b.span < WAL_ALIGN || b.span > left || b.span % WAL_ALIGN != 0)
		return WAL_ALIGN;
	return b.span;
}

static void
seg_write(uint64_t number, const uint8_t *p, size_t n)
{
	char	path[128];
	int	fd;

	snprintf(path, sizeof(path), "%s/%llu.seg", dir,
	    (unsigned long long)number);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

/* Lays the next segment of the input into the directory. */
static void
seg_make(const uint8_t **p, size_t *left, uint64_t number)
{
	static uint8_t	 block[WAL_BLOCK + UINT16_MAX];
	uint64_t	 salt = 0;
	size_t		 n, off;

	n = le16_get(*p);
	if (n > *left - 2 - HEAD)
		n = *left - 2 - HEAD;
	memset(block, 0, WAL_BLOCK);
	memcpy(block, *p + 2, HEAD);
	memcpy(block + WAL_BLOCK, *p + 2 + HEAD, n);
	*p += 2 + HEAD + n;
	*left -= 2 + HEAD + n;
	if (block[0] == 0)
		salt = mend_head(block, number);
	for (off = 0; n >= WAL_HEAD && off <= n - WAL_HEAD; )
		off += mend_batch(block + WAL_BLOCK + off, n - off, salt);
	seg_write(number, block, WAL_BLOCK + n);
}

static enum err
replay(void *arg, uint64_t lsn, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct seen	*s = arg;

	MUST(lsn > s->after && lsn > s->last);
	s->last = lsn;
	s->records++;
	s->hash = s->hash * 31 + lsn + fuzz_touch(key, keylen) * 3 +
	    fuzz_touch(val, vallen);
	return E_OK;
}

/* The walk alone: as wal_open does it, but without a log to go on with. */
static enum err
walk(const struct wal_conf *c, struct seen *s)
{
	struct wal_found	 found;
	struct wal		 w;
	struct rec		 r = { .w = &w, .found = &found,
				    .after = s->after, .replay = replay,
				    .arg = s, .fd = -1 };
	enum err		 e;

	memset(&w, 0, sizeof(w));
	memset(&found, 0, sizeof(found));
	w.conf = *c;
	w.dir = dir;
	w.segment = c->segment;
	e = wal_recover(&r);
	MUST(e == E_OK || e == E_DAMAGED || e == E_STALE);
	MUST((e == E_OK) == (found.error[0] == '\0'));
	MUST(found.records == s->records);
	MUST(e != E_OK || found.last_lsn >= s->last);
	wal_rec_free(&r);
	return e;
}

static void
open_twice(const struct wal_conf *c, const struct seen *walked)
{
	struct seen		 s;
	struct wal_found	 found;
	struct wal		*w;
	int			 i;

	for (i = 0; i < 2; i++) {
		s = (struct seen){ .after = walked->after };
		if (wal_open(&w, c, s.after, s.after + 1, replay, &s,
		    &found) != E_OK) {
			fprintf(stderr, "open %d: %s\n", i, found.error);
			abort();
		}
		MUST(s.records == walked->records && s.hash == walked->hash);
		MUST(i == 0 || !found.torn);
		MUST(wal_last(w) >= s.last && wal_last(w) >= s.after);
		MUST(wal_close(w) == E_OK);
		helper_poll(helper);
	}
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	struct wal_conf	c = {
		.dir = dir, .segment = 4 * WAL_BLOCK, .sync = WAL_OS,
		.node = NODE, .store = STORE, .io = &io, .notify = notify
	};
	struct seen	s = { 0 };
	uint64_t	number = 1;
	unsigned	i, flags;
	enum err	e;

	setup();
	if (n < 2)
		return 0;
	dir_empty();
	c.helper = helper;
	flags = p[0];
	s.after = p[1];
	for (p += 2, n -= 2, i = 0; i < 1 + flags % SEGS && n >= 2 + HEAD; i++) {
		seg_make(&p, &n, number);
		number += 1 + (flags >> 2 & 1);
	}
	e = walk(&c, &s);
	if (e == E_OK && (flags & 8) != 0)
		open_twice(&c, &s);
	return e == E_OK;
}
