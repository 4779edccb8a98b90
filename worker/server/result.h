/*
 * Checks that an answer of the server has the expected shape.
 *
 * 0, or the error: then the connection is of no use.
 */
#ifndef DGEN_SERVER_RESULT_H
#define DGEN_SERVER_RESULT_H

#include "dgen.h"

#include "base/error.h"

/* One row of so many columns. what: "dgen.cast" */
extern int dgen__result_check(const PGresult *result, const char *what, int columns,
							  bool may_be_null, dgen__error *error);
extern int dgen__claim_check(const PGresult *rows, dgen__error *error);
extern int dgen__many_check(const PGresult *rows, size_t sent, dgen__error *error);
/* Of what one of these has found to be a number; 0: NULL. */
extern int64_t dgen__result_number(const PGresult *result, int row, int column);
/* Is the error the answer to a request, and not one of the statement that looked for it? */
extern bool dgen__result_is_answer(const PGresult *result);

#endif /* DGEN_SERVER_RESULT_H */
