/*
 * store.c: main of wharf-store: one actor that owns one shard.
 *
 * The way of a write: mailbox -> actor_dispatch -> store_on_put -> shard_put
 * (log buffer, data file) -> held (store_answer.c) -> log thread ->
 * store_wake -> answers_release -> mailbox.  A read leaves at once unless it
 * met a record that the log has not released yet.
 *
 * Fatal: a shard that cannot be opened (exit 1, or ACTOR_EXIT_REFUSED when it
 * is somebody else's).  A failed write or sync is not: the shard goes on
 * reading, and when the disk works again the process exits to recover.
 *
 * Bounds: ANSWERS_MAX answers held, OUT_HIGH bytes of answers per link; beyond
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
#include "store/store_answer.h"
#include "store/store_cache.h"
#include "store/store_export.h"
#include "store/store_list.h"
#include "supervisor/log.h"

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
	struct answers	*answers;
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
static void	 store_fail(struct store *);
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
	if ((self = calloc(1, sizeof(*self))) == NULL)
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
	answers_free(self->answers);
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
	if ((st->answers = answers_new(&st->actor)) == NULL ||
	    (st->lists = lists_new(&st->actor)) == NULL ||
	    (st->exports = exports_new(&st->actor)) == NULL ||
	    (st->part = part_new(&st->actor)) == NULL)
		fatal("store: no memory");
	answers_set_slow(st->answers, slow_limit(st->actor.conf));
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
	return answers_room(st->answers);
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
	    answers_bytes(st->answers) > OUT_HIGH * 4ull))
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
	k->slot = slot_of_record(k->type, k->tab, k->tablen, k->key,
	    k->keylen);
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

/* It came in this turn, unless it has waited since an earlier one. */
enum err
store_answer(struct store *st, const struct msg *m, enum err status,
    const struct frame *r, uint64_t lsn, int write)
{
	answers_give(st->answers, m, m->since.us != 0 ? m->since : st->now,
	    status, r, lsn, shard_released(st->shard), write);
	return E_PENDING;
}

static void
store_fail(struct store *st)
{
	log_errorx("store: a write or sync failed; read-only until the disk "
	    "works again, %u answers were waiting",
	    answers_count(st->answers));
	answers_fail(st->answers);
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
	answers_release(self->answers, shard_released(self->shard));
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
	answers_gauges(st->answers);
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

	answers_set_slow(st->answers, slow_limit(a->conf));
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
	if (answers_count(self->answers) == 0 && self->parts == NULL &&
	    kept == 0) {
		actor_exit(&self->actor, ACTOR_EXIT_OK);
		return;
	}
	if (mono_diff(self->stop_late, mono_now()) >= 0) {
		log_warnx("store: %u answers still wait for the log at the "
		    "stop", answers_count(self->answers));
		actor_exit(&self->actor, ACTOR_EXIT_OK);
	}
}
