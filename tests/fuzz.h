/*
 * fuzz.h: what the fuzz targets share.  A target includes it once, with
 * FUZZ_NAME defined, and defines fuzz_one: 1 when the code under test took the
 * bytes, 0 when it refused them, abort (MUST) when it broke a promise.
 *
 * With -DWHARF_FUZZER and clang -fsanitize=fuzzer the program is a fuzzer (make
 * fuzz does that).  Otherwise its main replays files: those named, else all of
 * tests/corpus/FUZZ_NAME.  There ok-* must be taken and bad-* must be refused;
 * what a fuzzer found goes there under a name of its own.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Also in builds without assert. */
#define MUST(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "fuzz_" FUZZ_NAME			\
		    ": line %d: %s does not hold\n", __LINE__, #x);	\
		abort();						\
	}								\
} while (0)

/* So that a sanitizer sees what is read, and the compiler leaves it there. */
static __attribute__((unused)) uint64_t
fuzz_touch(const void *p, size_t n)
{
	const uint8_t	*b = p;
	uint64_t	 h = 14695981039346656037u;	/* FNV-1a */

	for (; n > 0; n--)
		h = (h ^ *b++) * 1099511628211u;
	return h;
}

static int	fuzz_one(const uint8_t *, size_t);

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	(void)fuzz_one(p, n);
	return 0;
}

#ifndef WHARF_FUZZER

#define FUZZ_FILE	(4u << 20)

/* To the byte, so that a sanitizer sees a read beyond the end. */
static uint8_t *
replay_read(const char *path, size_t *n)
{
	FILE	*fp = fopen(path, "rb");
	uint8_t	*p, *exact;

	if (fp == NULL || (p = malloc(FUZZ_FILE)) == NULL) {
		perror(path);
		exit(99);
	}
	*n = fread(p, 1, FUZZ_FILE, fp);
	fclose(fp);
	if ((exact = malloc(*n + (*n == 0))) == NULL)
		exit(99);
	memcpy(exact, p, *n);
	free(p);
	return exact;
}

/* 0 when the file's name does not say what the code says. */
static int
replay_file(const char *path)
{
	const char	*base = strrchr(path, '/');
	size_t		 n;
	uint8_t		*p = replay_read(path, &n);
	int		 good = fuzz_one(p, n);

	free(p);
	base = base == NULL ? path : base + 1;
	if (!(strncmp(base, "ok-", 3) == 0 && !good) &&
	    !(strncmp(base, "bad-", 4) == 0 && good))
		return 1;
	printf("%s: is %s\n", base, good ? "taken" : "refused");
	return 0;
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
		if (e->d_name[0] == '.' || strstr(e->d_name, ".py") != NULL)
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
		snprintf(dir, sizeof(dir), "%s/tests/corpus/" FUZZ_NAME,
		    src != NULL ? src : ".");
		good = replay_directory(dir, &files);
	}
	good &= files > 0;
	printf("SUMMARY fuzz_" FUZZ_NAME " files=%u result=%s\n", files,
	    good ? "PASS" : "FAIL");
	return !good;
}

#endif
#endif
