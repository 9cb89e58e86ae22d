/*
 * slow.h: the slow log of one actor: the last requests or operations that took
 * log.slow or longer, in a ring in its place of the board.  One writer, the
 * loop of the actor; wharfd reads, also after the actor's death, and the next
 * incarnation goes on where the last one stopped.
 *
 * An entry's lock is its sequence number, as in a seqlock: 2n+1 while entry n
 * is written, 2n+2 when it is whole, so a reader knows a torn or a newer one
 * (Boehm, "Can seqlocks get along with programming language memory models?",
 * 2012).  A writer that dies in between leaves an odd number, and its
 * successor writes that entry anew.
 */
#ifndef SUPERVISOR_SLOW_H
#define SUPERVISOR_SLOW_H

#include <stddef.h>
#include <stdint.h>

struct conf;

#define SLOW_RING	128		/* entries */
#define SLOW_NAME	32		/* bytes, with NUL */
#define SLOW_TEXT	64		/* bytes kept of table and of key */
#define SLOW_OFF	INT64_MAX

/* Times in microseconds.  What does not apply is 0. */
struct slow_entry {
	int64_t		wall;		/* since 1970, at the answer */
	int64_t		total;		/* first byte seen, until the answer */
	int64_t		body;		/* worker: until the last byte was in */
	int64_t		budget;		/* of that: waiting for memory */
	int64_t		store;		/* worker: sent on until answered */
	int64_t		held;		/* store: applied until durable */
	uint64_t	vallen;		/* bytes of the value, either way */
	uint32_t	inc;		/* incarnation of the actor */
	uint32_t	status;		/* HTTP's */
	uint32_t	tablen, keylen;	/* all of them */
	char		name[SLOW_NAME];	/* path or message */
	uint8_t		tab[SLOW_TEXT], key[SLOW_TEXT];	/* their beginning */
};

#define SLOW_WORDS	(sizeof(struct slow_entry) / 8)

struct slow_ring {
	_Atomic uint64_t	next;		/* entry to be written */
	_Atomic uint64_t	hidden;		/* reader's: below is cleared */
	struct {
		_Atomic uint64_t	seq;
		_Atomic uint64_t	word[SLOW_WORDS];
	} slot[SLOW_RING];
};

/* log.slow in usec, SLOW_OFF when it is off. */
int64_t	 slow_limit(const struct conf *);

void	 slow_name(struct slow_entry *, const char *name);
/* Copies the beginning of a table or key to its place; returns len. */
uint32_t slow_cut(uint8_t to[SLOW_TEXT], const void *p, uint32_t len);
/* Writes the entry; wall is set. */
void	 slow_put(struct slow_ring *, struct slow_entry *);

/*
 * The whole entries, newest first; returns how many.  They are copies of
 * untrusted memory: the name is terminated, lengths are what was written.
 */
unsigned slow_read(struct slow_ring *, struct slow_entry out[SLOW_RING]);
/* What is there now is not read any more. */
void	 slow_clear(struct slow_ring *);
/*
 * The first n bytes of p (of len) as text: printable ASCII stays, all else and
 * '\' becomes \xNN; "..." at the end when len is more.  Returns out, which
 * needs SLOW_SHOWN bytes.
 */
#define SLOW_SHOWN	(SLOW_TEXT * 4 + 4)
char	*slow_show(char *out, const uint8_t *p, uint32_t len);

#endif
