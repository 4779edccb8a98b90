# Publications of all tables. Without a subscriber nothing fails. With one, handled messages go
# there, too, and when it takes over (the way to another version of PostgreSQL) each message is
# handled once and nothing gets a number that is in use.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $settings = "shared_preload_libraries = 'dgen'\nmax_worker_processes = 20\ndgen.safety_net_interval = 1\n";
my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(allows_streaming => 'logical');
$old->append_conf('postgresql.conf', $settings);
$old->start;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', $settings);
$new->start;

my $handler = q{
	CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF message->>'op' = 'fail' THEN RETURN dgen.fail('no'); END IF;
		IF message->>'op' = 'raise' AND ctx.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
		RETURN dgen.reply('1', jsonb_build_object('n', coalesce((state->>'n')::integer, 0) + 1));
	END $$;};

$old->safe_psql('postgres', "CREATE EXTENSION dgen; $handler");
$old->safe_psql('postgres', q{
	SELECT dgen.create_actor_type('counter', 'count_up', backoff => '10 ms');
	SELECT dgen.create_actor_type('external');
	CREATE PUBLICATION everything FOR ALL TABLES});

# ---- the publisher ----

# Each table can tell which row was deleted.
is($old->safe_psql('postgres', q{
	SELECT string_agg(relname, ' ') FROM pg_class c
	WHERE relnamespace = 'dgen'::regnamespace AND relkind = 'r' AND relreplident <> 'f' AND NOT EXISTS (
		SELECT FROM pg_index i WHERE i.indrelid = c.oid AND CASE relreplident WHEN 'd' THEN indisprimary ELSE indisreplident END)}),
	'', 'every table has a replica identity');

sub handled {
	my ($node) = @_;
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.messages WHERE actor_type = 'counter'}) or die 'not handled';
}

sub work {
	my ($node) = @_;
	$node->safe_psql('postgres', q{SELECT dgen.start_workers(2)});
	$node->safe_psql('postgres', $_) for (
		q{SELECT dgen.cast('counter', 'k' || i % 5, '{}') FROM generate_series(1, 100) AS i},
		q{SELECT dgen.cast('counter', 'raising', '{"op": "raise"}')},
		q{SELECT dgen.cast('counter', 'dead', '{"op": "fail"}')},
		q{SELECT dgen.call('counter', 'called', '{}')},
		q{CALL dgen.ask('counter', 'asked', '{}')});
	handled($node);
}

work($old);
$old->safe_psql('postgres', $_) for (
	q{SELECT dgen.pause('counter', 'k1')}, q{SELECT dgen.resume('counter', 'k1')},
	q{SELECT dgen.reset('counter', 'k1')}, q{SELECT dgen.redrive(message_id) FROM dgen.dead_letter},
	q{SELECT dgen.grant_send('counter', '-')}, q{SELECT dgen.revoke_send('counter', '-')},
	q{SELECT dgen.alter_actor_type('counter', max_attempts => 4)}, q{SELECT dgen.adopt_database()},
	q{SELECT dgen.cast('external', 'x')}, q{SELECT dgen.delete_actor('external', 'x')});
handled($old);
pass('with a publication of all tables everything works');

# What the server's executor refuses is refused here.
$old->safe_psql('postgres', 'SELECT dgen.stop_workers(); ALTER TABLE dgen.message REPLICA IDENTITY NOTHING');
my ($status, $out, $err) = $old->psql('postgres', q{SELECT dgen.cast('counter', 'k1', '{}'); SELECT dgen.call('counter', 'k1', '{}')});
like($err, qr/cannot delete from table "message" because it does not have a replica identity and publishes deletes/,
	'without a replica identity no message is handled');
$old->safe_psql('postgres', 'ALTER TABLE dgen.message REPLICA IDENTITY FULL');
$old->safe_psql('postgres', q{SELECT dgen.call('counter', 'k1', '{}')});
handled($old);
pass('with another one it is');
$old->safe_psql('postgres', 'ALTER TABLE dgen.message REPLICA IDENTITY USING INDEX message_order');

