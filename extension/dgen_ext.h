/*
 * The one internal header of the extension: a section per file, in the order of
 * the message path. What a function may raise and what it needs stands here; how
 * it does it stands in its file.
 */
#ifndef DGEN_EXT_H
#define DGEN_EXT_H

#include "postgres.h"

#include "access/htup.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "storage/lock.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/version.h"

#define DGEN_VERSION "0.1.0"
#define DGEN_OLDEST_LIBRARY \
	"0.1" /* major and minor version of the oldest libdgen that may attach */

#define DGEN_MAX_KEY_BYTES 512
#define DGEN_MAX_TYPE_NAME_BYTES 128

/* message.kind */
#define KIND_CAST 'c'
#define KIND_REQUEST 'q'
#define KIND_REPLY 'r'
#define KIND_TIMER 't'
#define KIND_DEAD_LETTER 'd' /* tells an actor that a message of its died */
#define KIND_ACTION 'a'      /* of a type of actions, see below */

/* request.status */
#define REQUEST_PENDING 'p'
#define REQUEST_REPLIED 'r'
#define REQUEST_FAILED 'f'
#define REQUEST_CANCELLED 'c'

/* ---- guc.c: settings ------------------------------------------------ */

extern int dgen_worker_count;        /* workers per database in dgen.databases, at server start */
extern char *dgen_databases;         /* comma-separated list of databases */
extern int dgen_safety_net_interval; /* seconds between looks for work that nothing announced */
extern int dgen_batch_actors;        /* most actors in a batch */
extern int dgen_batch_messages;      /* most messages in a batch */
extern int dgen_batch_bytes;         /* most payload in a batch, kB */
extern int dgen_batch_duration;      /* time a batch may take, ms, estimated from measured turns */
extern int dgen_call_backlog;        /* most waiting messages that dgen.call handles first */

extern void dgen_define_gucs(void);
extern bool dgen_is_preloaded; /* by shared_preload_libraries */

/* ---- actor_type.c: types, their policy, who may do what -------------- */

typedef enum Privilege
{
	PRIVILEGE_SEND,
	PRIVILEGE_READ,
	PRIVILEGE_WORK
} Privilege;

typedef struct ActorType
{
	int32 id;
	const char *name;
	Oid owner;
	const char *handler;     /* schema-qualified; NULL: external workers */
	const char *search_path; /* what the handler runs with */
	Jsonb *initial_state;
	int32 max_attempts;
	Interval backoff;
	Interval max_backoff;
	int64 turn_timeout_ms;
	Interval retention;
	int32 max_waiting;        /* messages of one actor, when another one is sent; 0: no limit */
	int32 max_concurrency;    /* actors that workers own at a time; 0: no limit */
	double max_rate;          /* turns a second of all workers together; 0: no limit */
	bool limited;             /* claims have to heed a limit */
	bool handle_dead_letters; /* its actors get messages of KIND_DEAD_LETTER */
	bool handle_actions;
	int64 lock_timeout_ms;
	int32 locked_priority; /* a locked actor handles messages of this and above */
} ActorType;

extern void dgen_actor_type_init(void); /* _PG_init: invalidation callbacks */

/* The actions of type n are messages of type -n, see action.c. */
static inline bool
dgen_is_of_actions(int32 type_id)
{
	return type_id < 0;
}

/* The type whose actions they are; that of actors is itself. */
static inline int32
dgen_actors_type(int32 type_id)
{
	return type_id < 0 ? -type_id : type_id;
}

/*
 * The cached type. The result lives until the end of the transaction, even if the
 * type changes meanwhile. By name it is as it has been committed by now; by id call after
 * a table was opened, so that pending invalidations have been seen. Raises
 * DGEN_ERR_UNKNOWN_TYPE unless missing_ok.
 * By id also a type of actions: it has the definition of the type, and no state.
 */
extern const ActorType *dgen_type_by_name(text *name);
extern const ActorType *dgen_type_by_id(int32 id, bool missing_ok);

/* nearest_type.c: the name of a type that the caller may use and may have meant; NULL: none. */
extern const char *dgen_nearest_type(const text *name);

/* Does the role have the privilege? The owner (as a role one is member of) and superusers have all. */
extern bool dgen_has_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Raises 42501 with what to grant, unless it has. */
extern void dgen_check_privilege(const ActorType *type, Oid role, Privilege privilege);

/* Whoever has no privilege on a type is not told its name by a number that it has guessed. */
extern bool dgen_may_know_type(const ActorType *type, Oid role);
extern void dgen_check_work_found(const ActorType *type, Oid role);

/* Raises DGEN_ERR_NOT_ADOPTED in a restored database nobody adopted. */
extern void dgen_check_adopted(void);
extern TransactionId dgen_adopted_by(void); /* which wrote that, when it was checked last */

/* ---- role.c: the roles that rows name ---------------------------------- */

/* For a message; the number of a role that is gone. */
extern const char *dgen_role_name(Oid role);

/* ---- mailbox.c: keys, mailboxes, ownership --------------------------- */

/* The fixed hash; key as stored in the database, converted to UTF-8 first. */
extern int64 dgen_mailbox_of(const text *key);

/* Raises DGEN_ERR_INVALID_KEY for an empty or too long key. */
extern void dgen_check_key(const text *key);

/*
 * An actor is owned through a transaction-level advisory lock on its mailbox, in a
 * lock class of dgen's own. Try never waits; a failure leaves a mark in shared
 * memory, so that whoever holds the lock wakes a worker when it lets go (H9).
 */
#define HELD_BY_ANOTHER (-1)
#define HELD_UNNOTED (-2)                              /* owned */
extern int dgen_try_own(int32 type_id, int64 mailbox); /* see dgen_wakeup_owned */
extern void dgen_own(int32 type_id, int64 mailbox);    /* waits; deadlocks are detected */
extern bool dgen_owns(int32 type_id, int64 mailbox);

/* ---- table.c: reading and writing dgen's tables ----------------------
 *
 * Directly through the table and index access methods: one plan by construction
 * (I10), no search_path, no permission checks (the callers do them).
 */

typedef enum DgenTable
{
	TABLE_ACTOR_TYPE,
	TABLE_PRIVILEGE,
	TABLE_MESSAGE,
	TABLE_DELAYED_MESSAGE,
	TABLE_IDEMPOTENCY_KEY,
	TABLE_PAUSED,
	TABLE_FAILED_ATTEMPT,
	TABLE_ACTOR,
	TABLE_DEAD_LETTER,
	TABLE_REQUEST,
	TABLE_WORKER,
	TABLE_ADOPTION,
	TABLE_LOCK_SECRET,
	TABLE_RECEIPT,
	TABLE_LOCKED,
	TABLE_REQUEST_ASKER,
	SEQUENCE_MESSAGE,
	SEQUENCE_VERSION,
	SEQUENCE_WORKER,
	DGEN_TABLE_COUNT
} DgenTable;

/* Indexes of the tables; the primary key (or message_order) is 0. */
#define INDEX_PRIMARY 0
#define INDEX_BY_NAME 1  /* actor_type */
#define INDEX_BY_ACTOR 1 /* dead_letter */
#define INDEX_BY_TIME \
	1 /* delayed_message (type_id, not_before), failed_attempt.retry_at, idempotency_key.expires_at, locked.retry_at */
#define INDEX_BY_EXPIRY 2 /* locked */

typedef struct DgenScan
{
	Relation heap;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot; /* the row dgen_scan_next found */
	Datum *values;        /* its columns, 0-based, deformed by dgen_scan_row */
	bool *nulls;
	int64 dead;      /* rows passed because nobody needs them but some old snapshot */
	int64 most_dead; /* dgen_scan_next goes no further after so many; 0: it does */
} DgenScan;

extern Oid dgen_table_oid(DgenTable table); /* raises if the extension is not installed here */
extern bool dgen_is_installed(void);
extern void dgen_tell_of_change(void); /* at commit */
/*
 * Raises DGEN_ERR_CHANGED if it is not as it was made; that is checked once after each change
 * (shape.c). So do scans, of their index.
 */
