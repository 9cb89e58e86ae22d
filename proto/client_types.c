/*
 * client_types.c: libwharf's commands: from a struct wharf_op to the frame of
 * its message, and to the store that gets it.
 *
 * One row of the table per command says for which types it is, what it takes
 * and who makes its frame.  What a command does not take must not be there: a
 * program that sets it means something else than it would get.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client_ask.h"
#include "proto/msg.h"
#include "proto/slot.h"

#define NAME_CHARS	"0123456789abcdefghijklmnopqrstuvwxyz" \
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ_:."

_Static_assert((int)WHARF_IS_DUP == FRAME_IS_DUP &&
    (int)WHARF_CREATE == FRAME_CREATE &&
    (int)WHARF_VERERROR == FRAME_VERERROR &&
    (int)WHARF_PLUS == FRAME_ADD && (int)WHARF_MINUS == FRAME_SUB &&
    (int)WHARF_REVERSE == FRAME_REVERSE, "flags are those of the frame");
_Static_assert(WHARF_KEY_MAX == KEY_MAX && WHARF_VALUE_MAX == VALUE_MAX &&
    WHARF_TABLE_MAX == TABLE_MAX && WHARF_PAGE_MAX == LIST_MOST,
    "limits are those of the messages");

enum takes {
	TAKES_KEY	= 1 << 0,
	TAKES_VALUE	= 1 << 1,	/* but for a set's member */
	TAKES_WRITE	= 1 << 2,
	TAKES_TTL	= 1 << 3,	/* must have one */
	TAKES_SCORE	= 1 << 4,
	TAKES_BOUNDS	= 1 << 5,	/* min, max */
	TAKES_RANGE	= 1 << 6,	/* what else a listing has */
	TAKES_ANY	= 1 << 7,	/* no type: all of them */
	TAKES_NAME	= 1 << 8,	/* a table without a type */
	TAKES_BYTES	= 1 << 9	/* the name of a cache's hash */
};
#define WRITES		(TAKES_KEY | TAKES_WRITE)
#define LISTS		(TAKES_BOUNDS | TAKES_RANGE | TAKES_ANY)
#define LIST_FLAGS	(WHARF_REVERSE | WHARF_BY_RANK | WHARF_BY_SCORE | \
			WHARF_VALUES | WHARF_ONE_FILE | WHARF_EXPORTED)

