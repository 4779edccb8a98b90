-- The two actor types. A commit that changed a file is a message to the actor of the
-- file, which counts it and passes it on to the actor of the author:
--
--     load --cast--> file 'redis/src/server.c' --cast--> author 'a1b334f89'
--
-- The counting, the message onward and the removal of the handled message commit in
-- one transaction, so every event is counted exactly once in both places.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS commits;

-- A file: how often it was changed, how many lines were added and deleted, and how
-- often each author changed it.
--
--   message  {"ts": 1274195469, "author": "a1b334f89", "added": 53, "deleted": 0}
--   state    {"changes": 1, "added": 53, "deleted": 0, "by": {"a1b334f89": 1}}
CREATE OR REPLACE FUNCTION commits.file(ctx dgen.context, state jsonb, message jsonb)
RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	author    text   := message ->> 'author';
	by_author bigint := coalesce((state -> 'by' ->> author)::bigint, 0) + 1;
BEGIN
	PERFORM dgen.cast('author', author, jsonb_build_object(
		'file',    ctx.actor_key,
		'changes', by_author,
		'ts',      message -> 'ts',
		'added',   message -> 'added',
		'deleted', message -> 'deleted'));

	RETURN dgen.noreply(jsonb_build_object(
		'changes', (state ->> 'changes')::bigint + 1,
		'added',   (state ->> 'added')::bigint + (message ->> 'added')::bigint,
		'deleted', (state ->> 'deleted')::bigint + (message ->> 'deleted')::bigint,
		'by',      (state -> 'by') || jsonb_build_object(author, by_author)));
END
$$;

-- An author: totals, first and last activity, and the three files that this author
-- changed most often (a tie goes to the name that sorts first).
--
--   message  {"file": "redis/src/server.c", "changes": 7, "ts": ..., "added": ..., "deleted": ...}
--   state    {"changes": 9, "added": 80, "deleted": 12, "first": 1274195469, "last": 1274199999,
--             "top": [{"file": "redis/src/server.c", "changes": 7}, ...]}
--
-- Some authors changed thousands of files, yet the three best are all that the state
-- keeps, because each message carries the file's own count of this author's changes.
-- That is exact:
--   - A file's messages to one author arrive in the order in which the file's turns
--     sent them, so the last count that arrived from a file is the present one, and
--     it is one more than the one before.
--   - A message therefore raises the count of one file and changes no other. A file
--     outside the best three has three above it; none of those can fall, so without a
--     message of its own it stays outside.
--   - Hence the new best three are among the old best three and the file of this
--     message, and of these four the present counts are known.
CREATE OR REPLACE FUNCTION commits.author(ctx dgen.context, state jsonb, message jsonb)
RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	ts  bigint := message ->> 'ts';
	top jsonb;
BEGIN
	SELECT jsonb_agg(entry ORDER BY place) INTO top
	FROM (SELECT entry, row_number() OVER (ORDER BY (entry ->> 'changes')::bigint DESC,
	                                                entry ->> 'file' COLLATE "C") AS place
	      FROM (SELECT entry FROM jsonb_array_elements(state -> 'top') AS entry
	            WHERE entry -> 'file' <> message -> 'file'
	            UNION ALL
	            SELECT jsonb_build_object('file', message -> 'file', 'changes', message -> 'changes')) AS four
	     ) AS ranked
	WHERE place <= 3;

	RETURN dgen.noreply(jsonb_build_object(
		'changes', (state ->> 'changes')::bigint + 1,
		'added',   (state ->> 'added')::bigint + (message ->> 'added')::bigint,
		'deleted', (state ->> 'deleted')::bigint + (message ->> 'deleted')::bigint,
		'first',   least((state ->> 'first')::bigint, ts),
		'last',    greatest((state ->> 'last')::bigint, ts),
		'top',     top));
END
$$;

SELECT dgen.create_actor_type('file', 'commits.file', replace => true,
	initial_state => '{"changes": 0, "added": 0, "deleted": 0, "by": {}}');
SELECT dgen.create_actor_type('author', 'commits.author', replace => true,
	initial_state => '{"changes": 0, "added": 0, "deleted": 0, "top": []}');
