/*
 * damage.c: see damage.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "router/router.h"
#include "supervisor/log.h"

#define STEP	128u		/* records at once */

struct damage {
	struct router	*r;
	uint8_t		 met[SLOTS / 8], shut[SLOTS / 8];
	unsigned	 nshut;			/* slots */
	uint64_t	 bad;			/* records met */
	/* From ACCEPT on. */
	int		 accepted;
	struct shard_scan *scan;		/* of those that fail */
	struct scan_entry at;
	int		 held;			/* at has to wait for the log */
	uint64_t	 mark, mended, deleted;
};

struct damage *
damage_new(struct router *r)
{
	struct damage	*d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->r = r;
	return d;
}

void
damage_free(struct damage *d)
{
	if (d != NULL)
		shard_scan_free(d->scan);
	free(d);
}

/* --- which names --- */

static int
is_set(const uint8_t *bits, unsigned slot)
{
	return bits[slot / 8] >> slot % 8 & 1;
}

static void
set(uint8_t *bits, unsigned slot)
{
	bits[slot / 8] |= (uint8_t)(1 << slot % 8);
}

static int
is_ours(const struct damage *d, unsigned slot)
{
	return slot_store(slot, d->r->srv.shards) == d->r->srv.actor.seat;
}

/* How often something was delivered, and to whom, hides nothing. */
void
damage_met(struct damage *d, const struct queue_key *k)
{
	unsigned	slot = slot_of(k->tab.p, k->tab.n);

	d->bad++;
	if (k->tab.n > 0 && is_ours(d, slot) && k->type != QUEUE_DELIVERY &&
	    k->type != QUEUE_WORKER)
		set(d->met, slot);
}

void
damage_scanned(struct damage *d, uint64_t files)
{
	const struct server	*s = &d->r->srv;
	unsigned		 count = (unsigned)conf_int(s->actor.conf,
				    CONF_STORES_FILES), slot;

	for (slot = 0; files != 0 && slot < SLOTS; slot++)
		if (is_ours(d, slot) &&
		    (files >> slot / s->shards % count & 1) != 0) {
			set(d->shut, slot);
			d->nshut++;
		}
	if (files != 0)
		log_errorx("router: data files cannot be read (bits %llx): "
		    "the names in them are refused",
		    (unsigned long long)files);
}

static int
slot_doubt(const struct damage *d, unsigned slot)
{
	return is_set(d->met, slot) || is_set(d->shut, slot) ||
	    shard_lost(d->r->srv.shard, slot);
}

int
damage_doubts(const struct damage *d, struct queue_str name)
{
	return slot_doubt(d, slot_of(name.p, name.n));
}

int
damage_shuts(const struct damage *d, unsigned slot)
{
	return is_set(d->shut, slot);
}

void
damage_tick(struct damage *d)
{
	struct shard_stat	st;

	if (d->accepted)
		damage_step(d);
	if (d->nshut == 0)
		return;
	shard_stat(d->r->srv.shard, &st);
	board_set(d->r->srv.actor.my, BC_LOST_SLOTS,
	    (int64_t)st.data.lost_slots + d->nshut);
}

/* --- what is said of them --- */

/* What would be true if nothing were lost. */
static int
is_denial(enum err e)
{
	return e == E_NOTFOUND || e == E_QUEUE || e == E_TOKEN;
}

static uint32_t
place_text(const struct damage *d, unsigned slot, char text[SERVER_TEXT])
{
	const struct server	*s = &d->r->srv;
	char			 name[64];
	int			 n;

	shard_file_name(s->shard, slot, name, sizeof(name));
	n = snprintf(text, SERVER_TEXT, "router.%u/%s slot %u%s",
	    s->actor.seat, name, slot, shard_lost(s->shard, slot) ?
	    " in quarantine" : is_set(d->shut, slot) ? " cannot be read" : "");
	return n < (int)SERVER_TEXT ? (uint32_t)n : SERVER_TEXT - 1;
}

enum err
damage_refuse(struct server *s, const struct msg *m, enum err e,
    struct frame *f, char text[SERVER_TEXT])
{
	const struct router	*r = s->actor.self;
	const struct damage	*d = r->damage;
	unsigned		 slot;

	if ((e != E_DAMAGED && !is_denial(e)) || m->f.tablen == 0 ||
	    m->f.tablen > TABLE_MAX || m->f.msg == MSG_TASK_ASK ||
	    m->f.msg == MSG_TASK_CLAIM)
		return e;
	slot = slot_of(m->f.tab, m->f.tablen);
	if (!is_ours(d, slot) || (e != E_DAMAGED && !slot_doubt(d, slot)))
		return e;
	f->val = (const uint8_t *)text;
	f->vallen = place_text(d, slot, text);
	return E_DAMAGED;
}

