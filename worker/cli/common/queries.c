/*
 * Every SQL text of the program, besides those of libdgen.
 *
 * The rows to show are chosen first, by columns that cost nothing: for an
 * actor's status the views read other tables, so it is read only for those rows.
 */
#include "cli/common/queries.h"

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

/* ---- dgen top ---- */

#define TOP_ROWS "20"

/* By index whatever the statistics say: those of a table that is mostly empty are old. */
const char *const cli_sql_top_session =
	"SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; "
	"SET enable_mergejoin = off; SET jit = off";

const char *const cli_sql_top_turns =
	"SELECT COALESCE(pg_catalog.jsonb_object_agg(w.id, w.turns), '{}'), "
	"pg_catalog.extract('epoch', pg_catalog.clock_timestamp()) FROM dgen.workers AS w "
	"WHERE $1::jsonb IS NULL OR $2::numeric IS NOT NULL";

/* A worker that was not there before has run all its turns since. */
#define TOP_RATE                                                                    \
	"pg_catalog.round((w.turns - COALESCE(($1::jsonb->>w.id::text)::bigint, 0)) / " \
	"GREATEST(pg_catalog.extract('epoch', pg_catalog.clock_timestamp()) - $2::numeric, 0.001))::bigint"

const char *const cli_sql_top_head =
	"SELECT pg_catalog.format('dgen top, database %s, %s: %s workers, %s busy, %s turns/s', "
	"pg_catalog.current_database(), pg_catalog.to_char(pg_catalog.clock_timestamp(), 'HH24:MI:SS'), "
	"pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE w.busy), "
	"COALESCE(pg_catalog.sum(" TOP_RATE "), 0)) FROM dgen.workers AS w";

/* An age for people, and in seconds for programs. */
#define TOP_AGE(since) "pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - " since ")"
#define TOP_AGE_JSON(since) \
	"pg_catalog.round(pg_catalog.extract('epoch', pg_catalog.clock_timestamp() - " since "), 3)"

#define TOP_TYPES(age)                                                                                        \
	"FROM (SELECT s.actor_type AS type, s.waiting + s.delayed AS messages, s.backing_off, s.delayed, "        \
	"" age(                                                                                                   \
		"s.oldest") " AS oldest, s.dead_letters, "                                                            \
					"(SELECT pg_catalog.count(*) FROM dgen.workers AS w WHERE s.actor_type = ANY (w.types)) " \
					"AS workers, s.paused_at IS NOT NULL AS paused, s.complete "                              \
					"FROM dgen.stats() AS s ORDER BY 2 DESC, 1 LIMIT " TOP_ROWS ") AS r "                     \
					"WHERE $1::jsonb IS NULL OR $2::numeric IS NOT NULL"

const char *const cli_sql_top_types =
	"SELECT type, messages::text || CASE WHEN complete THEN '' ELSE '+' END AS messages, backing_off, "
	"delayed, oldest, dead_letters, workers, paused " TOP_TYPES(TOP_AGE);

#define TOP_WORKERS(age)                                                                             \
	"FROM (SELECT w.id, w.name, w.kind, pg_catalog.array_to_string(w.types, ', ') AS types, w.pid, " \
	"CASE WHEN w.busy THEN 'busy' ELSE 'idle' END AS status, "                                       \
	"" age("w.since") " AS \"for\", " TOP_RATE                                                       \
					  " AS turns_per_s FROM dgen.workers AS w ORDER BY 8 DESC, 1 LIMIT " TOP_ROWS    \
					  ") AS r"

const char *const cli_sql_top_workers = "SELECT * " TOP_WORKERS(TOP_AGE);

/*
 * Those whose messages have waited longest, if that is some seconds. Two of each type: a
 * type that is paused does not hide the others.
 */
#define TOP_STUCK(age)                                                                      \
	"FROM (SELECT s.actor_type AS type, s.actor_key AS key, " age(                          \
		"s.sent_at") " AS oldest, "                                                         \
					 "dgen.explain_actor(s.actor_type, s.actor_key) AS why FROM (SELECT * " \
					 "FROM dgen.longest_waiting(2) AS l "                                   \
					 "WHERE l.sent_at < pg_catalog.clock_timestamp() - interval '2 s' "     \
					 "ORDER BY l.sent_at LIMIT 10) AS s ORDER BY s.sent_at) AS r "          \
					 "WHERE $1::jsonb IS NULL OR $2::numeric IS NOT NULL"

const char *const cli_sql_top_stuck = "SELECT * " TOP_STUCK(TOP_AGE);

#define TOP_ROWS_AS_JSON(rows) "(SELECT COALESCE(pg_catalog.jsonb_agg(r), '[]') " rows ")"

const char *const cli_sql_top_json =
	"SELECT pg_catalog.jsonb_build_object('at', pg_catalog.clock_timestamp(), 'types', " TOP_ROWS_AS_JSON(TOP_TYPES(TOP_AGE_JSON)) ", 'workers', " TOP_ROWS_AS_JSON(
		TOP_WORKERS(TOP_AGE_JSON)) ", 'stuck', " TOP_ROWS_AS_JSON(TOP_STUCK(TOP_AGE_JSON)) ")";
