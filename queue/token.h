/*
 * token.h: the receipt for a delivery:
 *
 *	priority ":" id "." attempt "." salt "." mac
 *
 * all but the priority hexadecimal, the mac 16 digits: SipHash-2-4 (libsodium's
 * crypto_shorthash) under the router's key over queue name and the rest.  Salt
 * is new at each start of a router, so that a delivery which a crash made
 * unseen does not give the same token again.  Nothing is kept of a token.
 */
#ifndef QUEUE_TOKEN_H
#define QUEUE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define TOKEN_KEY	16u		/* bytes of the key */
#define TOKEN_MAX	64u		/* characters, without the NUL */

struct token {
	unsigned	 priority;	/* 0..2 */
	uint64_t	 id;
	uint32_t	 attempt;	/* 1.. */
	uint32_t	 salt;
};

/* Keyed hash of bytes; also spreads names over tables. */
uint64_t	 token_hash(const uint8_t key[TOKEN_KEY], const void *, size_t);
/* Writes it with a NUL; its length. name: at most 64 bytes. */
size_t		 token_put(const struct token *, const uint8_t key[TOKEN_KEY],
		    const uint8_t *name, size_t namelen,
		    char out[TOKEN_MAX + 1]);
/* E_PARAM: not of the form 1..64 of [0-9A-Za-z:.-]; E_TOKEN: not ours. */
enum err	 token_get(struct token *, const uint8_t key[TOKEN_KEY],
		    const uint8_t *name, size_t namelen, const uint8_t *text,
		    size_t len);

#endif
