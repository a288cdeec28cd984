-- Which lanes have jobs, and which is the first of each, without a walk through a long queue.
CREATE INDEX job_lane ON job (state, lane, run_at);
