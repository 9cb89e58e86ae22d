/*
 * engine_tkrzw.c: a data file is one tkrzw HashDBM in appending mode.
 *
 * tkrzw is trusted with finding a record, not with deciding what is true after
 * a crash: it never repairs here (restore_mode=read_only opens an unclosed
 * file as "not healthy", which is E_DAMAGED), never synchronizes, never
 * rebuilds.  Its status is mapped to enum err in one place, below.
 *
 * mmap-para: 3 times as fast as pos-para at get, 2 times at set, but a write to
 * a page without a disk block is SIGBUS, so whoever writes reserves disk space
 * before (data.c).  offset_width 5: 8 TiB a file (4: beyond 32 GiB tkrzw cuts
 * offsets off without a word).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tkrzw_langc.h>

#include "store/mapping.h"
#include "store/rewind_tkrzw.h"

#define PAGE		4096u
#define LINE		64u		/* bytes of a line of a processor's cache */
#define GLANCE_LINES	6u		/* of a record, fetched ahead */
#define VIEW_LEAST	(1u << 20)
#define CHAIN		16u		/* records of a bucket that are looked at */

#define PARAMS \
	"dbm=hash,file=mmap-para,update_mode=appending,record_crc_mode=none," \
	"record_comp_mode=none,offset_width=5,align_pow=3," \
	"restore_mode=read_only,no_wait=true"

struct engine {
	TkrzwDBM	*dbm;
	uint64_t	 buckets;
	struct stat	 file;		/* which it is */
	uint64_t	 seen;		/* size, when last looked at */
	const uint8_t	*view;		/* the file, mapped again; NULL: not yet */
	size_t		 viewlen;	/* may be more than the file has */
	int		 blind;		/* it cannot be mapped again */
};

static void	 view_drop(struct engine *);

struct engine_iter {
	TkrzwDBMIter	*it;
	uint8_t		*buf;		/* key, then value */
	size_t		 max, keylen, vallen;
	int		 seen, nomem;
};

static enum err
status_err(void)
{
	switch (tkrzw_get_last_status_code()) {
	case TKRZW_STATUS_SUCCESS:
		return E_OK;
	case TKRZW_STATUS_NOT_FOUND_ERROR:
		return E_NOTFOUND;
	case TKRZW_STATUS_BROKEN_DATA_ERROR:
		return E_DAMAGED;
	case TKRZW_STATUS_SYSTEM_ERROR:
		/* The only trace that tkrzw keeps of ENOSPC is its text. */
		return strstr(tkrzw_get_last_status_message(), "space") != NULL
		    ? E_NOSPACE : E_INTERNAL;
	default:
		return E_INTERNAL;
	}
}

static uint64_t
read_buckets(TkrzwDBM *dbm)
{
	TkrzwKeyValuePair	*p;
	int32_t			 n, i;
	uint64_t		 v = 0;

	if ((p = tkrzw_dbm_inspect(dbm, &n)) == NULL)
		return 0;
	for (i = 0; i < n; i++)
		if (strcmp(p[i].key_ptr, "num_buckets") == 0)
			v = strtoull(p[i].value_ptr, NULL, 10);
	tkrzw_free_str_map(p, n);
	return v;
}

static enum err
tk_open(struct engine **out, const char *path, int create, uint64_t buckets)
{
	char		 params[256];
	struct engine	*e;

	if (create)
		snprintf(params, sizeof(params), PARAMS ",num_buckets=%llu",
		    (unsigned long long)buckets);
	else
		snprintf(params, sizeof(params), PARAMS ",no_create=true");
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return E_NOMEM;
	if ((e->dbm = tkrzw_dbm_open(path, true, params)) == NULL) {
		free(e);
		return status_err();
	}
	e->buckets = read_buckets(e->dbm);
	if (stat(path, &e->file) == -1)
		memset(&e->file, 0, sizeof(e->file));
	if (!tkrzw_dbm_is_healthy(e->dbm) || e->buckets == 0 ||
	    (create && tkrzw_dbm_count(e->dbm) != 0)) {
		tkrzw_dbm_close(e->dbm);
		free(e);
		return E_DAMAGED;
	}
	*out = e;
	return E_OK;
}

