//! Metrics and health checks, as Prometheus and load balancers ask for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::admin::machine::free_port;
use testkit::packets::{CREAT, WRITE, open};
use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::{PATIENCE, skipped, wait_for};

/// Returns the port on which a server shows its metrics.
pub fn metrics_port(server: &TestServer) -> u16 {
    let mut port = None;
    wait_for("the port of the metrics", || {
        let log = server.log();
        let address = log
            .split_once("metrics are on http://")
            .and_then(|(_, rest)| rest.split_once("/metrics"));
        port = address.and_then(|(address, _)| address.rsplit(':').next()?.parse().ok());
        port.is_some()
    });
    port.unwrap()
}

/// Sends bytes, and returns all that is answered.
fn exchange(address: IpAddr, port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((address, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that refuses a peer may close the connection before.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Asks for a page on this machine; returns the status and the body.
fn get(port: u16, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: test\r\n\r\n");
    let answer = exchange([127, 0, 0, 1].into(), port, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line == length), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Returns the value of a series, given as the page has it.
pub fn value(page: &str, series: &str) -> Option<f64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

pub fn scrape(port: u16) -> String {
    let (status, page) = get(port, "/metrics");
    assert_eq!(status, 200);
    page
}

/// Has Prometheus's own tool judge the page, if it is installed.
fn judge(page: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut judging) = started else {
        return skipped("promtool", "it is not installed (Debian: prometheus)");
    };
    judging.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = judging.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
}

#[test]
fn the_page_has_what_has_happened() {
    let mut server = TestServer::new(&[("metrics", "listen = [\"127.0.0.1:0\"]\nhomes = true")]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.serve();
    let port = metrics_port(&server);
    fs::write(server.path().join("local"), vec![7; 100_000]).unwrap();
    server.sftp_ok("alice", "put local f\nget f back\nrm f\n");
    let wrong = server.sign_in("alice", By::Password("password"), "wrong");
    assert!(!wrong.status.success());
    let mut session = server.raw("alice");
    let _handle = session.handle(&open("g", WRITE | CREAT));
    // Homes and disks are looked at in the background.
    wait_for("the free space", || {
        scrape(port).contains("homeport_disk_free_bytes{root=")
    });
    wait_for("the homes", || {
        scrape(port).contains("homeport_home_quota_bytes{user=")
    });
    // The connections before have ended, too.
    wait_for("one connection", || {
        let connections = "homeport_connections{state=\"signed_in\"}";
        value(&scrape(port), connections) == Some(1.0)
    });
    let page = scrape(port);
    judge(&page);
    let check =
        |series: &str, expected: f64| assert_eq!(value(&page, series), Some(expected), "{series}\n{page}");
    check("homeport_sessions", 1.0);
    check("homeport_connections{state=\"signed_in\"}", 1.0);
    check("homeport_bytes_total{direction=\"up\"}", 100_000.0);
    check("homeport_bytes_total{direction=\"down\"}", 100_000.0);
    check("homeport_transfers_total{direction=\"up\",result=\"ok\"}", 1.0);
    check("homeport_transfers_total{direction=\"down\",result=\"ok\"}", 1.0);
    check(
        "homeport_logins_total{method=\"publickey\",result=\"accepted\"}",
        2.0,
    );
    check("homeport_request_seconds_count{kind=\"remove\"}", 1.0);
    check("homeport_request_seconds_bucket{kind=\"open\",le=\"+Inf\"}", 3.0);
    check("homeport_home_quota_bytes{user=\"alice\"}", 1_048_576.0);
    check("homeport_audit_lost_total", 0.0);
    check("homeport_hook_failures_total", 0.0);
    check(
        &format!("homeport_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")),
        1.0,
    );
    assert!(
        value(
            &page,
            "homeport_logins_total{method=\"password\",result=\"denied\"}"
        ) >= Some(1.0),
        "{page}"
    );
    assert!(page.contains("\nhomeport_filesystem_slow{device=\""), "{page}");
    for series in [
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ] {
        assert!(value(&page, series) > Some(0.0), "{series}\n{page}");
    }
}

#[test]
fn metrics_are_off_by_default_and_homes_in_them_too() {
    let server = TestServer::start(&["alice"]);
    assert!(!server.log().contains("metrics are on"), "{}", server.log());
    let server = TestServer::start_with(&[("metrics", "listen = [\"127.0.0.1:0\"]")], &["alice"]);
    // The homes are read in the background: those of another server show that it would have been time.
    let homes = "listen = [\"127.0.0.1:0\"]\nhomes = true";
    let other = TestServer::start_with(&[("metrics", homes)], &["alice"]);
    wait_for("the homes of the other server", || {
        scrape(metrics_port(&other)).contains("# TYPE homeport_home_used_bytes")
    });
    assert!(!scrape(metrics_port(&server)).contains("homeport_home_"));
}

#[test]
fn a_server_that_drains_lives_and_is_not_ready() {
    let settings = [
        ("server", "drain_secs = 60"),
        ("metrics", "listen = [\"127.0.0.1:0\"]"),
    ];
    let mut server = TestServer::start_with(&settings, &["alice"]);
    let port = metrics_port(&server);
    assert_eq!(get(port, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(port, "/readyz"), (200, "ready\n".to_owned()));
    let mut session = server.raw("alice");
    let _handle = session.handle(&open("f", WRITE | CREAT));
    server.signal("TERM");
    wait_for("the end of readiness", || get(port, "/readyz").0 == 503);
    assert!(get(port, "/readyz").1.starts_with("stopping"));
    assert_eq!(get(port, "/healthz").0, 200);
    assert_eq!(value(&scrape(port), "homeport_sessions"), Some(1.0));
    session.finish();
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn nonsense_is_refused_and_idle_peers_are_in_nobodys_way() {
    let server = TestServer::start_with(&[("metrics", "listen = [\"127.0.0.1:0\"]")], &[]);
    let port = metrics_port(&server);
    let check = |request: &str, expected: &str| {
        let answer = exchange([127, 0, 0, 1].into(), port, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{request:?}: {answer}"
        );
    };
    // The newest ones take the places of the oldest, which would have 5 s for a request. A busy machine may not be that
    // fast each time.
    let mut idle = Vec::new();
    wait_for("the oldest connection to make room", || {
        let began = std::time::Instant::now();
        // More than may be connected at once.
        idle = (0..50)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect::<Vec<TcpStream>>();
        let mut oldest = &idle[0];
        oldest.set_read_timeout(Some(PATIENCE)).unwrap();
        match oldest.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            _ => return false,
        }
        began.elapsed() < std::time::Duration::from_secs(5)
    });
    check("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "405 ");
    check("SSH-2.0-OpenSSH_9.2\r\n\r\n", "400 ");
    check(
        &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000)),
        "431 ",
    );
    check("GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "404 ");
    let head = exchange(
        [127, 0, 0, 1].into(),
        port,
        "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(get(port, "/healthz").0, 200);
    drop(idle);
}

/// Returns an address of this machine that is not loopback.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn only_named_networks_may_read_the_metrics() {
    let Some(outer) = outer_address() else {
        return skipped(
            "networks that may not ask",
            "this machine has no address beyond loopback",
        );
    };
    let answers = |allow: &str| {
        let settings = format!("listen = [\"0.0.0.0:0\"]\nallow = [\"{allow}\"]");
        let server = TestServer::start_with(&[("metrics", &settings)], &[]);
        let port = metrics_port(&server);
        assert_eq!(get(port, "/healthz").0, 200, "this machine itself may ask");
        exchange(outer, port, "GET /healthz HTTP/1.0\r\n\r\n")
    };
    assert!(answers(&outer.to_string()).starts_with("HTTP/1.1 200 "));
    // A network for documentation that this machine is not in.
    let other = ["198.51.100.0/24", "203.0.113.0/24"];
    let refused = answers(other[usize::from(outer.to_string().starts_with("198.51.100."))]);
    // The refusal may be lost when the connection is closed before the request was read.
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 403 "),
        "{refused}"
    );
}

#[test]
fn a_port_that_is_taken_is_a_failed_start_and_check_says_so() {
    // The server takes the port later, and no other test may get it in between.
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let address = taken.local_addr().unwrap();
    let mut server = TestServer::new(&[("metrics", &format!("listen = [\"{address}\"]"))]);
    let expected =
        format!("cannot listen on {address}: address already in use (hint: another program listens there");
    let place = format!("{}:", server.config().display());
    for words in [&["serve"][..], &["check"], &["check", "--sockets-held"]] {
        let output = Command::new(homeportd())
            .arg("-c")
            .arg(server.config())
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(
            said.contains(&expected) && said.contains(&place),
            "{words:?}: {said}"
        );
    }
    drop(taken);
    server.serve();
    assert_eq!(metrics_port(&server), address.port());
    // The running server may hold it.
    for words in [&["check"][..], &["check", "--sockets-held"]] {
        let said = server.admin_ok(words, "");
        assert!(
            said.contains(&format!("serve metrics on http://{address}/metrics")),
            "{said}"
        );
    }
}

/// The rules and the dashboard name only metrics that exist.
#[test]
fn the_rules_and_the_dashboard_know_the_metrics() {
    let server = TestServer::start_with(
        &[("metrics", "listen = [\"127.0.0.1:0\"]\nhomes = true")],
        &["alice"],
    );
    let port = metrics_port(&server);
    wait_for("the homes", || scrape(port).contains("homeport_home_quota_bytes"));
    let page = scrape(port);
    let names: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "packaging/prometheus/homeport.rules.yml",
        "packaging/grafana/homeport.json",
        "docs/monitoring.md",
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c| !is_part(c));
        let is_metric = |word: &&str| {
            let name = word.strip_prefix("homeport_").or(word.strip_prefix("process_"));
            name.is_some_and(|name| !name.is_empty())
        };
        let used: Vec<&str> = words.filter(is_metric).collect();
        assert!(used.len() > 5, "{file}");
        for word in used {
            let name = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| word.strip_suffix(end));
            let known = names.contains(&word) || name.is_some_and(|name| names.contains(&name));
            assert!(known, "{file} names {word}");
        }
    }
    for (what, file) in [
        ("check", "homeport.rules.yml"),
        ("test", "homeport.rules.test.yml"),
    ] {
        let rules = root.join("packaging/prometheus").join(file);
        match Command::new("promtool").args([what, "rules"]).arg(rules).output() {
            Ok(output) => assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(_) => skipped("promtool", "it is not installed (Debian: prometheus)"),
        }
    }
    let dashboard = fs::read(root.join("packaging/grafana/homeport.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&dashboard).unwrap();
}