extern Relation dgen_table_open(DgenTable table, LOCKMODE lockmode);
extern Oid dgen_table_owner(DgenTable table);
/* Its triggers and constraints; the table is open, and so locked. */
extern bool dgen_table_needs_executor(DgenTable table, Relation heap);
/* Does a write call functions that somebody has added: of those, or of an index? */
extern bool dgen_table_calls_functions(DgenTable table, Relation heap);
/* Raises DGEN_ERR_CHANGED if a publication could not tell its subscribers of an UPDATE or DELETE. */
extern void dgen_check_published(Relation heap, CmdType command);
/*
 * A row of the columns that the code knows. There may be more behind them, which were added and
 * dropped again: NULL in what is formed, left out of what is read.
 */
extern HeapTuple dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns);
extern void dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls,
							int ncolumns);
/*
 * Held to the end of the transaction. It comes before the snapshot of what has to be found: an ALTER
 * TABLE that it waited for may have written all rows anew, and an older snapshot shows none of them.
 */
extern void dgen_table_lock(DgenTable table, LOCKMODE lockmode);
extern bool dgen_table_try_lock(DgenTable table, LOCKMODE lockmode); /* false: somebody has it */
/*
 * snapshot.c: the statement's, for who reads the table as the rest of the statement does; a newer one
 * if an ALTER TABLE has committed in between. The table is locked; to be unregistered.
 */
extern Snapshot dgen_statement_snapshot(DgenTable table);

/* An index scan of up to nkeys equality or range keys; the snapshot must stay active. */
extern void dgen_scan_begin(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
							int nkeys);
/* For who has locked the table in this transaction. */
extern void dgen_scan_begin_locked(DgenScan *scan, DgenTable table, int index, Snapshot snapshot,
								   int nkeys);
extern void dgen_scan_seek(DgenScan *scan, ScanKey keys, int nkeys); /* may be called again */
extern bool dgen_scan_next(DgenScan *scan);
extern bool dgen_scan_only(DgenScan *scan); /* where the keys are all columns of a unique index */
extern void dgen_scan_row(DgenScan *scan);  /* deform the current row into values and nulls */
/* Rows of the range up to `most`, the last ones first; those behind so many dead ones are not counted. */
extern int dgen_scan_count_back(DgenScan *scan, int most, int most_dead);
extern void dgen_scan_end(DgenScan *scan);

/* Scan keys on index columns, 1-based. */
extern void dgen_key_int2(ScanKey key, int column, StrategyNumber strategy, int16 value);
extern void dgen_key_int4(ScanKey key, int column, StrategyNumber strategy, int32 value);
extern void dgen_key_int8(ScanKey key, int column, StrategyNumber strategy, int64 value);
extern void dgen_key_time(ScanKey key, int column, StrategyNumber strategy, TimestampTz value);
extern void dgen_key_text(ScanKey key, int column, const text *value);

/*
 * writer.c. A writer holds a table open for several rows. Where the table has triggers or
 * constraints, each row goes through the server's executor (statement.c), and whatever those
 * raise is raised. Update and delete are for
 * rows that nobody else can write (the actor is owned); dgen_delete_row says
 * whether the row was still there instead of raising. An update leaves the primary key as it
 * is, and its tid is the new one then.
 */
typedef struct DgenWriter
{
	DgenTable table;
	Relation heap;
	ResultRelInfo *indexes; /* NULL: rows go through the executor */
	ItemPointerData tid;    /* of the row inserted last */
} DgenWriter;

extern void dgen_writer_open(DgenWriter *writer, DgenTable table);
extern void dgen_writer_insert(DgenWriter *writer, Datum *values, bool *nulls);
extern void dgen_writer_insert_many(DgenWriter *writer, TupleTableSlot **slots, int count);
extern void dgen_writer_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
/*
 * False, and nothing written, if the row is not as it was found: somebody else has written
 * it since. Who is doing so just now is waited for.
 */
extern bool dgen_writer_try_update(DgenWriter *writer, ItemPointer tid, Datum *values, bool *nulls);
extern void dgen_writer_close(DgenWriter *writer);
extern bool dgen_delete_row(Relation heap, ItemPointer tid);
extern bool dgen_delete_row_nowait(Relation heap, ItemPointer tid);

/*
 * statement.c: the same through the executor, as the owner of the table, like dgen's functions in
 * SQL. The columns are those that the code knows. False as above.
 */
extern void dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls,
								  ItemPointer tid);
extern bool dgen_statement_update(DgenTable table, Relation heap, ItemPointer tid, Datum *values,
								  bool *nulls);
extern TM_Result dgen_statement_delete(Relation heap, ItemPointer tid, bool wait);

/*
 * For a statement on a table of dgen's: with the rights of its owner, and dgen's search_path, if
 * that calls functions of somebody else's; and with those before.
 */
typedef struct Rights
{
	Oid user;
	int context;
	int nest_level;
} Rights;

extern void dgen_become_owner(DgenTable table, Relation heap, Rights *before);
extern void dgen_become_again(const Rights *before);

/*
 * For who looks again: with a new snapshot, if another transaction has written the row since it
 * was found; never, if this very command has, whose snapshots go on showing the row.
 */
typedef enum Deleted
{
	DELETED_NOW,
	DELETED_BY_US,
	DELETED_BY_OTHER
} Deleted;

extern Deleted dgen_try_delete_row(Relation heap, ItemPointer tid);

/* sequence.c. Raises DGEN_ERR_CHANGED if numbers would not be drawn one by one. */
extern int64 dgen_nextval(DgenTable sequence);

/*
 * rows.c: rows on their way to a table; flush when count is DGEN_ROWS. Starts zeroed but
 * for its table. What a row's values refer to is the caller's until they are flushed.
 */
#define DGEN_ROWS 100

typedef struct DgenRows
{
	DgenTable table;
	DgenWriter writer; /* open once there was a row */
	TupleTableSlot *slots[DGEN_ROWS];
	int nslots;
	int count;
} DgenRows;

extern TupleTableSlot *dgen_rows_next(DgenRows *rows); /* to be filled in; then add */
extern void dgen_rows_add(DgenRows *rows);
extern void dgen_rows_flush(DgenRows *rows);
extern void dgen_rows_close(DgenRows *rows);

/* ---- read_only.c: what writes --------------------------------------------- */

/* Raises 25006 on a standby and in a read-only transaction. */
extern void dgen_refuse_read_only(FunctionCallInfo fcinfo);
extern void dgen_refuse_standby(FunctionCallInfo fcinfo); /* there alone */

/* ---- send.c: into the mailbox ---------------------------------------- */

typedef struct Send
{
	const ActorType *type;
	text *key;
	Datum message; /* jsonb, may be toasted */
	char kind;
	int16 priority;
	int64 seq;              /* 0: the next one */
	int64 id;               /* 0: the same as seq */
	TimestampTz sent_at;    /* 0: now */
	int64 in_reply_to;      /* 0: none */
	TimestampTz not_before; /* 0: now */
	Datum headers;          /* jsonb; 0: none */
	text *correlation;      /* NULL: none */
	text *error;
	text *sqlstate;
} Send;

/* Type, key and message as the first three arguments of a SQL function; checks them and the privilege to send. */
extern void dgen_get_send_arguments(FunctionCallInfo fcinfo, Send *send);

/* Raise unless the value can be sent. */
extern int16 dgen_check_priority(int32 priority);
extern void dgen_check_headers(Datum headers);
extern void dgen_check_idempotency_key(const text *key);
extern const ActorType *dgen_type_argument(FunctionCallInfo fcinfo, int n);

/* Sends, unless the idempotency key (NULL: none) was used before; true if it was sent. *id: the first message's. */
extern bool dgen_send_once(Send *send, text *idempotency_key, int64 *id);

/* Inserts one message, marks the wakeup, returns its id. No privilege checks. */
extern int64 dgen_send(const Send *send);

/* Its two halves: draws seq, and takes the key (false: used before); then inserts. */
extern bool dgen_number_send(Send *send, text *idempotency_key, int64 *id);

/* The row of a message that is in its mailbox at once; mailbox is that of its key. */
extern void dgen_message_row(const Send *send, int64 mailbox, int64 seq, Datum *values,
							 bool *nulls);

