/*
 * Every SQL text of dgen bench. What the run creates is in schema dgen_bench, and its actor
 * type begins with that name: a run that was killed is cleaned up by the next.
 */
#include "cli/bench/base/run.h"
#include "cli/bench/base/side.h"
#include "cli/bench/base/sql.h"

/* ---- the session and its privileges ---- */

const char *const bench_sql_session = "SET client_min_messages = error; SET jit = off";

const char *const bench_sql_hold_snapshot =
	"SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ; "
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_class";

/* The second number is free; both together are dgen bench's in every version. */
#define LOCK "724661, 1"

const char *const bench_sql_lock = "SELECT pg_catalog.pg_try_advisory_lock(" LOCK ")::int";
const char *const bench_sql_lock_holder =
	"SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted AND "
	"(l.classid::bigint, l.objid::bigint, l.objsubid) = (" LOCK ", 2) AND l.database = "
	"(SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())";

/*
 * What is missing, in words, and what to do; no row: nothing. $1: does the run need
 * workers in the database? $2: connections, $3: lane workers.
 */
const char *const bench_sql_needs =
	"SELECT n.missing, n.remedy FROM (VALUES "
	"(NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'dgen'), "
	" 'extension dgen is not in this database', 'Run CREATE EXTENSION dgen.'), "
	"(pg_catalog.pg_is_in_recovery(), 'the server is a standby', 'Connect to the primary.'), "
	"(NOT pg_catalog.has_database_privilege(current_database(), 'CREATE'), "
	" 'role ' || current_user || ' cannot create a schema in this database', "
	" 'GRANT CREATE ON DATABASE ' || pg_catalog.quote_ident(current_database()) || ' TO ' || "
	" pg_catalog.quote_ident(current_user)), "
	"(NOT COALESCE((SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE') "
	"  AND pg_catalog.has_schema_privilege(p.pronamespace, 'USAGE')) "
	"  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS s ON s.oid = p.pronamespace "
	"  WHERE s.nspname = 'dgen' AND (p.proname = 'create_actor_type' "
	"  OR $1::bool AND p.proname IN ('start_workers', 'stop_workers'))), true), "
	" 'role ' || current_user || ' cannot create actor types' || "
	" CASE WHEN $1::bool THEN ', or not start workers' ELSE '' END, "
	" 'GRANT USAGE ON SCHEMA dgen, and EXECUTE ON FUNCTION dgen.create_actor_type' || "
	" CASE WHEN $1::bool THEN ', dgen.start_workers, dgen.stop_workers' ELSE '' END || ' TO ' || "
	" pg_catalog.quote_ident(current_user)), "
	"($1::bool AND (EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a "
	"  WHERE a.datname = current_database() AND a.backend_type = 'dgen worker') "
	"  OR current_database() = ANY (pg_catalog.string_to_array(pg_catalog.replace("
	"  pg_catalog.current_setting('dgen.databases', true), ' ', ''), ','))), "
	" 'in-database workers of others run in this database', "
	" 'Use a database of its own for dgen bench, or stop them: SELECT dgen.stop_workers()'), "
	"($1::bool AND $3::int + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a "
	"  WHERE a.backend_type NOT IN ('client backend', 'autovacuum launcher', 'autovacuum worker', "
	"  'background writer', 'checkpointer', 'walwriter', 'archiver', 'startup', 'walsender', "
	"  'walreceiver')) > pg_catalog.current_setting('max_worker_processes')::int, "
	" pg_catalog.format('%s worker processes are too many for the server', $3::int), "
	" pg_catalog.format('Raise max_worker_processes (%s now) and restart the server, or give a "
	"smaller --jobs.', pg_catalog.current_setting('max_worker_processes'))), "
	"($2::int + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a "
	"  WHERE a.backend_type = 'client backend') - 1 > pg_catalog.current_setting('max_connections')::int "
	"  - pg_catalog.current_setting('superuser_reserved_connections')::int, "
	" pg_catalog.format('the run needs %s connections, but the server does not have so many left', $2::int), "
	" pg_catalog.format('Raise max_connections (%s now), or give a smaller --clients or --jobs.', "
	" pg_catalog.current_setting('max_connections'))) "
	") AS n (is_missing, missing, remedy) WHERE n.is_missing LIMIT 1";

