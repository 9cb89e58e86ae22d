/*
 * conf.h: the configuration, from the one table conf.def.
 *
 * wharfd reads the file and the -o options, checks them, and hands the result
 * to its children as text in a sealed memfd (fd 5, and again with RELOAD).
 */
#ifndef SUPERVISOR_CONF_H
#define SUPERVISOR_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_id {
#define INT(id, key, def, min, max, rel, help) id,
#define STR(id, key, def, rel, help) id,
#define BOOL(id, key, def, rel, help) id,
#define ENUM(id, key, def, words, rel, help) id,
#include "supervisor/conf.def"
#undef INT
#undef STR
#undef BOOL
#undef ENUM
	CONF_MAX_
};

struct conf;

/* The defaults. */
struct conf	*conf_new(void);
void		 conf_free(struct conf *);
struct conf	*conf_copy(const struct conf *);
/*
 * Reads a file in libconfuse's syntax (section { key = value }).  0, or -1
 * with a message "FILE:LINE: what" in err.
 */
int		 conf_read(struct conf *, const char *path, char *err, size_t errlen);
/* One "section.key=value"; 0, or -1 with a message. */
int		 conf_option(struct conf *, const char *text, char *err, size_t errlen);
/* What no single row can check (power of two, path lengths, addresses). */
int		 conf_check(const struct conf *, char *err, size_t errlen);

/* Whether the listeners may be open to other machines. */
int		 conf_may_be_reached(const struct conf *);

int64_t		 conf_int(const struct conf *, enum conf_id);	/* INT, BOOL; ENUM: index of the word */
const char	*conf_str(const struct conf *, enum conf_id);	/* STR, ENUM */
void		 conf_set_int(struct conf *, enum conf_id, int64_t);
const char	*conf_key(enum conf_id);
/*
 * Takes over the reloadable keys from fresh; the names of changed keys that
 * need a restart are written to why ("stores.count db.listen").
 */
void		 conf_reload(struct conf *, const struct conf *fresh, char *why, size_t whylen);

/* All keys as "section.key=value" lines into a sealed memfd; -1 on error. */
int		 conf_to_memfd(const struct conf *);
/* And back; NULL with a message. The descriptor stays open. */
struct conf	*conf_from_fd(int fd, char *err, size_t errlen);
/* What is not the default, as conf_read takes it, in a memfd; -1 with errno. */
int		 conf_file(const struct conf *);
/* The table as mdoc, for doc/wharf.conf.5. */
void		 conf_print_mdoc(FILE *);

#endif
