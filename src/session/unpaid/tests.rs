use std::time::{Duration, Instant};

use super::*;
use crate::session::rate::Rates;

const MIB: usize = 1 << 20;

fn rates(bytes_per_second: u64) -> Arc<UserRates> {
    let rates = Arc::new(UserRates::default());
    let rate = Some(bytes_per_second);
    rates.set_usual(Rates { up: rate, down: rate });
    rates
}

fn unpaid(rates: &Arc<UserRates>) -> UnpaidBytes {
    UnpaidBytes::new(Arc::clone(rates), Direction::Down, Activity::default())
}

/// Transfers requests of this size in a task until the time is over; the task returns how many bytes that were.
fn transfer(rates: &Arc<UserRates>, request: usize, time: Duration) -> tokio::task::JoinHandle<usize> {
    let mut unpaid = unpaid(rates);
    tokio::spawn(async move {
        let (began, mut sum) = (Instant::now(), 0);
        while began.elapsed() < time {
            unpaid.pay().await;
            unpaid.add(request);
            sum += request;
        }
        sum
    })
}

#[tokio::test]
async fn channels_share_the_rate_equally_whatever_their_requests() {
    let time = Duration::from_millis(1500);
    let expected = 30 * MIB;
    let mut tried = Vec::new();
    // A machine that is busy may be slower, and then to one of them, but the rate is never exceeded.
    for _ in 0..10 {
        let rates = rates(20 * MIB as u64);
        let began = Instant::now();
        let small = transfer(&rates, 32 * 1024, time);
        let large = transfer(&rates, 255 * 1024, time);
        let (small, large) = (small.await.unwrap(), large.await.unwrap());
        let sum = small + large;
        // The last request of each, and what may be made up for, come on top.
        let most = 20.0 * MIB as f64 * began.elapsed().as_secs_f64() * 1.2;
        assert!((sum as f64) < most, "{sum} of {most}");
        if sum >= expected * 9 / 10 && small.abs_diff(large) < sum / 8 {
            return;
        }
        tried.push((small, large));
    }
    panic!("{tried:?}");
}

#[tokio::test]
async fn what_was_not_used_for_long_is_not_saved_up() {
    let rates = rates(MIB as u64);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut unpaid = unpaid(&rates);
    let (began, mut at_once) = (Instant::now(), 0);
    while unpaid.try_pay() {
        unpaid.add(16 * 1024);
        at_once += 16 * 1024;
    }
    // What is earned meanwhile comes on top.
    let earned = MIB * usize::try_from(began.elapsed().as_millis()).unwrap() / 1000;
    assert!((64 * 1024..256 * 1024 + earned).contains(&at_once), "{at_once}");
}

#[tokio::test]
async fn a_channel_that_ends_leaves_its_debt_to_the_others() {
    let rates = rates(1024);
    let mut first = unpaid(&rates);
    assert!(first.try_pay());
    first.add(10 * MIB);
    drop(first);
    let mut second = unpaid(&rates);
    second.add(1);
    assert!(!second.try_pay());
}

#[tokio::test]
async fn a_new_rate_holds_for_those_who_wait() {
    let rates = rates(1024);
    let mut waiting = unpaid(&rates);
    waiting.add(10 * MIB);
    assert!(waiting.try_pay(), "what is paid first is not waited for");
    waiting.add(MIB);
    let paying = tokio::spawn(async move { waiting.pay().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!paying.is_finished());
    rates.set_usual(Rates {
        up: None,
        down: Some(1 << 30),
    });
    tokio::time::timeout(Duration::from_secs(10), paying)
        .await
        .unwrap()
        .unwrap();
    rates.set_usual(Rates::default());
    let mut free = unpaid(&rates);
    free.add(usize::MAX);
    assert!(free.try_pay() && !free.is_limited());
}

#[tokio::test]
async fn a_connection_that_waits_for_its_rate_is_not_idle() {
    let rates = rates(1024);
    let activity = Activity::default();
    let mut waiting = UnpaidBytes::new(Arc::clone(&rates), Direction::Down, activity.clone());
    waiting.add(MIB);
    assert!(waiting.try_pay());
    waiting.add(MIB);
    assert!(activity.last().is_none());
    let over = tokio::time::timeout(Duration::from_millis(20), waiting.pay()).await;
    assert!(over.is_err());
    assert!(activity.last().is_some());
}
