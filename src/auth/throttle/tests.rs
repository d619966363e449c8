use std::net::{IpAddr, Ipv6Addr};

use super::*;

fn source(text: &str) -> Source {
    text.parse::<IpAddr>().unwrap().into()
}

fn nth_source(n: u64) -> Source {
    IpAddr::from(Ipv6Addr::from((0x2001_0db8_u128 << 96) | (u128::from(n) << 64))).into()
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn throttle() -> Throttle {
    Throttle::new(ThrottleSettings::default())
}

const ATTACKER: &str = "192.0.2.66";
const ELSEWHERE: &str = "198.51.100.1";

#[test]
fn answers_are_held_back_longer_and_longer() {
    let mut throttle = throttle();
    let now = Instant::now();
    let delays: Vec<u128> = (0..8)
        .map(|_| throttle.failed(source(ATTACKER), now).as_millis())
        .collect();
    assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    // The debt decreases with time.
    let later = now + Duration::from_secs(70);
    assert_eq!(throttle.failed(source(ATTACKER), later).as_millis(), 1000);
    let tomorrow = now + Duration::from_secs(86_400);
    assert_eq!(throttle.failed(source(ATTACKER), tomorrow).as_millis(), 500);
    // The failures of one source do not affect the others.
    assert_eq!(throttle.failed(source(ELSEWHERE), now).as_millis(), 500);
}

#[test]
fn an_address_at_its_ceiling_is_not_looked_at_for_a_while() {
    let mut throttle = throttle();
    let now = Instant::now();
    let (calvin, tom) = (name("calvin"), name("tom"));
    for failures in 0..20 {
        assert!(
            throttle.admits(source(ATTACKER), Some(&calvin), now),
            "after {failures}"
        );
        throttle.wrong_password(source(ATTACKER), Some(&name(&format!("u{failures}"))), now);
    }
    assert!(!throttle.admits(source(ATTACKER), Some(&calvin), now));
    assert!(!throttle.admits(source(ATTACKER), Some(&tom), now));
    assert!(!throttle.admits(source(ATTACKER), None, now));
    assert!(throttle.admits(source(ELSEWHERE), Some(&calvin), now));
    assert_eq!(
        throttle.refusal_delay(source(ATTACKER), None, now).as_millis(),
        10_000
    );
    // However long the attack was, its effect ends soon.
    for _ in 0..1000 {
        throttle.failed(source(ATTACKER), now);
    }
    assert!(!throttle.admits(source(ATTACKER), Some(&calvin), now + Duration::from_secs(9)));
    assert!(throttle.admits(source(ATTACKER), Some(&calvin), now + Duration::from_secs(10)));
}

#[test]
fn a_guesser_gets_six_guesses_a_minute() {
    let mut throttle = throttle();
    let start = Instant::now();
    let mut guesses = 0;
    for tenth in 0..36_000u64 {
        let now = start + Duration::from_millis(tenth * 100);
        if throttle.admits(source(ATTACKER), Some(&name("calvin")), now) {
            throttle.wrong_password(source(ATTACKER), Some(&name("calvin")), now);
            guesses += 1;
        }
    }
    assert!((300..=20 + 360 + 1).contains(&guesses), "{guesses} in an hour");
}

#[test]
fn who_was_there_before_gets_in_beside_an_attacker() {
    let mut throttle = throttle();
    let now = Instant::now();
    let (calvin, tom) = (name("calvin"), name("tom"));
    throttle.signed_in(source(ATTACKER), &calvin, now);
    for n in 0..30 {
        throttle.wrong_password(source(ATTACKER), Some(&name(&format!("u{n}"))), now);
    }
    assert!(throttle.admits(source(ATTACKER), Some(&calvin), now));
    assert!(!throttle.admits(source(ATTACKER), Some(&tom), now));
    // A known source still does not allow unlimited guesses of calvin's password.
    for guess in 0..10 {
        assert!(throttle.admits(source(ATTACKER), Some(&calvin), now), "{guess}");
        throttle.wrong_password(source(ATTACKER), Some(&calvin), now);
    }
    assert!(!throttle.admits(source(ATTACKER), Some(&calvin), now));
    // A source is forgotten after its lifetime.
    let mut throttle = self::throttle();
    throttle.signed_in(source(ATTACKER), &calvin, now);
    let later = now + known_places::LIFETIME;
    for _ in 0..20 {
        throttle.failed(source(ATTACKER), later);
    }
    assert!(!throttle.admits(source(ATTACKER), Some(&calvin), later));
}

#[test]
fn a_name_attacked_from_many_addresses_is_slowed_down_but_not_where_its_user_was() {
    let mut throttle = throttle();
    let now = Instant::now();
    let calvin = name("calvin");
    throttle.signed_in(source(ELSEWHERE), &calvin, now);
    let mut delay = Duration::ZERO;
    for n in 0..60 {
        assert!(throttle.admits(nth_source(n), Some(&calvin), now));
        delay = throttle.wrong_password(nth_source(n), Some(&calvin), now);
    }
    assert_eq!(delay.as_millis(), 10_000);
    assert!(!throttle.admits(nth_source(999), Some(&calvin), now));
    assert!(throttle.admits(nth_source(999), Some(&name("tom")), now));
    assert!(throttle.admits(source(ELSEWHERE), Some(&calvin), now));
    assert!(throttle.admits(nth_source(999), Some(&calvin), now + Duration::from_secs(2)));
}

#[test]
fn one_source_cannot_hold_up_a_name() {
    let mut throttle = throttle();
    let start = Instant::now();
    let calvin = name("calvin");
    for second in 0..3600 {
        let now = start + Duration::from_secs(second);
        if throttle.admits(source(ATTACKER), Some(&calvin), now) {
            throttle.wrong_password(source(ATTACKER), Some(&calvin), now);
        }
        assert!(throttle.admits(source(ELSEWHERE), Some(&calvin), now), "{second}");
    }
}

#[test]
fn success_forgives_nothing() {
    let mut throttle = throttle();
    let now = Instant::now();
    for n in 0..20 {
        throttle.wrong_password(source(ATTACKER), Some(&name(&format!("u{n}"))), now);
        throttle.signed_in(source(ATTACKER), &name("mallory"), now);
    }
    assert!(!throttle.admits(source(ATTACKER), Some(&name("calvin")), now));
}

#[test]
fn tables_are_bounded_and_an_offender_is_not_washed_out() {
    let mut throttle = throttle();
    let now = Instant::now();
    for _ in 0..20 {
        throttle.failed(source(ATTACKER), now);
    }
    for n in 0..MAX_ENTRIES as u64 + 500 {
        throttle.wrong_password(nth_source(n), Some(&name(&format!("u{n}"))), now);
    }
    assert_eq!(throttle.sources.debts.len(), MAX_ENTRIES);
    assert_eq!(throttle.users.debts.len(), MAX_ENTRIES);
    assert!(!throttle.admits(source(ATTACKER), None, now));
    // Entries whose debt is forgiven are removed first.
    let later = now + Duration::from_secs(11);
    throttle.failed(nth_source(1_000_000), later);
    assert!(throttle.sources.debts.len() <= 2);
}

#[test]
fn places_of_a_user_are_bounded() {
    let mut throttle = throttle();
    let now = Instant::now();
    let calvin = name("calvin");
    for n in 0..100u32 {
        throttle.signed_in(nth_source(n.into()), &calvin, now + Duration::from_secs(n.into()));
    }
    assert_eq!(throttle.places.len(), (1, known_places::MAX_PLACES));
    assert!(throttle.knows(nth_source(99), Some(&calvin), now));
    assert!(!throttle.knows(nth_source(0), Some(&calvin), now));
    for n in 0..MAX_ENTRIES + 100 {
        let at = now + Duration::from_secs(200 + n as u64);
        throttle.signed_in(source(ATTACKER), &name(&format!("u{n}")), at);
    }
    assert_eq!(throttle.places.len().0, MAX_ENTRIES);
    assert!(!throttle.knows(nth_source(99), Some(&calvin), now), "the oldest");
    assert!(throttle.knows(source(ATTACKER), Some(&name("u200")), now));
}

#[test]
fn places_are_written_down_once_a_day_and_come_back() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut before = throttle();
    let now = Instant::now();
    let (calvin, tom) = (name("calvin"), name("tom"));
    assert!(before.places().unwritten(10).is_empty());
    before.signed_in(source(ATTACKER), &calvin, now);
    before.signed_in(source(ELSEWHERE), &calvin, now);
    before.signed_in(source(ELSEWHERE), &tom, now);
    let mut written = before.places().unwritten(2);
    assert_eq!(written.len(), 2);
    before.places().not_written(&written);
    written = before.places().unwritten(10);
    assert_eq!(written.len(), 3);
    assert!(before.places().unwritten(10).is_empty());
    before.signed_in(source(ATTACKER), &calvin, now + HOUR);
    assert!(before.places().unwritten(10).is_empty());
    before.signed_in(source(ATTACKER), &calvin, now + HOUR * 24);
    assert_eq!(before.places().unwritten(10).len(), 1);
    let mut after = throttle();
    for (user, source, at) in &written {
        after.places().restore(user, *source, *at, now + HOUR);
    }
    assert!(after.knows(source(ATTACKER), Some(&calvin), now + HOUR));
    assert!(!after.knows(source(ATTACKER), Some(&tom), now + HOUR));
    assert!(after.places().unwritten(10).is_empty(), "the store has them");
    after.places().retain(|user| *user != calvin);
    assert!(!after.knows(source(ELSEWHERE), Some(&calvin), now + HOUR));
    assert!(after.knows(source(ELSEWHERE), Some(&tom), now + HOUR));
    let mut late = throttle();
    for (user, source, at) in &written {
        late.places()
            .restore(user, *source, *at, now + known_places::LIFETIME);
    }
    assert_eq!(late.places.len(), (0, 0));
}

