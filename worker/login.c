/*
 * login.c: see login.h.  base64 is read by libsodium, in a time that does not
 * depend on what it says.
 */
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "worker/login.h"

/* Whether text of n characters has the padding at its end. */
static int
is_padded(const char *text, size_t n)
{
	return n > 0 && text[n - 1] == '=';
}

int
login_parse(struct login *l, const char *header, size_t len)
{
	const char	*end, *colon;
	size_t		 n;
	int		 form;

	if (len < 6 || strncasecmp(header, "Basic ", 6) != 0)
		return -1;
	for (header += 6, len -= 6; len > 0 && *header == ' '; len--)
		header++;
	while (len > 0 && header[len - 1] == ' ')
		len--;
	form = is_padded(header, len) || len % 4 == 0 ?
	    sodium_base64_VARIANT_ORIGINAL :
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	if (sodium_base642bin((unsigned char *)l->room, sizeof(l->room),
	    header, len, NULL, &n, &end, form) == -1 || end != header + len)
		return -1;
	if ((colon = memchr(l->room, ':', n)) == NULL)
		return -1;
	l->name = l->room;
	l->namelen = (size_t)(colon - l->room);
	l->password = colon + 1;
	l->passlen = n - l->namelen - 1;
	return user_name_good(l->name, l->namelen) &&
	    l->passlen <= PASSWORD_MOST ? 0 : -1;
}
