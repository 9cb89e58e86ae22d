/*
 * shard_scan.c: see shard_scan.h.
 *
 * A file shows its records in the order in which they were stored, with what
 * each took the place of.  So it is read twice: first only to note which keys
 * have more than one record, and which of them is the last; then everything
 * that is alive and not noted, or the last of its key.  Keys are noted by 96
 * bits of a hash.
 *
 * The descriptors are our own copies: generations may go away meanwhile.
 */
#define XXH_INLINE_ALL
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/index_impl.h"
#include "store/shard_impl.h"
#include "store/shard_scan.h"

#define LASTS_LEAST	1024u
#define LOOK		4096u		/* records between looks for a stop */

/* The last record of a key: its number in the file. */
struct last {
	uint64_t	 lo;
	uint32_t	 hi, seq;	/* seq 0: empty */
};

struct lasts {
	struct last	*a;
	size_t		 cap, used;	/* cap: a power of two, or 0 */
};

struct chunk {
	STAILQ_ENTRY(chunk) next;
	size_t		 len, cap;
	uint8_t		 b[];
};

STAILQ_HEAD(chunks, chunk);

/* One generation of a data file. */
struct part {
	unsigned	 file;		/* below FILES_MAX */
	int		 fd, newer;
	uint64_t	 size, count;
};

struct shard_scan {
	const struct engine_ops	*ops;
	const struct io	*io;
	_Atomic uint8_t	*reading;	/* as shard_conf's, or NULL */
	size_t		 head;
	int		 ill;
	void		(*notify)(void *);
	void		*arg;
	struct part	*parts;
	unsigned	 nparts;
	pthread_t	 thread;
	int		 runs;
	/* Under lock. */
	pthread_mutex_t	 lock;
	pthread_cond_t	 room;
	struct chunks	 full;
	unsigned	 nfull;
	int		 stop, ended;
	enum err	 err;
	uint64_t	 unread;	/* files, once it has ended */
	atomic_ullong	 bad;
	/* The thread's. */
	struct lasts	 lasts;
	struct chunk	*filling;
	unsigned	 file;
	uint32_t	 seq;
	int		 over;		/* the newer generation of two */
	/* The loop's. */
	struct chunk	*taking;
	size_t		 at;
};

/* --- keys with more than one record --- */

static struct last *
lasts_place(const struct lasts *l, uint64_t lo, uint32_t hi)
{
	size_t	i = lo & (l->cap - 1);

	while (l->a[i].seq != 0 && (l->a[i].lo != lo || l->a[i].hi != hi))
		i = (i + 1) & (l->cap - 1);
	return &l->a[i];
}

static int
lasts_grow(struct lasts *l)
{
	struct lasts	 more = { .cap = l->cap == 0 ? LASTS_LEAST :
	    l->cap * 2, .used = l->used };
	size_t		 i;

	if ((more.a = calloc(more.cap, sizeof(*more.a))) == NULL)
		return 0;
	for (i = 0; i < l->cap; i++)
		if (l->a[i].seq != 0)
			*lasts_place(&more, l->a[i].lo, l->a[i].hi) = l->a[i];
	free(l->a);
	*l = more;
	return 1;
}

static int
lasts_note(struct lasts *l, const uint8_t *key, size_t n, uint32_t seq)
{
	XXH128_hash_t	 h = XXH3_128bits(key, n);
	struct last	*x;

	if (l->used * 4 >= l->cap * 3 && !lasts_grow(l))
		return 0;
	x = lasts_place(l, h.low64, (uint32_t)h.high64);
	l->used += x->seq == 0;
	*x = (struct last){ h.low64, (uint32_t)h.high64, seq };
	return 1;
}

/* Whether this record is the one that counts. */
static int
lasts_is(const struct lasts *l, const uint8_t *key, size_t n, uint32_t seq)
{
	XXH128_hash_t	 h;
	struct last	*x;

	if (l->used == 0)
		return 1;
	h = XXH3_128bits(key, n);
	x = lasts_place(l, h.low64, (uint32_t)h.high64);
	return x->seq == 0 || x->seq == seq;
}

