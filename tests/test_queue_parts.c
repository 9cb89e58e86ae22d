/*
 * test_queue_parts.c: what libqueue is made of, each by itself: the heap, the
 * packed messages, tokens, settings, records, workers.
 */
#include <string.h>

#include "queue/band.h"
#include "queue/form.h"
#include "queue/parked.h"
#include "queue/seen.h"
#include "queue/settings.h"
#include "queue/token.h"
#include "tests/unit.h"

static uint64_t	rnd_state = 7;

static uint64_t
rnd(uint64_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state * 0x2545f4914f6cdd1d >> 20) % below;
}

/* --- heap --- */

#define NODES	300

static int64_t
least_of(const struct heap_node *n)
{
	int64_t	least = INT64_MAX;
	int	i;

	for (i = 0; i < NODES; i++)
		if (n[i].at != 0 && n[i].key < least)
			least = n[i].key;
	return least;
}

static void
test_heap(void)
{
	static struct heap_node	 n[NODES];
	struct heap		 h = { NULL, 0, 0 };
	struct heap_node	*one;
	int			 i, wrong = 0;

	CU_ASSERT(heap_top(&h) == NULL);
	CU_ASSERT(heap_reserve(&h, NODES) == 0);
	for (i = 0; i < 20000; i++) {
		one = &n[rnd(NODES)];
		if (rnd(3) == 0)
			heap_del(&h, one);
		else
			heap_set(&h, one, (int64_t)rnd(1000));
		wrong += h.n == 0 ? least_of(n) != INT64_MAX :
		    heap_top(&h)->key != least_of(n);
	}
	CU_ASSERT(wrong == 0);
	heap_free(&h);
}

/* --- who waits --- */

static void
test_parked(void)
{
	struct heap	 h = { NULL, 0, 0 };
	struct parking	 a, b;
	struct parked	 p[4], *late;
	unsigned	 i;

	parking_init(&a, NULL, &h);
	parking_init(&b, NULL, &h);
	CU_ASSERT(parking_first(&a) == NULL && heap_reserve(&h, 4) == 0);
	for (i = 0; i < 4; i++) {
		parked_init(&p[i]);
		CU_ASSERT(p[i].at == NULL);
		parked_add(i == 3 ? &b : &a, &p[i], 40 - 10 * (int64_t)i);
	}
	CU_ASSERT(a.n == 3 && b.n == 1 && h.n == 4 && p[3].at == &b);
	CU_ASSERT(parking_first(&a) == &p[0] && parking_first(&b) == &p[3]);
	CU_ASSERT(parked_late(&h, (mono_t){ 9 }) == NULL);
	late = parked_late(&h, (mono_t){ 20 });	/* the most overdue first */
	CU_ASSERT(late == &p[3]);
	parked_del(late);
	CU_ASSERT(p[3].at == NULL && b.n == 0 && parking_first(&b) == NULL);
	CU_ASSERT(parked_late(&h, (mono_t){ 20 }) == &p[2]);
	parked_del(&p[0]);
	CU_ASSERT(parking_first(&a) == &p[1] && a.n == 2);
	parked_add(&a, &p[0], 5);		/* the last again */
	CU_ASSERT(parking_first(&a) == &p[1]);
	CU_ASSERT(parked_late(&h, (mono_t){ 20 }) == &p[0]);
	parked_del(&p[1]);
	parked_del(&p[2]);
	CU_ASSERT(parking_first(&a) == &p[0] && h.n == 1);
	heap_free(&h);
}

/* --- band --- */

#define IDS	6000u

struct ref {			/* by id */
	uint8_t		 there, state;
	uint64_t	 lease;
	int64_t		 expires;
};
static struct ref	 ref[IDS];

