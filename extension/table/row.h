/*
 * Puts values into a row (an array of Datums and one of nulls) and gets them back; a NULL pointer is
 * SQL's NULL. Nothing here needs a lock or a transaction.
 */
#ifndef DGEN_TABLE_ROW_H
#define DGEN_TABLE_ROW_H

#include "postgres.h"

#include "utils/builtins.h"

#include "version/varlena.h"

/* A value that is passed by reference; 0 is NULL. */
static inline void
dgen_put(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = value == (Datum) 0;
}

static inline void
dgen_put_text(Datum *values, bool *nulls, int column, const text *value)
{
	dgen_put(values, nulls, column, PointerGetDatum(value));
}

static inline void
dgen_put_string(Datum *values, bool *nulls, int column, const char *value)
{
	dgen_put(values, nulls, column, value == NULL ? (Datum) 0 : CStringGetTextDatum(value));
}

/* Returns NULL for SQL's NULL. */
static inline char *
dgen_get_string(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? NULL : TextDatumGetCString(values[column]);
}

static inline bool
dgen_same_text(const text *a, const text *b)
{
	Size length = VARSIZE_ANY_EXHDR(a);

	return length == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0;
}

#endif /* DGEN_TABLE_ROW_H */
