/*
 * test_record.c: the record header byte by byte, its checksum against every
 * single-bit change, and engine keys.
 */
#include <string.h>

#include "proto/buf.h"
#include "store/record.h"
#include "tests/unit.h"

static const uint8_t	key[] = { 'K', 0, 'a', 0, 'b' };

static struct record
sample(void)
{
	struct record	r = {
		.stamp = { .hlc = 0x1122334455667788, .epoch = 9, .node = 3,
		    .store = 1 },
		.prev = { .hlc = 5, .epoch = 8, .node = 2, .store = 0 },
		.expiry = 1700000000123, .version = VERSION_MAX,
		.replaced = 77, .slot = 1023, .kind = RECORD_VALUE,
		.vallen = 5
	};

	return r;
}

static void
test_layout(void)
{
	uint8_t		buf[RECORD_HEAD + 5];
	struct record	r = sample(), g;

	memcpy(buf + RECORD_HEAD, "hello", 5);
	record_seal(buf, &r, key, sizeof(key));
	CU_ASSERT_EQUAL(le64_get(buf), r.sum);
	CU_ASSERT_EQUAL(le64_get(buf + 8), 0x1122334455667788);
	CU_ASSERT_EQUAL(le64_get(buf + 24), 5);
	CU_ASSERT_EQUAL(le64_get(buf + 40), 1700000000123);
	CU_ASSERT_EQUAL(le32_get(buf + 48), VERSION_MAX);
	CU_ASSERT_EQUAL(le16_get(buf + 52), 1023);
	CU_ASSERT_EQUAL(buf[54], RECORD_VALUE);
	CU_ASSERT_EQUAL(buf[55], RECORD_FORMAT);
	CU_ASSERT_EQUAL(le32_get(buf + 56), 77);
	CU_ASSERT_EQUAL(le32_get(buf + 60), 0);
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)), E_OK);
	CU_ASSERT_EQUAL(g.stamp.hlc, r.stamp.hlc);
	CU_ASSERT_EQUAL(g.stamp.epoch, 9);
	CU_ASSERT_EQUAL(g.stamp.node, 3);
	CU_ASSERT_EQUAL(g.stamp.store, 1);
	CU_ASSERT_EQUAL(g.prev.hlc, 5);
	CU_ASSERT_EQUAL(g.expiry, r.expiry);
	CU_ASSERT_EQUAL(g.version, r.version);
	CU_ASSERT_EQUAL(g.replaced, 77);
	CU_ASSERT_EQUAL(g.slot, 1023);
	CU_ASSERT_EQUAL(g.kind, RECORD_VALUE);
	CU_ASSERT_EQUAL(g.vallen, 5);
	CU_ASSERT(memcmp(g.val, "hello", 5) == 0);
}

/* Every bit of key, header and value is under the checksum or checked. */
static void
test_flip(void)
{
	uint8_t		buf[RECORD_HEAD + 5], k[sizeof(key)];
	struct record	r = sample(), g;
	size_t		i;

	memcpy(buf + RECORD_HEAD, "hello", 5);
	record_seal(buf, &r, key, sizeof(key));
	for (i = 0; i < sizeof(buf) * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf,
		    sizeof(buf)), E_DAMAGED);
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < sizeof(key) * 8; i++) {
		memcpy(k, key, sizeof(key));
		k[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_EQUAL(record_get(&g, k, sizeof(k), buf, sizeof(buf)),
		    E_DAMAGED);
	}
	for (i = 0; i < sizeof(buf); i++)
		CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, i),
		    E_DAMAGED);
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)), E_OK);
}

/* The checksum does not depend on which of two ways computes it. */
static void
test_long(void)
{
	static uint8_t	buf[RECORD_HEAD + 2000], k[700];
	struct record	r = sample(), g;
	size_t		n, kn;

	memset(buf, 'v', sizeof(buf));
	memset(k, 'k', sizeof(k));
	for (kn = 1; kn <= sizeof(k); kn += 233)
		for (n = 0; n <= 2000; n += 61) {
			r.vallen = n;
			record_seal(buf, &r, k, kn);
			CU_ASSERT_EQUAL(record_get(&g, k, kn, buf,
			    RECORD_HEAD + n), E_OK);
			buf[RECORD_HEAD + n / 2] ^= 1;
			CU_ASSERT_EQUAL(record_get(&g, k, kn, buf,
			    RECORD_HEAD + n), n == 0 ? E_OK : E_DAMAGED);
			buf[RECORD_HEAD + n / 2] ^= 1;
		}
}

