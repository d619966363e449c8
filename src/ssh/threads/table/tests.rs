use super::*;

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

/// Places one more session, starting a thread if one is to be started. Returns the thread's number.
fn place(table: &mut ThreadTable<usize>, user: &UserName) -> usize {
    match table.choose(user, |_| false).unwrap() {
        Choice::Thread(number) => {
            table.enter(number, user);
            number
        }
        Choice::New(number) => {
            table.reserve(number, user);
            table.add(number, number);
            number
        }
    }
}

#[test]
fn each_session_has_a_thread_until_there_are_too_many() {
    let mut table = ThreadTable::new(20, 1);
    let (alice, bob) = (user("alice"), user("bob"));
    let numbers: Vec<_> = (0..12).map(|_| place(&mut table, &alice)).collect();
    assert_eq!(
        numbers,
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1],
        "half of all threads for a user who is alone"
    );
    // Another user comes: each may have eight.
    assert_eq!(place(&mut table, &bob), 10);
    for surplus in [8, 9] {
        assert_eq!(
            table.improvement(surplus, &alice),
            Some(Improvement::FewerThreads)
        );
    }
    assert_eq!(table.improvement(7, &alice), None, "the user may keep eight");
    assert_eq!(
        table.choose(&alice, |_| false),
        Some(Choice::Thread(2)),
        "the least used of the eight"
    );
    assert_eq!(table.choose(&alice, |number| number < 7), Some(Choice::Thread(7)));
    assert_eq!(
        table.choose(&alice, |number| number < 10),
        None,
        "all of them hang"
    );
}

#[test]
fn the_second_user_ends_the_rights_of_an_only_user() {
    let mut table = ThreadTable::new(20, 1);
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    for number in 0..10 {
        assert_eq!(table.is_of_one_user(), number > 8, "{number} threads");
        assert_eq!(table.reserve(number, &alice), Crowding::AsBefore);
        table.add(number, number);
    }
    assert_eq!(table.reserve(10, &bob), Crowding::NoLongerAlone);
    assert!(!table.is_of_one_user());
    table.add(10, 10);
    assert_eq!(table.enter(10, &bob), Crowding::AsBefore);
    assert_eq!(table.enter(10, &carol), Crowding::AsBefore);
    for user in [&bob, &bob, &carol] {
        table.leave(10, user);
    }
    assert_eq!(table.enter(0, &alice), Crowding::AsBefore);
    assert_eq!(table.enter(10, &carol), Crowding::NoLongerAlone);
}

#[test]
fn without_a_free_thread_users_share() {
    let mut table = ThreadTable::new(8, 1);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        place(&mut table, &user(name));
    }
    let last = user("i");
    assert_eq!(place(&mut table, &last), 0);
    assert_eq!(table.improvement(0, &last), None);
    table.leave(3, &user("d"));
    assert_eq!(
        table.improvement(0, &last),
        Some(Improvement::OwnThread),
        "a thread has become free"
    );
    assert_eq!(table.choose(&last, |_| false), Some(Choice::Thread(3)));
    assert!(!table.retire(0) && table.retire(3));
}

#[test]
fn a_thread_that_hangs_counts_against_its_user() {
    let mut table = ThreadTable::new(8, 1);
    let (alice, bob) = (user("alice"), user("bob"));
    for _ in 0..8 {
        place(&mut table, &alice);
    }
    assert_eq!(table.choose(&alice, |_| true), None);
    assert_eq!(table.choose(&bob, |number| number != 5), Some(Choice::Thread(5)));
}

