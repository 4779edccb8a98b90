# Who is called where workers take different things: a call that goes to one that does not take what it
# is for is lost.
#
# The workers are procedures. The safety-net look is put off for a day: whoever comes was called. Of
# those that wait the one that began to wait last is called first.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('called');
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

# A turn locks its actor if the message is {"lock": ...}; the locked part waits for the advisory lock that it names.
sql(q{
	CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('t' || n, lock_timeout => '10 min', turn_timeout => '10 min') FROM generate_series(1, 70) AS n;
	CREATE TABLE done (worker text, what text, actor_type text, actor_key text);
	CREATE PROCEDURE serve(worker text, types text[], parts text[]) LANGUAGE plpgsql AS $$
	DECLARE
		turns record;
		ready boolean;
	BEGIN
		PERFORM dgen.attach(worker, types, locked => parts);
		COMMIT;
		LOOP
			SELECT count(*)::int AS n, bool_or(kind = 'locked') AS part, array_agg(message ? 'lock' ORDER BY actor) AS locks,
				array_agg(actor_type ORDER BY actor) AS types, array_agg(actor_key ORDER BY actor) AS keys, max((message ->> 'lock')::bigint) AS lock
				INTO turns FROM dgen.claim(locked => true);
			IF turns.n = 0 THEN
				COMMIT;
				CALL dgen.wait('1 day', ready);
				CONTINUE;
			END IF;
			IF turns.part THEN
				COMMIT;
				-- Has the indexes of dgen.locked until it commits: who waits for one of those does not keep it from that.
				EXECUTE 'SELECT count(*) FROM dgen.locked';
				PERFORM pg_advisory_xact_lock_shared(turns.lock);
				PERFORM dgen.claim_locked();
				turns.locks := NULL;
			END IF;
			PERFORM dgen.commit_turns(array_fill(1, ARRAY[turns.n]), locks => turns.locks);
			INSERT INTO done SELECT worker, CASE WHEN turns.part THEN 'part' ELSE 'turn' END, t, k FROM unnest(turns.types, turns.keys) AS u (t, k);
			COMMIT;
		END LOOP;
	END $$;});

sub types { return '{' . join(',', map { "t$_" } @_) . '}' }

my %session;

sub waits {
	my ($name) = @_;
	becomes("SELECT count(*) FROM pg_stat_activity JOIN dgen.workers USING (pid) WHERE name = '$name' AND wait_event_type = 'Extension'",
		1, "$name waits");
}

sub backend { return sql("SELECT pid FROM dgen.workers WHERE name = '$_[0]'") }

# The last one is called first.
sub start {
	my ($name, $types, $parts) = @_;
	$parts //= $types;
	my $out = '';
	$session{$name} = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', "CALL serve('$name', '$types', '$parts')" ],
		'<', \undef, '>', \$out, '2>', \$out);
	waits($name);
}

sub end_all {
	sql(q{SELECT pg_terminate_backend(pid, 10000) FROM dgen.workers});
	eval { $_->finish } for values %session;
	%session = ();
	sql('TRUNCATE done');
}
END { local $?; eval { $_->kill_kill } for values %session }

sub lock_of {
	my ($n) = @_;
	my $holder = $node->background_psql('postgres');
	$holder->query_safe("SELECT pg_advisory_lock($n)");
	return $holder;
}

sub cast { my ($type, $key, $message) = @_; return sql(qq(SELECT dgen.cast('t$type', '$key', '$message') IS NOT NULL)) }

sub is_done_by {
	my ($workers, $what, $type, $key, $name) = @_;
	becomes("SELECT string_agg(worker, ' ') FROM done WHERE what = '$what' AND actor_type = 't$type' AND actor_key = '$key'", $workers, $name);
}

# ---- workers with more types than a slot names, 32 ----

# Of `far` below the slot does not name t70, whose bucket is that of t6.
start('one', types(70));
start('many', types(1 .. 40));
cast(70, 'a', '{}');
is_done_by('one', 'turn', 70, 'a', 'who takes a type is called, behind one with many others');
cast(40, 'a', '{}');
is_done_by('many', 'turn', 40, 'a', 'the one with many is called for the last of them');
waits('one');
waits('many');
end_all();

start('far', types(31 .. 70));
start('many', types(1 .. 40));
cast(70, 'b', '{}');
is_done_by('far', 'turn', 70, 'b', 'of two with many types it is the one that takes this one');
end_all();

start('one', types(70));
start('many', types(1 .. 40));
sql(q{DO $$ BEGIN PERFORM dgen.cast('t' || n, 'c', '{}') FROM generate_series(1, 20) AS n; PERFORM dgen.cast('t70', 'c', '{}'); END $$});
is_done_by('one', 'turn', 70, 'c', 'where all are called so is the one with one type');
is_done_by('many', 'turn', 20, 'c', 'and the one with many');
end_all();

start('many', types(1 .. 40));
start('twin', types(1 .. 40));
my $stopped = backend('twin');
kill 'STOP', $stopped;
sql(q{DO $$ BEGIN PERFORM dgen.cast('t1', 'd', '{}'), dgen.cast('t40', 'd', '{}'); END $$});
is_done_by('many', 'turn', 1, 'd', 'one that is called and stopped loses its call');
is_done_by('many', 'turn', 40, 'd', 'and the one for a type that its slot does not name');
kill 'CONT', $stopped;
end_all();

