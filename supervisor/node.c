/*
 * node.c: the data and run directories; see node.h.  Runs in wharfd, before
 * anything is started.  Every refusal changes nothing on disk but the locks'
 * files.
 *
 * Two locks guard the data.  LOCK is wharfd's.  LOCK.actors is inherited by
 * every actor and so lives as long as the last of them: a new wharfd that
 * comes right after a crash waits until the orphans have finished.
 */
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/clock.h"
#include "supervisor/catalogue.h"
#include "supervisor/log.h"
#include "supervisor/node.h"

#define PATH_LONG	4096
#define DIR_MODE	0750
#define ORPHANS_WAIT	20000000	/* usec */
#define FILES_DEFAULT	16
#define ROUTERS_DEFAULT	1
#define SHARE_MOST	8

static int refuse(char *, size_t, const char *, ...)
    __attribute__((format(printf, 3, 4)));

/* Always -1. */
static int
refuse(char *err, size_t errlen, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -1;
}

/*
 * A store for every second core, a worker for each: an answer costs a worker
 * four times what it costs a store (doc/benchmarks.md), and more stores take
 * the batches from each other.
 */
static unsigned
node_share(long cores)
{
	long	n = sysconf(_SC_NPROCESSORS_ONLN) / cores;

	if (n < 1)
		return 1;
	return n > SHARE_MOST ? SHARE_MOST : (unsigned)n;
}

static int
make_dir(const char *path, char *err, size_t errlen)
{
	struct stat	st;

	if (mkdir(path, DIR_MODE) == -1 && errno != EEXIST)
		return refuse(err, errlen, "make %s: %s", path,
		    strerror(errno));
	if (stat(path, &st) == -1)
		return refuse(err, errlen, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse(err, errlen, "%s is no directory", path);
	return 0;
}

static int
sync_dir(const char *path)
{
	int	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rv;

	if (fd == -1)
		return -1;
	rv = fsync(fd);
	close(fd);
	return rv;
}

/* Locks */

/* The descriptor, or -1: errno EWOULDBLOCK when somebody else has it. */
static int
lock_file(const char *dir, const char *name)
{
	char	path[PATH_LONG];
	int	fd, saved;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
lock_dir(const char *dir, char *err, size_t errlen)
{
	int	fd = lock_file(dir, "LOCK");

	if (fd != -1)
		return fd;
	if (errno == EWOULDBLOCK)
		return refuse(err, errlen, "%s is in use by another wharfd",
		    dir);
	return refuse(err, errlen, "lock %s: %s", dir, strerror(errno));
}

static int
lock_actors(const char *dir, char *err, size_t errlen)
{
	mono_t	since = mono_now();
	int	fd, told = 0;

	while ((fd = lock_file(dir, "LOCK.actors")) == -1) {
		if (errno != EWOULDBLOCK)
			return refuse(err, errlen, "lock %s: %s", dir,
			    strerror(errno));
		if (mono_diff(since, mono_now()) > ORPHANS_WAIT)
			return refuse(err, errlen, "%s is in use by actors "
			    "that an earlier wharfd left behind", dir);
		if (!told)
			log_info("waiting for the actors of an earlier wharfd");
		told = 1;
		usleep(50000);
	}
	return fd;
}

/* NODE */

static int
node_parse(struct node *n, unsigned *found, FILE *fp, const char *path,
    char *err, size_t errlen)
{
	unsigned		format;
	unsigned long long	id;
	char			rest;

	if (fscanf(fp, "wharf-node %u", &format) != 1)
		return refuse(err, errlen, "%s: not a node file", path);
	if (format > NODE_FORMAT)
		return refuse(err, errlen, "%s: format %u is newer than this "
		    "program (%u)", path, format, NODE_FORMAT);
	if (fscanf(fp, " id %16llx stores %u files %u routers %u %c", &id,
	    &n->stores, &n->files, &n->routers, &rest) != 4 ||
	    n->stores < 1 || n->stores > 64 || n->files < 1 || n->files > 64 ||
	    n->routers < 1 || n->routers > 64)
		return refuse(err, errlen, "%s: damaged", path);
	n->id = id;
	*found = format;
	return 0;
}

static int
node_write(const struct node *n, const char *data, const char *path, char *err,
    size_t errlen)
{
	char	 tmp[PATH_LONG + 8];
	FILE	*fp;
	int	 bad = 1;

	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	if ((fp = fopen(tmp, "we")) != NULL) {
		fprintf(fp, "wharf-node %d\nid %016llx\nstores %u\nfiles %u\n"
		    "routers %u\n", NODE_FORMAT, (unsigned long long)n->id,
		    n->stores, n->files, n->routers);
		bad = fflush(fp) != 0 || fsync(fileno(fp)) == -1;
		bad |= fclose(fp) != 0;
	}
	if (bad || rename(tmp, path) == -1 || sync_dir(data) == -1)
		return refuse(err, errlen, "write %s: %s", path,
		    strerror(errno));
	return 0;
}

/* Names in a directory other than those given; -1: it cannot be read. */
static int
count_others(const char *path, const char *but)
{
	DIR		*d = opendir(path);
	struct dirent	*e;
	int		 n = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : -1;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, but) != 0)
			n++;
	closedir(d);
	return n;
}

