-- The extension, and a role for the example. To be run by a superuser; all the rest is
-- done as the role "commits", which has no more rights than its actors need.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS dgen;

-- LOGIN, because the workers of its actor types connect as the role.
SELECT 'CREATE ROLE commits LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'commits') \gexec

GRANT CREATE ON DATABASE :"DBNAME" TO commits;
GRANT USAGE ON SCHEMA dgen TO commits;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type, dgen.drop_actor_type TO commits;
