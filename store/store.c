/*
 * store.c: main of wharf-store: one actor that owns one shard.
 *
 * The way of a write: mailbox -> actor_dispatch -> store_on_put -> shard_put
 * (log buffer, data file) -> held here -> log thread -> store_wake ->
 * store_release -> mailbox.  A read leaves at once unless it met a record that
 * the log has not released yet.
 *
 * Fatal: a shard that cannot be opened (exit 1, or ACTOR_EXIT_REFUSED when it
 * is somebody else's).  A failed write or sync is not: the shard goes on
 * reading, and when the disk works again the process exits to recover.
 *
 * Bounds: HELD_MAX answers held, OUT_HIGH bytes of answers per link; beyond
 * either the link is not read.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/slot.h"
#include "store/check.h"
#include "store/store.h"
#include "store/store_cache.h"
#include "store/store_export.h"
#include "store/store_list.h"
#include "supervisor/log.h"

#define HELD_LEAST	256u		/* a small ring stays in the cache */
#define HELD_MAX	65536u
#define OUT_HIGH	(8u << 20)	/* bytes */
#define TICK		0.1		/* s */
#define WORK_PAUSE	0.0002		/* s between steps of background work */
#define PROBE_FIRST	1.0		/* s, doubling */
#define PROBE_LAST	10.0
#define FULL_OVER	10000000	/* usec without, then it is over */
#define STOP_PATIENCE	5000000		/* usec for what waits at a stop */
#define STOP_LOOK	0.02		/* s between looks whether it does */

struct store {
	struct actor	 actor;
	struct shard	*shard;
	unsigned	 stores;
	mono_t		 now;		/* of this turn */
	int64_t		 wall;
	struct ev_async	 woken;
	struct ev_check	 turn;
	struct ev_prepare sleep;
	struct ev_timer	 tick, work, probe, stop;
	struct held	*held;		/* ring of held_size */
	struct held_text *texts;	/* of the same answers */
	unsigned	 held_size, held_first, held_count;
	uint64_t	 held_bytes;
	int		 choked;	/* a link's answers pile up */
	int		 stopping;
	mono_t		 stop_late;	/* then it goes, whatever waits */
	unsigned	 ticks;
	uint8_t		 tab[TABLE_MAX], key[KEY_MAX];	/* of the op at hand */
	struct lists	*lists;
	struct exports	*exports;
	struct part	*part;
	struct many	*parts;		/* done in part, kept by their links */
	uint64_t	 batches;	/* of the log, already timed */
	int64_t		 slow_us;	/* log.slow */
	mono_t		 full;		/* last seen without space; .us 0: told over */
};

static void	 store_open(struct store *);
static enum err	 store_open_shard(struct store *, struct shard_opened *);
static void	 store_watch(struct store *);
static void	 store_desk(struct store *);
static void	 store_on_stop(struct actor *, int hurry);
static void	 store_on_reload(struct actor *);
static void	 store_on_turn(struct actor *);
static void	 store_wake(struct ev_loop *, struct ev_async *, int);
static void	 store_turn(struct ev_loop *, struct ev_check *, int);
static void	 store_sleep(struct ev_loop *, struct ev_prepare *, int);
static void	 store_tick(struct ev_loop *, struct ev_timer *, int);
static void	 store_work(struct ev_loop *, struct ev_timer *, int);
static void	 store_probe(struct ev_loop *, struct ev_timer *, int);
static void	 store_leave(struct ev_loop *, struct ev_timer *, int);
static int	 store_held_grow(struct store *);
static void	 store_release(struct store *);
static void	 store_fail(struct store *);
static void	 store_send(struct store *, struct link *, const struct held *,
		    const struct msg *);
static void	 store_gauges(struct store *);
static void	 store_tell_full(struct store *);
static void	 store_time_log(struct store *);

static const struct handler store_table[MSG_MAX] = {
#define MSG_STORE(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { fn, from },
#include "proto/msg.def"
};

static const struct actor_hooks store_hooks = {
	.stop = store_on_stop,
	.reload = store_on_reload,
	.turn = store_on_turn,
};

static struct store	*self;