/* ---- room.c: how much may wait ------------------------------------------- */

/* Raises DGEN_ERR_MAILBOX_FULL unless one more message may wait. */
extern void dgen_check_room(const Send *send);

/* The same for one message after the other, which may be in the table or not yet. Starts as NULL. */
typedef struct HTAB *Rooms;
extern void dgen_take_room(Rooms *rooms, const Send *send);

typedef struct ReplyTo ReplyTo;
typedef struct Owned Owned;

/* ---- bulk.c: many messages that are sent together --------------------------- */

typedef struct Bulk
{
	MemoryContext context; /* of the Bulk */
	MemoryContext chunk;   /* of what the rows are made of */
	DgenRows messages;
	DgenRows requests;
	Rooms rooms;
} Bulk;

/*
 * The messages have their seqs (dgen_number_send). What they and their requests refer to
 * stays where it is until the end. A request comes after its message.
 */
extern void dgen_bulk_begin(Bulk *bulk);
extern void dgen_bulk_message(Bulk *bulk, const Send *send);
extern void dgen_bulk_request(Bulk *bulk, const Send *send, const ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_bulk_flush(Bulk *bulk); /* so far */
extern void dgen_bulk_end(Bulk *bulk);

/* When a delay, or the time, in these arguments is over; 0: now. */
extern TimestampTz dgen_due_argument(FunctionCallInfo fcinfo, int delay, int not_before);

/* ---- action.c: what is to be done after the commit ------------------------ */

/* Of action `id` of the actor. */
extern int64 dgen_action_mailbox(const text *key, int64 id);

/* Makes it an action of the actor with that type and key; raises unless its name can be one. */
extern void dgen_set_action(Send *send, int32 type_id, text *key, text *action);

/* ---- send_arrays.c, send_many.c: arrays of messages ---------------------------- */

/* One array parameter; NULL is an array without elements. */
typedef struct Elements
{
	int count;
	Datum *values;
	bool *nulls;
} Elements;

extern void dgen_get_elements(FunctionCallInfo fcinfo, int n, Oid type, Elements *elements);

static inline bool
dgen_has_element(const Elements *elements, int i)
{
	return i < elements->count && !elements->nulls[i];
}

/* Which arguments of a function are the arrays. */
typedef struct SendArguments
{
	int types;
	int keys;
	int messages;
	int requests;
	int delays;
	int priorities;
	int idempotency_keys;
	int headers;
} SendArguments;

/* Of the message looked at last: its type, to which the caller may send. */
typedef struct LastType
{
	const text *name; /* NULL: there is none */
	const ActorType *type;
} LastType;

/* Those after messages may be NULL, and so may their elements. */
typedef struct SendArrays
{
	int errcode;          /* of all that does not fit; 0: the one that says it best */
	const char *prefix;   /* of the arrays' names, for errors */
	const char *names[2]; /* of types and keys */
	Elements types;
	Elements keys;
	Elements messages;
	Elements requests;
	Elements delays;
	Elements priorities;
	Elements idempotency_keys;
	Elements headers;
	LastType *last;
} SendArrays;

/* Errcode, prefix and names are set; raises unless the arrays have the same length. */
extern void dgen_get_send_arrays(FunctionCallInfo fcinfo, const SendArguments *arguments,
								 SendArrays *arrays);

/* Checks element i, and the privilege to send; returns its idempotency key, or NULL. */
extern text *dgen_get_send(const SendArrays *arrays, int i, Send *send);
/* The same without type and key, which are set already. */
extern text *dgen_get_send_content(const SendArrays *arrays, int i, Send *send);

/*
 * idempotency.c: takes the key for message id `id` until the type's retention
 * ends, and returns id; or the id that the key stands for already. Waits for a
 * transaction that has just used the key.
 */
extern int64 dgen_take_idempotency_key(const ActorType *type, int64 mailbox, text *actor_key,
									   text *key, int64 id);

typedef struct KeyTaken
{
	const ActorType *type;
	int64 mailbox;
	text *actor_key;
	text *key;
	int64 id;    /* of the message that it is taken for */
	int64 first; /* set: the same, or the id that the key stands for already */
} KeyTaken;

/*
 * The same for many, faster. Of those that have the same key the first takes it. They are
 * taken in an order of their own, so that of two sessions that take the same ones at the
 * same time one waits for the other, and not both.
 */
extern void dgen_take_idempotency_keys(KeyTaken *keys, int count);

/* ---- wakeup.c: marks ---------------------------------------------------
 *
 * The marks are kept in backend-local memory and acted upon once the transaction's
 * locks are released. They never raise.
 */

/* _PG_init: hooks and callbacks. */
extern void dgen_wakeup_init(void);

/* Commit makes work visible: in that mailbox; in some that the caller does not name. */
extern void dgen_wakeup_sent(int32 type_id, int64 mailbox);
extern void dgen_wakeup_somewhere(int32 type_id);
extern void dgen_wakeup_everywhere(void); /* of any type */
extern void dgen_wakeup_all_replies(void);
/* Hints before the commit, too, for a claim in this very transaction. */
extern void dgen_wakeup_hint(void);
/* Commit makes something due at `when`; ANY_TYPE: of some type. */
extern void dgen_wakeup_due(int32 type_id, TimestampTz when);
extern bool dgen_wakeup_may_end_holder(void);
extern void dgen_wakeup_end_holder(int64 fence); /* commit ends its session */
extern void dgen_wakeup_retry(int32 type_id,
							  TimestampTz when); /* a worker of the type is to claim again then */
extern void dgen_wakeup_replied(int64 request_id);
extern void dgen_wakeup_locked(int32 type_id); /* commit leaves a locked part to be run */
/* A claim left work of the type behind: wake one more worker, if one waits. */
extern void dgen_wakeup_left(int32 type_id);
/* It keeps this session for long: others are called for all that it takes, and may have been called for. */
extern void dgen_wakeup_others(void);

/* At commit: workers look at their types and their extension again; start: and new ones are started. */
extern void dgen_wakeup_orders(bool start);

/* ---- held_locks.c: who waits for what this transaction has locked -------- */

/* This transaction holds an actor's lock: the number under which that is noted, or HELD_UNNOTED. */
extern int dgen_wakeup_owned(int32 type_id, int64 mailbox, uint64 lock);
/* It does so to handle its messages: what it leaves is work for the next claim. */
extern void dgen_wakeup_claimed(int held);
/* Nothing is left in the mailbox, as far as its owner can see; or there is after all. */
extern void dgen_wakeup_drained(int held);
extern void dgen_wakeup_undrained(int held);
/* All that was found in it is handled, should the subtransaction commit. */
extern void dgen_wakeup_handled(int held);
extern void dgen_wakeup_missed(int32 type_id,
							   uint64 lock); /* somebody else holds it; to be told at its release */

/* The same for a slot of the type; who tried all of them in vain has missed DGEN_ANY_SLOT. */
#define DGEN_ANY_SLOT UINT64CONST(0x5107)
extern void dgen_wakeup_took_slot(int32 type_id, int slot);
extern int dgen_wakeup_slot(int32 type_id);                  /* one that was noted; -1: none */
extern void dgen_wakeup_freed_slot(int32 type_id, int slot); /* it has been unlocked */

/* Of wakeup.c, as a transaction ends. They never raise. */
extern bool dgen_held_any(void);
extern void dgen_held_released(bool undone);          /* all of them */
extern void dgen_held_undone(SubTransactionId subid); /* its own are released */
extern void dgen_held_forget(void);                   /* they stay, with a prepared transaction */

/* ---- announce.c: there is work now ---------------------------------------- */

/* There is work of the type at this moment: calls a worker without waiting for the commit. */
extern void dgen_wakeup_now(int32 type_id);
extern void dgen_wakeup_later(int32 type_id);    /* in 20 ms, if somebody waits now */
extern void dgen_wakeup_announce(int32 type_id); /* who is about to wait looks again */
extern void dgen_wakeup_unheld(int32 type_id);   /* a locked part that nobody runs */
extern void dgen_wakeup_retries(void);           /* the alarm of dgen_wakeup_retry rings */

/*
 * A claim begins: the session takes its baton, and remembers what has been announced so far. True:
 * something was since its last claim began, or it was called, which it may have been by itself:
 *
 *     batch without a turn: a dead letter's message is sent ── commit: calls itself, announces nothing
 *     look for parts: takes that baton ── looks for no messages ── true: there is another batch
 */
extern bool dgen_wakeup_claiming(void);

/* ---- hints.c: mailboxes known to have messages ------------------------- */

typedef struct HintSet HintSet;

extern void dgen_hints_begin(int32 type_id);
/*
 * Takes up to max of the type's hints into the session's hand, and shows where they are there.
 * Those of others who are at work only if there is nothing else, and others is true.
 */
extern int dgen_hints_take(int32 type_id, int max, bool others, int64 **mailboxes);
/* Of those taken last only the first `kept` stay in hand: the others are owned now. */
extern void dgen_hints_keep(int taken, int kept);
extern bool dgen_hints_in_hand(void);
extern void dgen_hints_put_back(void);      /* all that is in hand */
extern int dgen_hints_count(int32 type_id); /* at most so many; INT_MAX if a sweep may find more */
extern bool dgen_hints_left(int32 type_id); /* are there more, or is a sweep not at its end? */
extern void dgen_hints_add(int32 type_id, int64 mailbox);
extern void dgen_hints_ask(int32 type_id); /* for a sweep */

/* How far a sweep has come: to a mailbox, and perhaps into it. */
typedef struct SweepPlace
{
	int64 mailbox;
	bool inside; /* behind its row of that priority and seq; else before its first */
	int16 priority;
	int64 seq;
	int64 dead;  /* rows of it that were passed one by one */
	bool jumped; /* it has gone past others by the floor that is known */
	int64 floor; /* what was settled when the first of them was passed; 0: not known */
} SweepPlace;

typedef struct Sweep
{
	HintSet *set;
	SweepPlace from; /* this slice begins here, */
	int64 to;        /* and does not go beyond that mailbox */
} Sweep;

typedef enum SweepBegun
{
	SWEEP_NOT_NEEDED, /* or by another one, who takes his time */
	SWEEP_BY_ANOTHER, /* a session that has just ended its slice: there may be hints now */
	SWEEP_BEGUN       /* to be ended in any case, also after an error, with one of those below */
} SweepBegun;

/* Waits for the slice of another one, but not for long, and can be cancelled. */
extern SweepBegun dgen_sweep_begin(int32 type_id, Sweep *sweep);
extern bool dgen_sweep_add(Sweep *sweep, int64 mailbox); /* false: no room */
extern void dgen_sweep_stop(Sweep *sweep, const SweepPlace *next);
/* The same, and it does not go on before so many us. */
extern void dgen_sweep_rest(Sweep *sweep, const SweepPlace *next, int64 us);
extern void dgen_sweep_through(Sweep *sweep); /* the slice is done */

/* ---- sweep.c: looking for mailboxes with messages ------------------------ */

/*
 * One slice of a sweep over the mailboxes of the type, in a snapshot taken now: leaves hints.
 * False if there is nothing to sweep. *tired, if it has passed so many dead rows that it is
 * enough for this claim.
 */
extern bool dgen_sweep(int32 type_id, bool *tired);

/* ---- floor.c: a mailbox without the dead rows up to its floor ------------ */

/* Three scans of dgen.message, in the order of the mailbox. */
typedef struct FloorScan
{
	DgenScan above;  /* of a higher priority than 0, ... */
	DgenScan beyond; /* ... of priority 0 beyond the floor, ... */
	DgenScan below;  /* ... and of a lower one */
} FloorScan;

#define FLOOR_SCANS 3

/* Dead rows in front of a mailbox that are worth remembering: what three scans cost. */
#define FLOOR_ROWS 8

extern void dgen_floor_open(FloorScan *scan, Snapshot snapshot);
/* The n-th of them, from 0 on, at the mailbox. */
extern DgenScan *dgen_floor_seek(FloorScan *scan, int n, int32 type_id, int64 mailbox, int64 floor);
extern void dgen_floor_close(FloorScan *scan);

/* ---- memo.c: what is remembered of a mailbox ---------------------------- */

typedef struct Remembered
{
	int64 floor;           /* no message of priority 0 up to this seq is there; 0: not known */
	int64 passed;          /* dead rows, to learn that; 0: it was known */
	ItemPointerData actor; /* the actor's row was there; invalid: not known */
} Remembered;

/* The mailbox is owned. */
extern void dgen_memo_get(int32 type_id, int64 mailbox, Remembered *remembered);
extern void dgen_memo_set(int32 type_id, int64 mailbox, const Remembered *remembered);
/*
 * Without owning it, after `passed` dead rows; 0: beyond the floor that is known, which lasts as
 * long as before. Does not take the place of another mailbox.
 */
extern void dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor, int64 passed);
extern void dgen_memos_begin(void);  /* a claim does */
extern void dgen_memos_forget(void); /* of this database */

