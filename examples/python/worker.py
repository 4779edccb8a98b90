#!/usr/bin/env python3
"""A worker without libdgen, written from docs/protocol.md: psycopg2 and SQL.

It runs the actor type "poll", as an example. People vote, and may change their mind;
when a poll is closed its result goes to the actor "archive".

  {"voter": "ann", "vote": "tea"}, {"close": true}, or null, which only looks;
  a call is answered with the votes by choice: {"tea": 2, "coffee": 1}

  SELECT dgen.create_actor_type('poll',
      initial_state => '{"votes": {}, "closed": false, "results": {}}');

The database is the one that libpq takes from the environment: PGHOST, PGDATABASE, ...
"""
import collections
import copy
import json
import random
import signal
import sys
import time

import psycopg2
import psycopg2.extras

PROTOCOL = "0.1.0"
WAIT = "10 s"           # how late a stop may be noticed, at worst
REST = (0.1, 10)        # seconds between attempts to connect: the first, and the longest
KEEP = 10_000           # states kept between batches

# What a role or database may have set that a worker cannot live with.
SETTINGS = [("statement_timeout", "0"), ("idle_session_timeout", "0"), ("default_transaction_read_only", "off")]


# ---- what the application does -------------------------------------------------------

def poll(turn):
    votes = turn.state["votes"]
    message = turn.message or {}
    if "vote" in message:
        if turn.state["closed"]:
            raise Failure("the poll is closed", "PO001")
        votes[message["voter"]] = message["vote"]
    elif "close" in message:
        turn.state["closed"] = True
        turn.cast("poll", "archive", {"poll": turn.key, "result": collections.Counter(votes.values())})
    elif "poll" in message:
        turn.state["results"][message["poll"]] = message["result"]
    turn.reply(collections.Counter(votes.values()))


HANDLERS = {"poll": poll}


class Failure(Exception):
    """Ends a turn for good: no further attempt."""

    def __init__(self, text, sqlstate="ZD400"):
        super().__init__(text)
        self.sqlstate = sqlstate


class Retry(Exception):
    """Undoes the turn and has it tried again after a delay, which counts as no attempt."""

    def __init__(self, text, delay="1 s"):
        super().__init__(text)
        self.delay = delay


class Turn:
    """One message of an actor, and what its handler does."""

    def __init__(self, row, state):
        self.key = row.actor_key
        self.kind = row.kind            # "cast", "call", "reply", ...
        self.message = row.message
        self.headers = row.headers
        self.correlation = row.correlation      # of a reply: what the request gave
        self.error = row.error                  # of a reply: the request failed with this
        self.row = row
        self.state = state              # a copy of its own: change it in place
        self.destroyed = False
        self.replies = []
        self.sends = []

    def reply(self, value):
        if self.kind == "call":
            self.answer(self.row.message_id, value)

    def answer(self, request, value):
        """To a call of an earlier turn, whose row.message_id the state has kept."""
        self.replies.append((request, json.dumps(value)))

    def cast(self, actor_type, key, message, **options):
        """options: delay_ms, priority, idempotency_key, headers"""
        self.send(actor_type, key, message, None, None, **options)

    def request(self, actor_type, key, message, correlation=None, **options):
        """The reply comes to this actor, as a message of kind "reply"."""
        self.send(actor_type, key, message, self.row.actor, correlation, **options)

    def send(self, actor_type, key, message, asking, correlation,
             delay_ms=None, priority=None, idempotency_key=None, headers=None):
        self.sends.append((actor_type, key, json.dumps(message), asking is not None, asking, correlation, delay_ms,
                           priority, idempotency_key, None if headers is None else json.dumps(headers)))

    def destroy(self):
        """The state goes when the turn commits; the next message begins a new actor."""
        self.destroyed = True


# ---- a batch: claim, turns, commit_turns ---------------------------------------------

class Batch:
    """What the turns of a batch come to, an element per actor as commit_turns wants it."""

    def __init__(self):
        self.handled, self.states, self.destroyed = [], [], []
        self.errors, self.sqlstates, self.outcomes, self.delays = [], [], [], []
        self.replies, self.sends = [], []
        self.held = {}              # what the client holds once this is committed

    def run_actor(self, rows, state, blamed):
        handled, destroyed, error, sqlstate, outcome, delay = 0, False, None, None, None, None
        for row in rows:
            turn = Turn(row, copy.deepcopy(state))
            try:
                if row.message_id in blamed:
                    raise blamed[row.message_id]
                HANDLERS[row.actor_type](turn)
                json.dumps(turn.state)          # what cannot be stored is this turn's failure, too
            except Exception as problem:        # any: it is the turn that fails, not the worker
                error = str(problem) or type(problem).__name__
                sqlstate = getattr(problem, "sqlstate", None) or getattr(problem, "pgcode", None)
                outcome = {Failure: "fail", Retry: "retry"}.get(type(problem), "error")
                delay = getattr(problem, "delay", None)
                break                           # the messages behind it wait
            handled += 1
            state = turn.state
            self.replies += turn.replies
            self.sends += turn.sends
            if turn.destroyed:
                destroyed = True
                break                           # those behind it come again, for a new actor
        self.handled.append(handled)
        self.states.append(json.dumps(state) if handled and not destroyed else None)
        self.destroyed.append(destroyed)
        self.errors.append(error)
        self.sqlstates.append(sqlstate)
        self.outcomes.append(outcome)
        self.delays.append(delay)
        self.held[rows[0].actor_type, rows[0].actor_key] = None if destroyed else state

    def commit(self, cursor):
        arrays = {name: value for name, value in vars(self).items() if name not in ("held", "replies", "sends")}
        arrays["reply_requests"], arrays["replies"] = columns(self.replies, 2)
        for name, values in zip(SENDS, columns(self.sends, len(SENDS))):
            arrays["send_" + name] = values
        cursor.execute("SELECT dgen.commit_turns(%s)" % ", ".join(
            f"{name} => %({name})s::{TYPES.get(name, 'text')}[]" for name in arrays), arrays)