static void
band_matches(struct band *b)
{
	struct place	pl;
	uint64_t	n = 0, i, count[2] = { 0, 0 }, first[2] = { 0, 0 };
	unsigned	s, wrong = 0;

	for (i = 1; i < IDS; i++) {
		wrong += band_find(b, i, &pl) != ref[i].there;
		if (!ref[i].there)
			continue;
		n++;
		s = ref[i].state;
		wrong += chunk_state(pl.c)[pl.i] != s ||
		    chunk_lease(pl.c, pl.i) != ref[i].lease ||
		    chunk_expires(pl.c, pl.i) != ref[i].expires;
		if (s <= S_BACK && count[s]++ == 0)
			first[s] = i;
	}
	for (s = S_READY; s <= S_BACK; s++) {
		wrong += band_first(b, (enum state)s, &pl) != (count[s] > 0);
		if (count[s] > 0)
			wrong += chunk_id(pl.c)[pl.i] != first[s];
	}
	CU_ASSERT(wrong == 0 && band_total(b) == n);
}

static void
band_change(struct band *b, uint64_t id)
{
	struct place	pl;

	if (!ref[id].there) {
		CU_ASSERT(band_insert(b, id, rnd(2) ? 1u << COL_EXPIRES : 0,
		    &pl) == 0);
		ref[id] = (struct ref){ 1, S_READY, 0, 0 };
		if (pl.c->col[COL_EXPIRES] != NULL && rnd(2)) {
			ref[id].expires = 1 + (int64_t)rnd(5000);
			band_expires(b, &pl, ref[id].expires);
		}
		return;
	}
	CU_ASSERT_FATAL(band_find(b, id, &pl));
	if (rnd(2)) {
		band_remove(b, &pl);
		ref[id].there = 0;
		return;
	}
	CU_ASSERT(band_lease_room(b, &pl) == 0);
	ref[id].state = (uint8_t)rnd(4);
	ref[id].lease = lease_make(1 + (int64_t)rnd(9000), (int)rnd(2),
	    (unsigned)rnd(9));
	band_state(b, &pl, (enum state)ref[id].state);
	band_lease(b, &pl, ref[id].lease);
}

/* No chunk's next event is later than what it says. */
static void
events_match(struct band *b)
{
	struct chunk	*c;
	uint32_t	 k;
	unsigned	 i, wrong = 0;
	int64_t		 due, least;

	for (k = 0; k < b->n; k++) {
		c = b->dir[b->first + k];
		least = INT64_MAX;
		for (i = 0; i < c->n; i++) {
			due = band_due(c, i);
			wrong += due != INT64_MAX &&
			    (c->when.at == 0 || c->when.key > due);
			least = due < least ? due : least;
		}
		wrong += band_recount(b, c) != least;
	}
	CU_ASSERT(wrong == 0);
}

static void
purge(struct band *b, int64_t now)
{
	struct band	kept;
	uint64_t	i, doomed = 0, id, sum = 0;
	int		logged;

	band_init(&kept, b->env, NULL, 0);
	CU_ASSERT(band_split(b, &kept, now) == 0);
	band_swap(b, &kept, now);
	for (i = 1; i < IDS; i++)
		if (ref[i].there && !(ref[i].state == S_OUT &&
		    lease_due(ref[i].lease) > now)) {
			ref[i].there = 0;
			doomed++;
			sum += i * 2 + ((ref[i].lease & LEASE_LOGGED) != 0);
		}
	band_matches(b);
	CU_ASSERT(b->doomed == doomed);
	while (band_doomed(b, &id, &logged)) {
		sum -= id * 2 + (uint64_t)logged;
		band_doomed_gone(b);
	}
	CU_ASSERT(sum == 0 && b->doomed == 0 && b->doom == NULL);
}

