//! Users, groups and folders as a file: what it declares is compared with the store ([`plan`]), and made so in one
//! transaction ([`apply`]). What the file looks like is known to the configuration, which reads it, and to [`export`].

pub mod apply;
pub mod changes;
pub mod declaration;
pub mod export;
pub mod fields;
pub mod gaps;
pub mod import;
mod place_mistakes;
pub mod plan;
