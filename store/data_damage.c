/*
 * data_damage.c: DAMAGE, the file beside MANIFEST that names the slots of which
 * records may be missing (data_salvage.c says why), and its end: whoever owns
 * the data says that what is missing is gone.  Nothing else can know.
 *
 *	wharf-damage 1
 *	slot N			one line each
 *	end XXH3-64 of all before this line
 *
 * A file that is not of this form names all slots of the store.  Written by path.tmp, sync
 * and rename; it is removed when it would name none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/slot.h"
#include "store/data_impl.h"
#include "supervisor/log.h"

#define DAMAGE_FIRST	"wharf-damage 1\n"
#define DAMAGE_TEXT	(64 + SLOTS * 12)

/* --- reading --- */

/* The "slot" lines; 0: they are not of this form. */
static int
damage_parse(struct data *d, const char *text)
{
	const char	*p = strchr(text, '\n');
	unsigned	 slot;
	int		 n;

	if (p == NULL || strncmp(text, DAMAGE_FIRST, strlen(DAMAGE_FIRST)) != 0)
		return 0;
	for (p++; sscanf(p, "slot %u\n%n", &slot, &n) == 1; p += n) {
		if (slot >= SLOTS)
			return 0;
		d->lost_slot[slot / 8] |= (uint8_t)(1 << slot % 8);
	}
	return *p == '\0';
}

/* As parsed, up to the line with the checksum of all before it. */
static int
damage_take(struct data *d, char *text, size_t n)
{
	unsigned long long	sum;
	char			*end = strstr(text, "\nend ");

	if (end == NULL || strlen(text) != n)
		return 0;
	end++;
	if (sscanf(end, "end %16llx", &sum) != 1 ||
	    sum != XXH3_64bits(text, (size_t)(end - text)))
		return 0;
	*end = '\0';
	return damage_parse(d, text);
}

static void
damage_all(struct data *d)
{
	unsigned	s;

	for (s = 0; s < SLOTS; s++)
		if (slot_store(s, d->conf.stores) == d->conf.store)
			d->lost_slot[s / 8] |= (uint8_t)(1 << s % 8);
}

enum err
damage_load(struct data *d)
{
	const struct io	*io = d->conf.io;
	char		 path[PATH_LEN], *text;
	ssize_t		 n = -1;
	int		 fd;

	snprintf(path, sizeof(path), "%s/DAMAGE", d->conf.dir);
	if (!d->conf.ops->files || ((fd = io->open(io, path,
	    O_RDONLY | O_CLOEXEC, 0)) == -1 && errno == ENOENT))
		return E_OK;
	if ((text = calloc(1, DAMAGE_TEXT)) == NULL) {
		if (fd != -1)
			close(fd);
		return E_NOMEM;
	}
	if (fd != -1) {
		n = io->pread(io, fd, text, DAMAGE_TEXT - 1, 0);
		close(fd);
	}
	if (n == -1 || !damage_take(d, text, (size_t)n)) {
		log_warnx("%s is damaged itself: nothing is taken for absent",
		    path);
		damage_all(d);
	}
	free(text);
	return E_OK;
}

/* --- writing --- */

static size_t
damage_text(const struct data *d, char *text)
{
	size_t		n = (size_t)snprintf(text, DAMAGE_TEXT, DAMAGE_FIRST);
	unsigned	s;

	for (s = 0; s < SLOTS; s++)
		if (data_slot_lost(d, s))
			n += (size_t)snprintf(text + n, DAMAGE_TEXT - n,
			    "slot %u\n", s);
	return n + (size_t)snprintf(text + n, DAMAGE_TEXT - n,
	    "end %016llx\n", (unsigned long long)XXH3_64bits(text, n));
}

static int
damage_any(const struct data *d)
{
	unsigned	s;

	for (s = 0; s < SLOTS; s++)
		if (data_slot_lost(d, s))
			return 1;
	return 0;
}

static int
damage_write_tmp(const struct io *io, const char *tmp, const char *text,
    size_t n)
{
	int	fd = io->open(io, tmp, O_WRONLY | O_CREAT | O_TRUNC |
		    O_CLOEXEC, 0600);
	int	ok = fd != -1 && io_write_all(io, fd, text, n, 0) == 0 &&
		    io->fdatasync(io, fd) == 0;

	if (fd != -1)
		close(fd);
	return ok;
}

static int
damage_put(const struct data *d, const char *path)
{
	const struct io	*io = d->conf.io;
	char		 tmp[PATH_LEN + 8];
	char		*text;
	int		 ok;

	if (!damage_any(d))
		return io->unlink(io, path) == 0 || errno == ENOENT;
	if ((text = malloc(DAMAGE_TEXT)) == NULL)
		return 0;
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	ok = damage_write_tmp(io, tmp, text, damage_text(d, text)) &&
	    io->rename(io, tmp, path) == 0;
	free(text);
	return ok;
}

enum err
damage_write(const struct data *d)
{
	char	path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/DAMAGE", d->conf.dir);
	if (damage_put(d, path) && io_sync_dir(d->conf.io, d->conf.dir) == 0)
		return E_OK;
	return errno == ENOMEM ? E_NOMEM : io_is_full(errno) ? E_NOSPACE :
	    E_INTERNAL;
}

/* --- the end of it --- */

int
data_lost(const struct data *d, unsigned slot)
{
	return data_slot_lost(d, slot);
}

enum err
data_accept_loss(struct data *d)
{
	uint8_t		was[SLOTS / 8];
	unsigned	k;
	enum err	e;

	memcpy(was, d->lost_slot, sizeof(was));
	memset(d->lost_slot, 0, sizeof(d->lost_slot));
	if ((e = damage_write(d)) != E_OK) {
		memcpy(d->lost_slot, was, sizeof(was));
		return e;
	}
	/* What only had to stay because of it is garbage now. */
	for (k = 0; k < d->conf.files; k++)
		d->file[k].kept = 0;
	d->fresh_kept = 0;
	return E_OK;
}
