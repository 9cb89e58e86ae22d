/*
 * sealed.h: shared memory that one process makes and hands to others: a memfd
 * whose size is sealed, so that nobody can cut it short under a reader
 * (SIGBUS).  What lies in it is the user's affair: whoever maps it checks what
 * it says of itself.
 *
 * All calls set errno; EINVAL: the memory is no such memory, or too small.
 */
#ifndef PROTO_SEALED_H
#define PROTO_SEALED_H

#include <stddef.h>

/*
 * size bytes, the first n as given (n <= size), the others zero.  Returns a
 * close-on-exec descriptor, or -1.
 */
int	 sealed_make(const char *name, size_t size, const void *first, size_t n);
/* Bytes of sealed memory; 0: it is none. */
size_t	 sealed_size(int fd);
/*
 * All of it, to be read and written, at least least bytes; *size is what
 * munmap needs.  The descriptor may be closed afterwards.  NULL: errno.
 */
void	*sealed_map(int fd, size_t least, size_t *size);

#endif