static enum err
tk_restore(const char *path, const char *newpath, uint64_t end)
{
	/* End 0 would mean "as far as tkrzw thinks it was synced". */
	if (end == 0 || end > INT64_MAX)
		return E_DAMAGED;
	if (!tkrzw_dbm_restore_database(path, newpath, "hash", (int64_t)end))
		return status_err();
	return E_OK;
}

struct see {
	engine_see	*fn;
	void		*arg;
};

static const char *
process_cb(void *arg, const char *key, int32_t keylen, const char *val,
    int32_t vallen, int32_t *newlen)
{
	struct see	*s = arg;
	const uint8_t	*out = NULL;
	size_t		 len = 0;

	(void)key;
	(void)keylen;
	if (!s->fn(s->arg, (const uint8_t *)val, val == NULL ? 0 :
	    (size_t)vallen, &out, &len))
		return TKRZW_REC_PROC_NOOP;
	*newlen = (int32_t)len;
	return (const char *)out;
}

static enum err
tk_process(struct engine *e, const uint8_t *key, size_t keylen, engine_see *fn,
    void *arg, int writable)
{
	struct see	s = { fn, arg };

	if (!tkrzw_dbm_process(e->dbm, (const char *)key, (int32_t)keylen,
	    process_cb, &s, writable))
		return status_err();
	return E_OK;
}

static uint64_t
tk_size(struct engine *e)
{
	return (uint64_t)tkrzw_dbm_get_file_size(e->dbm);
}

static uint64_t
tk_room(uint64_t buckets)
{
	return tkrzw_record_base(buckets);
}

static uint64_t
tk_base(struct engine *e)
{
	return tk_room(e->buckets);
}

static uint64_t
tk_count(struct engine *e)
{
	return (uint64_t)tkrzw_dbm_count(e->dbm);
}

static uint64_t
tk_buckets(struct engine *e)
{
	return e->buckets;
}

static enum err
tk_close(struct engine **ep)
{
	struct engine	*e = *ep;
	enum err	 err = E_OK;

	*ep = NULL;
	if (e == NULL)
		return E_OK;
	view_drop(e);
	if (!tkrzw_dbm_close(e->dbm))
		err = status_err();
	free(e);
	return err;
}

/* --- reading in place --- */

/*
 * tkrzw's mapping moves as the file grows, so there is another one, for reading
 * only and longer than the file.  (mremap of no bytes of a shared mapping makes
 * another of it, without a descriptor, whose close would end tkrzw's lock.)
 */
static int
view_make(struct engine *e)
{
	struct mapping	 m = mapping_find(e->file.st_dev, e->file.st_ino);
	size_t		 n = (size_t)(2 * e->seen + VIEW_LEAST);
	void		*p;

	view_drop(e);
	if (m.len == 0 || (p = mremap((void *)(uintptr_t)m.at, 0, n,
	    MREMAP_MAYMOVE)) == MAP_FAILED) {
		e->blind = 1;
		return 0;
	}
	(void)mprotect(p, n, PROT_READ);
	e->view = p;
	e->viewlen = n;
	return 1;
}

static void
view_drop(struct engine *e)
{
	if (e->view != NULL)
		munmap((void *)(uintptr_t)e->view, e->viewlen);
	e->view = NULL;
	e->viewlen = 0;
}

/* 1: the record that begins there is in the view. */
static int
view_has(struct engine *e, uint64_t at)
{
	if (at >= e->seen)
		e->seen = tk_size(e);
	return at < e->seen && (e->seen <= e->viewlen || view_make(e));
}

static uint64_t
tk_hint(struct engine *e, const uint8_t *key, size_t keylen)
{
	uint64_t	at;

	if (e->view == NULL && (e->blind || !view_has(e, 0)))
		return 0;
	at = tkrzw_bucket(tkrzw_primary_hash((const char *)key,
	    (int32_t)keylen, e->buckets));
	__builtin_prefetch(e->view + at);
	return at;
}

static void
tk_ahead(struct engine *e, uint64_t hint)
{
	uint64_t	at;
	unsigned	i;

	if (hint == 0 || e->view == NULL ||
	    (at = tkrzw_bucket_get(e->view + hint)) == 0 || !view_has(e, at))
		return;
	for (i = 0; i < GLANCE_LINES; i++)
		__builtin_prefetch(e->view + at + i * LINE);
}

/*
 * The first record of the key in its bucket's chain is the newest.  Whatever is
 * not as it should be is left to tkrzw; whether the value is right is for the
 * caller to see.
 */
