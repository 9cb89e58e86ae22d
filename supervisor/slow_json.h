/*
 * slow_json.h: what `wharfctl slow` shows, as JSON.
 */
#ifndef SUPERVISOR_SLOW_JSON_H
#define SUPERVISOR_SLOW_JSON_H

#include <jansson.h>

#include "supervisor/board.h"

/*
 * The n newest entries of all places, newest first: a new reference; NULL when
 * memory is short.
 */
json_t	*slow_json(struct board *, size_t n);
/* Forgets what is there now. */
void	 slow_json_clear(struct board *);

#endif
