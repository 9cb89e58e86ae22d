/*
 * store_job.c: requests that take more than one step, or wait for an index.
 *
 * A request becomes a job with a copy of the message.  Its first step is run at
 * once, and is mostly all.  What takes longer than a step (an offset of many
 * entries, large values) or waits for an index is parked and goes on from a
 * timer, a step after the other, the loop's other work in between.
 *
 * Bounds: JOBS_MAX parked, JOBS_BYTES of their pages and messages, or one of
 * any size; beyond either E_FULL.  A job whose link is gone is forgotten at its next step; one
 * whose asker is about to give up is answered E_BUILDING or E_EXPIRED.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/store_job.h"

#define TURN_US		1000	/* of first steps in a turn, and of parked jobs */
#define PAUSE		0.005	/* s, while all wait for indexes */
#define JOBS_MAX	1024u
#define JOBS_BYTES	((size_t)64 << 20)
#define PATIENCE_US	5000000	/* of a message without a deadline */
#define MARGIN_US	250000	/* to answer before the asker gives up */

struct lists {
	struct actor		*a;
	struct store		*st;
	TAILQ_HEAD(, list_job)	 jobs;
	unsigned		 count;
	size_t			 bytes;
	struct ev_timer		 timer;
	unsigned		 turn;		/* ev_iteration */
	int64_t			 spent;		/* usec in it */
};

static void	 lists_timer(struct ev_loop *, struct ev_timer *, int);

struct lists *
lists_new(struct actor *a)
{
	struct lists	*l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->a = a;
	l->st = a->self;
	TAILQ_INIT(&l->jobs);
	ev_timer_init(&l->timer, lists_timer, 0, 0);
	l->timer.data = l;
	return l;
}

void
job_free(struct list_job *j)
{
	walk_free(&j->walk);
	if (j->snapping)
		snapshot_close(&j->snap);
	btree_free(j->rows);
	free(j->page);
	free(j);
}

static uint8_t *
job_copy(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n != 0)
		memcpy(to, from, n);
	return to + n;
}

struct list_job *
job_new(struct actor *a, const struct msg *m,
    enum err (*step)(struct list_job *))
{
	const struct frame	*f = &m->f;
	size_t			 n = (size_t)f->tablen + f->keylen + f->vallen;
	struct list_job		*j = calloc(1, sizeof(*j) + n);
	mono_t			 now = mono_now();
	int64_t			 left = PATIENCE_US;

	if (j == NULL)
		return NULL;
	j->a = a;
	j->st = a->self;
	j->m = *m;
	j->m.f.tab = j->bytes;
	j->m.f.key = job_copy(j->bytes, f->tab, f->tablen);
	j->m.f.val = job_copy(j->bytes + f->tablen, f->key, f->keylen);
	job_copy(j->bytes + f->tablen + f->keylen, f->val, f->vallen);
	j->link = link_id(m->link);
	if (j->m.since.us == 0)
		j->m.since = now;
	j->own = sizeof(*j) + n;
	j->step = step;
	j->status = E_PENDING;
	if (f->deadline != 0)
		left = (int32_t)(f->deadline - (uint32_t)now.us);
	j->end = mono_add(now, left - MARGIN_US);
	return j;
}

/* A sorted set lies in a slot; other listings have come to some file. */
static void
job_damaged(struct list_job *j)
{
	const struct frame	*f = &j->m.f;
	unsigned		 slot = slot_of(f->tab, f->tablen);

	if (f->type == TYPE_ZSET) {
		store_damaged(j->st, slot);
		j->r.vallen = (uint32_t)damage_slot_text(j->st, slot,
		    j->damage);
	} else
		j->r.vallen = (uint32_t)damage_file_text(j->st, j->walk.file,
		    j->damage);
	j->r.val = (const uint8_t *)j->damage;
}

/*
 * The job is over, but for the room that its answer may need until the log is
 * where it must be: 0 then.  1: answered and freed.
 */
static int
job_answer(struct lists *l, struct list_job *j)
{
	struct shard	*s = store_shard(l->st);

	if ((j->m.link = link_find(l->a->mailbox, j->link)) == NULL) {
		job_free(j);
		return 1;
	}
	if (!store_can_hold(l->st))
		return 0;
	if (shard_failed(s) != E_OK && j->lsn > shard_released(s))
		j->status = E_READONLY;
	if (j->status != E_OK)
		j->r.vallen = 0;
	if (j->status == E_DAMAGED)
		job_damaged(j);
	store_answer(l->st, &j->m, j->status, &j->r, j->lsn, 0);
	job_free(j);
	return 1;
}

