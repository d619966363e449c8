//! Patterns that match names on a real server.

use homeport::globs;

use crate::client::shell::{USER, server_with, signed_in};

#[tokio::test(flavor = "multi_thread")]
async fn remote_names_are_found_by_patterns() {
    let server = server_with(&[
        "a.txt",
        "b.txt",
        ".c.txt",
        "f[1]",
        "x*y",
        "sub/d.txt",
        "sub/deep/e",
        "tub/e",
        "tub/d.txt",
        "empty/",
    ]);
    std::os::unix::fs::symlink("sub", server.home(USER).join("link")).unwrap();
    let home_directory = tempfile::tempdir().unwrap();
    let session = signed_in(server.port(), home_directory.path()).await;
    let link = session.remote.link().await.unwrap();
    for (directory, pattern, expected) in [
        ("/", "*.txt", &["a.txt", "b.txt"][..]),
        ("/", "/*.txt", &["/a.txt", "/b.txt"]),
        ("/", "./*.txt", &["./a.txt", "./b.txt"]),
        ("/", ".*.txt", &[".c.txt"]),
        ("/", "~/a*", &["/a.txt"]),
        ("/sub", "~/a*", &["/a.txt"]),
        ("/sub", "~", &["/"]),
        ("/", "\\~", &["~"]),
        ("/sub", "*", &["d.txt", "deep"]),
        ("/sub", "../?.txt", &["../a.txt", "../b.txt"]),
        ("/", "*/d.txt", &["link/d.txt", "sub/d.txt", "tub/d.txt"]),
        ("/", "*/*/e", &["link/deep/e", "sub/deep/e"]),
        ("/", "[st]ub/[!d]*", &["tub/e"]),
        ("/", "*/", &["empty/", "link/", "sub/", "tub/"]),
        ("/", "f[1]", &["f[1]"]),
        ("/", "x\\*y", &["x*y"]),
        ("/", "x\\*z", &["x*z"]),
        ("/", "nothing*", &["nothing*"]),
        ("/", "nowhere/*", &["nowhere/*"]),
        ("/", "a.txt", &["a.txt"]),
        ("/", "not there", &["not there"]),
    ] {
        let found = globs::remote(&link, directory.as_bytes(), pattern.as_bytes())
            .await
            .unwrap();
        let found: Vec<String> = found
            .into_iter()
            .map(|name| String::from_utf8(name).unwrap())
            .collect();
        assert_eq!(found, expected, "{pattern} in {directory}");
    }
    link.close().await;
    let lost = globs::remote(&link, b"/", b"*").await;
    assert!(lost.is_err(), "{lost:?}");
}
