/*
 * rewind_tkrzw.c: a HashDBM file in appending mode, taken back in place to
 * what it was when it was end bytes long.  Runs while a store opens; every
 * failure leaves the records below end as they were, so that the caller can
 * still have tkrzw copy them (engine_ops.restore).
 *
 * tkrzw 1.0.25 (tkrzw_dbm_hash.cc, ProcessImpl; tkrzw_dbm_hash_impl.cc,
 * HashRecord::Write) appends one record for each store and then points the
 * bucket of its key to it.  In appending mode it writes nowhere else but to the
 * 128 bytes of header, at open and at close.  Therefore
 * 1 the bytes of the records below end never change;
 * 2 a bucket points to the last record below end whose key hashes to it;
 * 3 a record's child is what its bucket pointed to before; or, if that had the
 *   same key, the child of that.
 * So the buckets follow from the records alone.  One pass reads all of them,
 * holds each against 3 and against what the caller knows of it, and builds the
 * buckets in memory.  No bucket, no header field that ever changes, and nothing
 * at or above end is believed.  Only when all is right is anything written:
 * length, buckets, header.  Doing it again gives the same bytes.
 *
 * The file (all numbers big-endian):
 *	0 9 "TkrzwHDB\n"; 9 1 a byte, the same as the one at 127; 10 2 version
 *	12 1 flags: 2, appending; 13 1 offset width 5; 14 1 alignment 2^3
 *	15 1 1 when closed; 16 8 buckets; 24 8 records; 32 8 bytes of keys and
 *	values; 40 8 size of the file; 48 8 time; 56 4 type; 62 64 opaque; 127 1
 *	128: the buckets, 5 bytes each: offset of a record / 8
 *	base - 16: "TkrzwREC\n", flags, offset width, alignment
 *	base, a multiple of 4096: the records, each a multiple of 8 long:
 *	1 two bits of kind, six of checksum (3..63); 5 child / 8; sizes of key,
 *	value and padding (7 bits a byte, first the highest); key; value; padding
 *	(0xDD, zeros)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tkrzw_langc.h>

#include "store/rewind_tkrzw.h"

#define HEAD		128u
#define FREE_BLOCKS	1008u
#define RECORD_HEADER	16u
#define BASE_ALIGN	4096u
#define WIDTH		TKRZW_OFFSET_WIDTH
#define ALIGN		(1u << TKRZW_ALIGN_POW)
#define FLAG_APPENDING	2
#define KIND		0xc0		/* of the first byte */
#define KIND_SET	0x80		/* replaces one with this key */
#define KIND_ADD	0x00		/* there was none */
#define SUM_LEAST	3
#define KEY_MAX		((8u << 20) - 1)
#define VALUE_MAX	0x7fffffffu
#define META_MAX	TKRZW_META_MAX	/* 1 + WIDTH + 4 + 5 + 1 */
#define STEP		(4u << 20)	/* bytes read at a time; whole pages */

struct rec {
	uint64_t	 at, child, size;
	uint8_t		 kind;
	const uint8_t	*key, *val;
	size_t		 keylen, vallen, pad;
};

struct rewind {
	const struct io	*io;
	int		 fd;
	uint64_t	 base, end, nbuckets;
	uint8_t		*buckets;	/* as they are to be in the file */
	uint8_t		 head[HEAD];
	const uint8_t	*map;		/* the file up to end */
	uint64_t	 ready;		/* its pages are in memory up to here */
	uint64_t	 added, bytes;	/* of keys and values found by a get */
};