typedef enum SuspicionLevel
{
	SUSPICION_NONE,
	SUSPICION_FEW,  /* to be handled in a batch of few messages, all of suspects */
	SUSPICION_ALONE /* to be handled in a batch of one */
} SuspicionLevel;

typedef struct Suspicion
{
	SuspicionLevel level;
	int messages; /* of the actor, which are to be handled so */
} Suspicion;

extern Suspicion dgen_suspicion_of(int32 type_id, int64 mailbox);
extern void dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion);

/* A seq in a row that was visible; all below it were drawn before. */
extern void dgen_saw_seq(int64 seq);
/* Whoever drew a seq up to this had ended when the snapshot was taken. 0: not known. */
extern int64 dgen_settled_seq(Snapshot snapshot);

/* ---- alarm.c: what is due ------------------------------------------------ */

/* Is the alarm (something due) ringing? The caller then runs dgen_move_due. Re-arms for `next`. */
extern bool dgen_alarm_due(TimestampTz now);
extern void dgen_alarm_taken(void);
extern void dgen_alarm_left(void); /* it rings if what this transaction has moved is undone */

/* A turn of this session is about to be ended with its process: the next claim for the type records the attempt (charges.c). */
typedef struct Charge
{
	int32 type_id;
	int64 mailbox;
	int64 message_id;
	int sqlstate;
	int64 fence;   /* of a locked part; 0: the turn was another's */
	bool silent;   /* an external worker's, whose session was ended for that */
	Oid extension; /* for a locked part: its dgen.message */
} Charge;
extern void dgen_charge(const Charge *charge); /* async-signal-safe */
extern bool dgen_has_charges(void);

/* ---- crash.c: turns that take the server along ------------------------------ */

extern void dgen_crash_init(void);
extern void dgen_crash_new_life(void);           /* shared memory begins */
extern void dgen_crash_note_begin(int entry);    /* of the roster */
extern void dgen_crash_note(const Charge *turn); /* it begins in this process */
extern void dgen_crash_note_end(void);           /* it is over; async-signal-safe */
extern void dgen_crash_conclude(void);           /* before the first turn; makes a transaction */
extern void dgen_crashes_forget(void);           /* of this database */

/* ---- maintain.c: what time makes superfluous --------------------------- */

/* Is it this session's turn? Asks once per interval and database. */
extern bool dgen_maintenance_due(bool idle);
/* Removes a bounded number of rows; in a transaction. True if there may be more. */
extern bool dgen_maintain(void);
/* In dgen.wait, for all types: what is due, charges and, before it sleeps, maintenance. Each in a transaction of its own. */
extern void dgen_wait_upkeep(bool sleeps);

/* ---- session_mark.c: was the session reset for another client? ------------ */

extern void dgen_session_mark_init(void);
extern int dgen_session_mark_new(void);
extern void dgen_session_mark_claims(void);
extern void dgen_session_mark_keep(int value);
extern bool dgen_session_mark_lost(int value, bool committed);

/* ---- session.c: attach, detach, wait, dgen.workers --------------------- */

