/*
 * metrics.h: the board as text for Prometheus: exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based
 * format"), what GET /metrics answers.
 *
 * Each row of board.def is a family wharf_<name> (see there) with the labels
 * actor and seat (NODE rows: of wharfd only); wharf_http_requests_total has kind and code besides,
 * wharf_build_info the version.  Seconds and bytes throughout.  Histograms
 * have buckets for powers of two from 16 us to 16.8 s.
 *
 * A restarted actor counts from 0 again, which Prometheus takes for what it
 * is, a counter reset; wharf_start_time_seconds and wharf_restarts_total say
 * so.  (Several counters are totals of what the process itself opened, so
 * keeping the others would make them disagree.)
 */
#ifndef SUPERVISOR_METRICS_H
#define SUPERVISOR_METRICS_H

#include <stddef.h>

#include "supervisor/board.h"

#define METRICS_TYPE	"text/plain; version=0.0.4; charset=utf-8"

/*
 * All of it in one piece, about 10 KiB an actor; the caller frees it.  NULL:
 * no memory.  Reads the board only, so any process that maps it may ask.
 */
char	*metrics_text(struct board *, size_t *len);

#endif
