/*
 * A client's connection: what it is when it is new, and whether it still is.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "server/connection.h"
#include "server/sql.h"

/* A pooler gives a number of its own, as the session behind it is not one for long. */
static bool
is_direct(const dgen_client *client, const PGresult *version)
{
	return atoi(PQgetvalue(version, 0, 1)) == PQbackendPID(client->connection);
}

int
dgen__client_greet(dgen_client *client, const PGresult *version)
{
	int code = PQresultStatus(version) != PGRES_TUPLES_OK
				   ? dgen__fail_result(&client->error, version)
				   : dgen__check_extension(client->connection, version, &client->error);

	client->prepares = code == 0 && !client->wrapped && is_direct(client, version);
	client->prepared = 0;
	return code;
}

/* Data on an idle connection is most often the server's last word, and then the end. */
bool
dgen__client_is_alive(PGconn *connection)
{
	struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};

	while (PQstatus(connection) == CONNECTION_OK && poll(&socket, 1, 0) > 0 &&
		   PQconsumeInput(connection))
		;
	return PQstatus(connection) == CONNECTION_OK;
}

/* Also finds out whether the extension is there. */
int
dgen__client_check_extension(dgen_client *client)
{
	PGresult *result = PQexec(client->connection, dgen__sql_version.sql);
	int code = dgen__client_greet(client, result);

	PQclear(result);
	return code;
}
