/*
 * test_rewind.c: a tkrzw file that a killed process left, taken back in place,
 * against a model of what it held at F and against tkrzw's own restore.
 *
 * States that a kill may leave are made by hand from images of the live file
 * before and after each operation: part of the last record, its bucket with
 * every mix of old and new bytes, a header half written.  Then what no kill
 * leaves: buckets and header of noise, and each byte below F changed in turn,
 * which must be noticed or make no difference.
 *
 * WHARF_SEED makes it another run.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/engine.h"
#include "tests/unit.h"

#define KEYS	60u
#define BUCKETS	37u
#define MAX	(32u << 10)		/* of an image */
#define HEAD	128u
#define WIDTH	5u

/* What the file holds; seq 0: nothing. */
struct model {
	unsigned	seq[KEYS], count;
	uint64_t	end;
};

struct image {
	uint8_t		p[MAX];
	size_t		n;
};

static const struct engine_ops	*const ops = &engine_tkrzw;
static char		 dir[64], live[128], path[128], copy[128];
static struct image	 before, after, state, done;
static unsigned		 states, refused, wrong;
/* The n-th write is cut short and all later ones fail; 0: none. */
static unsigned		 fail_at;

static ssize_t
cut_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	(void)io;
	if (fail_at == 1) {
		errno = EIO;
		return -1;
	}
	if (fail_at == 2)
		n = n / 2 + 1;
	if (fail_at > 1)
		fail_at--;
	return pwrite(fd, p, n, off);
}

static int
cut_ftruncate(const struct io *io, int fd, off_t len)
{
	(void)io;
	if (fail_at == 1) {
		errno = EIO;
		return -1;
	}
	if (fail_at > 1)
		fail_at--;
	return ftruncate(fd, len);
}

static struct io
cut_io(void)
{
	struct io	io = io_posix;

	io.pwrite = cut_pwrite;
	io.ftruncate = cut_ftruncate;
	return io;
}

/* --- keys and values --- */

static size_t
key_of(unsigned i, uint8_t *out)
{
	/* Some longer than what is looked at first of an earlier record. */
	size_t	n = i % 10 == 9 ? 600 : 3 + i % 7;

	memset(out, 'k', n);
	out[0] = (uint8_t)i;
	return n;
}

/* Every byte follows from key and seq, so that any change is seen. */
static size_t
value_of(unsigned i, unsigned seq, uint8_t *out)
{
	size_t	n = 4 + (seq * 37 + i) % 150, at;

	if (seq % 43 == 0)
		n = 4000;		/* tkrzw writes it from another buffer */
	for (at = 0; at < n; at++)
		out[at] = (uint8_t)(seq >> (at % 2 * 8)) ^ (uint8_t)(at / 2 * i);
	return n;
}

struct act {
	uint8_t		val[8192];
	size_t		len;
	int		put, same;	/* same: holds just these bytes */
	int		found;
};

static int
act_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct act	*a = arg;

	a->found = old != NULL;
	a->same = old != NULL && oldlen == a->len &&
	    memcmp(old, a->val, oldlen) == 0;
	*val = a->val;
	*len = a->len;
	return a->put;
}

static void
put(struct engine *e, struct model *m, unsigned i, unsigned seq)
{
	static struct act	a;
	uint8_t			key[1024];

	a.put = 1;
	a.len = value_of(i, seq, a.val);
	CU_ASSERT_EQUAL_FATAL(ops->process(e, key, key_of(i, key), act_see, &a,
	    1), E_OK);
	m->count += m->seq[i] == 0;
	m->seq[i] = seq;
	m->end = ops->size(e);
}

static int
holds(struct engine *e, const struct model *m)
{
	static struct act	a;
	uint8_t			key[1024];
	unsigned		i;

	a.put = 0;
	for (i = 0; i < KEYS; i++) {
		a.len = value_of(i, m->seq[i], a.val);
		if (ops->process(e, key, key_of(i, key), act_see, &a, 0) !=
		    E_OK || a.found != (m->seq[i] != 0) || a.same != a.found)
			return 0;
	}
	return ops->count(e) == m->count;
}

/* --- files --- */

static void
image_read(struct image *im, const char *name)
{
	int	fd = open(name, O_RDONLY);
	ssize_t	n;

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_FATAL((n = pread(fd, im->p, MAX, 0)) > 0);
	im->n = (size_t)n;
	close(fd);
}

static void
image_write(const struct image *im, const char *name)
{
	int	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL_FATAL(pwrite(fd, im->p, im->n, 0), (ssize_t)im->n);
	close(fd);
}

/* --- taking back --- */

struct seen {
	struct model	m;
	unsigned	last, calls, ends;
};

