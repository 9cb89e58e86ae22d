/*
 * server_orders.c: see server_orders.h.  Answers go to wharfd over fd 3, which
 * may be full: what waits is kept in order, FOUND_MAX findings at most, and
 * tried again at each look.
 */
#include <sys/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "store/server_orders.h"
#include "store/shard_scrub.h"
#include "supervisor/log.h"

#define FOUND_MAX	1000u	/* told of one check; the rest is counted */

struct telling {
	STAILQ_ENTRY(telling) next;
	struct frame	 f;
	uint8_t		 val[DONE_SIZE > FOUND_TEXT ? DONE_SIZE : FOUND_TEXT];
};

struct server_orders {
	struct server	*s;
	STAILQ_HEAD(, telling) out;
	uint64_t	 check, compact;	/* ids, 0: none */
	unsigned	 found;		/* told of the check */
	int		 file;		/* that is compacted; -1: all */
	uint64_t	 before;	/* bytes */
};

/* --- answers --- */

static void
flush(struct server_orders *o)
{
	struct telling	*t;

	while ((t = STAILQ_FIRST(&o->out)) != NULL) {
		t->f.val = t->val;
		if (actor_tell(&o->s->actor, &t->f) == E_AGAIN)
			return;
		STAILQ_REMOVE_HEAD(&o->out, next);
		free(t);
	}
}

static void
tell(struct server_orders *o, const struct frame *f)
{
	struct telling	*t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("%s: no memory", o->s->actor.name);
	t->f = *f;
	memcpy(t->val, f->val, f->vallen);
	STAILQ_INSERT_TAIL(&o->out, t, next);
	flush(o);
}

static void
tell_done(struct server_orders *o, uint64_t id, enum err e,
    const uint64_t *number, unsigned n)
{
	uint8_t		val[DONE_SIZE] = { 0 };
	struct frame	f = { .msg = MSG_DONE, .id = id,
	    .status = (uint16_t)e, .val = val, .vallen = sizeof(val) };
	unsigned	i;

	for (i = 0; i < n && i < DONE_NUMBERS; i++)
		le64_put(val + 8 * i, number[i]);
	tell(o, &f);
}

/* --- check --- */

/* "store.0/data.3.1.tkh offset 65536: what": below node.data. */
static void
on_found(void *arg, const char *path, uint64_t off, const char *what)
{
	struct server_orders	*o = arg;
	const char		*data = conf_str(o->s->actor.conf,
	    CONF_NODE_DATA);
	size_t			 n = strlen(data);
	char			 text[FOUND_TEXT + 1], at[40] = "";
	struct frame		 f = { .msg = MSG_FOUND, .id = o->check,
	    .val = (const uint8_t *)text };

	if (strncmp(path, data, n) == 0 && path[n] == '/')
		path += n + 1;
	if (off != UINT64_MAX)
		snprintf(at, sizeof(at), " offset %" PRIu64, off);
	snprintf(text, sizeof(text), "%s%s: %s", path, at, what);
	log_errorx("check: %s", text);
	f.vallen = (uint32_t)strlen(text);
	if (o->found++ < FOUND_MAX)
		tell(o, &f);
}

static void
on_checked(void *arg, enum err e, const struct check_result *r)
{
	struct server_orders	*o = arg;
	const uint64_t		 number[] = { r->records, r->blocks,
	    r->segments, r->bytes, r->entries, r->bad };
	uint64_t		 id = o->check;

	o->check = 0;
	tell_done(o, id, e, number, 6);
}

static enum err
order_check(struct server_orders *o, const struct msg *m)
{
	enum err	e;

	if (o->check != 0)
		return E_AGAIN;
	if (o->s->stopping)
		return E_NOTREADY;
	e = shard_check(o->s->shard, m->f.score < 0 ? 0 :
	    (uint64_t)m->f.score, on_found, on_checked, o);
	if (e == E_OK) {
		o->check = m->f.id;
		o->found = 0;
	}
	return e;
}

/* --- compaction --- */

static enum err
order_compact(struct server_orders *o, const struct msg *m)
{
	struct shard	*s = o->s->shard;
	unsigned	 files = (unsigned)conf_int(o->s->actor.conf,
	    CONF_STORES_FILES);

	if (o->compact != 0)
		return E_AGAIN;
	if (o->s->stopping)
		return E_NOTREADY;
	if (m->f.ver > files)
		return E_PARAM;
	o->compact = m->f.id;
	o->file = (int)m->f.ver - 1;
	o->before = shard_compact_bytes(s, o->file);
	shard_compact(s, o->file);
	return E_OK;
}

