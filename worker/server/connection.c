/*
 * Reaching a server: settings of the connection, its errors, and whether the versions
 * on both sides fit.
 */
#include <ctype.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/sql.h"

#define CONNECT_TIMEOUT_MS 10000
#define SEVERAL 8 /* settings of one group */
#define UTF8 "UTF8"

/* ---- what the connection string and the environment say ---- */

int
dgen__conninfo_check(const char *conninfo, dgen__error *error)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &message);
	int result = 0;

	if (options == NULL)
		result = dgen__fail(error, message == NULL ? DGEN_ENOMEM : DGEN_EINVAL,
							"connection string: %s", message == NULL ? "out of memory" : message);
	PQfreemem(message);
	PQconninfoFree(options);
	return result;
}

static char *
option_in(PQconninfoOption *options, const char *keyword)
{
	char *value = NULL;

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
		if (strcmp(option->keyword, keyword) == 0 && option->val != NULL && option->val[0] != '\0')
			value = dgen__strdup(option->val);
	PQconninfoFree(options);
	return value;
}

/* To be freed; NULL: not set. */
static char *
option_of(const char *conninfo, const char *keyword)
{
	char *value = option_in(PQconninfoParse(conninfo, NULL), keyword);

	return value != NULL ? value : option_in(PQconndefaults(), keyword);
}

int
dgen__connect_timeout_ms(const char *conninfo)
{
	char *text = option_of(conninfo, "connect_timeout");
	long seconds = text == NULL ? 0 : strtol(text, NULL, 10);

	dgen__free(text);
	if (seconds <= 0)
		return CONNECT_TIMEOUT_MS;
	return seconds > 3600 ? 3600000 : (int) seconds * 1000;
}

/*
 * "a,b,c" from the nth on: "b,c,a". libpq tries the next host when one refuses, but
 * when one accepts and stays silent, only the next attempt can.
 */
static char *
rotate(char *list, int n)
{
	size_t length = list == NULL ? 0 : strlen(list);
	char *rotated;
	char *from = list;
	int count = 1;

	for (size_t i = 0; i < length; i++)
		count += list[i] == ',';
	if (count == 1 || n % count == 0)
		return list;
	rotated = dgen__malloc(length + 1);
	if (rotated == NULL)
		return list;
	for (n %= count; n > 0; n--)
		from = strchr(from, ',') + 1;
	snprintf(rotated, length + 1, "%s,%.*s", from, (int) (from - list - 1), list);
	dgen__free(list);
	return rotated;
}

/* ---- connecting ---- */

typedef struct Settings
{
	const char *names[2 * SEVERAL];
	const char *values[2 * SEVERAL];
	int count;
} Settings;

static void
set(Settings *settings, const char *name, const char *value)
{
	settings->names[settings->count] = name;
	settings->values[settings->count++] = value;
}

/* Of settings named twice the later holds: above conninfo are defaults, below it are needs. */
static void
add_settings(Settings *settings, const char *conninfo, const char *application_name)
{
	set(settings, "keepalives_idle", "20");
	set(settings, "keepalives_interval", "5");
	set(settings, "keepalives_count", "3");
	set(settings, "tcp_user_timeout", "30000");
	set(settings, "fallback_application_name", application_name);
	set(settings, "dbname", conninfo);
	set(settings, "client_encoding", UTF8);
}

static void
ignore_notice(void *context, const PGresult *notice)
{
	(void) context;
	(void) notice;
}

void
dgen__ignore_notices(PGconn *connection)
{
	PQsetNoticeReceiver(connection, ignore_notice, NULL);
}

PGconn *
dgen__connect_start(const char *conninfo, const char *application_name, int attempt)
{
	Settings settings = {.count = 0};
	char *host = rotate(option_of(conninfo, "host"), attempt);
	char *address = rotate(option_of(conninfo, "hostaddr"), attempt);
	char *port = rotate(option_of(conninfo, "port"), attempt);
	PGconn *connection;

	add_settings(&settings, conninfo, application_name);
	set(&settings, "host", host);
	set(&settings, "hostaddr", address);
	set(&settings, "port", port);
	set(&settings, NULL, NULL);
	connection = PQconnectStartParams(settings.names, settings.values, 1);
	dgen__free(host);
	dgen__free(address);
	dgen__free(port);
	if (connection != NULL)
		PQsetErrorVerbosity(connection, PQERRORS_VERBOSE); /* for the SQLSTATE */
	return connection;
}

