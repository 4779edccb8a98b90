\set key random(1, 100000)
SELECT dgen.cast('bench_external', 'key-' || :key, '{"add": 1}');
