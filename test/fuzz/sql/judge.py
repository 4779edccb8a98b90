"""What must not be seen: in answers, in notices, and in the server's log."""
import re

# Of the server itself, and harmless: two sessions write one row of a catalog at once, or memory is refused.
TOLERATED = re.compile(r"tuple concurrently (updated|deleted)|invalid memory alloc request size")
LEAKS = re.compile(r"leak|you don't own a lock|not closed|still referenced|nonexistent|unexpected|internal error|corrupt|"
                   r"problem in alloc|write past chunk|already deallocated|snapshot .* still active|subtransaction left", re.I)
# Of an error in several lines the first one counts: each has the SQLSTATE, only that one what is expected.
LOG = re.compile(rb"PANIC|TRAP|terminated by signal|Sanitizer| XX\d\d\d .*?(?:ERROR|FATAL|WARNING|LOG):  |you don't own a lock|reference leak|was not closed|leaked|\(null\)")
LOG_EXPECTED = re.compile(rb"tuple concurrently|invalid memory alloc request size")

# How a session may end that did nothing wrong.
ENDS = {"57P01", "25P03", "57P05", "53300", "57P03", "25P04"}


class Finding(Exception):
    pass


class Judge:
    def __init__(self, marker, skip=None):
        self.marker = marker.encode()
        self.skip = re.compile("|".join(f"(?:{line})" for line in skip)) if skip else None

    def complain(self, text):
        if not (self.skip and self.skip.search(text)):
            raise Finding(text)

    def answer(self, outcome, notices, privileged):
        """What came of a statement."""
        if outcome.error:
            self.message(outcome.error, privileged)
        for notice in notices:
            self.message(notice, privileged)
        if not privileged and (self.marker in outcome.copied or any(
                self.marker in value for row in outcome.rows for value in row if value)):
            self.complain("a role without the privilege sees what is kept from it: "
                          + repr([row for row in outcome.rows if any(self.marker in value for value in row if value)][:3]))

    def message(self, message, privileged):
        text = message.text()
        state = message.sqlstate
        caught = re.search(r"fuzz caught (\w{5})", text)
        if (state.startswith("XX") or caught and caught[1].startswith("XX")) and not TOLERATED.search(text):
            self.complain("an internal error: " + text)
        for field in ("message", "detail", "hint"):
            if b"(null)" in message.fields[field]:
                self.complain("something is missing in a message: " + text)
        if message.fields["severity"] == b"WARNING" and LEAKS.search(message.fields["message"].decode(errors="replace")):
            self.complain("a warning of a leak: " + text)
        if not privileged and self.marker in b"".join(message.fields.values()):
            self.complain("a message to a role without the privilege has what is kept from it: " + text)

    def lost(self, outcome):
        """The connection is gone."""
        if outcome.sqlstate not in ENDS:
            self.complain(f"the session ended: {outcome.error.text() if outcome.error else outcome.lost}")


class Log:
    """The server's log, read as it grows."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def complaints(self):
        return [line.decode(errors="replace").strip() for line in self.file if LOG.search(line) and not LOG_EXPECTED.search(line)]
