/*
 * data_scrub.h: what the scrub and the online check take from the data files
 * to read it beside the loop, and compaction by order.
 *
 * What lies below a size that a file once had never changes (rewind_tkrzw.c),
 * so whoever noted that size, with descriptors of its own and a copy of the
 * block checksums, may read as long as he likes, also when the generation is
 * gone.  All functions on the loop.
 */
#ifndef STORE_DATA_SCRUB_H
#define STORE_DATA_SCRUB_H

#include "store/data.h"
#include "store/pace.h"
#include "store/sums.h"

#define DATA_PATH	4096

/* One generation up to where it has checksums, or up to its present size. */
struct data_part {
	unsigned	 k;
	int		 older;
	uint64_t	 gen;
	char		 path[DATA_PATH];
	int		 fd;		/* owned; -1: none */
	int		 raw;		/* owned; of pace_open */
	struct sums	 sums;		/* owned; n 0: none */
	uint64_t	 size, count;	/* size 0: not known of that end */
};
void		 data_part_free(struct data_part *);
/*
 * What has checksums of file k.  E_NOTFOUND: there is no such generation, or
 * it has none; E_AGAIN: the helper has them; E_NOMEM; E_INTERNAL (errno).
 */
enum err	 data_part_get(struct data *, unsigned k, int older,
		    const struct pace *, struct data_part *);
/* Whether the generation is still in use. */
int		 data_part_is(const struct data *, const struct data_part *);

/* All data files at one moment; those that cannot be read have fd -1. */
struct data_image {
	unsigned	 files;
	struct data_part part[FILES_MAX];
	struct manifest_slot slot[1024];
	struct manifest	 tables;	/* sums 0: they are not known */
	struct tables	*counted;	/* empty, of that time; or NULL */
};
void		 data_image_free(struct data_image *);	/* frees it, too */
/*
 * E_AGAIN: not now, ask in a while: a file is being compacted (no other one
 * begins from now on), or sums are being put right.  E_NOMEM.
 */
enum err	 data_image_take(struct data *, const struct pace *,
		    struct data_image **);
/* No image is wanted any more: compaction may begin. */
void		 data_image_leave(struct data *);

/* Compaction of these files (bits) is to begin, whatever they hold. */
void		 data_compact_order(struct data *, uint64_t files);
/*
 * Of these, those that are not done.  *why: E_DAMAGED these never will be,
 * E_NOSPACE others of them were given up, for want of room; E_OK.
 */
uint64_t	 data_compact_left(const struct data *, uint64_t files,
		    enum err *why);
/* Bytes of these files as they are. */
uint64_t	 data_compact_bytes(const struct data *, uint64_t files);

#endif
