/*
 * store_limit.c: what a write that makes the shard grow must pass: limits.value,
 * and the limits that wharfd holds the node against (supervisor/limits.h).
 * They are asked for behind the form of a message and before its table and
 * record (contract, "Check order"); what was accepted before a limit was met
 * is not undone.
 */
#include "store/store.h"
#include "supervisor/limits.h"

enum err
store_grow(struct store *st, size_t vallen)
{
	const struct actor	*a = store_actor(st);

	if (vallen > (size_t)conf_int(a->conf, CONF_LIMITS_VALUE))
		return E_LIMIT_VALUE;
	return limits_over(board_place(a->board, 0));
}

struct shard_result
store_nothing(const struct shard_write *w)
{
	return (struct shard_result){ .version = w->ver };
}
