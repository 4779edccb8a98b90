/*
 * The session waits for replies, outside of a transaction; wake/call_askers.c wakes it.
 */
#ifndef DGEN_SLEEP_REPLY_WAIT_H
#define DGEN_SLEEP_REPLY_WAIT_H

#include "postgres.h"

#include "utils/timestamp.h"

/* The caller keeps the memory to the end of the wait. */
typedef struct ReplyWait
{
	const int64 *ids;
	int count;
	Oid extension;           /* of the requests: OID of its dgen.request */
	struct ReplyWait *outer; /* the wait in whose commit this one began; NULL: none */
} ReplyWait;

/* Begin the wait first, in a transaction. Then check for replies, then wait. */
extern void dgen_reply_wait_begin(ReplyWait *wait, const int64 *request_ids, int count);
/*
 * Waits until one of the replies might be there. False: the deadline has passed or, with for_input,
 * the client has sent more.
 */
extern bool dgen_reply_wait(TimestampTz deadline, bool for_input);
extern void dgen_reply_wait_end(void);

/* Do the requests belong to an extension that was dropped? Needs a transaction. */
extern bool dgen_reply_wait_is_of_former(void);

/* Ends all waits at the end of the session. Never raises. */
extern void dgen_reply_wait_leave(void);

#endif /* DGEN_SLEEP_REPLY_WAIT_H */