static void
lasts_clear(struct lasts *l)
{
	free(l->a);
	memset(l, 0, sizeof(*l));
}

/* --- on their way to the loop --- */

/* Hands the chunk over; waits for room.  0: nobody wants it any more. */
static int
scan_pass(struct shard_scan *s)
{
	int	stop;

	pthread_mutex_lock(&s->lock);
	while (s->nfull >= SCAN_CHUNKS && !s->stop)
		pthread_cond_wait(&s->room, &s->lock);
	stop = s->stop;
	if (!stop && s->filling != NULL) {
		STAILQ_INSERT_TAIL(&s->full, s->filling, next);
		s->nfull++;
		s->filling = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (!stop)
		s->notify(s->arg);
	return !stop;
}

/* A chunk with room for n bytes. */
static enum err
scan_room(struct shard_scan *s, size_t n)
{
	size_t	cap = n > SCAN_CHUNK ? n : SCAN_CHUNK;

	if (s->filling != NULL && s->filling->cap - s->filling->len >= n)
		return E_OK;
	if (s->filling != NULL && s->runs && !scan_pass(s))
		return E_AGAIN;
	if (s->filling != NULL) {	/* no thread: all of them wait */
		STAILQ_INSERT_TAIL(&s->full, s->filling, next);
		s->filling = NULL;
	}
	if ((s->filling = malloc(sizeof(*s->filling) + cap)) == NULL)
		return E_NOMEM;
	s->filling->len = 0;
	s->filling->cap = cap;
	return E_OK;
}

/* What stands before key and value in a chunk. */
struct shown {
	uint32_t	 keylen, vallen;
	uint8_t		 how, kind;
};

static enum err
scan_put(struct shard_scan *s, const struct shown *h, const uint8_t *key,
    const uint8_t *val)
{
	size_t		 n = sizeof(*h) + h->keylen + h->vallen;
	uint8_t		*p;
	enum err	 e;

	if ((e = scan_room(s, n)) != E_OK)
		return e;
	p = s->filling->b + s->filling->len;
	memcpy(p, h, sizeof(*h));
	memcpy(p + sizeof(*h), key, h->keylen);
	if (h->vallen > 0)
		memcpy(p + sizeof(*h) + h->keylen, val, h->vallen);
	s->filling->len += n;
	return E_OK;
}

/* One that fails its checksum: the whole value, if it can be told. */
static enum err
scan_show_ill(struct shard_scan *s, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct shown	h = { (uint32_t)keylen, 0, SCAN_BAD, 0 };
	struct record	r;

	atomic_fetch_add(&s->bad, 1);
	if (record_get_doubtful(&r, key, keylen, val, vallen) != E_OK)
		return scan_put(s, &h, key, NULL);
	h.how = SCAN_DOUBT;
	h.kind = r.kind;
	if (s->ill)
		h.vallen = (uint32_t)r.vallen;
	return scan_put(s, &h, key, r.val);
}

static enum err
scan_show(struct shard_scan *s, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct shown	h = { (uint32_t)keylen, 0, SCAN_WHOLE, RECORD_VALUE };
	struct record	r;

	if (record_get(&r, key, keylen, val, vallen) != E_OK)
		return scan_show_ill(s, key, keylen, val, vallen);
	if (s->ill || r.kind != RECORD_VALUE)
		return E_OK;
	h.vallen = (uint32_t)(r.vallen < s->head ? r.vallen : s->head);
	return scan_put(s, &h, key, r.val);
}

/* --- the thread --- */

static int
scan_stopped(struct shard_scan *s)
{
	int	stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/*
 * What the disk does not give is a SIGBUS here: the next start is to know of
 * which file (data_damage.h).  The loop marks and unmarks the same ones, so it
 * is said again and again.
 */
static void
scan_mark(struct shard_scan *s, uint8_t on)
{
	if (s->reading != NULL)
		atomic_store_explicit(&s->reading[s->file], on,
		    memory_order_relaxed);
}

static enum err
see_first(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct shard_scan	*s = arg;

	(void)val, (void)vallen, (void)oldlen;
	if (key == NULL)
		return E_OK;
	scan_mark(s, 1);
	if (++s->seq % LOOK == 0 && scan_stopped(s))
		return E_AGAIN;
	if (old == NULL && !s->over)
		return E_OK;
	return lasts_note(&s->lasts, key, keylen, s->seq) ? E_OK : E_NOMEM;
}

static enum err
see_second(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct shard_scan	*s = arg;

	(void)old, (void)oldlen;
	if (key == NULL)
		return E_OK;
	scan_mark(s, 1);
	if (++s->seq % LOOK == 0 && scan_stopped(s))
		return E_AGAIN;
	if (!lasts_is(&s->lasts, key, keylen, s->seq))
		return E_OK;
	return scan_show(s, key, keylen, val, vallen);
}

/* Both generations of a file, or the one that it has. */
static enum err
scan_parts(struct shard_scan *s, unsigned from, unsigned to,
    engine_visit *visit)
{
	const struct part	*p;
	unsigned		 i;
	enum err		 e = E_OK;

	s->seq = 0;
	for (i = from; i < to && e == E_OK; i++) {
		p = &s->parts[i];
		s->over = p->newer;
		e = scan_stopped(s) ? E_AGAIN : s->ops->read(s->io, p->fd,
		    p->size, p->count, visit, s);
	}
	return e;
}

/* What a file has that cannot be read is not known at all. */
static enum err
scan_file(struct shard_scan *s, unsigned from, unsigned to)
{
	enum err	e;

	s->file = s->parts[from].file;
	scan_mark(s, 1);
	e = scan_parts(s, from, to, see_first);
	if (e == E_OK)
		e = scan_parts(s, from, to, see_second);
	scan_mark(s, 0);
	lasts_clear(&s->lasts);
	if (e != E_DAMAGED && e != E_INTERNAL)
		return e;
	s->unread |= (uint64_t)1 << s->file;
	return E_OK;
}

static enum err
scan_files(struct shard_scan *s)
{
	unsigned	i, n;
	enum err	e = E_OK;

	for (i = 0; i < s->nparts && e == E_OK; i += n) {
		for (n = 1; i + n < s->nparts &&
		    s->parts[i + n].file == s->parts[i].file; n++)
			;
		e = scan_file(s, i, i + n);
	}
	return e;
}

static void *
scan_main(void *arg)
{
	struct shard_scan	*s = arg;
	enum err		 e = scan_files(s);

	if (e == E_OK && s->filling != NULL && !scan_pass(s))
		e = E_AGAIN;
	pthread_mutex_lock(&s->lock);
	s->err = e;
	s->ended = 1;
	pthread_mutex_unlock(&s->lock);
	s->notify(s->arg);
	return NULL;
}

/* --- beginning --- */

static int
scan_take_parts(struct shard_scan *s, struct shard *sh)
{
	struct data_source	 src[INDEX_SOURCES];
	unsigned		 k, i, n;
	struct part		*p;

	s->parts = calloc((size_t)sh->conf.files * INDEX_SOURCES,
	    sizeof(*s->parts));
	if (s->parts == NULL)
		return 0;
	for (k = 0; k < sh->conf.files; k++) {
		n = data_sources(sh->data, k, src);
		for (i = 0; i < n; i++) {
			p = &s->parts[s->nparts];
			*p = (struct part){ k, fcntl(src[i].fd,
			    F_DUPFD_CLOEXEC, 0), n == 2 && i == 1,
			    src[i].size, src[i].count };
			if (p->fd == -1)
				return 0;
			s->nparts++;
		}
	}
	return 1;
}

static enum err
see_each(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen)
{
	return scan_show(arg, key, keylen, val, vallen);
}

/* An engine in memory: at once. */
static int
scan_each(struct shard_scan *s, struct shard *sh)
{
	unsigned	k;
	enum err	e = E_OK;

	for (k = 0; k < sh->conf.files && e == E_OK; k++)
		e = data_each(sh->data, k, see_each, s);
	if (s->filling != NULL)
		STAILQ_INSERT_TAIL(&s->full, s->filling, next);
	s->filling = NULL;
	s->ended = 1;
	s->err = e;
	s->notify(s->arg);
	return e == E_OK;
}

static int
scan_begin(struct shard_scan *s, struct shard *sh)
{
	if (s->ops->read == NULL)
		return scan_each(s, sh);
	if (!scan_take_parts(s, sh))
		return 0;
	s->runs = 1;
	if (pthread_create(&s->thread, NULL, scan_main, s) != 0)
		s->runs = 0;
	return s->runs;
}

struct shard_scan *
shard_scan_new(struct shard *sh, size_t head, int ill,
    void (*notify)(void *), void *arg)
{
	struct shard_scan	*s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->ops = sh->conf.ops;
	s->io = sh->conf.io;
	s->reading = sh->conf.reading;
	s->head = head;
	s->ill = ill;
	s->notify = notify;
	s->arg = arg;
	STAILQ_INIT(&s->full);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	if (scan_begin(s, sh))
		return s;
	shard_scan_free(s);
	return NULL;
}

/* --- the loop --- */

/* The next chunk; what it was that there is none. */
static enum err
scan_chunk(struct shard_scan *s)
{
	enum err	e = E_OK;

	free(s->taking);
	s->at = 0;
	pthread_mutex_lock(&s->lock);
	if ((s->taking = STAILQ_FIRST(&s->full)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->full, next);
		s->nfull -= s->nfull > 0;
		pthread_cond_signal(&s->room);
	} else
		e = !s->ended ? E_PENDING : s->err != E_OK ? s->err :
		    E_NOTFOUND;
	pthread_mutex_unlock(&s->lock);
	return e;
}

enum err
shard_scan_next(struct shard_scan *s, struct scan_entry *x)
{
	struct shown	 h;
	const uint8_t	*p;
	enum err	 e;

	while (s->taking == NULL || s->at == s->taking->len)
		if ((e = scan_chunk(s)) != E_OK)
			return e;
	p = s->taking->b + s->at;
	memcpy(&h, p, sizeof(h));
	x->key = p + sizeof(h);
	x->keylen = h.keylen;
	x->val = x->key + x->keylen;
	x->vallen = h.vallen;
	x->how = (enum scan_how)h.how;
	x->dead = h.kind == RECORD_DEAD;
	s->at += sizeof(h) + h.keylen + h.vallen;
	return E_OK;
}

uint64_t
shard_scan_bad(const struct shard_scan *s)
{
	return atomic_load(&s->bad);
}

uint64_t
shard_scan_unread(struct shard_scan *s)
{
	uint64_t	files;

	pthread_mutex_lock(&s->lock);
	files = s->ended ? s->unread : 0;
	pthread_mutex_unlock(&s->lock);
	return files;
}

void
shard_scan_free(struct shard_scan *s)
{
	struct chunk	*c;
	unsigned	 i;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = 1;
	pthread_cond_signal(&s->room);
	pthread_mutex_unlock(&s->lock);
	if (s->runs)
		pthread_join(s->thread, NULL);
	while ((c = STAILQ_FIRST(&s->full)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->full, next);
		free(c);
	}
	for (i = 0; i < s->nparts; i++)
		close(s->parts[i].fd);
	free(s->parts);
	free(s->filling);
	free(s->taking);
	lasts_clear(&s->lasts);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
