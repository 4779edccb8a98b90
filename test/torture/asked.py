"""Judges what actors were told that asked others: an answer, or that it will not come."""
import json

from history import NO, YES

CANCELLED = "ZD012"


def check(history, done):
    """done: tag -> its turns. Who asked has one turn of kind reply, and it fits what became of the request."""
    wrong = []
    for message in history.messages:
        if message.ask is None or message.tag not in done:
            continue
        replies = done.get(message.tag + "<", [])
        if not replies:
            wrong.append(f"{message.tag}: {message.actor} asked {message.ask.actor}, and was told nothing")
            continue        # that there are several is seen elsewhere
        if (replies[0].actor, replies[0].kind) != (message.actor, "reply"):
            wrong.append(f"{message.tag}: {message.actor} asked, and {replies[0]} is not told to it")
        wrong += check_told(history, message, replies[0].told, done.get(message.ask.tag, []))
    return wrong


def check_told(history, message, told, turns):
    ask = message.ask
    about = f"{message.tag}: was told {told} of {ask.tag} for {ask.actor}"
    taken_back = history.taken_back.get(ask.tag, NO)
    if told == CANCELLED:
        if turns:
            return [f"{about}, and that was handled: {turns[0]}"]
        if taken_back == NO and ask.actor not in history.deleted:
            return [f"{about}, which nobody cancelled or deleted"]
        return []
    if taken_back == YES:
        return [f"{about}, which was cancelled"]
    if not turns:
        return [f"{about}, which has no turn"]
    turn = turns[0]
    if not told.startswith("{") or json.loads(told) != {"n": turn.n, "h": turn.h, "id": turn.id}:
        return [f"{about}, and its turn is {turn}"]
    return []