static void
test_band(void)
{
	struct band_env	env = { 0 };
	struct band	b;
	int		round, i;
	uint64_t	id = 1;

	band_init(&b, &env, NULL, 0);
	for (round = 0; round < 40; round++) {
		for (i = 0; i < 3000; i++)	/* mostly at the end, then about */
			band_change(&b, round % 4 != 3 && i < 2000 ?
			    1 + id++ % (IDS - 1) : 1 + rnd(IDS - 1));
		band_matches(&b);
		events_match(&b);
		if (round % 10 == 9)
			purge(&b, (int64_t)rnd(9000));
	}
	CU_ASSERT(band_doom(&b, 77, 1) == 0);
	band_free(&b);
	CU_ASSERT(env.chunks == 0 && env.when.n == 0);
	CU_ASSERT(env.bytes == heap_bytes(&env.when));
	heap_free(&env.when);
}

static void
test_lease(void)
{
	uint64_t	l = lease_make(1700000000123, 1, 77);

	CU_ASSERT(lease_due(l) == 1700000000123 && lease_tries(l) == 77);
	CU_ASSERT((l & LEASE_LOGGED) != 0);
	l = lease_make(INT64_MAX, 0, 1000000);
	CU_ASSERT(lease_due(l) == (int64_t)LEASE_DUE);
	CU_ASSERT(lease_tries(l) == LEASE_TRIES && (l & LEASE_LOGGED) == 0);
	CU_ASSERT(lease_make(-5, 0, 0) == 0);
}

/* --- token --- */

static const uint8_t	key[TOKEN_KEY] = "0123456789abcde";

static enum err
read_token(const char *text, const char *name, struct token *t)
{
	return token_get(t, key, (const uint8_t *)name, strlen(name),
	    (const uint8_t *)text, strlen(text));
}

static void
test_token(void)
{
	struct token	t = { 2, 0x7fffffffffffffff, UINT32_MAX, UINT32_MAX };
	struct token	back;
	char		text[TOKEN_MAX + 1], bad[TOKEN_MAX + 2];
	size_t		n, i;
	unsigned	taken = 0;

	n = token_put(&t, key, (const uint8_t *)"q", 1, text);
	CU_ASSERT(n == strlen(text) && n <= TOKEN_MAX);
	CU_ASSERT(strncmp(text, "2:", 2) == 0);
	CU_ASSERT(read_token(text, "q", &back) == E_OK);
	CU_ASSERT(back.priority == t.priority && back.id == t.id &&
	    back.attempt == t.attempt && back.salt == t.salt);
	CU_ASSERT(read_token(text, "p", &back) == E_TOKEN);
	for (i = 0; i < n; i++) {
		strcpy(bad, text);
		bad[i] = bad[i] == '1' ? '2' : '1';
		taken += read_token(bad, "q", &back) == E_OK;
		strcpy(bad, text);
		bad[i] = ' ';
		CU_ASSERT(read_token(bad, "q", &back) == E_PARAM);
	}
	CU_ASSERT(taken == 0);
	CU_ASSERT(read_token("", "q", &back) == E_PARAM);
	CU_ASSERT(read_token("0:1", "q", &back) == E_TOKEN);
	CU_ASSERT(read_token("3:1.1.1.0123456789abcdef", "q", &back) ==
	    E_TOKEN);
	memset(bad, 'a', sizeof(bad));
	bad[TOKEN_MAX + 1] = '\0';
	CU_ASSERT(read_token(bad, "q", &back) == E_PARAM);
	text[0] = '1';			/* "1:..." with 2's mac */
	CU_ASSERT(read_token(text, "q", &back) == E_TOKEN);
}

/* --- settings --- */

