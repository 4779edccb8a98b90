"""One client of many: connects as somebody, does one thing after the other, and looks at what it left."""
import collections
import random
import threading
import time
import traceback

import pq
from judge import Finding
from ledger import Ledger
from statements import Statements
from values import literal

ROLES = {"fuzz_sender": 4, "fuzz_owner": 4, "fuzz_other": 2, "fuzz_reader": 2, "fuzz_worker": 3, "fuzz_nobody": 1, "postgres": 3}
DATABASES = {"fuzz_utf8": 6, "fuzz_latin1": 1, "fuzz_ascii": 1}
ENCODINGS = ["UTF8", "UTF8", "UTF8", "LATIN1", "SQL_ASCII", "WIN1252", "SJIS", "EUC_JP", "LATIN9"]
# Whom work can be done for.
WORKERS = {"fuzz_worker": ["ARRAY['outside']", "ARRAY['play', 'outside']", "ARRAY['few', 'outside', 'echo']"],
           "fuzz_owner": ["ARRAY['outside']", "ARRAY['few', 'outside']"], "fuzz_other": ["ARRAY['theirs outside']", "ARRAY['theirs']"],
           "postgres": ["ARRAY['outside', 'theirs outside']"]}
PRIVILEGED = {"postgres", "fuzz_reader"}

SETTINGS = ["SET force_parallel_mode = on", "SET plan_cache_mode = force_generic_plan", "SET search_path = ''", "SET work_mem = '64kB'",
            "SET lock_timeout = '1ms'", "SET DateStyle = 'SQL, DMY'", "SET IntervalStyle = 'iso_8601'", "SET TimeZone = 'Asia/Kathmandu'",
            "SET default_transaction_isolation = 'serializable'", "SET default_transaction_isolation = 'repeatable read'",
            "SET default_transaction_read_only = on", "SET enable_indexscan = off", "SET enable_seqscan = off", "SET jit_above_cost = 0",
            "SET max_stack_depth = '100kB'", "SET extra_float_digits = -15", "SET row_security = off", "SET bytea_output = 'escape'",
            "SET idle_in_transaction_session_timeout = '5s'", "SET transform_null_equals = on", "SET default_toast_compression = 'pglz'",
            "SET statement_timeout = '20ms'", "SET constraint_exclusion = on", "SET search_path = pg_temp, dgen, public",
            "SET synchronous_commit = off", "SET default_transaction_deferrable = on", "SET temp_buffers = 100"]

