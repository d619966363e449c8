//! Tests files whose homes and folders exclude each other.

use super::*;

#[tokio::test]
async fn all_homes_and_folders_that_exclude_each_other_are_told_with_their_places() {
    let fixture = CliFixture::new().await;
    fixture
        .apply(
            "[users.tom]\nhome = \"@/roots/tom\"\n[folders.old]\npath = \"@/roots/old\"\n",
            false,
        )
        .await
        .unwrap();
    let before = fixture.export().await;
    let text = "[folders.f]\npath = \"@/roots/f\"\n\
        [users.in_folder]\nhome = \"@/roots/f/x\"\n\
        [users.around]\nhome = \"@/roots/a\"\n\
        [folders.in_home]\npath = \"@/roots/a/x\"\n\
        [folders.same]\npath = \"@/roots/f\"\n\
        [users.in_stored]\nhome = \"@/roots/tom/x\"\n\
        [folders.at_stored]\npath = \"@/roots/tom\"\n\
        [users.shared]\nquota_files = 1\nhome = \"@/roots/s\"\n\
        [users.sharing]\nquota_files = 2\nhome = \"@/roots/s\"\n\
        [users.fine]\n";
    let told = fixture.apply(text, false).await.unwrap_err().to_string();
    for expected in [
        ":4:8: cannot use the home ",
        ":8:8: cannot use the folder ",
        ":10:8: cannot use the folder ",
        ":12:8: cannot use the home ",
        ":14:8: cannot use the folder ",
        ":20:8: cannot use the home ",
    ] {
        assert!(
            told.contains(&format!("users.toml{expected}")),
            "{expected}: {told}"
        );
    }
    assert_eq!(told.matches("users.toml:").count(), 6, "{told}");
    for why in [
        "it lies inside the folder \"f\"",
        "it is the folder \"f\"",
        "it lies inside the home of the user \"around\"",
        "it lies inside the home of the user \"tom\"",
        "it is the home of the user \"tom\"",
        "the user \"shared\" has the same home with another quota",
    ] {
        assert!(told.contains(why), "{why}: {told}");
    }
    assert_eq!(fixture.export().await, before);
    // Other mistakes of the file are told in the same run. What has them is compared, unless nobody knows where it lies.
    let text = "[users.a]\nhome = \"@/roots/a\"\n[users.b]\nhome = \"@/roots/a/b\"\n\
        [users.c]\nhome = \"@/roots/a/c\"\nquota_bytes = \"many\"\n[users.d]\ngroup = \"none\"\n\
        [users.e]\nhome = 7\n[users.g]\nhme = \"@/roots/g\"\n[users.h]\nhome = \"@/server/data/homes/g/x\"\n";
    let told = fixture.apply(text, false).await.unwrap_err().to_string();
    for place in ["4:8", "6:8", "7:15", "9:9", "11:8", "13:1"] {
        assert!(told.contains(&format!("users.toml:{place}: ")), "{place}: {told}");
    }
    assert_eq!(told.matches("users.toml:").count(), 6, "{told}");
}

#[tokio::test]
async fn a_new_user_gets_the_home_of_another_only_if_the_file_names_it() {
    let fixture = CliFixture::new().await;
    let tom = "[users.tom]\nhome = \"@/server/data/homes/calvin\"\n";
    fixture.apply(tom, false).await.unwrap();
    let before = fixture.export().await;
    let told = fixture.apply("[users.calvin]\n", false).await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("users.toml:1:8: cannot use the home "), "{told}");
    assert!(told.contains("it is the home of the user \"tom\""), "{told}");
    assert_eq!(fixture.export().await, before);
    // The file says that both have it.
    fixture
        .apply(&format!("{tom}[users.calvin]\n"), false)
        .await
        .unwrap();
    let (tom, calvin) = (fixture.user("tom").await, fixture.user("calvin").await);
    assert_eq!(tom.home, calvin.home);
    // Nobody has it any more when the file is in force.
    let fixture = CliFixture::new().await;
    fixture.apply("[users.calvin]\n", false).await.unwrap();
    fixture
        .run("user rename calvin hobbes")
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    fixture.apply("[users.calvin]\n", true).await.unwrap();
    assert_eq!(fixture.store.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_hundred_overlaps_are_all_told() {
    let fixture = CliFixture::new().await;
    let mut text = "[folders.f]\npath = \"@/roots/f\"\n".to_owned();
    for number in 0..200 {
        text.push_str(&format!("[users.u{number}]\nhome = \"@/roots/f/{number}\"\n"));
    }
    let told = fixture.apply(&text, false).await.unwrap_err().to_string();
    for number in 0..200 {
        let line = 2 * number + 4;
        assert!(told.contains(&format!("users.toml:{line}:8: ")), "{line}: {told}");
    }
    assert!(fixture.store.users().await.unwrap().is_empty());
    // A file with thousands of them has an end.
    for number in 200..3000 {
        text.push_str(&format!("[users.u{number}]\nhome = \"@/roots/f/{number}\"\n"));
    }
    let told = fixture.apply(&text, false).await.unwrap_err().to_string();
    assert_eq!(told.matches("it lies inside the folder").count(), 1000);
    assert!(told.ends_with("and 2000 more mistakes"), "{told:.100}");
}
