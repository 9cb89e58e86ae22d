/*
 * mapping.c: where a file is mapped, from the kernel's list.
 *
 * A line is "from-to perms offset major:minor inode path", numbers but for the
 * inode in hexadecimal; a path has no line feed in it ("\012").
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "store/mapping.h"

#define MAPS	"/proc/self/maps"

static int
is_of(const char *line, dev_t dev, ino_t ino, struct mapping *m)
{
	uint64_t	from, to, off, inode;
	unsigned	major, minor;
	char		perms[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64
	    " %x:%x %" SCNu64, &from, &to, perms, &off, &major, &minor,
	    &inode) != 7 || off != 0 || inode != ino || major != major(dev) ||
	    minor != minor(dev) || strcmp(perms, "rw-s") != 0)
		return 0;
	*m = (struct mapping){ from, to - from };
	return 1;
}

struct mapping
mapping_find(dev_t dev, ino_t ino)
{
	struct mapping	 m = { 0, 0 };
	char		*line = NULL;
	size_t		 size = 0;
	FILE		*fp;

	if ((fp = fopen(MAPS, "re")) == NULL)
		return m;
	while (getline(&line, &size, fp) != -1 && !is_of(line, dev, ino, &m))
		continue;
	free(line);
	fclose(fp);
	return m;
}
