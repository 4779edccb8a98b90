/*
 * Writes dgen's tables through the server's executor, with a statement for each row, if they have
 * triggers, or constraints that need the executor: log triggers (pg_repack), audit, foreign keys, CHECK.
 * The statements have the same privileges and search_path as dgen's functions in SQL: those of the owner
 * of the table, and dgen's own. So a sender has no influence on what a trigger, a CHECK or an index
 * calls.
 *
 * A row that is found by its place is first locked there. If the lock fails, another session has written
 * the row, and nothing is done, as in writer.c. So an UPDATE never follows the row to another version.
 *
 * dgen and its workers remember what dgen has written. So dgen refuses a trigger that changes or
 * suppresses a row.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "table/shape.h"
#include "table/table.h"
#include "write/statement.h"

#define MAX_COLUMNS 32 /* maximum in a table */

typedef enum Command
{
	COMMAND_INSERT,
	COMMAND_UPDATE,
	COMMAND_DELETE,
	COMMANDS
} Command;

static SPIPlanPtr plans[DGEN_TABLE_COUNT][COMMANDS];

/* ---- privileges ---- */

void
dgen_become_owner(DgenTable table, Relation heap, Rights *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(heap->rd_rel->relowner, before->context | SECURITY_LOCAL_USERID_CHANGE);
	before->nest_level = dgen_table_calls_functions(table, heap) ? NewGUCNestLevel() : 0;
	if (before->nest_level > 0)
		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/* After an error the end of the (sub)transaction does this instead. */
void
dgen_become_again(const Rights *before)
{
	if (before->nest_level > 0)
		AtEOXact_GUC(false, before->nest_level);
	SetUserIdAndSecContext(before->user, before->context);
}

/* ---- statements: $1 is the place, $2 the first column ---- */

static bool
is_key(const TableShape *shape, int column)
{
	for (int i = 0; i < MAX_INDEX_COLUMNS; i++)
		if (abs(shape->indexes[0].columns[i]) == column + 1)
			return true;
	return false;
}

static void
append_insert(StringInfo sql, const TableShape *shape)
{
	appendStringInfo(sql, "INSERT INTO dgen.%s AS t VALUES (", shape->name);
	for (int i = 0; i < shape->ncolumns; i++)
		appendStringInfo(sql, "%s$%d", i == 0 ? "" : ", ", i + 2);
	appendStringInfoString(sql, ") RETURNING t.ctid, t.*");
}

/* Sets all columns except the primary key, which an update does not change. */
static void
append_update(StringInfo sql, const TableShape *shape)
{
	const char *separator = "";

	appendStringInfo(sql, "UPDATE dgen.%s AS t SET ", shape->name);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (is_key(shape, i))
			continue;
		appendStringInfo(sql, "%s%s = $%d", separator, shape->columns[i].name, i + 2);
		separator = ", ";
	}
	appendStringInfoString(sql, " WHERE t.ctid OPERATOR(pg_catalog.=) $1 RETURNING t.ctid, t.*");
}

static SPIPlanPtr
plan_of(DgenTable table, Command command)
{
	const TableShape *shape = &dgen_shapes[table];
	SPIPlanPtr *plan = &plans[table][command];
	Oid types[MAX_COLUMNS + 1] = {TIDOID};
	StringInfoData sql;

	if (*plan != NULL)
		return *plan;
	Assert(shape->ncolumns <= MAX_COLUMNS);
	for (int i = 0; i < shape->ncolumns; i++)
		types[i + 1] = shape->columns[i].type;
	initStringInfo(&sql);
	if (command == COMMAND_INSERT)
		append_insert(&sql, shape);
	else if (command == COMMAND_UPDATE)
		append_update(&sql, shape);
	else
		appendStringInfo(&sql,
						 "DELETE FROM dgen.%s AS t WHERE t.ctid OPERATOR(pg_catalog.=) $1"
						 " RETURNING t.ctid",
						 shape->name);
	*plan = SPI_prepare(sql.data, command == COMMAND_DELETE ? 1 : shape->ncolumns + 1, types);
	if (*plan == NULL)
		elog(ERROR, "could not prepare a statement for dgen.%s: %s", shape->name,
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(*plan);
	return *plan;
}

/* ---- running them ---- */

static void
refuse_trigger(const TableShape *shape, const char *what)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_CHANGED), errmsg("a trigger of table dgen.%s %s", shape->name, what),
		 errhint("Have it leave the row as it is (RETURN NEW, in a BEFORE DELETE trigger RETURN "
				 "OLD), or make it an AFTER trigger.")));
}

