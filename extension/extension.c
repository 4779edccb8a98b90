/*
 * Whether the library, the installed SQL and a client fit together.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "dgen_ext.h"
#include "extension.h"

char *
dgen_installed_version(void)
{
	Relation relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	char *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("dgen"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		Datum value =
			heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

bool
dgen_fits_installed(void)
{
	char *version = dgen_installed_version();

	return version != NULL && strcmp(version, DGEN_VERSION) == 0;
}

void
dgen_check_extension_version(void)
{
	char *version = dgen_installed_version();

	if (version == NULL || strcmp(version, DGEN_VERSION) == 0)
		return; /* not installed: the tables say so better */
	ereport(
		ERROR,
		(errcode(DGEN_ERR_LIBRARY_VERSION),
		 errmsg(
			 "extension dgen has version %s in this database, but the server's library is version %s",
			 version, DGEN_VERSION),
		 errhint(
			 "Run ALTER EXTENSION dgen UPDATE; if dgen is preloaded, restart the server after an upgrade of its files.")));
}

/* Major and minor version decide; patch releases fit each other. */
static bool
same_minor(const char *a, const char *b)
{
	int a_major, a_minor, b_major, b_minor;

	return sscanf(a, "%d.%d", &a_major, &a_minor) == 2 &&
		   sscanf(b, "%d.%d", &b_major, &b_minor) == 2 && a_major == b_major && a_minor == b_minor;
}

void
dgen_check_library_version(const char *version)
{
	if (same_minor(version, DGEN_VERSION))
		return;
	ereport(
		ERROR,
		(errcode(DGEN_ERR_LIBRARY_VERSION),
		 errmsg("libdgen version %s does not fit extension dgen version %s", version, DGEN_VERSION),
		 errhint("Use a libdgen with the same major and minor version as the extension.")));
}
