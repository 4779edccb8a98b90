/*
 * Do dgen's relations have the shape that the C code expects? The C code bypasses the server's executor,
 * which would check the catalog each time. Here it is checked once after each change (table.c). dgen
 * refuses everything that it would read wrongly or ignore.
 *
 * A column that was added and dropped again leaves an attribute at the end forever. dgen writes NULL
 * there, and never reads it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "table/shape.h"
#include "table/table.h"

/* The checked object, for errors: ALTER TABLE and column, or ALTER TYPE and attribute. */
typedef struct Checked
{
	const char *kind;
	const char *name;
	const char *part;
} Checked;

static void
refuse(const Checked *checked, const char *what, const char *hint)
{
	ereport(ERROR, (errcode(DGEN_ERR_CHANGED),
					errmsg("%s dgen.%s was changed: %s", checked->kind, checked->name, what),
					errhint("%s", hint)));
}

/* ---- columns ---- */

static bool
is_type(const Checked *checked)
{
	return strcmp(checked->kind, "type") == 0;
}

static char *
alter(const Checked *checked, const char *action)
{
	return psprintf("Run ALTER %s dgen.%s %s.", is_type(checked) ? "TYPE" : "TABLE", checked->name,
					action);
}

/* "COLUMN name" */
static char *
alter_part(const Checked *checked, const char *verb, const char *name, const char *action)
{
	return alter(checked, psprintf("%s %s %s%s", verb, is_type(checked) ? "ATTRIBUTE" : "COLUMN",
								   quote_identifier(name), action));
}

static void
refuse_dropped(const Checked *checked, const char *name)
{
	refuse(checked, psprintf("%s \"%s\" was dropped", checked->part, name),
		   is_type(checked)
			   ? "Dump this database and restore it into a new one, which creates the type again."
			   : "Restore the table from a backup: a column that is added comes last, and not in "
				 "its place.");
}

/* Of the types of dgen's columns, only text has a collation. */
static Oid
collation_of(const ColumnShape *column)
{
	if (OidIsValid(column->collation))
		return column->collation;
	return column->type == TEXTOID ? DEFAULT_COLLATION_OID : InvalidOid;
}

/* "jsonb", or "text COLLATE "C"" */
static char *
type_clause(const ColumnShape *column)
{
	return OidIsValid(column->collation)
			   ? psprintf("%s COLLATE \"C\"", format_type_be(column->type))
			   : format_type_be(column->type);
}

static void
check_type(const Checked *checked, Form_pg_attribute found, const ColumnShape *column)
{
	const char *name = column->name;

	if (strcmp(NameStr(found->attname), name) != 0)
		refuse(checked,
			   psprintf("%s \"%s\" is named \"%s\"", checked->part, name, NameStr(found->attname)),
			   alter_part(checked, "RENAME", NameStr(found->attname),
						  psprintf(" TO %s", quote_identifier(name))));
	if (found->atttypid != column->type || found->atttypmod != -1 ||
		found->attcollation != collation_of(column))
		refuse(checked, psprintf("%s \"%s\" has another type", checked->part, name),
			   alter_part(checked, "ALTER", name, psprintf(" TYPE %s", type_clause(column))));
}

static void
check_constraints(const Checked *checked, Form_pg_attribute found, const ColumnShape *column)
{
	const char *name = column->name;

	if (found->attnotnull && !column->not_null)
		refuse(checked, psprintf("column \"%s\" was made NOT NULL", name),
			   alter_part(checked, "ALTER", name, " DROP NOT NULL"));
	if (!found->attnotnull && column->not_null)
		refuse(checked, psprintf("column \"%s\" is no longer NOT NULL", name),
			   alter_part(checked, "ALTER", name, " SET NOT NULL"));
	if (found->attidentity != '\0')
		refuse(checked, psprintf("column \"%s\" was made an identity column", name),
			   alter_part(checked, "ALTER", name, " DROP IDENTITY"));
}

