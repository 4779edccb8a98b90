/*
 * The parts of _PG_init that this room sets up.
 */
#ifndef DGEN_INIT_INIT_H
#define DGEN_INIT_INIT_H

#include "postgres.h"

extern void dgen_prepared_init(void);    /* hooks */
extern void dgen_session_end_init(void); /* sets dgen_end_session */

#endif /* DGEN_INIT_INIT_H */
