"""Judges a history: what clients were told against what the turns wrote and the actors hold.

Each check returns sentences about what is wrong. Nothing here talks to the database.
"""
import collections

import asked
from history import MAYBE, NO, YES

HASH_MODULUS = 1000003
EVER = float("inf")

Turn = collections.namedtuple("Turn", "actor tag kind n id h told")


def check(history, turns, states, died):
    """turns: Turn, all that were committed; states: actor -> {"n", "h", "sum"}; died: tag -> (attempts, SQLSTATE)."""
    wrong = list(history.wrong)
    sent = {message.tag: message for message in history.messages}
    done = collections.defaultdict(list)
    for turn in turns:
        done[turn.tag].append(turn)
    wrong += check_chains(turns, states, history.deleted)
    wrong += check_once(done)
    wrong += check_lost(sent, done, died)
    wrong += check_invented(sent, done)
    wrong += check_moves(sent, done, states)
    wrong += check_replies(sent, done)
    wrong += check_deaths(sent, died)
    wrong += check_order(sent, done)
    wrong += check_groups(sent, done, died)
    wrong += asked.check(history, done)
    return wrong


def check_chains(turns, states, deleted):
    """Turns of an actor follow one another, each on the state that the last one left; of one that was deleted, on none."""
    wrong = []
    by_actor = collections.defaultdict(list)
    for turn in turns:
        by_actor[turn.actor].append(turn)
    for actor, its in by_actor.items():
        if actor in deleted:
            continue
        its.sort(key=lambda turn: turn.n)
        h = 7
        for n, turn in enumerate(its, 1):
            h = (h * 31 + turn.id) % HASH_MODULUS
            if (turn.n, turn.h) != (n, h):
                wrong.append(f"{actor}: turn {n} is {turn}, on another state than the last one left")
                break
        state = states.get(actor, {})
        last = its[-1]
        if (state.get("n"), state.get("h")) != (last.n, last.h):
            wrong.append(f"{actor}: its state is {state}, its last turn {last}")
    wrong += [f"{actor}: has a state {states[actor]} and no turns" for actor in states if actor not in by_actor]
    return wrong


def check_once(done):
    return [f"{tag}: handled {len(turns)} times: {turns}" for tag, turns in done.items() if len(turns) > 1]


def check_lost(sent, done, died):
    return [f"{tag}: was acknowledged, and is lost ({message.actor}, {message.ids})" for tag, message in sent.items()
            if message.outcome == YES and message.cancelled == NO and tag not in (died if message.unsendable else done)]


def check_invented(sent, done):
    wrong = []
    by_actors = {message.ask.tag for message in sent.values() if message.ask}
    for tag in done:
        message = sent.get(tag.rstrip("<>"))
        if message is None:
            if tag not in by_actors:
                wrong.append(f"{tag}: nobody sent it")
        elif tag == message.tag and message.outcome == NO:
            wrong.append(f"{tag}: was not sent or rolled back, and is handled")
        elif tag == message.tag and message.cancelled == YES:
            wrong.append(f"{tag}: was cancelled, and is handled")
        elif tag == message.tag and message.unsendable:
            wrong.append(f"{tag}: cannot be sent to a worker, and is handled")
    return wrong


def check_moves(sent, done, states):
    """A transfer is three turns: of who gives, of who takes, and of who gives again, for the reply."""
    wrong = []
    for tag in done:
        message = sent.get(tag.rstrip("<>"))
        if message is None or message.move is None or tag != message.tag:
            continue
        for part in (tag + ">", tag + "<"):
            if part not in done:
                wrong.append(f"{part}: lost from the turn that sent it")
    total = sum(state.get("sum") or 0 for state in states.values())
    if total != 0:
        wrong.append(f"the sum of all is {total} instead of 0")
    return wrong


def check_replies(sent, done):
    wrong = []
    for tag, message in sent.items():
        if len(message.ids) > 1:
            wrong.append(f"{tag}: sent with one idempotency key, it has the ids {message.ids}")
        if message.reply is None or tag not in done:
            if message.reply is not None:
                wrong.append(f"{tag}: was answered {message.reply}, and has no turn")
            continue
        turn = done[tag][0]
        if message.reply != {"n": turn.n, "h": turn.h, "id": turn.id}:
            wrong.append(f"{tag}: was answered {message.reply}, and its turn is {turn}")
        if message.ids and turn.id not in message.ids:
            wrong.append(f"{tag}: has the id {turn.id}, its sender was told {message.ids}")
    return wrong


def check_deaths(sent, died):
    wrong = []
    for tag, (attempts, sqlstate) in died.items():
        message = sent.get(tag)
        if message is not None and message.locks and not message.unsendable:
            continue
        if message is None or not (message.raises or message.unsendable):
            wrong.append(f"{tag}: died of {sqlstate}, and nothing was wrong with it")
        elif message.unsendable not in (None, sqlstate):
            wrong.append(f"{tag}: died of {sqlstate} instead of {message.unsendable}")
        elif message.cancelled == YES:
            wrong.append(f"{tag}: was cancelled, and died")
        elif attempts != 3:
            wrong.append(f"{tag}: died after {attempts} attempts instead of 3")
    return wrong


def check_order(sent, done):
    """If one message ended before another one began, its turn comes first.

    A send has ended, for others of its actor and priority, when it is acknowledged; for all
    of its actor, when its sender has seen what the turn did.
    """
    wrong = []
    by_actor = collections.defaultdict(list)
    for message in sent.values():
        if message.tag in done and message.outcome != NO and not (message.raises or message.locks):
            by_actor[message.actor].append((done[message.tag][0].n, message))
    for actor, its in by_actor.items():
        its.sort(key=lambda pair: -pair[0])
        for priority in {message.priority for _, message in its}:
            wrong += check_line(actor, [pair for pair in its if in_line(pair[1], priority)], acknowledged)
        wrong += check_line(actor, its, seen)
    return wrong


def in_line(message, priority):
    return message.delay is None and (message.called or message.priority == priority)


def acknowledged(message):
    return message.ended if message.outcome == YES else EVER


def seen(message):
    return message.replied if message.replied is not None else EVER


def check_line(actor, latest_first, end):
    """Going back from the last turn: none may have ended... after which a turn before it began."""
    wrong = []
    earliest_end, who = EVER, None
    for n, message in latest_first:
        if message.began > earliest_end:
            wrong.append(f"{actor}: {message.tag} is turn {n}, before {who.tag}, which ended {end.__name__} "
                         f"{message.began - earliest_end:.6f} s before it began")
        if end(message) < earliest_end:
            earliest_end, who = end(message), message
    return wrong


def check_groups(sent, done, died):
    """What one transaction sends to an actor comes in that order."""
    wrong = []
    for group in {id(message.group): message.group for message in sent.values() if message.group}.values():
        last = {}
        for message in group:
            if message.tag not in done or message.raises or message.locks or message.delay is not None:
                continue
            n = done[message.tag][0].n
            before = last.get((message.actor, message.priority))
            if before is not None and before[0] > n:
                wrong.append(f"{message.tag} is turn {n} of {message.actor}, before {before[1]} of the same transaction")
            last[message.actor, message.priority] = (n, message.tag)
        there = {message.tag in done or message.tag in died for message in group if message.cancelled == NO and message.outcome == MAYBE}
        if len(there) > 1:
            wrong.append(f"half of a transaction is there: {[message.tag for message in group]}")
    return wrong
