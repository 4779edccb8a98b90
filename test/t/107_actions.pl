# Actions: stored with the turn, run at least once whoever dies, with the same token, beside all
# else; by libdgen's workers and by in-database ones.
use strict;
use warnings;
use lib 'test/lib';
use CrashingServer;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

my $build = Programs::build_checked();
my $tmp = PostgreSQL::Test::Utils::tempdir_short();
my $outside = "$tmp/outside";

my $node = crashing_server('actions', 3);
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub create { my ($name) = @_; open my $made, '>', "$tmp/$name" or die "$name: $!"; return "$tmp/$name" }

# The lines of effects of an action: what it was, its token, attempt and state.
sub effects {
	my ($key, $action) = @_;
	return map { /^\Q$key $action\E (.*)/ ? $1 : () } -e $outside ? split /\n/, slurp_file($outside) : ();
}

# Once there are so many.
sub has_effects {
	my ($key, $action, $count) = @_;
	my @found;
	until_true(sub { (@found = effects($key, $action)) >= $count });
	return @found;
}

# ---- libdgen's workers ----

my ($started, %running) = (0);
END { local $?; kill 'KILL', keys %running }

sub start_worker {
	my $name = 'w' . ++$started;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', "$PostgreSQL::Test::Utils::log_path/actions_$name.log";
		exec @Programs::run, "$build/test/actions", $node->connstr('postgres') . " application_name=$name", $outside;
		die;
	}
	$running{$pid} = 1;
	becomes('SELECT count(*) FROM dgen.workers', scalar(keys %running), "worker $name is there");
	return $pid;
}

sub end_worker {
	my ($pid, $signal) = @_;
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	delete $running{$pid};
	return $?;
}

sub cast {
	my ($key, $message) = @_;
	return sql("SELECT dgen.cast('shop', '$key', '$message')");
}

my $worker = start_worker();
is(sql(q{SELECT string_agg(concat_ws(',', actor_type, handle_actions, handle_dead_letters), ' ' ORDER BY actor_type) FROM dgen.actor_types}),
	'careless,f,f shop,t,t', 'types know what their workers handle');

cast('a', '{"act": ["charge"], "message": {"reply": true, "amount": 10}}');
my @runs = has_effects('a', 'charge', 1);
my ($token) = $runs[0] =~ /^(\d+) /;
is($runs[0], "$token 1 {}", 'an action is run after its turn, without a state, and init is not for it');
becomes(q{SELECT dgen.state('shop', 'a')}, qq({"reply": {"reply": true, "amount": 10}, "token": $token, "turns": 1, "action": "charge", "initialized": true}),
	'its reply comes to the actor, with its name and token');
cast('a', '{"act": ["a", "b"], "delay_ms": 50}');
is(has_effects('a', $_, 1), 1, 'a turn may store several, for later') for 'a', 'b';
cast('a', '{"act": ["last"], "destroy": true}');
is(has_effects('a', 'last', 1), 1, 'and destroy its actor');
becomes(q{SELECT dgen.state('shop', 'a') IS NULL AND count(*) = 0 FROM dgen.messages}, 't', 'which stays so');

# A turn that fails has stored nothing.
cast('b', '{"act": ["never"], "error": true}');
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'b' AND attempts = 3}, 1, 'a turn that acts and fails');
is(sql(q{SELECT count(*) FROM dgen.message WHERE kind = 'a'}), 0, 'leaves no action');
cast('b', '{"act": ["after"]}');
has_effects('b', 'after', 1);
is_deeply([ effects('b', 'never') ], [], 'none was run');

# ---- attempts ----

cast('c', '{"act": ["twice"], "message": {"failures": 2}}');
@runs = has_effects('c', 'twice', 3);
($token) = $runs[0] =~ /^(\d+) /;
is("@runs", "$token 1 {} $token 2 {} $token 3 {}", 'an action that fails is tried again, with the same token, once for each attempt');
cast('c', '{"act": ["never right"], "message": {"failures": 9}}');
becomes(q{SELECT dgen.state('shop', 'c')->>'dead'}, 'never right', 'after max_attempts its actor is told');
is(scalar(effects('c', 'never right')), 3, 'of so many attempts');
is(sql(q{SELECT concat_ws('|', kind, correlation, attempts, error, sqlstate) FROM dgen.dead_letters WHERE actor_key = 'c'}),
	'action|never right|3|no answer|P0044', 'and it is a dead letter');
