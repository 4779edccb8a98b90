"""Hostile values, as SQL expressions: by the name of a parameter where that says more, and by its type."""
import collections
import re

SENDER_TYPES = ["play", "echo", "few", "outside", "theirs", "theirs outside"]
VAULTS = ["vault", "open vault"]
KEYS = ["a", "b", "k1", "k2", "k3", "hot", "hot", "hot"]
ROLES = ["fuzz_owner", "fuzz_other", "fuzz_sender", "fuzz_reader", "fuzz_worker", "fuzz_nobody", "postgres",
         "pg_monitor", "fuzz_nosuch", "public", "-", "0", "4294967295", "123456789"]


def literal(text):
    return "'" + text.replace("'", "''") + "'"


TEXTS = ["''", "' '", "'x'", "'a'", r"E'line\nfeed'", r"E'tab\t\\ ''quote'''", "'ünïcödé'", "'日本'", "repeat('x', 512)",
         "repeat('x', 513)", "repeat('ü', 256)", "repeat('ü', 257)", "repeat('x', 128)", "repeat('y', 129)",
         "repeat('z', 100000)", "repeat('w', 3000000)", r"E'\x01\x7f'", "'%s%n%d'", "'{}'", "'NULL'", "'0'", "'-1'",
         "'; DROP TABLE x; --'", r"E'\u202e\u200b'", "'pg_catalog.pg_sleep'", "'fuzz.play'", "'fuzz.echo'", "'dgen.cast'",
         "'nosuch.nosuch'", "'a.b.c.d.e'", "'\"'", "'.'", "chr(1)", "md5(random()::text)", "current_user::text"]

INTEGERS = {
    "smallint": ["0", "1", "-1", "32767", "(-32768)"],
    "integer": ["0", "1", "2", "3", "4", "5", "6", "-1", "-4", "100", "10000", "32767", "32768", "(-32768)", "(-32769)",
                "2147483647", "(-2147483648)", "2147483646", "65536", "1000001"],
    "bigint": ["0", "1", "2", "3", "-1", "1000", "2147483648", "9007199254740991", "9007199254740992",
               "9223372036854775807", "(-9223372036854775808)", "4294967296", "9223372036854775806", "31556952000000",
               "292277022400000"],
}

REALS = ["0", "1", "-1", "0.1", "1e-300", "1e300", "'nan'", "'infinity'", "'-infinity'", "'-0'", "1000000", "1e-7", "50"]

# How long a wait may be is up to statement_timeout.
INTERVALS = ["'0'", "'1 ms'", "'1 us'", "'-1 ms'", "'10 ms'", "'20 ms'", "'1 s'", "'1 day'", "'-1 year'", "'178000000 years'",
             "'-178000000 years'", "'2147483647 days'", "'-2147483648 days'", "'24 days 20:31:23.647'", "'25 days'",
             "'1 mon -30 days'", "'1 mon -29 days -23:59:59.999999'", "'1 year'", "'1000 years'", "'292277 years'",
             "'2562047788:00:54.775807'", "'-2562047788:00:54.775807'", "'2147483647 mons'", "'1 week'", "'300000 years'"]
TIMEOUTS = ["'0'", "'0'", "'1 ms'", "'10 ms'", "'50 ms'"]

TIMES = ["now()", "'infinity'", "'-infinity'", "'4714-11-24 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'epoch'",
         "now() + '10 ms'", "now() - '1 year'::interval", "clock_timestamp()", "'2000-01-01'", "'294276-12-31'"]