SENDS = ("types", "keys", "messages", "requests", "actors", "correlations", "delays_ms", "priorities",
         "idempotency_keys", "headers")
TYPES = {
    "handled": "integer", "states": "jsonb", "destroyed": "boolean", "delays": "interval",
    "reply_requests": "bigint", "replies": "jsonb",
    "send_messages": "jsonb", "send_requests": "boolean", "send_actors": "integer", "send_delays_ms": "bigint",
    "send_priorities": "integer", "send_headers": "jsonb",
}


def columns(rows, count):
    return [[row[i] for row in rows] for i in range(count)]


class Worker:
    def __init__(self):
        self.session = None
        self.worker_id = None
        self.stopping = False
        self.waiting = False
        self.states = {}            # (type, key): state that this session was given or has committed
        # One bad turn spoils the commit of its whole batch. After that the batches have
        # one message, until the bad one is found; it is reported as failed then.
        self.careful = 0            # batches of one message still to come
        self.blamed = {}            # message_id: exception

    def stop(self, *_):
        """After the batch under way. A cancel that comes before dgen.wait has begun hits nothing; WAIT bounds that."""
        self.stopping = True
        if self.waiting:
            self.session.cancel()

    def connect(self):
        self.session = psycopg2.connect("", application_name="python worker")
        self.session.autocommit = True          # BEGIN and COMMIT are sent as they stand below
        self.states.clear()                     # whether the last batch was committed nobody knows: it is claimed again if not
        with self.session.cursor() as cursor:
            for setting in SETTINGS:
                cursor.execute("SELECT set_config(%s, %s, false)", setting)
            cursor.execute("SELECT worker_id FROM dgen.attach(%s, %s, %s)", ("python worker", list(HANDLERS), PROTOCOL))
            self.worker_id, = cursor.fetchone()

    def batch(self):
        """Handles a batch; false if there was nothing to do."""
        limit = 1 if self.careful else None
        rows = []
        with self.session.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            try:
                cursor.execute("SELECT * FROM dgen.claim(%s, %s, true, %s)", (limit, limit, self.worker_id))
                rows = cursor.fetchall()
                if rows:
                    batch = self.run(rows, cursor)
                    batch.commit(cursor)
                cursor.execute("COMMIT")
            except psycopg2.Error as problem:
                self.states.clear()
                if self.session.closed:
                    raise
                cursor.execute("ROLLBACK")
                self.look_for_the_bad_one(rows, problem)
                return True
        if rows:
            self.keep(batch.held)
        self.careful = max(0, self.careful - 1)
        for row in rows:
            self.blamed.pop(row.message_id, None)
        return bool(rows)

    def run(self, rows, cursor):
        batch = Batch()
        actors = collections.defaultdict(list)
        for row in rows:
            actors[row.actor].append(row)
        for number in sorted(actors):
            batch.run_actor(actors[number], self.state_of(actors[number][0], cursor), self.blamed)
        return batch

    def state_of(self, row, cursor):
        """The claim leaves out what this session holds. What was dropped is asked for."""
        if row.state is not None:
            return row.state
        held = self.states.get((row.actor_type, row.actor_key))
        if held is None:
            cursor.execute("SELECT dgen.batch_state(%s) AS state", (row.actor,))
            held = cursor.fetchone().state
        return held

    def keep(self, states):
        for actor, state in states.items():
            self.states.pop(actor, None)
            if state is not None:
                self.states[actor] = state      # the last one used is the last to go
        while len(self.states) > KEEP:
            del self.states[next(iter(self.states))]

    def look_for_the_bad_one(self, rows, problem):
        say(f"a batch of {len(rows)} messages could not be committed: {problem}")
        if not rows:
            raise problem
        if self.careful and len(rows) == 1:
            self.blamed[rows[0].message_id] = problem
        self.careful = max(self.careful, 2 * len(rows))

    def wait(self):
        with self.session.cursor() as cursor:
            try:
                self.waiting = True
                if not self.stopping:
                    cursor.execute("CALL dgen.wait(%s)", (WAIT,))
            except psycopg2.errors.QueryCanceled:
                pass                            # by stop
            finally:
                self.waiting = False

    def run_session(self):
        """Returns after a stop; raises when the connection is lost."""
        self.connect()
        while not self.stopping:
            if not self.batch() and not self.stopping:
                self.wait()
        with self.session.cursor() as cursor:
            cursor.execute("SELECT dgen.detach()")

    def run_for_ever(self):
        rest = REST[0]
        while not self.stopping:
            began = time.monotonic()
            try:
                self.run_session()
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as problem:
                if time.monotonic() - began > REST[1]:
                    rest = REST[0]
                say(f"{str(problem).strip()}; trying again in {rest:.1f} s")
                time.sleep(rest * random.uniform(0.5, 1))
                rest = min(2 * rest, REST[1])
            finally:
                if self.session:
                    self.session.close()


def say(text):
    print(f"worker.py: {text}", file=sys.stderr, flush=True)


def main():
    worker = Worker()
    # With this a signal is noticed while a statement runs, dgen.wait above all.
    psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, worker.stop)
    try:
        worker.run_for_ever()
    except psycopg2.Error as problem:
        say(str(problem).strip())               # such as: not the right version, or no privilege
        sys.exit(1)


if __name__ == "__main__":
    main()
