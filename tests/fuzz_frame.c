/*
 * fuzz_frame.c: every decoder of proto/ on any bytes.
 *
 * With -DWHARF_FUZZER and clang -fsanitize=fuzzer it is a fuzzer.  Otherwise
 * its main replays files: those named, else all of tests/corpus/frame.  There
 * ok-* must be frames back to back, and bad-* must not be; what a fuzzer found
 * goes there under its own name.  To add one, see tests/corpus/frame/make.py.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "proto/msg_link.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Also in builds without assert. */
#define MUST(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "fuzz_frame: %s does not hold\n", #x);	\
		abort();						\
	}								\
} while (0)

/* A frame that was accepted lies in its bytes and survives its encoder. */
static void
fuzz_accepted(const struct frame *f, const uint8_t *p, size_t used)
{
	static const unsigned	roles[] = { FROM_SUPERVISOR, FROM_WORKER,
		FROM_STORE, FROM_ROUTER, FROM_CLIENT, FROM_CHILD };
	struct frame		g;
	uint8_t			*out = malloc(frame_size(f));
	size_t			i, head = p[5] * (size_t)8;

	MUST(f->val + f->vallen == p + used && used >= frame_size(f));
	MUST(out != NULL && frame_put(out, f) == frame_size(f));
	MUST(frame_get(&g, out, frame_size(f)) == E_OK);
	MUST(memcmp(out, p, 5) == 0 && memcmp(out + 6, p + 6, 36) == 0 &&
	    memcmp(out + 44, p + 44, FRAME_HEAD - 44) == 0);
	MUST(memcmp(out + FRAME_HEAD, p + head, used - head) == 0);
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		(void)msg_check(f, roles[i]);
	MUST(msg_name(f->msg) != NULL && err_text(f->status) != NULL);
	free(out);
}

static int
fuzz_stream(const uint8_t *p, size_t n)
{
	struct frame	f;
	size_t		used;

	if (n == 0)
		return 0;
	while (n > 0) {
		if (frame_next(&f, p, n, &used) != E_OK) {
			MUST(frame_get(&f, p, n) != E_OK);
			return 0;
		}
		MUST(used > 0 && used <= n);
		MUST((frame_get(&f, p, n) == E_OK) == (used == n));
		fuzz_accepted(&f, p, used);
		p += used;
		n -= used;
	}
	return 1;
}

/* What get accepts, put writes again, to the byte. */
#define PAYLOAD(type, p, n) do {					\
	struct type	x_;						\
	uint8_t		out_[512];					\
									\
	if (type##_get(&x_, p, n) == E_OK) {				\
		MUST(type##_put(out_, sizeof(out_), &x_) == (n));	\
		MUST(memcmp(out_, p, n) == 0);				\
	}								\
} while (0)

static void
fuzz_payloads(const uint8_t *p, size_t n)
{
	PAYLOAD(link_offer, p, n);
	PAYLOAD(hello, p, n);
	PAYLOAD(desk_hello, p, n);
	PAYLOAD(desk_answer, p, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct frame	f;

	fuzz_stream(p, n);
	fuzz_payloads(p, n);
	if (frame_get(&f, p, n) == E_OK)
		fuzz_payloads(f.val, f.vallen);
	return 0;
}

#ifndef WHARF_FUZZER

#define FILE_MAX	(4u << 20)

static uint8_t *
replay_read(const char *path, size_t *n)
{
	FILE	*fp = fopen(path, "rb");
	uint8_t	*p, *exact;

	if (fp == NULL || (p = malloc(FILE_MAX)) == NULL) {
		perror(path);
		exit(99);
	}
	*n = fread(p, 1, FILE_MAX, fp);
	fclose(fp);
	/* To the byte, so that the sanitizer sees a read beyond the end. */
	if ((exact = malloc(*n + (*n == 0))) == NULL)
		exit(99);
	memcpy(exact, p, *n);
	free(p);
	return exact;
}

/* 0 when the file's name does not say what the decoder says. */
static int
replay_file(const char *path)
{
	const char	*base = strrchr(path, '/');
	size_t		 n;
	uint8_t		*p = replay_read(path, &n);
	int		 good;

	base = base == NULL ? path : base + 1;
	LLVMFuzzerTestOneInput(p, n);
	good = fuzz_stream(p, n);
	free(p);
	if ((strncmp(base, "ok-", 3) == 0 && !good) ||
	    (strncmp(base, "bad-", 4) == 0 && good)) {
		printf("%s: the decoder says %s\n", base, good ? "ok" : "bad");
		return 0;
	}
	return 1;
}

static int
replay_directory(const char *dir, unsigned *files)
{
	DIR		*d = opendir(dir);
	struct dirent	*e;
	char		 path[4096];
	int		 good = 1;

	if (d == NULL) {
		perror(dir);
		return 0;
	}
	while ((e = readdir(d)) != NULL) {
		if (strstr(e->d_name, ".bin") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		good &= replay_file(path);
		++*files;
	}
	closedir(d);
	return good;
}

int
main(int argc, char **argv)
{
	const char	*src = getenv("WHARF_SRC");
	char		 dir[2048];
	unsigned	 files = 0;
	int		 i, good = 1;

	for (i = 1; i < argc; i++, files++)
		good &= replay_file(argv[i]);
	if (argc == 1) {
		snprintf(dir, sizeof(dir), "%s/tests/corpus/frame",
		    src != NULL ? src : ".");
		good = replay_directory(dir, &files);
	}
	good &= files > 0;
	printf("SUMMARY fuzz_frame files=%u result=%s\n", files,
	    good ? "PASS" : "FAIL");
	return !good;
}

#endif
