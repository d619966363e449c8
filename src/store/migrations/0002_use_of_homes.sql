-- The use of each home. What is not exact is a ceiling: the use is not above it.
CREATE TABLE home_usage (
    home        TEXT    NOT NULL PRIMARY KEY, -- absolute path
    bytes       BIGINT  NOT NULL,             -- sum of file sizes
    files       BIGINT  NOT NULL,             -- files, directories and symbolic links
    exact       INTEGER NOT NULL,             -- 0 or 1
    measured_at TEXT                          -- RFC 3339, UTC
);

-- Counts the changes of users, so that a running server sees them without reading all users every second.
CREATE TABLE users_revision (
    number BIGINT NOT NULL
);

INSERT INTO users_revision (number) VALUES (0);

CREATE TRIGGER users_added AFTER INSERT ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
END;

CREATE TRIGGER users_changed AFTER UPDATE ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
END;

CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
END;
