//! Copies a store of an older version into memory and upgrades the copy, so that `check` can inspect it without
//! changing the file.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};

use super::migrations;

/// Returns the upgraded copy of a store of version `from`. It lives as long as the pool, whose one connection holds it.
pub(super) fn upgraded_copy(path: &Path, immutable: bool, from: i64) -> SqlitePool {
    let path = path.to_owned();
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .shared_cache(false)
        .foreign_keys(false);
    SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let path = path.clone();
            Box::pin(async move { fill(connection, path, immutable, from).await })
        })
        .connect_lazy_with(options)
}

/// Copies all tables first and then the other objects, because triggers must not run for copied rows.
async fn fill(
    connection: &mut SqliteConnection,
    path: PathBuf,
    immutable: bool,
    from: i64,
) -> sqlx::Result<()> {
    sqlx::query("ATTACH DATABASE $1 AS old")
        .bind(uri(&path, immutable))
        .execute(&mut *connection)
        .await?;
    let sql = "SELECT type, name, sql FROM old.sqlite_master \
               WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type <> 'table'";
    let objects: Vec<(String, String, String)> = sqlx::query_as(sql).fetch_all(&mut *connection).await?;
    for (kind, name, sql) in objects {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *connection)
            .await?;
        if kind == "table" {
            // Generated columns are left out: they are not inserted.
            let columns = "SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"') FROM pragma_table_info($1, 'old')";
            let columns: String = sqlx::query_scalar(columns)
                .bind(&name)
                .fetch_one(&mut *connection)
                .await?;
            let name = name.replace('"', "\"\"");
            let copy =
                format!("INSERT INTO main.\"{name}\" ({columns}) SELECT {columns} FROM old.\"{name}\"");
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy))
                .execute(&mut *connection)
                .await?;
        }
    }
    sqlx::raw_sql("DETACH DATABASE old")
        .execute(&mut *connection)
        .await?;
    for step in migrations::migrations() {
        if step.version > from {
            sqlx::raw_sql(step.sql).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Returns the file as a URI that opens it for reading only.
fn uri(path: &Path, immutable: bool) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?mode=ro");
    if immutable {
        uri.push_str("&immutable=1");
    }
    uri
}
