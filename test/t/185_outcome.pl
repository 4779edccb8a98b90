# A connection that is cut in the middle of a statement, before the server has got it, or
# after it has committed and before its answer has come. What has an idempotency key is done
# once, and the client is told so; of what has none it is told that nobody knows.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Relay;
use Test::More;

my $build = Programs::build_checked();

my $node = PostgreSQL::Test::Cluster->new('outcome');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\ndgen.safety_net_interval = 86400\n");
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql(q{CREATE EXTENSION dgen; SELECT dgen.create_actor_type('silent')});

# ---- where it is cut ----

# A file says what is to be cut next: "before" or "after", a pattern of the statement, and one
# of the end of its answer.
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $orders = "$dir/orders";

my $relay = Relay->start($dir, $node, sub {
	my ($to_server, $bytes, $connection) = @_;
	return 1 unless -e $orders || $connection->{answer};
	if ($to_server) {
		my ($when, $statement, $answer) = split /\n/, slurp_file($orders);
		return 1 unless $bytes =~ $statement;
		unlink $orders or die "$orders: $!";
		return 0 if $when eq 'before';
		$connection->{answer} = $answer;
		return 1;
	}
	return 1 unless $connection->{answer};
	$connection->{came} .= $bytes;
	return $connection->{came} !~ $connection->{answer};
});

sub cut {
	my ($when, $statement, $answer) = @_;
	append_to_file("$orders.new", join("\n", $when, $statement, $answer) . "\n");
	rename "$orders.new", $orders or die "$orders: $!";
}

# ---- clients ----

my $unknown = -15;

sub client {
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ @Programs::run, "$build/test/outcome", "host=$dir port=" . $node->port . ' dbname=postgres', @arguments ],
		'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	is($?, 0, "@arguments ends well") or diag($err);
	ok(!-e $orders, 'and was cut off');
	return $out;
}
sub messages { my ($key) = @_; return sql("SELECT count(*) FROM dgen.mailbox('silent', '$key')") }

my $end_of_transaction = 'Z\x00{3}\x05I';
# As Bind names them, behind the portal without a name.
my %statement = ((map { $_->[0] => "\\x00$_->[1]\\x00" } ['cast', 'dgen_cast'], ['request', 'dgen_request'], ['many', 'dgen_cast_many'], ['call', 'dgen_ask']),
	several => 'dgen.send_many');
my %messages = (cast => 1, request => 1, many => 2, call => 1, several => 2);

# What is lost before the statement is even sent is not in doubt.
for my $when (qw(before after)) {
	cut($when, 'SELECT dgen.cast', $end_of_transaction);
	like(client('cast', "prepare $when"), qr/^cast -3 \S/, "cut $when while the statement is prepared: nothing was sent");
	is(messages("prepare $when"), 0, 'as it says');
}

for my $when (qw(before after)) {
	for my $mode (qw(cast request many call)) {
		cut($when, $statement{$mode}, $end_of_transaction);
		like(client($mode, "$mode $when"), qr/^$mode $unknown whether it was done is not known/, "$mode cut $when: nobody knows");
		is(messages("$mode $when"), $when eq 'before' ? 0 : $messages{$mode}, 'whether it was done');
	}
	for my $mode (qw(cast request)) {
		cut($when, $statement{$mode}, $end_of_transaction);
		is(client($mode, "$mode key $when", "$mode $when"), "$mode 0 \n", "$mode with an idempotency key, cut $when: is done");
		is(messages("$mode key $when"), 1, 'once');
	}
	cut($when, $statement{many}, $end_of_transaction);
	like(client('many', "many key $when", "many $when"), qr/^many $unknown /, "many with a key, cut $when: nobody knows");

	cut($when, $statement{several}, $end_of_transaction);
	my $said = client('several', "several $when", "several $when");
	like($said, qr/^first 0 $/m, "a cast with an idempotency key under way, cut $when: is done");
	like($said, qr/^second $unknown whether it was done is not known/m, 'of one without nobody knows');
	is(messages("several $when"), $when eq 'before' ? 1 : 2, 'whether it was');
}

# ---- a worker ----

# Its messages need nothing: they come again if the batch was not committed. What is to be done
# after the commit has to know.
my $log = "$PostgreSQL::Test::Utils::log_path/outcome_worker.log";
my $worker = IPC::Run::start([ @Programs::run, "$build/test/worker", "host=$dir port=" . $node->port . ' dbname=postgres' ], '<', \undef, '2>', $log);
sub logged { my ($pattern) = @_; my @found = slurp_file($log) =~ /$pattern/mg; return scalar @found }

for my $when (qw(before after)) {
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE wait_event_type = 'Extension'})
		or die "the worker does not wait\n";
	cut($when, 'dgen_commit_turns', 'COMMIT\x00');
	sql(qq{SELECT dgen.cast('counter', '$when', '{"after": "$when"}')});
	ok($node->poll_query_until('postgres', "SELECT dgen.state('counter', '$when')->>'n'", 1), "a worker that is cut off $when its commit: its message is handled");
	ok($node->poll_query_until('postgres', 'SELECT count(*) FROM dgen.receipt WHERE closed', $when eq 'before' ? 1 : 2), 'and it learns what became of its batch');
	ok(!-e $orders, 'it was cut off');
}
is(sql(q{SELECT count(*) FROM dgen.message WHERE type_id = (SELECT id FROM dgen.actor_type WHERE name = 'counter')}), 0, 'each message once');
$worker->signal('TERM');
ok($worker->finish, 'it ends well') or diag(slurp_file($log));
for my $when (qw(before after)) {
	is(logged("^after the commit: $when\$"), 1, "what was to be done after the commit was done once, cut $when");
	is(logged("^released: $when\$"), $when eq 'before' ? 2 : 1, 'and released as often as the turn was run');
}
is(logged('whose outcome was unknown is not committed'), 1, 'a batch that was not committed');
is(logged('whose outcome was unknown is committed'), 1, 'and one that was');

# ---- the end ----

$relay->stop;
$node->stop;
done_testing();
