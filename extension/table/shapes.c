/*
 * The shape of dgen's relations as sql/install/10-tables.sql makes them: the columns in their order
 * (columns.h has their numbers), and the indexes that dgen scans.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"

#include "table/columns.h"
#include "table/shape.h"
#include "table/table.h"

/* ---- columns ---- */

static const ColumnShape actor_type[] = {
	{"id", INT4OID, InvalidOid, true},
	{"name", TEXTOID, C_COLLATION_OID, true},
	{"owner", REGROLEOID, InvalidOid, true},
	{"handler", TEXTOID, InvalidOid, false},
	{"search_path", TEXTOID, InvalidOid, true},
	{"initial_state", JSONBOID, InvalidOid, true},
	{"max_attempts", INT4OID, InvalidOid, true},
	{"backoff", INTERVALOID, InvalidOid, true},
	{"max_backoff", INTERVALOID, InvalidOid, true},
	{"turn_timeout", INTERVALOID, InvalidOid, true},
	{"retention", INTERVALOID, InvalidOid, true},
	{"created_at", TIMESTAMPTZOID, InvalidOid, true},
	{"max_waiting", INT4OID, InvalidOid, false},
	{"max_concurrency", INT4OID, InvalidOid, false},
	{"max_rate", FLOAT8OID, InvalidOid, false},
	{"handle_dead_letters", BOOLOID, InvalidOid, true},
	{"handle_actions", BOOLOID, InvalidOid, true},
	{"lock_timeout", INTERVALOID, InvalidOid, true},
	{"locked_priority", INT4OID, InvalidOid, true},
};

static const ColumnShape privilege[] = {
	{"type_id", INT4OID, InvalidOid, true},
	{"role", REGROLEOID, InvalidOid, true},
	{"privilege", TEXTOID, InvalidOid, true},
};

static const ColumnShape message[] = {
	{"mailbox", INT8OID, InvalidOid, true},        {"seq", INT8OID, InvalidOid, true},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, true}, {"type_id", INT4OID, InvalidOid, true},
	{"priority", INT2OID, InvalidOid, true},       {"kind", CHAROID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true}, {"message", JSONBOID, InvalidOid, true},
	{"message_id", INT8OID, InvalidOid, false},    {"in_reply_to", INT8OID, InvalidOid, false},
	{"headers", JSONBOID, InvalidOid, false},      {"correlation", TEXTOID, InvalidOid, false},
	{"error", TEXTOID, InvalidOid, false},         {"sqlstate", TEXTOID, InvalidOid, false},
};

