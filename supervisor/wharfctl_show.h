/*
 * wharfctl_show.h: wharfd's answers as tables for people, on stdout.
 */
#ifndef SUPERVISOR_WHARFCTL_SHOW_H
#define SUPERVISOR_WHARFCTL_SHOW_H

#include <jansson.h>

void	 show_status(const json_t *);
void	 show_slow(const json_t *);
void	 show_tables(const json_t *);
void	 show_restart(const json_t *);
void	 show_damage(const json_t *);
void	 show_reload(const json_t *);
void	 show_version(const json_t *);
void	 show_stop(const json_t *);
void	 show_log_level(const json_t *);
/* A field that is a string; "?" when it is not there. */
const char *show_text(const json_t *, const char *key);

#endif
