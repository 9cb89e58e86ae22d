/*
 * store_cache.c: the handler of the CACHE messages: decode, do it, answer at
 * once.  Only what brings a large value waits, as a job, until there is room,
 * which is made ROOM_US at a time; without room for the job its link waits.
 *
 * Runs in wharf-store, beside the shard and without it: a cache's answer never
 * waits for the log, and is given while the log is broken or the disk is full.
 * What is in it dies with the process, which begins with an empty one.
 *
 * Bounds: cache.memory / stores.count, and STEP entries of background work a
 * turn.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/slot.h"
#include "store/cache.h"
#include "store/store.h"
#include "store/store_cache.h"
#include "store/store_job.h"
#include "supervisor/log.h"

#define STEP		1000u		/* entries */
#define STEP_PAUSE	0.003		/* s, while there is more to do */
#define STEP_IDLE	0.1
#define ROOM_US		500		/* of making room, in a turn */
#define ROOM_STEP	8u		/* evictions between looks at the clock */

_Static_assert(CACHE_KEY_MAX == KEY_MAX && CACHE_KEY_MAX == CACHE_NAME_MAX &&
    CACHE_VALUE_MAX == CACHED_MAX, "limits are those of the messages");

struct part {
	struct actor	*a;
	struct cache	*cache;		/* NULL: there is none */
	struct ev_timer	 step;
	unsigned	 stores;
	/* Of the command at hand: peers may change what a frame borrows. */
	uint8_t		 name[CACHE_NAME_MAX], key[KEY_MAX];
	uint8_t		 number[CACHE_TEXT_MAX];
};

/* A command and its answer. */
struct ask {
	struct cache	*c;
	int64_t		 now, ttl;
	struct cache_str tb, key, val;	/* tb.n 0: key is the name */
	struct cache_str out;
	int64_t		 sec;		/* ttl */
};

static void	 part_step(struct ev_loop *, struct ev_timer *, int);

/* --- one line for each command --- */

static enum err
run_exist(struct ask *q)
{
	return cache_exist(q->c, q->now, q->key);
}

static enum err
run_get(struct ask *q)
{
	return cache_get(q->c, q->now, q->key, &q->out);
}

static enum err
run_ttl(struct ask *q)
{
	return cache_ttl(q->c, q->now, q->key, &q->sec);
}

static enum err
run_put(struct ask *q)
{
	return cache_put(q->c, q->now, q->key, q->val, q->ttl);
}

static enum err
run_append(struct ask *q)
{
	return cache_append(q->c, q->now, q->key, q->val);
}

static enum err
run_del(struct ask *q)
{
	return cache_del(q->c, q->now, q->key);
}

static enum err
run_expire(struct ask *q)
{
	return cache_expire(q->c, q->now, q->key, q->ttl);
}

static enum err
run_persist(struct ask *q)
{
	return cache_persist(q->c, q->now, q->key);
}

static enum err
run_hexist(struct ask *q)
{
	return cache_hexist(q->c, q->now, q->tb, q->key);
}

static enum err
run_hget(struct ask *q)
{
	return cache_hget(q->c, q->now, q->tb, q->key, &q->out);
}

static enum err
run_hset(struct ask *q)
{
	return cache_hset(q->c, q->now, q->tb, q->key, q->val);
}

static enum err
run_hdel(struct ask *q)
{
	return cache_hdel(q->c, q->now, q->tb, q->key);
}

static enum err
run_hincrby(struct ask *q)
{
	return cache_hincrby(q->c, q->now, q->tb, q->key, q->val, &q->out);
}

static enum err
run_hincrbyfloat(struct ask *q)
{
	return cache_hincrbyfloat(q->c, q->now, q->tb, q->key, q->val,
	    &q->out);
}

enum kind { K_READ = 0, K_WRITE = 1 << 0, K_NUMBER = 1 << 1,
	K_VALUE = 1 << 2, K_APPEND = 1 << 3 };

