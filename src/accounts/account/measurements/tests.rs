use std::time::Duration;

use super::*;
use crate::accounts::account::schedule::*;

#[test]
fn a_pause_is_ended_by_its_time_or_by_a_measure_and_by_nothing_else() {
    let progress = Progress::default();
    let measurements = Measurements::new(None, Arc::default());
    let wait = |length: Duration| {
        let pause = Pause {
            end: Instant::now() + length,
            ended: 0,
        };
        measurements.wait_for_pause(&progress, progress.seen(), pause);
        Instant::now() >= pause.end
    };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(Duration::from_millis(200)));
        while !waiting.is_finished() {
            // This is what happens when the keeper has recorded a ceiling.
            progress.notify();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(waiting.join().unwrap(), "it was waited for to its end");
        let waiting = scope.spawn(|| wait(Duration::from_secs(3600)));
        while !waiting.is_finished() {
            measurements.end(Instant::now(), true);
            progress.notify();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!waiting.join().unwrap());
    });
}

#[test]
fn a_full_home_is_measured_now_and_then_and_its_refusals_wait_for_little() {
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    let mut schedule = Schedule::default();
    // An account that was never measured is measured at once.
    assert_eq!(schedule.advice(at(0), true), Advice::Ask);
    schedule.asked_or_begun_at = Some(at(0));
    schedule.by_refusal = true;
    // A refusal during the measurement waits for the rest of the five seconds.
    assert_eq!(schedule.advice(at(1), false), Advice::Await(at(5)));
    assert_eq!(schedule.advice(at(5), true), Advice::Refuse);
    schedule.end(at(10), Duration::from_secs(10), false);
    // A long measurement is not repeated soon, and no refusal waits for it.
    assert_eq!(schedule.advice(at(11), true), Advice::Refuse);
    assert_eq!(schedule.advice(at(209), false), Advice::Refuse);
    assert_eq!(schedule.advice(at(206), true), Advice::Pause(at(210)));
    assert_eq!(schedule.advice(at(210), false), Advice::Ask);
    // A short measurement is repeated after five seconds.
    schedule.by_refusal = true;
    schedule.end(at(210), Duration::from_millis(3), false);
    assert_eq!(schedule.advice(at(211), true), Advice::Pause(at(215)));
    assert_eq!(
        schedule.advice(at(211), false),
        Advice::Refuse,
        "this handle was refused"
    );
    schedule.waiting = 1;
    schedule.may_wait_from = Some(at(241));
    assert_eq!(schedule.advice(at(212), true), Advice::Pause(at(215)));
    schedule.waiting = WAITING_AT_ONCE;
    assert_eq!(schedule.advice(at(212), true), Advice::Refuse);
    schedule.waiting = 0;
    // The measurement found no room, so for a while no refusal waits.
    schedule.by_refusal = true;
    schedule.end(at(215), Duration::from_millis(3), false);
    assert_eq!(schedule.advice(at(216), true), Advice::Refuse);
    assert_eq!(schedule.advice(at(220), true), Advice::Ask);
    // The measurement found room, so refusals wait again.
    schedule.by_refusal = true;
    schedule.end(at(221), Duration::from_millis(3), true);
    assert_eq!(schedule.advice(at(222), true), Advice::Pause(at(226)));
    // A measurement that was made for another reason does not delay refusals.
    schedule.end(at(230), Duration::from_millis(3), false);
    assert_eq!(schedule.advice(at(231), true), Advice::Ask);
}
