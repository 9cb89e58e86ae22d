/*
 * fuzz_record.c: records and engine keys of any bytes.  The input is
 *	u16 key length, key, value
 * with the value's checksum as it stands, and once more with the right one.
 */
#define FUZZ_NAME "record"
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/buf.h"
#include "store/record.h"
#include "tests/fuzz.h"

/* A key that can be split is put together again, to the byte. */
static void
check_key(const uint8_t *p, size_t n)
{
	const uint8_t	*tab, *key;
	size_t		 tablen, keylen;
	uint8_t		 type, *out;

	if (record_key_get(p, n, &type, &tab, &tablen, &key, &keylen) != E_OK)
		return;
	MUST(tablen <= FRAME_TABLE && keylen <= FRAME_KEY);
	MUST(record_key_len(tablen, keylen) == n && (out = malloc(n)) != NULL);
	record_key_put(out, type, tab, tablen, key, keylen);
	MUST(memcmp(out, p, n) == 0);
	free(out);
}

/* A record that is accepted is sealed again to the same bytes. */
static int
check_record(const uint8_t *key, size_t keylen, const uint8_t *val, size_t n)
{
	struct record	 r, seen;
	struct digest	 d, e;
	uint8_t		*out;

	if (record_get(&r, key, keylen, val, n) != E_OK)
		return 0;
	MUST(record_peek(&seen, val, n) == E_OK && seen.sum == r.sum);
	MUST(r.val == val + RECORD_HEAD && r.vallen == n - RECORD_HEAD);
	MUST(r.slot < 1024 && r.version >= 1 && r.version <= VERSION_MAX);
	d = record_digest(&r, key, keylen);
	MUST((out = malloc(n)) != NULL);
	memcpy(out, val, n);
	memset(out, 0, RECORD_HEAD);
	record_seal(out, &r, key, keylen);
	e = record_digest(&r, key, keylen);
	MUST(memcmp(out, val, n) == 0 && d.lo == e.lo && d.hi == e.hi);
	free(out);
	return 1;
}

/* The checksum of record.h: of the key, then bytes 8.. of the value. */
static uint64_t
sum_of(const uint8_t *key, size_t keylen, const uint8_t *val, size_t n)
{
	uint8_t		*all = malloc(keylen + n);
	uint64_t	 sum;

	MUST(all != NULL);
	memcpy(all, key, keylen);
	memcpy(all + keylen, val + 8, n - 8);
	sum = XXH3_64bits(all, keylen + n - 8);
	free(all);
	return sum;
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	const uint8_t	*key = p + 2;
	uint8_t		*val;
	size_t		 keylen;
	int		 good;

	if (n < 2)
		return 0;
	keylen = le16_get(p);
	if (keylen > n - 2)
		keylen = n - 2;
	n -= 2 + keylen;
	check_key(key, keylen);
	good = check_record(key, keylen, key + keylen, n);
	if (n < RECORD_HEAD)
		return good;
	MUST((val = malloc(n)) != NULL);
	memcpy(val, key + keylen, n);
	le64_put(val, sum_of(key, keylen, val, n));
	good |= check_record(key, keylen, val, n);
	free(val);
	return good;
}