/* Makes store.N or router.N, and its wal; what is there must be empty. */
static int
make_shard(const char *data, const char *role, unsigned seat, char *err,
    size_t errlen)
{
	char	dir[PATH_LONG], wal[PATH_LONG + 8];

	snprintf(dir, sizeof(dir), "%s/%s.%u", data, role, seat);
	snprintf(wal, sizeof(wal), "%s/wal", dir);
	if (count_others(dir, "wal") != 0 || count_others(wal, "") != 0)
		return refuse(err, errlen, "%s holds data, but %s/NODE is "
		    "missing: not a first start", dir, data);
	if (make_dir(dir, err, errlen) == -1 ||
	    make_dir(wal, err, errlen) == -1)
		return -1;
	if (sync_dir(dir) == -1)
		return refuse(err, errlen, "sync %s: %s", dir, strerror(errno));
	return 0;
}

static int
make_shards(const char *data, const char *role, unsigned n, char *err,
    size_t errlen)
{
	unsigned	i;

	for (i = 0; i < n; i++)
		if (make_shard(data, role, i, err, errlen) == -1)
			return -1;
	return 0;
}

/* The directories first: where NODE is, they are. */
static int
node_first(struct node *n, const struct conf *c, const char *path, char *err,
    size_t errlen)
{
	const char	*data = conf_str(c, CONF_NODE_DATA);
	char		 mark[PATH_LONG];

	snprintf(mark, sizeof(mark), "%s/RESTORING", data);
	if (access(mark, F_OK) == 0)
		return refuse(err, errlen, "%s holds what an unfinished "
		    "wharfd --restore left: run that again", data);
	n->stores = (unsigned)conf_int(c, CONF_STORES_COUNT);
	n->files = (unsigned)conf_int(c, CONF_STORES_FILES);
	n->routers = (unsigned)conf_int(c, CONF_ROUTERS_COUNT);
	if (n->stores == 0)
		n->stores = node_share(2);
	if (n->files == 0)
		n->files = FILES_DEFAULT;
	if (n->routers == 0)
		n->routers = ROUTERS_DEFAULT;
	if (getrandom(&n->id, sizeof(n->id), 0) != (ssize_t)sizeof(n->id))
		return refuse(err, errlen, "getrandom: %s", strerror(errno));
	if (make_shards(data, "store", n->stores, err, errlen) == -1 ||
	    make_shards(data, "router", n->routers, err, errlen) == -1 ||
	    node_write(n, data, path, err, errlen) == -1)
		return -1;
	log_info("new node %016llx in %s: %u stores of %u files, %u routers",
	    (unsigned long long)n->id, data, n->stores, n->files, n->routers);
	return 0;
}

static int
shards_are_there(const char *data, const char *role, unsigned n, char *err,
    size_t errlen)
{
	char		dir[PATH_LONG];
	unsigned	i;

	for (i = 0; i < n; i++) {
		snprintf(dir, sizeof(dir), "%s/%s.%u/wal", data, role, i);
		if (access(dir, F_OK) == -1)
			return refuse(err, errlen, "%s is missing", dir);
	}
	return 0;
}

/* Configured, and made with; 0: as it was made. */
static int
is_changed(const char *key, int64_t now, unsigned made, const char *data,
    char *err, size_t errlen)
{
	if (now == 0 || now == (int64_t)made)
		return 0;
	return refuse(err, errlen, "%s = %lld, but %s was made with %u: it "
	    "cannot be changed", key, (long long)now, data, made);
}

