# dgen top: what it shows, and how it ends.
use strict;
use warnings;
use FindBin '$RealBin';
use IPC::Run qw(run start finish pump timeout);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = $ENV{DGEN_PROGRAM} // "$RealBin/../../worker/build/dgen";
plan skip_all => "the program dgen was not built: $program" unless -x $program;

my @top = (split(' ', $ENV{DGEN_WRAPPER} // ''), $program, 'top');
my ($out, $err, $status);

sub top {
	($out, $err) = ('', '');
	run [@top, @_], '<', '/dev/null', '>', \$out, '2>', \$err;
	$status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	return $out;
}

delete @ENV{ grep { /^PG/ && $_ !~ /^PG_/ } keys %ENV };
my $node = PostgreSQL::Test::Cluster->new('top');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nfsync = off\n");
$node->start;
$ENV{PGHOST}     = $node->host;
$ENV{PGPORT}     = $node->port;
$ENV{PGDATABASE} = 'postgres';

sub sql { return $node->safe_psql('postgres', $_[0]) }

top('-n', 1);
is($status, 3, 'without the extension: status 3');
like($err, qr/^dgen: hint: Run CREATE EXTENSION dgen/m, 'without the extension: what to do');

sql('CREATE EXTENSION dgen; CREATE ROLE reader LOGIN');
top('-n', 1, '-s', '10ms');
is("$status$err", '0', 'nothing there: status 0, no error');
like($out, qr/\Qdgen top, database postgres\E.*: 0 workers, 0 busy, 0 turns\/s$/m, 'nothing there: the head');
like($out, qr/no actor types/, 'nothing there: no types');
like($out, qr/no workers/, 'nothing there: no workers');
like($out, qr/Nothing is stuck/, 'nothing there: nothing is stuck');

sql(q{
	CREATE FUNCTION count(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
		$$ SELECT dgen.noreply(jsonb_build_object('n', COALESCE((state->>'n')::bigint, 0) + 1)) $$;
	SELECT dgen.create_actor_type('counter', 'count'), dgen.create_actor_type('held');
	SELECT dgen.pause('held');
	SELECT dgen.grant_read('held', 'reader');
	SELECT dgen.cast_many('held', ARRAY(SELECT 'k' || i FROM generate_series(1, 20) AS i), array_fill('1'::jsonb, ARRAY[20]));
	SELECT dgen.cast('held', 'later', delay => '1 h');
	SELECT dgen.start_workers(1)});
$node->poll_query_until('postgres', q{SELECT min(sent_at) < clock_timestamp() - interval '2 s' FROM dgen.messages}) or die;

# ---- as JSON: two looks, and turns between them ----

my ($lines, $h) = ('');
$h = start [@top, '--json', '-s', '100ms'], '<', '/dev/null', '>', \$lines, timeout($PostgreSQL::Test::Utils::timeout_default);
pump $h until $lines =~ /\n/;
sql(q{SELECT dgen.cast('counter', 'a') FROM generate_series(1, 100)});
my @looks;
do {
	pump $h;
	@looks = map { JSON::PP->new->decode($_) } $lines =~ /^(.*)\n/mg;
} until grep { ($_->{workers}[0]{turns_per_s} // 0) > 0 } @looks;
ok(1, 'a worker that runs turns has a rate');
$h->signal('INT');
finish $h;
is($h->full_result(0) & 127, 2, 'SIGINT ends it as a signal does');

my $look = $looks[0];
is_deeply([ map { $_->{type} } @{ $look->{types} } ], [qw(held counter)], 'types, by their messages');
is_deeply([ @{ $look->{types}[0] }{qw(messages delayed dead_letters workers)} ], [ 21, 1, 0, 0 ], 'a type: its messages');
ok($look->{types}[0]{paused}, 'a type: it is paused');
ok($look->{types}[0]{complete}, 'a type: all was looked at');
like($lines, qr/"oldest": \d+\.\d+[,}]/, 'ages are numbers, of seconds');
is($look->{types}[1]{workers}, 1, 'a type: its workers');
is(@{ $look->{stuck} }, 2, 'what is stuck: two of a type');
like($look->{stuck}[0]{why}, qr/is paused, with its whole type/, 'what is stuck: why');

is(() = top('--json', '-n', 3, '-s', '10ms') =~ /\n/g, 3, '--limit: so many looks');
top('-n', 1, '-s', '10ms', '-U', 'reader');
is("$status$err", '0', 'a role that may read one type: status 0, no error');
like($out, qr/\bheld\b/, 'a role that may read one type sees it');
unlike($out, qr/\bcounter\b/, 'a role that may read one type sees no other');

# ---- on a terminal ----

for my $key ('q', "\004") {
	my ($in, $shown) = ('', '');
	$h = start ['sh', '-c', 'stty cols 80; "$@"; echo "=$?"; stty -a', 'sh', @top], '<pty<', \$in, '>pty>', \$shown,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h until $shown =~ /q: quit/;
	$in = $key;
	pump $h until $shown =~ /l=\d+\r?\n.*\becho\b/s;
	finish $h;
	my $name = $key eq 'q' ? 'q' : 'Ctrl-D';
	like($shown, qr/^\e\[\?1049h.*held.*\e\[\?1049l=0\r?\n/ms, "$name ends it, and the screen comes back");
	like($shown, qr/=0.* icanon\b.* echo\b/s, "$name: the terminal is as it was");
}

# ---- the server goes away ----

$h = start [@top, '-s', '50ms'], '<', '/dev/null', '>', \$out, '2>', \$err, timeout($PostgreSQL::Test::Utils::timeout_default);
$out = '';
pump $h until $out =~ /held/;
$node->stop('immediate');
finish $h;
is($h->result(0), 2, 'the server goes away: status 2');

done_testing();
