/*
 * test_tell.c: what a worker says to routers and wants no answer to: kept while
 * there is no room or no link, in order, within bounds.  The link is a list
 * here.
 */
#include <string.h>

#include "proto/mailbox.h"
#include "proto/msg.h"
#include "supervisor/board.h"
#include "tests/unit.h"
#include "worker/tell.h"

#define SAID	20000u

struct link {
	uint64_t	 id;
	enum err	 err;		/* what it says when room is 0 */
	unsigned	 room, n;
	uint32_t	 said[SAID];	/* the keys, as numbers */
};

static struct link	 one, two;
static struct link	*links[2];
static struct board_actor *my;
static struct tells	*t;
static uint8_t		 big[60000];

uint64_t
link_id(const struct link *l)
{
	return l->id;
}

enum err
link_send(struct link *l, const struct frame *f)
{
	uint32_t	key;

	if (l->room == 0)
		return l->err;
	l->room--;
	CU_ASSERT_FATAL(l->n < SAID && f->keylen == sizeof(key));
	memcpy(&key, f->key, sizeof(key));
	l->said[l->n++] = key;
	CU_ASSERT(f->id == 0 && f->deadline != 0);
	CU_ASSERT(f->tablen == 5 && memcmp(f->tab, "queue", 5) == 0);
	CU_ASSERT(f->vallen == 0 || memcmp(f->val, big, f->vallen) == 0);
	return E_OK;
}

static void
begin(void)
{
	static struct board	*b;

	if (b == NULL)
		b = board_map(board_create(1));
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	my = board_place(b, 0);
	board_clear(my);
	memset(big, 'v', sizeof(big));
	one = (struct link){ .id = 7, .err = E_FULL };
	two = (struct link){ .id = 8, .err = E_FULL };
	links[0] = &one;
	links[1] = NULL;
	t = tells_new(links, 2, my);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
}

static void
finish(void)
{
	tells_free(t);
}

static void
say(unsigned router, unsigned msg, uint32_t key, uint32_t vallen)
{
	struct frame	f = { .msg = (uint16_t)msg,
		.tab = (const uint8_t *)"queue", .tablen = 5,
		.key = (const uint8_t *)&key, .keylen = sizeof(key),
		.val = big, .vallen = vallen };

	tell(t, router, &f, 1000000);
}

static void
test_order(void)
{
	uint32_t	i;

	begin();
	one.room = 3;
	for (i = 0; i < 10; i++)
		say(0, MSG_QUEUE_ACK, i, i * 100);
	CU_ASSERT(one.n == 3 && board_get(my, BC_NOTICES) == 7);
	one.room = 2;
	say(0, MSG_QUEUE_ACK, 10, 0);		/* not past the others */
	CU_ASSERT(one.n == 3 && tells_open(t) == 8);
	tells_retry(t, 1000000);
	CU_ASSERT_EQUAL(one.n, 5);
	one.room = 100;
	tells_retry(t, 1000000);
	for (i = 0; i < 11; i++)
		CU_ASSERT_EQUAL(one.said[i], i);
	CU_ASSERT(one.n == 11 && tells_open(t) == 0 &&
	    board_get(my, BC_NOTICES) == 0);
	say(0, MSG_QUEUE_NACK, 11, 0);
	CU_ASSERT_EQUAL(one.n, 12);
	finish();
}

/* Acknowledgements go over the next link, a cancel ends with its own. */
static void
test_renewal(void)
{
	begin();
	say(0, MSG_ROUTER_CANCEL, 1, 0);
	say(0, MSG_QUEUE_ACK, 2, 0);
	say(0, MSG_ROUTER_CANCEL, 3, 0);
	one.err = E_STALE;
	say(0, MSG_QUEUE_NACK, 4, 0);
	links[0] = NULL;
	CU_ASSERT_EQUAL(tells_open(t), 0);
	tells_retry(t, 1000000);
	say(0, MSG_ROUTER_CANCEL, 5, 0);
	say(0, MSG_QUEUE_ACK, 6, 0);
	links[0] = &two;
	two.room = 100;
	CU_ASSERT_EQUAL(tells_open(t), 5);
	tells_retry(t, 1000000);
	CU_ASSERT(one.n == 0 && two.n == 3);
	CU_ASSERT(two.said[0] == 2 && two.said[1] == 4 && two.said[2] == 6);
	finish();
}

/* One that takes nothing does not hold up the other. */
static void
test_others(void)
{
	begin();
	links[1] = &two;
	say(0, MSG_QUEUE_ACK, 1, 0);
	two.room = 1;
	say(1, MSG_QUEUE_ACK, 2, 0);
	say(1, MSG_QUEUE_ACK, 3, 0);
	two.room = 1;
	tells_retry(t, 1000000);
	CU_ASSERT(two.n == 2 && two.said[1] == 3 && tells_open(t) == 1);
	finish();
}

static void
test_bounds(void)
{
	uint32_t	i;

	begin();
	for (i = 0; i < TELLS_MAX + 10; i++)
		say(0, MSG_QUEUE_ACK, i, 0);
	CU_ASSERT_EQUAL(board_get(my, BC_NOTICES), TELLS_MAX);
	CU_ASSERT_EQUAL(board_get(my, BC_NOTICES_LOST), 10);
	for (i = 0; i < 50; i++)
		say(1, MSG_QUEUE_ACK, i, sizeof(big));
	CU_ASSERT(board_get(my, BC_NOTICES) - TELLS_MAX <=
	    1 + TELLS_BYTES / (int64_t)sizeof(big));
	CU_ASSERT(board_get(my, BC_NOTICES) + board_get(my, BC_NOTICES_LOST)
	    == TELLS_MAX + 10 + 50);
	one.room = SAID;
	tells_retry(t, 1000000);
	CU_ASSERT(one.n == TELLS_MAX && one.said[one.n - 1] == TELLS_MAX - 1);
	say(0, MSG_QUEUE_ACK, 77, 0);		/* there is room again */
	CU_ASSERT_EQUAL(one.said[one.n - 1], 77);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "renewal", test_renewal },
	{ "others", test_others },
	{ "bounds", test_bounds },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_tell", UNIT_SUITE("tell", tests))