/// An attacker behind the address of a proxy makes twelve, or two hundred, sign-ins with three wrong passwords each.
#[test]
fn a_flood_behind_a_proxy_delays_nobody_who_was_there_before() {
    for failures in [12 * 3, 200 * 3] {
        let mut throttle = throttle();
        let now = Instant::now();
        let (calvin, tom) = (name("calvin"), name("tom"));
        throttle.signed_in(source(ATTACKER), &calvin, now);
        for n in 0..failures {
            throttle.wrong_password(source(ATTACKER), Some(&name(&format!("u{}", n % 7))), now);
        }
        assert!(throttle.knows(source(ATTACKER), Some(&calvin), now));
        assert!(throttle.admits(source(ATTACKER), Some(&calvin), now));
        // A wrong password of calvin's is delayed like a first failure.
        let delay = throttle.wrong_password(source(ATTACKER), Some(&calvin), now);
        assert_eq!(delay.as_millis(), 500);
        // A user who was never there waits for ten seconds, however large the flood was.
        assert!(!throttle.admits(source(ATTACKER), Some(&tom), now));
        assert!(throttle.admits(source(ATTACKER), Some(&tom), now + Duration::from_secs(10)));
    }
}

#[test]
fn guesses_from_a_known_address_are_limited_to_ten_and_six_a_minute() {
    let mut throttle = throttle();
    let start = Instant::now();
    let calvin = name("calvin");
    throttle.signed_in(source(ATTACKER), &calvin, start);
    let mut guesses = 0;
    for tenth in 0..36_000u64 {
        let now = start + Duration::from_millis(tenth * 100);
        // Failures of others keep the source at its ceiling.
        throttle.failed(source(ATTACKER), now);
        if throttle.admits(source(ATTACKER), Some(&calvin), now) {
            throttle.wrong_password(source(ATTACKER), Some(&calvin), now);
            guesses += 1;
        }
    }
    assert!((300..=10 + 360 + 1).contains(&guesses), "{guesses} in an hour");
}

#[test]
fn settings_of_zero_do_no_harm() {
    let mut throttle = Throttle::new(ThrottleSettings {
        first_delay_ms: 0,
        max_delay_ms: 0,
        failures: 0,
        forgive_secs: 0,
        user_failures: 0,
        user_forgive_secs: 0,
    });
    let now = Instant::now();
    assert!(throttle.admits(source(ATTACKER), Some(&name("calvin")), now));
    assert_eq!(
        throttle.wrong_password(source(ATTACKER), Some(&name("calvin")), now),
        Duration::ZERO
    );
    assert!(!throttle.admits(source(ATTACKER), Some(&name("calvin")), now));
    assert!(throttle.admits(
        source(ATTACKER),
        Some(&name("calvin")),
        now + Duration::from_secs(1)
    ));
}
