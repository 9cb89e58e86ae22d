/*
 * info.h: /hustdb/info: what huststore's counters of its database layers come
 * to in Wharf.
 */
#ifndef WORKER_INFO_H
#define WORKER_INFO_H

#include "proto/msg_stat.h"
#include "worker/json.h"
#include "worker/worker.h"

/* Whether the request's path is info. */
int	 info_wanted(const struct request *);
/* totals: of keys and of hashes. */
void	 info_json(struct json *, const struct request *,
	    const struct stat_row totals[2]);

#endif
