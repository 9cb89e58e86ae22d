/*
 * slot.h: which slot a key has (contract 4.1, unsigned, over decoded bytes),
 * and which store and data file a slot lives in (architecture 1).
 */
#ifndef PROTO_SLOT_H
#define PROTO_SLOT_H

#include <stddef.h>
#include <stdint.h>

static inline unsigned
slot_of(const void *key, size_t len)
{
	const uint8_t	*p = key;
	uint64_t	 h = 0;
	size_t		 i;

	for (i = 0; i < len; i++)
		h = h * 31 + p[i];
	return (unsigned)(h % 1024);
}

static inline unsigned
slot_store(unsigned slot, unsigned stores)
{
	return slot % stores;
}

static inline unsigned
slot_file(unsigned slot, unsigned stores, unsigned files)
{
	return slot / stores % files;
}

#endif
