# Whoever dies in mid-batch: a client, a worker, the server. Nothing is lost, nothing is done
# twice, and somebody else goes on.
use strict;
use warnings;
use lib 'test/lib';
use CrashingServer;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crashing_server('crash', 2, 'max_prepared_transactions = 5');
my $dir  = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name);
}

sub set_up {
	sql(q{
		CREATE EXTENSION dgen;
		CREATE ROLE shop LOGIN;
		CREATE SCHEMA shop AUTHORIZATION shop;
		GRANT USAGE ON SCHEMA dgen TO shop;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE ledger (message_id bigint PRIMARY KEY);
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO ledger VALUES (ctx.message_id);
			RETURN dgen.reply(to_jsonb(ctx.message_id), jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1));
		END $$;
		SELECT dgen.create_actor_type('counter', 'count_up', backoff => '1 ms', max_backoff => '10 ms');
		SELECT dgen.create_actor_type('box', turn_timeout => '1 ms');});
	becomes(q{SELECT count(*) FROM dgen.workers}, '2', 'the workers start by themselves');
}

# ---- a client that is a worker ----

# A psql that can be killed.
sub session {
	my ($commands) = @_;
	my $session = { in => "$commands\n", out => '', err => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$session->{run}->pump while length $session->{in};
	return $session;
}

sub says {
	my ($session, $pattern) = @_;
	$session->{run}->pump until $session->{out} =~ $pattern;
}

sub test_client_worker {
	my ($name, $stop, $end) = @_;
	sql(qq{SELECT dgen.cast('box', k, '"$name"') FROM unnest('{a,b,a}'::text[]) AS k});
	my $first = session(q{SELECT dgen.attach('first', '{box}'); BEGIN;
		SELECT 'has', string_agg(concat_ws(':', actor_key, message_id), ' ' ORDER BY actor_key, message_id) FROM dgen.claim();});
	says($first, qr/^has\|/m);
	my ($batch) = $first->{out} =~ /^has\|(.*)/m;
	is(scalar(split ' ', $batch), 3, "$name: a client has a batch");

	my $second = session(q{SELECT dgen.attach('second', '{box}'); DO 'BEGIN PERFORM dgen.claim(); END'; CALL dgen.wait('3 min');
		BEGIN; CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT * FROM dgen.claim();
		SELECT 'has', string_agg(concat_ws(':', actor_key, message_id), ' ' ORDER BY actor_key, message_id), max(attempt) FROM batch;
		SELECT 'handled', dgen.commit_turns(array_agg(n ORDER BY actor)) FROM (SELECT actor, count(*)::int FROM batch GROUP BY 1) AS c (actor, n);
		COMMIT;});
	becomes(q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE name = 'second' AND wait_event_type = 'Extension'}, '1',
		"$name: another one finds nothing, and waits");
	$stop->($first);
	says($second, qr/^handled\|/m);
	my ($taken_over) = $second->{out} =~ /^has\|(.*)/m;
	is($taken_over, "$batch|1", "$name: it takes over, and the messages are not blamed");
	$end->($first) if $end;
	$second->{in} .= "\\q\n";
	$second->{run}->finish;
	is(sql(q{SELECT count(*) FROM dgen.messages}), '0', "$name: all is handled");
}

# ---- load ----

my @clients;
my $made = 0;

