/*
 * How a worker's session begins: settings, attaching, types that are missing, what is
 * prepared, and the batch whose outcome is unknown.
 *
 *     settings  attach ──types are missing──> create them, settings, attach
 *                  └──────────> prepare  (settle)  the first claim
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "server/array.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/sql.h"
#include "work/batch.h"
#include "work/session.h"
#include "work/worker.h"

/* ---- attaching ---- */

static bool
handles_dead_letters(const dgen_actor_type *type)
{
	return type->handle_dead_letter != NULL;
}

static bool
handles_actions(const dgen_actor_type *type)
{
	return type->handle_action != NULL;
}

/* Any callback is for messages, except that for actions. */
static bool
takes_messages(const dgen_actor_type *type)
{
	return type->init != NULL || type->handle_cast != NULL || type->handle_call != NULL ||
		   type->handle_reply != NULL || type->handle_timer != NULL ||
		   type->handle_dead_letter != NULL || type->handle_locked != NULL;
}

int
dgen__check_callbacks(const dgen_actor_type *type, dgen__error *error)
{
	if (takes_messages(type) || handles_actions(type))
		return 0;
	return dgen__fail_hint(error, DGEN_EINVAL, "Set handle_cast or another callback.",
						   "actor type \"%s\" has no callback", type->name);
}

static bool
runs_locked_parts(const dgen_actor_type *type)
{
	return type->handle_locked != NULL;
}

/* The names of those types that are wanted (NULL: all). */
static void
write_types(const dgen_worker *worker, bool (*wanted)(const dgen_actor_type *), dgen__array *names)
{
	dgen__array_begin(names, DGEN__TEXT);
	for (int i = 0; i < worker->ntypes; i++)
		if (wanted == NULL || wanted(&worker->types[i].type))
			dgen__array_text(names, worker->types[i].name, strlen(worker->types[i].name));
	dgen__array_end(names);
}

/* What the worker names of its types for dgen.attach. */
typedef struct Named
{
	dgen__array types;
	dgen__array dead_letters;
	dgen__array actions;
	dgen__array messages;
	dgen__array locked;
} Named;

static void
name_types(const dgen_worker *worker, Named *named)
{
	write_types(worker, NULL, &named->types);
	write_types(worker, handles_dead_letters, &named->dead_letters);
	write_types(worker, handles_actions, &named->actions);
	write_types(worker, takes_messages, &named->messages);
	write_types(worker, runs_locked_parts, &named->locked);
}

static void
free_names(Named *named)
{
	dgen__array_free(&named->types);
	dgen__array_free(&named->dead_letters);
	dgen__array_free(&named->actions);
	dgen__array_free(&named->messages);
	dgen__array_free(&named->locked);
}

static void
add_value(const char **values, int *lengths, int n, const dgen__array *names, bool given)
{
	values[n] = given ? names->data.data : NULL;
	lengths[n] = (int) names->data.length;
}

/* Those that are all of them are left out. */
static int
send_names(dgen_worker *worker, const Named *named)
{
	const char *values[8] = {worker->name, NULL, DGEN_VERSION_STRING,
							 worker->created_types ? "true" : "false"};
	int lengths[8] = {0};
	const int formats[8] = {0, 1, 0, 0, 1, 1, 1, 1};

	if (named->types.data.failed || named->dead_letters.data.failed || named->actions.data.failed ||
		named->messages.data.failed || named->locked.data.failed)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	add_value(values, lengths, 1, &named->types, true);
	add_value(values, lengths, 4, &named->dead_letters, named->dead_letters.any);
	add_value(values, lengths, 5, &named->actions, named->actions.any);
	add_value(values, lengths, 6, &named->messages, named->messages.count < worker->ntypes);
	add_value(values, lengths, 7, &named->locked, named->locked.count < named->messages.count);
	return dgen__session_send(worker, &dgen__sql_attach, values, lengths, formats,
							  DGEN__ANSWER_ATTACH);
}

static int
send_attach(dgen_worker *worker)
{
	Named named = {0};
	int result;

	name_types(worker, &named);
	result = send_names(worker, &named);
	free_names(&named);
	return result;
}

static int
attach(dgen_worker *worker)
{
	int result = dgen__session_send_plain(worker, &dgen__sql_settings, DGEN__ANSWER_SETTINGS);

	/* Whether a session can write is decided when a transaction begins. */
	if (result == 0)
		result = dgen__session_sync(worker);
	if (result == 0)
		result = send_attach(worker);
	return result == 0 ? dgen__session_sync(worker) : result;
}

int
dgen__session_attach(dgen_worker *worker)
{
	worker->phase = DGEN__ATTACHING;
	worker->deadline = dgen__now_ms() + worker->connect_ms;
	worker->created_types = false;
	dgen__error_clear(&worker->create_error);
	return attach(worker);
}

/* ---- types that are missing ---- */

