"""When all sessions are gone: what was taken away is given back, and then nothing may be stuck, lost or left."""
import time

import pq

PATIENCE = 30           # seconds without any progress

# What the sessions have set may keep messages for good reasons; those reasons are taken away.
MAKE_GOOD = [
    "SELECT dgen.alter_actor_type(name, max_rate => 0, max_concurrency => 0, turn_timeout => '2 s', lock_timeout => '1 s', "
    "max_attempts => 2) FROM dgen.actor_type WHERE name NOT LIKE '%vault' AND name <> 'ledger'",
    "SELECT dgen.resume(t.name, NULLIF(p.actor_key, '')) FROM dgen.paused p JOIN dgen.actor_type t ON t.id = p.type_id "
    "WHERE t.name NOT LIKE '%vault'",
    "SELECT dgen.unlock(t.name, l.actor_key) FROM dgen.locked l JOIN dgen.actor_type t ON t.id = l.type_id",
    "SELECT dgen.redrive(message_id) FROM dgen.dead_letters WHERE actor_type = 'ledger'",
    "SELECT dgen.set_owner(t.name, 'fuzz_owner') FROM dgen.actor_type t JOIN pg_roles r ON r.oid = t.owner WHERE NOT r.rolcanlogin",
    "SELECT dgen.adopt_database()",
    "SELECT dgen.start_workers(2)",
]

OUTSIDE = "SELECT array_agg(name) FROM dgen.actor_type WHERE handler IS NULL"

# Messages that nothing keeps from being handled.
LEFT = """
SELECT actor_type, actor_key, max(message ->> 'tag'), count(*) FROM dgen.messages m
WHERE (actor_type NOT LIKE '%vault' AND status = 'waiting' AND NOT EXISTS (
    SELECT FROM dgen.messages b WHERE b.actor_type = m.actor_type AND b.actor_key = m.actor_key AND b.status IN ('backing off', 'locked'))
    OR actor_type NOT LIKE '%vault' AND status = 'delayed' AND not_before < clock_timestamp() - interval '2 s')
    AND actor_type {types} AND COALESCE(message ->> 'tag', '') <> ALL ({but}::text[])
GROUP BY 1, 2
"""


class Ending:
    def __init__(self, run, database):
        self.run = run
        self.database = database
        self.connection = pq.Connection(run.conninfo("postgres", database))
        self.worker = pq.Connection(run.conninfo("postgres", database))

    def sql(self, text, must=True):
        outcome = self.connection.execute(text)
        if outcome.error or outcome.lost:
            if must:
                self.run.judge.complain(f"at the end, in {self.database}: {text}: {outcome.error.text() if outcome.error else outcome.lost}")
        return [tuple(value.decode(errors="replace") if value is not None else None for value in row) for row in outcome.rows]

    def check(self):
        for statement in MAKE_GOOD:
            self.sql(statement)
        self.drain()
        self.check_ledger()
        self.check_vault()
        self.check_indexes()
        self.sql("SELECT dgen.stop_workers()")
        self.worker.close()
        for view in self.run.catalog.relations:
            self.sql(f"SELECT * FROM {view[0]}")
        self.check_locks()
        self.connection.close()

    def drain(self):
        """Workers do it, and for types without a handler this session. First what was announced, as it was; then all, after
        a call: nothing tells of what a prepared transaction has sent."""
        but = "ARRAY[" + ", ".join(f"'{tag}'" for tag in sorted(self.run.sent.unannounced)) + "]"
        self.until_none(LEFT.replace("{types}", "= 'ledger'").replace("{but}", but))
        self.sql("SELECT count(dgen._wake(id)), count(dgen._wake(-id)) FROM dgen.actor_type")
        self.sql("SELECT count(dgen.cast('ledger', k, '{\"tag\": \"poke\"}', delay => d::interval)) FROM unnest(ARRAY['a', 'b', 'c']) AS k, "
                 "unnest(ARRAY['0', '1 ms']) AS d")
        self.until_none(LEFT.replace("{types}", "IS NOT NULL").replace("{but}", "'{}'"))

    def until_none(self, what):
        last, since = None, time.monotonic()
        while True:
            self.handle_outside()
            left = self.sql(what)
            if not left:
                return
            if left != last:
                last, since = left, time.monotonic()
            if time.monotonic() > since + PATIENCE:
                why = self.sql("SELECT dgen.explain_actor($k$%s$k$, $k$%s$k$)" % left[0][:2], must=False)
                self.run.judge.complain(f"stuck in {self.database}: {left[:5]}: {why}")
                return
            time.sleep(0.1)

    def handle_outside(self):
        types = self.sql(OUTSIDE)[0][0]
        if not types:
            return
        quoted = types.replace("'", "''")
        self.worker.execute(f"SELECT dgen.attach('ending', '{quoted}', '0.1.0', NULL, '{quoted}')")
        for _ in range(200):
            self.worker.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            claimed = self.worker.execute("SELECT * FROM dgen.claim()")
            if not claimed.rows:
                self.worker.execute("ROLLBACK")
                return
            actors = [int(row[0]) for row in claimed.rows]
            counts = ", ".join(str(actors.count(n)) for n in range(1, max(actors) + 1))
            committed = self.worker.execute(f"SELECT dgen.commit_turns(ARRAY[{counts}])")
            self.worker.execute("COMMIT")
            if committed.error:
                self.run.judge.complain(f"at the end, a plain batch: {committed.error.text()}")

    def check_ledger(self):
        handled = {}
        for tag, in self.sql("SELECT tag FROM fuzz.handled"):
            handled[tag] = handled.get(tag, 0) + 1
        wrong = []
        for (database, tag), fate in self.run.sent.fates.items():
            count = handled.get(tag, 0)
            if database == self.database and (fate is True and count != 1 or fate is False and count or count > 1):
                wrong.append(f"{tag} {'was committed' if fate else 'was not committed'}, and handled {count} times: "
                             + "; ".join(self.run.sent.stories[database, tag]))
        if wrong:
            self.run.judge.complain(f"{len(wrong)} messages in {self.database}: " + "\n".join(wrong[:10]))

    def check_vault(self):
        changed = self.sql("""SELECT v.t FROM fuzz.vault_before v WHERE v.t NOT IN (
            SELECT t::text FROM dgen.actor_type t UNION ALL SELECT p::text FROM dgen.privilege p UNION ALL SELECT a::text FROM dgen.actor a)""")
        more = self.sql("""SELECT p::text FROM dgen.privilege p WHERE p::text NOT IN (SELECT t FROM fuzz.vault_before)
            AND type_id IN (SELECT id FROM dgen.actor_type WHERE name IN ('vault', 'open vault', 'ledger'))""")
        if changed or more:
            self.run.judge.complain(f"somebody without the right to it changed, in {self.database}: {changed}, {more}")

    def check_indexes(self):
        if not self.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'"):
            return
        self.sql("CREATE EXTENSION IF NOT EXISTS amcheck")
        self.sql("SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                 "WHERE c.relnamespace = 'dgen'::regnamespace AND c.relam = 403")

    def check_locks(self):
        """Whoever held one is gone."""
        until = time.monotonic() + PATIENCE
        locks = f"""SELECT pid, mode, classid, objid, objsubid FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        while time.monotonic() < until and self.sql(locks):
            time.sleep(0.1)
        left = self.sql(locks)
        if left:
            self.run.judge.complain(f"locks are left: {left}")
