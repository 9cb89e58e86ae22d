/*
 * test_tree.c: the real wharfd with actors that serve nothing
 * (test_actor_child): births, deaths, lending, refusals, stops, reload, the
 * control socket.  Runs where wharfd, wharfctl and test_actor_child were built.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "proto/clock.h"
#include "tests/unit.h"

#define S	1000000LL
#define UPS	12	/* 2 workers with 2 stores and a router each, both ends */

static char	dir[] = "/tmp/test_tree.XXXXXX";
static char	path[256];
static pid_t	wharfd;

/* "DIR/name"; one at a time. */
static const char *
in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
copy(const char *from, const char *name)
{
	char	cmd[512];

	snprintf(cmd, sizeof(cmd), "cp %s %s/bin/%s", from, dir, name);
	if (system(cmd) != 0)
		exit(99);
}

static int
set_up(void)
{
	if (mkdtemp(dir) == NULL || mkdir(in_dir("bin"), 0700) == -1)
		return -1;
	copy("./wharfd", "wharfd");
	copy("./test_actor_child", "wharf-store");
	copy("./test_actor_child", "wharf-router");
	copy("./test_actor_child", "wharf-worker");
	return 0;
}

static int
clean_up(void)
{
	char	cmd[512];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void
put_file(const char *name, const char *text)
{
	FILE	*fp = fopen(in_dir(name), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(fp);
	fputs(text, fp);
	fclose(fp);
}

static char *
get_file(const char *name)
{
	static char	 buf[65536];
	FILE		*fp = fopen(in_dir(name), "r");
	size_t		 n = 0;

	if (fp != NULL) {
		n = fread(buf, 1, sizeof(buf) - 1, fp);
		fclose(fp);
	}
	buf[n] = '\0';
	return buf;
}

/* A wharfd with two workers and two stores, and further -o options. */
static pid_t
spawn(const char *option)
{
	char	 prog[256], conf[256], data[256], run[256];
	char	*argv[] = { prog, (char *)"-c", conf, (char *)"-o", data,
		    (char *)"-o", run, (char *)"-o", (char *)option, NULL };
	pid_t	 pid;
	int	 fd;

	snprintf(prog, sizeof(prog), "%s/bin/wharfd", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(data, sizeof(data), "node.data=%s/data", dir);
	snprintf(run, sizeof(run), "node.run=%s/run", dir);
	if (option == NULL)
		argv[7] = NULL;
	in_dir("log");
	if ((pid = fork()) != 0)
		return pid;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv(prog, argv);
	_exit(127);
}

static void
write_conf(const char *level)
{
	char	text[512];

	snprintf(text, sizeof(text), "db { listen = \"127.0.0.1:0\" }\n"
	    "mq { listen = \"127.0.0.1:0\" }\nworkers { count = 2 }\n"
	    "stores { count = 2 }\nlog { level = %s }\n", level);
	put_file("conf", text);
}

static void
fresh(void)
{
	char	cmd[512];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/data %s/run %s/log", dir, dir,
	    dir);
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(in_dir("data"), 0700), 0);
	write_conf("info");
}

/* How many lines of the events (or of the log) hold the text. */
static int
count(const char *file, const char *text)
{
	const char	*p = get_file(file);
	int		 n = 0;

	while ((p = strstr(p, text)) != NULL) {
		n++;
		p += strlen(text);
	}
	return n;
}

static int
waited(const char *file, const char *text, int n, int64_t us)
{
	mono_t	since = mono_now();

	while (count(file, text) < n) {
		if (mono_diff(since, mono_now()) > us) {
			printf("\nno %d of \"%s\" in %s; the log:\n", n, text,
			    file);
			fputs(get_file("log"), stdout);
			return 0;
		}
		usleep(10000);
	}
	return 1;
}

/* The exit code, or -1 when it does not end in time. */
static int
ended(pid_t pid, int64_t us)
{
	mono_t	since = mono_now();
	int	status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (mono_diff(since, mono_now()) > us) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
start(void)
{
	wharfd = spawn(NULL);
	CU_ASSERT_FATAL(waited("data/events", " up ", UPS, 10 * S));
}

static void
stop(void)
{
	kill(wharfd, SIGTERM);
	CU_ASSERT_EQUAL(ended(wharfd, 10 * S), 0);
}

/* One line to the control socket, one back. */
static json_t *
ask(const char *line)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	static char		buf[1 << 18];
	size_t			n = 0;
	ssize_t			r;
	int			fd;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/control", dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
		close(fd);
		return NULL;
	}
	while ((r = read(fd, buf + n, sizeof(buf) - n)) > 0)
		n += (size_t)r;
	close(fd);
	return json_loadb(buf, n, 0, NULL);
}

