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


class Turn:
    """One message of an actor, and what its handler does."""

    def __init__(self, row, state):
        self.key = row.actor_key
        self.message = row.message
        self.row = row
        self.state = state          # a copy of its own: change it in place
        self.replies = []
        self.sends = []

    def reply(self, value):
        if self.row.kind == "call":
            self.replies.append((self.row.message_id, json.dumps(value)))

    def cast(self, actor_type, key, message):
        self.sends.append((actor_type, key, json.dumps(message)))


# ---- a batch: claim, turns, commit_turns ---------------------------------------------

class Batch:
    """What the turns of a batch come to, an element per actor as commit_turns wants it."""

    def __init__(self):
        self.handled, self.states = [], []
        self.errors, self.sqlstates, self.outcomes = [], [], []
        self.replies, self.sends = [], []

    def run_actor(self, rows, blamed):
        state = rows[0].state
        handled, error, sqlstate, outcome = 0, None, None, None
        for row in rows:
            turn = Turn(row, copy.deepcopy(state))
            try:
                if row.message_id in blamed:
                    raise blamed[row.message_id]
                HANDLERS[row.actor_type](turn)
            except Exception as problem:        # any: it is the turn that fails, not the worker
                error = str(problem) or type(problem).__name__
                sqlstate = getattr(problem, "sqlstate", None) or getattr(problem, "pgcode", None)
                outcome = "fail" if isinstance(problem, Failure) else "error"
                break                           # the messages behind it wait
            handled += 1
            state = turn.state
            self.replies += turn.replies
            self.sends += turn.sends
        self.handled.append(handled)
        self.states.append(json.dumps(state) if handled else None)
        self.errors.append(error)
        self.sqlstates.append(sqlstate)
        self.outcomes.append(outcome)

    def commit(self, cursor):
        columns = dict(vars(self))
        columns["requests"], columns["replies"] = column(self.replies, 0), column(self.replies, 1)
        columns["types"], columns["keys"], columns["messages"] = (column(self.sends, i) for i in range(3))
        cursor.execute(
            """SELECT dgen.commit_turns(
                handled        => %(handled)s::integer[],
                states         => %(states)s::jsonb[],
                errors         => %(errors)s::text[],
                sqlstates      => %(sqlstates)s::text[],
                outcomes       => %(outcomes)s::text[],
                reply_requests => %(requests)s::bigint[],
                replies        => %(replies)s::jsonb[],
                send_types     => %(types)s::text[],
                send_keys      => %(keys)s::text[],
                send_messages  => %(messages)s::jsonb[])""", columns)


def column(rows, i):
    return [row[i] for row in rows]


class Worker:
    def __init__(self):
        self.session = None
        self.stopping = False
        # One bad turn spoils the commit of its whole batch. After that the batches have
        # one message, until the bad one is found; it is reported as failed then.
        self.careful = 0            # batches of one message still to come
        self.blamed = {}            # message_id: exception

    def stop(self, *_):
        self.stopping = True
        if self.session and not self.session.closed:
            self.session.cancel()   # ends dgen.wait; a batch under way is rolled back, and stays in the mailboxes

    def connect(self):
        self.session = psycopg2.connect("", application_name="python worker")
        self.session.autocommit = True          # BEGIN and COMMIT are sent as they stand below
        with self.session.cursor() as cursor:
            cursor.execute("SELECT * FROM dgen.attach(%s, %s, %s)", ("python worker", list(HANDLERS), PROTOCOL))

    def batch(self):
        """Handles a batch; false if there was nothing to do."""
        limit = 1 if self.careful else None
        rows = []
        with self.session.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                cursor.execute("SELECT * FROM dgen.claim(%s, %s)", (limit, limit))
                rows = cursor.fetchall()
                if rows:
                    self.run(rows).commit(cursor)
                cursor.execute("COMMIT")
            except psycopg2.Error as problem:
                if self.session.closed:
                    raise
                cursor.execute("ROLLBACK")
                if self.stopping:
                    return True
                self.look_for_the_bad_one(rows, problem)
                return True
        self.careful = max(0, self.careful - 1)
        for row in rows:
            self.blamed.pop(row.message_id, None)
        return bool(rows)

    def run(self, rows):
        batch = Batch()
        actors = collections.defaultdict(list)
        for row in rows:
            actors[row.actor].append(row)
        for number in sorted(actors):
            batch.run_actor(actors[number], self.blamed)
        return batch

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
                cursor.execute("CALL dgen.wait(%s)", (WAIT,))
            except psycopg2.errors.QueryCanceled:
                pass                            # by stop

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
