/*
 * conf_io.c: a configuration from a file (libconfuse's syntax), into and out
 * of the memfd that children get, and as the table of wharf.conf.5.
 *
 * libconfuse sees every key as a string and only knows sections and names;
 * each value goes through conf_set_text while the parser still knows its
 * line.  Its callbacks carry no pointer of ours, hence `reading`.
 */
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/conf_row.h"

#define SECTIONS	32
#define FILE_MAX	(1u << 20)	/* bytes of a configuration file */
#define TEXT_MAX	65536		/* bytes of the text in a memfd */
#define CONF_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

struct section {
	char		name[32];
	cfg_opt_t	opts[CONF_MAX_ + 1];
};

static struct {
	struct conf	*conf;
	const char	*path;		/* sections know no file name */
	char		*err;
	size_t		 errlen;
} reading;

static void on_cfg_error(cfg_t *, const char *, va_list)
    __attribute__((format(printf, 2, 0)));

/* The first message counts; libconfuse may add others that follow from it. */
static void
on_cfg_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	int	n;

	if (reading.err[0] != '\0')
		return;
	n = snprintf(reading.err, reading.errlen, "%s:%d: ", reading.path,
	    cfg != NULL ? cfg->line : 0);
	if (n > 0 && (size_t)n < reading.errlen)
		vsnprintf(reading.err + n, reading.errlen - (size_t)n, fmt, ap);
}

static int
on_cfg_value(cfg_t *cfg, cfg_opt_t *opt)
{
	char	key[96], err[512];
	int	id;

	snprintf(key, sizeof(key), "%s.%s", cfg_name(cfg), opt->name);
	if ((id = conf_find(key, strlen(key))) == -1)
		return -1;
	if (conf_set_text(reading.conf, (enum conf_id)id,
	    cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1), err,
	    sizeof(err)) == 0)
		return 0;
	cfg_error(cfg, "%s", err);
	return -1;
}

/* One section for each part before the dot, in the table's order. */
static unsigned
sections_fill(struct section *sec)
{
	const char	*key, *dot;
	unsigned	 n = 0, count[SECTIONS] = { 0 }, s;
	int		 i;

	for (i = 0; i < CONF_MAX_; i++) {
		key = conf_rows[i].key;
		dot = strchr(key, '.');
		for (s = 0; s < n; s++)
			if (strncmp(sec[s].name, key, (size_t)(dot - key)) == 0 &&
			    sec[s].name[dot - key] == '\0')
				break;
		if (s == n) {
			if (n == SECTIONS)
				abort();
			snprintf(sec[n++].name, sizeof(sec[0].name), "%.*s",
			    (int)(dot - key), key);
		}
		sec[s].opts[count[s]++] = (cfg_opt_t)CFG_STR(dot + 1, NULL,
		    CFGF_NODEFAULT);
	}
	for (s = 0; s < n; s++)
		sec[s].opts[count[s]] = (cfg_opt_t)CFG_END();
	return n;
}

static cfg_t *
parser_new(struct section *sec)
{
	cfg_opt_t	 top[SECTIONS + 1];
	cfg_t		*cfg;
	char		 path[96];
	unsigned	 n = sections_fill(sec), s;
	cfg_opt_t	*o;

	for (s = 0; s < n; s++)
		top[s] = (cfg_opt_t)CFG_SEC(sec[s].name, sec[s].opts,
		    CFGF_NONE);
	top[n] = (cfg_opt_t)CFG_END();
	if ((cfg = cfg_init(top, CFGF_NONE)) == NULL)
		return NULL;
	cfg_set_error_function(cfg, on_cfg_error);
	for (s = 0; s < n; s++) {
		for (o = sec[s].opts; o->name != NULL; o++) {
			snprintf(path, sizeof(path), "%s|%s", sec[s].name,
			    o->name);
			cfg_set_validate_func(cfg, path, on_cfg_value);
		}
	}
	return cfg;
}

