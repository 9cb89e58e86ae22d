/*
 * queue_ask.c: what a request to a queue, a topic or the tasks says, as a
 * frame.  Seconds and minutes become milliseconds here.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/slot.h"
#include "worker/args.h"
#include "worker/netstring.h"
#include "worker/queue.h"
#include "worker/worker.h"

typedef enum err maker(struct request *, struct asked *, const char **);

static int64_t
seconds(const struct request *r, enum param_id id)
{
	return params_num(&r->par, id) * 1000;
}

/* Bare paths answer as huststore's HA did. */
int
queue_is_bare(const struct request *r)
{
	return r->path->on == ON_MQ;
}

/* The body, or what the query has in its place. */
static void
item_take(const struct request *r, struct frame *f)
{
	struct param_text	text = params_text(&r->par, P_ITEM);

	if (r->got != 0)
		text = (struct param_text){ r->body, (uint32_t)r->got };
	f->val = text.p;
	f->vallen = text.len;
}

static void
key_take(const struct request *r, enum param_id id, struct frame *f)
{
	struct param_text	text = params_text(&r->par, id);

	f->key = text.p;
	f->keylen = text.len;
}

static void
priority_take(const struct request *r, struct frame *f)
{
	f->type = (uint8_t)('0' + params_num(&r->par, P_PRIO));
}

/* --- messages --- */

static enum err
make_put(struct request *r, struct asked *a, const char **detail)
{
	(void)detail;
	item_take(r, &a->f);
	priority_take(r, &a->f);
	a->f.ttl = seconds(r, P_LASTS);
	a->f.score = seconds(r, P_DELAY);
	return E_OK;
}

/* How long the list is on the wire, and that it is one. */
static enum err
items_size(const struct request *r, size_t *size)
{
	const uint8_t	*p = r->body, *text;
	size_t		 left = r->got;
	uint32_t	 len;
	unsigned	 n;

	for (n = 0; left > 0; n++) {
		if (n == QUEUE_COUNT || !netstring_next(&p, &left, &text,
		    &len) || len == 0)
			return E_PARAM;
		*size += 4 + len;
	}
	return *size <= VALUE_MAX ? E_OK : E_TOOBIG;
}

static enum err
make_mput(struct request *r, struct asked *a, const char **detail)
{
	const uint8_t	*p = r->body, *text;
	size_t		 left = r->got, size = 0;
	uint32_t	 len;
	struct wbuf	 b;
	enum err	 e;

	*detail = "netstrings of the body";
	if ((e = items_size(r, &size)) != E_OK)
		return e;
	if (plan_hold(r, size) != E_OK || (a->wire = malloc(size)) == NULL)
		return E_NOMEM;
	(void)make_put(r, a, detail);
	wbuf_init(&b, a->wire, size);
	while (netstring_next(&p, &left, &text, &len))
		queue_item_put(&b, text, len);
	a->f.val = a->wire;
	a->f.vallen = (uint32_t)b.len;
	return E_OK;
}

/* huststore's HA: what begins with 0 or false is no. */
static int
is_acked(const struct request *r)
{
	struct param_text	text = params_text(&r->par, P_ACKED);

	if ((r->path->optional & B(P_ACK)) != 0)
		return params_num(&r->par, P_ACK) != 0;
	return text.len == 0 || (text.p[0] != '0' && (text.len < 5 ||
	    memcmp(text.p, "false", 5) != 0));
}

/* An empty Ack-Token (contract 3.2): MHD takes no header without a value. */
const char *const *
queue_refusal(const struct request *r)
{
	static const char *const token[] = { "Ack-Token", " ", NULL };

	if (r->path == NULL || r->path->act != ACT_QUEUE ||
	    r->path->msg != MSG_QUEUE_GET || is_acked(r))
		return NULL;
	return token;
}

/* evget and evsub wait by themselves. */
static enum err
wait_take(const struct request *r, struct asked *a, const char **detail)
{
	int64_t	most = conf_int(r->w->a.conf, CONF_MQ_LONG_POLL) * 1000;

	a->wait = (r->path->flags & PF_WAIT) != 0 ? most : seconds(r, P_WAIT);
	*detail = "wait over mq.long_poll";
	a->f.ttl = a->wait;
	return a->wait <= most ? E_OK : E_PARAM;
}

static enum err
make_get(struct request *r, struct asked *a, const char **detail)
{
	key_take(r, P_WORKER, &a->f);
	a->f.score = params_num(&r->par, P_MOST);
	a->many = a->f.score > 1;
	a->automatic = is_acked(r);
	/* Whoever is only sent to another path takes nothing. */
	if (a->automatic || params_num(&r->par, P_REDIRECT))
		a->f.flags |= FRAME_AUTO;
	return wait_take(r, a, detail);
}