static const ColumnShape delayed_message[] = {
	{"mailbox", INT8OID, InvalidOid, true},
	{"seq", INT8OID, InvalidOid, true},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, true},
	{"type_id", INT4OID, InvalidOid, true},
	{"priority", INT2OID, InvalidOid, true},
	{"kind", CHAROID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"message", JSONBOID, InvalidOid, true},
	{"message_id", INT8OID, InvalidOid, false},
	{"in_reply_to", INT8OID, InvalidOid, false},
	{"headers", JSONBOID, InvalidOid, false},
	{"correlation", TEXTOID, InvalidOid, false},
	{"error", TEXTOID, InvalidOid, false},
	{"sqlstate", TEXTOID, InvalidOid, false},
	{"not_before", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape idempotency_key[] = {
	{"type_id", INT4OID, InvalidOid, true},
	{"mailbox", INT8OID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"idempotency_key", TEXTOID, C_COLLATION_OID, true},
	{"message_id", INT8OID, InvalidOid, true},
	{"expires_at", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape paused[] = {
	{"type_id", INT4OID, InvalidOid, true},
	{"mailbox", INT8OID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"paused_at", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape failed_attempt[] = {
	{"type_id", INT4OID, InvalidOid, true},    {"mailbox", INT8OID, InvalidOid, true},
	{"message_id", INT8OID, InvalidOid, true}, {"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"attempts", INT4OID, InvalidOid, true},   {"retry_at", TIMESTAMPTZOID, InvalidOid, true},
	{"error", TEXTOID, InvalidOid, false},     {"sqlstate", TEXTOID, InvalidOid, false},
};

static const ColumnShape actor[] = {
	{"mailbox", INT8OID, InvalidOid, true},
	{"version", INT8OID, InvalidOid, true},
	{"updated_at", TIMESTAMPTZOID, InvalidOid, true},
	{"type_id", INT4OID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"status", TEXTOID, C_COLLATION_OID, true},
	{"state", JSONBOID, InvalidOid, true},
};

static const ColumnShape locked[] = {
	{"type_id", INT4OID, InvalidOid, true},
	{"mailbox", INT8OID, InvalidOid, true},
	{"fence", INT8OID, InvalidOid, true},
	{"message_id", INT8OID, InvalidOid, true},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, true},
	{"locked_at", TIMESTAMPTZOID, InvalidOid, true},
	{"retry_at", TIMESTAMPTZOID, InvalidOid, true},
	{"expires_at", TIMESTAMPTZOID, InvalidOid, true},
	{"attempt", INT4OID, InvalidOid, true},
	{"failed", INT4OID, InvalidOid, true},
	{"priority", INT2OID, InvalidOid, true},
	{"kind", CHAROID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"message", JSONBOID, InvalidOid, true},
	{"in_reply_to", INT8OID, InvalidOid, false},
	{"headers", JSONBOID, InvalidOid, false},
	{"correlation", TEXTOID, InvalidOid, false},
	{"error", TEXTOID, InvalidOid, false},
	{"sqlstate", TEXTOID, InvalidOid, false},
	{"worker", TEXTOID, InvalidOid, false},
	{"last_error", TEXTOID, InvalidOid, false},
	{"last_sqlstate", TEXTOID, InvalidOid, false},
};

static const ColumnShape dead_letter[] = {
	{"message_id", INT8OID, InvalidOid, true},      {"mailbox", INT8OID, InvalidOid, true},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, true},  {"died_at", TIMESTAMPTZOID, InvalidOid, true},
	{"type_id", INT4OID, InvalidOid, true},         {"attempts", INT4OID, InvalidOid, true},
	{"priority", INT2OID, InvalidOid, true},        {"kind", CHAROID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},  {"message", JSONBOID, InvalidOid, true},
	{"in_reply_to", INT8OID, InvalidOid, false},    {"headers", JSONBOID, InvalidOid, false},
	{"correlation", TEXTOID, InvalidOid, false},    {"error", TEXTOID, InvalidOid, false},
	{"sqlstate", TEXTOID, InvalidOid, false},       {"hint", TEXTOID, InvalidOid, false},
	{"worker", TEXTOID, InvalidOid, false},         {"reply_error", TEXTOID, InvalidOid, false},
	{"reply_sqlstate", TEXTOID, InvalidOid, false},
};

static const ColumnShape request[] = {
	{"id", INT8OID, InvalidOid, true},
	{"mailbox", INT8OID, InvalidOid, true},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, true},
	{"replied_at", TIMESTAMPTZOID, InvalidOid, false},
	{"type_id", INT4OID, InvalidOid, true},
	{"requester", REGROLEOID, InvalidOid, true},
	{"status", CHAROID, InvalidOid, true},
	{"keep", BOOLOID, InvalidOid, true},
	{"actor_key", TEXTOID, C_COLLATION_OID, true},
	{"reply_type_id", INT4OID, InvalidOid, false},
	{"reply_key", TEXTOID, C_COLLATION_OID, false},
	{"correlation", TEXTOID, InvalidOid, false},
	{"reply", JSONBOID, InvalidOid, false},
	{"error", TEXTOID, InvalidOid, false},
	{"sqlstate", TEXTOID, InvalidOid, false},
	{"hint", TEXTOID, InvalidOid, false},
	{"due_at", TIMESTAMPTZOID, InvalidOid, false},
};

static const ColumnShape request_asker[] = {
	{"request_id", INT8OID, InvalidOid, true},
	{"mailbox", INT8OID, InvalidOid, true},
	{"id", INT8OID, InvalidOid, true},
	{"asked_at", TIMESTAMPTZOID, InvalidOid, true},
	{"reply_type_id", INT4OID, InvalidOid, true},
	{"reply_key", TEXTOID, C_COLLATION_OID, true},
	{"correlation", TEXTOID, InvalidOid, false},
};

static const ColumnShape worker[] = {
	{"id", INT8OID, InvalidOid, true},
	{"name", TEXTOID, InvalidOid, true},
	{"pid", INT4OID, InvalidOid, true},
	{"backend_start", TIMESTAMPTZOID, InvalidOid, true},
	{"in_database", BOOLOID, InvalidOid, true},
	{"type_ids", INT4ARRAYOID, InvalidOid, true},
	{"role", REGROLEOID, InvalidOid, true},
	{"client_addr", INETOID, InvalidOid, false},
	{"library_version", TEXTOID, InvalidOid, false},
	{"attached_at", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape receipt[] = {
	{"worker_id", INT8OID, InvalidOid, true},
	{"role", REGROLEOID, InvalidOid, true},
	{"batch", INT8OID, InvalidOid, true},
	{"closed", BOOLOID, InvalidOid, true},
	{"written_at", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape adoption[] = {
	{"system_identifier", INT8OID, InvalidOid, true},
	{"database_oid", OIDOID, InvalidOid, true},
	{"adopted_at", TIMESTAMPTZOID, InvalidOid, true},
};

static const ColumnShape lock_secret[] = {
	{"secret", BYTEAOID, InvalidOid, true},
};

StaticAssertDecl(lengthof(actor_type) == ACTOR_TYPE_COLUMNS, "columns of dgen.actor_type");
StaticAssertDecl(lengthof(privilege) == PRIVILEGE_COLUMNS, "columns of dgen.privilege");
StaticAssertDecl(lengthof(message) == MESSAGE_COLUMNS, "columns of dgen.message");
StaticAssertDecl(lengthof(delayed_message) == DELAYED_COLUMNS, "columns of dgen.delayed_message");
StaticAssertDecl(lengthof(idempotency_key) == IDEMPOTENCY_COLUMNS,
				 "columns of dgen.idempotency_key");
StaticAssertDecl(lengthof(paused) == PAUSED_COLUMNS, "columns of dgen.paused");
StaticAssertDecl(lengthof(failed_attempt) == FAILED_COLUMNS, "columns of dgen.failed_attempt");
StaticAssertDecl(lengthof(actor) == ACTOR_COLUMNS, "columns of dgen.actor");
StaticAssertDecl(lengthof(locked) == LOCKED_COLUMNS, "columns of dgen.locked");
StaticAssertDecl(lengthof(dead_letter) == DEAD_COLUMNS, "columns of dgen.dead_letter");
StaticAssertDecl(lengthof(request) == REQUEST_COLUMNS, "columns of dgen.request");
StaticAssertDecl(lengthof(request_asker) == ASKER_COLUMNS, "columns of dgen.request_asker");
StaticAssertDecl(lengthof(worker) == WORKER_COLUMNS, "columns of dgen.worker");
StaticAssertDecl(lengthof(receipt) == RECEIPT_COLUMNS, "columns of dgen.receipt");
StaticAssertDecl(lengthof(adoption) == ADOPTION_COLUMNS, "columns of dgen.adoption");
StaticAssertDecl(lengthof(lock_secret) == LOCK_SECRET_COLUMNS, "columns of dgen.lock_secret");

/* Attributes of row types are never NOT NULL. */
static const ColumnShape context[] = {
	{"actor_type", TEXTOID, InvalidOid, false},     {"actor_key", TEXTOID, InvalidOid, false},
	{"kind", TEXTOID, InvalidOid, false},           {"message_id", INT8OID, InvalidOid, false},
	{"attempt", INT4OID, InvalidOid, false},        {"version", INT8OID, InvalidOid, false},
	{"sent_at", TIMESTAMPTZOID, InvalidOid, false}, {"headers", JSONBOID, InvalidOid, false},
	{"in_reply_to", INT8OID, InvalidOid, false},    {"correlation", TEXTOID, InvalidOid, false},
	{"error", TEXTOID, InvalidOid, false},          {"sqlstate", TEXTOID, InvalidOid, false},
	{"token", TEXTOID, InvalidOid, false},
};

static const ColumnShape outcome[] = {
	{"kind", TEXTOID, InvalidOid, false},      {"state", JSONBOID, InvalidOid, false},
	{"reply", JSONBOID, InvalidOid, false},    {"error", TEXTOID, InvalidOid, false},
	{"sqlstate", TEXTOID, InvalidOid, false},  {"hint", TEXTOID, InvalidOid, false},
	{"delay", INTERVALOID, InvalidOid, false},
};

/* ---- tables and row types ---- */

#define COLUMNS(array) .columns = array, .ncolumns = lengthof(array)
#define PRIMARY_KEY(...) .unique = true, .primary = true, .columns = {__VA_ARGS__}
#define UNIQUE(...) .unique = true, .columns = {__VA_ARGS__}
#define PLAIN(...) .columns = {__VA_ARGS__}

const TableShape dgen_shapes[DGEN_TABLE_COUNT] = {
	[TABLE_ACTOR_TYPE] = {"actor_type",
						  COLUMNS(actor_type),
						  {{"actor_type_pkey", PRIMARY_KEY(1)},
						   {"actor_type_name_key", UNIQUE(2)}}},
	[TABLE_PRIVILEGE] = {"privilege",
						 COLUMNS(privilege),
						 {{"privilege_pkey", PRIMARY_KEY(1, 2, 3)}}},
	[TABLE_MESSAGE] = {"message", COLUMNS(message), {{"message_order", UNIQUE(4, 1, -5, 2)}}},
	[TABLE_DELAYED_MESSAGE] = {"delayed_message",
							   COLUMNS(delayed_message),
							   {{"delayed_message_pkey", PRIMARY_KEY(4, 1, 2)},
								{"delayed_message_due", PLAIN(4, 15)}}},
	[TABLE_IDEMPOTENCY_KEY] = {"idempotency_key",
							   COLUMNS(idempotency_key),
							   {{"idempotency_key_pkey", PRIMARY_KEY(1, 2, 3, 4)},
								{"idempotency_key_expiry", PLAIN(6)}}},
	[TABLE_PAUSED] = {"paused", COLUMNS(paused), {{"paused_pkey", PRIMARY_KEY(1, 2, 3)}}},
	[TABLE_FAILED_ATTEMPT] = {"failed_attempt",
							  COLUMNS(failed_attempt),
							  {{"failed_attempt_pkey", PRIMARY_KEY(1, 2, 3)},
							   {"failed_attempt_retry", PLAIN(6)}}},
	[TABLE_ACTOR] = {"actor", COLUMNS(actor), {{"actor_pkey", PRIMARY_KEY(4, 1, 5)}}},
	[TABLE_LOCKED] = {"locked",
					  COLUMNS(locked),
					  {{"locked_pkey", PRIMARY_KEY(1, 2, 13)},
					   {"locked_retry", PLAIN(7)},
					   {"locked_expiry", PLAIN(8)}}},
	[TABLE_DEAD_LETTER] = {"dead_letter",
						   COLUMNS(dead_letter),
						   {{"dead_letter_pkey", PRIMARY_KEY(1, 2)},
							{"dead_letter_actor", PLAIN(5, 2)}}},
	[TABLE_REQUEST] = {"request", COLUMNS(request), {{"request_pkey", PRIMARY_KEY(1, 2)}}},
	[TABLE_REQUEST_ASKER] = {"request_asker",
							 COLUMNS(request_asker),
							 {{"request_asker_pkey", PRIMARY_KEY(1, 2, 3)}}},
	[TABLE_WORKER] = {"worker", COLUMNS(worker), {{"worker_pkey", PRIMARY_KEY(1)}}},
	[TABLE_ADOPTION] = {"adoption", COLUMNS(adoption)},
	[TABLE_LOCK_SECRET] = {"lock_secret", COLUMNS(lock_secret)},
	[TABLE_RECEIPT] = {"receipt", COLUMNS(receipt), {{"receipt_pkey", PRIMARY_KEY(1, 2)}}},
	[SEQUENCE_MESSAGE] = {"message_seq"},
	[SEQUENCE_VERSION] = {"version_seq"},
	[SEQUENCE_WORKER] = {"worker_id_seq"},
};

const TableShape dgen_context_shape = {"context", COLUMNS(context)};
const TableShape dgen_outcome_shape = {"outcome", COLUMNS(outcome)};
