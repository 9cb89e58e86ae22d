/*
 * server.c: see server.h.  Runs in wharf-store and wharf-router.
 *
 * The way of a write: mailbox -> actor_dispatch -> handler -> shard_put (log
 * buffer, data file) -> held (store_answer.c) -> log thread -> on_woken ->
 * answers_release -> mailbox.  A read leaves at once unless it met a record
 * that the log has not released yet.
 *
 * Fatal: a shard that cannot be opened (exit 1, or ACTOR_EXIT_REFUSED when it
 * is somebody else's).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/server.h"
#include "store/server_backup.h"
#include "store/server_orders.h"
#include "supervisor/log.h"

#define TICK		0.1		/* s */
#define WORK_PAUSE	0.0002		/* s between steps of background work */
#define PROBE_FIRST	1.0		/* s, doubling */
#define PROBE_LAST	10.0
#define FULL_OVER	10000000	/* usec without, then it is over */
#define STOP_PATIENCE	5000000		/* usec for what waits at a stop */
#define STOP_LOOK	0.02		/* s between looks whether it does */

/* --- what handlers ask for --- */

int
server_can_hold(struct server *s)
{
	return answers_room(s->answers);
}

enum err
server_may(struct server *s, const struct msg *m)
{
	enum err	e = server_may_now(s, m);

	if (e == E_OK && (!server_can_hold(s) ||
	    answers_bytes(s->answers) > SERVER_OUT_HIGH * 4ull))
		return E_AGAIN;		/* until on_woken */
	return e;
}

enum err
server_may_now(struct server *s, const struct msg *m)
{
	if (frame_late(&m->f, s->now))
		return E_EXPIRED;
	if (s->stopping)
		return E_NOTREADY;
	if (link_queued(m->link) > SERVER_OUT_HIGH) {
		s->choked = 1;
		return E_AGAIN;
	}
	return E_OK;
}

enum err
server_answer(struct server *s, const struct msg *m, enum err status,
    const struct frame *r, uint64_t lsn, int write)
{
	struct frame	f;
	char		text[SERVER_TEXT];

	if (status != E_OK && s->hooks->refuse != NULL) {
		f = *r;
		status = s->hooks->refuse(s, m, status, &f, text);
		r = &f;
	}
	/* In this turn, unless it has waited since an earlier one. */
	answers_give(s->answers, m, m->since.us != 0 ? m->since : s->now,
	    status, r, lsn, shard_released(s->shard), write);
	return E_PENDING;
}

void
server_again(struct server *s)
{
	ev_async_send(s->actor.loop, &s->woken);
}

int
server_name_valid(const uint8_t *p, size_t n)
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

/* --- the log --- */

/*
 * The log or a data file failed.  What waits may or may not be on the disk:
 * writes are told so, reads are told to come again.
 */
static void
server_fail(struct server *s)
{
	log_errorx("%s: a write or sync failed; read-only until the disk "
	    "works again, %u answers were waiting", s->actor.name,
	    answers_count(s->answers));
	answers_fail(s->answers);
	if (s->hooks->failed != NULL)
		s->hooks->failed(s);
	ev_timer_again(s->actor.loop, &s->probe);
}

static void
server_look(struct server *s)
{
	if (shard_failed(s->shard) != E_OK && !ev_is_active(&s->probe))
		server_fail(s);
}

static void
server_time_log(struct server *s)
{
	struct wal_stat	ws;

	shard_log_stat(s->shard, &ws);
	if (ws.batches == s->batches)
		return;
	s->batches = ws.batches;
	board_time(s->actor.my, BH_LOG, ws.last_us);
}

/* First of all watchers in a turn: what time is it? */
static void
on_turn_begins(struct ev_loop *loop, struct ev_check *w, int events)
{
	struct server	*s = w->data;

	(void)loop, (void)events;
	shard_turn(s->shard);
	s->now = mono_now();
	s->wall = wall_ms();
}

/* After the mailbox took messages: one batch for the log. */
static void
server_on_turn(struct actor *a)
{
	struct server	*s = a->self;

	if (s->over)
		return;
	if (s->hooks->turn != NULL)
		s->hooks->turn(s);
	shard_kick(s->shard);
	server_look(s);
}

/* The log thread or the helper has results. */
static void
on_woken(struct ev_loop *loop, struct ev_async *w, int events)
{
	struct server	*s = w->data;

	(void)loop, (void)events;
	if (s->shard == NULL)
		return;		/* still opening */
	shard_poll(s->shard);
	answers_release(s->answers, shard_released(s->shard));
	server_time_log(s);
	server_look(s);
	server_backup_look(s);
	if (s->hooks->released != NULL)
		s->hooks->released(s);
	mailbox_resume(s->actor.mailbox);
}