static void
test_range(void)
{
	uint8_t		buf[RECORD_HEAD];
	struct record	r = sample(), g;

	r.vallen = 0;
	r.kind = 3;
	record_seal(buf, &r, key, sizeof(key));
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)),
	    E_DAMAGED);
	r.kind = RECORD_DEAD;
	r.slot = 1024;
	record_seal(buf, &r, key, sizeof(key));
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)),
	    E_DAMAGED);
	r.slot = 0;
	r.version = 0;
	record_seal(buf, &r, key, sizeof(key));
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)),
	    E_DAMAGED);
	r.version = 1;
	record_seal(buf, &r, key, sizeof(key));
	CU_ASSERT_EQUAL(record_get(&g, key, sizeof(key), buf, sizeof(buf)), E_OK);
	CU_ASSERT_EQUAL(record_peek(&g, buf, sizeof(buf)), E_OK);
	CU_ASSERT_EQUAL(record_peek(&g, buf, sizeof(buf) - 1), E_DAMAGED);
}

static void
test_key(void)
{
	static uint8_t	buf[RECORD_KEY_MAX + 1], big[FRAME_KEY];
	const uint8_t	*tab, *k;
	size_t		 tablen, keylen;
	uint8_t		 type;

	CU_ASSERT_EQUAL(record_key_len(3, 2), 7);
	record_key_put(buf, TYPE_HASH, "tab", 3, "\0k", 2);
	CU_ASSERT(memcmp(buf, "Htab\0\0k", 7) == 0);
	CU_ASSERT_EQUAL(record_key_get(buf, 7, &type, &tab, &tablen, &k,
	    &keylen), E_OK);
	CU_ASSERT_EQUAL(type, TYPE_HASH);
	CU_ASSERT(tablen == 3 && memcmp(tab, "tab", 3) == 0);
	CU_ASSERT(keylen == 2 && memcmp(k, "\0k", 2) == 0);
	CU_ASSERT_EQUAL(record_key_get(buf, 1, &type, &tab, &tablen, &k,
	    &keylen), E_DAMAGED);
	CU_ASSERT_EQUAL(record_key_get(buf, 4, &type, &tab, &tablen, &k,
	    &keylen), E_DAMAGED);		/* no NUL */
	record_key_put(buf, TYPE_KV, NULL, 0, big, sizeof(big));
	CU_ASSERT_EQUAL(record_key_get(buf, record_key_len(0, sizeof(big)),
	    &type, &tab, &tablen, &k, &keylen), E_OK);
	CU_ASSERT_EQUAL(keylen, FRAME_KEY);
	CU_ASSERT_EQUAL(record_key_get(buf, record_key_len(0, sizeof(big)) + 1,
	    &type, &tab, &tablen, &k, &keylen), E_DAMAGED);
	memset(buf, 'x', 100);
	buf[1 + FRAME_TABLE + 1] = 0;		/* table of 65 bytes */
	CU_ASSERT_EQUAL(record_key_get(buf, 80, &type, &tab, &tablen, &k,
	    &keylen), E_DAMAGED);
}

/* The digest knows key, stamp and checksum, and is its own inverse. */
static void
test_digest(void)
{
	uint8_t		buf[RECORD_HEAD];
	struct record	r = sample(), s;
	struct digest	a, b, sum = { 0, 0 };

	r.vallen = 0;
	record_seal(buf, &r, key, sizeof(key));
	a = record_digest(&r, key, sizeof(key));
	b = record_digest(&r, key, sizeof(key) - 1);
	CU_ASSERT(a.lo != b.lo && a.hi != b.hi);
	s = r;
	s.stamp.hlc++;
	b = record_digest(&s, key, sizeof(key));
	CU_ASSERT(a.lo != b.lo && a.hi != b.hi);
	s = r;
	s.sum++;
	b = record_digest(&s, key, sizeof(key));
	CU_ASSERT(a.lo != b.lo && a.hi != b.hi);
	digest_xor(&sum, a);
	digest_xor(&sum, b);
	digest_xor(&sum, a);
	CU_ASSERT(sum.lo == b.lo && sum.hi == b.hi);
}

static const CU_TestInfo tests[] = {
	{ "layout", test_layout },
	{ "every flipped bit", test_flip },
	{ "long values", test_long },
	{ "ranges", test_range },
	{ "keys", test_key },
	{ "digest", test_digest },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_record", UNIT_SUITE("record", tests))
