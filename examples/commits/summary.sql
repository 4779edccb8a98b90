-- The ten files and the ten authors with the most lines added, from the actors' states.
SELECT type AS " ", name, to_char(changes, 'FM999,999,999,999') AS changes,
       to_char(added, 'FM999,999,999,999') AS "lines added",
       to_char(deleted, 'FM999,999,999,999') AS "lines deleted"
FROM (
	SELECT actor_type AS type, actor_key AS name, (state ->> 'changes')::bigint AS changes,
	       (state ->> 'added')::bigint AS added, (state ->> 'deleted')::bigint AS deleted,
	       row_number() OVER (PARTITION BY actor_type
	                          ORDER BY (state ->> 'added')::bigint DESC, actor_key COLLATE "C") AS place
	FROM dgen.actors
	WHERE actor_type IN ('file', 'author')
) AS ranked
WHERE place <= 10
ORDER BY type DESC, place;
