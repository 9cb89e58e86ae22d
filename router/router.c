/*
 * router.c: main of wharf-router: one actor that owns the queues and topics of
 * its share of the names, and, as number 0, the tasks.
 *
 * The way of a message: mailbox -> actor_dispatch -> router_on_put -> queue/
 * -> storage.c -> shard_put -> held until the log has it (store/server.c).
 * Who waits for a message is in waits.c; queue/ calls it when one comes.
 *
 * Fatal: a shard that cannot be opened, or whose messages cannot be read after
 * the start (exit 1).  A failed write or sync is as in a store.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "router/router.h"
#include "supervisor/log.h"

#define WORK_PAUSE	0.0002		/* s between steps of work, at least */
#define WORK_SHARE	3		/* or so many times what the last took */
#define NO_ROOM		0.01		/* s until the log may have room */
#define NO_ROOM_US	10000
#define TASK_BYTES	((size_t)256 << 20)	/* of the bodies of all tasks */

static void	 router_turn(struct server *);
static void	 router_released(struct server *);
static void	 router_tick(struct server *);
static void	 router_stop(struct server *);
static void	 router_reload(struct server *);
static void	 router_link_up(struct server *, struct link *);
static void	 router_link_down(struct server *, struct link *);
static int	 router_waits(struct server *);

static enum err	 router_handle(struct actor *, const struct msg *);

static enum err	(*const router_do[MSG_MAX])(struct actor *,
    const struct msg *) = {
#define MSG_ROUTER(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = fn,
#include "proto/msg.def"
};

static const struct handler router_table[MSG_MAX] = {
#define MSG_ROUTER(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { router_handle, from },
#include "proto/msg.def"
};

static const struct server_hooks router_hooks = {
	.turn = router_turn,
	.released = router_released,
	.tick = router_tick,
	.stop = router_stop,
	.waits = router_waits,
	.reload = router_reload,
	.link_up = router_link_up,
	.link_down = router_link_down,
	.refuse = damage_refuse,
	.accept = damage_accept,
};

/* What damage may make untrue is said by way of damage_refuse. */
static enum err
router_handle(struct actor *a, const struct msg *m)
{
	static const struct frame	none;
	struct router			*r = a->self;
	enum err			 e = router_do[m->f.msg](a, m);

	if (e != E_DAMAGED && e != E_NOTFOUND && e != E_QUEUE && e != E_TOKEN)
		return e;
	return server_answer(&r->srv, m, e, &none, 0, 0);
}

/* --- what handlers share --- */

enum err
router_admit(struct router *r, const struct msg *m, size_t room,
    struct queue_str *name)
{
	unsigned	slot;
	enum err	e;

	if ((e = server_may(&r->srv, m)) != E_OK)
		return e;
	memcpy(r->tab, m->f.tab, m->f.tablen);
	*name = (struct queue_str){ r->tab, m->f.tablen };
	if (!server_name_valid(name->p, name->n))
		return E_PARAM;
	slot = slot_of(name->p, name->n);
	if (slot_store(slot, r->srv.shards) != r->srv.actor.seat)
		return E_PARAM;
	if (damage_shuts(r->damage, slot))
		return E_DAMAGED;
	return room == 0 ? E_OK : shard_room(r->srv.shard, slot, room);
}

struct queue_str
router_key(struct router *r, const struct msg *m)
{
	memcpy(r->key, m->f.key, m->f.keylen);
	return (struct queue_str){ r->key, m->f.keylen };
}

enum err
router_answer(struct router *r, const struct msg *m, enum err e,
    uint64_t mark, int write)
{
	static const struct frame	none;

	if (e == E_AGAIN)
		return e;		/* nothing was done: the link keeps it */
	return server_answer(&r->srv, m, e, &none, mark, write);
}

enum err
router_wait(const struct router *r, int64_t ms, int64_t *us)
{
	int64_t	most = conf_int(r->srv.actor.conf, CONF_MQ_LONG_POLL) * 1000;

	if (ms < 0 || ms > most)
		return E_PARAM;
	*us = ms * 1000;
	return E_OK;
}

enum err
router_priority(const struct msg *m, unsigned *priority)
{
	*priority = m->f.type == 0 ? 0 : (unsigned)m->f.type - '0';
	return *priority < QUEUE_PRIORITIES ? E_OK : E_PARAM;
}

/* --- time --- */