static enum err
make_ack(struct request *r, struct asked *a, const char **detail)
{
	key_take(r, P_RECEIPT, &a->f);
	return args_peer(r, detail);
}

static enum err
make_nack(struct request *r, struct asked *a, const char **detail)
{
	(void)detail;
	key_take(r, P_RECEIPT, &a->f);
	a->f.ttl = a->f.msg == MSG_QUEUE_TOUCH ? seconds(r, P_SECONDS) :
	    seconds(r, P_DELAY);
	return E_OK;
}

static enum err
make_peek(struct request *r, struct asked *a, const char **detail)
{
	(void)detail;
	if ((r->par.given & B(P_PRIO)) != 0)
		priority_take(r, &a->f);
	a->f.score = params_num(&r->par, P_OFFSET);
	return E_OK;
}

static enum err
make_move(struct request *r, struct asked *a, const char **detail)
{
	(void)detail;
	key_take(r, P_TO, &a->f);
	a->f.score = params_num(&r->par, P_MOVES);
	return E_OK;
}

static enum err
make_purge(struct request *r, struct asked *a, const char **detail)
{
	(void)detail;
	priority_take(r, &a->f);
	return E_OK;
}

static enum err
make_plain(struct request *r, struct asked *a, const char **detail)
{
	(void)r;
	(void)a;
	(void)detail;
	return E_OK;
}

/* --- settings --- */

static enum err
set_wire(struct asked *a, const struct queue_set *s)
{
	struct wbuf	b;

	if ((a->wire = malloc(QUEUE_SET_MAX)) == NULL)
		return E_NOMEM;
	wbuf_init(&b, a->wire, QUEUE_SET_MAX);
	queue_set_put(&b, s);
	a->f.val = a->wire;
	a->f.vallen = (uint32_t)b.len;
	return E_OK;
}

/* One field of the JSON; 0: it is not what it must be. */
static int
field_take(struct queue_set *s, const char *name, const json_t *v)
{
	static const struct {
		const char	*name;
		unsigned	 bit, unit;
		size_t		 at;
	} numbers[] = {
#define FIELD(name, bit, unit) \
	{ #name, bit, unit, offsetof(struct queue_set, name) }
		FIELD(max, QSET_MAX, 1), FIELD(timeout, QSET_TIMEOUT, 1000),
		FIELD(maxdeliver, QSET_MAXDELIVER, 1),
		FIELD(ttl, QSET_TTL, 1000), FIELD(delay, QSET_DELAY, 1000)
#undef FIELD
	};
	json_int_t	n = json_integer_value(v);
	uint32_t	value;
	size_t		i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		if (!json_is_integer(v) || n < 0 ||
		    n > (json_int_t)(UINT32_MAX / numbers[i].unit))
			return 0;
		value = (uint32_t)n * numbers[i].unit;
		memcpy((char *)s + numbers[i].at, &value, sizeof(value));
		s->mask |= (uint8_t)numbers[i].bit;
		return 1;
	}
	if (strcmp(name, "lock") == 0 && (json_is_boolean(v) ||
	    (json_is_integer(v) && (n == 0 || n == 1)))) {
		s->lock = json_is_true(v) || n == 1;
		s->mask |= QSET_LOCK;
		return 1;
	}
	if (strcmp(name, "dead") != 0 || !json_is_string(v) ||
	    json_string_length(v) > TABLE_MAX)
		return 0;
	s->dead = (const uint8_t *)json_string_value(v);
	s->deadlen = (uint8_t)json_string_length(v);
	s->mask |= QSET_DEAD;
	return 1;
}

static enum err
make_settings(struct request *r, struct asked *a, const char **detail)
{
	struct param_text	 text = params_text(&r->par, P_VAL);
	struct queue_set	 s = { .mask = 0 };
	const char		*name;
	json_t			*o, *v;
	enum err		 e = E_OK;

	if (r->got != 0)
		text = (struct param_text){ r->body, (uint32_t)r->got };
	*detail = "val: an object of max, lock, timeout, maxdeliver, dead, "
	    "ttl, delay";
	o = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES,
	    NULL);
	if (!json_is_object(o))
		e = E_PARAM;
	else
		json_object_foreach(o, name, v)
			if (!field_take(&s, name, v))
				e = E_PARAM;
	if (e == E_OK)
		e = set_wire(a, &s);
	json_decref(o);
	a->f.flags |= FRAME_CREATE;
	return e;
}

