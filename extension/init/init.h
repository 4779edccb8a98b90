/*
 * What _PG_init sets up in this room.
 */
#ifndef DGEN_INIT_H
#define DGEN_INIT_H

#include "postgres.h"

extern void dgen_prepared_init(void); /* hooks */
extern void dgen_session_end_init(void);

#endif /* DGEN_INIT_H */
