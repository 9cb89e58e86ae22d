/*
 * tables_json.h: what `wharfctl tables` shows, as JSON.
 */
#ifndef SUPERVISOR_TABLES_JSON_H
#define SUPERVISOR_TABLES_JSON_H

#include <jansson.h>

#include "supervisor/catalogue.h"

/*
 * An answer: how many tables there are and may be, the totals, and the n
 * largest tables, by bytes, then by name.  A new reference; NULL when memory
 * is short.
 */
json_t	*tables_json(const struct catalogue *, size_t n);

#endif
