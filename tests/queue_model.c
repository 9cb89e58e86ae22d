/*
 * queue_model.c: what a queue is, as a plain list: what storage is told, what
 * clients get and what the records say after a crash, each checked against it
 * (test_queue_model.c).
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/chunk.h"
#include "queue/form.h"
#include "tests/queue_model.h"

const char	*const names[QUEUES] = { "a", "b", "q:c", "dead" };
struct rig	 g;
struct queues	*qs;
struct queue_now	 now;
struct inst	 live[LIVE];
unsigned		 lives;
struct ref_set	 set[QUEUES];
struct waiter	*waiters[QUEUES];
uint8_t		 sure[SEQS], ended[SEQS], received[SEQS];
uint8_t		 gone[IDS];		/* never again */
uint32_t		 seqs;
enum op		 op;
uint64_t		 ack_id, seed_now, released;
uint32_t		 moving;		/* a seq + 1: put, not yet deleted */
unsigned long	 done_put, done_got, done_crash, done_dead, done_wait;
int		 broken;

void
check(int ok, const char *what, int line)
{
	CU_ASSERT(ok);
	if (!ok && !broken) {
		broken = 1;
		printf("\nseed %llu, line %d: %s\n",
		    (unsigned long long)seed_now, line, what);
	}
}

/* --- answers that are on their way until the log is released --- */

struct answer {
	uint64_t	 mark, id;
	uint32_t	 seq;
	int		 is_put;
};
static struct answer	 answers[100000];
unsigned		 nanswers;		/* that wait for a release */

void
promise(uint64_t mark, int is_put, uint32_t seq, uint64_t id)
{
	CHECK(nanswers < 100000);
	answers[nanswers++] = (struct answer){ mark, id, seq, is_put };
}

void
release(uint64_t mark)
{
	unsigned	i, k = 0;

	released = mark;
	for (i = 0; i < nanswers; i++)
		if (answers[i].mark > mark)
			answers[k++] = answers[i];
		else if (answers[i].is_put)
			sure[answers[i].seq] = 1;
		else
			gone[answers[i].id] = 1;
	nanswers = k;
}

/* --- the plain list --- */

struct inst *
by_id(int q, uint64_t id)
{
	unsigned	i;

	for (i = 0; i < lives; i++)
		if (live[i].id == id && live[i].q == q &&
		    live[i].st != NONE)
			return &live[i];
	return NULL;
}

static struct inst *
add(int q, unsigned prio, uint64_t id, uint32_t seq)
{
	struct inst	*m;

	CHECK(lives < LIVE && id < IDS);
	m = &live[lives++];
	*m = (struct inst){ .id = id, .seq = seq, .q = q, .prio = prio,
	    .st = READY };
	return m;
}

int
is_dead(const struct inst *m)
{
	return set[m->q].maxdeliver != 0 && m->tries >= set[m->q].maxdeliver;
}

int
is_expired(const struct inst *m)
{
	return m->expires != 0 && m->expires <= now.wall;
}

static int
goes_before(const struct inst *a, const struct inst *b)
{
	if ((a->st == BACK) != (b->st == BACK))
		return a->st == BACK;
	return a->prio != b->prio ? a->prio > b->prio : a->id < b->id;
}

struct inst *
pick(int q)
{
	struct inst	*best = NULL, *m;
	unsigned	 i;

	for (i = 0; i < lives; i++) {
		m = &live[i];
		if (m->q == q && (m->st == READY || m->st == BACK) &&
		    !is_expired(m) && !is_dead(m) &&
		    (best == NULL || goes_before(m, best)))
			best = m;
	}
	return best;
}

unsigned
count(int q, enum st st, int prio)
{
	unsigned	i, n = 0;

	for (i = 0; i < lives; i++)
		n += live[i].q == q && live[i].st == st &&
		    (prio < 0 || live[i].prio == (unsigned)prio);
	return n;
}

static int
queue_of(struct queue_str s)
{
	int	q;

	for (q = 0; q < QUEUES; q++)
		if (strlen(names[q]) == s.n && memcmp(names[q], s.p, s.n) == 0)
			return q;
	return -1;
}

/* --- what storage is told --- */

void
make_settings(struct ref_set *s)
{
	*s = (struct ref_set){ 1, 0, -1, 0, g.conf.limits.timeout, 0, 0, 0 };
}

static uint32_t
seq_of(const uint8_t *p, size_t n)
{
	char	text[32];

	snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)p);
	return (uint32_t)strtoul(text, NULL, 10);
}

static void
settle_new(struct inst *m, const struct form_message *f)
{
	m->expires = f->expires;
	if (f->notbefore != 0) {
		m->st = LATER;
		m->due = f->notbefore;
	}
}

