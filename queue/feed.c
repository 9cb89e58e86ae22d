/*
 * feed.c: the state as the records of a shard tell it, after a start.
 *
 * Settings come first, all else in any order, so a delivery may be fed before
 * its message: it holds the place (S_FED_*).  When all has been fed, every
 * queue is judged once, in steps: what a purge covers, and deliveries whose
 * message never came, are doomed.  What a purge may cover has to show that it
 * was outstanding then: see alive() and purge.c.
 *
 * Settings are deleted after all else of a name.  So messages or items without
 * them have lost them to damage, and get new ones rather than being deleted.
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "queue/queue_impl.h"

#define ALIVE	1		/* due of a logged delivery that was not dead */
#define AT_ONCE	64u

static enum err
feed_settings(struct queues *qs, const struct queue_key *k, const uint8_t *val,
    size_t len)
{
	struct settings	 s;
	struct name	*q;

	if (k->tab.n == 0)
		return E_OK;
	if (k->tab.n > QUEUE_NAME_MAX || settings_get(&s, val, len) != E_OK)
		return E_BADMSG;
	if ((q = name_make(qs, k->tab)) == NULL)
		return E_NOMEM;
	if (q->stored)
		return E_OK;		/* fed before, or made meanwhile */
	q->set = s;
	q->stored = 1;
	name_exists(q, !s.gone);
	return E_OK;
}

static void
adopt(struct name *q, enum queue_kind kind, int64_t ms)
{
	if (q->stored)
		return;
	settings_default(&q->set, kind, q->qs->conf.limits.timeout, ms / 1000);
	q->stored = 1;
	q->moved = 1;
	name_exists(q, 1);
}

/* --- messages and deliveries --- */

static int
is_queue(const struct name *q)
{
	return q->stored && q->set.kind == KIND_QUEUE;
}

/* A record that belongs to nothing any more. */
static enum err
doom(struct name *q, unsigned priority, uint64_t id, int logged)
{
	return band_doom(&q->band[priority], id, logged) == 0 ? E_OK : E_NOMEM;
}

static enum state
became(enum state fed)
{
	return fed == S_FED_OUT ? S_OUT : fed == S_FED_LATER ? S_LATER :
	    S_READY;
}

static enum state
fed(enum state s)
{
	return s == S_OUT ? S_FED_OUT : s == S_LATER ? S_FED_LATER :
	    S_FED_READY;
}

static void
count_in(struct name *q, unsigned priority, uint64_t id)
{
	q->qs->total.messages++;
	if (priority != 0 || id <= q->set.counted)
		return;
	q->set.counter++;
	q->moved = 1;
}

static enum err
new_message(struct name *q, struct band *b, uint64_t id,
    const struct form_message *m, struct place *pl)
{
	unsigned	cols = (m->expires != 0 ? 1u << COL_EXPIRES : 0) |
			    (m->notbefore != 0 ? 1u << COL_LEASE : 0);

	if (band_insert(b, id, cols, pl) != 0)
		return E_NOMEM;
	count_in(q, b->priority, id);
	if (m->expires != 0)
		band_expires(b, pl, m->expires);
	if (m->notbefore != 0) {
		band_state(b, pl, S_LATER);
		band_lease(b, pl, lease_make(m->notbefore, 0, 0));
	}
	return E_OK;
}

/* The delivery came first: it knows better than notbefore. */
static enum err
join_message(struct name *q, struct band *b, uint64_t id,
    const struct form_message *m, struct place *pl)
{
	unsigned	s = chunk_state(pl->c)[pl->i];

	if (s < S_FED_READY)
		return E_OK;		/* fed before, or put meanwhile */
	if (m->expires != 0 && chunk_room(pl->c, 0, 1u << COL_EXPIRES,
	    &b->env->bytes) != 0)
		return E_NOMEM;
	band_state(b, pl, became((enum state)s));
	count_in(q, b->priority, id);
	if (m->expires != 0)
		band_expires(b, pl, m->expires);
	return E_OK;
}

static enum err
feed_message(struct name *q, unsigned priority, uint64_t id,
    const struct queue_str *val)
{
	struct band		*b = &q->band[priority];
	struct form_message	 m;
	struct place		 pl;

	if (form_message_get(&m, val->p, val->n) != E_OK)
		return E_BADMSG;
	adopt(q, KIND_QUEUE, m.put);
	if (!is_queue(q))
		return doom(q, priority, id, 0);
	if (band_find(b, id, &pl))
		return join_message(q, b, id, &m, &pl);
	return new_message(q, b, id, &m, &pl);
}

/*
 * Whether the message was beyond the reach of the priority's last purge: it was
 * out by the time-out of that moment.
 */
static int
alive(const struct settings *s, unsigned priority,
    const struct form_delivery *d)
{
	int64_t	due = d->due + (int64_t)s->purged[priority].timeout -
		    d->timeout;

	return d->stamp > s->purged[priority].stamp ||
	    (d->state == S_OUT && due > s->purged[priority].ms);
}

