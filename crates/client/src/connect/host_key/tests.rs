use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::*;
use crate::connect::prompts::Prompts;
use base::secret::Secret;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILH+QUAVfWzPC6ohzKnEqP/eVOwAMG2+KRPWS4GkWzVd";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAViNAQAE3R21CpKBNy5B+3500p/k7qBNSO/SinGK6L+";
const C: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIIfAujTIc4zz8Q7W4JlCmmlJHXID+R5vnY/4Gs822ReKbltoLRMaAmj1aV4MOiNpqYa0IDk5m9UFVQS4MUX4bM=";

/// Answers with these lines, and keeps what it was told.
#[derive(Default)]
struct Person {
    answers: Mutex<VecDeque<String>>,
    told: Mutex<String>,
}

impl Prompts for Person {
    fn secret(&self, _label: &str) -> io::Result<Secret> {
        Err(io::Error::other("no secret is asked here"))
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.tell(label);
        let answer = self.answers.lock().pop_front();
        answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "there is no terminal"))
    }

    fn tell(&self, message: &str) {
        self.told.lock().push_str(message);
    }
}

struct Judgement {
    accepted: bool,
    error: String,
    told: String,
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
        told: Mutex::default(),
    });
    let rules = HostKeyRules {
        name: HostName::new("h", 2222, None),
        user_files: vec![file.clone()],
        global_files: vec![dir.path().join("global")],
        unknown,
        hash: false,
    };
    let prompts = Arc::new(AsyncPrompts::new(Arc::clone(&person) as Arc<dyn Prompts>));
    let (check, refusal) = HostKeyCheck::new(rules, prompts);
    let key = PublicKeyOrCertificate::from(key(presented));
    let accepted = check.accepts(&key).await;
    let told = person.told.lock().clone();
    Judgement {
        accepted,
        error: refusal.take().map(|e| e.to_string()).unwrap_or_default(),
        told,
        file: read(&file),
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn a_known_host_is_passed_in_silence() {
    for rule in [
        UnknownKeys::Refuse,
        UnknownKeys::Ask,
        UnknownKeys::Learn,
        UnknownKeys::LearnLoudly,
    ] {
        let known = format!("[h]:2222 {A}\n");
        let outcome = check(&known, rule, &[], A).await;
        assert!(outcome.accepted, "{}", outcome.error);
        assert_eq!((outcome.told.as_str(), outcome.file), ("", known));
    }
}

#[tokio::test]
async fn an_unknown_host_is_asked_about() {
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
            outcome.told.contains(&format!("ssh-ed25519 {print}")),
            "{}",
            outcome.told
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
async fn the_other_rules_for_unknown_hosts() {
    let line = format!("[h]:2222 {A}\n");
    for (rule, accepted, told, file) in [
        (UnknownKeys::Refuse, false, "", ""),
        (UnknownKeys::Learn, true, "Added the host key", line.as_str()),
        (
            UnknownKeys::LearnLoudly,
            true,
            "without anybody having checked it",
            &line,
        ),
    ] {
        let outcome = check("", rule, &[], A).await;
        assert_eq!(outcome.accepted, accepted, "{rule:?}");
        assert!(outcome.told.contains(told), "{}", outcome.told);
        assert_eq!(outcome.file, file);
    }
}

#[tokio::test]
async fn a_changed_or_revoked_key_is_refused_whatever_the_rule() {
    for rule in [
        UnknownKeys::Refuse,
        UnknownKeys::Ask,
        UnknownKeys::Learn,
        UnknownKeys::LearnLoudly,
    ] {
        let known = format!("# c\n[h]:2222 {B}\n");
        let outcome = check(&known, rule, &["yes"], A).await;
        assert!(!outcome.accepted);
        assert_eq!((outcome.told.as_str(), outcome.file), ("", known));
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
    // Another type is a change too.
    let outcome = check(&format!("[h]:2222 {C}\n"), UnknownKeys::Learn, &[], A).await;
    assert!(
        !outcome.accepted && outcome.error.contains("ecdsa-sha2-nistp256"),
        "{}",
        outcome.error
    );
}
