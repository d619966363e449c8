//! The state of one-time codes: which were taken, and which recovery codes are left. It is not part of a user's record.

use sqlx::sqlite::SqliteConnection;

use crate::domain::user::UserName;

/// Takes a code's step if it is later than all that were taken from the user before, and returns whether it is.
pub(super) async fn take_step(
    connection: &mut SqliteConnection,
    name: &UserName,
    step: i64,
) -> sqlx::Result<bool> {
    let sql = "INSERT INTO totp_steps (user_name, step) SELECT name, $2 FROM users WHERE name = $1 \
               ON CONFLICT (user_name) DO UPDATE SET step = excluded.step WHERE excluded.step > step";
    let done = sqlx::query(sql)
        .bind(name.as_str())
        .bind(step)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets the codes that were taken: the user gets another secret.
pub(super) async fn forget_steps(connection: &mut SqliteConnection, name: &UserName) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM totp_steps WHERE user_name = $1")
        .bind(name.as_str())
        .execute(connection)
        .await
        .map(drop)
}

/// Replaces the hashes of a user's recovery codes.
pub(super) async fn set_recovery_codes(
    connection: &mut SqliteConnection,
    name: &UserName,
    hashes: &[String],
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_name = $1")
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    for hash in hashes {
        sqlx::query("INSERT INTO recovery_codes (user_name, hash) VALUES ($1, $2)")
            .bind(name.as_str())
            .bind(hash)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes a recovery code by its hash, and returns whether the user had it.
pub(super) async fn take_recovery_code(
    connection: &mut SqliteConnection,
    name: &UserName,
    hash: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM recovery_codes WHERE user_name = $1 AND hash = $2")
        .bind(name.as_str())
        .bind(hash)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Returns the number of recovery codes that a user has left.
pub(super) async fn recovery_codes_left(
    connection: &mut SqliteConnection,
    name: &UserName,
) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM recovery_codes WHERE user_name = $1")
        .bind(name.as_str())
        .fetch_one(connection)
        .await
}
