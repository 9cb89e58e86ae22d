/*
 * password.c: Argon2id by libsodium; see password.h.
 */
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

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

/*
 * Without memory libsodium says what it says of a wrong password, so it is
 * asked for here, untouched.
 */
static int
is_memory(void)
{
	void	*p = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && munmap(p, MEMORY) == 0;
}

int
password_good(const char *hash, const char *password, size_t len)
{
	char	full[USER_HASH] = "";

	memcpy(full, hash, strnlen(hash, USER_HASH - 1));
	if (crypto_pwhash_str_verify(full, password, len) == 0)
		return 1;
	return is_memory() ? 0 : -1;
}

const char *
password_nobody(void)
{
	return "$argon2id$v=19$m=16384,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}
