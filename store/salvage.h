/*
 * salvage.h: goes through a data file that may be damaged, record by record in
 * the order in which they were stored, and says what is whole and what is not.
 * Believes neither buckets nor links; whether a record is whole its visitor
 * says, by the record's own checksum.
 *
 * Behind a damaged record it goes on where that one ends, if what begins there
 * is whole; else with the first record of a later block, as the sums have it.
 * Only where there are no sums it looks for anything that is a whole record:
 * that could also be one that lies in somebody's value.
 */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "store/rewind_tkrzw.h"
#include "store/sums.h"

struct salvage {
	const struct io	*io;
	int		 fd;
	const struct sums *sums;	/* or NULL */
	uint64_t	 end;		/* F */
	/* Is the record at off whole?  Called again for some of them. */
	int		(*whole)(void *, uint64_t off,
			    const struct tkrzw_record *);
	/* Once for each whole record; anything but E_OK ends it. */
	enum err	(*good)(void *, uint64_t off,
			    const struct tkrzw_record *);
	/*
	 * Nothing whole is between from and to.  Not NULL: what is there has
	 * the form of a record, and the next one begins where it ends.
	 */
	enum err	(*bad)(void *, uint64_t from, uint64_t to,
			    const struct tkrzw_record *);
	void		*arg;
};

/* E_OK, E_NOMEM, or what good said.  A file that is too short is damage. */
enum err	 salvage_walk(const struct salvage *);

#endif
