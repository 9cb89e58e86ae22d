/*
 * wharfctl_passwd.c: edits auth.file; see wharfctl_passwd.h.
 *
 * The file is replaced in one step: a new one beside it, synced, takes its
 * name.  The directory is locked meanwhile, so that two edits do not undo each
 * other.  A file that wharfd would refuse is not edited.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "supervisor/password.h"
#include "supervisor/users.h"
#include "supervisor/wharfctl_passwd.h"

#define FAILED	1
#define USAGE	2
#define SIGNALS	5

struct edit {
	const char	*path, *name;
	enum role	 role;		/* ROLE_NONE: as it was */
	const char	*hash;		/* NULL: remove */
	int		 dir;		/* locked */
	struct stat	 st;		/* of the old file */
	uid_t		 uid;		/* whose a new file is */
	gid_t		 gid;
	int		 there;		/* there was an old file */
};

static volatile sig_atomic_t	interrupted;

static int fail(const char *, ...) __attribute__((format(printf, 1, 2)));

/* Always FAILED. */
static int
fail(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	fputs("wharfctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return FAILED;
}

/* The password */

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/*
 * One line of standard input, without its end; -1: none, or too long.  Signals
 * that are blocked come in while it waits, with this mask, and end it.
 */
static int
line_read(char out[PASSWORD_MOST + 1], const sigset_t *mask)
{
	struct pollfd	pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t		n = 0;
	ssize_t		r;
	char		c;

	while (!interrupted) {
		pfd.revents = 0;	/* a signal leaves it as it is */
		if (ppoll(&pfd, 1, NULL, mask) == -1 && errno != EINTR)
			return -1;
		if (pfd.revents == 0)
			continue;
		if ((r = read(STDIN_FILENO, &c, 1)) == -1 && errno != EINTR)
			return -1;
		if (r == -1)
			continue;
		if (r == 0 || c == '\n' || c == '\0')
			break;
		if (n == PASSWORD_MOST)
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return interrupted || n == 0 ? -1 : 0;
}

/* The terminal is as it was, also when a signal ends the waiting. */
static int
terminal_read(const char *prompt, char out[PASSWORD_MOST + 1])
{
	static const int	numbers[SIGNALS] = { SIGINT, SIGTERM, SIGQUIT,
	    SIGHUP, SIGTSTP };
	struct sigaction	sa = { .sa_handler = on_signal }, old[SIGNALS];
	struct termios		was, quiet;
	sigset_t		block, mask;
	size_t			i;
	int			rv;

	if (tcgetattr(STDIN_FILENO, &was) == -1)
		return -1;
	sigemptyset(&block);
	for (i = 0; i < SIGNALS; i++)
		sigaddset(&block, numbers[i]);
	sigprocmask(SIG_BLOCK, &block, &mask);
	for (i = 0; i < SIGNALS; i++)
		sigaction(numbers[i], &sa, &old[i]);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fputs(prompt, stderr);		/* what was typed before is gone */
	rv = line_read(out, &mask);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fputc('\n', stderr);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (i = 0; i < SIGNALS; i++)
		sigaction(numbers[i], &old[i], NULL);
	return interrupted ? -1 : rv;
}

static int
password_ask(char out[PASSWORD_MOST + 1])
{
	char		again[PASSWORD_MOST + 1];
	sigset_t	mask;
	int		same;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (!isatty(STDIN_FILENO))
		return line_read(out, &mask) == 0 ? 0 : fail("no password on standard "
		    "input, or one of more than %u bytes", PASSWORD_MOST);
	if (terminal_read("Password: ", out) == -1 ||
	    terminal_read("Once more: ", again) == -1)
		return fail("no password, or one of more than %u bytes",
		    PASSWORD_MOST);
	same = strcmp(out, again) == 0;
	explicit_bzero(again, sizeof(again));
	return same ? 0 : fail("the two are not the same");
}

static int
hash_ask(char hash[USER_HASH])
{
	char	password[PASSWORD_MOST + 1];
	int	rv;

	if (password_init() == -1)
		return fail("libsodium does not start");
	if ((rv = password_ask(password)) != 0)
		return rv;
	if (password_hash(hash, password, strlen(password)) == -1)
		rv = fail("out of memory");
	explicit_bzero(password, sizeof(password));
	return rv;
}

/* The file */

static int
dir_lock(struct edit *e)
{
	char	path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", e->path);
	e->dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir == -1 || flock(e->dir, LOCK_EX) == -1)
		return fail("%s: %s", e->path, strerror(errno));
	return 0;
}

/* The text as it is, "" of a file that is not there; NULL with a message. */
static char *
file_read(struct edit *e)
{
	char	err[PATH_MAX + 256], *text;

	e->there = stat(e->path, &e->st) == 0;
	if (!e->there && errno == ENOENT && e->hash != NULL)
		return strdup("");
	if (!e->there) {
		fail("%s: %s", e->path, strerror(errno));
		return NULL;
	}
	if ((text = users_read(e->path, e->st.st_uid, err, sizeof(err))) == NULL)
		fail("%s", err);
	return text;
}

/* NULL with a message. */
static char *
text_edit(struct edit *e, const char *text)
{
	char			 err[256], *out = NULL;
	struct users		*us = users_parse(text, strlen(text), err, sizeof(err));
	const struct user	*u;

	if (us == NULL) {
		fail("%s: %s", e->path, err);
		return NULL;
	}
	u = users_find(us, e->name, strlen(e->name));
	if (e->role == ROLE_NONE)
		e->role = u != NULL ? u->role : ROLE_READ;
	if (e->hash == NULL && u == NULL)
		fail("%s: no user \"%s\"", e->path, e->name);
	else if (e->hash != NULL && u == NULL && users_count(us) == USERS_MOST)
		fail("%s: there are %u users already", e->path, USERS_MOST);
	else if ((out = users_edit(text, e->name, e->role, e->hash)) == NULL)
		fail("out of memory");
	users_free(us);
	return out;
}

/* Rights and owner of the old file, or those of a new one. */
static int
file_like(const struct edit *e, int fd)
{
	mode_t	mode = e->there ? e->st.st_mode & 0777 : 0600;
	uid_t	uid = e->there ? e->st.st_uid : e->uid;
	gid_t	gid = e->there ? e->st.st_gid : e->gid;

	if ((uid != geteuid() || gid != getegid()) &&
	    fchown(fd, uid, gid) == -1)
		return -1;
	return fchmod(fd, mode);
}

static int
file_replace(const struct edit *e, const char *text)
{
	char	tmp[PATH_MAX];
	size_t	len = strlen(text);
	int	fd, bad;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.XXXXXX", e->path) >=
	    sizeof(tmp))
		return fail("%s: the path is too long", e->path);
	if ((fd = mkostemp(tmp, O_CLOEXEC)) == -1)
		return fail("%s: %s", tmp, strerror(errno));
	bad = write(fd, text, len) != (ssize_t)len || file_like(e, fd) == -1 ||
	    fsync(fd) == -1;
	bad |= close(fd) == -1;
	if (bad || rename(tmp, e->path) == -1) {
		fail("%s: %s", tmp, strerror(errno));
		unlink(tmp);
		return FAILED;
	}
	return fsync(e->dir) == 0 ? 0 : fail("%s: %s", e->path,
	    strerror(errno));
}

