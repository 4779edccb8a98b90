# Claims go to the mailboxes that are known to have messages, and past dead rows that are known to
# be there: what a claim reads does not grow with what a held snapshot keeps. And nothing is lost
# where there is no room for such knowledge, or it is wrong.
#
# The safety-net look is put off for a day, unless a test is about it.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('hints');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	autovacuum = off
	max_prepared_transactions = 1
	max_worker_processes = 20});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub install {
	sql('CREATE EXTENSION dgen');
	sql(q{CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE sql AS $$ SELECT dgen.noreply(jsonb_build_object('n', coalesce((state->>'n')::int, 0) + 1)) $$});
	sql(q{
		SELECT dgen.create_actor_type('counter', 'count_up');
		SELECT dgen.create_actor_type('external');
		-- Sends `count` messages to `actors` actors, and handles each in a transaction of its own.
		CREATE PROCEDURE fill(count integer, actors integer) LANGUAGE plpgsql AS $$
		BEGIN
			FOR i IN 1 .. count LOOP
				PERFORM dgen.cast('external', 'key-' || i % actors, 'true');
				COMMIT;
				PERFORM FROM dgen.claim();
				PERFORM dgen.commit_turns(ARRAY[1], ARRAY[jsonb_build_object('n', i)]);
				COMMIT;
			END LOOP;
		END $$;});
}

# A session that does nothing but keep its snapshot.
sub hold_snapshot {
	my $session = { in => "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held';\n", out => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$session->{run}->pump until $session->{out} =~ /held/;
	return $session;
}

sub release {
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
}

sub all_handled {
	my ($name) = @_;
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM dgen.message'), $name);
}

# Index entries read for 100 messages, after so many were handled before.
sub reads_after {
	my ($before, $actors) = @_;
	my $reads = q{SELECT pg_stat_force_next_flush(); SELECT 'reads', sum(idx_tup_read) FROM pg_stat_user_indexes WHERE indexrelname IN ('message_order', 'actor_pkey');};
	my $out = sql("SELECT dgen.attach('test', ARRAY['external']); CALL fill($before, $actors); $reads CALL fill(100, $actors); $reads");
	my ($from, $to) = $out =~ /reads\|(\d+)/g;
	return $to - $from;
}

sub known_work_is_read {
	my $held = hold_snapshot();
	for my $actors (1, 300) {
		cmp_ok(reads_after(3000, $actors), '<', 100 * 20,
			"$actors actors: a claim does not read the rows that a snapshot keeps");
	}
	release($held);
}

# The row is found among its old versions also by who has not been told where it is.
sub state_is_read {
	my $held = hold_snapshot();
	my $reads = q{SELECT pg_stat_force_next_flush(); SELECT 'reads', idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'actor_pkey';};
	my $out = sql("SELECT dgen.attach('test', ARRAY['external']); CALL fill(3000, 1); $reads SELECT dgen.state('external', 'key-0'); $reads");
	my ($from, $to) = $out =~ /reads\|(\d+)/g;
	cmp_ok($to - $from, '<=', 2, 'a look at the state does not read the versions that a snapshot keeps');
	release($held);
}

sub created_anew {
	my $held = hold_snapshot();
	sql("SELECT dgen.attach('test', ARRAY['external']); CALL fill(200, 1)");
	sql('DROP EXTENSION dgen CASCADE; DROP PROCEDURE fill');
	install();
	is(sql(q{SELECT dgen.attach('test', ARRAY['external']);
			SELECT dgen.cast('external', 'key-0', '"new"');
			BEGIN; SELECT message FROM dgen.claim(); SELECT dgen.commit_turns(ARRAY[1]); COMMIT}) =~ /"new"/, 1,
		'what is known of a mailbox is forgotten with the extension');
	release($held);
}

sub more_than_fits {
	sql('SELECT dgen.start_workers(2)');
	sql(q{SELECT dgen.cast('counter', 'first')});
	all_handled('the workers have seen all there is');
	sql('SELECT dgen.stop_workers()');
	sql(q{DO $$ BEGIN FOR i IN 1 .. 6000 LOOP PERFORM dgen.cast('counter', 'one-' || i); COMMIT; END LOOP; END $$});
	sql('SELECT dgen.start_workers(2)');
	all_handled('more mailboxes than there is room for, each from a transaction of its own');
	sql(q{SELECT dgen.cast_many('counter', array_agg('many-' || i), array_agg(to_jsonb(i))) FROM generate_series(1, 6000) i});
	all_handled('more than a transaction can tell of');
	is(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actor WHERE actor_key <> 'first'}), 12000, 'each was handled once');
}

