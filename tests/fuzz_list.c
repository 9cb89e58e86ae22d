/*
 * fuzz_list.c: listings of any bytes: a question (64 bytes), or a head and items
 * up to the end; and the same bytes as a line of an exported snapshot.
 */
#define FUZZ_NAME "list"
#include "proto/msg.h"
#include "proto/msg_list.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "tests/fuzz.h"

static int
check_ask(const uint8_t *p, size_t n)
{
	struct list_ask	q;
	uint8_t		out[LIST_ASK_SIZE];

	if (list_ask_get(&q, p, n) != E_OK)
		return 0;
	list_ask_put(out, &q);
	MUST(n == sizeof(out) && memcmp(out, p, n) == 0);
	return 1;
}

/* Items are put together again, to the byte. */
static int
check_items(const uint8_t *p, size_t n)
{
	struct list_head	 h;
	struct list_item	 i;
	uint8_t			*out;
	size_t			 used;

	if (list_head_get(&h, p, n) != E_OK)
		return 0;
	for (p += LIST_HEAD_SIZE, n -= LIST_HEAD_SIZE; n > 0; n -= used) {
		if (list_item_get(&i, p, n, &used) != E_OK)
			return 0;
		MUST(used <= n && used == list_item_size(&i));
		MUST(i.keylen <= KEY_MAX && i.tablen <= TABLE_MAX);
		MUST((out = malloc(used)) != NULL);
		MUST(list_item_put(out, &i) == used);
		MUST(memcmp(out, p, used) == 0);
		free(out);
		p += used;
	}
	return 1;
}

/* A line that is taken is written again, and means the same. */
static int
check_line(const uint8_t *p, size_t n, const struct snapshot_id *id)
{
	struct list_item	 i, j;
	uint8_t			*line = malloc(n + 1), *again;
	size_t			 m;
	int			 good;

	MUST(line != NULL);
	memcpy(line, p, n);
	good = snapshot_line_get(&i, line, n, id) == E_OK;
	if (good) {
		MUST((again = malloc(snapshot_line_max(&i))) != NULL);
		m = snapshot_line_put(again, &i, id->type == 0, 1);
		MUST(m <= snapshot_line_max(&i));
		MUST(snapshot_line_get(&j, again, m, id) == E_OK);
		MUST(i.keylen == j.keylen && i.type == j.type &&
		    i.version == j.version && i.ttl == j.ttl &&
		    (i.damaged || (i.score == j.score &&
		    i.vallen == j.vallen)));
		MUST(i.keylen == 0 || memcmp(i.key, j.key, i.keylen) == 0);
		MUST(i.damaged || i.vallen == 0 ||
		    memcmp(i.val, j.val, i.vallen) == 0);
		free(again);
	}
	free(line);
	return good;
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	static const struct snapshot_id	ids[] = {
		{ .type = 0 },
		{ .type = 'H', .tab = (const uint8_t *)"t", .tablen = 1 },
		{ .type = 'Z', .tab = (const uint8_t *)"t", .tablen = 1 }
	};
	int				good;
	unsigned			i;

	good = check_ask(p, n) | check_items(p, n);
	for (i = 0; i < 3; i++)
		good |= check_line(p, n, &ids[i]);
	return good;
}
