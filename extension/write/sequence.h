/*
 * Numbers from dgen's sequences. Needs a transaction that can write.
 */
#ifndef DGEN_WRITE_SEQUENCE_H
#define DGEN_WRITE_SEQUENCE_H

#include "postgres.h"

#include "table/table.h"

/* Raises DGEN_ERR_CHANGED if the sequence does not give numbers one by one. */
extern int64 dgen_nextval(DgenTable sequence);

#endif /* DGEN_WRITE_SEQUENCE_H */
