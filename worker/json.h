/*
 * json.h: JSON text, written into memory that grows and counts against the
 * worker's budget.  There is no tree: the caller writes the punctuation.
 *
 * The error is sticky: what finds no room is not written and makes bad 1,
 * until json_cut goes back to a length that was good.
 */
#ifndef WORKER_JSON_H
#define WORKER_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "worker/budget.h"

struct json {
	uint8_t		*p;
	size_t		 n, cap;	/* bytes; cap is what the budget gave */
	struct budget	*budget;
	int		 bad;
};

void	 json_init(struct json *, struct budget *);
/* Gives memory and budget back; the text is gone. */
void	 json_free(struct json *);
/*
 * Hands the text over: malloc'ed, *n bytes, and no longer in the budget.
 * NULL when it is bad or empty.
 */
uint8_t	*json_take(struct json *, size_t *n);
/* Forgets what came after the first n bytes, and that it was bad. */
void	 json_cut(struct json *, size_t n);

/*
 * Makes room for so many bytes more at once, if there is any: those who do not
 * ask are given twice what they have whenever that is too little.
 */
void	 json_expect(struct json *, size_t n);

/* As they are. */
void	 json_bytes(struct json *, const void *, size_t n);

static inline void
json_raw(struct json *j, const char *text)
{
	json_bytes(j, text, strlen(text));
}

void	 json_int(struct json *, int64_t);
/* In quotes: a text without anything to escape (names of tables). */
void	 json_name(struct json *, const void *, size_t);
/* In quotes: RFC 4648 section 4, padded. */
void	 json_base64(struct json *, const void *, size_t);

#endif