# Numbers that no double holds, depth, width, what an index or a name would not take.
JSONS = ["'null'", "'{}'", "'[]'", "'0'", "'true'", "'\"\"'", "'{\"n\": 1}'", "'{\"a\": {\"b\": [1, null]}}'", "'-0'", "'1e400'",
         "'1e-400'", "'1e131071'", "('1' || repeat('0', 100000) || '.5')::jsonb", "'123456789012345678901234567890'",
         "(repeat('[', 1000) || repeat(']', 1000))::jsonb", "(repeat('{\"a\":', 1200) || '1' || repeat('}', 1200))::jsonb",
         "to_jsonb(repeat('x', 70000))", "to_jsonb(repeat('y', 4000000))", "jsonb_build_object(repeat('k', 60000), 1)",
         "jsonb_build_object('', '')", r"""'"\u0001\u001f\u007f"'""", r"""'"\ud83d\ude00"'""", "'\"日本\"'",
         "(SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 3000) i)",
         "(SELECT jsonb_agg(i) FROM generate_series(1, 5000) i)", "'{\"outcome\": \"NULL\"}'",
         "'{\"outcome\": \"dgen.lock()\"}'", "'{\"outcome\": \"dgen.retry(''1 ms'')\"}'", "'{\"outcome\": \"dgen.destroy()\"}'",
         "'{\"outcome\": \"dgen.fail(''x'')\"}'", "'{\"outcome\": \"dgen.noreply()\"}'", "'{\"run\": \"SELECT 1/0\"}'",
         "'{\"run\": \"SELECT pg_sleep(2)\"}'", "'{\"a\": 1, \"a\": 2}'", "'{\"caught\": \"SELECT 1/0\"}'"]

SQLSTATES = ["'ZD400'", "'00000'", "'22012'", "'P0001'", "'XX'", "'zd001'", "'ZD0001'", "''", "'40001'", "'57014'", "'ÄÖÜ'",
             "'     '", "'57P01'"]

BY_TYPE = {
    **INTEGERS,
    "text": TEXTS, "name": ["'x'", "'dgen'"], "boolean": ["true", "false"], "double precision": REALS,
    "real": REALS, "numeric": REALS + ["1e1000"], "interval": INTERVALS,
    "timestamp with time zone": TIMES, "timestamp without time zone": ["'infinity'", "'-infinity'", "'epoch'"],
    "jsonb": JSONS, "json": ["'null'", "'[]'", "'{\"a\": 1, \"a\": 2}'", r"""'"\u0000"'"""],
    "\"char\"": ["''", "'c'", "'q'", "'r'", "'t'", "'d'", "'a'", "'\\377'", "'xyz'"],
    "oid": ["0", "1", "10", "4294967295", "2615", "'dgen.message'::regclass"],
    "regclass": ["'dgen.message'", "0", "4294967295"], "regtype": ["'dgen.context'", "0"],
    "inet": ["'127.0.0.1'", "'::1/128'"], "bytea": [r"'\x00ff'", "''"], "uuid": ["gen_random_uuid()"],
    "cstring": ["'x'"], "internal": ["NULL"], "anyelement": ["1", "'x'::text"], "record": ["ROW(1, 'x')", "ROW()"],
    "void": ["NULL"], "xid": ["'3'"], "pg_lsn": ["'0/0'"],
}


class Ids:
    """What sessions have been told, so that ids exist as often as not; requests are whose they are."""

    def __init__(self):
        self.known = {}         # (database, role or None)

    def of(self, database, role):
        return RolesIds(self.known.setdefault((database, role), collections.deque(maxlen=20)),
                        self.known.setdefault((database, None), collections.deque(["1", "7"], maxlen=100)))


class RolesIds:
    def __init__(self, own, others):
        self.own = own
        self.others = others

    def add(self, value, own):
        self.others.append(value)
        if own:
            self.own.append(value)

    def draw(self, rng):
        return rng.choice(list(self.own if self.own and rng.random() < 0.7 else self.others))


