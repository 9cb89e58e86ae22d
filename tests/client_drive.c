/*
 * client_drive.c: a program outside, for tests/system/test_libwharf.py: reads
 * commands from stdin, does them with libwharf, writes one line for each.
 *
 *	connect RUN LANES TIMEOUT IN_FLIGHT MEMORY	OK
 *	put KEY SIZE SEED VERSION TTL FLAGS		STATUS version flags crc
 *	get KEY						STATUS version ttl length crc
 *	exist KEY | del KEY VERSION			STATUS version
 *	submit OP N PREFIX SIZE		of N submissions, those of each status
 *	drain | poll | spin		of all ops in flight, those of each status
 *	many OP N WINDOW PREFIX SIZE	submit and drain, WINDOW at a time
 *	info			stores up lanes in_flight reconnects files
 *	close
 *	stall PATH		OK: nng can close nothing any more (nng_stall.c)
 *	op, walk, mget, mput, export, task, tasks, q...	see client_drive.h
 *
 * A KEY "@N" has N bytes.  A value has SIZE bytes, made from SEED.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/client_drive.h"
#include "tests/nng_stall.h"

#define STATUSES	64

struct wharf		*drive_w;
static uint8_t		*value;
static unsigned		 came[STATUSES];	/* statuses of callbacks */
static char		 key_bytes[WHARF_KEY_MAX + 16];

static uint32_t
crc32_of(const uint8_t *p, size_t n)
{
	static uint32_t	table[256];
	uint32_t	c;
	size_t		i, k;

	for (i = 0; table[1] == 0 && i < 256; i++)
		for (table[255 - i] = (uint32_t)(255 - i), k = 0; k < 8; k++)
			table[255 - i] = table[255 - i] >> 1 ^
			    (table[255 - i] & 1 ? 0xedb88320 : 0);
	for (c = ~0u, i = 0; i < n; i++)
		c = table[(c ^ p[i]) & 255] ^ c >> 8;
	return ~c;
}

static const uint8_t *
value_of(size_t size, unsigned seed)
{
	size_t	i;

	for (i = 0; i < size; i++)
		value[i] = (uint8_t)(seed + i * 31 + (i >> 8) * 7);
	return value;
}

/* The key's length; its bytes in key_bytes. */
static size_t
key_of(const char *text)
{
	size_t	n;

	if (text[0] != '@') {
		n = strlen(text);
		memcpy(key_bytes, text, n + 1);
		return n;
	}
	n = (size_t)atol(text + 1);
	if (n > WHARF_KEY_MAX + 1)
		n = WHARF_KEY_MAX + 1;
	memset(key_bytes, 'k', n);
	return n;
}

static void
print_counts(const unsigned *n)
{
	unsigned	s;

	for (s = 0; s < STATUSES; s++)
		if (n[s] != 0)
			printf("%s=%u ", wharf_status_name(
			    (enum wharf_status)s), n[s]);
	printf("\n");
}

static void
on_answer(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	(void)from, (void)arg;
	came[a->status % STATUSES]++;
}

static enum wharf_status
submit_one(const char *op, const char *prefix, int i, size_t size)
{
	char	key[128];
	size_t	n = (size_t)snprintf(key, sizeof(key), "%s%d", prefix, i);

	switch (op[0]) {
	case 'p':
		return wharf_submit_put(drive_w, key, n,
		    value_of(size, (unsigned)i), size, NULL, on_answer, NULL);
	case 'g':
		return wharf_submit_get(drive_w, key, n, on_answer, NULL);
	case 'e':
		return wharf_submit_exist(drive_w, key, n, on_answer, NULL);
	default:
		return wharf_submit_del(drive_w, key, n, NULL, on_answer, NULL);
	}
}

static void
do_connect(char **arg)
{
	struct wharf_options	o = WHARF_OPTIONS_INIT;

	o.name = "client_drive";
	o.lanes = (enum wharf_lanes)atoi(arg[2]);
	o.timeout = atoi(arg[3]);
	o.in_flight = (unsigned)atoi(arg[4]);
	o.memory = (size_t)atol(arg[5]);
	printf("%s\n", wharf_status_name(wharf_connect(&drive_w, arg[1], &o)));
}

static void
do_put(char **arg)
{
	struct wharf_write	how = WHARF_WRITE_INIT;
	struct wharf_answer	a;
	size_t			size = (size_t)atol(arg[2]);
	enum wharf_status	e;

	how.version = (uint32_t)strtoul(arg[4], NULL, 10);
	how.ttl = atol(arg[5]);
	how.flags = (unsigned)atoi(arg[6]);
	value_of(size, (unsigned)atoi(arg[3]));
	e = wharf_put(drive_w, key_bytes, key_of(arg[1]), value, size, &how, &a);
	printf("%s %u %u %08x\n", wharf_status_name(e), a.version, a.flags,
	    crc32_of(value, size));
}

static void
do_get(char **arg)
{
	struct wharf_answer	a;
	enum wharf_status	e = wharf_get(drive_w, key_bytes,
				    key_of(arg[1]), &a);

	printf("%s %u %lld %zu %08x\n", wharf_status_name(e), a.version,
	    (long long)a.ttl, a.length, crc32_of(a.value, a.length));
}