/* Before the loop sleeps: choked links may have got rid of their answers. */
static void
on_sleep(struct ev_loop *loop, struct ev_prepare *w, int events)
{
	struct server	*s = w->data;

	(void)loop, (void)events;
	if (s->choked)
		s->choked = mailbox_resume_below(s->actor.mailbox,
		    SERVER_OUT_HIGH / 2) != 0;
}

static void
on_work(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct server	*s = w->data;
	int		 more;

	(void)events;
	more = shard_work(s->shard);
	ev_timer_stop(loop, w);
	ev_timer_set(w, more ? WORK_PAUSE : TICK, 0);
	ev_timer_start(loop, w);
}

static void
server_probed(void *arg, enum err e)
{
	struct server	*s = arg;

	if (e == E_OK && !s->stopping) {
		log_info("%s: nothing is wrong with the disk any more, "
		    "restarting to recover", s->actor.name);
		actor_exit(&s->actor, ACTOR_EXIT_RECOVER);
	}
}

static void
on_probe(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct server	*s = w->data;

	(void)events;
	shard_probe(s->shard, server_probed, s);
	if (w->repeat < PROBE_LAST)
		w->repeat *= 2;
	ev_timer_again(loop, w);
}

/* --- gauges --- */

static void
server_gauges(struct server *s)
{
	struct board_actor	*b = s->actor.my;
	struct shard_stat	 st;

	shard_stat(s->shard, &st);
	board_set(b, BC_LOG_BATCHES, (int64_t)st.wal.batches);
	board_set(b, BC_LOG_BYTES, (int64_t)st.wal.bytes);
	board_set(b, BC_LOG_SEGMENTS, st.wal.segments);
	board_set(b, BC_LSN, (int64_t)st.lsn);
	board_set(b, BC_LSN_DURABLE, (int64_t)st.durable);
	board_set(b, BC_CHECKPOINTS, (int64_t)st.data.checkpoints);
	board_set(b, BC_COMPACTIONS, (int64_t)st.data.compactions);
	board_set(b, BC_RECORDS, (int64_t)st.data.records);
	board_set(b, BC_DATA_BYTES, (int64_t)st.data.bytes);
	board_set(b, BC_LIVE_BYTES, (int64_t)st.data.live_bytes);
	board_set(b, BC_EXPIRED_BYTES, (int64_t)st.data.expired_bytes);
	board_set(b, BC_LOST_SLOTS, st.data.lost_slots);
	board_set(b, BC_TABLE_CONFLICTS, (int64_t)st.tables.conflicts);
	board_set(b, BC_INDEX_ENTRIES, (int64_t)st.index.entries);
	board_set(b, BC_INDEX_BYTES, (int64_t)st.index.bytes);
	board_set(b, BC_INDEX_BUILDS, (int64_t)st.index.builds);
	answers_gauges(s->answers);
	board_set(b, BC_STATE, s->stopping ? BOARD_STOPPING :
	    shard_failed(s->shard) != E_OK ? BOARD_READONLY :
	    shard_nospace(s->shard) ? BOARD_NOSPACE : BOARD_READY);
}

/* It comes and goes while little is left: told once, and when it is over. */
static void
server_tell_full(struct server *s)
{
	mono_t	now = mono_now();

	if (shard_nospace(s->shard)) {
		if (s->full.us == 0)
			log_warnx("%s: no disk space for the log or the "
			    "data files: writes get 507 until there is",
			    s->actor.name);
		s->full = now;
	} else if (s->full.us != 0 && mono_diff(s->full, now) > FULL_OVER) {
		log_info("%s: there is disk space again", s->actor.name);
		s->full.us = 0;
	}
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct server	*s = w->data;

	(void)loop, (void)events;
	mailbox_resume(s->actor.mailbox);
	server_orders_look(s);
	if (s->ticks++ % 5 != 0)
		return;
	server_gauges(s);
	server_backup_gauges(s);
	server_orders_gauges(s);
	server_tell_full(s);
	if (s->hooks->tick != NULL)
		s->hooks->tick(s);
}

/* --- orders --- */

static void
server_on_reload(struct actor *a)
{
	struct server	*s = a->self;

	answers_set_slow(s->answers, slow_limit(a->conf));
	shard_set_compact_bytes(s->shard,
	    (uint64_t)conf_int(a->conf, CONF_STORES_COMPACT_BYTES));
	shard_set_index_memory(s->shard,
	    (size_t)conf_int(a->conf, CONF_STORES_INDEX_MEMORY));
	server_backup_reload(s);
	server_orders_reload(s);
	if (s->hooks->reload != NULL)
		s->hooks->reload(s);
}