($token) = (effects('c', 'never right'))[0] =~ /^(\d+) /;
is(sql("SELECT dgen.redrive($token)"), 't', 'redriven');
@runs = has_effects('c', 'never right', 6);
is((split ' ', $runs[3])[0], $token, 'it has the token that it had');

cast('c', '{"act": ["sets"], "message": {"set": true}}');
becomes(q{SELECT error FROM dgen.dead_letters WHERE correlation = 'sets'}, 'an action has no state to change', 'to set an entry is an error');
cast('c', '{"act": ["nowhere"], "message": {"nowhere": true}}');
becomes(q{SELECT attempts FROM dgen.dead_letters WHERE correlation = 'nowhere'}, 3, 'what cannot be committed counts attempts');
is(scalar(effects('c', 'nowhere')), 3, 'and no more of them');
cast('c', '{"act": ["first"], "message": {"then": "second"}}');
is(has_effects('c', 'second', 1), 1, 'an action may store another');
sql(q{SELECT dgen.cast('careless', 'k', '{"act": ["x"]}')});
becomes(q{SELECT error FROM dgen.dead_letters WHERE actor_type = 'careless'}, 'actor type "careless" has no handle_action', 'a type without a callback cannot act');

# ---- whoever dies ----

# While one is under way, others wait for the worker.
sub in_the_middle {
	my ($key) = @_;
	cast($key, qq({"act": ["charge", "mail"], "message": {"wait": "$tmp/$key"}}));
	until_true(sub { effects($key, 'charge') || effects($key, 'mail') });
	is(sql(qq{SELECT count(*) FROM dgen.mailbox('shop', '$key') WHERE kind = 'action'}), 2, "$key: one runs, one waits");
	return (effects($key, 'charge')) ? 'charge' : 'mail';
}

my $begun = in_the_middle('killed');
my $other = $begun eq 'charge' ? 'mail' : 'charge';
my ($before) = effects('killed', $begun);
end_worker($worker, 'KILL');
becomes('SELECT count(*) FROM dgen.workers', 0, 'the worker is gone');
is(sql(q{SELECT count(*) FROM dgen.mailbox('shop', 'killed')}), 2, 'both actions are there');
create('killed');
$worker = start_worker();
@runs = has_effects('killed', $begun, 2);
($token) = $before =~ /^(\d+) /;
is("@runs", "$token 1 {} $token 2 {}", 'the one in whose middle it was killed is run again, with its token, as attempt 2');
@runs = has_effects('killed', $other, 1);
like("@runs", qr/^\d+ 1 \{\}$/, 'the one that was stored is run, as attempt 1');
becomes('SELECT count(*) FROM dgen.messages', 0, 'and all is done');
is(sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'killed'}), 0, 'nothing died');

$begun = in_the_middle('crash');
$node->stop('immediate');
create('crash');
$node->start;
@runs = has_effects('crash', $begun, 2);
is((split ' ', $runs[0])[0], (split ' ', $runs[1])[0], 'after a crash of the server it is run again with its token');
is(has_effects('crash', $begun eq 'charge' ? 'mail' : 'charge', 1), 1, 'and the other one is run');
becomes('SELECT count(*) FROM dgen.messages', 0, 'all is done');
becomes('SELECT count(*) FROM dgen.workers', 1, 'by the worker that has come back');

# ---- one that takes so long that the server ends its session ----

sql(q{SELECT dgen.alter_actor_type('shop', turn_timeout => '1 ms')});
cast('late', qq({"act": ["late"], "message": {"wait": "$tmp/late"}}));
has_effects('late', 'late', 1);
becomes(q{SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'}, 0, 'an action takes longer than the server waits');
create('late');
becomes('SELECT count(*) FROM dgen.messages', 0, 'it is run again');
is(join(',', map { (split)[1] } effects('late', 'late')), '1,2', 'and each run is one attempt');
sql(q{SELECT dgen.alter_actor_type('shop', turn_timeout => '10 min')});

# ---- side by side ----

start_worker() for 1 .. 3;
cast('d', qq({"act": ["one", "two", "three"], "message": {"wait": "$tmp/together"}}));
has_effects('d', $_, 1) for qw(one two three);
is(sql(q{SELECT count(*) FROM dgen.workers WHERE busy}), 3, 'actions of one turn run side by side');
cast('d', '{}');
becomes(q{SELECT dgen.state('shop', 'd')->>'turns'}, 2, 'while the actor goes on');
cast('d', '{"act": ["four"]}');
is(has_effects('d', 'four', 1), 1, 'and another action, too');
create('together');
becomes('SELECT count(*) FROM dgen.messages', 0, 'all end');
is(sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'd'}), 0, 'well');

