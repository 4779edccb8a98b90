# A handler in the database that crashes takes the server along, and so it would again and again:
# shared memory begins anew each time. The second time it is a dead letter. Nobody else is
# blamed, and everybody else's turns are committed.
use strict;
use warnings;
use lib 'test/lib';
use CrashingServer;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Until;

my $node = crashing_server('server_crash', 2);

# The server may be on its way up or down.
sub sql {
	my ($query) = @_;
	my ($out, $err);
	until_true(sub {
		($out, $err) = ('', '');
		return 1 if IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $query ], '<', \undef, '>', \$out, '2>', \$err);
		die $err if $err =~ /^ERROR/m;
		return;
	}) or die "no server: $err\n";
	return $out =~ s/\n\z//r;
}

sub becomes {
	my ($query, $expected, $name) = @_;
	my $got;
	until_true(sub { ($got = sql($query)) eq $expected });
	is($got, $expected, $name);
}

my $log_from = 0;
sub crashes { my @found = substr(slurp_file($node->logfile), $log_from) =~ /$_[0]/g; return scalar @found }

sql(q{
	CREATE EXTENSION dgen;
	CREATE TABLE turn (id bigint, pid int);
	CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF message = '"bomb"' THEN
			COPY (SELECT 1) TO PROGRAM 'kill -SEGV $PPID';
			PERFORM pg_sleep(600);
		ELSIF message = '"slow"' THEN
			PERFORM pg_sleep(3);
		END IF;
		INSERT INTO turn VALUES (ctx.message_id, pg_backend_pid());
		RETURN dgen.reply(message);
	END $$;
	SELECT dgen.create_actor_type('job', 'work', backoff => '1 ms', max_backoff => '1 ms', turn_timeout => '5 min');});
becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'the workers work');

# ---- a turn that crashes the server ----

sql(q{BEGIN;
	SELECT dgen.cast('job', 'k' || i, to_jsonb(i)) FROM generate_series(1, 40) i;
	SELECT dgen.request('job', 'k7', '"bomb"');
	SELECT dgen.cast('job', 'k7', '"behind"');
	COMMIT});
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'a message that crashes the server: all others are handled');
is(crashes(qr/was terminated by signal (?:11|6)/), 2, 'it does so twice'); # AddressSanitizer makes an abort of it
is(sql(q{SELECT concat_ws('|', message #>> '{}', attempts, sqlstate, error) FROM dgen.dead_letters}),
	'bomb|10|ZD043|the server crashed in two turns of this message', 'then it is a dead letter');
is(sql(q{SELECT concat_ws('|', status, sqlstate) FROM dgen.request}), 'f|ZD043', 'and its caller is told');
is(sql(q{SELECT count(*), count(DISTINCT id) FROM turn}), '41|41', 'the others have one turn each');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'and nobody else a failed attempt');

# ---- a session that crashes while a worker is in a turn ----

$log_from = -s $node->logfile;
my $id = sql(q{SELECT dgen.cast('job', 'slow', '"slow"')});
for my $round (1 .. 3) {
	becomes(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND wait_event = 'PgSleep'}, 1, "$round: a turn runs");
	kill 'KILL', sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
	sql('SELECT 1');
}
becomes("SELECT count(*) FROM turn WHERE id = $id", 1, 'when another process takes the server down, the turn runs again, and again');
is(crashes(qr/server crashed while handling message/), 0, 'and is not blamed');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 1, 'nor is it a dead letter');

# ---- a worker that is killed ----

$id = sql(q{SELECT dgen.cast('job', 'slow', '"slow"')});
becomes(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND wait_event = 'PgSleep'}, 1, 'a turn runs');
kill 'KILL', sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND wait_event = 'PgSleep'});
sql('SELECT 1');
becomes("SELECT count(*) FROM turn WHERE id = $id", 1, 'a worker that is killed in a turn once: the turn runs again');
is(crashes(qr/server crashed while handling message $id \(crash 1\)/), 1, 'alone');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}) + sql(q{SELECT count(*) FROM dgen.failed_attempt}), 1, 'and is not blamed');

$node->stop;
done_testing();
