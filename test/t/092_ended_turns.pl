# A handler in the database that ends its own session, again and again, is blamed for it like a
# callback that takes its process along. A worker that somebody else ends is not.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ended_turns');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF ctx.kind = 'cast' AND message ? 'lock' THEN
			RETURN dgen.lock();
		ELSIF ctx.kind = 'locked' AND message = '{"lock": "end"}' THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		ELSIF ctx.kind = 'locked' AND message = '{"lock": "wait"}' THEN
			PERFORM pg_advisory_xact_lock(1);
		ELSIF ctx.kind = 'cast' AND message ? 'act' THEN
			PERFORM dgen.act('end', message -> 'act');
		ELSIF message = '"end"' THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		ELSIF message = '"wait"' THEN
			PERFORM pg_advisory_xact_lock(1);
		END IF;
		RETURN dgen.noreply();
	END $$;
	SELECT dgen.create_actor_type('job', 'work', max_attempts => 2, backoff => '1 ms', max_backoff => '1 ms',
		turn_timeout => '10 min', handle_actions => true);
	SELECT dgen.start_workers(2);});
becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'the workers work');

my $dead = q{SELECT string_agg(concat_ws(' ', actor_key, message, attempts, sqlstate), ', ') FROM dgen.dead_letters};
my $waiting = q{SELECT count(*) FROM dgen.messages};

# ---- a turn ----

sql(q{BEGIN;
	SELECT dgen.cast('job', 'k' || i, to_jsonb(i)) FROM generate_series(1, 40) i;
	SELECT dgen.cast('job', 'k7', '"end"');
	SELECT dgen.cast('job', 'k7', '"behind"');
	COMMIT});
becomes($waiting, 0, q{everything is handled});
is(sql($dead), 'k7 "end" 2 ZD042', 'the message that ends its session is a dead letter, and no other one');

# ---- an action ----

sql(q{SELECT dgen.cast('job', 'a', '{"act": "end"}')});
becomes($waiting, 0, 'an action is done with');
is(sql("$dead WHERE actor_key = 'a'"), 'a "end" 2 ZD042', 'one that ends its session is a dead letter');

# ---- a locked part ----

sql(q{SELECT dgen.cast('job', 'l', m) FROM unnest('{"{\"lock\": \"end\"}", "\"behind\""}'::jsonb[]) m});
becomes($waiting, 0, 'a locked part is done with');
is(sql("$dead WHERE actor_key = 'l'"), 'l {"lock": "end"} 2 ZD042', 'one that ends its session is a dead letter, and what waits behind it is handled');

# ---- somebody else ends the session ----

my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
my $id = sql(q{SELECT dgen.cast('job', 'w', '"wait"')});
my $waits = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1};
becomes($waits, 1, 'a turn waits');
sql(q{SELECT pg_terminate_backend(pid, 100000) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1});
becomes($waits, 1, 'and again, when its worker was ended');
is(sql(qq{SELECT attempts FROM dgen.messages WHERE message_id = $id}), 0, 'no attempt is counted');
$holder->quit;
becomes($waiting, 0, 'it is handled');
is(sql("$dead WHERE actor_key = 'w'"), '', 'and is no dead letter');

$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
$id = sql(q{SELECT dgen.cast('job', 'w', '{"lock": "wait"}')});
for my $end ('first', 'second') {
	becomes($waits, 1, "a locked part waits: the $end end");
	sql(q{SELECT pg_terminate_backend(pid, 100000) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1});
}
becomes($waits, 1, 'and again');
is(sql(qq{SELECT attempts FROM dgen.messages WHERE message_id = $id}), 0, 'no attempt of it is counted');
$holder->quit;
becomes($waiting, 0, 'it is handled');
is(sql("$dead WHERE actor_key = 'w'"), '', 'and is no dead letter');

$node->stop;
done_testing();
