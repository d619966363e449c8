use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use super::settings::{AddressFamily, Method, Proxy, UnknownKeys};
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
        origin: Origin::User,
    };
    read(&[source], &question, files, &mut settings)?;
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
         ForwardX11 yes\nCiphers +a\nMACs -b\nKexAlgorithms ^c\nHostKeyAlgorithms d\nCertificateFile e\n\
         CertificateFile f\nAddressFamily inet6\nBindAddress ::1\nServerAliveInterval 0\nServerAliveCountMax 2\n",
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
        proxy: Some(Proxy::Direct),
        ciphers: Some("+a".into()),
        macs: Some("-b".into()),
        kex: Some("^c".into()),
        host_key_algorithms: Some("d".into()),
        certificate_files: vec!["e".into(), "f".into()],
        address_family: Some(AddressFamily::V6),
        bind_address: Some("::1".into()),
        alive_interval: Some(None),
        alive_count: Some(2),
        ..SshSettings::default()
    };
    let mut settings = settings;
    assert!(settings.not_obeyed.is_empty() && settings.only_ssh.is_empty());
    // What has been seen of a keyword that does not matter is not a value.
    settings.seen.clear();
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
        ("final all", "h", None, true),
        ("!final", "h", None, true),
        ("final host real", "alias", None, true),
        ("sessiontype subsystem", "h", None, true),
        ("tagged x", "h", None, false),
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

/// ssh runs the command, and may connect elsewhere.
#[test]
fn a_match_that_only_ssh_can_evaluate_is_left_to_ssh() {
    for (criteria, expected) in [
        ("exec true", "Match exec"),
        ("!exec false", "Match exec"),
        ("host h exec true", "Match exec"),
        ("localnetwork 10.0.0.0/8", "Match localnetwork"),
    ] {
        let settings = ask(&format!("Match {criteria}\n Port 1\n"), "h");
        assert_eq!(settings.only_ssh, [expected]);
        let text = format!("Host other\nInclude bad\nHost x\nMatch host x {criteria}\n");
        assert!(ask(&text, "h").only_ssh.is_empty());
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
fn the_first_proxy_counts() {
    let jump = || Some(Proxy::Jump("bastion".to_owned()));
    for (text, proxy) in [
        ("ProxyCommand nc %h %p", Some(Proxy::Command)),
        ("ProxyJump bastion", jump()),
        ("ProxyCommand none\nProxyJump bastion", Some(Proxy::Direct)),
        ("ProxyJump bastion\nProxyCommand nc", jump()),
        ("Host other\nProxyJump bastion", None),
        (
            "Host h\nProxyJump none\nHost *\nProxyCommand nc",
            Some(Proxy::Direct),
        ),
    ] {
        let settings = ask(text, "h");
        assert_eq!(settings.proxy, proxy, "{text}");
        let needs_ssh = proxy == Some(Proxy::Command);
        assert_eq!(!settings.only_ssh.is_empty(), needs_ssh, "{text}");
    }
}

#[test]
fn what_is_not_obeyed_is_noted_by_its_first_value() {
    let settings = ask(
        "Compression yes\nCompression no\nForwardAgent yes\nNew x\nNew y\nControlMaster auto\nControlPath ~/c\n",
        "h",
    );
    assert_eq!(settings.not_obeyed, ["new"]);
    assert_eq!(settings.comfort, ["compression", "controlmaster", "controlpath"]);
    assert!(settings.only_ssh.is_empty());
    let settings = ask(
        "Compression no\nCompression yes\nPKCS11Provider none\nPKCS11Provider x\n",
        "h",
    );
    assert!(settings.comfort.is_empty() && settings.only_ssh.is_empty());
    let settings = ask("PKCS11Provider x\nGSSAPIAuthentication yes\n", "h");
    assert_eq!(settings.only_ssh, ["PKCS11Provider", "GSSAPIAuthentication"]);
}

#[test]
fn options_of_the_command_line_are_lines() {
    let mut settings = SshSettings::default();
    for option in ["Port=1", "User = u", "HostKeyAlias a", "port 2"] {
        apply_option(option, &mut settings).unwrap();
    }
    assert_eq!((settings.port, settings.user.as_deref()), (Some(1), Some("u")));
    for (option, expected) in [
        ("Port", "it is not KEY=VALUE"),
        ("Host=x", "it is not KEY=VALUE"),
        ("", "it is not KEY=VALUE"),
        ("Port=x", "a port is a number"),
        ("Port=1\nUser=x", "it is not KEY=VALUE"),
    ] {
        let error = apply_option(option, &mut settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{option}: {error}");
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
            origin: Origin::User,
        };
        read(&[source], &question, &disk, &mut settings).unwrap();
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