#define RUN(msg, fn, kind)	[(msg) - MSG_CACHE_EXIST] = { fn, kind }
static const struct {
	enum err	(*run)(struct ask *);
	unsigned	 kind;
} commands[] = {
	RUN(MSG_CACHE_EXIST, run_exist, K_READ),
	RUN(MSG_CACHE_GET, run_get, K_READ),
	RUN(MSG_CACHE_TTL, run_ttl, K_READ),
	RUN(MSG_CACHE_PUT, run_put, K_WRITE | K_VALUE),
	RUN(MSG_CACHE_APPEND, run_append, K_WRITE | K_VALUE | K_APPEND),
	RUN(MSG_CACHE_DEL, run_del, K_WRITE),
	RUN(MSG_CACHE_EXPIRE, run_expire, K_WRITE),
	RUN(MSG_CACHE_PERSIST, run_persist, K_WRITE),
	RUN(MSG_CACHE_HEXIST, run_hexist, K_READ),
	RUN(MSG_CACHE_HGET, run_hget, K_READ),
	RUN(MSG_CACHE_HSET, run_hset, K_WRITE | K_VALUE),
	RUN(MSG_CACHE_HDEL, run_hdel, K_WRITE),
	RUN(MSG_CACHE_HINCRBY, run_hincrby, K_WRITE | K_NUMBER),
	RUN(MSG_CACHE_HINCRBYFLOAT, run_hincrbyfloat, K_WRITE | K_NUMBER),
};
#undef RUN

/* --- the way in and out --- */

static struct cache_str
copied(uint8_t *to, const uint8_t *p, size_t n)
{
	if (n != 0)
		memcpy(to, p, n);
	return (struct cache_str){ to, n };
}

/* Hashes have a name, strings have none beside their key; the slot is ours. */
static enum err
part_take(struct part *p, const struct frame *f, struct ask *q, unsigned kind)
{
	int			 hash = f->msg >= MSG_CACHE_HEXIST;
	const struct cache_str	*name = hash ? &q->tb : &q->key;

	q->tb = copied(p->name, f->tab, f->tablen);
	q->key = copied(p->key, f->key, f->keylen);
	q->val = (struct cache_str){ f->val, f->vallen };
	if ((kind & K_NUMBER) != 0)
		q->val = copied(p->number, f->val, f->vallen);
	q->ttl = f->ttl;
	if ((hash && name->n == 0) || slot_store(slot_of(name->p, name->n),
	    p->stores) != p->a->seat)
		return E_PARAM;
	return E_OK;
}

/* What a good answer says: a value, or a number and its text. */
static void
part_say(struct frame *r, const struct ask *q, uint16_t msg,
    uint8_t text[NUMBER_TEXT])
{
	r->val = q->out.p;
	r->vallen = (uint32_t)q->out.n;
	if (msg == MSG_CACHE_TTL) {
		r->score = q->sec;
		r->val = text;
		r->vallen = (uint32_t)number_put(text, q->sec);
	} else if (msg == MSG_CACHE_HINCRBY)
		(void)number_get(q->out.p, q->out.n, &r->score);
}

/* --- large values --- */

/* 0: what the command would evict takes longer than a turn has. */
static int
room_ready(const struct ask *q, unsigned kind)
{
	mono_t	began;

	if ((kind & K_VALUE) == 0 ||
	    ((kind & K_APPEND) == 0 && q->val.n < CACHE_LARGE))
		return 1;
	began = mono_now();
	do {
		if (cache_ready(q->c, q->now, q->tb, q->key, q->val.n,
		    (kind & K_APPEND) != 0, ROOM_STEP))
			return 1;
	} while (mono_diff(began, mono_now()) < ROOM_US);
	return 0;
}

