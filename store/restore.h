/*
 * restore.h: a backup made into the data of a node (wharf-store --restore).
 */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

/*
 * restore_main(argc, argv) gets what follows --restore:
 *
 *	[-n] [-s STORES] [-f FILES] [-r ROUTERS] -d DATA DIR[/NAME]
 *
 * -n keeps the node's id; a number that is 0 is as in the backup, and ROUTERS
 * may be nothing else where routers are in it.  DATA must be empty, or missing,
 * or what a restore that was cut short left.  Says on stdout what it does.
 * 0: DATA is a node's; 1: it is not, stderr says why; 2: wrong usage.
 */
int	 restore_main(int argc, char **argv);

#endif