static void
due_in(struct router *r, double s)
{
	struct ev_loop	*loop = r->srv.actor.loop;

	ev_timer_stop(loop, &r->due);
	ev_timer_set(&r->due, s, 0.);
	ev_timer_start(loop, &r->due);
}

/*
 * A timer that rings earlier, or has just rung, stays: whoever pushed what is
 * overdue ahead at each turn would never come to it while messages come without
 * a pause.
 */
void
router_arm(struct router *r)
{
	struct queue_now	now = router_now(r);
	int64_t			us = queues_next(r->queues, &now), t;
	double			s;

	if (ev_is_pending(&r->due))
		return;
	if (r->tasks != NULL && (t = tasks_next(r->tasks, now.mono)) >= 0 &&
	    (us < 0 || t < us))
		us = t;
	if (waits_retry(r->waits) && (us < 0 || us > NO_ROOM_US))
		us = NO_ROOM_US;
	if (us < 0)
		return;
	s = us == 0 ? r->pause : (double)us / 1e6;
	if (!ev_is_active(&r->due) ||
	    ev_timer_remaining(r->srv.actor.loop, &r->due) > s)
		due_in(r, s);
}

/* Those that came when the log had no room, or had to pass over too much. */
static void
router_retry(struct router *r)
{
	unsigned	 n = waits_retry(r->waits);
	struct wait	*w;

	while (n-- > 0 && (w = wait_next_retry(r->waits)) != NULL)
		wait_again(w);
}

/*
 * Much that is due at once (a purge, many that expire) comes in steps, and the
 * log belongs to the others between them.
 */
static void
router_work(struct router *r, const struct queue_now *now)
{
	mono_t	began = mono_now();
	double	s;

	(void)queues_work(r->queues, now);
	s = WORK_SHARE * (double)mono_diff(began, mono_now()) / 1e6;
	r->pause = s > WORK_PAUSE ? s : WORK_PAUSE;
}

/* Whoever has been given something is answered at once. */
static void
on_due(struct ev_loop *loop, struct ev_timer *w, int events)
{
	struct router		*r = w->data;
	struct queue_now	 now = router_now(r);
	enum err		 e;

	(void)loop, (void)events;
	if (r->tasks != NULL)
		tasks_work(r->tasks, now.mono);
	e = shard_room(r->srv.shard, r->srv.actor.seat, ROUTER_ROOM);
	if (e == E_OK)
		router_retry(r);
	/* A disk that is full or ill must not keep anybody waiting longer. */
	if (e != E_AGAIN)
		router_work(r, &now);
	router_rebuilt(r);
	shard_kick(r->srv.shard);
	if (e == E_OK)
		router_arm(r);
	else
		due_in(r, NO_ROOM);
}

/* --- hooks --- */

static void
router_turn(struct server *s)
{
	router_arm(s->actor.self);
}

/* What a link that is gone had not acknowledged, as far as the log has room. */
static void
router_give_back(struct router *r)
{
	struct queue_now	 now = router_now(r);
	const struct out	*o;
	struct queue_back	 back = { .delay = 0 };
	uint64_t		 mark = 0;

	while ((o = outs_lost(r->outs)) != NULL) {
		back.unseen = o->unseen;
		if (queue_nack(r->queues, (struct queue_str){ o->tab,
		    o->tablen }, (struct queue_str){ o->token, o->tokenlen },
		    &back, &now, &mark) == E_AGAIN)
			return;
		outs_back(r->outs);
	}
}

static void
router_released(struct server *s)
{
	struct router	*r = s->actor.self;

	cast_released(r->cast);
	router_rebuild_step(r);
	damage_step(r->damage);
	router_give_back(r);
	router_retry(r);
	shard_kick(s->shard);
	router_arm(r);
}

static void
router_tick(struct server *s)
{
	struct router		*r = s->actor.self;
	struct board_actor	*b = s->actor.my;
	struct queues_total	 t;

	cast_tick(r->cast);
	damage_tick(r->damage);
	queues_total(r->queues, &t);
	board_set(b, BC_MESSAGES, (int64_t)t.messages);
	board_set(b, BC_QUEUES, (int64_t)t.names);
	board_set(b, BC_WAITERS, (int64_t)t.waiters +
	    waits_retry(r->waits) + choke_count(r->choke));
	board_set(b, BC_QUEUE_BYTES, (int64_t)t.bytes);
	board_set(b, BC_QUEUE_BACKLOG, (int64_t)t.backlog);
	board_set(b, BC_REDELIVERED, (int64_t)t.redelivered);
	board_set(b, BC_MESSAGES_EXPIRED, (int64_t)t.expired);
	board_set(b, BC_MESSAGES_DEAD, (int64_t)t.dead);
	board_set(b, BC_FORWARDING, forwards_count(r->forwards));
}