static int
may_move(const struct inst *m)
{
	if (op == MOVE)
		return m->st == READY || m->st == BACK;
	return is_dead(m) && (m->st != OUT || m->due <= now.wall ||
	    op == NACK);
}

/*
 * What is there already and comes a second time is being moved: next, one of
 * its kind is deleted (a crash may have left two).
 */
static void
saw_message(int q, unsigned prio, uint64_t id, const uint8_t *val, size_t len)
{
	struct form_message	 f;
	uint32_t		 seq = seq_of(val + FORM_MESSAGE,
				    len - FORM_MESSAGE);
	unsigned		 i;
	int			 found = 0;

	CHECK(form_message_get(&f, val, len) == E_OK);
	for (i = 0; op != PUT && i < lives; i++)
		found |= live[i].seq == seq && live[i].st != NONE &&
		    may_move(&live[i]) &&
		    (op == MOVE || set[live[i].q].dead == q);
	CHECK(found || op == PUT);
	if (op != PUT) {
		moving = seq + 1;
		ended[seq] = ended[seq] == 1 ? 1 : 2;	/* the old may go */
	}
	settle_new(add(q, prio, id, seq), &f);
}

static void
saw_delete(int q, uint64_t id)
{
	struct inst	*m = by_id(q, id);

	if (m == NULL)			/* purged before */
		return;
	if (moving == m->seq + 1 && may_move(m)) {
		moving = 0;
		done_dead += op != MOVE;
	} else if (is_expired(m))
		ended[m->seq] = 1;
	else
		CHECK(op == ACK && id == ack_id);
	m->st = NONE;
}

void
saw(const struct queue_key *k, const uint8_t *val, size_t len, uint64_t mark)
{
	unsigned	prio;
	uint64_t	id;
	int		q = queue_of(k->tab);

	(void)mark;
	CHECK(q >= 0);
	if (k->type == QUEUE_SETTINGS && val != NULL && op != PURGE &&
	    !set[q].exists)
		make_settings(&set[q]);		/* made by a put, or a dead letter */
	if (k->type != QUEUE_MESSAGE)
		return;
	CHECK(form_message_key_get(k->key.p, k->key.n, &prio, &id) == E_OK);
	if (val == NULL)
		saw_delete(q, id);
	else
		saw_message(q, prio, id, val, len);
}

/* --- who gets what --- */

static void
is_out(struct waiter *w)
{
	struct inst	*m = w->pend;

	if (m == NULL)
		return;
	m->st = OUT;
	m->tries++;
	m->due = now.wall + set[m->q].timeout;
	m->logged |= !w->t.autoack;
	memcpy(m->older, m->token, sizeof(m->older));
	memcpy(m->token, w->token, sizeof(m->token));
	received[m->seq] = 1;
	w->pend = NULL;
	w->out++;
	done_got++;
}

/* While time has not been worked off yet, more may be due than is back. */
static int
may_come(const struct inst *m)
{
	unsigned	i;

	if (is_expired(m) || is_dead(m))
		return 0;
	if (m->st == OUT || m->st == LATER)
		return m->due <= now.wall;
	for (i = 0; m->st == READY && i < lives; i++)
		if (live[i].q == m->q && live[i].st == READY &&
		    live[i].prio == m->prio && live[i].id < m->id &&
		    !is_expired(&live[i]) && !is_dead(&live[i]))
			return 0;
	return 1;
}

int
on_item(struct queue_taker *t, const struct queue_msg *msg)
{
	struct waiter	*w = (struct waiter *)t;
	struct inst	*m;

	is_out(w);
	if (w->shown == w->most)
		return 0;
	w->shown++;
	m = by_id(w->q, msg->id);
	CHECK(m != NULL && !gone[msg->id]);
	if (m == NULL)
		return 1;
	CHECK(op == WORK ? may_come(m) : m == pick(w->q));
	CHECK(waiters[w->q] == NULL || waiters[w->q] == w);
	CHECK(msg->deliveries == m->tries + 1 && msg->priority == m->prio);
	CHECK(seq_of(msg->item.p, msg->item.n) == m->seq);
	w->pend = m;
	snprintf(w->token, sizeof(w->token), "%s", msg->token);
	return 1;
}

