-- The mailbox of a key is stored, and computed by other implementations too: it is
-- FNV-1a 64 over the UTF-8 bytes, then murmur3's 64-bit finalizer, and never changes.
--
-- The expected values were computed in Python:
--
--     x = 0xcbf29ce484222325
--     for byte in key.encode(): x = ((x ^ byte) * 0x100000001b3) % 2**64
--     x ^= x >> 33; x = x * 0xff51afd7ed558ccd % 2**64
--     x ^= x >> 33; x = x * 0xc4ceb9fe1a85ec53 % 2**64
--     x ^= x >> 33; mailbox = x - 2**64 if x >> 63 else x
\encoding UTF8
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

CREATE TEMP TABLE vector (n integer, key text, mailbox bigint);
INSERT INTO vector VALUES
	(1, '', -1166397803181037274),
	(2, 'a', -9033471704281723301),
	(3, 'ab', -2706157802063544860),
	(4, 'abc', 3741276987793851837),
	(5, 'A', -2732060393200856899),
	(6, ' ', 5756814179432351914),
	(7, E'a\tb', -6046656063867530167),
	(8, 'user-41', 772132108075932343),
	(9, 'user-42', -6659360640848290163),
	(10, 'cart/2024', -7899672030526039092),
	(11, 'é', -7109551338664069573),
	(12, U&'e\0301', 6569388756730345178),
	(13, 'ÅÄÖ', 2839503415675738354),
	(14, '日本語', -2227847310377299736),
	(15, '🛒', -1829286835319590847),
	(16, repeat('x', 511), 8683797112123195771),
	(17, repeat('x', 512), 5205244418137805162),
	(18, repeat('€', 170), -5793909247644621226);
SELECT n, octet_length(key) AS bytes, dgen.mailbox_of(key) AS got, mailbox AS expected
FROM vector WHERE dgen.mailbox_of(key) IS DISTINCT FROM mailbox ORDER BY n;
SELECT count(*) AS vectors, count(DISTINCT dgen.mailbox_of(key)) AS mailboxes FROM vector;

-- Long keys that arrive compressed or out of line hash like others.
CREATE TEMP TABLE stored (key text);
ALTER TABLE stored ALTER key SET STORAGE EXTERNAL;
INSERT INTO stored SELECT repeat('x', 512) || repeat('y', 9000);
UPDATE stored SET key = left(key, 512);
SELECT dgen.mailbox_of(key) = 5205244418137805162 AS same FROM stored;

SELECT dgen.mailbox_of(NULL);
SELECT provolatile, proparallel, proisstrict, proleakproof FROM pg_proc WHERE oid = 'dgen.mailbox_of'::regproc;

-- What is stored is what the function says.
SELECT dgen.create_actor_type('mailbox');
SELECT count(dgen.cast('mailbox', key)) FROM vector WHERE key <> '';
SELECT m.actor_key FROM dgen.message m WHERE m.mailbox <> dgen.mailbox_of(m.actor_key);
SELECT count(*) FROM dgen.message m JOIN vector v ON v.key = m.actor_key AND v.mailbox = m.mailbox;
SELECT dgen.drop_actor_type('mailbox', discard => true);

-- In a database with another encoding a key has the same mailbox.
\set database :DBNAME
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_dgen_latin1;
RESET client_min_messages;
CREATE DATABASE regress_dgen_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_dgen_latin1
\encoding UTF8
CREATE EXTENSION dgen;
SELECT octet_length('ÅÄÖ') AS bytes, dgen.mailbox_of('ÅÄÖ') = 2839503415675738354 AS same,
	dgen.mailbox_of('é') = -7109551338664069573 AS same, dgen.mailbox_of('user-42') = -6659360640848290163 AS same;
\c :database
DROP DATABASE regress_dgen_latin1;
