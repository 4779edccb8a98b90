-- The same tables as dgen's, written to by plain statements.
CREATE TABLE bench_message (LIKE dgen.message INCLUDING ALL);
CREATE SEQUENCE bench_message_seq;
CREATE TABLE bench_actor (LIKE dgen.actor INCLUDING ALL) WITH (fillfactor = 70);
CREATE SEQUENCE bench_version_seq;
