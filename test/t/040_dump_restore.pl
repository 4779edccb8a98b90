# Copies of a database: dumped and restored, by template, upgraded. A copy is equal to the
# original and handles nothing until it is adopted, because it would repeat side effects.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $original = PostgreSQL::Test::Cluster->new('original');
my $other    = PostgreSQL::Test::Cluster->new('other');
my $dir      = PostgreSQL::Test::Utils::tempdir();

my $workers;    # highest id of one in the original

my $settings = q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	max_worker_processes = 20
	};

my $roles = q{
	CREATE ROLE shop LOGIN;
	CREATE ROLE guest LOGIN;
	};

# ---- the original ----

sub fill {
	$original->safe_psql('postgres', "$roles CREATE DATABASE app");
	$original->safe_psql('app', q{
		CREATE EXTENSION dgen;
		GRANT USAGE ON SCHEMA dgen TO shop;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
		CREATE SCHEMA shop AUTHORIZATION shop;
		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE note (actor text, n integer);
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		DECLARE
			n integer := COALESCE((state->>'n')::int, 0) + 1;
		BEGIN
			CASE message->>'op'
				WHEN 'fail' THEN RETURN dgen.fail('no', 'SH001', 'Ask again.');
				WHEN 'later' THEN RETURN dgen.noreply();
				WHEN 'lock' THEN
					IF ctx.kind <> 'locked' THEN RETURN dgen.lock(); END IF;
					IF ctx.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
				WHEN 'raise' THEN
					IF ctx.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
				ELSE NULL;
			END CASE;
			INSERT INTO note VALUES (ctx.actor_key, n);
			RETURN dgen.reply(to_jsonb(n), jsonb_build_object('n', n, 'last', message));
		END $$;
		SELECT dgen.create_actor_type('counter', 'count_up', initial_state => '{"n": 10}', max_attempts => 5,
			backoff => '1 h', max_backoff => '2 h', turn_timeout => '20 s', retention => '3 days');
		SELECT dgen.create_actor_type('gone');
		SELECT dgen.create_actor_type('external');
		SELECT dgen.create_actor_type('resting', 'count_up');
		SELECT dgen.drop_actor_type('gone');
		SELECT dgen.grant_send('counter', 'guest'), dgen.grant_read('counter', 'guest'), dgen.grant_send('external', '-');});
	$original->safe_psql('app', 'SELECT dgen.start_workers(1)');

	# Committed message by message: their order is part of what is compared.
	$original->safe_psql('app', $_) for (
		q{SELECT dgen.cast('counter', 'k' || i % 5, jsonb_build_object('i', i)) FROM generate_series(1, 50) AS i},
		q{CALL dgen.ask('counter', 'asked')},
		q{SELECT dgen.cast('counter', 'key', idempotency_key => 'pay-1')},
		q{SELECT dgen.request('counter', 'key', idempotency_key => 'ask-1')},
		q{SELECT dgen.request('counter', 'answered')},
		q{SELECT dgen.request('counter', 'failed', '{"op": "fail"}')},
		q{SELECT dgen.request('counter', 'open', '{"op": "later"}')},
		q{SELECT dgen.cast('counter', 'dead', '{"op": "fail"}', headers => '{"trace": "t"}')},
		q{SELECT dgen.cast('counter', 'failing', '{"op": "raise"}', headers => '{"trace": "t"}')},
		q{SELECT dgen.cast('counter', 'failing', '"behind"')},
		q{SELECT dgen.cast('counter', 'locked', '{"op": "lock"}', headers => '{"trace": "t"}')},
		q{SELECT dgen.cast('counter', 'destroyed')},
		q{SELECT dgen.delete_actor('counter', 'destroyed')});
	$original->poll_query_until('app', q{SELECT count(*) = 3 AND count(*) FILTER (WHERE attempts = 1) = 2 FROM dgen.messages}) or die 'not handled';
	$original->safe_psql('app', $_) for (
		q{SELECT dgen.pause('resting')},
		q{SELECT dgen.pause('counter', 'waiting')},
		q{SELECT dgen.cast('resting', 'r', '{"a": [1, null, "x"]}')},
		q{SELECT dgen.cast('counter', 'waiting', '1')},
		q{SELECT dgen.cast('counter', 'waiting', '2', priority => 5)},
		q{SELECT dgen.request('counter', 'waiting', '3', correlation => 'c')},
		q{SELECT dgen.cast('counter', 'delayed', not_before => '2100-01-01')},
		q{SELECT dgen.cast('counter', 'soon', delay => '2 h')},
		q{SELECT dgen.cast('external', 'x', '"for somebody else"')});
	$original->safe_psql('app', q{SET ROLE guest; SELECT dgen.request('counter', 'open', '{"op": "later"}')});
	$original->safe_psql('app', q{INSERT INTO dgen.request_asker
		SELECT id, mailbox, nextval('dgen.message_seq'), now(), type_id, 'asks', NULL FROM dgen.request WHERE actor_key = 'open' ORDER BY id LIMIT 1});
	$original->poll_query_until('app', q{SELECT count(*) = 7 FROM dgen.message}) or die 'not handled';
}

