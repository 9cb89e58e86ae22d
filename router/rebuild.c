/*
 * rebuild.c: what the records say goes into the queues after a start: first
 * the settings, at once, by the names that the shard knows; then all others,
 * read beside the loop, in steps.
 */
#include "proto/slot.h"
#include "router/router.h"
#include "supervisor/log.h"

#define STEP	512u		/* entries at once: some 100 us */

static enum err
feed(struct router *r, const struct scan_entry *x)
{
	struct queue_key	k;
	enum err		e;

	e = record_key_get(x->key, x->keylen, &k.type, &k.tab.p, &k.tab.n,
	    &k.key.p, &k.key.n);
	if (e == E_OK && x->how != SCAN_WHOLE) {
		damage_met(r->damage, &k);
		return queues_feed_ill(r->queues, &k);
	}
	/* The router's own, and what feed_name has given in full. */
	if (e != E_OK || k.tab.n == 0 || k.type == QUEUE_SETTINGS)
		return E_OK;
	e = queues_feed(r->queues, &k, x->val, x->vallen);
	return e == E_BADMSG ? E_OK : e;
}

struct feeding {
	struct router	*r;
	struct queue_key k;
	enum err	 err;
};

static void
feed_seen(void *arg, const uint8_t *val, size_t len)
{
	struct feeding	*f = arg;

	f->err = queues_feed(f->r->queues, &f->k, val, len);
}

static enum err
feed_name(void *arg, const uint8_t *name, size_t len)
{
	struct feeding	f = { .r = arg, .k = { .type = QUEUE_SETTINGS,
	    .tab = { name, len } } };
	uint64_t	mark = 0;
	enum err	e;

	e = storage_ops.get(arg, &f.k, feed_seen, &f, &mark);
	if (e == E_OK)
		e = f.err;
	if (e == E_OK || e == E_NOTFOUND)
		return E_OK;
	/* Its messages will have it made anew (queue/feed.c). */
	log_errorx("router: settings of %.*s are lost: %s", (int)len,
	    (const char *)name, err_text(e));
	return e == E_NOMEM ? e : E_OK;
}

/* The scan's thread. */
static void
rebuild_notify(void *arg)
{
	server_again(arg);
}

/* What it has lost nobody knows; that it may have is said by its name. */
static enum err
tell_lost(void *arg, const uint8_t *name, size_t len)
{
	struct router	*r = arg;

	if (shard_lost(r->srv.shard, slot_of(name, len)))
		log_errorx("router: messages of %.*s may be lost (quarantine)",
		    (int)len, (const char *)name);
	return E_OK;
}

/* All that there was has been fed. */
static void
rebuild_over(struct router *r)
{
	struct queue_now	now = router_now(r);

	shard_scan_free(r->scan);
	r->scan = NULL;
	queues_feed_done(r->queues, &now);
	router_arm(r);
}

/* A new shard is not read: so a node can be used as soon as it is ready. */
void
router_rebuild(struct router *r)
{
	struct queue_now	now = router_now(r);

	r->scanned = mono_now();
	if (shard_names(r->srv.shard, TYPE_SETTINGS, feed_name, r) != E_OK)
		fatal("router: no memory");
	if (shard_names(r->srv.shard, TYPE_SETTINGS, tell_lost, r) != E_OK)
		fatal("router: no memory");
	queues_feed_names(r->queues);
	if (r->srv.fresh) {
		rebuild_over(r);
		(void)queues_work(r->queues, &now);
		router_rebuilt(r);
		return;
	}
	r->scan = shard_scan_new(r->srv.shard, QUEUE_HEAD_MAX, 0,
	    rebuild_notify, &r->srv);
	if (r->scan == NULL)
		fatal("router: cannot read the messages");
}

/*
 * A start after an orderly stop believes its files; one after a kill reads them
 * all, and puts those in quarantine that it cannot read.  If even then one is
 * left, the names in the others go on.
 */
static int
rebuild_restarts(struct router *r)
{
	uint64_t	files = shard_scan_unread(r->scan);

	if (files != 0 && r->srv.clean) {
		log_errorx("router: restarting, to put data files into "
		    "quarantine (bits %llx)", (unsigned long long)files);
		actor_exit(&r->srv.actor, ACTOR_EXIT_RECOVER);
		return 1;
	}
	damage_scanned(r->damage, files);
	return 0;
}

static void
rebuild_done(struct router *r)
{
	if (rebuild_restarts(r)) {
		shard_scan_free(r->scan);
		r->scan = NULL;
		return;
	}
	if (shard_scan_bad(r->scan) > 0) {
		log_errorx("router: %llu records fail their checksum: what "
		    "they hold is not delivered",
		    (unsigned long long)shard_scan_bad(r->scan));
		board_add(r->srv.actor.my, BC_DAMAGED,
		    (int64_t)shard_scan_bad(r->scan));
	}
	rebuild_over(r);
}

/* The queues have made up their minds about all of it. */
void
router_rebuilt(struct router *r)
{
	struct queues_total	t;

	if (r->scanned.us == 0 || queues_building(r->queues))
		return;
	queues_total(r->queues, &t);
	log_info("router: %llu messages in %llu queues and topics, %lld ms",
	    (unsigned long long)t.messages, (unsigned long long)t.names,
	    (long long)mono_diff(r->scanned, mono_now()) / 1000);
	r->scanned.us = 0;
}

void
router_rebuild_step(struct router *r)
{
	struct scan_entry	x;
	unsigned		n;
	enum err		e = E_OK;

	if (r->scan == NULL)
		return;
	for (n = 0; n < STEP && e == E_OK; n++)
		if ((e = shard_scan_next(r->scan, &x)) == E_OK)
			e = feed(r, &x);
	if (e == E_OK)
		server_again(&r->srv);
	else if (e == E_NOTFOUND)
		rebuild_done(r);
	else if (e == E_NOMEM)
		fatalx("router: no memory for the messages");
}
