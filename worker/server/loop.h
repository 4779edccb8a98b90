/*
 * One descriptor that says when to continue.
 */
#ifndef DGEN_SERVER_LOOP_H
#define DGEN_SERVER_LOOP_H

#include <stdatomic.h>

#include "dgen.h"

typedef struct dgen__loop
{
	int epoll;        /* holds the others; what the application polls */
	int stop;         /* eventfd */
	int timer;        /* timerfd */
	unsigned process; /* that has opened them: epoll and eventfd are shared with its children */
	atomic_bool stopped;
	int socket;   /* of the connection; -1: none */
	bool reading; /* what the socket is watched for */
	bool writing;
	int64_t deadline; /* that the timer is set to, ms; DGEN__NEVER: none */
} dgen__loop;

#define DGEN__NEVER INT64_MAX

extern int64_t dgen__now_us(void); /* of a clock that only goes forward */
extern int64_t dgen__now_ms(void);
extern int dgen__loop_open(dgen__loop *loop); /* 0 or -1 with errno */
extern void dgen__loop_close(dgen__loop *loop);
extern int dgen__loop_add(dgen__loop *loop, int descriptor); /* for reading, until close */
extern void dgen__loop_watch(dgen__loop *loop, int socket, bool read, bool write);
extern void dgen__loop_forget(dgen__loop *loop); /* before the socket is closed */
extern void dgen__loop_alarm(dgen__loop *loop, int64_t deadline);
extern void dgen__loop_stop(dgen__loop *loop); /* any thread, any signal handler */
extern void dgen__loop_wait(dgen__loop *loop);

#endif /* DGEN_SERVER_LOOP_H */