# ---- comparing ----

sub tables_of {
	my ($node, $database) = @_;
	return split /\n/, $node->safe_psql($database, q{
		SELECT c.oid::regclass FROM pg_extension, unnest(extconfig) AS u JOIN pg_class c ON c.oid = u
		WHERE extname = 'dgen' AND c.relname NOT IN ('adoption', 'worker_id_seq') ORDER BY 1});
}

# All that dgen keeps in a database, as text; but for ids of workers, which rise with each that starts.
sub contents {
	my ($node, $database) = @_;
	my $text = '';
	for my $table (tables_of($node, $database), 'shop.note') {
		my $columns = $table =~ /_seq$/ ? 'last_value, is_called' : 't::text';
		$text .= "$table\n" . $node->safe_psql($database, "SELECT $columns FROM $table AS t ORDER BY 1") . "\n";
	}
	return $text . $node->safe_psql($database, q{
		SELECT c.relname, a.privilege_type, a.grantee::regrole
		FROM pg_class c, aclexplode(c.relacl) AS a WHERE c.relnamespace = 'dgen'::regnamespace
		UNION ALL
		SELECT n.nspname, a.privilege_type, a.grantee::regrole
		FROM pg_namespace n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'dgen'
		UNION ALL
		SELECT p.oid::regprocedure::text, a.privilege_type, a.grantee::regrole
		FROM pg_proc p, aclexplode(p.proacl) AS a WHERE p.pronamespace = 'dgen'::regnamespace
		ORDER BY 1, 2, 3});
}