int
main(int argc, char **argv)
{
	int	code;

	if (argc > 1 && strcmp(argv[1], "--check") == 0)
		return check_main(argc - 2, argv + 2);
	if ((self = calloc(1, sizeof(*self))) == NULL || !store_held_grow(self))
		fatal("store: no memory");
	actor_init(&self->actor, argc, argv, "store", FROM_STORE, store_table,
	    &store_hooks, self);
	store_open(self);
	store_watch(self);
	store_desk(self);
	actor_ready(&self->actor);
	code = actor_run(&self->actor);
	mailbox_flush(self->actor.mailbox);	/* closing may take a while */
	lists_free(self->lists);
	exports_free(self->exports);
	part_free(self->part);
	if (shard_close(self->shard, code == ACTOR_EXIT_OK) != E_OK)
		log_warnx("store: not closed in order, will recover from the log");
	actor_free(&self->actor);
	free(self->held);
	free(self->texts);
	free(self);
	return code;
}

static void
store_open(struct store *st)
{
	struct shard_opened	 opened;
	mono_t			 began = mono_now();
	enum err		 e = store_open_shard(st, &opened);

	if (e == E_STALE) {
		log_errorx("store: refused: %s", opened.error);
		exit(ACTOR_EXIT_REFUSED);
	}
	if (e != E_OK)
		fatalx("store: cannot open the shard: %s: %s", err_text(e),
		    opened.error);
	log_info("store: %s, %llu log records replayed%s, %lld ms",
	    opened.fresh ? "new shard" : opened.clean ?
	    "open after a clean stop" : "recovered",
	    (unsigned long long)opened.replayed,
	    opened.torn ? ", torn tail cut" : "",
	    (long long)mono_diff(began, mono_now()) / 1000);
}

static void
store_shard_progress(void *arg)
{
	struct store	*st = arg;

	actor_progress(&st->actor);
}

/* Log thread or helper thread. */
static void
store_shard_notify(void *arg)
{
	struct store	*st = arg;

	ev_async_send(st->actor.loop, &st->woken);
}

static enum err
store_open_shard(struct store *st, struct shard_opened *opened)
{
	static char		 dir[PATH_MAX];
	const struct conf	*c = st->actor.conf;
	struct shard_conf	 sc = {
		.dir = dir, .io = &io_posix, .node = st->actor.node,
		.catalogue = st->actor.catalogue, .inc = st->actor.inc,
		.store = st->actor.seat,
		.stores = (unsigned)conf_int(c, CONF_STORES_COUNT),
		.files = (unsigned)conf_int(c, CONF_STORES_FILES),
		.segment = (size_t)conf_int(c, CONF_STORES_SEGMENT),
		.sync = (enum wal_sync)conf_int(c, CONF_STORES_SYNC),
		.compact_bytes = (uint64_t)conf_int(c, CONF_STORES_COMPACT_BYTES),
		.index_memory = (size_t)conf_int(c, CONF_STORES_INDEX_MEMORY),
		.progress = store_shard_progress,
		.notify = store_shard_notify, .arg = st
	};

	sc.ops = conf_int(c, CONF_STORES_ENGINE) == 0 ? &engine_tkrzw :
	    &engine_mem;
	st->stores = sc.stores;
	snprintf(dir, sizeof(dir), "%s/store.%u", conf_str(c, CONF_NODE_DATA),
	    st->actor.seat);
	ev_async_init(&st->woken, store_wake);
	ev_async_start(st->actor.loop, &st->woken);
	return shard_open(&st->shard, &sc, opened);
}

static void
store_watch(struct store *st)
{
	struct ev_loop	*loop = st->actor.loop;

	st->now = mono_now();
	st->wall = wall_ms();
	st->slow_us = slow_limit(st->actor.conf);
	ev_check_init(&st->turn, store_turn);
	ev_set_priority(&st->turn, EV_MAXPRI);
	ev_check_start(loop, &st->turn);
	ev_prepare_init(&st->sleep, store_sleep);
	ev_set_priority(&st->sleep, EV_MAXPRI);
	ev_prepare_start(loop, &st->sleep);
	ev_timer_init(&st->tick, store_tick, TICK, TICK);
	ev_timer_start(loop, &st->tick);
	ev_timer_init(&st->work, store_work, TICK, 0);
	ev_timer_start(loop, &st->work);
	ev_timer_init(&st->probe, store_probe, 0, PROBE_FIRST);
	ev_timer_init(&st->stop, store_leave, STOP_LOOK, STOP_LOOK);
	if ((st->lists = lists_new(&st->actor)) == NULL ||
	    (st->exports = exports_new(&st->actor)) == NULL ||
	    (st->part = part_new(&st->actor)) == NULL)
		fatal("store: no memory");
}

