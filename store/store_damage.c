/*
 * store_damage.c: what a store says of damage that an operation met: to the
 * log, to who asked, and what it does when the loss is accepted.
 */
#include <stdio.h>
#include <string.h>

#include "proto/slot.h"
#include "store/store.h"
#include "supervisor/log.h"

size_t
damage_slot_text(struct store *st, unsigned slot, char text[DAMAGE_TEXT])
{
	char	name[64];

	shard_file_name(store_shard(st), slot, name, sizeof(name));
	return (size_t)snprintf(text, DAMAGE_TEXT, "store.%u/%s slot %u%s",
	    store_actor(st)->seat, name, slot,
	    shard_lost(store_shard(st), slot) ? " in quarantine" : "");
}

size_t
damage_file_text(struct store *st, unsigned file, char text[DAMAGE_TEXT])
{
	const struct actor	*a = store_actor(st);
	unsigned		 slot = a->seat + file *
	    (unsigned)conf_int(a->conf, CONF_STORES_COUNT);
	char			 name[64];

	if (slot >= SLOTS)
		return 0;	/* no slot lies in it */
	shard_file_name(store_shard(st), slot, name, sizeof(name));
	return (size_t)snprintf(text, DAMAGE_TEXT, "store.%u/%s", a->seat,
	    name);
}

/* Of a message about one record. */
static unsigned
damage_slot(const struct frame *f)
{
	return f->type == TYPE_ZSET ? slot_of(f->tab, f->tablen) :
	    slot_of(f->key, f->keylen);
}

void
damage_tell(struct store *st, const struct msg *m, char text[DAMAGE_TEXT],
    struct frame *r)
{
	r->vallen = (uint32_t)damage_slot_text(st, damage_slot(&m->f), text);
	r->val = (const uint8_t *)text;
}

void
store_damaged(struct store *st, unsigned slot)
{
	static struct log_limit	lim;
	char			text[DAMAGE_TEXT];

	damage_slot_text(st, slot, text);
	board_add(store_actor(st)->my, BC_DAMAGED, 1);
	log_limited(&lim, "%s: a record fails its checksum, or may be lost",
	    text);
}