sub error_of {
	my ($node, $database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : "none: $out";
}

# ---- a copy ----

sub refuses_work {
	my ($node, $database) = @_;
	is(error_of($node, $database, q{SELECT dgen.call('counter', 'k1')}), 'ZD035', "$database: dgen.call is refused");
	is(error_of($node, $database, q{SELECT dgen.attach('w', '{external}'); BEGIN; SELECT dgen.claim()}), 'ZD035', "$database: a claim is refused");

	my $log = slurp_file($node->logfile);
	is($node->safe_psql($database, 'SELECT dgen.start_workers(1)'), '1', "$database: a worker starts");
	my $worker = "SELECT state_change FROM pg_stat_activity WHERE datname = '$database' AND backend_type = 'dgen worker' AND state = 'idle'";
	my $tries  = sub { return $node->safe_psql($database, $worker) };
	$node->poll_query_until($database, "SELECT EXISTS ($worker)") or die 'no worker';
	for (1, 2) {
		my $last = $tries->() || 'now';
		$node->reload;
		$node->poll_query_until($database, "SELECT EXISTS ($worker AND state_change > '$last')") or die 'it does not try';
	}
	my $told = () = substr(slurp_file($node->logfile), length $log) =~ /ERROR:  .*the actors of this database were restored/g;
	is($told, 1, "$database: the worker says so once, however often it tries");
}

sub goes_on_when_adopted {
	my ($node, $database) = @_;
	my $sql = sub { return $node->safe_psql($database, $_[0]) };
	is(error_of($node, $database, q{SET ROLE shop; SELECT dgen.adopt_database()}), '42501', "$database: an owner of types cannot adopt it");

	my $highest = $sql->(q{SELECT max(id) FROM (SELECT message_id FROM dgen.messages UNION ALL SELECT seq FROM dgen.messages
		UNION ALL SELECT message_id FROM dgen.dead_letters UNION ALL SELECT id FROM dgen.request) AS ids (id)});
	my $id = $sql->(q{SELECT dgen.cast('counter', 'k1')});
	cmp_ok($id, '>', $highest, "$database: the next message comes after all others");
	is($sql->(q{SELECT dgen.cast('counter', 'key', idempotency_key => 'pay-1') = message_id FROM dgen.idempotency_key WHERE idempotency_key = 'pay-1'}),
		't', "$database: idempotency keys stay used");

	$sql->('SELECT dgen.adopt_database()');
	ok($node->poll_query_until($database, q{SELECT dgen.state('counter', 'k1')->>'n' = '21'}), "$database: adopted, it handles what is sent");
	is($sql->(q{SELECT dgen.call('counter', 'k2')}), '21', "$database: and calls");
	$sql->(q{SELECT dgen.resume('counter', 'waiting'); SELECT dgen.resume('resting')});
	ok($node->poll_query_until($database, q{SELECT dgen.state('counter', 'waiting') = '{"n": 13, "last": 3}' AND dgen.state('resting', 'r')->>'n' = '1'}),
		"$database: what waited is handled, in order");
	is($sql->(q{SELECT string_agg(r, ' ') FROM (SELECT dgen.await_reply(id)::text FROM dgen.request
		WHERE actor_key IN ('waiting', 'answered', 'key') ORDER BY id) AS l (r)}), '12 11 13', "$database: replies are there");
	is(error_of($node, $database, q{SELECT dgen.await_reply(id) FROM dgen.request WHERE actor_key = 'failed'}), 'SH001', "$database: errors too");
	my $open = $sql->(q{SELECT id FROM dgen.request WHERE actor_key = 'open' AND requester = 'guest'::regrole});
	is($sql->("SELECT dgen.send_reply($open, '1'); SET ROLE guest; SELECT dgen.await_reply($open)"), "t\n1", "$database: an open request is answered to who asked");
	is($sql->(q{SELECT dgen.redrive(message_id) FROM dgen.dead_letters WHERE actor_key = 'dead'}), 't', "$database: a dead letter is redriven");
	is($sql->(q{SELECT status || attempts FROM dgen.mailbox('counter', 'failing') LIMIT 1}), 'backing off1', "$database: backs off as before");
	is($sql->(q{SELECT count(*) FROM dgen.messages WHERE status = 'delayed'}), '2', "$database: what is delayed stays so");

	$sql->(q{SELECT dgen.attach('w', '{external}'); BEGIN; SELECT count(*) FROM dgen.claim(); SELECT dgen.commit_turns('{1}'); COMMIT});
	is($sql->(q{SELECT count(*) FROM dgen.mailbox('external', 'x')}), '0', "$database: external workers work");
	$sql->(q{SELECT dgen.create_actor_type('new')});
	is($sql->(q{SELECT id FROM dgen.actor_type WHERE name = 'new'}), '5', "$database: ids of types are not used again");
	is($sql->('SELECT dgen.stop_workers()'), '1', "$database: the worker lived through it");
}

sub check_copy {
	my ($node, $database, $expected) = @_;
	is(contents($node, $database), $expected, "$database: equal to the original");
	cmp_ok($node->safe_psql($database, 'SELECT last_value FROM dgen.worker_id_seq'), '>=', $workers, "$database: ids of workers go on");
	refuses_work($node, $database);
	is(contents($node, $database), $expected, "$database: and nothing was handled");
	goes_on_when_adopted($node, $database);
}

sub run_ok {
	my ($name, @command) = @_;
	command_ok(\@command, $name);
}

# ---- the ways to copy ----

sub test_plain {
	my ($expected) = @_;
	run_ok('pg_dump', 'pg_dump', '-f', "$dir/plain.sql", $original->connstr('app'));
	$original->safe_psql('postgres', 'CREATE DATABASE plain');
	run_ok('psql', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/plain.sql", '-d', $original->connstr('plain'));
	check_copy($original, 'plain', $expected);
}

sub test_custom {
	my ($expected) = @_;
	run_ok('pg_dump -Fc', 'pg_dump', '-Fc', '-f', "$dir/custom", $original->connstr('app'));
	$other->safe_psql('postgres', 'CREATE DATABASE custom');
	run_ok('pg_restore -j', 'pg_restore', '-j', 2, '-d', $other->connstr('custom'), "$dir/custom");
	check_copy($other, 'custom', $expected);
}

# As pg_restore -j may do it, in a database that has workers already: what tells that it is a copy comes last.
sub test_order {
	my ($expected) = @_;
	my ($list) = run_command([ 'pg_restore', '-l', "$dir/custom" ]);
	my %part = (last => '', first => '');
	$part{ / TABLE DATA dgen adoption / ? 'last' : 'first' } .= "$_\n" for split /\n/, $list;
	$other->safe_psql('postgres', 'CREATE DATABASE ordered');
	for my $part ('first', 'last') {
		append_to_file("$dir/$part.list", $part{$part});
		run_ok("pg_restore of what comes $part", 'pg_restore', '-L', "$dir/$part.list", '-d', $other->connstr('ordered'), "$dir/custom");
		next if $part eq 'last';
		refuses_work($other, 'ordered');
		is(contents($other, 'ordered'), $expected, 'ordered: and nothing was handled before it is complete');
		like($other->safe_psql('ordered', q{SELECT dgen.explain_actor('resting', 'r')}), qr/is a copy of another one/, 'ordered: dgen.explain_actor says why');
		is($other->safe_psql('ordered', 'SELECT dgen.stop_workers()'), '1', 'ordered: its worker is still there');
	}
	check_copy($other, 'ordered', $expected);
}

# The schema first is a database of its own; with the data it becomes a copy.
sub test_data_only {
	my ($expected) = @_;
	$other->safe_psql('postgres', 'CREATE DATABASE parts');
	run_ok('pg_restore --schema-only', 'pg_restore', '--schema-only', '-d', $other->connstr('parts'), "$dir/custom");
	is(error_of($other, 'parts', q{SELECT dgen.attach('w', '{external}')}), 'ZD001', 'the schema alone has no types');
	run_ok('pg_restore --data-only', 'pg_restore', '--data-only', '-d', $other->connstr('parts'), "$dir/custom");
	check_copy($other, 'parts', $expected);
}

sub test_template {
	my ($expected) = @_;
	run_ok('createdb -T, while the workers of the template live', 'createdb', '-h', $original->host, '-p', $original->port, '-T', 'app', 'twin');
	ok($original->poll_query_until('app', q{SELECT count(*) = 1 FROM dgen.workers}), 'which come back');
	check_copy($original, 'twin', $expected);
}

sub test_upgrade {
	my ($expected) = @_;
	my $bin = $original->config_data('--bindir');
	my $new = PostgreSQL::Test::Cluster->new('new');
	$new->init;
	$new->append_conf('postgresql.conf', $settings);
	$original->stop;
	my @upgrade = ('pg_upgrade', '-b', $bin, '-B', $bin, '-d', $original->data_dir, '-D', $new->data_dir,
		'-p', $original->port, '-P', $new->port, '-s', $new->host, '--no-sync');
	chdir $dir or die "$dir: $!";
	run_ok('pg_upgrade --check', @upgrade, '--check');
	run_ok('pg_upgrade',         @upgrade);
	$new->start;
	check_copy($new, 'app', $expected);
	$new->stop;
	$original->start;
}

# ----

$original->init;
$original->append_conf('postgresql.conf', $settings);
$original->start;
$other->init;
$other->append_conf('postgresql.conf', $settings);
$other->start;
$other->safe_psql('postgres', $roles);

fill();
is($original->safe_psql('app', q{SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE nspname = 'dgen' AND relkind IN ('r', 'S') AND NOT EXISTS (SELECT FROM pg_extension WHERE c.oid = ANY (extconfig))}),
	"worker\nreceipt\nlock_secret", 'all tables and sequences go into dumps, but for those about sessions, and the secret of locks');
my $expected = contents($original, 'app');
$workers = $original->safe_psql('app', 'SELECT last_value FROM dgen.worker_id_seq');
for my $table (tables_of($original, 'app')) {
	ok($original->safe_psql('app', "SELECT count(*) FROM $table") > 0, "there is something in $table");
}

test_plain($expected);
test_custom($expected);
test_order($expected);
test_data_only($expected);
test_template($expected);
is(contents($original, 'app'), $expected, 'the original is as it was');
test_upgrade($expected);

is($original->safe_psql('app', q{SELECT dgen.start_workers(1); CALL dgen.ask('counter', 'k4')}), "1\n21", 'the original goes on');

done_testing();
