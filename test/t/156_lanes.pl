# A worker comes only for what it has callbacks for, and is called for nothing else. The workers are
# test/lib/lanes.c.
#
# The safety-net look is put off for a day: whoever comes was called. Of those that wait the one that
# began to wait last is called first.
use strict;
use warnings;
use lib 'test/lib';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

my $build = Programs::build_checked();
my $tmp = PostgreSQL::Test::Utils::tempdir_short();

my $node = PostgreSQL::Test::Cluster->new('lanes');
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
	SELECT dgen.create_actor_type('lane', lock_timeout => '10 min', turn_timeout => '10 min', backoff => '0', max_backoff => '0', handle_actions => true);});

my (%pid, %log);
END { local $?; kill 'KILL', values %pid }

sub start_worker {
	my ($name, @callbacks) = @_;
	$log{$name} = "$PostgreSQL::Test::Utils::log_path/lanes_$name.log";
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', $log{$name};
		exec @Programs::run, "$build/test/lanes", $node->connstr('postgres') . " application_name=$name", $name, @callbacks;
		die;
	}
	$pid{$name} = $pid;
	waits($name);
}

sub end_worker {
	my ($name, $signal) = @_;
	my $pid = delete $pid{$name};
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	return $?;
}

sub waits {
	my ($name) = @_;
	becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name' AND query LIKE 'CALL dgen.wait%' AND wait_event_type = 'Extension'",
		1, "worker $name waits");
}

sub backend { return sql("SELECT pid FROM dgen.workers WHERE name = '$_[0]'") }

sub said { my ($name) = @_; return slurp_file($log{$name}) =~ /^((?:message|action|locked) .*)$/mg }

# Turns that are under way in a session of their own, until they lock their actors: the workers here
# would only handle the messages. Locked parts wait for the file of that name.
my %turns;

sub begin_turns {
	my ($name, @keys) = @_;
	my $session = $turns{$name} = $node->background_psql('postgres');
	sql(join ';', map { qq(SELECT dgen.cast('lane', '$_', '{"wait": "$tmp/$name"}')) } @keys);
	$session->query_safe(q{SELECT dgen.attach('turns', '{lane}', locked => '{}')});
	is($session->query_safe('BEGIN; SELECT count(*) FROM dgen.claim()'), scalar(@keys), "$name: turns have begun");
}

sub lock_actors {
	my ($name) = @_;
	my $session = delete $turns{$name};
	$session->query_safe(q{SELECT dgen.commit_turns(array_fill(1, ARRAY[n]), locks => array_fill(true, ARRAY[n]))
		FROM (SELECT count(*)::int AS n FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS owned;
		SELECT dgen.detach(); COMMIT});
	$session->quit;
}

sub is_run_by {
	my ($key, $workers, $name) = @_;
	becomes("SELECT worker IN ($workers) FROM dgen.locked WHERE actor_key = '$key' AND isfinite(expires_at)", 't', $name);
}

sub is_over { becomes('SELECT count(*) FROM dgen.locked', 0, $_[0]) }

sub create { my ($file) = @_; open my $made, '>', "$tmp/$file" or die "$file: $!" }

# ---- actions alone ----

start_worker('actor', 'actions');
is(sql(q{SELECT concat_ws(' ', types, messages, actions, locked) FROM dgen.workers}), '{lane} {} {lane} {}', 'a worker has a callback for actions');
sql(q{DO $$ BEGIN
	PERFORM dgen.attach('turns', '{lane}');
	PERFORM dgen.cast('lane', 'a');
	PERFORM FROM dgen.claim();
	PERFORM dgen.commit_turns(ARRAY[1], send_types => '{x}', send_keys => '{x}', send_messages => '{1}', send_actors => '{1}', send_actions => '{t}', send_correlations => '{do}');
	PERFORM dgen.detach();
	PERFORM dgen.cast('lane', 'a');
END $$});
becomes(q{SELECT string_agg(kind, ' ') FROM dgen.messages}, 'cast', 'it does an action, and leaves a message');
is(join(',', said('actor')), 'action "a" attempt 1', 'of which it gets to know nothing');
like(sql(q{SELECT dgen.explain_actor('lane', 'a')}), qr/ waits, because no attached worker handles messages of its type \(/, 'who asks is told');
start_worker('left', 'messages');
becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_key = 'a'}, 0, 'another worker takes the message');
is(join(',', said('left')), 'message "a" attempt 1', 'and it alone');
is(end_worker('actor'), 0, 'the worker of actions ends well');

