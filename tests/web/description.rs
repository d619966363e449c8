//! The description of the API: everybody may read it, and what it says about sign-ins is what happens.

use serde_json::{Value, json};
use testkit::web::WebClient;

use super::files::start;

/// Whether a request that is described like this takes tokens for files.
fn takes_files_token(security: &Value) -> bool {
    let ways = security.as_array().unwrap();
    ways.iter().any(|way| way["bearer"] == json!(["files"]))
}

#[test]
fn everybody_reads_the_description_of_the_api_which_says_who_may_ask() {
    let (server, alice) = start(&[]);
    let stranger = WebClient::anonymous(&server);
    let reply = stranger.get("/api/v1/openapi.json").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let description = reply.json();
    assert_eq!(description["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        let security = &item["get"]["security"];
        if path.contains('{') || security.is_null() {
            continue;
        }
        let address = format!("/api/v1{path}");
        let needs_sign_in = *security != json!([]);
        let status = stranger.get(&address).status;
        assert_eq!(status == 401, needs_sign_in, "{address}: {status}");
        let status = alice.get(&address).status;
        let is_refused = needs_sign_in && !takes_files_token(security);
        assert_eq!(status == 403, is_refused, "{address}: {status}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn a_method_that_an_address_does_not_have_is_refused_in_the_form_of_all_errors() {
    let (_server, alice) = start(&[]);
    for (method, path, allowed) in [
        ("POST", "/api/v1/usage", "GET,HEAD"),
        ("DELETE", "/api/v1/archive", "GET,HEAD,POST"),
    ] {
        let refused = alice.ask(method, path, &[], b"").expect(405);
        assert_eq!(refused.code(), "method_not_allowed", "{path}");
        assert_eq!(refused.header("allow"), Some(allowed), "{path}");
    }
}