/* A field of an actor in the status: seat i of stores, routers, workers. */
static json_int_t
actor_field(size_t i, const char *key)
{
	json_t		*o = ask("{\"cmd\":\"status\"}\n");
	json_int_t	 v;

	v = json_integer_value(json_object_get(json_array_get(
	    json_object_get(o, "actors"), i), key));
	json_decref(o);
	return v;
}

/* To one actor: a pid of 0 would mean all of our own process group. */
static void
kill_actor(size_t i, int sig)
{
	json_int_t	pid = actor_field(i, "pid");

	CU_ASSERT_FATAL(pid > 1);
	CU_ASSERT_EQUAL(kill((pid_t)pid, sig), 0);
}

static int
actor_state(size_t i, const char *want)
{
	json_t		*o = ask("{\"cmd\":\"status\"}\n");
	const char	*s;
	int		 rv;

	s = json_string_value(json_object_get(json_array_get(
	    json_object_get(o, "actors"), i), "state"));
	rv = s != NULL && strcmp(s, want) == 0;
	json_decref(o);
	return rv;
}

/* Whether the n-th a comes before the first b in the events. */
static int
comes_before(const char *a, int n, const char *b)
{
	const char	*events = get_file("data/events"), *p = events;

	while (n-- > 0 && p != NULL)
		p = strstr(p + (p != events), a);
	return p != NULL && strstr(events, b) != NULL && p < strstr(events, b);
}

static int
wharfctl(const char *args, const char *want)
{
	char	 cmd[512], got[16384];
	FILE	*fp;
	size_t	 n;
	int	 code;

	snprintf(cmd, sizeof(cmd), "./wharfctl -s %s/run/control %s 2>&1", dir,
	    args);
	if ((fp = popen(cmd, "r")) == NULL)
		return -1;
	n = fread(got, 1, sizeof(got) - 1, fp);
	got[n] = '\0';
	code = WEXITSTATUS(pclose(fp));
	if (strstr(got, want) == NULL) {
		printf("\nwharfctl %s: no \"%s\" in: %s\n", args, want, got);
		return -1;
	}
	return code;
}