static int
edit_file(struct edit *e)
{
	char	*text, *fresh;
	int	 rv;

	if ((rv = dir_lock(e)) != 0)
		return rv;
	if ((text = file_read(e)) == NULL)
		return FAILED;
	fresh = text_edit(e, text);
	rv = fresh != NULL ? file_replace(e, fresh) : FAILED;
	free(fresh);
	free(text);
	close(e->dir);
	return rv;
}

static void
edit_owner(struct edit *e, const struct conf *c)
{
	const char		*user = conf_str(c, CONF_NODE_USER);
	const struct passwd	*pw = *user != '\0' ? getpwnam(user) : NULL;

	e->uid = geteuid();
	e->gid = getegid();
	if (pw != NULL && e->uid == 0) {
		e->uid = pw->pw_uid;
		e->gid = pw->pw_gid;
	}
}

int
passwd_run(const struct conf *c, const char *file, const char *name,
    const char *role, int remove)
{
	struct edit	e = { .path = file, .name = name, .dir = -1 };
	char		hash[USER_HASH], real[PATH_MAX];
	int		rv;

	if (file == NULL)
		e.path = conf_str(c, CONF_AUTH_FILE);
	if (*e.path == '\0')
		return fail("the configuration names no auth.file; "
		    "try -c FILE or -f FILE"), USAGE;
	if (realpath(e.path, real) != NULL)
		e.path = real;		/* what a link names is replaced */
	if (!user_name_good(name, strlen(name)))
		return fail("a name has 1 to %u of 0-9A-Za-z_.@-",
		    USER_NAME), USAGE;
	if (role != NULL &&
	    (e.role = role_parse(role, strlen(role))) == ROLE_NONE)
		return fail("a role is read, write or admin"), USAGE;
	edit_owner(&e, c);
	if (!remove) {
		if ((rv = hash_ask(hash)) != 0)
			return rv;
		e.hash = hash;
	}
	if ((rv = edit_file(&e)) == 0)
		printf("%s: \"%s\" %s; \"wharfctl reload\" makes wharfd see "
		    "it\n", e.path, name, remove ? "is removed" : "is set");
	return rv;
}