/* ---- objects ---- */

#define MARK "throw-away objects of dgen bench"

const char *const bench_sql_foreign_schema =
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'dgen_bench' AND "
	"pg_catalog.obj_description(n.oid, 'pg_namespace') IS DISTINCT FROM '" MARK "'";

const char *const bench_sql_leftovers =
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'dgen_bench'";

const char *const bench_sql_drop_types =
	"SELECT dgen.drop_actor_type(t.actor_type, discard => true) FROM dgen.actor_types AS t "
	"WHERE t.actor_type = '" BENCH_TYPE "'";
const char *const bench_sql_drop_schema = "DROP SCHEMA IF EXISTS dgen_bench CASCADE";

/*
 * message and actor are dgen's own tables, as a message that is sent and an actor that
 * is handled fill them.
 */
const char *const bench_sql_create =
	"CREATE SCHEMA dgen_bench; COMMENT ON SCHEMA dgen_bench IS '" MARK "'; "
	"CREATE SEQUENCE dgen_bench.message_seq; CREATE SEQUENCE dgen_bench.version_seq; "
	"CREATE TABLE dgen_bench.message (mailbox bigint NOT NULL, seq bigint NOT NULL, "
	" sent_at timestamptz NOT NULL, type_id integer NOT NULL, priority smallint NOT NULL, "
	" kind \"char\" NOT NULL, actor_key text COLLATE \"C\" NOT NULL, message jsonb NOT NULL, "
	" message_id bigint, in_reply_to bigint, headers jsonb, correlation text, error text, sqlstate text); "
	"CREATE UNIQUE INDEX ON dgen_bench.message (type_id, mailbox, priority DESC, seq); "
	"CREATE TABLE dgen_bench.actor (mailbox bigint NOT NULL, version bigint NOT NULL, "
	" updated_at timestamptz NOT NULL, type_id integer NOT NULL, actor_key text COLLATE \"C\" NOT NULL, "
	" status text COLLATE \"C\" NOT NULL, state jsonb NOT NULL, "
	" PRIMARY KEY (type_id, mailbox, actor_key)) WITH (fillfactor = 70); "
	"CREATE TABLE dgen_bench.job (id bigserial PRIMARY KEY, actor_key text NOT NULL, "
	" payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now()); "
	"CREATE TABLE dgen_bench.account (actor_key text PRIMARY KEY, state jsonb NOT NULL, "
	" updated_at timestamptz NOT NULL)";

/* A message is a number, or as in sustained an array that begins with it. */
#define NUMBER_OF(message)                                                                      \
	"(CASE pg_catalog.jsonb_typeof(" message ") WHEN 'array' THEN " message "->0 ELSE " message \
	" END)"
#define NUMBER NUMBER_OF("message") "::bigint"
#define SUM_OF(message) "pg_catalog.sum(" NUMBER_OF(message) "::bigint)::bigint"

const char *const bench_sql_create_plpgsql =
	"CREATE FUNCTION dgen_bench.handler(ctx dgen.context, state jsonb, message jsonb) "
	"RETURNS dgen.outcome LANGUAGE plpgsql AS $$ DECLARE sum bigint := "
	"COALESCE((state->>'sum')::bigint, 0) + " NUMBER "; "
	"BEGIN RETURN dgen.reply(to_jsonb(sum), jsonb_build_object('sum', sum)); END $$";

/* Of one expression, as such a handler is fast. */
#define NEW_SUM "(COALESCE((state->>'sum')::bigint, 0) + " NUMBER ")"

const char *const bench_sql_create_sql =
	"CREATE FUNCTION dgen_bench.handler(ctx dgen.context, state jsonb, message jsonb) "
	"RETURNS dgen.outcome LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(" NEW_SUM "), "
	"jsonb_build_object('sum', " NEW_SUM ")) $$";

