# A synchronous standby that is gone: who asks is told at the timeout, also where the commit
# itself waits. And on a standby: what writes says that it needs the primary.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION dgen;
	CREATE FUNCTION echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql
	AS $$ SELECT dgen.reply(message, '{"n": 1}') $$;
	SELECT dgen.create_actor_type('echo', 'echo'), dgen.create_actor_type('external');
	SELECT dgen.call('echo', 'there');
	SELECT dgen.start_workers(1)});

# What psql prints of the error; it ends, or the test does.
sub error_of {
	my ($server, $sql) = @_;
	$server->psql('postgres', "\\set VERBOSITY verbose\n$sql", stderr => \my $error, on_error_stop => 0);
	return $error;
}

sub synchronous_with {
	my ($names) = @_;
	$node->append_conf('postgresql.conf', "synchronous_standby_names = '$names'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = '$names'") or die;
	# The checkpointer tells who commits.
	$node->safe_psql('postgres', 'CHECKPOINT');
}

# ---- a synchronous standby that is gone ----
synchronous_with('nobody');
my $plain = error_of($node, q{CALL dgen.ask('external', 'a', timeout => '100 ms');});
like($plain, qr/ERROR:  ZD010: no reply to request/, 'ask ends at its timeout');
like($plain, qr/DETAIL:  The request is committed on this server alone: its commit waits for a synchronous standby, and synchronous_standby_names is "nobody"\. Actor "a" of type "external" waits, because no external worker is attached/,
	'and says what it waits for');
unlike($plain, qr/user request/, 'nobody has cancelled anything');
my $nested = error_of($node, q{DO $$ DECLARE reply jsonb; BEGIN CALL dgen.ask('external', 'b', '1', '100 ms', reply); END $$;});
like($nested, qr/ERROR:  ZD010.*DETAIL:  The request is committed on this server alone/s, 'so does it where its own commit waits');
is($node->safe_psql('postgres', q{SELECT string_agg(actor_key, ',' ORDER BY actor_key) FROM dgen.requests WHERE status = 'pending'}), 'a,b',
	'the requests go on');

# The worker's commit waits as well, so there is no reply.
like(error_of($node, q{CALL dgen.ask('echo', 'k', timeout => '100 ms');}), qr/ERROR:  ZD010/, 'a turn whose commit waits gives no reply');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), 'the commit of its worker waits');
like(error_of($node, q{CALL dgen.ask('echo', 'k', timeout => '100 ms');}),
	qr/Actor "k" of type "echo" is owned by process \d+ \(worker [^)]*\), in a transaction that began at [^,]*, whose commit waits for a synchronous standby/,
	'and that is said');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), '1', 'the timeout of an ask ends no wait but its own');

synchronous_with('');
is($node->safe_psql('postgres', q{CALL dgen.ask('echo', 'k', '42', '10 min')}), '42', 'without it everything goes on');

# ---- no worker ----
$node->safe_psql('postgres', q{CREATE ROLE sender; SELECT dgen.grant_send('external', 'sender'), dgen.grant_send('echo', 'sender')});
like(error_of($node, q{SET ROLE sender; CALL dgen.ask('external', 'a', timeout => '1 ms');}),
	qr/DETAIL:  Actor type "external" is not handled, because no external worker is attached for it\./, 'a timeout without a worker says so, to a sender too');
like(error_of($node, q{SET ROLE sender; SELECT dgen.request('external', 'secret') AS r \gset
	SELECT dgen.await_reply(:r, '1 ms');}),
	qr/DETAIL:  Actor type "external" is not handled/, 'so does await_reply');
$node->safe_psql('postgres', q{SELECT dgen.pause('echo')});
like(error_of($node, q{SET ROLE sender; CALL dgen.ask('echo', 'z', timeout => '1 ms');}), qr/DETAIL:  Actor type "echo" is paused since/, 'or that the type is paused');
$node->safe_psql('postgres', q{SELECT dgen.pause('echo', 'z'), dgen.resume('echo')});
unlike(error_of($node, q{SET ROLE sender; CALL dgen.ask('echo', 'z', timeout => '1 ms');}), qr/DETAIL/, 'what only readers may know a sender is not told');
like(error_of($node, q{CALL dgen.ask('echo', 'z', timeout => '1 ms');}), qr/DETAIL:  Actor "z" of type "echo" is paused since/, 'and a reader is');

# ---- on a standby ----
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
for my $statement (
	q{SELECT dgen.cast('external', 'a')},
	q{SELECT dgen.cast_many('external', '{a}', ARRAY['1']::jsonb[])},
	q{SELECT dgen.send_many('{external}', '{a}', ARRAY['1']::jsonb[])},
	q{SELECT dgen.request('external', 'a')},
	q{CALL dgen.ask('external', 'a')},
	q{CALL dgen.await_any('{1}')},
	q{SELECT dgen.await_reply(1)},
	q{SELECT dgen.await_replies('{1}')},
	q{SELECT dgen.call('echo', 'there')},
	q{SELECT dgen.send_reply(1, '1')},
	q{SELECT dgen.fail_request(1, 'no')},
	q{SELECT dgen.attach('w', '{external}')},
	q{SELECT dgen.cancel('external', 'a', 1)},
	q{SELECT dgen.delete_actor('external', 'a')},
	q{SELECT dgen.pause('external')},
	q{SELECT dgen.create_actor_type('new')},
	q{SELECT dgen.drop_actor_type('external')}) {
	my ($name) = $statement =~ /(dgen\.\w+)/;
	like(error_of($standby, "$statement;"), qr/ERROR:  25006: $name cannot run on a standby\n.*HINT:  Connect to the primary\./s, "$name needs the primary");
	like(error_of($node, "BEGIN READ ONLY; $statement;"), qr/ERROR:  25006: $name cannot run in a read-only transaction\nHINT/, "$name writes")
		unless $name =~ /ask|any/;
}
is($standby->safe_psql('postgres', q{SELECT dgen.state('echo', 'there') || (SELECT jsonb_build_object('open', count(*) > 1) FROM dgen.requests)}),
	'{"n": 1, "open": true}', 'a standby can be read');
like($standby->safe_psql('postgres', q{SELECT dgen.explain_actor('echo', 'there')}), qr/is idle/, 'and asked for reasons');
$standby->stop;
$node->stop;
done_testing();
