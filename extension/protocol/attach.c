/*
 * A session as a worker: dgen.attach and dgen.detach.
 *
 * Attaching is part of the transaction. Each attach or detach of a transaction is put on top of the
 * attachment before it, until the end of the transaction decides.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/in_hand.h"
#include "actor/worker_session.h"
#include "base/base.h"
#include "base/errors.h"
#include "claim/part.h"
#include "own/rate.h"
#include "protocol/attach.h"
#include "protocol/protocol.h"
#include "shared/hint_set.h"
#include "sleep/attached.h"
#include "table/columns.h"
#include "table/installed.h"
#include "table/scan.h"
#include "table/table.h"
#include "write/sequence.h"
#include "write/writer.h"

typedef struct Attachment
{
	WorkerSession session; /* id 0: detached */
	char client[NAMEDATALEN];
	int mark;               /* of the session (session_mark.c); 0: none */
	SubTransactionId subid; /* InvalidSubTransactionId: committed */
	MemoryContext context;  /* of it all */
	struct Attachment *previous;
} Attachment;

PG_FUNCTION_INFO_V1(dgen_attach);
PG_FUNCTION_INFO_V1(dgen_detach);

static Attachment *current = NULL;

/* ---- what holds ---- */

/*
 * The extension that the session attaches to. What it has learnt by itself about types of another
 * one goes.
 */
static Oid
enter_extension(void)
{
	static Oid last = InvalidOid;
	Oid extension = dgen_this_extension();

	if (extension != last)
	{
		dgen_hints_forget_private();
		dgen_rates_forget_private();
	}
	last = extension;
	return extension;
}

/* Before each claim. */
void
dgen_session_claims(void)
{
	dgen_session_mark_claims();
}

static void
publish(void)
{
	if (current == NULL)
		dgen_session_publish(NULL, NULL);
	else
		dgen_session_publish(&current->session, current->client);
}

static void
free_attachment(Attachment *attachment)
{
	MemoryContextDelete(attachment->context);
}

/*
 * A new attachment without an id; it does not hold yet, and goes with the current memory context.
 */
static Attachment *
make_attachment(int ntypes)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "dgen worker", ALLOCSET_SMALL_SIZES);
	Attachment *attachment = MemoryContextAllocZero(context, sizeof(Attachment));

	attachment->context = context;
	attachment->session.ntypes = ntypes;
	attachment->session.types =
		MemoryContextAllocZero(context, Max(ntypes, 1) * sizeof(WorkerType));
	return attachment;
}

static void
put_on_top(Attachment *attachment, SubTransactionId subid)
{
	MemoryContextSetParent(attachment->context, TopMemoryContext);
	attachment->subid = subid;
	attachment->previous = current;
	current = attachment;
	dgen_keep_memory();
	dgen_session_show();
	publish();
}

static void
forget_previous(void)
{
	while (current != NULL && current->previous != NULL)
	{
		Attachment *previous = current->previous;

		current->previous = previous->previous;
		free_attachment(previous);
	}
}

/* Takes off what this transaction, or its subtransactions from subid on, put on top. */
static void
undo(SubTransactionId subid)
{
	bool changed = false;

	while (current != NULL && current->subid != InvalidSubTransactionId && current->subid >= subid)
	{
		Attachment *undone = current;

		current = undone->previous;
		free_attachment(undone);
		changed = true;
	}
	if (changed)
		publish();
}

/* The session was reset for another client: the worker is gone. Never raises. */
static void
leave_worker(void)
{
	dgen_part_leave(DGEN_ERR_SESSION_ENDED);
	dgen_client_forget();
	forget_previous();
	free_attachment(current);
	current = NULL;
	publish();
}

/* As for what the server itself keeps by session: LISTEN, temporary tables, cursors WITH HOLD. */
static void
refuse_prepare(void)
{
	if (current != NULL && current->subid != InvalidSubTransactionId)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has called dgen.attach or dgen.detach"),
				 errdetail("The session does not learn how a prepared transaction ends."),
				 errhint("Call them in a transaction that ends with COMMIT.")));
}

/* What PREPARE does to settings is what COMMIT does. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	bool ends =
		event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE;
	int mark = current == NULL ? 0 : current->mark;

	if (event == XACT_EVENT_PRE_PREPARE)
		refuse_prepare();
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		dgen_session_mark_keep(mark);
	if (ends && dgen_session_mark_lost(mark, event != XACT_EVENT_ABORT))
		leave_worker();
	if (current == NULL || current->subid == InvalidSubTransactionId)
		return;
	if (event == XACT_EVENT_ABORT)
		undo(TopSubTransactionId);
	else if (event == XACT_EVENT_COMMIT)
	{
		current->subid = InvalidSubTransactionId;
		forget_previous();
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		undo(subid);
}

void
dgen_session_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

/* ---- the row in dgen.worker ---- */

