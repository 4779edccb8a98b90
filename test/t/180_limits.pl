# Limits of actor types over many workers: max_concurrency and max_rate, with workers in the
# database and outside, which are killed and woken. What one session can show is in
# test/sql/limits.sql and test/specs/iso_*.spec.
#
# The safety-net look is put off for a day: nothing but a wakeup makes a worker go on.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('limits');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	autovacuum = off
	dgen.safety_net_interval = 86400});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name);
}

# A psql session as a worker for the type.
sub worker {
	my ($type) = @_;
	my $worker = { in => '', out => '' };
	$worker->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$worker->{in}, '>', \$worker->{out}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$worker->{pid} = say_to($worker, "SET dgen.batch_duration = '1 min'; SELECT 'pid', pg_backend_pid() FROM dgen.attach('w', '{$type}');", qr/^pid\|(\d+)$/m);
	return $worker;
}

# Sends it a statement; waits for the answer, if there is to be one, and returns what is in its parentheses.
sub say_to {
	my ($worker, $statement, $answer) = @_;
	$worker->{out} = '';
	$worker->{in} .= "$statement\n";
	$worker->{run}->pump_nb while length $worker->{in};
	$worker->{run}->pump until !$answer || $worker->{out} =~ $answer;
	return $answer && $worker->{out} =~ $answer ? $1 : undef;
}

sub claim {
	my ($worker) = @_;
	return say_to($worker, q{BEGIN; SELECT 'claimed', count(*) FROM dgen.claim();}, qr/^claimed\|(\d+)$/m);
}

sub ends {
	my ($worker) = @_;
	$worker->{in} .= "\\q\n";
	$worker->{run}->finish;
}

