use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::*;
use crate::connect::prompts::Prompts;
use base::secret::Secret;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILH+QUAVfWzPC6ohzKnEqP/eVOwAMG2+KRPWS4GkWzVd";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAViNAQAE3R21CpKBNy5B+3500p/k7qBNSO/SinGK6L+";
const C: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIIfAujTIc4zz8Q7W4JlCmmlJHXID+R5vnY/4Gs822ReKbltoLRMaAmj1aV4MOiNpqYa0IDk5m9UFVQS4MUX4bM=";

/// Answers with these lines, and records all labels and messages.
#[derive(Default)]
struct Person {
    answers: Mutex<VecDeque<String>>,
    messages: Mutex<String>,
}

impl Prompts for Person {
    fn secret(&self, _label: &str) -> io::Result<Secret> {
        Err(io::Error::other("no secret is asked here"))
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.show(label);
        let answer = self.answers.lock().pop_front();
        answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "there is no terminal"))
    }

    fn show(&self, message: &str) {
        self.messages.lock().push_str(message);
    }
}

struct Judgement {
    accepted: bool,
    error: String,
    messages: String,
    file: String,
}

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

async fn check(known: &str, unknown: UnknownKeys, answers: &[&str], presented: &str) -> Judgement {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kh");
    std::fs::write(&file, known).unwrap();
    let person = Arc::new(Person {
        answers: Mutex::new(answers.iter().map(|a| (*a).to_owned()).collect()),
        messages: Mutex::default(),
    });
    let rules = HostKeyRules {
        name: HostName::new("h", 2222, None),
        user_files: vec![file.clone()],
        global_files: vec![dir.path().join("global")],
        unknown,
        hash: false,
    };
    let prompts = Arc::new(AsyncPrompts::new(Arc::clone(&person) as Arc<dyn Prompts>));
    let (check, refusal) = HostKeyCheck::read(rules, prompts).await.unwrap();
    let key = PublicKeyOrCertificate::from(key(presented));
    let accepted = check.accepts(&key).await;
    let messages = person.messages.lock().clone();
    Judgement {
        accepted,
        error: refusal.take().map(|e| e.to_string()).unwrap_or_default(),
        messages,
        file: read(&file),
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn a_known_host_key_is_accepted_without_a_message() {
    for rule in [
        UnknownKeys::Refuse,
        UnknownKeys::Ask,
        UnknownKeys::AcceptNew,
        UnknownKeys::AcceptWithWarning,
    ] {
        let known = format!("[h]:2222 {A}\n");
        let outcome = check(&known, rule, &[], A).await;
        assert!(outcome.accepted, "{}", outcome.error);
        assert_eq!((outcome.messages.as_str(), outcome.file), ("", known));
    }
}

#[tokio::test]
async fn the_user_is_asked_about_an_unknown_host() {
    let print = fingerprint(&key(A));
    for (answers, accepted) in [
        (&["yes"][..], true),
        (&["what", "YES"], true),
        (&[print.as_str()], true),
        (&["no"], false),
        (&["SHA256:wrong", "no"], false),
        (&["y", "", "no"], false),
        (&[], false),
    ] {
        let outcome = check("", UnknownKeys::Ask, answers, A).await;
        assert_eq!(outcome.accepted, accepted, "{answers:?}");
        assert!(
            outcome.messages.contains(&format!("ssh-ed25519 {print}")),
            "{}",
            outcome.messages
        );
        let expected = if accepted {
            format!("[h]:2222 {A}\n")
        } else {
            String::new()
        };
        assert_eq!(outcome.file, expected, "{answers:?}");
    }
    let outcome = check("", UnknownKeys::Ask, &[], A).await;
    for part in ["there is no terminal", &print, &format!("[h]:2222 {A}")] {
        assert!(outcome.error.contains(part), "{part}: {}", outcome.error);
    }
}

#[tokio::test]
async fn strict_host_key_checking_decides_about_unknown_hosts() {
    let line = format!("[h]:2222 {A}\n");
    for (rule, accepted, messages, file) in [
        (UnknownKeys::Refuse, false, "", ""),
        (UnknownKeys::AcceptNew, true, "Added the host key", line.as_str()),
        (
            UnknownKeys::AcceptWithWarning,
            true,
            "although nobody has checked it",
            &line,
        ),
    ] {
        let outcome = check("", rule, &[], A).await;
        assert_eq!(outcome.accepted, accepted, "{rule:?}");
        assert!(outcome.messages.contains(messages), "{}", outcome.messages);
        assert_eq!(outcome.file, file);
    }
}

#[tokio::test]
async fn a_changed_or_revoked_key_is_refused_under_every_rule() {
    for rule in [
        UnknownKeys::Refuse,
        UnknownKeys::Ask,
        UnknownKeys::AcceptNew,
        UnknownKeys::AcceptWithWarning,
    ] {
        let known = format!("# c\n[h]:2222 {B}\n");
        let outcome = check(&known, rule, &["yes"], A).await;
        assert!(!outcome.accepted);
        assert_eq!((outcome.messages.as_str(), outcome.file), ("", known));
        for part in [
            "has changed",
            "line 2",
            &fingerprint(&key(A)),
            &fingerprint(&key(B)),
            "ssh-keygen -f",
            "-R \"[h]:2222\"",
        ] {
            assert!(outcome.error.contains(part), "{part}: {}", outcome.error);
        }
        let outcome = check(&format!("[h]:2222 {A}\n@revoked * {A}\n"), rule, &["yes"], A).await;
        assert!(!outcome.accepted);
        assert!(outcome.error.contains("marked as revoked"), "{}", outcome.error);
    }
    // A key of another type is a change as well.
    let outcome = check(&format!("[h]:2222 {C}\n"), UnknownKeys::AcceptNew, &[], A).await;
    assert!(
        !outcome.accepted && outcome.error.contains("ecdsa-sha2-nistp256"),
        "{}",
        outcome.error
    );
}
