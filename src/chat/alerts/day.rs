//! The daily digest in words.

use super::passed;
use crate::base::text::{escape, shorten};
use crate::base::time::human;
use crate::monitors::incidents::Day;
use std::time::Duration;

/// Incidents and titles that a day names.
const NAMED: usize = 10;

/// A day.
pub(super) fn day(day: &Day) -> String {
    let mut html = format!("📅 <b>The day until {}</b>", escape(&day.date));
    let total: u64 = day.jobs.iter().map(|(_, count)| count).sum();
    let failed: u64 = day.failed.iter().map(|(_, count)| count).sum();
    html.push_str(&match (total, failed) {
        (0, _) => "\nJobs: none".to_owned(),
        (total, 0) => format!("\nJobs: {total}, none failed"),
        (total, failed) => format!("\nJobs: {total}, {failed} failed"),
    });
    for (title, count) in day.failed.iter().take(NAMED) {
        html.push_str(&format!("\n❌ {} × {count}", escape(&shorten(title, 60))));
    }
    if day.incidents.is_empty() {
        html.push_str("\nIncidents: none");
        return html;
    }
    let lasted: Duration = day
        .incidents
        .iter()
        .map(|one| {
            let end = one.cleared.unwrap_or(day.to).min(day.to);
            end.since(one.began.max(day.from))
        })
        .sum();
    let open = day
        .incidents
        .iter()
        .filter(|one| one.cleared.is_none())
        .count();
    html.push_str(&format!(
        "\nIncidents: {}, {} in all",
        day.incidents.len(),
        human(lasted)
    ));
    if open > 0 {
        html.push_str(&format!(", {open} still open"));
    }
    let mut named: Vec<_> = day.incidents.iter().collect();
    named.sort_by_key(|one| (one.cleared.is_some(), std::cmp::Reverse(one.worst), one.id));
    for one in named.iter().take(NAMED) {
        html.push_str(&format!("\n{}", passed(one, day.to)));
    }
    if named.len() > NAMED {
        html.push_str(&format!(
            "\n… and {} more: /alerts history",
            named.len() - NAMED
        ));
    }
    html
}
