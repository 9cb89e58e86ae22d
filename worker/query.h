/*
 * query.h: a request's URI becomes a row of the path table and its typed
 * parameters.  Pure: no sockets, no allocation.
 *
 * Rules (contract 0): names are exact; of a repeated name the last counts; an
 * empty value is an absent one; names the path does not know are ignored;
 * all but RAW is percent-decoded, '+' stays '+'.
 */
#ifndef WORKER_QUERY_H
#define WORKER_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "worker/paths.h"

struct param_text {
	const uint8_t	*p;		/* in the caller's buffer */
	uint32_t	 len;
};

/*
 * v is set where given says so, and is 0 for a bad escape; look by params_num
 * and params_text.
 */
struct params {
	uint64_t	 given;		/* present and not empty */
	uint64_t	 bad;		/* of those: refused by its type */
	uint64_t	 escape;	/* of those: for a bad escape */
	union {
		int64_t			num;
		struct param_text	text;
	} v[PARAM_MAX_];
};

/* The two parts of a request target; borrowed. */
struct target {
	const char	*path, *query;
	size_t		 pathlen, querylen;
};

/* Splits at the first '?'; skips "http://host" of the absolute form. */
void		 target_split(struct target *, const char *uri, size_t len);
/*
 * The row for the target's path, percent-decoded; NULL none.
 */
const struct path *target_path(const struct target *, unsigned on);
/*
 * Parses a query for this row. Texts are copied to buf, which must have room
 * for querylen bytes; returns how many were used.
 */
size_t		 query_parse(struct params *, const struct path *,
		    const char *query, size_t querylen, uint8_t *buf);
/*
 * Decodes n bytes; returns the length, or -1 for a bad escape.  out may be in.
 */
long		 percent_decode(uint8_t *out, const char *in, size_t n);
/*
 * A number as huststore's hincrby reads it: blanks, a sign, digits, and behind
 * them the end or a blank.  1, or 0: it is none, or not an int64.
 */
int		 text_number(const uint8_t *p, size_t len, int64_t *num);
/* A decimal int64 and nothing else: 1, or 0. */
int		 text_integer(const uint8_t *p, size_t len, int64_t *num);
/*
 * Checks and converts one decoded value. E_OK or E_PARAM; *num is set for
 * types that are numbers.
 */
enum err	 param_convert(const struct param *, const uint8_t *p,
		    size_t len, int64_t *num);

/* A number, or the default of its row when not given. */
static inline int64_t
params_num(const struct params *ps, enum param_id id)
{
	return (ps->given & B(id)) != 0 ? ps->v[id].num : param_table[id].def;
}

/* A text, or none. */
static inline struct param_text
params_text(const struct params *ps, enum param_id id)
{
	return (ps->given & B(id)) != 0 ? ps->v[id].text :
	    (struct param_text){ NULL, 0 };
}

#endif
