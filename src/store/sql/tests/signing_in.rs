//! Tests the store's part in signing in: earlier sign-ins, and one key of one user.

use super::*;
use crate::store::{FactorStore as _, LastSignIn};

#[tokio::test]
async fn sign_ins_are_kept_for_users_who_exist_and_bounded_for_each() {
    let (_dir, store) = store().await;
    store.add_user(&user("calvin")).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    let sign_in = |user: &str, host: u8, second: i64| SignIn {
        user: name(user),
        source: std::net::IpAddr::from([192, 0, 2, host]),
        at: Timestamp::from_second(second).unwrap(),
    };
    let mut rows: Vec<SignIn> = (0..10)
        .map(|n| sign_in("calvin", n, 1000 + i64::from(n)))
        .collect();
    rows.push(sign_in("tom", 1, 500));
    rows.push(sign_in("nobody", 1, 2000));
    let epoch = Timestamp::UNIX_EPOCH;
    store.record_sign_ins(&rows, 3, epoch).await.unwrap();
    let kept = store.sign_ins(epoch).await.unwrap();
    let expected = [
        ("calvin", 9, 1009),
        ("calvin", 8, 1008),
        ("calvin", 7, 1007),
        ("tom", 1, 500),
    ];
    assert_eq!(
        kept,
        expected.map(|(user, host, second)| sign_in(user, host, second))
    );
    // Later sign-ins replace earlier ones, old ones are removed, and a renamed user keeps them.
    let change = Box::new(|user: &mut User| {
        user.name = name("hobbes");
        Ok(())
    });
    store.change_user(&name("calvin"), change).await.unwrap();
    let again = [sign_in("hobbes", 7, 3000), sign_in("hobbes", 8, 10)];
    store
        .record_sign_ins(&again, 3, Timestamp::from_second(600).unwrap())
        .await
        .unwrap();
    let kept = store.sign_ins(epoch).await.unwrap();
    let expected = [("hobbes", 7, 3000), ("hobbes", 9, 1009), ("hobbes", 8, 1008)];
    assert_eq!(
        kept,
        expected.map(|(user, host, second)| sign_in(user, host, second))
    );
    assert_eq!(store.sign_ins_of(&name("hobbes")).await.unwrap(), kept);
    assert!(store.sign_ins_of(&name("calvin")).await.unwrap().is_empty());
    store.remove_user(&name("hobbes")).await.unwrap();
    assert!(store.sign_ins(epoch).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_comes_with_the_one_key_that_is_asked_for() {
    let (_dir, store) = store().await;
    let lines = [
        "ssh-ed25519 AAAAone a comment AAAAtwo",
        "restrict,pty ssh-ed25519 AAAAtwo",
        "ssh-ed25519 AAAAtwo",
        "ssh-ed25519  AAAAthree",
        "from=\"10.0.0.1, AAAA*\" ssh-ed25519 AAAAone",
        "ssh-ed25519\tAAAAfour",
    ];
    let mut owner = user("calvin");
    owner.keys = lines.map(str::to_owned).into();
    store.add_user(&owner).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    let check = async |data: &str, expected: &[usize]| {
        let found = store.user_with_key(&name("calvin"), data).await.unwrap().unwrap();
        let expected: Vec<&str> = expected.iter().map(|index| lines[*index]).collect();
        assert_eq!(found.keys, expected, "{data}");
        assert_eq!(found.home, owner.home);
    };
    // Lines with quotes and tabs are always returned; the caller examines them.
    check("AAAAone", &[0, 4, 5]).await;
    check("AAAAtwo", &[1, 2, 4, 5]).await;
    check("AAAAthree", &[3, 4, 5]).await;
    check("AAAAfive", &[4, 5]).await;
    check("AAAA", &[4, 5]).await;
    let tom = store
        .user_with_key(&name("tom"), "AAAAone")
        .await
        .unwrap()
        .unwrap();
    assert!(tom.keys.is_empty());
    let nobody = store.user_with_key(&name("nobody"), "AAAAone").await.unwrap();
    assert!(nobody.is_none());
}

#[tokio::test]
async fn the_last_sign_in_of_each_user_only_moves_forward() {
    let (_dir, store) = store().await;
    for user_name in ["calvin", "tom", "new"] {
        store.add_user(&user(user_name)).await.unwrap();
    }
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let sign_in = |user: &str, second: i64| LastSignIn {
        user: name(user),
        at: at(second),
    };
    let rows = [
        sign_in("calvin", 1000),
        sign_in("tom", 2000),
        sign_in("nobody", 3000),
    ];
    store.record_last_sign_ins(&rows).await.unwrap();
    let rows = [sign_in("calvin", 1001), sign_in("tom", 1999)];
    store.record_last_sign_ins(&rows).await.unwrap();
    let known = store.last_sign_ins(None).await.unwrap();
    let expected = [(name("calvin"), at(1001)), (name("tom"), at(2000))];
    assert_eq!(known, std::collections::HashMap::from(expected));
    let one = store.last_sign_ins(Some(&name("tom"))).await.unwrap();
    assert_eq!(one.len(), 1);
    // A renamed user keeps it, and a removed one does not.
    let change = Box::new(|user: &mut User| {
        user.name = name("hobbes");
        Ok(())
    });
    store.change_user(&name("calvin"), change).await.unwrap();
    store.remove_user(&name("tom")).await.unwrap();
    let known = store.last_sign_ins(None).await.unwrap();
    assert_eq!(
        known,
        std::collections::HashMap::from([(name("hobbes"), at(1001))])
    );
}