# Clients of each kind, each of which writes down what was acknowledged to it: ids of messages.
sub start_load {
	my ($sends) = @_;
	my %statement = (
		cast => q{SELECT dgen.cast('counter', 'k%d', '1');},
		ask  => q{CALL dgen.ask('counter', 'k%d', '1', '3 min');},
		call => q{SELECT dgen.call('counter', 'k%d', '1', '3 min');},
	);
	for my $kind (sort keys %statement) {
		my $name = "$dir/client" . ++$made;
		append_to_file("$name.sql", join "\n", map { sprintf $statement{$kind}, $_ * 7 % 23 } 1 .. $sends);
		my $client = { kind => $kind, acknowledged => "$name.out", err => '' };
		$client->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', "$name.sql", '-d', $node->connstr('postgres') ],
			'>', $client->{acknowledged}, '2>', \$client->{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		push @clients, $client;
	}
}

sub end_load {
	my ($completes) = @_;
	for my $client (grep { !$_->{ended} } @clients) {
		$client->{run}->finish;
		$client->{ended} = 1;
		is($client->{err}, '', "$client->{kind}: all was acknowledged") if $completes;
	}
}

sub grows {
	my ($by) = @_;
	my $now = sql('SELECT count(*) FROM shop.ledger');
	$node->poll_query_until('postgres', "SELECT count(*) >= $now + $by FROM shop.ledger") or die 'nothing is handled';
}

# What the clients were told and what the actors have, against each other.
sub check_ledger {
	my ($name) = @_;
	becomes('SELECT count(*) FROM dgen.messages', '0', "$name: all is handled");
	my @acknowledged = map { grep { /^\d+$/ } split /\n/, slurp_file($_->{acknowledged}) } @clients;
	my %handled = map { $_ => 1 } split /\n/, sql('SELECT message_id FROM shop.ledger');
	my @lost = grep { !$handled{$_} } @acknowledged;
	is("@lost", '', "$name: nothing is lost of " . @acknowledged);
	is(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_type = 'counter'}), scalar(keys %handled), "$name: nothing is done twice");
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), '0', "$name: nothing failed");
	return @acknowledged - keys %handled;
}

sub is_running {
	my ($client) = @_;

	# It raises when the process ends between the two.
	return eval { $client->{run}->pumpable && $client->{run}->pump_nb; $client->{run}->pumpable };
}

sub test_terminated_workers {
	start_load(3000);
	my $terminated = 0;
	while (grep { is_running($_) } @clients) {
		$terminated += sql(q{SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM dgen.workers ORDER BY busy DESC, random() LIMIT 1) AS w});
		$node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM dgen.workers') or die 'a worker does not come back';
	}
	cmp_ok($terminated, '>', 1, 'workers were terminated under load, and came back');
	end_load(1);
	is(check_ledger('terminated workers'), 0, 'and what was not acknowledged was not done');
}

sub test_crash {
	my ($name, $crash) = @_;
	start_load(100_000);
	grows(300);
	$crash->();
	end_load(0);
	becomes(q{SELECT count(*) FROM dgen.workers}, '2', "$name: the workers are back");
	check_ledger($name);
	is(sql(q{CALL dgen.ask('counter', 'after', timeout => '1 min')}) > 0, 1, "$name: and all goes on");
}

# ---- a transaction that outlives the server ----

sub test_prepared {
	sql(q{BEGIN; SELECT dgen.cast('counter', 'prepared'); SELECT dgen.cast('counter', 'prepared', delay => '1 ms'); PREPARE TRANSACTION 'p'});
	$node->stop('immediate');
	$node->start;
	becomes(q{SELECT count(*) FROM dgen.workers}, '2', 'the workers are back');
	is(sql(q{SELECT dgen.state('counter', 'prepared') IS NULL}), 't', 'a prepared transaction has sent nothing yet');
	sql(q{COMMIT PREPARED 'p'});
	becomes(q{SELECT dgen.state('counter', 'prepared')->>'n'}, '2', 'who commits it asks for a look, which finds what it sent');
}

set_up();
test_client_worker('killed client', sub { $_[0]{run}->signal('KILL') });
test_client_worker('terminated session', sub { sql(q{SELECT pg_terminate_backend(pid) FROM dgen.workers WHERE name = 'first'}) });
test_client_worker('stopped client', sub { $_[0]{run}->signal('STOP') }, sub { $_[0]{run}->signal('KILL') });
test_terminated_workers();
test_crash('immediate stop', sub { $node->stop('immediate'); $node->start });
test_crash('killed worker', sub {
	my $pid = sql('SELECT pid FROM dgen.workers LIMIT 1');
	kill 'KILL', $pid or die "kill: $!";
	$_->{run}->finish for @clients;
	$node->poll_query_until('postgres', 'SELECT true') or die 'no server';
});
test_prepared();

done_testing();
