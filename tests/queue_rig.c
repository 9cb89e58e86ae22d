/*
 * queue_rig.c: storage for libqueue in memory (queue_rig.h).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/queue_rig.h"

static uint64_t	rnd_state = 1;

void
rig_seed(uint64_t seed)
{
	rnd_state = seed * 0x9e3779b97f4a7c15 + 1;
}

uint64_t
rig_rnd(uint64_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state * 0x2545f4914f6cdd1d >> 20) % below;
}

struct queue_str
str(const char *s)
{
	return (struct queue_str){ (const uint8_t *)s, strlen(s) };
}

/* --- records --- */

static size_t
pack(const struct queue_key *k, uint8_t *out)
{
	assert(2 + k->tab.n + k->key.n <= RIG_KEY);
	out[0] = k->type;
	out[1] = (uint8_t)k->tab.n;
	if (k->tab.n > 0)
		memcpy(out + 2, k->tab.p, k->tab.n);
	if (k->key.n > 0)
		memcpy(out + 2 + k->tab.n, k->key.p, k->key.n);
	return 2 + k->tab.n + k->key.n;
}

struct queue_key
rig_key(const struct rig_rec *r)
{
	size_t	n = r->key[1];

	return (struct queue_key){ r->key[0], { r->key + 2, n },
	    { r->key + 2 + n, r->keylen - 2 - n } };
}

static struct rig_rec **
place(struct rig *g, const uint8_t *key, size_t len)
{
	struct rig_rec	**at;
	uint32_t	  h = 0;
	size_t		  i;

	for (i = 0; i < len; i++)
		h = h * 31 + key[i];
	at = &g->table[(h ^ h >> 12) % 4096];
	while (*at != NULL && ((*at)->keylen != len ||
	    memcmp((*at)->key, key, len) != 0))
		at = &(*at)->next;
	return at;
}

/* val NULL: it goes.  What was there is handed back. */
static uint8_t *
swap(struct rig *g, const uint8_t *key, size_t keylen, uint8_t *val,
    size_t vallen, size_t *waslen)
{
	struct rig_rec	**at = place(g, key, keylen), *r = *at;
	uint8_t		*was = r == NULL ? NULL : r->val;

	*waslen = r == NULL ? 0 : r->vallen;
	if (val == NULL && r != NULL) {
		*at = r->next;
		free(r);
		g->records--;
	} else if (val != NULL) {
		if (r == NULL) {
			r = *at = calloc(1, sizeof(*r));
			assert(r != NULL);
			memcpy(r->key, key, keylen);
			r->keylen = keylen;
			g->records++;
		}
		r->val = val;
		r->vallen = vallen;
	}
	return was;
}

static void
write_rec(struct rig *g, const struct queue_key *k, uint8_t *val,
    size_t vallen, uint64_t *mark)
{
	struct rig_undo	*u = calloc(1, sizeof(*u));

	assert(u != NULL);
	u->keylen = pack(k, u->key);
	u->mark = *mark = ++g->mark;
	if (g->saw != NULL)
		g->saw(k, val, vallen, u->mark);
	u->val = swap(g, u->key, u->keylen, val, vallen, &u->vallen);
	u->next = g->undo;
	g->undo = u;
	g->writes++;
}

static enum err
refused(struct rig *g)
{
	if (g->fail_in == 0 || --g->fail_in > 0)
		return E_OK;
	if (g->fail_many > 0) {
		g->fail_many--;
		g->fail_in = 1;
	}
	return g->fail_with;
}

static enum err
on_put(void *arg, const struct queue_key *k, struct queue_str head,
    struct queue_str item, uint64_t *mark)
{
	struct rig	*g = arg;
	uint8_t		*val;
	enum err	 e = refused(g);

	if (e != E_OK)
		return e;
	val = malloc(head.n + item.n + 1);
	assert(val != NULL);
	if (head.n > 0)
		memcpy(val, head.p, head.n);
	if (item.n > 0)
		memcpy(val + head.n, item.p, item.n);
	write_rec(g, k, val, head.n + item.n, mark);
	return E_OK;
}

static enum err
on_del(void *arg, const struct queue_key *k, uint64_t *mark)
{
	struct rig	*g = arg;
	enum err	 e = refused(g);

	if (e != E_OK)
		return e;
	if (rig_find(g, k) == NULL)
		return E_NOTFOUND;
	write_rec(g, k, NULL, 0, mark);
	return E_OK;
}

static enum err
on_get(void *arg, const struct queue_key *k, queue_seen *seen, void *seenarg,
    uint64_t *mark)
{
	struct rig	*g = arg;
	struct rig_rec	*r = rig_find(g, k);

	g->reads++;
	*mark = g->mark;
	if (r == NULL)
		return E_NOTFOUND;
	if (g->read_damaged && k->type == QUEUE_MESSAGE)
		return E_DAMAGED;
	seen(seenarg, r->val, r->vallen);
	return E_OK;
}

static uint64_t
on_id(void *arg)
{
	struct rig	*g = arg;

	return g->id += 1 + rig_rnd(3);
}

static int
on_doubt(void *arg, struct queue_str name)
{
	const struct rig	*g = arg;

	return g->doubtful != 0 && name.p[0] == g->doubtful;
}

static int
on_owns(void *arg, struct queue_str name)
{
	struct rig	*g = arg;

	return g->foreign == 0 || name.p[0] != g->foreign;
}

static enum err
on_forward(void *arg, const struct queue_forward *f)
{
	struct rig	*g = arg;

	g->forwards++;
	g->forward_id = f->id;
	return g->forward == NULL ? E_PENDING : g->forward(g, f);
}

