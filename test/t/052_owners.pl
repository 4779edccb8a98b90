# Owners of actor types, where it takes processes: workers follow a type to another owner, also in the
# middle of a batch; roles that are gone all the same, in dumps; and workers of libdgen under an old name.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('owners');
my $dir  = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub set_up {
	$node->init;
	$node->append_conf('postgresql.conf', q{
		shared_preload_libraries = 'dgen'
		dgen.batch_duration = '1 min'
		max_worker_processes = 20});
	$node->start;
	sql(q{
		CREATE EXTENSION dgen;
		CREATE ROLE first LOGIN;
		CREATE ROLE second LOGIN;
		CREATE ROLE third LOGIN;
		GRANT USAGE ON SCHEMA dgen TO first, second;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO first, second;
		CREATE SCHEMA app;
		GRANT ALL ON SCHEMA app TO first, second;
		CREATE TABLE app.turn (actor text, message jsonb, as_role name, attempt integer);
		GRANT ALL ON app.turn TO first, second;
		SET ROLE first;
		CREATE FUNCTION app.h(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(7);
			INSERT INTO app.turn VALUES (ctx.actor_key, message, current_user, ctx.attempt);
			RETURN dgen.reply(to_jsonb(current_user));
		END $$;
		SELECT dgen.create_actor_type('moving', 'app.h', max_attempts => 1);});
	sql(q{SELECT dgen.start_workers(1)});
}

# A worker has begun with a batch of several messages when the type and its function change hands: the batch
# is repeated by a worker of the new owner, no message has a failed attempt, and none is handled twice.
sub test_moving {
	my $blocker = $node->background_psql('postgres');
	is(sql(q{CALL dgen.ask('moving', 'k', '0')}), '"first"', 'a worker of the owner handles its messages');

	$blocker->query_safe('SELECT pg_advisory_lock(7)');
	sql(q{SELECT dgen.cast_many('moving', ARRAY['a', 'a', 'b'], ARRAY['1', '2', '3']::jsonb[])});
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted}) or die 'no turn';
	sql(q{BEGIN; ALTER FUNCTION app.h OWNER TO second; SELECT dgen.set_owner('moving', 'second'); SELECT dgen.rename_actor_type('moving', 'moved'); COMMIT});
	$blocker->query_safe('SELECT pg_advisory_unlock(7)');
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.messages}), 'what it had begun is done');
	is(sql(q{SELECT string_agg(message::text || ' ' || attempt, ', ' ORDER BY message) FROM app.turn WHERE actor <> 'k'}), '1 1, 2 1, 3 1', 'once, and at the first attempt');
	is(sql(q{SELECT string_agg(DISTINCT as_role, ' ') FROM app.turn WHERE message IN ('2', '3')}), 'second', 'as the new owner');
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), '0', 'and nobody is charged');
	is(sql(q{CALL dgen.ask('moved', 'k', '4')}), '"second"', 'the new owner has a worker');
	$blocker->quit;
}

# What a worker runs when its type is handed to external workers meanwhile.
sub test_external {
	my $blocker = $node->background_psql('postgres');
	$blocker->query_safe('SELECT pg_advisory_lock(7)');
	sql(q{SELECT dgen.cast_many('moved', ARRAY['c', 'c'], ARRAY['5', '6']::jsonb[])});
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted}) or die 'no turn';
	sql(q{SELECT dgen.alter_actor_type('moved', handler => '')});
	$blocker->query_safe('SELECT pg_advisory_unlock(7)');
	$blocker->quit;
	sql(q{SELECT dgen.stop_workers(); SELECT dgen.alter_actor_type('moved', handler => 'app.h'); SELECT dgen.start_workers(1)});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM app.turn WHERE actor = 'c'}), 'a type goes to external workers, and comes back');
}

# By force: a dump has nothing of a role that is gone, or there is none.
sub test_dump {
	sql(q{SET ROLE second; SELECT dgen.grant_read('moved', 'third'), dgen.grant_send('moved', '-')});
	sql(q{SET ROLE third; SELECT dgen.request('moved', 'r')});
	sql(q{INSERT INTO dgen.request_asker SELECT id, mailbox, nextval('dgen.message_seq'), now(), type_id, 'asks', 'c1' FROM dgen.request});
	sql(q{SELECT dgen.stop_workers()});
	sql(q{SET allow_system_table_mods = on; DELETE FROM pg_authid WHERE rolname = 'third'});
	command_ok([ 'pg_dump', '--no-acl', '-f', "$dir/dump.sql", $node->connstr('postgres') ], 'a database is dumped');
	my $dump = slurp_file("$dir/dump.sql");
	like($dump, qr/^COPY dgen.privilege .*\n1\t-\tsend\n\\\.$/m, 'without the privileges of a role that is gone');
	like($dump, qr/^COPY dgen.request .*\n\\\.$/m, 'and without its requests');
	like($dump, qr/^COPY dgen.actor_type .*\n1\tmoved\tsecond\t/m, 'with the types of others');

	# Restored and adopted, roles are what types depend on.
	sql('CREATE DATABASE copy');
	command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/dump.sql", '-d', $node->connstr('copy') ], 'it is restored without grants');
	my $dependencies = q{SELECT count(*) FROM pg_shdepend WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'copy') AND refobjid = 'second'::regrole
		AND classid = 'pg_class'::regclass AND objsubid > 0};
	is($node->safe_psql('copy', $dependencies), '0', 'a dump has no dependencies');
	$node->safe_psql('copy', 'SELECT dgen.adopt_database()');
	is($node->safe_psql('copy', q{SELECT kind, sqlstate, correlation, message, error ~ '^request \d+ was not restored' FROM dgen.mailbox('moved', 'asks')}),
		'reply|ZD012|c1|null|t', 'an actor that waited for a reply to the same request is told');
	is($node->safe_psql('copy', q{SELECT count(*) FROM dgen.request_asker}), '0', 'and waits no more');
	is($node->safe_psql('copy', $dependencies), '1', 'they come with dgen.adopt_database');
	is($node->safe_psql('copy', q{SELECT has_schema_privilege('second', 'dgen', 'USAGE')}), 't', 'and so do grants');
	my (undef, undef, $error) = $node->psql('postgres', q{SET allow_system_table_mods = on; DELETE FROM dgen.actor_type; DROP ROLE second});
	like($error, qr/cannot be dropped because some objects depend on it.*objects in database copy/s, 'another database knows of its owners, too') or diag $error;

	$node->safe_psql('copy', q{UPDATE dgen.actor_type SET owner = 4000000000::oid::regrole});
	my ($out, $err) = run_command([ 'pg_dump', '-f', "$dir/copy.sql", $node->connstr('copy') ]);
	like($err, qr/actor type "moved" cannot be dumped: its owner was dropped/, 'a type of an owner that is gone is not dumped');
	$node->safe_psql('copy', q{ALTER FUNCTION app.h OWNER TO first; SELECT dgen.set_owner('moved', 'first')});
	command_ok([ 'pg_dump', '-f', "$dir/copy.sql", $node->connstr('copy') ], 'given to another role, it is');
}

set_up();
test_moving();
test_external();
test_dump();

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
