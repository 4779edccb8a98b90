/*
 * Differences between the supported major versions of PostgreSQL, all of them.
 */
#ifndef DGEN_VERSION_H
#define DGEN_VERSION_H

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "portability/instr_time.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/jsonb.h"

#if PG_VERSION_NUM < 150000
#error "dgen needs PostgreSQL 15 or newer"
#endif

/* The position of a backend in the array of PGPROCs: identifies a session among the live ones. */
#if PG_VERSION_NUM >= 170000
#define DGEN_MY_PROCNO ((int) MyProcNumber)
#define DGEN_MY_LXID (MyProc->vxid.lxid)
#else
#define DGEN_MY_PROCNO (MyProc->pgprocno)
#define DGEN_MY_LXID (MyProc->lxid)
#endif

/* 17 made it a property of the backend type. */
#if PG_VERSION_NUM >= 170000
#define DGEN_IS_BACKGROUND_WORKER AmBackgroundWorkerProcess()
#else
#define DGEN_IS_BACKGROUND_WORKER IsBackgroundWorker
#endif

/* 18 put the word in front of the declaration. */
#if PG_VERSION_NUM >= 180000
#define DGEN_NORETURN pg_noreturn
#else
#define DGEN_NORETURN pg_attribute_noreturn()
#endif

/* 18 added a place for instrumentation, 19 flags. */
static inline IndexScanDesc
dgen_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0, 0);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* 19 added flags. */
static inline TableScanDesc
dgen_table_beginscan(Relation heap, Snapshot snapshot)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan(heap, snapshot, 0, NULL, 0);
#else
	return table_beginscan(heap, snapshot, 0, NULL);
#endif
}

/* 19 added options. */
static inline TM_Result
dgen_table_tuple_delete(Relation heap, ItemPointer tid, CommandId cid, Snapshot snapshot, bool wait,
						TM_FailureData *failure)
{
#if PG_VERSION_NUM >= 190000
	return table_tuple_delete(heap, tid, cid, 0, snapshot, InvalidSnapshot, wait, failure);
#else
	return table_tuple_delete(heap, tid, cid, snapshot, InvalidSnapshot, wait, failure, false);
#endif
}

/* Which indexes want an entry for a new version of a row. */
typedef enum IndexEntries
{
	ENTRIES_NONE,
	ENTRIES_SUMMARIZING, /* from 16 on: those that say something of a whole block, such as BRIN */
	ENTRIES_ALL
} IndexEntries;

#if PG_VERSION_NUM >= 160000
#define DGEN_IS_SUMMARIZING(info) ((info)->ii_Summarizing)
#else
#define DGEN_IS_SUMMARIZING(info) false
#endif

static inline TM_Result
dgen_heap_update(Relation heap, ItemPointer tid, HeapTuple tuple, CommandId cid,
				 TM_FailureData *failure, IndexEntries *entries)
{
	LockTupleMode mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update;

#if PG_VERSION_NUM >= 190000
	result = heap_update(heap, tid, tuple, cid, 0, InvalidSnapshot, true, failure, &mode, &update);
#else
	result = heap_update(heap, tid, tuple, cid, InvalidSnapshot, true, failure, &mode, &update);
#endif
	*entries = update == TU_All           ? ENTRIES_ALL
			   : update == TU_Summarizing ? ENTRIES_SUMMARIZING
										  : ENTRIES_NONE;
#else
	result = heap_update(heap, tid, tuple, cid, InvalidSnapshot, true, failure, &mode);
	*entries = HeapTupleIsHeapOnly(tuple) ? ENTRIES_NONE : ENTRIES_ALL;
#endif
	return result;
}

/* 18 can log lock failures. */
#if PG_VERSION_NUM >= 180000
#define DGEN_LOCK_ACQUIRE_EXTRA , false
#else
#define DGEN_LOCK_ACQUIRE_EXTRA
#endif

/* 17 put LockOrStrongerHeldByMe into a third parameter. */
#if PG_VERSION_NUM >= 170000
#define DGEN_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define DGEN_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode)
#endif

