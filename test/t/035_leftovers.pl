# What turns leave in the session of an in-database worker: nothing that runs in its COMMIT, in
# the next turn or later, and whatever tries fails alone. (dgen.call: test/sql/leftovers.sql.)
#
# The safety-net look is put off for a day, and batches may take long: what is claimed together
# commits together.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('leftovers');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	dgen.batch_duration = 60000});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

# The statements of the message, and those of its member "locked" in a locked part.
sql(q{
	CREATE EXTENSION dgen;
	CREATE ROLE shop LOGIN;
	CREATE SCHEMA shop AUTHORIZATION shop;
	GRANT USAGE ON SCHEMA dgen TO shop;
	GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
	SET ROLE shop;
	SET search_path = shop, pg_temp;
	CREATE TABLE parent (id integer PRIMARY KEY);
	CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE log (n serial, who name, what text);
	CREATE TABLE again (i integer);
	CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO log (who, what) VALUES (current_user, 'again ' || NEW.i);
		IF NEW.i < 3 THEN
			SET CONSTRAINTS ALL DEFERRED;
			INSERT INTO again VALUES (NEW.i + 1);
		ELSIF NEW.i > 3 THEN
			PERFORM pg_sleep(180);
		END IF;
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER again AFTER INSERT ON again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION again();
	CREATE FUNCTION run(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	DECLARE
		statement text;
	BEGIN
		IF message ? 'act' AND ctx.kind = 'cast' THEN
			PERFORM dgen.act('run', message -> 'act');
			RETURN dgen.noreply();
		END IF;
		FOR statement IN SELECT * FROM jsonb_array_elements_text(message -> CASE ctx.kind WHEN 'locked' THEN 'locked' ELSE 'run' END) LOOP
			EXECUTE statement;
		END LOOP;
		IF ctx.kind IN ('action', 'reply') THEN
			RETURN dgen.noreply();
		END IF;
		IF message ? 'locked' AND ctx.kind <> 'locked' THEN
			RETURN dgen.lock();
		END IF;
		RETURN dgen.noreply(jsonb_build_object('n', COALESCE((state ->> 'n')::integer, 0) + 1));
	END $$;
	SELECT dgen.create_actor_type('runner', 'run', handle_actions => true, max_attempts => 2, backoff => '1 ms', max_backoff => '1 ms',
		turn_timeout => '60 s', lock_timeout => '60 s');
	RESET ROLE;
	SELECT dgen.start_workers(1);});

sub json {
	return '[' . join(', ', map { qq("$_") } @_) . ']';
}

sub cast_run {
	my ($key, @statements) = @_;
	my $run = json(@statements) =~ s/'/''/gr;
	sql(qq{SELECT dgen.cast('runner', '$key', '{"run": $run}')});
}

# Nothing waits, so that what comes next is claimed in one batch once the type goes on.
sub in_one_batch {
	my ($send) = @_;
	becomes('SELECT count(*) FROM dgen.messages', '0', 'mailboxes are empty');
	sql(q{SELECT dgen.pause('runner')});
	$send->();
	sql(q{SELECT dgen.resume('runner')});
}

my $LOCKS = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid IN (1, 2)};

sub dead_letters {
	my $letters = sql(q{SELECT string_agg(concat_ws(' ', actor_key, attempts, sqlstate, error), '; ') FROM dgen.dead_letters});
	sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});
	return $letters;
}

# One bad turn between good ones of other actors, in one batch.
sub fails_alone {
	my ($name, $error, @statements) = @_;
	in_one_batch(sub {
		cast_run("$name-a");
		cast_run('bad', @statements);
		cast_run("$name-z");
	});
	becomes('SELECT count(*) FROM dgen.messages', '0', "$name: all are handled");
	like(dead_letters(), qr/^bad 2 $error$/, "$name: the turn has failed, and says why");
	is(sql(qq{SELECT count(*) FROM dgen.actors WHERE actor_type = 'runner' AND actor_key LIKE '$name-%' AND state = '{"n": 1}'}), '2', "$name: others committed");
	is(sql($LOCKS), '0', "$name: no lock is left");
}

