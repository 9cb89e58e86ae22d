/*
 * notify.h: tells the service manager how the node is: ready, what goes on,
 * reloading, stopping, alive.  Without one (no NOTIFY_SOCKET) nothing runs.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include "supervisor/systemd.h"
#include "supervisor/tree.h"

struct notify;

/* Both must stay; the tree is open.  Fatal when memory is short. */
struct notify	*notify_new(const struct systemd *, const struct tree *);
void		 notify_free(struct notify *);
/* Around a reload of the configuration; nothing before the node was ready. */
void		 notify_reloading(struct notify *);
void		 notify_reloaded(struct notify *);

#endif