static char *
quoted_end(char *p)
{
	char	quote = *p++;

	while (*p != '\0' && *p != quote)
		p += *p == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == '\0' ? p : p + 1;
}

static char *
blank_until(char *p, const char *end)
{
	size_t	n = strlen(end);

	while (*p != '\0' && strncmp(p, end, n) != 0) {
		if (*p != '\n')
			*p = ' ';
		p++;
	}
	return p;
}

/* What follows blank space or punctuation begins a word. */
static int
is_between(char c)
{
	return strchr(" \t\r\n={}(),;+", c) != NULL;
}

/*
 * libconfuse 3.3 counts the line of a comment up to three times; without
 * comments its line numbers are right.  It also takes the end of the file for
 * the end of a section: returns the brace that nobody closed, or NULL.
 */
static const char *
blank_comments(char *p)
{
	const char	*brace = NULL;
	int		 start = 1;

	while (*p != '\0') {
		if (*p == '"' || *p == '\'') {
			p = quoted_end(p);
			start = 1;
		} else if (*p == '#' || (start && strncmp(p, "//", 2) == 0)) {
			p = blank_until(p, "\n");
		} else if (start && strncmp(p, "/*", 2) == 0) {
			p = blank_until(p, "*/");
			if (*p != '\0')
				p = memset(p, ' ', 2);
		} else {
			if (*p == '{' || *p == '}')
				brace = *p == '{' ? p : NULL;
			start = is_between(*p);
			p++;
		}
	}
	return brace;
}

static int
line_of(const char *text, const char *p)
{
	int	n = 1;

	for (; text < p; text++)
		n += *text == '\n';
	return n;
}

static int
parse_text(struct conf *c, const char *path, char *text, char *err,
    size_t errlen)
{
	struct section	*sec = calloc(SECTIONS, sizeof(*sec));
	cfg_t		*cfg = sec == NULL ? NULL : parser_new(sec);
	const char	*brace = blank_comments(text);
	int		 rv = -1;

	err[0] = '\0';
	if (cfg == NULL) {
		snprintf(err, errlen, "%s: out of memory", path);
	} else {
		reading.conf = c;
		reading.path = path;
		reading.err = err;
		reading.errlen = errlen;
		rv = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -1;
		if (rv == -1 && err[0] == '\0')
			snprintf(err, errlen, "%s: cannot be read", path);
		cfg_free(cfg);
	}
	free(sec);
	if (rv == 0 && brace != NULL) {
		snprintf(err, errlen, "%s:%d: this section is not closed",
		    path, line_of(text, brace));
		rv = -1;
	}
	return rv;
}

/* Reads until end of file (a pipe will do); NULL with errno. */
static char *
read_file(const char *path, size_t *len)
{
	FILE	*fp = fopen(path, "re");
	char	*text = fp == NULL ? NULL : malloc(FILE_MAX + 1);

	if (text != NULL) {
		*len = fread(text, 1, FILE_MAX + 1, fp);
		if (*len > FILE_MAX)
			errno = EFBIG;
		if (*len > FILE_MAX || ferror(fp)) {
			free(text);
			text = NULL;
		} else {
			text[*len] = '\0';
		}
	}
	if (fp != NULL)
		fclose(fp);
	return text;
}

int
conf_read(struct conf *c, const char *path, char *err, size_t errlen)
{
	size_t	 len = 0;
	char	*text = read_file(path, &len);
	int	 rv = -1;

	if (text == NULL)
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
	else if (memchr(text, '\0', len) != NULL)
		snprintf(err, errlen, "%s: not a text file", path);
	else
		rv = parse_text(c, path, text, err, errlen);
	free(text);
	return rv;
}

static void
print_value(const struct conf *c, enum conf_id id, FILE *fp)
{
	switch (conf_rows[id].type) {
	case T_INT:
		fprintf(fp, "%lld", (long long)conf_int(c, id));
		break;
	case T_BOOL:
		fputs(conf_int(c, id) ? "on" : "off", fp);
		break;
	default:
		fputs(conf_str(c, id), fp);
	}
}

