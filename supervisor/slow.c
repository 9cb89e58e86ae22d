/*
 * slow.c: the ring of slow requests; see slow.h.  Lives in shared memory:
 * what is read is copied first and believed in nothing.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "supervisor/conf.h"
#include "supervisor/slow.h"

_Static_assert(sizeof(struct slow_entry) % 8 == 0, "entries are whole words");

int64_t
slow_limit(const struct conf *c)
{
	int64_t	ms = conf_int(c, CONF_LOG_SLOW);

	return ms < 0 ? SLOW_OFF : ms * 1000;
}

void
slow_name(struct slow_entry *e, const char *name)
{
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
}

uint32_t
slow_cut(uint8_t to[SLOW_TEXT], const void *p, uint32_t len)
{
	if (len > 0)
		memcpy(to, p, len < SLOW_TEXT ? len : SLOW_TEXT);
	return len;
}

void
slow_put(struct slow_ring *r, struct slow_entry *e)
{
	uint64_t	 n = atomic_load_explicit(&r->next,
			    memory_order_relaxed), word[SLOW_WORDS];
	unsigned	 i, at = n % SLOW_RING;
	struct timespec	 t;

	clock_gettime(CLOCK_REALTIME, &t);
	e->wall = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	memcpy(word, e, sizeof(word));
	atomic_store_explicit(&r->slot[at].seq, 2 * n + 1,
	    memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < SLOW_WORDS; i++)
		atomic_store_explicit(&r->slot[at].word[i], word[i],
		    memory_order_relaxed);
	atomic_store_explicit(&r->slot[at].seq, 2 * n + 2,
	    memory_order_release);
	atomic_store_explicit(&r->next, n + 1, memory_order_release);
}

/* A copy of entry n: 1, or 0 when it is torn or not there any more. */
static int
entry_read(struct slow_ring *r, uint64_t n, struct slow_entry *e)
{
	uint64_t	word[SLOW_WORDS];
	unsigned	i, at = n % SLOW_RING;

	if (atomic_load_explicit(&r->slot[at].seq, memory_order_acquire) !=
	    2 * n + 2)
		return 0;
	for (i = 0; i < SLOW_WORDS; i++)
		word[i] = atomic_load_explicit(&r->slot[at].word[i],
		    memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&r->slot[at].seq, memory_order_relaxed) !=
	    2 * n + 2)
		return 0;
	memcpy(e, word, sizeof(word));
	e->name[SLOW_NAME - 1] = '\0';
	return 1;
}

unsigned
slow_read(struct slow_ring *r, struct slow_entry out[SLOW_RING])
{
	uint64_t	n = atomic_load_explicit(&r->next,
			    memory_order_acquire);
	uint64_t	hidden = atomic_load_explicit(&r->hidden,
			    memory_order_relaxed);
	unsigned	i, found = 0;

	for (i = 0; i < SLOW_RING && n > hidden; i++)
		found += (unsigned)entry_read(r, --n, &out[found]);
	return found;
}

void
slow_clear(struct slow_ring *r)
{
	atomic_store_explicit(&r->hidden, atomic_load_explicit(&r->next,
	    memory_order_relaxed), memory_order_relaxed);
}

char *
slow_show(char *out, const uint8_t *p, uint32_t len)
{
	uint32_t	 i, n = len < SLOW_TEXT ? len : SLOW_TEXT;
	char		*o = out;

	for (i = 0; i < n; i++) {
		if (p[i] > ' ' && p[i] < 0x7f && p[i] != '\\')
			*o++ = (char)p[i];
		else
			o += snprintf(o, 5, "\\x%02x", p[i]);
	}
	(void)snprintf(o, 4, "%s", len > n ? "..." : "");
	return out;
}
