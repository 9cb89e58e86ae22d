/*
 * form.h: the bytes of the records of queues and topics, little-endian but
 * for the keys, whose order is that of the numbers:
 *
 *	M D	key	u8 priority, u64 id, big-endian
 *	M	value	u8 form 1, u64 put ms, u64 expires ms or 0,
 *			u64 not before ms or 0; then the item
 *	D	value	u8 form 1, u8 state (0 back in its place, 1 out,
 *			2 later), u32 deliveries, u64 stamp (an id), u64 due
 *			ms, u32 timeout ms that the queue had
 *	T	key	u64 index, big-endian
 *	T	value	u8 form 1, u64 put ms, u64 expires ms, u64 first index
 *			of the window; then the item
 *	W	key	name	value	u8 form 1, u64 last seen ms
 *	C	settings.h, the key is empty
 *
 * To change one: a new form, and keep reading the old one.
 */
#ifndef QUEUE_FORM_H
#define QUEUE_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define FORM_MESSAGE	25u		/* bytes of head */
#define FORM_DELIVERY	26u
#define FORM_ITEM	25u
#define FORM_WORKER	9u
#define FORM_MESSAGE_KEY 9u
#define FORM_ITEM_KEY	8u

struct form_message {
	int64_t		 put, expires, notbefore;
};

struct form_delivery {
	uint8_t		 state;		/* S_READY, S_OUT, S_LATER in memory */
	uint32_t	 tries, timeout;
	uint64_t	 stamp;
	int64_t		 due;
};

struct form_item {
	int64_t		 put, expires;
	uint64_t	 first;
};

void		 form_message_key(uint8_t *, unsigned priority, uint64_t id);
enum err	 form_message_key_get(const uint8_t *, size_t, unsigned *priority,
		    uint64_t *id);
void		 form_item_key(uint8_t *, uint64_t idx);
enum err	 form_item_key_get(const uint8_t *, size_t, uint64_t *idx);
/* Values: put writes the whole head; get takes the head, more may follow. */
void		 form_message(uint8_t *, const struct form_message *);
enum err	 form_message_get(struct form_message *, const uint8_t *, size_t);
void		 form_delivery(uint8_t *, const struct form_delivery *);
enum err	 form_delivery_get(struct form_delivery *, const uint8_t *, size_t);
void		 form_item(uint8_t *, const struct form_item *);
enum err	 form_item_get(struct form_item *, const uint8_t *, size_t);
void		 form_worker(uint8_t *, int64_t ms);
enum err	 form_worker_get(int64_t *ms, const uint8_t *, size_t);

#endif
