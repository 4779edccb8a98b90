/*
 * Every SQL text of the program, besides those of libdgen.
 *
 * The rows to show are chosen first, by columns that cost nothing: what an actor's status
 * is takes the views some reading in other tables, and is found out only for those.
 */
#include "cli.h"

#define JSON(columns, rows) \
	"SELECT pg_catalog.row_to_json(r) FROM (SELECT " columns " " rows ") AS r"
#define OF_TYPE(view)                                                   \
	"($1::text IS NULL OR " view ".actor_type = $1 COLLATE \"C\") AND " \
	"($2::text IS NULL OR " view ".actor_key = $2 COLLATE \"C\")"
#define SECONDS(column) "pg_catalog.date_trunc('second', " column ")"

/* ---- actors ---- */

#define ACTOR_COLUMNS                                                          \
	"a.actor_type AS type, a.actor_key AS key, a.status, a.version, " SECONDS( \
		"a.updated_at") " AS updated, a.state"
#define ACTOR_JSON "a.actor_type, a.actor_key, a.status, a.version, a.updated_at, a.state"
#define ACTORS                                                                     \
	"FROM (SELECT k.actor_type, k.actor_key FROM dgen.actors AS k WHERE " OF_TYPE( \
		"k") " ORDER BY k.actor_type, k.actor_key LIMIT $3::bigint) AS chosen, "   \
			 "LATERAL dgen.actor(chosen.actor_type, chosen.actor_key) AS a ORDER BY 1, 2"
#define ACTOR "FROM dgen.actor($1, $2) AS a LIMIT $3::bigint"

const cli_query cli_query_actors = {"SELECT " ACTOR_COLUMNS " " ACTORS, JSON(ACTOR_JSON, ACTORS)};
const cli_query cli_query_actor = {"SELECT " ACTOR_COLUMNS " " ACTOR, JSON(ACTOR_JSON, ACTOR)};

/* ---- messages ---- */

#define MESSAGE_COLUMNS                                                                \
	"m.message_id AS id, m.actor_type AS type, m.actor_key AS key, m.kind, m.status, " \
	"m.priority, m.attempts, " SECONDS("m.sent_at") " AS sent, " SECONDS(              \
		"m.not_before") " AS not_before, m.last_error, m.message"
#define MESSAGE_JSON                                                                     \
	"m.message_id, m.actor_type, m.actor_key, m.kind, m.status, m.message, m.priority, " \
	"m.attempts, m.sent_at, m.not_before, m.last_error, m.last_sqlstate, m.headers, "    \
	"m.correlation, m.in_reply_to, m.error, m.sqlstate"
#define MESSAGES \
	"FROM dgen.messages AS m WHERE " OF_TYPE("m") " ORDER BY m.message_id LIMIT $3::bigint"
#define MAILBOX "FROM dgen.mailbox($1, $2) AS m LIMIT $3::bigint"

const cli_query cli_query_messages = {"SELECT " MESSAGE_COLUMNS " " MESSAGES,
									  JSON(MESSAGE_JSON, MESSAGES)};
const cli_query cli_query_mailbox = {"SELECT " MESSAGE_COLUMNS " " MAILBOX,
									 JSON(MESSAGE_JSON, MAILBOX)};

/* ---- dead letters ---- */

#define LETTER_COLUMNS                                                                            \
	"l.message_id AS id, l.actor_type AS type, l.actor_key AS key, l.kind, l.attempts, " SECONDS( \
		"l.died_at") " AS died, l.sqlstate, l.error, l.message"
#define LETTER_JSON                                                                              \
	"l.message_id, l.actor_type, l.actor_key, l.kind, l.message, l.attempts, l.error, "          \
	"l.sqlstate, l.hint, l.worker, l.sent_at, l.died_at, l.priority, l.headers, l.correlation, " \
	"l.in_reply_to"
#define LETTERS \
	"FROM dgen.dead_letters AS l WHERE " OF_TYPE("l") " ORDER BY l.message_id LIMIT $3::bigint"

const cli_query cli_query_dead_letters = {"SELECT " LETTER_COLUMNS " " LETTERS,
										  JSON(LETTER_JSON, LETTERS)};

const char *const cli_sql_redrive = "SELECT dgen.redrive($1)";
const char *const cli_sql_discard = "SELECT dgen.discard($1)";

/* ---- actor types and workers ---- */

#define TYPE_COLUMNS                                                                   \
	"t.actor_type AS type, t.owner, COALESCE(t.handler, '(external)') AS handler, "    \
	"t.max_attempts, t.backoff, t.max_backoff, t.turn_timeout, t.retention, " SECONDS( \
		"t.paused_at") " AS paused, t.initial_state"
#define TYPE_JSON                                                                                 \
	"t.actor_type, t.owner, t.handler, t.paused_at, t.initial_state, t.max_attempts, t.backoff, " \
	"t.max_backoff, t.turn_timeout, t.retention, t.search_path, t.created_at"
#define TYPES                                                                 \
	"FROM dgen.actor_types AS t WHERE $1::text IS NULL AND $2::text IS NULL " \
	"ORDER BY t.actor_type LIMIT $3::bigint"

const cli_query cli_query_types = {"SELECT " TYPE_COLUMNS " " TYPES, JSON(TYPE_JSON, TYPES)};

const char *const cli_sql_type_exists =
	"SELECT pg_catalog.count(*) FROM dgen.actor_types AS t WHERE t.actor_type = $1 COLLATE \"C\"";

#define WORKER_COLUMNS                                                                                  \
	"w.id, w.name, w.kind, pg_catalog.array_to_string(w.types, ', ') AS types, "                        \
	"w.client_addr AS client, w.pid, CASE WHEN w.busy THEN 'busy' ELSE 'idle' END AS status, " SECONDS( \
		"w.since") " AS since, w.turns"
#define WORKER_JSON                                                                   \
	"w.id, w.name, w.types, w.kind, w.client_addr, w.pid, w.busy, w.since, w.turns, " \
	"w.attached_at, w.library_version"
#define WORKERS                                                           \
	"FROM dgen.workers AS w WHERE $1::text IS NULL AND $2::text IS NULL " \
	"ORDER BY w.id LIMIT $3::bigint"

const cli_query cli_query_workers = {"SELECT " WORKER_COLUMNS " " WORKERS,
									 JSON(WORKER_JSON, WORKERS)};

/* ---- why an actor does or does not make progress ---- */

const char *const cli_sql_explain = "SELECT dgen.explain_actor($1, $2)";
const char *const cli_sql_explain_json = JSON(
	"$1::text AS actor_type, $2::text AS actor_key, dgen.explain_actor($1, $2) AS explanation", "");
