//! The migrations of the store's tables.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

/// Returns the steps from an empty file to the current version, which is the number of the last step. A released step
/// must never be edited.
pub(super) fn migrations() -> Vec<Migration> {
    let list = [
        (
            1,
            "users and host keys",
            include_str!("migrations/0001_users_and_host_keys.sql"),
        ),
        (
            2,
            "use of homes",
            include_str!("migrations/0002_use_of_homes.sql"),
        ),
        (3, "the store's id", include_str!("migrations/0003_store_id.sql")),
        (
            4,
            "incarnations and changes",
            include_str!("migrations/0004_incarnations_and_changes.sql"),
        ),
        (5, "sign-ins", include_str!("migrations/0005_sign_ins.sql")),
        (6, "rates", include_str!("migrations/0006_rates.sql")),
        (
            7,
            "groups and folders",
            include_str!("migrations/0007_groups_and_folders.sql"),
        ),
        (
            8,
            "declared passwords",
            include_str!("migrations/0008_declared_passwords.sql"),
        ),
        (9, "browsers and tokens", include_str!("migrations/0009_web.sql")),
    ];
    list.into_iter()
        .map(|(version, title, sql)| {
            Migration::new(
                version,
                title.into(),
                MigrationType::Simple,
                sql.into_sql_str(),
                false,
            )
        })
        .collect()
}

/// Returns the version to which this program upgrades a store.
pub(super) fn latest() -> i64 {
    migrations()
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}