/* The socket that outside nng programs dial first. */
static void
store_desk(struct store *st)
{
	const struct conf	*c = st->actor.conf;
	char			 path[LINK_PATH_MAX], lanes[LINK_PATH_MAX];
	struct desk_conf	 dc = {
		.path = path, .run = conf_str(c, CONF_NODE_RUN),
		.group = conf_str(c, CONF_NNG_GROUP),
		.mode = (unsigned)strtoul(conf_str(c, CONF_NNG_MODE), NULL, 8),
		.stores = st->stores,
		.files = (unsigned)conf_int(c, CONF_STORES_FILES),
		.routers = 1, .seat = st->actor.seat,
		.max_clients = (unsigned)conf_int(c, CONF_LIMITS_CLIENTS),
		.lanes = lanes
	};

	if (dc.max_clients == 0)
		return;
	snprintf(path, sizeof(path), "%s/store.%u", dc.run, st->actor.seat);
	lanes[0] = '\0';
	if (conf_int(c, CONF_LANES_ENABLED))
		snprintf(lanes, sizeof(lanes), "%s/lanes", dc.run);
	if (mailbox_desk(st->actor.mailbox, &dc) != E_OK)
		log_warnx("store: no front desk at %s", path);
}

struct shard *
store_shard(struct store *st)
{
	return st->shard;
}

struct actor *
store_actor(struct store *st)
{
	return &st->actor;
}

struct lists *
store_lists(struct store *st)
{
	return st->lists;
}

struct exports *
store_exports(struct store *st)
{
	return st->exports;
}

struct part *
store_part(struct store *st)
{
	return st->part;
}

int
store_can_hold(struct store *st)
{
	return st->held_count < st->held_size || store_held_grow(st);
}

int64_t
store_now(const struct store *st)
{
	return st->wall;
}

void
store_damaged(struct store *st, unsigned slot)
{
	static struct log_limit	lim;
	char			name[64];

	shard_file_name(st->shard, slot, name, sizeof(name));
	board_add(st->actor.my, BC_DAMAGED, 1);
	log_limited(&lim, "store: a record of slot %u in %s fails its checksum",
	    slot, name);
}

enum err
store_may(struct store *st, const struct msg *m)
{
	enum err	e = store_may_now(st, m);

	if (e == E_OK && (!store_can_hold(st) ||
	    st->held_bytes > OUT_HIGH * 4ull))
		return E_AGAIN;		/* until store_wake */
	return e;
}

enum err
store_may_now(struct store *st, const struct msg *m)
{
	if (frame_late(&m->f, st->now))
		return E_EXPIRED;
	if (st->stopping)
		return E_NOTREADY;
	if (link_queued(m->link) > OUT_HIGH) {
		st->choked = 1;
		return E_AGAIN;
	}
	return E_OK;
}

int
store_table_valid(const uint8_t *p, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= ':') ||
		    (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z') ||
		    p[i] == '_' || p[i] == '.'))
			return 0;
	return n >= 1 && n <= TABLE_MAX;
}

enum err
store_key(struct store *st, const char *types, struct shard_key *k)
{
	if (k->type == 0 || strchr(types, k->type) == NULL)
		return E_PARAM;
	memcpy(st->tab, k->tab, k->tablen);
	memcpy(st->key, k->key, k->keylen);
	k->tab = st->tab;
	k->key = st->key;
	if (k->type == TYPE_KV ? k->tablen != 0 :
	    !store_table_valid(k->tab, k->tablen))
		return E_PARAM;
	k->slot = k->type == TYPE_ZSET ? slot_of(k->tab, k->tablen) :
	    slot_of(k->key, k->keylen);
	if (slot_store(k->slot, st->stores) != st->actor.seat)
		return E_PARAM;
	return E_OK;
}

enum err
store_admit(struct store *st, const struct msg *m, const char *types,
    struct shard_key *k)
{
	enum err	e = store_may(st, m);

	if (e != E_OK)
		return e;
	*k = (struct shard_key){ .type = m->f.type, .tab = m->f.tab,
	    .tablen = m->f.tablen, .key = m->f.key, .keylen = m->f.keylen };
	return store_key(st, types, k);
}

void
store_again(struct store *st)
{
	ev_async_send(st->actor.loop, &st->woken);
}

struct many **
store_parts(struct store *st)
{
	return &st->parts;
}