/* As the callback in bench_actors.c. Of a chain that has only one actor the reply is its own. */
const char *const bench_sql_create_chain =
	"CREATE FUNCTION dgen_bench.handler(ctx dgen.context, state jsonb, message jsonb) "
	"RETURNS dgen.outcome LANGUAGE plpgsql AS $$ DECLARE "
	"next bigint := substr(ctx.actor_key, 2)::bigint + 1; "
	"request bigint := COALESCE((message->>1)::bigint, ctx.message_id); "
	"changed jsonb := jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0) + 1); "
	"BEGIN IF (message->>0)::bigint > 1 THEN "
	"PERFORM dgen.cast(ctx.actor_type, 'a' || next, jsonb_build_array((message->>0)::bigint - 1, request)); "
	"ELSIF request = ctx.message_id THEN RETURN dgen.reply('null', changed); "
	"ELSE PERFORM dgen.send_reply(request, 'null'); END IF; "
	"RETURN dgen.noreply(changed); END $$";

/* $1: handler, NULL: for workers outside */
const char *const bench_sql_create_type =
	"SELECT dgen.create_actor_type('" BENCH_TYPE "', handler => $1)";

const char *const bench_sql_pause = "SELECT dgen.pause('" BENCH_TYPE "')";
const char *const bench_sql_resume = "SELECT dgen.resume('" BENCH_TYPE "')";
const char *const bench_sql_checkpoint = "CHECKPOINT";

/* ---- workers ---- */

const char *const bench_sql_start_workers = "SELECT dgen.start_workers($1)";
const char *const bench_sql_stop_workers = "SELECT dgen.stop_workers()";

#define OUR_WORKERS "FROM dgen.workers AS w WHERE '" BENCH_TYPE "' = ANY (w.types)"

const char *const bench_sql_turns = "SELECT COALESCE(pg_catalog.sum(w.turns), 0) " OUR_WORKERS;
const char *const bench_sql_attached = "SELECT pg_catalog.count(*) " OUR_WORKERS " AND NOT w.busy";

/* Turns in one transaction at most: what the raw side is divided by. */
const char *const bench_sql_batch =
	"SELECT LEAST(pg_catalog.current_setting('dgen.batch_actors')::bigint, GREATEST(1, "
	"pg_catalog.current_setting('dgen.batch_messages')::bigint / $1::bigint))";

/* ---- measuring ---- */

/* In words, and as JSON: what has a say in how fast it is. */
const char *const bench_sql_server =
	"SELECT 'PostgreSQL ' || pg_catalog.current_setting('server_version') || ', ' || "
	"pg_catalog.string_agg(s.name || ' ' || pg_catalog.current_setting(s.name), ', ' ORDER BY s.name), "
	"pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name) ORDER BY s.name) "
	"FROM pg_catalog.pg_settings AS s WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit', "
	"'shared_buffers', 'max_wal_size', 'dgen.batch_actors', 'dgen.batch_messages')";

const char *const bench_sql_wal = "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::bigint";

/* $1: application name, or backend type */
const char *const bench_sql_backends =
	"SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = current_database() AND "
	"(a.application_name = $1 OR a.backend_type = $1)";

const char *const bench_sql_own_backend =
	"SELECT a.pid, pg_catalog.extract('epoch', a.backend_start)::bigint "
	"FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = pg_catalog.pg_backend_pid()";

/* $1: LIKE pattern */
const char *const bench_sql_sizes =
	"SELECT pg_catalog.sum(pg_catalog.pg_table_size(c.oid))::bigint, "
	"pg_catalog.sum(pg_catalog.pg_indexes_size(c.oid))::bigint "
	"FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
	"WHERE c.relkind = 'r' AND (n.nspname || '.' || c.relname) LIKE $1";

/* $1: application name or backend type, $2: since, in seconds of the epoch */
const char *const bench_sql_activity =
	"SELECT pg_catalog.count(*) FILTER (WHERE a.state_change > pg_catalog.to_timestamp($2::float8)), "
	"pg_catalog.count(*) FILTER (WHERE a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL), "
	"pg_catalog.extract('epoch', pg_catalog.clock_timestamp()) "
	"FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = current_database() AND "
	"(a.application_name = $1 OR a.backend_type = $1)";

/* ---- actors ---- */

#define KEYS \
	"ARRAY(SELECT 'a' || (i - 1) % $1::bigint FROM pg_catalog.generate_series($2::bigint, $3) AS i)"
#define NUMBERS "ARRAY(SELECT to_jsonb(i) FROM pg_catalog.generate_series($2::bigint, $3) AS i)"

static const char *const prepare_actors[] = {
	"inline", "SELECT dgen.call('" BENCH_TYPE "', $1, $2::jsonb)", NULL};

