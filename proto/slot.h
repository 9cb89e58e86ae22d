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
	uint32_t	 h = 0;

	/* h = h * 31 + byte, four bytes at a time: one need not wait for another. */
	for (; len >= 4; len -= 4, p += 4)
		h = h * 923521 + p[0] * 29791u + p[1] * 961u + p[2] * 31u +
		    p[3];
	for (; len > 0; len--)
		h = h * 31 + *p++;
	return h % 1024;
}

/* Of a record: a sorted set lies as a whole in the slot of its table. */
static inline unsigned
slot_of_record(uint8_t type, const void *tab, size_t tablen, const void *key,
    size_t keylen)
{
	return type == 'Z' ? slot_of(tab, tablen) : slot_of(key, keylen);
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
