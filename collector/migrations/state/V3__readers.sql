-- Readings have a reader of their own now; until then they were taken together with everything else.
INSERT INTO cursors (reader, log_id) SELECT 'readings', log_id FROM cursors WHERE reader = 'state';
