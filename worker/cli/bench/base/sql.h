/*
 * Every SQL text of dgen bench.
 */
#ifndef DGEN_CLI_BENCH_BASE_SQL_H
#define DGEN_CLI_BENCH_BASE_SQL_H

#include "dgen.h"

#include "cli/bench/base/side.h"

extern const bench_texts bench_texts_actors;
extern const bench_texts bench_texts_raw;
extern const bench_texts bench_texts_hand;

extern const char *const bench_sql_session;
extern const char *const bench_sql_hold_snapshot;
extern const char *const bench_sql_lock;
extern const char *const bench_sql_lock_holder;
extern const char *const bench_sql_needs;
extern const char *const bench_sql_leftovers;
extern const char *const bench_sql_foreign_schema;
extern const char *const bench_sql_drop_types;
extern const char *const bench_sql_drop_schema;
extern const char *const bench_sql_create;
extern const char *const bench_sql_create_plpgsql;
extern const char *const bench_sql_create_sql;
extern const char *const bench_sql_create_chain;
extern const char *const bench_sql_create_type;
extern const char *const bench_sql_pause;
extern const char *const bench_sql_resume;
extern const char *const bench_sql_checkpoint;
extern const char *const bench_sql_start_workers;
extern const char *const bench_sql_stop_workers;
extern const char *const bench_sql_turns;
extern const char *const bench_sql_attached;
extern const char *const bench_sql_server;
extern const char *const bench_sql_wal;
extern const char *const bench_sql_backends;
extern const char *const bench_sql_own_backend;
extern const char *const bench_sql_sizes;
extern const char *const bench_sql_activity;
extern const char *const bench_sql_batch;

#endif /* DGEN_CLI_BENCH_BASE_SQL_H */
