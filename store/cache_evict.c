/*
 * cache_evict.c: what goes when there is no room (cache_impl.h).
 *
 * Two clocks go over the names in the order of their addresses, which is that
 * of their entering: a new one takes the place that was freed.  A name is on
 * trial first; while those on trial have a tenth of the memory, the young hand
 * goes on and evicts those that nobody asked for a second time, and the others
 * are on trial no longer.  Else the old hand goes over the rest, takes one from
 * their count (0..3) of being asked for, and evicts at 0.  That is S3-FIFO
 * (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023)
 * less its queues and its memory of what is gone; so nothing but 3 bits in each
 * name is needed.  doc/storage.md has its hit rates beside LRU and others.
 *
 * Runs in wharf-store.  Nothing here can fail.
 */
#include "store/cache_impl.h"

#define TRIAL_SHARE	10u	/* a tenth */
#define LOOKS		256u	/* names at most, for one to evict */
#define LAPS		8u	/* a count of 3 needs 4, and the young hand's */
#define AHEAD		8u	/* names that the index is told of before */
#define SKIPS		16u	/* units passed over for a name looked at */
#define AT_ONCE		64u	/* fields of dead hashes */

/* 0: nothing that a hand looks for.  Units within a run have no slots. */
static int
has_names(const struct cache *c, uint32_t u)
{
	return c->unit[u].kind == UNIT_RUN ? c->unit[u].class < CLASSES :
	    c->unit[u].kind == UNIT_SLOTS && c->unit[u].class < CLASSES;
}

static void
hand_leave(struct cache *c, struct hand *h)
{
	const struct unit	*x = &c->unit[h->unit];

	h->unit = unit_next(c, h->unit +
	    (x->kind == UNIT_RUN && x->run > 0 ? x->run : 1));
	h->slot = 0;
}

/* The unit may have become another since; no matter where the hand goes on. */
static struct item *
hand_in_unit(const struct cache *c, struct hand *h)
{
	const struct class	*cl = &c->class[c->unit[h->unit].class];
	uint8_t			*at = unit_at(c, h->unit);
	uint32_t		 n, top = c->unit[h->unit].top;
	struct item		*i;

	if (!has_names(c, h->unit))
		return NULL;
	while ((n = h->slot) < top) {	/* a run's only item is at 0 */
		h->slot++;
		i = slot_at(at, cl, n);
		if (i->kind == ITEM_FREE)
			continue;
		if (n + AHEAD < top)
			index_expect(c, slot_at(at, cl, n + AHEAD),
			    slot_at(at, cl, n + AHEAD / 2));
		return i;
	}
	return NULL;
}

/* The next name; NULL: the hand is at the beginning again. */
static struct item *
hand_next(struct cache *c, struct hand *h)
{
	struct item	*i;

	while (h->unit < c->end) {
		if ((i = hand_in_unit(c, h)) != NULL)
			return i;
		hand_leave(c, h);
	}
	*h = (struct hand){ 0, 0 };
	return NULL;
}

/* --- choosing --- */

static void
trial_end(struct cache *c, struct item *i)
{
	c->trial -= name_bytes(c, i);
	i->trial = 0;
	i->wanted = 0;
}

/* 1: this one goes. */
static int
young_judge(struct cache *c, struct item *i)
{
	if (!i->trial)
		return 0;
	if (i->wanted == 0)
		return 1;
	trial_end(c, i);
	return 0;
}

static int
old_judge(struct item *i)
{
	if (i->trial)
		return 0;
	if (i->wanted == 0)
		return 1;
	i->wanted--;
	return 0;
}

static int
judge(struct cache *c, struct item *i, int young)
{
	if (name_over(c, i))
		return 1;
	return young ? young_judge(c, i) : old_judge(i);
}

/* Whose turn it is; a name that is held has nothing to give. */
static int
young_turn(const struct cache *c)
{
	const struct item	*i = c->held[0];
	uint64_t		 held = i != NULL && i->trial ?
				    name_bytes(c, i) : 0;

	return c->trial - held >= c->used / TRIAL_SHARE;
}

/* After LOOKS names the least wanted of them will do. */
static struct item *
choose(struct cache *c)
{
	struct item	*i, *best = NULL;
	unsigned	 looks = 0, laps = 0;
	int		 young;

	while (laps < LAPS && (looks < LOOKS || best == NULL)) {
		young = young_turn(c);
		i = hand_next(c, young ? &c->young : &c->old);
		if (i == NULL) {
			laps++;
			continue;
		}
		if (i == c->held[0])
			continue;
		if (judge(c, i, young))
			return i;
		looks++;
		if (best == NULL || i->wanted < best->wanted)
			best = i;
	}
	return best;
}

static int
evict(struct cache *c)
{
	struct item	*i = choose(c);

	if (i == NULL)
		return 0;
	if (name_over(c, i))
		c->stat.expired++;
	else
		c->stat.evicted++;
	name_drop(c, i);
	return 1;
}

int
dying_step(struct cache *c, unsigned n)
{
	while (c->dying != NULL && n-- > 0)
		dying_drop(c);
	return c->dying != NULL;
}

int
room_make(struct cache *c)
{
	if (units_purge(c))
		return 1;
	if (c->dying != NULL) {
		(void)dying_step(c, AT_ONCE);
		return 1;
	}
	return slots_compact(c, 1) || evict(c);
}

int
room_for(struct cache *c, size_t bytes, unsigned n)
{
	uint64_t	pages = (bytes + ((size_t)1 << c->page) - 1) >> c->page;

	for (; c->resident - c->dirtypages + pages > c->room; n--)
		if (n == 0)
			return 0;
		else if (!room_make(c))
			return 1;
	return 1;
}

/* --- what expires unasked --- */

/* Enters a unit in which something may have expired; 0: the lap is over. */
static int
reaper_enter(struct cache *c, unsigned *budget)
{
	struct hand	*h = &c->reaper;
	unsigned	 passed = 0;

	while (h->unit < c->end && *budget > 0) {
		if (c->unit[h->unit].soonest <= (uint64_t)c->now / 1000) {
			c->unit[h->unit].soonest = NEVER;
			return 1;
		}
		hand_leave(c, h);
		if (++passed % SKIPS == 0)
			--*budget;
	}
	if (h->unit >= c->end)
		*h = (struct hand){ 0, 0 };
	return 0;
}

/* The next name in a unit where some have expired; NULL: that is all. */
static struct item *
reaper_next(struct cache *c, unsigned *budget)
{
	struct hand	*h = &c->reaper;
	struct item	*i;

	for (;;) {
		if ((h->slot == 0 || h->unit >= c->end) &&
		    !reaper_enter(c, budget))
			return NULL;
		if ((i = hand_in_unit(c, h)) != NULL)
			return i;
		hand_leave(c, h);
	}
}

static int
reap(struct cache *c, struct item *i)
{
	if (!name_over(c, i)) {
		name_remind(c, i);
		return 0;
	}
	c->stat.expired++;
	name_drop(c, i);
	return 1;
}

/* 1: a quarter and more of those looked at had expired; go on at once. */
int
reap_step(struct cache *c, unsigned budget)
{
	unsigned	 looked = 0, over = 0;
	struct item	*i;

	while (budget > 0 && (i = reaper_next(c, &budget)) != NULL) {
		budget--;
		looked++;
		over += (unsigned)reap(c, i);
	}
	return over * 4 > looked;
}
