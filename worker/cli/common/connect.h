/*
 * Connection options.
 */
#ifndef DGEN_CLI_COMMON_CONNECT_H
#define DGEN_CLI_COMMON_CONNECT_H

#include "dgen.h"

#include "cli/common/options.h"
#include "cli/common/report.h"

/* Connection options as one connection string, to be freed. NULL: the error was reported. */
extern char *cli_conninfo(const cli_arguments *arguments);

/* NULL: the error was reported, and *status is set. */
extern dgen_client *cli_open_client(const cli_arguments *arguments, cli_exit *status);
extern PGconn *cli_open_connection(const cli_arguments *arguments, cli_exit *status);

#endif /* DGEN_CLI_COMMON_CONNECT_H */