static int
status_waits(enum err e)
{
	return e == E_PENDING || e == E_BUILDING;
}

/* A step; 1: the job is over and freed. */
static int
job_run(struct lists *l, struct list_job *j)
{
	mono_t	began = mono_now(), now;

	if (status_waits(j->status))
		j->status = j->step(j);
	now = mono_now();
	l->spent += mono_diff(began, now);
	if (status_waits(j->status)) {
		if (mono_diff(now, j->end) > 0)
			return 0;
		if (j->status == E_PENDING)
			j->status = E_EXPIRED;
	}
	return job_answer(l, j);
}

/* One is let in whatever its size: a value may be as long as that. */
static int
lists_room(const struct lists *l, size_t n)
{
	return l->count < JOBS_MAX &&
	    (l->count == 0 || l->bytes + n <= JOBS_BYTES);
}

int
job_room(struct store *st, size_t bytes)
{
	return lists_room(store_lists(st), sizeof(struct list_job) + bytes);
}

/* 0: too much waits already. */
static int
lists_park(struct lists *l, struct list_job *j)
{
	size_t	n = j->own + j->pagecap + j->walk.cap + j->snap.cap;

	if (j->rows != NULL)
		n += btree_bytes(j->rows);
	if (!lists_room(l, n))
		return 0;
	j->charge = n;
	l->bytes += n;
	l->count++;
	TAILQ_INSERT_TAIL(&l->jobs, j, next);
	return 1;
}

static struct list_job *
lists_take(struct lists *l)
{
	struct list_job	*j = TAILQ_FIRST(&l->jobs);

	TAILQ_REMOVE(&l->jobs, j, next);
	l->count--;
	l->bytes -= j->charge;
	return j;
}

static void
lists_arm(struct lists *l, double after)
{
	ev_timer_stop(l->a->loop, &l->timer);
	ev_timer_set(&l->timer, after, 0);
	ev_timer_start(l->a->loop, &l->timer);
}

/* A new job: its first step now, unless this turn has had enough of them. */
enum err
job_start(struct list_job *j)
{
	struct lists	*l = store_lists(j->st);
	unsigned	 turn = ev_iteration(l->a->loop);

	if (turn != l->turn) {
		l->turn = turn;
		l->spent = 0;
	}
	if (l->spent < TURN_US && job_run(l, j))
		return E_PENDING;
	if (!lists_park(l, j)) {
		job_free(j);
		return E_FULL;
	}
	if (j->status == E_PENDING)
		lists_arm(l, 0);
	else if (!ev_is_active(&l->timer))
		lists_arm(l, PAUSE);
	return E_PENDING;
}

/* Each parked job in turn, for about a step's time together. */
static void
lists_timer(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct lists	*l = t->data;
	unsigned	 n = l->count, busy = 0;
	mono_t		 began = mono_now();
	struct list_job	*j;

	(void)loop, (void)events;
	for (; n > 0 && mono_diff(began, mono_now()) < TURN_US; n--) {
		j = lists_take(l);
		if (job_run(l, j))
			continue;
		busy |= j->status == E_PENDING;
		if (lists_park(l, j))
			continue;
		j->status = E_FULL;
		if (!job_answer(l, j))
			job_free(j);
	}
	if (l->count > 0)
		lists_arm(l, busy || n > 0 ? 0 : PAUSE);
}

void
lists_stop(struct lists *l)
{
	struct list_job	*j;

	while (l->count > 0) {
		j = lists_take(l);
		j->status = E_NOTREADY;
		if (!job_answer(l, j))
			job_free(j);
	}
}

void
lists_free(struct lists *l)
{
	if (l == NULL)
		return;
	ev_timer_stop(l->a->loop, &l->timer);
	while (l->count > 0)
		job_free(lists_take(l));
	free(l);
}

enum err
job_table(const struct list_job *j)
{
	const struct frame	*f = &j->m.f;
	enum err		 e;

	if (f->tablen == 0)
		return E_OK;
	e = shard_missing(store_shard(j->st), f->type, f->tab, f->tablen);
	return e == E_NOTFOUND ? E_OK : e;
}
