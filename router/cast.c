/*
 * cast.c: see cast.h.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pubsock.h"
#include "router/router.h"
#include "supervisor/gate.h"
#include "supervisor/log.h"

/* An item that waits for the log. */
struct held_item {
	TAILQ_ENTRY(held_item) next;
	uint64_t	 mark;
	size_t		 namelen, len;
	uint8_t		 bytes[];	/* the name, then the item */
};

struct cast {
	struct router	*r;
	struct pubsock	*ps;
	pthread_mutex_t	 lock;		/* of the gate, which nng asks */
	struct gate	*gate;
	TAILQ_HEAD(, held_item) held;
	size_t		 bytes;		/* held */
	struct log_limit lim;
};

/* Called by nng's threads. */
static int
cast_may(void *arg, unsigned uid)
{
	struct cast	*c = arg;
	int		 may;

	pthread_mutex_lock(&c->lock);
	may = gate_role(c->gate, (uid_t)uid) >= gate_need(MSG_TOPIC_SUB);
	pthread_mutex_unlock(&c->lock);
	return may;
}

void
cast_reload(struct cast *c)
{
	char		 err[256];
	struct gate	*g, *old;

	if (c == NULL)
		return;
	if ((g = gate_new(c->r->srv.actor.conf, err, sizeof(err))) == NULL) {
		log_errorx("topics: %s; the old roles stay", err);
		return;
	}
	pthread_mutex_lock(&c->lock);
	old = c->gate;
	c->gate = g;
	pthread_mutex_unlock(&c->lock);
	gate_free(old);
}

static int
cast_open(struct cast *c)
{
	const struct conf	*conf = c->r->srv.actor.conf;
	char			 path[LINK_PATH_MAX];
	struct pubsock_conf	 pc = {
		.path = path, .group = conf_str(conf, CONF_NNG_GROUP),
		.mode = (unsigned)strtoul(conf_str(conf, CONF_NNG_MODE), NULL,
		    8),
		.max = (unsigned)conf_int(conf, CONF_LIMITS_SUBSCRIBERS),
		.may = cast_may, .arg = c
	};
	int			 n;

	n = snprintf(path, sizeof(path), "%s/topics.%u",
	    conf_str(conf, CONF_NODE_RUN), c->r->srv.actor.seat);
	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	return (c->ps = pubsock_new(c->r->srv.actor.loop, &pc)) != NULL;
}

struct cast *
cast_new(struct router *r)
{
	struct cast	*c;

	if (conf_int(r->srv.actor.conf, CONF_LIMITS_SUBSCRIBERS) == 0 ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->r = r;
	TAILQ_INIT(&c->held);
	pthread_mutex_init(&c->lock, NULL);
	cast_reload(c);
	if (c->gate != NULL && cast_open(c))
		return c;
	cast_free(c);
	return NULL;
}

static void
cast_drop(struct cast *c, struct held_item *h)
{
	TAILQ_REMOVE(&c->held, h, next);
	c->bytes -= h->namelen + h->len;
	free(h);
}

/* What nng still uses stays until the process ends. */
void
cast_free(struct cast *c)
{
	if (c == NULL)
		return;
	while (!TAILQ_EMPTY(&c->held))
		cast_drop(c, TAILQ_FIRST(&c->held));
	if (!pubsock_free(c->ps))
		return;
	gate_free(c->gate);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void
cast_send(struct cast *c, const uint8_t *name, size_t n, const uint8_t *item,
    size_t len)
{
	if (!pubsock_send(c->ps, name, n, item, len))
		log_limited(&c->lim, "topics: no memory for an item of %.*s",
		    (int)n, (const char *)name);
}

static void
cast_hold(struct cast *c, struct queue_str topic, struct queue_str item,
    uint64_t mark)
{
	size_t			 n = topic.n + item.n;
	struct held_item	*h;

	if (n > CAST_BYTES - c->bytes ||
	    (h = malloc(sizeof(*h) + n)) == NULL) {
		log_limited(&c->lim, "topics: no room for an item of %.*s",
		    (int)topic.n, (const char *)topic.p);
		return;
	}
	h->mark = mark;
	h->namelen = topic.n;
	h->len = item.n;
	memcpy(h->bytes, topic.p, topic.n);
	memcpy(h->bytes + topic.n, item.p, item.n);
	TAILQ_INSERT_TAIL(&c->held, h, next);
	c->bytes += n;
}

void
cast_released(struct cast *c)
{
	struct held_item	*h;
	uint64_t		 released;

	if (c == NULL)
		return;
	released = shard_released(c->r->srv.shard);
	while ((h = TAILQ_FIRST(&c->held)) != NULL && h->mark <= released) {
		cast_send(c, h->bytes, h->namelen, h->bytes + h->namelen,
		    h->len);
		cast_drop(c, h);
	}
}

void
cast_item(struct cast *c, struct queue_str topic, struct queue_str item,
    uint64_t mark)
{
	if (c == NULL || item.n > CAST_ITEM || !pubsock_wanted(c->ps))
		return;
	cast_released(c);
	if (mark <= shard_released(c->r->srv.shard))
		cast_send(c, topic.p, topic.n, item.p, item.n);
	else
		cast_hold(c, topic, item, mark);
}

void
cast_tick(struct cast *c)
{
	if (c != NULL)
		pubsock_tick(c->ps);
}