# A message of the actor's does not wait for what runs for it outside, nor delete_actor for anything else.
cast('e', qq({"act": ["runs"], "message": {"wait": "$tmp/deleted", "reply": true}}));
has_effects('e', 'runs', 1);
my $deleting = $node->background_psql('postgres');
$deleting->query_until(qr/begin/, "\\echo begin\nSELECT dgen.delete_actor('shop', 'e');\n");
becomes(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT dgen.delete_actor%' AND wait_event_type = 'Lock'}, 1,
	'delete_actor waits for an action that runs');
create('deleted');
$deleting->quit;
becomes(q{SELECT count(*) FROM dgen.messages}, 0, 'and leaves nothing of its reply');
is(sql(q{SELECT dgen.state('shop', 'e') IS NULL}), 't', 'nor of the actor');

is(end_worker($_), 0, 'a worker of actions ends well') for keys %running;

# ---- wakeups ----

# A worker that waits for actions, takes one, and goes on with it for ever.
sub waiting_worker {
	my $worker = { in => q{SELECT 'attached' FROM dgen.attach('waits', '{shop}', actions => '{shop}');
		DO 'BEGIN PERFORM dgen.claim(); END'; CALL dgen.wait('3 min'); BEGIN; SELECT 'took', kind FROM dgen.claim();} . "\n", out => '' };
	$worker->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$worker->{in}, '>', \$worker->{out}, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$worker->{run}->pump until $worker->{out} =~ /^attached/m;
	return $worker;
}

cast('woken', '{}');
my $storing = $node->background_psql('postgres');
$storing->query_safe(q{SELECT dgen.attach('stores', '{shop}'); BEGIN; SELECT FROM dgen.claim()});
my @waiting = map { waiting_worker() } 1 .. 4;
becomes(q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE query LIKE 'CALL dgen.wait%' AND wait_event_type = 'Extension'}, 4,
	'four workers wait');
$storing->query_safe(q{SELECT dgen.commit_turns('{1}', send_types => '{x,x,x,x}', send_keys => '{x,x,x,x}', send_messages => '{1,2,3,4}',
		send_actors => '{1,1,1,1}', send_actions => '{t,t,t,t}', send_correlations => '{a,b,c,d}'); COMMIT});
for (@waiting) {
	$_->{run}->pump until $_->{out} =~ /^took/m;
	like($_->{out}, qr/^took\|action$/m, 'each is woken for an action, while the others go on with theirs');
}
$_->{run}->kill_kill(grace => 0) for @waiting;
$storing->quit;
sql(q{SELECT dgen.drop_actor_type('shop', discard => true)});

# ---- in-database workers ----

