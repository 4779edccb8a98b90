-- The way in: a chunk of raw lines becomes rows of commits.event and messages to
-- the actors of the files, in one transaction; bad lines are set aside with a reason.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS commits;

-- What was read, as it was read. The actors do not need it; check.sql adds it up
-- with plain SQL and compares.
CREATE TABLE IF NOT EXISTS commits.event (
	line    bigint NOT NULL,            -- 1 is the first line of the input
	ts      bigint NOT NULL,            -- seconds since 1970
	repo    text   COLLATE "C" NOT NULL,
	file    text   COLLATE "C" NOT NULL,
	author  text   COLLATE "C" NOT NULL,
	added   bigint NOT NULL,
	deleted bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS commits.bad_line (
	line    bigint NOT NULL,
	reason  text   NOT NULL,
	excerpt text   NOT NULL
);

-- A short piece of text that is safe to print on a terminal.
CREATE OR REPLACE FUNCTION commits.printable(value text, length integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(left(value, length), '[\u0001-\u001f\u007f-\u009f]', '?', 'g')
	       || CASE WHEN length(value) > length THEN '...' ELSE '' END
$$;

-- The event in a line, or the reason why there is none.
CREATE OR REPLACE FUNCTION commits.read_line(raw bytea, OUT event jsonb, OUT reason text)
LANGUAGE plpgsql AS $$
DECLARE
	name   text;
	detail text;
BEGIN
	IF length(raw) > 65536 THEN
		reason := 'longer than 65,536 bytes';
		RETURN;
	ELSIF btrim(raw, '\x20090d') = '' THEN
		reason := 'empty line';
		RETURN;
	END IF;

	event := convert_from(raw, 'UTF8')::jsonb;

	IF jsonb_typeof(event) <> 'object' THEN
		reason := 'not a JSON object';
		RETURN;
	END IF;
	FOREACH name IN ARRAY ARRAY['repo', 'file', 'author'] LOOP
		CONTINUE WHEN jsonb_typeof(event -> name) = 'string' AND event ->> name <> '';
		reason := CASE WHEN event ? name
		               THEN format('"%s" is not a non-empty text: %s',
		                           name, commits.printable((event -> name)::text, 30))
		               ELSE format('"%s" is missing', name) END;
		RETURN;
	END LOOP;
	-- Twelve digits: any sum of them that can be reached fits a bigint.
	FOREACH name IN ARRAY ARRAY['ts', 'added', 'deleted'] LOOP
		CONTINUE WHEN jsonb_typeof(event -> name) = 'number' AND event ->> name ~ '^\d{1,12}$';
		reason := CASE WHEN event ? name
		               THEN format('"%s" is not a whole number from 0 to 999,999,999,999: %s',
		                           name, commits.printable((event -> name)::text, 30))
		               ELSE format('"%s" is missing', name) END;
		RETURN;
	END LOOP;
	-- They become the keys of actors.
	IF octet_length(event ->> 'repo') + 1 + octet_length(event ->> 'file') > 512 THEN
		reason := '"repo" and "file" together are longer than 511 bytes';
	ELSIF octet_length(event ->> 'author') > 512 THEN
		reason := '"author" is longer than 512 bytes';
	END IF;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
	-- Invalid UTF-8, a NUL, invalid JSON, \u0000, a number or a nesting beyond all limits.
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	reason := CASE SQLSTATE WHEN '22P02' THEN 'not JSON'
	                        WHEN '22021' THEN 'not UTF-8'
	                        ELSE SQLERRM END
	          || coalesce(': ' || commits.printable(nullif(detail, ''), 60), '');
END
$$;

-- Takes lines first_line, first_line + 1 and so on; returns the bad ones. The events,
-- the messages and the bad lines of one call commit together.
CREATE OR REPLACE FUNCTION commits.take_lines(first_line bigint, lines bytea[])
RETURNS SETOF commits.bad_line
LANGUAGE plpgsql AS $$
DECLARE
	sent bigint;
	bad  commits.bad_line[];
BEGIN
	WITH taken AS MATERIALIZED (
		SELECT first_line + position - 1 AS line, raw, l.event, l.reason
		FROM unnest(lines) WITH ORDINALITY AS u(raw, position), commits.read_line(raw) AS l
	), kept AS (
		INSERT INTO commits.event
		SELECT line, (event ->> 'ts')::bigint, event ->> 'repo', event ->> 'file', event ->> 'author',
		       (event ->> 'added')::bigint, (event ->> 'deleted')::bigint
		FROM taken WHERE reason IS NULL
		RETURNING *
	), refused AS (
		INSERT INTO commits.bad_line
		SELECT line, reason,
		       commits.printable(replace(encode(substr(raw, 1, 200), 'escape'), '\\', '\'), 60)
		FROM taken WHERE reason IS NOT NULL
		RETURNING *
	)
	SELECT dgen.cast_many('file',
		coalesce(array_agg(repo || '/' || file ORDER BY line), '{}'),
		coalesce(array_agg(jsonb_build_object('ts', ts, 'author', author,
			'added', added, 'deleted', deleted) ORDER BY line), '{}')),
		(SELECT array_agg(r ORDER BY r.line) FROM refused AS r)
	INTO sent, bad
	FROM kept;

	RETURN QUERY SELECT * FROM unnest(bad);
END
$$;

-- Where an interrupted load goes on. Good as long as the tables hold one input only.
CREATE OR REPLACE FUNCTION commits.last_line() RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT coalesce(greatest((SELECT max(line) FROM commits.event),
	                         (SELECT max(line) FROM commits.bad_line)), 0)
$$;

-- How many events went all the way: through the actor of the file to that of the author.
CREATE OR REPLACE FUNCTION commits.handled() RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT coalesce(sum((state ->> 'changes')::bigint), 0)::bigint
	FROM dgen.actors WHERE actor_type = 'author'
$$;