#define FIELD		(TAKES_KEY | TAKES_BYTES)
#define CACHED(name, takes) \
	[WHARF_OP_CACHE_##name] = \
	    { MSG_CACHE_##name, "", takes, 0, 0, cache_request }

static request_fn	make_record, make_count, make_stat;

static const struct command {
	uint16_t	 msg;
	const char	*types;
	unsigned	 takes;
	unsigned	 flags;		/* of op->flags */
	unsigned	 write;		/* of op->write->flags */
	request_fn	*make;
} commands[] = {
	[0] = { 0, "", 0, 0, 0, NULL },	/* of no type: refused */
	[WHARF_OP_GET] =
	    { MSG_STORE_GET, "KHSZ", TAKES_KEY, 0, 0, make_record },
	[WHARF_OP_PUT] =
	    { MSG_STORE_PUT, "KHS", WRITES | TAKES_VALUE, 0,
		WHARF_IS_DUP | WHARF_CREATE, make_record },
	[WHARF_OP_DEL] =
	    { MSG_STORE_DEL, "KHSZ", WRITES, 0, WHARF_IS_DUP, make_record },
	[WHARF_OP_EXIST] =
	    { MSG_STORE_EXIST, "KHSZ", TAKES_KEY, 0, 0, make_record },
	[WHARF_OP_INCR] =
	    { MSG_STORE_INCR, "KH", WRITES | TAKES_SCORE, 0, WHARF_IS_DUP,
		make_record },
	[WHARF_OP_ZADD] =
	    { MSG_STORE_ZADD, "Z", WRITES | TAKES_SCORE,
		WHARF_PLUS | WHARF_MINUS, WHARF_IS_DUP, make_record },
	[WHARF_OP_EXPIRE] =
	    { MSG_STORE_EXPIRE, "KHSZ", WRITES | TAKES_TTL, 0, 0,
		make_record },
	[WHARF_OP_PERSIST] =
	    { MSG_STORE_EXPIRE, "KHSZ", WRITES, 0, 0, make_record },
	[WHARF_OP_RANK] =
	    { MSG_STORE_ZRANK, "Z", TAKES_KEY, WHARF_REVERSE, 0, make_record },
	[WHARF_OP_COUNT] =
	    { MSG_STORE_STAT, "HSZ", TAKES_BOUNDS, WHARF_BY_SCORE, 0,
		make_count },
	[WHARF_OP_LIST] =
	    { MSG_STORE_LIST, "KHSZ", LISTS, LIST_FLAGS, 0, list_request },
	[WHARF_OP_STAT] =
	    { MSG_STORE_STAT, "", TAKES_ANY | TAKES_NAME, 0, 0, make_stat },
	[WHARF_OP_STAT_ALL] =
	    { MSG_STORE_STATS, "", TAKES_ANY, 0, 0, make_stat },
	CACHED(EXIST, TAKES_KEY),
	CACHED(GET, TAKES_KEY),
	CACHED(TTL, TAKES_KEY),
	CACHED(PUT, WRITES | TAKES_VALUE),
	CACHED(APPEND, TAKES_KEY | TAKES_VALUE),
	CACHED(DEL, TAKES_KEY),
	CACHED(EXPIRE, WRITES | TAKES_TTL),
	CACHED(PERSIST, TAKES_KEY),
	CACHED(HEXIST, FIELD),
	CACHED(HGET, FIELD),
	CACHED(HSET, FIELD | TAKES_VALUE),
	CACHED(HDEL, FIELD),
	CACHED(HINCRBY, FIELD | TAKES_SCORE),
	CACHED(HINCRBYFLOAT, FIELD | TAKES_VALUE)
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))
#define SIZE_MORE	1024u

int
size_is_good(const void *p, size_t size, size_t ours)
{
	const uint8_t	*bytes = p;

	if (size < ours || size > ours + SIZE_MORE)
		return 0;
	for (; ours < size; ours++)
		if (bytes[ours] != 0)
			return 0;
	return 1;
}

static const struct command *
command_of(const struct wharf_op *op)
{
	unsigned	n = (unsigned)op->command;

	return &commands[n < COMMANDS && commands[n].make != NULL ? n : 0];
}

static int
is_cached(const struct command *c)
{
	return c->make == cache_request;
}

int
table_is_good(const char *table)
{
	size_t	n = strnlen(table, TABLE_MAX + 1);

	return n >= 1 && n <= TABLE_MAX && strspn(table, NAME_CHARS) == n;
}

/* The cache has no types, and its hashes have names of any bytes. */
static int
name_is_good(const struct wharf_op *op, const struct command *c)
{
	if (op->type != 0)
		return 0;
	if (!(c->takes & TAKES_BYTES))
		return op->table == NULL && op->tablelen == 0;
	return op->table != NULL && op_tablen(op) >= 1 &&
	    op_tablen(op) <= CACHE_NAME_MAX;
}

/* The type is one of the command's, and has a table or none as it must. */
static int
type_is_good(const struct wharf_op *op, const struct command *c)
{
	if (is_cached(c))
		return name_is_good(op, c);
	if (op->tablelen != 0)
		return 0;
	if (op->type == 0)
		return (c->takes & TAKES_ANY) && (op->table == NULL ||
		    ((c->takes & TAKES_NAME) && table_is_good(op->table)));
	if ((unsigned)op->type > 'Z' || strchr(c->types, (int)op->type) == NULL)
		return 0;
	if (op->type == WHARF_KEY)
		return op->table == NULL;
	return op->table != NULL && table_is_good(op->table);
}

static int
write_is_good(const struct wharf_op *op, const struct command *c)
{
	const struct wharf_write	*how = op->write;

	if (how == NULL)
		return !(c->takes & TAKES_TTL);
	return (c->takes & TAKES_WRITE) &&
	    size_is_good(how, how->size, sizeof(*how)) &&
	    how->ttl >= ((c->takes & TAKES_TTL) != 0) &&
	    (how->flags & ~c->write) == 0 &&
	    (!is_cached(c) || how->version == 0) &&
	    (op->command != WHARF_OP_PERSIST || how->ttl == 0);
}

static size_t
value_most(const struct command *c)
{
	if (!is_cached(c))
		return VALUE_MAX;
	return c->msg == MSG_CACHE_HINCRBYFLOAT ? CACHE_TEXT_MAX : CACHED_MAX;
}

static int
bytes_are_good(const struct wharf_op *op, const struct command *c)
{
	int	valued = (c->takes & TAKES_VALUE) && op->type != WHARF_SET;

	if (c->takes & TAKES_KEY) {
		if (op->key == NULL || op->keylen == 0 || op->keylen > KEY_MAX)
			return 0;
	} else if (op->keylen != 0)
		return 0;
	return valued ? op->value != NULL && op->length != 0 &&
	    op->length <= value_most(c) : op->length == 0;
}

static int
range_is_good(const struct wharf_op *op, const struct command *c)
{
	static const unsigned	none[6];

	_Static_assert(sizeof(none) == sizeof(op->reserved_), "all of them");
	return ((c->takes & TAKES_SCORE) || op->score == 0) &&
	    ((c->takes & TAKES_BOUNDS) || (op->min == 0 && op->max == 0)) &&
	    ((c->takes & TAKES_RANGE) || (op->offset == 0 && op->limit == 0 &&
	    op->file == 0 && op->start == 0 && op->end == 0 &&
	    op->cursorlen == 0)) && (op->flags & ~c->flags) == 0 &&
	    memcmp(op->reserved_, none, sizeof(none)) == 0;
}

int
op_is_good(const struct wharf_op *op)
{
	const struct command	*c = command_of(op);

	return size_is_good(op, op->size, sizeof(*op)) && type_is_good(op, c) &&
	    bytes_are_good(op, c) && range_is_good(op, c) &&
	    write_is_good(op, c);
}

unsigned
op_slot(const struct wharf_op *op)
{
	return op->type == WHARF_ZSET || op->keylen == 0 ?
	    slot_of(op->table, strlen(op->table)) :
	    slot_of(op->key, op->keylen);
}

enum wharf_status
request_make(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	const struct command	*c = command_of(op);
	struct frame		*f = &rq->f;

	memset(rq, 0, offsetof(struct request, ask));
	if (!op_is_good(op))
		return WHARF_PARAM;
	f->msg = c->msg;
	f->type = (uint8_t)op->type;
	f->flags = (uint16_t)(op->flags &
	    (WHARF_PLUS | WHARF_MINUS | WHARF_REVERSE));
	if (op->table != NULL) {
		f->tab = (const uint8_t *)op->table;
		f->tablen = (uint32_t)op_tablen(op);
	}
	return c->make(w, rq, op);
}

void
request_free(struct request *rq)
{
	free(rq->bytes);
}

void
request_to(struct wharf *w, struct request *rq, unsigned slot)
{
	rq->f.slot = (uint16_t)slot;
	rq->seat = slot_store(slot, w->stores);
}

static enum wharf_status
make_record(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	struct frame	*f = &rq->f;

	if ((op->flags & WHARF_PLUS) && (op->flags & WHARF_MINUS))
		return WHARF_PARAM;
	f->key = op->key;
	f->keylen = (uint32_t)op->keylen;
	request_value(rq, op->value, op->length);
	f->score = op->score;
	if (op->write != NULL) {
		f->ver = op->write->version;
		f->ttl = op->write->ttl;
		f->flags |= (uint16_t)op->write->flags;
	}
	request_to(w, rq, op_slot(op));
	return WHARF_OK;
}

/* Any store can tell: the first that has a link, from the table's own on. */
static void
request_to_any(struct wharf *w, struct request *rq, unsigned slot)
{
	unsigned	i, seat;

	request_to(w, rq, slot);
	for (i = 0; i < w->stores; i++) {
		seat = (rq->seat + i) % w->stores;
		if (w->seats[seat].state == SEAT_UP) {
			rq->seat = seat;
			return;
		}
	}
}

static enum wharf_status
make_count(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	struct list_ask	ask = { .order = LIST_SCORE, .end = SLOTS,
		.min = op->min, .max = op->max };

	if (!(op->flags & WHARF_BY_SCORE)) {
		if (op->min != 0 || op->max != 0)
			return WHARF_PARAM;
		rq->list.type = rq->f.type;
		rq->f.type = 0;
		rq->take = stat_take_count;
		request_to_any(w, rq, op_slot(op));
		return WHARF_OK;
	}
	if (op->type != WHARF_ZSET || op->min > op->max)
		return WHARF_PARAM;
	rq->f.msg = MSG_STORE_ZCOUNT;
	list_ask_put(rq->ask, &ask);
	request_value(rq, rq->ask, LIST_ASK_SIZE);
	request_to(w, rq, op_slot(op));
	return WHARF_OK;
}

static enum wharf_status
make_stat(struct wharf *w, struct request *rq, const struct wharf_op *op)
{
	rq->take = stat_take_rows;
	request_to_any(w, rq, op->table == NULL ? 0 : op_slot(op));
	return WHARF_OK;
}
