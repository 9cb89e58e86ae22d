/*
 * store.c: main of wharf-store: one actor that owns one shard, and its part of
 * the cache.  How a message gets to a handler and its answer out again is in
 * server.c, as are failures of the disk.
 *
 * Fatal: a shard that cannot be opened (exit 1, or ACTOR_EXIT_REFUSED when it
 * is somebody else's).
 */
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/backup_check.h"
#include "store/check.h"
#include "store/restore.h"
#include "store/server.h"
#include "store/store.h"
#include "store/store_cache.h"
#include "store/store_export.h"
#include "store/store_list.h"
#include "supervisor/log.h"

struct store {
	struct server	 srv;		/* first, see server.h */
	uint8_t		 tab[TABLE_MAX], key[KEY_MAX];	/* of the op at hand */
	struct lists	*lists;
	struct exports	*exports;
	struct part	*part;
	struct many	*parts;		/* done in part, kept by their links */
};

static void	 store_tick(struct server *);
static void	 store_stop(struct server *);
static int	 store_waits(struct server *);

static const struct handler store_table[MSG_MAX] = {
#define MSG_STORE(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { fn, from },
#include "proto/msg.def"
};

static const struct server_hooks store_hooks = {
	.tick = store_tick,
	.stop = store_stop,
	.waits = store_waits,
};

static void
store_tools(struct store *st)
{
	struct actor	*a = &st->srv.actor;

	if ((st->lists = lists_new(a)) == NULL ||
	    (st->exports = exports_new(a)) == NULL ||
	    (st->part = part_new(a)) == NULL)
		fatal("store: no memory");
}

int
main(int argc, char **argv)
{
	struct store	*st;
	int		 code;

	if (argc > 1 && strcmp(argv[1], "--check") == 0)
		return check_main(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "--check-backup") == 0)
		return backup_check_main(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "--restore") == 0)
		return restore_main(argc - 1, argv + 1);
	if ((st = calloc(1, sizeof(*st))) == NULL)
		fatal("store: no memory");
	server_init(&st->srv, argc, argv, "store", FROM_STORE, store_table,
	    &store_hooks);
	server_open(&st->srv, (unsigned)conf_int(st->srv.actor.conf,
	    CONF_STORES_COUNT));
	store_tools(st);
	code = server_run(&st->srv);
	lists_free(st->lists);
	exports_free(st->exports);
	part_free(st->part);
	server_close(&st->srv, code);
	free(st);
	return code;
}

struct shard *
store_shard(struct store *st)
{
	return st->srv.shard;
}

struct actor *
store_actor(struct store *st)
{
	return &st->srv.actor;
}

struct lists *
store_lists(struct store *st)
{
	return st->lists;
}

struct exports *
store_exports(struct store *st)
{
	return st->exports;
}

struct part *
store_part(struct store *st)
{
	return st->part;
}

int
store_can_hold(struct store *st)
{
	return server_can_hold(&st->srv);
}

int64_t
store_now(const struct store *st)
{
	return st->srv.wall;
}

enum err
store_may(struct store *st, const struct msg *m)
{
	return server_may(&st->srv, m);
}

enum err
store_may_now(struct store *st, const struct msg *m)
{
	return server_may_now(&st->srv, m);
}

enum err
store_answer(struct store *st, const struct msg *m, enum err status,
    const struct frame *r, uint64_t lsn, int write)
{
	char		text[DAMAGE_TEXT];
	struct frame	told;

	if (status == E_DAMAGED && r->vallen == 0) {
		told = *r;
		damage_tell(st, m, text, &told);
		r = &told;
	}
	return server_answer(&st->srv, m, status, r, lsn, write);
}

void
store_again(struct store *st)
{
	server_again(&st->srv);
}

int
store_table_valid(const uint8_t *p, size_t n)
{
	return server_name_valid(p, n);
}

enum err
store_key(struct store *st, const char *types, struct shard_key *k)
{
	if (k->type == 0 || strchr(types, k->type) == NULL)
		return E_PARAM;
	memcpy(st->tab, k->tab, k->tablen);
	memcpy(st->key, k->key, k->keylen);
	k->tab = st->tab;
	k->key = st->key;
	if (k->type == TYPE_KV ? k->tablen != 0 :
	    !store_table_valid(k->tab, k->tablen))
		return E_PARAM;
	k->slot = slot_of_record(k->type, k->tab, k->tablen, k->key,
	    k->keylen);
	if (slot_store(k->slot, st->srv.shards) != st->srv.actor.seat)
		return E_PARAM;
	return E_OK;
}

enum err
store_admit(struct store *st, const struct msg *m, const char *types,
    struct shard_key *k)
{
	enum err	e = store_may(st, m);

	if (e != E_OK)
		return e;
	*k = (struct shard_key){ .type = m->f.type, .tab = m->f.tab,
	    .tablen = m->f.tablen, .key = m->f.key, .keylen = m->f.keylen };
	return store_key(st, types, k);
}

struct many **
store_parts(struct store *st)
{
	return &st->parts;
}

int
store_link_gone(const struct store *st, uint64_t link)
{
	return link_find(st->srv.actor.mailbox, link) == NULL;
}

static void
store_tick(struct server *s)
{
	struct store	*st = s->actor.self;

	board_set(s->actor.my, BC_TABLES, catalogue_held(s->actor.catalogue,
	    s->actor.seat));
	part_gauges(st->part);
	store_many_sweep(st);
}

static void
store_stop(struct server *s)
{
	struct store	*st = s->actor.self;

	lists_stop(st->lists);
}

static int
store_waits(struct server *s)
{
	struct store	*st = s->actor.self;

	store_many_sweep(st);
	return st->parts != NULL;
}
