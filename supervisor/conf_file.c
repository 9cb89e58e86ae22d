/*
 * conf_file.c: a configuration as the file that conf_read takes: what is not
 * the default, one section after the other.  A backup has it, so that who
 * restores it has something to put in the place of a file that is lost.
 *
 * Strings stand in single quotes: in double ones libconfuse would put the
 * environment in the place of ${NAME}.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/conf_row.h"

static void
put_string(FILE *fp, const char *s)
{
	fputc('\'', fp);
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', fp);
		fputc(*s, fp);
	}
	fputc('\'', fp);
}

static void
put_value(FILE *fp, const struct conf *c, enum conf_id id)
{
	switch (conf_rows[id].type) {
	case T_INT:
		fprintf(fp, "%lld", (long long)conf_int(c, id));
		break;
	case T_BOOL:
		fputs(conf_int(c, id) ? "on" : "off", fp);
		break;
	default:
		put_string(fp, conf_str(c, id));
	}
}

static int
is_same(const struct conf *a, const struct conf *b, enum conf_id id)
{
	return conf_rows[id].type == T_STR ?
	    strcmp(conf_str(a, id), conf_str(b, id)) == 0 :
	    conf_int(a, id) == conf_int(b, id);
}

/* Keys of one section follow each other in the table. */
static void
put_all(FILE *fp, const struct conf *c, const struct conf *defaults)
{
	const char	*key, *in = NULL;
	size_t		 n, len = 0;
	int		 i;

	fputs("# What was not the default when the backup was made.\n", fp);
	for (i = 0; i < CONF_MAX_; i++) {
		if (is_same(c, defaults, (enum conf_id)i))
			continue;
		key = conf_rows[i].key;
		n = strcspn(key, ".");
		if (in == NULL || n != len || strncmp(in, key, n) != 0)
			fprintf(fp, "%s%.*s {\n", in == NULL ? "" : "}\n",
			    (int)n, key);
		in = key;
		len = n;
		fprintf(fp, "\t%s = ", key + n + 1);
		put_value(fp, c, (enum conf_id)i);
		fputc('\n', fp);
	}
	if (in != NULL)
		fputs("}\n", fp);
}

int
conf_file(const struct conf *c)
{
	struct conf	*defaults = conf_new();
	int		 fd = memfd_create("wharf-conf-file", MFD_CLOEXEC);
	FILE		*fp = fd == -1 ? NULL : fdopen(dup(fd), "w");
	int		 bad = 1;

	if (fp != NULL && defaults != NULL)
		put_all(fp, c, defaults);
	if (fp != NULL)
		bad = ferror(fp) | fclose(fp) | (defaults == NULL);
	conf_free(defaults);
	if (bad && fd != -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}