# ---- locked parts wait for who runs them ----

end_worker('left');
begin_turns(@$_) for [ 'wait', 'wait' ], [ 'called', 'called' ], [ 'both', 'first', 'second' ], [ 'dead', 'dies' ],
	[ 'stopped', 'stopped' ], [ 'kept', 'runs', 'kept' ];
create($_) for 'wait', 'called', 'stopped';
start_worker('left', 'messages');

lock_actors('wait');
becomes(q{SELECT dgen.explain_actor('lane', 'wait') ~ 'attempt 1 waits, because no attached worker runs locked parts of its type'}, 't',
	'a locked part that nobody runs waits');
sql(q{SELECT dgen.cast('lane', 'b')});
becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_key = 'b'}, 0, 'while messages are handled');
start_worker('one', 'messages', 'locked');
is_over('who may run it does so as soon as it is there');
is(join(',', grep { /locked/ } said('one')), 'locked "wait" attempt 1', 'once');

# ---- who is called ----

# The one that leaves parts to others is the first to be called for messages.
sub left_waits_last {
	end_worker('left');
	start_worker('left', 'messages');
}

left_waits_last();
lock_actors('called');
is_over('who runs parts is called for one, behind another that does not');

start_worker('two', 'messages', 'locked');
left_waits_last();
lock_actors('both');
is_run_by('first', "'one', 'two'", 'of two locked parts one is run');
is_run_by('second', "'one', 'two'", 'and so is the other: who begins one calls who runs parts, too');
is(sql(q{SELECT count(DISTINCT worker) FROM dgen.locked}), 2, 'by two workers');
create('both');
is_over('both end');

waits($_) for 'one', 'two';
left_waits_last();
lock_actors('dead');
is_run_by('dies', "'one', 'two'", 'a locked part is run');
my $dead = sql('SELECT worker FROM dgen.locked');
my $other = $dead eq 'one' ? 'two' : 'one';
end_worker($dead, 'KILL');
is_run_by('dies', "'$other'", 'its worker is killed: the other one that runs parts is called');
create('dead');
is_over('and ends it');

# Called last is who has waited longest: that one watches, and must not be the one that is stopped.
end_worker($other);
start_worker($_, 'messages', 'locked') for 'one', 'two';
left_waits_last();
my $stopped = backend('two');
kill 'STOP', $stopped;
lock_actors('stopped');
is_over('who is called for a part and stopped loses its call to another one that runs parts');
kill 'CONT', $stopped;

# ---- of several workers one is kept for messages ----

end_worker('left');
waits($_) for 'one', 'two';
lock_actors('kept');
becomes(q{SELECT count(*) FROM dgen.locked WHERE isfinite(expires_at)}, 1, 'of two workers one runs a locked part');
$other = sql('SELECT worker FROM dgen.locked WHERE isfinite(expires_at)') eq 'one' ? 'two' : 'one';
waits($other);
start_worker('left', 'messages');
becomes(q{SELECT count(*) FROM dgen.locked WHERE isfinite(expires_at)}, 2, 'a third is there for messages: the second is called for the other part');
create('kept');
is_over('both end');

is(join(',', grep { !/^message/ } said('left')), '', 'who has no callback for locked parts was never called for one');
is(sql('SELECT count(*) FROM dgen.dead_letters'), 0, 'and nothing has failed');
is(end_worker($_), 0, "worker $_ ends well") for sort keys %pid;

# ---- nothing at all ----

$log{none} = "$PostgreSQL::Test::Utils::log_path/lanes_none.log";
my $refused = run_log([ @Programs::run, "$build/test/lanes", $node->connstr('postgres'), 'none' ], '2>', $log{none});
ok(!$refused, 'a type without callbacks is refused');
like(slurp_file($log{none}), qr/^actor type "lane" has no callback \(.*\)  Set handle_cast/m, 'and the error says so');

$node->stop;
done_testing();