static void
delete_row(int64 worker_id)
{
	Snapshot snapshot;
	DgenScan scan;
	ScanKeyData key;

	dgen_table_lock(TABLE_WORKER, RowExclusiveLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	dgen_key_int8(&key, 1, BTEqualStrategyNumber, worker_id);
	dgen_scan_begin(&scan, TABLE_WORKER, INDEX_PRIMARY, snapshot, 1);
	dgen_scan_seek(&scan, &key, 1);
	if (dgen_scan_next(&scan))
		(void) dgen_delete_row(scan.heap, &scan.slot->tts_tid);
	dgen_scan_end(&scan);
	UnregisterSnapshot(snapshot);
}

static Datum
client_address(bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum address;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(fcinfo);
	*isnull = fcinfo->isnull;
	return address;
}

static void
insert_row(Attachment *attachment, Datum type_ids, FunctionCallInfo fcinfo)
{
	WorkerSession *session = &attachment->session;
	Datum values[WORKER_COLUMNS];
	bool nulls[WORKER_COLUMNS] = {false};
	DgenWriter writer;

	values[WORKER_ID] = Int64GetDatum(session->id);
	values[WORKER_NAME] = CStringGetTextDatum(session->name);
	values[WORKER_PID] = Int32GetDatum(MyProcPid);
	values[WORKER_BACKEND_START] = TimestampTzGetDatum(MyStartTimestamp);
	values[WORKER_IN_DATABASE] = BoolGetDatum(false);
	values[WORKER_TYPE_IDS] = type_ids;
	values[WORKER_ROLE] = ObjectIdGetDatum(GetUserId());
	values[WORKER_CLIENT_ADDR] = client_address(&nulls[WORKER_CLIENT_ADDR]);
	nulls[WORKER_LIBRARY_VERSION] = PG_ARGISNULL(2);
	values[WORKER_LIBRARY_VERSION] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	values[WORKER_ATTACHED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());

	if (!nulls[WORKER_CLIENT_ADDR])
		strlcpy(attachment->client,
				DatumGetCString(DirectFunctionCall1(inet_out, values[WORKER_CLIENT_ADDR])),
				NAMEDATALEN);

	dgen_writer_open(&writer, TABLE_WORKER);
	dgen_writer_insert(&writer, values, nulls);
	dgen_writer_close(&writer);
}

/* ---- a client whose host vanishes ---- */

/*
 * Its socket is not closed, and its actors stay owned until TCP detects it: in 35 s instead of
 * hours. A session that has settings of its own keeps them; on a Unix socket they mean nothing.
 */
static void
watch_client(void)
{
	static const char *const settings[][2] = {
		{"tcp_keepalives_idle", "20"},
		{"tcp_keepalives_interval", "5"},
		{"tcp_keepalives_count", "3"},
		{"tcp_user_timeout", "30000"},
	};

	for (int i = 0; i < lengthof(settings); i++)
	{
		const char *value = GetConfigOption(settings[i][0], true, false);

		if (value != NULL && strcmp(value, "0") == 0)
			SetConfigOption(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION);
	}
}

/* ---- dgen.attach ---- */

void
dgen_refuse_attach(const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", problem), errhint("%s", hint)));
}

static void
refuse_null(const char *parameter, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not be null", parameter), errhint("%s", hint)));
}

static void
set_name(WorkerSession *session, FunctionCallInfo fcinfo)
{
	text *name;

	if (PG_ARGISNULL(0))
		refuse_null("worker name", "Give a name by which dgen.workers shows this worker.");
	name = PG_GETARG_TEXT_PP(0);
	if (VARSIZE_ANY_EXHDR(name) == 0 || VARSIZE_ANY_EXHDR(name) >= NAMEDATALEN)
		dgen_refuse_attach("worker name must have 1 to 63 bytes", "Give a name of 1 to 63 bytes.");
	text_to_cstring_buffer(name, session->name, NAMEDATALEN);
}

/* Usually a mistake: the worker's callbacks and the handler alternate on the same actors. */
static void
warn_of_handler(const ActorType *type)
{
	if (type->handler == NULL)
		return;
	ereport(WARNING,
			(errmsg("actor type \"%s\" has an in-database handler", type->name),
			 errdetail("Both this worker and in-database workers handle its messages."),
			 errhint("To leave all of them to external workers, its owner sets handler => '' with "
					 "dgen.alter_actor_type.")));
}

/* The distinct types named, each checked for the privilege to work for it. */
static Attachment *
resolve_types(FunctionCallInfo fcinfo)
{
	const char *hint =
		"Give the names of the actor types that this worker handles, such as ARRAY['cart'].";
	Attachment *attachment;
	Datum *names;
	bool *nulls;
	int count;
	int ntypes = 0;
	const ActorType **types;

	if (PG_ARGISNULL(1))
		refuse_null("actor_types", hint);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &count);
	if (count == 0)
		dgen_refuse_attach("actor_types must not be empty", hint);

	types = palloc(count * sizeof(*types));
	for (int i = 0; i < count; i++)
	{
		const ActorType *type;
		bool known = false;

		if (nulls[i])
			refuse_null("an element of actor_types", hint);
		type = dgen_type_by_name(DatumGetTextPP(names[i]));
		dgen_check_privilege(type, GetUserId(), PRIVILEGE_WORK);
		for (int j = 0; j < ntypes; j++)
			known |= types[j]->id == type->id;
		if (known)
			continue;
		warn_of_handler(type);
		types[ntypes++] = type;
	}
	attachment = make_attachment(ntypes);
	for (int i = 0; i < ntypes; i++)
		dgen_session_set_type(&attachment->session, attachment->context, i, types[i]->id,
							  types[i]->name);
	return attachment;
}