/* The locks of this process in a partition, one after the other; NULL: the first, no more. 16 has other lists. */
static inline PROCLOCK *
dgen_next_proclock(int partition, PROCLOCK *lock)
{
#if PG_VERSION_NUM >= 160000
	dlist_head *locks = &MyProc->myProcLocks[partition];
	dlist_node *next;

	if (lock == NULL)
		next = dlist_is_empty(locks) ? NULL : dlist_head_node(locks);
	else
		next =
			dlist_has_next(locks, &lock->procLink) ? dlist_next_node(locks, &lock->procLink) : NULL;
	return next == NULL ? NULL : dlist_container(PROCLOCK, procLink, next);
#else
	SHM_QUEUE *locks = &MyProc->myProcLocks[partition];

	return (PROCLOCK *) SHMQueueNext(locks, lock == NULL ? locks : &lock->procLink,
									 offsetof(PROCLOCK, procLink));
#endif
}

/* 19 has one per kind of process. */
#if PG_VERSION_NUM >= 190000
#define DGEN_LOG_MIN_MESSAGES log_min_messages[MyBackendType]
#else
#define DGEN_LOG_MIN_MESSAGES log_min_messages
#endif

/* 16 made errors of name parsing soft, put the ACL checks into one function, and SET ROLE apart from membership. */
#if PG_VERSION_NUM >= 160000
#define DGEN_NAME_LIST(name) stringToQualifiedNameList(name, NULL)
#define DGEN_DATABASE_OWNERCHECK(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#define DGEN_FUNCTION_ACLCHECK(function, role) \
	object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#define DGEN_DATABASE_ACLCHECK(database, role) \
	object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT)
#define DGEN_CAN_SET_ROLE(member, role) member_can_set_role(member, role)
#else
#define DGEN_NAME_LIST(name) stringToQualifiedNameList(name)
#define DGEN_DATABASE_OWNERCHECK(database, role) pg_database_ownercheck(database, role)
#define DGEN_FUNCTION_ACLCHECK(function, role) pg_proc_aclcheck(function, role, ACL_EXECUTE)
#define DGEN_DATABASE_ACLCHECK(database, role) pg_database_aclcheck(database, role, ACL_CONNECT)
#define DGEN_CAN_SET_ROLE(member, role) is_member_of_role(member, role)
#endif

/* 16 has another name for it. */
#if PG_VERSION_NUM >= 160000
#define DGEN_READ_RECENT_BUFFER(relation, block, buffer) \
	ReadRecentBuffer((relation)->rd_locator, MAIN_FORKNUM, block, buffer)
#else
#define DGEN_READ_RECENT_BUFFER(relation, block, buffer) \
	ReadRecentBuffer((relation)->rd_node, MAIN_FORKNUM, block, buffer)
#endif

/*
 * Bytes that the client has sent and the server has read, at least so many: before 17 it
 * can only be told whether there are some.
 */
#if PG_VERSION_NUM >= 170000
extern ssize_t pq_buffer_remaining_data(void);
#define DGEN_BUFFERED_INPUT() pq_buffer_remaining_data()
#else
extern bool pq_buffer_has_data(void);
#define DGEN_BUFFERED_INPUT() (pq_buffer_has_data() ? 1 : 0)
#endif

/* 19 names a tranche where it is made; before, each process does it. */
static inline int
dgen_new_tranche(const char *name)
{
#if PG_VERSION_NUM >= 190000
	return LWLockNewTrancheId(name);
#else
	return LWLockNewTrancheId();
#endif
}

static inline void
dgen_name_tranche(int tranche, const char *name)
{
#if PG_VERSION_NUM < 190000
	LWLockRegisterTranche(tranche, name);
#endif
}

/* A jsonb value that is put together token by token; zeroes at the beginning. */
typedef struct JsonbBuilder
{
#if PG_VERSION_NUM >= 190000
	JsonbInState state;
#else
	JsonbParseState *state;
	JsonbValue *result;
#endif
} JsonbBuilder;

static inline void
dgen_push_jsonb(JsonbBuilder *builder, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(&builder->state, token, value);
#else
	builder->result = pushJsonbValue(&builder->state, token, value);
#endif
}

/* After the last token. */
static inline Jsonb *
dgen_built_jsonb(JsonbBuilder *builder)
{
#if PG_VERSION_NUM >= 190000
	return JsonbValueToJsonb(builder->state.result);
#else
	return JsonbValueToJsonb(builder->result);
#endif
}

/* 19 tells a signal handler who sent it. */
#if PG_VERSION_NUM >= 190000
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg, pg_siginfo
#else
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg
#endif

/* 17 lets extensions name their wait events. */
#if PG_VERSION_NUM >= 170000
#define DGEN_WAIT_EVENT(name) WaitEventExtensionNew(name)
#else
#define DGEN_WAIT_EVENT(name) PG_WAIT_EXTENSION
#endif

#endif /* DGEN_VERSION_H */
