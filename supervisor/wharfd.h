/*
 * wharfd.h: what main made, for the control socket.
 */
#ifndef SUPERVISOR_WHARFD_H
#define SUPERVISOR_WHARFD_H

#include "supervisor/certificate.h"
#include "supervisor/notify.h"
#include "supervisor/systemd.h"
#include "supervisor/tree.h"

struct control;

struct wharfd {
	const char		*conf_path;	/* NULL: none */
	char			**options;	/* -o, in order */
	int			 noptions;
	const char		*restore;	/* backup; NULL: serve */
	int			 same_node;
	struct systemd		 systemd;
	struct node		 node;
	struct listen_set	 listen;
	struct certificate	 certificate;
	struct tree		 tree;
	struct control		*control;
	struct notify		*notify;	/* NULL: nobody asks */
};

/*
 * Reads file and options again and hands on what may be changed.  0: why has
 * the keys that need a restart; -1: why says what is wrong, nothing changed.
 */
int	 wharfd_reload(struct wharfd *, char *why, size_t whylen);
void	 wharfd_log_level(struct wharfd *, int level);

#endif
