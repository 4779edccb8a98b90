# Sweeps over one mailbox with many dead rows: each claim passes a bounded number of them, the
# next one goes on where it stopped, and what it did not see is not hidden.
#
# Messages are put into the table past dgen, or by a prepared transaction: nobody tells of them,
# so only a sweep finds them. The safety-net look is put off for a day.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $slice = 2000;    # dead rows

my $node = PostgreSQL::Test::Cluster->new('sweep');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	autovacuum = off
	max_prepared_transactions = 1});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $ask = q{SELECT dgen._wake(id) FROM dgen.actor_type WHERE name = 'thing';};

sub put {
	my ($message, $rows) = @_;
	$rows //= 1;
	return qq{INSERT INTO dgen.message (mailbox, seq, sent_at, type_id, priority, kind, actor_key, message)
		SELECT dgen.mailbox_of('hot'), nextval('dgen.message_seq'), now(), id, 0, 'c', 'hot', '"$message"'
		FROM dgen.actor_type, generate_series(1, $rows) WHERE name = 'thing';};
}

# Rows that are removed, and stay in the index as long as that snapshot is held.
sub leave_dead { sql(put('dead', $_[0])); sql('DELETE FROM dgen.message') }

# A session that keeps a snapshot, and has written nothing: what is settled goes on behind it.
my $holder;

sub hold {
	$holder = { in => "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held';\n", out => '' };
	$holder->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$holder->{in}, '>', \$holder->{out}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$holder->{run}->pump until $holder->{out} =~ /held/;
}

sub let_go {
	$holder->{in} .= "\\q\n";
	$holder->{run}->finish;
}

# Each round: what has been read of the index so far, and what a claim finds. (Nothing is committed.)
my $reads = q{SELECT pg_stat_force_next_flush(); SELECT 'reads', idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'message_order';};
my $claim = q{SELECT 'found', message FROM dgen.claim();};
my $round = qq{$reads $claim $reads CALL dgen.wait('100 ms', NULL);};
my $attach = q{SELECT dgen.attach('test', ARRAY['thing']);};

sub goes_on_inside {
	hold();
	leave_dead(5 * $slice + 10);
	sql(put('behind') . $ask);
	my @rounds = split /found\|/, sql($attach . $round x 20), 2;
	my @read = $rounds[0] =~ /reads\|(\d+)/g;
	my @slices = grep { $_ > 0 } map { $read[ 2 * $_ + 1 ] - $read[ 2 * $_ ] } 0 .. $#read / 2 - 1;
	like($rounds[1], qr/^"behind"/, 'a message behind the dead rows of its mailbox is found');
	cmp_ok((sort { $b <=> $a } @slices)[0], '<=', $slice + 10, 'no claim passes more of them than a slice has');
	cmp_ok(scalar @slices, '>=', 4, 'the next one goes on inside of the mailbox');
	let_go();
}

# Each session is ended after one claim.
sub one_slice_each {
	hold();
	leave_dead(3 * $slice);
	sql(put('again') . $ask);
	my $message;
	for (1 .. 1000) {
		my ($code, $out) = $node->psql('postgres', qq{$attach SELECT c.message FROM dgen.claim() c; SELECT pg_terminate_backend(pg_backend_pid());});
		$message = $1 and last if ($out // '') =~ /("again")/;
	}
	is($message, '"again"', 'sessions that end leave the sweep to the next one');
	let_go();
	sql('DELETE FROM dgen.message');
}

# It has drawn its number before the dead rows, and commits when a sweep is past them: what that one has
# settled does not tell of it. The next sweep, which COMMIT PREPARED asks for, must not go past it.
sub commits_behind_it {
	hold();
	leave_dead(100);
	sql('BEGIN; ' . put('early') . q{PREPARE TRANSACTION 'early'});
	leave_dead(4 * $slice);
	my $out = sql($attach . $ask . $claim . q{SELECT 'passed'; COMMIT PREPARED 'early';} . $round x 25);
	unlike($out, qr/found.*passed/s, 'a message that is not committed is not seen by a sweep');
	like($out, qr/passed.*found\|"early"/s, 'and not hidden from the one after its commit');
	let_go();
}

sql('CREATE EXTENSION dgen');
sql(q{SELECT dgen.create_actor_type('thing')});
goes_on_inside();
one_slice_each();
commits_behind_it();
$node->stop;
done_testing();
