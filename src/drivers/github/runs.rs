//! Runs as GitHub tells them.

use crate::base::time::Millis;
use chrono::DateTime;
use serde_json::Value;

/// A run of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: u64,
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    /// How it ended: `success`, `failure`, `cancelled`, …
    pub conclusion: Option<String>,
    /// Its page.
    pub link: Option<String>,
    /// When it began to exist, by GitHub's clock.
    pub created: Millis,
    /// When it last changed, by GitHub's clock: of one that is over, when it ended.
    pub updated: Millis,
    /// Which try of the same run it is, from 1.
    pub attempt: u64,
    /// The commit that it is of.
    pub commit: Option<String>,
    /// Its branch or tag.
    pub branch: Option<String>,
    /// Whether its commit is of the repository itself, and no pull request brought it: what somebody else's copy calls `main` is
    /// not what it is here.
    pub is_own: bool,
    /// What began it, such as `workflow_dispatch`.
    pub event: String,
    /// The file of its workflow, as a path.
    pub path: Option<String>,
    /// Its name.
    pub title: String,
}

impl Run {
    /// Whether it ended. A status that is not known counts as one that has not.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status == "completed" || self.conclusion.is_some()
    }

    /// Whether it ended well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(
            self.conclusion.as_deref(),
            Some("success" | "neutral" | "skipped")
        )
    }
}

/// A page of runs.
pub(super) struct Listed {
    runs: Vec<Run>,
    /// Whether no page follows.
    last: bool,
    ahead: i64,
}

impl Listed {
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// By how many milliseconds GitHub's clock was ahead of ours then.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead
    }

    pub(super) fn active(&self) -> Vec<Run> {
        let active = self.runs.iter().filter(|run| !run.is_over());
        active.cloned().collect()
    }
}

/// Reads the page that follows `before` runs and holds `most` at the most. What it lists counts, whatever number it says;
/// one that lists less than it says leaves something out.
///
/// # Errors
/// What is missing.
pub(super) fn read_list(
    json: &Value,
    before: usize,
    most: usize,
    ahead: i64,
) -> Result<Listed, String> {
    let listed = json.get("workflow_runs").and_then(Value::as_array);
    let total = json.get("total_count").and_then(Value::as_u64);
    let (Some(listed), Some(total)) = (listed, total) else {
        return Err("GitHub's answer holds no list of runs.".to_owned());
    };
    let runs: Option<Vec<Run>> = listed.iter().map(read_run).collect();
    let runs = runs.ok_or("GitHub's answer holds a run without id or status.")?;
    let left = usize::try_from(total)
        .unwrap_or(usize::MAX)
        .saturating_sub(before);
    if runs.len() < left.min(most) {
        let (found, promised) = (runs.len(), left.min(most));
        return Err(format!("GitHub lists {found} of {promised} runs."));
    }
    Ok(Listed {
        last: left <= runs.len(),
        runs,
        ahead,
    })
}

pub(super) fn read_run(json: &Value) -> Option<Run> {
    let text = |name: &str| json.get(name)?.as_str().map(str::to_owned);
    let time = |name: &str| {
        let at = text(name).and_then(|at| DateTime::parse_from_rfc3339(&at).ok());
        at.map_or(Millis::default(), |at| Millis(at.timestamp_millis()))
    };
    let repository = |name: &str| json.get(name)?.get("full_name")?.as_str();
    let home = repository("repository").zip(repository("head_repository"));
    let event = text("event").unwrap_or_default();
    Some(Run {
        is_own: home.is_some_and(|(home, head)| home.eq_ignore_ascii_case(head))
            && !event.starts_with("pull_request"),
        id: json.get("id")?.as_u64()?,
        status: text("status")?,
        conclusion: text("conclusion"),
        link: text("html_url")
            .filter(|link| link.starts_with("https://") || link.starts_with("http://")),
        created: time("created_at"),
        updated: time("updated_at"),
        attempt: json.get("run_attempt").and_then(Value::as_u64).unwrap_or(1),
        commit: text("head_sha"),
        event,
        branch: text("head_branch"),
        path: text("path"),
        title: text("display_title")
            .or_else(|| text("name"))
            .unwrap_or_default(),
    })
}
