use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::connect::ssh_config::settings::UnknownKeys;

/// A home directory and a system directory with these configurations.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(user: &str, system: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("home/.ssh/config", user), ("etc/ssh_config", system)] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { dir }
    }

    fn here(&self) -> LocalEnvironment {
        LocalEnvironment {
            home: self.dir.path().join("home"),
            account_home: None,
            local_user: "me".to_owned(),
            agent: Some("/agent".into()),
            system: self.dir.path().join("etc"),
        }
    }

    fn resolve(&self, word: &str, options: &Options) -> Result<Destination> {
        let target = Target::parse(OsStr::new(word)).unwrap();
        resolve(&target, options, &self.here())
    }
}

#[test]
fn without_configuration() {
    let machine = Machine::new("", "");
    let destination = machine.resolve("Host", &Options::default()).unwrap();
    let ssh = machine.here().home.join(".ssh");
    assert_eq!((destination.host.as_str(), destination.port), ("Host", 22));
    assert_eq!(destination.host_key.name.as_str(), "host");
    assert_eq!(destination.host_key.unknown, UnknownKeys::Ask);
    assert_eq!(
        destination.host_key.user_files,
        [ssh.join("known_hosts"), ssh.join("known_hosts2")]
    );
    assert_eq!(destination.connect_timeout, Duration::from_secs(30));
    assert_eq!(
        (&destination.route, destination.not_obeyed.len()),
        (&Route::Direct, 0)
    );
    let rules = destination.sign_in;
    assert_eq!(
        (rules.user.as_str(), rules.password_prompts, rules.identities_only),
        ("me", 3, false)
    );
    assert_eq!(rules.agent.as_deref(), Some(Path::new("/agent")));
    let names: Vec<_> = rules.files.iter().map(|f| (f.path.clone(), f.named)).collect();
    assert_eq!(names, IDENTITIES.map(|name| (ssh.join(name), false)));
    assert_eq!(
        rules.methods,
        [Method::PublicKey, Method::KeyboardInteractive, Method::Password]
    );
}

#[test]
fn the_command_line_then_the_user_then_the_system() {
    let machine = Machine::new(
        "Host web\n HostName %h.example.com\n User tom\n Port 2222\n IdentityFile ~/keys/%r\n IdentityAgent none\n\
         UserKnownHostsFile ~/kh /other\n HashKnownHosts yes\n ConnectTimeout none\n PasswordAuthentication no\n",
        "Host *\n User nobody\n Port 1\n IdentityFile /system\n HostKeyAlias alias\n",
    );
    let destination = machine.resolve("web", &Options::default()).unwrap();
    let home = machine.here().home;
    assert_eq!(
        (destination.host.as_str(), destination.port),
        ("web.example.com", 2222)
    );
    assert_eq!(destination.given, "web");
    assert_eq!(destination.host_key.name.as_str(), "alias");
    assert_eq!(
        destination.host_key.user_files,
        [home.join("kh"), "/other".into()]
    );
    assert!(destination.host_key.hash);
    // Without a limit in the configuration, there still is one.
    assert_eq!(destination.connect_timeout, Duration::from_secs(130));
    let rules = destination.sign_in;
    assert_eq!((rules.user.as_str(), rules.agent), ("tom", None));
    let names: Vec<_> = rules.files.into_iter().map(|f| f.path).collect();
    assert_eq!(names, [home.join("keys/tom"), "/system".into()]);
    assert_eq!(rules.methods, [Method::PublicKey, Method::KeyboardInteractive]);

    let options = Options {
        user: Some("option".to_owned()),
        port: Some(3),
        identities: vec!["/mine".into()],
        known_hosts: Some("/kh".into()),
        unknown_keys: Some(UnknownKeys::AcceptNew),
        connect_timeout: Some(Duration::from_secs(1)),
        ..Options::default()
    };
    let destination = machine.resolve("web", &options).unwrap();
    assert_eq!(
        (destination.port, destination.sign_in.user.as_str()),
        (3, "option")
    );
    assert_eq!(destination.sign_in.files[0].path, Path::new("/mine"));
    assert_eq!(destination.sign_in.files.len(), 3);
    assert_eq!(destination.host_key.user_files, [PathBuf::from("/kh")]);
    assert!(destination.host_key.global_files.is_empty());
    assert_eq!(Some(destination.connect_timeout), options.connect_timeout);
    let destination = machine.resolve("sftp://calvin@web:4", &options).unwrap();
    assert_eq!(
        (destination.port, destination.sign_in.user.as_str()),
        (4, "calvin")
    );
}