void
leaves(struct waiter *w)
{
	struct waiter	**at = &waiters[w->q];

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

void
on_done(struct queue_taker *t, enum err e, unsigned n, uint64_t mark)
{
	struct waiter	*w = (struct waiter *)t;

	(void)mark;
	if (n > w->out)
		is_out(w);
	CHECK(n == w->out && (e == E_OK) == (n > 0));
	w->err = e;
	w->n = n;
	w->done = 1;
	if (!w->waits)
		return;
	CHECK(n == 0 || waiters[w->q] == w);
	/* Storage may refuse the delivery of what a put has just brought. */
	CHECK(e == E_OK || e == E_NOTREADY ||
	    (e == g.fail_with && g.fail_in == 0 && op != WORK) ||
	    (e == E_NOTFOUND && w->until <= now.mono.us));
	leaves(w);
	free(w);
	done_wait++;
}

/* --- crashes --- */

/* As doc/storage.md tells it, from the records alone. */
static void
recover_delivery(struct inst *m, const struct settings *s,
    const struct rig_rec *r)
{
	struct form_delivery	d;
	int64_t			due;

	CHECK(form_delivery_get(&d, r->val, r->vallen) == E_OK);
	due = d.state == S_OUT ? d.due + (int64_t)s->timeout - d.timeout :
	    d.due;
	if (m->id < s->purged[m->prio].stamp &&
	    d.stamp < s->purged[m->prio].stamp && !(d.state == S_OUT &&
	    d.due + s->purged[m->prio].timeout - d.timeout >
	    s->purged[m->prio].ms))
		m->st = NONE;
	else
		m->st = d.state == S_OUT ? OUT : d.state == S_LATER ? LATER :
		    READY;
	m->tries = d.tries;
	m->due = due < 1 ? 1 : due;
	m->logged = 1;
}

static void
recover_one(const struct rig_rec *r)
{
	struct queue_key	 k = rig_key(r), key = k;
	struct form_message	 f;
	struct settings		 s;
	struct rig_rec		*c, *d;
	struct inst		*m;
	unsigned		 prio;
	uint64_t		 id;

	form_message_key_get(k.key.p, k.key.n, &prio, &id);
	form_message_get(&f, r->val, r->vallen);
	key.type = QUEUE_SETTINGS;
	key.key.n = 0;
	if ((c = rig_find(&g, &key)) == NULL ||
	    settings_get(&s, c->val, c->vallen) != E_OK)
		return;
	m = add(queue_of(k.tab), prio, id, seq_of(r->val + FORM_MESSAGE,
	    r->vallen - FORM_MESSAGE));
	settle_new(m, &f);
	key = k;
	key.type = QUEUE_DELIVERY;
	if ((d = rig_find(&g, &key)) != NULL)
		recover_delivery(m, &s, d);
	else if (id < s.purged[prio].stamp)
		m->st = NONE;
	if (m->st == NONE)
		lives--;
}

static void
recover_settings(int q)
{
	struct queue_key	 k = { QUEUE_SETTINGS, str(names[q]),
				    { NULL, 0 } };
	struct rig_rec		*r = rig_find(&g, &k);
	struct settings		 s;

	set[q].exists = 0;
	if (r == NULL)
		return;
	CHECK(settings_get(&s, r->val, r->vallen) == E_OK);
	set[q] = (struct ref_set){ !s.gone, s.lock, s.deadlen > 0 ? 3 : -1,
	    s.max, s.timeout, s.maxdeliver, s.ttl, s.delay };
}

/* What was put and answered is there, unless something ended it. */
static void
nothing_lost(void)
{
	static uint8_t	there[SEQS];
	unsigned	i;

	memset(there, 0, sizeof(there));
	for (i = 0; i < lives; i++) {
		if (live[i].st == NONE)
			continue;
		there[live[i].seq] = 1;
		CHECK(!gone[live[i].id]);
	}
	for (i = 0; i < seqs; i++)
		CHECK(!sure[i] || there[i] || ended[i] == 1);
}

static void
keep_tokens(const struct inst *was, unsigned n)
{
	unsigned	i, k;

	for (i = 0; i < lives; i++)
		for (k = 0; k < n; k++)
			if (was[k].id == live[i].id && was[k].q == live[i].q &&
			    was[k].tries == live[i].tries)
				memcpy(live[i].token, was[k].token,
				    sizeof(live[i].token));
}

void
recover(void)
{
	static struct inst	 was[LIVE];
	struct rig_rec		*r;
	unsigned		 i, n = lives;
	int			 q;

	memcpy(was, live, n * sizeof(*was));
	lives = 0;
	for (q = 0; q < QUEUES; q++)
		recover_settings(q);
	for (i = 0; i < 4096; i++)
		for (r = g.table[i]; r != NULL; r = r->next)
			if (r->key[0] == QUEUE_MESSAGE)
				recover_one(r);
	keep_tokens(was, n);
	nothing_lost();
}

