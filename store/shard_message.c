/*
 * shard_message.c: what a router asks of its shard beside reads and writes:
 * numbers for messages, room before a write that consists of several, and the
 * names that there are at a start.
 */
#include "store/shard_impl.h"

uint64_t
shard_id(struct shard *s)
{
	return clock_next(&s->clock);
}

enum err
shard_room(struct shard *s, unsigned slot, size_t bytes)
{
	enum err	e;

	if (s->failed != E_OK)
		return s->failed;
	if ((e = shard_reserve(s, slot, 0, bytes)) != E_OK)
		return shard_refuse_write(s, e);
	return E_OK;
}

enum err
shard_names(struct shard *s, uint8_t type, shard_name_see *see, void *arg)
{
	return tables_each(s->tables, type, see, arg);
}