# Nothing goes round and round: a spinning worker would commit thousands of times.
sub rests {
	my ($name) = @_;
	my $commits = q{SELECT pg_stat_force_next_flush(), pg_sleep(1);
		SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'};
	my ($before, $after) = map { (split /\n/, sql($commits))[-1] } 1 .. 2;
	cmp_ok($after - $before, '<', 100, $name);
}

my $setup = q{
	CREATE EXTENSION dgen;
	CREATE TABLE turns (type text, began timestamptz, ended timestamptz);
	CREATE FUNCTION takes_time(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	DECLARE
		began timestamptz := clock_timestamp();
	BEGIN
		PERFORM pg_sleep(0.003);
		INSERT INTO turns VALUES (ctx.actor_type, began, clock_timestamp());
		RETURN dgen.noreply(state || jsonb_build_object('turns', COALESCE((state -> 'turns')::int, 0) + 1));
	END $$;};
sql($setup);

# ---- max_concurrency ----

# The most turns at a time.
my $overlap = q{SELECT max(n) FROM (
	SELECT count(*) AS n FROM turns a JOIN turns b ON b.began <= a.began AND a.began < b.ended GROUP BY a.ctid) AS c};

sub fill {
	my ($type, $actors, $messages) = @_;
	sql(qq{SELECT dgen.cast_many('$type', array_agg('k' || n % $actors), array_agg(to_jsonb(n))) FROM generate_series(1, $actors * $messages) n});
}

sql(q{SELECT dgen.create_actor_type('pair', 'takes_time', max_concurrency => 2), dgen.start_workers(4)});
becomes(q{SELECT count(*) FROM dgen.workers}, 4, 'four workers run');
fill('pair', 100, 4);
becomes(q{SELECT count(*) FROM turns}, 400, 'everything is handled');
is(sql($overlap), 2, 'two actors at a time, by four workers');
is(sql(q{SELECT count(*), min((state -> 'turns')::int), max((state -> 'turns')::int) FROM dgen.actors}), '100|4|4', 'each message once');

# It is changed under load.
sql('TRUNCATE turns');
fill('pair', 100, 4);
sql(q{SELECT dgen.alter_actor_type('pair', max_concurrency => n), pg_sleep(0.02) FROM unnest('{1,4,0,3,1,2,0,1}'::int[]) n});
becomes(q{SELECT count(*) FROM turns}, 400, 'everything is handled while the limit changes');
sql(q{SELECT dgen.alter_actor_type('pair', max_concurrency => 1)});

# The slot is with a worker outside of the database: those in it wait, and go on when that one is gone.
sql(q{SELECT dgen.stop_workers(); SELECT dgen.cast('pair', 'k' || n, '1') FROM generate_series(1, 3) n});
my $outside = worker('pair');
is(claim($outside), 1, 'a worker outside of the database claims');
is(sql(q{SELECT count(*) FROM pg_locks WHERE objsubid = dgen._slot_class()}), 1, 'and has the slot');
sql('TRUNCATE turns; SELECT dgen.start_workers(4)');
becomes(q{SELECT count(*) FROM dgen.workers WHERE kind = 'in-database'}, 4, 'workers in the database run again');
rests('they rest while there is no slot');
is(sql('SELECT count(*) FROM turns'), 0, 'and handle nothing');
$outside->{run}->kill_kill(grace => 0);
becomes(q{SELECT count(*) FROM turns}, 3, 'when its process is killed they handle the messages');

# The same with a waiting worker outside, and every end of the one that has the slot.
sql(q{SELECT dgen.stop_workers(); SELECT dgen.create_actor_type('single', max_concurrency => 1)});
my %end = (
	'is killed' => sub { $_[0]{run}->kill_kill(grace => 0) },
	'is terminated' => sub { sql("SELECT pg_terminate_backend($_[0]{pid})"); $_[0]{run}->kill_kill(grace => 0) },
	'commits' => sub { say_to($_[0], q{SELECT dgen.commit_turns('{1}'); COMMIT; SELECT 'committed';}, qr/(committed)/) },
	'rolls back' => sub { say_to($_[0], q{ROLLBACK; SELECT 'undone';}, qr/(undone)/) },
);
for my $how (sort keys %end) {
	my ($has, $waits) = (worker('single'), worker('single'));
	sql(q{SELECT dgen.cancel(actor_type, actor_key, message_id) FROM dgen.messages WHERE actor_type = 'single'});
	is(claim($waits), 0, 'there is nothing'); # nor anything to sweep
	say_to($waits, 'COMMIT;');
	sql(q{SELECT dgen.cast('single', 'k', '1')});
	is(claim($has), 1, 'one worker has the slot');
	sql(q{SELECT dgen.cast('single', 'l', '1')}); # it does not know of that
	is(claim($waits), 0, 'the other one gets none');
	say_to($waits, q{COMMIT; CALL dgen.wait('1 h'); SELECT 'back';});
	becomes(qq{SELECT count(*) FROM pg_stat_activity WHERE pid = $waits->{pid} AND query LIKE 'CALL dgen.wait%' AND state = 'active'}, 1, 'and waits');
	$end{$how}->($has);
	$waits->{run}->pump until $waits->{out} =~ /^back$/m;
	is(claim($waits), 1, "it gets the slot when the one that has it $how");
	ends($waits);
	ends($has) if $how =~ /commits|rolls/; # not before: who ends calls others, too
}

# ---- max_rate ----

# Turns that came sooner than they may, wherever one begins to count: those of the time since then, and the burst.
sub too_soon {
	my ($type, $rate, $burst) = @_;
	return sql(qq{
		SELECT count(*) FROM (SELECT began, row_number() OVER (ORDER BY began) AS n FROM turns WHERE type = '$type') a
		JOIN (SELECT min(taken) OVER (ORDER BY began DESC) AS taken, row_number() OVER (ORDER BY began) AS n
			FROM turns WHERE type = '$type') b ON b.n <= a.n
		WHERE a.n - b.n + 1 > $rate * extract(epoch FROM a.began - b.taken) + $burst});
}

sub many_workers {
	my ($what) = @_;

	# What was taken for a turn was taken after its transaction began, so that counts from there are safe.
	sql(q{
		ALTER TABLE turns ADD taken timestamptz DEFAULT now();
		SELECT dgen.create_actor_type('paced', 'takes_time', max_rate => 100), dgen.start_workers(4);});
	becomes(q{SELECT count(*) FROM dgen.workers}, 4, "four workers run, $what");
	my $commits = q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'};
	my $before = sql($commits);
	fill('paced', 40, 5);
	becomes(q{SELECT count(*) FROM turns WHERE type = 'paced'}, 200, 'everything is handled');
	is(too_soon('paced', 100, 10), 0, 'and nothing too soon');
	is(sql(q{SELECT count(*), min((state -> 'turns')::int), max((state -> 'turns')::int) FROM dgen.actors WHERE actor_type = 'paced'}),
		'40|5|5', 'each message once');
	cmp_ok(sql($commits) - $before, '<', 800, 'workers are not called together');
}
many_workers('preloaded');

# Sessions that all look at the bucket at once do not fill it with the same time twice.
{
	sql(q{SELECT dgen.create_actor_type('looked_at', 'takes_time', max_rate => 100)});
	my $type = sql(q{SELECT id FROM dgen.actor_type WHERE name = 'looked_at'});
	my $look = "DO \$\$ BEGIN LOOP PERFORM dgen._rate_is_spent($type); END LOOP; END \$\$"; # as dgen.explain_actor does
	my @looking = map { IPC::Run::start([ 'psql', '-XAtqc', $look, '-d', $node->connstr('postgres') ], '<', \undef, '>', \my $out, '2>', \my $err) } 1 .. 4;
	becomes(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'}, 4, 'four sessions look at the bucket');
	fill('looked_at', 40, 5);
	becomes(q{SELECT count(*) FROM turns WHERE type = 'looked_at'}, 200, 'everything is handled while they do');
	is(too_soon('looked_at', 100, 10), 0, 'and nothing too soon');
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'});
	$_->finish for @looking;
}

# Turns that fail are turns, and are run one by one.
sql(q{
	CREATE FUNCTION breaks(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO turns VALUES (ctx.actor_type, clock_timestamp());
		IF message::int % 3 = 0 THEN RAISE 'no'; END IF;
		RETURN dgen.noreply();
	END $$;
	SELECT dgen.create_actor_type('breaks', 'breaks', max_rate => 500, max_attempts => 1, max_concurrency => 3);});
fill('breaks', 30, 10);
becomes(q{SELECT (SELECT count(*) FROM turns WHERE type = 'breaks'), (SELECT count(*) FROM dgen.dead_letters), (SELECT count(*) FROM dgen.messages WHERE actor_type = 'breaks')},
	'200|100|0', 'of a type whose turns fail everything is handled');
is(too_soon('breaks', 500, 50), 0, 'and nothing too soon');

# With one turn at a time, too, a turn that fails is recorded in the batch that ran it.
sql(q{SELECT dgen.create_actor_type('breaks_slowly', 'breaks', max_rate => 5, max_attempts => 1); SELECT dgen.cast('breaks_slowly', 'k', '0')});
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'breaks_slowly'}, 1, 'a turn of a slow type fails once');

# It is changed under load.
fill('paced', 40, 5);
sql(q{SELECT dgen.alter_actor_type('paced', max_rate => n), pg_sleep(0.05) FROM unnest('{0.01,20,0.1,0,0.01,200}'::float8[]) n});
becomes(q{SELECT count(*) FROM turns WHERE type = 'paced'}, 400, 'everything is handled while the limit changes');

# One turn in a day: nobody goes round. After a restart the day begins again.
sql(q{SELECT dgen.create_actor_type('daily', 'takes_time', max_rate => 1 / 86400.0)});
fill('daily', 3, 1);
becomes(q{SELECT count(*) FROM turns WHERE type = 'daily'}, 1, 'a turn in a day: the first is handled at once');
rests('the workers rest then');
is(sql(q{SELECT count(*) FROM turns WHERE type = 'daily'}), 1, 'and do not handle the second');
$node->restart;
sql(q{SELECT dgen.start_workers(4)});
becomes(q{SELECT count(*) FROM turns WHERE type = 'daily'}, 2, 'after a restart of the server there is one more');

# A worker outside of the database is called when there is a turn again, also when the one called before does not come.
sql(q{SELECT dgen.stop_workers(), dgen.create_actor_type('outside', max_rate => 2)});
fill('outside', 10, 1);
my @workers = map { worker('outside') } 1 .. 3;
is(claim($workers[0]), 1, 'the first turn is there');
say_to($workers[0], q{SELECT dgen.commit_turns('{1}'); COMMIT; SELECT 'committed';}, qr/(committed)/);
for my $worker (@workers) {
	is(claim($worker), 0, 'and no other one');
	say_to($worker, q{COMMIT; CALL dgen.wait('1 h'); SELECT 'back';});
}
# Whoever comes back does not claim: each loses its baton to the next.
for my $worker (@workers) {
	$worker->{run}->pump until $worker->{out} =~ /^back$/m;
}
pass('all of them were called');
cmp_ok(claim($workers[1]), '>', 0, 'and who comes gets the turn');
ends($_) for @workers;

# A turn that a worker held until the next one was there, and did not use, is lost: else there were two at once.
sql(q{SELECT dgen.create_actor_type('held', max_rate => 0.2)});
fill('held', 10, 1);
my ($holder, $user) = map { worker('held') } 1 .. 2;
is(claim($holder), 1, 'a worker has the only turn');
my $used = 0;
until ($used) {
	$used = claim($user);
	say_to($user, $used ? q{SELECT dgen.commit_turns('{1}'); COMMIT; SELECT 'over';} : q{ROLLBACK; SELECT pg_sleep(0.05), 'over';}, qr/(over)/);
}
say_to($holder, q{SELECT dgen.commit_turns('{0}'); COMMIT; SELECT 'over';}, qr/(over)/);
is(claim($user), 0, 'it comes back when another one was had meanwhile: there is none now');
ends($_) for $holder, $user;
$node->stop;

# ---- without preload ----

$node = PostgreSQL::Test::Cluster->new('plain');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\ndgen.safety_net_interval = 86400");
$node->start;
sql($setup);
many_workers('not preloaded');

done_testing();