static int
node_agrees_stores(const struct node *n, const struct conf *c, char *err,
    size_t errlen)
{
	const char	*data = conf_str(c, CONF_NODE_DATA);

	if (n->stores > CATALOGUE_STORES)
		return refuse(err, errlen, "%s was made with %u stores: at "
		    "most %u are possible by now", data, n->stores,
		    CATALOGUE_STORES);
	if (is_changed("stores.count", conf_int(c, CONF_STORES_COUNT),
	    n->stores, data, err, errlen) == -1 ||
	    is_changed("stores.files", conf_int(c, CONF_STORES_FILES),
	    n->files, data, err, errlen) == -1)
		return -1;
	return shards_are_there(data, "store", n->stores, err, errlen);
}

static int
node_agrees(const struct node *n, const struct conf *c, char *err,
    size_t errlen)
{
	const char	*data = conf_str(c, CONF_NODE_DATA);

	if (node_agrees_stores(n, c, err, errlen) == -1 ||
	    is_changed("routers.count", conf_int(c, CONF_ROUTERS_COUNT),
	    n->routers, data, err, errlen) == -1)
		return -1;
	return shards_are_there(data, "router", n->routers, err, errlen);
}

/*
 * Format 1 knew one router and no directory of it.  A router count that is
 * asked for now is taken, nothing was placed by it yet.
 */
static int
node_from_1(struct node *n, const struct conf *c, const char *path, char *err,
    size_t errlen)
{
	const char	*data = conf_str(c, CONF_NODE_DATA);

	if (conf_int(c, CONF_ROUTERS_COUNT) != 0)
		n->routers = (unsigned)conf_int(c, CONF_ROUTERS_COUNT);
	if (node_agrees_stores(n, c, err, errlen) == -1 ||
	    make_shards(data, "router", n->routers, err, errlen) == -1)
		return -1;
	return node_write(n, data, path, err, errlen);
}

static int
node_identity(struct node *n, const struct conf *c, char *err, size_t errlen)
{
	char		 path[PATH_LONG];
	FILE		*fp;
	unsigned	 format = 0;
	int		 rv;

	snprintf(path, sizeof(path), "%s/NODE", conf_str(c, CONF_NODE_DATA));
	if ((fp = fopen(path, "re")) == NULL) {
		if (errno == ENOENT)
			return node_first(n, c, path, err, errlen);
		return refuse(err, errlen, "%s: %s", path, strerror(errno));
	}
	rv = node_parse(n, &format, fp, path, err, errlen);
	fclose(fp);
	if (rv == 0 && format == 1)
		rv = node_from_1(n, c, path, err, errlen);
	return rv == 0 ? node_agrees(n, c, err, errlen) : -1;
}

/* Run directory */

static int
is_ours(const char *name)
{
	return strcmp(name, "control") == 0 || strcmp(name, "lanes") == 0 ||
	    strncmp(name, "l.", 2) == 0 || strncmp(name, "c.", 2) == 0 ||
	    strncmp(name, "store.", 6) == 0 || strncmp(name, "router.", 7) == 0;
}

