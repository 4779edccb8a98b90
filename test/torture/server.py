"""A PostgreSQL server that can be broken: crashed, stopped, failed over."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import time

import psycopg2

SETTINGS = """
shared_preload_libraries = 'dgen'
dgen.databases = 'postgres'
dgen.worker_count = 2
dgen.safety_net_interval = 86400
listen_addresses = ''
max_connections = 80
max_worker_processes = 20
max_prepared_transactions = 100
max_wal_senders = 4
wal_keep_size = 256
restart_after_crash = on
log_line_prefix = '%m [%p] %e %a '
deadlock_timeout = 200
checkpoint_timeout = 30s
autovacuum_naptime = 2
"""


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout}")


class Server:
    def __init__(self, directory, settings, encoding):
        self.encoding = encoding
        self.directory = directory
        self.log = f"{directory}/server.log"
        self.made = 0
        self.ended = False
        self.port = 5432
        self.data = f"{directory}/data{self.made}"
        self.standby = None     # (data, port)
        run("initdb", "-A", "trust", "-U", "postgres", "-E", encoding, "--locale=C", "--no-sync", "-D", self.data)
        with open(f"{self.data}/postgresql.conf", "a") as conf:
            conf.write(SETTINGS + settings + f"\nunix_socket_directories = '{directory}'\n")
        self.start()

    def conninfo(self, user="torture", **more):
        """Whichever of the two takes writes."""
        text = (f"host={self.directory},{self.directory} port=5432,5433 target_session_attrs=read-write "
                f"dbname=postgres user={user}")
        return text + "".join(f" {name}={value}" for name, value in more.items())

    def connect(self, user="postgres", **more):
        connection = psycopg2.connect(self.conninfo(user, **more))
        connection.autocommit = True
        return connection

    def sql(self, text, *parameters):
        """As superuser, with patience: the server may be on its way up."""
        until = time.monotonic() + 60
        while True:
            try:
                connection = self.connect()
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(text, parameters or None)
                        return cursor.fetchall() if cursor.description else None
                finally:
                    connection.close()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def pg_ctl(self, data, *command, port=None):
        if self.ended:
            raise SystemExit(130)
        options = ["-o", f"-p {port}"] if port else []
        run("pg_ctl", "-s", "-w", "-t", "120", "-D", data, "-l", self.log, *options, *command)

    def start(self):
        self.pg_ctl(self.data, "start", port=self.port)

    def stop(self, mode):
        self.pg_ctl(self.data, "stop", "-m", mode)

    def stop_all(self):
        """Without pg_ctl, which may get the signal that ends this program, too."""
        for name in glob.glob(f"{self.directory}/data*/postmaster.pid"):
            with contextlib.suppress(OSError, ValueError), open(name) as file:
                os.kill(int(file.readline()), signal.SIGQUIT)

    # ---- a synchronous standby ----

    def add_standby(self):
        self.made += 1
        data, port = f"{self.directory}/data{self.made}", 5432 + 5433 - self.port
        run("pg_basebackup", "-h", self.directory, "-p", str(self.port), "-U", "postgres", "-D", data,
            "-R", "-c", "fast", "-X", "stream", "--no-sync")
        self.pg_ctl(data, "start", port=port)
        self.standby = (data, port)
        until = time.monotonic() + 60
        while not self.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")[0][0]:
            if time.monotonic() > until:
                raise RuntimeError("the standby does not stream")
            time.sleep(0.05)
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")

    def is_synchronous(self):
        return self.standby and self.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")[0][0] == 1

    def fail_over(self):
        """The primary is gone for good, the standby takes its place. Afterwards there is none."""
        old = self.data
        self.stop("immediate")
        (self.data, self.port), self.standby = self.standby, None
        self.pg_ctl(self.data, "promote")
        self.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.sql("SELECT pg_reload_conf()")
        shutil.rmtree(old)