static enum err
on_reaches(void *arg, struct queue_str to, int ordered)
{
	struct rig	*g = arg;

	assert(!on_owns(g, to));
	(void)to, (void)ordered;
	return g->reach;
}

const struct queue_ops rig_ops = {
	on_put, on_del, on_get, on_id, on_doubt, on_owns, on_forward,
	on_reaches
};

/* --- the whole --- */

void
rig_open(struct rig *g)
{
	memset(g, 0, sizeof(*g));
	g->id = 1000;
	g->conf.ops = &rig_ops;
	g->conf.arg = g;
	g->conf.salt = 0xabc;
	memcpy(g->conf.key, "sixteen byte key", TOKEN_KEY);
	g->conf.limits = (struct queue_limits){ 100, 1000000, 10000, 300000 };
}

struct rig_rec *
rig_find(struct rig *g, const struct queue_key *k)
{
	uint8_t	key[RIG_KEY];

	return *place(g, key, pack(k, key));
}

unsigned
rig_count(struct rig *g, enum queue_type type)
{
	struct rig_rec	*r;
	unsigned	 i, n = 0;

	for (i = 0; i < 4096; i++)
		for (r = g->table[i]; r != NULL; r = r->next)
			n += r->key[0] == type;
	return n;
}

void
rig_crash(struct rig *g, uint64_t mark)
{
	struct rig_undo	*u;
	size_t		 len;

	while ((u = g->undo) != NULL && u->mark > mark) {
		g->undo = u->next;
		free(swap(g, u->key, u->keylen, u->val, u->vallen, &len));
		free(u);
	}
	rig_forget(g);
}

void
rig_forget(struct rig *g)
{
	struct rig_undo	*u;

	while ((u = g->undo) != NULL) {
		g->undo = u->next;
		free(u->val);
		free(u);
	}
}

void
rig_close(struct rig *g)
{
	struct rig_rec	*r;
	unsigned	 i;

	rig_forget(g);
	for (i = 0; i < 4096; i++)
		while ((r = g->table[i]) != NULL) {
			g->table[i] = r->next;
			free(r->val);
			free(r);
		}
}

static void
shuffle(struct rig_rec **all, size_t n)
{
	struct rig_rec	*r;
	size_t		 i, k;

	for (i = n; i > 1; i--) {
		k = rig_rnd(i);
		r = all[i - 1];
		all[i - 1] = all[k];
		all[k] = r;
	}
}

/* A head is enough, but for settings. */
static void
feed(struct queues *qs, const struct rig_rec *r)
{
	struct queue_key	k = rig_key(r);
	size_t			n = r->vallen;
	enum err		e;

	if (k.type != QUEUE_SETTINGS && n > QUEUE_HEAD_MAX)
		n = QUEUE_HEAD_MAX;
	e = queues_feed(qs, &k, r->val, n);
	assert(e == E_OK);
	(void)e;
}

struct queues *
rig_start(struct rig *g, const struct queue_now *now, uint64_t seed, int stop)
{
	struct queues	*qs = queues_new(&g->conf);
	struct rig_rec	**all = calloc(g->records + 1, sizeof(*all)), *r;
	size_t		 i, n = 0;

	assert(qs != NULL && all != NULL);
	for (i = 0; i < 4096; i++)
		for (r = g->table[i]; r != NULL; r = r->next)
			all[n++] = r;
	if (seed != 0)
		shuffle(all, n);
	for (i = 0; i < n; i++)
		if (all[i]->key[0] == QUEUE_SETTINGS)
			feed(qs, all[i]);
	queues_feed_names(qs);
	for (i = 0; i < n; i++) {
		if (all[i]->key[0] == QUEUE_SETTINGS)
			continue;
		feed(qs, all[i]);
		if (i > 0 && rig_rnd(8) == 0 &&
		    all[i - 1]->key[0] != QUEUE_SETTINGS)
			feed(qs, all[i - 1]);
	}
	free(all);
	if (!stop) {
		queues_feed_done(qs, now);
		while (queues_building(qs))
			queues_work(qs, now);
	}
	return qs;
}

/* Until there is nothing to do now; what storage refused is tried again. */
void
rig_work(struct queues *qs, struct queue_now *now)
{
	unsigned	n = 0;

	while (queues_work(qs, now)) {
		assert(++n < 100000);
		(void)n;
	}
}

/* --- clients --- */

static int
on_item(struct queue_taker *t, const struct queue_msg *m)
{
	struct client	*c = (struct client *)t;
	struct got	*g = &c->got[c->shown];
	size_t		 n = m->item.n < 63 ? m->item.n : 63;

	if (c->shown == GOT_MOST)
		return 0;
	memcpy(g->item, m->item.p, n);
	g->item[n] = '\0';
	memcpy(g->token, m->token, strlen(m->token) + 1);
	g->id = m->id;
	g->deliveries = m->deliveries;
	g->priority = m->priority;
	c->shown++;
	return 1;
}

static void
on_done(struct queue_taker *t, enum err e, unsigned n, uint64_t mark)
{
	struct client	*c = (struct client *)t;

	assert(!c->done);
	c->done = 1;
	c->err = e;
	c->n = n;
	c->mark = mark;
}

void
client_init(struct client *c)
{
	memset(c, 0, sizeof(*c));
	c->t.item = on_item;
	c->t.done = on_done;
}

enum err
client_get(struct queues *qs, const char *queue, struct client *c,
    const struct queue_now *now)
{
	c->shown = c->n = 0;
	c->done = 0;
	return queue_get(qs, str(queue), str("worker"), &c->t, now);
}
