use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use super::settings::{Method, UnknownKeys};
use super::*;

/// Configuration files that exist in memory only.
#[derive(Default)]
struct ConfigText(HashMap<&'static str, &'static str>);

impl IncludedFiles for ConfigText {
    fn included(&self, argument: &str, _in_file: &Path) -> Result<Vec<(PathBuf, String)>> {
        let found = self
            .0
            .get(argument)
            .map(|text| (PathBuf::from(argument), (*text).to_owned()));
        Ok(found.into_iter().collect())
    }
}

fn ask_with(files: &ConfigText, text: &str, host: &str, user: Option<&str>) -> Result<SshSettings> {
    let question = HostQuery {
        host,
        user,
        local_user: "me",
    };
    let mut settings = SshSettings::default();
    let source = ConfigSource {
        path: Path::new("config"),
        text,
    };
    read(source, &question, files, &mut settings)?;
    Ok(settings)
}

fn ask(text: &str, host: &str) -> SshSettings {
    ask_with(&ConfigText::default(), text, host, None).unwrap()
}

#[test]
fn the_first_value_of_a_keyword_counts() {
    let text = "Host web *.example.com !bad.example.com\n HostName first\n Port 2222\n\
                Host *\n HostName second\n Port 22\n User u\n IdentityFile a\n IdentityFile b\n IdentityFile a\n";
    for (host, name, port) in [
        ("web", "first", 2222),
        ("x.example.com", "first", 2222),
        ("bad.example.com", "second", 22),
        ("WEB", "second", 22),
    ] {
        let settings = ask(text, host);
        assert_eq!(
            (settings.host_name.as_deref(), settings.port),
            (Some(name), Some(port)),
            "{host}"
        );
        assert_eq!(settings.user.as_deref(), Some("u"));
        assert_eq!(settings.identity_files, ["a", "b"]);
    }
}

#[test]
fn every_keyword() {
    let settings = ask(
        "hostname=h\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile a \"b c\"\nGlobalKnownHostsFile d\n\
         StrictHostKeyChecking accept-new\nHostKeyAlias alias\nHashKnownHosts yes\nConnectTimeout 7\n\
         NumberOfPasswordPrompts 1\nPreferredAuthentications password,gssapi-with-mic,publickey\n\
         PubkeyAuthentication no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nProxyJump none\n\
         ForwardX11 yes\nSomethingNew a b c\n",
        "x",
    );
    let expected = SshSettings {
        host_name: Some("h".into()),
        identities_only: Some(true),
        identity_agent: Some("none".into()),
        user_known_hosts: Some(vec!["a".into(), "b c".into()]),
        global_known_hosts: Some(vec!["d".into()]),
        unknown_keys: Some(UnknownKeys::AcceptNew),
        host_key_alias: Some("alias".into()),
        hash_known_hosts: Some(true),
        connect_timeout: Some(Some(std::time::Duration::from_secs(7))),
        password_prompts: Some(1),
        preferred: Some(vec![Method::Password, Method::PublicKey]),
        public_keys: Some(false),
        passwords: Some(false),
        keyboard_interactive: Some(false),
        direct: Some(true),
        ..SshSettings::default()
    };
    assert_eq!(settings, expected);
    for (text, expected) in [
        ("no", UnknownKeys::AcceptWithWarning),
        ("off", UnknownKeys::AcceptWithWarning),
        ("ask", UnknownKeys::Ask),
        ("YES", UnknownKeys::Refuse),
    ] {
        let settings = ask(&format!("StrictHostKeyChecking {text}"), "x");
        assert_eq!(settings.unknown_keys, Some(expected), "{text}");
    }
}

#[test]
fn match_blocks() {
    for (criteria, host, user, expected) in [
        ("all", "h", None, true),
        ("host h", "h", None, true),
        ("host=h", "h", None, true),
        ("host real", "alias", None, true),
        ("host alias", "alias", None, false),
        ("originalhost alias", "alias", None, true),
        ("!host h", "h", None, false),
        ("!host x", "h", None, true),
        ("user tom", "h", Some("tom"), true),
        ("user tom", "h", None, false),
        ("user me", "h", None, true),
        ("localuser me", "h", Some("tom"), true),
        ("host h user tom,tim", "h", Some("tim"), true),
        ("host h user tom", "h", Some("tim"), false),
        ("host x,h*,!hx", "hx", None, false),
        ("host x exec true", "h", None, false),
        ("canonical", "h", None, false),
        ("final all", "h", None, false),
        ("host", "h", None, false),
        ("", "h", None, false),
    ] {
        let text = format!("Host alias\n HostName real\nMatch {criteria}\n Port 1\n");
        let settings = ask_with(&ConfigText::default(), &text, host, user).unwrap();
        assert_eq!(
            settings.port.is_some(),
            expected,
            "{criteria} for {user:?}@{host}"
        );
    }
}

