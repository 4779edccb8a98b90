/*
 * Processes, and what they share, by version.
 */
#ifndef DGEN_VERSION_PROCESS_H
#define DGEN_VERSION_PROCESS_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

/* The position of a backend in the array of PGPROCs. It identifies a live session. */
#if PG_VERSION_NUM >= 170000
#define DGEN_MY_PROCNO ((int) MyProcNumber)
#define DGEN_MY_LXID (MyProc->vxid.lxid)
#else
#define DGEN_MY_PROCNO (MyProc->pgprocno)
#define DGEN_MY_LXID (MyProc->lxid)
#endif

/* PostgreSQL 17 made this a property of the backend type. */
#if PG_VERSION_NUM >= 170000
#define DGEN_IS_BACKGROUND_WORKER AmBackgroundWorkerProcess()
#else
#define DGEN_IS_BACKGROUND_WORKER IsBackgroundWorker
#endif

/* PostgreSQL 19 has one setting per backend type. */
#if PG_VERSION_NUM >= 190000
#define DGEN_LOG_MIN_MESSAGES log_min_messages[MyBackendType]
#else
#define DGEN_LOG_MIN_MESSAGES log_min_messages
#endif

/*
 * A lower bound of the bytes in the server's input buffer. Before 17 the server only tells whether there
 * are any.
 */
#if PG_VERSION_NUM >= 170000
extern ssize_t pq_buffer_remaining_data(void);
#define DGEN_BUFFERED_INPUT() pq_buffer_remaining_data()
#else
extern bool pq_buffer_has_data(void);
#define DGEN_BUFFERED_INPUT() (pq_buffer_has_data() ? 1 : 0)
#endif

/* PostgreSQL 19 names a tranche where it is created. Before, each process names it. */
static inline int
dgen_new_tranche(const char *name)
{
#if PG_VERSION_NUM >= 190000
	return LWLockNewTrancheId(name);
#else
	return LWLockNewTrancheId();
#endif
}

static inline void
dgen_name_tranche(int tranche, const char *name)
{
#if PG_VERSION_NUM < 190000
	LWLockRegisterTranche(tranche, name);
#endif
}

/* PostgreSQL 19 passes to a signal handler which process sent the signal. */
#if PG_VERSION_NUM >= 190000
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg, pg_siginfo
#else
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg
#endif

/* From PostgreSQL 17 on, extensions can name their wait events. */
#if PG_VERSION_NUM >= 170000
#define DGEN_WAIT_EVENT(name) WaitEventExtensionNew(name)
#else
#define DGEN_WAIT_EVENT(name) PG_WAIT_EXTENSION
#endif

#endif /* DGEN_VERSION_PROCESS_H */