/* A model of its own from what is shown, which must fit together. */
static enum err
see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct seen	*s = arg;
	uint8_t		 want[8192];
	unsigned	 i, seq;

	if (key == NULL) {
		s->ends++;
		return E_OK;
	}
	s->calls++;
	i = key[0];
	seq = s->last + 1;
	if (i >= KEYS || keylen != key_of(i, want) ||
	    memcmp(key, want, keylen) != 0 ||
	    vallen != value_of(i, seq, want) ||
	    memcmp(val, want, vallen) != 0 ||
	    (old != NULL) != (s->m.seq[i] != 0))
		return E_DAMAGED;
	if (old != NULL && (oldlen != value_of(i, s->m.seq[i], want) ||
	    memcmp(old, want, oldlen < ENGINE_GLANCE ? oldlen :
	    ENGINE_GLANCE) != 0))
		return E_DAMAGED;
	s->m.count += old == NULL;
	s->m.seq[i] = s->last = seq;
	return E_OK;
}

static enum err
take_back(const struct model *m)
{
	struct io	io = cut_io();
	struct seen	s = { .last = 0 };
	int		fd = open(path, O_RDWR);
	enum err	e;

	CU_ASSERT_FATAL(fd != -1);
	e = ops->rewind(&io, fd, m->end, m->count, see, &s);
	close(fd);
	if (e == E_OK && (s.ends != 1 ||
	    memcmp(s.m.seq, m->seq, sizeof(m->seq)) != 0))
		wrong++;
	return e;
}

static int
opens_as(const char *name, const struct model *m)
{
	struct engine	*e;
	int		 ok;

	if (ops->open(&e, name, 0, 0) != E_OK)
		return 0;
	ok = holds(e, m);
	return ops->close(&e) == E_OK && ok;
}

/* A state that a kill may leave: it must be taken back, and to the same bytes. */
static void
try_state(const struct model *m)
{
	struct stat	st;

	states++;
	image_write(&state, path);
	if (take_back(m) != E_OK || stat(path, &st) == -1 ||
	    (uint64_t)st.st_size != m->end) {
		wrong++;
		return;
	}
	image_read(&state, path);
	/* The time of the last closing is left alone. */
	memset(state.p + 48, 0, 8);
	if (done.n == 0)
		done = state;
	wrong += state.n != done.n || memcmp(state.p, done.p, done.n) != 0;
	if (states % 8 == 1)
		wrong += !opens_as(path, m);
}

static void
try_restore(const struct model *m)
{
	unlink(copy);
	image_write(&state, path);
	CU_ASSERT_EQUAL(ops->restore(path, copy, m->end), E_OK);
	CU_ASSERT(opens_as(copy, m));
	unlink(copy);
}

/* --- making states --- */

/* before, with some first bytes of the record that after has at end. */
static void
torn_record(const struct model *m, uint64_t end, uint64_t next)
{
	size_t	n, len = (size_t)(next - end);
	size_t	step = len > 700 ? len / 50 : 1;

	for (n = 0; n <= len; n += step) {
		state = before;
		memcpy(state.p + end, after.p + end, n);
		try_state(m);
	}
}

static size_t
bucket_changed(void)
{
	size_t	at;

	for (at = HEAD; at < HEAD + BUCKETS * WIDTH; at++)
		if (before.p[at] != after.p[at])
			return HEAD + (at - HEAD) / WIDTH * WIDTH;
	CU_FAIL_FATAL("no bucket changed");
	return 0;
}

/* The record is there, and any of the bytes of its bucket. */
static void
torn_bucket(const struct model *m)
{
	size_t		at = bucket_changed();
	unsigned	mix, i;

	for (mix = 0; mix < 1u << WIDTH; mix++) {
		state = after;
		for (i = 0; i < WIDTH; i++)
			if (mix & 1u << i)
				state.p[at + i] = before.p[at + i];
		try_state(m);
	}
}

/* As it is while open, and partly as it was when it was closed. */
static void
torn_head(const struct model *m, const uint8_t *closed)
{
	unsigned	n;

	for (n = 0; n <= HEAD; n++) {
		state = after;
		memcpy(state.p, closed, n);
		try_state(m);
		state = after;
		memcpy(state.p + n, closed + n, HEAD - n);
		try_state(m);
	}
}

static void
noise(const struct model *m)
{
	unsigned	i, n;

	for (n = 0; n < 60; n++) {
		state = after;
		for (i = HEAD; i < HEAD + BUCKETS * WIDTH; i++)
			if (n < 2 || rand() % 4 == 0)
				state.p[i] = n == 0 ? 0 : (uint8_t)rand();
		for (i = 24; i < 48; i++)
			state.p[i] = (uint8_t)rand();
		for (i = (unsigned)m->end; i < state.n; i++)
			state.p[i] ^= n % 2 ? (uint8_t)rand() : 0;
		try_state(m);
	}
}

