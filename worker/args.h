/*
 * args.h: parameters that several plans share.  E_OK, or the refusal; then
 * *detail names the parameter.
 */
#ifndef WORKER_ARGS_H
#define WORKER_ARGS_H

#include "proto/err.h"
#include "proto/msg_list.h"
#include "worker/worker.h"

/* peer, where the path has it: 0, this node; else E_PEER. */
enum err	 args_peer(const struct request *, const char **detail);
/* start, end, noval. */
enum err	 args_range(const struct request *, struct list_ask *,
		    const char **detail);
/* min, max. */
enum err	 args_scores(const struct request *, struct list_ask *,
		    const char **detail);
/* K: data files of a store. */
unsigned	 args_files(const struct request *);

#endif