static void
compact_look(struct server_orders *o)
{
	struct shard	*s = o->s->shard;
	uint64_t	 number[2] = { o->before, 0 };
	enum err	 e = shard_failed(s), why;

	if (o->compact == 0)
		return;
	if (shard_compact_left(s, o->file, &why) != 0 && e == E_OK &&
	    why != E_DAMAGED)
		return;
	if (e == E_OK)
		e = why;
	number[1] = shard_compact_bytes(s, o->file);
	tell_done(o, o->compact, e, number, 2);
	o->compact = 0;
}

/* --- the end of a quarantine --- */

void
server_accept(struct server *s)
{
	struct shard_stat	st;
	unsigned		n;
	enum err		e;

	shard_stat(s->shard, &st);
	if ((n = st.data.lost_slots) == 0)
		return;
	if ((e = shard_accept_loss(s->shard)) != E_OK) {
		log_error("%s: the quarantine of %u slots stays: %s",
		    s->actor.name, n, err_text(e));
		return;
	}
	board_set(s->actor.my, BC_LOST_SLOTS, 0);
	log_warnx("%s: %u slots leave quarantine: what is missing from them "
	    "is taken for gone", s->actor.name, n);
}

/* --- the server's side --- */

enum err
server_on_order(struct actor *a, const struct msg *m)
{
	struct server		*s = a->self;
	struct server_orders	*o = s->orders;
	enum err		 e = E_NOTREADY;

	if (o != NULL)
		e = m->f.msg == MSG_CHECK ? order_check(o, m) :
		    order_compact(o, m);
	if (e != E_OK && o != NULL)
		tell_done(o, m->f.id, e, NULL, 0);
	return E_OK;
}

/* A record may be hidden in a file: only a start can tell which. */
static void
hurt_look(struct server_orders *o)
{
	struct server	*s = o->s;

	if (!shard_hurt(s->shard) || s->stopping || o->check != 0 ||
	    !STAILQ_EMPTY(&o->out))
		return;
	log_errorx("%s: restarting, to put the damaged file into quarantine",
	    s->actor.name);
	actor_exit(&s->actor, ACTOR_EXIT_RECOVER);
}

void
server_orders_look(struct server *s)
{
	compact_look(s->orders);
	flush(s->orders);
	hurt_look(s->orders);
}

void
server_orders_gauges(struct server *s)
{
	struct board_actor	*b = s->actor.my;
	struct scrub_stat	 st;
	uint64_t		 all, done;

	shard_scrub_stat(s->shard, &st);
	board_set(b, BC_SCRUB_BYTES, (int64_t)st.bytes);
	board_set(b, BC_SCRUB_BLOCKS, (int64_t)st.blocks);
	board_set(b, BC_SCRUB_SEGMENTS, (int64_t)st.segments);
	board_set(b, BC_SCRUB_BAD, (int64_t)st.bad);
	board_set(b, BC_SCRUB_ROUNDS, (int64_t)st.rounds);
	board_set(b, BC_SCRUB_LAST, st.last / 1000);
	done = shard_check_bytes(s->shard, &all);
	board_set(b, BC_CHECK_BYTES, (int64_t)done);
	board_set(b, BC_CHECK_TOTAL, (int64_t)all);
}

/* This shard's part of scrub.rate. */
void
server_orders_reload(struct server *s)
{
	const struct conf	*c = s->actor.conf;
	uint64_t		 all = (uint64_t)conf_int(c, CONF_SCRUB_RATE);

	shard_set_scrub(s->shard, all == 0 ? 0 : all / s->shards + 1,
	    conf_int(c, CONF_SCRUB_INTERVAL));
}

struct server_orders *
server_orders_new(struct server *s)
{
	struct server_orders	*o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->s = s;
	STAILQ_INIT(&o->out);
	server_orders_reload(s);
	return o;
}

void
server_orders_free(struct server_orders *o)
{
	struct telling	*t;

	if (o == NULL)
		return;
	while ((t = STAILQ_FIRST(&o->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&o->out, next);
		free(t);
	}
	free(o);
}
