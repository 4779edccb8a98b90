"""Indexes made, made anew and dropped CONCURRENTLY while everything runs; then each must have all rows."""
import threading

import psycopg2

# Those that are written most more often than others.
TABLES = ["message", "actor", "request"] * 3 + ["idempotency_key", "delayed_message", "failed_attempt", "dead_letter",
                                                "locked", "request_asker", "actor_type"]
INDEXES = ["message_order", "actor_pkey"] * 2 + [ "request_pkey", "idempotency_key_pkey", "delayed_message_pkey", "failed_attempt_pkey"]
ADDED = {"message": "sent_at", "actor": "updated_at", "request": "sent_at", "failed_attempt": "message_id"}

# Which of dgen's indexes there are. What an interrupted statement leaves is not valid.
OF_DGEN = """SELECT c.relname, i.indisvalid, c.oid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid
    WHERE t.relnamespace = 'dgen'::regnamespace AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')"""


class Indexes:
    """One statement at a time, in a session and thread of its own: it waits for all that is open."""

    def __init__(self, server):
        self.server = server
        self.amcheck = bool(server.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'"))
        if self.amcheck:
            server.sql("CREATE EXTENSION amcheck")
        self.names = self.valid()
        self.thread = None

    def valid(self):
        return sorted(name for name, valid, _ in self.server.sql(OF_DGEN) if valid)

    def disturb(self, rng, history):
        """Often it is interrupted: then an index is left that is not valid, but written."""
        if self.thread and self.thread.is_alive():
            return
        kind = rng.choice(["reindex table", "reindex index", "add", "add"])
        if kind == "reindex table":
            statements = [f"REINDEX TABLE CONCURRENTLY dgen.{rng.choice(TABLES)}"]
        elif kind == "reindex index":
            statements = [f"REINDEX INDEX CONCURRENTLY dgen.{rng.choice(INDEXES)}"]
        else:
            table, column = rng.choice(list(ADDED.items()))
            drop = f"DROP INDEX {rng.choice(['', 'CONCURRENTLY '])}IF EXISTS dgen.added_{table}"
            statements = [drop, f"CREATE INDEX CONCURRENTLY added_{table} ON dgen.{table} ({column})", drop]
        patience = rng.choice([20, 500, 10000])
        self.thread = threading.Thread(target=self.run, args=(statements, patience, history), daemon=True, name="indexes")
        self.thread.start()

    def run(self, statements, patience, history):
        try:
            session = self.server.connect(application_name="indexes",
                                          options=f"'-c statement_timeout={patience}'")
            try:
                with session.cursor() as cursor:
                    for statement in statements:
                        # All others wait behind one that is not CONCURRENTLY.
                        cursor.execute(f"SET lock_timeout = {0 if 'CONCURRENTLY' in statement else 200}")
                        cursor.execute(statement)
                history.count("indexes done")
            finally:
                session.close()
        except psycopg2.errors.InternalError_ as error:
            history.complain(f"{statements}: {error}")
        except psycopg2.Error:
            history.count("indexes interrupted")

    def end(self):
        """Nobody is in the way any more."""
        if self.thread:
            self.thread.join(30)

    def check(self, history):
        """What interrupted statements have left is dropped, as its operator would."""
        for name, valid, oid in self.server.sql(OF_DGEN):
            if name.startswith("added_") or not valid and "_cc" in name:
                self.server.sql(f'DROP INDEX IF EXISTS dgen."{name}"')
        wrong = []
        now = self.valid()
        if now != self.names:
            wrong.append(f"the indexes are {set(now) ^ set(self.names)} apart from those before")
        for name, _, oid in self.server.sql(OF_DGEN) if self.amcheck else []:
            try:
                history.count("indexes checked")
                self.server.sql("SELECT bt_index_check(%s, heapallindexed => true)", oid)
            except psycopg2.Error as error:
                wrong.append(f"{name}: {str(error).strip()}")
        return wrong
