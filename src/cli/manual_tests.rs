use base::manual::{completions, pages};
use clap_complete::Shell;

#[test]
fn each_program_has_its_pages_and_completions() {
    let dir = tempfile::tempdir().unwrap();
    let pages_dir = dir.path().join("man1");
    pages::<super::grammar::Cli>(&pages_dir, &super::grammar::MANUAL).unwrap();
    pages::<homeport::cli::Cli>(&pages_dir, &homeport::cli::MANUAL).unwrap();
    for page in ["homeportd-user-add.1", "homeport.1", "homeport-put.1"] {
        assert!(pages_dir.join(page).exists(), "{page}");
    }
    let page = std::fs::read_to_string(pages_dir.join("homeport.1")).unwrap();
    assert!(page.contains("password\\-stdin"), "{page}");
    for page in [
        "homeport.1",
        "homeport-put.1",
        "homeportd.1",
        "homeportd-user-add.1",
    ] {
        let page = std::fs::read_to_string(pages_dir.join(page)).unwrap();
        for section in ["\"EXIT STATUS\"", "FILES", "EXAMPLES"] {
            assert!(page.contains(&format!(".SH {section}\n")), "{section}: {page}");
        }
    }
    let script = completions::<homeport::cli::Cli>(Shell::Bash);
    assert!(
        script.contains("_homeport()") && script.contains("--no-resume"),
        "{script}"
    );
    let refused = pages::<homeport::cli::Cli>(std::path::Path::new("/dev/null/man"), &homeport::cli::MANUAL);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("cannot write manual pages")
    );
}
