use super::*;

fn networks(texts: &[&str]) -> Vec<Network> {
    let networks = texts.iter().map(|text| Network::try_from((*text).to_owned()));
    networks.map(|network| network.unwrap()).collect()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// What is found for a request from the proxy 10.0.0.1, where 10.0.0.0/8 and 2001:db8:1::/48 are trusted.
fn found(pairs: &[(&'static str, &str)]) -> ProxiedRequest {
    let trusted = networks(&["10.0.0.0/8", "2001:db8:1::/48"]);
    resolve(&headers(pairs), "10.0.0.1:40000".parse().unwrap(), &trusted)
}

fn check(name: &'static str, value: &str, client: &str) {
    let found = found(&[(name, value)]).client;
    assert_eq!(
        found,
        client.parse::<SocketAddr>().unwrap(),
        "{name}: {value:.80}"
    );
}

const PROXY: &str = "10.0.0.1:40000";

#[test]
fn the_client_is_the_last_address_that_is_not_a_proxy() {
    for (value, client) in [
        ("192.0.2.1", "192.0.2.1:0"),
        ("192.0.2.1:5000", "192.0.2.1:5000"),
        ("2001:db8::1", "[2001:db8::1]:0"),
        ("[2001:db8::1]", "[2001:db8::1]:0"),
        ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
        ("::ffff:192.0.2.1", "192.0.2.1:0"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1:0"),
        ("6.6.6.6,192.0.2.1 , 10.0.0.7,2001:db8:1::5", "192.0.2.1:0"),
        ("junk, \", 192.0.2.1, 10.0.0.7", "192.0.2.1:0"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9:0"),
        ("::ffff:10.0.0.9, 10.0.0.8", "10.0.0.9:0"),
    ] {
        check("x-forwarded-for", value, client);
    }
}

#[test]
fn a_client_that_cannot_be_read_is_the_proxy() {
    for value in [
        "",
        "unknown",
        "6.6.6.6, unknown",
        "6.6.6.6, unknown, 10.0.0.7",
        "6.6.6.6,",
        "192.0.2.1:x",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.300",
        "[2001:db8::1",
        "[2001:db8::1]5000",
        "fe80::1%eth0",
        "localhost",
        "192.0.2.1;x",
    ] {
        check("x-forwarded-for", value, PROXY);
    }
    let hops = |count: usize| format!("192.0.2.1{}", ", 10.0.0.7".repeat(count));
    check("x-forwarded-for", &hops(MOST_HOPS - 1), "192.0.2.1:0");
    check("x-forwarded-for", &hops(MOST_HOPS), PROXY);
    check(
        "x-forwarded-for",
        &format!("{}192.0.2.1", "1.1.1.1,".repeat(600)),
        PROXY,
    );
}

#[test]
fn several_headers_are_one_list() {
    let name = "x-forwarded-for";
    let found = found(&[(name, "6.6.6.6"), (name, "192.0.2.1"), (name, "10.0.0.7")]);
    assert_eq!(found.client.to_string(), "192.0.2.1:0");
}

#[test]
fn strangers_are_not_believed() {
    let trusted = networks(&["10.0.0.0/8"]);
    let headers = headers(&[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    ]);
    let expected = |client: &str| ProxiedRequest {
        client: client.parse().unwrap(),
        scheme: None,
        host: None,
    };
    let stranger = "192.0.2.1:5000";
    let found = resolve(&headers, stranger.parse().unwrap(), &trusted);
    assert_eq!(found, expected(stranger));
    let mapped = "[::ffff:192.0.2.1]:5000".parse().unwrap();
    assert_eq!(resolve(&headers, mapped, &trusted), expected(stranger));
    assert_eq!(resolve(&headers, PROXY.parse().unwrap(), &[]), expected(PROXY));
}

#[test]
fn a_proxy_that_is_an_address_of_both_kinds_is_trusted() {
    let trusted = networks(&["10.0.0.0/8"]);
    let headers = headers(&[("x-forwarded-for", "192.0.2.1")]);
    let found = resolve(&headers, "[::ffff:10.0.0.1]:5".parse().unwrap(), &trusted);
    assert_eq!(found.client.to_string(), "192.0.2.1:0");
}

#[test]
fn the_standard_is_read_too() {
    for (value, client) in [
        ("for=192.0.2.1", "192.0.2.1:0"),
        ("For=\"192.0.2.1:5000\";by=10.0.0.1", "192.0.2.1:5000"),
        ("for=\"[2001:db8::1]:5000\"", "[2001:db8::1]:5000"),
        ("for=\"[2001:db8::1]\"", "[2001:db8::1]:0"),
        ("for=\"[2001:db8::1]:_hidden\"", "[2001:db8::1]:0"),
        (
            "for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.7",
            "192.0.2.1:0",
        ),
        ("for=\", for=192.0.2.1", "192.0.2.1:0"),
        ("for=10.0.0.9, for=10.0.0.8", "10.0.0.9:0"),
        ("for=unknown", PROXY),
        ("for=_gazonk, for=10.0.0.7", PROXY),
        ("proto=https", PROXY),
        ("for=6.6.6.6;for=192.0.2.1", PROXY),
        ("for=192.0.2.1, junk", PROXY),
        ("", PROXY),
    ] {
        check("forwarded", value, client);
    }
    let hops = |count: usize| format!("for=192.0.2.1{}", ", for=10.0.0.7".repeat(count));
    check("forwarded", &hops(MOST_HOPS - 1), "192.0.2.1:0");
    check("forwarded", &hops(MOST_HOPS), PROXY);
}

#[test]
fn the_nearest_proxy_says_the_scheme_and_the_host() {
    let check = |pairs: &[(&'static str, &str)], scheme: Option<WebScheme>, host: Option<&str>| {
        let found = found(pairs);
        assert_eq!((found.scheme, found.host.as_deref()), (scheme, host), "{pairs:?}");
    };
    let secure = Some(WebScheme::Https);
    check(&[("x-forwarded-proto", "https")], secure, None);
    check(&[("x-forwarded-proto", "http, HTTPS")], secure, None);
    check(&[("x-forwarded-proto", "gopher")], None, None);
    let host = ("x-forwarded-host", "evil.example, Files.Example.org:8443");
    let scheme = ("x-forwarded-proto", "https");
    check(&[host, scheme], secure, Some("files.example.org:8443"));
    check(&[("x-forwarded-host", "a b")], None, None);
    let value =
        "for=6.6.6.6;proto=http;host=evil.example, for=192.0.2.1;proto=https;host=\"files.example.org\"";
    check(&[("forwarded", value)], secure, Some("files.example.org"));
    check(&[("forwarded", "for=192.0.2.1, for=10.0.0.7")], None, None);
}

#[test]
fn the_common_header_wins_over_the_standard() {
    let found = found(&[
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    ]);
    assert_eq!(found.client.to_string(), "192.0.2.1:0");
    assert_eq!((found.scheme, found.host), (None, None));
}