typedef struct WorkerType
{
	int32 type_id;
	const char *name; /* under which a client has attached: a rename does not reach it */
	bool runs_parts;  /* its locked parts; else they are left to others */
	bool looked_at;   /* for them, in this claim */
	double turn_us;   /* measured time of a turn, moving average; 0: not known */

	/* With max_rate, in a claim. */
	int turns_left; /* for so many messages */
	int turns_read; /* so many were read */
	bool short_of_turns;
} WorkerType;

typedef struct WorkerSession
{
	int64 id;      /* 0: not attached */
	Oid extension; /* which it has attached to: its dgen.message */
	char name[NAMEDATALEN];
	Oid role; /* which attached */
	bool in_database;
	int ntypes;
	WorkerType *types;  /* in TopMemoryContext */
	int rotation;       /* type the next claim begins with */
	int32 suspect_type; /* a suspect that the next claim begins with; 0: none */
	int64 suspect_mailbox;
	int owned;          /* mailboxes by the last claim */
	int narrow;         /* most of them in ... */
	int narrow_batches; /* ... so many batches to come: the server was short of locks */
} WorkerSession;

/* declare.c: what workers for an external type handle, besides its messages, from now on. */
typedef enum Declared
{
	DECLARED_DEAD_LETTERS, /* its actors are told of them */
	DECLARED_ACTIONS
} Declared;

extern void dgen_declare(const ActorType *type, Declared what);

/* This session's worker; raises DGEN_ERR_NOT_ATTACHED if there is none. */
extern WorkerSession *dgen_worker_session(void);
extern bool dgen_is_attached(void);
extern void dgen_set_worker_session(WorkerSession *session); /* as a part of the transaction */
/* attached.c: what the session's slot says of it, from now on. The name is kept as it is. */
extern void dgen_session_publish(WorkerSession *session, const char *client_name);
extern void dgen_session_show(void); /* with the next dgen_session_publish, whatever was found before */
/* Is it of an extension that was dropped? */
extern bool dgen_session_is_of_former(const WorkerSession *session);
/* Raises DGEN_ERR_NOT_ATTACHED then. Who holds a lock on dgen.message may rely on it until the end of the transaction. */
extern void dgen_session_check(const WorkerSession *session);
extern void dgen_session_claims(void); /* in this transaction */

/* What a session without its place in shared memory has learnt of types by their ids. */
extern void dgen_hints_forget_private(void);
extern void dgen_rates_forget_private(void);

/* Is the type, or are the actions of one, among those of the session? NULL stands for all. */
static inline bool
dgen_session_has(const WorkerSession *session, int32 type_id)
{
	if (session == NULL)
		return true;
	for (int i = 0; i < session->ntypes; i++)
		if (session->types[i].type_id == type_id)
			return true;
	return false;
}

/* One in the database runs with the rights of the owner of its types, and only handlers that are functions. */
static inline bool
dgen_session_serves(const WorkerSession *session, const ActorType *type)
{
	return !session->in_database || (type->owner == session->role && type->handler != NULL);
}

/* The same for whoever calls a function of the protocol: raises 42501 unless it may act as the role that attached. */
extern WorkerSession *dgen_worker_session_of_caller(void);

/* Workers attached in this database, at least roughly. */
extern int dgen_live_workers(void);

/* The locks of the last batch may be those that are missing: the next ones take fewer. */
extern void dgen_narrow_batches(WorkerSession *session);

/* For dgen.workers; cheap. */
extern void dgen_session_busy(bool busy);
extern void dgen_session_count_turns(int turns);

/* The wait of a session for replies; the memory is the caller's, until the end of the wait. */
typedef struct ReplyWait
{
	const int64 *ids;
	int count;
	Oid extension;           /* whose requests they are: its dgen.request */
	struct ReplyWait *outer; /* in whose commit this one began; NULL: none */
} ReplyWait;

/*
 * Waits until one of the replies may be there. False: the deadline passed or, with
 * for_input, the client has sent more.
 */
extern void dgen_reply_wait_begin(ReplyWait *wait, const int64 *request_ids,
								  int count); /* register, then look, then wait */
extern bool dgen_reply_wait(TimestampTz deadline, bool for_input);
extern void dgen_reply_wait_end(void);
extern bool dgen_reply_wait_is_of_former(void); /* in a transaction */
extern void dgen_reply_wait_leave(void);        /* of all; the session ends */

/*
 * For procedures that wait without a snapshot (dgen.wait, dgen.ask): commit the
 * transaction that runs the CALL, wait outside of any, begin one to return in.
 * Raises, naming the procedure, when called inside a transaction block or function.
 */
