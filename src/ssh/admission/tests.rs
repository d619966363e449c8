use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn limits() -> Limits {
    Limits {
        connections: 4,
        unauthenticated: 3,
        unauthenticated_per_address: 2,
        ..Limits::default()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An admission at which time passes by hand.
struct AdmissionFixture {
    admission: Arc<Admission>,
    limits: Limits,
    now: Instant,
}

impl AdmissionFixture {
    fn new(limits: Limits) -> Self {
        Self {
            admission: Admission::new(),
            limits,
            now: Instant::now(),
        }
    }

    fn enter(&self, peer: &str) -> Result<AdmissionPermit, AdmissionRefused> {
        self.admission.enter(ip(peer), &self.limits, self.now)
    }

    /// So many connections of one peer, all of which have come this far.
    fn crowd(&self, peer: &str, count: usize, step: Step) -> Vec<AdmissionPermit> {
        (0..count)
            .map(|_| {
                let entry = self.enter(peer).unwrap();
                entry.progress.reach(step);
                entry
            })
            .collect()
    }

    fn pass(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
    }
}

fn is_out(entry: &AdmissionPermit) -> bool {
    entry.evict.is_cancelled()
}

fn out(entries: &[AdmissionPermit]) -> Vec<usize> {
    let out = entries.iter().enumerate().filter(|(_, entry)| is_out(entry));
    out.map(|(index, _)| index).collect()
}

#[test]
fn each_limit_holds_and_places_come_back() {
    let fixture = AdmissionFixture::new(limits());
    let mut a = fixture.crowd("10.0.0.1", 2, Step::Keyed);
    assert_eq!(fixture.enter("10.0.0.1").err(), Some(AdmissionRefused::Address));
    let c = fixture.crowd("10.0.1.1", 1, Step::Keyed);
    assert!(a[0].signed_in());
    let _d = fixture.crowd("10.0.2.1", 1, Step::Keyed);
    assert_eq!(
        fixture.enter("10.0.0.1").err(),
        Some(AdmissionRefused::Connections),
        "as many as the others, and none of its own is idle"
    );
    assert_eq!(fixture.admission.connections(), 4);
    drop(c);
    assert_eq!(fixture.admission.connections(), 3);
    fixture.enter("10.0.0.1").unwrap();
    assert!(a[0].signed_in() && !is_out(&a[0]));
}

#[test]
fn the_newest_of_the_source_that_holds_most_goes_first() {
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated: 10,
        ..Limits::default()
    });
    let honest = fixture.crowd("192.0.2.1", 1, Step::Silent);
    let some = fixture.crowd("198.51.100.1", 3, Step::Keyed);
    let many = fixture.crowd("203.0.113.1", 6, Step::Silent);
    fixture.pass(2);
    let mut late = fixture.enter("192.0.2.2").unwrap();
    assert_eq!(out(&many), [5], "the newest");
    let _later = fixture.enter("192.0.2.3").unwrap();
    assert_eq!(out(&many), [4, 5]);
    assert!(out(&some).is_empty() && out(&honest).is_empty());
    assert!(late.signed_in());
    // The source that holds the most cannot evict others.
    let _own = fixture.enter("203.0.113.1").unwrap();
    let _own = fixture.enter("203.0.113.1").unwrap();
    assert_eq!(out(&many), [3, 4, 5]);
    assert!(out(&some).is_empty() && out(&honest).is_empty());
}

#[test]
fn who_has_come_further_is_spared_and_so_is_who_has_just_begun() {
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated: 6,
        ..Limits::default()
    });
    let many = fixture.crowd("203.0.113.1", 6, Step::Silent);
    for (entry, step) in many
        .iter()
        .zip([Step::Silent, Step::Silent, Step::Greeted, Step::Keyed])
    {
        entry.progress.reach(step);
    }
    // All silent ones are new: the oldest of them goes.
    let _a = fixture.enter("192.0.2.1").unwrap();
    assert_eq!(out(&many), [0]);
    fixture.pass(2);
    let _b = fixture.enter("192.0.2.2").unwrap();
    assert_eq!(out(&many), [0, 5]);
    let _c = fixture.enter("192.0.3.3").unwrap();
    assert_eq!(out(&many), [0, 4, 5]);
    drop(_a);
    drop(_b);
    let refill = fixture.crowd("203.0.113.1", 2, Step::Silent);
    // New ones are spared as long as another can go.
    let _d = fixture.enter("192.0.4.4").unwrap();
    assert_eq!((out(&many), out(&refill).len()), (vec![0, 1, 4, 5], 0));
}

#[test]
fn a_source_at_its_own_limit_gives_up_its_silent_ones() {
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated_per_address: 3,
        ..Limits::default()
    });
    let many = fixture.crowd("192.0.2.1", 3, Step::Silent);
    many[0].progress.reach(Step::Keyed);
    let mut honest = fixture.enter("192.0.2.1").unwrap();
    honest.progress.reach(Step::Keyed);
    let second = fixture.enter("192.0.2.1").unwrap();
    second.progress.reach(Step::Greeted);
    assert_eq!(out(&many), [1, 2]);
    assert_eq!(
        fixture.enter("192.0.2.1").err(),
        Some(AdmissionRefused::Address),
        "none of the three is idle"
    );
    fixture.pass(6);
    let _third = fixture.enter("192.0.2.1").unwrap();
    assert!(is_out(&second), "it has had its time");
    assert!(honest.signed_in() && !is_out(&many[0]));
}

