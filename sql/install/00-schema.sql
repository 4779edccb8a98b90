-- The schema itself is made by CREATE EXTENSION (dgen.control names it). Nothing in
-- it is granted to PUBLIC; dgen.grant_send and its sisters grant USAGE.
COMMENT ON SCHEMA dgen IS 'durable actors';
REVOKE ALL ON SCHEMA dgen FROM PUBLIC;
