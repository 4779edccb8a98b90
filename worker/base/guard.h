/*
 * Which process can use a handle.
 */
#ifndef DGEN_BASE_GUARD_H
#define DGEN_BASE_GUARD_H

#include "dgen.h"

#include "base/error.h"

extern unsigned dgen__this_process(void);     /* this one, as its handles note it */
extern bool dgen__is_child(unsigned process); /* of that one, by a fork */
extern int dgen__refuse_child(dgen__error *error, const char *what);
/* In a child: it no longer has the parent's socket. */
extern void dgen__leave_session(PGconn *connection, unsigned process);
/* PQfinish. In a child the parent's session continues. */
extern void dgen__disconnect(PGconn *connection, unsigned process);

#endif /* DGEN_BASE_GUARD_H */
