/*
 * Reaching a server.
 */
#ifndef DGEN_SERVER_CONNECTION_H
#define DGEN_SERVER_CONNECTION_H

#include "dgen.h"

#include "base/error.h"
#include "server/loop.h"
#include "server/sql.h"

/* Is it a connection string that libpq can read? */
extern int dgen__conninfo_check(const char *conninfo, dgen__error *error);

/*
 * Begins to connect, with the settings that dgen wants below those of conninfo. The
 * nth attempt begins with the nth host. NULL: no memory.
 */
extern PGconn *dgen__connect_start(const char *conninfo, const char *application_name, int attempt);

/* Connects; always returns a connection to be finished, good or bad, unless memory is out. */
extern PGconn *dgen__connect(const char *conninfo, const char *application_name, int timeout_ms);

/* The error of a connection that could not be made, or broke. */
extern int dgen__fail_connection(dgen__error *error, PGconn *connection);

/* When to try again after so many attempts; random is a state of the caller's, not 0. */
extern uint64_t dgen__random_begin(const void *handle);
extern int dgen__backoff_ms(uint64_t *random, int attempts, int min_ms, int max_ms);

/* Reads what is there, as much as libpq can be made to; false when the connection is broken. */
extern bool dgen__read_input(PGconn *connection);

/* How long a connection attempt can take according to conninfo and environment. */
extern int dgen__connect_timeout_ms(const char *conninfo);

/* Is a retry useless? */
extern bool dgen__is_final(const dgen__error *error);

/*
 * An error that ends by itself when an update is complete: of the server, or with a text of
 * ours. Another connection can see the end of it earlier.
 */
extern bool dgen__is_updating(const dgen__error *error);
extern int dgen__set_updating(dgen__error *error);

/* Does the extension's version fit this library? */
extern int dgen__check_version(const char *extension_version, dgen__error *error);
extern int dgen__check_encoding(PGconn *connection, const char *hint,
								dgen__error *error); /* DGEN_ESTATE if it is not UTF-8 */
extern int dgen__check_extension(PGconn *connection, const PGresult *rows,
								 dgen__error *error); /* of dgen__sql_version */
extern int dgen__not_installed(PGconn *connection, dgen__error *error);
extern void dgen__ignore_notices(PGconn *connection);

/* Sends a statement, prepared or not, as pipeline mode needs it. */
extern int dgen__statement_send(PGconn *connection, const dgen__statement *statement,
								const char *const *values, const int *lengths, const int *formats);

/* Continues a connection attempt until the deadline: 1 while there is more to come, 0 when it is made. */
extern int dgen__connect_continue(PGconn *connection, dgen__loop *loop, int64_t deadline,
								  int timeout_ms, dgen__error *error);

#endif /* DGEN_SERVER_CONNECTION_H */