$node->safe_psql('postgres', q{
	CREATE ROLE shop LOGIN;
	CREATE SCHEMA shop AUTHORIZATION shop;
	GRANT USAGE ON SCHEMA dgen TO shop;
	GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
	SET ROLE shop;
	SET search_path = shop;
	-- What is outside of transactions: how often an action was run, and with which token.
	CREATE SEQUENCE runs;
	CREATE SEQUENCE token;
	CREATE TABLE seen (action text, id bigint, attempt integer, state jsonb);
	CREATE FUNCTION sell(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF ctx.kind = 'action' THEN
			INSERT INTO seen VALUES (ctx.correlation, ctx.message_id, ctx.attempt, state);
			PERFORM nextval('runs'), setval('token', ctx.message_id);
			IF ctx.attempt <= (message->>'failures')::integer THEN
				RAISE EXCEPTION 'no answer to %', ctx.message_id USING ERRCODE = 'SH044';
			END IF;
			IF message ? 'gate' THEN
				PERFORM pg_advisory_xact_lock_shared(44);
			END IF;
			IF message ? 'state' THEN
				RETURN dgen.noreply('{"n": 1}');
			END IF;
			IF message ? 'ask' THEN
				PERFORM dgen.request('clerk', 'other', '{"answer": 42}', reply_to => ctx, correlation => 'asked');
			END IF;
			RETURN CASE WHEN message ? 'reply' THEN dgen.reply(message) ELSE dgen.noreply() END;
		ELSIF ctx.kind IN ('reply', 'dead_letter') THEN
			RETURN dgen.noreply(state || jsonb_build_object(ctx.kind, ctx.correlation, 'id', ctx.in_reply_to, 'error', ctx.error));
		ELSIF message ? 'act' THEN
			PERFORM dgen.act(message->>'act', message);
		END IF;
		IF message ? 'broken' THEN
			RAISE EXCEPTION 'broken';
		END IF;
		RETURN dgen.reply(message->'answer', state || '{"turn": true}');
	END $$;
	SELECT dgen.create_actor_type('clerk', 'sell', max_attempts => 3, backoff => '1 ms', max_backoff => '10 ms', handle_actions => true, handle_dead_letters => true);});
becomes('SELECT count(*) FROM dgen.workers', 3, 'in-database workers');

sub instruct {
	my ($key, $message) = @_;
	return sql("SELECT dgen.cast('clerk', '$key', '$message')");
}

sub runs { return sql(q{SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM shop.runs}) }

instruct('a', '{"act": "charge", "reply": true}');
becomes(q{SELECT dgen.state('clerk', 'a')->>'reply'}, 'charge', 'an action is run, and replies to its actor');
is(sql(q{SELECT concat_ws('|', action, id = (dgen.state('clerk', 'a')->>'id')::bigint, attempt, state) FROM shop.seen}), 'charge|t|1|{}', 'with its token, and without a state');
is(runs(), 1, 'once');
instruct('b', '{"act": "never", "broken": true}');
becomes(q{SELECT dgen.state('clerk', 'b')->>'error'}, 'broken', 'a turn that acts and then fails');
is(sql(q{SELECT count(*) FROM dgen.message WHERE kind = 'a'}) . runs(), '01', 'has stored no action, and none was run');

my $runs = runs();
instruct('c', '{"act": "twice", "failures": 2, "reply": true}');
becomes(q{SELECT dgen.state('clerk', 'c')->>'reply'}, 'twice', 'an action that fails is tried again');
is(runs() - $runs, 3, 'once for each attempt');
is(sql(q{SELECT concat_ws('|', attempt, id = (SELECT last_value FROM shop.token)) FROM shop.seen WHERE action = 'twice'}), '3|t', 'with the same token');
$runs = runs();
instruct('c', '{"act": "wrong", "failures": 9}');
becomes(q{SELECT dgen.state('clerk', 'c')->>'dead_letter'}, 'wrong', 'after max_attempts its actor is told');
is(runs() - $runs, 3, 'after so many attempts');
is(sql(q{SELECT concat_ws('|', kind, attempts, sqlstate) FROM dgen.dead_letters WHERE correlation = 'wrong'}), 'action|3|SH044', 'and it is a dead letter');
instruct('c', '{"act": "changes", "state": true}');
becomes(q{SELECT sqlstate FROM dgen.dead_letters WHERE correlation = 'changes'}, 'ZD040', 'to change the state is no outcome of an action');
instruct('d', '{"act": "asks", "ask": true}');
becomes(q{SELECT dgen.state('clerk', 'd')->>'reply'}, 'asked', 'what an action asks is answered to its actor');

# Held by the gate they run side by side, and the actor goes on.
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(44)');
my $held = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 44};
instruct('e', qq({"act": "held$_", "gate": true})) for 1 .. 2;
becomes($held, 2, 'two actions of an actor run side by side');
instruct('e', '{}');
becomes(q{SELECT count(*) FROM dgen.mailbox('clerk', 'e') WHERE kind <> 'action'}, 0, 'while the actor goes on');
$gate->query_safe('SELECT pg_advisory_unlock(44)');
becomes('SELECT count(*) FROM dgen.messages', 0, 'both end');

# A worker that is killed takes the server along.
$gate->query_safe('SELECT pg_advisory_lock(44)');
instruct('f', '{"act": "killed", "gate": true}');
becomes($held, 1, 'an action is under way');
$token = sql('SELECT last_value FROM shop.token');
my $pid = sql(q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 44});
kill 'KILL', $pid or die "kill: $!";
$gate->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'no server';
becomes(q{SELECT count(*) FROM shop.seen WHERE action = 'killed'}, 1, 'SIGKILL in its middle: it is run again');
is(sql(q{SELECT id FROM shop.seen WHERE action = 'killed'}), $token, 'with the token that it had');
becomes('SELECT count(*) FROM dgen.messages', 0, 'and all is done');

$node->stop;
done_testing();