static uint64_t
be_get(const uint8_t *p, size_t n)
{
	uint64_t	v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static void
be_put(uint8_t *p, uint64_t v, size_t n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

uint64_t
tkrzw_record_base(uint64_t buckets)
{
	return (HEAD + buckets * WIDTH + FREE_BLOCKS + RECORD_HEADER +
	    BASE_ALIGN - 1) / BASE_ALIGN * BASE_ALIGN;
}

uint64_t
tkrzw_bucket(uint64_t bucket)
{
	return HEAD + bucket * WIDTH;
}

uint64_t
tkrzw_bucket_get(const uint8_t *p)
{
	return be_get(p, WIDTH) * ALIGN;
}

/* --- reading --- */

static enum err
map_open(struct rewind *r)
{
	struct stat	st;
	void		*p;

	/* Beyond the end of the file a map has pages that are SIGBUS. */
	if (fstat(r->fd, &st) == -1 || (uint64_t)st.st_size < r->end)
		return E_DAMAGED;
	p = mmap(NULL, (size_t)r->end, PROT_READ, MAP_SHARED, r->fd, 0);
	if (p == MAP_FAILED)
		return E_NOMEM;
	r->map = p;
	r->ready = r->base / STEP * STEP;
	return E_OK;
}

/*
 * Takes the pages up to end into memory, and has the kernel begin with those
 * that follow.  What the disk does not give is an error here, where touching it
 * would be SIGBUS.  Linux before 5.14 has no such call: it reads when touched.
 */
static enum err
map_ready(struct rewind *r, uint64_t end)
{
	uint64_t	n = (end - r->ready + STEP - 1) / STEP * STEP;

	if (n > r->end - r->ready)
		n = r->end - r->ready;
	if (madvise((void *)(uintptr_t)(r->map + r->ready), (size_t)n,
	    MADV_POPULATE_READ) == -1 && errno != EINVAL)
		return E_INTERNAL;
	r->ready += n;
	posix_fadvise(r->fd, (off_t)r->ready, STEP, POSIX_FADV_WILLNEED);
	return E_OK;
}

/* A number of up to five bytes; 0: none there. */
static size_t
number_get(const uint8_t *p, size_t n, uint64_t *out)
{
	size_t	i;

	*out = 0;
	for (i = 0; i < n && i < 5; i++) {
		*out = *out << 7 | (p[i] & 0x7f);
		if (p[i] < 0x80)
			return i + 1;
	}
	return 0;
}

/* The fixed part: sizes and child; returns its length, or 0: not a record. */
static size_t
meta_get(struct rec *c, const uint8_t *p, size_t n)
{
	uint64_t	key, val, pad;
	size_t		at = 1 + WIDTH, k, v;

	if (n < at + 3 || (p[0] & ~KIND & 0xff) < SUM_LEAST)
		return 0;
	c->kind = p[0] & KIND;
	c->child = be_get(p + 1, WIDTH) << TKRZW_ALIGN_POW;
	if ((k = number_get(p + at, n - at, &key)) == 0)
		return 0;
	at += k;
	if ((v = number_get(p + at, n - at, &val)) == 0)
		return 0;
	at += v;
	if (at >= n || key > KEY_MAX || val > VALUE_MAX)
		return 0;
	pad = p[at++];
	c->keylen = (size_t)key;
	c->vallen = (size_t)val;
	c->size = at + key + val + pad;
	return pad < ALIGN && c->size % ALIGN == 0 ? at : 0;
}

/* The record at off; its bytes are those of the map. */
static enum err
record_read(struct rewind *r, uint64_t off, struct rec *c)
{
	uint64_t	 left = r->end - off;
	size_t		 n = left < META_MAX ? (size_t)left : META_MAX, at;
	enum err	 e;

	if (off + n > r->ready && (e = map_ready(r, off + n)) != E_OK)
		return e;
	if ((at = meta_get(c, r->map + off, n)) == 0 || c->size > left)
		return E_DAMAGED;
	if (off + c->size > r->ready &&
	    (e = map_ready(r, off + c->size)) != E_OK)
		return e;
	c->at = off;
	c->key = r->map + off + at;
	c->val = c->key + c->keylen;
	c->pad = c->size - at - c->keylen - c->vallen;
	return E_OK;
}

/* --- the pass --- */

static int
padding_is_right(const struct rec *c)
{
	const uint8_t	*p = c->val + c->vallen;
	size_t		 i;

	for (i = 0; i < c->pad; i++)
		if (p[i] != (i == 0 ? 0xdd : 0))
			return 0;
	return 1;
}

/* What c took the place of: in its chain when it was added. */
static enum err
replaced_find(struct rewind *r, const struct rec *c, uint64_t top,
    struct rec *old)
{
	uint64_t	off;
	enum err	e;

	for (off = top; off != 0; off = old->child) {
		if ((e = record_read(r, off, old)) != E_OK)
			return e;
		if (old->keylen == c->keylen &&
		    memcmp(old->key, c->key, c->keylen) == 0)
			/* Invariant 3. */
			return c->child == (off == top ? old->child : top) ?
			    E_OK : E_DAMAGED;
		if (old->child >= off)
			return E_DAMAGED;
	}
	return E_DAMAGED;
}

static enum err
record_take(struct rewind *r, const struct rec *c, engine_visit *visit,
    void *arg)
{
	uint8_t		*b;
	uint64_t	 top;
	struct rec	 old = { .val = NULL };
	enum err	 e;

	b = r->buckets + WIDTH * tkrzw_primary_hash((const char *)c->key,
	    (int32_t)c->keylen, r->nbuckets);
	top = be_get(b, WIDTH) << TKRZW_ALIGN_POW;
	if (c->kind == KIND_SET) {
		if ((e = replaced_find(r, c, top, &old)) != E_OK)
			return e;
		r->bytes -= old.vallen;
		r->bytes += c->vallen;
	} else if (c->kind == KIND_ADD && c->child == top) {
		r->added++;
		r->bytes += c->keylen + c->vallen;
	} else
		return E_DAMAGED;
	be_put(b, c->at >> TKRZW_ALIGN_POW, WIDTH);
	return visit(arg, c->key, c->keylen, c->val, c->vallen, old.val,
	    old.vallen);
}

static enum err
records_pass(struct rewind *r, engine_visit *visit, void *arg)
{
	struct rec	c;
	uint64_t	off;
	enum err	e;

	for (off = r->base; off < r->end; off += c.size)
		if ((e = record_read(r, off, &c)) != E_OK ||
		    (e = padding_is_right(&c) ? E_OK : E_DAMAGED) != E_OK ||
		    (e = record_take(r, &c, visit, arg)) != E_OK)
			return e;
	return E_OK;
}

/* --- the file --- */

static enum err
head_read(struct rewind *r)
{
	static const uint8_t	kind[] = { FLAG_APPENDING, WIDTH,
	    TKRZW_ALIGN_POW };
	uint8_t			rh[RECORD_HEADER];

	if (r->end > INT64_MAX || io_read_all(r->io, r->fd, r->head, HEAD,
	    0) == -1 || memcmp(r->head, "TkrzwHDB\n", 9) != 0 ||
	    memcmp(r->head + 12, kind, sizeof(kind)) != 0 ||
	    (r->head[10] | r->head[11]) == 0)
		return E_DAMAGED;
	r->nbuckets = be_get(r->head + 16, 8);
	if (r->nbuckets == 0 || r->nbuckets > r->end / WIDTH)
		return E_DAMAGED;
	r->base = tkrzw_record_base(r->nbuckets);
	if (r->base > r->end || io_read_all(r->io, r->fd, rh, sizeof(rh),
	    (off_t)(r->base - sizeof(rh))) == -1 ||
	    memcmp(rh, "TkrzwREC\n", 9) != 0 ||
	    memcmp(rh + 9, kind, sizeof(kind)) != 0)
		return E_DAMAGED;
	return E_OK;
}

/* "Closed" last, so that it never stands in a file that is half done. */
static enum err
file_write(struct rewind *r)
{
	uint8_t	*h = r->head;

	h[9] = h[HEAD - 1] = 1;
	h[15] = 1;
	be_put(h + 24, r->added, 8);
	be_put(h + 32, r->bytes, 8);
	be_put(h + 40, r->end, 8);
	if (r->io->ftruncate(r->io, r->fd, (off_t)r->end) == -1 ||
	    io_write_all(r->io, r->fd, r->buckets,
	    (size_t)r->nbuckets * WIDTH, HEAD) == -1 ||
	    io_write_all(r->io, r->fd, h, HEAD, 0) == -1)
		return io_is_full(errno) ? E_NOSPACE : E_INTERNAL;
	return E_OK;
}

/* Reads and checks all below end; the caller frees r->buckets. */
static enum err
file_read(struct rewind *r, uint64_t count, engine_visit *visit, void *arg)
{
	enum err	e;

	if ((e = head_read(r)) != E_OK || (e = map_open(r)) != E_OK)
		return e;
	if ((r->buckets = calloc(r->nbuckets, WIDTH)) == NULL)
		e = E_NOMEM;
	if (e == E_OK && (e = records_pass(r, visit, arg)) == E_OK &&
	    r->added != count)
		e = E_DAMAGED;
	if (e == E_OK)
		e = visit(arg, NULL, 0, NULL, 0, NULL, 0);
	munmap((void *)(uintptr_t)r->map, (size_t)r->end);
	return e;
}

enum err
tkrzw_rewind(const struct io *io, int fd, uint64_t end, uint64_t count,
    engine_visit *visit, void *arg)
{
	struct rewind	r = { .io = io, .fd = fd, .end = end };
	enum err	e;

	if ((e = file_read(&r, count, visit, arg)) == E_OK)
		e = file_write(&r);
	free(r.buckets);
	return e;
}

enum err
tkrzw_read(const struct io *io, int fd, uint64_t end, uint64_t count,
    engine_visit *visit, void *arg)
{
	struct rewind	r = { .io = io, .fd = fd, .end = end };
	enum err	e;

	e = file_read(&r, count, visit, arg);
	free(r.buckets);
	return e;
}

/* --- for files that may be damaged --- */

uint64_t
tkrzw_record_size(const uint8_t *p, size_t n)
{
	struct rec	c;

	return meta_get(&c, p, n < META_MAX ? n : META_MAX) == 0 ? 0 : c.size;
}

int
tkrzw_record_get(struct tkrzw_record *out, const uint8_t *p, size_t n)
{
	struct rec	c;
	size_t		at = meta_get(&c, p, n < META_MAX ? n : META_MAX);

	if (at == 0 || c.size > n)
		return 0;
	out->size = c.size;
	out->child = c.child;
	out->stores = c.kind == KIND_ADD || c.kind == KIND_SET;
	out->key = p + at;
	out->val = out->key + c.keylen;
	out->keylen = c.keylen;
	out->vallen = c.vallen;
	return 1;
}

uint64_t
tkrzw_base_get(const struct io *io, int fd, uint64_t end)
{
	struct rewind	r = { .io = io, .fd = fd, .end = end };

	return head_read(&r) == E_OK ? r.base : 0;
}

/* The file says of itself what the records say, and that it is closed. */
static enum err
closed_same(struct rewind *r)
{
	size_t		 n = (size_t)r->nbuckets * WIDTH;
	const uint8_t	*h = r->head;
	uint8_t		*p;
	enum err	 e = E_DAMAGED;

	if ((p = malloc(n)) == NULL)
		return E_NOMEM;
	if (io_read_all(r->io, r->fd, p, n, HEAD) == 0 &&
	    memcmp(p, r->buckets, n) == 0 && h[15] == 1 && h[9] == h[127] &&
	    be_get(h + 24, 8) == r->added && be_get(h + 32, 8) == r->bytes &&
	    be_get(h + 40, 8) == r->end)
		e = E_OK;
	free(p);
	return e;
}

enum err
tkrzw_check(const struct io *io, int fd, uint64_t end, uint64_t count,
    engine_visit *visit, void *arg)
{
	struct rewind	r = { .io = io, .fd = fd, .end = end };
	enum err	e;

	e = file_read(&r, count, visit, arg);
	if (e == E_OK)
		e = closed_same(&r);
	free(r.buckets);
	return e;
}
