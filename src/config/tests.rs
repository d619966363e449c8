use std::path::{Path, PathBuf};

use super::parse::{MOST_PROBLEMS, parse};
use super::sample::TEXT as SAMPLE;
use super::*;

mod refusals;

use refusals::REFUSALS;

/// Returns the whole message for an invalid configuration.
fn refusal(text: &str) -> String {
    let problems = parse(text).expect_err(text);
    report::all(&problems, Path::new("homeportd.toml"), text).to_string()
}

#[test]
fn every_refusal_says_what_where_and_what_next() {
    let mut wrong = Vec::new();
    for (text, expected) in REFUSALS {
        let message = refusal(text);
        assert!(message.lines().count() < 10);
        if message != *expected {
            wrong.push(format!("({text:?},\n{message:?}),"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_mistake_of_a_file_is_named() {
    let check = |text: &str, expected: &[&str]| {
        let message = refusal(text);
        let told: Vec<&str> = message
            .lines()
            .filter_map(|line| line.strip_prefix("homeportd.toml:"))
            .collect();
        assert_eq!(told.len(), expected.len(), "{text}\n{message}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{text}\n{message}");
        }
    };
    // Each kind of mistake, several of them in one list, in sections and outside.
    check(
        "lisen = 1\n[server]\nlisten = [\"a\", \"127.0.0.1:1\", \"b\"]\ndrain_secs = \"x\"\nuser = \"\"\n[ssh]\nciphers = [\"des\"]\n\
         macs = []\n[limits]\nchannels = 0\nhandles = 0\n[storage]\nhomes = \"\"\nroots = [\"/\"]\n[nonsense]\na = 1\n[log]\nlevel = \"loud\"",
        &[
            "1:1: unknown setting \"lisen\"",
            "3:11: \"listen\" in [server] holds something",
            "3:31: \"listen\" in [server] holds something",
            "4:14: \"drain_secs\"",
            "5:8: \"user\" in [server] is empty",
            "7:12: \"des\" is not a value",
            "8:8: \"macs\" in [ssh] is empty",
            "10:12: \"channels\"",
            "11:11: \"handles\"",
            "13:9: \"homes\"",
            "14:9: \"roots\"",
            "15:2: unknown section [nonsense]",
            "18:9: \"loud\"",
        ],
    );
    // Lines that are no TOML, and mistakes beside them.
    check(
        "[server]\nbanner = \"open\ndrain_secs = \"x\"\n[log]\nlevel = = 1\n[limits]\nchannels = 0",
        &["2:", "3:14: \"drain_secs\"", "5:", "7:12: \"channels\""],
    );
    let mut many = String::from("[server]\n");
    (0..1000).for_each(|n| many.push_str(&format!("x{n} = 1\n")));
    assert_eq!(refusal(&many).lines().count(), 3 * MOST_PROBLEMS);
}

#[test]
fn quotas_are_numbers_or_sizes() {
    let check = |text: &str, expected: (Option<u64>, Option<u64>)| {
        let quota = parse(&format!("[quota]\n{text}"))
            .unwrap_or_else(|p| panic!("{text}: {p:?}"))
            .quota;
        assert_eq!((quota.default_bytes, quota.default_files), expected, "{text}");
    };
    check("", (None, None));
    check("default_bytes = 0", (Some(0), None));
    check("default_bytes = 1_000", (Some(1000), None));
    check("default_bytes = \"10GiB\"", (Some(10 << 30), None));
    check(
        "default_bytes = \"512\"\ndefault_files = \"7\"",
        (Some(512), Some(7)),
    );
    check(
        "default_bytes = \"unlimited\"\ndefault_files = 0",
        (None, Some(0)),
    );
    check("default_files = \"unlimited\"", (None, None));
    check("default_bytes = 9223372036854775807", (Some(u64::MAX / 2), None));
}

/// Settings that the sample has otherwise than by default, and why.
const DIFFERENT: [&str; 3] = [
    // The sample lies in config/, beside hostkeys/ and data/.
    "host_keys = ",
    "homes = ",
    "path = ",
];

/// What serde says a section can hold.
fn names_in(section: &str) -> Vec<String> {
    let text = match section {
        "" => "zzz = 1".to_owned(),
        "hooks" => "[[hooks]]\nzzz = 1".to_owned(),
        section => format!("[{section}]\nzzz = 1"),
    };
    let error = toml::from_str::<Config>(&text).unwrap_err();
    let names = error.message().split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn the_sample_holds_every_setting_at_its_default() {
    parse(SAMPLE).unwrap_or_else(|p| panic!("{}", report::all(&p, Path::new("sample"), SAMPLE)));
    let sections = names_in("");
    assert_eq!(
        sections,
        [
            "server", "auth", "ssh", "limits", "storage", "store", "quota", "log", "events", "metrics",
            "hooks"
        ]
    );

    // With every line that only shows an unset setting put in force, nothing is missing.
    let shown = every_setting();
    parse(&valid_settings()).unwrap();
    let table: toml::Table = toml::from_str(&shown).unwrap();
    for section in
        sections
            .iter()
            .map(String::as_str)
            .chain(["auth.throttle", "auth.password", "auth.external"])
    {
        let names = names_in(section);
        assert!(!names.is_empty(), "{section}");
        let mut parts = section.split('.');
        let mut there = &table[parts.next().unwrap()];
        parts.for_each(|part| there = &there[part]);
        let tables = there
            .as_array()
            .map_or(std::slice::from_ref(there), Vec::as_slice);
        for name in names {
            let is_there = tables.iter().any(|table| table.get(&name).is_some());
            assert!(is_there, "[{section}] {name} is missing");
        }
    }

    let kept = SAMPLE
        .lines()
        .filter(|line| !DIFFERENT.iter().any(|d| line.starts_with(d)));
    let without: String = kept.map(|line| format!("{line}\n")).collect();
    assert_eq!(parse(&without).unwrap(), Config::default());
}

/// The sample with every line that only shows an unset setting put in force, so that it has every setting.
fn every_setting() -> String {
    let shown = SAMPLE
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("#> ").unwrap_or(line)));
    shown.collect()
}

/// The same without the program of `[auth.external]`, which has an address, too.
fn valid_settings() -> String {
    every_setting().replace("command = [\"/usr/local/bin/homeport-ldap\"]\n", "")
}

#[test]
fn every_number_and_every_list_has_a_rule_or_a_reason_for_none() {
    const NO_RULE: [(&str, &str); 10] = [
        // The section checks itself.
        ("auth.external", "timeout_secs"),
        ("auth.external", "cache_secs"),
        // Its own type refuses 0, and no number of attempts is too large.
        ("auth", "max_attempts"),
        // Its own type has a range.
        ("auth.password", "min_length"),
        // A throttle may be as strict, or as lax, as the operator likes.
        ("auth.throttle", "first_delay_ms"),
        ("auth.throttle", "max_delay_ms"),
        ("auth.throttle", "failures"),
        ("auth.throttle", "forgive_secs"),
        ("auth.throttle", "user_failures"),
        ("auth.throttle", "user_forgive_secs"),
    ];
    const NO_LIST_RULE: [(&str, &str); 10] = [
        ("auth.external", "command"),
        ("auth.external", "proofs"),
        // Without percentages or patterns, there are no such events.
        ("quota", "warn_at"),
        ("events", "partial"),
        // It has a rule of its own, about addresses.
        ("server", "listen"),
        // They have a rule together, about addresses that others can reach.
        ("metrics", "listen"),
        ("metrics", "allow"),
        // They are empty by default.
        ("limits", "deny"),
        ("server", "proxy_from"),
        ("storage", "roots"),
    ];
    let mut numbers: Vec<(String, String)> = Vec::new();
    let mut lists: Vec<(String, String)> = Vec::new();
    let table: toml::Table = toml::from_str(&every_setting()).unwrap();
    let within_auth = |name: &str| table["auth"][name].as_table().unwrap();
    // Each [[hooks]] checks its own numbers and lists.
    let sections = table
        .iter()
        .filter_map(|(name, section)| Some((name.as_str(), section.as_table()?)));
    let nested = [
        ("auth.throttle", within_auth("throttle")),
        ("auth.password", within_auth("password")),
        ("auth.external", within_auth("external")),
    ];
    for (section, settings) in sections.chain(nested) {
        for (name, value) in settings {
            let place = (section.to_owned(), name.clone());
            match value {
                toml::Value::Integer(_) => numbers.push(place),
                toml::Value::Array(_) => lists.push(place),
                _ => {}
            }
        }
    }
    let sorted = |places: Vec<(&str, &str)>| {
        let mut places: Vec<_> = places
            .into_iter()
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect();
        places.sort();
        places
    };
    let ruled = checks::NUMBERS.iter().map(|rule| (rule.section, rule.name));
    numbers.sort();
    lists.sort();
    assert_eq!(numbers, sorted(ruled.chain(NO_RULE).collect()));
    assert_eq!(
        lists,
        sorted(checks::LISTS.into_iter().chain(NO_LIST_RULE).collect())
    );
}

#[test]
fn what_a_reload_does_not_apply_is_named() {
    let before = parse("").unwrap();
    let check = |text: &str, expected: &[&str]| {
        let fresh = parse(text).unwrap();
        assert_eq!(before.waiting_for_restart(&fresh), expected, "{text}");
    };
    check("", &[]);
    check("[server]\ndrain_secs = 1", &["[server]"]);
    check("[server]\nhost_keys = \"elsewhere\"", &[]);
    check("[auth]\nmax_attempts = 1", &["[auth]"]);
    check("[auth.throttle]\nfailures = 1", &["[auth]"]);
    check("[auth.password]\nmin_length = 1", &["[auth]"]);
    check(
        "[auth]\nuser_ca_keys = \"ca.pub\"\nrevoked_keys = \"revoked\"",
        &[],
    );
    check("[storage]\nfsync = \"close\"", &["[storage]"]);
    check("[storage]\nfile_mode = \"0640\"", &["[storage]"]);
    check("[store]\npath = \"elsewhere\"", &["[store]"]);
    check("[quota]\nrescan_secs = 1", &["[quota]"]);
    check("[quota]\ndefault_bytes = 1\ndefault_files = 1", &[]);
    check("[events]\npartial = []", &["[events]"]);
    check("[metrics]\nhomes = true", &["[metrics]"]);
    check("[log]\ndigest = \"sha256\"", &["[log] digest"]);
    check(
        "[[hooks]]\non = [\"removed\"]\nurl = \"https://example.org/\"",
        &[],
    );
    let command = "[[hooks]]\non = [\"removed\"]\ncommand = [\"/bin/true\"]";
    check(command, &[]);
    assert_eq!(before.applied_by_reload(&parse(command).unwrap()), ["[[hooks]]"]);
    let external = "[auth.external]\ncommand = [\"/bin/true\"]";
    check(external, &[]);
    check("[auth.external]\nurl = \"https://example.org/\"", &[]);
    check(
        "[ssh]\npolicy = \"fips\"\n[limits]\nhandles = 1\n[log]\nlevel = \"debug\"\naudit = \"a\"",
        &[],
    );
}

#[test]
fn what_a_reload_applies_is_named() {
    let before = parse("").unwrap();
    let check = |text: &str, expected: &[&str]| {
        let fresh = parse(text).unwrap();
        assert_eq!(before.applied_by_reload(&fresh), expected, "{text}");
    };
    check("[server]\ndrain_secs = 1\n[auth]\nmax_attempts = 1", &[]);
    check("[quota]\nrescan_secs = 1", &[]);
    check(
        "[quota]\ndefault_bytes = 1\ndefault_files = 1",
        &["[quota] default_bytes", "[quota] default_files"],
    );
    check("[auth.external]\ncache_secs = 5", &["[auth.external]"]);
    check(
        "[auth]\nuser_ca_keys = \"ca.pub\"\nrevoked_keys = \"revoked\"",
        &["[auth] user_ca_keys", "[auth] revoked_keys"],
    );
    check(
        "[log]\nlevel = \"debug\"\n[limits]\nhandles = 1\n[ssh]\npolicy = \"fips\"\n[server]\nhost_keys = \"elsewhere\"",
        &["[server] host_keys", "[ssh]", "[limits]", "[log]"],
    );
}

#[test]
fn a_home_may_hold_none_of_the_configured_paths() {
    let mut config = parse(&valid_settings()).unwrap();
    config.storage.roots = vec!["/srv/one".into(), "/srv/other".into()];
    let installation = config.installation();
    let mut known: Vec<&PathBuf> = installation.configured_paths().collect();
    let settings = config.path_settings();
    let mut paths: Vec<&PathBuf> = settings.iter().map(|setting| &*setting.path).collect();
    known.sort();
    paths.sort();
    assert_eq!(paths.len(), 10);
    assert_eq!(known, paths);
}

#[test]
fn paths_are_relative_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let nested = root.join("config");
    std::fs::create_dir(&nested).unwrap();
    let file = nested.join("c.toml");
    let text = "[server]\nhost_keys = \"../hostkeys\"\n[storage]\nroots = [\"/srv/./files/../x\"]\n[log]\naudit = \"a\"";
    std::fs::write(&file, text).unwrap();
    let config = load(&file).unwrap();
    assert_eq!(config.file, file);
    assert_eq!(config.server.host_keys, root.join("hostkeys"));
    assert_eq!(config.storage.homes, nested.join("data/homes"));
    assert_eq!(config.storage.roots, [Path::new("/srv/x")]);
    assert_eq!(config.log.audit, Some(nested.join("a")));
    assert_eq!(config.data_dir(), nested.join("data"));
    assert_eq!(config.control_socket(), nested.join("data/control.sock"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: Option<&[u8]>, expected: &str| {
        let file = dir.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&file, bytes).unwrap();
        }
        let message = load(&file).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    };
    let path = |name: &str| dir.path().join(name).display().to_string();
    let cannot = |name: &str| format!("cannot read configuration \"{}\"", path(name));
    check(
        "none",
        None,
        &format!("{}: no such file or directory", cannot("none")),
    );
    check(
        "",
        None,
        &format!("{}: it is a directory, not a regular file", cannot("")),
    );
    check(
        "big",
        Some(&[b'#'; 1 << 21]),
        &format!("{}: it is larger", cannot("big")),
    );
    check(
        "latin1",
        Some(b"# a\n# caf\xe9\n"),
        &format!("{}:2: this line", path("latin1")),
    );
}