/* Each byte below F: what is damaged is refused, and then not touched. */
static void
flips(const struct model *m)
{
	size_t	at;

	for (at = 0; at < m->end; at += at < HEAD + BUCKETS * WIDTH ||
	    at >= 4096 - 16 ? 1 + at / 6000 * 4 : 16) {
		state = after;
		state.p[at] ^= (uint8_t)(1u << rand() % 8);
		image_write(&state, path);
		states++;
		if (take_back(m) == E_OK) {
			wrong += !opens_as(path, m);
			continue;
		}
		refused++;
		/* In the header it may be what says that it is ours. */
		wrong += at >= HEAD && at < HEAD + BUCKETS * WIDTH;
		image_read(&done, path);
		wrong += done.n != state.n ||
		    memcmp(done.p, state.p, state.n) != 0;
	}
}

/* Cut short at every write, and then restored, or done again. */
static void
interrupted(const struct model *m)
{
	unsigned	n;

	for (n = 1; n < 8; n++) {
		state = after;
		image_write(&state, path);
		fail_at = n;
		CU_ASSERT_EQUAL(take_back(m), n < 5 ? E_INTERNAL : E_OK);
		fail_at = 0;
		image_read(&state, path);
		try_restore(m);
		try_state(m);
	}
}

/* F or COUNT that are not those of this file. */
static void
refusals(const struct model *m)
{
	struct model	other;
	int		d;

	for (d = -65; d <= 65; d += 2) {
		image_write(&after, path);
		other = *m;
		other.end = (uint64_t)((int64_t)m->end + d);
		CU_ASSERT_EQUAL(take_back(&other), E_DAMAGED);
	}
	for (d = -1; d <= 1; d += 2) {
		other = *m;
		other.count += (unsigned)d;
		CU_ASSERT_EQUAL(take_back(&other), E_DAMAGED);
	}
	other = *m;
	other.end = after.n + 8;
	CU_ASSERT_EQUAL(take_back(&other), E_DAMAGED);
	other.end = 8;
	CU_ASSERT_EQUAL(take_back(&other), E_DAMAGED);
	image_read(&state, path);
	CU_ASSERT(state.n == after.n &&
	    memcmp(state.p, after.p, after.n) == 0);
}

/* --- runs --- */

static void
put_some(struct engine *e, struct model *m, unsigned n, unsigned *seq)
{
	while (n-- > 0)
		put(e, m, (unsigned)rand() % (rand() % 2 ? 8 : KEYS), ++*seq);
}

/* Goes on after F; each step is torn, and all must come back to F. */
static void
go_on(struct engine *e, const struct model *m, unsigned n, unsigned seq)
{
	struct model	now = *m;
	uint64_t	end;

	image_read(&after, live);
	while (n-- > 0) {
		end = now.end;
		before = after;
		put_some(e, &now, 1, &seq);
		image_read(&after, live);
		torn_record(m, end, now.end);
		torn_bucket(m);
	}
}

/* A file that was closed once, and is open and written to since. */
static void
run(unsigned fill, unsigned more)
{
	struct model	 m = { .count = 0 };
	uint8_t		 closed[HEAD];
	struct engine	*e;
	unsigned	 seq = 0;

	unlink(live);
	done.n = 0;
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, live, 1, BUCKETS), E_OK);
	m.end = ops->size(e);
	put_some(e, &m, fill / 2, &seq);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	image_read(&before, live);
	memcpy(closed, before.p, HEAD);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, live, 0, 0), E_OK);
	put_some(e, &m, fill - fill / 2, &seq);
	go_on(e, &m, more, seq);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	torn_head(&m, closed);
	noise(&m);
	if (fill == 0)		/* MANIFEST names no F for tkrzw's restore */
		return;
	interrupted(&m);
	refusals(&m);
	flips(&m);
}

static void
test_states(void)
{
	static const unsigned	fill[] = { 0, 1, 20, 120 };
	const char		*seed = getenv("WHARF_SEED");
	unsigned		 i;

	srand(seed == NULL ? 1 : (unsigned)strtoul(seed, NULL, 10));
	snprintf(dir, sizeof(dir), "/tmp/wharf-rewind-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(live, sizeof(live), "%s/live", dir);
	snprintf(path, sizeof(path), "%s/path", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	for (i = 0; i < sizeof(fill) / sizeof(fill[0]); i++)
		run(fill[i], 6);
	printf("%u states, %u refused\n", states, refused);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(states > 5000 && refused > 1000);
	unlink(live);
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const CU_TestInfo tests[] = {
	{ "every state that a kill may leave", test_states },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_rewind", UNIT_SUITE("rewind", tests))