/* --- the end of it --- */

static void
ignore(void *arg, const uint8_t *val, size_t len)
{
	(void)arg, (void)val, (void)len;
}

static enum err
mend_delete(struct damage *d, const struct queue_key *k)
{
	struct router	*r = d->r;
	enum err	 e = shard_room(r->srv.shard, slot_of(k->tab.p,
			    k->tab.n), ROUTER_ROOM);

	if (e == E_OK)
		e = storage_ops.del(r, k, &d->mark);
	d->deleted += e == E_OK;
	return e == E_NOTFOUND ? E_OK : e;
}

/* It may have been replaced, deleted or mended since it was read. */
static enum err
mend_one(struct damage *d, const struct scan_entry *x)
{
	struct queue_str	empty = { NULL, 0 };
	struct queue_str	val = { x->val, x->vallen };
	struct queue_key	k;
	uint64_t		mark = 0;
	enum err		e;

	if (record_key_get(x->key, x->keylen, &k.type, &k.tab.p, &k.tab.n,
	    &k.key.p, &k.key.n) != E_OK || k.tab.n == 0 ||
	    !is_ours(d, slot_of(k.tab.p, k.tab.n)) ||
	    storage_ops.get(d->r, &k, ignore, NULL, &mark) != E_DAMAGED)
		return E_OK;
	if (x->how != SCAN_DOUBT || x->dead)
		return mend_delete(d, &k);
	e = storage_ops.put(d->r, &k, empty, val, &d->mark);
	d->mended += e == E_OK;
	return e;
}

static void
mend_end(struct damage *d)
{
	shard_scan_free(d->scan);
	d->scan = NULL;
	d->accepted = d->held = 0;
}

static void
mend_failed(struct damage *d, enum err e)
{
	log_errorx("router: what is damaged stays as it is: %s", err_text(e));
	mend_end(d);
}

/* All of it is durable: the queues take it in as at every start. */
static void
mend_done(struct damage *d)
{
	struct server		*s = &d->r->srv;
	struct shard_stat	 st;

	mend_end(d);
	server_accept(s);
	shard_stat(s->shard, &st);
	if (st.data.lost_slots != 0)
		return;			/* server_accept has said why */
	log_warnx("router: %llu records that were in doubt are taken as they "
	    "are, %llu damaged ones are deleted; restarting",
	    (unsigned long long)d->mended, (unsigned long long)d->deleted);
	actor_exit(&s->actor, ACTOR_EXIT_RECOVER);
}

/* E_AGAIN: the log has no room; E_PENDING: the scan has nothing yet. */
static enum err
mend_some(struct damage *d)
{
	unsigned	n;
	enum err	e = E_OK;

	for (n = 0; n < STEP && e == E_OK; n++) {
		if (!d->held)
			e = shard_scan_next(d->scan, &d->at);
		if (e != E_OK)
			break;
		e = mend_one(d, &d->at);
		d->held = e == E_AGAIN;
	}
	return e;
}

void
damage_step(struct damage *d)
{
	struct server	*s = &d->r->srv;
	enum err	 e;

	if (d->scan == NULL)
		return;
	e = mend_some(d);
	shard_kick(s->shard);
	if (e == E_OK)
		server_again(s);
	else if (e == E_NOTFOUND && shard_released(s->shard) >= d->mark)
		mend_done(d);
	else if (e != E_NOTFOUND && e != E_AGAIN && e != E_PENDING)
		mend_failed(d, e);
}

/* The scan's thread. */
static void
mend_notify(void *arg)
{
	server_again(arg);
}

void
damage_accept(struct server *s)
{
	struct router		*r = s->actor.self;
	struct damage		*d = r->damage;
	struct shard_stat	 st;

	shard_stat(s->shard, &st);
	if (d->accepted || st.data.lost_slots + d->bad + d->nshut == 0)
		return;
	if (r->scan != NULL || queues_building(r->queues)) {
		log_warnx("router: damage is accepted when the messages have "
		    "been read: say it again");
		return;
	}
	d->mark = d->mended = d->deleted = 0;
	d->scan = shard_scan_new(s->shard, 0, 1, mend_notify, s);
	if (d->scan == NULL) {
		log_error("router: what is damaged stays as it is");
		return;
	}
	d->accepted = 1;
}
