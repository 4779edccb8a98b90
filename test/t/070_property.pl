# Random histories against a simple model: what some sessions do at the same time, while workers
# are terminated and actors paused, must come out as if it were done message by message.
#
# DGEN_SEED repeats the histories of a run (not how its sessions meet), DGEN_ROUNDS makes it longer.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed     = $ENV{DGEN_SEED}   || time ^ $$;
my $rounds   = $ENV{DGEN_ROUNDS} || 15;
my $sessions = 4;
my $steps    = 150;
my $actors   = 6;
my $attempts = 3;

my $node = PostgreSQL::Test::Cluster->new('property');
my $dir  = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub set_up {
	$node->init;
	$node->append_conf('postgresql.conf', q{
		shared_preload_libraries = 'dgen'
		dgen.safety_net_interval = 86400
		max_worker_processes = 20
		log_statement = none});
	$node->start;
	sql(qq{
		CREATE EXTENSION dgen;
		CREATE ROLE shop LOGIN;
		CREATE SCHEMA shop AUTHORIZATION shop;
		GRANT USAGE ON SCHEMA dgen TO shop;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE log (n bigserial, actor text, tag text, message_id bigint, kind text, destroys boolean, h bigint, sqlstate text);
		CREATE TABLE mended (since timestamptz);

		-- The state holds a hash of all messages since the actor began, in order.
		CREATE FUNCTION play(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS \$\$
		DECLARE
			mended boolean := EXISTS (SELECT FROM mended);
			h bigint := (COALESCE((state->>'h')::bigint, 7) * 31 + ctx.message_id) % 1000003;
			new jsonb := jsonb_build_object('h', h, 'n', COALESCE((state->>'n')::int, 0) + 1);
		BEGIN
			INSERT INTO log (actor, tag, message_id, kind, destroys, h, sqlstate)
			VALUES (ctx.actor_key, COALESCE(ctx.correlation, message->>'tag'), ctx.message_id, ctx.kind, message ? 'destroy', h, ctx.sqlstate);
			IF ctx.kind = 'reply' THEN
				RETURN dgen.noreply(new);
			END IF;
			IF message ? 'cast' THEN
				PERFORM dgen.cast('player', message->>'cast', jsonb_build_object('tag', (message->>'tag') || '>1')),
					dgen.cast('player', message->>'cast', jsonb_build_object('tag', (message->>'tag') || '>2'));
			END IF;
			IF message ? 'ask' THEN
				PERFORM dgen.request('player', message->>'ask', message->'question', reply_to => ctx, correlation => message->>'tag');
			END IF;
			IF ctx.attempt <= (message->>'raise')::int AND NOT mended THEN
				RAISE EXCEPTION 'attempt %', ctx.attempt USING ERRCODE = 'SH042';
			ELSIF message ? 'fail' AND NOT mended THEN
				RETURN dgen.fail('for good', 'SH043');
			ELSIF message ? 'retry' AND random() < 0.5 THEN
				RETURN dgen.retry('1 ms');
			ELSIF message ? 'destroy' THEN
				RETURN dgen.destroy(jsonb_build_object('h', h));
			END IF;
			RETURN dgen.reply(jsonb_build_object('h', h), new);
		END \$\$;
		SELECT dgen.create_actor_type('player', 'play', max_attempts => $attempts, backoff => '1 ms', max_backoff => '5 ms');});
	sql('SELECT dgen.start_workers(3)');
}

# ---- histories ----

# What was sent, in the order of each session: { tag, actor, session, priority, ... }. The
# outputs of the sessions add what came of it.
my (@sent, %sent, %never, %groups, %answers, %errors);

sub one_of { return $_[ rand @_ ] }
sub some_actor { return 'k' . int rand $actors }

sub json {
	my (%members) = @_;
	return '{' . join(', ', map { qq("$_": ) . ($members{$_} =~ /^(?:\d+$|{)/ ? $members{$_} : qq("$members{$_}")) } sort keys %members) . '}';
}

# A message and how it is to end.
sub some_message {
	my ($tag) = @_;
	my $luck = int rand 20;
	my %message = (tag => $tag);
	$message{raise} = one_of(1, 2, 99) if $luck < 3;
	$message{fail}  = 1 if $luck == 3;
	$message{retry} = 1 if $luck == 4;
	$message{destroy} = 1 if $luck == 5;
	$message{cast}  = some_actor() if $luck == 6 || $luck == 7;
	if ($luck == 8 || $luck == 9) {
		$message{ask} = some_actor();
		my %question = (tag => "$tag>?");
		$question{raise} = 99 if rand() < 0.3;
		$message{question} = json(%question);
		$sent{"$tag>?"} = { tag => "$tag>?", dies => exists $question{raise}, depends => $tag };
	}
	return %message;
}

sub remember {
	my ($session, $tag, $actor, $message, %more) = @_;
	my $sent = { tag => $tag, session => $session, actor => $actor, priority => 0, %more,
		dies => ($message->{raise} // 0) >= $attempts ? $attempts : $message->{fail} ? 1 : 0,
		cast => $message->{cast}, asks => exists $message->{ask} };
	push @sent, $sent;
	return $sent{$tag} = $sent;
}

# A script for psql. It prints lines of what happened: a word, a tag, what came of it.
sub make_script {
	my ($session) = @_;
	my (@script, @mine, @requests);
	for my $step (1 .. $steps) {
		my $tag     = "$session.$step";
		my $actor   = some_actor();
		my %message = some_message($tag);
		my $call    = sub { return sprintf q{dgen.%s('player', '%s', '%s'%s)}, $_[0], $actor, json(%message), $_[1] // '' };
		my $what    = int rand 100;
		if ($what < 40) {
			my %more = (priority => one_of(0, 0, 0, 1, -1), delay => rand() < 0.1 ? int rand 30 : undef);
			my $options = ", priority => $more{priority}" . (defined $more{delay} ? ", delay => '$more{delay} ms'" : '');
			my $kind    = rand() < 0.3 ? 'request' : 'cast';
			push @script, 'SELECT ' . $call->($kind, $options) . " AS id_$step \\gset", "\\echo sent $tag";
			push @mine, remember($session, $tag, $actor, \%message, %more, step => $step);
			next unless $kind eq 'request';
			push @requests, $mine[-1];
			$mine[-1]{refused} = exists $message{fail};    # its caller is told, and that is all
		}
		elsif ($what < 50 && @mine) {
			my $victim = $mine[ -1 - int rand(@mine < 5 ? @mine : 5) ];
			my $cancel = "SELECT 'cancelled', '$victim->{tag}', dgen.cancel('player', '$victim->{actor}', :id_$victim->{step});";
			push @script, rand() < 0.8 ? $cancel : ("BEGIN;", "$cancel" =~ s/'cancelled'/'spared'/r, "ROLLBACK;");
		}
		elsif ($what < 65) {
			my $back = rand() < 0.3;
			push @script, 'BEGIN;', "SELECT '" . ($back ? 'undone' : 'called') . "', '$tag', r->>'h' FROM " . $call->('call') . ' AS r;', $back ? 'ROLLBACK;' : 'COMMIT;';
			$back ? $never{$tag}++ : remember($session, $tag, $actor, \%message, called => 1);
		}
		elsif ($what < 75) {
			push @script, 'BEGIN;', 'SELECT ' . $call->('cast') . ';', 'ROLLBACK;';
			$never{$tag}++;
		}
		elsif ($what < 80) {
			push @script, 'BEGIN;', 'SAVEPOINT s;', 'SELECT ' . $call->('cast') . ';', 'ROLLBACK TO s;';
			$never{$tag}++;
			push @script, "SELECT dgen.cast('player', '$actor', '{\"tag\": \"$tag.b\"}');", 'COMMIT;', "\\echo sent $tag.b";
			remember($session, "$tag.b", $actor, {});
		}
		elsif ($what < 90) {
			my $key = one_of(1 .. 4) . '/' . int($step / 30) . '/' . substr $session, 0, index($session, '-');
			my $back = rand() < 0.2;
			push @script, 'BEGIN;', 'SELECT ' . $call->('cast', ", idempotency_key => '$key'") . " AS id_$step \\gset", $back ? 'ROLLBACK;' : ('COMMIT;', "\\echo used $tag :id_$step");
			$back ? $never{$tag}++ : push @{ $groups{"$actor $key"} }, remember($session, $tag, $actor, \%message, key => $key);
		}
		else {
			my @keys = map { some_actor() } 1 .. 3;
			my @tags = map { "$tag.m$_" } 1 .. 3;
			push @script, sprintf(q{SELECT dgen.cast_many('player', '{%s}', ARRAY[%s]::jsonb[]) AS n \gset}, join(',', @keys), join(',', map { qq('{"tag": "$_"}') } @tags));
			push @script, map { "\\echo sent $_" } @tags;
			remember($session, $tags[$_], $keys[$_], {}) for 0 .. 2;
		}
	}
	push @script, map { "SELECT 'answered', '$_->{tag}', reply->>'h', sqlstate FROM dgen.await_replies(ARRAY[:id_$_->{step}], '3 min');" } @requests;
	return join "\n", @script, '\echo end', '';
}

# ---- running them ----

sub start_session {
	my ($session) = @_;
	my $file = "$dir/$session";
	append_to_file("$file.sql", make_script($session));
	my $run = { name => $session, out => "$file.out", err => "$file.err" };
	$run->{run} = IPC::Run::start([ 'psql', '-XAtq', '-F', ' ', '-v', 'VERBOSITY=sqlstate', '-f', "$file.sql", '-d', $node->connstr('postgres') . ' options=-crole=shop' ],
		'>', $run->{out}, '2>', $run->{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $run;
}

sub is_running {
	my ($run) = @_;

	# It raises when the process ends between the two.
	return eval { $run->{run}->pumpable && $run->{run}->pump_nb; $run->{run}->pumpable };
}

# Workers die, actors and the type are paused for a moment.
sub disturb {
	my $what = int rand 4;
	if ($what == 0) {
		sql(q{SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM dgen.workers ORDER BY busy DESC, random() LIMIT 1) AS w});
	}
	elsif ($what == 1) {
		my $actor = some_actor();
		sql("SELECT dgen.pause('player', '$actor')");
		sql("SELECT dgen.resume('player', '$actor')");
	}
	elsif ($what == 2) {
		sql("SELECT dgen.pause('player')");
		sql("SELECT dgen.resume('player')");
	}
	else {
		# A row lock of an operator, and an actor taken for a while.
		sql(sprintf q{BEGIN; SELECT count(*) FROM (SELECT FROM dgen.actor WHERE actor_key = '%s' FOR UPDATE) AS a; SELECT pg_sleep(0.02); COMMIT}, some_actor());
	}
}

sub read_outputs {
	my ($run) = @_;
	my $ended = 0;
	for (split /\n/, slurp_file($run->{out})) {
		my ($word, $tag, @what) = split / /;
		if    ($word eq 'sent')      { $sent{$tag}{committed} = 1 }
		elsif ($word eq 'used')      { @{ $sent{$tag} }{qw(committed id)} = (1, $what[0]) }
		elsif ($word eq 'called')    { @{ $sent{$tag} }{qw(committed h)} = (1, $what[0]) }
		elsif ($word eq 'cancelled') { $sent{$tag}{cancelled} ||= $what[0] eq 't' }
		elsif ($word eq 'answered')  { $answers{$tag} = \@what }
		elsif ($word eq 'end')       { $ended = 1 }
		elsif ($word !~ /^(undone|spared)$/ && /\S/ && !/^\d+$/) { $errors{"output $_"}++ }
	}
	$errors{"$run->{name} did not end"}++ unless $ended;

	# What dgen.call may say: its own failures and those of the messages before it.
	for (split /\n/, slurp_file($run->{err})) {
		$errors{$_}++ unless /ERROR:  (SH042|SH043|ZD021|ZD022|ZD023)$/;
	}
}

# ---- the model ----

# What stands against the model; nothing is good.
sub check_history {
	my (@wrong, %row, %reply, %position, %h, %n);
	for (split /\n/, sql(q{SELECT n, actor, tag, message_id, kind, COALESCE(destroys, false), h, COALESCE(sqlstate, '-') FROM shop.log ORDER BY n})) {
		my ($n, $actor, $tag, $id, $kind, $destroys, $h, $sqlstate) = split /\|/;
		$h{$actor} = (($h{$actor} // 7) * 31 + $id) % 1000003;
		$n{$actor}++;
		push @wrong, "$actor was not handled one by one at $tag ($h instead of $h{$actor})" if $h != $h{$actor};
		if ($destroys eq 't') { delete $h{$actor}; delete $n{$actor} }
		if ($kind eq 'reply') {
			push @wrong, "$tag got more than one reply" if $reply{$tag};
			$reply{$tag} = $sqlstate;
			next;
		}
		push @wrong, "$tag was handled twice" if $row{$tag};
		$row{$tag} = { h => $h, id => $id, n => $n };
	}

	my %state = map { /^(\w+)\|(.*)$/ } split /\n/, sql(q{SELECT actor_key, concat_ws(' ', state->>'h', state->>'n') FROM dgen.actors});
	for my $actor (map { "k$_" } 0 .. $actors - 1) {
		my $expected = defined $h{$actor} ? "$h{$actor} $n{$actor}" : '';
		push @wrong, "the state of $actor is '" . ($state{$actor} // '') . "' instead of '$expected'" if ($state{$actor} // '') ne $expected;
	}

	my %dead = map { /^(.*)\|(\d+)$/ } split /\n/, sql(q{SELECT message->>'tag', attempts FROM dgen.dead_letters});
	my $died = sub { my ($tag) = @_; return exists $dead{$tag} || $sent{$tag}{redriven} || $sent{$tag}{refused} };

	for my $tag (keys %row, keys %dead) {
		next if $tag =~ />[12]$/;
		push @wrong, "$tag was never sent" if $never{$tag} || !$sent{$tag};
	}
	for my $sent (grep { !$_->{depends} } values %sent) {
		my $tag = $sent->{tag};
		push @wrong, "$tag is handled and dead" if $row{$tag} && $dead{$tag};
		push @wrong, "$tag has $dead{$tag} attempts instead of $sent->{dies}" if $dead{$tag} && $dead{$tag} != $sent->{dies};
		if ($sent->{cancelled} || !$sent->{committed}) {
			push @wrong, "$tag was cancelled or failed, and is there" if $row{$tag} || $dead{$tag};
			next;
		}
		next if $sent->{key};
		push @wrong, "$tag was refused, and is there" if $sent->{refused} && ($row{$tag} || $dead{$tag});
		push @wrong, "$tag is lost" unless $row{$tag} || $dead{$tag} || $sent->{refused};
		push @wrong, "$tag was told $sent->{h}" if defined $sent->{h} && $sent->{h} ne $row{$tag}{h};
	}

	# An idempotency key: one message, and everybody is told its id.
	for my $group (keys %groups) {
		my @used = grep { $_->{committed} } @{ $groups{$group} } or next;
		my %ids  = map { $_->{id} => 1 } @used;
		my $is   = grep { $row{ $_->{tag} } || $dead{ $_->{tag} } } @used;
		push @wrong, "key $group has ids " . join(',', keys %ids) . ", and $is messages" if keys %ids != 1 || $is != 1;
	}

	for my $tag (grep { $sent{$_}{asks} && $row{$_} } keys %sent) {
		my $question = "$tag>?";
		push @wrong, "$question is lost" unless $row{$question} || $dead{$question};
		my $expected = $died->($question) ? 'SH042' : '-';
		push @wrong, "$tag got the reply " . ($reply{$tag} // 'none') . " instead of $expected" if ($reply{$tag} // '') ne $expected;
	}
	for my $tag (grep { $sent{$_}{cast} && $row{$_} } keys %sent) {
		push @wrong, "the casts of $tag are lost or out of order" unless $row{"$tag>1"} && $row{"$tag>2"} && $row{"$tag>1"}{n} < $row{"$tag>2"}{n};
	}
	push @wrong, map { "$_ has no sender" } grep { /^(.*)>.$/ && !$row{$1} } keys %row, keys %dead;

	for my $tag (keys %answers) {
		my ($h, $sqlstate) = @{ $answers{$tag} };
		my $expected = $sent{$tag}{cancelled} ? 'ZD012' : $died->($tag) ? one_of($sent{$tag}{dies} == 1 ? 'SH043' : 'SH042') : '';
		push @wrong, "request $tag was answered '$h', '" . ($sqlstate // '') . "'" if ($sqlstate // '') ne $expected || !$expected && $h ne $row{$tag}{h};
	}

	# What one session sends to one actor comes in order; its calls after all that it sent before.
	my %last;
	for my $sent (grep { $row{ $_->{tag} } && !$_->{redriven} && !$_->{delay} && !$_->{key} } @sent) {
		my $n     = $row{ $sent->{tag} }{n};
		my $place = "$sent->{session} $sent->{actor}";
		my @priorities = $sent->{called} ? (-1, 0, 1) : $sent->{priority};
		for my $priority (@priorities) {
			my $before = $last{"$place $priority"} or next;
			push @wrong, "$sent->{tag} came before $before->{tag}" if $n < $row{ $before->{tag} }{n};
		}
		$last{"$place $_"} = $sent for @priorities;
	}
	return @wrong;
}

# ----

sub drain {
	my ($name) = @_;
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM dgen.messages'), "$name: all is handled");
}

sub check {
	my ($name) = @_;
	my @wrong = (check_history(), map { "unexpected: $_" } sort keys %errors);
	is(scalar(@wrong), 0, "$name: it is as the model says") or diag(join "\n", @wrong > 20 ? (@wrong[ 0 .. 19 ], '...') : @wrong);
	is(sql('SELECT count(*) FROM dgen.failed_attempt'), '0', "$name: no attempts are left behind");
}

note "DGEN_SEED=$seed DGEN_ROUNDS=$rounds";
srand $seed;
set_up();
for my $round (1 .. $rounds) {
	my @running = map { start_session("$round-$_") } 1 .. $sessions;
	while (grep { is_running($_) } @running) { disturb() }
	$_->{run}->finish for @running;
	drain("round $round");
	read_outputs($_) for @running;
	check("round $round");

	# What died is sent again after the mistake was mended.
	sql(q{INSERT INTO shop.mended VALUES (now())});
	$sent{$_}{redriven} = 1 for split /\n/, sql(q{SELECT message->>'tag' FROM dgen.dead_letters});
	sql(q{SELECT count(dgen.redrive(message_id)) FROM dgen.dead_letters});
	drain("round $round, mended");
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), '0', "round $round, mended: no dead letters");
	check("round $round, mended");
	sql(q{DELETE FROM shop.mended});
	last unless Test::More->builder->is_passing;
}
diag("DGEN_SEED=$seed") unless Test::More->builder->is_passing;
is(sql('SELECT count(*) FROM dgen.request'), '0', 'no request is left');

# The histories would say little if these did not occur.
my %count = (
	turns     => sql('SELECT count(*) FROM shop.log'),
	messages  => scalar(grep { $_->{committed} } values %sent),
	cancelled => scalar(grep { $_->{cancelled} } values %sent),
	called    => scalar(grep { defined $_->{h} } values %sent),
	redriven  => scalar(grep { $_->{redriven} } values %sent),
	shared    => scalar(grep { (grep { $_->{committed} } @$_) > 1 } values %groups),
	answers   => scalar(keys %answers),
	replies   => sql(q{SELECT count(*) FROM shop.log WHERE kind = 'reply'}));
cmp_ok($count{$_}, '>', $rounds, "$_: $count{$_}") for sort keys %count;

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
