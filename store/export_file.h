/*
 * export_file.h: the files of an export on their way to the disk: the work of
 * the thread beside store_export.c.
 */
#ifndef STORE_EXPORT_FILE_H
#define STORE_EXPORT_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "store/helper.h"
#include "store/snapshot.h"

#define EXPORT_PATH	(PATH_MAX + SNAPSHOT_NAME + 16)

struct chunk {
	uint8_t		*lines, *places;
	size_t		 n, cap, placen, placecap;
};

/* The thread has it while a job is with it. */
struct writing {
	struct job	 job;
	void		*owner;
	const char	*dir;
	char		 path[2][EXPORT_PATH];	/* offsets, lines */
	int		 fd[2];
	uint64_t	 at[2];
	struct chunk	 chunk;
	const char	*what;		/* failed, when the result is not E_OK */
	int		 err;		/* its errno */
};

/*
 * Work of a job whose arg is its struct writing.  E_NOSPACE, E_INTERNAL: what
 * and err say more.
 */
enum err	 export_write(struct job *);	/* the chunk */
enum err	 export_finish(struct job *);	/* sync, and into place */
enum err	 export_drop(struct job *);	/* remove; E_OK */
void		 export_close(struct writing *);
/* At the start: removes what exports of an earlier life did not finish. */
void		 export_sweep(const char *dir);

#endif
