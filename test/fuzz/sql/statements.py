"""Statements: a call of something of dgen's, in one of many forms, run from one of many places."""
from values import KEYS, Values, literal

# What a query of one expression may look like.
FORMS = [
    "SELECT {e}", "SELECT {e}", "SELECT {e}", "SELECT * FROM {s} AS x", "SELECT * FROM {s} AS x", "SELECT {e}, {e}",
    "SELECT {e} FROM generate_series(1, 3)", "SELECT {e} LIMIT 1", "SELECT count(*) FROM (SELECT {e} OFFSET 0) AS s",
    "SELECT x FROM generate_series(1, 3), LATERAL {s} AS x LIMIT 1", "VALUES (({v})::text)", "SELECT 1 WHERE ({v}) IS NULL",
    "WITH c AS MATERIALIZED (SELECT {e}) SELECT count(*) FROM c, c AS d", "EXPLAIN (ANALYZE, VERBOSE, COSTS off, TIMING off) SELECT {e}",
    "SELECT row_number() OVER (ORDER BY ({v})::text) FROM generate_series(1, 2)", "SELECT ARRAY[({v})::text, ({v})::text]",
    "INSERT INTO fuzz.sink SELECT ({v})::text RETURNING *", "COPY (SELECT {e}) TO STDOUT", "SELECT COALESCE(({v})::text, ({v})::text)",
    "SELECT max(({v})::text) FROM generate_series(1, 2) GROUP BY ({v})::text", "SELECT ({v}) IS NOT DISTINCT FROM ({v})",
    "CREATE TEMP TABLE fuzz_made ON COMMIT DROP AS SELECT {e} AS value",
    "SELECT fuzz.run_one($one$SELECT {e} FROM generate_series(1, 3)$one$)",
    "DELETE FROM fuzz.sink WHERE value = ({v})::text", "SELECT (SELECT ({v})::text FROM generate_series(1, 1))",
]

# As what no client is meant to use it.
ODD = [
    "CREATE TEMP TABLE fuzz_made (value text DEFAULT ({v})::text); INSERT INTO fuzz_made DEFAULT VALUES; DROP TABLE fuzz_made",
    "CREATE TEMP TABLE fuzz_made (value int CHECK (({v}) IS NOT NULL)); INSERT INTO fuzz_made VALUES (1); DROP TABLE fuzz_made",
    "CREATE TEMP TABLE fuzz_made (a int, b text GENERATED ALWAYS AS (({v})::text) STORED); INSERT INTO fuzz_made VALUES (1); DROP TABLE fuzz_made",
    "CREATE TEMP VIEW fuzz_made AS SELECT {e} AS value; SELECT * FROM fuzz_made; DROP VIEW fuzz_made",
    "CREATE TEMP TABLE fuzz_made AS SELECT 1 AS a; CREATE INDEX ON fuzz_made ((({v})::text)); DROP TABLE fuzz_made",
    "SELECT 1; {q}; SELECT 2", "{q}; {q}", "{q}; SELECT 1/0", "DO $do$ BEGIN PERFORM {e}; COMMIT; PERFORM {e}; ROLLBACK; END $do$",
]

# Where a statement is run from; {l} is it as a literal.
PLACES = [
    "SELECT fuzz.run({l})", "SELECT fuzz.run_caught({l})", "SELECT fuzz.run_caught({l}), fuzz.run_caught({l})",
    "SELECT fuzz.run_one({l})", "INSERT INTO fuzz.before_row VALUES ({l})", "INSERT INTO fuzz.after_row VALUES ({l})",
    "INSERT INTO fuzz.at_commit VALUES ({l})", "SELECT fuzz.as_owner({l})", "SELECT fuzz.as_other({l})",
    "DO $do$ BEGIN EXECUTE {l}; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'fuzz caught % %', SQLSTATE, SQLERRM; END $do$",
    "DO $do$ BEGIN FOR i IN 1..3 LOOP BEGIN EXECUTE {l}; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $do$",
    "DO $do$ BEGIN EXECUTE {l}; COMMIT; EXECUTE {l}; END $do$",
    "SELECT dgen.call('play', {k}, jsonb_build_object('run', {l}))", "SELECT dgen.call('play', {k}, jsonb_build_object('caught', {l}))",
    "SELECT dgen.call('theirs', {k}, jsonb_build_object('caught', {l}))",
    "SELECT dgen.cast('play', {k}, jsonb_build_object('run', {l}))", "SELECT dgen.cast('play', {k}, jsonb_build_object('caught', {l}))",
    "SELECT dgen.cast('few', {k}, jsonb_build_object('caught', {l}))", "SELECT dgen.request('play', {k}, jsonb_build_object('caught', {l}))",
    "CALL dgen.ask('play', {k}, jsonb_build_object('caught', {l}), '300 ms')",
]

