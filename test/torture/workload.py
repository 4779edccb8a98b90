"""The clients: each does one random thing after the other and notes what it was told."""
import json
import random
import threading
import time

import psycopg2

from asking import Asking
from history import MAYBE, NO, YES, Message

TYPES = ["inside", "rows", "plain"]
OUTSIDE = ["rows", "plain"]     # handled by processes with libdgen
LOCKING = ["inside", "plain"]   # a locked part of "rows" could not write its row
HOT_KEYS = 5
COLD_KEYS = 40
WIDE_KEYS = 1200        # more mailboxes than a transaction's marks have room for
PATIENCE = "60 s"
TOO_MUCH = "[" + ",".join(["1e131071"] * 4800) + "]"   # 75 kB, and 600 MB as text

LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)

# What an inline call may say besides the connection being lost; it has done nothing then.
REFUSALS = {"TO042", "ZD021", "ZD022", "ZD023", "ZD025", "ZD026", "40P01"}

# Each attempt of a locked part whose worker is killed counts: with bad luck it dies of that.
DEATHS = {"ZD042", "ZD045"}


class Lost(Exception):
    """The connection went away in mid-statement: the outcome is not known."""


class Client(threading.Thread, Asking):
    TYPES = TYPES

    def __init__(self, number, server, history, round_, rng, enabled):
        super().__init__(daemon=True, name=f"client {number}")
        self.number = number
        self.server = server
        self.history = history
        self.round = round_
        self.rng = rng
        self.enabled = enabled
        self.connection = None
        self.steps = 0
        self.made = 0
        self.recent = []            # acknowledged, to cancel
        self.asked = []             # casts whose actors ask, to take that back
        self.ending = False
        self.pokes = set()          # actors to which something was sent that nobody announced

    # ---- the connection ----

    def connect(self):
        while not self.connection or self.connection.closed:
            try:
                self.connection = self.server.connect("torture", application_name=f"client{self.number}", client_encoding="LATIN1")
            except LOST:
                time.sleep(self.rng.uniform(0.01, 0.1))

    def execute(self, sql, *parameters):
        """Raises Lost when the outcome is open, and psycopg2.Error when the server says no."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return cursor.fetchall() if cursor.description else None
        except psycopg2.Error as error:
            if not self.connection.closed and (error.pgcode or "57P01") not in ("57P01", "57P02", "57P03"):
                raise
            self.disconnect()
            raise Lost from error

    def value(self, sql, *parameters):
        return self.execute(sql, *parameters)[0][0]

    def disconnect(self):
        try:
            self.connection.close()
        except psycopg2.Error:
            pass

    def run(self):
        while not self.ending:
            name, weight = self.rng.choices(list(self.enabled.items()), weights=self.enabled.values())[0]
            self.connect()
            try:
                getattr(self, name)()
                self.history.count(name)
            except Lost:
                self.history.count("lost connections")
            except psycopg2.Error as error:
                self.history.complain(f"{self.name}: {name} failed: {error.pgcode} {str(error).strip()}")
                self.disconnect()
        if self.connection:
            self.disconnect()

    # ---- messages ----

    def actor(self, types=TYPES):
        """A hot one, a cold one, or one to which nothing else is sent, so that nothing else wakes it."""
        luck = self.rng.random()
        self.made += 1
        number = (self.rng.randrange(HOT_KEYS) if luck < 0.5 else 100 + self.rng.randrange(COLD_KEYS) if luck < 0.7
                  else f"{self.number}u{self.made}")
        return self.rng.choice(types), f"{self.round}.{number}"

    def message(self, actor=None, plain=False, **traits):
        self.steps += 1
        message = Message(f"{self.round}/{self.number}/{self.steps}", actor or self.actor(), **traits)
        luck = self.rng.random()
        if plain:
            return message
        if luck < 0.03:
            message.raises = True
        elif luck < 0.05:
            self.make_unsendable(message)
        elif luck < 0.2:
            message.move = (self.actor(), self.rng.randrange(1, 100))
        if message.actor[0] in LOCKING and self.rng.random() < 0.06:
            message.locks = True
            self.history.count("locks")
        if self.rng.random() < 0.1:
            message.priority = self.rng.choice([-1, 1, 2])
        if self.rng.random() < 0.05:
            message.delay = self.rng.uniform(0.001, 0.3)
        return message

    def make_unsendable(self, message):
        """As text it is too large, or in SQL_ASCII none; a handler in the database does not mind."""
        name, text, sqlstate = self.rng.choice([("much", TOO_MUCH, "54000"), ("bytes", '"\xe4\xff"', "22021")])
        message.extra = f', "{name}": {text}}}'
        if message.actor[0] in OUTSIDE and (sqlstate == "54000" or self.server.encoding == "SQL_ASCII"):
            message.unsendable = sqlstate
            self.history.count("unsendable")

    def payload(self, message):
        content = {"tag": message.tag}
        if message.raises:
            content["raise"] = True
        if message.locks:
            content["lock"] = True
        if message.move:
            (type_, key), amount = message.move
            content["move"] = {"type": type_, "key": key, "amount": amount}
        if self.rng.random() < 0.04:
            content["sleep_ms"] = self.rng.randrange(50)
        if message.ask:
            ask = message.ask
            content["ask"] = {"type": ask.actor[0], "key": ask.actor[1], "tag": ask.tag}
            content["ask"].update({name: value for name, value in (("once", ask.once), ("delay_ms", ask.delay_ms)) if value})
        text = json.dumps(content)
        return text[:-1] + message.extra if message.extra else text

    def parameters(self, message):
        return (*message.actor, self.payload(message), message.delay and f"{message.delay} s", message.priority)

    def acknowledge(self, message, id_=None):
        message.ended = time.monotonic()
        message.outcome = YES
        if id_ is not None:
            message.ids.add(id_)
        self.recent = self.recent[-9:] + [message]

    def begin(self, *messages):
        """From here on they may have been sent."""
        for message in messages:
            self.history.add(message)
            message.outcome = MAYBE

    def answered(self, message, reply):
        message.replied, message.reply = time.monotonic(), reply

    def refused(self, message, sqlstate, text):
        """The error instead of a reply: the handler's, or that it was cancelled."""
        message.refused = sqlstate
        if not (sqlstate == "TO042" and message.raises or sqlstate in DEATHS and message.locks
                or sqlstate == message.unsendable or sqlstate == "ZD012" and message.cancelled != NO):
            self.history.complain(f"{message.tag}: was refused: {sqlstate} {text}")

    def send(self, function, message):
        """A cast or a request of its own."""
        self.begin(message)
        self.acknowledge(message, self.value(
            f"SELECT dgen.{function}(%s, %s, %s, delay => %s, priority => %s)", *self.parameters(message)))

    # ---- one at a time ----

    def cast(self):
        self.send("cast", self.message())

    def ask(self):
        message = self.message()
        message.delay, message.priority = None, 0   # it cannot have them
        self.begin(message)
        try:
            reply = self.value("CALL dgen.ask(%s, %s, %s, %s)", *message.actor, self.payload(message), PATIENCE)
        except psycopg2.Error as error:
            self.acknowledge(message)
            self.refused(message, error.pgcode, str(error).strip())
            return
        self.acknowledge(message)
        self.answered(message, reply)

    def request(self):
        message = self.message()
        self.send("request", message)
        request = next(iter(message.ids))
        if self.rng.random() < 0.2:
            self.cancel()
        try:
            self.answered(message, self.value("SELECT dgen.await_reply(%s, %s)", request, PATIENCE))
        except psycopg2.Error as error:
            self.refused(message, error.pgcode, str(error).strip())

    def call(self):
        """Inline, sometimes undone, sometimes two actors in one transaction."""
        actors = [self.actor(["inside"]) for _ in range(self.rng.choice([1, 1, 1, 2]))]
        if self.rng.random() < 0.3:
            actors.append(actors[0])
        messages = [self.message(actor, plain=True, called=True) for actor in actors]
        undo = self.rng.random() < 0.3
        self.begin(*messages)
        try:
            self.execute("BEGIN")
            replies = [self.value("SELECT dgen.call(%s, %s, %s, '10 s')", *message.actor, self.payload(message))
                       for message in messages]
            if self.rng.random() < 0.1:
                time.sleep(self.rng.uniform(0, 0.1))
            if undo:
                self.forget(messages)
            self.execute("ROLLBACK" if undo else "COMMIT")
        except psycopg2.Error as error:
            if error.pgcode not in REFUSALS:
                raise
            self.forget(messages)
            self.execute("ROLLBACK")
            return
        except Lost:
            if undo:
                self.forget(messages)
            raise
        if not undo:
            for message, reply in zip(messages, replies):
                self.acknowledge(message)
                self.answered(message, reply)

    def forget(self, messages):
        for message in messages:
            message.outcome = NO

    def cancel(self):
        if not self.recent:
            return
        victim = self.rng.choice(self.recent)
        if victim.called or not victim.ids or victim.cancelled != NO:
            return
        victim.cancelled = MAYBE
        try:
            cancelled = self.value("SELECT dgen.cancel(%s, %s, %s)", *victim.actor, min(victim.ids))
        except psycopg2.Error as error:
            if error.pgcode != "40P01":
                raise
            cancelled = False
        victim.cancelled = YES if cancelled else NO
        if cancelled:
            self.history.count("cancelled")

    def once(self):
        """With an idempotency key, until it is acknowledged, and then once more."""
        message = self.message()
        self.begin(message)
        for _ in range(2):
            while True:
                try:
                    id_ = self.value("SELECT dgen.cast(%s, %s, %s, delay => %s, priority => %s, idempotency_key => %s)",
                                     *self.parameters(message), message.tag)
                    break
                except Lost:
                    self.connect()
            message.ids.add(id_)
            if self.rng.random() < 0.2:
                time.sleep(self.rng.uniform(0, 0.1))
        self.acknowledge(message)

    # ---- several at once ----

    def many(self):
        messages = [self.message() for _ in range(self.rng.randrange(2, 20))]
        for message in messages:
            message.group = messages
        self.begin(*messages)
        rows = self.execute(
            "SELECT id, sqlstate FROM dgen.send_many(%s, %s, %s::jsonb[], %s, %s, %s)",
            [message.actor[0] for message in messages], [message.actor[1] for message in messages],
            [self.payload(message) for message in messages], [True] * len(messages),
            [message.delay and max(1, int(message.delay * 1000)) for message in messages],
            [message.priority for message in messages])
        waiting = {}
        for message, (id_, sqlstate) in zip(messages, rows):
            if sqlstate:
                self.history.complain(f"{message.tag}: send_many said {sqlstate}")
            self.acknowledge(message, id_)
            waiting[id_] = message
        while waiting:
            answers = self.value("CALL dgen.await_any(%s::bigint[], %s)", list(waiting), PATIENCE)
            if not answers:
                self.history.complain(f"no answer to {[message.tag for message in waiting.values()]}")
                return
            for answer in answers:
                message = waiting.pop(answer["request"])
                if "error" in answer:
                    self.refused(message, answer["sqlstate"], answer["error"])
                else:
                    self.answered(message, answer["reply"])

    def transaction(self, end="COMMIT"):
        """Several casts in one transaction, which stays open for a while: late commits of low seqs."""
        messages = [self.message() for _ in range(self.rng.randrange(1, 6))]
        for message in messages:
            message.group = messages
            if end == "PREPARE":
                message.delay = None    # nobody rings when it is due
            self.history.add(message)
        self.execute("BEGIN")
        undone = []
        for message in messages:
            back = self.rng.random() < 0.2
            if back:
                self.execute("SAVEPOINT s")
            self.execute("SELECT dgen.cast(%s, %s, %s, delay => %s, priority => %s)", *self.parameters(message))
            if back:
                self.execute("ROLLBACK TO s")
                undone.append(message)
            if self.rng.random() < 0.2:
                time.sleep(self.rng.expovariate(10))
        sent = [message for message in messages if message not in undone]
        for message in messages:
            message.group = sent
        if end == "ROLLBACK":
            self.execute("ROLLBACK")
            return
        for message in sent:
            message.outcome = MAYBE
        if end == "COMMIT":
            self.execute("COMMIT")
        else:
            self.prepare(sent)
        for message in sent:
            if message.outcome == MAYBE:
                self.acknowledge(message)

    def rollback(self):
        self.transaction("ROLLBACK")

    def prepared(self):
        self.transaction("PREPARE")

    def prepare(self, sent):
        """Nobody announces a COMMIT PREPARED: what it sent is found when something else is sent there."""
        gid = f"g{self.round}/{self.number}/{self.steps}"
        for message in sent:
            self.pokes.add(message.actor)
        self.execute(f"PREPARE TRANSACTION '{gid}'")
        time.sleep(self.rng.expovariate(10))
        back = self.rng.random() < 0.3
        if back:
            self.forget(sent)
        self.execute(f"{'ROLLBACK' if back else 'COMMIT'} PREPARED '{gid}'")

    def wide(self):
        """One transaction, one message each for more actors than are noted singly."""
        type_ = self.rng.choice(TYPES)
        messages = [self.message((type_, f"{self.round}.w{i}"), plain=True) for i in range(WIDE_KEYS)]
        self.begin(*messages)
        for message in messages:
            message.group = messages
        self.execute("SELECT dgen.cast_many(%s, %s, %s::jsonb[])", type_, [message.actor[1] for message in messages],
                     [self.payload(message) for message in messages])
        for message in messages:
            self.acknowledge(message)


WEIGHTS = {"cast": 30, "ask": 20, "request": 10, "call": 10, "cancel": 5, "once": 8, "many": 6,
           "transaction": 8, "rollback": 3, "prepared": 2, "wide": 0.15, "asking": 15, "take_back": 12}


def choose(rng):
    """Some of the things that clients do are left out of a round, for others to meet more often."""
    enabled = {name: weight for name, weight in WEIGHTS.items() if rng.random() < 0.8}
    enabled["cast"] = WEIGHTS["cast"]
    return enabled


def start(count, server, history, round_, seed):
    rng = random.Random(f"{seed} workload {round_}")
    enabled = choose(rng)
    clients = [Client(i, server, history, round_, random.Random(f"{seed} {round_} {i}"), enabled) for i in range(count)]
    for client in clients:
        client.start()
    return clients, enabled