const bench_texts bench_texts_actors = {
	.prepare = prepare_actors,
	.load = "SELECT dgen.cast_many('" BENCH_TYPE "', " KEYS ", " NUMBERS ")",
	.idle = "SELECT dgen.cast_many('" BENCH_TYPE
			"', ARRAY(SELECT 'i' || i FROM pg_catalog.generate_series($1::bigint, $2) AS i), "
			"pg_catalog.array_fill('1'::jsonb, ARRAY[($2::bigint - $1 + 1)::integer]))",
	.states =
		"SELECT a.actor_key, a.state->>'sum' FROM dgen.actors AS a WHERE a.actor_type = '" BENCH_TYPE
		"'",
	.waiting = "SELECT m.actor_key, " SUM_OF(
		"m.message") " FROM dgen.messages AS m WHERE m.actor_type = '" BENCH_TYPE
					 "' GROUP BY m.actor_key",
	.left =
		"SELECT (SELECT pg_catalog.count(*) FROM dgen.messages AS m WHERE m.actor_type = '" BENCH_TYPE
		"') + (SELECT pg_catalog.count(*) FROM dgen.dead_letters AS l WHERE l.actor_type = '" BENCH_TYPE
		"')",
	.tables = "dgen.%",
	.vacuum = "VACUUM ANALYZE dgen.message, dgen.actor",
};

/* ---- raw: the same row changes ---- */

#define RAW_INSERT \
	"INSERT INTO dgen_bench.message (mailbox, seq, sent_at, type_id, priority, kind, actor_key, message) "
#define RAW_VALUES(key, message)                                               \
	"dgen.mailbox_of(" key "), pg_catalog.nextval('dgen_bench.message_seq'), " \
	"pg_catalog.clock_timestamp(), 1, 0::smallint, 'c'::\"char\", " key ", " message
#define RAW_SUM "pg_catalog.jsonb_build_object('sum', COALESCE((a.state->>'sum')::bigint, 0) + "
#define RAW_CHANGE(number)                                     \
	"version = pg_catalog.nextval('dgen_bench.version_seq'), " \
	"updated_at = pg_catalog.clock_timestamp(), state = " RAW_SUM number ") "
#define RAW_UPSERT(row, number)                                                                                \
	"INSERT INTO dgen_bench.actor AS a (mailbox, version, updated_at, type_id, actor_key, status, state) " row \
	" ON CONFLICT (type_id, mailbox, actor_key) DO UPDATE SET " RAW_CHANGE(number)
#define RAW_NEW(key, number)                                                   \
	"dgen.mailbox_of(" key "), pg_catalog.nextval('dgen_bench.version_seq'), " \
	"pg_catalog.clock_timestamp(), 1, " key                                    \
	", 'active', pg_catalog.jsonb_build_object('sum', " number ")"
#define RAW_GONE                                                                                    \
	"WITH gone AS (DELETE FROM dgen_bench.message WHERE type_id = 1 AND mailbox BETWEEN $1 AND $2 " \
	"RETURNING mailbox, actor_key, message), "                                                      \
	"turn AS (SELECT mailbox, actor_key, " SUM_OF(                                                  \
		"message") " AS number, pg_catalog.count(*) AS messages "                                   \
				   "FROM gone GROUP BY mailbox, actor_key), "
#define RAW_COUNT " SELECT COALESCE(pg_catalog.sum(messages), 0) FROM turn"

#define ROWS "ROWS FROM (unnest($1::text[]), unnest($2::jsonb[])) AS r (k, m)"

