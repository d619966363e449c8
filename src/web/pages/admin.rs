//! The pages of administrators: what the server does, and what can be changed. For others they do not exist.
//!
//! All of it can be read without a script; `admin.mjs` sends the forms to the API, and keeps the list of sessions up to
//! date while it is seen.

mod audit;
mod frame;
mod homes;
mod overview;
mod sharing;
mod users;

use std::sync::Arc;

use axum::Router;

use crate::web::app::WebApp;

/// Returns the routes of the pages.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(audit::routes())
        .merge(homes::routes())
        .merge(overview::routes())
        .merge(sharing::routes())
        .merge(users::routes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What the policy of pages forbids is not in them, and no form puts a password into an address where scripts are off.
    #[test]
    fn templates_have_nothing_inline_and_forms_never_show_what_they_send() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/templates");
        let mut count = 0;
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("admin_") {
                continue;
            }
            count += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("style=") && !text.contains("onclick"), "{name}");
            assert_eq!(
                text.matches("<script").count(),
                text.matches("<script type=\"module\" src=").count(),
                "{name}"
            );
            for form in text.split("<form ").skip(1) {
                let tag = form.split('>').next().unwrap();
                let is_sent = tag.contains("data-api=");
                assert!(!is_sent || tag.contains("method=\"post\""), "{name}: {tag}");
            }
        }
        assert!(count > 10, "{count}");
    }
}