int
store_link_gone(const struct store *st, uint64_t link)
{
	return link_find(st->actor.mailbox, link) == NULL;
}

/* Doubles the ring: 1, or 0 when it is as big as may be or memory is short. */
static int
store_held_grow(struct store *st)
{
	unsigned		 size = st->held_size * 2, i, from;
	struct held		*held;
	struct held_text	*texts;

	if (size == 0)
		size = HELD_LEAST;
	if (size > HELD_MAX)
		return 0;
	held = calloc(size, sizeof(*held));
	texts = calloc(size, sizeof(*texts));
	if (held == NULL || texts == NULL) {
		free(held);
		free(texts);
		return 0;
	}
	for (i = 0; i < st->held_count; i++) {
		from = (st->held_first + i) &
		    (st->held_size - 1);
		held[i] = st->held[from];
		texts[i] = st->texts[from];
	}
	free(st->held);
	free(st->texts);
	st->held = held;
	st->texts = texts;
	st->held_first = 0;
	st->held_size = size;
	return 1;
}

/* The slow log wants to know whose answer it was that waited. */
static void
store_note(struct store *st, struct held *h, const struct msg *m)
{
	struct held_text	*t = &st->texts[h - st->held];

	h->since = mono_now();
	t->tablen = slow_cut(t->tab, m->f.tab, m->f.tablen);
	t->keylen = slow_cut(t->key, m->f.key, m->f.keylen);
	t->vallen = m->f.vallen;
}

/* In this turn, unless it has waited since an earlier one. */
static mono_t
store_came(const struct store *st, const struct msg *m)
{
	return m->since.us != 0 ? m->since : st->now;
}

enum err
store_answer(struct store *st, const struct msg *m, enum err status,
    const struct frame *r, uint64_t lsn, int write)
{
	struct held	*h, now;

	if (lsn <= shard_released(st->shard)) {
		now = (struct held){ .came = store_came(st, m), .r = *r,
		    .status = status, .write = write };
		now.r.id = m->f.id;
		now.r.msg = m->f.msg;
		store_send(st, m->link, &now, m);
		return E_PENDING;
	}
	h = &st->held[(st->held_first + st->held_count) &
		    (st->held_size - 1)];
	*h = (struct held){ .lsn = lsn, .link = link_id(m->link),
	    .came = store_came(st, m), .r = *r, .status = status,
	    .write = write };
	h->r.id = m->f.id;
	h->r.msg = m->f.msg;
	store_note(st, h, m);
	if (r->vallen > 0) {
		if ((h->val = malloc(r->vallen)) == NULL) {
			h->status = write ? E_UNSURE : E_NOMEM;
			h->r.vallen = 0;
		} else
			memcpy(h->val, r->val, r->vallen);
		h->r.val = h->val;
	}
	st->held_bytes += h->r.vallen;
	st->held_count++;
	return E_PENDING;
}

/* m: the request, when its answer was not held. */
static void
store_slow(struct store *st, const struct held *h, const struct msg *m,
    mono_t now)
{
	struct slow_entry	 e = { .inc = st->actor.inc };
	const struct held_text	*t;

	e.total = mono_diff(h->came, now);
	e.status = (uint32_t)err_http(h->status);
	slow_name(&e, msg_name(h->r.msg));
	if (m != NULL) {
		e.tablen = slow_cut(e.tab, m->f.tab, m->f.tablen);
		e.keylen = slow_cut(e.key, m->f.key, m->f.keylen);
		e.vallen = m->f.vallen;
	} else {
		t = &st->texts[h - st->held];
		e.tablen = slow_cut(e.tab, t->tab, t->tablen);
		e.keylen = slow_cut(e.key, t->key, t->keylen);
		e.vallen = t->vallen;
		e.held = mono_diff(h->since, now);
	}
	if (!h->write)
		e.vallen = h->r.vallen;
	slow_put(board_slow(st->actor.my), &e);
}

static void
store_send(struct store *st, struct link *l, const struct held *h,
    const struct msg *m)
{
	struct board_actor	*b = st->actor.my;
	mono_t			 now = mono_now();
	int64_t			 us = mono_diff(h->came, now);
	int			 http = err_http(h->status);

	board_add(b, BC_REQUESTS, 1);
	if (http >= 500)
		board_add(b, BC_ERRORS, 1);
	else if (http >= 400)
		board_add(b, BC_REFUSED, 1);
	board_add(b, BC_BYTES_OUT, h->r.vallen);
	board_time(b, h->write ? BH_WRITE : BH_READ, us);
	if (us >= st->slow_us)
		store_slow(st, h, m, now);
	link_reply(l, h->r.msg, h->r.id, h->status, &h->r);
}

