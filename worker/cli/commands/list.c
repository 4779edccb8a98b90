/*
 * The commands that show what is there: actors, messages, dead letters, actor types,
 * workers, and why an actor does or does not make progress.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands/commands.h"
#include "cli/common/connect.h"
#include "cli/common/options.h"
#include "cli/common/queries.h"
#include "cli/common/report.h"
#include "cli/common/show.h"

#define TERMINAL_LIMIT 100 /* rows that a terminal gets unless asked for more */

typedef struct Listing
{
	PGconn *connection;
	const char *type; /* NULL: all */
	const char *key;
	long limit; /* 0: none */
	const char *parameters[3];
	bool json;
	bool single; /* one row, which must exist */
} Listing;

/* ---- rows ---- */

static void
show(const Listing *listing, const PGresult *result)
{
	const int most = listing->limit > 0 ? (int) listing->limit : INT_MAX;

	if (listing->single)
	{
		cli_print_record(result, 0);
		return;
	}
	cli_print_table(result, most, cli_terminal_width());
	if (PQntuples(result) > most)
	{
		fflush(stdout);
		cli_hint("There are more; --limit 0 shows all of them.");
	}
}

/* A name that was mistyped should not look like an empty mailbox. */
static cli_exit
check_type(const Listing *listing)
{
	PGresult *result = PQexecParams(listing->connection, cli_sql_type_exists, 1, NULL,
									&listing->type, NULL, NULL, 0);
	cli_exit status = CLI_OK;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = cli_query_failed(listing->connection, result);
	else if (PQgetvalue(result, 0, 0)[0] == '0')
	{
		cli_error("there is no actor type \"%s\" that you can read", listing->type);
		cli_hint("\"dgen types\" lists them.");
		status = CLI_NOT_FOUND;
	}
	PQclear(result);
	return status;
}

/* Nothing was found: is there such a thing? */
static cli_exit
check_nothing(const Listing *listing)
{
	cli_exit status = listing->type != NULL ? check_type(listing) : CLI_OK;

	if (status != CLI_OK || !listing->single)
		return status;
	cli_error("there is no actor \"%s\" of type \"%s\"", listing->key, listing->type);
	return CLI_NOT_FOUND;
}

static cli_exit
print_rows(const Listing *listing, const cli_query *query)
{
	PGresult *result = PQexecParams(listing->connection, query->table, 3, NULL, listing->parameters,
									NULL, NULL, 0);
	cli_exit status = CLI_OK;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = cli_query_failed(listing->connection, result);
	else if (PQntuples(result) == 0)
		status = check_nothing(listing);
	if (status == CLI_OK)
		show(listing, result);
	PQclear(result);
	return status;
}

/* Rows are written as they come, so that any number of them takes no memory. */
static cli_exit
print_json(const Listing *listing, const cli_query *query)
{
	PGresult *result;
	cli_exit status = CLI_OK;
	bool any = false;
	bool works = true;

	if (!PQsendQueryParams(listing->connection, query->json, 3, NULL, listing->parameters, NULL,
						   NULL, 0))
		return cli_query_failed(listing->connection, NULL);
	(void) PQsetSingleRowMode(listing->connection);
	while (works && (result = PQgetResult(listing->connection)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
		{
			any = true;
			cli_print_json(PQgetvalue(result, 0, 0));
			works = cli_output_works();
		}
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
			status = cli_query_failed(listing->connection, result);
		PQclear(result);
	}
	return status == CLI_OK && !any ? check_nothing(listing) : status;
}

static cli_exit
list(const cli_arguments *arguments, const cli_query *query, const char *type, const char *key,
	 bool single)
{
	Listing listing = {.type = type, .key = key, .single = single, .parameters = {type, key, NULL}};
	char most[24];
	cli_exit status;

	listing.json = arguments->option[CLI_JSON] != NULL;
	if (!listing.json && cli_terminal_width() > 0)
		listing.limit = TERMINAL_LIMIT;
	if (!cli_integer(arguments, CLI_LIMIT, 0, INT_MAX - 1, &listing.limit))
		return CLI_USAGE;
	/* One row more than is shown says whether there are more. */
	snprintf(most, sizeof(most), "%ld", listing.limit + !listing.json);
	if (listing.limit > 0)
		listing.parameters[2] = most;
	listing.connection = cli_open_connection(arguments, &status);
	if (listing.connection == NULL)
		return status;
	status = listing.json ? print_json(&listing, query) : print_rows(&listing, query);
	PQfinish(listing.connection);
	return status;
}

/* ---- commands ---- */

static const char *
argument(const cli_arguments *arguments, int n)
{
	return n < arguments->count ? arguments->list[n] : NULL;
}

cli_exit
cli_actors(const cli_arguments *arguments)
{
	const char *key = argument(arguments, 2);

	return list(arguments, key != NULL ? &cli_query_actor : &cli_query_actors,
				argument(arguments, 1), key, key != NULL);
}

cli_exit
cli_messages(const cli_arguments *arguments)
{
	const char *key = argument(arguments, 2);

	return list(arguments, key != NULL ? &cli_query_mailbox : &cli_query_messages,
				argument(arguments, 1), key, false);
}

cli_exit
cli_dead_letters(const cli_arguments *arguments)
{
	return list(arguments, &cli_query_dead_letters, argument(arguments, 2), argument(arguments, 3),
				false);
}

cli_exit
cli_types(const cli_arguments *arguments)
{
	return list(arguments, &cli_query_types, NULL, NULL, false);
}

cli_exit
cli_workers(const cli_arguments *arguments)
{
	return list(arguments, &cli_query_workers, NULL, NULL, false);
}

cli_exit
cli_explain(const cli_arguments *arguments)
{
	const char *sql = arguments->option[CLI_JSON] != NULL ? cli_sql_explain_json : cli_sql_explain;
	cli_exit status;
	PGconn *connection = cli_open_connection(arguments, &status);
	PGresult *result;

	if (connection == NULL)
		return status;
	result = PQexecParams(connection, sql, 2, NULL, &arguments->list[1], NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = cli_query_failed(connection, result);
	else if (arguments->option[CLI_JSON] != NULL)
		cli_print_json(PQgetvalue(result, 0, 0));
	else if (!cli_print_lines(PQgetvalue(result, 0, 0)))
		status = cli_no_memory();
	PQclear(result);
	PQfinish(connection);
	return status;
}
