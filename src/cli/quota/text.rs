//! Formats the use of homes as text.

use crate::accounts::account::UsageAccuracy;
use crate::cli::{output, sharing};
use crate::ops::quota::MeasuredHome;
use crate::ops::usage::{AccountHolder, HomeUsage};
use base::size::Size;

/// Formats the use of one home, with a line for each property.
pub fn usage(usage: &HomeUsage) -> String {
    let size = |bytes: u64| match bytes {
        0..1024 => output::counted(bytes, "byte"),
        _ => format!("{bytes} bytes ({})", Size(bytes)),
    };
    let of = |used: Option<String>, quota: Option<String>| {
        let used = used.map_or_else(|| "?".to_owned(), |used| format!("{}{used}", usage.at_most()));
        let quota = quota.unwrap_or_else(|| "unlimited".to_owned());
        format!("{used} of {quota}")
    };
    let known = match usage.unreadable_clause() {
        Some(unreadable) => format!("{}; {unreadable}", accuracy(usage)),
        None => accuracy(usage),
    };
    let number = |number: u64| number.to_string();
    output::lines(&[
        ("name", usage.holder.to_string()),
        (usage.holder.place(), usage.home.display().to_string()),
        (
            "used",
            of(usage.used_bytes.map(size), usage.quota.bytes.map(size)),
        ),
        (
            "files",
            of(usage.used_files.map(number), usage.quota.files.map(number)),
        ),
        ("known", known),
    ])
}

/// Formats the use of a user's folders, with a line for each.
pub fn folders(usages: &[HomeUsage]) -> String {
    let line = |usage: &HomeUsage| {
        let text = format!("/{}: {}", usage.holder, sharing::used_of(usage));
        output::lines(&[("folder", text)])
    };
    usages.iter().map(line).collect()
}

/// Formats how far the numbers can be relied on, and how to get better ones.
fn accuracy(usage: &HomeUsage) -> String {
    let (name, place) = (usage.holder.argument(), usage.holder.place());
    match usage.accuracy {
        Some(UsageAccuracy::Exact) => match usage.exceeded() {
            Some(quota) => format!("exact, and over {quota}: existing files stay, nothing can grow"),
            None => "exact".to_owned(),
        },
        Some(UsageAccuracy::AtCeiling) => {
            format!(
                "no more than this; exact once the {place} has been measured (homeportd quota scan {name})"
            )
        }
        Some(UsageAccuracy::Unmeasurable) => format!(
            "the {place} cannot be measured, so only what is known to fit can grow in it (homeportd quota scan {name} \
             says why)"
        ),
        None => format!("not measured yet; the first sign-in does it, or homeportd quota scan {name}"),
    }
}

/// Formats a name, with the word "folder" behind that of a folder.
fn named(holder: &AccountHolder) -> String {
    match holder {
        AccountHolder::User(name) => name.to_string(),
        AccountHolder::Folder(name) => format!("{name} (folder)"),
    }
}

/// Formats a table of all homes and folders, with a line for each.
pub fn table(usages: &[HomeUsage]) -> String {
    let header = ["NAME", "USED", "QUOTA", "FILES", "MAX FILES", "KNOWN", "HOME"];
    let mut rows = vec![header.map(str::to_owned)];
    let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    for usage in usages {
        let known = match usage.accuracy {
            Some(UsageAccuracy::Exact) if usage.exceeded().is_some() => "exact, over quota",
            Some(UsageAccuracy::Exact) => "exact",
            Some(UsageAccuracy::AtCeiling) => "at most",
            Some(UsageAccuracy::Unmeasurable) => "not measurable",
            None => "not measured",
        };
        rows.push([
            named(&usage.holder),
            or(usage.used_bytes.map(|b| Size(b).to_string()), "-"),
            or(usage.quota.bytes.map(|b| Size(b).to_string()), "unlimited"),
            or(usage.used_files.map(|n| n.to_string()), "-"),
            or(usage.quota.files.map(|n| n.to_string()), "unlimited"),
            known.to_owned(),
            usage.home.display().to_string(),
        ]);
    }
    output::columns(&rows)
}

/// Formats a home that was measured: `calvin: at most 64.0 MiB, 10000 files -> 1.0 MiB, 12 files (1048576 bytes)`.
pub fn measured(home: &MeasuredHome) -> String {
    let (before, after) = (&home.measurement.before, &home.measurement.after);
    let names: Vec<String> = home.holders.iter().map(named).collect();
    let names = names.join(", ");
    let numbers = |usage: &HomeUsage| (usage.used_bytes, usage.used_files);
    let exact = match after.used_bytes {
        Some(bytes @ 1024..) => format!(" ({bytes} bytes)"),
        _ => String::new(),
    };
    let mut text = if before.is_exact() && numbers(before) == numbers(after) {
        format!("{names}: {}{exact}, as before", after.used())
    } else {
        format!("{names}: {} -> {}{exact}", before.used(), after.used())
    };
    if let Some(quota) = after.exceeded() {
        text.push_str(&format!("; over {quota}"));
    }
    if let Some(unreadable) = after.unreadable_clause() {
        text.push_str(&format!("; {unreadable}"));
    }
    text.push('\n');
    text
}