# What a turn may leave in the session that runs it.
LEFT_BEHIND = [
    "LISTEN fuzz_left", "SELECT pg_advisory_lock(4711)", "SELECT pg_advisory_lock_shared(1, 2)", "PREPARE left_behind AS SELECT 1",
    "DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1", "CREATE TEMP TABLE left_behind (a int)", "SELECT set_config('search_path', '', false)",
    "SET work_mem = '1MB'", "SET ROLE fuzz_nobody", "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "DISCARD ALL", "SET CONSTRAINTS ALL DEFERRED",
    "SELECT setseed(0.5)", "INSERT INTO fuzz.at_commit VALUES ('SELECT 1/0')", "INSERT INTO fuzz.at_commit VALUES ('LISTEN fuzz_left')",
    "SET LOCAL statement_timeout = 0", "SET TRANSACTION READ ONLY", "NOTIFY fuzz_left",
]

DIRECT = [
    "SELECT * FROM {r} LIMIT 5", "SELECT count(*) FROM {r}", "INSERT INTO {r} DEFAULT VALUES", "DELETE FROM {r} WHERE false",
    "UPDATE {r} SET {c} = {c} WHERE false", "TRUNCATE {r}", "LOCK TABLE {r} IN ROW SHARE MODE", "COPY {r} TO STDOUT",
    "SELECT * FROM {r} FOR UPDATE", "COMMENT ON TABLE {r} IS 'x'", "ALTER TABLE {r} ADD COLUMN fuzz int",
    "CREATE TEMP TABLE fuzz_made (LIKE {r} INCLUDING ALL)", "GRANT SELECT ON {r} TO PUBLIC", "SELECT {c} FROM {r} ORDER BY 1 LIMIT 1",
]


# What belongs together, so that calls meet what others of the session have made.
THEMES = {
    "conversation": ["request", "send_many", "ask", "await_reply", "await_replies", "await_any", "send_reply", "fail_request", "cancel", "call",
                     "cast"],
    "batch": ["attach", "claim", "claim_locked", "commit_turns", "batch_state", "receipt", "settle", "detach", "wait", "act", "call"],
    "rule": ["create_actor_type", "alter_actor_type", "drop_actor_type", "grant_send", "grant_read", "grant_work", "revoke_send", "revoke_work",
             "revoke_read", "pause", "resume", "start_workers", "adopt_database"],
    "care": ["redrive", "discard", "reset", "delete_actor", "unlock", "cancel", "explain_actor", "stats", "longest_waiting", "cast", "state"],
}