/* Answers, in order, what the log has released. */
static void
store_release(struct store *st)
{
	uint64_t	 mark = shard_released(st->shard);
	struct held	*h;
	struct link	*l;

	while (st->held_count > 0) {
		h = &st->held[st->held_first];
		if (h->lsn > mark)
			break;
		if ((l = link_find(st->actor.mailbox, h->link)) != NULL)
			store_send(st, l, h, NULL);
		st->held_bytes -= h->r.vallen;
		free(h->val);
		st->held_first = (st->held_first + 1) &
		    (st->held_size - 1);
		st->held_count--;
	}
	if (st->held_count == 0)
		st->held_first = 0;	/* keeps to the warm part of the ring */
}

/*
 * The log or a data file failed.  What waits may or may not be on the disk:
 * writes are told so, reads are told to come again.
 */
static void
store_fail(struct store *st)
{
	struct held	*h;
	struct link	*l;

	log_errorx("store: a write or sync failed; read-only until the disk "
	    "works again, %u answers were waiting", st->held_count);
	for (; st->held_count > 0; st->held_count--) {
		h = &st->held[st->held_first];
		h->status = h->write ? E_UNSURE : E_READONLY;
		st->held_bytes -= h->r.vallen;
		h->r.vallen = 0;
		if ((l = link_find(st->actor.mailbox, h->link)) != NULL)
			store_send(st, l, h, NULL);
		free(h->val);
		st->held_first = (st->held_first + 1) &
		    (st->held_size - 1);
	}
	ev_timer_again(st->actor.loop, &st->probe);
}

/* First of all watchers in a turn: what time is it? */
static void
store_turn(struct ev_loop *loop, struct ev_check *w, int events)
{
	(void)loop, (void)w, (void)events;
	shard_turn(self->shard);
	self->now = mono_now();
	self->wall = wall_ms();
}

/* After the mailbox took messages: one batch for the log. */
static void
store_on_turn(struct actor *a)
{
	struct store	*st = a->self;

	shard_kick(st->shard);
	if (shard_failed(st->shard) != E_OK && !ev_is_active(&st->probe))
		store_fail(st);
}

/* The log thread or the helper has results. */
static void
store_wake(struct ev_loop *loop, struct ev_async *w, int events)
{
	(void)loop, (void)w, (void)events;
	if (self->shard == NULL)
		return;		/* still opening */
	shard_poll(self->shard);
	store_release(self);
	store_time_log(self);
	if (shard_failed(self->shard) != E_OK && !ev_is_active(&self->probe))
		store_fail(self);
	mailbox_resume(self->actor.mailbox);
}

/* Before the loop sleeps: choked links may have got rid of their answers. */
static void
store_sleep(struct ev_loop *loop, struct ev_prepare *w, int events)
{
	(void)loop, (void)w, (void)events;
	if (self->choked)
		self->choked = mailbox_resume_below(self->actor.mailbox,
		    OUT_HIGH / 2) != 0;
}

static void
store_tick(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)loop, (void)w, (void)events;
	mailbox_resume(self->actor.mailbox);
	if (self->ticks++ % 5 == 0) {
		store_gauges(self);
		store_tell_full(self);
		store_many_sweep(self);
	}
}

static void
store_work(struct ev_loop *loop, struct ev_timer *w, int events)
{
	int	more;

	(void)events;
	more = shard_work(self->shard);
	ev_timer_stop(loop, w);
	ev_timer_set(w, more ? WORK_PAUSE : TICK, 0);
	ev_timer_start(loop, w);
}

static void
store_probed(void *arg, enum err e)
{
	struct store	*st = arg;

	if (e == E_OK && !st->stopping) {
		log_info("store: the disk works again, restarting to recover");
		actor_exit(&st->actor, ACTOR_EXIT_RECOVER);
	}
}

static void
store_probe(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)loop, (void)events;
	shard_probe(self->shard, store_probed, self);
	if (w->repeat < PROBE_LAST)
		w->repeat *= 2;
	ev_timer_again(loop, w);
}

