/*
 * store_export.h: the snapshots that a store writes in the background, one at
 * a time.  One struct exports per store.
 */
#ifndef STORE_STORE_EXPORT_H
#define STORE_STORE_EXPORT_H

#include "proto/msg_list.h"
#include "store/snapshot.h"
#include "store/store.h"

/* Removes what killed exports left behind.  NULL: no memory, no thread. */
struct exports	*exports_new(struct actor *);
/* Ends what runs; what it has written is removed at the next start. */
void		 exports_free(struct exports *);
/* Where the files are; the directory is made by the first export. */
const char	*exports_dir(const struct exports *);
/* Of what a question (checked) is the snapshot. */
void		 exports_id(const struct actor *, const struct list_ask *,
		    const struct frame *, struct snapshot_id *);

#endif