/* timeout, lock and max: one of the settings each. */
static enum err
make_set(struct request *r, struct asked *a, const char **detail)
{
	struct queue_set	s = { .mask = 0 };
	int64_t			minute = params_num(&r->par, P_MINUTE) & 255;

	if ((r->path->required & B(P_VAL)) != 0)
		return make_settings(r, a, detail);
	if ((r->path->required & B(P_MINUTE)) != 0) {
		s.mask = QSET_TIMEOUT;
		s.timeout = (uint32_t)minute * 60000;
		*detail = "minute";
		if (minute == 0)
			return E_PARAM;
	} else if ((r->path->required & B(P_ON)) != 0) {
		s.mask = QSET_LOCK;
		s.lock = params_num(&r->par, P_ON) != 0;
	} else {
		s.mask = QSET_MAX;
		s.max = (uint32_t)params_num(&r->par, P_NUM);
	}
	return set_wire(a, &s);
}

/* --- topics and tasks --- */

static enum err
make_pub(struct request *r, struct asked *a, const char **detail)
{
	item_take(r, &a->f);
	a->f.score = (r->par.given & B(P_IDX)) != 0 ?
	    params_num(&r->par, P_IDX) : -1;
	a->f.ttl = seconds(r, P_PUBTTL);
	*detail = "ttl over mq.ttl_maximum";
	return a->f.ttl <= conf_int(r->w->a.conf, CONF_MQ_TTL_MAX) * 1000 ?
	    E_OK : E_PARAM;
}

static enum err
make_sub(struct request *r, struct asked *a, const char **detail)
{
	a->f.score = params_num(&r->par, P_IDX);
	return wait_take(r, a, detail);
}

static enum err
make_ask(struct request *r, struct asked *a, const char **detail)
{
	item_take(r, &a->f);
	return wait_take(r, a, detail);
}

/* With a token it is the result of a task, and not a wish for one. */
static enum err
make_claim(struct request *r, struct asked *a, const char **detail)
{
	if ((r->par.given & B(P_RECEIPT)) == 0)
		return wait_take(r, a, detail);
	a->f.msg = MSG_TASK_DONE;
	a->f.tab = NULL;
	a->f.tablen = 0;
	key_take(r, P_RECEIPT, &a->f);
	item_take(r, &a->f);
	*detail = "body";
	return a->f.vallen != 0 ? E_OK : E_MISSING;
}

static maker *
maker_of(uint16_t msg)
{
	switch (msg) {
	case MSG_QUEUE_PUT:	return make_put;
	case MSG_QUEUE_MPUT:	return make_mput;
	case MSG_QUEUE_GET:	return make_get;
	case MSG_QUEUE_ACK:	return make_ack;
	case MSG_QUEUE_NACK:
	case MSG_QUEUE_TOUCH:	return make_nack;
	case MSG_QUEUE_PEEK:	return make_peek;
	case MSG_QUEUE_MOVE:	return make_move;
	case MSG_QUEUE_SET:	return make_set;
	case MSG_QUEUE_PURGE:	return make_purge;
	case MSG_TOPIC_PUB:	return make_pub;
	case MSG_TOPIC_SUB:	return make_sub;
	case MSG_TASK_ASK:	return make_ask;
	case MSG_TASK_CLAIM:	return make_claim;
	default:		return make_plain;
	}
}

/* Tasks are the first router's, whatever the name. */
static unsigned
router_of(const struct request *r, const struct frame *f)
{
	if (f->tablen == 0 || f->msg == MSG_TASK_ASK ||
	    f->msg == MSG_TASK_CLAIM)
		return 0;
	return slot_store(r->slot, r->w->nrouters);
}

enum err
queue_ask(struct request *r, struct asked *a, const char **detail)
{
	struct param_text	name = params_text(&r->par, P_QUEUE);

	a->f.msg = r->path->msg;
	a->f.tab = name.p;
	a->f.tablen = name.len;
	a->f.slot = r->slot = (uint16_t)slot_of(name.p, name.len);
	a->router = router_of(r, &a->f);
	return maker_of(a->f.msg)(r, a, detail);
}

const char *
queue_why(const struct asked *a, enum err e)
{
	if (e == E_NOTFOUND && a->f.msg == MSG_TASK_DONE)
		return "nobody waits for the result of this token";
	if (e != E_PARAM)
		return NULL;
	switch (a->f.msg) {
	case MSG_QUEUE_ACK:
	case MSG_QUEUE_NACK:
	case MSG_QUEUE_TOUCH:
		return "token";
	case MSG_QUEUE_MOVE:
		return "to";
	case MSG_QUEUE_SET:
		return "timeout 1 to 15300 s, max to 5000000, maxdeliver to "
		    "32767 and not without dead, dead another queue";
	default:
		return NULL;
	}
}