static void
server_on_link_up(struct actor *a, struct link *l)
{
	struct server	*s = a->self;

	if (s->hooks->link_up != NULL)
		s->hooks->link_up(s, l);
}

static void
server_on_link_down(struct actor *a, struct link *l)
{
	struct server	*s = a->self;

	if (!s->over && s->hooks->link_down != NULL)
		s->hooks->link_down(s, l);
}

static void
server_on_stop(struct actor *a, int hurry)
{
	struct server	*s = a->self;

	s->stopping = 1;
	if (s->hooks->stop != NULL)
		s->hooks->stop(s);
	board_set(a->my, BC_STATE, BOARD_STOPPING);
	/* What links have kept, and what is on its way, gets E_NOTREADY. */
	mailbox_resume(a->mailbox);
	if (hurry) {
		actor_exit(a, ACTOR_EXIT_OK);
		return;
	}
	s->stop_late = mono_add(mono_now(), STOP_PATIENCE);
	ev_timer_start(a->loop, &s->stop);
}

/* Goes when nobody waits for an answer any more. */
static void
on_leave(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct server	*s = w->data;
	int		 waits;
	unsigned	 kept;

	(void)loop, (void)events;
	waits = s->hooks->waits != NULL && s->hooks->waits(s);
	kept = mailbox_resume_below(s->actor.mailbox, 0);
	if (answers_count(s->answers) == 0 && !waits && kept == 0) {
		actor_exit(&s->actor, ACTOR_EXIT_OK);
		return;
	}
	if (mono_diff(s->stop_late, mono_now()) >= 0) {
		log_warnx("%s: %u answers still wait for the log at the "
		    "stop", s->actor.name, answers_count(s->answers));
		actor_exit(&s->actor, ACTOR_EXIT_OK);
	}
}

/* --- beginning and end --- */

static enum err
server_on_told(struct actor *a, const struct msg *m)
{
	struct server	*s = a->self;

	if (m->f.msg == MSG_BACKUP)
		return server_on_backup(a, m);
	if (m->f.msg != MSG_ACCEPT)
		return server_on_order(a, m);
	if (s->hooks->accept != NULL)
		s->hooks->accept(s);
	else
		server_accept(s);
	return E_OK;
}

void
server_init(struct server *s, int argc, char **argv, const char *name,
    unsigned role, const struct handler *table,
    const struct server_hooks *hooks)
{
	s->hooks = hooks;
	s->actor_hooks = (struct actor_hooks){ .stop = server_on_stop,
	    .reload = server_on_reload, .turn = server_on_turn,
	    .link_up = server_on_link_up, .link_down = server_on_link_down,
	    .order = server_on_told };
	actor_init(&s->actor, argc, argv, name, role, table, &s->actor_hooks,
	    s);
	if ((s->answers = answers_new(&s->actor)) == NULL)
		fatal("%s: no memory", name);
	answers_set_slow(s->answers, slow_limit(s->actor.conf));
}

static void
shard_on_progress(void *arg)
{
	struct server	*s = arg;

	actor_progress(&s->actor);
}

/* Log thread or helper thread. */
static void
shard_on_notify(void *arg)
{
	struct server	*s = arg;

	ev_async_send(s->actor.loop, &s->woken);
}

static enum err
server_open_shard(struct server *s, struct shard_opened *opened)
{
	static char		 dir[PATH_MAX];
	const struct conf	*c = s->actor.conf;
	struct shard_conf	 sc = {
		.dir = dir, .io = &io_posix, .node = s->actor.node,
		.catalogue = s->actor.catalogue, .inc = s->actor.inc,
		.store = s->actor.seat, .stores = s->shards,
		.files = (unsigned)conf_int(c, CONF_STORES_FILES),
		.segment = (size_t)conf_int(c, CONF_STORES_SEGMENT),
		.sync = (enum wal_sync)conf_int(c, CONF_STORES_SYNC),
		.compact_bytes = (uint64_t)conf_int(c, CONF_STORES_COMPACT_BYTES),
		.index_memory = (size_t)conf_int(c, CONF_STORES_INDEX_MEMORY),
		.reading = board_reading(s->actor.my),
		.suspects = board_suspects(s->actor.my),
		.progress = shard_on_progress,
		.notify = shard_on_notify, .arg = s
	};
	enum err		 e;

	sc.ops = conf_int(c, CONF_STORES_ENGINE) == 0 ? &engine_tkrzw :
	    &engine_mem;
	snprintf(dir, sizeof(dir), "%s/%s.%u", conf_str(c, CONF_NODE_DATA),
	    s->actor.name, s->actor.seat);
	ev_async_init(&s->woken, on_woken);
	s->woken.data = s;
	ev_async_start(s->actor.loop, &s->woken);
	if ((e = shard_open(&s->shard, &sc, opened)) == E_OK)
		board_acquit(s->actor.my, sc.suspects);
	return e;
}

