# Whoever follows dgen's tables by triggers misses nothing: copies that log triggers keep are equal
# to the tables after work of every kind, inside and outside, and pg_repack, which works that way,
# loses nothing under load.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('followed');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nmax_worker_processes = 20\ndgen.safety_net_interval = 1\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub idle {
	my ($name) = @_;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.message}), $name);
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE TABLE done (id bigint PRIMARY KEY);
	CREATE FUNCTION act(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	DECLARE
		n integer := COALESCE((state->>'n')::integer, 0) + 1;
	BEGIN
		CASE message->>'op'
			WHEN 'raise' THEN RAISE EXCEPTION 'no';
			WHEN 'once' THEN IF ctx.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
			WHEN 'destroy' THEN RETURN dgen.destroy();
			WHEN 'lock' THEN IF ctx.kind <> 'locked' THEN RETURN dgen.lock(); END IF;
			WHEN 'forward' THEN PERFORM dgen.cast('inside', ctx.actor_key || 'f', '{}', delay => '10 ms');
			WHEN 'ask' THEN PERFORM dgen.request('inside', 'asked', '{}', reply_to => ctx);
			WHEN 'action' THEN PERFORM dgen.cast_many('inside', ARRAY['x', 'y'], ARRAY['{}', '{}']::jsonb[]);
			ELSE NULL;
		END CASE;
		INSERT INTO public.done VALUES (ctx.message_id);
		RETURN CASE ctx.kind WHEN 'call' THEN dgen.reply('1', jsonb_build_object('n', n)) ELSE dgen.noreply(jsonb_build_object('n', n)) END;
	END $$;
	SELECT dgen.create_actor_type('inside', 'act', max_attempts => 2, backoff => '10 ms');
	SELECT dgen.create_actor_type('outside');
	SELECT dgen.start_workers(2);});

# ---- copies kept by triggers ----

my @tables = qw(message delayed_message actor locked failed_attempt dead_letter request idempotency_key);

sql(q{
	CREATE SCHEMA copy;
	CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		gone integer := 1;
	BEGIN
		IF TG_OP <> 'INSERT' THEN
			EXECUTE format('DELETE FROM copy.%I c WHERE c = $1::dgen.%I::text', TG_TABLE_NAME, TG_TABLE_NAME) USING OLD;
			GET DIAGNOSTICS gone = ROW_COUNT;
		END IF;
		IF gone <> 1 THEN RAISE EXCEPTION 'the copy of % lacks %', TG_TABLE_NAME, OLD; END IF;
		IF TG_OP <> 'DELETE' THEN
			EXECUTE format('INSERT INTO copy.%I SELECT $1::dgen.%I::text', TG_TABLE_NAME, TG_TABLE_NAME) USING NEW;
		END IF;
		RETURN NULL;
	END $$;});
sql(qq{
	CREATE TABLE copy.$_ (c text);
	CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON dgen.$_ FOR EACH ROW EXECUTE FUNCTION follow();})
	for @tables;

sub copies_are_equal {
	my ($name) = @_;
	is(sql(join ' UNION ALL ', map {
		qq{SELECT '$_: ' || t FROM ((SELECT d::text AS t FROM dgen.$_ d EXCEPT ALL SELECT c FROM copy.$_) UNION ALL (SELECT c FROM copy.$_ EXCEPT ALL SELECT d::text FROM dgen.$_ d)) AS x}
	} @tables), '', $name);
}

sql(qq{SELECT dgen.cast('inside', 'k' || i, '{"op": "$_"}') FROM generate_series(1, 20) AS i})
	for qw(plain raise once lock forward ask action plain destroy plain);
sql(q{SELECT dgen.cast('inside', 'k', idempotency_key => 'once'), dgen.request('inside', 'k', idempotency_key => 'kept')});
sql(q{SELECT dgen.call('inside', 'called', '{}') FROM generate_series(1, 3)});
idle('all is handled, with triggers on every table');
ok($node->poll_query_until('postgres', q{SELECT (SELECT count(*) FROM dgen.locked) + (SELECT count(*) FROM dgen.delayed_message) = 0}),
	'what was locked or delayed, too');
copies_are_equal('in-database workers: the copies have what the tables have');
is(sql('SELECT count(*) FROM dgen.dead_letter'), 20, 'dead letters among it');

sql(q{
	SET dgen.batch_duration = '1 min';
	SELECT dgen.cast('outside', 'o' || i, '{}') FROM generate_series(1, 20) AS i;
	SELECT dgen.request('outside', 'r', '{}');
	SELECT dgen.attach('worker', ARRAY['outside']);
	BEGIN;
	SELECT dgen.claim();
	SELECT dgen.receipt(1);
	SELECT dgen.commit_turns(array_agg(1), array_agg('{"s": 1}'::jsonb)) FROM generate_series(1, 21);
	COMMIT;});
idle('a client has handled its batch');
copies_are_equal('a client of the protocol: the same');
sql(q{SELECT dgen.reset('inside', 'k1'), dgen.delete_actor('inside', 'k2'), dgen.redrive(message_id) FROM (SELECT message_id FROM dgen.dead_letter LIMIT 1) AS l});
idle('operated');
copies_are_equal('operating functions: the same');
sql("DROP TRIGGER follow ON dgen.$_") for @tables;

# ---- pg_repack ----

SKIP: {
	skip 'pg_repack is not installed', 4
		unless sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'}) && IPC::Run::run(['pg_repack', '--version'], '>', \my $version);

	sql(q{
		CREATE EXTENSION pg_repack;
		CREATE TABLE sent (id bigint PRIMARY KEY);
		TRUNCATE done;});
	$node->poll_query_until('postgres', q{SELECT count(dgen.delete_actor('inside', actor_key)) >= 0 FROM dgen.actors WHERE actor_type = 'inside'});
	my $script = PostgreSQL::Test::Utils::tempdir() . '/send.sql';
	append_to_file($script, "\\set k random(1, 50)\nINSERT INTO sent SELECT dgen.cast('inside', 'k' || (:k + i), '{}') FROM generate_series(1, 5) AS i;\n");
	my $load = IPC::Run::start(
		['pgbench', '-n', '-f', $script, '-c', 2, '-T', 60, '-h', $node->host, '-p', $node->port, 'postgres'],
		'>', \my $out, '2>', \my $err);

	$node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM done') or die "no load: $err";
	for my $table ('dgen.actor', 'dgen.message') {
		command_ok(['pg_repack', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-t', $table], "pg_repack of $table under load");
	}
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO sent SELECT%'});
	IPC::Run::finish($load);
	idle('all that was sent is handled');
	is(sql(q{SELECT (SELECT count(*) FROM sent) = (SELECT count(*) FROM done)
			AND (SELECT count(*) FROM done) = (SELECT sum((state->>'n')::integer) FROM dgen.actor a JOIN dgen.actor_type t ON t.id = a.type_id WHERE t.name = 'inside')}),
		't', 'each message once, and each state is of all of them');
}

$node->stop;
done_testing();
