/*
 * rewind_tkrzw.h: makes a tkrzw file that was not closed what it was when it
 * was shorter; engine.h says what is promised (engine_ops.rewind).
 */
#ifndef STORE_REWIND_TKRZW_H
#define STORE_REWIND_TKRZW_H

#include "store/engine.h"

#define TKRZW_OFFSET_WIDTH	5
#define TKRZW_ALIGN_POW		3

/* Where the first record of a file with so many buckets is. */
uint64_t	 tkrzw_record_base(uint64_t buckets);
enum err	 tkrzw_rewind(const struct io *, int fd, uint64_t end,
		    uint64_t count, engine_visit *, void *arg);
enum err	 tkrzw_read(const struct io *, int fd, uint64_t end,
		    uint64_t count, engine_visit *, void *arg);

#endif
