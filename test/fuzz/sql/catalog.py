"""What there is to call: all that belongs to the extension, from the catalog, so that new things come in by themselves."""

FUNCTIONS = """
SELECT p.oid::regproc::text, p.prokind, p.proretset, p.prorettype::regtype::text, p.pronargdefaults,
    COALESCE(array_to_string(p.proargnames[1:], ','), ''),
    (SELECT string_agg(t::regtype::text, ',' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)),
    COALESCE(array_to_string(p.proargmodes, ''), '')
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'dgen'
ORDER BY p.oid::regprocedure::text COLLATE "C"
"""

RELATIONS = """
SELECT c.oid::regclass::text, c.relkind, string_agg(a.attname || ' ' || a.atttypid::regtype::text, ',' ORDER BY a.attnum)
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'dgen'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.oid ORDER BY 1
"""

TYPES = """
SELECT t.oid::regtype::text, string_agg(a.attname || ' ' || a.atttypid::regtype::text, ',' ORDER BY a.attnum)
FROM pg_type t LEFT JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE t.typnamespace = 'dgen'::regnamespace AND t.typelem = 0
GROUP BY t.oid ORDER BY 1
"""

OPERATORS = """
SELECT o.oid::regoperator::text, COALESCE(o.oprleft::regtype::text, ''), o.oprright::regtype::text, o.oprname
FROM pg_operator o WHERE o.oprnamespace = 'dgen'::regnamespace ORDER BY 1
"""

CASTS = """
SELECT c.castsource::regtype::text, c.casttarget::regtype::text
FROM pg_cast c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_cast'::regclass AND d.deptype = 'e' ORDER BY 1, 2
"""

# What ends the run instead of testing it.
EXCLUDED = {
    "dgen._begin_update": "ends all workers and locks all tables, for upgrade scripts alone",
    "plpgsql_call_handler": "not of dgen",
    "plpgsql_inline_handler": "not of dgen",
    "plpgsql_validator": "not of dgen",
}


class Function:
    def __init__(self, name, kind, set_, returns, defaults, names, types, modes):
        self.name = name
        self.kind = kind
        self.set = set_ == "t"
        self.returns = returns
        self.types = types.split(",") if types else []
        names = names.split(",") if names else []
        if modes:
            names = [n for n, mode in zip(names, modes) if mode in "ibv"]
        self.names = (names + [""] * len(self.types))[:len(self.types)]
        self.defaults = int(defaults)
        self.private = name.split(".")[-1].startswith("_")


def fields(text):
    return [tuple(field.split(" ", 1)) for field in text.split(",")] if text else []


class Catalog:
    def __init__(self, connection):
        def rows(sql):
            outcome = connection.execute("SET search_path = pg_catalog; " + sql)
            if outcome.error:
                raise RuntimeError(outcome.error.text())
            return [tuple(value.decode() if value is not None else "" for value in row) for row in outcome.rows]
        functions = [Function(*row) for row in rows(FUNCTIONS)]
        self.functions = [function for function in functions if function.name not in EXCLUDED]
        self.relations = [(name, kind, fields(columns)) for name, kind, columns in rows(RELATIONS)]
        self.composites = {name: fields(columns) for name, columns in rows(TYPES) if columns}
        self.types = [name for name, _ in rows(TYPES)]
        self.operators = rows(OPERATORS)
        self.casts = rows(CASTS)
        self.returning = {}
        for function in self.functions:
            if function.kind == "f" and not function.set:
                self.returning.setdefault(function.returns, []).append(function)