static void
check_columns(const Checked *checked, TupleDesc desc, const ColumnShape *columns, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped)
			refuse_dropped(checked, columns[i].name);
		check_type(checked, TupleDescAttr(desc, i), &columns[i]);
		if (!is_type(checked))
			check_constraints(checked, TupleDescAttr(desc, i), &columns[i]);
	}
	for (int i = ncolumns; i < desc->natts; i++)
	{
		Form_pg_attribute added = TupleDescAttr(desc, i);

		if (!added->attisdropped)
			refuse(checked, psprintf("%s \"%s\" was added", checked->part, NameStr(added->attname)),
				   alter_part(checked, "DROP", NameStr(added->attname), ""));
	}
}

void
dgen_check_row_type(const TableShape *type, TupleDesc desc)
{
	const Checked checked = {"type", type->name, "attribute"};

	check_columns(&checked, desc, type->columns, type->ncolumns);
}

/* ---- tables ---- */

static void
check_kind(const Checked *checked, Form_pg_class form)
{
	if (form->relkind != RELKIND_RELATION)
		refuse(checked, "it is not an ordinary table",
			   "Give it another name, and the table its own back.");
	if (form->relpersistence != RELPERSISTENCE_PERMANENT)
		refuse(checked, "it is unlogged, and would lose its rows in a crash",
			   alter(checked, "SET LOGGED"));
	if (form->relam != HEAP_TABLE_AM_OID)
		refuse(checked, psprintf("its access method is %s", get_am_name(form->relam)),
			   alter(checked, "SET ACCESS METHOD heap"));
}

/* Refuses what dgen's functions in SQL would obey, and those in C would ignore. */
static void
check_passed_over(const Checked *checked, Relation heap)
{
	if (heap->rd_rules != NULL)
		refuse(checked, "it has a rule",
			   psprintf("Run DROP RULE ... ON dgen.%s. Triggers work.", checked->name));
	if (heap->rd_rel->relrowsecurity)
		refuse(checked, "it has row security",
			   psprintf("Run ALTER TABLE dgen.%s DISABLE ROW LEVEL SECURITY. Who may read what is "
						"granted by actor type, see dgen.grant_read.",
						checked->name));
	if (heap->rd_rel->relispartition)
		refuse(checked, "it is a partition",
			   "Run ALTER TABLE ... DETACH PARTITION on the table that it is a partition of.");
	if (heap->rd_rel->relhassubclass &&
		find_inheritance_children(RelationGetRelid(heap), NoLock) != NIL)
		refuse(checked, "another table inherits from it",
			   psprintf("Run ALTER TABLE ... NO INHERIT dgen.%s on that one.", checked->name));
}

void
dgen_check_table(DgenTable table, Relation heap)
{
	const TableShape *shape = &dgen_shapes[table];
	const Checked checked = {"table", shape->name, "column"};

	check_kind(&checked, heap->rd_rel);
	check_columns(&checked, RelationGetDescr(heap), shape->columns, shape->ncolumns);
	check_passed_over(&checked, heap);
}

/* ---- indexes ---- */

/* "type_id, mailbox, priority DESC, seq" */
static char *
column_list(const TableShape *table, const IndexShape *shape)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < MAX_INDEX_COLUMNS && shape->columns[i] != 0; i++)
		appendStringInfo(&list, "%s%s%s", i == 0 ? "" : ", ",
						 table->columns[abs(shape->columns[i]) - 1].name,
						 shape->columns[i] < 0 ? " DESC" : "");
	return list.data;
}

/* The statement that creates the index. */
static char *
definition(const TableShape *table, const IndexShape *shape)
{
	char *columns = column_list(table, shape);

	if (shape->primary)
		return psprintf("ALTER TABLE dgen.%s ADD CONSTRAINT %s PRIMARY KEY (%s)", table->name,
						shape->name, columns);
	return psprintf("CREATE %sINDEX %s ON dgen.%s (%s)", shape->unique ? "UNIQUE " : "",
					shape->name, table->name, columns);
}

static bool
is_usual_column(Relation relation, int i, const ColumnShape *column)
{
	return relation->rd_opfamily[i] ==
			   lookup_type_cache(column->type, TYPECACHE_BTREE_OPFAMILY)->btree_opf &&
		   relation->rd_indcollation[i] == collation_of(column);
}

