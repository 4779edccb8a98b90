\set key random(1, 10000)
SELECT dgen.call('bench_counter', 'key-' || :key);