/* Nobody else can be using them: the directory is locked. */
static void
remove_sockets(const char *run)
{
	DIR		*d = opendir(run);
	struct dirent	*e;
	struct stat	 st;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (is_ours(e->d_name) && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* The group of the front desks must be able to reach them. */
static int
run_group(const char *run, const char *group, char *err, size_t errlen)
{
	const struct group	*gr;

	if (group[0] == '\0')
		return 0;
	if ((gr = getgrnam(group)) == NULL)
		return refuse(err, errlen, "nng.group: no group \"%s\"",
		    group);
	if (chown(run, (uid_t)-1, gr->gr_gid) == -1)
		return refuse(err, errlen, "nng.group: chown %s: %s", run,
		    strerror(errno));
	return 0;
}

static int
run_open(struct node *n, const struct conf *c, char *err, size_t errlen)
{
	const char	*run = conf_str(c, CONF_NODE_RUN);
	struct stat	 st;
	int		 there = stat(run, &st) == 0;

	if (there && (st.st_mode & (S_IWOTH | S_ISVTX)) != 0)
		return refuse(err, errlen,
		    "node.run: %s belongs to everybody; name one of its own",
		    run);
	if (make_dir(run, err, errlen) == -1)
		return -1;
	if (!there && chmod(run, DIR_MODE) == -1)
		return refuse(err, errlen, "%s: %s", run, strerror(errno));
	if (run_group(run, conf_str(c, CONF_NNG_GROUP), err, errlen) == -1)
		return -1;
	if ((n->run_lock = lock_dir(run, err, errlen)) == -1)
		return -1;
	return 0;
}

int
node_open(struct node *n, const struct conf *c, char *err, size_t errlen)
{
	const char	*data = conf_str(c, CONF_NODE_DATA);
	const char	*run = conf_str(c, CONF_NODE_RUN);

	memset(n, 0, sizeof(*n));
	n->lock = n->actors_lock = n->run_lock = -1;
	if (strlen(data) > PATH_LONG - 64)
		return refuse(err, errlen, "node.data: too long");
	if (make_dir(data, err, errlen) == 0 &&
	    (n->lock = lock_dir(data, err, errlen)) != -1 &&
	    run_open(n, c, err, errlen) == 0 &&
	    (n->actors_lock = lock_actors(data, err, errlen)) != -1 &&
	    node_identity(n, c, err, errlen) == 0) {
		remove_sockets(run);
		return 0;
	}
	node_close(n);
	return -1;
}

void
node_close(struct node *n)
{
	int	*fds[] = { &n->actors_lock, &n->run_lock, &n->lock };
	size_t	 i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] != -1)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void
node_resolve(const struct node *n, struct conf *c)
{
	if (conf_int(c, CONF_STORES_COUNT) == 0)
		conf_set_int(c, CONF_STORES_COUNT, n->stores);
	if (conf_int(c, CONF_STORES_FILES) == 0)
		conf_set_int(c, CONF_STORES_FILES, n->files);
	if (conf_int(c, CONF_ROUTERS_COUNT) == 0)
		conf_set_int(c, CONF_ROUTERS_COUNT, n->routers);
	if (conf_int(c, CONF_WORKERS_COUNT) == 0)
		conf_set_int(c, CONF_WORKERS_COUNT, node_share(1));
}

/* Privileges */

static int
give(const char *dir, const char *name, const struct passwd *pw)
{
	char	path[PATH_LONG + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lchown(path, pw->pw_uid, pw->pw_gid) == 0 || errno == ENOENT ?
	    0 : -1;
}

static int
give_shards(const char *data, const char *role, unsigned n,
    const struct passwd *pw)
{
	char		name[32];
	unsigned	i;
	int		rv = 0;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s.%u", role, i);
		rv |= give(data, name, pw);
		snprintf(name, sizeof(name), "%s.%u/wal", role, i);
		rv |= give(data, name, pw);
	}
	return rv;
}

static int
give_all(const struct node *n, const struct conf *c, const struct passwd *pw)
{
	static const char *const	 names[] = {
		"", "LOCK", "LOCK.actors", "NODE", "ports"
	};
	const char			*data = conf_str(c, CONF_NODE_DATA);
	const char			*run = conf_str(c, CONF_NODE_RUN);
	struct stat			 st;
	size_t				 i;
	int				 rv = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		rv |= give(data, names[i], pw);
	for (i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		rv |= give(run, names[i], pw);
	/* The actors open it themselves; a device stays as it is. */
	if (lstat(conf_str(c, CONF_LOG_TARGET), &st) == 0 &&
	    S_ISREG(st.st_mode))
		rv |= lchown(conf_str(c, CONF_LOG_TARGET), pw->pw_uid,
		    pw->pw_gid);
	/* Its group may be that of the front desks. */
	rv |= chown(run, pw->pw_uid, conf_str(c, CONF_NNG_GROUP)[0] == '\0' ?
	    pw->pw_gid : (gid_t)-1);
	rv |= give_shards(data, "store", n->stores, pw);
	return rv | give_shards(data, "router", n->routers, pw);
}

int
node_drop(const struct node *n, const struct conf *c, char *err, size_t errlen)
{
	const char		*user = conf_str(c, CONF_NODE_USER);
	const struct passwd	*pw;

	if (user[0] == '\0')
		return 0;
	if ((pw = getpwnam(user)) == NULL)
		return refuse(err, errlen, "node.user: no user \"%s\"", user);
	if (pw->pw_uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return refuse(err, errlen, "node.user: only root can become "
		    "%s", user);
	if (give_all(n, c, pw) == -1)
		return refuse(err, errlen, "node.user: chown to %s: %s", user,
		    strerror(errno));
	if (initgroups(user, pw->pw_gid) == -1 || setgid(pw->pw_gid) == -1 ||
	    setuid(pw->pw_uid) == -1)
		return refuse(err, errlen, "node.user: become %s: %s", user,
		    strerror(errno));
	return 0;
}