static bool
has_columns(Relation relation, const TableShape *table, const IndexShape *shape)
{
	int n = 0;

	for (; n < MAX_INDEX_COLUMNS && shape->columns[n] != 0; n++)
	{
		int column = abs(shape->columns[n]);
		bool descending;

		if (n >= relation->rd_index->indnkeyatts ||
			relation->rd_index->indkey.values[n] != column ||
			!is_usual_column(relation, n, &table->columns[column - 1]))
			return false;
		descending = (relation->rd_indoption[n] & INDOPTION_DESC) != 0;
		if (descending != (shape->columns[n] < 0))
			return false;
	}
	return n == relation->rd_index->indnkeyatts;
}

static bool
has_shape(Relation relation, const TableShape *table, const IndexShape *shape)
{
	Form_pg_index form = relation->rd_index;

	return relation->rd_rel->relkind == RELKIND_INDEX && relation->rd_rel->relam == BTREE_AM_OID &&
		   (!shape->unique || (form->indisunique && form->indimmediate)) &&
		   RelationGetIndexExpressions(relation) == NIL &&
		   RelationGetIndexPredicate(relation) == NIL && has_columns(relation, table, shape);
}

static bool
is_named(const TableShape *table, const char *name)
{
	for (int i = 0; i < lengthof(table->indexes) && table->indexes[i].name != NULL; i++)
		if (strcmp(table->indexes[i].name, name) == 0)
			return true;
	return false;
}

/* Finds an index of that shape under another name; NULL: none. */
static char *
renamed_index(DgenTable table, const IndexShape *shape)
{
	Relation heap = table_open(dgen_table_oid(table), AccessShareLock);
	char *name = NULL;
	ListCell *cell;

	foreach (cell, RelationGetIndexList(heap))
	{
		Relation relation = index_open(lfirst_oid(cell), AccessShareLock);

		if (has_shape(relation, &dgen_shapes[table], shape) &&
			!is_named(&dgen_shapes[table], RelationGetRelationName(relation)))
			name = pstrdup(RelationGetRelationName(relation));
		index_close(relation, AccessShareLock);
	}
	table_close(heap, AccessShareLock);
	return name;
}

void
dgen_refuse_missing_index(DgenTable table, int index)
{
	const TableShape *shape = &dgen_shapes[table];
	const char *renamed = renamed_index(table, &shape->indexes[index]);

	ereport(ERROR,
			(errcode(DGEN_ERR_CHANGED),
			 errmsg("index dgen.%s does not exist", shape->indexes[index].name),
			 renamed != NULL ? errhint("Run ALTER INDEX dgen.%s RENAME TO %s.",
									   quote_identifier(renamed), shape->indexes[index].name)
							 : errhint("Run %s.", definition(shape, &shape->indexes[index]))));
}

void
dgen_check_index(DgenTable table, int index, Relation relation)
{
	const TableShape *shape = &dgen_shapes[table];
	const char *name = shape->indexes[index].name;

	if (relation->rd_index->indrelid != dgen_table_oid(table) ||
		!has_shape(relation, shape, &shape->indexes[index]))
		ereport(ERROR, (errcode(DGEN_ERR_CHANGED), errmsg("index dgen.%s was changed", name),
						errhint("Drop the index, and run %s.",
								definition(shape, &shape->indexes[index]))));
	if (!relation->rd_index->indisvalid)
		ereport(ERROR, (errcode(DGEN_ERR_CHANGED), errmsg("index dgen.%s is not valid", name),
						errhint("Run REINDEX INDEX dgen.%s.", name)));
}

