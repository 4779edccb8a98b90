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
#define KIND_DEAD_LETTER 'd' /* notifies an actor that its message became a dead letter */
#define KIND_ACTION 'a'      /* an action, in a type of actions (actor_type.h) */

/* The name that handlers and workers see: 'cast', 'call' ... */
extern const char *dgen_kind_name(char kind);

#endif /* DGEN_ACTOR_MESSAGE_KIND_H */
