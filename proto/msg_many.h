/*
 * msg_many.h: what STORE_MGET and STORE_MPUT carry in the value of their
 * frames: many operations on one store, one answer each, in order.
 * Little-endian, no padding; doc/protocol.7 shows it byte by byte.
 */
#ifndef PROTO_MSG_MANY_H
#define PROTO_MSG_MANY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define MANY_MOST	4096u		/* operations in one message */
#define MANY_OP_HEAD	24u		/* bytes, before table, key and value */
#define MANY_ANSWER_HEAD 20u		/* bytes, before the value */

struct many_op {
	uint8_t		 type;		/* record type; MPUT: K or H or S */
	uint16_t	 flags;		/* FRAME_CREATE, FRAME_IS_DUP */
	uint32_t	 ver;
	int64_t		 ttl;		/* ms */
	uint32_t	 tablen, keylen, vallen;	/* MGET: vallen 0 */
	const uint8_t	*tab, *key, *val;	/* borrowed */
};

struct many_answer {
	enum err	 status;
	uint16_t	 flags;		/* FRAME_VERERROR */
	uint32_t	 ver;
	int64_t		 ttl;		/* ms left, 0 none */
	uint32_t	 vallen;
	const uint8_t	*val;		/* borrowed */
};

size_t		 many_op_size(const struct many_op *);
/* Writes many_op_size bytes, and returns that. */
size_t		 many_op_put(uint8_t *out, const struct many_op *);
/*
 * Decodes the first of the operations in n bytes; *used is its length.
 * E_BADMSG: short, or a length out of the range that msg.h has for it.
 */
enum err	 many_op_get(struct many_op *, const uint8_t *p, size_t n,
		    size_t *used);
size_t		 many_answer_size(const struct many_answer *);
size_t		 many_answer_put(uint8_t *out, const struct many_answer *);
enum err	 many_answer_get(struct many_answer *, const uint8_t *p,
		    size_t n, size_t *used);

#endif