#[test]
fn a_network_of_many_addresses_counts_as_one() {
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated: 12,
        ..Limits::default()
    });
    let office = fixture.crowd("192.0.2.1", 4, Step::Silent);
    let bots: Vec<AdmissionPermit> = (0..8)
        .map(|n| fixture.enter(&format!("203.0.113.{n}")).unwrap())
        .collect();
    fixture.pass(2);
    let _more = fixture.crowd("192.0.2.1", 2, Step::Silent);
    assert_eq!((out(&office).len(), out(&bots).len()), (0, 2));
    // And so do as many addresses as there are places: one that holds nothing takes the place of one that holds one.
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated: 8,
        ..Limits::default()
    });
    let bots: Vec<AdmissionPermit> = (0..8)
        .map(|n| fixture.enter(&format!("10.{n}.0.1")).unwrap())
        .collect();
    bots[7].progress.reach(Step::Keyed);
    fixture.pass(30);
    let _honest = fixture.enter("192.0.2.1").unwrap();
    assert_eq!(out(&bots), [6]);
}

#[test]
fn who_has_signed_in_stays_and_one_source_never_holds_every_place() {
    let fixture = AdmissionFixture::new(Limits {
        connections: 80,
        ..Limits::default()
    });
    let mut flood: Vec<AdmissionPermit> = Vec::new();
    loop {
        match fixture.enter("203.0.113.1") {
            Ok(mut entry) => {
                assert!(entry.signed_in());
                flood.push(entry);
            }
            Err(reason) => {
                assert_eq!(reason, AdmissionRefused::Share);
                break;
            }
        }
    }
    assert_eq!(flood.len(), 70);
    let mut honest = Vec::new();
    for n in 0..10 {
        let mut entry = fixture.enter(&format!("192.0.2.{n}")).unwrap();
        assert!(entry.signed_in());
        honest.push(entry);
    }
    assert_eq!(
        fixture.enter("192.0.2.99").err(),
        Some(AdmissionRefused::Connections)
    );
    assert!(out(&flood).is_empty() && out(&honest).is_empty());
    honest.pop();
    fixture.enter("192.0.2.99").unwrap();
}

#[test]
fn a_place_is_given_up_once() {
    let mut fixture = AdmissionFixture::new(Limits {
        unauthenticated: 2,
        ..Limits::default()
    });
    let mut many = fixture.crowd("203.0.113.1", 2, Step::Keyed);
    fixture.pass(30);
    let _honest = fixture.enter("192.0.2.1").unwrap();
    assert_eq!(out(&many), [1]);
    assert!(!many[1].signed_in(), "it has lost its place a moment before");
    many.clear();
    assert_eq!(fixture.admission.connections(), 1);
    assert_eq!(fixture.admission.state().waiting.len(), 1);
    assert_eq!(fixture.admission.state().networks.len(), 1);
}

#[test]
fn a_source_that_keeps_leaving_is_delayed_and_forgiven_in_time() {
    let admission = Admission::new();
    let now = Instant::now();
    let come_and_go = |at| {
        let entry = admission.enter(HERE, &limits(), at).unwrap();
        entry.progress.reach(Step::Greeted);
        entry.delay
    };
    for _ in 0..5 {
        assert_eq!(come_and_go(now), Duration::ZERO);
    }
    assert_eq!(come_and_go(now), MIN_DELAY);
    for _ in 0..100 {
        come_and_go(now);
    }
    assert_eq!(come_and_go(now), MAX_DELAY);
    // If a user has signed in from there, others are delayed only briefly.
    assert!(admission.enter(HERE, &limits(), now).unwrap().signed_in());
    assert_eq!(come_and_go(now), MAX_TRUSTED_DELAY);
    let later = now + Duration::from_secs(200);
    assert_eq!(come_and_go(later), Duration::ZERO);
}

#[test]
fn health_checks_hold_nobody_up() {
    let admission = Admission::new();
    let mut now = Instant::now();
    // Drops are counted at the real time, so all of these come at once.
    for _ in 0..8 {
        assert_eq!(
            admission.enter(HERE, &limits(), now).unwrap().delay,
            Duration::ZERO
        );
        now += Duration::from_millis(1);
    }
}

#[test]
fn silence_is_no_way_to_many_banners() {
    let admission = Admission::new();
    let now = Instant::now();
    for _ in 0..60 {
        admission.enter(HERE, &limits(), now).unwrap();
    }
    assert_eq!(admission.enter(HERE, &limits(), now).unwrap().delay, MAX_DELAY);
}

#[test]
fn an_ipv6_network_is_one_source() {
    assert_eq!(
        Source::from(ip("2001:db8::1")),
        Source::from(ip("2001:db8::ffff:2"))
    );
    assert_eq!(Source::from(ip("::ffff:127.0.0.1")).address(), HERE);
    assert_eq!(network_of(ip("192.0.2.77").into()), ip("192.0.2.0"));
    assert_eq!(network_of(ip("2001:db8:1:2::").into()), ip("2001:db8:1::"));
}
