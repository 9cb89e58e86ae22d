/*
 * client_drive.h: the two files of client_drive: who has the connection, and
 * the commands on records of all types.
 */
#ifndef TESTS_CLIENT_DRIVE_H
#define TESTS_CLIENT_DRIVE_H

#include "proto/wharf.h"

#define WORDS	1024		/* of a command */

extern struct wharf	*drive_w;

/*
 *	op COMMAND TYPE TABLE KEY [FIELD=VALUE]...
 *		STATUS version ttl number flags value cursor [entry or row]...
 *	walk TYPE TABLE [FIELD=VALUE]...	STATUS cursor [entry]...
 *	mget|mput TYPE,TABLE,KEY[,VALUE,VERSION,FLAGS,TTL]...
 *		STATUS [STATUS,version,flags,number,value]...
 *	export TYPE TABLE [FIELD=VALUE]...	STATUS token
 *	task TOKEN				STATUS state
 *	tasks					STATUS waiting running done
 *	cache NAME KEY [HASH [VALUE [NUMBER]]]	STATUS value or number
 *
 * NAME is that of a short form, of wharf_cache.h without its prefix.
 * COMMAND is the number of a wharf_command, TYPE a letter; "-": none.  Keys,
 * values and cursors are hexadecimal, "-": none.  Fields are those of struct
 * wharf_op (hash: a table in hexadecimal), and version, wflags, ttl of its write; async=1 submits the op and
 * waits; stop=N ends a walk after N entries.  An entry is
 * type,table,key,version,ttl,score,value; a row type,table,count,size,capacity.
 */
void	 drive_op(char **word);
void	 drive_walk(char **word);
void	 drive_mget(char **word);
void	 drive_mput(char **word);
void	 drive_export(char **word);
void	 drive_task(char **word);
void	 drive_tasks(char **word);
void	 drive_cache(char **word);
/*
 *	q COMMAND NAME [FIELD=VALUE]...
 *		STATUS version count number ttl token name value [row]...
 *	qsend SLOT COMMAND NAME [FIELD=VALUE]...	STATUS, of the submission
 *	qcancel SLOT					1, or 0
 *	qwait SLOT MS		how often it was called back; STATUS token value
 *	qwaiting QUEUE			requests that wait at it
 *	qshort QUEUE OTHER, tshort TOPIC	the short forms: OK, or what failed
 *
 * COMMAND is the number of a wharf_queue_command; fields are those of struct
 * wharf_queue_op and of its settings (sttl, sdelay: ttl and delay of these).
 */
void	 drive_q(char **word);
void	 drive_qsend(char **word);
void	 drive_qcancel(char **word);
void	 drive_qwait(char **word);
void	 drive_qwaiting(char **word);
void	 drive_qshort(char **word);
void	 drive_tshort(char **word);
/* Bytes of a word, to be freed; room for one more. */
uint8_t	*unhex(const char *text, size_t *n);
void	 print_hex(const void *bytes, size_t n);

#endif
