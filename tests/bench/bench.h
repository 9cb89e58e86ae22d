/*
 * bench.h: what the parts of wharf-bench share.
 *
 *	options.c	the command line -> struct options
 *	ops.c		the next op: kind, key, value; what became of it
 *	loop.c		sockets: epoll, open and closed loop; with send.c
 *			(requests, pipelines) and conn.c (answers)
 *	topic.c		one publishes, all others subscribe; by means of loop.c
 *	http.c, resp.c	the words of a protocol (struct wire), for loop.c, made
 *			by template.c; beans.c and sp.c without it
 *	wharf.c		libwharf in place of loop.c, its ops made by wharf_ops.c
 *	report.c	the JSON
 * One thread.  All times are int64 nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "tests/bench/hist.h"

#define KEY_LEN		16		/* key:000000000012 */
#define KEY_DIGITS	12
#define MGET_KEYS	64
#define RANGE		100		/* members of a zrange, fields of hkeys */
#define MEMBER_MAX	1024		/* bytes of a set's member */
#define REQUEST_MAX	4096		/* bytes, without the value */
#define DEPTH_MAX	500		/* sendmsg takes 1,024 pieces */
#define STATUS_MAX	1000
#define SECOND		((int64_t)1000000000)

/*
 * On plain keys; on fields of the hash bh; members of the set bs; members of
 * the sorted set bz, whose score is the key's number; 100 of them by score; a
 * page of 100 fields; 64 plain keys in one request; strings in the cache; a
 * message into the queue of the key, one out of it, and one that is waited for;
 * an item to the topic of the first key, and one from it (topic.c).
 */
enum kind { OP_GET, OP_PUT, OP_DEL, OP_HSET, OP_HGET, OP_SADD, OP_SISMEMBER,
	OP_ZADD, OP_ZSCORE, OP_ZRANGE, OP_HKEYS, OP_MGET, OP_CGET, OP_CPUT,
	OP_QPUT, OP_QGET, OP_EVGET, OP_PUB, OP_SUB, OP_KINDS };
enum dist { DIST_UNIFORM, DIST_SEQUENTIAL, DIST_ZIPF };

extern const char *const kind_names[OP_KINDS];

struct options {
	const char	*protocol;
	const char	*address;	/* host:port, or for wharf a directory */
	const char	*topics;	/* NULL, or the socket to hear topics at */
	unsigned	 conns;
	unsigned	 depth;		/* ops in flight per connection */
	unsigned	 mix[OP_KINDS];	/* percent */
	size_t		 size;		/* bytes of a value */
	uint64_t	 first;		/* of the keys */
	uint64_t	 keys;
	enum dist	 dist;
	int64_t		 seconds;	/* ns; 0: until count */
	int64_t		 warmup;	/* ns; not counted */
	uint64_t	 count;		/* 0: until seconds are over */
	double		 rate;		/* ops/s; 0: closed loop */
	int64_t		 nap;		/* ns between looks; 0: when woken */
	int		 check;		/* compare the values */
	int		 hold;		/* until SIGTERM; who waits may wait */
	uint64_t	 seed;
};

struct op {
	int64_t		 due;		/* when it should have been sent */
	int64_t		 sent;
	uint64_t	 key;
	enum kind	 kind;
};

struct tally {
	uint64_t	 done;		/* answered in the measured time */
	uint64_t	 missed;	/* no such key */
	uint64_t	 size;		/* wrong length */
	uint64_t	 content;	/* wrong bytes */
	uint64_t	 closed;	/* lost with their connection */
	uint64_t	 unanswered;	/* when the run ended */
	uint64_t	 status[STATUS_MAX];	/* others than 200 and 404 */
};

struct bench {
	struct options	 o;
	struct tally	 t;
	struct hist	 raw[OP_KINDS];	/* from sent */
	struct hist	 late[OP_KINDS];	/* from due */
	int64_t		 begin, counted, end;	/* start, after warm-up, end */
	int64_t		 last;		/* time of the latest answer */
	uint64_t	 issued;
	uint64_t	 random;
	uint64_t	 next_key;
	double		 zipf[3];	/* see ops.c */
	char		*pool;		/* the values are windows of it */
};

/* One request with its keys' digits still to be filled in. */
struct request {
	char		 text[REQUEST_MAX];
	size_t		 len;
	struct {
		size_t	 at;		/* where the digits begin in text */
		unsigned add;		/* to the key's number */
	} digits[MGET_KEYS + 1];
	unsigned	 ndigits;
	int		 value;		/* the value follows the text */
	const char	*tail;		/* after the value; never NULL */
	size_t		 tail_len;
};

struct reply {
	int		 status;	/* as HTTP's */
	int		 has_body;
	uint64_t	 body;		/* bytes to follow */
	uint64_t	 tail;		/* bytes to follow the body */
	char		 more[32];	/* to send; the op ends with its answer */
};

struct wire {
	const char	*name;
	void		(*request)(const struct options *, enum kind,
			    struct request *);
	/*
	 * Reads the head of an answer.  Bytes taken; 0: not all there yet;
	 * -1: not an answer.
	 */
	ssize_t		(*reply)(const char *, size_t, struct reply *);
	/*
	 * NULL, or what the n-th connection says first; how many answers come,
	 * which are waited for.
	 */
	unsigned	(*hello)(const struct options *, unsigned n,
			    struct request *);
};

extern const struct wire wire_http, wire_resp, wire_beans, wire_sp;

static inline int64_t
now_ns(void)
{
	struct timespec	t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* The first number in the text, 0 without any. */
static inline uint64_t
decimal(const char *p, const char *end)
{
	uint64_t	n = 0;

	while (p < end && *p == ' ')
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

/* options.c; exits when they make no sense. */
void	options_parse(struct options *, int argc, char **argv);

/*
 * template.c: text in which @ stands for key:<digits>, # for the digits, ^ for
 * those of RANGE - 1 further on, $ for those of the i-th key of a request
 * (counted), ! for those of o.first, ~ for what makes a member o.size bytes
 * long.
 */
void	template_put(struct request *, const struct options *, const char *text);
/* Bytes that the text becomes. */
size_t	template_size(const struct options *, const char *text);

/* ops.c */
void	bench_init(struct bench *);
/* The clock runs from here on. */
void	bench_start(struct bench *);
/* Digits of a key, KEY_DIGITS of them. */
void	key_digits(char *, uint64_t key);
/* The value of a key: o.size bytes, the same at every run. */
const char *value_of(const struct bench *, uint64_t key);
/* Whether another op is to be sent now; fills it. */
int	op_next(struct bench *, struct op *, int64_t now);
/* Open loop: when the next op is due; INT64_MAX after the last. */
int64_t	op_due(const struct bench *);
/* An op was answered with this status; body: bytes of the value, or -1. */
void	op_done(struct bench *, const struct op *, int status, int64_t body,
	    int64_t now);

/* Whether ops are still to be issued. */
int	bench_issues(const struct bench *, int64_t now);
/* 0: at the end, and nothing more is to be waited for. */
int	bench_goes_on(const struct bench *, uint64_t inflight);
/* The signal that ends what --hold holds. */
void	bench_held(void);

/* loop.c, topic.c, wharf.c: run until the end and until the last answer. */
void	loop_run(struct bench *, const struct wire *);
void	topic_run(struct bench *, const struct wire *);
void	wharf_run(struct bench *);

/* report.c */
void	report_json(const struct bench *);

void	die(const char *, ...) __attribute__((noreturn,
	    format(printf, 1, 2)));

#endif
