/*
 * wharf_status.h: how an operation of libwharf ends; included by wharf.h.
 */
#ifndef WHARF_STATUS_H
#define WHARF_STATUS_H

/*
 * How an operation ended.  Numbers are those on the wire (protocol(7)) and
 * final; later versions may add some.  wharf_status_http tells what a status
 * means for a write: 503 surely not done, 504 nobody knows.
 */
enum wharf_status {
	WHARF_OK	= 0,
	WHARF_BADMSG	= 2,	/* malformed message */
	WHARF_PARAM	= 3,	/* an argument is out of its range */
	WHARF_ESCAPE	= 4,	/* 4, 5, 12-14, 18, 19, 40: HTTP only */
	WHARF_REQUEST	= 5,
	WHARF_AUTH	= 6,
	WHARF_VERSION	= 7,	/* the record has another version */
	WHARF_DENIED	= 8,
	WHARF_LIMIT	= 9,
	WHARF_NOTFOUND	= 10,	/* no such key, item or message */
	WHARF_MISSING = 11, WHARF_NOPATH = 12, WHARF_METHOD = 13, WHARF_SLOW = 14,
	WHARF_TYPE	= 15,
	WHARF_EXISTS	= 16,	/* WHARF_CREATE, and the key is there */
	WHARF_TOOBIG	= 17,	/* longer than options.memory allows */
	WHARF_URI	= 18, WHARF_HEADERS = 19,
	WHARF_DAMAGED	= 20,	/* the record fails its checksum, or may have
				   been lost; the answer's value says where */
	WHARF_INTERNAL	= 21,
	WHARF_UNKNOWN	= 22,	/* a node too old for this command */
	WHARF_NOTREADY	= 23,	/* the store was lost before it was asked */
	WHARF_AGAIN	= 24,	/* submit: bounds reached, nothing taken */
	WHARF_FULL	= 25,
	WHARF_NOMEM	= 26,
	WHARF_STALE	= 27,
	WHARF_READONLY	= 28,
	WHARF_EXPIRED	= 29,	/* time ran out before the store began */
	WHARF_TIMEOUT	= 30,	/* no answer in time, outcome unknown */
	WHARF_UNSURE	= 31,	/* the store was lost, outcome unknown */
	WHARF_NOSPACE	= 32,	/* no disk space at the node */
	WHARF_NUMBER	= 33,	/* not a number, or out of its range */
	WHARF_TABLES	= 34,	/* no room for another table */
	WHARF_BUILDING	= 35,	/* an index or queue is read in, again */
	WHARF_INDEX	= 36,	/* an index over its memory limit */
	WHARF_TASKS = 37, WHARF_SNAPSHOT = 38, WHARF_COVER = 39, /* exports */
	WHARF_PEER	= 40,
	WHARF_CACHE_TYPE = 41,	/* the name is no string, or no hash */
	WHARF_CACHE_NUMBER = 42, /* not a number, or out of its range */
	WHARF_CACHE_TOOBIG = 43, /* too large for the cache */
	WHARF_CACHE_VALUE = 44,
	WHARF_ROLE	= 45, WHARF_AUTHBUSY = 46,	/* HTTP only */
	WHARF_CACHE_OFF	= 47,	/* the node has no cache */
	WHARF_LIMIT_DISK = 48,	/* 48..50: the node is over a limit; it takes */
	WHARF_LIMIT_PROCESS = 49, /* no writes that grow until it is below */
	WHARF_LIMIT_SYSTEM = 50,
	WHARF_LIMIT_VALUE = 51,	/* longer than the node takes values */
	WHARF_QUEUE	= 52,	/* no such queue or topic, or the other kind */
	WHARF_QUEUES	= 53,	/* no room for another one */
	WHARF_QLOCKED	= 54, WHARF_QFULL = 55,
	WHARF_TOKEN	= 56,	/* not valid here, or its message is gone */
	WHARF_WINDOW	= 57,	/* the index lies outside the topic's window */
	WHARF_LIMIT_MESSAGES = 58, /* the node has as many as it may */
	WHARF_WAITED	= 59,	/* nobody came for the task, or with one, in time */
	WHARF_TASKS_FULL = 60,	/* 60..63: HTTP only */
	WHARF_ELSEWHERE	= 61, WHARF_BEHIND = 62, WHARF_PARTLY = 63
};

#endif