/* libpq calls a timeout by host, and takes care of it when it blocks. */
PGconn *
dgen__connect(const char *conninfo, const char *application_name, int timeout_ms)
{
	Settings settings = {.count = 0};
	char seconds[16];
	PGconn *connection;

	snprintf(seconds, sizeof(seconds), "%d", timeout_ms / 1000 + (timeout_ms % 1000 > 0));
	set(&settings, "connect_timeout", "10");
	add_settings(&settings, conninfo, application_name);
	if (timeout_ms > 0)
		set(&settings, "connect_timeout", seconds);
	set(&settings, NULL, NULL);
	connection = PQconnectdbParams(settings.names, settings.values, 1);
	if (connection != NULL)
		dgen__ignore_notices(connection);
	return connection;
}

/* ---- connecting without blocking, and again ---- */

/* While it connects, libpq might have closed its socket and opened another one with the same number. */
static void
watch(dgen__loop *loop, PGconn *connection, PostgresPollingStatusType wants)
{
	dgen__loop_forget(loop);
	dgen__loop_watch(loop, PQsocket(connection), wants == PGRES_POLLING_READING,
					 wants == PGRES_POLLING_WRITING);
}

/* PQconnectPoll must be called only when the socket is as it asked for. */
static bool
socket_is_ready(const dgen__loop *loop)
{
	struct pollfd socket = {
		.fd = loop->socket,
		.events = loop->reading ? POLLIN : POLLOUT,
	};

	return poll(&socket, 1, 0) > 0;
}

int
dgen__connect_continue(PGconn *connection, dgen__loop *loop, int64_t deadline, int timeout_ms,
					   dgen__error *error)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (loop->socket >= 0)
	{
		if (dgen__now_ms() >= deadline)
			return dgen__fail(error, DGEN_ECONNECT, "no answer from the server in %d ms",
							  timeout_ms);
		if (!socket_is_ready(loop))
			return 1;
		status = PQconnectPoll(connection);
	}
	if (status == PGRES_POLLING_OK)
		return 0;
	if (status == PGRES_POLLING_FAILED)
		return dgen__fail_connection(error, connection);
	watch(loop, connection, status);
	return 1;
}

/* ---- errors ---- */

/* "FATAL:  28P01: password ..." is how libpq gives a SQLSTATE without a result. */
static char *
find_sqlstate(char *text)
{
	for (char *found = strstr(text, ":  "); found != NULL; found = strstr(found + 1, ":  "))
	{
		bool code = true;

		for (int i = 3; code && i < 8; i++)
			code = isdigit((unsigned char) found[i]) || isupper((unsigned char) found[i]);
		if (code && found[8] == ':' && found[9] == ' ')
			return found + 3;
	}
	return NULL;
}

int
dgen__fail_connection(dgen__error *error, PGconn *connection)
{
	char *text = dgen__strdup(connection == NULL ? "out of memory" : PQerrorMessage(connection));
	char *sqlstate;
	char found[6] = "";
	int code;

	if (text == NULL)
		return dgen__fail(error, DGEN_ECONNECT, "no connection to the server");
	while ((sqlstate = find_sqlstate(text)) != NULL)
	{
		memcpy(found, sqlstate, 5);
		memmove(sqlstate, sqlstate + 7, strlen(sqlstate + 7) + 1);
	}
	dgen__tidy(text);
	code = dgen__fail(error, DGEN_ECONNECT, "%s",
					  text[0] == '\0' ? "the server closed the connection" : text);
	memcpy(error->sqlstate, found, sizeof(found));
	dgen__free(text);
	return code;
}

static bool
one_of(const char *sqlstate, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(sqlstate, *list, strlen(*list)) == 0)
			return true;
	return false;
}

bool
dgen__is_final(const dgen__error *error)
{
	static const char *const final[] = {
		DGEN__CLASS_AUTHORIZATION,
		DGEN__NO_DATABASE,
		DGEN__NO_SCHEMA, /* no such schema: the extension is missing */
		DGEN__CLASS_ACCESS,
		DGEN__INVALID_VALUE, /* the worker's name or a policy */
		NULL,
	};

	return (error->code == DGEN_EVERSION && !dgen__is_updating(error)) ||
		   error->code == DGEN_EINVAL || error->code == DGEN_ENOTFOUND ||
		   error->code == DGEN_EPOOLED || one_of(error->sqlstate, final);
}

/* ---- versions ---- */

const char *
dgen_version(void)
{
	return DGEN_VERSION_STRING;
}