static void
router_stop(struct server *s)
{
	struct router	*r = s->actor.self;
	uint64_t	 mark = 0;

	queues_stop(r->queues);
	choke_stop(r->choke);
	router_retry(r);
	if (r->tasks != NULL)
		tasks_stop(r->tasks);
	if (!queues_building(r->queues))
		(void)queues_save(r->queues, &mark);
	shard_kick(s->shard);
	ev_timer_stop(s->actor.loop, &r->due);
}

static void
router_reload(struct server *s)
{
	struct router	*r = s->actor.self;

	router_limits(r);
	cast_reload(r->cast);
}

/* At a stop: who gave an order hears of it, and nothing is sent twice. */
static int
router_waits(struct server *s)
{
	const struct router	*r = s->actor.self;

	return moves_count(r->moves) > 0 || forwards_count(r->forwards) > 0;
}

static void
router_link_up(struct server *s, struct link *l)
{
	struct router	*r = s->actor.self;

	forwards_up(r->forwards, l);
}

/* Its waits end, what is out at it or under way to it comes back. */
static void
router_link_down(struct server *s, struct link *l)
{
	struct router	*r = s->actor.self;

	forwards_down(r->forwards, l);
	partly_forget(r, link_id(l));
	waits_cancel(r->waits, link_id(l));
	outs_lose(r->outs, link_id(l), shard_released(s->shard));
	router_give_back(r);
	shard_kick(s->shard);
	router_arm(r);
}

enum err
router_on_cancel(struct actor *a, const struct msg *m)
{
	struct router	*r = a->self;
	struct wait	*w;

	w = wait_find(r->waits, link_id(m->link), (uint64_t)m->f.score);
	if (w != NULL)
		wait_cancel(w);
	return E_OK;
}

/* --- beginning and end --- */

static void
task_random(void *arg, void *p, size_t n)
{
	(void)arg;
	randombytes_buf(p, n);
}

static struct tasks *
router_tasks(const struct router *r)
{
	uint32_t		 n = (uint32_t)conf_int(r->srv.actor.conf,
				    CONF_MQ_TASKS);
	struct task_conf	 tc = { .asks = n, .claims = n,
	    .bytes = TASK_BYTES, .random = task_random };
	struct tasks		*t;

	if (r->srv.actor.seat != 0)
		return NULL;
	if ((t = tasks_new(&tc)) == NULL)
		fatal("router: no memory");
	return t;
}

static void
router_open(struct router *r)
{
	TAILQ_INIT(&r->partly);
	ev_timer_init(&r->due, on_due, 0., 0.);
	r->pause = WORK_PAUSE;
	r->due.data = r;
	if ((r->waits = waits_new()) == NULL ||
	    (r->choke = choke_new(r)) == NULL ||
	    (r->outs = outs_new()) == NULL ||
	    (r->damage = damage_new(r)) == NULL ||
	    (r->forwards = forwards_new(r)) == NULL ||
	    (r->moves = moves_new(r)) == NULL)
		fatal("router: no memory");
	server_open(&r->srv, (unsigned)conf_int(r->srv.actor.conf,
	    CONF_ROUTERS_COUNT));
	router_storage(r);
	r->tasks = router_tasks(r);
	r->cast = cast_new(r);
	router_rebuild(r);
}

int
main(int argc, char **argv)
{
	struct router	*r = calloc(1, sizeof(*r));
	int		 code;

	if (r == NULL)
		fatal("router: no memory");
	server_init(&r->srv, argc, argv, "router", FROM_ROUTER, router_table,
	    &router_hooks);
	router_open(r);
	code = server_run(&r->srv);
	queues_stop(r->queues);
	shard_scan_free(r->scan);
	queues_free(r->queues);
	if (r->tasks != NULL)
		tasks_stop(r->tasks);
	tasks_free(r->tasks);
	partly_forget(r, 0);
	cast_free(r->cast);
	damage_free(r->damage);
	server_close(&r->srv, code);
	forwards_free(r->forwards);
	moves_free(r->moves);
	outs_free(r->outs);
	waits_free(r->waits);
	choke_free(r->choke);
	free(r->page.b);
	free(r);
	return code;
}