static Datum
type_id_array(const WorkerSession *session)
{
	Datum *ids = palloc(session->ntypes * sizeof(Datum));

	for (int i = 0; i < session->ntypes; i++)
		ids[i] = Int32GetDatum(session->types[i].type_id);
	return PointerGetDatum(
		construct_array(ids, session->ntypes, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
dgen_attach(PG_FUNCTION_ARGS)
{
	Attachment *attachment;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};

	dgen_refuse_in_handler("dgen.attach", "Attach outside of handlers.");
	dgen_refuse_read_only(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "dgen.attach was not called for a row");
	dgen_check_extension_version();
	if (!PG_ARGISNULL(2))
		dgen_check_library_version(text_to_cstring(PG_GETARG_TEXT_PP(2)));

	/* With the lock come the invalidations that tell of types made and dropped. */
	dgen_table_lock(TABLE_ACTOR_TYPE, AccessShareLock);
	dgen_client_forget(); /* a worker that attaches holds nothing */
	dgen_part_abandon();
	watch_client();
	if (dgen_is_attached() && !dgen_session_is_of_former(&current->session))
		delete_row(current->session.id);

	attachment = resolve_types(fcinfo);
	attachment->session.extension = enter_extension();
	attachment->session.role = GetUserId();
	set_name(&attachment->session, fcinfo);
	attachment->session.id = dgen_nextval(SEQUENCE_WORKER);
	values[2] = type_id_array(&attachment->session);
	dgen_session_take_lanes(&attachment->session, attachment->context, fcinfo);
	insert_row(attachment, values[2], fcinfo);
	attachment->mark = dgen_session_mark_new();
	put_on_top(attachment, GetCurrentSubTransactionId());

	values[0] = Int64GetDatum(attachment->session.id);
	values[1] = CStringGetTextDatum(DGEN_VERSION);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
dgen_detach(PG_FUNCTION_ARGS)
{
	dgen_refuse_in_handler("dgen.detach", "Detach outside of handlers.");
	if (!dgen_is_attached())
		PG_RETURN_VOID();
	dgen_table_lock(TABLE_WORKER, RowExclusiveLock);
	if (!dgen_session_is_of_former(&current->session))
	{
		(void) dgen_worker_session_of_caller();
		delete_row(current->session.id);
	}
	dgen_part_abandon();
	put_on_top(make_attachment(0), GetCurrentSubTransactionId());
	PG_RETURN_VOID();
}

/* ---- an in-database worker ---- */

/*
 * The types it serves from now on; it keeps what it has learnt about those it served before. The
 * lock on dgen.actor_type is held.
 */
void
dgen_session_serve(int64 id, const char *name, int ntypes, const int32 *type_ids)
{
	Attachment *attachment = make_attachment(ntypes);
	WorkerSession *session = &attachment->session;

	if (current != NULL && dgen_session_is_of_former(&current->session))
		dgen_part_abandon();
	session->id = id;
	session->extension = enter_extension();
	session->in_database = true;
	session->role = GetUserId();
	strlcpy(session->name, name, NAMEDATALEN);
	for (int i = 0; i < ntypes; i++)
	{
		session->types[i].type_id = type_ids[i];
		session->types[i].runs_parts = !dgen_is_of_actions(type_ids[i]);
	}
	for (int i = 0;
		 i < ntypes && current != NULL && current->session.extension == session->extension; i++)
		for (int j = 0; j < current->session.ntypes; j++)
			if (current->session.types[j].type_id == type_ids[i])
				session->types[i] = current->session.types[j];
	put_on_top(attachment, InvalidSubTransactionId);
	forget_previous();
}