# Nor is it the fault of any message, with a trigger on the table or without.
for my $trigger ('', q{CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE TRIGGER nothing AFTER UPDATE ON dgen.actor FOR EACH ROW EXECUTE FUNCTION nothing()}) {
	my $with = $trigger ? 'with a trigger' : 'without triggers';
	my $handled = q{SELECT state->>'n' FROM dgen.actor WHERE actor_key = 'k1'};
	my $before = $old->safe_psql('postgres', $handled);
	$old->safe_psql('postgres', "CREATE PUBLICATION narrow FOR TABLE dgen.actor (actor_key); $trigger");
	($status, $out, $err) = $old->psql('postgres', q{\set VERBOSITY verbose
		SELECT dgen.call('counter', 'k1', '{}')});
	like($err, qr/ZD039: .*cannot update table "actor".*Column list.*HINT: .*Publish all columns/s, "a column list that is too short is named, $with");
	$old->safe_psql('postgres', q{SELECT dgen.cast('counter', 'k1', '{}'); SELECT dgen.start_workers(1)});
	$old->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.failed_attempt WHERE actor_key = 'k1'}) or die 'did not fail';
	$old->safe_psql('postgres', 'SELECT dgen.stop_workers()');
	is($old->safe_psql('postgres', q{SELECT attempts, sqlstate FROM dgen.failed_attempt WHERE actor_key = 'k1'}), '0|ZD039', "no attempt is counted, $with");
	$old->safe_psql('postgres', 'DROP PUBLICATION narrow; SELECT dgen.start_workers(1)');
	handled($old);
	is($old->safe_psql('postgres', $handled), $before + 1, "and the message is handled without the publication, $with");
	$old->safe_psql('postgres', 'SELECT dgen.stop_workers()');
}
$old->safe_psql('postgres', 'DROP FUNCTION nothing() CASCADE');

# ---- a subscriber ----

$new->safe_psql('postgres', 'CREATE EXTENSION dgen; ' . $handler);
$old->safe_psql('postgres', q{SELECT dgen.cast('external', 'waits' || i, '{}') FROM generate_series(1, 10) AS i});
my $connection = $old->connstr('postgres');
$new->safe_psql('postgres', "CREATE SUBSCRIPTION follow CONNECTION \$\$$connection\$\$ PUBLICATION everything");
$new->wait_for_subscription_sync($old, 'follow');
work($old);
$old->wait_for_catchup('follow');

my $contents = q{
	SELECT (SELECT count(*) FROM dgen.message), (SELECT count(*) FROM dgen.failed_attempt),
		(SELECT count(*) FROM dgen.dead_letter), (SELECT sum((state->>'n')::integer) FROM dgen.actor)};
is($new->safe_psql('postgres', $contents), $old->safe_psql('postgres', $contents), 'handled messages are gone at the subscriber');
is($new->safe_psql('postgres', q{SELECT dgen.start_workers(1)}), 1, 'a worker there');
($status, $out, $err) = $new->psql('postgres', q{SELECT dgen.attach('w', ARRAY['external']); BEGIN; SELECT dgen.claim()});
like($err, qr/were restored from a copy of another one/, 'handles nothing: it is not adopted');

# Sessions have its own one in use, perhaps.
is($new->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE secret = $$' . $old->safe_psql('postgres', 'SELECT secret FROM dgen.lock_secret') . '$$) FROM dgen.lock_secret'),
	'1|0', 'the secret of its locks is its own');

# ---- the subscriber takes over ----

$old->safe_psql('postgres', q{SELECT dgen.stop_workers()});
$old->safe_psql('postgres', q{SELECT dgen.cast('counter', 'k' || i % 5, '{}') FROM generate_series(1, 50) AS i});
my $sum = $old->safe_psql('postgres', q{SELECT sum((state->>'n')::integer) + 50 FROM dgen.actor});
$old->wait_for_catchup('follow');
$new->safe_psql('postgres', 'DROP SUBSCRIPTION follow');
is($new->safe_psql('postgres', 'SELECT dgen.adopt_database(), (SELECT last_value FROM dgen.message_seq) = (SELECT max(seq) FROM dgen.message)'), '|t',
	'adopted, the sequence is as high as the messages');
is($new->safe_psql('postgres', q{
	SELECT (SELECT last_value FROM dgen.version_seq) >= (SELECT max(version) FROM dgen.actor),
		(SELECT last_value FROM dgen.actor_type_id_seq) = (SELECT max(id) FROM dgen.actor_type),
		(SELECT last_value FROM dgen.worker_id_seq) >= (SELECT coalesce(max(id), 1) FROM dgen.worker)}), 't|t|t', 'and so are the others');
ok($new->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.messages WHERE actor_type = 'counter'}), 'what waited is handled');
is($new->safe_psql('postgres', q{SELECT sum((state->>'n')::integer) FROM dgen.actor}), $sum, 'each message once');
work($new);
is($new->safe_psql('postgres', q{SELECT dgen.create_actor_type('another'); SELECT count(*), count(DISTINCT id) FROM dgen.actor_type}), "\n3|3", 'types are numbered on');
is($new->safe_psql('postgres', q{SELECT count(*) FROM dgen.message}), 10, 'messages of external types are all there');

$old->stop;
$new->stop;
done_testing();
