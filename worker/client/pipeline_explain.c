/*
 * Why a call has no reply in time: the server is asked, in a section of its own, before the
 * callback runs.
 *
 *     open ──its time is over──> explained ──the server's answer, or the grace is over──> callback
 *
 * It is asked as dgen_client_await with timeout 0 does, which needs no privilege that the call did not
 * need. So the answer is the reply itself if that has come in the meantime; else the error says what the
 * request waits for. One call at a time, and not too often, so that
 * thousands that time out together do not load the server.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/guard.h"
#include "base/sqlstate.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "server/connection.h"
#include "server/loop.h"
#include "server/result.h"
#include "server/sql.h"

/* How long the callback waits for the reason. */
#define GRACE_MS 1000

/* Between two questions, at least. */
#define PAUSE_MS 100

/* ---- asking ---- */

static void
set_deadline(dgen__async *async, dgen__operation *operation, int64_t deadline)
{
	dgen__timeouts_remove(&async->timeouts, operation);
	operation->deadline = deadline;
	dgen__timeouts_add(&async->timeouts, operation);
}

/* For a call whose time is over. False: it ends without a reason. */
bool
dgen__explain_begin(dgen_client *client, dgen__operation *call, int64_t now)
{
	dgen__async *async = client->async;

	if (call->place != DGEN__OPEN || async->link != DGEN__LINK_RUNNING ||
		async->explained != NULL || async->explaining || now < async->explain_at ||
		dgen__is_child(client->process))
		return false;
	async->explained = call;
	async->explain_at = now + PAUSE_MS;
	set_deadline(async, call, now + GRACE_MS);
	return true;
}

bool
dgen__explain_is_due(const dgen__async *async)
{
	return async->explained != NULL && !async->explaining && async->link == DGEN__LINK_RUNNING;
}

/* Also once more, if the connection was lost in the meantime and the grace is not over. */
int
dgen__explain_send(dgen_client *client)
{
	dgen__async *async = client->async;
	char id[24];
	const char *values[1] = {id};

	if (!dgen__explain_is_due(async))
		return 0;
	if (dgen__pipeline_expect(client, DGEN__CAME_EXPLAIN, DGEN__CAME_EXPLAIN_SYNC) != 0)
	{
		set_deadline(async, async->explained, dgen__now_ms()); /* without a reason, then */
		return 0;
	}
	snprintf(id, sizeof(id), "%lld", (long long) async->explained->id);
	async->explaining = true;
	return dgen__pipeline_section(client, &dgen__sql_await_now, values, NULL, NULL);
}

/* ---- the answer ---- */

/* A reply, a handler's error, or that there is none yet: anything else is no answer to the question. */
static bool
is_told(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return PQresultStatus(result) == PGRES_TUPLES_OK || dgen__result_is_answer(result) ||
		   (sqlstate != NULL && strcmp(sqlstate, DGEN__REPLY_TIMEOUT) == 0);
}

/* Keeps the result until its transaction is committed. */
void
dgen__explain_came(dgen_client *client, PGresult *result)
{
	if (is_told(result))
		client->async->reason = result;
	else
		(void) dgen__fail_result(&client->async->error, result);
}

/* NULL: the server did not say. */
static void
end(dgen_client *client, dgen__operation *call, const PGresult *reason)
{
	if (reason == NULL)
		dgen__operation_time_out(client, call);
	else if (PQresultStatus(reason) != PGRES_TUPLES_OK)
	{
		(void) dgen__fail_result(&client->error, reason);
		if (dgen__result_is_answer(reason))
			client->error.code = DGEN_EFAILED;
		dgen__operation_end(client, call, NULL, 0);
	}
	else if (dgen__result_check(reason, "dgen.await_reply", 1, true, &client->error) != 0)
		dgen__operation_end(client, call, NULL, 0);
	else
	{
		dgen__error_clear(&client->error);
		dgen__operation_end(client, call, PQgetvalue(reason, 0, 0),
							(size_t) PQgetlength(reason, 0, 0));
	}
}

/* The callback runs while it is in use, so it is freed when an exception passes, too. */
static void
clear_result(PGresult **result)
{
	PQclear(*result);
}

/*
 * The section has come to its end. What the server said before its commit failed counts for
 * nothing. The call can be over: await_any had its reply, or the grace was over.
 */
int
dgen__explain_synced(dgen_client *client)
{
	dgen__async *async = client->async;
	PGresult *reason __attribute__((cleanup(clear_result))) = async->reason;
	dgen__error error __attribute__((cleanup(dgen__error_free))) = async->error;

	async->reason = NULL;
	async->explaining = false;
	memset(&async->error, 0, sizeof(async->error));
	if (dgen__is_updating(&error))
		return dgen__fail_error(&client->error, &error);
	if (async->explained != NULL)
		end(client, async->explained, error.code == 0 ? reason : NULL);
	return 0;
}