#[test]
fn another_configuration_or_none() {
    let machine = Machine::new("Port 1\n", "Port 2\n");
    let with = |config| Options {
        config,
        ..Options::default()
    };
    assert_eq!(machine.resolve("h", &with(ConfigFile::None)).unwrap().port, 22);
    let other = machine.dir.path().join("other");
    std::fs::write(&other, "Port 3\nIdentityFile none\n").unwrap();
    let destination = machine
        .resolve("h", &with(ConfigFile::File(other.clone())))
        .unwrap();
    assert_eq!(destination.port, 3);
    assert!(destination.sign_in.files.is_empty());
    std::fs::remove_file(&other).unwrap();
    let error = machine
        .resolve("h", &with(ConfigFile::File(other)))
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no configuration"), "{error}");
}

/// The hosts of a route, as `user@host:port`.
fn hosts(destination: &Destination) -> Vec<String> {
    let Route::Jumps(jumps) = &destination.route else {
        return Vec::new();
    };
    let shown = |jump: &Destination| {
        assert_eq!(jump.route, Route::Direct);
        format!("{}@{}:{}", jump.sign_in.user, jump.host, jump.port)
    };
    jumps.iter().map(shown).collect()
}

#[test]
fn hosts_in_the_middle() {
    let machine = Machine::new(
        "Host inner\n ProxyJump tom@b:22,second\nHost second\n HostName s.example\n User sue\n Port 3\n ProxyJump x\n\
         Host b\n ProxyJump first\nHost all-*\n ProxyJump all-bastion\n",
        "",
    );
    let jump = |jump: &str| Options {
        jump: Some(jump.to_owned()),
        port: Some(9),
        ..Options::default()
    };
    let check = |word: &str, options: &Options, expected: &[&str]| {
        let destination = machine.resolve(word, options).unwrap();
        assert_eq!(hosts(&destination), expected, "{word}");
    };
    let usual = Options::default();
    // Only the first host may itself be behind others.
    check("inner", &usual, &["me@first:22", "tom@b:22", "sue@s.example:3"]);
    check("inner", &jump("none"), &[]);
    check("inner", &jump("ssh://u@[::1]:5"), &["u@::1:5"]);
    check("h", &jump("u@a,[::1]:4"), &["u@a:22", "me@::1:4"]);
    check("all-x", &usual, &["me@all-bastion:22"]);
    check("all-bastion", &usual, &[]);
    for (word, options, expected) in [
        ("h", jump("a:x"), "cannot connect through \"a:x\""),
        ("h", jump("a/b"), "a path makes no sense"),
        (
            "h",
            jump(""),
            "cannot connect through \"\": it names no host (hint: ",
        ),
        ("h", jump(" "), "cannot connect through \"\": it names no host"),
        ("h", jump("a,"), "cannot connect through \"\": it names no host"),
        ("h", jump("u@"), "cannot connect through \"u@\": it names no host"),
        ("h", jump("a:0"), "\"0\" is not a port from 1 to 65535"),
        (
            "h",
            jump("u:p@a"),
            "a host to connect through has a password, which everybody",
        ),
    ] {
        let error = machine.resolve(word, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.matches("(hint: ").count(), 1, "{error}");
        let checked = check_options(&options).unwrap_err().to_string();
        assert_eq!(checked, error);
    }
    // ssh would only say that its argument is wrong.
    let by_ssh = Options {
        ssh: Some("ssh".into()),
        ..jump("")
    };
    assert!(check_options(&by_ssh).is_err());
    assert!(check_options(&jump("none")).is_ok());
    let machine = Machine::new("Host a*\n ProxyJump b\nHost b*\n ProxyJump a\n", "");
    let error = machine.resolve("a", &usual).unwrap_err().to_string();
    assert!(error.contains("more than 8 hosts"), "{error}");
}

#[test]
fn ssh_itself_connects_where_only_it_can() {
    let check = |config: &str, reasons: &[&str]| {
        let machine = Machine::new(config, "GSSAPIAuthentication yes\n");
        let destination = machine.resolve("h", &Options::default()).unwrap();
        let found = match destination.route {
            Route::Ssh(program) => program.reasons,
            _ => Vec::new(),
        };
        assert_eq!(found, reasons, "{config}");
    };
    // The system's own GSSAPIAuthentication is no reason: distributions switch it on for everybody.
    check("", &[]);
    check("GSSAPIAuthentication yes\n", &["GSSAPIAuthentication"]);
    check("ProxyCommand nc %h %p\n", &["ProxyCommand"]);
    check("Match exec true\n Port 1\n", &["Match exec"]);
    check("Ciphers 3des-x\n", &["Ciphers"]);
    check(
        "Host h\n ProxyJump j\nHost j\n ProxyCommand nc\n",
        &["ProxyCommand"],
    );
    check("Host other\n ProxyCommand nc\n", &[]);
}