static const uint8_t *
tk_glance(struct engine *e, uint64_t hint, const uint8_t *key, size_t keylen,
    size_t *len)
{
	struct tkrzw_record	r;
	uint64_t		at;
	unsigned		n;

	if (hint == 0 || e->view == NULL)
		return NULL;
	at = tkrzw_bucket_get(e->view + hint);
	for (n = 0; at != 0 && n < CHAIN; n++, at = r.child) {
		if (!view_has(e, at) ||
		    !tkrzw_record_get(&r, e->view + at, e->seen - at))
			return NULL;
		if (r.keylen != keylen || memcmp(r.key, key, keylen) != 0)
			continue;
		*len = r.vallen;
		return r.stores ? r.val : NULL;
	}
	return NULL;
}

/* --- tkrzw's mapping --- */

static void
let_go(const struct mapping *m, uint64_t from, uint64_t to)
{
	from = (from + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	to = (to < m->len ? to : m->len) & ~(uint64_t)(PAGE - 1);
	if (from < to)
		(void)madvise((void *)(uintptr_t)(m->at + from), to - from,
		    MADV_DONTNEED);
}

/* Of a shared mapping nothing is lost: what was written is in the page cache. */
static void
tk_unmap(struct engine *e, uint64_t from, uint64_t to)
{
	struct mapping	m = mapping_find(e->file.st_dev, e->file.st_ino);

	let_go(&m, 0, tk_base(e));
	let_go(&m, from, to);
}

static struct engine_iter *
tk_iter(struct engine *e)
{
	struct engine_iter	*it;

	if ((it = calloc(1, sizeof(*it))) == NULL)
		return NULL;
	it->it = tkrzw_dbm_make_iterator(e->dbm);
	if (it->it == NULL || !tkrzw_dbm_iter_first(it->it)) {
		if (it->it != NULL)
			tkrzw_dbm_iter_free(it->it);
		free(it);
		return NULL;
	}
	return it;
}

static const char *
next_cb(void *arg, const char *key, int32_t keylen, const char *val,
    int32_t vallen, int32_t *newlen)
{
	struct engine_iter	*it = arg;
	size_t			 need = (size_t)keylen + (size_t)vallen;
	uint8_t			*p;

	(void)newlen;
	if (val == NULL)
		return TKRZW_REC_PROC_NOOP;
	if (need > it->max) {
		if ((p = realloc(it->buf, need + need / 2)) == NULL) {
			it->nomem = 1;
			return TKRZW_REC_PROC_NOOP;
		}
		it->buf = p;
		it->max = need + need / 2;
	}
	memcpy(it->buf, key, (size_t)keylen);
	memcpy(it->buf + keylen, val, (size_t)vallen);
	it->keylen = (size_t)keylen;
	it->vallen = (size_t)vallen;
	it->seen = 1;
	return TKRZW_REC_PROC_NOOP;
}

static enum err
tk_next(struct engine_iter *it, const uint8_t **key, size_t *keylen,
    const uint8_t **val, size_t *vallen)
{
	it->seen = it->nomem = 0;
	if (!tkrzw_dbm_iter_process(it->it, next_cb, it, false))
		return status_err();
	if (it->nomem)
		return E_NOMEM;
	/* The bucket named a key that cannot be found by its hash. */
	if (!it->seen)
		return E_DAMAGED;
	*key = it->buf;
	*keylen = it->keylen;
	*val = it->buf + it->keylen;
	*vallen = it->vallen;
	if (!tkrzw_dbm_iter_next(it->it))
		return status_err();
	return E_OK;
}

static void
tk_iter_free(struct engine_iter *it)
{
	if (it == NULL)
		return;
	tkrzw_dbm_iter_free(it->it);
	free(it->buf);
	free(it);
}

const struct engine_ops	engine_tkrzw = {
	.name = "tkrzw", .files = 1,
	.open = tk_open, .restore = tk_restore, .rewind = tkrzw_rewind,
	.read = tkrzw_read,
	.process = tk_process,
	.size = tk_size, .base = tk_base, .count = tk_count,
	.hint = tk_hint, .ahead = tk_ahead, .glance = tk_glance,
	.unmap = tk_unmap,
	.buckets = tk_buckets, .room = tk_room, .close = tk_close,
	.iter = tk_iter, .next = tk_next, .iter_free = tk_iter_free,
};
