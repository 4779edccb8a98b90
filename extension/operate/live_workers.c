/*
 * dgen.workers: what each live worker is doing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "actor/actor_type.h"
#include "shared/database.h"
#include "shared/layout.h"
#include "shared/serving.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "table/table.h"

PG_FUNCTION_INFO_V1(dgen_workers);
PG_FUNCTION_INFO_V1(dgen_perhaps_taken);

/* Copies, so that nothing is looked up or raised with the lock held. */
static Slot *
copy_workers(int *count)
{
	Slot *workers = palloc(dgen_shared->nslots * sizeof(Slot));

	*count = 0;
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nslots; i++)
		if (dgen_is_worker_here(slot_at(i)))
			workers[(*count)++] = *slot_at(i);
	LWLockRelease(&dgen_database->lock);
	return workers;
}

typedef struct Names
{
	int count;
	Datum names[SLOT_TYPES];
} Names;

/* The ones of the types that the role can read. */
typedef struct Readable
{
	Names all;
	Names messages;
	Names actions;
	Names locked;
} Readable;

static void
add_name(Names *names, const char *name)
{
	names->names[names->count++] = CStringGetTextDatum(name);
}

static Datum
name_array(Names *names)
{
	return PointerGetDatum(
		construct_array(names->names, names->count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* A type whose actions and messages it handles appears twice. */
static void
read_types(const Slot *worker, Oid role, Readable *readable)
{
	for (int i = 0; i < worker->ntypes; i++)
	{
		const int32 type_id = worker->types[i];
		const ActorType *type = dgen_type_by_id(dgen_actors_type(type_id), true);
		bool of_actions = dgen_is_of_actions(type_id);

		if (type == NULL || !dgen_has_privilege(type, role, PRIVILEGE_READ))
			continue;
		add_name(of_actions ? &readable->actions : &readable->messages, type->name);
		if (!of_actions || !dgen_slot_names(worker, type->id))
			add_name(&readable->all, type->name);
		if (dgen_slot_names_part(worker, i))
			add_name(&readable->locked, type->name);
	}
}

static void
put_worker(ReturnSetInfo *result, const Slot *worker, Oid role)
{
	Readable readable = {0};
	Datum values[13];
	bool nulls[13] = {false};

	read_types(worker, role, &readable);
	if (readable.all.count == 0 && !superuser_arg(role))
		return;
	values[0] = Int64GetDatum(worker->worker_id);
	values[1] = CStringGetTextDatum(worker->name);
	values[2] = name_array(&readable.all);
	values[3] = BoolGetDatum(worker->in_database);
	nulls[4] = worker->client[0] == '\0';
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(worker->client);
	values[5] = Int32GetDatum(worker->pid);
	values[6] = BoolGetDatum(worker->busy);
	values[7] = TimestampTzGetDatum(worker->since);
	values[8] = Int64GetDatum(worker->turns);
	values[9] = name_array(&readable.messages);
	values[10] = name_array(&readable.actions);
	values[11] = name_array(&readable.locked);
	values[12] = BoolGetDatum(!worker->all_types);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
dgen_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Slot *workers;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	if (!dgen_shared_attach())
		return (Datum) 0;

	/* They tell of types made and dropped, and of privileges revoked. */
	AcceptInvalidationMessages();
	workers = copy_workers(&count);
	for (int i = 0; i < count; i++)
		/* Not workers of an extension that is gone: its ids are used again. */
		if (workers[i].extension == dgen_this_extension())
			put_worker(result, &workers[i], GetUserId());
	return (Datum) 0;
}

/* For dgen.explain_actor: of workers whose lists in dgen.workers are not complete. */
Datum
dgen_perhaps_taken(PG_FUNCTION_ARGS)
{
	const int32 type_id = PG_GETARG_INT32(0);
	const Lane lane = PG_GETARG_BOOL(1) ? LANE_PARTS : LANE_ANY;
	bool taken = false;

	if (!dgen_shared_attach())
		PG_RETURN_BOOL(false);
	LWLockAcquire(&dgen_database->lock, LW_SHARED);
	for (int i = 0; i < dgen_shared->nslots && !taken; i++)
		taken = dgen_is_worker_here(slot_at(i)) &&
				dgen_slot_takes(slot_at(i), type_id, lane) == TAKES_PERHAPS;
	LWLockRelease(&dgen_database->lock);
	PG_RETURN_BOOL(taken);
}
