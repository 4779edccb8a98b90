/*
 * The kinds of messages.
 */
#ifndef DGEN_ACTOR_MESSAGE_KIND_H
#define DGEN_ACTOR_MESSAGE_KIND_H

#include "postgres.h"

/* message.kind */
#define KIND_CAST 'c'
#define KIND_REQUEST 'q'
#define KIND_REPLY 'r'
#define KIND_TIMER 't'
#define KIND_DEAD_LETTER 'd' /* tells an actor that one of its messages has become a dead letter */
#define KIND_ACTION 'a'      /* of a type of actions (actor_type.h) */

/* As handlers and workers see it: 'cast', 'call' ... */
extern const char *dgen_kind_name(char kind);

#endif /* DGEN_ACTOR_MESSAGE_KIND_H */
