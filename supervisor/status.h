/*
 * status.h: what `wharfctl status` shows, as one JSON object.
 */
#ifndef SUPERVISOR_STATUS_H
#define SUPERVISOR_STATUS_H

#include <jansson.h>

struct wharfd;

/* A new reference; NULL when memory is short. */
json_t	*status_json(const struct wharfd *);

#endif