class Values:
    """Draws."""

    def __init__(self, rng, catalog, ids, vaults):
        self.rng = rng
        self.catalog = catalog
        self.ids = ids
        self.types = SENDER_TYPES + (VAULTS if vaults else []) + ["nosuch", "made", "made2"]

    def value(self, type_, name=""):
        """Mostly fit for its parameter."""
        luck = self.rng.random()
        if luck < 0.07:
            return f"NULL::{type_}"
        if type_.endswith("[]"):
            return self.array(type_, name)
        if type_ == "regrole":
            return literal(self.rng.choice(ROLES)) + "::regrole"
        if luck < 0.85:
            fit = self.fitting(type_, name)
            if fit is not None:
                return f"{fit}::{type_}"
        if type_ in self.catalog.composites:
            return self.composite(type_)
        choices = BY_TYPE.get(type_)
        return f"{self.rng.choice(choices)}::{type_}" if choices else f"NULL::{type_}"

    def fitting(self, type_, name):
        """What a parameter of that name is for."""
        draw = self.rng.choice
        name = re.sub("s$", "", name)
        if type_ == "text":
            if name in ("actor_type", "name", "send_type", "dead_letter", "action", "old", "new"):
                return literal(draw(self.types))
            if name in ("actor_key", "key", "send_key"):
                return literal(draw(KEYS))
            if name in ("sqlstate", "reply_sqlstate"):
                return draw(SQLSTATES)
            if name == "handler":
                return draw(["'fuzz.play'", "'fuzz.echo'", "''", "'fuzz.run'", "'dgen.noreply'", "'nosuch'"])
            if name == "idempotency_key":
                return draw(["'i1'", "'i2'", "'i3'", "'i4'", "repeat('i', 600)"])
            if name == "outcome":
                return draw(["'error'", "'fail'", "'retry'", "'nonsense'"])
            if name == "privilege":
                return draw(["'send'", "'read'", "'work'"])
            if name == "library_version":
                return draw(["'0.1.0'", "'0.1.99'", "'99.0.0'", "'0'", "'x'", "'0.1.0.0'", "'99999999999.1.1'"])
        elif type_ == "bigint" and re.search("request|message_id|^id$|in_reply_to|fence|letter|last", name):
            return self.ids.draw(self.rng)
        elif type_ == "bigint" and re.search("box|mailbox", name):
            return f"dgen.mailbox_of({literal(draw(KEYS))})" if self.rng.random() < 0.5 else None
        elif type_ == "interval" and name in ("timeout", "delay", "backoff", "max_backoff"):
            return draw(TIMEOUTS)
        elif type_ == "integer" and name in ("type", "type_id"):
            return str(self.rng.randrange(-8, 9))
        elif type_ == "integer" and name == "count":
            return draw(["0", "1", "1", "2", "-1", "NULL"])
        elif type_ == "double precision" and name == "max_rate":
            return draw(["0", "1000", "0.5"])
        return None

    def array(self, type_, name):
        """With NULLs, with equal elements, of several dimensions, with other bounds."""
        element = type_[:-2]
        luck = self.rng.random()
        if luck < 0.1:
            return f"'{{}}'::{type_}"
        if luck < 0.15:
            one = self.value(element, name)
            return f"ARRAY[[{one}, {one}], [{one}, {one}]]::{type_}"
        if luck < 0.2:
            one = self.value(element, name)
            return f"array_fill({one}, ARRAY[{self.rng.choice([1, 2, 100, 3000])}], ARRAY[{self.rng.choice([0, -5, 2147480000])}])"
        values = [self.value(element, name) for _ in range(self.rng.choice([1, 1, 2, 2, 3, 5]))]
        if luck < 0.4:
            values.append(values[0])
        return f"ARRAY[{', '.join(values)}]::{type_}"

    def composite(self, type_):
        if self.rng.random() < 0.1:
            return self.rng.choice([f"'({',' * (len(self.catalog.composites[type_]) - 1)})'::{type_}", f"'()'::{type_}",
                                    f"'nonsense'::{type_}", f"jsonb_populate_record(NULL::{type_}, '{{}}')"])
        fields = ", ".join(self.value(field, name) for name, field in self.catalog.composites[type_])
        return f"ROW({fields})::{type_}"