static void
test_settings(void)
{
	struct settings	s, back;
	uint8_t		buf[SETTINGS_BYTES + 1];
	size_t		n, i;

	settings_default(&s, KIND_QUEUE, 300000, 1700000000);
	CU_ASSERT(!settings_changed(&s, 300000));
	CU_ASSERT(settings_changed(&s, 1000));
	s.max = SETTINGS_MAX_MAX;
	s.lock = s.gone = 1;
	s.maxdeliver = 9;
	s.deadlen = SETTINGS_DEAD;
	memset(s.dead, 'd', sizeof(s.dead));
	s.ttl = 5;
	s.delay = 6;
	for (i = 0; i < 3; i++) {
		s.purged[i].stamp = 1000 + i;
		s.purged[i].ms = (int64_t)(2000 + i);
		s.purged[i].timeout = (uint32_t)(3000 + i);
	}
	s.counter = UINT64_MAX;
	s.counted = 12;
	n = settings_put(&s, buf);
	CU_ASSERT(n == SETTINGS_BYTES);
	CU_ASSERT(settings_get(&back, buf, n) == E_OK);
	CU_ASSERT(memcmp(&s, &back, sizeof(s)) == 0);
	for (i = 0; i < n; i++)
		CU_ASSERT(settings_get(&back, buf, i) == E_BADMSG);
	buf[n] = 0;
	CU_ASSERT(settings_get(&back, buf, n + 1) == E_BADMSG);
	buf[0]++;
	CU_ASSERT(settings_get(&back, buf, n) == E_BADMSG);
}

static void
test_merge(void)
{
	struct settings	s, was, new;

	settings_default(&s, KIND_QUEUE, 300000, 1);
	settings_default(&new, KIND_QUEUE, 0, 0);
	was = s;
	new.maxdeliver = 3;
	CU_ASSERT(settings_merge(&s, &new, SET_MAXDELIVER) == E_PARAM);
	CU_ASSERT(settings_merge(&s, &new, SET_TIMEOUT) == E_PARAM);
	CU_ASSERT(settings_merge(&s, &new, 1u << 7) == E_PARAM);
	new.max = SETTINGS_MAX_MAX + 1;
	CU_ASSERT(settings_merge(&s, &new, SET_MAX) == E_PARAM);
	new.timeout = SETTINGS_TIMEOUT_MAX + 1;
	CU_ASSERT(settings_merge(&s, &new, SET_TIMEOUT) == E_PARAM);
	CU_ASSERT(memcmp(&s, &was, sizeof(s)) == 0);
	new.deadlen = 1;
	new.dead[0] = 'x';
	new.lock = 7;
	CU_ASSERT(settings_merge(&s, &new, SET_MAXDELIVER | SET_DEAD |
	    SET_LOCK) == E_OK);
	CU_ASSERT(s.maxdeliver == 3 && s.deadlen == 1 && s.lock == 1);
	CU_ASSERT(s.timeout == 300000 && s.max == 0);
	new.deadlen = 0;
	CU_ASSERT(settings_merge(&s, &new, SET_DEAD) == E_PARAM);
}

/* --- records --- */

static void
test_form(void)
{
	struct form_message	m = { 1, INT64_MAX, 3 }, m2;
	struct form_delivery	d = { S_LATER, 9, 8, 7, 6 }, d2;
	struct form_item	t = { 5, 6, 7 }, t2;
	uint8_t			buf[64];
	unsigned		p;
	uint64_t		id;
	int64_t			ms;

	form_message(buf, &m);
	CU_ASSERT(form_message_get(&m2, buf, FORM_MESSAGE + 5) == E_OK);
	CU_ASSERT(m2.put == 1 && m2.expires == INT64_MAX && m2.notbefore == 3);
	CU_ASSERT(form_message_get(&m2, buf, FORM_MESSAGE - 1) == E_BADMSG);
	buf[8] = 0xff;			/* of put: negative */
	CU_ASSERT(form_message_get(&m2, buf, FORM_MESSAGE) == E_BADMSG);
	form_delivery(buf, &d);
	CU_ASSERT(form_delivery_get(&d2, buf, FORM_DELIVERY) == E_OK);
	CU_ASSERT(d2.state == S_LATER && d2.tries == 9 && d2.timeout == 8 &&
	    d2.stamp == 7 && d2.due == 6);
	CU_ASSERT(form_delivery_get(&d2, buf, FORM_DELIVERY - 1) == E_BADMSG);
	buf[1] = 3;
	CU_ASSERT(form_delivery_get(&d2, buf, FORM_DELIVERY) == E_BADMSG);
	form_item(buf, &t);
	CU_ASSERT(form_item_get(&t2, buf, FORM_ITEM) == E_OK);
	CU_ASSERT(t2.put == 5 && t2.expires == 6 && t2.first == 7);
	buf[0] = 2;
	CU_ASSERT(form_item_get(&t2, buf, FORM_ITEM) == E_BADMSG);
	form_worker(buf, 99);
	CU_ASSERT(form_worker_get(&ms, buf, FORM_WORKER) == E_OK && ms == 99);
	CU_ASSERT(form_worker_get(&ms, buf, 1) == E_BADMSG);
	form_message_key(buf, 2, 0x0102030405060708);
	CU_ASSERT(memcmp(buf, "\2\1\2\3\4\5\6\7\10", 9) == 0);
	CU_ASSERT(form_message_key_get(buf, 9, &p, &id) == E_OK);
	CU_ASSERT(p == 2 && id == 0x0102030405060708);
	CU_ASSERT(form_message_key_get(buf, 8, &p, &id) == E_BADMSG);
	buf[0] = 3;
	CU_ASSERT(form_message_key_get(buf, 9, &p, &id) == E_BADMSG);
	form_item_key(buf, 77);
	CU_ASSERT(form_item_key_get(buf, 8, &id) == E_OK && id == 77);
	form_item_key(buf, 0);
	CU_ASSERT(form_item_key_get(buf, 8, &id) == E_BADMSG);
}

