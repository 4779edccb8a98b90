# A type whose turns become slow, or fail slowly, does not hold up others: a batch of hundreds of
# its actors ends with the turn that took long, and the next one is small.
#
# What is counted is the slow turns begun until another type's message is handled, not time.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('slow');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	dgen.batch_duration = '20 ms'});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

# Its turns are short until `way` says otherwise; then each takes longer than a batch may, and is numbered.
sql(q{
	CREATE EXTENSION dgen;
	CREATE TABLE way (how text);
	INSERT INTO way VALUES ('short');
	CREATE SEQUENCE begun;
	CREATE FUNCTION slow(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	DECLARE
		how text := (SELECT how FROM way);
	BEGIN
		IF how = 'short' THEN RETURN dgen.noreply(); END IF;
		PERFORM nextval('begun');
		PERFORM pg_sleep(CASE how WHEN 'timeout' THEN 60 ELSE 0.05 END);
		CASE how
			WHEN 'raise' THEN RAISE 'the other system is away';
			WHEN 'fail' THEN RETURN dgen.fail('no');
			WHEN 'retry' THEN RETURN dgen.retry('1 hour');
			ELSE RETURN dgen.noreply();
		END CASE;
	END $$;
	CREATE FUNCTION other(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		RETURN dgen.noreply(jsonb_build_object('after', (SELECT last_value - 1 FROM begun)));
	END $$;});

# ---- in the database ----

for my $how (qw(raise fail retry timeout)) {
	sql(q{
		SELECT dgen.create_actor_type('slow', 'slow', turn_timeout => '200 ms', backoff => '1 min');
		SELECT dgen.create_actor_type('other', 'other');
		SELECT dgen.start_workers(1);
		SELECT count(dgen.cast('slow', 'k' || n)) FROM generate_series(1, 2000) n});
	becomes(q{SELECT count(*) FROM dgen.message}, 0, "$how: the turns are short, and so batches large");
	sql(qq{UPDATE way SET how = '$how'; SELECT setval('begun', 1)});
	sql(q{BEGIN; SELECT count(dgen.cast('slow', 'k' || n)) FROM generate_series(1, 60) n; SELECT dgen.cast('other', 'k'); COMMIT});
	becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_type = 'other'}, 0, "$how: another type's message is handled");
	cmp_ok(sql(q{SELECT dgen.state('other', 'k') -> 'after'}), '<=', 3, "$how: after a turn or two of those that are slow now");

	# One is all that a batch has of them soon, so that a turn is not run twice.
	becomes(q{SELECT last_value > 11 FROM begun}, 't', "$how: they go on");
	sql(q{SELECT dgen.stop_workers()});
	becomes(q{SELECT count(*) FROM dgen.workers}, 0, "$how: until the worker stops");
	is(sql(q{SELECT last_value - 1 - (SELECT count(*) FROM dgen.failed_attempt) - (SELECT count(*) FROM dgen.dead_letter) <= 2 FROM begun}), 't',
		"$how: each is run once");
	sql(q{
		UPDATE way SET how = 'short';
		SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type;
		DELETE FROM dgen.dead_letter});
}

# A turn that does not look for its cancel before it has returned has failed, and is not run for ever: nothing
# else meets that cancel.
sql(q{
	CREATE FUNCTION deaf(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
		SELECT dgen.noreply(jsonb_build_object('digits', length(div(repeat('7', message::int)::numeric, repeat('3', message::int / 2)::numeric)::text)))
	$$;
	SELECT dgen.create_actor_type('deaf', 'deaf', turn_timeout => '20 ms', max_attempts => 1);
	SELECT dgen.start_workers(1);
	SELECT dgen.cast('deaf', 'k', '120000')});
becomes(q{SELECT count(*) FROM dgen.messages}, 0, 'a turn that is deaf to its cancel comes to an end');
is(sql(q{SELECT attempts, sqlstate FROM dgen.dead_letters}), '1|ZD041', 'as a turn that took too long');
sql(q{SELECT dgen.stop_workers()});
becomes(q{SELECT count(*) FROM dgen.workers}, 0, 'the worker stops');
sql(q{SELECT dgen.drop_actor_type('deaf', discard => true)});

# ---- outside ----

# A claim takes what fits into dgen.batch_duration, by what turns took so far: also those that failed.
my $failed = sql(q{
	SELECT dgen.create_actor_type('outside');
	SELECT count(dgen.cast('outside', 'k' || n)) FROM generate_series(1, 60) n;
	SELECT 'attached' FROM dgen.attach('w', '{outside}');
	BEGIN;
	CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT actor FROM dgen.claim();
	SELECT count(*) > 1 FROM batch;
	SELECT pg_sleep(1);
	SELECT dgen.commit_turns(NULL, errors => (SELECT array_agg('late'::text) FROM batch));
	COMMIT;
	BEGIN;
	SELECT count(*) FROM dgen.claim();
	COMMIT;});
is((split /\n/, $failed)[-1], 1, 'outside of the database: when all turns have failed, slowly, the next batch is one turn');
like($failed, qr/^t$/m, 'and this one was more');

# What a batch did not come to, of another type, is what the next one begins with.
my $cut = sql(q{
	SELECT dgen.create_actor_type('rest'), dgen.create_actor_type('empty');
	SELECT 'attached' FROM dgen.attach('w', '{empty,outside,rest}');
	SELECT count(dgen.cast('rest', 'k' || n)) FROM generate_series(1, 2) n;
	BEGIN;
	CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT actor, actor_type FROM dgen.claim();
	SELECT 'first ' || actor_type FROM batch ORDER BY actor LIMIT 1;
	SELECT dgen.commit_turns((SELECT array_agg(CASE WHEN actor = 1 THEN 1 ELSE 0 END ORDER BY actor) FROM batch));
	COMMIT;
	BEGIN;
	SELECT 'next ' || actor_type FROM dgen.claim() ORDER BY actor LIMIT 1;
	COMMIT;});
my ($first) = $cut =~ /^first (\w+)/m;
my ($next) = $cut =~ /^next (\w+)/m;
is($next, $first eq 'rest' ? 'outside' : 'rest', 'the next batch begins with the type behind the one that took the time');

$node->stop;
done_testing();
