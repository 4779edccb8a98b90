"""Does harm, one thing after the other, and makes it good again in the end."""
import os
import random
import signal
import subprocess
import threading
import time

import psycopg2


class Workers:
    """Processes of test/lib/torture_worker.c, started anew when they end."""

    def __init__(self, server, program, count, mended):
        self.server = server
        self.command = [program]
        self.mended = mended
        self.log = open(f"{server.directory}/workers.log", "ab")
        self.processes = [None] * count
        self.stopped = set()
        self.lock = threading.Lock()
        self.ending = False
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()

    def keep(self):
        while not self.ending:
            with self.lock:
                for i, process in enumerate(self.processes):
                    if process is None or process.poll() is not None:
                        self.stopped.discard(i)
                        self.processes[i] = self.begin(i)
            time.sleep(0.02)

    def begin(self, i):
        conninfo = self.server.conninfo("torture", application_name=f"worker{i}")
        return subprocess.Popen(self.command + [conninfo, self.mended], stdin=subprocess.DEVNULL,
                                stdout=self.log, stderr=self.log)

    def signal(self, i, number):
        with self.lock:
            if self.processes[i] is not None and self.processes[i].poll() is None:
                self.processes[i].send_signal(number)

    def stop(self, i):
        self.signal(i, signal.SIGSTOP)
        self.stopped.add(i)

    def go_on(self, i):
        self.stopped.discard(i)
        self.signal(i, signal.SIGCONT)

    def end(self):
        self.ending = True
        self.keeper.join()
        for i, process in enumerate(self.processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Nemesis(threading.Thread):
    WEIGHTS = {"kill_worker": 20, "stop_worker": 8, "go_on_worker": 12, "terminate_worker": 12, "terminate_client": 10,
               "kill_backend": 1, "crash": 1, "hold_snapshot": 6, "hold_xid": 3, "pause": 8, "lock_row": 4, "vacuum": 3,
               "vacuum_full": 1, "disturb_indexes": 12, "restart_workers": 1, "fail_over": 0}
    DEADLY = {"kill_backend", "crash", "fail_over"}

    def __init__(self, server, workers, indexes, history, round_, seed, standby):
        super().__init__(daemon=True, name="nemesis")
        self.server = server
        self.workers = workers
        self.indexes = indexes
        self.history = history
        self.round = round_
        self.rng = random.Random(f"{seed} nemesis {round_}")
        deadly = self.rng.random() < 0.4    # a crash mends what was forgotten in shared memory
        self.enabled = {name: weight for name, weight in self.WEIGHTS.items()
                        if weight and self.rng.random() < 0.75 and (deadly or name not in self.DEADLY)}
        if standby and deadly:
            self.enabled["fail_over"] = 3
        self.enabled.setdefault("kill_worker", 20)
        self.pace = self.rng.choice([0.02, 0.1, 0.4])
        self.ending = False
        self.sessions = {}      # of superusers that hold something: connection -> until when

    def run(self):
        while not self.ending:
            name = self.rng.choices(list(self.enabled), weights=self.enabled.values())[0]
            self.let_go(time.monotonic())
            try:
                getattr(self, name)()
                self.history.count(f"nemesis: {name}")
            except (psycopg2.Error, ProcessLookupError, IndexError):
                pass            # who was to be hurt is gone already
            until = time.monotonic() + self.rng.expovariate(1 / self.pace)
            while not self.ending and time.monotonic() < until:
                time.sleep(0.02)

    def let_go(self, now):
        for session, until in list(self.sessions.items()):
            if until <= now:
                del self.sessions[session]
                try:
                    session.close()
                except psycopg2.Error:
                    pass

    def hold(self, *statements):
        if len(self.sessions) >= 8:
            return
        session = self.holder()
        self.sessions[session] = time.monotonic() + self.rng.expovariate(1)
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def holder(self):
        """It may meet what another one of them holds."""
        return self.server.connect(application_name="holder", options="'-c lock_timeout=200'")

    def actor(self):
        return self.rng.choice(["inside", "rows", "plain"]), f"{self.round}.{self.rng.randrange(5)}"

    # ---- processes ----

    def some_worker(self):
        return self.rng.randrange(len(self.workers.processes))

    def kill_worker(self):
        self.workers.signal(self.some_worker(), signal.SIGKILL)

    def stop_worker(self):
        self.workers.stop(self.some_worker())

    def go_on_worker(self):
        for i in list(self.workers.stopped):
            self.workers.go_on(i)

    def restart_workers(self):
        self.server.sql(f"SELECT dgen.start_workers({self.rng.randrange(1, 4)})")

    # ---- sessions ----

    def terminate(self, condition):
        self.server.sql(f"""SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND {condition} ORDER BY random() LIMIT 1) AS victim""")

    def terminate_worker(self):
        self.terminate("(backend_type LIKE 'dgen%' OR application_name LIKE 'worker%')")

    def terminate_client(self):
        self.terminate("application_name LIKE 'client%'")

    # ---- the server ----

    def kill_backend(self):
        rows = self.server.sql("""SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()
            AND (backend_type LIKE 'dgen%' OR application_name ~ '^(client|worker)') ORDER BY random() LIMIT 1""")
        os.kill(rows[0][0], signal.SIGKILL)

    def crash(self):
        self.server.stop("immediate")
        self.server.start()

    def fail_over(self):
        if self.server.standby is None:
            self.server.add_standby()
        elif self.server.is_synchronous():
            self.server.fail_over()
            self.history.count("failovers")

    # ---- in the way of dgen ----

    def hold_snapshot(self):
        self.hold("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM pg_class LIMIT 1")

    def hold_xid(self):
        self.hold("BEGIN", "SELECT pg_current_xact_id()")

    def lock_row(self):
        self.hold("BEGIN", "SELECT FROM dgen.actor WHERE actor_key = '%s.%d' FOR UPDATE" % (self.round, self.rng.randrange(5)))

    def pause(self):
        type_, key = self.actor()
        whole = self.rng.random() < 0.2
        what, parameters = ("dgen.%s(%%s)", (type_,)) if whole else ("dgen.%s(%%s, %%s)", (type_, key))
        self.server.sql("SELECT " + what % "pause", *parameters)
        time.sleep(self.rng.expovariate(10))
        self.server.sql("SELECT " + what % "resume", *parameters)

    def vacuum(self):
        self.server.sql("VACUUM " + self.rng.choice(["dgen.message", "dgen.actor", "dgen.message, dgen.actor"]))

    def vacuum_full(self):
        session = self.holder()
        self.sessions[session] = 0
        with session.cursor() as cursor:
            cursor.execute("VACUUM FULL " + self.rng.choice(["dgen.message", "dgen.actor"]))

    def disturb_indexes(self):
        self.indexes.disturb(self.rng, self.history)

    # ---- and good again ----

    def end(self):
        self.ending = True
        self.join()
        for i in range(len(self.workers.processes)):
            self.workers.go_on(i)
        self.let_go(float("inf"))
        self.indexes.end()
        self.server.sql("""SELECT dgen.resume(a.name, p.actor_key) FROM dgen.paused AS p JOIN dgen.actor_type AS a ON a.id = p.type_id
            WHERE p.actor_key <> ''""")
        self.server.sql("SELECT dgen.resume(t) FROM unnest('{inside,rows,plain}'::text[]) AS t")
        self.server.sql("SELECT dgen.start_workers(2)")