/* The time-out may have changed since: what is out goes by the new one. */
static int64_t
due_now(const struct settings *s, const struct form_delivery *d)
{
	return d->state == S_OUT ? d->due + (int64_t)s->timeout - d->timeout :
	    d->due;
}

static void
set_delivery(struct name *q, struct band *b, struct place *pl,
    const struct form_delivery *d)
{
	int64_t		due = due_now(&q->set, d);
	unsigned	was = chunk_state(pl->c)[pl->i];

	if (!alive(&q->set, b->priority, d)) {
		band_state(b, pl, was >= S_FED_READY ? S_FED_READY : S_READY);
		due = 0;
	} else {
		band_state(b, pl, was >= S_FED_READY ? fed((enum state)d->state)
		    : (enum state)d->state);
		if (due <= 0)
			due = ALIVE;
	}
	band_lease(b, pl, lease_make(due, 1, d->tries));
}

static enum err
feed_delivery(struct name *q, unsigned priority, uint64_t id,
    const struct queue_str *val)
{
	struct band		*b = &q->band[priority];
	struct form_delivery	 d;
	struct place		 pl;

	if (form_delivery_get(&d, val->p, val->n) != E_OK)
		return E_BADMSG;
	adopt(q, KIND_QUEUE, d.due);
	if (!is_queue(q))
		return doom(q, priority, id, 1);
	if (!band_find(b, id, &pl)) {
		if (band_insert(b, id, 1u << COL_LEASE, &pl) != 0)
			return E_NOMEM;
		band_state(b, &pl, S_FED_READY);
	} else if (band_lease_room(b, &pl) != 0)
		return E_NOMEM;
	set_delivery(q, b, &pl, &d);
	return E_OK;
}

/* --- the others --- */

static enum err
feed_worker(struct name *q, const struct queue_key *k,
    const struct queue_str *val)
{
	struct queues		*qs = q->qs;
	struct seen_worker	*w;
	uint32_t		 n = q->seen.n;
	size_t			 bytes = seen_bytes(&q->seen);
	int64_t			 ms;

	if (form_worker_get(&ms, val->p, val->n) != E_OK ||
	    k->key.n > SEEN_NAME)
		return E_BADMSG;
	w = seen_note(&q->seen, k->key.p, k->key.n, ms,
	    qs->workers < SEEN_ALL ? SEEN_ALL - qs->workers : 0, NULL);
	if (w != NULL)
		w->written = ms;
	qs->workers += q->seen.n - n;
	qs->bytes += seen_bytes(&q->seen) - bytes;
	return E_OK;
}

/* While feeding, judged is the least index that was fed. */
static enum err
feed_item(struct name *q, const struct queue_key *k,
    const struct queue_str *val)
{
	struct form_item	t;
	uint64_t		idx;

	if (form_item_key_get(k->key.p, k->key.n, &idx) != E_OK ||
	    form_item_get(&t, val->p, val->n) != E_OK || t.first == 0 ||
	    t.first > idx)
		return E_BADMSG;
	adopt(q, KIND_TOPIC, t.put);
	if (q->set.kind != KIND_TOPIC) {
		topic_gone(q, idx, idx);
		return E_OK;
	}
	if (q->judged == 0 || idx < q->judged)
		q->judged = idx;
	if (idx > q->ep) {
		q->ep = idx;
		q->sp = t.first - 1;
		q->set.tm = t.put / 1000;
	}
	return E_OK;
}

static enum err
feed_other(struct queues *qs, const struct queue_key *k,
    const struct queue_str *val)
{
	struct name	*q;
	unsigned	 priority = 0;
	uint64_t	 id = 0;

	if (k->tab.n == 0 || k->tab.n > QUEUE_NAME_MAX)
		return E_BADMSG;
	if ((k->type == QUEUE_MESSAGE || k->type == QUEUE_DELIVERY) &&
	    form_message_key_get(k->key.p, k->key.n, &priority, &id) != E_OK)
		return E_BADMSG;
	if ((q = name_make(qs, k->tab)) == NULL)
		return E_NOMEM;
	switch (k->type) {
	case QUEUE_MESSAGE:
		return feed_message(q, priority, id, val);
	case QUEUE_DELIVERY:
		return feed_delivery(q, priority, id, val);
	case QUEUE_WORKER:
		return feed_worker(q, k, val);
	case QUEUE_ITEM:
		return feed_item(q, k, val);
	default:
		return E_BADMSG;
	}
}

enum err
queues_feed(struct queues *qs, const struct queue_key *k, const uint8_t *val,
    size_t len)
{
	struct queue_str	v = { val, len };

	if (qs->phase == PHASE_NAMES)
		return k->type == QUEUE_SETTINGS ?
		    feed_settings(qs, k, val, len) : E_BADMSG;
	if (k->type == QUEUE_SETTINGS)
		return E_OK;
	return feed_other(qs, k, &v);
}

