-- What is in each of the others, too: a connection.
\c
SELECT pg_backend_pid();
