"""What the clients did and what they were told: the history that checker.py judges."""
import threading
import time

NO = "no"          # certainly not sent: an error, a rollback
MAYBE = "maybe"    # the connection was lost before the answer
YES = "yes"        # acknowledged


class Message:
    """One message, from its invocation to what its sender was told. Times are of time.monotonic()."""

    def __init__(self, tag, actor, **traits):
        self.tag = tag
        self.actor = actor              # (type, key)
        self.priority = 0
        self.delay = None               # seconds
        self.raises = False             # dies, and is redriven
        self.locks = False              # its actor, for as long as it is handled; dies if its workers are killed
        self.called = False             # dgen.call: a turn in the sender's transaction
        self.move = None                # (actor, amount)
        self.ask = None                 # Ask: its turn asks another actor
        self.unsendable = None          # SQLSTATE: its worker cannot be sent it
        self.extra = None               # the end of its JSON text
        self.group = None               # what was sent in the same transaction, in order
        self.began = None
        self.ended = None               # acknowledged
        self.outcome = NO
        self.ids = set()                # as acknowledged; more than one is a fault
        self.cancelled = NO
        self.reply = None               # {"n", "h", "id"}
        self.replied = None             # when
        self.refused = None             # SQLSTATE instead of a reply
        self.__dict__.update(traits)


class Ask:
    """What one actor asks another. With an idempotency key several ask for the same."""

    def __init__(self, actor, tag, once=None, delay_ms=None):
        self.actor = actor
        self.tag = tag                  # of the message that is sent to `actor`
        self.once = once
        self.delay_ms = delay_ms


class History:
    """Messages of one round. Clients add to it in parallel."""

    def __init__(self):
        self.messages = []
        self.wrong = []                 # what no outcome explains: an error that must not be
        self.counts = {}
        self.taken_back = {}            # tag of an asked message that was cancelled -> YES, MAYBE
        self.deleted = set()            # actors, perhaps
        self.lock = threading.Lock()

    def add(self, message):
        message.began = time.monotonic()
        with self.lock:
            self.messages.append(message)
        return message

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + by

    def take_back(self, tag, outcome):
        with self.lock:
            if self.taken_back.get(tag) != YES:
                self.taken_back[tag] = outcome

    def delete(self, actor):
        with self.lock:
            self.deleted.add(actor)

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)
