# A table of dgen's that was changed (ZD039): workers say so, and go on when it is as it was.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('changed');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 1});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$SELECT dgen.noreply(state)$$;
	SELECT dgen.create_actor_type('job', 'work');
	SELECT dgen.start_workers(1);});
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'the worker works');

sql(q{BEGIN; SELECT dgen.cast('job', 'k', '1'); ALTER TABLE dgen.actor ADD COLUMN x integer; COMMIT});
$node->wait_for_log(qr/HINT:  Run ALTER TABLE dgen\.actor DROP COLUMN x/);
becomes(q{SELECT bool_or(busy) FROM dgen.workers}, 'f', 'until the next try the worker is not busy');
sql(q{ALTER TABLE dgen.actor DROP COLUMN x});
becomes(q{SELECT count(*) FROM dgen.messages}, 0, 'the message is handled when the table is as it was');

my $log = slurp_file($node->logfile);
is(() = $log =~ /LOG:  messages wait: table dgen\.actor was changed: column "x" was added/g, 1, 'the log says once what was changed');
like($log, qr/HINT:  Run ALTER TABLE dgen\.actor DROP COLUMN x/, 'and how to get back');
unlike($log, qr/ERROR:  table dgen\.actor was changed/, 'and nothing for each try');

# ---- a worker of libdgen ----

my $build = Programs::build();
my $worker_log = "$PostgreSQL::Test::Utils::log_path/changed_worker.log";
sql(q{SELECT dgen.stop_workers()});
my $worker = IPC::Run::start(["$build/test/worker", $node->connstr('postgres')], '>', \my $nothing, '2>', $worker_log);
becomes(q{SELECT bool_and('counter' = ANY (messages)) FROM dgen.workers}, 't', 'a worker of libdgen works');

# Waits for the third session since: the second one has failed like the first.
sub tries_again {
	my ($tried) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) {
		return 1 if (() = slurp_file($worker_log) =~ /: attached as worker/g) >= $tried + 2;
		select undef, undef, undef, 0.1;
	}
	return 0;
}

# The first one is met by a claim, the other one when the turn is committed.
for my $table (qw(actor request)) {
	my $tried = () = slurp_file($worker_log) =~ /: attached as worker/g;
	sql(qq{BEGIN; SELECT dgen.request('counter', '$table'); ALTER TABLE dgen.$table ADD COLUMN x integer; COMMIT});
	ok(tries_again($tried), "$table: it tries again");
	sql(qq{ALTER TABLE dgen.$table DROP COLUMN x});
	becomes(qq{SELECT count(*) FROM dgen.requests WHERE actor_key = '$table' AND status = 'replied'}, 1, "$table: and works when it is as it was");
	my $told = slurp_file($worker_log);
	is(() = $told =~ /^(?!debug).*dgen\.$table was changed.*hint: Run ALTER TABLE dgen\.$table DROP COLUMN x/mg, 1, "$table: it has said so once");
}
is(() = slurp_file($worker_log) =~ /^info: attached as worker/mg, 1, 'and has not told each session');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, 'nothing was counted as an attempt');
$worker->signal('TERM');
$worker->finish;

# ---- a locked part whose commit meets it: it runs again, and no attempt is counted ----

$worker_log = "$PostgreSQL::Test::Utils::log_path/changed_locker.log";
$worker = IPC::Run::start(["$build/test/locker", $node->connstr('postgres'), 'parts'], '>', \$nothing, '2>', $worker_log);
becomes(q{SELECT bool_and('locker' = ANY (locked)) FROM dgen.workers}, 't', 'a worker runs locked parts');
sql(q{
	SELECT dgen.alter_actor_type('locker', max_attempts => 2);
	CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.actor_key = 'sent' THEN RETURN NULL; END IF; RETURN NEW; END$$;
	CREATE TRIGGER keep BEFORE INSERT ON dgen.message FOR EACH ROW EXECUTE FUNCTION keep();
	SELECT dgen.cast('locker', 'k', '{"lock": true, "what": "send"}');});
becomes(q{SELECT attempt > 3 FROM dgen.locked}, 't', 'it has run more often than it may fail');
is(sql(q{SELECT failed || ': ' || last_error FROM dgen.locked}), '0: a trigger of table dgen.message keeps dgen from writing a row', 'and has never failed');
sql(q{DROP TRIGGER keep ON dgen.message});
becomes(q{SELECT dgen.state('locker', 'k') ->> 'runs' = '1' AND NOT EXISTS (SELECT FROM dgen.locked)}, 't', 'it ends when the table is as it was');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, 'nothing has died');
$worker->signal('TERM');
$worker->finish;

$node->stop;
done_testing();