static int
send_create_type(dgen_worker *worker, const dgen__type *type)
{
	dgen__buffer sql = {0};
	dgen__type_values values;
	dgen__statement statement = {0};
	int result;

	dgen__sql_create_type(&type->type, &sql, &values);
	statement.sql = sql.data;
	statement.nparams = values.count;
	if (sql.failed)
		result = dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	else
		result = dgen__session_send(worker, &statement, values.values, NULL, NULL,
									DGEN__ANSWER_CREATE_TYPE);
	dgen__buffer_free(&sql);
	return result == 0 ? dgen__session_sync(worker) : result;
}

/* It is not known which types are missing, so all are created; those that exist stay as they are. */
static int
create_types_and_attach(dgen_worker *worker)
{
	int result = 0;

	worker->created_types = true;
	worker->types_missing = false;
	for (int i = 0; i < worker->ntypes && result == 0; i++)
		result = send_create_type(worker, &worker->types[i]);
	return result == 0 ? attach(worker) : result;
}

/* ---- attached ---- */

/* What comes of it must not depend on what the session does then, so it is a section by itself. */
static int
send_settle(dgen_worker *worker)
{
	char batch[24];
	const char *values[2] = {worker->doubt.worker, batch};
	int result;

	if (dgen__doubt_is_old(worker))
	{
		dgen__doubt_give_up(worker, "the connection was lost more than a day ago");
		return 0;
	}
	snprintf(batch, sizeof(batch), "%lld", (long long) worker->doubt.batch);
	result = dgen__session_send(worker, &dgen__sql_settle, values, NULL, NULL, DGEN__ANSWER_SETTLE);
	return result == 0 ? dgen__session_sync(worker) : result;
}

static int
prepare_and_claim(dgen_worker *worker)
{
	int result = 0;

	dgen__worker_attached(worker);
	for (const dgen__statement *const *s = dgen__sql_prepared; *s != NULL && result == 0; s++)
		result = dgen__session_prepare(worker, *s);
	if (result == 0)
		result = dgen__session_sync(worker);
	if (result == 0 && dgen__doubt_exists(worker))
		result = send_settle(worker);
	return result == 0 ? dgen__session_claim(worker) : result;
}

/* ---- what has come of it ---- */

/* A pool hands out keys of its own for canceling. */
int
dgen__session_attach_came(dgen_worker *worker, const PGresult *result)
{
	worker->types_missing = PQntuples(result) == 0;
	if (worker->types_missing)
		return 0;
	if (dgen__result_check(result, "dgen.attach", 3, false, &worker->error) != 0)
		return worker->error.code;
	snprintf(worker->id, sizeof(worker->id), "%s", PQgetvalue(result, 0, 1));
	worker->pooled = strtol(PQgetvalue(result, 0, 2), NULL, 10) != PQbackendPID(worker->connection);
	return dgen__check_version(PQgetvalue(result, 0, 0), &worker->error);
}

int
dgen__session_attached(dgen_worker *worker)
{
	return worker->types_missing ? create_types_and_attach(worker) : prepare_and_claim(worker);
}

/* The server's own words on a missing grant name the object, and not what to grant. */
static int
attach_error(dgen_worker *worker, const dgen__error *error)
{
	const char *hint =
		error == &worker->create_error
			? "Create the type in SQL and call dgen.grant_work for this role, or "
			  "GRANT EXECUTE ON FUNCTION dgen.create_actor_type to it."
			: "GRANT USAGE ON SCHEMA dgen to this role; dgen.grant_work does so, too.";
	int code = dgen__fail_error(&worker->error, error);

	if (strcmp(error->sqlstate, DGEN__NO_PRIVILEGE) != 0 || dgen__error_hint(error)[0] != '\0')
		return code;
	(void) dgen__fail_hint(&worker->error, code, hint, "%s", dgen__error_text(error));
	memcpy(worker->error.sqlstate, error->sqlstate, sizeof(error->sqlstate));
	return code;
}

int
dgen__session_attach_failed(dgen_worker *worker)
{
	dgen__error *error = &worker->section_error;

	/* Dropped while the server looked whether it is there. */
	if (strcmp(error->sqlstate, DGEN__UNKNOWN_TYPE) == 0 && !worker->created_types)
		return create_types_and_attach(worker);
	if (strcmp(error->sqlstate, DGEN__NO_SCHEMA) == 0)
		return dgen__not_installed(worker->connection, &worker->error);
	if (strcmp(error->sqlstate, DGEN__UNKNOWN_TYPE) == 0 && worker->create_error.text != NULL)
		error = &worker->create_error;
	if (strcmp(error->sqlstate, DGEN__NO_FUNCTION) == 0)
	{
		(void) dgen__fail_hint(&worker->error, DGEN_EVERSION,
							   "Run ALTER EXTENSION dgen UPDATE, or use the library that fits it.",
							   "the extension is not one for libdgen %s: %s", DGEN_VERSION_STRING,
							   dgen__error_text(error));
		return dgen__set_updating(&worker->error);
	}
	return attach_error(worker, error);
}
