/*
 * users.c: the lines of auth.file; see users.h.  Pure.  In wharfd and wharfctl
 * (which check them), and in the workers (which use them).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/users.h"

#define SALT_TEXT	22	/* base64 of 16 bytes, not padded */
#define RESULT_TEXT	43	/* of 32 */

struct users {
	size_t		n;
	struct user	u[];	/* sorted by name */
};

static const char	base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";
static const char	name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789_.@-";

static const char *const	roles[] = {
	[ROLE_NONE] = "", [ROLE_READ] = "read", [ROLE_WRITE] = "write",
	[ROLE_ADMIN] = "admin",
};

const char *
role_name(enum role r)
{
	return roles[r];
}

enum role
role_parse(const char *text, size_t len)
{
	int	r;

	for (r = ROLE_READ; r <= ROLE_ADMIN; r++)
		if (strlen(roles[r]) == len && memcmp(roles[r], text, len) == 0)
			return (enum role)r;
	return ROLE_NONE;
}

int
user_name_good(const char *name, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (name[i] == '\0' || strchr(name_chars, name[i]) == NULL)
			return 0;
	return len >= 1 && len <= USER_NAME;
}

/* Passes over text at *s; 0 when it is not there. */
static int
skip_text(const char **s, const char *text)
{
	size_t	n = strlen(text);

	if (strncmp(*s, text, n) != 0)
		return 0;
	*s += n;
	return 1;
}

/* Passes over a number least..most, without leading zeros. */
static int
skip_number(const char **s, unsigned least, unsigned most)
{
	unsigned	n = 0, digits = 0;

	if (**s == '0')
		return 0;
	for (; **s >= '0' && **s <= '9' && digits < 9; ++*s, digits++)
		n = n * 10 + (unsigned)(**s - '0');
	return digits > 0 && n >= least && n <= most;
}

static int
skip_base64(const char **s, size_t len)
{
	if (strspn(*s, base64) != len)
		return 0;
	*s += len;
	return 1;
}

/* s has a NUL. */
static int
hash_good(const char *s)
{
	return skip_text(&s, "$argon2id$v=19$m=") &&
	    skip_number(&s, 8, USER_HASH_KIB) && skip_text(&s, ",t=") &&
	    skip_number(&s, 1, USER_HASH_PASSES) && skip_text(&s, ",p=1$") &&
	    skip_base64(&s, SALT_TEXT) && skip_text(&s, "$") &&
	    skip_base64(&s, RESULT_TEXT) && *s == '\0';
}

/* NULL, or what is wrong. */
static const char *
line_parse(struct user *u, const char *line, size_t len)
{
	const char	*role = memchr(line, ':', len), *hash, *end = line + len;

	if (role == NULL ||
	    (hash = memchr(role + 1, ':', (size_t)(end - role - 1))) == NULL)
		return "not name:role:hash";
	if (!user_name_good(line, (size_t)(role - line)))
		return "a name has 1 to 64 of 0-9A-Za-z_.@-";
	memset(u, 0, sizeof(*u));
	memcpy(u->name, line, (size_t)(role - line));
	role++;
	u->role = role_parse(role, (size_t)(hash - role));
	if (u->role == ROLE_NONE)
		return "a role is read, write or admin";
	hash++;
	if ((size_t)(end - hash) < sizeof(u->hash))
		memcpy(u->hash, hash, (size_t)(end - hash));
	if (strlen(u->hash) != (size_t)(end - hash) || !hash_good(u->hash))
		return "no Argon2id hash of at most 16 MiB and 10 passes";
	return NULL;
}

static int
user_order(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->name,
	    ((const struct user *)b)->name);
}

static const char *
lines_parse(struct users *us, const char *text, size_t len, unsigned *line)
{
	const char	*end = text + len, *nl, *why;

	for (*line = 1; text < end; text = nl + 1, ++*line) {
		if ((nl = memchr(text, '\n', (size_t)(end - text))) == NULL)
			nl = end;
		if (nl == text || *text == '#')
			continue;
		if (us->n == USERS_MOST)
			return "more than 4096 users";
		why = line_parse(&us->u[us->n], text, (size_t)(nl - text));
		if (why != NULL)
			return why;
		us->n++;
	}
	return NULL;
}

/* The name that stands twice, or NULL. */
static const char *
users_sort(struct users *us)
{
	size_t	i;

	qsort(us->u, us->n, sizeof(us->u[0]), user_order);
	for (i = 1; i < us->n; i++)
		if (strcmp(us->u[i - 1].name, us->u[i].name) == 0)
			return us->u[i].name;
	return NULL;
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t	i, n = 1;

	for (i = 0; i < len; i++)
		n += text[i] == '\n';
	return n < USERS_MOST ? n : USERS_MOST;
}

struct users *
users_parse(const char *text, size_t len, char *err, size_t errlen)
{
	struct users	*us;
	const char	*why, *twice;
	unsigned	 line = 0;

	us = calloc(1, sizeof(*us) + count_lines(text, len) *
	    sizeof(us->u[0]));
	if (us == NULL)
		snprintf(err, errlen, "out of memory");
	else if (len > USERS_BYTES)
		snprintf(err, errlen, "longer than %u bytes", USERS_BYTES);
	else if ((why = lines_parse(us, text, len, &line)) != NULL)
		snprintf(err, errlen, "line %u: %s", line, why);
	else if ((twice = users_sort(us)) != NULL)
		snprintf(err, errlen, "the user \"%s\" stands twice", twice);
	else
		return us;
	free(us);
	return NULL;
}

void
users_free(struct users *us)
{
	free(us);
}

size_t
users_count(const struct users *us)
{
	return us->n;
}

const struct user *
users_find(const struct users *us, const char *name, size_t len)
{
	struct user	key;

	if (len > USER_NAME)
		return NULL;
	memcpy(key.name, name, len);
	key.name[len] = '\0';
	/* A NUL within would end the name early. */
	if (strlen(key.name) != len)
		return NULL;
	return bsearch(&key, us->u, us->n, sizeof(us->u[0]), user_order);
}

char *
users_edit(const char *text, const char *name, enum role role,
    const char *hash)
{
	size_t		 n = strlen(name), linelen;
	char		*out = NULL;
	const char	*line;
	size_t		 size = 0;
	FILE		*fp = open_memstream(&out, &size);

	if (fp == NULL)
		return NULL;
	for (line = text; *line != '\0'; line += linelen) {
		linelen = strcspn(line, "\n");
		if (strncmp(line, name, n) != 0 || line[n] != ':')
			fprintf(fp, "%.*s\n", (int)linelen, line);
		else if (hash != NULL) {
			fprintf(fp, "%s:%s:%s\n", name, role_name(role), hash);
			hash = NULL;
		}
		linelen += line[linelen] == '\n';
	}
	if (hash != NULL)
		fprintf(fp, "%s:%s:%s\n", name, role_name(role), hash);
	if (ferror(fp) || fclose(fp) != 0) {
		free(out);
		return NULL;
	}
	return out;
}
