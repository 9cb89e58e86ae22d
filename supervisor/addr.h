/*
 * addr.h: the numeric listening addresses of db.listen and mq.listen:
 * "127.0.0.1:8085", "[::1]:8085", "*:8085" (every address, both families).
 * Pure: no names are looked up.
 */
#ifndef SUPERVISOR_ADDR_H
#define SUPERVISOR_ADDR_H

#include <stddef.h>
#include <sys/socket.h>

#define ADDR_TEXT	64		/* the longest address as text, with NUL */
#define ADDR_LIST	16		/* most addresses in one list */

struct addr {
	struct sockaddr_storage	sa;
	socklen_t		len;
	int			any;	/* was "*": IPv6 that takes IPv4 too */
};

/*
 * Reads a comma separated list; returns how many there are (1..ADDR_LIST), or
 * -1 with a message.
 */
int		 addr_list(const char *list, struct addr out[ADDR_LIST],
		    char *err, size_t errlen);
int		 addr_is_loopback(const struct addr *);
unsigned	 addr_port(const struct addr *);
void		 addr_set_port(struct addr *, unsigned port);
/* "[::1]:8085"; returns buf. */
const char	*addr_text(const struct addr *, char buf[ADDR_TEXT]);

#endif