static void
do_exist(char **arg)
{
	struct wharf_answer	a;
	enum wharf_status	e = wharf_exist(drive_w, key_bytes, key_of(arg[1]),
				    &a);

	printf("%s %u\n", wharf_status_name(e), a.version);
}

static void
do_del(char **arg)
{
	struct wharf_write	how = WHARF_WRITE_INIT;
	struct wharf_answer	a;
	enum wharf_status	e;

	how.version = (uint32_t)strtoul(arg[2], NULL, 10);
	e = wharf_del(drive_w, key_bytes, key_of(arg[1]), &how, &a);
	printf("%s %u\n", wharf_status_name(e), a.version);
}

static void
do_submit(char **arg)
{
	unsigned	counts[STATUSES] = { 0 };
	int		i, n = atoi(arg[2]);

	for (i = 0; i < n; i++)
		counts[submit_one(arg[1], arg[3], i,
		    (size_t)atol(arg[4])) % STATUSES]++;
	wharf_flush(drive_w);
	print_counts(counts);
}

static void
do_drain(char **arg)
{
	(void)arg;
	while (wharf_in_flight(drive_w) > 0)
		wharf_wait(drive_w, -1);
	print_counts(came);
	memset(came, 0, sizeof(came));
}

/* As a program with a loop of its own does it. */
static void
do_poll(char **arg)
{
	static int	asked = -1;
	struct pollfd	p = { .events = POLLIN };

	(void)arg;
	if (asked == -1)
		asked = wharf_fd(drive_w);	/* it stays the same */
	p.fd = asked;
	while (wharf_in_flight(drive_w) > 0) {
		poll(&p, 1, wharf_timeout(drive_w));
		wharf_process(drive_w);
	}
	print_counts(came);
	memset(came, 0, sizeof(came));
}

/* As a program does it that has other work and never waits. */
static void
do_spin(char **arg)
{
	(void)arg;
	while (wharf_in_flight(drive_w) > 0)
		if (wharf_wait(drive_w, 0) == 0)
			usleep(100);
	do_drain(arg);
}

static void
do_many(char **arg)
{
	int		 i, n = atoi(arg[2]);
	unsigned	 window = (unsigned)atoi(arg[3]);

	for (i = 0; i < n; i++) {
		while (wharf_in_flight(drive_w) >= window)
			wharf_wait(drive_w, -1);
		came[STATUSES - 1] += submit_one(arg[1], arg[4], i,
		    (size_t)atol(arg[5])) != WHARF_OK;
	}
	do_drain(arg);
}

static void
do_info(char **arg)
{
	struct wharf_info	in;

	(void)arg;
	wharf_process(drive_w);
	wharf_info(drive_w, &in);
	printf("%u %u %u %u %llu %u\n", in.stores, in.up, in.lanes,
	    in.in_flight, (unsigned long long)in.reconnects, in.files);
}

static void
do_close(char **arg)
{
	(void)arg;
	wharf_close(drive_w);
	drive_w = NULL;
	printf("OK\n");
}

static void
do_stall(char **arg)
{
	printf("%s\n", nng_stall(arg[1]) ? "OK" : "FAILED");
}

static const struct {
	const char	*name;
	int		 args;		/* negative: so many at least */
	void		(*fn)(char **);
} commands[] = {
	{ "connect", 6, do_connect }, { "put", 7, do_put },
	{ "get", 2, do_get }, { "exist", 2, do_exist }, { "del", 3, do_del },
	{ "submit", 5, do_submit }, { "drain", 1, do_drain },
	{ "poll", 1, do_poll }, { "spin", 1, do_spin }, { "many", 6, do_many },
	{ "info", 1, do_info }, { "close", 1, do_close },
	{ "stall", 2, do_stall },
	{ "op", -5, drive_op }, { "cache", -3, drive_cache },
	{ "walk", -3, drive_walk },
	{ "mget", -1, drive_mget }, { "mput", -1, drive_mput },
	{ "export", -3, drive_export }, { "task", 2, drive_task },
	{ "tasks", 1, drive_tasks },
	{ "q", -3, drive_q }, { "qsend", -4, drive_qsend },
	{ "qcancel", 2, drive_qcancel }, { "qwait", 3, drive_qwait },
	{ "qwaiting", 2, drive_qwaiting },
	{ "qshort", 3, drive_qshort }, { "tshort", 2, drive_tshort }
};

static int
command(char *line)
{
	static char	*arg[WORDS + 1];
	char		*word = strtok(line, " \n");
	size_t		 i;
	int		 n;

	for (n = 0; word != NULL && n < WORDS; word = strtok(NULL, " \n"))
		arg[n++] = word;
	arg[n] = NULL;
	for (i = 0; n != 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if ((commands[i].args < 0 ? n < -commands[i].args :
		    n != commands[i].args) ||
		    strcmp(arg[0], commands[i].name) != 0)
			continue;
		commands[i].fn(arg);
		fflush(stdout);
		return 1;
	}
	return 0;
}

int
main(void)
{
	static char	line[4 << 20];
	int		good = 1;

	if ((value = malloc(WHARF_VALUE_MAX + 1)) == NULL)
		return 1;
	while (good && fgets(line, sizeof(line), stdin) != NULL)
		good = command(line);
	wharf_close(drive_w);
	free(value);
	return !good;
}