#[test]
fn a_thread_that_is_being_started_counts_and_serves_nobody() {
    let mut table = ThreadTable::new(2, 1);
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(table.choose(&alice, |_| false), Some(Choice::New(0)));
    table.reserve(0, &alice);
    assert_eq!(
        table.choose(&bob, |_| false),
        Some(Choice::New(1)),
        "its number is taken"
    );
    table.reserve(1, &bob);
    assert_eq!(table.choose(&bob, |_| false), None, "it is counted");
    assert_eq!(table.choose(&user("carol"), |_| false), None);
    assert!(!table.retire(0));
    table.add(1, 1);
    assert_eq!(table.choose(&bob, |_| false), Some(Choice::Thread(1)));
    // The system has no thread.
    table.cancel(0, &alice);
    assert_eq!(
        table.choose(&alice, |_| false),
        Some(Choice::New(0)),
        "its number is free again"
    );
    table.leave(1, &bob);
    assert!(table.retire(1));
    assert!(table.threads.is_empty() && table.sessions.is_empty());
}

/// However connections come and go, a user has no more threads than the limit, and nothing stays counted.
#[test]
fn connecting_and_leaving_quickly_gains_nothing() {
    let mut table = ThreadTable::new(64, 1);
    let (alice, bob) = (user("alice"), user("bob"));
    let of_bob = place(&mut table, &bob);
    let mut places: Vec<usize> = Vec::new();
    for round in 0..2_000usize {
        // Three connections come, and two leave, the old and the new ones in turns; now and then all leave.
        places.extend((0..3).map(|_| place(&mut table, &alice)));
        for n in 0..2 {
            let at = if (round + n) % 2 == 0 { 0 } else { places.len() - 1 };
            table.leave(places.remove(at), &alice);
        }
        assert!(table.count(&alice) <= 8, "round {round}: {}", table.count(&alice));
        assert!(table.threads.len() <= 9, "round {round}: {}", table.threads.len());
        if round % 50 == 49 {
            for number in places.drain(..) {
                table.leave(number, &alice);
            }
        }
    }
    for number in places {
        table.leave(number, &alice);
    }
    assert_eq!(table.sessions.len(), 1, "only bob has a session");
    table.leave(of_bob, &bob);
    let numbers: Vec<_> = table.threads.keys().copied().collect();
    assert!(numbers.into_iter().all(|number| table.retire(number)));
    assert!(table.threads.is_empty() && table.sessions.is_empty());
}

#[test]
fn a_thread_that_was_lost_leaves_nothing_behind() {
    let mut table = ThreadTable::new(8, 1);
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &alice, &bob] {
        place(&mut table, user);
    }
    table.enter(0, &bob);
    table.lost(0, |thread| *thread == 99);
    assert_eq!(table.threads.len(), 3, "another thread has the number");
    table.lost(0, |thread| *thread == 0);
    // Its sessions leave afterwards.
    table.leave(0, &alice);
    table.leave(0, &bob);
    assert_eq!(table.choose(&bob, |_| false), Some(Choice::New(0)));
    table.leave(1, &alice);
    assert_eq!(table.sessions.keys().collect::<Vec<_>>(), [&bob]);
    table.leave(2, &bob);
    assert!(table.sessions.is_empty());
}

#[test]
fn limits_follow_the_cores_and_the_capacity() {
    let (alice, bob) = (user("alice"), user("bob"));
    for (cores, capacity, alone, beside) in [
        (0, 512, 64, 8),
        (1, 512, 64, 8),
        (2, 512, 64, 8),
        (8, 512, 256, 32),
        (64, 512, 256, 256),
        (usize::MAX, 512, 512, 256),
        (64, 3, 3, 1),
        (2, 13, 8, 6),
        (1, 1, 1, 1),
    ] {
        let mut table = ThreadTable::new(capacity, cores);
        assert_eq!(table.limit(&alice), alone, "{cores} cores, {capacity} threads");
        place(&mut table, &bob);
        assert_eq!(table.limit(&alice), beside, "{cores} cores, {capacity} threads");
    }
}

#[test]
fn nothing_is_chosen_without_capacity() {
    let table = ThreadTable::<usize>::new(0, 2);
    assert_eq!(table.choose(&user("alice"), |_| false), None);
}