/* The number of the newest item must not be given again. */
enum err
queues_feed_ill(struct queues *qs, const struct queue_key *k)
{
	struct name	*q;
	uint64_t	 idx;

	if (k->type != QUEUE_ITEM || k->tab.n == 0 ||
	    k->tab.n > QUEUE_NAME_MAX ||
	    form_item_key_get(k->key.p, k->key.n, &idx) != E_OK)
		return E_OK;
	if ((q = name_make(qs, k->tab)) == NULL)
		return E_NOMEM;
	if (idx > q->ill)
		q->ill = idx;
	return E_OK;
}

void
queues_feed_names(struct queues *qs)
{
	if (qs->phase == PHASE_NAMES)
		qs->phase = PHASE_FEED;
}

void
queues_feed_done(struct queues *qs, const struct queue_now *now)
{
	(void)now;
	if (qs->phase < PHASE_JUDGE)
		qs->phase = PHASE_JUDGE;
}

/* --- judging --- */

static int
is_doomed(const struct band *b, const struct chunk *c, unsigned i)
{
	uint64_t	l = chunk_lease(c, i);

	if (chunk_state(c)[i] >= S_FED_READY)
		return 1;
	return chunk_id(c)[i] < b->name->set.purged[b->priority].stamp &&
	    !(l & LEASE_LOGGED && lease_due(l) != 0);
}

static void
doom_one(struct band *b, uint64_t id)
{
	struct place	 pl;
	int		 real;
	uint64_t	 l;

	if (!band_find(b, id, &pl))
		return;
	l = chunk_lease(pl.c, pl.i);
	real = chunk_state(pl.c)[pl.i] < S_FED_READY;
	/*
	 * Its message may be there, and unreadable.  And no memory: it is not
	 * delivered, its records wait for a next start.
	 */
	if (real || !name_doubt(b->name))
		(void)band_doom(b, id, (l & LEASE_LOGGED) != 0);
	band_remove(b, &pl);
	b->name->qs->total.messages -= (uint64_t)real;
}

/* From id from on, up to AT_ONCE of them; how far it came. */
static uint64_t
judge_some(struct band *b, uint64_t from)
{
	uint64_t	 ids[AT_ONCE], last;
	struct place	 pl;
	unsigned	 n = 0, i;

	if ((from = band_from(b, from)) == UINT64_MAX ||
	    !band_find(b, from, &pl))
		return UINT64_MAX;
	for (i = pl.i; i < pl.c->n && n < AT_ONCE; i++)
		if (is_doomed(b, pl.c, i))
			ids[n++] = chunk_id(pl.c)[i];
	last = chunk_id(pl.c)[i - 1];
	for (i = 0; i < n; i++)
		doom_one(b, ids[i]);
	return last + 1;
}

static int
needs_judging(const struct band *b)
{
	return b->n > 0 && (b->name->set.purged[b->priority].stamp != 0 ||
	    b->count[S_FED_READY] + b->count[S_FED_OUT] +
	    b->count[S_FED_LATER] > 0);
}

/* 1: through with this priority. */
static int
judge_band(struct name *q, unsigned p, unsigned *budget)
{
	struct band	*b = &q->band[p];

	while (needs_judging(b) && q->judged != UINT64_MAX) {
		if (*budget == 0)
			return 0;
		--*budget;
		q->judged = judge_some(b, q->judged);
	}
	return 1;
}

static void
judge_topic(struct name *q)
{
	if (q->ill > q->ep) {
		if (q->ep == 0)
			q->sp = q->ill - 1;
		q->ep = q->ill;
	}
	if (q->judged != 0 && q->judged <= q->sp)
		topic_gone(q, q->judged, q->sp);
	if (q->ep != 0)
		q->kept = q->sp + 1;
}

static int
judge_name(struct name *q, unsigned *budget)
{
	if (q->done == QUEUE_PRIORITIES)
		return 1;
	if (q->stored && q->set.kind == KIND_TOPIC) {
		judge_topic(q);
		q->done = QUEUE_PRIORITIES;
	}
	for (; q->done < QUEUE_PRIORITIES; q->done++, q->judged = 0)
		if (!judge_band(q, q->done, budget))
			return 0;
	name_busy(q);		/* the sweep looks whether there is anything */
	return 1;
}

int
feed_judge(struct queues *qs, unsigned *budget)
{
	struct name	*q;

	for (; qs->judge_at < qs->buckets; qs->judge_at++)
		for (q = qs->table[qs->judge_at]; q != NULL; q = q->chain)
			if (!judge_name(q, budget))
				return 0;
	qs->phase = PHASE_OPEN;
	return 1;
}
