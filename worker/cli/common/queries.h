/*
 * Every SQL text of the program.
 */
#ifndef DGEN_CLI_COMMON_QUERIES_H
#define DGEN_CLI_COMMON_QUERIES_H

#include "dgen.h"

/*
 * What a listing shows. Parameters: actor type and key (NULL: all of them), and the most
 * rows (NULL: no limit).
 */
typedef struct cli_query
{
	const char *table; /* columns for people */
	const char *json;  /* one JSON object per row */
} cli_query;

extern const cli_query cli_query_actors;
extern const cli_query cli_query_actor; /* a single one */
extern const cli_query cli_query_messages;
extern const cli_query cli_query_mailbox; /* of a single actor */
extern const cli_query cli_query_dead_letters;
extern const cli_query cli_query_types;
extern const cli_query cli_query_workers;

extern const char *const cli_sql_type_exists; /* $1: type */
extern const char *const cli_sql_explain;     /* $1, $2: type, key */
extern const char *const cli_sql_explain_json;
extern const char *const cli_sql_redrive; /* $1: message id */
extern const char *const cli_sql_discard;

/*
 * dgen top. Parameters: turns of each worker at the previous refresh, as a JSON object, and
 * when that was, in seconds of the epoch; both NULL for the turns themselves.
 */
extern const char *const cli_sql_top_session;
extern const char *const cli_sql_top_turns;
extern const char *const cli_sql_top_head;
extern const char *const cli_sql_top_types;
extern const char *const cli_sql_top_workers;
extern const char *const cli_sql_top_stuck;
extern const char *const cli_sql_top_json;

#endif /* DGEN_CLI_COMMON_QUERIES_H */
