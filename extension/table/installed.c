/*
 * Do the library, the installed SQL and a client fit together?
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/base.h"
#include "base/errors.h"
#include "table/installed.h"

/* Returns the version of the extension and its schema; NULL: not installed. */
static char *
read_extension(Oid *schema)
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
		*schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

char *
dgen_installed_version(void)
{
	Oid schema;

	return read_extension(&schema);
}

char *
dgen_installed_schema(void)
{
	Oid schema;

	return read_extension(&schema) == NULL ? NULL : get_namespace_name(schema);
}

/* ---- versions ---- */

typedef struct Version
{
	int major;
	int minor;
	int patch;
} Version;

/* Parses up to nine digits; -1: no number. Sets *text to the rest. */
static int
parse_number(const char **text)
{
	size_t length = strspn(*text, "0123456789");
	int number = length == 0 || length > 9 ? -1 : atoi(*text);

	*text += length;
	return number;
}

/* A suffix such as "-rc1", or nothing. */
static bool
is_suffix(const char *text)
{
	return *text == '\0' ||
		   (*text == '-' && strlen(text) > 1 && strlen(text) <= 32 &&
			strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") ==
				strlen(text + 1));
}

/*
 * Parses two or three numbers and a suffix. An invalid version has a negative number, so it is older than
 * any other.
 */
static Version
parse(const char *text)
{
	Version version = {.major = parse_number(&text)};

	version.minor = *text == '.' ? (text++, parse_number(&text)) : -1;
	if (*text == '.')
		version.patch = (text++, parse_number(&text));
	if (!is_suffix(text) || version.major < 0 || version.minor < 0 || version.patch < 0)
		version.major = version.minor = -1;
	return version;
}

/* Negative: a is older. */
static int
compare_minor(Version a, Version b)
{
	return a.major != b.major ? a.major - b.major : a.minor - b.minor;
}

static int
compare(Version a, Version b)
{
	int minor = compare_minor(a, b);

	return minor != 0 ? minor : a.patch - b.patch;
}

/* ---- the library and the installed SQL: major and minor version decide ---- */

/* The versions are known to fit since the last change of dgen's tables (table.c). */
static bool known = false;

bool
dgen_is_exactly_installed(void)
{
	char *version = dgen_installed_version();

	return version != NULL && strcmp(version, DGEN_VERSION) == 0;
}

bool
dgen_fits_installed(void)
{
	char *version = dgen_installed_version();

	return version != NULL && compare_minor(parse(version), parse(DGEN_VERSION)) == 0;
}

/* The library is older than the SQL. */
static void
refuse_old_library(const char *wanted)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_UPDATING),
		 errmsg("library of dgen in this session has version %s, but %s is needed", DGEN_VERSION,
				wanted),
		 dgen_is_preloaded
			 ? errhint(
				   "Install the files of version %s and restart the server, because it preloads dgen.",
				   wanted)
			 : errhint(
				   "Connect again: this session loaded the library before the files of version %s were installed.",
				   wanted)));
}

void
dgen_check_extension_version(void)
{
	char *version = dgen_installed_version();
	int difference;

	if (version == NULL)
		return; /* not installed: opening a table has a better error */
	difference = compare_minor(parse(version), parse(DGEN_VERSION));
	if (difference > 0)
		refuse_old_library(version);
	if (difference < 0)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_UPDATING),
			 errmsg(
				 "extension dgen has version %s in this database, but the server's library is version %s",
				 version, DGEN_VERSION),
			 errhint("Run ALTER EXTENSION dgen UPDATE in this database.")));
	known = true;
}

void
dgen_check_extension_once(void)
{
	if (!known)
		dgen_check_extension_version();
}

void
dgen_extension_changed(void)
{
	known = false;
}

/* ---- libdgen and the extension: libdgen can be older, within the supported range ---- */

void
dgen_check_library_version(const char *version)
{
	if (parse(version).major < 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid version number: \"%.*s\"", pg_mbcliplen(version, strlen(version), 64),
					version),
			 errhint(
				 "Give the version of libdgen, such as %s, or NULL if the worker does not use it.",
				 DGEN_VERSION)));
	if (compare_minor(parse(version), parse(DGEN_VERSION)) > 0)
		ereport(
			ERROR,
			(errcode(DGEN_ERR_UPDATING),
			 errmsg("libdgen version %s is newer than extension dgen version %s", version,
					DGEN_VERSION),
			 errhint(
				 "Update the extension: install its files, and run ALTER EXTENSION dgen UPDATE.")));
	if (compare_minor(parse(version), parse(DGEN_OLDEST_LIBRARY)) < 0)
		ereport(ERROR, (errcode(DGEN_ERR_LIBRARY_VERSION),
						errmsg("libdgen version %s is too old for extension dgen version %s",
							   version, DGEN_VERSION),
						errhint("Use a libdgen of version %s or later, up to the extension's.",
								DGEN_OLDEST_LIBRARY)));
}

void
dgen_check_script_version(const char *version)
{
	if (compare(parse(version), parse(DGEN_VERSION)) > 0)
		refuse_old_library(version);
}
