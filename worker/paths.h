/*
 * paths.h: what the rows of paths.def become, and how a path is found.
 */
#ifndef WORKER_PATHS_H
#define WORKER_PATHS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/msg.h"
#include "supervisor/users.h"

enum param_type { PT_KEY, PT_RAW, PT_NAME, PT_U32, PT_VER, PT_LONG, PT_BOOL,
	PT_INT, PT_FLAG };

enum param_id {
#define PARAM(id, ...) id,
#include "worker/paths.def"
	PARAM_MAX_
};
_Static_assert(PARAM_MAX_ <= 64, "parameters are bits of a uint64_t");

enum path_id {
#define PATH(id, ...) id,
#include "worker/paths.def"
	PATH_MAX_
};

#define B(id)	(UINT64_C(1) << (id))

enum { ON_DB = 1 << 0, ON_MQ = 1 << 1 };

enum method_bits {
	M_GET		= 1 << 0,
	M_HEAD		= 1 << 1,
	M_POST		= 1 << 2,
	M_PUT		= 1 << 3,
	M_DELETE	= 1 << 4,
	M_OTHER		= 1 << 5,
	M_WRITE_GET	= 1 << 6,	/* GET while db.get_writes is on */
	M_ANY		= 0xff
};

enum path_act {
	/* One message, see path_is_single. */
	ACT_STORE, ACT_CACHE,
	ACT_STATUS, ACT_TEXT, ACT_TABLE, ACT_METRICS,
	/* Plans: a row of plans[] in plan.c each. */
	ACT_PLAN,
	ACT_LIST = ACT_PLAN, ACT_MANY, ACT_STAT, ACT_EXPORT, ACT_TASK,
	ACT_QUEUE,	/* asks routers; the others ask stores */
	ACT_MAX_
};

enum path_flags {
	PF_WRITE	= 1 << 0,
	PF_READ		= 1 << 1,
	PF_BODY		= 1 << 2,
	PF_CODED	= 1 << 3,
	PF_PLAIN	= 1 << 4,
	PF_KEYBODY	= 1 << 5,
	PF_NUMBER	= 1 << 6,
	PF_TTL		= 1 << 7,
	PF_ITEMS	= 1 << 8,
	PF_REVERSE	= 1 << 9,
	PF_ITEM		= 1 << 10,
	PF_WAIT		= 1 << 11,
	PF_OPEN		= 1 << 14,
	PF_ADMIN	= 1 << 15
};

struct param {
	const char	*name;
	uint8_t		 namelen;
	uint8_t		 type;
	int64_t		 def, min, max;
	const char	*help;
};

struct path {
	const char	*path;
	uint8_t		 on, methods, act;
	uint8_t		 type;		/* record type, 0 none */
	uint16_t	 flags, msg;
	uint64_t	 required, optional;
	const char	*text, *help;
};

extern const struct param	param_table[PARAM_MAX_];
extern const struct path	path_table[PATH_MAX_];

/* Builds the index; call once before path_find. */
void			 paths_init(void);
/* The row for these bytes on this listener, or NULL. */
const struct path	*path_find(const char *p, size_t len, unsigned on);

/* M_* bit of a method's name. */
unsigned		 method_bit(const char *name);
/* Whether the row takes the method, given db.get_writes. */
int			 path_takes(const struct path *, unsigned method,
			    int get_writes);

/* The role that a user needs; ROLE_NONE: nobody is asked who he is. */
enum role		 path_role(const struct path *);

/* Whether stores are asked. */
static inline int
path_asks(const struct path *row)
{
	return row->act <= ACT_CACHE || row->act >= ACT_PLAN;
}

/* Whether that is one message to one store. */
static inline int
path_is_single(const struct path *row)
{
	return row->act <= ACT_CACHE;
}

/*
 * How long its body may be, whatever limits.body is, and what a longer one is
 * refused with; UINT64_MAX: as long as limits.body lets it.
 */
static inline uint64_t
path_body_most(const struct path *row)
{
	if ((row->flags & PF_KEYBODY) != 0)
		return KEY_MAX;
	if (row->msg == MSG_TASK_ASK || row->msg == MSG_TASK_CLAIM)
		return TASK_BODY_MAX;
	if (row->act != ACT_CACHE || (row->flags & PF_BODY) == 0)
		return UINT64_MAX;
	return (row->flags & PF_NUMBER) != 0 ? CACHE_TEXT_MAX : CACHED_MAX;
}

static inline enum err
path_body_error(const struct path *row)
{
	if (row->act == ACT_QUEUE)
		return E_TASKS_FULL;
	return (row->flags & PF_KEYBODY) != 0 ? E_PARAM : E_CACHE_VALUE;
}

/* doc/api.md. */
void			 api_print(FILE *);
/* The same for machines: a line of JSON a row (doc/testing.md). */
void			 paths_print(FILE *);

#endif