#[test]
fn ssh_gets_the_options_of_the_command_line() {
    let machine = Machine::new("", "");
    let options = Options {
        port: Some(7),
        identities: vec!["/key".into()],
        known_hosts: Some("/kh".into()),
        unknown_keys: Some(UnknownKeys::AcceptNew),
        connect_timeout: Some(Duration::from_secs(9)),
        settings: vec!["Compression=yes".to_owned()],
        jump: Some("j".to_owned()),
        ssh: Some("/usr/bin/other".into()),
        verbose: 2,
        config: ConfigFile::None,
        ..Options::default()
    };
    let Route::Ssh(program) = machine.resolve("tom@h", &options).unwrap().route else {
        panic!("not by ssh");
    };
    assert_eq!(
        (program.program.as_path(), program.host.as_str()),
        (Path::new("/usr/bin/other"), "h")
    );
    let words: Vec<_> = program
        .options
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let words = words.join(" ");
    for expected in [
        "-o RemoteCommand=none -o RequestTTY=no",
        "-F none",
        "-l tom",
        "-p 7",
        "-i /key",
        "-o UserKnownHostsFile=/kh",
        "-o StrictHostKeyChecking=accept-new",
        "-o ConnectTimeout=9",
        "-J j",
        "-o Compression=yes",
        "-v -v",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!program.shares_by_configuration);
    let machine = Machine::new("ControlMaster auto\nControlPath ~/.ssh/%C\n", "");
    let options = Options {
        ssh: Some("ssh".into()),
        ..Options::default()
    };
    let Route::Ssh(program) = machine.resolve("h", &options).unwrap().route else {
        panic!("not by ssh");
    };
    assert!(program.shares_by_configuration && program.reasons.is_empty());
}

#[test]
fn what_is_not_obeyed_is_listed() {
    let machine = Machine::new(
        "Compression yes\nRekeyLimit 1G\nCiphers aes128-ctr,3des-x\nControlMaster auto\n",
        "Another yes\nMACs umac-x,hmac-sha2-256\n",
    );
    let destination = machine.resolve("h", &Options::default()).unwrap();
    assert_eq!(destination.not_obeyed, ["rekeylimit", "Ciphers 3des-x"]);
    assert_eq!(destination.comfort, ["compression", "controlmaster"]);
    // Connections that ssh shares are no reason to let it connect.
    assert_eq!(destination.route, Route::Direct);
}

/// ssh obeys its own configuration, whatever the reason is for which it connects.
#[test]
fn nothing_is_not_obeyed_where_ssh_connects() {
    let settings = "Compression yes\nRekeyLimit 1G\nCiphers aes128-ctr,3des-x\nMACs umac-x,hmac-sha2-256\n\
                    KexAlgorithms x,curve25519-sha256\nHostKeyAlgorithms x,ssh-ed25519\nControlMaster auto\nNew yes\n";
    let by_option = Options {
        ssh: Some("ssh".into()),
        ..Options::default()
    };
    for (more, options) in [
        ("", &by_option),
        ("ProxyCommand nc %h %p\n", &Options::default()),
        ("PKCS11Provider /lib\n", &Options::default()),
        (
            "Host h\n ProxyJump j\nHost j\n ProxyCommand nc %h %p\n",
            &Options::default(),
        ),
    ] {
        let machine = Machine::new(&format!("{settings}{more}"), "");
        let destination = machine.resolve("h", options).unwrap();
        assert!(matches!(destination.route, Route::Ssh(_)), "{more}");
        assert!(destination.not_obeyed.is_empty(), "{more}");
        assert!(destination.comfort.is_empty(), "{more}");
    }
}

#[test]
fn what_is_not_obeyed_for_a_host_in_the_middle_is_known() {
    let machine = Machine::new("Host h\n ProxyJump j\nHost j\n RekeyLimit 1G\n", "");
    let destination = machine.resolve("h", &Options::default()).unwrap();
    let hosts = destination
        .hosts()
        .map(|host| (&*host.given, &host.not_obeyed[..]));
    let hosts: Vec<(&str, &[String])> = hosts.collect();
    assert_eq!(hosts, [("j", &["rekeylimit".to_owned()][..]), ("h", &[])]);
}

#[test]
fn ssh_gets_a_copy_of_the_configuration_where_it_would_read_another() {
    let machine = Machine::new("Host h\n ProxyCommand x\n", "");
    let config = |account_home: Option<PathBuf>| {
        let here = LocalEnvironment {
            account_home,
            ..machine.here()
        };
        let target = Target::parse(OsStr::new("h")).unwrap();
        match resolve(&target, &Options::default(), &here).unwrap().route {
            Route::Ssh(program) => program.config,
            route => panic!("{route:?}"),
        }
    };
    let home = machine.here().home;
    for same in [None, Some(home.clone()), Some(home.join("../home"))] {
        assert_eq!(config(same.clone()), None, "{same:?}");
    }
    let copy = config(Some("/nowhere".into())).unwrap();
    let system = machine.here().system.join("ssh_config");
    assert_eq!(copy.files, [home.join(".ssh/config"), system]);
    assert_eq!(copy.home, home);
    assert_eq!(copy.identities, [Path::new("none")], "the home has no keys");
}
