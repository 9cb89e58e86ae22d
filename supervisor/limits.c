/*
 * limits.c: see limits.h.  Runs in wharfd; limits_over in stores and routers.
 */
#include <string.h>

#include "supervisor/limits.h"
#include "supervisor/log.h"

static const struct {
	const char	*name;
	enum conf_id	 conf;
	int		 percent;	/* of the machine's memory */
	int64_t		 least;		/* beyond the limit, to be over it */
	enum err	 err;
	enum board_id	 used, most, over;
} rows[LIMIT_MAX_] = {
	[LIMIT_DISK] = { "disk", CONF_LIMITS_DISK, 0, 0, E_LIMIT_DISK,
	    BC_DISK_USED, BC_DISK_MOST, BC_DISK_OVER },
	[LIMIT_PROCESS] = { "process_memory", CONF_LIMITS_PROCESS_MEMORY, 1, 1,
	    E_LIMIT_PROCESS, BC_PROCESS_USED, BC_PROCESS_MOST,
	    BC_PROCESS_OVER },
	[LIMIT_SYSTEM] = { "system_memory", CONF_LIMITS_SYSTEM_MEMORY, 1, 1,
	    E_LIMIT_SYSTEM, BC_SYSTEM_USED, BC_SYSTEM_MOST, BC_SYSTEM_OVER },
};

static int64_t
processes(struct board *b)
{
	const struct board_actor	*a;
	int64_t				 n = 0;
	unsigned			 i;

	for (i = 0; i < board_places(b); i++) {
		a = board_place(b, i);
		n += board_get(a, BC_RSS_ANON) + board_get(a, BC_RSS_SHMEM);
	}
	return n;
}

/*
 * Live bytes in the routers' data files; -1: one has not said it yet, since it
 * was born.
 */
static int64_t
routers(struct board *b)
{
	const struct board_actor	*a;
	char				 role[BOARD_ROLE];
	int64_t				 n = 0;
	unsigned			 i;

	for (i = 0; i < board_places(b); i++) {
		a = board_place(b, i);
		if (strcmp(board_role(a, role), "router") != 0)
			continue;
		if (board_get(a, BC_STATE) == BOARD_STARTING)
			return -1;
		n += board_get(a, BC_LIVE_BYTES);
	}
	return n;
}

void
limits_look(struct limits_use *u, struct board *b, const struct catalogue *c,
    int64_t memory, int64_t available)
{
	struct table_sum	keys, hashes;
	int64_t			queued = routers(b);

	u->memory = memory;
	u->used[LIMIT_SYSTEM] = memory > 0 ? memory - available : -1;
	u->used[LIMIT_PROCESS] = processes(b);
	u->used[LIMIT_DISK] = -1;
	if (catalogue_complete(c) && queued >= 0) {
		catalogue_totals(c, &keys, &hashes);
		u->used[LIMIT_DISK] = keys.capacity + hashes.capacity +
		    queued;
	}
}

/* In bytes; 0 none, or nobody can say. */
static int64_t
most_of(enum limit l, const struct conf *c, int64_t memory)
{
	int64_t	n = conf_int(c, rows[l].conf);

	return rows[l].percent ? memory / 100 * n : n;
}

static void
tell(enum limit l, int over, int64_t used, int64_t most)
{
	if (over)
		log_warnx("over limits.%s, %lld bytes of %lld: writes that grow "
		    "get 403 until it is less", rows[l].name, (long long)used,
		    (long long)most);
	else
		log_info("no longer over limits.%s, %lld bytes of %lld",
		    rows[l].name, (long long)used, (long long)most);
}

static void
judge(struct board_actor *node, enum limit l, int64_t used, int64_t most)
{
	int	over, was = board_get(node, rows[l].over) != 0;

	if (used < 0)
		used = board_get(node, rows[l].used);
	over = most > 0 && used >= most + rows[l].least;
	board_set(node, rows[l].used, used);
	board_set(node, rows[l].most, most);
	board_set(node, rows[l].over, over);
	if (over != was)
		tell(l, over, used, most);
}

void
limits_judge(struct board_actor *node, const struct conf *c,
    const struct limits_use *u)
{
	int	l;

	for (l = 0; l < LIMIT_MAX_; l++)
		judge(node, (enum limit)l, u->used[l],
		    most_of((enum limit)l, c, u->memory));
}

enum err
limits_over(const struct board_actor *node)
{
	int	l;

	for (l = 0; l < LIMIT_MAX_; l++)
		if (board_get(node, rows[l].over) != 0)
			return rows[l].err;
	return E_OK;
}

void
limits_row(const struct board_actor *node, enum limit l, struct limits_row *r)
{
	r->name = rows[l].name;
	r->used = board_get(node, rows[l].used);
	r->most = board_get(node, rows[l].most);
	r->over = board_get(node, rows[l].over) != 0;
}
