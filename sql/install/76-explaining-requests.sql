-- What a request waits for: for a caller whose reply did not come in time.

-- For a role that can send but not read: only reasons that reveal nothing about messages.
CREATE FUNCTION dgen._explain_type(type integer) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('Actor type "%s" ', t.name) || COALESCE(
		dgen._explain_adoption(),
		(SELECT format('is paused since %s', date_trunc('seconds', p.paused_at)) FROM dgen.paused p
			WHERE p.type_id = t.id AND p.mailbox = 0 AND p.actor_key = ''),
		(SELECT CASE
				WHEN t.handler IS NULL AND dgen._nobody_takes(type, 'messages') THEN 'is not handled, because no attached worker handles its messages'
				WHEN t.handler IS NULL THEN 'is not handled, because no external worker is attached for it'
				ELSE 'is not handled, because no worker runs for it: ' || dgen._explain_start()
			END
			WHERE NOT EXISTS (SELECT FROM dgen.workers w WHERE t.name = ANY (w.messages))
				AND NOT dgen._perhaps_taken(type, false))) || '.'
	FROM dgen.actor_type t
	WHERE t.id = type
$$;
COMMENT ON FUNCTION dgen._explain_type(integer) IS 'why no message of the type is handled, in a sentence; NULL: no such reason';

CREATE FUNCTION dgen._explain_pending(request bigint) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
AS $$
	SELECT CASE WHEN dgen._can_read(t.id) THEN dgen._explain_actor(t.name, r.actor_key) ELSE dgen._explain_type(t.id) END
	FROM dgen.request r
	JOIN dgen.actor_type t ON t.id = r.type_id
	WHERE r.id = request AND r.status = 'p'
$$;
COMMENT ON FUNCTION dgen._explain_pending(bigint) IS 'why an open request has no reply yet, as far as the calling role can know';

REVOKE ALL ON FUNCTION dgen._explain_type(integer), dgen._explain_pending(bigint) FROM PUBLIC;
