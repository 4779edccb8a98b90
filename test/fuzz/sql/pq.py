"""libpq by ctypes: bytes in, bytes out, whatever their encoding; notices and all fields of errors."""
import ctypes
import ctypes.util

from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_void_p

LIBRARY = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")

RECEIVER = CFUNCTYPE(None, c_void_p, c_void_p)

# name: (result, arguments)
FUNCTIONS = {
    "PQconnectdb": (c_void_p, [c_char_p]),
    "PQstatus": (c_int, [c_void_p]),
    "PQfinish": (None, [c_void_p]),
    "PQerrorMessage": (c_char_p, [c_void_p]),
    "PQbackendPID": (c_int, [c_void_p]),
    "PQtransactionStatus": (c_int, [c_void_p]),
    "PQsetNoticeReceiver": (c_void_p, [c_void_p, RECEIVER, c_void_p]),
    "PQsendQuery": (c_int, [c_void_p, c_char_p]),
    "PQsendQueryParams": (c_int, [c_void_p, c_char_p, c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_int]),
    "PQgetResult": (c_void_p, [c_void_p]),
    "PQresultStatus": (c_int, [c_void_p]),
    "PQresultErrorField": (c_char_p, [c_void_p, c_int]),
    "PQcmdStatus": (c_char_p, [c_void_p]),
    "PQntuples": (c_int, [c_void_p]),
    "PQnfields": (c_int, [c_void_p]),
    "PQgetisnull": (c_int, [c_void_p, c_int, c_int]),
    "PQgetvalue": (c_void_p, [c_void_p, c_int, c_int]),
    "PQgetlength": (c_int, [c_void_p, c_int, c_int]),
    "PQclear": (None, [c_void_p]),
    "PQgetCopyData": (c_int, [c_void_p, POINTER(c_void_p), c_int]),
    "PQputCopyEnd": (c_int, [c_void_p, c_char_p]),
    "PQfreemem": (None, [c_void_p]),
}
for name, (result, arguments) in FUNCTIONS.items():
    getattr(LIBRARY, name).restype = result
    getattr(LIBRARY, name).argtypes = arguments

CONNECTION_OK = 0
COPY_OUT, COPY_IN = 3, 4
BAD_RESPONSE, FATAL_ERROR = 5, 7
IDLE, IN_ERROR = 0, 3

# Those of errors and notices that are looked at.
FIELDS = {"severity": "V", "sqlstate": "C", "message": "M", "detail": "D", "hint": "H", "context": "W", "function": "R"}


class Message:
    """An error or a notice."""

    def __init__(self, result):
        self.fields = {field: LIBRARY.PQresultErrorField(result, ord(letter)) or b"" for field, letter in FIELDS.items()}
        self.sqlstate = self.fields["sqlstate"].decode()

    def text(self):
        return b" | ".join(value for value in self.fields.values() if value).decode(errors="replace")


class Outcome:
    """What one statement came to."""

    def __init__(self):
        self.rows = []          # tuples of bytes or None
        self.tags = []          # as "SELECT 1"
        self.error = None       # the last one
        self.lost = None        # what libpq says when the connection is gone
        self.copied = b""

    @property
    def sqlstate(self):
        return self.error.sqlstate if self.error else ""

    @property
    def value(self):
        return self.rows[0][0] if self.rows else None


class Connection:
    def __init__(self, conninfo):
        self.notices = []
        self.conn = LIBRARY.PQconnectdb(conninfo.encode())
        self.receiver = RECEIVER(lambda _, result: self.notices.append(Message(result)))
        if LIBRARY.PQstatus(self.conn) != CONNECTION_OK:
            message = LIBRARY.PQerrorMessage(self.conn).decode(errors="replace")
            self.close()
            raise ConnectionError(message.strip())
        LIBRARY.PQsetNoticeReceiver(self.conn, self.receiver, None)
        self.pid = LIBRARY.PQbackendPID(self.conn)

    def close(self):
        if self.conn:
            LIBRARY.PQfinish(self.conn)
        self.conn = None

    @property
    def transaction(self):
        return LIBRARY.PQtransactionStatus(self.conn)

    def execute(self, text, binary=False):
        """By the simple protocol, or by the extended one with results in binary."""
        outcome = Outcome()
        data = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
        sent = (LIBRARY.PQsendQueryParams(self.conn, data, 0, None, None, None, None, 1) if binary
                else LIBRARY.PQsendQuery(self.conn, data))
        if sent:
            self.collect(outcome)
        if LIBRARY.PQstatus(self.conn) != CONNECTION_OK:
            outcome.lost = LIBRARY.PQerrorMessage(self.conn).decode(errors="replace").strip()
        return outcome

    def collect(self, outcome):
        while True:
            result = LIBRARY.PQgetResult(self.conn)
            if not result:
                return
            status = LIBRARY.PQresultStatus(result)
            if status == COPY_OUT:
                outcome.copied += self.copy_out()
            elif status == COPY_IN:
                LIBRARY.PQputCopyEnd(self.conn, b"no data")
            elif status in (BAD_RESPONSE, FATAL_ERROR):
                outcome.error = Message(result)
            else:
                outcome.tags.append((LIBRARY.PQcmdStatus(result) or b"").decode())
                outcome.rows += rows_of(result)
            LIBRARY.PQclear(result)

    def copy_out(self):
        data, buffer = b"", c_void_p()
        while True:
            length = LIBRARY.PQgetCopyData(self.conn, ctypes.byref(buffer), 0)
            if length <= 0:
                return data
            data += ctypes.string_at(buffer, length)
            LIBRARY.PQfreemem(buffer)


def rows_of(result):
    columns = range(LIBRARY.PQnfields(result))
    return [tuple(None if LIBRARY.PQgetisnull(result, row, column) else
                  ctypes.string_at(LIBRARY.PQgetvalue(result, row, column), LIBRARY.PQgetlength(result, row, column))
                  for column in columns) for row in range(LIBRARY.PQntuples(result))]
