/*
 * addr.c: listening addresses from text and back; see addr.h.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/addr.h"

/* 0..65535 in decimal, nothing else; -1 otherwise. */
static int
addr_parse_port(const char *s)
{
	int	port = 0;
	size_t	n = strlen(s);

	if (n == 0 || n > 5 || strspn(s, "0123456789") != n)
		return -1;
	for (; *s != '\0'; s++)
		port = port * 10 + (*s - '0');
	return port <= 65535 ? port : -1;
}

static int
addr_v4(struct addr *a, const char *host)
{
	struct sockaddr_in	*in = (struct sockaddr_in *)&a->sa;

	in->sin_family = AF_INET;
	a->len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -1;
}

static int
addr_v6(struct addr *a, const char *host)
{
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)&a->sa;

	in6->sin6_family = AF_INET6;
	a->len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -1;
}

/* text is taken apart in place. */
static int
addr_parse(struct addr *a, char *text)
{
	char	*colon = strrchr(text, ':');
	int	 port, rv;
	size_t	 n;

	memset(a, 0, sizeof(*a));
	if (colon == NULL || (port = addr_parse_port(colon + 1)) == -1)
		return -1;
	*colon = '\0';
	n = strlen(text);
	if (strcmp(text, "*") == 0) {
		a->any = 1;
		rv = addr_v6(a, "::");
	} else if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = '\0';
		rv = addr_v6(a, text + 1);
	} else {
		rv = addr_v4(a, text);
	}
	addr_set_port(a, (unsigned)port);
	return rv;
}

int
addr_list(const char *list, struct addr out[ADDR_LIST], char *err,
    size_t errlen)
{
	char	*copy = strdup(list), *rest = copy, *item;
	char	 shown[ADDR_TEXT];
	int	 n = 0;

	while (copy != NULL && (item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " \t");
		item[strcspn(item, " \t")] = '\0';
		snprintf(shown, sizeof(shown), "%s", item);
		if (n == ADDR_LIST) {
			snprintf(err, errlen, "more than %d addresses",
			    ADDR_LIST);
			n = -1;
			break;
		}
		if (addr_parse(&out[n], item) == -1) {
			snprintf(err, errlen, "\"%s\" is no numeric address "
			    "with a port, such as 127.0.0.1:8085, "
			    "[::1]:8085 or *:8085", shown);
			n = -1;
			break;
		}
		n++;
	}
	free(copy);
	return n;
}

int
addr_is_loopback(const struct addr *a)
{
	const struct sockaddr_in	*in = (const void *)&a->sa;
	const struct sockaddr_in6	*in6 = (const void *)&a->sa;

	if (a->sa.ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return in6->sin6_addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

unsigned
addr_port(const struct addr *a)
{
	if (a->sa.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
}

void
addr_set_port(struct addr *a, unsigned port)
{
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&a->sa)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&a->sa)->sin6_port =
		    htons((uint16_t)port);
}

const char *
addr_text(const struct addr *a, char buf[ADDR_TEXT])
{
	char	host[INET6_ADDRSTRLEN] = "?";

	if (a->any) {
		snprintf(buf, ADDR_TEXT, "*:%u", addr_port(a));
	} else if (a->sa.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)
		    ->sin_addr, host, sizeof(host));
		snprintf(buf, ADDR_TEXT, "%s:%u", host, addr_port(a));
	} else {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a->sa)
		    ->sin6_addr, host, sizeof(host));
		snprintf(buf, ADDR_TEXT, "[%s]:%u", host, addr_port(a));
	}
	return buf;
}
