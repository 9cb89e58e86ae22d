/*
 * login.h: name and password from an Authorization header (RFC 7617).  Pure.
 */
#ifndef WORKER_LOGIN_H
#define WORKER_LOGIN_H

#include <stddef.h>
#include <stdint.h>

#include "supervisor/password.h"
#include "supervisor/users.h"

#define LOGIN_MOST	(USER_NAME + 1 + PASSWORD_MOST)	/* bytes, decoded */

struct login {
	const char	*name, *password;	/* in room; no NUL behind them */
	size_t		 namelen, passlen;
	char		 room[LOGIN_MOST];
};

/*
 * 0, or -1: not "Basic", no proper base64 (with or without padding), no
 * colon, a name that no user can have, or longer than any login.
 */
int	 login_parse(struct login *, const char *header, size_t len);

#endif