extern void dgen_procedure_check(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit(FunctionCallInfo fcinfo, const char *procedure);
extern void dgen_procedure_commit_again(void); /* after dgen_procedure_begin, to go on waiting */
extern void dgen_procedure_begin(void);
/* Whoever ends the current transaction does not wait until that is on disk. */
extern void dgen_procedure_commit_lazily(void);
/* What was committed so far. False: at the deadline a synchronous standby does not have it yet. */
extern bool dgen_procedure_flush(TimestampTz deadline);
extern void dgen_process_interrupts(void); /* in the wait between the two, or in a transaction */

/* ---- due.c: what is due -------------------------------------------------- */

/* For all types, a bounded number, in a transaction that ends at once. True if some are left. */
extern bool dgen_move_due(void);

/*
 * For the session's types alone, most messages at most. True: there may be more to claim now, also in this
 * transaction.
 */
extern bool dgen_move_own_due(const WorkerSession *session, int most);

typedef struct DueLook
{
	const WorkerSession *session; /* NULL: for all types */
	TimestampTz now;
	int most;
	int moved;
	bool woken;       /* actors whose back-off is over */
	bool ended;       /* attempts of locked parts, or it was tried */
	TimestampTz next; /* when something else is due, perhaps of another type */
} DueLook;

extern void dgen_due_later(DueLook *look, int32 type_id, TimestampTz when);

/* ---- sync_wait.c: commits that do not wait for ever for a synchronous standby -- */

/* Around what commits. End: true if the wait was given up at the deadline. */
extern void dgen_sync_wait_begin(TimestampTz deadline);
extern bool dgen_sync_wait_end(void);

/* ---- slots.c: how many actors of a type are handled at a time --------------- */

/* Takes up to `most`, one for each actor to be owned. If it gets fewer, a worker is called when one is free. */
extern int dgen_take_slots(const ActorType *type, int most);
/* Lets go of so many that were taken in this claim. */
extern void dgen_free_slots(const ActorType *type, int count);

/* ---- rate.c: how many turns a type may have in a second ---------------------- */

/* Takes up to `most`. 0: there are none, and a worker is called when there are. */
extern int dgen_take_turns(const ActorType *type, int most);
extern bool dgen_has_turns(const ActorType *type); /* if not, a worker is called when there are */
/* The claim that took them is over. */
extern void dgen_turns_settled(int32 type_id);
extern void dgen_give_back_turns(const ActorType *type, int count);

/* After a claim has read, or failed to: gives back what was not read for, and sees to what was left for want of turns. */
extern void dgen_settle_turns(WorkerSession *session, Owned *owned);
/* The batch that was read is undone, and read once more. */
extern void dgen_read_again(WorkerSession *session);
extern void dgen_unread_turns(WorkerSession *session, const ActorType *type, int count);
extern void dgen_forget_turns(WorkerSession *session);

/* ---- claim.c: discover, own, read ------------------------------------ */

typedef struct BatchMessage
{
	ItemPointerData tid;
	int64 seq; /* unless it is locked */
	int64 id;
	int64 in_reply_to; /* 0: none */
	TimestampTz sent_at;
	Datum message;
	Datum headers; /* 0: none; so below */
	Datum correlation;
	Datum error;
	Datum sqlstate;
	int32 attempts; /* failed ones before */
	int16 priority;
	char kind;
	bool locked;   /* it has locked its actor: tid is that of its row in dgen.locked */
	int32 attempt; /* if it has: attempts begun, this one too */
	Buffer buffer; /* in which its page was, and may be still; Invalid: not known */
} BatchMessage;

/* Why an actor cannot be handled now. */
typedef enum Blocked
{
	BLOCKED_NOT,
	BLOCKED_PAUSED,
	BLOCKED_BACKING_OFF,
	BLOCKED_ROW_LOCKED
} Blocked;

typedef struct BatchActor
{
	const ActorType *type;
	int64 mailbox;
	int held; /* see dgen_wakeup_owned */
	text *key;
	Remembered remembered;
	Blocked blocked;
	bool has_failed; /* some of its mailbox's messages have failed attempts */
	bool locked;     /* there is a row in dgen.locked */
	bool exists;
	ItemPointerData tid; /* if it exists */
	int64 version;       /* 0: new actor */
	Jsonb *state;
	BatchMessage *messages;
	int nmessages;

	/* What the turns made of it; commit.c writes it. */
	int handled; /* leading messages that leave the mailbox */
	bool state_changed;
	bool destroyed;
	bool locks;          /* the last of the handled messages locks it */
	bool status_changed; /* whether it is locked */
} BatchActor;

typedef struct Batch
{
	MemoryContext context;
	BatchActor *actors;
	int nactors;
	int nmessages;
	Size bytes;
	bool has_rate;           /* some of its types have max_rate */
	int64 version;           /* of the states this batch writes; 0: not drawn yet */
	LocalTransactionId lxid; /* the transaction that owns it */
	SubTransactionId subid;
} Batch;

typedef struct BatchLimits
{
	int actors;
	int messages;
	Size bytes;
} BatchLimits;

typedef struct OwnedMailbox
{
	const ActorType *type;
	WorkerType *worker_type;
	int64 mailbox;
	int held;  /* see dgen_wakeup_owned */
	bool read; /* in this transaction, which may have removed messages since */
} OwnedMailbox;

typedef struct Owned
{
	int count;
	bool left;    /* stopped by the limit: there may be more work */
	bool tired;   /* a sweep has passed so many dead rows that it goes on with the next claim */
	bool limited; /* some of its types are */
	SuspicionLevel level; /* of all of them */
	OwnedMailbox *mailboxes;
} Owned;

/* The limits in force for the session: settings, lock table, measured turn times. */
extern void dgen_batch_limits(const WorkerSession *session, BatchLimits *limits);

extern double dgen_elapsed_us(instr_time start);
/* A turn of the type took so long: enters into the moving average. */
extern void dgen_measure_turns(WorkerSession *session, int32 type_id, double us);
extern void dgen_begin_behind(WorkerSession *session, int32 type_id);

/*
 * Steps 1 and 2 of a claim: finds mailboxes with messages of the session's types
 * and takes ownership of them until the current (sub)transaction ends. READ
 * COMMITTED only. Moves the session's cursors on.
 */
extern void dgen_own_mailboxes(WorkerSession *session, const BatchLimits *limits, Owned *owned);

/* ---- blocked.c: what keeps actors from being handled ------------------------ */

/* Both need an active snapshot. */
extern bool dgen_type_is_paused(int32 type_id);
extern bool dgen_actor_is_paused(int32 type_id, int64 mailbox, text *key);

/* ---- read_batch.c: what the owned actors have ------------------------------
 *
 * Its parts, read_mailbox.c and read_actor.c, are in reader.h.
 */

/* Raises DGEN_ERR_ISOLATION unless READ COMMITTED; what: "dgen.call" */
extern void dgen_refuse_isolation(const char *what);

/*
 * Step 3: in a snapshot of its own, taken after the locks, reads the actors of the
 * owned mailboxes and their first messages, leaving out what is paused, backs off
 * or has its row locked by somebody. `first` and `count` select mailboxes.
 */
extern Batch *dgen_read_batch(Owned *owned, int first, int count, const BatchLimits *limits);

/* The same for the one actor of an inline call: waits for its row, and raises why it cannot be handled now. */
extern Batch *dgen_read_actor(const ActorType *type, text *key, int max_messages);

typedef enum ReadRow
{
	READ_WAIT, /* for whoever has locked the actor's row */
	READ_TRY,  /* it is blocked then */
	READ_LOOK  /* without a lock: the actor is not owned */
} ReadRow;

/* The actor alone, without its messages. */
extern Batch *dgen_read_actor_alone(const ActorType *type, text *key, ReadRow how);

/* Is the actor one of the batch's? NULL: no batch. */
extern bool dgen_batch_has(const Batch *batch, int32 type_id, int64 mailbox);

/* ---- suspect.c: turns that may have taken their worker along ------------------ */

/* At the end of a session: the SQLSTATE of the attempts that it may have ended in; 0: nobody is to be blamed. */
extern int dgen_blame_for_end(void);
extern void dgen_suspect_batch(int blame);
extern void dgen_suspect_turn(const Charge *turn); /* NULL: none runs */
/* So many turns of the actor have come to an end. */
extern void dgen_absolve(const BatchActor *actor, int turns);
extern void dgen_absolve_part(const Charge *part);
extern void dgen_limit_suspects(SuspicionLevel level, BatchLimits *limits);

/* ---- handler.c: handlers in SQL that are one expression ------------------------ */

#define HANDLER_ARGUMENTS 3

typedef struct HandlerExpression HandlerExpression;

/*
 * In the current memory context; NULL: the function has to be called. To be called with the
 * rights and the search_path of its turns, and forgotten when a function or a type changes.
 */
extern HandlerExpression *dgen_handler_expression(Oid function);
/* None of the arguments is NULL. */
extern Datum dgen_evaluate_handler(HandlerExpression *handler, const Datum *arguments,
								   bool *isnull);

/* ---- turn.c: running a handler ---------------------------------------- */

typedef enum OutcomeKind
{
	OUTCOME_NOREPLY,
	OUTCOME_REPLY,
	OUTCOME_FAIL,
	OUTCOME_RETRY,
	OUTCOME_DESTROY,
	OUTCOME_LOCK
} OutcomeKind;

typedef struct Outcome
{
	OutcomeKind kind;
	Jsonb *state; /* NULL: unchanged */
	Datum reply;  /* jsonb; 0: none */
	char *error;
	char *sqlstate;
	char *hint;
	Interval *delay;
} Outcome;

/* Columns of dgen.outcome, which outcome.c makes and turn.c reads. */
enum OutcomeColumn
{
	OUTCOME_COLUMN_KIND,
	OUTCOME_COLUMN_STATE,
	OUTCOME_COLUMN_REPLY,
	OUTCOME_COLUMN_ERROR,
	OUTCOME_COLUMN_SQLSTATE,
	OUTCOME_COLUMN_HINT,
	OUTCOME_COLUMN_DELAY,
	OUTCOME_COLUMNS
};

/* Is a handler running in this session? */
extern bool dgen_in_handler(void);
extern const Charge *dgen_turn_that_may_end_session(void);
/* Raises DGEN_ERR_NESTED if one is; what: "dgen.call" */
extern void dgen_refuse_in_handler(const char *what, const char *hint);
/* The actor whose turn runs; NULL outside of handlers. */
extern const BatchActor *dgen_current_actor(void);
extern void dgen_set_current_actor(const BatchActor *actor);

/*
 * Runs the type's handler for the message as the type's owner. Whatever the
 * handler raises is raised. The result lives in CurrentMemoryContext.
 */
extern void dgen_run_turn(const BatchActor *actor, const BatchMessage *message, bool inline_call,
						  Outcome *outcome);

/* As handlers and workers see it: 'cast', 'call' ... */
extern const char *dgen_kind_name(char kind);

/* What the handler sees: 'locked' while the actor is. */
static inline const char *
dgen_message_kind(const BatchMessage *message)
{
	return message->locked ? "locked" : dgen_kind_name(message->kind);
}

static inline int32
dgen_message_attempt(const BatchMessage *message)
{
	return message->locked ? message->attempt : message->attempts + 1;
}

/* ---- commit.c: what the turns did, into the tables --------------------- */

/* An outcome of noreply, reply or destroy: takes it over into the actor, and delivers the reply. */
extern void dgen_apply_outcome(Batch *batch, BatchActor *actor, const Outcome *outcome);

extern bool dgen_same_state(const Jsonb *a, const Jsonb *b);

/* Sets the actor's state, if it differs. */
extern void dgen_set_state(Batch *batch, BatchActor *actor, Jsonb *state);

/* The actor starts anew: what follows in the batch sees the initial state. */
extern void dgen_destroy_actor(BatchActor *actor);

/* The last message handled locks the actor: it leaves the mailbox for dgen.locked. */
extern void dgen_lock_actor(BatchActor *actor);

/* The actor's row alone, with the status it has now. */
extern void dgen_write_actor(BatchActor *actor);

/* Removes handled messages and writes states. Raises DGEN_ERR_NOT_OWNED. */
extern void dgen_commit_batch(Batch *batch);

/*
 * remove_message.c: one of dgen.message that a claim has read, the table being locked since. Raises
 * DGEN_ERR_NOT_OWNED if it is not there any more. The buffer, invalid at first, is that of the page:
 * given on to the next one, and to be released in the end.
 */
extern void dgen_delete_message(Relation heap, const BatchMessage *message, Buffer *buffer);

/* ---- failure.c: failed attempts and dead letters ------------------------- */

typedef struct Failure
{
	const char *error;
	const char *sqlstate;
	const char *hint;
	bool final;            /* dgen.fail: no more attempts */
	bool retry;            /* dgen.retry: no attempt is counted */
	bool ended;            /* by an operator: a dead letter in any case */
	bool unsendable;       /* the message has what a client cannot be sent */
	const Interval *delay; /* retry only; NULL: the type's backoff */
} Failure;

/*
 * Records a failed attempt of the first message that is not handled, or makes it a
 * dead letter and answers its caller. True if the message is gone.
 */
extern bool dgen_record_failure(BatchActor *actor, const BatchMessage *message,
								const Failure *failure);

/* What is kept of an error's text, its SQLSTATE and its hint, as bytes in the database's encoding. */
#define DGEN_MAX_ERROR_BYTES 4096
extern const char *dgen_cut_error(const char *text); /* NULL stays NULL */

extern void dgen_failure_of_error(Failure *failure, ErrorData *error);
extern void dgen_failure_of_outcome(Failure *failure, const Outcome *outcome);

/* Is the error neither a message's nor a handler's fault: a full disk, a deadlock? */
extern bool dgen_is_blameless(const ErrorData *error);
extern void dgen_log_changed(const ErrorData *error);

/* Is the lock table full? */
extern bool dgen_is_out_of_locks(const ErrorData *error);

/*
 * Removes what is recorded of the message's failed attempts. Needs an active snapshot, from after
 * dgen.failed_attempt was locked to be written.
 */
extern void dgen_forget_failure(int32 type_id, int64 mailbox, int64 message_id);

/* The attempt of a turn whose process or session was ended. False: somebody has its actor; a later claim may. */
extern bool dgen_record_charge(const Charge *charge);

/* ---- charges.c: such attempts, until they are counted for good ------------------ */

/*
 * Records those for the session's types; NULL: for all types, in a transaction that ends at once. What
 * was recorded in a transaction that is rolled back is to be recorded again.
 */
extern void dgen_record_charges(const WorkerSession *session);

/* ---- locked.c: rows of dgen.locked ---------------------------------------
 *
 *     turn ──dgen.lock──> locked: to be run ──part_begin──> runs ──commit──> unlocked
 *                              ^                             │ └──fails for good──> dead letter
 *                              └──fails, expires, its session ends──┘
 *
 * Each attempt has a fence of its own, and its session holds a lock on that. All
 * that writes a row owns the actor.
 */

/*
 * The locked actor with the message that locked it, as a batch of one. fence 0: the one
 * of the key, whatever its fence; else key is NULL. NULL: there is none. Unless it is a
 * look, the actor is owned.
 */
extern Batch *dgen_read_locked(const ActorType *type, int64 mailbox, int64 fence, text *key,
							   ReadRow how);

/* For the last message handled, which locks the actor. */
extern void dgen_insert_locked(BatchActor *actor);
/* The message has been handled, or is a dead letter: the actor is locked no more. Raises DGEN_ERR_NOT_OWNED. */
extern void dgen_delete_locked(BatchActor *actor, const BatchMessage *message);
/* The attempt has failed; the next one is due at retry_at. */
extern void dgen_postpone_locked(const BatchActor *actor, const BatchMessage *message, int failed,
								 TimestampTz retry_at, const Failure *failure);
/* Another attempt begins, under a new fence. False: the actor is locked no more. */
extern bool dgen_begin_locked(const BatchActor *actor, int64 fence, TimestampTz expires_at,
							  const char *worker);
/* What the state was, what was made of that, and what it is now: what it becomes. */
extern Jsonb *dgen_merge_states(Jsonb *given, Jsonb *made, Jsonb *current);
/* The same for every attempt, and for no other message. */
extern char *dgen_token(const BatchActor *actor, const BatchMessage *message);

/* ---- locked_part.c: the attempt that this session runs ------------------------ */

/*
 * Looks for a locked part of the session's types that is to be run. True: this session
 * has one as soon as the transaction commits. Cheap while nobody has asked for a look.
 */
extern bool dgen_part_begin(WorkerSession *session);
extern bool dgen_part_under_way(void);
typedef enum NoPart
{
	NO_PART_CLAIMED,  /* in this session */
	NO_PART_BEGUN,    /* its claim was rolled back */
	NO_PART_ANY_MORE, /* it has ended, and has committed that */
	NO_PART_LEFT      /* its lock was ended, or is lost */
} NoPart;
/* Why none is under way. */
extern NoPart dgen_no_part(void);
extern int64 dgen_part_fence(void); /* 0: there is none */
extern Batch *dgen_part_look(void); /* NULL: it is over */
/* It has begun in this very transaction, and is not to be run: a failed attempt. */
extern void dgen_part_fail(const Failure *failure);
/* Owns its actor, waiting for it. NULL: somebody has ended the lock, or taken over. */
extern Batch *dgen_part_own(void);
extern void dgen_part_hold_on(void); /* also for the transaction, whatever the session lets go of */
#define DGEN_LOCK_LOST_MESSAGE \
	"the locked part let go of the session's advisory locks, and so of its own"
#define DGEN_LOCK_LOST_HINT \
	"Let go of single locks with pg_advisory_unlock, not of all with pg_advisory_unlock_all or DISCARD ALL."
extern bool dgen_part_is_lost(void);
DGEN_NORETURN extern void dgen_part_raise_lost(void);
extern void dgen_part_charge_lost(void); /* the attempt has failed, and is over */
extern void dgen_part_forget(void);
extern void dgen_part_abandon(void);     /* for others, who are called */
extern void dgen_part_ends(int64 fence); /* with this transaction, if it is this session's */
/* At the end of the session, which still holds the lock; see dgen_blame_for_end. */
extern void dgen_part_leave(int blame);
/* The session that holds the fence is ended. */
extern void dgen_part_end_holder(int64 fence);
extern bool dgen_part_is_alive(int64 fence); /* does a session hold it? */

/* ---- locked_due.c: attempts whose time is over, or whose session is --------------- */

/* Alarms: asks for looks, and ends attempts whose time is over. */
extern void dgen_locked_due(DueLook *look);
/* The session of an attempt ended because of it. As dgen_record_charge, for a charge with a fence. */
extern bool dgen_charge_part(const Charge *charge, const ActorType *type, const Failure *failure);
/* False: somebody else owns the actor. The fence may be an older one: nothing has failed then. */
extern bool dgen_part_fail_attempt(const ActorType *type, int64 mailbox, int64 fence,
								   const Failure *failure);

/* ---- locked_look.c: is there a locked part to be run? Shared memory ------------- */

extern void dgen_locked_ask(int32 type_id); /* for a look; never raises */
extern void dgen_locked_ask_all(void);
/* Before the snapshot of the look. False: nobody has, or the worker leaves the type's parts to others. */
extern bool dgen_part_is_wanted(const WorkerType *type, uint32 *asked);
/* It is free for messages, and leaves parts to others. It has a slot; never raises. */
extern void dgen_part_call_others(void);
extern void dgen_locked_answer(int32 type_id, uint32 asked); /* it found nothing */
/* May this session run a part, or is it needed for messages? True: it is counted as running one. */
extern bool dgen_part_reserve(int32 type_id);
extern void dgen_part_publish(int64 fence); /* 0: it runs none */
extern bool dgen_part_is_published(int64 fence);

/* ---- run_locked.c: in-database workers ------------------------------------------ */

/*
 * Runs one locked part, in transactions of its own making. False: there is none for this session.
 * announced: it has looked, and what was announced since the last claim is for another one to find.
 */
extern bool dgen_run_locked(WorkerSession *session, bool *announced);
/* What dgen_running_batch returns. */
extern void dgen_set_running_batch(const Batch *batch);

/* ---- reply.c: requests and their replies ------------------------------- */

/* The actor whose mailbox a reply goes to. */
typedef struct ReplyTo
{
	int32 type_id;
	text *key;
} ReplyTo;

/* From the context of a turn; raises unless the turn's actor is owned by this transaction. */
extern void dgen_get_reply_to(HeapTupleHeader context, ReplyTo *reply_to);

/* Writes the request row of a message that is being sent. */
extern void dgen_open_request(const Send *send, int64 id, const ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_request_row(const Send *send, int64 id, const ReplyTo *reply_to, text *correlation,
							 bool keep, Datum *values, bool *nulls);

typedef struct Reply
{
	Datum reply; /* jsonb; ignored if error is set */
	const char *error;
	const char *sqlstate;
	const char *hint;
	bool cancelled; /* by dgen.cancel, or with its actor or type; error and so on are set */
} Reply;

extern void dgen_cancelled_reply(Reply *reply);

/* A row of dgen.request. */
typedef struct Request
{
	ItemPointerData tid;
	bool own; /* written by the current transaction */
	char status;
	Datum values[17];
	bool nulls[17];
} Request;

extern bool dgen_find_request(int64 id, Request *request);
extern bool dgen_find_request_with(DgenScan *scan, int64 id, Request *request); /* by its primary key */
/* Of one that is not pending. */
extern void dgen_kept_reply(const Request *request, Reply *reply);
/* Those to be looked at with care: all but the open ones of the calling role itself. */
extern void dgen_find_answered(const int64 *ids, int count, bool *answered);

extern Datum dgen_json_null(void);

/* The code to raise for a SQLSTATE that a handler gave as text. */
extern int dgen_sqlstate_of(const char *text);

/* What the answers of a batch share. Starts zeroed but for for_caller. */
typedef struct Answers
{
	bool for_caller; /* raises unless the role that calls may work for the type of the request */
	bool open;
	DgenScan scan;
	DgenWriter writer;
} Answers;

/* Answers an open request: true if it was open. */
extern bool dgen_answers_add(Answers *answers, int64 request_id, const Reply *reply);
extern void dgen_answers_end(Answers *answers);
extern bool dgen_answer(int64 request_id, const Reply *reply); /* one alone, not for a caller */

/* ---- askers.c: several who ask with the same idempotency key ---------------- */

/*
 * The message was not sent, because its idempotency key stands for message id: its asker gets
 * what that request gets. Raises DGEN_ERR_KEY_WITHOUT_REPLY if it was none. reply_to is NULL
 * for a client.
 */
extern void dgen_ask_again(const Send *send, int64 id, const text *key, const ReplyTo *reply_to,
						   text *correlation);
/* All who asked after the first one. */
extern void dgen_tell_askers(int64 id, const Reply *reply);

/* ---- call_reply.c: dgen.send_reply to the dgen.call that runs -------------- */

/* A call begins to run, and has run: whether a reply was given, and which. In the memory context of the beginning. */
extern void dgen_expect_reply(int64 id, const ActorType *type);
extern bool dgen_expect_no_more(Reply *reply);

extern bool dgen_is_expected(int64 id);
/* False if it has a reply already. Raises unless the role that calls may work for the type. */
extern bool dgen_give_expected(const Reply *reply);

/* ---- client_state.c: states that a worker's client holds ------------------- */

extern bool dgen_client_holds(const BatchActor *actor);
extern void dgen_client_given(const BatchActor *actor);
extern void dgen_client_forget(void);

/* ---- unsendable.c: what cannot be sent to the client that claims it ---------- */

/*
 * Of a batch that is owned: gives a failed attempt to each actor's first message that cannot be
 * sent, and leaves out what is behind it, and what is too much text for one claim. `bytes`: limit of the batch.
 */
extern void dgen_check_batch(Batch *batch, Size bytes);
/* The same for a locked part that begins. False: it has a failed attempt. */
extern bool dgen_check_part(Batch *batch);
/* The state, or a text for one that is too large for any client. */
extern Datum dgen_show_state(Datum state);
/* The key, or a text for one that the client's encoding lacks. */
extern Datum dgen_show_key(text *key);

/* ---- no_batch.c: why none is claimed ------------------------------------- */

typedef enum NoBatch
{
	NO_BATCH_CLAIMED, /* in this session */
	NO_BATCH_FOUND,
	NO_BATCH_BUT_PART,
	NO_BATCH_COMMITTED,
	NO_BATCH_ANY_MORE, /* the claim was undone */
	NO_BATCH_AGAIN,    /* the end was undone, and the batch is over */
	NO_BATCH_HERE      /* it was in another transaction */
} NoBatch;

/* From now on, in this transaction. */
extern void dgen_no_batch(NoBatch reason);
/* ROLLBACK TO a savepoint. */
extern void dgen_no_batch_undone(SubTransactionId subid);
/* Raises DGEN_ERR_NOT_OWNED. The hint is for who has claimed none in this transaction. */
extern void dgen_refuse_no_batch(const char *hint);
/* Raises it for a locked part. */
extern void dgen_refuse_no_part(void);

/* ---- protocol.c: the worker protocol ------------------------------------ */

/* The batch that is claimed and not committed in this transaction; NULL: none. */
extern Batch *dgen_claimed_batch(void);
/* The same at the end of the transaction, when it has no number any more. */
extern Batch *dgen_batch_to_end(void);
extern void dgen_set_claimed_batch(Batch *batch); /* by the role that is current; NULL: it is over */
/* It is committed; returns the time since its claim, us. */
extern double dgen_claimed_batch_done(void);
/* Does the client that claimed it keep states? */
extern bool dgen_client_caches(void);

/* Raises 42501 unless whoever calls may act as the role that claimed it. */
extern void dgen_check_claimer(void);

/* Raises DGEN_ERR_NESTED if a batch is claimed in this transaction. */
extern void dgen_refuse_in_batch(const char *what, const char *hint);

/* action.c: what an action has come to, to its actor; does the action of such an actor run here? */
extern void dgen_action_reply(const BatchActor *actor, const BatchMessage *action,
							  const Reply *reply);
extern bool dgen_is_in_action(int32 type_id, const text *key);

/* The reply, or the error, as a message to the actor that has asked. */
extern void dgen_reply_to_actor(const ReplyTo *to, int64 id, text *correlation, const Reply *reply);

/* ---- worker.c, launcher.c: in-database workers -------------------------- */

extern void dgen_launcher_init(
	void); /* _PG_init: registers the launcher when preloaded, and hooks */

/*
 * One batch of an in-database worker in transactions of its own making (batch.c).
 * False if there is nothing to do now: wait.
 */
extern bool dgen_run_batch(WorkerSession *session);

/* The batch whose turns run, with copies of what its actors have; NULL: none. */
extern const Batch *dgen_running_batch(void);

/* ---- operate.c: entry into functions that run with dgen's own rights ---- */

/* The role that called the public function that is now running; GetUserId() outside of one. */
extern Oid dgen_calling_role(void);
/* For private functions that C calls; returns what is to be set afterwards. */
extern Oid dgen_set_calling_role(Oid role);

/* ---- explain.c: why there is no reply yet ------------------------------------ */

/* A sentence; NULL: none. The transaction is about to fail. */
extern char *dgen_explain_pending(int64 request);

/* Raises DGEN_ERR_TYPE_CHANGED. */
extern void dgen_refuse_turn(const ActorType *type);
/* The same, if the type has had another owner, name or handler since it was read. */
extern void dgen_refuse_old_definition(const ActorType *type);

/* Does a batch or a turn of this session work on the actor? */
extern bool dgen_is_in_turn(int32 type_id, int64 mailbox);

#endif /* DGEN_EXT_H */