/// ssh would run the command, and may connect elsewhere.
#[test]
fn an_undecidable_match_criterion_is_an_error() {
    for criteria in [
        "exec true",
        "!exec false",
        "host h exec true",
        "localnetwork 10.0.0.0/8",
    ] {
        let text = format!("Match {criteria}\n Port 1\n");
        let error = ask_with(&ConfigText::default(), &text, "h", None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 1: match ") && error.contains("not supported"),
            "{error}"
        );
        let text = format!("Host other\nInclude bad\nHost x\nMatch host x {criteria}\n");
        assert!(ask_with(&ConfigText::default(), &text, "h", None).is_ok());
    }
}

#[test]
fn included_files_belong_to_the_block_they_stand_in() {
    let files = ConfigText(HashMap::from([
        ("one", "Port 1\nHost other\nPort 2\nUser in\n"),
        ("two", "Include one\nHashKnownHosts yes\n"),
        ("loop", "Include loop\n"),
        ("bad", "\nPort x\n"),
    ]));
    let ask = |text, host| ask_with(&files, text, host, None);
    let settings = ask("Host h\nInclude two\nUser out\n", "h").unwrap();
    assert_eq!((settings.port, settings.user.as_deref()), (Some(1), Some("out")));
    assert_eq!(settings.hash_known_hosts, Some(true));
    assert_eq!(ask("Host h\nInclude two\n", "x").unwrap(), SshSettings::default());
    assert_eq!(ask("Include nothing\nPort 3\n", "x").unwrap().port, Some(3));
    let error = ask("Include loop", "x").unwrap_err().to_string();
    assert!(
        error.contains("\"loop\", line 1: too many files include each other"),
        "{error}"
    );
    let error = ask("Include bad", "x").unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot use \"bad\", line 2: port: a port is a number from 1 to 65535"
    );
}

#[test]
fn errors_name_the_file_and_the_line() {
    for (text, expected) in [
        ("\n\nPort", "line 3: port: it takes one argument"),
        ("User \"a", "line 1: a quote does not end"),
        ("IdentitiesOnly maybe", "identitiesonly: it is yes or no"),
        ("StrictHostKeyChecking maybe", "accept-new"),
        ("ConnectTimeout x", "is not a time"),
    ] {
        let error = ask_with(&ConfigText::default(), text, "h", None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    // A block for another host may contain anything.
    assert_eq!(ask("Host other\nPort x\n", "h"), SshSettings::default());
}

#[test]
fn a_proxy_is_an_error() {
    for (text, refused) in [
        ("ProxyCommand nc %h %p", true),
        ("ProxyJump bastion", true),
        ("ProxyCommand none\nProxyJump bastion", false),
        ("ProxyJump none", false),
        ("Host other\nProxyJump bastion", false),
        ("Host h\nProxyJump none\nHost *\nProxyJump bastion", false),
        ("Host *\nProxyJump bastion\nHost h\nProxyJump none", true),
    ] {
        let result = refuse_unsupported(&ask(text, "h"), "h");
        assert_eq!(result.is_err(), refused, "{text}");
    }
}

#[test]
fn configuration_files_are_read_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join(".ssh");
    std::fs::create_dir_all(ssh.join("conf.d")).unwrap();
    for (name, text) in [("conf.d/b", "User b\nPort 2\n"), ("conf.d/a", "Port 1\n")] {
        let path = ssh.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let disk = LocalFiles {
        home: dir.path(),
        system: Path::new("/nowhere"),
    };
    let question = HostQuery {
        host: "h",
        user: None,
        local_user: "me",
    };
    for text in ["Include conf.d/*", "Include ~/.ssh/conf.d/*"] {
        let mut settings = SshSettings::default();
        let source = ConfigSource {
            path: &ssh.join("config"),
            text,
        };
        read(source, &question, &disk, &mut settings).unwrap();
        assert_eq!(
            (settings.port, settings.user.as_deref()),
            (Some(1), Some("b")),
            "{text}"
        );
    }
    let open = ssh.join("conf.d/a");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o666)).unwrap();
    let error = disk.text(&open, true).unwrap_err().to_string();
    assert!(error.contains("can be written by others"), "{error}");
    assert!(disk.text(&open, false).unwrap().is_some());
    assert_eq!(disk.text(&ssh.join("nothing"), true).unwrap(), None);
}

#[test]
fn included_files_are_sorted_and_hidden_ones_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    for name in ["d/b.conf", "d/a.conf", "d/c.txt", "d/.h.conf"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let names = |pattern: &str| -> Vec<String> {
        let found = files_of(&dir.path().join(pattern));
        let found = found.iter().map(|p| p.strip_prefix(dir.path()).unwrap());
        found.map(|p| p.to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("d/*.conf"), ["d/a.conf", "d/b.conf"]);
    assert_eq!(names("?/c.*"), ["d/c.txt"]);
    assert_eq!(names("plain"), ["plain"]);
    assert!(names("nothing/*").is_empty());
}
