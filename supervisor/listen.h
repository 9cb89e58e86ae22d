/*
 * listen.h: the listening sockets of the node: for each address and each
 * worker seat one with SO_REUSEPORT, or those that systemd passed, shared by
 * all workers.  A socket's kind is made of the LISTEN_ bits of msg_ctl.h.
 */
#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/msg_ctl.h"
#include "supervisor/addr.h"
#include "supervisor/conf.h"
#include "supervisor/systemd.h"

struct listen_socket {
	uint64_t	id;
	int		fd;
	unsigned	kind;
	int		seat;		/* -1: shared by all */
};

struct listen_set {
	struct listen_socket	*s;
	unsigned		 n;
	/* The addresses with the ports that were chosen. */
	struct {
		unsigned	kind;
		char		text[ADDR_TEXT];
	}			 addr[LISTEN_KINDS * ADDR_LIST];
	unsigned		 naddr;
};

/*
 * Takes the sockets that the service manager passed, each by its name (db, mq,
 * db-tls, mq-tls), else by its port, else by its place (first db, second mq), and opens
 * what the configuration says for a listener that got none.  0, or -1 with a
 * message.
 */
int	 listen_open(struct listen_set *, const struct systemd *,
	    const struct conf *, unsigned seats, char *err, size_t errlen);
void	 listen_close(struct listen_set *);
/* Whether TLS is spoken on any. */
int	 listen_has_tls(const struct listen_set *);
/* Writes "db 127.0.0.1:8085" lines to path; 0 or -1 (errno). */
int	 listen_write_ports(const struct listen_set *, const char *path);

static inline const char *
listen_name(unsigned kind)
{
	static const char *const	names[LISTEN_KINDS] = {
		"db", "mq", "db-tls", "mq-tls"
	};

	return names[kind];
}

#endif
