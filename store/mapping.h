/*
 * mapping.h: where the kernel has mapped a file into this process, for files
 * that a library maps and says nothing of (Linux: proc_pid_maps(5)).
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t	at, len;	/* bytes; len 0: there is none */
};

/*
 * The mapping, shared and for writing, that begins with the first byte of the
 * file.  True until somebody maps or unmaps it.  Takes some 50 us.
 */
struct mapping	 mapping_find(dev_t, ino_t);

#endif
