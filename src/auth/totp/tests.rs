use super::*;

fn secret() -> TotpSecret {
    TotpSecret::from_bytes(b"12345678901234567890".to_vec()).unwrap()
}

fn step_of(code: &str, secs: i64) -> Option<i64> {
    secret().step_of(&OneTimeCode::parse(code.as_bytes())?, secs)
}

/// Appendix B of RFC 6238 has eight digits; the last six are ours.
#[test]
fn codes_are_those_of_the_rfc() {
    let check = |secs: i64, code: &str| assert_eq!(secret().code(step_at(secs)), code, "{secs}");
    check(59, "287082");
    check(1_111_111_109, "081804");
    check(1_111_111_111, "050471");
    check(1_234_567_890, "005924");
    check(2_000_000_000, "279037");
    check(20_000_000_000, "353130");
}

#[test]
fn a_clock_may_differ_by_one_step() {
    let now = 1_234_567_890;
    let current = step_at(now);
    for (shift, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let code = secret().code(current + shift);
        let expected = accepted.then_some(current + shift);
        assert_eq!(step_of(&code, now), expected, "{shift}");
    }
    // The first and the last second of a step, and times before 1970, are no special cases.
    assert_eq!(step_of(&secret().code(0), 0), Some(0));
    assert_eq!(step_of(&secret().code(-1), -30), Some(-1));
    assert!(step_of("287082", i64::MAX).is_none());
    assert!(step_of("287082", i64::MIN).is_none());
}

#[test]
fn a_code_is_six_digits_and_nothing_else() {
    for typed in ["287082", "287 082", " 287082\r\n"] {
        assert_eq!(step_of(typed, 59), Some(1), "{typed:?}");
    }
    for typed in [
        "",
        "28708",
        "2870820",
        "28708x",
        "-287082",
        "２８７０８２",
        "+28708",
    ] {
        assert!(OneTimeCode::parse(typed.as_bytes()).is_none(), "{typed:?}");
    }
    assert!(OneTimeCode::parse(b"28708\xff").is_none());
}

#[test]
fn secrets_from_elsewhere_are_checked() {
    let base32 = secret().base32();
    assert_eq!(base32.as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    for text in [
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ====",
    ] {
        assert_eq!(TotpSecret::from_base32(text).unwrap().bytes(), secret().bytes());
    }
    let check = |text: &str, expected: &str| {
        let error = TotpSecret::from_base32(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("AAAAAAA", "a TOTP secret of 4 bytes is refused");
    check("", "a TOTP secret of 0 bytes is refused");
    check("189!", "not base32");
    check(&"A".repeat(104), "a TOTP secret of 65 bytes is refused");
    assert!(TotpSecret::from_bytes(vec![0; 16]).is_ok());
    assert!(TotpSecret::from_bytes(vec![0; 15]).is_err());
}

#[test]
fn new_secrets_are_random_and_not_shown() {
    let (one, other) = (TotpSecret::generate().unwrap(), TotpSecret::generate().unwrap());
    assert_eq!(one.bytes().len(), 20);
    assert_ne!(one.bytes(), other.bytes());
    assert_eq!(format!("{one:?}"), "TotpSecret(***)");
}

#[test]
fn the_url_is_what_applications_read() {
    assert_eq!(
        secret().url("calvin@example.com").as_str(),
        "otpauth://totp/Homeport:calvin%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Homeport"
    );
}
