# Without shared memory for wakeups everything works, by polling.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'root may write to any directory' if $> == 0;

my $node = PostgreSQL::Test::Cluster->new('polling');
$node->init;
$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = mmap\n");
$node->start;
my $segments = $node->data_dir . '/pg_dynshmem';
chmod 0500, $segments or die "chmod: $!";

$node->safe_psql('postgres', q{
	CREATE EXTENSION dgen;
	CREATE FUNCTION echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE sql AS $$ SELECT dgen.reply(message) $$;
	SELECT dgen.create_actor_type('echo', 'echo');
	SELECT dgen.create_actor_type('external')});
is($node->safe_psql('postgres', q{SELECT dgen.cast('external', 'k'); SELECT count(*) FROM dgen.message}), "1\n1", 'sending works');
is($node->safe_psql('postgres', q{SELECT dgen.call('echo', 'k', '"x"')}), '"x"', 'calling too');

my ($out, $err);
$node->psql('postgres', q{
	SELECT name FROM dgen.workers;
	SELECT extension_version IS NOT NULL FROM dgen.attach('poller', '{external}');
	CALL dgen.wait('1 min');
	CALL dgen.wait('1 min');
	CALL dgen.wait('0');
	SELECT actor_key FROM dgen.claim();
	SELECT dgen.detach();},
	stdout => \$out, stderr => \$err);
is($out, "t\nt\nt\nf\nk\n", 'a worker looks from time to time');
is(() = $err =~ /NOTICE:  no shared memory for wakeups; dgen polls for messages instead/g, 1, 'and says so once');

$node->psql('postgres', q{SELECT dgen.start_workers()}, stderr => \$err);
like($err, qr/ERROR:  no shared memory for in-database workers/, 'in-database workers need it');
$node->psql('postgres', q{CALL dgen.ask('external', 'k', timeout => '100 ms')}, stderr => \$err);
like($err, qr/ERROR:  .*(?:no reply|timed out|reply)/i, 'waiting for a reply times out');

chmod 0700, $segments;
is($node->safe_psql('postgres', q{SELECT dgen.start_workers()}), 1, 'a new session has it as soon as it is to be had');
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');

done_testing();
