//! Tests the schemes with hashes of other programs, and the limits on their costs.

mod vectors;

use argon2::password_hash::{PasswordHasher as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};

use super::argon::{DUMMY, usable};
use super::memory::MEMORY_KIB;
use super::*;
use vectors::{BYTES, CRYPT};

/// Returns a hash with the parameters `m=8,t=1,p=1`, which is cheap to verify.
pub(in crate::auth) fn cheap(password: &str) -> PasswordHash {
    let params = Params::new(8, 1, 1, None).unwrap();
    let hash: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .unwrap();
    PasswordHash::new(hash.to_string())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn verify(password: &str, hash: Option<&PasswordHash>) -> Verdict {
    compare(&secret(password), hash, &mut Memory::default())
}

#[test]
fn a_password_is_hashed_and_recognised() {
    let one = hash(&secret("123456")).unwrap();
    assert!(
        one.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        one.as_phc()
    );
    assert_eq!(import(one.as_phc()).unwrap(), one);
    assert_eq!(verify("123456", Some(&one)), Verdict::Right);
    assert_eq!(verify("1234567", Some(&one)), Verdict::Wrong);
    assert_ne!(one, hash(&secret("123456")).unwrap(), "the salt is fresh");
}

#[test]
fn impossible_passwords_are_refused() {
    assert!(hash(&secret("")).is_err());
    assert!(hash(&secret(&"x".repeat(MAX_PASSWORD + 1))).is_err());
    assert!(hash(&secret(&"x".repeat(MAX_PASSWORD))).is_ok());
}

#[test]
fn nobody_and_users_without_a_hash_cost_one_run_of_the_same_size() {
    let dummy = usable(DUMMY).unwrap();
    let real = hash(&secret("x")).unwrap();
    let real = usable(real.as_phc()).unwrap();
    assert_eq!(dummy.params, real.params);
    assert_eq!(dummy.hash.salt.unwrap().len(), real.hash.salt.unwrap().len());
    assert_eq!(verify("", None), Verdict::Wrong);
    let broken = PasswordHash::new("$argon2id$nonsense".into());
    assert_eq!(verify("x", Some(&broken)), Verdict::BadHash);
}

#[test]
fn hashes_of_other_parameters_are_verified_with_their_own_within_bounds() {
    let cheap = cheap("secret");
    assert_eq!(verify("secret", Some(&cheap)), Verdict::Right);
    let check = |phc: &str, says: &str| {
        let error = import(phc).unwrap_err().to_string();
        assert!(error.contains(says), "{phc}: {error}");
    };
    let (salt, out) = ("c29tZXNhbHRzYWx0", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    check(
        &format!("$argon2id$v=19$m=262145,t=1,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=1024,t=1025,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=1024,t=1,p=17${salt}${out}"),
        "more than",
    );
    check(&format!("$argon2id$v=16$m=1024,t=1,p=1${salt}${out}"), "version");
    check(&format!("$argon2id$m=1024,t=1,p=1${salt}${out}"), "version");
    check(&format!("$argon2i$v=19$m=1024,t=1,p=1${salt}${out}"), "argon2id");
    check(&format!("$2b$m=1024,t=1,p=1${salt}${out}"), "damaged");
    check(&format!("$argon2id$v=19$m=1024,t=1,p=1${salt}"), "missing");
    check("$2y$10$abcdefghijklmnopqrstuuJ8.v0fM4kH4", "cut off");
    check("123456", "its kind is unknown");
    check("", "its kind is unknown");
    assert!(import(&format!("$argon2id$v=19$m=65536,t=3,p=4${salt}${out}")).is_ok());
}

#[test]
fn memory_is_kept_for_the_usual_hash_and_not_for_larger_ones() {
    let mut memory = Memory::default();
    let usual = hash(&secret("123456")).unwrap();
    assert_eq!(
        compare(&secret("123456"), Some(&usual), &mut memory),
        Verdict::Right
    );
    let (first, length) = memory.area();
    assert_eq!(length, MEMORY_KIB as usize);
    // Data that an earlier hash left in the memory makes no difference.
    let params = Params::new(MEMORY_KIB * 2, 1, 2, None).unwrap();
    let large: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(b"large")
        .unwrap();
    let large = import(&large.to_string()).unwrap();
    for (password, hash, verdict) in [
        ("large", &large, Verdict::Right),
        ("123456", &usual, Verdict::Right),
        ("12345", &usual, Verdict::Wrong),
        ("x", &cheap("x"), Verdict::Right),
        ("larger", &large, Verdict::Wrong),
        ("123456", &usual, Verdict::Right),
    ] {
        assert_eq!(
            compare(&secret(password), Some(hash), &mut memory),
            verdict,
            "{password}"
        );
        assert_eq!(memory.area(), (first, length));
    }
}

#[test]
fn hashes_of_other_programs_are_verified() {
    let mut memory = Memory::default();
    let mut schemes = std::collections::BTreeSet::new();
    for (text, password) in CRYPT.iter().chain(BYTES) {
        let hash = import(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        schemes.insert(scheme_of(&hash));
        let mut check = |password: &[u8], expected: Verdict| {
            let verdict = compare(&Secret::from_bytes(password.to_vec()), Some(&hash), &mut memory);
            assert_eq!(verdict, expected, "{text} {}", password.escape_ascii());
        };
        // There are hashes of the empty password, and nobody signs in with one.
        let right = if password.is_empty() {
            Verdict::Wrong
        } else {
            Verdict::Right
        };
        check(password, right);
        check(&[b"x", *password].concat(), Verdict::Wrong);
        if !password.is_empty() {
            check(&password[..password.len().min(72) - 1], Verdict::Wrong);
            check(b"", Verdict::Wrong);
        }
        // Every character of the hash counts.
        let mut other = (*text).to_owned();
        let at = other.trim_end_matches('=').len() - 3;
        let replacement = if other.as_bytes()[at] == b'A' { "B" } else { "A" };
        other.replace_range(at..=at, replacement);
        let other = import(&other).unwrap();
        let secret = Secret::from_bytes(password.to_vec());
        assert_eq!(
            compare(&secret, Some(&other), &mut memory),
            Verdict::Wrong,
            "{text}"
        );
    }
    assert_eq!(
        schemes.len() + 1,
        scheme_names().split(", ").count(),
        "all but argon2id"
    );
}

/// `crypt` ends at a NUL byte, and takes `secret` and `secret\0x` for the same password.
#[test]
fn nothing_behind_a_nul_byte_is_ignored() {
    let mut memory = Memory::default();
    for (text, password) in CRYPT.iter().chain(BYTES) {
        let hash = import(text).unwrap();
        for more in [&b"\0"[..], b"\0x"] {
            let longer = Secret::from_bytes([*password, more].concat());
            // bcrypt repeats the password with its NUL byte: that is another such password.
            let twice = Secret::from_bytes([*password, b"\0", *password].concat());
            for secret in [longer, twice] {
                assert_eq!(
                    compare(&secret, Some(&hash), &mut memory),
                    Verdict::Wrong,
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn bcrypt_ignores_what_follows_the_72nd_byte_and_such_passwords_are_not_hashed_anew() {
    let find = |wanted: &[u8]| {
        let is_it = |(text, password): &&(&str, &[u8])| text.starts_with("$2b$") && *password == wanted;
        import(CRYPT.iter().find(is_it).unwrap().0).unwrap()
    };
    let mut memory = Memory::default();
    let mut check = |hash: &PasswordHash, password: &[u8], verdict: Verdict, is_new: bool| {
        let password = Secret::from_bytes(password.to_vec());
        assert_eq!(compare(&password, Some(hash), &mut memory), verdict);
        assert_eq!(is_replaceable(hash, &password), is_new);
    };
    let hash = find(&[b'b'; 72]);
    check(&hash, &[b'b'; 72], Verdict::Right, true);
    check(&hash, &[b'b'; 73], Verdict::Right, false);
    check(&hash, &[b'b'; 1024], Verdict::Right, false);
    check(&hash, &[b'b'; 71], Verdict::Wrong, true);
    check(&find(&[b'c'; 73]), &[b'c'; 72], Verdict::Right, true);
    let current = hash_of("secret");
    assert!(!is_replaceable(&current, &secret("secret")));
    assert!(!is_replaceable(&cheap("secret"), &secret("secret")));
    assert!(!is_replaceable(
        &PasswordHash::new("$nonsense".into()),
        &secret("secret")
    ));
}

fn hash_of(password: &str) -> PasswordHash {
    let hashed = hash_in(&secret(password), &mut Memory::default()).unwrap();
    assert!(hashed.as_phc().starts_with(CURRENT), "{}", hashed.as_phc());
    hashed
}

#[test]
fn a_hash_in_memory_that_is_kept_is_like_any_other() {
    let (one, other) = (hash_of("secret"), hash_of("secret"));
    assert_ne!(one, other, "the salt is fresh");
    assert_eq!(import(one.as_phc()).unwrap(), one);
    assert_eq!(
        one.as_phc().len(),
        hash(&secret("secret")).unwrap().as_phc().len()
    );
    assert_eq!(verify("secret", Some(&one)), Verdict::Right);
    assert_eq!(verify("secrets", Some(&one)), Verdict::Wrong);
}

const BCRYPT: &str = "abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const SHA512: &str = "AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.";
const SHA256: &str = "C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.";
const YESCRYPT: &str = "vZlXu1XtxOBWRxjOpQqONp1WYfMO0dN.H4xeSMU2ZvC";
const PBKDF2: &str = "XfjWMLcvbZceSv9fFPj+HtJxb+Br7J8rDSOwJWTAc8Y=";
const SHA1: &str = "hz7TvkxXxCRb49K/XFmPMC9VVaA=";

/// Parses a hash: it is refused with this reason, or taken and within the limits.
#[track_caller]
fn check_parsed(text: &str, says: Option<&str>) {
    match (parse(text), says) {
        (Ok(parsed), None) => {
            let cost = parsed.cost();
            assert!(cost <= Duration::from_millis(1300), "{text}: {cost:?}");
        }
        (Err(why), Some(says)) => assert!(why.contains(says), "{text}: {why}"),
        (got, _) => panic!("{text}: {:?}", got.map(|parsed| parsed.cost())),
    }
}

#[test]
fn costs_beyond_the_limits_are_refused_and_the_limit_is_named() {
    let taken = |text: String| check_parsed(&text, None);
    let check = |text: String, says: &str| check_parsed(&text, Some(says));
    taken(format!("$2y$14${BCRYPT}"));
    check(format!("$2y$15${BCRYPT}"), "its cost is 15, and at most 14");
    check(format!("$2y$31${BCRYPT}"), "at most 14");
    check(format!("$2y$99${BCRYPT}"), "at most 14");
    taken(format!("$6$rounds=1000000$salt${SHA512}"));
    check(format!("$6$rounds=1000001$salt${SHA512}"), "at most 1000000");
    check(format!("$5$rounds=999999999$salt${SHA256}"), "at most 1000000");
    check(format!("$5$rounds=99999999999$salt${SHA256}"), "at most 1000000");
    check(format!("$5$rounds=999$salt${SHA256}"), "at least 1000");
    taken(format!("$y$jBT$abcdefghijklmnop${YESCRYPT}"));
    check(format!("$y$jCT$abcdefghijklmnop${YESCRYPT}"), "more than 64 MiB");
    taken(format!("$pbkdf2-sha256$2000000$salt${PBKDF2}"));
    check(format!("$pbkdf2-sha256$2000001$salt${PBKDF2}"), "at most 2000000");
    check(
        format!("$pbkdf2-sha256$99999999999$salt${PBKDF2}"),
        "at most 2000000",
    );
    check(format!("$pbkdf2-sha512$1000001$salt${PBKDF2}"), "at most 1000000");
    // Two blocks of SHA-1 would take twice the time.
    taken(format!("$pbkdf2-sha1$1000$salt${SHA1}"));
    check(format!("$pbkdf2-sha1$1000$salt${PBKDF2}"), "damaged");
}

#[test]
fn hashes_that_are_not_whole_are_refused() {
    let check = |text: String, says: &str| check_parsed(&text, Some(says));
    for cost in ["03", "+4", "004", "4", ""] {
        check(format!("$2y${cost}${BCRYPT}"), "damaged");
    }
    check(format!("$2y$04${BCRYPT}$"), "damaged");
    check(format!("$2y$04$\u{e9}{}", &BCRYPT[2..]), "damaged");
    for rounds in ["", "0", "-1", "+5000", "05000", "5e3", "99999999999999999999999"] {
        check(format!("$6$rounds={rounds}$salt${SHA512}"), "damaged");
    }
    check(format!("$6$salt${SHA256}"), "damaged");
    check(format!("$6${}${SHA512}", "s".repeat(17)), "damaged");
    check(format!("$6$sa lt${SHA512}"), "damaged");
    check(format!("$6$salt${SHA512}:19000:0:99999:7:::"), "damaged");
    check("$1$abcdefghi$cHJi5PXp/ki/ktXzqlk6I1".to_owned(), "damaged");
    check("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I".to_owned(), "damaged");
    check(format!("$y$jzT$abcdefghijklmnop${YESCRYPT}"), "damaged");
    check(format!("$y$j75${}${YESCRYPT}", "a".repeat(200)), "damaged");
    // More lanes, more time, an upgraded hash, a ROM, and the modes that nothing writes.
    for cost in [
        "j95.0", "j953/2", "j95/z", "jC559", "/75", ".75", "j7", "j7zzz", "",
    ] {
        check(format!("$y${cost}$abcdefghijklmnop${YESCRYPT}"), "parameters");
    }
    // An empty or short hash would match anything, and those of passlib are others.
    for hash in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAA", &PBKDF2[..43]] {
        check(format!("$pbkdf2-sha256$1000$salt${hash}"), "damaged");
    }
    check(format!("$pbkdf2-sha256$0$salt${PBKDF2}"), "damaged");
    check(format!("$pbkdf2-sha256$-1$salt${PBKDF2}"), "damaged");
    check(
        format!("$pbkdf2-sha256$1000${}${PBKDF2}", "s".repeat(129)),
        "damaged",
    );
    check(
        format!("$pbkdf2-b64salt-sha256$1000$no base64${PBKDF2}"),
        "damaged",
    );
    check("{SSHA512}".to_owned(), "damaged");
    check(format!("{{SSHA512}}{}", "A".repeat(84)), "damaged");
    check("$2x$04$abcdefghijklmnopqrstuu".to_owned(), "kind is unknown");
    check(
        "$7$C6..../....Salt$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D".to_owned(),
        "kind is unknown",
    );
}

/// The peer chooses the length, and the work of SHA-512 grows with it.
#[test]
fn a_long_password_does_not_multiply_the_work() {
    let most = PasswordHash::new(format!("$6$rounds=1000000$salt${SHA512}"));
    assert!(cost(&most) <= Duration::from_millis(1300), "{:?}", cost(&most));
    // Nothing is computed: with all of it, this would take some ten seconds. A busy machine may delay one of them.
    let is_quick = (0..3).any(|_| {
        let start = std::time::Instant::now();
        assert_eq!(verify(&"x".repeat(MAX_PASSWORD), Some(&most)), Verdict::Wrong);
        start.elapsed() < Duration::from_secs(2)
    });
    assert!(is_quick);
    let usual = PasswordHash::new(format!("$6$salt${SHA512}"));
    assert_eq!(verify(&"x".repeat(MAX_PASSWORD), Some(&usual)), Verdict::Wrong);
    assert_eq!(
        verify(
            "secret",
            Some(&PasswordHash::new(format!("$6$saltstring${SHA512}")))
        ),
        Verdict::Right
    );
}
