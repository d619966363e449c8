//! Configurations that are refused, and the messages that their operator gets.

/// Each row has a configuration, and all messages that its operator gets.
pub(super) const REFUSALS: &[(&str, &str)] = &[
    (
        "[auth.throttle]\nfailure = 1",
        "homeportd.toml:2:1: unknown setting \"failure\" in [auth.throttle] (hint: did you mean \"failures\"?)\n 2 | failure = 1\n   | ^^^^^^^",
    ),
    (
        "[auth]\nthrottle = true",
        "homeportd.toml:2:12: \"throttle\" in [auth] must be a section, not the boolean true\n 2 | throttle = true\n   |            ^^^^",
    ),
    (
        "[auth]\nmethods = [\"passwort\"]",
        "homeportd.toml:2:12: \"passwort\" is not a value of \"methods\" in [auth] (hint: it can be publickey, password, keyboard-interactive)\n 2 | methods = [\"passwort\"]\n   |            ^^^^^^^^^^",
    ),
    (
        "[auth]\nmax_attempts = 0",
        "homeportd.toml:2:16: \"max_attempts\" in [auth]: nobody could sign in: expected at least 1\n 2 | max_attempts = 0\n   |                ^",
    ),
    (
        "[auth.external]\ncommand = [\"homeport-ldap\"]",
        "homeportd.toml:2:11: \"command\" in [auth.external] must begin with the absolute path of a program (hint: no shell looks for it; for example \"/bin/sh\", \"-c\", \"…\")\n 2 | command = [\"homeport-ldap\"]\n   |           ^^^^^^^^^^^^^^^^^",
    ),
    (
        "[auth.external]\ncommand = [\"/bin/true\"]\nurl = \"https://example.org/\"",
        "homeportd.toml:3:7: \"url\" in [auth.external] stands beside a command (hint: leave one of them out)\n 3 | url = \"https://example.org/\"\n   |       ^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[auth.external]\nurl = \"http://example.org/\"",
        "homeportd.toml:2:7: \"url\" in [auth.external] must begin with https:// (hint: http:// is for addresses of this machine alone, such as http://127.0.0.1:8080/)\n 2 | url = \"http://example.org/\"\n   |       ^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[auth.external]\nproofs = []",
        "homeportd.toml:2:10: \"proofs\" in [auth.external] is empty (hint: \"password\", \"publickey\" or both)\n 2 | proofs = []\n   |          ^^",
    ),
    (
        "[auth.external]\nproofs = [\"totp\"]",
        "homeportd.toml:2:11: \"totp\" is not a value of \"proofs\" in [auth.external] (hint: it can be password, publickey)\n 2 | proofs = [\"totp\"]\n   |           ^^^^^^",
    ),
    (
        "[auth.external]\ntimeout_secs = 0",
        "homeportd.toml:2:16: \"timeout_secs\" in [auth.external] must be between 1 and 60\n 2 | timeout_secs = 0\n   |                ^",
    ),
    (
        "[auth.external]\ncache_secs = 90_000",
        "homeportd.toml:2:14: \"cache_secs\" in [auth.external] must be at most 86400\n 2 | cache_secs = 90_000\n   |              ^^^^^^",
    ),
    (
        "[server]\nlisen = []",
        "homeportd.toml:2:1: unknown setting \"lisen\" in [server] (hint: did you mean \"listen\"?)\n 2 | lisen = []\n   | ^^^^^",
    ),
    (
        "[serverr]\nlisten = []",
        "homeportd.toml:1:2: unknown section [serverr] (hint: did you mean \"server\"?)\n 1 | [serverr]\n   |  ^^^^^^^",
    ),
    (
        "listen = []",
        "homeportd.toml:1:1: unknown setting \"listen\" outside of any section (hint: the sections are server, auth, ssh, limits, storage, store, quota, log, events, metrics, hooks)\n 1 | listen = []\n   | ^^^^^^",
    ),
    (
        "[log]\ncolour = true",
        "homeportd.toml:2:1: unknown setting \"colour\" in [log] (hint: its settings are format, level, audit, digest)\n 2 | colour = true\n   | ^^^^^^",
    ),
    (
        "[limits]\nrate_up = \"fast\"",
        "homeportd.toml:2:11: \"rate_up\" in [limits]: \"fast\" is not a size (hint: 512, 10MiB, 1GiB, 1G or unlimited)\n 2 | rate_up = \"fast\"\n   |           ^^^^^^",
    ),
    (
        "[limits]\nrate_down = 512",
        "homeportd.toml:2:13: \"rate_down\" in [limits]: a rate must be at least 1.0 KiB per second (hint: to refuse transfers, take permissions away)\n 2 | rate_down = 512\n   |             ^^^",
    ),
    (
        "[limits]\ndeny = [\"10.0.0.5/24\"]",
        "homeportd.toml:2:8: \"deny\" in [limits]: \"10.0.0.5/24\" has bits set behind its prefix (hint: the network is \"10.0.0.0/24\")\n 2 | deny = [\"10.0.0.5/24\"]\n   |        ^^^^^^^^^^^^^^^",
    ),
    (
        "[limits]\nchannels = [1]",
        "homeportd.toml:2:12: \"channels\" in [limits] must be a whole number, 0 or more, not a list\n 2 | channels = [1]\n   |            ^^^",
    ),
    (
        "[server]\nlisten = []",
        "homeportd.toml:2:10: \"listen\" in [server] names no address (hint: for example listen = [\"0.0.0.0:2222\"])\n 2 | listen = []\n   |          ^^",
    ),
    (
        "[server]\nlisten = [\"0.0.0.0:22\", \"[::]:22\", \"0.0.0.0:22\"]",
        "homeportd.toml:2:36: \"listen\" in [server] names 0.0.0.0:22 twice\n 2 | listen = [\"0.0.0.0:22\", \"[::]:22\", \"0.0.0.0:22\"]\n   |                                    ^^^^^^^^^^^^",
    ),
    (
        "[server]\nlisten = [\"localhost\"]",
        "homeportd.toml:2:11: \"listen\" in [server] holds something that is not an address (hint: an IP address and a port: \"0.0.0.0:22\" or \"[::]:22\")\n 2 | listen = [\"localhost\"]\n   |           ^^^^^^^^^^^",
    ),
    (
        "[server]\nlisten = \"0.0.0.0:22\"",
        "homeportd.toml:2:10: \"listen\" in [server] must be a list, not the string \"0.0.0.0:22\"\n 2 | listen = \"0.0.0.0:22\"\n   |          ^^^^^^^^^^^^",
    ),
    (
        "[server]\ndrain_secs = 100_000",
        "homeportd.toml:2:14: \"drain_secs\" in [server] must be at most 86400\n 2 | drain_secs = 100_000\n   |              ^^^^^^^",
    ),
    (
        "[server]\ndrain_secs = -1",
        "homeportd.toml:2:14: \"drain_secs\" in [server] must be a whole number, 0 or more, not the integer -1\n 2 | drain_secs = -1\n   |              ^^",
    ),
    (
        "[server]\ndrain_secs = \"30s\"",
        "homeportd.toml:2:14: \"drain_secs\" in [server] must be a whole number, 0 or more, not the string \"30s\"\n 2 | drain_secs = \"30s\"\n   |              ^^^^^",
    ),
    (
        "[server]\nproxy_from = [\"10.0.0.5\", \"haproxy\"]",
        "homeportd.toml:2:14: \"proxy_from\" in [server]: \"haproxy\" is neither an address nor a network (hint: for example \"10.0.0.5\" or \"10.0.0.0/28\")\n 2 | proxy_from = [\"10.0.0.5\", \"haproxy\"]\n   |              ^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[server]\nproxy_from = [\"::/0\"]",
        "homeportd.toml:2:14: \"proxy_from\" in [server]: \"::/0\" is every address, so that anyone could claim to be anyone (hint: name the proxies alone)\n 2 | proxy_from = [\"::/0\"]\n   |              ^^^^^^^^",
    ),
    (
        "[metrics]\nlisten = [\"127.0.0.1:9822\", \"0.0.0.0:9822\"]",
        "homeportd.toml:2:10: \"listen\" in [metrics] names 0.0.0.0:9822, which is not a loopback address, and \"allow\" names nobody (hint: name the networks that may read the metrics, for example allow = [\"10.0.0.0/8\"])\n 2 | listen = [\"127.0.0.1:9822\", \"0.0.0.0:9822\"]\n   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[metrics]\nallow = [\"prometheus\"]",
        "homeportd.toml:2:9: \"allow\" in [metrics]: \"prometheus\" is neither an address nor a network (hint: for example \"10.0.0.5\" or \"10.0.0.0/28\")\n 2 | allow = [\"prometheus\"]\n   |         ^^^^^^^^^^^^^^",
    ),
    (
        "[server]\nproxy_from = \"10.0.0.5\"",
        "homeportd.toml:2:14: \"proxy_from\" in [server] must be a list, not the string \"10.0.0.5\"\n 2 | proxy_from = \"10.0.0.5\"\n   |              ^^^^^^^^^^",
    ),
    (
        "[server]\nuser = \"\"",
        "homeportd.toml:2:8: \"user\" in [server] is empty (hint: leave the setting out, or name a user of the system)\n 2 | user = \"\"\n   |        ^^",
    ),
    (
        "[server]\nhost_keys = 7",
        "homeportd.toml:2:13: \"host_keys\" in [server] must be a string, not the integer 7\n 2 | host_keys = 7\n   |             ^",
    ),
    (
        "server = 7",
        "homeportd.toml:1:10: [server] must be a section, not the integer 7\n 1 | server = 7\n   |          ^",
    ),
    (
        "[ssh]\nciphers = [\"3des-cbc\"]",
        "homeportd.toml:2:12: \"3des-cbc\" is not a value of \"ciphers\" in [ssh] (hint: it can be aes256-gcm@openssh.com, aes128-gcm@openssh.com, chacha20-poly1305@openssh.com, aes256-ctr, aes128-ctr)\n 2 | ciphers = [\"3des-cbc\"]\n   |            ^^^^^^^^^^",
    ),
    (
        "[ssh]\nciphers = []",
        "homeportd.toml:2:11: \"ciphers\" in [ssh] is empty (hint: leave the setting out for the default)\n 2 | ciphers = []\n   |           ^^",
    ),
    (
        "[ssh]\nmacs = [\"hmac-sha2-256-etm@openssh.com\", \"hmac-sha2-256-etm@openssh.com\"]",
        "homeportd.toml:2:42: \"macs\" in [ssh] names \"hmac-sha2-256-etm@openssh.com\" twice\n 2 | macs = [\"hmac-sha2-256-etm@openssh.com\", \"hmac-sha2-256-etm@openssh.com\"]\n   |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[ssh]\npolicy = \"strict\"",
        "homeportd.toml:2:10: \"strict\" is not a value of \"policy\" in [ssh] (hint: it can be default, compatible, fips)\n 2 | policy = \"strict\"\n   |          ^^^^^^^^",
    ),
    (
        "[ssh]\nhost_key_algorithms = []",
        "homeportd.toml:2:23: \"host_key_algorithms\" in [ssh] is empty (hint: leave the setting out for the default)\n 2 | host_key_algorithms = []\n   |                       ^^",
    ),
    (
        "[ssh]\npolicy = \"fips\"\nkex = [\"ecdh-sha2-nistp256\", \"curve25519-sha256\"]",
        "homeportd.toml:3:30: \"kex\" in [ssh] names \"curve25519-sha256\", which its policy \"fips\" rules out (hint: it allows ecdh-sha2-nistp256, ecdh-sha2-nistp384, ecdh-sha2-nistp521, diffie-hellman-group16-sha512, diffie-hellman-group14-sha256)\n 3 | kex = [\"ecdh-sha2-nistp256\", \"curve25519-sha256\"]\n   |                              ^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[ssh]\npolicy = \"fips\"\nciphers = [\"chacha20-poly1305@openssh.com\"]",
        "homeportd.toml:3:12: \"ciphers\" in [ssh] names \"chacha20-poly1305@openssh.com\", which its policy \"fips\" rules out (hint: it allows aes256-gcm@openssh.com, aes128-gcm@openssh.com, aes256-ctr, aes128-ctr)\n 3 | ciphers = [\"chacha20-poly1305@openssh.com\"]\n   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[ssh]\npolicy = \"fips\"\nhost_key_algorithms = [\"ssh-ed25519\"]",
        "homeportd.toml:3:24: \"host_key_algorithms\" in [ssh] names \"ssh-ed25519\", which its policy \"fips\" rules out (hint: it allows ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, rsa-sha2-512, rsa-sha2-256)\n 3 | host_key_algorithms = [\"ssh-ed25519\"]\n   |                        ^^^^^^^^^^^^^",
    ),
    (
        "[auth]\nmethods = []",
        "homeportd.toml:2:11: \"methods\" in [auth]: nobody could sign in: expected at least one of \"publickey\", \"password\", \"keyboard-interactive\"\n 2 | methods = []\n   |           ^^",
    ),
    (
        "[auth]\nlogin_grace_secs = 0",
        "homeportd.toml:2:20: \"login_grace_secs\" in [auth]: nobody could sign in: expected at least 1\n 2 | login_grace_secs = 0\n   |                    ^",
    ),
    (
        "[auth]\nlogin_grace_secs = 0x1_0000",
        "homeportd.toml:2:20: \"login_grace_secs\" in [auth] must be at most 3600\n 2 | login_grace_secs = 0x1_0000\n   |                    ^^^^^^^^",
    ),
    (
        "[limits]\nchannels = 0",
        "homeportd.toml:2:12: \"channels\" in [limits] must be at least 1\n 2 | channels = 0\n   |            ^",
    ),
    (
        "[storage]\nfile_mode = \"rw-r-----\"",
        "homeportd.toml:2:13: \"file_mode\" in [storage]: \"rw-r-----\" is not a mode (hint: octal digits: \"0640\")\n 2 | file_mode = \"rw-r-----\"\n   |             ^^^^^^^^^^^",
    ),
    (
        "[storage]\nfile_mode = 640",
        "homeportd.toml:2:13: \"file_mode\" in [storage] must be a string, not the integer 640\n 2 | file_mode = 640\n   |             ^^^",
    ),
    (
        "[storage]\nfile_mode = \"4755\"",
        "homeportd.toml:2:13: \"file_mode\" in [storage]: \"4755\" has bits beyond 0777, which act for the server's own user (hint: for example \"0640\")\n 2 | file_mode = \"4755\"\n   |             ^^^^^^",
    ),
    (
        "[storage]\nfile_mode = \"0440\"",
        "homeportd.toml:2:13: \"file_mode\" in [storage]: with \"0440\" the server could not read and write such files (hint: \"0640\")\n 2 | file_mode = \"0440\"\n   |             ^^^^^^",
    ),
    (
        "[storage]\ndir_mode = \"1770\"",
        "homeportd.toml:2:12: \"dir_mode\" in [storage]: \"1770\" has bits beyond 2777 (hint: for example \"0750\" or \"2750\")\n 2 | dir_mode = \"1770\"\n   |            ^^^^^^",
    ),
    (
        "[storage]\ndir_mode = \"0640\"",
        "homeportd.toml:2:12: \"dir_mode\" in [storage]: with \"0640\" the server could not use such directories (hint: \"0740\")\n 2 | dir_mode = \"0640\"\n   |            ^^^^^^",
    ),
    (
        "[storage]\nroots = [\"/\"]",
        "homeportd.toml:2:9: \"roots\" in [storage] holds \"/\", which would let a home be anywhere (hint: name the directory that homes lie in)\n 2 | roots = [\"/\"]\n   |         ^^^^^",
    ),
    (
        "[storage]\nhomes = \"\"",
        "homeportd.toml:2:9: \"homes\" in [storage] holds an empty path\n 2 | homes = \"\"\n   |         ^^",
    ),
    (
        "[store]\npath = \"data/..\"",
        "homeportd.toml:2:8: \"path\" in [store] names no file\n 2 | path = \"data/..\"\n   |        ^^^^^^^^^",
    ),
    (
        "[quota]\ndefault_bytes = \"lots\"",
        "homeportd.toml:2:17: \"default_bytes\" in [quota]: \"lots\" is not a size (hint: 512, 10MiB, 1GiB, 1G or unlimited)\n 2 | default_bytes = \"lots\"\n   |                 ^^^^^^",
    ),
    (
        "[quota]\ndefault_bytes = \"10GB of\"",
        "homeportd.toml:2:17: \"default_bytes\" in [quota]: \"10GB of\" is not a size (hint: 512, 10MiB, 1GiB, 1G or unlimited)\n 2 | default_bytes = \"10GB of\"\n   |                 ^^^^^^^^^",
    ),
    (
        "[quota]\ndefault_bytes = -1",
        "homeportd.toml:2:17: \"default_bytes\" in [quota] must be a size: a number of bytes, \"10GiB\" or \"unlimited\", not the integer -1\n 2 | default_bytes = -1\n   |                 ^^",
    ),
    (
        "[quota]\ndefault_bytes = 1.5",
        "homeportd.toml:2:17: \"default_bytes\" in [quota] must be a size: a number of bytes, \"10GiB\" or \"unlimited\", not the floating point 1.5\n 2 | default_bytes = 1.5\n   |                 ^^^",
    ),
    (
        "[quota]\ndefault_bytes = \"9000P\"",
        "homeportd.toml:2:17: \"default_bytes\" in [quota]: 10133099161583616000 is more than there can be (hint: unlimited)\n 2 | default_bytes = \"9000P\"\n   |                 ^^^^^^^",
    ),
    (
        "[quota]\ndefault_files = \"1k\"",
        "homeportd.toml:2:17: \"default_files\" in [quota]: \"1k\" is not a number (hint: 0, 1, 2, … or unlimited)\n 2 | default_files = \"1k\"\n   |                 ^^^^",
    ),
    (
        "[quota]\ndefault_files = true",
        "homeportd.toml:2:17: \"default_files\" in [quota] must be a whole number, 0 or more, or \"unlimited\", not the boolean true\n 2 | default_files = true\n   |                 ^^^^",
    ),
    (
        "[quota]\ndefault_files = 9223372036854775808",
        "homeportd.toml:2:17: \"default_files\" in [quota]: 9223372036854775808 is more than there can be (hint: unlimited)\n 2 | default_files = 9223372036854775808\n   |                 ^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[quota]\ndefault = 1",
        "homeportd.toml:2:1: unknown setting \"default\" in [quota] (hint: its settings are default_bytes, default_files, rescan_secs, warn_at)\n 2 | default = 1\n   | ^^^^^^^",
    ),
    (
        "[quota]\nwarn_at = [80, 101]",
        "homeportd.toml:2:11: \"warn_at\" in [quota]: 101 is not a percentage from 1 to 100\n 2 | warn_at = [80, 101]\n   |           ^^^^^^^^^",
    ),
    (
        "[quota]\nrescan_secs = 10000000000",
        "homeportd.toml:2:15: \"rescan_secs\" in [quota] must be at most 4294967295\n 2 | rescan_secs = 10000000000\n   |               ^^^^^^^^^^^",
    ),
    (
        "[log]\nlevel = \"loud\"",
        "homeportd.toml:2:9: \"loud\" is not a value of \"level\" in [log] (hint: it can be error, warn, info, debug, trace)\n 2 | level = \"loud\"\n   |         ^^^^^^",
    ),
    (
        "[log]\naudit = \"\"",
        "homeportd.toml:2:9: \"audit\" in [log] holds an empty path\n 2 | audit = \"\"\n   |         ^^",
    ),
    (
        "[log]\nformat = \"text\"\nformat = \"json\"",
        "homeportd.toml:3:1: duplicate key\n 3 | format = \"json\"\n   | ^^^^^^",
    ),
    (
        "[server\nlisten = []",
        "homeportd.toml:1:8: unclosed table, expected `]`\n 1 | [server\n   |        ^",
    ),
    (
        "[[hooks]]\non = [\"upload\"]\nurl = \"https://example.org/\"",
        "homeportd.toml:2:6: \"on\" in [[hooks]] names the event \"upload\", which there is not (hint: the events are admin, attributes, closed, command, denied, directory_made, directory_removed, forbidden, hashed, held, hook_dropped, linked, near_quota, no_space, opened, over_quota, published, refused, removed, renamed, session_ended, signed_in, started, stopped, uploaded)\n 2 | on = [\"upload\"]\n   |      ^^^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\nurl = \"http://example.org/\"",
        "homeportd.toml:3:7: \"url\" in [[hooks]] must begin with https:// (hint: http:// is for addresses of this machine alone, such as http://127.0.0.1:8080/)\n 3 | url = \"http://example.org/\"\n   |       ^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"scan\"]",
        "homeportd.toml:3:11: \"command\" in [[hooks]] must begin with the absolute path of a program (hint: no shell looks for it; for example \"/bin/sh\", \"-c\", \"…\")\n 3 | command = [\"scan\"]\n   |           ^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"/scan\"]\nurl = \"https://example.org/\"",
        "homeportd.toml:4:7: \"url\" in [[hooks]] stands beside a command (hint: a hook has one of them; write a second [[hooks]])\n 4 | url = \"https://example.org/\"\n   |       ^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"/scan\"]\nmove_to = \"/clean\"",
        "homeportd.toml:4:11: \"move_to\" in [[hooks]] needs the event \"uploaded\" alone (hint: on = [\"uploaded\"]; write a second [[hooks]] for other events)\n 4 | move_to = \"/clean\"\n   |           ^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"/scan\"]\nmove_to = \"/../clean\"",
        "homeportd.toml:4:11: \"move_to\" in [[hooks]] must be the absolute path of a directory in the home (hint: for example \"/clean\")\n 4 | move_to = \"/../clean\"\n   |           ^^^^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"/scan\"]\nretries = 101",
        "homeportd.toml:4:11: \"retries\" in [[hooks]] must be at most 100\n 4 | retries = 101\n   |           ^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\nurl = \"https://a:b@example.org/\"",
        "homeportd.toml:3:7: \"url\" in [[hooks]] must not contain a password (hint: secret_file signs the requests instead)\n 3 | url = \"https://a:b@example.org/\"\n   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"/scan\"]\nmatch = \"in\"",
        "homeportd.toml:4:9: \"match\" in [[hooks]] must begin with \"/\", the user's home (hint: for example \"/in/**\")\n 4 | match = \"in\"\n   |         ^^^^",
    ),
    (
        "[[hooks]]\non = [\"removed\"]\ncommand = [\"/scan\"]\ntimeout = 3",
        "homeportd.toml:4:1: unknown setting \"timeout\" in [hooks] (hint: its settings are on, match, command, url, secret_file, timeout_secs, retries, move_to)\n 4 | timeout = 3\n   | ^^^^^^^",
    ),
    (
        "[server]\nbanner = \"unfinished",
        "homeportd.toml:2:21: invalid basic string, expected `\"`\n 2 | banner = \"unfinished\n   |                     ^",
    ),
];
