/*
 * dgen's own SQLSTATEs, class ZD. A test compares this list with the table in docs/sql-api.md.
 *
 * If PostgreSQL has a code with the same meaning (22023 invalid parameter value, 42501 insufficient
 * privilege, 42710 duplicate object), dgen uses that one.
 */
#ifndef DGEN_BASE_ERRORS_H
#define DGEN_BASE_ERRORS_H

#define DGEN_SQLSTATE(a, b, c) MAKE_SQLSTATE('Z', 'D', a, b, c)

/* Naming things */
#define DGEN_ERR_UNKNOWN_TYPE DGEN_SQLSTATE('0', '0', '1') /* no such actor type */
#define DGEN_ERR_INVALID_KEY DGEN_SQLSTATE('0', '0', '2') /* actor key is null, empty or too long */
#define DGEN_ERR_INVALID_MESSAGE DGEN_SQLSTATE('0', '0', '3') /* message is null */
#define DGEN_ERR_INVALID_HANDLER DGEN_SQLSTATE('0', '0', '4') /* handler is missing or unsuitable */
#define DGEN_ERR_TYPE_IN_USE DGEN_SQLSTATE('0', '0', '5')  /* type still has messages or actors */
#define DGEN_ERR_MAILBOX_FULL DGEN_SQLSTATE('0', '0', '6') /* mailbox is full */
#define DGEN_ERR_TYPE_CHANGED DGEN_SQLSTATE('0', '0', '7') /* type changed during the turn */

/* Requests and replies */
#define DGEN_ERR_REPLY_TIMEOUT DGEN_SQLSTATE('0', '1', '0') /* no reply before the timeout */
#define DGEN_ERR_REQUEST_FAILED \
	DGEN_SQLSTATE('0', '1', '1') /* handler failed without a usable SQLSTATE */
#define DGEN_ERR_REQUEST_CANCELLED DGEN_SQLSTATE('0', '1', '2') /* request was canceled */
#define DGEN_ERR_UNKNOWN_REQUEST DGEN_SQLSTATE('0', '1', '3') /* never sent, collected or expired */
#define DGEN_ERR_SAME_TRANSACTION DGEN_SQLSTATE('0', '1', '4') /* sent in this transaction */
#define DGEN_ERR_KEY_WITHOUT_REPLY \
	DGEN_SQLSTATE('0', '1', '5') /* idempotency key of a message that keeps no reply */
#define DGEN_ERR_NEVER_ANSWERED DGEN_SQLSTATE('0', '1', '6') /* not answered within the retention */

/* Inline calls */
#define DGEN_ERR_EXTERNAL_TYPE DGEN_SQLSTATE('0', '2', '0') /* type has no in-database handler */
#define DGEN_ERR_PAUSED DGEN_SQLSTATE('0', '2', '1')        /* actor or type is paused */
#define DGEN_ERR_BACKING_OFF DGEN_SQLSTATE('0', '2', '2')   /* actor waits for its next attempt */
#define DGEN_ERR_BACKLOG DGEN_SQLSTATE('0', '2', '3')  /* too many messages wait before the call */
#define DGEN_ERR_NO_REPLY DGEN_SQLSTATE('0', '2', '4') /* handler did not reply */
#define DGEN_ERR_CALL_TIMEOUT \
	DGEN_SQLSTATE('0', '2', '5')                     /* actor was not free before the timeout */
#define DGEN_ERR_LOCKED DGEN_SQLSTATE('0', '2', '6') /* actor is locked, or locks itself */

/* Turns and the worker protocol */
#define DGEN_ERR_NESTED DGEN_SQLSTATE('0', '3', '0') /* not allowed inside a handler or a batch */
#define DGEN_ERR_ISOLATION DGEN_SQLSTATE('0', '3', '1')      /* transaction is not READ COMMITTED */
#define DGEN_ERR_NOT_ATTACHED DGEN_SQLSTATE('0', '3', '2')   /* session is not an attached worker */
#define DGEN_ERR_NOT_OWNED DGEN_SQLSTATE('0', '3', '3')      /* batch is no longer owned */
#define DGEN_ERR_INVALID_COMMIT DGEN_SQLSTATE('0', '3', '4') /* commit does not match the batch */
#define DGEN_ERR_NOT_ADOPTED \
	DGEN_SQLSTATE('0', '3', '5') /* database was restored and not adopted */
#define DGEN_ERR_LIBRARY_VERSION DGEN_SQLSTATE('0', '3', '6') /* libdgen is too old */
#define DGEN_ERR_OTHER_SESSION \
	DGEN_SQLSTATE('0', '3', '7')                       /* worker is not attached to this session */
#define DGEN_ERR_UPDATING DGEN_SQLSTATE('0', '3', '8') /* the extension is not up to date yet */
#define DGEN_ERR_CHANGED \
	DGEN_SQLSTATE('0', '3', '9') /* a table, index or type of dgen was changed */
#define DGEN_ERR_INVALID_OUTCOME \
	DGEN_SQLSTATE('0', '4', '0')                           /* handler returned an invalid outcome */
#define DGEN_ERR_TURN_TIMEOUT DGEN_SQLSTATE('0', '4', '1') /* turn ran longer than turn_timeout */
#define DGEN_ERR_SESSION_ENDED \
	DGEN_SQLSTATE('0', '4', '2') /* session of the worker ended during the turn */
#define DGEN_ERR_SERVER_CRASHED DGEN_SQLSTATE('0', '4', '3') /* server crashed during the turn */
#define DGEN_ERR_NO_ACTION DGEN_SQLSTATE('0', '4', '4') /* not in a turn that can store actions */
#define DGEN_ERR_LOCK_TIMEOUT \
	DGEN_SQLSTATE('0', '4', '5') /* locked part ran longer than lock_timeout */
#define DGEN_ERR_UNLOCKED DGEN_SQLSTATE('0', '4', '6')    /* lock was ended with dgen.unlock */
#define DGEN_ERR_LEFT_BEHIND DGEN_SQLSTATE('0', '4', '7') /* turn left something in the session */
#define DGEN_ERR_PENDING \
	DGEN_SQLSTATE('0', '4', '8') /* deferred work of the caller prevents the call */
#define DGEN_ERR_LOCK_LOST DGEN_SQLSTATE('0', '4', '9') /* locked part released its lock */

#define DGEN_FAIL_SQLSTATE "ZD400" /* dgen.fail without a SQLSTATE of the handler's own */

#endif /* DGEN_BASE_ERRORS_H */