static enum err
room_step(struct list_job *j)
{
	struct part	*p = store_part(j->st);
	struct ask	 q = { .c = p->cache, .now = store_now(j->st) };
	unsigned	 at = j->m.f.msg - MSG_CACHE_EXIST;
	enum err	 e = part_take(p, &j->m.f, &q, commands[at].kind);

	if (e != E_OK)
		return e;
	if (!room_ready(&q, commands[at].kind))
		return E_PENDING;
	return commands[at].run(&q);
}

static enum err
room_wait(struct actor *a, const struct msg *m)
{
	const struct frame	*f = &m->f;
	struct list_job		*j;

	if (!job_room(a->self, (size_t)f->tablen + f->keylen + f->vallen)) {
		store_again(a->self);
		return E_AGAIN;
	}
	if ((j = job_new(a, m, room_step)) == NULL)
		return E_NOMEM;
	return job_start(j);
}

enum err
store_on_cache(struct actor *a, const struct msg *m)
{
	struct store	*st = a->self;
	struct part	*p = store_part(st);
	struct ask	 q = { .c = p->cache, .now = store_now(st) };
	unsigned	 at = m->f.msg - MSG_CACHE_EXIST;
	struct frame	 r = { 0 };
	uint8_t		 text[NUMBER_TEXT];
	enum err	 e;

	if ((e = store_may_now(st, m)) != E_OK)
		return e;
	if (p->cache == NULL)
		return E_CACHE_OFF;
	if ((e = part_take(p, &m->f, &q, commands[at].kind)) != E_OK)
		return e;
	if (!room_ready(&q, commands[at].kind))
		return room_wait(a, m);
	if ((e = commands[at].run(&q)) == E_OK)
		part_say(&r, &q, m->f.msg, text);
	return store_answer(st, m, e, &r, 0,
	    (commands[at].kind & K_WRITE) != 0);
}

/* --- its life --- */

static void
part_open(struct part *p)
{
	size_t		most = (size_t)conf_int(p->a->conf, CONF_CACHE_MEMORY);
	uint64_t	seed;

	if (most == 0)
		return;
	most /= p->stores;
	if (most < CACHE_LEAST)
		most = CACHE_LEAST;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		fatal("store: no random numbers");
	if ((p->cache = cache_new(most, seed)) == NULL) {
		log_errorx("store: no cache: there is no address space for "
		    "%zu bytes of it", most);
		return;
	}
	p->step.data = p;
	ev_timer_init(&p->step, part_step, STEP_IDLE, 0);
	ev_timer_start(p->a->loop, &p->step);
}

struct part *
part_new(struct actor *a)
{
	struct part	*p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->a = a;
	p->stores = (unsigned)conf_int(a->conf, CONF_STORES_COUNT);
	part_open(p);
	return p;
}

void
part_free(struct part *p)
{
	if (p == NULL)
		return;
	if (p->cache != NULL)
		ev_timer_stop(p->a->loop, &p->step);
	cache_free(p->cache);
	free(p);
}

/* Expired entries, deleted hashes, memory that is not needed any more. */
static void
part_step(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct part	*p = w->data;
	int		 more;

	(void)events;
	more = cache_step(p->cache, wall_ms(), STEP);
	ev_timer_stop(loop, w);
	ev_timer_set(w, more ? STEP_PAUSE : STEP_IDLE, 0);
	ev_timer_start(loop, w);
}

void
part_gauges(const struct part *p)
{
	struct board_actor	*b = p->a->my;
	struct cache_stat	 s;

	if (p->cache == NULL)
		return;
	cache_stat(p->cache, &s);
	board_set(b, BC_CACHE_LIMIT, (int64_t)s.limit);
	board_set(b, BC_CACHE_BYTES, (int64_t)s.bytes);
	board_set(b, BC_CACHE_ENTRIES, (int64_t)s.entries);
	board_set(b, BC_CACHE_HITS, (int64_t)s.hits);
	board_set(b, BC_CACHE_MISSES, (int64_t)s.misses);
	board_set(b, BC_CACHE_EVICTED, (int64_t)s.evicted);
	board_set(b, BC_CACHE_EXPIRED, (int64_t)s.expired);
}
