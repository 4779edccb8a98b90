/*
 * The text that readers and views show in place of a value that cannot be sent to the client of
 * this session (show.c). Needs a transaction.
 */
#ifndef DGEN_OPERATE_OPERATE_H
#define DGEN_OPERATE_OPERATE_H

#include "postgres.h"

/* The state, or a text for one that is too large for any client. */
extern Datum dgen_show_state(Datum state);

/* The key, or a text for one that the client's encoding lacks. */
extern Datum dgen_show_key(text *key);

#endif /* DGEN_OPERATE_OPERATE_H */