static void
server_watch(struct server *s)
{
	struct ev_loop	*loop = s->actor.loop;

	s->now = mono_now();
	s->wall = wall_ms();
	ev_check_init(&s->turn, on_turn_begins);
	ev_set_priority(&s->turn, EV_MAXPRI);
	ev_prepare_init(&s->sleep, on_sleep);
	ev_set_priority(&s->sleep, EV_MAXPRI);
	ev_timer_init(&s->tick, on_tick, TICK, TICK);
	ev_timer_init(&s->work, on_work, TICK, 0);
	ev_timer_init(&s->probe, on_probe, 0, PROBE_FIRST);
	ev_timer_init(&s->stop, on_leave, STOP_LOOK, STOP_LOOK);
	s->turn.data = s->sleep.data = s->tick.data = s->work.data =
	    s->probe.data = s->stop.data = s;
	ev_check_start(loop, &s->turn);
	ev_prepare_start(loop, &s->sleep);
	ev_timer_start(loop, &s->tick);
	ev_timer_start(loop, &s->work);
}

void
server_open(struct server *s, unsigned shards)
{
	struct shard_opened	 opened;
	mono_t			 began = mono_now();
	const char		*name = s->actor.name;
	enum err		 e;

	s->shards = shards;
	if ((e = server_open_shard(s, &opened)) == E_STALE) {
		log_errorx("%s: refused: %s", name, opened.error);
		exit(ACTOR_EXIT_REFUSED);
	}
	if (e != E_OK)
		fatalx("%s: cannot open the shard: %s: %s", name, err_text(e),
		    opened.error);
	log_info("%s: %s, %llu log records replayed%s, %lld ms", name,
	    opened.fresh ? "new shard" : opened.clean ?
	    "open after a clean stop" : "recovered",
	    (unsigned long long)opened.replayed,
	    opened.torn ? ", torn tail cut" : "",
	    (long long)mono_diff(began, mono_now()) / 1000);
	s->clean = opened.clean;
	s->fresh = opened.fresh;
	if ((s->orders = server_orders_new(s)) == NULL)
		fatal("%s: no memory", name);
	server_watch(s);
}

/* The socket that outside nng programs dial first. */
static void
server_desk(struct server *s)
{
	const struct conf	*c = s->actor.conf;
	char			 path[LINK_PATH_MAX], lanes[LINK_PATH_MAX];
	struct desk_conf	 dc = {
		.path = path, .run = conf_str(c, CONF_NODE_RUN),
		.group = conf_str(c, CONF_NNG_GROUP),
		.mode = (unsigned)strtoul(conf_str(c, CONF_NNG_MODE), NULL, 8),
		.stores = (unsigned)conf_int(c, CONF_STORES_COUNT),
		.files = (unsigned)conf_int(c, CONF_STORES_FILES),
		.routers = (unsigned)conf_int(c, CONF_ROUTERS_COUNT),
		.seat = s->actor.seat,
		.max_clients = (unsigned)conf_int(c, CONF_LIMITS_CLIENTS),
		.lanes = lanes
	};

	if (dc.max_clients == 0)
		return;
	snprintf(path, sizeof(path), "%s/%s.%u", dc.run, s->actor.name,
	    s->actor.seat);
	lanes[0] = '\0';
	if (conf_int(c, CONF_LANES_ENABLED))
		snprintf(lanes, sizeof(lanes), "%s/lanes", dc.run);
	if (mailbox_desk(s->actor.mailbox, &dc) != E_OK)
		log_warnx("%s: no front desk at %s", s->actor.name, path);
}

int
server_run(struct server *s)
{
	int	code;

	server_desk(s);
	actor_ready(&s->actor);
	code = actor_run(&s->actor);
	s->over = 1;
	mailbox_flush(s->actor.mailbox);	/* closing may take a while */
	return code;
}

void
server_close(struct server *s, int code)
{
	if (shard_close(s->shard, code == ACTOR_EXIT_OK) != E_OK)
		log_warnx("%s: not closed in order, will recover from the log",
		    s->actor.name);
	server_orders_free(s->orders);
	server_backup_free(s);
	actor_free(&s->actor);
	answers_free(s->answers);
}
