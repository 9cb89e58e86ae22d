/*
 * backup_check.h: is a backup whole? (wharf-store --check-backup)
 */
#ifndef STORE_BACKUP_CHECK_H
#define STORE_BACKUP_CHECK_H

/*
 * argv: DIR/NAME, which is checked with all that it rests on; or DIR, then all
 * that are in it.  Writes nothing but lines on stdout: "PATH: what" for each
 * finding, and a sum for each backup.  0: all is whole; 1: something is damaged
 * or missing; 2: it could not be checked, said on stderr.
 */
int	 backup_check_main(int argc, char **argv);

#endif