start('parts', types(1 .. 40));
start('left', types(1 .. 40), '{}');
cast(40, 'e', '{"lock": 0}');
is_done_by('parts', 'part', 40, 'e', 'of two with many types it is the one that runs the locked part');
end_all();

# ---- many locked actors in one transaction ----

start('parts', types(1 .. 20));
sql(q{DO $$ BEGIN PERFORM dgen.cast('t' || n, 'f', '{"lock": 0}') FROM generate_series(1, 20) AS n; END $$});
becomes(q{SELECT count(*) FROM done WHERE what = 'part' AND actor_key = 'f'}, 20, 'all of 20 types with a locked part are looked through');
is(sql(q{SELECT count(*) FROM dgen.locked}), 0, 'none is left');
end_all();

# ---- a locked part that could not be run before ----

start('parts', types(1));
my $pause = q{SELECT dgen.pause('t1', 'g')};
my $holder = lock_of(7);
start('left', types(1), '{}');
cast(1, 'other', '{"lock": 7}');
becomes(q{SELECT count(*) FROM dgen.locked WHERE isfinite(expires_at)}, 1, 'a locked part is run');
cast(1, 'g', '{"lock": 0}');
becomes(q{SELECT count(*) FROM dgen.locked}, 2, 'another one waits');
sql($pause);
$holder->quit;
is_done_by('parts', 'part', 1, 'other', 'the first one ends');
waits('parts');
start('last', types(1), '{}');
is(sql(q{SELECT count(*) FROM dgen.locked}), 1, 'the other one is paused');
sql(q{SELECT dgen.resume('t1', 'g')});
is_done_by('parts', 'part', 1, 'g', 'dgen.resume calls who runs parts, behind others that do not');
end_all();

# x runs the parts of t1, y those of t2, and each takes the messages of both.
start('x', types(1, 2), types(1));
start('y', types(1, 2), types(2));
$holder = lock_of(8);
cast(2, 'h', '{"lock": 8}');
becomes(q{SELECT worker FROM dgen.locked WHERE isfinite(expires_at)}, 'y', 'one of two runs a part');
cast(1, 'h', '{"lock": 0}');
becomes(q{SELECT count(*) FROM dgen.locked}, 2, 'the other one is kept for messages, and leaves its own');
waits('x');
$holder->quit;
is_done_by('y', 'part', 2, 'h', 'the part ends');
is_done_by('x', 'part', 1, 'h', 'who was kept for messages is called for the other part');
end_all();

# y is refused the part of t63, since x runs another one, and looks for one of t64. Meanwhile x ends and is
# refused the part of t63 as well, since y looks:
#
#     x           part i, has locked_expiry ─────────────── ends ─ claim: refused ─ waits ────── called: part j
#     operator             waits for the index, behind x ────┴ has it ─────────────── lets go ┐
#     y                             refused t63 ─ looks for t64: waits behind the operator ───┴ tries t63 again
#
# Nobody reads dgen.locked meanwhile. A claim that finds nothing looks for what is due, in that index, only
# where somebody has told of it.
sub waits_for_index {
	my ($who, $name) = @_;
	becomes("SELECT count(*) FROM pg_locks WHERE relation = 'dgen.locked_expiry'::regclass AND NOT granted AND pid = ($who)", 1, $name);
}

sub runs {
	my ($out, @commands) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), map { ('-c', $_) } @commands ],
		'<', \undef, '>', $out, '2>', $out);
}

start('x', types(63));
$holder = lock_of(9);
my $gate = lock_of(10);
cast(63, 'i', '{"lock": 9}');
becomes(q{SELECT count(*) FROM pg_stat_activity JOIN dgen.workers USING (pid) WHERE name = 'x' AND wait_event = 'advisory'}, 1,
	'a part is run');
sql(q{SELECT dgen.cast('t63', 'j', '{"lock": 0}');
	BEGIN; SELECT dgen.attach('turns', '{t63}', locked => '{}'); SELECT FROM dgen.claim(); SELECT dgen.commit_turns('{1}', locks => '{t}'); COMMIT});
becomes(q{SELECT count(*) FROM dgen.locked}, 2, 'another one waits');
my ($said, $got) = ('', '');
$session{operator} = runs(\$said, q{SET application_name = 'operator'}, 'BEGIN', 'ALTER INDEX dgen.locked_expiry SET TABLESPACE pg_default',
	'SELECT pg_advisory_lock(10)', 'ROLLBACK');
waits_for_index(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'operator'}, 'an operator waits for an index that its worker has');
my $looker = runs(\$got, q{SELECT FROM dgen.attach('y', '{t63,t64}')}, q{SELECT 'y got ' || actor_key FROM dgen.claim(locked => true)});
waits_for_index(q{SELECT pid FROM dgen.workers WHERE name = 'y'}, 'who is refused that looks for one of another type');
$holder->quit;
is_done_by('x', 'part', 63, 'i', 'the first one ends');
waits('x');
is(sql(q{SELECT count(*) FROM done WHERE actor_key = 'j'}), 0, 'and its worker leaves the other one, being kept for messages');
$gate->quit;
$looker->finish;
like($got, qr/y got j/, 'who has looked in vain tries again what it was refused');
is_done_by('x', 'part', 63, 'j', 'and is gone: the other one runs it');
end_all();

$node->stop;
done_testing();
