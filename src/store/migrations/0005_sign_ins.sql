-- From where users have signed in, for about 30 days. A user who signs in from there again is not held up by the failures
-- of others.
CREATE TABLE sign_ins (
    user_name TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    source    TEXT    NOT NULL,         -- IPv4 address, or the first address of an IPv6 /64
    at        BIGINT  NOT NULL,         -- the last time, in seconds since 1970
    PRIMARY KEY (user_name, source)
);

-- The key of a line, for a look at one key that costs the same however many there are. NULL where the line has quotes or
-- tabs, so that it takes more than this to find the key: such lines are looked at each time.
ALTER TABLE user_keys ADD COLUMN data TEXT GENERATED ALWAYS AS (
    CASE WHEN instr(line, '"') = 0 AND instr(line, char(9)) = 0 AND instr(line, ' AAAA') > 0
    THEN substr(
        substr(line, instr(line, ' AAAA') + 1),
        1,
        instr(substr(line, instr(line, ' AAAA') + 1) || ' ', ' ') - 1
    )
    END
) VIRTUAL;

CREATE INDEX user_keys_by_data ON user_keys (user_name, data);