static void
store_gauges(struct store *st)
{
	struct board_actor	*b = st->actor.my;
	struct shard_stat	 s;

	shard_stat(st->shard, &s);
	board_set(b, BC_DEPTH, st->held_count);
	board_set(b, BC_MEMORY, (int64_t)st->held_bytes);
	board_set(b, BC_LOG_BATCHES, (int64_t)s.wal.batches);
	board_set(b, BC_LOG_BYTES, (int64_t)s.wal.bytes);
	board_set(b, BC_LOG_SEGMENTS, s.wal.segments);
	board_set(b, BC_LSN, (int64_t)s.lsn);
	board_set(b, BC_LSN_DURABLE, (int64_t)s.durable);
	board_set(b, BC_CHECKPOINTS, (int64_t)s.data.checkpoints);
	board_set(b, BC_COMPACTIONS, (int64_t)s.data.compactions);
	board_set(b, BC_RECORDS, (int64_t)s.data.records);
	board_set(b, BC_DATA_BYTES, (int64_t)s.data.bytes);
	board_set(b, BC_LIVE_BYTES, (int64_t)s.data.live_bytes);
	board_set(b, BC_EXPIRED_BYTES, (int64_t)s.data.expired_bytes);
	board_set(b, BC_TABLES, catalogue_held(st->actor.catalogue,
	    st->actor.seat));
	board_set(b, BC_TABLE_CONFLICTS, (int64_t)s.tables.conflicts);
	board_set(b, BC_INDEX_ENTRIES, (int64_t)s.index.entries);
	board_set(b, BC_INDEX_BYTES, (int64_t)s.index.bytes);
	board_set(b, BC_INDEX_BUILDS, (int64_t)s.index.builds);
	part_gauges(st->part);
	board_set(b, BC_STATE, st->stopping ? BOARD_STOPPING :
	    shard_failed(st->shard) != E_OK ? BOARD_READONLY :
	    shard_nospace(st->shard) ? BOARD_NOSPACE : BOARD_READY);
}

/* It comes and goes while little is left: told once, and when it is over. */
static void
store_tell_full(struct store *st)
{
	mono_t	now = mono_now();

	if (shard_nospace(st->shard)) {
		if (st->full.us == 0)
			log_warnx("store: no disk space for the log or the "
			    "data files: writes get 507 until there is");
		st->full = now;
	} else if (st->full.us != 0 && mono_diff(st->full, now) > FULL_OVER) {
		log_info("store: there is disk space again");
		st->full.us = 0;
	}
}

static void
store_time_log(struct store *st)
{
	struct wal_stat	ws;

	shard_log_stat(st->shard, &ws);
	if (ws.batches == st->batches)
		return;
	st->batches = ws.batches;
	board_time(st->actor.my, BH_LOG, ws.last_us);
}

static void
store_on_reload(struct actor *a)
{
	struct store	*st = a->self;

	st->slow_us = slow_limit(a->conf);
	shard_set_compact_bytes(st->shard,
	    (uint64_t)conf_int(a->conf, CONF_STORES_COMPACT_BYTES));
	shard_set_index_memory(st->shard,
	    (size_t)conf_int(a->conf, CONF_STORES_INDEX_MEMORY));
}

static void
store_on_stop(struct actor *a, int hurry)
{
	struct store	*st = a->self;

	st->stopping = 1;
	lists_stop(st->lists);
	board_set(a->my, BC_STATE, BOARD_STOPPING);
	/* What links have kept, and what is on its way, gets E_NOTREADY. */
	mailbox_resume(a->mailbox);
	if (hurry) {
		actor_exit(a, ACTOR_EXIT_OK);
		return;
	}
	st->stop_late = mono_add(mono_now(), STOP_PATIENCE);
	ev_timer_start(a->loop, &st->stop);
}

/* Goes when nobody waits for an answer any more. */
static void
store_leave(struct ev_loop *loop, struct ev_timer *w, int events)
{
	unsigned	kept;

	(void)loop, (void)w, (void)events;
	store_many_sweep(self);
	kept = mailbox_resume_below(self->actor.mailbox, 0);
	if (self->held_count == 0 && self->parts == NULL && kept == 0) {
		actor_exit(&self->actor, ACTOR_EXIT_OK);
		return;
	}
	if (mono_diff(self->stop_late, mono_now()) >= 0) {
		log_warnx("store: %u answers still wait for the log at the "
		    "stop", self->held_count);
		actor_exit(&self->actor, ACTOR_EXIT_OK);
	}
}
