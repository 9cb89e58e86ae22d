/*
 * server_backup.h: BACKUP from wharfd, on the side of who owns a shard.
 */
#ifndef STORE_SERVER_BACKUP_H
#define STORE_SERVER_BACKUP_H

#include "store/server.h"

enum err server_on_backup(struct actor *, const struct msg *);
/* After shard_poll, and at times: is it over? */
void	 server_backup_look(struct server *);
/* How far it is; tells wharfd again what it did not read. */
void	 server_backup_gauges(struct server *);
/* backup.rate may be another one. */
void	 server_backup_reload(struct server *);
void	 server_backup_free(struct server *);

#endif
