-- Which record a name stands for: a user who is removed and added again is another user. Records from before have 0.
ALTER TABLE users ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 0;

-- At which revision a user was last added, changed or removed, and likewise the limits of a home: a running server
-- reads only what has changed since it last looked.
CREATE TABLE changed_users (
    name   TEXT   NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);

CREATE INDEX changed_users_by_number ON changed_users (number);

CREATE TABLE changed_homes (
    home   TEXT   NOT NULL PRIMARY KEY, -- as in users
    number BIGINT NOT NULL
);

CREATE INDEX changed_homes_by_number ON changed_homes (number);

DROP TRIGGER users_added;

DROP TRIGGER users_changed;

DROP TRIGGER users_removed;

CREATE TRIGGER users_added AFTER INSERT ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT NEW.name, number FROM users_revision;
    INSERT OR REPLACE INTO changed_homes SELECT NEW.home, number FROM users_revision;
END;

CREATE TRIGGER users_changed AFTER UPDATE ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT OLD.name, number FROM users_revision;
    INSERT OR REPLACE INTO changed_users SELECT NEW.name, number FROM users_revision;
    INSERT OR REPLACE INTO changed_homes SELECT OLD.home, number FROM users_revision;
    INSERT OR REPLACE INTO changed_homes SELECT NEW.home, number FROM users_revision;
END;

CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT OLD.name, number FROM users_revision;
    INSERT OR REPLACE INTO changed_homes SELECT OLD.home, number FROM users_revision;
END;

-- Keys are part of a user's record, whoever edits them.
CREATE TRIGGER keys_added AFTER INSERT ON user_keys
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT NEW.user_name, number FROM users_revision;
END;

CREATE TRIGGER keys_changed AFTER UPDATE OF line ON user_keys
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT NEW.user_name, number FROM users_revision;
END;

CREATE TRIGGER keys_removed AFTER DELETE ON user_keys
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT OLD.user_name, number FROM users_revision;
END;
