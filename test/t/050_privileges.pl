# Who may do what, and with whose rights: every public function for every privilege, handlers
# in workers and in inline calls, and callers who lay traps on their search_path.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('privileges');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Runs it all, whatever fails.
sub attempt {
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ($out, $err);
}

# The SQLSTATE of the first error; empty if there is none.
sub error_of {
	my ($out, $err) = attempt($_[0]);
	return $err =~ /ERROR:  (\w{5}):/ ? $1 : '';
}

sub set_up {
	$node->init;
	$node->append_conf('postgresql.conf', q{
		shared_preload_libraries = 'dgen'
		max_worker_processes = 20});
	$node->start;
	sql(q{
		CREATE EXTENSION dgen;
		CREATE ROLE shop LOGIN;
		CREATE ROLE sender LOGIN;
		CREATE ROLE reader LOGIN;
		CREATE ROLE worker LOGIN;
		CREATE ROLE bystander LOGIN; -- has privileges on another type
		CREATE ROLE nobody LOGIN;
		CREATE ROLE boss SUPERUSER;
		CREATE ROLE manager LOGIN IN ROLE shop;
		GRANT USAGE ON SCHEMA dgen TO shop;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
		CREATE SCHEMA shop AUTHORIZATION shop;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC;

		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE note (who text, who_connected text, path text);
		CREATE FUNCTION serve(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		DECLARE
			result jsonb;
		BEGIN
			INSERT INTO note VALUES (current_user, session_user, current_setting('search_path'));
			IF message ? 'do' THEN
				EXECUTE message->>'do' INTO result;
			END IF;
			IF message->>'op' = 'fail' THEN
				RETURN dgen.fail('no');
			ELSIF message->>'op' = 'later' THEN
				RETURN dgen.noreply();
			END IF;
			RETURN dgen.reply(COALESCE(result, to_jsonb(current_user)), jsonb_build_object('turns', COALESCE((state->>'turns')::int, 0) + 1,
				'notes', (SELECT count(*) FROM note), 'at', date_trunc('year', now()), 'text', format('%s', lower('X'))));
		END $$;
		SELECT dgen.create_actor_type('counter', 'serve', max_attempts => 1);
		SELECT dgen.create_actor_type('box');
		SELECT dgen.create_actor_type('other');
		SELECT dgen.grant_send(t, 'sender'), dgen.grant_read(t, 'reader'), dgen.grant_work(t, 'worker')
			FROM unnest('{counter,box}'::text[]) AS t;
		SELECT dgen.grant_send('other', 'bystander'), dgen.grant_read('other', 'bystander'), dgen.grant_work('other', 'bystander');});
}

# ---- every function, every role ----

# Name => [ who may, statement ]. "any": whoever may use the schema; "owner": of the type;
# "super": granted to nobody. :dead is a dead letter, :open an open request, both of `counter`.
my %functions = (
	'cast'              => [ send  => q{SELECT dgen.cast('box', 'k')} ],
	'cast_many'         => [ send  => q{SELECT dgen.cast_many('box', '{k}', '{1}')} ],
	'send_many'         => [ send  => q{DO $$ DECLARE one record; BEGIN
		SELECT * INTO one FROM dgen.send_many('{box}', '{k}', '{1}');
		IF one.error IS NOT NULL THEN RAISE '%', one.error USING ERRCODE = one.sqlstate; END IF; END $$} ],
	'request'           => [ send  => q{SELECT dgen.request('box', 'k')} ],
	'ask'               => [ send  => q{CALL dgen.ask('box', 'k', timeout => '1 ms')} ],
	'call'              => [ send  => q{SELECT dgen.call('counter', 'k')} ],
	'cancel'            => [ send  => q{SELECT dgen.cancel('box', 'k', 1)} ],
	'await_reply'       => [ any   => q{SELECT dgen.await_reply(123456)} ],
	'await_replies'     => [ any   => q{SELECT * FROM dgen.await_replies('{123456}')} ],
	'await_any'         => [ any   => q{CALL dgen.await_any('{123456}')} ],
	'act'               => [ any   => q{SELECT dgen.act('x')} ],    # in a turn: see test/sql/actions.sql
	'send_reply'        => [ work  => q{SELECT dgen.send_reply(:open, '1')} ],
	'fail_request'      => [ work  => q{SELECT dgen.fail_request(:open, 'no')} ],
	'state'             => [ read  => q{SELECT dgen.state('box', 'k')} ],
	'explain_actor'     => [ read  => q{SELECT dgen.explain_actor('box', 'k')} ],
	'redrive'           => [ work  => q{SELECT dgen.redrive(:dead)} ],
	'discard'           => [ work  => q{SELECT dgen.discard(:dead)} ],
	'reset'             => [ work  => q{SELECT dgen.reset('box', 'k')} ],
	'delete_actor'      => [ work  => q{SELECT dgen.delete_actor('box', 'k')} ],
	'pause'             => [ work  => q{SELECT dgen.pause('box', 'k')} ],
	'resume'            => [ work  => q{SELECT dgen.resume('box', 'k')} ],
	'unlock'            => [ work  => q{SELECT dgen.unlock('box', 'k')} ],
	'attach'            => [ work  => q{SELECT dgen.attach('w', '{counter,box}')} ],
	'grant_send'        => [ owner => q{SELECT dgen.grant_send('box', 'nobody')} ],
	'grant_read'        => [ owner => q{SELECT dgen.grant_read('box', 'nobody')} ],
	'grant_work'        => [ owner => q{SELECT dgen.grant_work('box', 'nobody')} ],
	'revoke_send'       => [ owner => q{SELECT dgen.revoke_send('box', 'sender')} ],
	'revoke_read'       => [ owner => q{SELECT dgen.revoke_read('box', 'reader')} ],
	'revoke_work'       => [ owner => q{SELECT dgen.revoke_work('box', 'worker')} ],
	'create_actor_type' => [ owner => q{SELECT dgen.create_actor_type('box', replace => true)} ],
	'alter_actor_type'  => [ owner => q{SELECT dgen.alter_actor_type('box', max_attempts => 3)} ],
	'set_owner'         => [ owner => q{SELECT dgen.set_owner('box', 'shop')} ],
	'rename_actor_type' => [ owner => q{SELECT dgen.rename_actor_type('box', 'crate')} ],
	'drop_actor_type'   => [ owner => q{SELECT dgen.drop_actor_type('box', discard => true)} ],
	'adopt_database'    => [ super => q{SELECT dgen.adopt_database()} ],
	'start_workers'     => [ super => q{SELECT dgen.start_workers(0)} ],
	'stop_workers'      => [ super => q{SELECT dgen.stop_workers()} ],
	'claim'             => [ any   => q{SELECT * FROM dgen.claim()} ],    # if attached, see below
	'batch_state'       => [ any   => q{SELECT dgen.batch_state(1)} ],
	'receipt'           => [ any   => q{SELECT dgen.receipt(1)} ],
	'settle'            => [ any   => q{SELECT dgen.settle(1, 1)} ],
	'claim_locked'      => [ any   => q{SELECT dgen.claim_locked()} ],
	'commit_turns'      => [ any   => q{SELECT dgen.commit_turns('{}')} ],
	'wait'              => [ any   => q{CALL dgen.wait('1 ms')} ],
	'detach'            => [ any   => q{SELECT dgen.detach()} ],
	'actor_type_exists' => [ any   => q{SELECT dgen.actor_type_exists('counter')} ],
	'mailbox_of'        => [ any   => q{SELECT dgen.mailbox_of('k')} ],
	'noreply'           => [ any   => q{SELECT dgen.noreply(), dgen.noreply('{}')} ],
	'reply'             => [ any   => q{SELECT dgen.reply('1'), dgen.reply('1', '{}')} ],
	'fail'              => [ any   => q{SELECT dgen.fail('no')} ],
	'retry'             => [ any   => q{SELECT dgen.retry()} ],
	'destroy'           => [ any   => q{SELECT dgen.destroy()} ],
	'lock'              => [ any   => q{SELECT dgen.lock(), dgen.lock('{}')} ],
	# These look only at types that one may read.
	'stats'             => [ any   => q{SELECT * FROM dgen.stats()} ],
	'longest_waiting'   => [ any   => q{SELECT * FROM dgen.longest_waiting()} ],

	# These two and the views show nothing of what one may not read, to who may read anything at all.
	'actor'             => [ view => q{SELECT * FROM dgen.actor('box', 'k')} ],
	'mailbox'           => [ view => q{SELECT * FROM dgen.mailbox('box', 'k')} ],
	(map { ($_ => [ view => "SELECT * FROM dgen.$_" ]) } qw(actor_types actors messages dead_letters requests workers)),
);

my %may = (
	nobody    => [],
	bystander => [ 'any', 'view' ],
	sender    => [ 'any', 'send' ],
	reader    => [ 'any', 'read', 'view' ],
	worker    => [ 'any', 'work' ],
	shop      => [ 'any', 'send', 'read', 'work', 'view', 'owner' ],
	boss      => [ 'any', 'send', 'read', 'work', 'view', 'owner', 'super' ],
);

sub in_transaction {
	my ($statement) = @_;
	return $statement =~ /^CALL/ ? $statement : "BEGIN; $statement;";
}

sub test_every_function {
	my $public = sql(q{SELECT string_agg(DISTINCT name, ' ' ORDER BY name) FROM (
		SELECT proname FROM pg_proc WHERE pronamespace = 'dgen'::regnamespace AND proname NOT LIKE '\_%'
		UNION ALL
		SELECT relname FROM pg_class WHERE relnamespace = 'dgen'::regnamespace AND relkind = 'v' AND relname NOT LIKE '\_%') AS p (name)});
	is(join(' ', sort keys %functions), $public, 'every public function and view is looked at');

	my $open = sql(q{SET ROLE shop; SELECT dgen.request('counter', 'open', '{"op": "later"}')});
	my $dead = sql(q{SET ROLE shop; SELECT dgen.cast('counter', 'dead', '{"op": "fail"}')});
	sql(q{SELECT dgen.start_workers(1)});
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.messages}) or die 'not handled';
	sql(q{SELECT dgen.stop_workers()});

	for my $role (sort keys %may) {
		my @names  = sort keys %functions;
		my $script = "\\set open $open\n\\set dead $dead\nSET client_min_messages = error;\n";
		for my $name (@names) {
			$script .= "SET ROLE $role;\n" . in_transaction($functions{$name}[1]) . ";\n\\echo $name :SQLSTATE :LAST_ERROR_SQLSTATE\nROLLBACK;\nRESET ROLE;\n\\set LAST_ERROR_SQLSTATE 00000\n";
		}
		$script =~ s/;;/;/g;
		my ($out, $err) = attempt("$script\n");
		my %state = map { /^(\w+) (\w{5}) (\w{5})$/ ? ($1 => $2) : () } split /\n/, $out;
		my %allowed = map { $_ => 1 } @{ $may{$role} };
		my @wrong = grep { ($state{$_} // 'none') eq 'none' || ($state{$_} eq '42501') == ($allowed{ $functions{$_}[0] } // 0) } @names;
		is("@wrong", '', "$role may do " . (join(', ', @{ $may{$role} }) || 'nothing')) or diag(map { "$_: " . ($state{$_} // '') . "\n" } @wrong);
	}
	sql("SELECT dgen.discard($dead)");
}

sub test_attached_worker {
	my $attach = q{SELECT dgen.attach('w', '{counter,box}')};
	sql(q{SELECT dgen.cast('box', 'k', '"secret"')});
	is(error_of("SET ROLE worker; $attach; BEGIN; SELECT dgen.claim(); SELECT dgen.commit_turns('{1}'); ROLLBACK"), '', 'a worker claims and commits');
	is(error_of("SET ROLE worker; $attach; SET ROLE sender; BEGIN; SELECT dgen.claim()"), '42501', 'but not as somebody else');
	is(error_of("SET ROLE worker; $attach; RESET ROLE; SET ROLE shop; SELECT dgen.revoke_work('box', 'worker'); SET ROLE worker; SELECT dgen.claim()"),
		'42501', 'and not once the privilege is revoked');
	is(error_of("SET ROLE worker; $attach"), '42501', 'when it cannot attach either');
	sql(q{SELECT dgen.grant_work('box', 'worker')});
	is(error_of("SET ROLE worker; $attach; BEGIN; SELECT dgen.claim(); SELECT dgen.commit_turns('{1}', send_types => '{other}', send_keys => '{k}', send_messages => '{1}')"),
		'42501', 'with a batch it sends only where it may');
	is(error_of("SET ROLE worker; SELECT dgen.attach('w', '{counter,other}')"), '42501', 'nor for a type among others that it may not work for');
	sql(q{SELECT dgen.delete_actor('box', 'k')});
}

# ---- whose role counts ----

sub test_current_role {
	sql(q{
		CREATE SCHEMA api;
		GRANT USAGE, CREATE ON SCHEMA api TO PUBLIC;
		SET ROLE sender;
		CREATE FUNCTION api.send() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT dgen.cast('box', 'definer') $$;
		RESET ROLE;
		SET ROLE nobody;
		CREATE FUNCTION api.send_as_nobody() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN dgen.cast('box', 'definer'); END $$;
		CREATE FUNCTION api.pause_as_nobody() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM dgen.pause('box', 'definer'); END $$;});
	is(error_of(q{SET ROLE nobody; SELECT api.send()}), '', 'a SECURITY DEFINER function sends for its owner');
	is(error_of(q{SET ROLE sender; SELECT api.send_as_nobody()}), '42501', 'and with no more than that');
	is(error_of(q{SET ROLE shop; SELECT api.pause_as_nobody()}), '42501', 'also in operating');
	is(error_of(q{SET ROLE manager; SELECT dgen.cast('box', 'k'), dgen.pause('box'), dgen.resume('box'), dgen.alter_actor_type('box', max_attempts => 9)}), '',
		'members of the owner may what it may');
	is(error_of(q{SET SESSION AUTHORIZATION boss; SET ROLE nobody; SELECT dgen.cast('box', 'k')}), '42501', 'a superuser who set a role has its rights');

	my ($out) = attempt(q{SET ROLE sender; SAVEPOINT x; SELECT dgen.pause('box', 'k'); SELECT current_user; SELECT dgen.cast('box', 'k') > 0});
	is($out, "sender\nt", 'after an error the role is what it was');
	sql(q{SELECT dgen.delete_actor('box', k) FROM unnest('{k,definer}'::text[]) AS k});
}

sub test_reading {
	sql(q{SELECT dgen.cast('box', 'k', '"for readers"'), dgen.cast('other', 'k', '"for others"')});
	is(sql(q{SET ROLE reader; SELECT actor_type, message FROM dgen.messages}), 'box|"for readers"', 'messages of types one may read');
	is(sql(q{SET ROLE bystander; SELECT actor_type, message FROM dgen.messages}), 'other|"for others"', 'and no others');
	is(sql(q{SET ROLE bystander; SELECT count(*) FROM dgen.mailbox('box', 'k')}), '0', 'not by key either');
	is(sql(q{SET ROLE bystander; SELECT string_agg(actor_type, ' ') FROM dgen.stats() WHERE actor_type IN ('box', 'other')}), 'other', 'nor counted');
	is(sql(q{SET ROLE reader; SELECT string_agg(actor_type, ' ') FROM dgen.longest_waiting() WHERE actor_type IN ('box', 'other')}), 'box', 'nor named');
	for my $type ('box', 'other') {
		sql(qq{SELECT dgen.cast('$type', 'late', delay => '1 h'), dgen.cast('$type', 'state'); SELECT dgen.pause('$type', 'k');
			SELECT dgen.attach('w', '{$type}'); BEGIN; SELECT dgen.claim(); SELECT dgen.commit_turns('{1}', states => ARRAY['{"a": 1}']::jsonb[]); COMMIT;
			SELECT dgen.cast('$type', 'dead'); BEGIN; SELECT dgen.claim(); SELECT dgen.commit_turns('{0}', errors => '{no}', outcomes => '{fail}'); COMMIT});
	}
	for my $view ('actors', 'messages', 'dead_letters', 'actor_types') {
		my $all = sql("SELECT string_agg(DISTINCT actor_type, ' ' ORDER BY actor_type) FROM dgen.$view WHERE actor_type <> 'counter'");
		is($all, 'box other', "there are $view of several types");
		is(sql("SET ROLE reader; SELECT string_agg(DISTINCT actor_type, ' ') FROM dgen.$view WHERE actor_type <> 'counter'"), 'box', "$view of types one may read");
		is(sql("SET ROLE bystander; SELECT string_agg(DISTINCT actor_type, ' ') FROM dgen.$view"), 'other', 'and no others');
	}
	is(sql(q{SET ROLE bystander; SELECT count(*) FROM dgen.messages WHERE status = 'delayed'}), '1', 'also of the delayed ones');
	my $session = $node->background_psql('postgres');
	$session->query_safe(q{SELECT dgen.attach('mixed', '{other,box}')});
	is(sql(q{SET ROLE reader; SELECT name, types FROM dgen.workers}), 'mixed|{box}', 'workers, with the types one may read');
	is(sql(q{SET ROLE bystander; SELECT types FROM dgen.workers}), '{other}', 'and no others');
	is(sql(q{SET ROLE bystander; SELECT count(*) FROM dgen._workers() WHERE 'box' = ANY (types)}), '0', 'the function behind the view tells no more');
	$session->quit;
	is(sql(q{SET ROLE bystander; SELECT string_agg(t::text, ' ') FROM generate_series(1, 10) AS t WHERE dgen._can_read(t)}), '3', 'nor the one about privileges');
	sql(q{SELECT dgen.delete_actor(t, k) FROM unnest('{box,other}'::text[]) AS t, unnest('{k,late,state,dead}'::text[]) AS k});
}

sub test_replies {
	my $request = sql(q{SET ROLE sender; SELECT dgen.request('box', 'k')});
	is(error_of("SET ROLE shop; SELECT dgen.await_reply($request, '1 ms')"), '42501', 'a reply is for the role that asked, not for the owner of the type');
	is(error_of("SET ROLE worker; SELECT dgen.await_reply($request, '1 ms')"), '42501', 'nor for who answers');
	is(sql("SET ROLE worker; SELECT dgen.send_reply($request, '\"yours\"')"), 't', 'answered');
	is(sql("SET ROLE shop; SELECT error FROM dgen.await_replies('{$request}')"), "request $request was sent by another role", 'also not for several');
	is(sql("SET ROLE sender; SELECT dgen.await_reply($request)"), '"yours"', 'who asked has it');
	sql(q{SELECT dgen.delete_actor('box', 'k')});
}

# ---- private functions ----

sub test_private {
	is(sql(q{SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'dgen'::regnamespace
		AND proname LIKE '\_%' AND has_function_privilege('shop', oid, 'EXECUTE')}), '_actions _can_read _is_owned _kind _request_status _show _show _workers', 'private functions are private, but for those behind views and dumps');
	is(sql(q{SELECT count(*) FROM pg_class c, unnest('{nobody,bystander,sender,reader,worker,shop}'::regrole[]) AS r
		WHERE relnamespace = 'dgen'::regnamespace AND relkind IN ('r', 'S') AND (has_table_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))}),
		'0', 'so are the tables');
	for my $call (q{dgen._cancel('box', 'k', 1)}, q{dgen._own(1, 1)}, q{dgen._calling_role()}, q{dgen._adopt_database()}, q{dgen._maintain(1)},
		q{dgen._grant('box', 'nobody', 'work')}) {
		is(error_of("SET ROLE shop; SELECT $call"), '42501', "$call is refused");
	}
}

# ---- handlers ----

sub test_handler_rights {
	sql(q{
		CREATE SCHEMA caller AUTHORIZATION sender;
		SET ROLE sender;
		CREATE TABLE caller.private AS SELECT 'mine' AS secret;
		CREATE FUNCTION caller.helper() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
		CREATE FUNCTION caller.handler(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS 'SELECT dgen.reply(NULL)';});
	my $steal = q{{"do": "SELECT to_jsonb(secret) FROM caller.private"}};
	my $who = q{{"do": "SELECT jsonb_build_object('current', current_user, 'path', current_setting('search_path'))"}};

	is(sql("SET ROLE sender; SELECT dgen.call('counter', 'k', \$\$$who\$\$)"), '{"path": "shop, pg_temp", "current": "shop"}', 'an inline call runs as the owner of the type');
	is(error_of("SET ROLE sender; SELECT dgen.call('counter', 'k', '$steal')"), '42501', 'and reaches nothing of the caller');
	is(error_of("SET SESSION AUTHORIZATION sender; SELECT dgen.call('counter', 'k', '$steal')"), '42501', 'nor of the session');
	is(error_of("SELECT dgen.call('counter', 'k', '$steal')"), '42501', 'nor of a superuser');
	is(error_of(q{SELECT dgen.call('counter', 'k', '{"do": "SET ROLE boss"}')}), '42501', 'whose role it cannot take');
	is(error_of(q{SELECT dgen.call('counter', 'k', '{"do": "RESET ROLE"}')}), '42501', 'in no way');
	is(error_of(q{SELECT dgen.call('counter', 'k', '{"do": "SET SESSION AUTHORIZATION DEFAULT"}')}), '42501', 'nor its session');
	is(error_of(q{SELECT dgen.call('counter', 'k', '{"do": "SELECT to_jsonb(dgen.cast(''other2'', ''k''))"}')}), 'ZD001', 'it sends with its own rights');

	my ($out) = attempt(q{SET ROLE sender; SET search_path = caller; SELECT dgen.call('counter', 'k', '{"do": "SET search_path = pg_catalog"}');
		SELECT dgen.call('counter', 'k'); SELECT current_user, current_setting('search_path'), helper()});
	like($out, qr/sender\|caller\|sender$/, 'afterwards the caller is who it was, and where');

	sql(q{SELECT dgen.start_workers(1)});
	is(sql(q{SET ROLE sender; CALL dgen.ask('counter', 'k')}), '"shop"', 'a worker runs it as the owner of the type');
	is(error_of("CALL dgen.ask('counter', 'k', '$steal')"), '42501', 'and it reaches nothing else');
	is(sql(q{SELECT DISTINCT who, path FROM shop.note}), 'shop|shop, pg_temp', 'all turns ran so');
	is(sql(q{SELECT count(*) > 0 FROM shop.note WHERE who_connected = 'shop'}), 't', 'the worker is connected as the owner');
	sql(q{SELECT dgen.stop_workers(); SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});
}

# H14: what a handler defers to the end of the transaction.
sub test_deferred {
	sql(q{
		SET ROLE shop;
		CREATE TABLE shop.entry (n integer);
		CREATE FUNCTION shop.see() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO shop.note VALUES (current_user, 'deferred', '');
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER see AFTER INSERT ON shop.entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.see();
		CREATE FUNCTION shop.enter(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			SET CONSTRAINTS ALL DEFERRED;
			INSERT INTO shop.entry VALUES (1);
			RETURN dgen.reply('1', jsonb_build_object('n', (SELECT count(*) FROM shop.note WHERE who_connected = 'deferred')));
		END $$;
		SELECT dgen.create_actor_type('entrant', 'shop.enter');
		SELECT dgen.grant_send('entrant', 'sender');
		RESET ROLE;
		CREATE TABLE caller.entry (who text);
		GRANT ALL ON caller.entry TO sender;
		SET ROLE sender;
		CREATE TABLE caller.mine (n integer);
		CREATE FUNCTION caller.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO caller.entry VALUES (current_user); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER see AFTER INSERT ON caller.mine DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION caller.see();});
	sql(q{SET ROLE sender; BEGIN; INSERT INTO caller.mine VALUES (1); SELECT dgen.call('entrant', 'k'); INSERT INTO caller.mine VALUES (2); COMMIT});
	is(sql(q{SELECT string_agg(DISTINCT who, ' ') FROM shop.note WHERE who_connected = 'deferred'}), 'shop', 'what a handler defers runs as the owner of the type in an inline call');
	is(sql(q{SELECT string_agg(who, ' ') FROM caller.entry}), 'sender sender', 'and what the caller defers as the caller');

	# A handler of an ordinary role, called by a superuser: no way up.
	sql(q{BEGIN; SELECT dgen.call('entrant', 'k'); COMMIT});
	is(sql(q{SELECT string_agg(DISTINCT who, ' ') FROM shop.note WHERE who_connected = 'deferred'}), 'shop', 'also when a superuser calls');
}

sub test_untrusted {
	sql(q{
		CREATE LANGUAGE wild HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator;
		CREATE FUNCTION shop.wild(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE wild AS $$ BEGIN RETURN dgen.reply('1'); END $$;});
	is(error_of(q{SET ROLE shop; SELECT dgen.create_actor_type('wild', 'shop.wild')}), '42501', 'an untrusted language is for the types of superusers');
	is(error_of(q{SELECT dgen.create_actor_type('wild', 'shop.wild')}), '', 'who may');
	is(sql(q{SELECT dgen.call('wild', 'k')}), '1', 'and it works');
	sql(q{CREATE FUNCTION shop.tame(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$ BEGIN RETURN dgen.reply('1'); END $$;
		SET ROLE shop; SELECT dgen.create_actor_type('tame', 'shop.tame'); RESET ROLE;
		DROP FUNCTION shop.tame;
		CREATE FUNCTION shop.tame(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE wild AS $$ BEGIN RETURN dgen.reply('1'); END $$;});
	is(error_of(q{SELECT dgen.call('tame', 'k')}), '42501', 'a handler that was exchanged is checked again');
	sql(q{REVOKE EXECUTE ON FUNCTION shop.serve FROM PUBLIC, shop});
	is(error_of(q{SELECT dgen.call('counter', 'k')}), '42501', 'so is one that its owner may not execute any more');
	sql(q{GRANT EXECUTE ON FUNCTION shop.serve TO shop});
	is(error_of(q{SET ROLE shop; SELECT dgen.create_actor_type('thief', 'pg_catalog.pg_read_file')}), 'ZD004', 'a function that is no handler');
	is(error_of(q{SET ROLE sender; SELECT dgen.alter_actor_type('counter', handler => 'caller.handler')}), '42501', 'a handler is exchanged by the owner only');
	sql(q{SELECT dgen.drop_actor_type('wild', true); SELECT dgen.drop_actor_type('tame', true)});
}

# ---- traps on the search_path ----

# Everything in pg_catalog that dgen's SQL might mean, with the same name and arguments in
# another schema; each tells when it is run, and as whom.
sub lay_traps {
	sql(q{
		CREATE SCHEMA evil;
		CREATE TABLE evil.types AS SELECT unnest('{int2,int4,int8,text,bool,jsonb,timestamptz,interval,oid,name,"char",regclass,regrole,float8}'::regtype[]) AS t;
		DO $do$
		DECLARE
			o record;
		BEGIN
			FOR o IN SELECT oprname, oprcode::regproc AS code, oid, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result FROM pg_operator
				WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b'
					AND oprleft IN (SELECT t FROM evil.types) AND oprright IN (SELECT t FROM evil.types)
			LOOP
				EXECUTE format('CREATE FUNCTION evil.o%s(a %s, b %s) RETURNS %s LANGUAGE plpgsql AS
					$$BEGIN RAISE WARNING ''trap: operator %% as %%'', %L, current_user; RETURN pg_catalog.%I(a, b); END$$', o.oid, o.l, o.r, o.result, o.oprname, o.code::text);
				EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.o%s)', o.oprname, o.l, o.r, o.oid);
			END LOOP;
			FOR o IN SELECT p.oid, proname AS name, prorettype::regtype AS result, pg_get_function_identity_arguments(p.oid) AS arguments,
					(SELECT string_agg('$' || n, ', ') FROM generate_series(1, pronargs) AS n) AS pass, pronargs
				FROM pg_proc p
				WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND provariadic = 0 AND proargmodes IS NULL
					AND NOT EXISTS (SELECT FROM unnest(proargtypes) AS a WHERE a NOT IN (SELECT t FROM evil.types))
					AND prorettype IN (SELECT t FROM evil.types)
					AND proname IN ('now', 'clock_timestamp', 'statement_timestamp', 'format', 'nextval', 'octet_length', 'length', 'jsonb_typeof', 'lower', 'date_trunc',
						'pg_has_role', 'has_function_privilege', 'current_setting', 'set_config', 'random', 'pg_sleep', 'quote_ident', 'concat', 'int8', 'int4', 'text',
						'current_database', 'pg_backend_pid', 'to_char', 'replace', 'substr', 'left', 'abs', 'int8inc', 'timestamptz_pl_interval')
			LOOP
				EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS
					$$BEGIN RAISE WARNING ''trap: function %s as %%'', current_user; RETURN pg_catalog.%I(%s); END$$', o.name, o.arguments, o.result, o.name, o.name, o.pass);
			END LOOP;
		END $do$;
		CREATE FUNCTION evil.counted(bigint) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'trap: aggregate'; RETURN $1 + 1; END$$;
		CREATE AGGREGATE evil.count(*) (SFUNC = evil.counted, STYPE = bigint, INITCOND = 0);
		CREATE TABLE evil.note (who text, who_connected text, path text);
		CREATE TABLE evil.message (LIKE dgen.message); CREATE TABLE evil.actor (LIKE dgen.actor); CREATE TABLE evil.request (LIKE dgen.request);
		GRANT USAGE ON SCHEMA evil TO PUBLIC;
		GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC;
	});
	my ($out, $err) = attempt(q{SET search_path = evil, pg_catalog; SELECT 1::int8 = 1::int8, now() IS NULL, count(*) FROM pg_namespace});
	like($err, qr/trap: $_/, "the trap works: $_") for 'operator =', 'function now', 'aggregate';
	cmp_ok(sql(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace}), '>', 200, 'and there are many');
}

sub test_traps {
	lay_traps();
	my $open = sql(q{SET ROLE sender; SELECT dgen.request('counter', 'trap-open', '{"op": "later"}')});
	my $dead = sql(q{SET ROLE sender; SELECT dgen.cast('counter', 'trap-dead', '{"op": "fail"}')});
	sql(q{SELECT dgen.start_workers(1)});
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.messages}) or die 'not handled';
	sql(q{SELECT dgen.stop_workers()});

	my %more = (
		'cast with a key' => q{SELECT dgen.cast('box', 'k', '{"a": 1}', delay => '1 ms', priority => 3, idempotency_key => 'once', headers => '{}')},
		'again'           => q{SELECT dgen.cast('box', 'k', idempotency_key => 'twice') FROM generate_series(1, 2)},
		'turns'           => q{SELECT dgen.cast('box', 'k'); SELECT dgen.attach('w', '{box}'); SELECT * FROM dgen.claim(); SELECT dgen.commit_turns('{1}', set_entries => '{"{\"a\": 1}"}')},
		'failed turns'    => q{SELECT dgen.cast('box', 'k'); SELECT dgen.attach('w', '{box}'); SELECT * FROM dgen.claim(); SELECT dgen.commit_turns('{0}', errors => '{no}')},
		'maintenance'     => q{SELECT dgen.attach('w', '{box}'); SELECT * FROM dgen.claim()},
		'call'            => q{SELECT dgen.call('counter', 'k')},
		'new type'        => q{SELECT dgen.create_actor_type('fresh', 'shop.serve'); SELECT dgen.drop_actor_type('fresh')},
		'used type'       => q{SELECT dgen.cast('box', 'k'); SELECT dgen.drop_actor_type('box')},
	);
	for my $role ('boss', 'shop') {
		my $script = "SET search_path = evil, pg_catalog;\nSET ROLE $role;\n\\set open $open\n\\set dead $dead\n";
		my %statement = (%more, map { $_ => $functions{$_}[1] } grep { $_ ne 'stop_workers' && $_ ne 'start_workers' } keys %functions);
		for my $name (sort keys %statement) {
			$script .= "\\warn begin $name\n" . in_transaction($statement{$name}) . ";\n\\warn end\nROLLBACK;\n";
		}
		$script =~ s/;;/;/g;
		my ($out, $err) = attempt($script);
		my @ends = $err =~ /^end$/mg;
		is(scalar(@ends), scalar(keys %statement), "$role runs everything with traps first on the search_path");
		my @caught;
		while ($err =~ /^begin (.*?)\n(.*?)^end$/msg) {
			my ($name, $said) = ($1, $2);
			push @caught, "$name: $said" if $said =~ /trap: /;
		}
		is("@caught", '', "$role is caught by none");
	}
	is(sql(q{SELECT (SELECT count(*) FROM evil.note) + (SELECT count(*) FROM evil.message) + (SELECT count(*) FROM evil.actor)}), '0', 'no table was taken for another');

	# A temporary table in the place of the handler's, and functions.
	my $before = sql(q{SELECT count(*) FROM shop.note});
	my ($out, $err) = attempt(q{
		SET ROLE sender;
		CREATE TEMP TABLE note (who text, who_connected text, path text);
		CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'trap: temporary'; RETURN 'x'; END $$;
		SET search_path = pg_temp, evil, pg_catalog;
		SELECT dgen.call('counter', 'k');
		SELECT count(*) OPERATOR(pg_catalog.||) ' temporary' FROM pg_temp.note;});
	unlike($err, qr/trap: (?!aggregate|operator)|trap.* as shop/, 'a handler does not see the temporary schema of its caller');
	like($out, qr/^0 temporary/m, 'nor writes into it');
	is(sql(q{SELECT count(*) FROM shop.note}), $before + 1, 'but where it means to');
}

# ---- roles that change ----

sub test_renamed_owner {
	sql(q{ALTER ROLE shop RENAME TO store});
	is(sql(q{SELECT dgen.call('counter', 'k')}), '"store"', 'a renamed owner still owns its types');
	sql(q{SELECT dgen.start_workers(1)});
	is(sql(q{CALL dgen.ask('counter', 'k')}), '"store"', 'also in workers');
	sql(q{SELECT dgen.stop_workers(); ALTER ROLE store RENAME TO shop});
}

sub test_dropped_roles {
	sql(q{DROP OWNED BY bystander; DROP ROLE bystander});
	is(error_of(q{SET ROLE shop; SELECT dgen.grant_send('other', 'sender'), dgen.cast('other', 'k'), dgen.revoke_send('other', 'sender')}), '', 'a grantee that was dropped is in nobody\'s way');

	sql(q{CREATE ROLE passing LOGIN; GRANT USAGE ON SCHEMA dgen TO passing; GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO passing;
		CREATE FUNCTION public.whoever(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(current_user)) $$;
		SET ROLE passing; SELECT dgen.create_actor_type('orphan', 'public.whoever'); SELECT dgen.grant_send('orphan', 'sender')});
	is(error_of(q{DROP ROLE passing}), '2BP01', 'an owner of types cannot be dropped just so');
	is(error_of(q{DROP OWNED BY passing}), '2BP01', 'nor what it owns');
	sql(q{SET allow_system_table_mods = on; DELETE FROM pg_authid WHERE rolname = 'passing'});
	is(error_of(q{SET ROLE shop; SELECT dgen.grant_send('other', '-'); SET ROLE sender; SELECT dgen.call('orphan', 'k')}), '42704', 'the types of an owner that is gone are not handled');
	my (undef, $hint) = attempt(q{SET ROLE shop; SELECT dgen.rename_actor_type('orphan', 'x')});
	like($hint, qr/The owner was dropped. A superuser can give the type to another role/, 'an error says so');
	is(sql(q{SELECT dgen.cast('orphan', 'k') > 0}), 't', 'their messages wait');
	sql(q{SELECT dgen.start_workers(1)});
	is(sql(q{CALL dgen.ask('counter', 'k')}), '"shop"', 'other types go on');
	sql(q{SELECT dgen.stop_workers()});
	like(sql(q{SELECT dgen.explain_actor('orphan', 'k')}), qr/waits, because the owner of its type was dropped/, 'dgen.explain_actor says why');
	sql(q{SELECT dgen.set_owner('orphan', 'shop'), dgen.start_workers(1)});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.mailbox('orphan', 'k')}), 'a superuser gives them to another role');
	sql(q{SELECT dgen.stop_workers()});
	is(error_of(q{SELECT dgen.drop_actor_type('orphan', discard => true)}), '', 'or drops them');
}

set_up();
test_every_function();
test_attached_worker();
test_current_role();
test_reading();
test_replies();
test_private();
test_handler_rights();
test_deferred();
test_untrusted();
test_traps();
test_renamed_owner();
test_dropped_roles();

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