sub test_kinds {
	# COMMIT would run the cursor's query: nobody would be charged for it, and no timeout count.
	fails_alone('held', 'ZD047 handler shop.run left cursor "c" WITH HOLD', q{DECLARE c CURSOR WITH HOLD FOR SELECT pg_sleep(180)});
	fails_alone('broken', 'ZD047 handler shop.run left cursor "c" WITH HOLD', q{DECLARE c CURSOR WITH HOLD FOR SELECT 1 / (random() < 0)::integer});
	fails_alone('temporary', 'ZD047 handler shop.run left temporary table t', q{CREATE TEMPORARY TABLE t (i integer) ON COMMIT DROP});
	fails_alone('function', 'ZD047 handler shop.run left temporary function .*', q{CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'});
	fails_alone('prepare', 'ZD047 PREPARE cannot be used inside a handler', q{PREPARE p AS SELECT 1});
	fails_alone('listen', 'ZD047 LISTEN cannot be used inside a handler', q{LISTEN l});
	fails_alone('lock', 'ZD047 handler shop.run left advisory lock 7 of the session', q{SELECT pg_advisory_lock(7)});
	fails_alone('error', '22012 division by zero', q{SELECT pg_advisory_lock(8)}, q{SELECT 1 / 0});
}

sub test_deferred {
	sql(q{TRUNCATE shop.log});
	cast_run('d', q{INSERT INTO again VALUES (1)});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'a trigger that defers itself again is handled');
	is(sql(q{SELECT string_agg(concat(who, ' ', what), ', ' ORDER BY n) FROM shop.log}), 'shop again 1, shop again 2, shop again 3', 'to its end, as the owner');
	sql(q{SELECT dgen.alter_actor_type('runner', turn_timeout => '100 ms')});
	fails_alone('slow', 'ZD041 turn of actor type "runner" took longer than its turn_timeout of 100 ms', q{INSERT INTO again VALUES (4)});
	sql(q{SELECT dgen.alter_actor_type('runner', turn_timeout => '60 s')});
}

# Each of these would fail if it found what the turn before it has left, and has one attempt.
sub test_next_turn {
	sql(q{SELECT dgen.alter_actor_type('runner', max_attempts => 1)});
	in_one_batch(sub {
		cast_run('n', q{SET CONSTRAINTS ALL IMMEDIATE});
		cast_run('n', q{INSERT INTO child VALUES (1)}, q{INSERT INTO parent VALUES (1)});
		cast_run('m', q{SET CONSTRAINTS ALL IMMEDIATE});
		cast_run('m', q{INSERT INTO child VALUES (2)}, q{INSERT INTO parent VALUES (2)});
	});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'modes of constraints: all are handled');
	is(dead_letters(), '', 'those of one turn are not those of the next');
	in_one_batch(sub {
		cast_run('n', q{DECLARE c CURSOR FOR SELECT 1}, q{SELECT lo_open(lo_create(0), 131072)}, q{CREATE TEMPORARY TABLE t (i integer)}, q{DROP TABLE t});
		cast_run('n', q{DECLARE c CURSOR FOR SELECT 2}, q{SELECT 1 / (lo_open(lo_create(0), 131072) = 0)::integer}, q{CREATE TEMPORARY TABLE t (i integer)}, q{DROP TABLE t});
	});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'cursors, large objects, temporary tables: all are handled');
	is(dead_letters(), '', 'what is open or temporary is gone before the next turn');
}

# The same one by one, after a turn that failed.
sub test_next_turn_alone {
	in_one_batch(sub {
		cast_run('bad', q{SELECT 1 / 0});
		cast_run("n$_", q{SET CONSTRAINTS ALL IMMEDIATE}) for 11 .. 18;
		cast_run("m$_", qq{INSERT INTO child VALUES ($_)}, qq{INSERT INTO parent VALUES ($_)}) for 11 .. 18;
	});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'alone: all are handled');
	is(dead_letters(), 'bad 1 22012 division by zero', 'alone, too, modes are not those of the next turn');
	sql(q{SELECT dgen.alter_actor_type('runner', max_attempts => 2)});
}

sub test_locked_parts {
	for my $case ([ 'SELECT pg_advisory_lock(7)', 'left advisory lock 7 of the session' ], [ 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'left cursor "c" WITH HOLD' ],
		[ 'CREATE TEMPORARY TABLE t (i integer)', 'left temporary table t' ]) {
		sql(qq{SELECT dgen.cast('runner', 'l', '{"run": [], "locked": ["$case->[0]"]}')});
		becomes('SELECT count(*) FROM dgen.messages', '0', 'a locked part is over');
		is(dead_letters(), "l 2 ZD047 handler shop.run $case->[1]", 'and has failed');
		is(sql($LOCKS), '0', 'and no lock is left');
	}
}

sub test_actions {
	sql(q{SELECT dgen.cast('runner', 'x', '{"act": {"run": ["CREATE TEMPORARY TABLE t (i integer)"]}}')});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'an action is over');
	is(dead_letters(), 'x 2 ZD047 handler shop.run left temporary table t', 'and has failed');
	sql(q{SELECT dgen.cast('runner', 'x', '{"act": {"run": ["SELECT pg_advisory_lock(7)"]}}')});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'another one is over');
	is(dead_letters(), 'x 2 ZD047 handler shop.run left advisory lock 7 of the session', 'and has failed');
	is(sql($LOCKS), '0', 'and no lock is left');
}

test_kinds();
test_deferred();
test_next_turn();
test_next_turn_alone();
test_locked_parts();
test_actions();

is(sql(q{SELECT count(*) FROM dgen.workers WHERE kind = 'in-database'}), '1', 'the worker works');
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|ERROR|own a lock/, 'nothing went wrong outside of turns');
done_testing();
