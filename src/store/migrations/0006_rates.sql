-- The bytes per second that all sessions of a user together upload and download: NULL for the server's rate, 0 for no limit.
ALTER TABLE users ADD COLUMN rate_up BIGINT;

ALTER TABLE users ADD COLUMN rate_down BIGINT;