sub more_types_than_sets {
	sql(q{SELECT dgen.create_actor_type('type-' || i, 'count_up') FROM generate_series(1, 100) i});
	for my $round (1 .. 3) {
		sql(q{DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM dgen.cast('type-' || i, 'a'); COMMIT; END LOOP; END $$});
		all_handled("round $round: more types than have hints");
	}
}

# Hints are lost in a restart, and what a prepared transaction keeps is not. The sweep comes past it
# in slices, between which it rests; nobody else has anything to do.
sub behind_dead_rows {
	sql(q{CREATE TABLE something (n integer);
		BEGIN; INSERT INTO something VALUES (1); PREPARE TRANSACTION 'keeps rows';
		SELECT dgen.cast_many('counter', array_agg('dead-' || i), array_agg(to_jsonb(i))) FROM generate_series(1, 9000) i});
	all_handled('9000 messages');
	sql(q{SELECT dgen.stop_workers(); SELECT dgen.cast('counter', 'behind')});
	$node->stop;
	$node->start;
	sql('SELECT dgen.start_workers(2)');
	all_handled('a message behind dead rows of which nobody knows');
	sql(q{ROLLBACK PREPARED 'keeps rows'; DROP TABLE something});
}

# A row that came with a number from elsewhere, below what is known to be past.
sub late_comers {
	$node->append_conf('postgresql.conf', 'dgen.safety_net_interval = 1');
	$node->reload;
	my $held = hold_snapshot();
	sql(q{DO $$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM dgen.cast('counter', 'late'); COMMIT; END LOOP; END $$});
	all_handled('300 messages of one actor');
	sql(q{INSERT INTO dgen.message (mailbox, seq, sent_at, type_id, priority, kind, actor_key, message)
		SELECT dgen.mailbox_of('late'), 1, now(), id, 0, 'c', 'late', 'true' FROM dgen.actor_type WHERE name = 'counter'});
	all_handled('a message that was not sent by dgen, with a number of the past');
	is(sql(q{SELECT dgen.state('counter', 'late')->>'n'}), 301, 'and it was handled');
	release($held);
}

# What the transaction has removed itself a sweep does not see, but it may come back.
sub sweep_in_between {
	my $out = sql(q{SELECT dgen.attach('test', ARRAY['external']);
		DO $$ BEGIN FOR i IN 1 .. 20 LOOP PERFORM dgen.cast('external', 'undone', 'true'); END LOOP; END $$;
		BEGIN; SELECT count(*) FROM dgen.claim(); ROLLBACK;
		BEGIN; SELECT count(*) FROM dgen.claim(); ROLLBACK;
		BEGIN; SELECT count(*) FROM dgen.claim(); SELECT dgen.commit_turns(ARRAY[20]);
		SELECT pg_sleep(2.5); SELECT count(*) FROM dgen.claim(); ROLLBACK;
		BEGIN; SELECT 'again', count(*) FROM dgen.claim(); ROLLBACK});
	like($out, qr/again\|20/, 'what is rolled back is found');
}

# A sweep passes the dead rows of a mailbox once. The next ones know that there is nothing.
sub sweeps_remember {
	my $held = hold_snapshot();
	my $reads = q{SELECT pg_stat_force_next_flush(); SELECT 'reads', idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'message_order';};
	my $looks = q{DO $$ DECLARE ready boolean; BEGIN FOR i IN 1 .. 40 LOOP PERFORM FROM dgen.claim(); COMMIT; CALL dgen.wait('100 ms', ready); END LOOP; END $$;};
	sql(q{DO $$ DECLARE id bigint; BEGIN
		FOR i IN 1 .. 9000 LOOP
			id := dgen.cast('external', 'gone-' || i % 30, 'true');
			COMMIT;
			PERFORM dgen.cancel('external', 'gone-' || i % 30, id);
			COMMIT;
		END LOOP; END $$});
	my $out = sql("SELECT dgen.attach('test', ARRAY['external']); $reads $looks $reads $looks $reads");
	my @reads = $out =~ /reads\|(\d+)/g;
	cmp_ok($reads[1] - $reads[0], '>', 9000, 'a sweep walks over dead rows');
	# (Now and then one walks over them again.)
	cmp_ok($reads[2] - $reads[1], '<', 15000, 'and those after it go past them');
	release($held);
}

install();
known_work_is_read();
state_is_read();
created_anew();
more_than_fits();
more_types_than_sets();
behind_dead_rows();
late_comers();
sweep_in_between();
sweeps_remember();
$node->stop;
done_testing();
