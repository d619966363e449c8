//! The names of parts of uploads: nobody names them, nobody sees them, whatever the protocol is.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{start, write};

const PART: &str = ".homeport-upload-00112233445566778899aabbccddeeff";

#[test]
fn no_protocol_names_a_part() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    write(&home.join("d").join(PART), b"secret");
    write(&home.join("f"), b"content");
    let part = format!("/api/v1/files/d/{PART}");
    let code = |method: &str, path: &str| alice.ask(method, path, &[], b"x").expect(403).code();
    assert_eq!(alice.get(&part).expect(403).code(), "forbidden");
    assert_eq!(code("PUT", &part), "forbidden");
    assert_eq!(code("DELETE", &part), "forbidden");
    assert_eq!(
        code("PUT", &format!("/api/v1/files/{PART}?directory")),
        "forbidden"
    );
    let body = json!({"rename": format!("/{PART}")}).to_string();
    let json = [("Content-Type", "application/json")];
    alice
        .ask("PATCH", "/api/v1/files/f", &json, body.as_bytes())
        .expect(403);
    assert!(
        alice.get("/api/v1/files/d/").expect(200).json()["entries"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let local = server.path().join("local");
    fs::write(&local, "x").unwrap();
    let batch = format!(
        "-get d/{PART} {local}2\n-put {local} {PART}\n-rename f {PART}\n-ln d/{PART} h\n-ln -s d/{PART} s\n-rm d/{PART}\n\
         -mkdir {PART}\n",
        local = local.display()
    );
    server.sftp_ok("alice", &batch);
    let listed = server.sftp_ok("alice", "ls -la d\n");
    assert!(!listed.contains("homeport-upload"), "{listed}");
    assert!(!server.path().join("local2").exists());
    let mut names: Vec<_> = fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["d", "f"]);
    assert_eq!(fs::read(home.join("d").join(PART)).unwrap(), b"secret");
}

#[test]
fn a_directory_goes_with_what_expired_in_it_alone() {
    let (server, alice) = start(&[]);
    let part = server.home("alice").join("d").join(PART);
    write(&part, b"bytes");
    let remove = || alice.ask("DELETE", "/api/v1/files/d", &[], b"");
    let refused = remove().expect(409);
    assert!(
        refused.sentence().contains("unfinished uploads"),
        "{}",
        refused.sentence()
    );
    assert!(part.exists());
    let file = fs::File::options().append(true).open(&part).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(8 * 24 * 60 * 60))
        .unwrap();
    remove().expect(204);
    assert!(!part.exists() && !server.home("alice").join("d").exists());
}
