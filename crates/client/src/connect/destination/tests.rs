use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

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
            local_user: "me".to_owned(),
            agent: Some("/agent".into()),
            system: self.dir.path().join("etc"),
        }
    }

    fn resolve(&self, word: &str, options: &Options) -> Result<Destination> {
        let target = Target::parse(OsStr::new(word)).unwrap();
        Destination::resolve(&target, options, &self.here())
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
    assert_eq!(destination.connect_timeout, Some(Duration::from_secs(30)));
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
    assert_eq!(destination.connect_timeout, None);
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
        config: ConfigFile::Usual,
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
    assert_eq!(destination.connect_timeout, options.connect_timeout);
    let destination = machine.resolve("sftp://calvin@web:4", &options).unwrap();
    assert_eq!(
        (destination.port, destination.sign_in.user.as_str()),
        (4, "calvin")
    );
}

#[test]
fn another_configuration_or_none() {
    let machine = Machine::new("Port 1\nProxyJump bastion\n", "Port 2\n");
    let error = machine.resolve("h", &Options::default()).unwrap_err().to_string();
    assert!(error.contains("proxy"), "{error}");
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