/* The extension's versions, or the server's, do not fit yet: an update is not complete. */
bool
dgen__is_updating(const dgen__error *error)
{
	return strcmp(error->sqlstate, DGEN__UPDATING) == 0;
}

int
dgen__set_updating(dgen__error *error)
{
	error->code = DGEN_EVERSION;
	memcpy(error->sqlstate, DGEN__UPDATING, sizeof(DGEN__UPDATING));
	return DGEN_EVERSION;
}

/* A newer extension says itself which workers are too old for it. */
int
dgen__check_version(const char *extension_version, dgen__error *error)
{
	int major = -1;
	int minor = -1;

	if (sscanf(extension_version, "%d.%d", &major, &minor) == 2 && major == DGEN_VERSION_MAJOR &&
		minor >= DGEN_VERSION_MINOR)
		return 0;
	(void) dgen__fail_hint(
		error, DGEN_EVERSION,
		major > DGEN_VERSION_MAJOR
			? "Use a libdgen with the extension's major version."
			: "Install the files of the extension in the version of libdgen, and run ALTER EXTENSION dgen UPDATE.",
		"extension dgen version %s does not fit libdgen version %s", extension_version,
		DGEN_VERSION_STRING);
	return major > DGEN_VERSION_MAJOR ? DGEN_EVERSION : dgen__set_updating(error);
}

int
dgen__not_installed(PGconn *connection, dgen__error *error)
{
	return dgen__fail_hint(error, DGEN_ENOTFOUND,
						   "Run CREATE EXTENSION dgen in that database, or connect to another one.",
						   "extension dgen is not installed in database \"%s\"", PQdb(connection));
}

int
dgen__check_extension(PGconn *connection, const PGresult *rows, dgen__error *error)
{
	if (PQntuples(rows) == 0)
		return dgen__not_installed(connection, error);
	if (dgen__result_check(rows, "what version it has", 2, false, error) != 0)
		return error->code;
	return dgen__check_version(PQgetvalue(rows, 0, 0), error);
}

/* ---- the encoding ---- */

/* libpq has been told of each change, so nothing is asked. JSON is UTF-8, and the server would take it for something else. */
int
dgen__check_encoding(PGconn *connection, const char *hint, dgen__error *error)
{
	const char *encoding = pg_encoding_to_char(PQclientEncoding(connection));

	if (strcmp(encoding, UTF8) == 0)
		return 0;
	return dgen__fail_hint(error, DGEN_ESTATE, hint,
						   "client_encoding of the connection must be UTF8, not %s", encoding);
}

/* ---- statements ---- */

int
dgen__statement_send(PGconn *connection, const dgen__statement *statement,
					 const char *const *values, const int *lengths, const int *formats)
{
	int sent;

	if (statement->name != NULL)
		sent = PQsendQueryPrepared(connection, statement->name, statement->nparams, values, lengths,
								   formats, 0);
	else
		sent = PQsendQueryParams(connection, statement->sql, statement->nparams, NULL, values,
								 lengths, formats, 0);
	return sent ? 0 : DGEN_ECONNECT;
}

/* Bytes that have come over the socket so far, read or not. */
static uint64_t
bytes_arrived(int socket)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	(void) getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info.tcpi_bytes_received;
}

static bool
has_unread(int socket)
{
	int bytes = 0;

	return ioctl(socket, FIONREAD, &bytes) == 0 && bytes > 0;
}

/*
 * A read of libpq can leave a part of what it has decrypted in the memory of TLS, where no
 * socket tells of it. What is left then the next read takes; so it continues until one has found
 * nothing on the socket, neither before nor in the meantime. Results that are there already do not
 * end it: when they are taken, no step looks again.
 */
static bool
read_decrypted(PGconn *connection)
{
	const int socket = PQsocket(connection);
	bool more = true;

	while (more)
	{
		const uint64_t arrived = bytes_arrived(socket);

		more = has_unread(socket);
		(void) PQisBusy(connection); /* makes room */
		if (!PQconsumeInput(connection))
			return false;
		more = more || bytes_arrived(socket) != arrived;
	}
	return true;
}

bool
dgen__read_input(PGconn *connection)
{
	PGnotify *notify;

	if (!PQconsumeInput(connection))
		return false;
	if (PQsslInUse(connection) && !read_decrypted(connection))
		return false;
	while ((notify = PQnotifies(connection)) != NULL)
		PQfreemem(notify); /* a callback might have run LISTEN */
	return true;
}