int
conf_to_memfd(const struct conf *c)
{
	int	 fd = memfd_create("wharf-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FILE	*fp = fd == -1 ? NULL : fdopen(dup(fd), "w");
	int	 i, bad = 1;

	for (i = 0; fp != NULL && i < CONF_MAX_; i++) {
		fprintf(fp, "%s=", conf_rows[i].key);
		print_value(c, (enum conf_id)i, fp);
		fputc('\n', fp);
	}
	if (fp != NULL)
		bad = fclose(fp) != 0 ||
		    fcntl(fd, F_ADD_SEALS, CONF_SEALS) == -1;
	if (bad && fd != -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The whole text, with a NUL; the file offset is shared and not used. */
static char *
read_text(int fd)
{
	struct stat	 st;
	char		*text;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size > TEXT_MAX) {
		errno = EFBIG;
		return NULL;
	}
	if ((text = calloc(1, (size_t)st.st_size + 1)) != NULL &&
	    pread(fd, text, (size_t)st.st_size, 0) != (ssize_t)st.st_size) {
		free(text);
		text = NULL;
	}
	return text;
}

struct conf *
conf_from_fd(int fd, char *err, size_t errlen)
{
	struct conf	*c = conf_new();
	char		*text = read_text(fd), *rest = text, *line;
	int		 bad = 0;

	if (c == NULL || text == NULL) {
		snprintf(err, errlen, "configuration: %s", strerror(errno));
		bad = 1;
	}
	while (!bad && (line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			bad = conf_option(c, line, err, errlen) == -1;
	free(text);
	if (bad) {
		conf_free(c);
		return NULL;
	}
	return c;
}

/* Text in a mdoc page: a line must not begin with a dot or an apostrophe. */
static void
print_help(const char *help, FILE *fp)
{
	for (; *help != '\0'; help++) {
		if (*help == '\\')
			fputs("\\e", fp);
		else if (*help == '-')
			fputs("\\-", fp);
		else if (*help == '.' && help[1] == ' ') {
			fputs(".\n", fp);
			help++;
		} else
			fputc(*help, fp);
	}
	fputc('\n', fp);
}

static void
print_type(const struct conf_row *r, FILE *fp)
{
	const char	*w;

	switch (r->type) {
	case T_INT:
		fprintf(fp, "A number from %lld to %lld.\n", (long long)r->min,
		    (long long)r->max);
		break;
	case T_BOOL:
		fputs("On or off.\n", fp);
		break;
	case T_ENUM:
		fputs("One of", fp);
		for (w = r->words; ; w += strcspn(w, "|") + 1) {
			fprintf(fp, " %.*s", (int)strcspn(w, "|"), w);
			if (w[strcspn(w, "|")] == '\0')
				break;
		}
		fputs(".\n", fp);
		break;
	case T_STR:
		break;
	}
}

void
conf_print_mdoc(FILE *fp)
{
	const struct conf_row	*r;
	size_t			 n, last = 0;
	int			 i;

	for (i = 0; i < CONF_MAX_; i++) {
		r = &conf_rows[i];
		n = strcspn(r->key, ".");
		if (i == 0 || n != last ||
		    strncmp(r->key, conf_rows[i - 1].key, n) != 0) {
			fprintf(fp, "%s.Ss Section %.*s\n"
			    ".Bl -tag -width Ds\n", i == 0 ? "" : ".El\n",
			    (int)n, r->key);
			last = n;
		}
		fprintf(fp, ".It Ic %s No = Ar %s\n", r->key + n + 1,
		    r->def[0] == '\0' ? "\\(dq\\(dq" : r->def);
		print_help(r->help, fp);
		print_type(r, fp);
		if (r->reload)
			fputs("Can be changed by a reload.\n", fp);
	}
	fputs(".El\n", fp);
}
