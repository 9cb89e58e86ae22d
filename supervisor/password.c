/*
 * password.c: Argon2id by libsodium; see password.h.
 */
#include <sodium.h>
#include <string.h>

#include "supervisor/password.h"

_Static_assert(USER_HASH == crypto_pwhash_STRBYTES, "hashes fit");

#define PASSES	3u
#define MEMORY	((size_t)USER_HASH_KIB * 1024)

int
password_init(void)
{
	return sodium_init() == -1 ? -1 : 0;
}

int
password_hash(char out[USER_HASH], const char *password, size_t len)
{
	memset(out, 0, USER_HASH);
	return crypto_pwhash_str_alg(out, password, len, PASSES, MEMORY,
	    crypto_pwhash_ALG_ARGON2ID13);
}

int
password_good(const char *hash, const char *password, size_t len)
{
	char	full[USER_HASH] = "";

	memcpy(full, hash, strnlen(hash, USER_HASH - 1));
	return crypto_pwhash_str_verify(full, password, len) == 0;
}

const char *
password_nobody(void)
{
	return "$argon2id$v=19$m=16384,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}
