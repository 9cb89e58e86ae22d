/*
 * places.h: logins whose password is being checked, or waits for that: at
 * most PLACES, of which one (address, user) holds at most PLACES_EACH, so
 * that whoever guesses leaves places to others.  When all are taken, an address
 * gets one of another that has more than it would have then; so no address can
 * lock out the others with many names.  Requests with the same login share a
 * place.  And failures, counted for each (address, user).  Pure; time
 * is an argument.
 */
#ifndef WORKER_PLACES_H
#define WORKER_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "proto/clock.h"
#include "supervisor/known.h"
#include "supervisor/password.h"
#include "supervisor/users.h"

#define PLACES		32u
#define PLACES_EACH	2u
#define FAILURES	1024u	/* pairs that are remembered */

struct request;

/* What is checked: the user's line as it was when the request came. */
struct place {
	enum { PLACE_FREE, PLACE_WAITS, PLACE_RUNS } state;
	uint8_t		 tag[KNOWN_TAG];	/* of the login, see known.h */
	uint64_t	 pair;			/* of (address, user) */
	uint64_t	 from;			/* of the address */
	uint64_t	 turn;
	mono_t		 since;
	char		 name[USER_NAME + 1];
	char		 hash[USER_HASH];	/* of nobody: no such user */
	int		 nobody;
	char		 password[PASSWORD_MOST];
	size_t		 passlen;
	struct request	*waiters;		/* the owner's */
};

struct places {
	struct place	 place[PLACES];
	uint64_t	 turn;
	struct {
		uint64_t	pair;
		unsigned	n;
	} failed[FAILURES];
};

/* The place of this login, or NULL. */
struct place	*places_find(struct places *, const uint8_t tag[KNOWN_TAG]);
/* A new one that waits; NULL: all are taken, or two by this pair. */
struct place	*places_take(struct places *, const uint8_t tag[KNOWN_TAG],
		    uint64_t pair, uint64_t from, mono_t now);
/*
 * When that gave NULL: the latest of the address that has most, which waits and
 * is to leave for this one; NULL: there is room, or the pair has its two, or
 * nobody would have as many still as this address then.
 */
struct place	*places_yield(struct places *, uint64_t pair, uint64_t from);
/* The one that has waited longest, NULL none. */
struct place	*places_next(struct places *);
/* One with waiters that is older than usec, NULL none. */
struct place	*places_late(struct places *, mono_t now, int64_t usec);
/* Free again; what was in it is wiped. */
void		 places_leave(struct place *);
/*
 * Counts one; returns how many there were, since the last time that another
 * pair took its place in the table.
 */
unsigned	 places_failed(struct places *, uint64_t pair);

#endif
