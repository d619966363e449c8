//! Tests of keys: which are refused, for which reason, and that a probe gives the answer of an attempt.

use super::*;

#[tokio::test]
async fn keys_are_refused_for_their_reasons() {
    let f = SignInFixture::new().await;
    f.add_refused(Factor::Password).await;
    f.add("from", |u| u.keys = vec![format!("from=\"10.0.0.0/8\" {KEY}")])
        .await;
    f.add("late", |u| {
        u.keys = vec![format!("expiry-time=\"20010101\" {KEY}")]
    })
    .await;
    f.add("broken", |u| u.keys = vec![format!("command=\"x\" {KEY}")])
        .await;
    f.add("comment", |u| u.keys = vec![format!("{OTHER_KEY} {KEY}")])
        .await;
    let check = async |user: &str, text: &str, says: &str| {
        assert_eq!(reason(f.key(user, HERE, text).await), says, "{user}");
        // A probe and an attempt must give the same answer.
        assert!(
            f.auth
                .offered(user, HERE.parse().unwrap(), &key(text))
                .await
                .is_err(),
            "{user}"
        );
    };
    check("calvin", OTHER_KEY, "unknown key").await;
    check("nobody", KEY, "unknown user").await;
    check("", KEY, "unknown user").await;
    check("disabled", KEY, "the user is disabled").await;
    check("expired", KEY, "the user has expired").await;
    check("placed", KEY, "the user may not come from this address").await;
    let not_from_here = "the key may not be used from this address, which its from= does not have";
    let expired = "the key has expired: its expiry-time= has passed";
    check("from", KEY, not_from_here).await;
    check("late", KEY, expired).await;
    check("factor", KEY, "the user must sign in another way").await;
    check("broken", KEY, "unknown key").await;
    check("comment", KEY, "unknown key").await;
    // One matching line is enough, but the address lists of both the key and the user must match.
    f.add("twice", |u| {
        u.keys = vec![
            format!("from=\"10.0.0.0/8\" {KEY}"),
            format!("from=\"192.0.2.*\" {KEY} x"),
        ]
    })
    .await;
    assert!(f.key("twice", HERE, KEY).await.is_ok());
    // If no line matches, the error reports the line that is nearest to matching.
    for (user, lines, says) in [
        (
            "either",
            ["from=\"10.0.0.0/8\"", "expiry-time=\"20010101\""],
            expired,
        ),
        (
            "neither",
            [
                "from=\"10.0.0.0/8\",expiry-time=\"20010101\"",
                "from=\"10.0.0.1\"",
            ],
            not_from_here,
        ),
    ] {
        f.add(user, |u| {
            u.keys = lines.map(|options| format!("{options} {KEY}")).into()
        })
        .await;
        check(user, KEY, says).await;
    }
    f.add("both", |u| {
        u.keys = vec![format!("from=\"*\" {KEY}")];
        u.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()]);
    })
    .await;
    check("both", KEY, "the user may not come from this address").await;
}

#[tokio::test]
async fn probes_are_answered_and_never_count() {
    let f = SignInFixture::new().await;
    let here: IpAddr = HERE.parse().unwrap();
    for _ in 0..100 {
        assert!(f.auth.offered("calvin", here, &key(OTHER_KEY)).await.is_err());
        assert!(f.auth.offered("nobody", here, &key(KEY)).await.is_err());
    }
    assert!(
        f.auth
            .offered("calvin", here, &key(&format!("{KEY} another comment")))
            .await
            .is_ok()
    );
    assert!(f.auth.pacing.throttle().admits(
        Source::from(here),
        Some(&name("calvin")),
        Instant::now().into_std()
    ));
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
}