class Statements:
    def __init__(self, rng, catalog, ids, superuser):
        self.rng = rng
        self.catalog = catalog
        self.theme = None
        self.superuser = superuser
        self.values = Values(rng, catalog, ids, vaults=not superuser)
        functions = [f for f in catalog.functions if not f.private or superuser or rng.random() < 0.3]
        self.functions = functions
        self.names = sorted({function.name for function in functions})
        self.themes = {theme: [name for name in self.names if name.replace('"', "").replace("dgen.", "") in names]
                       for theme, names in THEMES.items()}

    def draw_theme(self):
        self.theme = self.rng.choice([None, None, None, *self.themes, "views"])

    # ---- expressions ----

    def function(self):
        """Each name as often as any other, but what takes all workers away."""
        while True:
            name = self.rng.choice(self.themes[self.theme] if self.theme in self.themes and self.rng.random() < 0.8 else self.names)
            if name not in ("dgen.stop_workers", "dgen.drop_actor_type", "dgen._drop_actor_type") or self.rng.random() < 0.1:
                return self.rng.choice([function for function in self.functions if function.name == name])

    def arguments(self, function, depth=0):
        given = len(function.types) - self.rng.randrange(function.defaults + 1) if self.rng.random() < 0.6 else len(function.types)
        if given > 20 and self.rng.random() < 0.7:
            given = self.rng.randrange(1, 12)
        by_name = self.rng.random() < 0.3 and all(function.names)
        texts = []
        for i in range(given):
            type_, name = function.types[i], function.names[i]
            if by_name and i >= len(function.types) - function.defaults and self.rng.random() < 0.4:
                continue
            value = self.argument(type_, name, depth)
            texts.append(f'"{name}" => {value}' if by_name else value)
        if function.kind == "p" and not by_name:    # its INOUT parameter has a default
            texts = texts[:given]
        return ", ".join(texts)

    def argument(self, type_, name, depth):
        inner = self.catalog.returning.get(type_)
        if inner and depth < 2 and self.rng.random() < 0.06:
            function = self.rng.choice(inner)
            if function in self.functions:
                return self.call(function, depth + 1)
        return self.values.value(type_, name)

    def call(self, function, depth=0):
        return f"{function.name}({self.arguments(function, depth)})"

    # ---- statements ----

    def query(self):
        luck = self.rng.random()
        if self.theme == "views" and luck < 0.8:
            return self.peep()
        if luck < 0.08:
            return self.relation()
        if luck < 0.1:
            return self.other()
        function = self.function()
        call = self.call(function)
        if function.kind == "p":
            return "CALL " + call
        forms = ODD if luck < 0.15 else FORMS
        form = self.rng.choice(forms)
        value = call if not function.set else f"(SELECT s FROM {call} AS s LIMIT 1)"
        query = "SELECT " + call
        return form.replace("{q}", query).replace("{e}", call).replace("{s}", call).replace("{v}", value)

    def peep(self):
        """What a view does not show, a condition of one's own might be asked about."""
        name, _, columns = self.rng.choice([relation for relation in self.catalog.relations if relation[1] == "v"])
        column, _ = self.rng.choice(columns)
        return self.rng.choice([f"SELECT count(*) FROM {name} WHERE fuzz.tell({column}::text)", f"SELECT * FROM {name} AS v WHERE fuzz.tell(v::text)",
                                f"SELECT count(*) FROM {name} AS a LEFT JOIN {name} AS b ON fuzz.tell(b::text) AND a.{column} = b.{column}"])

    def relation(self):
        """Superusers may write what they like: that is no test of dgen."""
        views = [relation for relation in self.catalog.relations if relation[1] == "v"]
        name, kind, columns = self.rng.choice(views if self.rng.random() < 0.6 else self.catalog.relations)
        if kind == "S":
            return self.rng.choice([f"SELECT nextval('{name}')", f"SELECT * FROM {name}"]) if not self.superuser else f"SELECT * FROM {name}"
        column, type_ = self.rng.choice(columns)
        if kind == "v" and self.rng.random() < 0.4:
            return self.rng.choice([
                f"SELECT * FROM {name} WHERE {column} = {self.values.value(type_, column)} LIMIT 20",
                f"SELECT count(*), max({column}::text) FROM {name}", f"SELECT {column}::int FROM {name}"])
        form = self.rng.choice(DIRECT[:2] if self.superuser else DIRECT)
        return form.replace("{r}", name).replace("{c}", column)

    def other(self):
        """Types' own input, casts, operators."""
        rng, catalog = self.rng, self.catalog
        choices = [f"SELECT {self.values.composite(rng.choice(sorted(catalog.composites)))}",
                   f"SELECT {rng.choice(['1', 'NULL', 'true', rng.choice(KEYS).join(chr(39) * 2)])}::{rng.choice(catalog.types)}"]
        if catalog.operators:
            _, left, right, name = rng.choice(catalog.operators)
            choices.append(f"SELECT {self.values.value(left) if left else ''} OPERATOR(dgen.{name}) {self.values.value(right)}")
        if catalog.casts:
            source, target = rng.choice(catalog.casts)
            choices.append(f"SELECT CAST({self.values.value(source)} AS {target})")
        return rng.choice(choices)

    def placed(self):
        """A query, from somewhere."""
        if self.rng.random() < 0.08:
            return self.turn()
        query = self.query()
        for _ in range(self.rng.choice([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2])):
            key = literal(self.rng.choice(KEYS))
            query = self.rng.choice(PLACES).replace("{l}", literal(query)).replace("{k}", key)
        return query

    def turn(self):
        """A turn with any outcome, or one that leaves something."""
        key = literal(self.rng.choice(KEYS))
        message = (f"jsonb_build_object('outcome', {literal(self.outcome())})" if self.rng.random() < 0.7
                   else f"jsonb_build_object('{self.rng.choice(['run', 'caught'])}', {literal(self.rng.choice(LEFT_BEHIND))})")
        types = ["play", "play", "few", "theirs"]
        return self.rng.choice(["SELECT dgen.call({t}, {k}, {m})", "SELECT dgen.cast({t}, {k}, {m})", "SELECT dgen.request({t}, {k}, {m})",
                                "CALL dgen.ask({t}, {k}, {m}, '300 ms')"]).replace("{t}", literal(self.rng.choice(types))).replace(
                                    "{k}", key).replace("{m}", message)

    def outcome(self):
        functions = self.catalog.returning.get("dgen.outcome")
        return self.values.composite("dgen.outcome") if self.rng.random() < 0.3 else self.call(self.rng.choice(functions))

    def prepared(self):
        query = self.query()
        return [f"PREPARE fuzz_p AS {query}", "EXECUTE fuzz_p", "EXECUTE fuzz_p", "DEALLOCATE fuzz_p"]

    def cursor(self):
        hold = self.rng.choice(["", "", "WITH HOLD"])
        statements = [f"DECLARE fuzz_c {self.rng.choice(['', 'SCROLL', 'NO SCROLL'])} CURSOR {hold} FOR {self.query()}"]
        statements += self.rng.sample(["FETCH 1 FROM fuzz_c", "MOVE ALL IN fuzz_c", "FETCH ALL FROM fuzz_c", "FETCH BACKWARD 1 FROM fuzz_c",
                                       "CLOSE fuzz_c"], 3)
        return statements