static void
test_birth(void)
{
	struct stat	st;

	fresh();
	start();
	CU_ASSERT_EQUAL(count("data/events", " ready\n"), 5);
	/* Each worker has its own db and mq socket. */
	CU_ASSERT(waited("data/events", "worker.0 listen", 2, S));
	CU_ASSERT(waited("data/events", "worker.1 listen", 2, S));
	CU_ASSERT_EQUAL(count("data/events", "lent"), 0);
	CU_ASSERT_EQUAL(count("run/ports", "db 127.0.0.1:"), 1);
	CU_ASSERT_EQUAL(count("run/ports", "mq 127.0.0.1:"), 1);
	CU_ASSERT_EQUAL(stat(in_dir("run"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0750);
	CU_ASSERT_EQUAL(stat(in_dir("run/control"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(stat(in_dir("data/store.1/wal"), &st), 0);
	CU_ASSERT(actor_state(0, "ready") && actor_state(4, "ready"));
	stop();
	CU_ASSERT_EQUAL(stat(in_dir("run/control"), &st), -1);
	CU_ASSERT_EQUAL(count("log", "exit code 0"), 0);
	CU_ASSERT_EQUAL(count("log", "stopped after"), 5);
}

static void
test_kill(void)
{
	json_int_t	pid;

	fresh();
	start();
	pid = actor_field(1, "pid");
	kill_actor(1, SIGKILL);
	CU_ASSERT(waited("data/events", "store.1 ready", 2, S));
	CU_ASSERT(waited("data/events", "store.1 up", 4, 2 * S));
	CU_ASSERT(waited("log", "died: signal 9", 1, S));
	CU_ASSERT(actor_field(1, "pid") != pid);
	CU_ASSERT_EQUAL(actor_field(1, "restarts"), 1);
	CU_ASSERT_EQUAL(actor_field(0, "restarts"), 0);
	stop();
}

static void
test_frozen(void)
{
	fresh();
	start();
	CU_ASSERT(waited("data/events", "worker.0 up", 3, 2 * S));
	kill_actor(3, SIGSTOP);
	/* The other one takes its sockets meanwhile or at its death. */
	CU_ASSERT(waited("data/events", "worker.0 ready", 2, 8 * S));
	CU_ASSERT(waited("data/events", "worker.0 up", 6, 2 * S));
	CU_ASSERT_EQUAL(count("log", "no heartbeat, killing it"), 1);
	CU_ASSERT_EQUAL(actor_field(4, "restarts"), 0);
	stop();
}

/* wharfd itself frozen for longer than a heartbeat: nobody is blamed. */
static void
test_frozen_wharfd(void)
{
	fresh();
	start();
	kill(wharfd, SIGSTOP);
	sleep(6);
	kill(wharfd, SIGCONT);
	CU_ASSERT(waited("log", "was not running for", 1, 2 * S));
	sleep(1);
	CU_ASSERT_EQUAL(count("log", "killing it"), 0);
	CU_ASSERT_EQUAL(actor_field(0, "restarts"), 0);
	stop();
}

static void
test_brake_and_lending(void)
{
	fresh();
	put_file("data/behave.worker.1", "early\n");
	wharfd = spawn(NULL);
	CU_ASSERT(waited("data/events", "worker.1 born", 2, 4 * S));
	CU_ASSERT(waited("log", "braked, next start in 2 s", 1, 2 * S));
	CU_ASSERT(actor_state(4, "braked"));
	CU_ASSERT_EQUAL(count("data/events", "worker.0 listen 2 db lent"), 1);
	CU_ASSERT_EQUAL(count("data/events", "worker.0 listen 4 mq lent"), 1);
	CU_ASSERT_EQUAL(count("data/events", "unlisten"), 0);
	unlink(in_dir("data/behave.worker.1"));
	CU_ASSERT(waited("data/events", "worker.1 listen 2 db\n", 1, 4 * S));
	CU_ASSERT(waited("data/events", "worker.0 unlisten 2", 1, S));
	CU_ASSERT(waited("data/events", "worker.0 unlisten 4", 1, S));
	stop();
}

static void
test_recover(void)
{
	fresh();
	put_file("data/behave.store.0", "recover\n");
	wharfd = spawn(NULL);
	/* At once the first time, with the brake when it repeats. */
	CU_ASSERT(waited("data/events", "store.0 born", 2, S));
	CU_ASSERT(waited("log", "braked, next start in 1 s", 1, S));
	unlink(in_dir("data/behave.store.0"));
	CU_ASSERT(waited("data/events", " up ", UPS, 10 * S));
	stop();
}

/* An actor whose mailbox fails ends in order and is named as such. */
static void
test_wedged(void)
{
	const char	*log, *said, *died;

	fresh();
	put_file("data/behave.store.1", "wedged\n");
	wharfd = spawn(NULL);
	CU_ASSERT(waited("data/events", "store.1 stop", 1, 8 * S));
	CU_ASSERT(waited("data/events", "store.1 ready", 2, 2 * S));
	CU_ASSERT(waited("log", "died: exit code 0, ended: its mailbox is "
	    "wedged", 1, S));
	log = get_file("log");
	said = strstr(log, "its mailbox is wedged, it ends");
	died = strstr(log, "died: exit code 0");
	CU_ASSERT(said != NULL && died != NULL && said < died);
	CU_ASSERT_EQUAL(wharfctl("status", "store.1 died "), 0);
	CU_ASSERT_EQUAL(count("log", "killing it"), 0);
	stop();
}

static void
test_refused_data(void)
{
	fresh();
	put_file("data/behave.store.1", "refuse\n");
	wharfd = spawn(NULL);
	CU_ASSERT_EQUAL(ended(wharfd, 10 * S), 1);
	CU_ASSERT_EQUAL(count("log", "store.1 refuses its data"), 1);
	CU_ASSERT_EQUAL(count("data/events", "store.1 born"), 1);
}

static void
test_stop_order(void)
{
	const char	*events, *last_worker, *first_store;

	fresh();
	start();
	stop();
	events = get_file("data/events");
	first_store = strstr(events, "store.0 stop");
	last_worker = strstr(events, "worker.1 stop");
	CU_ASSERT_FATAL(first_store != NULL && last_worker != NULL);
	CU_ASSERT(last_worker < first_store);
	CU_ASSERT(strstr(events, "worker.0 stop") < first_store);
	CU_ASSERT(strstr(events, "store.1 stop") > last_worker);
}

static void
test_stop_in_a_hurry(void)
{
	mono_t	since;

	fresh();
	put_file("data/behave.worker.0", "deaf\n");
	start();
	kill(wharfd, SIGTERM);
	CU_ASSERT(waited("data/events", "worker.0 stop\n", 1, S));
	usleep(500000);
	CU_ASSERT_EQUAL(count("data/events", "store.0 stop"), 0);
	since = mono_now();
	kill(wharfd, SIGTERM);
	CU_ASSERT_EQUAL(ended(wharfd, 8 * S), 0);
	CU_ASSERT(mono_diff(since, mono_now()) < 4 * S);
	CU_ASSERT_EQUAL(count("data/events", "worker.0 stop hurry"), 1);
	CU_ASSERT_EQUAL(count("data/events", "store.0 stop hurry"), 1);
	CU_ASSERT_EQUAL(count("log",
	    "did not stop in time, killing it"), 1);
}

/* The next wharfd waits for the orphans of one that was killed. */
static void
test_orphans(void)
{
	fresh();
	start();
	kill(wharfd, SIGKILL);
	CU_ASSERT_EQUAL(ended(wharfd, S), -1);
	wharfd = spawn(NULL);
	CU_ASSERT(waited("data/events", " up ", 2 * UPS, 12 * S));
	CU_ASSERT_EQUAL(count("data/events", " stop\n"), 5);
	CU_ASSERT_EQUAL(count("log", "supervisor is gone"), 5);
	stop();
}

static int
refused(const char *option, const char *why)
{
	pid_t	pid = spawn(option);
	int	code = ended(pid, 30 * S);

	if (code == 1 && waited("log", why, 1, S / 10))
		return 1;
	printf("\nexit %d, no \"%s\"\n", code, why);
	return 0;
}

static void
test_refusals(void)
{
	char	option[128], node[128];

	fresh();
	start();
	CU_ASSERT(refused(NULL, "data is in use by another wharfd"));
	snprintf(option, sizeof(option), "node.data=%s/data2", dir);
	CU_ASSERT(refused(option, "run is in use by another wharfd"));
	stop();
	CU_ASSERT(refused("stores.count=3", "it cannot be changed"));
	CU_ASSERT(refused("stores.files=7", "it cannot be changed"));
	snprintf(node, sizeof(node), "%s/data/NODE", dir);
	CU_ASSERT_EQUAL(unlink(node), 0);
	put_file("data/store.0/wal/1.seg", "x");
	CU_ASSERT(refused(NULL, "not a first start"));
	unlink(in_dir("data/store.0/wal/1.seg"));
	put_file("data/NODE", "wharf-node 3\nwhatever\n");
	CU_ASSERT(refused(NULL, "format 3 is newer"));
	put_file("data/NODE", "wharf-node 1\nid zz\n");
	CU_ASSERT(refused(NULL, "NODE: damaged"));
	put_file("data/NODE", "wharf-node 1\nid 1\nstores 49\nfiles 16\n"
	    "routers 1\n");
	CU_ASSERT(refused(NULL, "made with 49 stores: at most 48"));
	put_file("data/NODE", "hello\n");
	CU_ASSERT(refused(NULL, "not a node file"));
	put_file("conf", "log {\n level = loud\n}\n");
	CU_ASSERT(refused(NULL, "conf:2: log.level"));
}

/* A port that somebody else has, even with SO_REUSEPORT. */
static void
test_port_in_use(void)
{
	struct sockaddr_in	in = { .sin_family = AF_INET };
	socklen_t		len = sizeof(in);
	int			fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char			option[64];

	fresh();
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&in, len), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	snprintf(option, sizeof(option), "mq.listen=127.0.0.1:%u",
	    ntohs(in.sin_port));
	CU_ASSERT(refused(option, "Address already in use"));
	close(fd);
}

static void
test_reload(void)
{
	fresh();
	start();
	write_conf("debug");
	kill(wharfd, SIGHUP);
	CU_ASSERT(waited("data/events", "reload debug", 4, 2 * S));
	put_file("conf", "log { level = loud }\n");
	kill(wharfd, SIGHUP);
	CU_ASSERT(waited("log", "nothing was changed", 1, S));
	CU_ASSERT_EQUAL(count("data/events", "reload"), 5);
	write_conf("info");
	stop();
}

static int
error_of(const char *line, const char *want)
{
	json_t		*o = ask(line);
	const char	*s = json_string_value(json_object_get(o, "error"));
	int		 rv;

	rv = json_is_false(json_object_get(o, "ok")) && s != NULL &&
	    strstr(s, want) != NULL;
	json_decref(o);
	return rv;
}

static void
test_control(void)
{
	char	big[6000];
	json_t	*o;

	fresh();
	start();
	CU_ASSERT(error_of("garbage\n", "not JSON"));
	CU_ASSERT(error_of("[]\n", "no JSON object"));
	CU_ASSERT(error_of("{}\n", "cmd"));
	CU_ASSERT(error_of("{\"cmd\":7}\n", "cmd"));
	CU_ASSERT(error_of("{\"cmd\":\"fly\"}\n", "unknown"));
	CU_ASSERT(error_of("{\"cmd\":\"log-level\"}\n", "level"));
	CU_ASSERT(error_of("{\"cmd\":\"restart\"}\n", "role"));
	CU_ASSERT(error_of("{\"cmd\":\"restart\",\"role\":\"x\"}\n", "no such role"));
	CU_ASSERT(error_of("{\"cmd\":\"restart\",\"role\":\"store\",\"seat\":9}"
	    "\n", "no such worker"));
	CU_ASSERT(error_of("{\"cmd\":\"restart\",\"role\":\"store\",\"seat\":-1}"
	    "\n", "seat"));
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	CU_ASSERT(error_of(big, "too long"));
	o = ask("{\"cmd\":\"log-level\",\"level\":\"debug\"}\n");
	CU_ASSERT(json_is_true(json_object_get(o, "ok")));
	json_decref(o);
	CU_ASSERT(waited("data/events", "reload debug", 4, 2 * S));
	o = ask("{\"cmd\":\"restart\",\"role\":\"worker\"}\n");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "restarted")), 2);
	json_decref(o);
	CU_ASSERT(waited("data/events", "worker.0 stop", 1, S));
	CU_ASSERT(waited("data/events", "worker.1 ready", 2, 8 * S));
	CU_ASSERT(comes_before("worker.0 ready", 2, "worker.1 stop"));
	/* The answer to stop comes, and the end of file when it is done. */
	o = ask("{\"cmd\":\"stop\"}\n");
	CU_ASSERT(json_is_true(json_object_get(o, "ok")));
	json_decref(o);
	CU_ASSERT_EQUAL(ended(wharfd, S), 0);
}

static void
test_wharfctl(void)
{
	fresh();
	CU_ASSERT_EQUAL(wharfctl("status", "no wharfd answers"), 3);
	start();
	CU_ASSERT_EQUAL(wharfctl("status", "worker.1 "), 0);
	CU_ASSERT_EQUAL(wharfctl("--json status", "\"actors\": ["), 0);
	CU_ASSERT_EQUAL(wharfctl("version", "wharfd "), 0);
	CU_ASSERT_EQUAL(wharfctl("log-level loud", "error, warn"), 1);
	CU_ASSERT_EQUAL(wharfctl("log-level", "usage: wharfctl log-level"), 2);
	CU_ASSERT_EQUAL(wharfctl("nonsense", "no command \"nonsense\""), 2);
	CU_ASSERT_EQUAL(wharfctl("status --clear", "usage: wharfctl status"), 2);
	CU_ASSERT_EQUAL(wharfctl("--help", "restart worker|store|router [N]"), 0);
	CU_ASSERT_EQUAL(wharfctl("help", "log-level error|warn"), 0);
	CU_ASSERT_EQUAL(wharfctl("slow", "nothing was slow"), 0);
	CU_ASSERT_EQUAL(wharfctl("slow 0", "count: 1 to 1000"), 1);
	CU_ASSERT_EQUAL(wharfctl("slow x", "usage: wharfctl slow"), 2);
	CU_ASSERT_EQUAL(wharfctl("slow --clear", "cleared"), 0);
	CU_ASSERT_EQUAL(wharfctl("restart store 0", "restarting 1"), 0);
	CU_ASSERT(waited("data/events", "store.0 ready", 2, 2 * S));
	CU_ASSERT_EQUAL(wharfctl("restart store x", "usage"), 2);
	CU_ASSERT_EQUAL(wharfctl("reload", "reloaded\n"), 0);
	CU_ASSERT_EQUAL(wharfctl("stop", "stopped"), 0);
	CU_ASSERT_EQUAL(ended(wharfd, S), 0);
}

static const CU_TestInfo tests[] = {
	{ "birth", test_birth },
	{ "kill", test_kill },
	{ "frozen actor", test_frozen },
	{ "frozen wharfd", test_frozen_wharfd },
	{ "brake and lending", test_brake_and_lending },
	{ "recover", test_recover },
	{ "wedged", test_wedged },
	{ "refused data", test_refused_data },
	{ "stop order", test_stop_order },
	{ "stop in a hurry", test_stop_in_a_hurry },
	{ "orphans", test_orphans },
	{ "refusals", test_refusals },
	{ "port in use", test_port_in_use },
	{ "reload", test_reload },
	{ "control", test_control },
	{ "wharfctl", test_wharfctl },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_tree", { (char *)"tree", set_up, clean_up, NULL, NULL,
    (CU_TestInfo *)tests })