/* --- workers --- */

static struct seen_worker *
note(struct seen *s, unsigned k, int64_t ms, uint64_t room,
    struct seen_worker *out)
{
	char	name[40];
	int	n = snprintf(name, sizeof(name), "w%u", k);

	return seen_note(s, (const uint8_t *)name, (size_t)n, ms, room, out);
}

static void
test_seen(void)
{
	struct seen		s = { NULL, 0, 0 };
	struct seen_worker	out, *w;
	unsigned		k, wrong = 0;

	CU_ASSERT(note(&s, 1, 5, 0, &out) == NULL);
	for (k = 0; k < 3000; k++) {
		w = note(&s, (k * 7919) % 3000, 1000 + (int64_t)k, 9999, &out);
		wrong += w == NULL || w->ms != 1000 + (int64_t)k;
		wrong += (out.len > 0) != (k >= SEEN_NAMES);
		if (out.len > 0)
			wrong += out.ms != 1000 + (int64_t)(k - SEEN_NAMES);
	}
	for (k = 1; k < s.n; k++)
		wrong += memcmp(s.w[k - 1].name, s.w[k].name, SEEN_NAME) >= 0;
	CU_ASSERT(wrong == 0 && s.n == SEEN_NAMES);
	w = note(&s, 2999u * 7919u % 3000u, 9999, 0, &out);
	CU_ASSERT(w != NULL && w->ms == 9999 && out.len == 0);
	CU_ASSERT(seen_old(&s, 1000 + 3000 - SEEN_NAMES, &out) == 0);
	CU_ASSERT(seen_old(&s, 1001 + 3000 - SEEN_NAMES, &out) == 1);
	CU_ASSERT(out.ms == 1000 + 3000 - SEEN_NAMES && s.n == SEEN_NAMES - 1);
	/* No room: the oldest of its own goes. */
	w = note(&s, 5000, 9999, 0, &out);
	CU_ASSERT(w != NULL && out.ms == 1001 + 3000 - SEEN_NAMES);
	while (seen_old(&s, INT64_MAX, &out))
		;
	CU_ASSERT(s.n == 0 && s.w == NULL);
	seen_free(&s);
}

static const CU_TestInfo tests[] = {
	{ "heap", test_heap },
	{ "parked", test_parked },
	{ "band", test_band },
	{ "lease", test_lease },
	{ "token", test_token },
	{ "settings", test_settings },
	{ "merge", test_merge },
	{ "form", test_form },
	{ "seen", test_seen },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_parts", UNIT_SUITE("queue parts", tests))