BEGINS = ["BEGIN", "BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE",
          "BEGIN READ ONLY", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"]

# Where assertions of the server itself fail, without dgen, that nobody notices otherwise: after a wait for the snapshot of a
# deferrable transaction that was cancelled in a savepoint (predicate.c, MySerializableXact), and after an error that
# a deferred trigger catches in COMMIT (xact.c, RollbackAndReleaseCurrentSubTransaction).
SAFE = {" DEFERRABLE": "", "transaction_deferrable = on": "transaction_deferrable = off", "fuzz.at_commit": "fuzz.after_row"}

# In a statement of its own, in a transaction of its own. Locks that the look itself takes do not count,
# nor does that of a locked part, which an attached worker holds between transactions.
LOOK = """
SELECT current_user || ' ' || session_user,
    (SELECT string_agg(format('%s %s %s %s %s %s', l.locktype, l.mode, l.relation::regclass, l.classid, l.objid, l.objsubid), ', ')
        FROM pg_catalog.pg_locks l
        WHERE l.pid = pg_backend_pid() AND l.locktype <> 'virtualxid' AND l.mode <> 'SIReadLock'
            AND NOT (l.locktype = 'relation' AND l.mode = 'AccessShareLock' AND l.relation < 16384::oid)
            AND NOT (l.locktype = 'advisory' AND l.objsubid = 25704)),
    concat_ws(', ', (SELECT 'LISTEN' FROM pg_listening_channels() LIMIT 1),
        (SELECT 'the cursor ' || name FROM pg_catalog.pg_cursors WHERE name NOT LIKE 'fuzz%' AND name <> '' LIMIT 1),
        (SELECT 'the statement ' || name FROM pg_catalog.pg_prepared_statements WHERE name NOT LIKE 'fuzz%' LIMIT 1),
        (SELECT 'the table ' || relname FROM pg_catalog.pg_class WHERE relname = 'left_behind' AND relnamespace = pg_my_temp_schema()),
        (SELECT 'work_mem' FROM pg_catalog.pg_settings WHERE name = 'work_mem' AND setting = '1024'))
"""


class Session(threading.Thread):
    def __init__(self, number, run):
        super().__init__(daemon=True, name=f"session {number}")
        self.number = number
        self.run_ = run
        self.recent = collections.deque(maxlen=60)      # (how long, statement, what came of it)
        self.began = None                               # of the statement that runs
        self.connection = None
        self.lives = 0
        self.ledger = Ledger(number, run.sent)

    # ---- statements ----

    def execute(self, statement, binary=False):
        if statement != LOOK and self.run_.skip_statement(statement):
            return pq.Outcome()
        if self.run_.assertions:
            for what, instead in SAFE.items():
                statement = statement.replace(what, instead)
        self.recent.append([time.monotonic(), "-- look" if statement == LOOK else statement, "..."])
        self.began = time.monotonic()
        outcome = self.connection.execute(self.encoded(statement), binary)
        self.began = None
        notices, self.connection.notices = self.connection.notices, []
        self.recent[-1][2] = (f"lost: {outcome.error.text() if outcome.error else outcome.lost}" if outcome.lost
                              else outcome.error.text() if outcome.error else " ".join(outcome.tags))
        self.recent[-1][0] = time.monotonic() - self.recent[-1][0]
        self.run_.counts[self.number] += "dgen." in statement
        self.run_.tell_coverage(statement, outcome)
        self.run_.judge.answer(outcome, notices, self.privileged)
        if outcome.lost:
            self.run_.judge.lost(outcome)
            raise ConnectionError
        self.remember(statement, outcome)
        return outcome

    def encoded(self, statement):
        """As bytes of the client's encoding, or as UTF-8 where it lacks some."""
        codec = {"LATIN1": "latin-1", "WIN1252": "cp1252", "SJIS": "shift_jis", "EUC_JP": "euc_jp"}.get(self.encoding, "utf-8")
        try:
            return statement.encode(codec)
        except UnicodeEncodeError:
            return statement.encode()

    def remember(self, statement, outcome):
        """Ids, for others to use."""
        if "dgen.request(" in statement or "dgen.cast(" in statement or "send_many" in statement or "claim(" in statement:
            own = "dgen.request(" in statement or "send_many" in statement
            for row in outcome.rows[:5]:
                value = row[5] if len(row) > 5 else row[0] if row else None
                if value and value.isdigit():
                    self.ids.add(value.decode(), own)

    # ---- a life ----

    def run(self):
        while not self.run_.ending:
            self.lives += 1
            self.rng = random.Random(f"{self.run_.seed} {self.number} {self.lives}")
            try:
                self.connect()
                for _ in range(self.rng.choice([5, 30, 100])):
                    if self.run_.ending:
                        break
                    self.act()
            except ConnectionError:
                pass
            except Finding as finding:
                self.run_.found(self, str(finding))
            except Exception:       # the fuzzer's own fault
                self.run_.found(self, traceback.format_exc())
            finally:
                self.ledger.open = []
                if self.connection:
                    self.connection.close()
                self.connection = None

    def draw(self, weights):
        return self.rng.choices(list(weights), weights=weights.values())[0]

    def connect(self):
        self.role, database = self.draw(ROLES), self.draw(DATABASES)
        role = self.role
        self.encoding = self.rng.choice(ENCODINGS)
        self.privileged = role in PRIVILEGED
        self.ledger.database = database
        self.ids = self.run_.ids.of(database, role)
        self.statements = Statements(self.rng, self.run_.catalog, self.ids, role == "postgres")
        self.recent.append([0, f"-- connect as {role} to {database}, encoding {self.encoding}, life {self.lives}", ""])
        try:
            self.connection = pq.Connection(self.run_.conninfo(role, database))
        except ConnectionError as error:
            if not any(text in str(error) for text in ("starting up", "too many", "remaining connection")):
                self.run_.judge.complain(f"no connection: {error}")
            time.sleep(0.1)
            raise
        self.execute(f"SET client_encoding = '{self.encoding}'")
        self.execute(f"SET statement_timeout = '{self.rng.choice([100, 300, 1000])}ms'")
        for setting in self.rng.sample(SETTINGS, self.rng.choice([0, 0, 1, 2, 3])):
            self.execute(setting)
        if role == "postgres" and self.rng.random() < 0.3:
            self.execute(f"SET SESSION AUTHORIZATION {self.rng.choice(['fuzz_owner', 'fuzz_sender'])}")
        self.who = self.look(self.execute(LOOK))

    def look(self, outcome):
        return outcome.value if not outcome.error else None

    def act(self):
        self.statements.draw_theme()
        getattr(self, self.rng.choices(["alone", "transaction", "work"], weights=[6, 4, 2 if self.role in WORKERS else 0.1])[0])()
        self.tidy()

    def tidy(self):
        """Out of the transaction; then nothing must be left."""
        if self.connection.transaction != pq.IDLE:
            self.execute("ROLLBACK")
        outcome = self.execute(LOOK)
        if outcome.error:       # a cancel, a setting of its own
            return
        who, locks, left = outcome.rows[0]
        if who != self.who and self.who is not None:
            self.run_.judge.complain(f"the session is {who.decode()} now and was {self.who.decode()}")
        if locks:
            self.run_.judge.complain(f"locks are left behind: {locks.decode()}")
        if left:
            self.run_.judge.complain(f"a turn has left {left.decode()}")

    # ---- what it does ----

    def alone(self):
        luck = self.rng.random()
        if luck < 0.1:
            self.ledger.send_alone(self)
        elif luck < 0.2:
            for statement in self.statements.prepared():
                self.execute(statement)
            self.execute("DEALLOCATE ALL")
        else:
            self.private_rolled_back(self.statements.placed(), self.rng.random() < 0.2)

    def private_rolled_back(self, statement, binary=False):
        """What superusers alone may call are parts of functions: alone they need not keep what the whole keeps."""
        if self.statements.superuser and "dgen._" in statement:
            if self.begin("BEGIN"):
                self.execute(statement)
                self.execute("ROLLBACK")
        else:
            self.execute(statement, binary)

    def begin(self, statement):
        """BEGIN may be cancelled as well, and then each statement after it would be a transaction of its own."""
        return not self.execute(statement).error

    def transaction(self):
        if not self.begin(self.rng.choice(BEGINS)):
            return
        private = False
        for _ in range(self.rng.randrange(1, 7)):
            private = self.step() or private
            if self.connection.transaction == pq.IN_ERROR and self.rng.random() < 0.8:
                break
        self.end(rollback=private and self.statements.superuser)

    def step(self):
        luck = self.rng.random()
        if luck < 0.15:
            statements = ["SAVEPOINT s", self.statements.placed(), self.rng.choice(["RELEASE s", "ROLLBACK TO s; RELEASE s"])]
        elif luck < 0.25:
            statements = ["SAVEPOINT s", *self.statements.cursor(), "ROLLBACK TO s; RELEASE s"]
        elif luck < 0.4:
            self.ledger.send(self)
            return False
        elif luck < 0.43:
            statements = [self.rng.choice(["SET LOCAL enable_indexscan = off", "SET CONSTRAINTS ALL IMMEDIATE", "SET LOCAL statement_timeout = '5ms'",
                                           "SAVEPOINT deep; " * 70, "SELECT pg_current_xact_id()", "LOCK TABLE fuzz.sink IN SHARE MODE"])]
        else:
            statements = [self.statements.placed()]
        for statement in statements:
            self.execute(statement, self.rng.random() < 0.1)
            if self.connection.transaction == pq.IN_ERROR and statements[0] == "SAVEPOINT s":
                self.execute("ROLLBACK TO s; RELEASE s")
                break
        return any("dgen._" in statement for statement in statements)

    def end(self, rollback):
        luck = self.rng.random()
        if rollback or luck < 0.2:
            self.ledger.end(self, "ROLLBACK")
        elif luck < 0.25:
            self.connection.close()     # with the transaction open
            raise ConnectionError
        elif luck < 0.3:
            self.ledger.doubt()
            gid = f"{self.number} {self.lives} {len(self.recent)} {self.rng.random()}"
            if "PREPARE TRANSACTION" in self.execute(f"PREPARE TRANSACTION '{gid}'").tags:
                self.finish_prepared(gid, self.rng.choice(["COMMIT", "ROLLBACK"]))
            else:
                self.ledger.forget()
        else:
            self.ledger.doubt()
            self.ledger.end(self, "COMMIT")

    def finish_prepared(self, gid, verb):
        """What fails, by a cancel or a setting, leaves it prepared, and the end of the run rolls that back."""
        outcome = self.execute(f"{verb} PREPARED '{gid}'")
        done = f"{verb} PREPARED" in outcome.tags
        if not done and self.still_prepared(gid) is False:
            self.run_.judge.complain(f"{verb} PREPARED has failed and is done: {outcome.error.text() if outcome.error else ''}")
        self.ledger.prepared(done and verb == "COMMIT")

    def still_prepared(self, gid):
        """None: nobody says, as all attempts were cancelled."""
        for _ in range(20):
            outcome = self.execute(f"SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE gid = '{gid}'")
            if outcome.rows:
                return outcome.value == b"1"
        return None

    def work(self):
        """A worker that does strange things in its batches."""
        types = self.rng.choice(WORKERS.get(self.role) or [type_ for types in WORKERS.values() for type_ in types])
        attached = self.execute(f"SELECT dgen.attach({literal(self.name)}, {types}, '0.1.0', {self.rng.choice(['NULL', types])}, {self.rng.choice(['NULL', types])})")
        if attached.error:
            return
        for _ in range(self.rng.randrange(1, 5)):
            if not self.begin("BEGIN ISOLATION LEVEL READ COMMITTED"):
                continue
            locked = self.rng.choice(["false", "true"])
            claimed = self.execute(f"SELECT * FROM dgen.claim({self.rng.choice(['NULL', '1', '3'])}, {self.rng.choice(['NULL', '1', '3'])}, locked => {locked})")
            if claimed.rows and claimed.rows[0][6] == b"locked":
                self.execute("COMMIT")
                if self.begin("BEGIN"):
                    self.execute("SELECT dgen.claim_locked()")
                    self.execute("SELECT dgen.commit_turns(ARRAY[1])")
            elif claimed.rows:
                if self.role == "postgres" and self.rng.random() < 0.3:
                    self.execute(f"SET LOCAL ROLE {self.rng.choice(['fuzz_sender', 'fuzz_other', 'fuzz_nobody', 'fuzz_worker'])}")
                for _ in range(self.rng.choice([0, 0, 1, 2])):
                    self.execute("SAVEPOINT s")
                    self.execute(self.statements.placed())
                    self.execute(self.rng.choice(["RELEASE s", "ROLLBACK TO s"]) if self.connection.transaction != pq.IN_ERROR else "ROLLBACK TO s")
                self.commit(claimed)
            self.execute("COMMIT")
        if self.rng.random() < 0.7:
            self.execute("SELECT dgen.detach()")

    def commit(self, claimed):
        counts = collections.Counter(int(row[0]) for row in claimed.rows)
        handled = [self.rng.choice([count, count, count, 1, 0]) for _, count in sorted(counts.items())]
        more = self.rng.choice(["", "", "", f", states => ARRAY[{', '.join(self.statements.values.value('jsonb') for _ in handled)}]",
                                f", outcomes => ARRAY[{', '.join(self.rng.choice(['NULL', 'NULL', chr(39) + 'fail' + chr(39)]) for _ in handled)}]::text[]",
                                f", locks => ARRAY[{', '.join(self.rng.choice(['true', 'false']) for _ in handled)}]"])
        self.execute(f"SELECT dgen.commit_turns(ARRAY[{', '.join(map(str, handled))}]{more})")
