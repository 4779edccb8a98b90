"""Messages whose fate is known: what committed is handled once, what was rolled back is not."""
import collections
import threading

from values import literal


class Sent:
    """Of all sessions: tag -> whether it was committed; None: nobody knows."""

    def __init__(self):
        self.lock = threading.Lock()
        self.fates = {}         # (database, tag)
        self.unannounced = set()    # tags of prepared transactions: nothing wakes a worker for them
        self.stories = collections.defaultdict(list)    # (database, tag) -> statements, with what came of them

    def settle(self, database, tags, fate):
        with self.lock:
            for tag in tags:
                self.fates[database, tag] = fate

    def tell(self, database, tags, recent):
        """What the session has just done with them."""
        for tag in tags:
            self.stories[database, tag].append(f"{recent[1][:200]} => {recent[2][:200]}")


class Ledger:
    """Of one session: what its transaction has sent."""

    FORMS = [
        "SELECT dgen.cast('ledger', {k}, {m})", "SELECT dgen.cast('ledger', {k}, {m}, delay => '5 ms')",
        "SELECT dgen.cast('ledger', {k}, {m}, priority => 7)", "SELECT dgen.cast_many('ledger', ARRAY[{k}], ARRAY[{m}])",
        "SELECT 1 / (error IS NULL)::int FROM dgen.send_many(ARRAY['ledger'], ARRAY[{k}], ARRAY[{m}])",
        "SELECT fuzz.run($ledger$SELECT dgen.cast('ledger', {k}, {m})$ledger$)",
        "INSERT INTO fuzz.at_commit VALUES ($ledger$SELECT dgen.cast('ledger', {k}, {m})$ledger$)",
    ]
    # These leave nothing, whatever the transaction does.
    LOST = [
        "DO $do$ BEGIN PERFORM dgen.cast('ledger', {k}, {m}); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $do$",
        "SAVEPOINT lost; SELECT dgen.cast('ledger', {k}, {m}); ROLLBACK TO lost",
    ]

    def __init__(self, number, sent):
        self.number = number
        self.sent = sent
        self.made = 0
        self.open = []
        self.database = None

    def make(self, session, forms):
        self.made += 1
        tag = f"{self.number}.{session.lives}.{self.made}"
        key = literal(session.rng.choice(["a", "b", "c", f"once {tag}"]))
        message = "'{\"tag\": \"" + tag + "\"}'::jsonb"
        return tag, session.rng.choice(forms).replace("{k}", key).replace("{m}", message)

    def send(self, session):
        """In a transaction; what fails there is not sent, unless the transaction fails as a whole."""
        lost = session.rng.random() < 0.2
        tag, statement = self.make(session, self.LOST if lost else self.FORMS)
        outcome = session.execute(statement)
        self.sent.tell(self.database, [tag], session.recent[-1])
        self.sent.settle(self.database, [tag], False)
        if not outcome.error and not lost:
            self.open.append(tag)

    def send_alone(self, session):
        tag, statement = self.make(session, self.FORMS)
        self.sent.settle(self.database, [tag], None)
        outcome = session.execute(statement)
        self.sent.tell(self.database, [tag], session.recent[-1])
        self.sent.settle(self.database, [tag], not outcome.error)

    def end(self, session, statement):
        outcome = session.execute(statement)
        self.sent.tell(self.database, self.open, session.recent[-1])
        self.sent.settle(self.database, self.open, "COMMIT" in outcome.tags)
        self.open = []

    def prepared(self, committed):
        self.sent.unannounced.update(self.open)
        self.sent.settle(self.database, self.open, committed)
        self.open = []

    def doubt(self):
        """The end is asked for: if the connection is lost now, nobody knows."""
        self.sent.settle(self.database, self.open, None)

    def forget(self):
        """Rolled back."""
        self.sent.settle(self.database, self.open, False)
        self.open = []
