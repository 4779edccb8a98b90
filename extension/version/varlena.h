/*
 * Values of variable length: VARDATA_ANY and similar macros, which were in postgres.h before 16.
 */
#ifndef DGEN_VERSION_VARLENA_H
#define DGEN_VERSION_VARLENA_H

#include "postgres.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#endif /* DGEN_VERSION_VARLENA_H */
