"""What clients do about actors that ask others: have them ask, and take away what was asked.

An asked message has a tag of its own, and its actor may not get to it: it is cancelled, or the
actor deleted. Whoever asked is told so, as if it had been answered: once.
"""
import psycopg2

from history import MAYBE, YES, Ask

KEPT = ["inside", "rows"]   # what "plain" did is in its state, and would go with the actor
FEW = 3
STEPS_PER_KEY = 40          # of a client: about as long the others ask with the same key


class Asking:
    """A part of Client."""

    def asking(self):
        """An actor asks another one: with a key that others use, too, or one that is deleted now and then."""
        message = self.message(plain=True)
        luck = self.rng.random()
        if luck < 0.35:
            message.ask = self.shared()
        elif luck < 0.65:
            message.ask = Ask((self.rng.choice(KEPT), f"{self.round}.gone{self.rng.randrange(FEW)}"), message.tag + "?")
        else:
            message.ask = Ask((self.rng.choice(self.TYPES), f"{self.round}.asked{self.rng.randrange(FEW)}"), message.tag + "?")
        if self.rng.random() < 0.6:
            message.ask.delay_ms = self.rng.randrange(600)
        self.send("cast", message)
        self.asked = self.asked[-1:] + [message]

    def shared(self):
        number = self.steps // STEPS_PER_KEY
        key = f"{self.round}/k{number}"
        return Ask((self.TYPES[number % len(self.TYPES)], f"{self.round}.asked{number % FEW}"), key + "?", once=key)

    def take_back(self):
        if not self.asked:
            return
        message = self.asked.pop()
        ask = message.ask
        if ".gone" in ask.actor[1]:
            self.delete(ask.actor)
            return
        rows = self.execute("SELECT id FROM dgen.requests WHERE actor_type = %s AND actor_key = %s AND correlation = %s"
                            " AND status = 'pending'", *ask.actor, message.tag)
        for id_, in rows:
            self.history.take_back(ask.tag, MAYBE)
            if self.unless_deadlock("SELECT dgen.cancel(%s, %s, %s)", *ask.actor, id_):
                self.history.take_back(ask.tag, YES)
                self.history.count("asked, and cancelled")

    def delete(self, actor):
        self.history.delete(actor)
        if self.unless_deadlock("SELECT dgen.delete_actor(%s, %s)", *actor):
            self.history.count("asked, and deleted")

    def unless_deadlock(self, sql, *parameters):
        try:
            return self.value(sql, *parameters)
        except psycopg2.Error as error:
            if error.pgcode != "40P01":
                raise
            return False