static const char *const prepare_raw[] = {
	"send", RAW_INSERT "VALUES (" RAW_VALUES("$1::text", "$2::jsonb") ")", "send_rows",
	RAW_INSERT "SELECT " RAW_VALUES("k", "m") " FROM " ROWS, "call",
	RAW_UPSERT("VALUES (" RAW_NEW("$1::text", "$2::bigint") ")",
			   "$2::bigint") "RETURNING a.state->'sum'",
	/* $1, $2: range of mailboxes */
	"drain",
	RAW_GONE "changed AS (UPDATE dgen_bench.actor AS a SET " RAW_CHANGE(
		"turn.number") "FROM turn WHERE a.type_id = 1 AND a.mailbox = turn.mailbox AND a.actor_key = turn.actor_key)" RAW_COUNT,
	"drain_new",
	RAW_GONE "changed AS (" RAW_UPSERT(
		"SELECT turn.mailbox, "
		"pg_catalog.nextval('dgen_bench.version_seq'), pg_catalog.clock_timestamp(), 1, turn.actor_key, "
		"'active', pg_catalog.jsonb_build_object('sum', turn.number) FROM turn",
		"(excluded.state->>'sum')::bigint") ")" RAW_COUNT,
	/* $1, $2: this actor and the next one (NULL: none) */
	"hop",
	"WITH gone AS (DELETE FROM dgen_bench.message WHERE type_id = 1 AND mailbox = dgen.mailbox_of($1)), "
	"sent AS (" RAW_INSERT
	"SELECT " RAW_VALUES("$2::text", "'1'::jsonb") " WHERE $2 IS NOT NULL) " RAW_UPSERT(
		"VALUES (" RAW_NEW("$1::text", "1") ")", "1"),
	NULL};

const bench_texts bench_texts_raw = {
	.prepare = prepare_raw,
	.load = RAW_INSERT "SELECT " RAW_VALUES(
		"k",
		"to_jsonb(i)") " FROM pg_catalog.generate_series("
					   "$2::bigint, $3) AS i, LATERAL (SELECT 'a' || (i - 1) % $1::bigint) AS key (k)",
	.idle =
		"INSERT INTO dgen_bench.actor (mailbox, version, updated_at, type_id, actor_key, status, state) "
		"SELECT " RAW_NEW("'i' || i", "1") " FROM pg_catalog.generate_series($1::bigint, $2) AS i",
	.states = "SELECT a.actor_key, a.state->>'sum' FROM dgen_bench.actor AS a",
	.waiting = "SELECT m.actor_key, " SUM_OF(
		"m.message") " FROM dgen_bench.message AS m GROUP BY m.actor_key",
	.left = "SELECT pg_catalog.count(*) FROM dgen_bench.message",
	.tables = "dgen_bench.%",
	.vacuum = "VACUUM ANALYZE dgen_bench.message, dgen_bench.actor",
};

/* ---- hand-made: what is often written ---- */

#define HAND_UPSERT                                                            \
	"INSERT INTO dgen_bench.account AS a (actor_key, state, updated_at) "      \
	"VALUES ($1, pg_catalog.jsonb_build_object('sum', $2::bigint), now()) "    \
	"ON CONFLICT (actor_key) DO UPDATE SET updated_at = excluded.updated_at, " \
	"state = pg_catalog.jsonb_build_object('sum', COALESCE((a.state->>'sum')::bigint, 0) + $2::bigint)"

static const char *const prepare_hand[] = {
	"send",
	"INSERT INTO dgen_bench.job (actor_key, payload) VALUES ($1, $2::jsonb)",
	"send_rows",
	"INSERT INTO dgen_bench.job (actor_key, payload) SELECT k, m FROM " ROWS,
	"claim",
	"DELETE FROM dgen_bench.job WHERE id = (SELECT id FROM dgen_bench.job ORDER BY id "
	"FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING actor_key, " NUMBER_OF("payload"),
	"apply",
	HAND_UPSERT,
	"look",
	"SELECT state->>'sum' FROM dgen_bench.account WHERE actor_key = $1 FOR UPDATE",
	NULL};

const bench_texts bench_texts_hand = {
	.prepare = prepare_hand,
	.load =
		"INSERT INTO dgen_bench.job (actor_key, payload) SELECT 'a' || (i - 1) % $1::bigint, to_jsonb(i) "
		"FROM pg_catalog.generate_series($2::bigint, $3) AS i",
	.idle = "INSERT INTO dgen_bench.account SELECT 'i' || i, '{\"sum\": 1}', now() "
			"FROM pg_catalog.generate_series($1::bigint, $2) AS i",
	.states = "SELECT a.actor_key, a.state->>'sum' FROM dgen_bench.account AS a",
	.waiting =
		"SELECT m.actor_key, " SUM_OF("m.payload") " FROM dgen_bench.job AS m GROUP BY m.actor_key",
	.left = "SELECT pg_catalog.count(*) FROM dgen_bench.job",
	.tables = "dgen_bench.%",
	.vacuum = "VACUUM ANALYZE dgen_bench.job, dgen_bench.account",
};