static bool
same_value(const ColumnShape *column, Datum a, bool a_null, Datum b, bool b_null)
{
	int16 length;
	bool by_value;

	if (a_null || b_null)
		return a_null == b_null;
	get_typlenbyval(column->type, &length, &by_value);
	return datum_image_eq(a, b, by_value, length);
}

/* Was the row written as given? */
static void
check_written(const TableShape *shape, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		bool isnull;
		Datum written = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 2, &isnull);

		if (!same_value(&shape->columns[i], values[i], nulls[i], written, isnull))
			refuse_trigger(shape, psprintf("changes column \"%s\" of what dgen writes",
										   shape->columns[i].name));
	}
}

static void
execute(DgenTable table, Command command, ItemPointer tid, const Datum *values, const bool *nulls)
{
	const TableShape *shape = &dgen_shapes[table];
	Datum arguments[MAX_COLUMNS + 1] = {PointerGetDatum(tid)};
	char argument_nulls[MAX_COLUMNS + 2] = " ";
	int status;

	for (int i = 0; values != NULL && i < shape->ncolumns; i++)
	{
		arguments[i + 1] = values[i];
		argument_nulls[i + 1] = nulls[i] ? 'n' : ' ';
	}

	/* Uses the latest snapshot in every isolation level, because the row was found in it. */
	status = SPI_execute_snapshot(plan_of(table, command), arguments, argument_nulls,
								  GetLatestSnapshot(), InvalidSnapshot, false, true, 0);
	if (status < 0)
		elog(ERROR, "could not write dgen.%s: %s", shape->name, SPI_result_code_string(status));
	if (SPI_processed != 1)
		refuse_trigger(shape, "keeps dgen from writing a row");
	if (values != NULL)
		check_written(shape, values, nulls);
}

/* *tid: the place of the row, before and after. */
static void
run(DgenTable table, Relation heap, Command command, ItemPointer tid, const Datum *values,
	const bool *nulls)
{
	Rights before;
	bool isnull;

	dgen_become_owner(table, heap, &before);
	PushActiveSnapshot(
		GetLatestSnapshot()); /* the caller might have none, and values can be toasted */
	SPI_connect();
	execute(table, command, tid, values, nulls);
	*tid = *(ItemPointer) DatumGetPointer(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	dgen_become_again(&before);
}

/*
 * If a row was seen and is invisible now, an earlier command of this transaction has removed or replaced
 * it, even if others have locked it (xmax can be a multixact).
 */
static TM_Result
lock_row(Relation heap, ItemPointer tid, LockTupleMode mode, bool wait)
{
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TM_FailureData failure;
	TM_Result result;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	result = table_tuple_lock(heap, tid, GetActiveSnapshot(), slot, GetCurrentCommandId(true), mode,
							  wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Invisible ? TM_SelfModified : result;
}

static DgenTable
table_of(Relation heap)
{
	DgenTable table = 0;

	while (strcmp(dgen_shapes[table].name, RelationGetRelationName(heap)) != 0)
		table++;
	return table;
}

void
dgen_statement_insert(DgenTable table, Relation heap, Datum *values, bool *nulls, ItemPointer tid)
{
	ItemPointerSetInvalid(tid);
	run(table, heap, COMMAND_INSERT, tid, values, nulls);
}

bool
dgen_statement_update(DgenTable table, Relation heap, ItemPointer tid, Datum *values, bool *nulls)
{
	if (lock_row(heap, tid, LockTupleNoKeyExclusive, true) != TM_Ok)
		return false;
	run(table, heap, COMMAND_UPDATE, tid, values, nulls);
	return true;
}

TM_Result
dgen_statement_delete(Relation heap, ItemPointer tid, bool wait)
{
	ItemPointerData place = *tid;
	TM_Result result = lock_row(heap, tid, LockTupleExclusive, wait);

	if (result == TM_Ok)
		run(table_of(heap), heap, COMMAND_DELETE, &place, NULL, NULL);
	return result;
}
