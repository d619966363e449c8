use super::*;

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
    assert_eq!(
        Params::try_from(&dummy).unwrap(),
        Params::try_from(&real).unwrap()
    );
    assert_eq!(dummy.salt.unwrap().len(), real.salt.unwrap().len());
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
    check(&format!("$2b$m=1024,t=1,p=1${salt}${out}"), "");
    check(&format!("$argon2id$v=19$m=1024,t=1,p=1${salt}"), "missing");
    check("$2y$10$abcdefghijklmnopqrstuuJ8.v0fM4kH4", "");
    check("123456", "");
    check("", "");
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
    let (first, length) = (memory.0.as_ptr(), memory.0.len());
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
        assert_eq!((memory.0.as_ptr(), memory.0.len()), (first, length));
    }
}