static Oid
oid_now(const char *name)
{
	Relation catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	NameData index;
	Oid oid = InvalidOid;

	namestrcpy(&index, name);
	ScanKeyInit(&keys[0], Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&index));
	ScanKeyInit(&keys[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(get_namespace_oid("dgen", true)));
	scan = systable_beginscan(catalog, ClassNameNspIndexId, true, NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		oid = ((Form_pg_class) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return oid;
}

static bool
is_valid_now(Oid oid)
{
	Relation catalog = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool valid;

	ScanKeyInit(&key, Anum_pg_index_indexrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(catalog, IndexRelidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	valid = HeapTupleIsValid(tuple) && ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return valid;
}

/*
 * A commit is visible a moment before its invalidations are sent, and REINDEX CONCURRENTLY holds no lock
 * that would keep other sessions away then. So a cache entry that was just read can say that the old
 * index is no longer valid, while the name still leads to it.
 */
bool
dgen_index_is_valid_now(DgenTable table, int index)
{
	const char *name = dgen_shapes[table].indexes[index].name;

	for (;;)
	{
		Oid oid;
		bool valid;

		InvalidateCatalogSnapshot();
		oid = oid_now(name);
		InvalidateCatalogSnapshot();
		valid = is_valid_now(oid);
		InvalidateCatalogSnapshot();
		if (oid_now(name) == oid) /* no swap in between */
			return valid;
	}
}

/*
 * An index that was built over broken HOT chains might lack row versions that older snapshots see. A
 * REINDEX leaves no such index.
 */
void
dgen_check_index_horizon(Relation index)
{
	TransactionId made = HeapTupleHeaderGetXmin(index->rd_indextuple->t_data);

	if (TransactionIdPrecedes(made, TransactionXmin))
		return;
	ereport(
		ERROR,
		(errcode(DGEN_ERR_CHANGED),
		 errmsg("index dgen.%s is too new for this transaction", RelationGetRelationName(index)),
		 errhint("Try again when the transactions that ran when the index was made have ended.")));
}

/* ---- writing ---- */

/* Other roles can own the support functions of such operator classes. */
static bool
has_added_opclass(HeapTuple index)
{
	bool null;
	Datum datum = SysCacheGetAttr(INDEXRELID, index, Anum_pg_index_indclass, &null);
	const oidvector *classes = (oidvector *) DatumGetPointer(datum);

	for (int i = 0; i < classes->dim1; i++)
		if (classes->values[i] >= FirstNormalObjectId)
			return true;
	return false;
}

static void
add_index(WriteNeeds *needs, Oid oid)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	Form_pg_index form;

	if (!HeapTupleIsValid(tuple))
		return; /* dropped just now */
	form = (Form_pg_index) GETSTRUCT(tuple);
	needs->executor |= !form->indimmediate || form->indisexclusion;
	needs->functions |= !heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) ||
						!heap_attisnull(tuple, Anum_pg_index_indpred, NULL) ||
						has_added_opclass(tuple);
	ReleaseSysCache(tuple);
}

WriteNeeds
dgen_write_needs(Relation heap)
{
	TupleConstr *constraints = RelationGetDescr(heap)->constr;
	WriteNeeds needs = {.executor = heap->trigdesc != NULL ||
									(constraints != NULL && constraints->num_check > 0)};
	List *indexes = RelationGetIndexList(heap);
	ListCell *cell;

	foreach (cell, indexes)
		add_index(&needs, lfirst_oid(cell));
	list_free(indexes);
	needs.functions |= needs.executor;
	return needs;
}

/* ---- rows ---- */

HeapTuple
dgen_row_form(TupleDesc desc, Datum *values, bool *nulls, int ncolumns)
{
	Datum *all;
	bool *all_nulls;

	if (desc->natts == ncolumns)
		return heap_form_tuple(desc, values, nulls);
	all = palloc0(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	memcpy(all, values, ncolumns * sizeof(Datum));
	memcpy(all_nulls, nulls, ncolumns * sizeof(bool));
	memset(all_nulls + ncolumns, true, (desc->natts - ncolumns) * sizeof(bool));
	return heap_form_tuple(desc, all, all_nulls);
}

void
dgen_row_deform(HeapTuple row, TupleDesc desc, Datum *values, bool *nulls, int ncolumns)
{
	Datum *all;
	bool *all_nulls;

	if (desc->natts == ncolumns)
	{
		heap_deform_tuple(row, desc, values, nulls);
		return;
	}
	all = palloc(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(row, desc, all, all_nulls);
	memcpy(values, all, ncolumns * sizeof(Datum));
	memcpy(nulls, all_nulls, ncolumns * sizeof(bool));
	pfree(all);
	pfree(all_nulls);
}
